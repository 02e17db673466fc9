//! How many of the last outcomes were failures.
//!
//! Outcomes are counted in a fixed number of buckets, so the window slides by a bucket at a time and
//! reaches back between nine and ten of them. In scope: counting. Out of scope: what the numbers
//! mean.

use super::Millis;

const BUCKETS: u8 = 10;

#[derive(Debug)]
pub(super) struct Window {
    bucket_ms: i64,
    buckets: [Bucket; BUCKETS as usize],
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// Which stretch of time it is for, counted from 1970.
    number: i64,
    successes: u32,
    failures: u32,
}

impl Window {
    pub(super) fn new(window_ms: u32) -> Self {
        let bucket_ms = i64::from(window_ms / u32::from(BUCKETS)).max(1);
        Self { bucket_ms, buckets: [Bucket::default(); BUCKETS as usize] }
    }

    pub(super) fn success(&mut self, now: Millis) {
        if let Some(bucket) = self.bucket(now) {
            bucket.successes = bucket.successes.saturating_add(1);
        }
    }

    pub(super) fn failure(&mut self, now: Millis) {
        if let Some(bucket) = self.bucket(now) {
            bucket.failures = bucket.failures.saturating_add(1);
        }
    }

    /// All outcomes in the window, and the failures among them. Buckets of the future, which a
    /// clock leaves that is set back, do not count.
    pub(super) fn totals(&self, now: Millis) -> (u64, u64) {
        let current = self.number(now);
        let ages = 0..i64::from(BUCKETS);
        self.buckets
            .iter()
            .filter(|bucket| ages.contains(&current.saturating_sub(bucket.number)))
            .fold((0, 0), |(outcomes, failures), bucket| {
                let failed = u64::from(bucket.failures);
                (outcomes + failed + u64::from(bucket.successes), failures + failed)
            })
    }

    /// The bucket for `now`. There always is one.
    fn bucket(&mut self, now: Millis) -> Option<&mut Bucket> {
        let number = self.number(now);
        let place = usize::try_from(number.rem_euclid(i64::from(BUCKETS))).ok()?;
        let bucket = self.buckets.get_mut(place)?;
        if bucket.number != number {
            *bucket = Bucket { number, ..Bucket::default() };
        }
        Some(bucket)
    }

    fn number(&self, now: Millis) -> i64 {
        now.div_euclid(self.bucket_ms)
    }
}
