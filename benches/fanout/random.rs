//! Chance, from a seed: the same seed makes the same run.

use super::clockwork::{MILLISECOND, Micros};

/// The 99th percentile of the normal distribution.
const Z99: f64 = 2.326_348;

/// A small generator of random numbers (`SplitMix64`).
pub struct Random(u64);

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Between 0 and 1; never 0, so that it has a logarithm.
    pub fn share(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Whether something happens that does with this probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.share() < probability
    }

    pub fn between(&mut self, least: Micros, most: Micros) -> Micros {
        least + (self.share() * (most - least) as f64) as Micros
    }

    /// The time until the next of events that come at a mean distance, independently.
    pub fn gap(&mut self, mean: f64) -> Micros {
        (-self.share().ln() * mean) as Micros
    }

    /// A round trip.
    pub fn trip(&mut self, trip: Trip) -> Micros {
        let radius = (-2.0 * self.share().ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.share()).cos();
        (trip.median * (normal * trip.sigma).exp()) as Micros
    }

    pub fn below(&mut self, count: usize) -> usize {
        ((self.share() * count as f64) as usize).min(count - 1)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

/// How long round trips take: log-normally distributed.
#[derive(Clone, Copy)]
pub struct Trip {
    /// In microseconds.
    pub median: f64,
    sigma: f64,
}

impl Trip {
    /// By median and 99th percentile, in milliseconds.
    pub fn of(median_ms: f64, p99_ms: f64) -> Self {
        Self { median: median_ms * MILLISECOND as f64, sigma: (p99_ms / median_ms).ln() / Z99 }
    }
}
