//! A relay: a copy of the log for a region, with the time at which it was certain to be all of it.

use super::assumptions::{
    HTTP_BYTES, HUB_PAUSE, HUB_TIMEOUT, LEAST_DOWN, MOST_DOWN, PULL_LOSS, REFRESH, RESTART_EVERY,
};
use super::clockwork::{Event, Micros, SECOND};
use super::random::Random;
use super::simulation::{Simulation, delta_bytes};
use super::world::{Answer, millis};

pub struct Relay {
    pub region: usize,
    pub is_up: bool,
    /// It has everything up to this number. It loses that in no restart.
    pub number: u32,
    /// When it sent the last question that was answered, if it was since it started.
    certain_at: Option<Micros>,
    /// When it sent its last question.
    pub asked_at: Micros,
    /// What it had then.
    pub asked_from: u32,
    /// One way of that question to the hub.
    pub way: Micros,
    /// Which question it is.
    attempt: u32,
    is_asking: bool,
    /// When its last question failed, until one is answered.
    failed_at: Option<Micros>,
    /// Pulls that wait for the answer: isolates, with their attempts.
    waiting: Vec<(u32, u32)>,
    /// When it restarts, which is the same in every run.
    random: Random,
}

impl Relay {
    pub const fn new(region: usize, seed: u64) -> Self {
        Self {
            region,
            is_up: true,
            number: 0,
            certain_at: None,
            asked_at: 0,
            asked_from: 0,
            way: 0,
            attempt: 0,
            is_asking: false,
            failed_at: None,
            waiting: Vec::new(),
            random: Random::new(seed),
        }
    }

    /// Whether it answers with what it has: it asked a moment ago, or would ask in vain.
    fn answers_at_once(&self, now: Micros) -> bool {
        let is_certain = self.certain_at.is_some_and(|at| now < at + REFRESH);
        let pauses = self.failed_at.is_some_and(|at| now < at + HUB_PAUSE);
        is_certain || !self.is_asking && pauses
    }

    fn answer(&self, now: Micros) -> Answer {
        Answer {
            number: self.number,
            age_ms: self.certain_at.map(|at| (millis(now) - millis(at)) as u32),
            certain_at: self.certain_at.unwrap_or_default(),
            older_ms: 0,
        }
    }
}

impl Simulation<'_> {
    /// A pull reaches its relay.
    pub fn take_pull(&mut self, isolate: u32) {
        let from = &self.isolates[isolate as usize];
        let (attempt, way, gives_up_at) = (from.attempt, from.way, from.gives_up_at);
        let number = self.centres[usize::from(from.centre)].relay;
        if !self.relays[usize::from(number)].is_up {
            let at = (self.now + way).min(gives_up_at);
            return self.agenda.plan(at, Event::PullFailed { isolate, attempt });
        }
        self.count_at_relay(number);
        let relay = &mut self.relays[usize::from(number)];
        if relay.answers_at_once(self.now) {
            return self.answer_pull(number, isolate, attempt);
        }
        relay.waiting.push((isolate, attempt));
        let is_asking = relay.is_asking;
        self.agenda.plan(gives_up_at.max(self.now), Event::PullFailed { isolate, attempt });
        if !is_asking {
            self.ask(number);
        }
    }

    fn answer_pull(&mut self, number: u16, isolate: u32, attempt: u32) {
        let relay = &self.relays[usize::from(number)];
        let to = &mut self.isolates[isolate as usize];
        // One that has given up hears nothing.
        if to.attempt == attempt && to.is_pulling {
            let at = self.now + to.way;
            let gives_up_at = to.gives_up_at;
            if at < gives_up_at && !self.is_cut {
                to.answer = relay.answer(self.now);
                self.agenda.plan(at, Event::Answer(isolate));
            } else {
                let at = gives_up_at.max(self.now);
                self.agenda.plan(at, Event::PullFailed { isolate, attempt });
            }
        }
        if self.scenario.is_counted(self.now) {
            let entries = relay.number.saturating_sub(to.number);
            self.tally.traffic.relay_bytes += delta_bytes(entries);
        }
    }

    fn ask(&mut self, number: u16) {
        let relay = &mut self.relays[usize::from(number)];
        let trip = self.random.trip(self.relay_to_hub[relay.region]);
        relay.attempt += 1;
        relay.is_asking = true;
        relay.asked_at = self.now;
        relay.asked_from = relay.number;
        relay.way = trip / 2;
        let attempt = relay.attempt;
        if self.random.happens(PULL_LOSS) || trip >= HUB_TIMEOUT {
            let event = Event::QuestionFailed { relay: number, attempt };
            self.agenda.plan(self.now + HUB_TIMEOUT, event);
        } else {
            self.agenda.plan(self.now + trip / 2, Event::Question { relay: number, attempt });
        }
        if self.is_counted() {
            self.tally.traffic.relay_bytes += HTTP_BYTES;
        }
    }

    /// A question is answered, up to a number, or has failed.
    pub fn end_question(&mut self, number: u16, attempt: u32, up_to: Option<u32>) {
        let relay = &mut self.relays[usize::from(number)];
        if relay.attempt != attempt || !relay.is_asking {
            return;
        }
        relay.is_asking = false;
        if let Some(up_to) = up_to {
            relay.number = relay.number.max(up_to);
            relay.certain_at = Some(relay.asked_at);
        }
        relay.failed_at = up_to.is_none().then_some(self.now);
        for (isolate, attempt) in std::mem::take(&mut relay.waiting) {
            self.answer_pull(number, isolate, attempt);
        }
    }

    /// A pull or a push reaches a relay that is not restarting.
    pub fn count_at_relay(&mut self, number: u16) {
        if self.is_counted() {
            let second = self.now / SECOND;
            self.tally.traffic.relay_requests[usize::from(number)].add(second);
        }
    }

    pub fn plan_restart(&mut self, number: u16) {
        let relay = &mut self.relays[usize::from(number)];
        let at = self.now + relay.random.gap(RESTART_EVERY as f64);
        self.agenda.plan(at, Event::RelayDown(number));
    }

    /// It keeps what it has stored, but what it knew about its age is gone, and so are those who wait.
    pub fn stop_relay(&mut self, number: u16) {
        let relay = &mut self.relays[usize::from(number)];
        relay.is_up = false;
        relay.is_asking = false;
        relay.certain_at = None;
        relay.failed_at = None;
        for (isolate, attempt) in std::mem::take(&mut relay.waiting) {
            let at = self.now + self.isolates[isolate as usize].way;
            self.agenda.plan(at, Event::PullFailed { isolate, attempt });
        }
        let down = self.relays[usize::from(number)].random.between(LEAST_DOWN, MOST_DOWN);
        self.agenda.plan(self.now + down, Event::RelayUp(number));
    }

    pub fn start_relay(&mut self, number: u16) {
        self.relays[usize::from(number)].is_up = true;
        self.plan_restart(number);
    }
}
