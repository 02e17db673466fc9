//! Simulated time, and what happens in it.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Simulated time.
pub type Micros = u64;

pub const MILLISECOND: Micros = 1_000;
pub const SECOND: Micros = 1_000 * MILLISECOND;

/// What can happen. An `attempt` says which one is meant: what belongs to an earlier one has lost its
/// meaning.
#[derive(Clone, Copy)]
pub enum Event {
    /// An admin revokes something.
    Revoke,
    /// The hub has stored one more revocation.
    Durable,
    /// A push reaches a relay. The hub may never hear of it.
    Push {
        relay: u16,
        attempt: u32,
        is_answered: bool,
    },
    PushAnswered {
        relay: u16,
        attempt: u32,
    },
    PushFailed {
        relay: u16,
        attempt: u32,
    },
    /// The hub tries again.
    Alarm {
        relay: u16,
        attempt: u32,
    },
    /// The question of a relay, whether there is more, reaches the hub.
    Question {
        relay: u16,
        attempt: u32,
    },
    /// It has everything up to the number.
    QuestionAnswered {
        relay: u16,
        attempt: u32,
        number: u32,
    },
    QuestionFailed {
        relay: u16,
        attempt: u32,
    },
    /// A relay restarts.
    RelayDown(u16),
    RelayUp(u16),
    HubDown,
    HubUp,
    /// Nothing passes between isolates and relays.
    Cut,
    Mended,
    /// A request comes to an isolate that has to pull for it.
    Request(u32),
    /// A pull looks into the cache of its data centre.
    Lookup(u32),
    /// A pull reaches its relay.
    Pull(u32),
    /// The relay's answer reaches the isolate.
    Answer(u32),
    PullFailed {
        isolate: u32,
        attempt: u32,
    },
    End,
}

/// What is going to happen, in the order of time. What happens at the same time does so in the order in
/// which it was planned, so that a run can be repeated.
#[derive(Default)]
pub struct Agenda {
    heap: BinaryHeap<Planned>,
    count: u64,
}

impl Agenda {
    pub fn plan(&mut self, at: Micros, event: Event) {
        self.heap.push(Planned { at, order: self.count, event });
        self.count += 1;
    }

    pub fn next(&mut self) -> Option<(Micros, Event)> {
        self.heap.pop().map(|Planned { at, event, .. }| (at, event))
    }
}

struct Planned {
    at: Micros,
    order: u64,
    event: Event,
}

/// The heap gives out the greatest first.
impl Ord for Planned {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Planned {}
