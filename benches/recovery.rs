//! How long a panic is felt: `cargo bench --bench recovery`, after `make build`. Again and again the instance of
//! the wasm is ended, as a panic does it, between requests with a token that it knows. The next request starts
//! another instance, which reads its configuration and keys, and verifies the token anew.
//!
//! `EDGEWARD_RECOVERIES` says how often, 200 unless given, and `EDGEWARD_BUILD` names another build than
//! build/.
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
#[allow(dead_code, reason = "other measurements use the rest")]
#[path = "support/edgeward.rs"]
mod edgeward;
#[path = "support/machine.rs"]
mod machine;
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
#[path = "support/variables.rs"]
mod variables;
#[path = "../tests/support/workerd.rs"]
mod workerd;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use connection::Connection;
use origin::Origin;
use pinning::Cpus;
use variables::above_zero;
use workerd::{Files, Workerd, binary, origin_service, root};

/// How often the instance ends, unless it is said.
const RECOVERIES: u32 = 200;
/// Requests of an instance before it ends.
const REQUESTS: usize = 20;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let count = above_zero("EDGEWARD_RECOVERIES").unwrap_or(RECOVERIES);
    let cpus = Cpus::take();
    let origin = Origin::start();
    let workerd = start(&origin, &cpus);
    let mut connection = Connection::open(workerd.address).await.expect("it listens");
    let token =
        mint::P256.token_with_header(&json!({ "alg": "ES256", "typ": "at+jwt" }), &claims());
    let request = get("/api/orders", &token);

    let (mut firsts, mut others) = (Vec::new(), Vec::new());
    for _ in 0..count {
        for turn in 0..REQUESTS {
            let began = Instant::now();
            let status = connection.exchange(&request).await.expect("an answer");
            assert_eq!(status, 200, "{}", connection.text());
            if turn == 0 { &mut firsts } else { &mut others }.push(began.elapsed());
        }
        connection.exchange(&get("/relays-of-the-test/reset", "")).await.expect("an answer");
    }

    println!("{}\n", serde_json::to_string_pretty(&machine::facts(&cpus)).unwrap());
    println!("{count} instances, {REQUESTS} requests each, in µs\n");
    println!("| request | p50 | p90 | p99 | max |\n|--|--:|--:|--:|--:|");
    // That of the first instance is a cold start.
    row("the first after a panic", firsts.split_off(1));
    row("the others", others);
}

/// Prints a row of the table.
fn row(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent).div_ceil(100).max(1) - 1].as_micros();
    println!("| {name} | {} | {} | {} | {} |", at(50), at(90), at(99), at(100));
}

/// The gate, behind the module of the tests that can end its instance.
fn start(origin: &Origin, cpus: &Cpus) -> Workerd {
    let (services, binding) = origin_service(origin.address);
    let algorithms = mint::ALGORITHMS.map(str::to_owned);
    let keys: Vec<Value> = mint::all().iter().map(|key| key.jwk()).collect();
    let bindings = edgeward::bindings("service:ORIGIN", &algorithms, &keys) + &binding;
    let modules = [
        root().join("tests/edge/harness/relays.mjs"),
        edgeward::build_directory().join("index.js"),
        edgeward::build_directory().join("index_bg.wasm"),
    ];
    Workerd::serve(Files::new(&modules, &services, &bindings), cpus.for_workerd(&binary()))
}

fn claims() -> Value {
    let mut claims = mint::claims();
    claims["exp"] = (mint::now() + 86_400).into();
    claims["scope"] = "read write".into();
    claims
}

fn get(path: &str, token: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer {token}\r\n\r\n")
        .into()
}
