//! One auth service: whether it may be asked, and how we show who we are.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::core::algorithm::Algorithm;
use crate::core::breaker::{Breaker, Policy, Refused, State, Ticket};
use crate::core::claims::Millis;
use crate::core::config::Introspection;
use crate::core::introspection::{self, Silence};
use crate::core::json::object;
use crate::core::verify::SignatureEngine;

/// How many tokens are remembered as being asked about. Beyond that, a token may be asked about
/// twice at the same time, which is only more work.
const MOST_CALLS: usize = 1_024;

/// For how long after its time limit a call counts as under way, in milliseconds: the request that
/// makes it can end before the answer is there.
const GRACE_MS: u32 = 1_000;

/// The longest password that is sent, in bytes.
pub(super) const MOST_SECRET_BYTES: usize = 4_096;

/// An auth service.
pub(super) struct AuthService<K> {
    client: Client<K>,
    breaker: RefCell<Breaker>,
    /// By the token's hash, as long as somebody may wait for them.
    calls: RefCell<BTreeMap<u64, Calls>>,
    lease_ms: u32,
    /// Whether it refused us when it was last asked.
    refuses_us: Cell<bool>,
}

/// The last calls about one token.
#[derive(Clone, Copy, Default)]
struct Calls {
    /// When the one that is under way began.
    began: Option<Millis>,
    /// Why the last one brought no answer, and when that was known.
    silent: Option<(Silence, Millis)>,
}

impl Calls {
    /// Whether one is under way that somebody may wait for.
    fn is_under_way(&self, now: Millis, lease_ms: Millis) -> bool {
        self.began.is_some_and(|at| is_recent(at, now, lease_ms))
    }

    /// Whether somebody may still wait for one, or for what came of one.
    fn counts(&self, now: Millis, lease_ms: Millis) -> bool {
        let silent = self.silent.is_some_and(|(_, at)| is_recent(at, now, lease_ms));
        silent || self.is_under_way(now, lease_ms)
    }
}

/// What is from the future was before the clock was set back.
fn is_recent(at: Millis, now: Millis, lease_ms: Millis) -> bool {
    (0..lease_ms).contains(&now.saturating_sub(at))
}

/// How we show who we are.
pub(super) enum Client<K> {
    /// The value of `Authorization`.
    Basic(String),
    /// A key that signs statements.
    Key { key: K, algorithm: Algorithm, key_id: Option<String> },
}

/// Whether the service may be asked about a token.
pub(super) enum Admission {
    /// It may.
    Ask(Ticket),
    /// Another request is asking.
    UnderWay,
    /// It may not, until then.
    Refused(Millis),
}

impl<K> AuthService<K> {
    pub(super) fn new(settings: &Introspection, client: Client<K>) -> Self {
        let lease_ms = settings.timeout_ms.saturating_add(GRACE_MS);
        let policy = Policy { probe_lease_ms: lease_ms, ..Policy::default() };
        Self {
            client,
            breaker: RefCell::new(Breaker::new(policy)),
            calls: RefCell::default(),
            lease_ms,
            refuses_us: Cell::new(false),
        }
    }

    /// Whether it refused us when it was last asked.
    pub(super) const fn refuses_us(&self) -> bool {
        self.refuses_us.get()
    }

    /// Whether calls pass as usual.
    pub(super) fn is_asked(&self, now: Millis) -> bool {
        matches!(self.breaker.borrow().state(now), State::Closed)
    }

    /// Why the last call about a token that has ended brought no answer, if it ended after `since`.
    pub(super) fn silence_about(&self, token: u64, since: Millis) -> Option<Silence> {
        let (silence, at) = self.calls.borrow().get(&token)?.silent?;
        (at >= since).then_some(silence)
    }

    /// For how long a call can be under way, in milliseconds.
    pub(super) fn lease_ms(&self) -> Millis {
        self.lease_ms.into()
    }

    /// Asks for a call about the token with this hash.
    pub(super) fn admit(&self, token: u64, now: Millis) -> Admission {
        let mut calls = self.calls.borrow_mut();
        let mut breaker = self.breaker.borrow_mut();
        let lease_ms = self.lease_ms();
        // A call from before the breaker opened will hardly bring an answer.
        let is_closed = matches!(breaker.state(now), State::Closed);
        if is_closed && calls.get(&token).is_some_and(|calls| calls.is_under_way(now, lease_ms)) {
            return Admission::UnderWay;
        }
        match breaker.admit(now) {
            Ok(ticket) => {
                if calls.len() >= MOST_CALLS {
                    calls.retain(|_, calls| calls.counts(now, lease_ms));
                }
                if calls.len() < MOST_CALLS {
                    // Who waited for the last one still has to learn what came of it.
                    calls.entry(token).or_default().began = Some(now);
                }
                Admission::Ask(ticket)
            }
            Err(Refused { until }) => Admission::Refused(until),
        }
    }

    /// The call has ended. Gives back the state of the breaker if that has changed it.
    pub(super) fn report(
        &self,
        token: u64,
        ticket: Ticket,
        silence: Option<Silence>,
        now: Millis,
        random: u32,
    ) -> Option<&'static str> {
        self.refuses_us.set(silence == Some(Silence::RefusesUs));
        let mut calls = self.calls.borrow_mut();
        match silence {
            Some(silence) => {
                if let Some(calls) = calls.get_mut(&token) {
                    *calls = Calls { began: None, silent: Some((silence, now)) };
                }
            }
            None => drop(calls.remove(&token)),
        }
        let mut breaker = self.breaker.borrow_mut();
        let before = breaker.state(now).name();
        match silence {
            Some(silence) if silence.is_outage() => breaker.failed(ticket, now, random),
            Some(_) | None => breaker.succeeded(ticket, now),
        }
        Some(breaker.state(now).name()).filter(|after| *after != before)
    }

    /// For each state of a breaker, whether it is in it: 1 or 0.
    pub(super) fn breaker_states(&self, now: Millis) -> [(&'static str, u64); 3] {
        let state = self.breaker.borrow().state(now).name();
        ["closed", "open", "half_open"].map(|one| (one, u64::from(one == state)))
    }

    /// What the breaker does, for the health report.
    pub(super) fn report_state(&self, now: Millis) -> Value {
        let seconds = |millis: Millis| millis.div_euclid(1_000);
        let state = self.breaker.borrow().state(now);
        match state {
            State::Closed => object! { "breaker": state.name() },
            State::Open { since, until } => object! {
                "breaker": state.name(), "since": seconds(since), "until": seconds(until),
            },
            State::HalfOpen { since } => {
                object! { "breaker": state.name(), "since": seconds(since) }
            }
        }
    }

    /// What a call carries to show who we are: the value of `Authorization`, or a statement.
    /// Nothing if the platform cannot sign.
    pub(super) fn proof<E: SignatureEngine<SigningKey = K>>(
        &self,
        engine: &E,
        settings: &Introspection,
        issuer: &str,
        now: Millis,
    ) -> Option<(Option<String>, Option<String>)> {
        match &self.client {
            Client::Basic(value) => Some((Some(value.clone()), None)),
            Client::Key { key, algorithm, key_id } => {
                let input = introspection::statement(
                    algorithm.name(),
                    key_id.as_deref(),
                    &settings.client_id,
                    issuer,
                    u128::from(engine.random()) << 64 | u128::from(engine.random()),
                    now.div_euclid(1_000),
                );
                let signature = engine.sign(key, input.as_bytes())?;
                let statement = format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
                Some((None, Some(statement)))
            }
        }
    }
}
