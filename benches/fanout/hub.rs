//! The hub: makes revocations durable, pushes them, and answers the questions of relays.

use super::assumptions::{
    HTTP_BYTES, HUB_TIMEOUT, LEAST_STORING, LOST_ANSWERS, MOST_PUSH_RETRY, MOST_STORING, PATIENCE,
    PUSH_RETRY, PUSH_TIMEOUT,
};
use super::clockwork::{Event, Micros};
use super::simulation::{Simulation, delta_bytes, mean_gap};

pub struct Hub {
    /// All revocations, by their numbers less one.
    pub log: Vec<Revocation>,
    /// How many of them are durable.
    pub durable: u32,
    /// The admin need not wait for what is up to this number.
    told: u32,
    is_up: bool,
    lines: Vec<Line>,
}

pub struct Revocation {
    pub durable_at: Micros,
    /// When all relays had confirmed it, or no push was under way any more.
    told_at: Option<Micros>,
}

/// What the hub knows about a relay.
#[derive(Clone, Copy, Default)]
struct Line {
    /// The relay has everything up to this number.
    confirmed: u32,
    /// Which push is the last one.
    attempt: u32,
    is_under_way: bool,
    /// Up to which number it goes.
    pushed: u32,
    /// One way of it.
    way: Micros,
    /// How many have failed, one after the other.
    failures: u32,
}

impl Hub {
    pub fn new(relays: usize) -> Self {
        Self {
            log: Vec::new(),
            durable: 0,
            told: 0,
            is_up: true,
            lines: vec![Line::default(); relays],
        }
    }

    /// The number that all relays have confirmed.
    fn confirmed(&self) -> u32 {
        self.lines.iter().map(|line| line.confirmed).min().unwrap_or_default()
    }
}

impl Revocation {
    /// When the admin is told.
    pub fn acknowledged_at(&self) -> Micros {
        let latest = self.durable_at + PATIENCE;
        self.told_at.map_or(latest, |told_at| told_at.min(latest))
    }
}

impl Simulation<'_> {
    pub fn plan_revocation(&mut self) {
        let at = self.now + self.arrivals.gap(mean_gap(self.scenario.revocations));
        if at < self.scenario.counted_until() {
            self.agenda.plan(at, Event::Revoke);
        }
    }

    pub fn revoke(&mut self) {
        self.plan_revocation();
        // The admin is told that it is not revoked, and it is not.
        if !self.hub.is_up {
            return;
        }
        if self.is_counted() {
            self.tally.traffic.hub_requests += 1;
        }
        let stored_at = self.now + self.arrivals.between(LEAST_STORING, MOST_STORING);
        let last = self.hub.log.last().map_or(0, |last| last.durable_at);
        let durable_at = stored_at.max(last);
        self.hub.log.push(Revocation { durable_at, told_at: None });
        self.agenda.plan(durable_at, Event::Durable);
    }

    pub fn store(&mut self) {
        self.hub.durable += 1;
        self.push_to_all();
    }

    fn push_to_all(&mut self) {
        for relay in 0..self.relays.len() {
            self.push(relay as u16);
        }
    }

    /// Pushes what a relay has not confirmed, unless a push to it is under way: what has come meanwhile
    /// goes with the next one. A revocation does not wait for the alarm after a push that failed.
    fn push(&mut self, relay: u16) {
        let line = &mut self.hub.lines[usize::from(relay)];
        if !self.hub.is_up || line.is_under_way || line.confirmed >= self.hub.durable {
            return;
        }
        let trip = self.random.trip(self.relay_to_hub[self.relays[usize::from(relay)].region]);
        line.attempt += 1;
        line.is_under_way = true;
        line.pushed = self.hub.durable;
        line.way = trip / 2;
        let (attempt, entries) = (line.attempt, line.pushed - line.confirmed);
        let is_answered = !self.random.happens(self.scenario.push_loss) && trip < PUSH_TIMEOUT;
        if is_answered || self.random.happens(LOST_ANSWERS) {
            let at = self.now + trip / 2;
            self.agenda.plan(at, Event::Push { relay, attempt, is_answered });
        }
        if !is_answered {
            self.agenda.plan(self.now + PUSH_TIMEOUT, Event::PushFailed { relay, attempt });
        }
        if self.is_counted() {
            self.tally.traffic.pushes += 1;
            self.tally.traffic.hub_bytes += delta_bytes(entries);
        }
    }

    /// A push reaches a relay.
    pub fn take_push(&mut self, relay: u16, attempt: u32, is_answered: bool) {
        let line = &self.hub.lines[usize::from(relay)];
        // The hub has forgotten it, but that does not keep the relay from taking it.
        let (pushed, way) = (line.pushed, line.way);
        let to = &mut self.relays[usize::from(relay)];
        if to.is_up {
            to.number = to.number.max(pushed);
        }
        let is_taken = to.is_up;
        if is_taken {
            self.count_at_relay(relay);
        }
        if is_answered && is_taken && self.is_counted() {
            self.tally.traffic.relay_bytes += HTTP_BYTES;
        }
        if is_answered {
            let event = if is_taken {
                Event::PushAnswered { relay, attempt }
            } else {
                Event::PushFailed { relay, attempt }
            };
            self.agenda.plan(self.now + way, event);
        }
    }

    pub fn hear_push(&mut self, relay: u16, attempt: u32) {
        let line = &mut self.hub.lines[usize::from(relay)];
        if line.attempt != attempt || !line.is_under_way {
            return;
        }
        line.is_under_way = false;
        line.failures = 0;
        let pushed = line.pushed;
        self.confirm(relay, pushed);
        self.push(relay);
    }

    pub fn miss_push(&mut self, relay: u16, attempt: u32) {
        let line = &mut self.hub.lines[usize::from(relay)];
        if line.attempt != attempt || !line.is_under_way {
            return;
        }
        line.is_under_way = false;
        let back_off = (PUSH_RETRY << line.failures.min(5)).min(MOST_PUSH_RETRY);
        line.failures += 1;
        self.agenda.plan(self.now + back_off, Event::Alarm { relay, attempt });
        if !self.hub.lines.iter().any(|line| line.is_under_way) {
            self.tell(self.hub.durable);
        }
    }

    pub fn push_again(&mut self, relay: u16, attempt: u32) {
        if self.hub.lines[usize::from(relay)].attempt == attempt {
            self.push(relay);
        }
    }

    /// A relay asks for more than it has, which says what it has.
    pub fn answer_question(&mut self, relay: u16, attempt: u32) {
        let from = &self.relays[usize::from(relay)];
        let (number, way) = (from.asked_from, from.way);
        if !self.hub.is_up {
            let at = from.asked_at + HUB_TIMEOUT;
            return self.agenda.plan(at, Event::QuestionFailed { relay, attempt });
        }
        self.confirm(relay, number);
        let answer = Event::QuestionAnswered { relay, attempt, number: self.hub.durable };
        self.agenda.plan(self.now + way, answer);
        if self.is_counted() {
            self.tally.traffic.hub_requests += 1;
            self.tally.traffic.hub_bytes += delta_bytes(self.hub.durable - number);
        }
    }

    fn confirm(&mut self, relay: u16, number: u32) {
        let line = &mut self.hub.lines[usize::from(relay)];
        line.confirmed = line.confirmed.max(number);
        self.tell(self.hub.confirmed());
    }

    /// The admin need not wait any longer for what is up to this number.
    fn tell(&mut self, number: u32) {
        let told = self.hub.told;
        if number <= told {
            return;
        }
        self.hub.told = number;
        for revocation in &mut self.hub.log[told as usize..number as usize] {
            revocation.told_at = Some(self.now);
        }
    }

    pub fn stop_hub(&mut self) {
        self.hub.is_up = false;
        for line in &mut self.hub.lines {
            line.is_under_way = false;
        }
    }

    pub fn start_hub(&mut self) {
        self.hub.is_up = true;
        self.push_to_all();
    }
}
