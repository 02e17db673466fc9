//! A supervised WebSocket, as far as it is a matter of time and numbers.
//!
//! In scope: when it ends by itself, when it is to be looked at again, and what a message may be. Out of
//! scope: the frames (`crate::edge`), and what its token is worth meanwhile ([`crate::gate`]).

mod backlog;
mod ending;
mod leash;

pub use backlog::Sent;
pub use ending::Ending;
pub use leash::{Leash, Step};

use super::claims::Millis;
use backlog::Backlog;

/// After so long a closing that one side does not answer is cut off, in milliseconds.
pub const CLOSING_MS: Millis = 10_000;

/// What holds for one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// When its token is over, with leeway, in milliseconds; `None` for a socket without one.
    pub expires_at: Option<Millis>,
    /// After so long it is judged again, in milliseconds; `None` where there is nothing to judge.
    pub check_ms: Option<Millis>,
    /// For so long the check of its token may fail for want of an answer, in milliseconds.
    pub doubt_ms: Millis,
    /// After so long without a message it ends, in milliseconds.
    pub idle_ms: Option<Millis>,
    /// So much may wait for one side when there is more to send, in bytes.
    pub max_buffered_bytes: u32,
    /// The longest message, in bytes.
    pub max_message_bytes: Option<u32>,
}

/// One socket.
#[derive(Debug)]
pub struct Session {
    terms: Terms,
    /// What tells it of revocations.
    pub leash: Leash,
    /// What waits for the client, and for the origin.
    backlogs: [Backlog; 2],
    last_message_at: Millis,
    check_at: Option<Millis>,
    /// Until when the list of revocations counts that it was judged by last, if it was, and if that ends.
    list_lapses_at: Option<Millis>,
    in_doubt_since: Option<Millis>,
    closing_since: Option<Millis>,
}

/// One end of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who has opened it.
    Client,
    /// Whom it was opened to.
    Origin,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// It is to be judged again.
    Check,
    /// It ends.
    End(Ending),
    /// It was closed, and one side does not answer: it is cut off.
    CutOff,
}

impl Session {
    /// A socket that has just been opened. `random` spreads the checks of those that were opened
    /// together.
    #[must_use]
    pub fn open(terms: Terms, leash: Leash, random: u64, now: Millis) -> Self {
        let spread = |check_ms: Millis| {
            let within = u64::try_from(check_ms).unwrap_or(0).max(1);
            now.saturating_add(check_ms / 2 + i64::try_from(random % within).unwrap_or(0) / 2)
        };
        Self {
            terms,
            leash,
            backlogs: [Backlog::default(); 2],
            last_message_at: now,
            check_at: terms.check_ms.map(spread),
            list_lapses_at: None,
            in_doubt_since: None,
            closing_since: None,
        }
    }

    /// Why nothing may pass at `now`, if nothing may: its token is over, or it is late to be judged by as much as
    /// there is between two checks. A runtime that stood still may hear messages before its timers. Nobody judges it
    /// again while one side still has something to say to the other, which has closed: no later than its list counts.
    #[inline(never)]
    fn lapsed(&self, now: Millis) -> Option<Ending> {
        if self.terms.expires_at.is_some_and(|at| now >= at) {
            Some(Ending::TokenExpired)
        } else {
            let is_late = self.check_at.is_some_and(|at| {
                now.saturating_sub(at) >= self.check_ms()
                    || self.is_closing() && self.list_lapses_at.is_some_and(|at| now >= at)
            });
            is_late.then_some(Ending::SupervisionLost)
        }
    }

    /// A message of so many bytes has come for a side, to which so much was sent, of which so many bytes
    /// still wait. `None` if it may be sent, too.
    pub fn message(
        &mut self,
        to: Side,
        bytes: u32,
        sent: Sent,
        waiting: u32,
        now: Millis,
    ) -> Option<Ending> {
        if let Some(ending) = self.lapsed(now) {
            return Some(ending);
        }
        let [client, origin] = &mut self.backlogs;
        let backlog = match to {
            Side::Client => client,
            Side::Origin => origin,
        };
        if backlog.bytes(sent, waiting, now) > self.terms.max_buffered_bytes.into() {
            return Some(Ending::SlowConsumer);
        }
        if self.terms.max_message_bytes.is_some_and(|most| bytes > most) {
            return Some(Ending::MessageTooLarge);
        }
        self.last_message_at = now;
        None
    }

    /// There are no messages before the origin has answered: however long that takes, nobody is idle, and being judged
    /// is at most due now, and not late.
    pub fn opening(&mut self, now: Millis) {
        self.last_message_at = now;
        self.check_at = self.check_at.map(|at| at.max(now));
    }

    /// How often it is judged, in milliseconds.
    #[must_use]
    pub fn check_ms(&self) -> Millis {
        self.terms.check_ms.unwrap_or(0)
    }

    /// It is `now`. Should the clock have been set back, nothing is put off by that for longer than it
    /// may be, counted from now.
    fn see(&mut self, now: Millis) {
        self.last_message_at = self.last_message_at.min(now);
        for time in [&mut self.in_doubt_since, &mut self.closing_since] {
            *time = time.map(|time| time.min(now));
        }
        if let Some(check_ms) = self.terms.check_ms {
            let latest = now.saturating_add(check_ms);
            self.check_at = self.check_at.map(|at| at.min(latest));
        }
        self.leash.see(now);
    }

    /// What is to be done at `now`.
    pub fn wake(&mut self, now: Millis) -> Due {
        self.see(now);
        let is_over = |at: Option<Millis>| at.is_some_and(|at| now >= at);
        if self.closing_since.is_some() {
            return if is_over(self.cut_off_at()) { Due::CutOff } else { Due::Nothing };
        }
        if let Some(ending) = self.lapsed(now) {
            Due::End(ending)
        } else if is_over(self.idle_at()) {
            Due::End(Ending::IdleTimeout)
        } else if is_over(self.check_at) {
            self.check_at = self.terms.check_ms.map(|check_ms| now.saturating_add(check_ms));
            Due::Check
        } else {
            Due::Nothing
        }
    }

    /// In how many milliseconds something is to be done again.
    #[must_use]
    pub fn next_ms(&self, now: Millis) -> Option<u32> {
        let times = match self.cut_off_at() {
            Some(at) => [Some(at), None, None, None],
            None => [self.terms.expires_at, self.idle_at(), self.check_at, self.leash.next_at()],
        };
        let first = times.into_iter().flatten().min()?;
        // A timer of the platform that is set for longer than that ends at once.
        let most = Millis::from(i32::MAX);
        u32::try_from(first.saturating_sub(now).clamp(0, most)).ok()
    }

    /// It was judged and found good. The list of revocations that this rests on, and the rest, count until then, if
    /// that is known, and are looked at then.
    pub fn is_good(&mut self, list: Option<Millis>, rest: Option<Millis>, now: Millis) {
        self.in_doubt_since = None;
        self.rests_on(list, rest, now);
    }

    fn rests_on(&mut self, list: Option<Millis>, rest: Option<Millis>, now: Millis) {
        // What has lapsed already, and serves, is no reason to look without end.
        let [list, rest] = [list, rest].map(|at| at.filter(|at| *at > now));
        self.list_lapses_at = list;
        for at in [list, rest].into_iter().flatten() {
            self.check_at = self.check_at.map(|check_at| check_at.min(at));
        }
    }

    /// It could not be judged, because something behind us gives no answer; the list counts until then, if that is
    /// known. Whether it ends by that: nobody is to lose a socket over a moment.
    pub fn is_in_doubt(&mut self, list: Option<Millis>, now: Millis) -> Option<Ending> {
        let since = *self.in_doubt_since.get_or_insert(now);
        let ends_at = since.saturating_add(self.terms.doubt_ms);
        self.rests_on(list, Some(ends_at), now);
        (now >= ends_at).then_some(Ending::AuthUnavailable)
    }

    /// It has another token, which is good until then.
    pub const fn renew(&mut self, expires_at: Option<Millis>) {
        self.terms.expires_at = expires_at;
        self.in_doubt_since = None;
    }

    /// One side, or we, began to close it.
    pub fn close(&mut self, now: Millis) {
        self.closing_since.get_or_insert(now);
    }

    /// Whether it is being closed.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        self.closing_since.is_some()
    }

    fn idle_at(&self) -> Option<Millis> {
        Some(self.last_message_at.saturating_add(self.terms.idle_ms?))
    }

    fn cut_off_at(&self) -> Option<Millis> {
        Some(self.closing_since?.saturating_add(CLOSING_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_800_000_000_000;

    const TERMS: Terms = Terms {
        expires_at: Some(NOW + 60_000),
        check_ms: Some(10_000),
        doubt_ms: 30_000,
        idle_ms: None,
        max_buffered_bytes: 1_000,
        max_message_bytes: Some(100),
    };

    fn open(terms: Terms) -> Session {
        Session::open(terms, Leash::unwanted(), 0, NOW)
    }

    #[test]
    fn it_ends_with_its_token_and_not_before() {
        let mut session = open(Terms { check_ms: None, ..TERMS });
        assert_eq!(session.next_ms(NOW), Some(60_000));
        assert_eq!(session.wake(NOW + 59_999), Due::Nothing);
        assert_eq!(session.next_ms(NOW + 59_999), Some(1));
        assert_eq!(session.wake(NOW + 60_000), Due::End(Ending::TokenExpired));
    }

    #[test]
    fn a_token_of_many_years_needs_more_than_one_timer() {
        let year_ms = 365 * 86_400_000;
        let session = open(Terms { expires_at: Some(NOW + year_ms), check_ms: None, ..TERMS });
        assert_eq!(session.next_ms(NOW), Some(i32::MAX.unsigned_abs()));
        assert_eq!(open(Terms { expires_at: None, check_ms: None, ..TERMS }).next_ms(NOW), None);
    }

    #[test]
    fn it_is_judged_again_and_again_but_not_all_at_once() {
        for (random, first) in [(0, 5_000), (9_999, 9_999), (10_000, 5_000), (15_000, 7_500)] {
            let mut session = Session::open(TERMS, Leash::unwanted(), random, NOW);
            assert_eq!(session.next_ms(NOW), Some(first));
            let now = NOW + i64::from(first);
            assert_eq!((session.wake(now - 1), session.wake(now)), (Due::Nothing, Due::Check));
            assert_eq!((session.wake(now), session.next_ms(now)), (Due::Nothing, Some(10_000)));
        }
    }

    #[test]
    fn it_is_looked_at_when_what_it_rests_on_lapses() {
        let mut session = open(TERMS);
        assert_eq!(session.wake(NOW + 5_000), Due::Check);
        session.is_good(None, Some(NOW + 7_000), NOW + 5_000);
        assert_eq!(session.next_ms(NOW + 5_000), Some(2_000));
        assert_eq!(session.wake(NOW + 7_000), Due::Check);
        session.is_good(Some(NOW + 9_000), Some(NOW + 7_000), NOW + 7_000);
        assert_eq!(session.next_ms(NOW + 7_000), Some(2_000));
        session.is_good(None, None, NOW + 8_000);
        assert_eq!(session.next_ms(NOW + 8_000), Some(1_000));
    }

    #[test]
    fn doubt_ends_it_only_when_it_lasts() {
        let mut session = open(Terms { expires_at: None, ..TERMS });
        assert_eq!(session.is_in_doubt(None, NOW), None);
        assert_eq!(session.wake(NOW + 10_000), Due::Check);
        assert_eq!(session.wake(NOW + 20_000), Due::Check);
        assert_eq!(session.is_in_doubt(None, NOW + 29_999), None);
        session.is_good(None, None, NOW + 29_999);
        for seconds in [30, 40, 50] {
            assert_eq!(session.wake(NOW + seconds * 1_000), Due::Check);
            assert_eq!(session.is_in_doubt(None, NOW + seconds * 1_000), None);
        }
        assert_eq!(session.next_ms(NOW + 55_000), Some(5_000));
        assert_eq!(session.is_in_doubt(None, NOW + 60_000), Some(Ending::AuthUnavailable));
    }

    #[test]
    fn in_doubt_it_is_looked_at_when_the_list_lapses() {
        let mut session = open(TERMS);
        assert_eq!(session.wake(NOW + 5_000), Due::Check);
        assert_eq!(session.is_in_doubt(Some(NOW + 8_000), NOW + 5_000), None);
        assert_eq!(session.next_ms(NOW + 5_000), Some(3_000));
        // What comes after one side has closed passes for as long.
        session.close(NOW + 5_000);
        let sent = Sent::default();
        assert_eq!(session.message(Side::Client, 1, sent, 0, NOW + 7_999), None);
        let late = session.message(Side::Client, 1, sent, 0, NOW + 8_000);
        assert_eq!(late, Some(Ending::SupervisionLost));
    }

    #[test]
    fn only_messages_keep_it_from_being_idle() {
        let mut session =
            open(Terms { expires_at: None, check_ms: None, idle_ms: Some(1_000), ..TERMS });
        assert_eq!(session.message(Side::Client, 1, Sent::default(), 0, NOW + 900), None);
        assert_eq!(session.wake(NOW + 1_000), Due::Nothing);
        assert_eq!(session.next_ms(NOW + 1_000), Some(900));
        assert_eq!(
            session.message(Side::Client, 101, Sent::default(), 0, NOW + 1_800),
            Some(Ending::MessageTooLarge)
        );
        assert_eq!(session.wake(NOW + 1_900), Due::End(Ending::IdleTimeout));
    }

    #[test]
    fn one_message_may_be_longer_than_what_may_wait_but_none_may_follow() {
        let mut session = open(Terms { max_message_bytes: None, ..TERMS });
        let sent = |messages, bytes| Sent { messages, bytes };
        assert_eq!(session.message(Side::Client, 1_000_000, sent(0, 0), 0, NOW), None);
        assert_eq!(session.message(Side::Client, 1, sent(1, 1_000_000), 600, NOW), None);
        let slow = session.message(Side::Client, 1, sent(2, 1_000_001), 900, NOW);
        assert_eq!(slow, Some(Ending::SlowConsumer));
        assert_eq!(session.message(Side::Origin, 1, sent(0, 0), 0, NOW), None);
    }

    #[test]
    fn a_limit_is_what_may_be() {
        // One message that waits takes 128 bytes beside its own.
        for (waiting, ending) in [(872, None), (873, Some(Ending::SlowConsumer))] {
            let mut session = open(TERMS);
            assert_eq!(session.message(Side::Client, 1, Sent::default(), 0, NOW), None);
            let sent = Sent { messages: 1, bytes: 1_000 };
            assert_eq!(session.message(Side::Client, 1, sent, waiting, NOW), ending);
        }
        for (bytes, ending) in [(100, None), (101, Some(Ending::MessageTooLarge))] {
            let sent = Sent::default();
            assert_eq!(open(TERMS).message(Side::Client, bytes, sent, 0, NOW), ending);
        }
    }

    #[test]
    fn who_does_not_answer_a_closing_is_cut_off() {
        let mut session = open(TERMS);
        session.close(NOW);
        session.close(NOW + 5_000);
        assert!(session.is_closing());
        assert_eq!(session.next_ms(NOW + 5_000), Some(5_000));
        assert_eq!(session.wake(NOW + 9_999), Due::Nothing);
        assert_eq!(session.wake(NOW + 10_000), Due::CutOff);
    }

    #[test]
    fn a_clock_that_is_set_back_puts_nothing_off_for_long() {
        let hour = 3_600_000;
        let mut session = open(Terms { expires_at: None, idle_ms: Some(60_000), ..TERMS });
        session.leash = Leash::wanted(NOW + hour);
        let before = NOW - hour;
        assert_eq!(session.wake(before), Due::Nothing);
        assert_eq!(session.next_ms(before), Some(10_000));
        assert_eq!(session.leash.next_at(), Some(before + 30_000));
        for seconds in [10, 20, 30, 40, 50] {
            assert_eq!(session.wake(before + seconds * 1_000), Due::Check);
        }
        assert_eq!(session.wake(before + 60_000), Due::End(Ending::IdleTimeout));
        session.close(NOW);
        assert_eq!(session.wake(before), Due::Nothing);
        assert_eq!(session.wake(before + 10_000), Due::CutOff);
    }

    #[test]
    fn whom_nobody_could_look_at_in_time_lets_nothing_pass() {
        // It is due after five seconds, and ten are the time between two checks.
        for (after, message, due) in [
            (14_999, None, Due::Check),
            (15_000, Some(Ending::SupervisionLost), Due::End(Ending::SupervisionLost)),
            (60_000, Some(Ending::TokenExpired), Due::End(Ending::TokenExpired)),
        ] {
            let sent = Sent::default();
            assert_eq!(open(TERMS).message(Side::Client, 1, sent, 0, NOW + after), message);
            assert_eq!(open(TERMS).wake(NOW + after), due);
            // One side has closed, and the other has something to say.
            let mut closing = open(TERMS);
            closing.close(NOW);
            assert_eq!(closing.message(Side::Client, 1, sent, 0, NOW + after), message);
        }
        // However long its origin took, it is due then, and not late.
        let mut slow = open(TERMS);
        slow.opening(NOW + 50_000);
        assert_eq!(slow.wake(NOW + 50_000), Due::Check);
    }

    #[test]
    fn what_comes_after_one_side_has_closed_passes_while_the_list_counts() {
        let sent = Sent::default();
        for (list, rest, last) in [
            (Some(8_000), None, 7_999),
            // It is late before that.
            (Some(20_000), None, 14_999),
            // When anything else lapses it is looked at again, and is late by a whole pause after that.
            (None, Some(2_000), 11_999),
            // What has lapsed serves.
            (Some(0), None, 14_999),
        ] {
            let mut session = open(TERMS);
            let at = |after: Option<Millis>| after.map(|after| NOW + after);
            session.is_good(at(list), at(rest), NOW);
            session.close(NOW);
            assert_eq!(session.message(Side::Client, 1, sent, 0, NOW + last), None);
            let ending = session.message(Side::Client, 1, sent, 0, NOW + last + 1);
            assert_eq!(ending, Some(Ending::SupervisionLost));
            // Where the list's age does not matter, or there is nothing to judge.
            let mut doubtful = open(TERMS);
            doubtful.is_good(at(list), at(rest), NOW);
            assert_eq!(doubtful.is_in_doubt(None, NOW), None);
            let mut public = open(Terms { check_ms: None, ..TERMS });
            public.is_good(at(list), at(rest), NOW);
            for mut session in [doubtful, public] {
                session.close(NOW);
                assert_eq!(session.message(Side::Client, 1, sent, 0, NOW + 8_000), None);
            }
        }
    }

    #[test]
    fn idle_time_counts_from_when_it_is_open() {
        let mut session =
            open(Terms { expires_at: None, check_ms: None, idle_ms: Some(1_000), ..TERMS });
        session.opening(NOW + 5_000);
        assert_eq!(session.wake(NOW + 5_999), Due::Nothing);
        assert_eq!(session.wake(NOW + 6_000), Due::End(Ending::IdleTimeout));
    }

    #[test]
    fn another_token_gives_it_more_time() {
        let mut session = open(Terms { check_ms: None, ..TERMS });
        session.renew(Some(NOW + 120_000));
        assert_eq!(session.wake(NOW + 119_999), Due::Nothing);
        assert_eq!(session.wake(NOW + 120_000), Due::End(Ending::TokenExpired));
    }
}
