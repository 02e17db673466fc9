//! A part of the log of revocations: raw bytes, and a log that the input spells, cut in every way.

use std::collections::BTreeMap;

use edgeward::core::revocation::delta::{Delta, ENTRY_BYTES, Head};
use edgeward::core::revocation::entry::{Effect, Entry};
use edgeward::core::revocation::list::RevocationList;
use edgeward::core::revocation::target::Fingerprint;

use super::fixture::NOW;

/// Checks an input.
pub fn check(data: &[u8]) {
    check_raw(data);
    check_log(data);
}

/// What is read is what a sender writes.
fn check_raw(data: &[u8]) {
    let Ok(delta) = Delta::read(data) else { return };
    let entries: Vec<Entry> = delta.entries().collect();
    let head = delta.head;
    assert_eq!(entries.len(), delta.len());
    assert_eq!(data.len(), 48 + entries.len() * ENTRY_BYTES);
    assert!(head.after <= head.to && head.to <= head.latest && head.log != 0);
    assert!(entries.is_sorted_by(|one, next| one.number < next.number));
    assert!(entries.iter().all(|one| (head.after + 1..=head.to).contains(&one.number)));

    let written = Delta::write(&head, &entries);
    let again = Delta::read(&written).expect("it was written");
    assert_eq!((again.head, again.entries().collect::<Vec<_>>()), (head, entries));

    // Once is enough.
    let mut list = RevocationList::default();
    if list.take(&delta, NOW).is_ok() {
        let known = (list.number(), list.len());
        assert_eq!(list.take(&delta, NOW), Ok(false));
        assert_eq!((list.number(), list.len()), known);
        assert!(list.number() == head.to && list.len() <= delta.len());
    }
}

/// Four bytes are an entry or a cut. The list says what the log said last about each target, in whatever parts
/// it came, and whatever came twice.
fn check_log(data: &[u8]) {
    let mut log: Vec<Entry> = Vec::new();
    let mut cuts: Vec<usize> = vec![0];
    for step in data.chunks_exact(4).take(256) {
        let &[kind, target, life, value] = step else { continue };
        if kind & 0x80 != 0 {
            cuts.push(log.len() * usize::from(target) / 255);
            continue;
        }
        let effect = match kind % 4 {
            0 => Effect::Undo,
            1 | 2 => Effect::RevokeAll,
            _ => Effect::RevokeIssuedBefore(NOW - 128 + i64::from(value)),
        };
        log.push(Entry {
            number: log.len() as u64 + 1,
            target: target_of(target % 32),
            effect,
            expires_at: NOW + i64::from(life) - 16,
        });
    }
    let mut model: BTreeMap<Fingerprint, Entry> = BTreeMap::new();
    for entry in &log {
        model.insert(entry.target, *entry);
    }
    let mut whole = RevocationList::default();
    take(&mut whole, &log, 0, log.len());
    let mut parts = RevocationList::default();
    cuts.push(log.len());
    for pair in cuts.windows(2) {
        // A part may begin earlier than it has to, and go on where an earlier one did.
        let (from, to) = (pair[0].min(pair[1]), pair[1].max(pair[0]));
        take(&mut parts, &log, from, to);
    }
    take(&mut parts, &log, 0, log.len());

    for number in 0..32 {
        let target = target_of(number);
        let entry = model.get(&target).filter(|entry| entry.expires_at > NOW);
        for issued_at in [None, Some(NOW - 100), Some(NOW)] {
            let revokes = |target| {
                model
                    .get(&target)
                    .filter(|entry: &&Entry| entry.expires_at > NOW)
                    .is_some_and(|entry| entry.effect.revokes(issued_at))
            };
            let expected = revokes(target.of_all()) || revokes(target.of_older());
            assert_eq!(whole.revokes(target, issued_at, NOW), expected, "{target}");
            assert_eq!(parts.revokes(target, issued_at, NOW), expected, "{target}");
        }
        if entry.is_some_and(|entry| entry.effect != Effect::Undo) {
            assert!(whole.may_have(target.mark()) && parts.may_have(target.mark()));
        }
    }
    assert_eq!((whole.number(), parts.number()), (log.len() as u64, log.len() as u64));
}

/// Many of them have their first bytes in common, as those in one bucket do.
fn target_of(number: u8) -> Fingerprint {
    let mut bytes = [0x33; Fingerprint::BYTES];
    bytes[number as usize % 3] = number / 4;
    bytes[Fingerprint::BYTES - 1] = number;
    Fingerprint::from_bytes(bytes)
}

fn take(list: &mut RevocationList, log: &[Entry], from: usize, to: usize) {
    let (after, to) = (from as u64, to as u64);
    let head = Head { log: 7, after, to, latest: to, age_ms: None };
    let entries: Vec<Entry> =
        log.iter().filter(|one| one.number > after && one.number <= to).copied().collect();
    let bytes = Delta::write(&head, &entries);
    let delta = Delta::read(&bytes).expect("it was written");
    let is_gap = after > list.number() || (list.log().is_none() && after > 0);
    assert_eq!(list.take(&delta, NOW).is_err(), is_gap, "{from} {to}");
}
