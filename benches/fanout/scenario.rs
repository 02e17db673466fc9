//! What is varied.

use super::clockwork::{Micros, SECOND};

/// Before it, nothing has happened; a list can be older than it.
pub const BEGIN: Micros = 60 * SECOND;
/// For how long nothing is counted.
pub const WARM_UP: Micros = 10 * SECOND;
/// How long a run goes on when there are no more revocations: the staleness that is allowed, and a
/// little.
pub const AFTERWARDS: Micros = 35 * SECOND;

/// One run.
#[derive(Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    pub isolates: usize,
    /// In a second.
    pub revocations: u32,
    pub relays_per_region: usize,
    /// How often a push is lost.
    pub push_loss: f64,
    pub restart: bool,
    /// Whether isolates of a data centre share answers.
    pub cache: bool,
    /// Whether the first request to an isolate that was idle waits for a pull.
    pub idle_wait: bool,
    pub fault: Option<Fault>,
    /// For how long revocations are made and counted.
    pub measured: Micros,
}

/// What fails.
#[derive(Clone, Copy)]
pub enum Fault {
    /// The hub hears and says nothing.
    HubDown(Span),
    /// Nothing passes between isolates and relays.
    Cut(Span),
}

/// When, after the beginning of what is counted.
#[derive(Clone, Copy)]
pub struct Span {
    pub after: Micros,
    pub length: Micros,
}

impl Scenario {
    pub const fn counted_from() -> Micros {
        BEGIN + WARM_UP
    }

    pub const fn counted_until(&self) -> Micros {
        Self::counted_from() + self.measured
    }

    pub const fn end(&self) -> Micros {
        self.counted_until() + AFTERWARDS
    }

    /// Of so many revocations one is looked at in every isolate: five a second.
    pub const fn stride(&self) -> u32 {
        self.revocations.div_ceil(5)
    }

    pub const fn is_counted(&self, at: Micros) -> bool {
        Self::counted_from() <= at && at < self.counted_until()
    }
}

const USUAL: Scenario = Scenario {
    name: "",
    isolates: 100_000,
    revocations: 10,
    relays_per_region: 1,
    push_loss: 0.01,
    restart: true,
    cache: true,
    idle_wait: true,
    fault: None,
    measured: 60 * SECOND,
};

/// All runs.
pub fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    for isolates in [10_000, 100_000] {
        for revocations in [1, 10, 100, 1_000] {
            all.push(Scenario { isolates, revocations, ..USUAL });
        }
    }
    let hub_down = Some(Fault::HubDown(Span { after: 10 * SECOND, length: 20 * SECOND }));
    let cut = Some(Fault::Cut(Span { after: 10 * SECOND, length: 60 * SECOND }));
    all.extend([
        Scenario { name: "no loss, no restarts", push_loss: 0.0, restart: false, ..USUAL },
        Scenario { name: "10 % of pushes lost", push_loss: 0.1, ..USUAL },
        Scenario { name: "50 % of pushes lost", push_loss: 0.5, ..USUAL },
        Scenario { name: "all pushes lost", push_loss: 1.0, ..USUAL },
        Scenario { name: "no cache", cache: false, ..USUAL },
        Scenario { name: "4 relays a region", relays_per_region: 4, ..USUAL },
        Scenario { name: "4 relays a region", relays_per_region: 4, revocations: 1_000, ..USUAL },
        Scenario { name: "hub down for 20 s", fault: hub_down, ..USUAL },
        Scenario { name: "cut off for 60 s", fault: cut, measured: 80 * SECOND, ..USUAL },
        Scenario { name: "idle isolates do not wait", idle_wait: false, ..USUAL },
    ]);
    all
}
