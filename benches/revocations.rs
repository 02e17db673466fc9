//! The list of revocations in memory: how much it takes, how long it takes to ask, to begin with all,
//! and to take some more. `cargo bench --bench revocations`.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    unreachable_pub,
    reason = "a benchmark reads the clock, and panics when it cannot go on"
)]

use std::hint::black_box;
use std::time::Instant;

use edgeward::core::revocation::delta::{Delta, Head};
use edgeward::core::revocation::entry::{Effect, Entry};
use edgeward::core::revocation::list::RevocationList;
use edgeward::core::revocation::target::{Fingerprint, Kind, Mark};

const NOW: i64 = 1_800_000_000;
/// How many targets are asked for at a time.
const ASKED: u64 = 100_000;
/// How many revocations come at once when the list is refreshed.
const FRESH: u64 = 1_000;

fn main() {
    println!(
        "| targets | bytes | for each | the first part, ms | {FRESH} more, µs each | six marks that \
         it has not, ns | one target that it has, ns |\n|--:|--:|--:|--:|--:|--:|--:|"
    );
    for count in [0, 1_000, 10_000, 100_000, 1_000_000] {
        measure(count);
    }
}

fn measure(count: u64) {
    let mut list = RevocationList::default();
    let all = part(0, count);
    let began = Instant::now();
    list.take(&Delta::read(&all).unwrap(), NOW).unwrap();
    let first_ms = began.elapsed().as_secs_f64() * 1e3;
    let bytes = list.bytes();

    let absent: Vec<[Mark; 6]> = (0..ASKED)
        .map(|at| std::array::from_fn(|kind| target((1 << 40) + at * 6 + kind as u64).mark()))
        .collect();
    let absent_ns = nanos(ASKED, || {
        for marks in &absent {
            black_box(marks.iter().any(|mark| list.may_have(*mark)));
        }
    });
    let present: Vec<Fingerprint> =
        (0..ASKED).map(|at| target(at.wrapping_mul(7_919) % count.max(1))).collect();
    let present_ns = nanos(ASKED, || {
        for target in &present {
            black_box(list.revokes(black_box(*target), None, NOW));
        }
    });

    let more = part(count, FRESH);
    let more_us = nanos(FRESH, || {
        list.take(&Delta::read(&more).unwrap(), NOW).unwrap();
    }) / 1e3;
    let each = if count == 0 { 0.0 } else { bytes as f64 / count as f64 };
    println!(
        "| {count} | {bytes} | {each:.1} | {first_ms:.1} | {more_us:.2} | {absent_ns:.0} | \
         {present_ns:.0} |"
    );
}

/// Entries after this number.
fn part(after: u64, count: u64) -> Vec<u8> {
    let entries: Vec<Entry> = (after..after + count)
        .map(|at| Entry {
            number: at + 1,
            target: target(at),
            effect: Effect::RevokeAll,
            expires_at: NOW + 1_000,
        })
        .collect();
    let to = after + count;
    Delta::write(&Head { log: 7, after, to, latest: to, age_ms: None }, &entries)
}

fn target(value: u64) -> Fingerprint {
    Fingerprint::of(Kind::TokenId, "https://issuer.example", &value.to_string())
}

/// How long one of `count` takes.
fn nanos(count: u64, work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64() * 1e9 / count as f64
}
