//! What the gate counts and how things are, on their way to the operator.
//!
//! In scope: what an isolate hands over and when, and the page for who asks. Out of scope: adding it up
//! ([`crate::core::metrics`]), and getting it there (`crate::edge`).

use std::cell::{Cell, RefCell};

use super::Gate;
use super::admin::metrics_response;
use crate::core::claims::Millis;
use crate::core::config::RemoteKeys;
use crate::core::denial::TextResponse;
use crate::core::metrics::handover::Handover;
use crate::core::metrics::{Kind, Readings, series};
use crate::core::verify::SignatureEngine;

/// After so long without a batch the next one goes to the relay itself, in milliseconds, whatever its answer
/// to another isolate would save.
const OVERDUE_MS: Millis = 10_000;

/// For how long a request looks after what is left to hand over, in milliseconds: less than the platform lets
/// something go on after a response.
const WATCH_MS: Millis = 20_000;

/// After so long without an answer a WebSocket asks on its own when it is looked at, in milliseconds: its
/// isolate is believed to be there for a minute, and what a socket may ask is counted by the platform.
const SOCKET_MS: Millis = 29_000;

/// How long what was counted waits for a request that takes it along, in milliseconds: a watch is longer.
const LONGEST_WAIT_MS: Millis = 15_000;

/// What an isolate still has to hand over.
pub(super) struct Metrics {
    handover: RefCell<Handover>,
    /// When a batch was last on its way.
    sent_at: Cell<Millis>,
    /// When the relay itself last answered one, or the first was sent.
    answered_at: Cell<Option<Millis>>,
    /// Until when somebody sees to it that the rest is handed over.
    watched_until: Cell<Millis>,
}

impl Metrics {
    pub(super) fn new(isolate: u64) -> Self {
        Self {
            handover: RefCell::new(Handover::new(isolate)),
            sent_at: Cell::new(0),
            answered_at: Cell::new(None),
            watched_until: Cell::new(0),
        }
    }
}

impl<E: SignatureEngine> Gate<E> {
    /// What goes with the next question to the relay.
    pub fn metrics_batch(&self, now: Millis) -> String {
        self.metrics.sent_at.set(now);
        self.metrics.answered_at.set(self.metrics.answered_at.get().or(Some(now)));
        let readings = self.readings(now);
        self.metrics.handover.borrow_mut().batch(&readings)
    }

    /// Whether the next question must not be answered by what the relay has told another isolate.
    #[must_use]
    pub fn is_batch_overdue(&self, now: Millis) -> bool {
        let since = self.metrics.answered_at.get().map_or(0, |at| now.saturating_sub(at));
        !(0..OVERDUE_MS).contains(&since)
    }

    /// Whether a WebSocket has to see to it that the relay hears of this isolate, since no request does: how
    /// things are in an isolate is believed for a minute, and sockets are looked at oftener.
    #[must_use]
    pub fn is_batch_needed(&self, now: Millis) -> bool {
        let since = |at: Millis| !(0..SOCKET_MS).contains(&now.saturating_sub(at));
        let was_answered = self.metrics.answered_at.get();
        self.revokes() && was_answered.is_none_or(since) && since(self.metrics.sent_at.get())
    }

    /// The relay answers at `now`, and says up to which batch all are kept.
    pub fn batches_are_kept(&self, number: u32, now: Millis) {
        self.metrics.answered_at.set(Some(now));
        if let Some(revocations) = &self.revocations {
            revocations.age_was_told();
        }
        self.metrics.handover.borrow_mut().are_kept(number);
    }

    /// Whether a request has to see to it that what was counted is handed over, although none may follow:
    /// until when, if nobody does.
    pub fn watch_metrics(&self, now: Millis) -> Option<Millis> {
        let until = now.saturating_add(WATCH_MS);
        let is_watched = (now..=until).contains(&self.metrics.watched_until.get());
        (self.revokes() && !is_watched).then(|| {
            self.metrics.watched_until.set(until);
            until
        })
    }

    /// In how many milliseconds to look again whether a batch has to be sent on its own, or `None` if there
    /// is nothing to send. 0: now.
    pub fn next_batch_ms(&self, now: Millis) -> Option<u32> {
        // A request within this time refreshes the list, and takes it along.
        let wait_ms =
            self.settings.revocation.refresh_seconds.saturating_mul(1_500).min(LONGEST_WAIT_MS);
        let since = now.saturating_sub(self.metrics.sent_at.get());
        if (0..wait_ms).contains(&since) {
            return u32::try_from(wait_ms.saturating_sub(since)).ok();
        }
        let is_owed = self.metrics.handover.borrow().is_owed(&self.tally.readings());
        is_owed.then_some(0)
    }

    /// Nobody sees to it any more.
    pub fn unwatch_metrics(&self) {
        self.metrics.watched_until.set(0);
    }

    /// The page: what all have handed over, as the hub says, or what this isolate knows by itself.
    pub fn metrics_page(&self, hub: Option<&[u8]>, now: Millis) -> TextResponse {
        let hub = hub.and_then(|said| str::from_utf8(said).ok());
        // Nonsense has no counters, either, and must not look as if all of them began anew.
        let hub = hub.map(|said| Readings::read(said.lines()));
        let hub = hub.filter(|hub| hub.get("auth_hub_up") > 0);
        let own = self.readings(now);
        let mut sum = match hub {
            Some(mut sum) => {
                sum.take_all(&own.zeros());
                sum
            }
            None => own.of(Kind::Sum),
        };
        sum.take(Kind::Greatest, "auth_hub_up", 0);
        // Where the relay does not answer, this isolate is the one that still can.
        sum.take_all(&own.of(Kind::Greatest));
        metrics_response(sum.page())
    }

    /// Everything that this isolate has counted, and how things are.
    fn readings(&self, now: Millis) -> Readings {
        let mut readings = self.tally.readings();
        let mut say = |kind, family: &str, labels: &[(&str, &str)], number: u64| {
            readings.take(kind, &series(family, labels), number);
        };
        let (open, _) = self.tally.sockets();
        say(Kind::Sum, "auth_isolates", &[], 1);
        say(Kind::Sum, "auth_websockets_open", &[], open);
        say(Kind::Greatest, "auth_misconfigured", &[], 0);
        say(Kind::Greatest, "auth_shadow_rules", &[], self.shadow_rules().count() as u64);
        let millis = |millis: Millis| u64::try_from(millis).unwrap_or(0);
        if let Some(revocations) = &self.revocations {
            let bound = self.settings.revocation.max_staleness_seconds.saturating_mul(1_000);
            say(Kind::Greatest, "auth_revocation_bound_seconds", &[], millis(bound));
            // One that could not be had at all is at least as old as it may be.
            let age = revocations.age_in_use(now).unwrap_or(bound);
            say(Kind::Greatest, "auth_revocation_list_age_seconds", &[], millis(age));
        }
        for (at, provider) in self.settings.providers.iter().enumerate() {
            let name = provider.name.as_str();
            if let Some(service) = self.services.get(at).and_then(Option::as_ref) {
                for (state, number) in service.breaker_states(now) {
                    let labels = [("provider", name), ("state", state)];
                    say(Kind::Sum, "auth_breaker_state", &labels, number);
                }
            }
            let Some(ring) = self.keys.get(at) else { continue };
            let has_failed = ring.has_failed(now);
            // Of a set that nobody has needed so far nothing is known.
            let counts = ring.counts(now);
            let is_known = has_failed || counts.iter().any(|(_, number)| *number > 0);
            for (state, number) in counts.into_iter().filter(|_| is_known) {
                say(Kind::Greatest, "auth_keys", &[("provider", name), ("state", state)], number);
            }
            if let Some(RemoteKeys { max_stale_seconds, .. }) = provider.remote_keys {
                let (labels, limit) =
                    ([("provider", name)], max_stale_seconds.saturating_mul(1_000));
                say(Kind::Greatest, "auth_jwks_limit_seconds", &labels, millis(limit));
                // One that is too old has not been used since, unless it cannot be fetched.
                let age = ring.fetched_at().map_or(limit, |at| now.saturating_sub(at));
                if has_failed || age < limit {
                    say(Kind::Greatest, "auth_jwks_age_seconds", &labels, millis(age));
                }
            }
        }
        readings
    }
}
