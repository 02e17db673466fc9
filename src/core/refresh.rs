//! Something that is fetched again and again, as it ages: when it is fetched, and for how long it
//! counts.
//!
//! States, by the time since the last good fetch:
//!
//! | state | it counts | a use of it |
//! |--|--|--|
//! | absent, expired | no | fetches, and waits for it |
//! | fresh | yes | does nothing |
//! | stale | yes | fetches in the background |
//!
//! Who misses something in it can have it fetched in every state, since it may have changed. Attempts
//! are never closer than a cooldown, counted from the beginning of each, good or bad: whoever causes
//! them must not be able to make us ask at will. In scope: this clockwork. Out of scope: fetching
//! (`crate::edge`), and what is fetched.

use super::claims::Millis;

/// For how long after its time limit an attempt counts as under way, in milliseconds. The request
/// that makes it can end before its result is there.
const GRACE_MS: Millis = 1_000;

/// How something ages. All in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// For how long it is fresh.
    pub refresh_ms: Millis,
    /// For how long it counts.
    pub max_stale_ms: Millis,
    /// How long an attempt can take.
    pub attempt_ms: Millis,
    /// The least time between two attempts.
    pub cooldown_ms: Millis,
    /// The same while nothing counts: all that waits for it is refused meanwhile.
    pub cooldown_without_ms: Millis,
    /// The least time from the end of an attempt that brought nothing to the next, where that is longer:
    /// an attempt may have taken as long as the cooldown.
    pub pause_ms: Millis,
}

/// How old it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// There never was one.
    Absent,
    /// It counts and need not be fetched.
    Fresh,
    /// It counts and should be fetched again.
    Stale,
    /// It was not fetched for so long that it does not count any more.
    Expired,
}

impl Age {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Expired => "expired",
        }
    }

    /// Whether something of this age counts.
    #[must_use]
    pub const fn counts(self) -> bool {
        matches!(self, Self::Fresh | Self::Stale)
    }
}

/// What to do about it for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Nothing,
    /// Fetch it after the response.
    FetchInBackground,
    /// Fetch it now.
    Fetch,
    /// Another request is fetching it: look again in a moment.
    Wait,
    /// Go without; it may be fetched again from this time on.
    CoolingDown(Millis),
}

/// The clockwork.
#[derive(Debug)]
pub struct RefreshClock {
    schedule: Schedule,
    fetched_at: Option<Millis>,
    attempted_at: Option<Millis>,
    /// When an attempt last brought nothing, until one brings something.
    failed_at: Option<Millis>,
    under_way: bool,
    failed: bool,
}

impl RefreshClock {
    /// Of something that was never fetched.
    #[must_use]
    pub const fn new(schedule: Schedule) -> Self {
        Self {
            schedule,
            fetched_at: None,
            attempted_at: None,
            failed_at: None,
            under_way: false,
            failed: false,
        }
    }

    /// How old it is.
    #[must_use]
    pub fn age(&self, now: Millis) -> Age {
        let Some(fetched_at) = self.fetched_at else { return Age::Absent };
        match since(fetched_at, now) {
            age if age < self.schedule.refresh_ms => Age::Fresh,
            age if age < self.schedule.max_stale_ms => Age::Stale,
            _ => Age::Expired,
        }
    }

    /// What a request does that only needs it.
    #[must_use]
    pub fn on_use(&self, now: Millis) -> Step {
        match self.age(now) {
            Age::Fresh => Step::Nothing,
            Age::Stale => match self.on_miss(now) {
                Step::Fetch => Step::FetchInBackground,
                _ => Step::Nothing,
            },
            Age::Absent | Age::Expired => self.on_miss(now),
        }
    }

    /// What a request does that misses something in it.
    #[must_use]
    pub fn on_miss(&self, now: Millis) -> Step {
        let Some(attempted_at) = self.attempted_at else { return Step::Fetch };
        let until = self.cooldown_ends(attempted_at, self.age(now).counts());
        if self.is_under_way(now) {
            Step::Wait
        } else if now < until {
            Step::CoolingDown(until)
        } else {
            Step::Fetch
        }
    }

    /// It is `now`. If the clock was set back, what was done "later" was done now: nothing is lost
    /// by that, and nothing stays young or under way for longer than it may, counted from now.
    pub fn see(&mut self, now: Millis) {
        for time in [&mut self.fetched_at, &mut self.attempted_at, &mut self.failed_at] {
            *time = time.map(|time| time.min(now));
        }
    }

    /// It is `now`. If the clock was set back, nobody knows how old anything is: it is fetched anew.
    pub fn see_strictly(&mut self, now: Millis) {
        let times = [self.fetched_at, self.attempted_at, self.failed_at];
        if times.into_iter().flatten().any(|time| time > now) {
            *self = Self::new(self.schedule);
        }
    }

    /// It is gone.
    pub const fn forget(&mut self) {
        self.fetched_at = None;
    }

    /// For how long an attempt counts as under way, in milliseconds.
    #[must_use]
    pub const fn lease_ms(&self) -> Millis {
        self.schedule.attempt_ms.saturating_add(GRACE_MS)
    }

    /// Whether an attempt is under way that somebody may wait for.
    #[must_use]
    pub fn is_under_way(&self, now: Millis) -> bool {
        self.under_way && self.attempted_at.is_some_and(|at| since(at, now) < self.lease_ms())
    }

    /// From when on it may be tried again after an attempt that brought nothing.
    #[must_use]
    pub fn retry_at(&self) -> Option<Millis> {
        let attempted_at = self.attempted_at.filter(|_| self.failed)?;
        Some(self.cooldown_ends(attempted_at, self.fetched_at.is_some()))
    }

    /// Whether the last attempt brought nothing, so that nobody knows what has changed. One that was
    /// lost, with the request that made it, has brought nothing.
    #[must_use]
    pub fn failed(&self, now: Millis) -> bool {
        let is_lost =
            self.under_way && self.attempted_at.is_some_and(|at| since(at, now) >= self.lease_ms());
        self.failed || is_lost
    }

    /// When it was fetched.
    #[must_use]
    pub const fn fetched_at(&self) -> Option<Millis> {
        self.fetched_at
    }

    /// An attempt begins.
    pub const fn begin(&mut self, now: Millis) {
        self.attempted_at = Some(now);
        self.under_way = true;
    }

    /// Instead of an attempt, it was found elsewhere, where somebody had fetched it at `fetched_at`.
    /// That does not count as one: it was long ago, and nothing is known to have failed since.
    pub const fn found(&mut self, fetched_at: Millis) {
        self.fetched_at = Some(fetched_at);
        self.attempted_at = None;
        self.under_way = false;
        self.failed = false;
    }

    /// Besides the attempts, it was found elsewhere, where somebody had fetched it at `fetched_at`. What
    /// is known of the attempts stays.
    pub const fn is_as_of(&mut self, fetched_at: Millis) {
        self.fetched_at = Some(fetched_at);
    }

    /// An attempt was good.
    pub const fn fetched(&mut self, now: Millis) {
        self.fetched_at = Some(now);
        self.under_way = false;
        self.failed = false;
        self.failed_at = None;
    }

    /// An attempt brought nothing.
    pub const fn failed_to_fetch(&mut self, now: Millis) {
        self.under_way = false;
        self.failed = true;
        self.failed_at = Some(now);
    }

    /// Until when there is no other attempt after one, where something counts or nothing does.
    fn cooldown_ends(&self, attempted_at: Millis, counts: bool) -> Millis {
        let Schedule { cooldown_ms, cooldown_without_ms, pause_ms, .. } = self.schedule;
        let cooldown_ms = if counts { cooldown_ms } else { cooldown_without_ms };
        let ends = attempted_at.saturating_add(cooldown_ms);
        self.failed_at.map_or(ends, |at| ends.max(at.saturating_add(pause_ms)))
    }
}

/// How long ago something was.
const fn since(then: Millis, now: Millis) -> Millis {
    now.saturating_sub(then)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_800_000_000_000;

    fn clock() -> RefreshClock {
        RefreshClock::new(Schedule {
            refresh_ms: 300_000,
            max_stale_ms: 3_600_000,
            attempt_ms: 2_000,
            cooldown_ms: 30_000,
            cooldown_without_ms: 2_000,
            pause_ms: 0,
        })
    }

    fn fetched() -> RefreshClock {
        let mut clock = clock();
        clock.begin(NOW);
        clock.fetched(NOW);
        clock
    }

    #[test]
    fn it_is_fresh_then_stale_then_expired() {
        let clock = fetched();
        for (seconds, age, step) in [
            (0, Age::Fresh, Step::Nothing),
            (299, Age::Fresh, Step::Nothing),
            (300, Age::Stale, Step::FetchInBackground),
            (3_599, Age::Stale, Step::FetchInBackground),
            (3_600, Age::Expired, Step::Fetch),
        ] {
            let now = NOW + seconds * 1_000;
            assert_eq!((clock.age(now), clock.on_use(now)), (age, step), "{seconds}");
        }
    }

    #[test]
    fn of_those_without_it_the_first_fetches_and_the_others_wait() {
        let mut clock = clock();
        assert_eq!(clock.on_use(NOW), Step::Fetch);
        clock.begin(NOW);
        assert_eq!(clock.on_use(NOW + 2_999), Step::Wait);
        // The request that fetched may be gone.
        assert_eq!(clock.on_use(NOW + 3_000), Step::Fetch);
        clock.failed_to_fetch(NOW);
        assert!(clock.failed(NOW + 3_000));
        assert_eq!(clock.on_use(NOW + 1_999), Step::CoolingDown(NOW + 2_000));
        assert_eq!(clock.on_use(NOW + 2_000), Step::Fetch);
    }

    #[test]
    fn what_is_missing_is_fetched_once_in_a_cooldown() {
        let mut clock = fetched();
        assert_eq!(clock.on_miss(NOW + 29_999), Step::CoolingDown(NOW + 30_000));
        assert_eq!(clock.on_miss(NOW + 30_000), Step::Fetch);
        clock.begin(NOW + 30_000);
        assert_eq!(clock.on_miss(NOW + 30_001), Step::Wait);
        clock.failed_to_fetch(NOW + 30_002);
        assert_eq!(clock.on_miss(NOW + 59_999), Step::CoolingDown(NOW + 60_000));
        assert_eq!(clock.on_miss(NOW + 60_000), Step::Fetch);
    }

    #[test]
    fn what_is_stale_serves_while_it_cannot_be_fetched() {
        let mut clock = fetched();
        let later = NOW + 400_000;
        clock.begin(later);
        assert_eq!(clock.on_use(later + 1), Step::Nothing);
        clock.failed_to_fetch(later + 2);
        assert_eq!(clock.on_use(later + 29_999), Step::Nothing);
        assert_eq!(clock.on_use(later + 30_000), Step::FetchInBackground);
    }

    #[test]
    fn what_comes_from_elsewhere_keeps_its_age_and_is_no_attempt() {
        let mut clock = clock();
        clock.found(NOW - 400_000);
        assert_eq!(clock.age(NOW), Age::Stale);
        assert_eq!(clock.on_use(NOW), Step::FetchInBackground);
        assert_eq!(clock.on_miss(NOW), Step::Fetch);
    }

    #[test]
    fn after_a_failure_there_is_a_pause_however_long_it_took() {
        let schedule = Schedule {
            refresh_ms: 1_000,
            max_stale_ms: 30_000,
            attempt_ms: 1_000,
            cooldown_ms: 1_000,
            cooldown_without_ms: 1_000,
            pause_ms: 1_000,
        };
        let mut clock = RefreshClock::new(schedule);
        clock.begin(NOW);
        clock.failed_to_fetch(NOW + 1_000);
        assert_eq!(clock.on_use(NOW + 1_999), Step::CoolingDown(NOW + 2_000));
        assert_eq!(clock.on_use(NOW + 2_000), Step::Fetch);
        clock.begin(NOW + 2_000);
        clock.fetched(NOW + 2_000);
        assert_eq!(clock.on_use(NOW + 3_000), Step::FetchInBackground);
    }

    #[test]
    fn a_clock_that_was_set_back_can_be_taken_for_not_knowing_anything() {
        let mut clock = fetched();
        clock.see_strictly(NOW);
        assert_eq!(clock.age(NOW), Age::Fresh);
        clock.see_strictly(NOW - 1);
        assert_eq!((clock.age(NOW), clock.on_use(NOW)), (Age::Absent, Step::Fetch));
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nothing_old_and_keeps_nothing_young() {
        let mut clock = fetched();
        let before = NOW - 1_000_000;
        clock.see(before);
        assert_eq!((clock.age(before), clock.on_use(before)), (Age::Fresh, Step::Nothing));
        assert_eq!(clock.age(before + 300_000), Age::Stale);
        assert_eq!(clock.age(before + 3_600_000), Age::Expired);
    }
}
