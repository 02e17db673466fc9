//! One auth service: whether it may be asked, and how we show who we are.

use std::cell::RefCell;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::core::algorithm::Algorithm;
use crate::core::breaker::{Breaker, Policy, Refused, State, Ticket};
use crate::core::claims::Millis;
use crate::core::config::Introspection;
use crate::core::introspection::{self, Silence};
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
    /// The last call about a token, by the token's hash, as long as somebody may wait for it.
    calls: RefCell<BTreeMap<u64, Call>>,
    lease_ms: u32,
}

/// A call about one token.
enum Call {
    /// It began then.
    UnderWay(Millis),
    /// It brought no answer.
    Silent(Silence, Millis),
}

impl Call {
    /// Whether somebody may still wait for it, or for what came of it.
    const fn counts(&self, now: Millis, lease_ms: Millis) -> bool {
        let (Self::UnderWay(at) | Self::Silent(_, at)) = self;
        // One from the future began before the clock was set back.
        let age = now.saturating_sub(*at);
        0 <= age && age < lease_ms
    }
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
        }
    }

    /// Whether calls pass as usual.
    pub(super) fn is_asked(&self, now: Millis) -> bool {
        matches!(self.breaker.borrow().state(now), State::Closed)
    }

    /// Why the last call about a token brought no answer, if it ended after `since`.
    pub(super) fn silence_about(&self, token: u64, since: Millis) -> Option<Silence> {
        match self.calls.borrow().get(&token)? {
            Call::Silent(silence, at) => (*at >= since).then_some(*silence),
            Call::UnderWay(_) => None,
        }
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
        if is_closed
            && let Some(call @ Call::UnderWay(_)) = calls.get(&token)
            && call.counts(now, lease_ms)
        {
            return Admission::UnderWay;
        }
        match breaker.admit(now) {
            Ok(ticket) => {
                if calls.len() >= MOST_CALLS {
                    calls.retain(|_, call| call.counts(now, lease_ms));
                }
                if calls.len() < MOST_CALLS {
                    calls.insert(token, Call::UnderWay(now));
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
        let mut calls = self.calls.borrow_mut();
        match silence {
            Some(silence) if calls.contains_key(&token) => {
                calls.insert(token, Call::Silent(silence, now));
            }
            Some(_) | None => drop(calls.remove(&token)),
        }
        let mut breaker = self.breaker.borrow_mut();
        let before = breaker.state(now).name();
        match silence {
            Some(silence) if silence.is_outage() => breaker.failed(ticket, now, random),
            Some(_) | None => breaker.succeeded(ticket, now),
        }
        Some(breaker.state(now).name()).filter(|after| *after != before)
    }

    /// What the breaker does, for the health report.
    pub(super) fn report_state(&self, now: Millis) -> Value {
        let seconds = |millis: Millis| millis.div_euclid(1_000);
        let state = self.breaker.borrow().state(now);
        match state {
            State::Closed => json!({ "breaker": state.name() }),
            State::Open { since, until } => json!({
                "breaker": state.name(), "since": seconds(since), "until": seconds(until),
            }),
            State::HalfOpen { since } => {
                json!({ "breaker": state.name(), "since": seconds(since) })
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
