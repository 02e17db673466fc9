//! What isolates do: pull when a request finds the list too old, and take what they get.

use edgeward::core::refresh::Step;
use edgeward::core::revocation::delta::Head;

use super::assumptions::{
    HTTP_BYTES, IDLE_PATIENCE, LEAST_LOOKUP, MOST_LOOKUP, PULL_LOSS, REFRESH, TIMEOUT,
};
use super::clockwork::{Event, MILLISECOND, Micros, SECOND};
use super::simulation::Simulation;
use super::world::{Answer, Cached, millis};

impl Simulation<'_> {
    pub fn begin_requests(&mut self) {
        for at in 0..self.isolates.len() {
            self.plan_request(at as u32);
        }
    }

    /// The next request that makes an isolate pull. Requests come independently of each other, so that
    /// those before it need not be known to say when it comes.
    fn plan_request(&mut self, number: u32) {
        let isolate = &mut self.isolates[number as usize];
        isolate.eligible_at = isolate.next_attempt(self.now);
        let at = isolate.eligible_at + self.random.gap(isolate.gap);
        self.agenda.plan(at, Event::Request(number));
    }

    pub fn pull(&mut self, number: u32) {
        let eligible_at = self.isolates[number as usize].eligible_at;
        self.draw_requests(number, eligible_at);
        let isolate = &mut self.isolates[number as usize];
        isolate.drawn_until = self.now;
        let was_idle = self.scenario.idle_wait && isolate.idle_at() <= self.now;
        let is_waiting = match isolate.clock.on_use(millis(self.now)) {
            Step::FetchInBackground if was_idle => {
                isolate.is_patient = true;
                true
            }
            Step::FetchInBackground => {
                isolate.last_permit = self.now;
                false
            }
            Step::Fetch => {
                isolate.waiting += 1.0;
                true
            }
            step => panic!("a request was planned that does not fetch: {step:?}"),
        };
        isolate.clock.begin(millis(self.now));
        isolate.asked_at = self.now;
        isolate.attempt += 1;
        isolate.is_pulling = true;
        if self.is_counted() {
            self.tally.traffic.pulls += 1;
            self.tally.traffic.waited += f64::from(u8::from(is_waiting));
        }
        if self.scenario.cache {
            let lookup = self.random.between(LEAST_LOOKUP, MOST_LOOKUP);
            self.agenda.plan(self.now + lookup, Event::Lookup(number));
        } else {
            self.ask_relay(number);
        }
    }

    pub fn look_up(&mut self, number: u32) {
        let isolate = &self.isolates[number as usize];
        let centre = &self.centres[usize::from(isolate.centre)];
        let found = centre.cache.get(&isolate.number).filter(|cached| self.now < cached.until);
        let found = found.map(|cached| cached.answer);
        if self.is_counted() {
            self.tally.traffic.lookups += 1;
            self.tally.traffic.hits += u64::from(found.is_some());
        }
        match found {
            Some(answer) => self.take(number, answer),
            None => self.ask_relay(number),
        }
    }

    fn ask_relay(&mut self, number: u32) {
        let trip = self.random.trip(self.isolate_to_relay);
        let is_lost = self.is_cut || self.random.happens(PULL_LOSS);
        let isolate = &mut self.isolates[number as usize];
        isolate.way = trip / 2;
        isolate.gives_up_at = self.now + TIMEOUT;
        if is_lost || trip >= TIMEOUT {
            let event = Event::PullFailed { isolate: number, attempt: isolate.attempt };
            self.agenda.plan(isolate.gives_up_at, event);
        } else {
            self.agenda.plan(self.now + isolate.way, Event::Pull(number));
        }
        if self.is_counted() {
            self.tally.traffic.isolate_bytes += HTTP_BYTES;
        }
    }

    pub fn hear_answer(&mut self, number: u32) {
        let isolate = &self.isolates[number as usize];
        let mut answer = isolate.answer;
        let asked_relay_at = isolate.gives_up_at - TIMEOUT;
        let (centre, key) = (usize::from(isolate.centre), isolate.number);
        self.take(number, answer);
        if self.scenario.cache {
            let (now, until) = (self.now, self.now + REFRESH);
            answer.older_ms = (millis(now) - millis(asked_relay_at) + millis(REFRESH)) as u32;
            let cache = &mut self.centres[centre].cache;
            cache.insert(key, Cached { until, answer });
            if cache.len() > 1_000 {
                cache.retain(|_, cached| now < cached.until);
            }
        }
    }

    fn take(&mut self, number: u32, answer: Answer) {
        self.draw_requests(number, self.now);
        let isolate = &self.isolates[number as usize];
        let known = isolate.number;
        let is_in_time = self.now <= isolate.asked_at + IDLE_PATIENCE;
        self.end_patience(number, is_in_time);
        if answer.number > known {
            self.record(number, known, answer.number, is_in_time);
        }
        let is_counted = self.is_counted();
        let isolate = &mut self.isolates[number as usize];
        let waiting = std::mem::take(&mut isolate.waiting);
        isolate.is_pulling = false;
        isolate.number = known.max(answer.number);
        let head = Head {
            log: 1,
            after: known.into(),
            to: answer.number.into(),
            latest: answer.number.into(),
            age_ms: answer.age_ms,
        };
        if let Some(as_of) = head.as_of(millis(isolate.asked_at) - i64::from(answer.older_ms)) {
            self.tally.overrated += u64::from(as_of as Micros * MILLISECOND > answer.certain_at);
            let last = isolate.clock.fetched_at().unwrap_or(as_of);
            isolate.clock.fetched(as_of.max(last));
        }
        // What is older shows that the hub did not answer the relay.
        if answer.age_ms.is_none_or(|age_ms| i64::from(age_ms) > millis(REFRESH)) {
            isolate.clock.failed_to_fetch(millis(self.now));
        }
        if is_counted && isolate.expires_at() <= self.now {
            self.tally.traffic.refused += waiting;
        }
        self.plan_request(number);
    }

    pub fn miss_answer(&mut self, number: u32, attempt: u32) {
        let isolate = &self.isolates[number as usize];
        if isolate.attempt != attempt || !isolate.is_pulling {
            return;
        }
        self.draw_requests(number, self.now);
        self.end_patience(number, false);
        let is_counted = self.is_counted();
        let isolate = &mut self.isolates[number as usize];
        isolate.is_pulling = false;
        isolate.clock.failed_to_fetch(millis(self.now));
        let refused = std::mem::take(&mut isolate.waiting);
        if is_counted {
            self.tally.traffic.refused += refused;
        }
        self.plan_request(number);
    }

    /// The first request to an isolate that was idle has what it waits for, or does not wait any longer.
    fn end_patience(&mut self, number: u32, is_refreshed: bool) {
        let isolate = &mut self.isolates[number as usize];
        if !std::mem::take(&mut isolate.is_patient) || is_refreshed {
            return;
        }
        let until = self.now.min(isolate.asked_at + IDLE_PATIENCE);
        if until < isolate.expires_at() {
            isolate.last_permit = isolate.last_permit.max(until);
        } else {
            isolate.waiting += 1.0;
        }
    }

    /// What requests came up to this time, none of which began a pull: the last one that was permitted is
    /// drawn; of those that came when the list did not count any more, the mean number is taken.
    fn draw_requests(&mut self, number: u32, until: Micros) {
        let is_counted = self.is_counted();
        let isolate = &mut self.isolates[number as usize];
        let expires_at = isolate.expires_at();
        let (from, permitted_until) = (isolate.drawn_until, until.min(expires_at));
        if permitted_until > from {
            // Backwards in time they come at the same distances.
            let last = permitted_until.saturating_sub(self.random.gap(isolate.gap));
            if last > from {
                isolate.last_permit = last;
            }
        }
        let expired = until.saturating_sub(from.max(expires_at));
        if expired > 0 {
            let requests = expired as f64 / isolate.gap;
            if isolate.is_pulling {
                isolate.waiting += requests;
            }
            if is_counted {
                let traffic = &mut self.tally.traffic;
                let sum =
                    if isolate.is_pulling { &mut traffic.waited } else { &mut traffic.refused };
                *sum += requests;
            }
        }
        isolate.drawn_until = isolate.drawn_until.max(until);
    }

    /// Revocations take effect in an isolate: those after one number, up to another. `is_in_time` says
    /// whether the first request, had the isolate been idle, need not have waited for that in vain.
    fn record(&mut self, number: u32, after: u32, to: u32, is_in_time: bool) {
        let isolate = &self.isolates[number as usize];
        let oldest = &self.hub.log[after as usize];
        let last_permit = isolate.last_permit.saturating_sub(oldest.durable_at);
        self.tally.last_permit = self.tally.last_permit.max(last_permit);

        let until = self.now.min(isolate.expires_at());
        // From then on a request would have waited, and not in vain: not if the network was cut off.
        let waits_from = if self.scenario.idle_wait && is_in_time {
            isolate.idle_at().max(self.mended_at).min(until)
        } else {
            until
        };
        // While the first one waits, others pass.
        let passes_from = if isolate.is_pulling { isolate.asked_at.max(waits_from) } else { until };

        let region = self.centres[usize::from(isolate.centre)].region;
        let trip = (self.isolate_to_relay.median + self.relay_to_hub[region].median) as Micros;
        // In tenths, as the rarest have one.
        let weight = ((10.0 * SECOND as f64 / isolate.gap) as u64).max(1);
        let stride = self.scenario.stride();
        let first = (after / stride + 1) * stride;
        for looked_at in (first..=to).step_by(stride as usize) {
            let durable_at = self.hub.log[looked_at as usize - 1].durable_at;
            if !self.scenario.is_counted(durable_at) {
                continue;
            }
            let latency = waits_from.saturating_sub(durable_at)
                + until.saturating_sub(passes_from.max(durable_at));
            self.tally.latency.saturating_record(latency.max(1));
            self.tally.latency_by_request.saturating_record_n(latency.max(1), weight);
            if isolate.last_permit > durable_at + 2 * REFRESH + trip {
                self.tally.late_by_request += weight;
            }
        }
    }

    /// What an isolate has not got until the end: its list has ceased to count, or it is counted as
    /// undecided.
    pub fn finish_isolate(&mut self, number: u32) {
        let isolate = &self.isolates[number as usize];
        let is_pulling = isolate.is_pulling;
        let until = if is_pulling { self.now } else { isolate.eligible_at.min(self.now) };
        let (known, durable) = (isolate.number, self.hub.durable);
        if isolate.expires_at() > self.now {
            self.tally.undecided += u64::from(durable - known);
        }
        self.draw_requests(number, until);
        self.end_patience(number, false);
        if durable > known {
            self.record(number, known, durable, !is_pulling);
        }
    }
}
