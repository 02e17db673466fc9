//! The cache of verified tokens while new tokens never stop to come: how many it holds, how much
//! memory they take, and how long one insertion takes at worst. `cargo bench --bench cache`.
//!
//! Many more distinct tokens than fit are put in one by one, and each insertion is timed. This is
//! done several times over with the same tokens. The cache does the same each time while the
//! machine does not, so that the least time of each insertion is its own.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    unreachable_pub,
    unsafe_code,
    reason = "a benchmark reads the clock, counts allocations, and panics when it cannot go on"
)]

#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/support/native.rs"]
mod native;
#[allow(dead_code, reason = "the other benchmark uses the rest of it")]
#[path = "../tests/support/usual.rs"]
mod usual;
#[allow(dead_code, reason = "the other benchmark uses the rest of it")]
#[path = "../tests/support/verified.rs"]
mod verified;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cmp::Reverse;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use edgeward::core::cache::TokenCache;

use verified::Verifier;

/// How many distinct tokens come.
const TOKENS: u32 = 100_000;
/// How often all of them come.
const RUNS: usize = 7;
/// How many come while all those that are held are in use.
const TOKENS_AMONG_USED: u32 = 1_000;

/// How many tokens must fit, and into how much memory.
const LEAST_ENTRIES: usize = 10_000;
const MOST_BYTES: usize = 16 << 20;

fn main() {
    let verifier = Verifier::new();
    let tokens: Vec<String> = (0..TOKENS).map(verified::token).collect();
    let mut inserted = Times::default();
    let mut renewed = Times::default();
    let mut inserted_among_used = Times::default();
    for run in 0..RUNS {
        let mut insertions = Vec::with_capacity(tokens.len());
        let mut renewals = Vec::with_capacity(tokens.len());
        let before = Memory::now();
        let mut cache = TokenCache::new(7);
        for token in &tokens {
            let (insertion, renewal) = put(&verifier, &mut cache, token);
            insertions.push(insertion);
            renewals.push(renewal);
        }
        if run == 0 {
            report_memory(&cache, Memory::now() - before, tokens[0].len());
        }
        inserted.add(insertions);
        renewed.add(renewals);
        inserted_among_used.add(put_among_used(&verifier, &mut cache, &tokens));
    }
    println!("\n| µs | p50 | p99 | p99.9 | p99.99 | max |\n|--|--:|--:|--:|--:|--:|");
    inserted.report("insertion");
    renewed.report("assertion after it");
    inserted_among_used.report("insertion, all others in use");
    println!("\nThe slowest insertions, least of {RUNS} runs:");
    inserted.report_slowest(5);
}

/// Puts in a token as the gate does, and its assertion after it.
fn put(verifier: &Verifier, cache: &mut TokenCache, token: &str) -> (Sample, Sample) {
    let facts = verifier.facts(token);
    let assertion = verifier.assertion(&facts);
    let known = verified::known(facts);
    let insertion = Sample::of(|| cache.insert(black_box(token), known));
    let renewal =
        Sample::of(|| cache.renew(black_box(token), |known| known.assertion = Some(assertion)));
    (insertion, renewal)
}

/// Puts in new tokens when those that are held have just been used twice, as often as the cache
/// counts: then it looks longest for one to drop.
fn put_among_used(verifier: &Verifier, cache: &mut TokenCache, tokens: &[String]) -> Vec<Sample> {
    let mut insertions = Vec::new();
    for number in 0..TOKENS_AMONG_USED {
        if number % 100 == 0 {
            for token in tokens.iter().chain(tokens) {
                black_box(cache.get(token));
            }
        }
        let token = verified::token(TOKENS + number);
        insertions.push(put(verifier, cache, &token).0);
    }
    insertions
}

fn report_memory(cache: &TokenCache, taken: Memory, token_bytes: usize) {
    let (entries, weight) = cache.usage();
    println!("{entries} tokens of {token_bytes} bytes are held, of {TOKENS} that came");
    println!("{weight} bytes by weight, {} for each", weight / entries as u64);
    println!("{} bytes allocated, {} for each", taken.bytes, taken.bytes / entries);
    println!("{:.1} allocations for each", taken.allocations as f64 / entries as f64);
    assert!(entries >= LEAST_ENTRIES, "fewer than {LEAST_ENTRIES} tokens fit");
    assert!(taken.bytes <= MOST_BYTES, "more than {MOST_BYTES} bytes are allocated");
}

/// How long a step took, and how many bytes it allocated.
#[derive(Clone, Copy)]
struct Sample {
    time: Duration,
    allocated: usize,
}

impl Sample {
    fn of(step: impl FnOnce()) -> Self {
        let before = ALLOCATED.load(Relaxed);
        let start = Instant::now();
        step();
        let time = start.elapsed();
        Self { time, allocated: ALLOCATED.load(Relaxed) - before }
    }
}

/// The time of each step in the first run, and its least time in any run.
#[derive(Default)]
struct Times {
    first: Vec<Sample>,
    least: Vec<Sample>,
}

impl Times {
    fn add(&mut self, run: Vec<Sample>) {
        if self.first.is_empty() {
            self.first.clone_from(&run);
            self.least = run;
            return;
        }
        for (least, sample) in self.least.iter_mut().zip(run) {
            least.time = least.time.min(sample.time);
        }
    }

    fn report(&self, name: &str) {
        for (run, samples) in [("first run", &self.first), ("least", &self.least)] {
            let mut times: Vec<Duration> = samples.iter().map(|sample| sample.time).collect();
            times.sort_unstable();
            print!("| {name}, {run} |");
            for share in [0.5, 0.99, 0.999, 0.9999, 1.0] {
                let at = (times.len() - 1) as f64 * share;
                print!(" {:.2} |", micros(times[at as usize]));
            }
            println!();
        }
    }

    fn report_slowest(&self, most: usize) {
        let mut slowest: Vec<(usize, &Sample)> = self.least.iter().enumerate().collect();
        slowest.sort_unstable_by_key(|(_, sample)| Reverse(sample.time));
        for (number, Sample { time, allocated }) in slowest.into_iter().take(most) {
            println!("- {number}: {:.2} µs, {allocated} bytes allocated", micros(*time));
        }
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// What is allocated.
#[derive(Clone, Copy)]
struct Memory {
    bytes: usize,
    allocations: usize,
}

impl Memory {
    fn now() -> Self {
        Self { bytes: LIVE_BYTES.load(Relaxed), allocations: LIVE.load(Relaxed) }
    }
}

impl std::ops::Sub for Memory {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { bytes: self.bytes - other.bytes, allocations: self.allocations - other.allocations }
    }
}

/// The system's allocator, counted.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);
/// All bytes that were ever allocated.
static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(1, Relaxed);
        LIVE_BYTES.fetch_add(layout.size(), Relaxed);
        ALLOCATED.fetch_add(layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(1, Relaxed);
        LIVE_BYTES.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}
