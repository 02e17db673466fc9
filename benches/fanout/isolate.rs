//! What isolates do: pull when a request finds the list too old, and take what they get.

use edgeward::core::refresh::Step;
use edgeward::core::revocation::delta::Head;

use super::assumptions::{HTTP_BYTES, LEAST_LOOKUP, MOST_LOOKUP, PULL_LOSS, REFRESH, TIMEOUT};
use super::clockwork::{Event, MILLISECOND, Micros, SECOND};
use super::scenario::Caching;
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
        isolate.eligible_at = isolate.next_attempt().max(self.now);
        let at = isolate.eligible_at + self.random.gap(isolate.gap);
        self.agenda.plan(at, Event::Request(number));
    }

    pub fn pull(&mut self, number: u32) {
        let eligible_at = self.isolates[number as usize].eligible_at;
        self.draw_requests(number, eligible_at);
        let isolate = &mut self.isolates[number as usize];
        isolate.drawn_until = self.now;
        let is_waiting = match isolate.clock.on_use(millis(self.now)) {
            Step::FetchInBackground => {
                isolate.last_permit = self.now;
                false
            }
            Step::Fetch => true,
            step => panic!("a request was planned that does not fetch: {step:?}"),
        };
        isolate.clock.begin(millis(self.now));
        isolate.asked_at = self.now;
        isolate.attempt += 1;
        isolate.is_pulling = true;
        if is_waiting {
            isolate.waiting += 1.0;
        }
        if self.is_counted() {
            self.tally.traffic.pulls += 1;
            self.tally.traffic.waited += f64::from(u8::from(is_waiting));
        }
        if self.scenario.cache == Caching::No {
            self.ask_relay(number);
        } else {
            let lookup = self.random.between(LEAST_LOOKUP, MOST_LOOKUP);
            self.agenda.plan(self.now + lookup, Event::Lookup(number));
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
        if is_lost || trip >= TIMEOUT {
            let event = Event::PullFailed { isolate: number, attempt: isolate.attempt };
            self.agenda.plan(isolate.asked_at + TIMEOUT, event);
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
        let since_asked = (self.now - isolate.asked_at).div_ceil(MILLISECOND) as u32;
        let cached_age_ms = match self.scenario.cache {
            Caching::No => None,
            Caching::AsItCame => answer.age_ms,
            Caching::Aged => answer.age_ms.map(|age_ms| age_ms + since_asked),
        };
        let (centre, key) = (usize::from(isolate.centre), isolate.number);
        self.take(number, answer);
        // An answer that vouches for nothing would keep others from asking.
        if cached_age_ms.is_some() {
            let (now, until) = (self.now, self.now + REFRESH);
            answer.age_ms = cached_age_ms;
            answer.is_cached = true;
            let cache = &mut self.centres[centre].cache;
            cache.insert(key, Cached { until, answer });
            if cache.len() > 1_000 {
                cache.retain(|_, cached| now < cached.until);
            }
        }
    }

    fn take(&mut self, number: u32, answer: Answer) {
        self.draw_requests(number, self.now);
        let known = self.isolates[number as usize].number;
        if answer.number > known {
            self.record(number, known, answer.number, self.now);
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
        let lifetime = if answer.is_cached { millis(REFRESH) } else { 0 };
        match head.as_of(millis(isolate.asked_at)).map(|as_of| as_of - lifetime) {
            Some(as_of) => {
                let overrated_by =
                    (as_of as Micros * MILLISECOND).saturating_sub(answer.certain_at);
                if overrated_by > 0 {
                    self.tally.overrated += 1;
                    self.tally.overrated_by = self.tally.overrated_by.max(overrated_by);
                }
                let last = isolate.clock.fetched_at().unwrap_or(as_of);
                isolate.clock.fetched(as_of.max(last));
            }
            None => isolate.clock.failed_to_fetch(millis(self.now)),
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
        let is_counted = self.is_counted();
        let isolate = &mut self.isolates[number as usize];
        isolate.is_pulling = false;
        isolate.clock.failed_to_fetch(millis(self.now));
        let refused = std::mem::take(&mut isolate.waiting);
        if is_counted {
            self.tally.traffic.pulls_failed += 1;
            self.tally.traffic.refused += refused;
        }
        self.plan_request(number);
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

    /// Revocations take effect in an isolate: those after one number, up to another.
    fn record(&mut self, number: u32, after: u32, to: u32, at: Micros) {
        let isolate = &self.isolates[number as usize];
        let until = at.min(isolate.expires_at());
        let oldest = &self.hub.log[after as usize];
        let last_permit = isolate.last_permit.saturating_sub(oldest.durable_at);
        self.tally.last_permit = self.tally.last_permit.max(last_permit);

        let region = self.centres[usize::from(isolate.centre)].region;
        let trip = (self.isolate_to_relay.median + self.relay_to_hub[region].median) as Micros;
        // In tenths, as the rarest have one.
        let weight = ((10.0 * SECOND as f64 / isolate.gap) as u64).max(1);
        let stride = self.scenario.stride();
        let first = (after / stride + 1) * stride;
        for looked_at in (first..=to).step_by(stride as usize) {
            let revocation = &self.hub.log[looked_at as usize - 1];
            if !self.scenario.is_counted(revocation.durable_at) {
                continue;
            }
            let latency = until.saturating_sub(revocation.durable_at).max(1);
            self.tally.latency.saturating_record(latency);
            self.tally.latency_by_request.saturating_record_n(latency, weight);
            let permitted_at = isolate.last_permit;
            for times in [1, 2] {
                if permitted_at > revocation.durable_at + times * REFRESH + trip {
                    self.tally.late[times as usize - 1] += 1;
                    self.tally.late_by_request[times as usize - 1] += weight;
                }
            }
            if permitted_at > revocation.acknowledged_at() {
                self.tally.permitted_after_acknowledgement += 1;
            }
        }
    }

    /// What an isolate has not got until the end: its list has ceased to count, or it is counted as
    /// undecided.
    pub fn finish_isolate(&mut self, number: u32) {
        let isolate = &self.isolates[number as usize];
        let until = if isolate.is_pulling { self.now } else { isolate.eligible_at.min(self.now) };
        let (known, durable) = (isolate.number, self.hub.durable);
        if isolate.expires_at() > self.now {
            self.tally.undecided += u64::from(durable - known);
        }
        self.draw_requests(number, until);
        if durable > known {
            self.record(number, known, durable, self.now);
        }
    }
}
