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
#[path = "worker/contender.rs"]
mod contender;
#[path = "worker/lines.rs"]
mod lines;
#[path = "worker/measure.rs"]
mod measure;
#[allow(dead_code, reason = "the tests make more kinds of tokens")]
#[path = "../tests/edge/harness/mint.rs"]
mod mint;
#[path = "worker/origin.rs"]
mod origin;
#[path = "worker/pinning.rs"]
mod pinning;
#[path = "worker/rows.rs"]
mod rows;
#[path = "worker/stats.rs"]
mod stats;
#[path = "worker/tokens.rs"]
mod tokens;
#[path = "../tests/support/workerd.rs"]
mod workerd;

use std::fs;

use serde_json::json;

use contender::Surroundings;
use lines::Table;
use measure::measure;
use origin::Origin;
use pinning::Cpus;
use rows::Row;
use tokens::Tokens;

const ALGORITHMS: &str = "RS256,PS256,ES256,ES384,EdDSA,HS256";
const ROUNDS: usize = 7;

/// What is to be measured.
struct Plan {
    algorithms: Vec<String>,
    rounds: usize,
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
        Self {
            algorithms: list("EDGEWARD_BENCH_ALGS", ALGORITHMS),
            rounds: std::env::var("EDGEWARD_BENCH_ROUNDS")
                .map_or(ROUNDS, |text| text.parse().expect("EDGEWARD_BENCH_ROUNDS is a number")),
            rows: list("EDGEWARD_BENCH_ROWS", ""),
        }
    }

    fn rows(&self, alg: &str) -> Vec<Row> {
        let is_wanted = |row: &Row| self.rows.is_empty() || self.rows.contains(&row.name());
        Row::all(alg).into_iter().filter(is_wanted).collect()
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
    let tables = runtime.block_on(tables(&plan, &cpus));
    let results = json!({ "rounds": plan.rounds, "algorithms": tables });
    let path = workerd::root().join("target/bench/results.json");
    fs::write(&path, serde_json::to_vec_pretty(&results).unwrap()).unwrap();
}

async fn tables(plan: &Plan, cpus: &Cpus) -> Vec<Table> {
    let origin = Origin::start();
    let mut tables = Vec::new();
    for alg in &plan.algorithms {
        let tokens = Tokens::of(alg);
        let surroundings = Surroundings::new(origin.address, &tokens, cpus);
        let measured = measure(&plan.rows(alg), plan.rounds, &tokens, &surroundings).await;
        let table = Table::new(alg, &measured);
        println!("{}", table.markdown());
        tables.push(table);
    }
    tables
}
