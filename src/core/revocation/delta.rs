//! A part of the log as it is sent and stored: everything after one number, up to another.
//!
//! | part | bytes | |
//! |--|--|--|
//! | magic | 4 | `EWR1`; another layout gets another |
//! | log | 8 | which log it is from |
//! | after | 8 | it continues a list of this number, or of a greater one |
//! | base | 8 | what the numbers of the entries are counted from |
//! | to | 8 | the number of a list that has taken it |
//! | latest | 8 | the number of the whole log, as far as its sender knows |
//! | age | 4 | how many milliseconds ago that was certain; the largest number if it never was |
//! | entries | 24 each | target 12, number less base 4, [effect](Effect::code) 4, expiry in seconds 4 |
//!
//! Numbers are little-endian. In scope: this layout. Out of scope: what is done with it
//! ([`super::list`]), and who may be believed ([`super::super::sealed`]).

use super::super::claims::Millis;
use super::entry::{Effect, Entry, LogId, Number, seconds};
use super::target::Fingerprint;

const MAGIC: &[u8; 4] = b"EWR1";
const HEAD_BYTES: usize = 48;

/// The length of one entry.
pub const ENTRY_BYTES: usize = 24;

/// Of this age is what was never certain.
const NEVER: u32 = u32::MAX;

/// A part of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delta<'b> {
    /// What it says about itself.
    pub head: Head,
    base: Number,
    entries: &'b [u8],
}

/// What a part of the log says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which log it is from.
    pub log: LogId,
    /// It continues a list of this number, or of a greater one.
    pub after: Number,
    /// The number of a list that has taken it.
    pub to: Number,
    /// The number of the whole log, as far as its sender knows.
    pub latest: Number,
    /// How many milliseconds ago that was certain, if it ever was.
    pub age_ms: Option<u32>,
}

impl Head {
    /// Whether nothing is missing behind it, as far as its sender knows.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.to >= self.latest
    }

    /// The time at which it was certain that there is no more than this, if it is; for who asked for it
    /// at `asked_at`. That is early enough whatever the clock of the sender says.
    #[must_use]
    pub fn as_of(&self, asked_at: Millis) -> Option<Millis> {
        let age_ms = self.age_ms.filter(|_| self.is_whole())?;
        Some(asked_at.saturating_sub(age_ms.into()))
    }
}

/// Why some bytes are no part of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl<'b> Delta<'b> {
    /// Reads it.
    pub fn read(bytes: &'b [u8]) -> Result<Self, Malformed> {
        let (head, entries) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(Malformed)?;
        let mut rest = head.as_slice();
        if take::<4>(&mut rest)? != *MAGIC {
            return Err(Malformed);
        }
        let [log, after, base, to, latest] = [
            u64::from_le_bytes(take(&mut rest)?),
            u64::from_le_bytes(take(&mut rest)?),
            u64::from_le_bytes(take(&mut rest)?),
            u64::from_le_bytes(take(&mut rest)?),
            u64::from_le_bytes(take(&mut rest)?),
        ];
        let age_ms = Some(u32::from_le_bytes(take(&mut rest)?)).filter(|age_ms| *age_ms != NEVER);
        if !entries.len().is_multiple_of(ENTRY_BYTES) || log == 0 || after > to || to > latest {
            return Err(Malformed);
        }
        let head = Head { log, after, to, latest, age_ms };
        let delta = Self { head, base, entries };
        let mut last = after;
        for entry in delta.entries() {
            // In their order, and none that it has no room for.
            if entry.number <= last || entry.number > to {
                return Err(Malformed);
            }
            last = entry.number;
        }
        Ok(delta)
    }

    /// Writes it. Entries come in the order of their numbers.
    #[must_use]
    pub fn write(head: &Head, entries: &[Entry]) -> Vec<u8> {
        let base = entries.first().map_or(head.after, |first| first.number);
        let mut bytes = Vec::with_capacity(HEAD_BYTES + entries.len() * ENTRY_BYTES);
        bytes.extend_from_slice(MAGIC);
        for number in [head.log, head.after, base, head.to, head.latest] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&head.age_ms.unwrap_or(NEVER).to_le_bytes());
        for Entry { number, target, effect, expires_at } in entries {
            bytes.extend_from_slice(&target.to_bytes());
            // A log would need years for more at once than its reader could hold.
            let number = u32::try_from(number.saturating_sub(base)).unwrap_or(u32::MAX);
            for part in [number, effect.code(), seconds(*expires_at)] {
                bytes.extend_from_slice(&part.to_le_bytes());
            }
        }
        bytes
    }

    /// How many entries it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len() / ENTRY_BYTES
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Its entries, in the order of their numbers.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + use<'b> {
        let base = self.base;
        self.entries.chunks_exact(ENTRY_BYTES).filter_map(move |mut bytes| {
            let target = Fingerprint::from_bytes(take(&mut bytes).ok()?);
            let mut number = || Some(u32::from_le_bytes(take(&mut bytes).ok()?));
            let [offset, effect, expires_at] = [number()?, number()?, number()?];
            Some(Entry {
                number: base.saturating_add(offset.into()),
                target,
                effect: Effect::from_code(effect),
                expires_at: expires_at.into(),
            })
        })
    }
}

/// Takes the first bytes away.
fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (first, rest) = bytes.split_first_chunk::<N>().ok_or(Malformed)?;
    *bytes = rest;
    Ok(*first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::revocation::target::Kind;

    fn entry(number: Number, value: &str, effect: Effect) -> Entry {
        let target = Fingerprint::of(Kind::Subject, "i", value);
        Entry { number, target, effect, expires_at: 1_800_000_000 }
    }

    const HEAD: Head = Head { log: 7, after: 40, to: 45, latest: 50, age_ms: Some(1_000) };

    #[test]
    fn the_layout_is_pinned() {
        let target = Fingerprint::from_bytes(*b"abcdefghijkl");
        let entries = [
            Entry { number: 41, target, effect: Effect::RevokeAll, expires_at: 2 },
            Entry { number: 43, target, effect: Effect::Undo, expires_at: 3 },
        ];
        let bytes = Delta::write(&HEAD, &entries);
        let expected = concat!(
            "EWR1\x07\0\0\0\0\0\0\0\x28\0\0\0\0\0\0\0\x29\0\0\0\0\0\0\0\x2d\0\0\0\0\0\0\0",
            "\x32\0\0\0\0\0\0\0"
        );
        let mut expected = expected.as_bytes().to_vec();
        expected.extend_from_slice(&[0xe8, 3, 0, 0]);
        expected.extend_from_slice(b"abcdefghijkl\0\0\0\0\xff\xff\xff\xff\x02\0\0\0");
        expected.extend_from_slice(b"abcdefghijkl\x02\0\0\0\0\0\0\0\x03\0\0\0");
        assert_eq!(bytes, expected);
        let delta = Delta::read(&bytes).unwrap();
        assert_eq!((delta.head, delta.len()), (HEAD, 2));
        assert_eq!(delta.entries().collect::<Vec<_>>(), entries);
    }

    #[test]
    fn what_is_no_delta_is_not_read() {
        let entries = [entry(41, "a", Effect::RevokeAll), entry(45, "b", Effect::Undo)];
        let good = Delta::write(&HEAD, &entries);
        assert!(Delta::read(&good).is_ok());
        for length in 0..good.len() {
            let is_cut_between =
                length >= HEAD_BYTES && (length - HEAD_BYTES).is_multiple_of(ENTRY_BYTES);
            assert_eq!(Delta::read(&good[..length]).is_ok(), is_cut_between, "{length}");
        }
        let other = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            Delta::read(&bytes).is_err()
        };
        assert!(other(3, b'2'), "another layout");
        assert!(other(4, 0), "no log");
        assert!(other(12, 46), "it ends before it begins");
        assert!(other(36, 44), "more than there is");
        for swapped in [[entries[1], entries[0]], [entries[0], entries[0]]] {
            assert!(Delta::read(&Delta::write(&HEAD, &swapped)).is_err());
        }
        for number in [40, 46] {
            let beyond = [entry(number, "a", Effect::RevokeAll)];
            assert!(Delta::read(&Delta::write(&HEAD, &beyond)).is_err(), "{number}");
        }
    }

    #[test]
    fn it_says_since_when_it_is_all() {
        let whole = Head { to: 50, ..HEAD };
        assert_eq!(whole.as_of(10_000), Some(9_000));
        assert_eq!(HEAD.as_of(10_000), None, "there is more");
        assert_eq!(Head { age_ms: None, ..whole }.as_of(10_000), None, "nobody knows");
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            numbers in prop::collection::btree_set(1_u64..u64::from(u32::MAX), 0..20),
            effects in prop::collection::vec(any::<u32>(), 20),
            base in 0_u64..1 << 60,
        ) {
            let entries: Vec<Entry> = numbers
                .iter()
                .zip(effects)
                .map(|(number, code)| entry(base + number, "a", Effect::from_code(code)))
                .collect();
            let to = entries.last().map_or(base, |last| last.number);
            let head = Head { log: 1, after: base, to, latest: to, age_ms: None };
            let bytes = Delta::write(&head, &entries);
            let delta = Delta::read(&bytes).unwrap();
            prop_assert_eq!(delta.head, head);
            prop_assert_eq!(delta.entries().collect::<Vec<_>>(), entries);
        }

        #[test]
        fn no_bytes_panic(mut bytes: Vec<u8>, is_marked: bool) {
            if is_marked {
                bytes.splice(0..0, *MAGIC);
            }
            let _ = Delta::read(&bytes);
        }
    }
}
