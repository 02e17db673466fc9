//! What is counted in a run.

use hdrhistogram::Histogram;

use super::clockwork::{Micros, SECOND};

/// The longest latency that is told apart from longer ones.
const LONGEST: Micros = 100 * SECOND;

pub struct Tally {
    /// For how long requests are permitted after durable, over pairs of revocation and isolate.
    pub latency: Histogram<u64>,
    /// The same, each pair as often as requests come to the isolate.
    pub latency_by_request: Histogram<u64>,
    /// From durable until the admin is told.
    pub acknowledgement: Histogram<u64>,
    /// Pairs in which a request was permitted later than twice `REFRESH` and a round trip after durable,
    /// each as often as requests come to the isolate.
    pub late_by_request: u64,
    /// The last permitted request, counted from durable; of all pairs, not only those that are in the
    /// histograms.
    pub last_permit: Micros,
    /// Pairs that were not decided when the run ended.
    pub undecided: u64,
    /// Answers that an isolate took for younger than they were.
    pub overrated: u64,
    pub traffic: Traffic,
}

/// What moved while it was counted.
#[derive(Default)]
pub struct Traffic {
    /// That reached the hub: revocations and questions.
    pub hub_requests: u64,
    pub pushes: u64,
    /// That reached each relay: pulls and pushes.
    pub relay_requests: Vec<Rate>,
    pub pulls: u64,
    pub lookups: u64,
    pub hits: u64,
    pub hub_bytes: u64,
    pub relay_bytes: u64,
    pub isolate_bytes: u64,
    /// Requests that waited for a pull, and those that would have been refused because it failed or was
    /// not allowed yet.
    pub waited: f64,
    pub refused: f64,
    pub requests: f64,
}

/// Requests, and the most of them in one second.
#[derive(Clone, Copy, Default)]
pub struct Rate {
    pub count: u64,
    pub peak: u64,
    second: u64,
    in_second: u64,
}

impl Rate {
    pub fn add(&mut self, second: u64) {
        if self.second != second {
            self.second = second;
            self.in_second = 0;
        }
        self.count += 1;
        self.in_second += 1;
        self.peak = self.peak.max(self.in_second);
    }
}

impl Tally {
    pub fn new(relays: usize) -> Self {
        let histogram = || Histogram::new_with_bounds(1, LONGEST, 3).unwrap();
        Self {
            latency: histogram(),
            latency_by_request: histogram(),
            acknowledgement: histogram(),
            late_by_request: 0,
            last_permit: 0,
            undecided: 0,
            overrated: 0,
            traffic: Traffic {
                relay_requests: vec![Rate::default(); relays],
                ..Traffic::default()
            },
        }
    }

    /// All that a run has led to, in one number: two runs with the same one were the same.
    pub fn digest(&self) -> u64 {
        let Traffic { hub_bytes, relay_bytes, isolate_bytes, pulls, hits, waited, .. } =
            self.traffic;
        let parts = [
            hub_bytes,
            relay_bytes,
            isolate_bytes,
            pulls,
            hits,
            waited.to_bits(),
            self.last_permit,
            self.late_by_request,
            self.latency.mean().to_bits(),
            self.latency_by_request.mean().to_bits(),
        ];
        parts.into_iter().fold(0, |digest: u64, part| {
            (digest ^ part).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23)
        })
    }
}
