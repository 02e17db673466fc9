//! A breaker, a service and a clock, through random histories.
//!
//! The clock can be set back, so the histories keep the real time, too: what is promised about
//! durations is promised in real time.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

#[derive(Clone, Copy, Debug)]
enum Event {
    /// A call whose outcome comes later.
    Call,
    /// A call whose outcome comes at once.
    Ask(Outcome),
    /// One of the calls in flight ends.
    End(Index, Outcome),
    Pass(Millis),
    /// So long after what the last refusal said.
    PassRefusal(Millis),
    SetBack(Millis),
}

#[derive(Clone, Copy, Debug)]
enum Outcome {
    Success,
    Failure(u32),
    Vanished,
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        2 => Just(Outcome::Success),
        8 => any::<u32>().prop_map(Outcome::Failure),
        1 => select(vec![0, u32::MAX]).prop_map(Outcome::Failure),
        1 => Just(Outcome::Vanished),
    ]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let durations = || prop_oneof![4 => 0..3_000_i64, 2 => 0..20_000_i64, 1 => 0..700_000_i64];
    let event = prop_oneof![
        3 => Just(Event::Call),
        8 => outcomes().prop_map(Event::Ask),
        3 => (any::<Index>(), outcomes()).prop_map(|(call, outcome)| Event::End(call, outcome)),
        3 => durations().prop_map(Event::Pass),
        8 => (-1..2_i64).prop_map(Event::PassRefusal),
        1 => durations().prop_map(Event::SetBack),
    ];
    vec(event, 0..200)
}

/// The one that is used, one that opens at once, and one whose window opens it.
fn policies() -> impl Strategy<Value = Policy> {
    select(vec![
        Policy::default(),
        Policy { consecutive_failures: 1, ..Policy::default() },
        Policy { consecutive_failures: u32::MAX, window_outcomes: 4, ..Policy::default() },
    ])
}

/// What has happened, by real time.
struct History {
    breaker: Breaker,
    real: Millis,
    clock: Millis,
    in_flight: Vec<(Ticket, Role)>,
    /// When the probe passed that is in flight, for all that one can know.
    probe: Option<Millis>,
    /// When it opened last, and for how long.
    back_off: Option<(Millis, Millis)>,
    /// When the refusals began that only time can end.
    refused_from: Option<Millis>,
    refused_until: Millis,
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Ordinary,
    /// By the time at which it passed.
    Probe(Millis),
}

impl History {
    fn new(policy: Policy) -> Self {
        Self {
            breaker: Breaker::new(policy),
            real: 0,
            clock: NOW,
            in_flight: Vec::new(),
            probe: None,
            back_off: None,
            refused_from: None,
            refused_until: NOW,
        }
    }

    fn apply(&mut self, event: Event) -> Result<(), TestCaseError> {
        match event {
            Event::Call => {
                let call = self.call()?;
                self.in_flight.extend(call);
                Ok(())
            }
            Event::Ask(outcome) => match self.call()? {
                Some((ticket, role)) => self.end(ticket, role, outcome),
                None => Ok(()),
            },
            Event::End(call, outcome) => {
                if self.in_flight.is_empty() {
                    return Ok(());
                }
                let (ticket, role) = self.in_flight.swap_remove(call.index(self.in_flight.len()));
                self.end(ticket, role, outcome)
            }
            Event::Pass(duration) => {
                self.pass(duration);
                Ok(())
            }
            Event::PassRefusal(more) => {
                self.pass((self.refused_until + more - self.clock).max(0));
                Ok(())
            }
            Event::SetBack(duration) => {
                self.clock -= duration;
                self.refused_from = None;
                Ok(())
            }
        }
    }

    fn pass(&mut self, duration: Millis) {
        self.real += duration;
        self.clock += duration;
    }

    fn call(&mut self) -> Result<Option<(Ticket, Role)>, TestCaseError> {
        let before = self.breaker.state(self.clock);
        let answer = self.breaker.admit(self.clock);
        match answer {
            Ok(ticket) => {
                prop_assert!(!matches!(before, State::Open { .. }), "refuses while open");
                if let Some((opened, length)) = self.back_off {
                    prop_assert!(self.real - opened >= length, "no back-off ends early");
                }
                self.refused_from = None;
                if before == State::Closed {
                    prop_assert_eq!(self.breaker.state(self.clock), State::Closed);
                    return Ok(Some((ticket, Role::Ordinary)));
                }
                if let Some(passed) = self.probe.replace(self.real) {
                    prop_assert!(self.real - passed >= LEASE, "one probe at a time");
                }
                Ok(Some((ticket, Role::Probe(self.real))))
            }
            Err(Refused { until }) => {
                prop_assert_ne!(before, State::Closed);
                prop_assert!(until > self.clock, "the end is in the future");
                prop_assert!(until - self.clock <= LONGEST, "the end is near");
                let from = *self.refused_from.get_or_insert(self.real);
                prop_assert!(self.real - from < LONGEST, "no clock makes it refuse for longer");
                self.refused_until = until;
                Ok(None)
            }
        }
    }

    fn end(&mut self, ticket: Ticket, role: Role, outcome: Outcome) -> Result<(), TestCaseError> {
        let before = self.breaker.state(self.clock);
        match outcome {
            Outcome::Success => self.breaker.succeeded(ticket, self.clock),
            Outcome::Failure(random) => self.breaker.failed(ticket, self.clock, random),
            Outcome::Vanished => {}
        }
        let after = self.breaker.state(self.clock);
        let decides = match role {
            Role::Ordinary => before == State::Closed,
            Role::Probe(passed) => self.probe == Some(passed),
        };
        if !decides || matches!(outcome, Outcome::Vanished) {
            prop_assert_eq!(before, after, "only what was admitted since the last change counts");
            return Ok(());
        }
        if let Role::Probe(_) = role {
            self.probe = None;
            match outcome {
                Outcome::Success => prop_assert_eq!(after, State::Closed),
                _ => prop_assert!(matches!(after, State::Open { .. }), "{:?}", after),
            }
        }
        match after {
            State::Open { since, until } => self.check_back_off(before, since, until)?,
            _ => self.back_off = None,
        }
        self.refused_from = None;
        Ok(())
    }

    fn check_back_off(
        &mut self,
        before: State,
        since: Millis,
        until: Millis,
    ) -> Result<(), TestCaseError> {
        let length = until - self.clock;
        prop_assert!((FIRST..=LONGEST).contains(&length), "{}", length);
        if before == State::Closed {
            prop_assert!(length <= FIRST + FIRST / 2, "an outage begins with the first");
            prop_assert_eq!(since, self.clock);
        } else {
            let (_, last) = self.back_off.unwrap();
            prop_assert!(length >= last, "{} after {}", length, last);
            prop_assert!(since <= self.clock);
        }
        self.back_off = Some((self.real, length));
        Ok(())
    }

    /// How long it takes, from now on, until it is closed, if the service works.
    fn recover(&mut self) -> Result<Millis, TestCaseError> {
        let from = self.real;
        for _ in 0..3 {
            self.apply(Event::Ask(Outcome::Success))?;
            if self.breaker.state(self.clock) == State::Closed {
                break;
            }
            self.apply(Event::PassRefusal(0))?;
        }
        prop_assert_eq!(self.breaker.state(self.clock), State::Closed);
        Ok(self.real - from)
    }
}

/// The table of transitions, written once more and with other means: calls are told apart by what
/// they are, not by when they were admitted, and the outcomes are all kept.
struct Model {
    policy: Policy,
    row: u32,
    outcomes: Vec<(Millis, bool)>,
    outage: Option<ModelOutage>,
    /// Of the calls in flight, those that count.
    counting: Vec<u64>,
    calls: u64,
}

struct ModelOutage {
    since: Millis,
    step: Millis,
    until: Millis,
    half_open: bool,
}

impl Model {
    fn admit(&mut self, now: Millis) -> Result<u64, Millis> {
        self.calls += 1;
        if let Some(outage) = &mut self.outage {
            if now < outage.until {
                return Err(outage.until);
            }
            outage.half_open = true;
            outage.until = now + Millis::from(self.policy.probe_lease_ms);
            self.counting.clear();
        }
        self.counting.push(self.calls);
        Ok(self.calls)
    }

    fn end(&mut self, call: u64, succeeded: bool, now: Millis, random: u32) {
        let Some(place) = self.counting.iter().position(|counting| *counting == call) else {
            return;
        };
        self.counting.swap_remove(place);
        match (&self.outage, succeeded) {
            (Some(_), true) => {
                self.outage = None;
                self.row = 0;
                self.outcomes.clear();
            }
            (Some(outage), false) => self.open(outage.since, outage.step * 2, now, random),
            (None, _) => {
                self.outcomes.push((now, succeeded));
                self.row = if succeeded { 0 } else { self.row + 1 };
                if !succeeded && self.is_too_bad(now) {
                    self.open(now, self.policy.first_back_off_ms.into(), now, random);
                }
            }
        }
    }

    fn is_too_bad(&self, now: Millis) -> bool {
        let bucket = |time: Millis| time / 1_000;
        let recent: Vec<bool> = self
            .outcomes
            .iter()
            .filter(|(time, _)| bucket(*time) > bucket(now) - 10)
            .map(|(_, succeeded)| *succeeded)
            .collect();
        let failures = recent.iter().filter(|succeeded| !**succeeded).count();
        self.row >= self.policy.consecutive_failures
            || recent.len() >= self.policy.window_outcomes as usize && failures * 2 >= recent.len()
    }

    fn open(&mut self, since: Millis, step: Millis, now: Millis, random: u32) {
        let jitter = (step.min(LONGEST) / 2 + 1) * Millis::from(random) / (1 << 32);
        let until = now + (step + jitter).min(LONGEST);
        self.counting.clear();
        self.outage = Some(ModelOutage { since, step, until, half_open: false });
    }

    fn state(&self, now: Millis) -> State {
        match self.outage {
            None => State::Closed,
            Some(ModelOutage { since, until, half_open: false, .. }) if now < until => {
                State::Open { since, until }
            }
            Some(ModelOutage { since, .. }) => State::HalfOpen { since },
        }
    }
}

fn times() -> impl Strategy<Value = Millis> {
    prop_oneof![
        2 => any::<i64>(),
        2 => select(vec![i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX]),
        1 => NOW..NOW + 1_000_000,
    ]
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let number = || prop_oneof![0..4_u32, any::<u32>(), Just(u32::MAX)];
    vec(number(), 7).prop_map(|numbers| Policy {
        consecutive_failures: numbers[0],
        window_ms: numbers[1],
        window_outcomes: numbers[2],
        window_failure_percent: numbers[3],
        first_back_off_ms: numbers[4],
        longest_back_off_ms: numbers[5],
        probe_lease_ms: numbers[6],
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_the_promises_and_ends_well(policy in policies(), events in events()) {
        let mut history = History::new(policy);
        for event in events {
            history.apply(event)?;
        }
        prop_assert!(history.recover()? <= LONGEST + LEASE);
    }

    #[test]
    fn as_long_as_the_clock_goes_on_it_agrees_with_the_model(
        policy in policies(),
        events in events(),
    ) {
        let mut breaker = Breaker::new(policy.clone());
        let mut model = Model {
            policy,
            row: 0,
            outcomes: Vec::new(),
            outage: None,
            counting: Vec::new(),
            calls: 0,
        };
        let mut in_flight = Vec::new();
        let (mut now, mut refused_until) = (NOW, NOW);
        for event in events {
            let mut passed = false;
            match event {
                Event::Call | Event::Ask(_) => match (breaker.admit(now), model.admit(now)) {
                    (Ok(ticket), Ok(call)) => {
                        in_flight.push((ticket, call));
                        passed = true;
                    }
                    (Err(Refused { until }), Err(expected)) => {
                        prop_assert_eq!(until, expected);
                        refused_until = until;
                    }
                    (answer, expected) => prop_assert!(false, "{answer:?}, not {expected:?}"),
                },
                Event::Pass(duration) => now += duration,
                Event::PassRefusal(more) => now = now.max(refused_until + more),
                Event::End(..) | Event::SetBack(_) => {}
            }
            let ended = match event {
                Event::Ask(outcome) if passed => in_flight.pop().map(|call| (call, outcome)),
                Event::End(call, outcome) if !in_flight.is_empty() => {
                    let place = call.index(in_flight.len());
                    Some((in_flight.swap_remove(place), outcome))
                }
                _ => None,
            };
            match ended {
                Some(((ticket, call), Outcome::Success)) => {
                    breaker.succeeded(ticket, now);
                    model.end(call, true, now, 0);
                }
                Some(((ticket, call), Outcome::Failure(random))) => {
                    breaker.failed(ticket, now, random);
                    model.end(call, false, now, random);
                }
                Some((_, Outcome::Vanished)) | None => {}
            }
            prop_assert_eq!(breaker.state(now), model.state(now));
        }
    }

    #[test]
    fn no_time_and_no_policy_panic(
        policy in any_policy(),
        steps in vec((times(), 0..4_u8, any::<u32>()), 0..60),
    ) {
        let mut breaker = Breaker::new(policy);
        let mut in_flight = Vec::new();
        for (now, kind, random) in steps {
            match kind {
                0 | 1 => in_flight.extend(breaker.admit(now)),
                2 => if let Some(ticket) = in_flight.pop() { breaker.failed(ticket, now, random) },
                _ => if let Some(ticket) = in_flight.pop() { breaker.succeeded(ticket, now) },
            }
            match breaker.state(now) {
                State::Open { since, until } => prop_assert!(since <= now && now < until),
                State::HalfOpen { since } => prop_assert!(since <= now),
                State::Closed => {}
            }
        }
    }
}
