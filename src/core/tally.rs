//! What became of the requests, in numbers.
//!
//! Counting costs an addition and allocates nothing, and there are as many counters as there are
//! reasons: nothing that a client sends makes another. In scope: counting. Out of scope: where the
//! numbers are shown.

use std::cell::Cell;

use super::denial::Reason;

/// Counts, from the start of the isolate on.
#[derive(Debug)]
pub struct Tally {
    permitted: Counter,
    denied: [Counter; Reason::ALL.len()],
    hits: Counter,
    misses: Counter,
}

impl Tally {
    /// Nothing was counted yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            permitted: Counter::new(),
            denied: [const { Counter::new() }; Reason::ALL.len()],
            hits: Counter::new(),
            misses: Counter::new(),
        }
    }

    /// Counts a request that may go to the origin.
    pub fn permit(&self) {
        self.permitted.count();
    }

    /// Counts a request that is answered with a denial. One that its origin then fails counts twice,
    /// as permitted, too.
    pub fn deny(&self, reason: Reason) {
        // The list has them all.
        if let Some(counter) = self.denied.get(reason as usize) {
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

    /// How many requests were permitted.
    #[must_use]
    pub const fn permitted(&self) -> u64 {
        self.permitted.get()
    }

    /// The reasons that there were, and how often.
    pub fn denied(&self) -> impl Iterator<Item = (Reason, u64)> {
        let all = Reason::ALL.iter().zip(&self.denied);
        all.map(|(reason, counter)| (*reason, counter.get())).filter(|(_, count)| *count > 0)
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
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug)]
struct Counter(Cell<u64>);

impl Counter {
    const fn new() -> Self {
        Self(Cell::new(0))
    }

    fn count(&self) {
        // A million a second would need half a million years to go around.
        self.0.set(self.0.get().wrapping_add(1));
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
        tally.permit();
        tally.deny(Reason::Expired);
        tally.hit();
        tally.hit();
        tally.miss();
        assert_eq!(tally.denied().collect::<Vec<_>>(), [(Reason::Expired, 1)]);
        assert_eq!((tally.permitted(), tally.hits(), tally.misses()), (1, 2, 1));
    }
}
