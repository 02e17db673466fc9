//! The isolate's state: made on the first request, kept until the isolate ends.
//!
//! Bindings never change within an isolate, since every deployment and every changed secret starts
//! new ones. So a configuration that cannot be used stays so, and is not read again.

use std::cell::{Cell, OnceCell};

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::Closure;
use web_sys::Request;

use super::crypto::RuntimeCrypto;
use super::events::Events;
use super::head::PackedHead;
use super::kv::Kv;
use super::revocations::Relays;
use super::{glue, log, now};
use crate::core::config::{self, Origin, TABLE};
use crate::core::denial::Code;
use crate::core::log::Troubles;
use crate::core::log_budget::{LogBudget, MILLION};
use crate::core::problem::Problem;
use crate::core::verify::SignatureEngine as _;
use crate::gate::{Bindings, Gate, Misconfigured};

/// What an isolate knows.
pub(super) struct Isolate {
    pub(super) state: State,
    /// The service binding of the origin, or `undefined`.
    pub(super) service: JsValue,
    /// The files of the test page, or `undefined`.
    pub(super) assets: JsValue,
    failure_ids: FailureIds,
    /// Which lines are written.
    pub(super) log: config::Log,
    /// What is told when it changes.
    pub(super) troubles: Troubles,
    /// Where this is: an isolate stays there.
    colo: OnceCell<String>,
    /// For denials that are the client's fault.
    denials_logged: LogBudget,
    /// For faults of ours and of the origin, which no flood of the others must hide.
    pub(super) faults_logged: LogBudget,
    /// For permits that rest on less than usual.
    pub(super) degraded_logged: LogBudget,
    /// For supervised WebSockets that we end.
    pub(super) sockets_logged: LogBudget,
    /// Memory for the head of a request, used again by the next one.
    head: Cell<Vec<u8>>,
    /// Where isolates leave each other what they have found out.
    pub(super) kv: Kv,
    /// Where revocations come from.
    pub(super) relays: Relays,
    /// Where data points go.
    pub(super) events: Events,
    _on_origin_failure: Closure<dyn Fn(Request, String) -> JsValue>,
}

/// The gate, by the runtime's cryptography.
pub(super) type Ready = Gate<RuntimeCrypto>;

/// Whether there is a gate.
pub(super) enum State {
    /// There is.
    Ready(Box<Ready>),
    /// The configuration or a secret cannot be used.
    Misconfigured(Misconfigured),
}

thread_local! {
    static ISOLATE: OnceCell<&'static Isolate> = const { OnceCell::new() };
}

impl Isolate {
    /// The isolate's state, made where this is the first request. It lives as long as the wasm
    /// instance, so that work which goes on after a response can keep it.
    pub(super) fn of(env: &JsValue) -> &'static Self {
        ISOLATE.with(|isolate| *isolate.get_or_init(|| Box::leak(Box::new(Self::boot(env)))))
    }

    /// The state, for something that only happens after a request.
    pub(super) fn booted() -> Option<&'static Self> {
        ISOLATE.with(|isolate| isolate.get().copied())
    }

    /// A text that connects a response with its log line; no two responses share one.
    pub(super) fn failure_id(&self) -> String {
        self.failure_ids.next()
    }

    /// What may be logged of denials with this code.
    pub(super) const fn log_budget(&self, code: Code) -> &LogBudget {
        if code.status() < 500 { &self.denials_logged } else { &self.faults_logged }
    }

    /// Finds out where this is, by a request of a client. Once, because asking the platform costs.
    pub(super) fn see_colo(&self, request: &Request) {
        let colo = |place: String| place.split('\n').nth(2).map(str::to_owned);
        self.colo.get_or_init(|| colo(glue::place_of(request)).unwrap_or_default());
    }

    /// The data centre, as far as that is known.
    pub(super) fn colo(&self) -> Option<&str> {
        self.colo.get().map(String::as_str).filter(|colo| !colo.is_empty())
    }

    /// Reads the head of a request.
    pub(super) fn head(&self, request: &Request) -> PackedHead {
        PackedHead::read(request, self.head.take())
    }

    /// Takes back the memory of a head that is not needed any more.
    pub(super) fn recycle(&self, head: PackedHead) {
        self.head.set(head.into_buffer());
    }

    #[inline(never)] // see docs/performance.md, "Cold start"
    fn boot(env: &JsValue) -> Self {
        let secret = |name: &str| glue::binding_text(env, name);
        let mut kv = Kv::of(env);
        let relays = Relays::of(env);
        let assets = glue::service_binding(env, "ASSETS");
        let bindings = Bindings {
            has_kv: kv.exists(),
            has_relays: relays.exist(),
            has_some_relays: relays.exist_in_part(),
            has_page: !assets.is_undefined(),
        };
        let (state, service) = match Self::ready(env, &secret, bindings) {
            Ok((gate, service)) => (State::Ready(Box::new(gate)), service),
            Err(problems) => {
                for problem in &problems {
                    log::problem(problem, now());
                }
                let gate = Misconfigured::new(secret(TABLE).as_deref(), &secret, problems);
                (State::Misconfigured(gate), JsValue::UNDEFINED)
            }
        };
        let handler: Closure<dyn Fn(Request, String) -> JsValue> =
            Closure::new(|request: Request, message: String| {
                super::origin_failed(&request, &message)
            });
        glue::on_origin_failure(&handler);
        let mut settings = config::Log::default();
        if let State::Ready(gate) = &state {
            kv.timeout_ms = gate.settings().validation_cache_timeout_ms;
            settings = gate.settings().log;
        }
        glue::log_faults(settings.level.map_or(0, |_| settings.lines_per_second));
        let budget = |share| LogBudget::new(settings.lines_per_second, share);
        let isolate = Self {
            state,
            service,
            assets,
            kv,
            relays,
            events: Events::of(env),
            failure_ids: FailureIds::new(),
            log: settings,
            troubles: Troubles::default(),
            colo: OnceCell::new(),
            denials_logged: budget(settings.sample),
            faults_logged: budget(MILLION),
            degraded_logged: budget(MILLION),
            sockets_logged: budget(MILLION),
            head: Cell::default(),
            _on_origin_failure: handler,
        };
        if let State::Ready(gate) = &isolate.state {
            for text in &gate.report().warnings {
                log::warning(&isolate, text, now());
            }
        }
        isolate
    }

    fn ready(
        env: &JsValue,
        secret: &dyn Fn(&str) -> Option<String>,
        bindings: Bindings,
    ) -> Result<(Ready, JsValue), Vec<Problem>> {
        let table = secret(TABLE).ok_or_else(|| vec![Problem::of_missing_table()])?;
        let gate = Gate::boot(&table, secret, bindings, RuntimeCrypto)?;
        let service = match &gate.settings().origin {
            Origin::Url(_) => JsValue::UNDEFINED,
            Origin::Service(name) => {
                let service = glue::service_binding(env, name);
                if service.is_undefined() {
                    return Err(vec![Problem::of_missing_service(name)]);
                }
                service
            }
        };
        Ok((gate, service))
    }
}

/// Numbers failures within the isolate, behind a random prefix: cheap even in a flood of them.
struct FailureIds {
    isolate: u64,
    last: Cell<u32>,
}

impl FailureIds {
    fn new() -> Self {
        Self { isolate: RuntimeCrypto.random(), last: Cell::new(0) }
    }

    fn next(&self) -> String {
        let number = self.last.get().wrapping_add(1);
        self.last.set(number);
        format!("{:016x}-{number:x}", self.isolate)
    }
}
