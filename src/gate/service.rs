//! One auth service: whether it may be asked, and how we show who we are.

use std::cell::{Cell, RefCell};
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
const MOST_UNDER_WAY: usize = 1_024;

/// For how long after its time limit a call counts as under way, in milliseconds: the request that
/// makes it can end before the answer is there.
const GRACE_MS: u32 = 1_000;

/// The longest password that is sent, in bytes.
pub(super) const MOST_SECRET_BYTES: usize = 4_096;

/// An auth service.
pub(super) struct AuthService<K> {
    client: Client<K>,
    breaker: RefCell<Breaker>,
    /// Hashes of the tokens that are being asked about, and until when that may take.
    under_way: RefCell<BTreeMap<u64, Millis>>,
    lease_ms: u32,
    /// Why the last call brought no answer, and when; nothing if it did.
    last_silence: Cell<Option<(Silence, Millis)>>,
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
            under_way: RefCell::default(),
            lease_ms,
            last_silence: Cell::new(None),
        }
    }

    /// Whether calls pass as usual.
    pub(super) fn is_asked(&self, now: Millis) -> bool {
        matches!(self.breaker.borrow().state(now), State::Closed)
    }

    /// Why the last call brought no answer, and when; nothing if it did.
    pub(super) const fn last_silence(&self) -> Option<(Silence, Millis)> {
        self.last_silence.get()
    }

    /// Whether the last call was refused because of us.
    pub(super) const fn refuses_us(&self) -> bool {
        matches!(self.last_silence.get(), Some((Silence::RefusesUs, _)))
    }

    /// Asks for a call about the token with this hash.
    pub(super) fn admit(&self, token: u64, now: Millis) -> Admission {
        let mut under_way = self.under_way.borrow_mut();
        let mut breaker = self.breaker.borrow_mut();
        let is_waited_for = |until: &Millis| {
            let left = until.saturating_sub(now);
            // More than a whole lease is left only if the clock was set back.
            left > 0 && left <= Millis::from(self.lease_ms)
        };
        // A call from before the breaker opened will hardly bring an answer.
        let is_closed = matches!(breaker.state(now), State::Closed);
        if is_closed && under_way.get(&token).is_some_and(is_waited_for) {
            return Admission::UnderWay;
        }
        match breaker.admit(now) {
            Ok(ticket) => {
                if under_way.len() >= MOST_UNDER_WAY {
                    under_way.retain(|_, until| is_waited_for(until));
                }
                if under_way.len() < MOST_UNDER_WAY {
                    under_way.insert(token, now.saturating_add(self.lease_ms.into()));
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
        self.under_way.borrow_mut().remove(&token);
        self.last_silence.set(silence.map(|silence| (silence, now)));
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
