//! Whether the time of a refusal tells what it must not: `make timing`. Requests of two classes, in a random
//! order on one connection to the built Worker in workerd, and how their times differ.
//!
//! The classes of a pair have bytes of the same number, and answers too. Times are compared in blocks of
//! neighbours, so that whatever the machine does besides falls on both. Pairs of a class with itself show what
//! that finds where nothing is to be found. A pair counts as told apart if the mean of what its blocks say is
//! more than 4.5 times as large as its standard error, the limit of <https://eprint.iacr.org/2016/1123>.
//!
//! Of each block medians are compared, so that a request during which the processor did something else does not
//! count.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a panic says what is wrong with a measurement, and who measures asks for the time"
)]

#[path = "support/connection.rs"]
mod connection;
#[allow(dead_code, reason = "the configuration is another one here")]
#[path = "support/edgeward.rs"]
mod edgeward_setup;
#[path = "support/machine.rs"]
mod machine;
#[allow(
    dead_code,
    clippy::needless_pass_by_value,
    reason = "the tests use more of it, in one line"
)]
#[path = "../tests/edge/harness/mint.rs"]
mod mint;
#[path = "timing/pairs.rs"]
mod pairs;
#[path = "support/pinning.rs"]
mod pinning;
#[path = "timing/statistics.rs"]
mod statistics;
#[path = "support/variables.rs"]
mod variables;
#[path = "../tests/support/workerd.rs"]
mod workerd;

use std::process::ExitCode;

use tokio::time::Instant;

use connection::Connection;
use pairs::{Class, Pair};
use pinning::Cpus;
use statistics::{Block, Difference};
use variables::above_zero;
use workerd::{Files, Workerd};

/// How many requests of each class there are, unless it is said, and in a block.
const REQUESTS: u32 = 40_000;
const BLOCK: usize = 400;
/// Before anything counts.
const WARM_UP: usize = 2_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let requests = above_zero("EDGEWARD_TIMING_REQUESTS").unwrap_or(REQUESTS) as usize;
    let blocks = requests.div_ceil(BLOCK).max(2);
    let part = std::env::var("EDGEWARD_TIMING_PAIRS").unwrap_or_default();
    let mut pairs = pairs::all();
    pairs.retain(|pair| pair.name.contains(&part));
    assert!(!pairs.is_empty(), "EDGEWARD_TIMING_PAIRS: no pair has {part:?} in its name");
    let cpus = Cpus::take();
    let (services, bindings) = pairs::configuration();
    let files = Files::built_with_objects(&edgeward_setup::build_directory(), &services, &bindings);
    let workerd = Workerd::serve(files, cpus.for_workerd(&workerd::binary()));

    println!("{}\n", serde_json::to_string_pretty(&machine::facts(&cpus)).unwrap());
    println!("{} requests of each class, in blocks of {BLOCK}\n", blocks * BLOCK);
    println!("| what could be told apart | median | difference | its standard error | ratio |");
    println!("|--|--:|--:|--:|--:|");
    let mut told_apart = Vec::new();
    for pair in pairs {
        let difference = measure(&workerd, &pair, blocks).await;
        println!("| {} | {difference} |", pair.name);
        if difference.is_told() {
            told_apart.push(pair.name);
        }
    }
    if told_apart.is_empty() {
        println!("\nnothing can be told apart");
        return ExitCode::SUCCESS;
    }
    println!("\ntold apart: {}", told_apart.join("; "));
    ExitCode::FAILURE
}

/// Sends the requests of both classes, and takes their times.
async fn measure(workerd: &Workerd, pair: &Pair, blocks: usize) -> Difference {
    let mut connection = Connection::open(workerd.address).await.expect("it listens");
    let mut order = Order(0x9e37_79b9_7f4a_7c15);
    for turn in 0..WARM_UP {
        exchange(&mut connection, &pair.classes[turn % 2], turn).await;
    }
    let mut difference = Difference::default();
    for _ in 0..blocks {
        let mut block = Block::default();
        // Two by two, so that neither class has more of what comes and goes.
        for turn in 0..BLOCK {
            let first = order.next() % 2;
            for class in [first, 1 - first] {
                block.times[class]
                    .push(exchange(&mut connection, &pair.classes[class], turn).await);
            }
        }
        difference.add(block);
    }
    difference
}

/// In nanoseconds.
async fn exchange(connection: &mut Connection, class: &Class, turn: usize) -> u64 {
    let request = &class.requests[turn % class.requests.len()];
    let began = Instant::now();
    let status = connection.exchange(request).await.expect("an answer");
    let took = began.elapsed();
    assert_eq!(status, class.status, "{}", connection.text());
    u64::try_from(took.as_nanos()).expect("less than centuries")
}

/// xorshift (Marsaglia 2003), so that every run has the same order.
struct Order(u64);

impl Order {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits")
    }
}
