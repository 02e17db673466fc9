//! The parts of a run, one after the other without a gap.

use std::time::Duration;

use tokio::time::Instant;

use super::isolates::Isolate;
use super::journal::Entry;
use super::outside::{Outside, refused_connections};

/// The names of the phases.
pub const NORMAL: &str = "normal";
pub const DOWN: [&str; 3] = ["down", "recovery from down", "after down"];
pub const HANG: [&str; 3] = ["hang", "recovery from hang", "after hang"];
/// Those in which the auth service works and all breakers are closed.
pub const WORKING: [&str; 3] = [NORMAL, DOWN[2], HANG[2]];

/// A part of a run.
pub struct Phase {
    pub name: &'static str,
    pub begin: Instant,
    pub end: Instant,
    /// How often the auth service was asked.
    pub calls: usize,
    /// How many connections were refused, to anyone on this machine.
    pub refused_connections: Option<u64>,
    /// The processor time of all isolates.
    pub computed: Duration,
}

impl Phase {
    pub fn duration(&self) -> Duration {
        self.end - self.begin
    }

    /// Whether the auth service does not answer.
    pub fn is_outage(&self) -> bool {
        [DOWN[0], HANG[0]].contains(&self.name)
    }

    /// Whether an outage began or went on while the request was under way, which it is then part of.
    fn has_met(&self, entry: &Entry) -> bool {
        self.is_outage() && entry.due < self.end && entry.done >= self.begin
    }
}

/// The phase that a request belongs to; none before the first one and after the last one.
pub fn of_request<'p>(phases: &'p [Phase], entry: &Entry) -> Option<&'p Phase> {
    let outage = phases.iter().find(|phase| phase.has_met(entry));
    outage.or_else(|| phases.iter().find(|it| (it.begin..it.end).contains(&entry.due)))
}

/// Counts what each phase adds.
pub struct Stage<'s> {
    outside: &'s Outside,
    isolates: &'s [Isolate],
    last: Mark,
    phases: Vec<Phase>,
}

/// The counters at an instant.
struct Mark {
    at: Instant,
    calls: usize,
    refused_connections: Option<u64>,
    computed: Duration,
}

impl<'s> Stage<'s> {
    pub fn new(outside: &'s Outside, isolates: &'s [Isolate]) -> Self {
        Self { outside, isolates, last: Mark::now(outside, isolates), phases: Vec::new() }
    }

    /// Forgets what was before.
    pub fn begin(&mut self) {
        self.last = Mark::now(self.outside, self.isolates);
    }

    /// What was since the last call had this name.
    pub fn end(&mut self, name: &'static str) {
        let now = Mark::now(self.outside, self.isolates);
        let before = std::mem::replace(&mut self.last, now);
        let now = &self.last;
        self.phases.push(Phase {
            name,
            begin: before.at,
            end: now.at,
            calls: now.calls - before.calls,
            refused_connections: now
                .refused_connections
                .zip(before.refused_connections)
                .map(|(now, before)| now - before),
            computed: now.computed.saturating_sub(before.computed),
        });
    }

    pub fn phases(self) -> Vec<Phase> {
        self.phases
    }
}

impl Mark {
    fn now(outside: &Outside, isolates: &[Isolate]) -> Self {
        Self {
            at: Instant::now(),
            calls: outside.calls(),
            refused_connections: refused_connections(),
            computed: isolates.iter().map(Isolate::processor_time).sum(),
        }
    }
}
