//! The leash of a socket: its connection to a relay, over which it hears of revocations.
//!
//! It is lost whenever the relay, or anything in between, is; then it is made again, after longer and
//! longer pauses, from the number on that the list has. In scope: when that is. Out of scope: the
//! connection itself (`crate::edge`).

use super::super::claims::Millis;

/// The first pause, in milliseconds; doubled up to the most.
const PAUSE_MS: u64 = 250;
const MOST_PAUSE_MS: u64 = 30_000;

/// How many relays of a region are tried, if those before are full.
const MOST_ATTEMPTS: u32 = 16;

/// The state of a leash.
#[derive(Clone, Copy, Debug)]
pub struct Leash {
    state: State,
    /// How often in a row it could not be made.
    failures: u32,
    /// How many relays are full.
    full: u32,
    /// The one that is being made names what counted before: another one is to follow.
    is_outdated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is to be none.
    Unwanted,
    /// There is none, until then.
    Down(Millis),
    Connecting,
    Up {
        /// Whether anything has come since the last ping.
        was_heard: bool,
    },
}

/// What is to be done for a leash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Nothing,
    /// It is to be made.
    Connect,
    /// The relay is to say something.
    Ping,
    /// The relay has said nothing: it is to be taken for lost.
    Drop,
}

impl Leash {
    /// Where there is nobody to hear from.
    #[must_use]
    pub const fn unwanted() -> Self {
        Self { state: State::Unwanted, failures: 0, full: 0, is_outdated: false }
    }

    /// One that is to be made now.
    #[must_use]
    pub const fn wanted(now: Millis) -> Self {
        Self { state: State::Down(now), failures: 0, full: 0, is_outdated: false }
    }

    /// What is to be done at `now`.
    pub fn wake(&mut self, now: Millis) -> Step {
        match self.state {
            State::Down(until) if now >= until => {
                self.state = State::Connecting;
                Step::Connect
            }
            _ => Step::Nothing,
        }
    }

    /// What is to be done each time that the socket is judged again: a connection can be gone without
    /// anybody being told.
    pub const fn check(&mut self) -> Step {
        match self.state {
            State::Up { was_heard: true } => {
                self.state = State::Up { was_heard: false };
                Step::Ping
            }
            State::Up { was_heard: false } => Step::Drop,
            _ => Step::Nothing,
        }
    }

    /// When it is to be made, if that is known.
    #[must_use]
    pub const fn next_at(&self) -> Option<Millis> {
        match self.state {
            State::Down(until) => Some(until),
            _ => None,
        }
    }

    /// Whether it is there.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// How many relays of the region are full, as far as it knows.
    #[must_use]
    pub const fn full(&self) -> u32 {
        self.full
    }

    /// It is there.
    pub const fn opened(&mut self, now: Millis) {
        self.state =
            if self.is_outdated { State::Down(now) } else { State::Up { was_heard: true } };
        self.is_outdated = false;
    }

    /// Something has come. Only then is it as good as it looks: a relay that takes leashes and drops them
    /// again does not get them back at once.
    pub const fn heard(&mut self) {
        if self.is_up() {
            self.state = State::Up { was_heard: true };
            self.failures = 0;
        }
    }

    /// It is `now`: no pause lasts longer than the longest from now, whatever the clock said before.
    pub(super) fn see(&mut self, now: Millis) {
        if let State::Down(until) = &mut self.state {
            let most = i64::try_from(MOST_PAUSE_MS).unwrap_or(0);
            *until = (*until).min(now.saturating_add(most));
        }
    }

    /// It is lost, or could not be made. `random` spreads those that were lost together.
    pub fn lost(&mut self, random: u64, now: Millis) {
        if self.state == State::Unwanted {
            return;
        }
        let pause_ms = PAUSE_MS.saturating_mul(1 << self.failures.min(16)).min(MOST_PAUSE_MS);
        // Between half of it and all.
        let pause_ms = pause_ms / 2 + random % (pause_ms / 2 + 1);
        self.failures = self.failures.saturating_add(1);
        self.is_outdated = false;
        self.state = State::Down(now.saturating_add(i64::try_from(pause_ms).unwrap_or(0)));
    }

    /// The relay has no room for it: the next one may.
    pub fn is_full(&mut self, random: u64, now: Millis) {
        self.full += 1;
        if self.full < MOST_ATTEMPTS {
            self.state = State::Down(now);
        } else {
            self.full = 0;
            self.lost(random, now);
        }
    }

    /// Another one is to be made in its place, but never two at the same time: the older one could come
    /// last.
    pub const fn replace(&mut self, now: Millis) {
        match self.state {
            State::Unwanted | State::Down(_) => {}
            State::Connecting => self.is_outdated = true,
            State::Up { .. } => self.state = State::Down(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_800_000_000_000;

    fn up() -> Leash {
        let mut leash = Leash::wanted(NOW);
        assert_eq!((leash.wake(NOW), leash.wake(NOW)), (Step::Connect, Step::Nothing));
        leash.opened(NOW);
        leash
    }

    #[test]
    fn it_is_made_again_after_longer_and_longer_pauses() {
        let mut leash = up();
        for most in [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            for (random, pause) in [(0, most / 2), (u64::MAX / 2, most)] {
                let mut leash = leash;
                leash.lost(random, NOW);
                let at = leash.next_at().unwrap();
                assert!((NOW + most / 2..=NOW + pause).contains(&at), "{most} {at}");
                assert_eq!(leash.wake(at - 1), Step::Nothing);
                assert_eq!(leash.wake(at), Step::Connect);
            }
            leash.lost(0, NOW);
            leash.wake(NOW + most);
        }
        // It is there again, and nothing has come yet.
        leash.opened(NOW);
        leash.lost(0, NOW);
        assert_eq!(leash.next_at(), Some(NOW + 15_000));
        leash.wake(NOW + 15_000);
        leash.opened(NOW);
        leash.heard();
        leash.lost(0, NOW);
        assert_eq!(leash.next_at(), Some(NOW + 125));
    }

    #[test]
    fn one_that_is_outdated_before_it_is_there_is_followed_by_another() {
        let mut leash = Leash::wanted(NOW);
        leash.wake(NOW);
        leash.replace(NOW);
        assert_eq!(leash.wake(NOW), Step::Nothing);
        leash.opened(NOW + 5);
        assert_eq!(leash.wake(NOW + 5), Step::Connect);
        leash.opened(NOW + 9);
        assert_eq!((leash.is_up(), leash.wake(NOW + 9)), (true, Step::Nothing));
        leash.replace(NOW + 10);
        assert_eq!(leash.wake(NOW + 10), Step::Connect);
    }

    #[test]
    fn a_relay_that_says_nothing_is_taken_for_lost() {
        let mut leash = up();
        assert_eq!(leash.check(), Step::Ping);
        leash.heard();
        assert_eq!(leash.check(), Step::Ping);
        assert_eq!(leash.check(), Step::Drop);
        leash.lost(0, NOW);
        assert_eq!(leash.check(), Step::Nothing);
        leash.heard();
        assert!(!leash.is_up());
    }

    #[test]
    fn where_a_relay_is_full_the_next_one_is_asked_at_once_and_not_without_end() {
        let mut leash = Leash::wanted(NOW);
        for full in 1..MOST_ATTEMPTS {
            assert_eq!(leash.wake(NOW), Step::Connect);
            leash.is_full(0, NOW);
            assert_eq!(leash.full(), full);
        }
        assert_eq!(leash.wake(NOW), Step::Connect);
        leash.is_full(0, NOW);
        assert_eq!((leash.full(), leash.next_at()), (0, Some(NOW + 125)));
    }

    #[test]
    fn where_there_is_to_be_none_nothing_makes_one() {
        let mut leash = Leash::unwanted();
        leash.lost(0, NOW);
        leash.replace(NOW);
        assert_eq!(
            (leash.wake(NOW), leash.check(), leash.next_at()),
            (Step::Nothing, Step::Nothing, None)
        );
    }
}
