//! A run: everything that takes part, and whose turn it is.

use edgeward::core::revocation::delta::ENTRY_BYTES;

use super::assumptions::{self, HTTP_BYTES, REGIONS};
use super::clockwork::{Agenda, Event, Micros, SECOND};
use super::hub::Hub;
use super::random::{Random, Trip};
use super::relay::Relay;
use super::scenario::{BEGIN, Fault, Scenario, Span};
use super::tally::Tally;
use super::world::{self, Centre, Isolate};

const SEED: u64 = 20_261_125;
/// What a delta without entries takes (src/core/revocation/delta.rs).
const DELTA_BYTES: u64 = 48;

pub struct Simulation<'s> {
    pub scenario: &'s Scenario,
    pub now: Micros,
    pub agenda: Agenda,
    pub random: Random,
    /// When admins revoke something, which is the same in every run with as many revocations.
    pub arrivals: Random,
    pub hub: Hub,
    pub relays: Vec<Relay>,
    pub centres: Vec<Centre>,
    pub isolates: Vec<Isolate>,
    /// Nothing passes between isolates and relays.
    pub is_cut: bool,
    /// When that was last over.
    pub mended_at: Micros,
    pub isolate_to_relay: Trip,
    pub relay_to_hub: [Trip; REGIONS.len()],
    pub tally: Tally,
}

impl<'s> Simulation<'s> {
    pub fn new(scenario: &'s Scenario) -> Self {
        let relays = REGIONS.len() * scenario.relays_per_region;
        Self {
            scenario,
            now: BEGIN,
            agenda: Agenda::default(),
            random: Random::new(SEED),
            arrivals: Random::new(SEED + 1),
            hub: Hub::new(relays),
            relays: (0..relays)
                .map(|at| Relay::new(at / scenario.relays_per_region, SEED + 2 + at as u64))
                .collect(),
            centres: world::centres(scenario.relays_per_region),
            isolates: world::isolates(scenario.isolates, BEGIN),
            is_cut: false,
            mended_at: 0,
            isolate_to_relay: assumptions::isolate_to_relay(),
            relay_to_hub: std::array::from_fn(assumptions::relay_to_hub),
            tally: Tally::new(relays),
        }
    }

    pub fn run(mut self) -> Tally {
        self.begin();
        while let Some((at, event)) = self.agenda.next() {
            self.now = at;
            match event {
                Event::Revoke => self.revoke(),
                Event::Durable => self.store(),
                Event::Push { relay, attempt, is_answered } => {
                    self.take_push(relay, attempt, is_answered);
                }
                Event::PushAnswered { relay, attempt } => self.hear_push(relay, attempt),
                Event::PushFailed { relay, attempt } => self.miss_push(relay, attempt),
                Event::Alarm { relay, attempt } => self.push_again(relay, attempt),
                Event::Question { relay, attempt } => self.answer_question(relay, attempt),
                Event::QuestionAnswered { relay, attempt, number } => {
                    self.end_question(relay, attempt, Some(number));
                }
                Event::QuestionFailed { relay, attempt } => self.end_question(relay, attempt, None),
                Event::RelayDown(relay) => self.stop_relay(relay),
                Event::RelayUp(relay) => self.start_relay(relay),
                Event::HubDown => self.stop_hub(),
                Event::HubUp => self.start_hub(),
                Event::Cut => self.is_cut = true,
                Event::Mended => {
                    self.is_cut = false;
                    self.mended_at = self.now;
                }
                Event::Request(isolate) => self.pull(isolate),
                Event::Lookup(isolate) => self.look_up(isolate),
                Event::Pull(isolate) => self.take_pull(isolate),
                Event::Answer(isolate) => self.hear_answer(isolate),
                Event::PullFailed { isolate, attempt } => self.miss_answer(isolate, attempt),
                Event::End => break,
            }
        }
        self.finish();
        self.tally
    }

    fn begin(&mut self) {
        self.agenda.plan(self.scenario.end(), Event::End);
        self.plan_revocation();
        if self.scenario.restart {
            for relay in 0..self.relays.len() {
                self.plan_restart(relay as u16);
            }
        }
        if let Some(fault) = self.scenario.fault {
            let (begins, ends, Span { after, length }) = match fault {
                Fault::HubDown(span) => (Event::HubDown, Event::HubUp, span),
                Fault::Cut(span) => (Event::Cut, Event::Mended, span),
            };
            let at = Scenario::counted_from() + after;
            self.agenda.plan(at, begins);
            self.agenda.plan(at + length, ends);
        }
        self.begin_requests();
    }

    /// What ended with the run is decided: nobody can hold on to a list for longer than it counts.
    fn finish(&mut self) {
        for at in 0..self.isolates.len() {
            self.finish_isolate(at as u32);
        }
        let counted = self.hub.log.iter().filter(|one| self.scenario.is_counted(one.durable_at));
        for revocation in counted {
            let at = revocation.acknowledged_at();
            self.tally.acknowledgement.saturating_record((at - revocation.durable_at).max(1));
        }
        for isolate in &self.isolates {
            self.tally.traffic.requests += self.scenario.measured as f64 / isolate.gap;
        }
    }

    /// Whether what happens now is counted.
    pub const fn is_counted(&self) -> bool {
        self.scenario.is_counted(self.now)
    }
}

/// The bytes of a message with a part of the log.
pub const fn delta_bytes(entries: u32) -> u64 {
    HTTP_BYTES + DELTA_BYTES + entries as u64 * ENTRY_BYTES as u64
}

/// The mean time between events of which there are so many in a second.
pub fn mean_gap(in_a_second: u32) -> f64 {
    SECOND as f64 / f64::from(in_a_second)
}
