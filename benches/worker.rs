//! How fast the built Worker is in workerd, next to Workers without authentication and to gates in
//! JavaScript: `make bench`. tools/bench.sh says how to measure less than everything.
//!
//! Every contender is a workerd of its own in front of the same nginx. Within each round all of
//! them have a turn, and ratios are made within a round. The processor time of workerd is measured
//! besides the rate, since a clock on the wall also measures what else the machine does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    unreachable_pub,
    missing_docs,
    reason = "a panic says what is wrong with a measurement, and a measurement has a clock"
)]

#[path = "worker/check.rs"]
mod check;
#[path = "worker/client.rs"]
mod client;
#[path = "worker/cold.rs"]
mod cold;
#[path = "support/connection.rs"]
mod connection;
#[path = "worker/contender.rs"]
mod contender;
#[path = "support/edgeward.rs"]
mod edgeward;
#[path = "worker/facts.rs"]
mod facts;
#[path = "worker/lines.rs"]
mod lines;
#[path = "support/machine.rs"]
mod machine;
#[path = "worker/measure.rs"]
mod measure;
#[allow(
    dead_code,
    clippy::needless_pass_by_value,
    reason = "the tests use more of it, in one line"
)]
#[path = "../tests/edge/harness/mint.rs"]
mod mint;
#[path = "support/origin.rs"]
mod origin;
#[path = "support/pinning.rs"]
mod pinning;
#[path = "worker/rows.rs"]
mod rows;
#[path = "worker/stats.rs"]
mod stats;
#[path = "worker/targets.rs"]
mod targets;
#[path = "worker/tokens.rs"]
mod tokens;
#[path = "support/variables.rs"]
mod variables;
#[path = "../tests/support/workerd.rs"]
mod workerd;

use std::fs;

use serde_json::json;

use cold::ColdStart;
use contender::Surroundings;
use lines::Table;
use measure::{Measured, measure};
use origin::Origin;
use pinning::Cpus;
use rows::{EXAMINED, Row};
use tokens::Tokens;

const ALGORITHMS: &str = "RS256,PS256,ES256,ES384,EdDSA,HS256";
const ROUNDS: usize = 3;
/// How often all processes are started anew: where a process finds its memory makes up to a tenth of
/// its speed, for as long as it lives.
const STARTS: usize = 6;
/// The algorithm of the first request after a cold start, and its name among the rows.
const COLD_START_ALG: &str = "ES256";
const COLD_START: &str = "cold start";

/// What is to be measured.
struct Plan {
    algorithms: Vec<String>,
    rounds: usize,
    starts: usize,
    /// Names of rows. None means all.
    rows: Vec<String>,
}

impl Plan {
    fn from_environment() -> Self {
        let list = |name: &str, default: &str| -> Vec<String> {
            let text = std::env::var(name).unwrap_or_else(|_| default.to_owned());
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(str::to_owned).collect()
        };
        let number = |name: &str, default: usize| {
            variables::above_zero(name).map_or(default, |number| number as usize)
        };
        let plan = Self {
            algorithms: list("EDGEWARD_BENCH_ALGS", ALGORITHMS),
            rounds: number("EDGEWARD_BENCH_ROUNDS", ROUNDS),
            starts: number("EDGEWARD_BENCH_STARTS", STARTS),
            rows: list("EDGEWARD_BENCH_ROWS", ""),
        };
        plan.check();
        plan
    }

    /// A misspelt name would measure nothing, or something else.
    fn check(&self) {
        for alg in &self.algorithms {
            assert!(mint::ALGORITHMS.contains(&alg.as_str()), "no such algorithm: {alg}");
        }
        let mut known: Vec<_> = Row::all(EXAMINED).into_iter().map(Row::name).collect();
        known.push(COLD_START.to_owned());
        for row in &self.rows {
            assert!(known.contains(row), "no such row: {row}; there are {}", known.join(", "));
        }
    }

    fn wants(&self, name: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|row| row == name)
    }

    fn rows(&self, alg: &str) -> Vec<Row> {
        Row::all(alg).into_iter().filter(|row| self.wants(&row.name())).collect()
    }
}

fn main() {
    let plan = Plan::from_environment();
    for alg in &plan.algorithms {
        Tokens::of(alg);
    }
    // Only now, since minting takes all processors.
    let cpus = Cpus::take();
    println!("{}\n", cpus.note());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run(&plan, &cpus));
}

async fn run(plan: &Plan, cpus: &Cpus) {
    let origin = Origin::start();
    let mut tables = Vec::new();
    for alg in &plan.algorithms {
        tables.push(table(plan, alg, &origin, cpus).await);
    }
    println!("{}", lines::markdown(&tables));
    println!("{}", lines::chart(&tables));
    for table in &tables {
        print!("{}", table.caution());
    }
    let cold_start =
        if plan.wants(COLD_START) { Some(cold_start(&origin, cpus).await) } else { None };
    if let Some(cold_start) = &cold_start {
        println!("{}", cold_start.markdown());
    }
    let module_size = facts::module_size();
    let targets = targets::targets(&tables, cold_start.as_ref(), module_size);
    println!("{}", targets::markdown(&targets));

    let mut results = facts::facts(cpus);
    results["rounds"] = plan.rounds.into();
    results["starts"] = plan.starts.into();
    results["algorithms"] = json!(tables);
    results["cold_start"] = json!(cold_start);
    results["module"] = json!({ "gzip_bytes": module_size });
    results["targets"] = json!(targets);
    results["criterion"] = facts::criterion();
    let path = workerd::root().join("target/bench/results.json");
    fs::write(&path, serde_json::to_vec_pretty(&results).unwrap()).unwrap();
    println!("All figures: {}", path.display());
}

async fn table(plan: &Plan, alg: &str, origin: &Origin, cpus: &Cpus) -> Table {
    let tokens = Tokens::of(alg);
    let surroundings = Surroundings::new(origin.address, &tokens, cpus);
    let rows = plan.rows(alg);
    let mut measured: Vec<_> =
        rows.iter().map(|row| Measured { row: *row, turns: Vec::new() }).collect();
    for start in 1..=plan.starts {
        eprintln!("{alg}: start {start} of {}", plan.starts);
        let more = measure(&rows, plan.rounds, &tokens, &surroundings).await;
        for (line, more) in measured.iter_mut().zip(more) {
            line.turns.extend(more.turns);
        }
    }
    Table::new(alg, &measured)
}

/// With a key set of three kinds, as an issuer has it that is moving between algorithms.
async fn cold_start(origin: &Origin, cpus: &Cpus) -> ColdStart {
    let tokens = Tokens::of(COLD_START_ALG);
    let keys = [tokens.jwk.clone(), mint::RSA.jwk(), mint::ED25519.jwk()];
    let surroundings =
        Surroundings { keys: &keys, ..Surroundings::new(origin.address, &tokens, cpus) };
    ColdStart::measure(&surroundings, &tokens.good[0]).await
}
