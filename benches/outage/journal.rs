//! What became of each request, and what many of them come to.

use std::time::Duration;

use edgeward::core::mode::Mode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::traffic::Kind;

/// How many refusals are kept for the reader.
const EXAMPLES: usize = 5;

/// One request.
#[derive(Clone, Copy)]
pub struct Entry {
    pub isolate: usize,
    pub kind: Kind,
    /// When the schedule wanted it sent.
    pub due: Instant,
    /// When it was; later than due if its client or the driver had other work to do.
    pub sent: Instant,
    pub done: Instant,
    /// In which mode it passed, as the origin was told; `None` if it did not.
    pub mode: Option<Mode>,
}

/// All requests in the order in which they ended.
#[derive(Default)]
pub struct Journal {
    pub entries: Vec<Entry>,
    /// Some of the refusals.
    pub refusals: Vec<String>,
}

/// What some requests come to.
pub struct Summary {
    pub requests: usize,
    pub refused: usize,
    pub normal: usize,
    pub stale: usize,
    pub signature: usize,
    /// From when a request was due, in microseconds, in order.
    latencies: Vec<u64>,
}

impl Journal {
    /// Notes a request, and why it was refused, if it was.
    pub fn note(&mut self, entry: Entry, refusal: Option<String>) {
        self.entries.push(entry);
        self.refusals.extend(refusal.filter(|_| self.refusals.len() < EXAMPLES));
    }

    /// Of those for which this is true.
    pub fn summary(&self, which: impl Fn(&Entry) -> bool) -> Summary {
        let chosen: Vec<&Entry> = self.entries.iter().filter(|entry| which(entry)).collect();
        Summary::of(&chosen)
    }
}

impl Entry {
    pub fn is_degraded(&self) -> bool {
        self.mode.is_some_and(|mode| Mode::DEGRADED.contains(&mode))
    }

    /// From when it was due, in microseconds.
    pub fn latency(&self) -> u64 {
        micros(self.done - self.due)
    }
}

impl Summary {
    fn of(entries: &[&Entry]) -> Self {
        let with = |mode| entries.iter().filter(|entry| entry.mode == mode).count();
        let mut latencies: Vec<u64> = entries.iter().map(|entry| entry.latency()).collect();
        latencies.sort_unstable();
        Self {
            requests: latencies.len(),
            refused: with(None),
            normal: with(Some(Mode::Normal)),
            stale: with(Some(Mode::Stale)),
            signature: with(Some(Mode::Signature)),
            latencies,
        }
    }

    /// The least latency that so many percent of the requests do not exceed, in microseconds; 0 of
    /// none.
    pub fn percentile(&self, percent: usize) -> u64 {
        let position = (self.latencies.len() * percent).div_ceil(100).saturating_sub(1);
        self.latencies.get(position).copied().unwrap_or(0)
    }

    pub fn max(&self) -> u64 {
        self.percentile(100)
    }

    pub fn json(&self) -> Value {
        json!({
            "requests": self.requests,
            "refused": self.refused,
            "normal": self.normal,
            "stale": self.stale,
            "signature": self.signature,
            "latency_us": {
                "p50": self.percentile(50),
                "p90": self.percentile(90),
                "p99": self.percentile(99),
                "max": self.max(),
            },
        })
    }
}

pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
