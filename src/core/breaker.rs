//! Whether a service may be asked: a circuit breaker.
//!
//! A service that is down is not asked again and again: every request would wait for a call that
//! fails, and the service would meet all of them at once when it comes back. After too many
//! failures the breaker refuses calls for a while, the back-off. Then a single call, the probe,
//! finds out whether the service works again.
//!
//! | from | when | to |
//! |--|--|--|
//! | closed | too many failures in a row, or too large a part of the window | open, for the first back-off |
//! | open | the back-off is over | half-open |
//! | half-open | a call, and no probe is in flight | half-open: the call is the probe |
//! | half-open | a call, and the lease of the probe is over: it is lost | half-open: the call is the new probe |
//! | half-open | the probe succeeded | closed; failures and back-off are forgotten |
//! | half-open | the probe failed | open, for the next back-off |
//!
//! Nothing else changes the state. In particular:
//!
//! - **Outcomes of calls that were admitted before the last change count for nothing**, nor does that
//!   of a probe after another one has replaced it. A success that arrives while the breaker is open
//!   left before the failures that opened it were known, and says less about now than they do. If it
//!   closed the breaker, a service that answers one call of ten would get all the traffic again and
//!   again. To ignore it costs no more than the rest of the back-off. A failure that arrives late
//!   says what is known already. If it counted, the calls that were in flight when the service went
//!   down would lengthen the back-off, or open the breaker again after a probe has closed it.
//! - **A call that never reports counts for nothing.** A request can vanish at any time, and that
//!   says nothing about the service.
//! - **Only a failure opens**, though a success, too, can be the outcome that makes the window full.
//!
//! The clock may be set back. What is left of a back-off or of a lease is never more than the whole
//! of it, counted from the next call, so once the clock goes on, nobody is refused for longer than
//! that. A clock that is set forward ends them early, which is a probe too many.
//!
//! In scope: this state machine, for one service. Out of scope: calling the service, what a failure
//! is, the clock, the random bits, and what is done without the service.

mod window;

#[cfg(test)]
mod tests;

use window::Window;

use super::claims::Millis;

/// When a breaker opens, and for how long. No value makes it panic.
#[derive(Clone, Debug)]
pub struct Policy {
    /// So many failures in a row open the breaker, whatever time they take.
    pub consecutive_failures: u32,
    /// How long an outcome counts for the failure rate, in milliseconds, to a tenth of it.
    pub window_ms: u32,
    /// The least number of outcomes in the window that make a failure rate.
    pub window_outcomes: u32,
    /// So many percent of the outcomes in the window, being failures, open the breaker.
    pub window_failure_percent: u32,
    /// The first back-off of an outage, without jitter, in milliseconds. Each probe that fails
    /// doubles it.
    pub first_back_off_ms: u32,
    /// The longest back-off, jitter included, in milliseconds.
    pub longest_back_off_ms: u32,
    /// After so many milliseconds without a report a probe is lost. Has to be longer than the
    /// timeout of a call, so that a lost probe is not in flight any more.
    pub probe_lease_ms: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            window_ms: 10_000,
            window_outcomes: 20,
            window_failure_percent: 50,
            first_back_off_ms: 2_000,
            longest_back_off_ms: 300_000,
            probe_lease_ms: 10_000,
        }
    }
}

/// The circuit breaker of one service. Its memory does not grow.
///
/// `now` has to be the time of the call: one from before an `await` looks like a clock set back.
#[derive(Debug)]
pub struct Breaker {
    policy: Policy,
    phase: Phase,
    /// Counts the changes of the phase, and the probes.
    generation: u64,
}

/// The right to one call, to be handed back with its outcome to the breaker that admitted the call.
/// If it is dropped instead, the call counts for nothing.
#[derive(Debug)]
#[must_use = "without a report the call counts for nothing"]
pub struct Ticket {
    generation: u64,
}

/// The service may not be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// When the next probe may pass: the end of the back-off, or of the lease of the probe that is in
    /// flight, should it be lost. Always later than the `now` of the call.
    pub until: Millis,
}

/// What the breaker does with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Traffic passes.
    Closed,
    /// Nothing passes.
    Open {
        /// When the breaker opened first, before any probe failed. Never later than `now`.
        since: Millis,
        /// The end of the back-off.
        until: Millis,
    },
    /// The back-off is over, and one probe passes, or is in flight.
    HalfOpen {
        /// When the breaker opened first, before any probe failed. Never later than `now`.
        since: Millis,
    },
}

impl State {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen { .. } => "half_open",
        }
    }
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        let phase = Phase::Closed(Record::new(&policy));
        Self { policy, phase, generation: 0 }
    }

    /// Asks for one call.
    pub fn admit(&mut self, now: Millis) -> Result<Ticket, Refused> {
        if let Phase::Open(outage) | Phase::HalfOpen(outage) = &mut self.phase {
            *outage = outage.seen_at(now);
            if now < outage.until {
                return Err(Refused { until: outage.until });
            }
            let probed = outage.waiting(now, self.policy.probe_lease_ms);
            self.enter(Phase::HalfOpen(probed));
        }
        Ok(Ticket { generation: self.generation })
    }

    /// The service did what it was asked for.
    pub fn succeeded(&mut self, ticket: Ticket, now: Millis) {
        if !self.counts(ticket) {
            return;
        }
        match &mut self.phase {
            Phase::Closed(record) => record.success(now),
            Phase::HalfOpen(_) => self.enter(Phase::Closed(Record::new(&self.policy))),
            Phase::Open(_) => {}
        }
    }

    /// The service failed, or did not answer in time. `random` are bits that other isolates do not
    /// have, so that not all of them send their probes at the same time.
    pub fn failed(&mut self, ticket: Ticket, now: Millis, random: u32) {
        if !self.counts(ticket) {
            return;
        }
        match &mut self.phase {
            Phase::Closed(record) => {
                record.failure(now);
                if record.is_too_bad(&self.policy, now) {
                    self.open(now, self.policy.first_back_off_ms, now, random);
                }
            }
            Phase::HalfOpen(Outage { since, step_ms, .. }) => {
                let (since, step_ms) = (*since, step_ms.saturating_mul(2));
                self.open(since, step_ms, now, random);
            }
            Phase::Open(_) => {}
        }
    }

    /// What is to be reported at `now`, also if nobody has called since the back-off was over.
    #[must_use]
    pub fn state(&self, now: Millis) -> State {
        match &self.phase {
            Phase::Closed(_) => State::Closed,
            Phase::Open(outage) => {
                let Outage { since, until, .. } = outage.seen_at(now);
                if now < until { State::Open { since, until } } else { State::HalfOpen { since } }
            }
            Phase::HalfOpen(outage) => State::HalfOpen { since: outage.seen_at(now).since },
        }
    }

    /// Takes the ticket, since a call has one outcome. A probe counts until the next one is admitted,
    /// even if its lease is over: there is nothing newer to go by.
    fn counts(&self, Ticket { generation }: Ticket) -> bool {
        generation == self.generation
    }

    fn open(&mut self, since: Millis, step_ms: u32, now: Millis, random: u32) {
        let back_off_ms = lengthen(step_ms, random).min(self.policy.longest_back_off_ms);
        let outage = Outage { since, step_ms, wait_ms: 0, until: now };
        self.enter(Phase::Open(outage.waiting(now, back_off_ms)));
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation = self.generation.wrapping_add(1);
    }
}

/// Adds up to a half at random: less than doubling does, so that the next back-off is not shorter.
/// For the same reason nothing is added to the longest; the ones before have then spread the probes
/// of the isolates.
fn lengthen(step_ms: u32, random: u32) -> u32 {
    let choices = u64::from(step_ms / 2) + 1;
    let jitter_ms = ((choices * u64::from(random)) >> 32) as u32;
    step_ms.saturating_add(jitter_ms)
}

#[derive(Debug)]
enum Phase {
    Closed(Record),
    /// The wait is the back-off; it may be over, if nobody has called since. No ticket is of this
    /// generation.
    Open(Outage),
    /// A probe was admitted. The wait is its lease.
    HalfOpen(Outage),
}

#[derive(Clone, Copy, Debug)]
struct Outage {
    since: Millis,
    /// The last back-off, without jitter and cap.
    step_ms: u32,
    /// How long nobody passes: the back-off, or the lease.
    wait_ms: u32,
    until: Millis,
}

impl Outage {
    fn waiting(self, now: Millis, wait_ms: u32) -> Self {
        let until = now.saturating_add(i64::from(wait_ms));
        Self { wait_ms, until, ..self }.seen_at(now)
    }

    /// A clock that was set back makes nothing longer than it is, and nothing begin in the future.
    fn seen_at(self, now: Millis) -> Self {
        let latest = now.saturating_add(i64::from(self.wait_ms));
        Self { since: self.since.min(now), until: self.until.min(latest), ..self }
    }
}

/// The outcomes since the breaker was closed.
#[derive(Debug)]
struct Record {
    consecutive_failures: u32,
    window: Window,
}

impl Record {
    fn new(policy: &Policy) -> Self {
        Self { consecutive_failures: 0, window: Window::new(policy.window_ms) }
    }

    fn success(&mut self, now: Millis) {
        self.consecutive_failures = 0;
        self.window.success(now);
    }

    fn failure(&mut self, now: Millis) {
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        self.window.failure(now);
    }

    fn is_too_bad(&self, policy: &Policy, now: Millis) -> bool {
        let (outcomes, failures) = self.window.totals(now);
        self.consecutive_failures >= policy.consecutive_failures
            || outcomes >= u64::from(policy.window_outcomes)
                && failures * 100 >= outcomes * u64::from(policy.window_failure_percent)
    }
}
