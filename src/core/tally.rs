//! What became of the requests, in numbers.
//!
//! Counting costs an addition and allocates nothing, and there are as many counters as there are
//! reasons: nothing that a client sends makes another. In scope: counting. Out of scope: where the
//! numbers are shown.

use std::cell::Cell;

use super::claims::Millis;
use super::denial::{Check, Code, Reason};
use super::introspection::Silence;
use super::metrics::{BUCKETS, Kind, Readings, bucket, series};
use super::mode::Mode;
use super::sealed::Rejected;
use super::socket::Ending;

/// Counts, from the start of the isolate on.
#[derive(Debug)]
pub struct Tally {
    permitted: Counter,
    denied: [Counter; Reason::ALL.len()],
    shadowed: [Counter; Reason::ALL.len()],
    hits: Counter,
    misses: Counter,
    stored_hits: Counter,
    stored_misses: Counter,
    stored_rejected: [Counter; Rejected::ALL.len()],
    stored_late: Counter,
    answers: Counter,
    silences: [Counter; Silence::ALL.len()],
    degraded: [Counter; Mode::DEGRADED.len()],
    opened: Counter,
    closed: Counter,
    closed_by_peer: Counter,
    endings: [Counter; Ending::ALL.len()],
    keys_fetched: Counter,
    keys_not_fetched: Counter,
    decisions: Durations,
    service_calls: Durations,
}

impl Tally {
    /// Nothing was counted yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            permitted: Counter::new(),
            denied: [const { Counter::new() }; Reason::ALL.len()],
            shadowed: [const { Counter::new() }; Reason::ALL.len()],
            hits: Counter::new(),
            misses: Counter::new(),
            stored_hits: Counter::new(),
            stored_misses: Counter::new(),
            stored_rejected: [const { Counter::new() }; Rejected::ALL.len()],
            stored_late: Counter::new(),
            answers: Counter::new(),
            silences: [const { Counter::new() }; Silence::ALL.len()],
            degraded: [const { Counter::new() }; Mode::DEGRADED.len()],
            opened: Counter::new(),
            closed: Counter::new(),
            closed_by_peer: Counter::new(),
            endings: [const { Counter::new() }; Ending::ALL.len()],
            keys_fetched: Counter::new(),
            keys_not_fetched: Counter::new(),
            decisions: Durations::new(),
            service_calls: Durations::new(),
        }
    }

    /// Counts a request that may go to the origin, and on what that rests.
    pub fn permit(&self, mode: Mode) {
        self.permitted.count();
        count_one(&Mode::DEGRADED, &self.degraded, &mode);
    }

    /// Counts a request that is answered with a denial. One that its origin then fails, or that is a handshake and
    /// refused after its permit, counts twice, as permitted, too.
    pub fn deny(&self, reason: Reason) {
        // The list has them all.
        if let Some(counter) = self.denied.get(reason as usize) {
            counter.count();
        }
    }

    /// Counts a request that goes to the origin although it would have been denied.
    pub fn shadow(&self, reason: Reason) {
        if let Some(counter) = self.shadowed.get(reason as usize) {
            counter.count();
        }
    }

    /// Counts a token that was known.
    pub fn hit(&self) {
        self.hits.count();
    }

    /// Counts a good token that was not known. Bad ones do not count, so that a flood of them leaves
    /// the ratio of hits as it is.
    pub fn miss(&self) {
        self.misses.count();
    }

    /// Counts an entry of KV that was of use.
    pub fn stored_hit(&self) {
        self.stored_hits.count();
    }

    /// Counts a look into KV that found nothing, or, if it is late, had no answer in time.
    pub fn stored_miss(&self, is_late: bool) {
        let counter = if is_late { &self.stored_late } else { &self.stored_misses };
        counter.count();
    }

    /// Counts an entry of KV that does not count.
    pub fn stored_rejected(&self, rejected: Rejected) {
        count_one(&Rejected::ALL, &self.stored_rejected, &rejected);
    }

    /// Counts a call of an auth service that took so many milliseconds, and why it gave no answer, if it
    /// did not.
    pub fn service(&self, silence: Option<Silence>, took: Millis) {
        match silence {
            None => self.answers.count(),
            Some(silence) => count_one(&Silence::ALL, &self.silences, &silence),
        }
        self.service_calls.count(took);
    }

    /// Counts how long a decision took, in milliseconds.
    pub fn decided(&self, took: Millis) {
        self.decisions.count(took);
    }

    /// Counts an attempt to fetch a published key set, and whether that brought one.
    pub fn fetch_keys(&self, is_fetched: bool) {
        let counter = if is_fetched { &self.keys_fetched } else { &self.keys_not_fetched };
        counter.count();
    }

    /// Counts a supervised WebSocket that was opened.
    pub fn open_socket(&self) {
        self.opened.count();
    }

    /// Counts one that is gone, and whether that was because one side had closed it.
    pub fn close_socket(&self, is_by_peer: bool) {
        self.closed.count();
        if is_by_peer {
            self.closed_by_peer.count();
        }
    }

    /// Counts one that we ended, and why.
    pub fn end_socket(&self, ending: Ending) {
        count_one(&Ending::ALL, &self.endings, &ending);
    }

    /// How many requests were permitted.
    #[must_use]
    pub const fn permitted(&self) -> u64 {
        self.permitted.get()
    }

    /// The reasons that there were, and how often.
    pub fn denied(&self) -> impl Iterator<Item = (Reason, u64)> {
        counted(&Reason::ALL, &self.denied)
    }

    /// Why requests would have been denied that were not, and how often.
    pub fn shadowed(&self) -> impl Iterator<Item = (Reason, u64)> {
        counted(&Reason::ALL, &self.shadowed)
    }

    /// How many tokens were known.
    #[must_use]
    pub const fn hits(&self) -> u64 {
        self.hits.get()
    }

    /// How many good tokens were not known.
    #[must_use]
    pub const fn misses(&self) -> u64 {
        self.misses.get()
    }

    /// All of it, for the metrics: also what did not happen.
    #[must_use]
    pub fn readings(&self) -> Readings {
        let mut readings = Readings::default();
        let mut count = |family: &str, labels: &[(&str, &str)], number: u64| {
            readings.take(Kind::Count, &series(family, labels), number);
        };
        let decision = "auth_requests_total";
        count(decision, &[("decision", "permitted"), ("code", "none")], self.permitted());
        for (reason, counter) in Reason::ALL.iter().zip(&self.denied) {
            let (code, denied) = (reason.code(), counter.get());
            count("auth_denials_total", &[("reason", reason.name())], denied);
            count(decision, &[("decision", code.decision()), ("code", code.name())], denied);
            if reason.check().is_some_and(|check| check >= Check::Credentials) {
                let shadowed = self.shadowed.get(*reason as usize).map_or(0, Counter::get);
                count(decision, &[("decision", "shadowed"), ("code", code.name())], shadowed);
            }
            let is_ours = matches!(code, Code::Misconfigured | Code::AuthUnavailable);
            count("auth_validation_errors_total", &[], if is_ours { denied } else { 0 });
        }
        for (tier, hits, misses) in
            [("l1", &self.hits, &self.misses), ("l2", &self.stored_hits, &self.stored_misses)]
        {
            count("auth_cache_hits_total", &[("tier", tier)], hits.get());
            count("auth_cache_misses_total", &[("tier", tier)], misses.get());
        }
        let rejected = Rejected::ALL.iter().map(|why| why.name()).zip(&self.stored_rejected);
        for (kind, counter) in rejected.chain([("late", &self.stored_late)]) {
            count("auth_cache_errors_total", &[("tier", "l2"), ("kind", kind)], counter.get());
        }
        let silences = Silence::ALL.iter().map(|silence| silence.name()).zip(&self.silences);
        for (outcome, counter) in silences.chain([("answered", &self.answers)]) {
            count("auth_service_requests_total", &[("outcome", outcome)], counter.get());
        }
        for (mode, counter) in Mode::DEGRADED.iter().zip(&self.degraded) {
            let mode = mode.name().unwrap_or_default();
            count("auth_degraded_total", &[("mode", mode)], counter.get());
        }
        let endings = Ending::ALL.iter().map(|ending| ending.name()).zip(&self.endings);
        for (reason, counter) in endings.chain([("peer", &self.closed_by_peer)]) {
            count("auth_websockets_closed_total", &[("reason", reason)], counter.get());
        }
        for (outcome, counter) in
            [("fetched", &self.keys_fetched), ("failed", &self.keys_not_fetched)]
        {
            count("auth_jwks_refresh_total", &[("outcome", outcome)], counter.get());
        }
        self.decisions.read("auth_validation_duration_seconds", &mut readings);
        self.service_calls.read("auth_service_duration_seconds", &mut readings);
        readings
    }

    /// How many entries of KV were of use, and how many looks found nothing, or not in time.
    #[must_use]
    pub const fn stored(&self) -> (u64, u64) {
        (self.stored_hits.get(), self.stored_misses.get() + self.stored_late.get())
    }

    /// Why entries of KV did not count, and how often.
    pub fn rejected(&self) -> impl Iterator<Item = (Rejected, u64)> {
        counted(&Rejected::ALL, &self.stored_rejected)
    }

    /// How often auth services answered.
    #[must_use]
    pub const fn answers(&self) -> u64 {
        self.answers.get()
    }

    /// Why they did not, and how often.
    pub fn silences(&self) -> impl Iterator<Item = (Silence, u64)> {
        counted(&Silence::ALL, &self.silences)
    }

    /// How many supervised WebSockets are open, and how many there ever were.
    #[must_use]
    pub const fn sockets(&self) -> (u64, u64) {
        let opened = self.opened.get();
        (opened.saturating_sub(self.closed.get()), opened)
    }

    /// Why we ended some of them, and how often.
    pub fn endings(&self) -> impl Iterator<Item = (Ending, u64)> {
        counted(&Ending::ALL, &self.endings)
    }

    /// On what less than usual permits rested, and how often.
    pub fn degraded(&self) -> impl Iterator<Item = (Mode, u64)> {
        counted(&Mode::DEGRADED, &self.degraded)
    }
}

/// Counts a word of a closed list.
fn count_one<T: PartialEq>(all: &[T], counters: &[Counter], one: &T) {
    let mut counted = all.iter().zip(counters);
    if let Some((_, counter)) = counted.find(|(word, _)| *word == one) {
        counter.count();
    }
}

/// The words of a closed list that were counted, and how often.
fn counted<'t, T: Copy>(
    all: &'t [T],
    counters: &'t [Counter],
) -> impl Iterator<Item = (T, u64)> + 't {
    let all = all.iter().zip(counters);
    all.map(|(word, counter)| (*word, counter.get())).filter(|(_, count)| *count > 0)
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

/// How long something took, and how often.
#[derive(Debug)]
struct Durations {
    buckets: [Counter; BUCKETS + 1],
    /// All together, in milliseconds.
    sum: Counter,
}

impl Durations {
    const fn new() -> Self {
        Self { buckets: [const { Counter::new() }; BUCKETS + 1], sum: Counter::new() }
    }

    fn count(&self, took: Millis) {
        if let Some(counter) = self.buckets.get(bucket(took)) {
            counter.count();
        }
        self.sum.add(u64::try_from(took).unwrap_or(0));
    }

    fn read(&self, family: &str, readings: &mut Readings) {
        let buckets = self.buckets.each_ref().map(Counter::get);
        readings.take_histogram(family, &buckets, self.sum.get());
    }
}

#[derive(Debug)]
struct Counter(Cell<u64>);

impl Counter {
    const fn new() -> Self {
        Self(Cell::new(0))
    }

    fn count(&self) {
        self.add(1);
    }

    fn add(&self, amount: u64) {
        // A million a second would need half a million years to go around.
        self.0.set(self.0.get().wrapping_add(amount));
    }

    const fn get(&self) -> u64 {
        self.0.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_counter_of_its_own() {
        let tally = Tally::new();
        for (number, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, number, "{reason:?}");
            for _ in 0..=number {
                tally.deny(*reason);
            }
        }
        let counts: Vec<_> = tally.denied().collect();
        let expected: Vec<_> = Reason::ALL.iter().copied().zip(1..).collect();
        assert_eq!(counts, expected);
    }

    #[test]
    fn what_did_not_happen_is_not_listed() {
        let tally = Tally::new();
        tally.permit(Mode::Normal);
        tally.permit(Mode::Stale);
        tally.deny(Reason::Expired);
        tally.hit();
        tally.hit();
        tally.miss();
        assert_eq!(tally.denied().collect::<Vec<_>>(), [(Reason::Expired, 1)]);
        assert_eq!(tally.degraded().collect::<Vec<_>>(), [(Mode::Stale, 1)]);
        assert_eq!((tally.permitted(), tally.hits(), tally.misses()), (2, 2, 1));
    }
}
