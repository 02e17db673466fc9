//! What came back, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;

use super::traffic::Kind;

/// How many wrong answers are kept for the reader.
const EXAMPLES: usize = 3;
/// The longest latency that is told from longer ones, in microseconds.
const LONGEST: u64 = 60_000_000;

/// The instants of one request.
#[derive(Clone, Copy)]
pub struct Times {
    /// When the schedule wanted it sent.
    pub due: Instant,
    /// When its client had the answer to the last one.
    pub free: Instant,
    pub sent: Instant,
    pub done: Instant,
}

/// All requests of one kind.
pub struct Count {
    /// Latencies in microseconds from when requests were due.
    pub corrected: Histogram<u64>,
    /// The same from when they were sent.
    pub uncorrected: Histogram<u64>,
    /// How often each status came; under `None`, how often no answer did.
    pub statuses: BTreeMap<Option<u16>, u64>,
    /// Some of the wrong answers.
    pub examples: Vec<String>,
}

/// All requests.
pub struct Tally {
    pub kinds: BTreeMap<Kind, Count>,
    /// How late the driver itself was with requests whose client was free, in microseconds.
    pub lag: Histogram<u64>,
    /// Requests that were due while their client still waited for an answer.
    pub held_up: u64,
    /// Corrected latencies since somebody took them.
    recent: Histogram<u64>,
}

impl Count {
    fn new() -> Self {
        Self {
            corrected: histogram(),
            uncorrected: histogram(),
            statuses: BTreeMap::new(),
            examples: Vec::new(),
        }
    }

    pub fn requests(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// How many answers had a status of which this is true; no answer has `None`.
    pub fn with(&self, is_meant: impl Fn(Option<u16>) -> bool) -> u64 {
        self.statuses.iter().filter(|(status, _)| is_meant(**status)).map(|(_, n)| n).sum()
    }
}

impl Tally {
    pub fn new() -> Self {
        Self {
            kinds: Kind::ALL.into_iter().map(|kind| (kind, Count::new())).collect(),
            lag: histogram(),
            held_up: 0,
            recent: histogram(),
        }
    }

    /// Counts a request that was answered with this status and body, or was not answered.
    pub fn record(&mut self, kind: Kind, times: Times, status: &Result<u16, String>, body: &[u8]) {
        let Times { due, free, sent, done } = times;
        if free > due {
            self.held_up += 1;
        } else {
            self.lag.saturating_record(micros(sent - due));
        }
        let count = self.kinds.entry(kind).or_insert_with(Count::new);
        count.corrected.saturating_record(micros(done - due));
        self.recent.saturating_record(micros(done - due));
        count.uncorrected.saturating_record(micros(done - sent));
        *count.statuses.entry(status.as_ref().ok().copied()).or_default() += 1;
        if *status != Ok(kind.status()) && count.examples.len() < EXAMPLES {
            count.examples.push(match status {
                Ok(status) => format!("{status}: {}", String::from_utf8_lossy(body)),
                Err(error) => format!("no answer: {error}"),
            });
        }
    }

    /// Corrected latencies since the last call.
    pub fn take_recent(&mut self) -> Histogram<u64> {
        std::mem::replace(&mut self.recent, histogram())
    }

    /// Latencies of all kinds together: corrected and uncorrected.
    pub fn all(&self) -> (Histogram<u64>, Histogram<u64>) {
        let (mut corrected, mut uncorrected) = (histogram(), histogram());
        for count in self.kinds.values() {
            corrected.add(&count.corrected).expect("the bounds are the same");
            uncorrected.add(&count.uncorrected).expect("the bounds are the same");
        }
        (corrected, uncorrected)
    }

    /// How many answers to requests of some kinds had a status of which this is true.
    pub fn with(&self, is_meant: impl Fn(Kind, Option<u16>) -> bool) -> u64 {
        let kinds = self.kinds.iter();
        kinds.map(|(kind, count)| count.with(|status| is_meant(*kind, status))).sum()
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are in order")
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(LONGEST)
}
