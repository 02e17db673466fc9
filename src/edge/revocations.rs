//! Revocations, as an isolate meets them: refreshing its list, and passing on what the admin wants.

use std::cell::OnceCell;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::Request;

use super::boot::{Isolate, Ready};
use super::crypto::RuntimeCrypto;
use super::glue::{self, Context};
use super::objects::{HUB, HUB_NAME, MOST_DELTA_BYTES, RELAY, address};
use super::{keys, log, now, respond};
use crate::core::claims::Millis;
use crate::core::denial::TextResponse;
use crate::core::revocation::entry::{LogId, Number};
use crate::core::revocation::order::MOST_ORDER_BYTES;
use crate::core::revocation::published::Published;
use crate::core::revocation::region::RelayName;
use crate::core::sealed::MOST_PART_BYTES;
use crate::core::verify::SignatureEngine as _;
use crate::gate::{NotTaken, RevocationCall};

/// The most parts of the log that one refresh takes: more than a list has room for.
const MOST_PARTS: usize = 64;

/// How long the hub may take for what an admin wants, in milliseconds: it waits for relays.
const HUB_TIMEOUT_MS: u32 = 5_000;

/// The longest answer of the hub, in bytes: a page of the longest revocations.
const MOST_ANSWER_BYTES: u32 = 4 * 1024 * 1024;

/// The Durable Objects, if there are any.
pub(super) struct Relays {
    pub(super) hub: JsValue,
    pub(super) namespace: JsValue,
    /// The relay of this isolate, chosen by its first request: an isolate stays where it is.
    name: OnceCell<RelayName>,
}

impl Relays {
    pub(super) fn of(env: &JsValue) -> Self {
        Self {
            hub: glue::object_namespace(env, HUB),
            namespace: glue::object_namespace(env, RELAY),
            name: OnceCell::new(),
        }
    }

    /// Whether both bindings are there.
    pub(super) fn exist(&self) -> bool {
        !self.hub.is_undefined() && !self.namespace.is_undefined()
    }

    /// Whether there is one without the other.
    pub(super) fn exist_in_part(&self) -> bool {
        self.hub.is_undefined() != self.namespace.is_undefined()
    }

    /// The relay. It is near the first request that is known.
    pub(super) fn name(&self, gate: &Ready, request: Option<&Request>) -> &RelayName {
        self.name.get_or_init(|| {
            let place = request.map(glue::place_of).unwrap_or_default();
            let mut place = place.split('\n');
            let (continent, longitude) = (place.next().unwrap_or_default(), place.next());
            let relays_per_region = gate.settings().revocation.relays_per_region;
            let random = RuntimeCrypto.random();
            let degrees = longitude.and_then(|it| it.split('.').next()?.parse().ok());
            RelayName::choose(continent, degrees, random, relays_per_region)
        })
    }
}

/// Whose answers refresh a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The relay's, or one that it has just given to another isolate of the data centre.
    Shared,
    /// The relay's alone.
    Relay,
    /// The relay's, after it has asked the hub.
    Hub,
}

/// Refreshes the list: from the relay or, where that does not answer, from what the hub has published.
pub(super) async fn refresh(
    isolate: &'static Isolate,
    gate: &'static Ready,
    request: Option<&Request>,
    source: Source,
) {
    // A list that has nothing does not wait for the relay's time limit before it looks into KV.
    let is_new = gate.list_position().0.is_none() && gate.publishes();
    let published = is_new.then(|| {
        glue::promise(async move {
            read_published(isolate, gate).await;
            JsValue::UNDEFINED
        })
    });
    if pull(isolate, gate, request, source).await {
        return;
    }
    match published {
        Some(published) => drop(JsFuture::from(published).await),
        None if gate.publishes() => read_published(isolate, gate).await,
        None => {}
    }
}

/// Takes the list from KV, as far as it is newer there.
async fn read_published(isolate: &Isolate, gate: &Ready) {
    let head = isolate.kv.get(&Published::head_key(), None).await;
    let Some(published) = gate.hear_published(head.stored(), now()) else { return };
    for after in gate.lacking_parts(&published) {
        let kv_key = Published::part_key(published.log, after);
        let wait_ms = gate.settings().revocation.timeout_ms;
        let part = isolate.kv.get_up_to(&kv_key, wait_ms, MOST_PART_BYTES).await;
        if !gate.hear_published_part(&published, after, part.stored(), now()) {
            return;
        }
    }
    gate.take_published(&published, now());
}

/// Asks the relay. Whether it has answered, and what it answered was taken.
async fn pull(isolate: &Isolate, gate: &Ready, request: Option<&Request>, source: Source) -> bool {
    let asked_at = now();
    let mut position = gate.begin_list(asked_at);
    let relay = isolate.relays.name(gate, request);
    let settings = &gate.settings().revocation;
    let usual_ms = settings.refresh_seconds.saturating_mul(1_000);
    let refresh_ms = if source == Source::Hub { 0 } else { usual_ms };
    let is_shared = source == Source::Shared && !gate.is_batch_overdue(asked_at);
    let mut batch = gate.metrics_batch(asked_at);
    for _ in 0..MOST_PARTS {
        let path =
            format!("/pull?{}{}", question(position, refresh_ms), address(&relay.name, relay.hint));
        let answer = glue::pull(
            &isolate.relays.namespace,
            &relay.name,
            relay.hint,
            &path,
            batch.as_bytes(),
            if is_shared { u32::try_from(refresh_ms).unwrap_or(0) } else { 0 },
            settings.timeout_ms,
            MOST_DELTA_BYTES,
        )
        .await;
        if let Some(number) = answer.kept() {
            gate.batches_are_kept(number, now());
            // It need not go with the next part.
            batch.clear();
        }
        let asked_at = asked_at.saturating_sub(answer.older_ms().unwrap_or(0).into());
        let part = match (answer.fault(), answer.status()) {
            (None, 200) => answer.body(),
            (None, status) => {
                failed(isolate, gate, &format!("status {status}"), now());
                return false;
            }
            (Some(fault), _) => {
                failed(isolate, gate, &fault, now());
                return false;
            }
        };
        match hear(isolate, gate, &part, asked_at) {
            Heard::All => {
                if source != Source::Shared {
                    gate.relay_was_asked(asked_at);
                }
                return true;
            }
            Heard::Part(next) => position = next,
            Heard::Nothing => return false,
        }
    }
    failed(isolate, gate, "too many parts", now());
    false
}

/// What an answer of a relay brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// All that there is, as young as a relay is while the hub answers it.
    All,
    /// There is more: from which position on to ask for it.
    Part((Option<LogId>, Number)),
    /// Nothing of use.
    Nothing,
}

/// Takes what a relay has answered to a question that was asked at `asked_at`.
pub(super) fn hear(isolate: &Isolate, gate: &Ready, part: &[u8], asked_at: Millis) -> Heard {
    let usual_ms = gate.settings().revocation.refresh_seconds.saturating_mul(1_000);
    let why = match gate.hear_delta(part, asked_at, now()) {
        Ok(head) if !head.is_whole() => return Heard::Part(gate.list_position()),
        Ok(head) if head.age_ms.is_some_and(|age_ms| i64::from(age_ms) <= usual_ms) => {
            log::list_refreshed(isolate, now());
            return Heard::All;
        }
        Ok(_) => "the relay does not reach the hub",
        // The hub had to begin anew: so does the list.
        Err(NotTaken::Gap) => return Heard::Part((None, 0)),
        Err(why) => why.name(),
    };
    failed(isolate, gate, why, now());
    Heard::Nothing
}

fn failed(isolate: &Isolate, gate: &Ready, why: &str, now: Millis) {
    gate.list_was_not_refreshed(now);
    log::list_not_refreshed(isolate, gate, why, now);
}

/// What a relay is asked: what came after a position, and how old it may be.
pub(super) fn question((log, after): (Option<LogId>, Number), refresh_ms: i64) -> String {
    format!("log={}&after={after}&refresh_ms={refresh_ms}", log.unwrap_or_default())
}

/// Refreshes the list whatever becomes of the request: the promise of that.
pub(super) fn refresh_later(
    isolate: &'static Isolate,
    gate: &'static Ready,
    request: Request,
    context: &Context,
) -> Promise {
    let refresh = glue::promise(async move {
        refresh(isolate, gate, Some(&request), Source::Shared).await;
        JsValue::UNDEFINED
    });
    context.wait_until(&refresh);
    refresh
}

/// The promise of the answer to a call.
pub(super) fn answer(
    isolate: &'static Isolate,
    gate: &'static Ready,
    request: Request,
    context: &Context,
    call: RevocationCall,
) -> JsValue {
    let method = request.method();
    context.promise(async move {
        respond::send(&carry_out(isolate, gate, &request, &call).await, &method)
    })
}

async fn carry_out(
    isolate: &'static Isolate,
    gate: &'static Ready,
    request: &Request,
    call: &RevocationCall,
) -> TextResponse {
    let body = match call {
        RevocationCall::Add | RevocationCall::RevokeToken(_) => {
            let most_bytes = u32::try_from(MOST_ORDER_BYTES).unwrap_or(u32::MAX);
            glue::body(request, most_bytes).await
        }
        RevocationCall::List { .. } | RevocationCall::Undo(_) => None,
    };
    let mut question = gate.hub_call(call, body.as_deref(), false, now());
    if question.is_err()
        && let Some(provider) = gate.take_due()
    {
        // Without the keys nobody can tell whose token it is.
        let fetched = keys::fetch(isolate, gate, provider).await;
        if let Some(change) = fetched.change {
            isolate.kv.apply(&change).await;
        }
        question = gate.hub_call(call, body.as_deref(), fetched.is_new, now());
        gate.take_due();
    }
    let question = match question {
        Ok(question) => question,
        Err(answer) => return answer,
    };
    let answer = glue::call_object(
        &isolate.relays.hub,
        HUB_NAME,
        None,
        question.path,
        Some(question.body.as_bytes()),
        HUB_TIMEOUT_MS,
        MOST_ANSWER_BYTES,
    )
    .await;
    let said = answer.fault().is_none().then(|| (answer.status(), answer.body()));
    let said = said.as_ref().map(|(status, body)| (*status, body.as_slice()));
    if !matches!(call, RevocationCall::List { .. }) && said.is_some_and(|(it, _)| it == 200) {
        // Who asked here sees it here.
        refresh(isolate, gate, Some(request), Source::Hub).await;
    }
    gate.revocation_answer(call, said)
}
