//! What WebSockets cost through the built Worker in workerd, next to a Worker in JavaScript that passes
//! messages on without auth, to the pump of the runtime, and to no Worker at all: `cargo bench --bench
//! sockets`, after `make build` and `tools/build-peers.sh`.
//!
//! How many messages pass, how much later they arrive, and how much memory an idle socket takes. Every
//! contender is a workerd of its own in front of the same origin, which sends everything back. Within
//! each round all of them have a turn, and ratios and differences are made within a round.
//!
//! Variables make it shorter:
//! - `EDGEWARD_SOCKETS_PARTS`: of `messages`, `latency` and `memory`, separated by commas, all unless given
//! - `EDGEWARD_SOCKETS_STARTS`: how often all processes are started anew, 3 unless given
//! - `EDGEWARD_SOCKETS_ROUNDS`: turns of each after each start, 4 unless given
//! - `EDGEWARD_SOCKETS_IDLE`: how many idle sockets there are, 2000 unless given
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a panic says what is wrong with a measurement, and a measurement has a clock"
)]

#[path = "support/connection.rs"]
mod connection;
#[path = "sockets/contender.rs"]
mod contender;
#[allow(dead_code, reason = "the configuration is another one here")]
#[path = "support/edgeward.rs"]
mod edgeward_setup;
#[path = "sockets/ends.rs"]
mod ends;
#[path = "sockets/idle.rs"]
mod idle;
#[path = "support/machine.rs"]
mod machine;
#[allow(
    dead_code,
    clippy::needless_pass_by_value,
    reason = "the tests use more of it, in one line"
)]
#[path = "../tests/edge/harness/mint.rs"]
mod mint;
#[path = "support/pinning.rs"]
mod pinning;
#[path = "sockets/report.rs"]
mod report;
#[path = "worker/stats.rs"]
mod stats;
#[path = "sockets/turns.rs"]
mod turns;
#[path = "support/variables.rs"]
mod variables;
#[path = "../tests/support/workerd.rs"]
mod workerd;

use ends::Origin;
use pinning::Cpus;
use report::Report;

/// What is to be measured.
struct Plan {
    parts: Vec<String>,
    starts: usize,
    rounds: usize,
    idle: usize,
}

impl Plan {
    const PARTS: [&str; 3] = ["messages", "latency", "memory"];

    fn from_environment() -> Self {
        let number = |name: &str, default: usize| {
            variables::above_zero(name).map_or(default, |number| number as usize)
        };
        let parts = std::env::var("EDGEWARD_SOCKETS_PARTS").unwrap_or_default();
        let parts = parts.split(',').map(str::trim).filter(|part| !part.is_empty());
        let parts: Vec<_> = parts.map(str::to_owned).collect();
        for part in &parts {
            assert!(Self::PARTS.contains(&part.as_str()), "no such part: {part}");
        }
        Self {
            parts,
            starts: number("EDGEWARD_SOCKETS_STARTS", 3),
            rounds: number("EDGEWARD_SOCKETS_ROUNDS", 4),
            idle: number("EDGEWARD_SOCKETS_IDLE", 2_000),
        }
    }

    fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|it| it == part)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let plan = Plan::from_environment();
    let cpus = Cpus::take();
    let origin = Origin::start().await;
    let (mut flows, mut delays, mut idle) = (Vec::new(), Vec::new(), Vec::new());
    for start in 1..=plan.starts {
        eprintln!("start {start} of {}", plan.starts);
        if plan.wants("messages") || plan.wants("latency") {
            let mut field = turns::Field::start(&origin, &cpus).await;
            for round in 0..plan.rounds {
                eprintln!("round {} of {}", round + 1, plan.rounds);
                if plan.wants("messages") {
                    flows.push(field.messages(round).await);
                }
                if plan.wants("latency") {
                    delays.push(field.latency(round).await);
                }
            }
        }
        if plan.wants("memory") {
            idle.push(idle::measure(&origin, &cpus, plan.idle).await);
        }
    }
    let report = Report { facts: machine::facts(&cpus), sockets: plan.idle, flows, delays, idle };
    print!("{}", report.text());
    report.save();
}
