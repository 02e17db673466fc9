//! The revocations that hold now, in memory: asked for each request, and never wrong.
//!
//! A million of them must fit beside everything else that an isolate keeps, and be found in less time
//! than anything else of a request takes. A hash table has room to spare for half as many again, at
//! best, and doubles when it grows. So the targets, which are hashes already, lie in order in 4096
//! small lists, told apart by their first bits; each grows by a sixteenth (`cargo bench --bench
//! revocations` has the figures).
//!
//! In scope: taking parts of the log, and asking. Out of scope: how old a list may be
//! ([`super::super::refresh`]), and what names a token ([`super::target`]).

use super::super::claims::NumericDate;
use super::delta::Delta;
use super::entry::{Effect, Entry, LogId, Number, seconds};
use super::target::{Fingerprint, Mark};

/// How many small lists there are: with a million targets, each has 250, which is some 5 KB to look
/// through by halves, or to move for a new one.
const BUCKETS: usize = 1 << BUCKET_BITS;
const BUCKET_BITS: u32 = 12;

/// How many of them are looked through for what has expired, each time that a part of the log comes:
/// a minute for all of them, if one comes every second.
const SWEPT_AT_ONCE: usize = BUCKETS / 64;

/// So long after its end what has expired is still kept, in seconds: a clock that was ahead and is set
/// back must not have lost anything.
pub const FORGET_AFTER_SECONDS: NumericDate = 3_600;

/// All revocations of a log, up to a number.
#[derive(Clone, Debug, Default)]
pub struct RevocationList {
    log: Option<LogId>,
    number: Number,
    /// None until there is something to keep.
    buckets: Vec<Vec<Slot>>,
    len: usize,
    next_to_sweep: usize,
}

/// What holds for one target: 20 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    /// The first four bytes of the target, for comparing.
    first: u32,
    others: [u8; Fingerprint::BYTES - 4],
    effect: u32,
    expires_at: u32,
}

/// A part of the log does not continue the list: something in between is missing, or it is of another
/// log. One that begins at the beginning always does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap;

impl RevocationList {
    /// Which log it is of, once it has taken something.
    #[must_use]
    pub const fn log(&self) -> Option<LogId> {
        self.log
    }

    /// It has all entries up to this one.
    #[must_use]
    pub const fn number(&self) -> Number {
        self.number
    }

    /// How many targets it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// About how much memory it takes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let slots: usize = self.buckets.iter().map(Vec::capacity).sum();
        self.buckets.capacity() * size_of::<Vec<Slot>>() + slots * size_of::<Slot>()
    }

    /// Takes a part of the log. Whether that has changed anything. What it knows already it takes no
    /// second time, so that parts may come twice, late, and in any order that leaves no gap.
    pub fn take(&mut self, delta: &Delta<'_>, now: NumericDate) -> Result<bool, Gap> {
        let head = &delta.head;
        if self.log != Some(head.log) {
            if head.after > 0 {
                return Err(Gap);
            }
            // The hub had to begin anew, or this list has.
            *self = Self { log: Some(head.log), ..Self::default() };
        } else if head.after > self.number {
            return Err(Gap);
        }
        if self.buckets.is_empty() && !delta.is_empty() {
            self.buckets.resize(BUCKETS, Vec::new());
        }
        let mut has_changed = false;
        let known = self.number;
        for entry in delta.entries().filter(|entry| entry.number > known) {
            has_changed |= self.put(&entry, now);
        }
        self.number = self.number.max(head.to);
        self.sweep(now);
        Ok(has_changed)
    }

    /// Goes on to a number of a log, because nothing that still counts is between it and what the list has.
    pub fn skip(&mut self, log: LogId, to: Number) {
        if self.log != Some(log) {
            *self = Self { log: Some(log), ..Self::default() };
        }
        self.number = self.number.max(to);
    }

    /// Whether it may have a target with this mark; if not, it has none.
    #[must_use]
    pub fn may_have(&self, mark: Mark) -> bool {
        let bits = mark.bits();
        if bits == 0 || self.len == 0 {
            return false;
        }
        // The last bit of a mark is not the target's, so there are two to look for, side by side.
        let least = bits & !1;
        let Some(bucket) = self.buckets.get(bucket_of(least)) else { return false };
        let at = bucket.partition_point(|slot| slot.first < least);
        bucket.get(at).is_some_and(|slot| slot.first <= bits)
    }

    /// Whether it revokes a token of this target that was issued then.
    #[must_use]
    pub fn revokes(
        &self,
        target: Fingerprint,
        issued_at: Option<NumericDate>,
        now: NumericDate,
    ) -> bool {
        [target.of_all(), target.of_older()]
            .into_iter()
            .any(|one| self.effect(one, now).revokes(issued_at))
    }

    /// What it says about the tokens of a target at `now`: at most two things, each with its own name, and
    /// until when it holds.
    pub fn about(
        &self,
        target: Fingerprint,
        now: NumericDate,
    ) -> impl Iterator<Item = (Fingerprint, Effect, NumericDate)> {
        [target.of_all(), target.of_older()].into_iter().filter_map(move |one| {
            self.slot(one, now).map(|slot| (one, slot.effect(), slot.expires_at.into()))
        })
    }

    /// What holds for exactly this target at `now`.
    fn effect(&self, target: Fingerprint, now: NumericDate) -> Effect {
        self.slot(target, now).map_or(Effect::Undo, Slot::effect)
    }

    fn slot(&self, target: Fingerprint, now: NumericDate) -> Option<&Slot> {
        let wanted = Slot::of(target);
        let bucket = self.buckets.get(bucket_of(wanted.first))?;
        let found = bucket.get(wanted.place_in(bucket).ok()?)?;
        Some(found).filter(|slot| !slot.has_expired(now))
    }

    /// Whether that changes anything.
    fn put(&mut self, entry: &Entry, now: NumericDate) -> bool {
        let effect = entry.effect.code();
        let slot = Slot { effect, expires_at: seconds(entry.expires_at), ..Slot::of(entry.target) };
        let Some(bucket) = self.buckets.get_mut(bucket_of(slot.first)) else { return false };
        let is_over = entry.effect == Effect::Undo || slot.is_forgotten(now);
        match (slot.place_in(bucket), is_over) {
            (Ok(at), true) => {
                bucket.remove(at);
                self.len -= 1;
                true
            }
            (Ok(at), false) => {
                let old = bucket.get_mut(at).map(|old| std::mem::replace(old, slot));
                old != Some(slot)
            }
            (Err(_), true) => false,
            (Err(at), false) => {
                if bucket.len() == bucket.capacity() {
                    bucket.reserve_exact((bucket.len() / 16).max(2));
                }
                bucket.insert(at, slot);
                self.len += 1;
                true
            }
        }
    }

    /// Lets some of what has expired go.
    fn sweep(&mut self, now: NumericDate) {
        let (first, at_once) = (self.next_to_sweep, SWEPT_AT_ONCE);
        for bucket in self.buckets.iter_mut().skip(first).take(at_once) {
            let before = bucket.len();
            bucket.retain(|slot| !slot.is_forgotten(now));
            self.len -= before - bucket.len();
            if bucket.capacity() > bucket.len() * 2 {
                bucket.shrink_to_fit();
            }
        }
        self.next_to_sweep = (first + at_once) % BUCKETS;
    }
}

/// Where a target is whose first bytes are these.
const fn bucket_of(first: u32) -> usize {
    (first >> (u32::BITS - BUCKET_BITS)) as usize
}

impl Slot {
    /// Of nothing that holds.
    fn of(target: Fingerprint) -> Self {
        let [a, b, c, d, others @ ..] = target.to_bytes();
        Self { first: u32::from_be_bytes([a, b, c, d]), others, effect: 0, expires_at: 0 }
    }

    fn effect(&self) -> Effect {
        Effect::from_code(self.effect)
    }

    fn has_expired(&self, now: NumericDate) -> bool {
        self.expires_at <= seconds(now)
    }

    /// Whether it has expired whatever clock that is read later says.
    fn is_forgotten(&self, now: NumericDate) -> bool {
        self.has_expired(now.saturating_sub(FORGET_AFTER_SECONDS))
    }

    /// Where its target is in a bucket, or would be.
    fn place_in(&self, bucket: &[Self]) -> Result<usize, usize> {
        bucket.binary_search_by(|slot| (slot.first, slot.others).cmp(&(self.first, self.others)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::core::revocation::delta::Head;
    use crate::core::revocation::target::Kind;

    const NOW: NumericDate = 1_800_000_000;

    fn target(value: usize) -> Fingerprint {
        Fingerprint::of(Kind::Subject, "i", &value.to_string())
    }

    fn entry(number: Number, value: usize, effect: Effect, expires_at: NumericDate) -> Entry {
        Entry { number, target: target(value), effect, expires_at }
    }

    fn part(log: LogId, after: Number, to: Number, entries: &[Entry]) -> Vec<u8> {
        Delta::write(&Head { log, after, to, latest: to, age_ms: None }, entries)
    }

    fn take(list: &mut RevocationList, bytes: &[u8]) -> Result<bool, Gap> {
        list.take(&Delta::read(bytes).unwrap(), NOW)
    }

    #[test]
    fn what_is_missing_in_between_is_noticed() {
        let mut list = RevocationList::default();
        let first = [entry(1, 1, Effect::RevokeAll, NOW + 10)];
        assert_eq!(take(&mut list, &part(7, 1, 1, &[])), Err(Gap), "it begins with nothing");
        assert_eq!(take(&mut list, &part(7, 0, 1, &first)), Ok(true));
        assert_eq!(take(&mut list, &part(7, 2, 3, &[])), Err(Gap));
        assert_eq!((list.number(), list.len()), (1, 1));
        assert_eq!(take(&mut list, &part(7, 1, 2, &[])), Ok(false));
        assert_eq!(list.number(), 2);
    }

    #[test]
    fn another_log_is_taken_from_its_beginning_alone() {
        let mut list = RevocationList::default();
        take(&mut list, &part(7, 0, 1, &[entry(1, 1, Effect::RevokeAll, NOW + 10)])).unwrap();
        assert_eq!(take(&mut list, &part(8, 1, 2, &[])), Err(Gap));
        assert_eq!(list.effect(target(1), NOW), Effect::RevokeAll);
        take(&mut list, &part(8, 0, 1, &[entry(1, 2, Effect::RevokeAll, NOW + 10)])).unwrap();
        assert_eq!((list.log(), list.len()), (Some(8), 1));
        assert_eq!(list.effect(target(1), NOW), Effect::Undo);
    }

    #[test]
    fn what_was_undone_does_not_come_back_when_an_old_part_does() {
        let mut list = RevocationList::default();
        let revoked = entry(1, 1, Effect::RevokeAll, NOW + 10);
        let undone = entry(2, 1, Effect::Undo, NOW + 10);
        take(&mut list, &part(7, 0, 2, &[revoked, undone])).unwrap();
        assert_eq!(take(&mut list, &part(7, 0, 1, &[revoked])), Ok(false));
        assert_eq!(list.effect(target(1), NOW), Effect::Undo);
    }

    #[test]
    fn what_has_expired_says_nothing_and_goes() {
        let mut list = RevocationList::default();
        let entries: Vec<_> = (1..=1_000)
            .zip(1..)
            .map(|(at, value)| entry(at, value, Effect::RevokeAll, NOW + 10))
            .collect();
        take(&mut list, &part(7, 0, 1_000, &entries)).unwrap();
        assert_eq!(list.effect(target(1), NOW + 9), Effect::RevokeAll);
        assert_eq!(list.effect(target(1), NOW + 10), Effect::Undo);
        for _ in 0..64 {
            let nothing = part(7, 1_000, 1_000, &[]);
            list.take(&Delta::read(&nothing).unwrap(), NOW + 3_610).unwrap();
        }
        assert_eq!((list.len(), list.buckets.iter().map(Vec::capacity).sum::<usize>()), (0, 0));
    }

    #[test]
    fn marks_that_differ_in_their_last_bit_are_one() {
        for last in [0x10, 0x11] {
            let target = Fingerprint::from_bytes([9, 9, 9, last, 0, 0, 0, 0, 0, 0, 0, 0]);
            let one = Entry { number: 1, target, effect: Effect::RevokeAll, expires_at: NOW + 1 };
            let mut list = RevocationList::default();
            take(&mut list, &part(7, 0, 1, &[one])).unwrap();
            for (other, has) in [(0x0f, false), (0x10, true), (0x11, true), (0x12, false)] {
                let other = Fingerprint::from_bytes([9, 9, 9, other, 0, 0, 0, 0, 0, 0, 0, 0]);
                assert_eq!(list.may_have(other.mark()), has, "{last} {other}");
            }
        }
        assert!(!RevocationList::default().may_have(Mark::default()));
    }

    /// What is done to a log: for one of some targets, by a number of [`Effect`], for some seconds.
    fn steps() -> impl Strategy<Value = Vec<(usize, u32, i64)>> {
        let code = prop_oneof![Just(0), Just(u32::MAX), 1_u32..100];
        prop::collection::vec((0_usize..30, code, 0_i64..100), 0..200)
    }

    proptest! {
        /// Against a model: the last word about each target, as long as it has not expired, whatever
        /// way the log was cut, and whatever came twice.
        #[test]
        fn it_says_what_the_log_says(
            steps in steps(),
            cuts in prop::collection::vec((0_usize..200, 0_usize..200), 0..20),
            passed in 0_i64..100,
        ) {
            let log: Vec<Entry> = steps
                .iter()
                .zip(1..)
                .map(|((value, code, life), number)| {
                    entry(number, *value, Effect::from_code(*code), NOW + life)
                })
                .collect();
            let mut list = RevocationList::default();
            let mut pieces = cuts;
            pieces.push((0, log.len()));
            for (from, to) in pieces {
                let (from, to) = (from.min(log.len()), to.min(log.len()));
                let Some(entries) = log.get(from..to) else { continue };
                let bytes = part(7, from as u64, to as u64, entries);
                let is_gap = list.take(&Delta::read(&bytes).unwrap(), NOW).is_err();
                prop_assert_eq!(is_gap, from as u64 > list.number());
            }
            let now = NOW + passed;
            let mut model = BTreeMap::new();
            for one in &log {
                let holds = one.expires_at > now;
                model.insert(one.target, if holds { one.effect } else { Effect::Undo });
            }
            let mut most = 0;
            for value in 0..40 {
                let expected = model.get(&target(value)).copied().unwrap_or(Effect::Undo);
                prop_assert_eq!(list.effect(target(value), now), expected);
                if expected != Effect::Undo {
                    prop_assert!(list.may_have(target(value).mark()));
                    most += 1;
                }
            }
            prop_assert!(list.len() >= most);
        }
    }

    /// So many that each bucket has some.
    #[test]
    fn it_finds_every_target_and_no_other() {
        let values = || 0..50_000_usize;
        let entries: Vec<Entry> = values()
            .zip(1..)
            .map(|(value, number)| entry(number, value, Effect::RevokeAll, NOW + 10))
            .collect();
        let mut list = RevocationList::default();
        take(&mut list, &part(7, 0, 50_000, &entries)).unwrap();
        assert_eq!(list.len(), 50_000);
        for value in values() {
            assert_eq!(list.effect(target(value), NOW), Effect::RevokeAll);
            assert_eq!(list.effect(target(value + 50_000), NOW), Effect::Undo);
        }
    }
}
