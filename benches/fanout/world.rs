//! What a run begins with: who is where.

use std::collections::BTreeMap;

use edgeward::core::claims::Millis;
use edgeward::core::refresh::{RefreshClock, Schedule, Step};

use super::assumptions::{
    CENTRES, FLATTENED_BY, IDLE_AFTER, LEAST_RATE, MAX_STALENESS, MOST_RATE, REFRESH, REGIONS,
    RETRY, TIMEOUT,
};
use super::clockwork::{MILLISECOND, Micros, SECOND};
use super::random::Random;

/// Where data centres are, and how large, is the same in every run.
const SEED: u64 = 7;

/// A data centre.
pub struct Centre {
    pub region: usize,
    /// The relay that it asks.
    pub relay: u16,
    /// What was answered to those who have a number.
    pub cache: BTreeMap<u32, Cached>,
}

/// An answer in the cache of a data centre.
#[derive(Clone, Copy)]
pub struct Cached {
    pub until: Micros,
    pub answer: Answer,
}

/// What a relay, or a cache, says to an isolate.
#[derive(Clone, Copy, Default)]
pub struct Answer {
    /// It has everything up to this number.
    pub number: u32,
    /// The age that the relay gives; none if it was not certain since it started.
    pub age_ms: Option<u32>,
    /// By how much it can be older, as it was in a cache.
    pub older_ms: u32,
    /// Since when that is really so: nobody there knows.
    pub certain_at: Micros,
}

/// An isolate. Requests come to it independently, at a mean rate. Only those that make it pull are events;
/// how many came in between, and when the last of them came, is drawn when somebody wants to know.
pub struct Isolate {
    pub clock: RefreshClock,
    pub centre: u16,
    /// The mean time between requests, in microseconds.
    pub gap: f64,
    /// It has all revocations up to this one.
    pub number: u32,
    /// When its last pull began.
    pub asked_at: Micros,
    /// Which one that was.
    pub attempt: u32,
    pub is_pulling: bool,
    /// When it does not wait for the relay any more.
    pub gives_up_at: Micros,
    /// One way of that pull to the relay.
    pub way: Micros,
    /// On its way to it.
    pub answer: Answer,
    /// From when on a request makes it pull.
    pub eligible_at: Micros,
    /// The request that began the pull waits for it a moment, as the isolate was idle.
    pub is_patient: bool,
    /// The last request that it permitted by what it had.
    pub last_permit: Micros,
    /// Up to when that is known.
    pub drawn_until: Micros,
    /// How many requests wait for the pull however long it takes, as the list does not count.
    pub waiting: f64,
}

impl Isolate {
    /// When its list ceases to count.
    pub fn expires_at(&self) -> Micros {
        micros(self.clock.fetched_at()) + MAX_STALENESS
    }

    /// The earliest time from now on at which the clock lets a request fetch.
    pub fn next_attempt(&self, now: Micros) -> Micros {
        let may_at = match self.clock.on_miss(millis(now)) {
            Step::CoolingDown(until) => micros(Some(until)),
            _ => now,
        };
        may_at.max(micros(self.clock.fetched_at()) + REFRESH)
    }

    /// From when on a request waits for a pull, or would, as the isolate was idle.
    pub fn idle_at(&self) -> Micros {
        self.eligible_at.max(micros(self.clock.fetched_at()) + IDLE_AFTER)
    }
}

/// As the clock counts. It rounds down.
pub const fn millis(time: Micros) -> Millis {
    (time / MILLISECOND) as Millis
}

fn micros(time: Option<Millis>) -> Micros {
    time.unwrap_or_default() as Micros * MILLISECOND
}

/// The data centres, largest first.
pub fn centres(relays_per_region: usize) -> Vec<Centre> {
    let mut random = Random::new(SEED);
    let mut regions: Vec<usize> = (0..REGIONS.len())
        .flat_map(|region| std::iter::repeat_n(region, REGIONS[region].centres))
        .collect();
    assert_eq!(regions.len(), CENTRES);
    for last in (1..regions.len()).rev() {
        regions.swap(last, random.below(last + 1));
    }
    let mut count = [0; REGIONS.len()];
    let centre = |region: usize| {
        count[region] += 1;
        let relay = (region * relays_per_region + count[region] % relays_per_region) as u16;
        Centre { region, relay, cache: BTreeMap::new() }
    };
    regions.into_iter().map(centre).collect()
}

/// The isolates. They have just pulled, one after the other in the second before `begin`.
pub fn isolates(count: usize, begin: Micros) -> Vec<Isolate> {
    let mut random = Random::new(SEED + 1);
    let mut sizes = Vec::with_capacity(CENTRES);
    let mut sum = 0.0;
    for rank in 0..CENTRES {
        sum += 1.0 / (rank as f64 + FLATTENED_BY);
        sizes.push(sum);
    }
    let isolate = |_| {
        let place = random.share() * sum;
        let rate = LEAST_RATE * (MOST_RATE / LEAST_RATE).powf(random.share());
        let asked_at = begin - random.between(0, SECOND);
        let mut clock = RefreshClock::new(Schedule {
            refresh_ms: millis(REFRESH),
            max_stale_ms: millis(MAX_STALENESS),
            attempt_ms: millis(TIMEOUT),
            cooldown_ms: millis(REFRESH),
            cooldown_without_ms: millis(RETRY),
            pause_ms: millis(RETRY),
        });
        clock.begin(millis(asked_at));
        clock.fetched(millis(asked_at));
        Isolate {
            clock,
            centre: sizes.partition_point(|size| *size < place).min(CENTRES - 1) as u16,
            gap: SECOND as f64 / rate,
            number: 0,
            asked_at,
            attempt: 0,
            is_pulling: false,
            gives_up_at: 0,
            way: 0,
            answer: Answer::default(),
            eligible_at: asked_at + REFRESH,
            is_patient: false,
            last_permit: asked_at,
            drawn_until: asked_at,
            waiting: 0.0,
        }
    };
    (0..count).map(isolate).collect()
}
