//! An outage of the auth service as users see it: `make outage`. Three isolates share one KV namespace
//! and one auth service. First it is counted how seldom they ask it. Then, under a steady load of
//! valid tokens, the service refuses connections, comes back, hangs, and comes back again. Nobody
//! may be refused, hardly anyone may wait, and the isolates must notice by themselves that it is over.
//!
//! The load is an open loop: see `load/schedule.rs` for what that is and why it counts. The
//! variables that change it are in tools/outage.sh.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a panic says what is wrong with a measurement, and who measures asks for the time"
)]

#[path = "outage/breakers.rs"]
mod breakers;
#[path = "outage/calls.rs"]
mod calls;
#[path = "outage/clients.rs"]
mod clients;
#[path = "support/connection.rs"]
mod connection;
#[allow(dead_code, reason = "the configuration is another one here")]
#[path = "support/edgeward.rs"]
mod edgeward_setup;
#[path = "outage/isolates.rs"]
mod isolates;
#[path = "outage/journal.rs"]
mod journal;
#[path = "support/machine.rs"]
mod machine;
#[path = "support/origin.rs"]
mod origin;
#[path = "outage/outside.rs"]
mod outside;
#[path = "outage/phases.rs"]
mod phases;
#[path = "support/pinning.rs"]
mod pinning;
#[path = "outage/report.rs"]
mod report;
#[path = "load/schedule.rs"]
mod schedule;
#[path = "outage/traffic.rs"]
mod traffic;
#[path = "support/variables.rs"]
mod variables;
#[path = "../tests/support/workerd.rs"]
mod workerd;

/// The stand-ins of the end-to-end tests for what is outside of the Worker.
#[allow(
    dead_code,
    clippy::needless_pass_by_value,
    reason = "the tests use more of it, in one line"
)]
#[path = "../tests/edge/harness"]
mod harness {
    pub mod client;
    pub mod faults;
    pub mod kv;
    pub mod mint;
    pub mod wire;

    use std::time::Duration;

    pub use client::Reply;
    pub use faults::{Asked, Faults, Mode};
    pub use kv::Kv;
    pub use serde_json::{Value, json};

    pub use super::isolates::Isolate as Gate;

    pub const PATIENCE: Duration = Duration::from_secs(20);
}
use harness::mint;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use breakers::Breakers;
use clients::Shared;
use harness::Mode;
use origin::Origin;
use outside::Outside;
use phases::{Phase, Stage};
use pinning::Cpus;
use report::Report;
use schedule::Load;
use traffic::{Mix, Supply};
use variables::above_zero;

/// One request of each client in a second: few enough that one which waits for an outage seldom
/// delays the next one of its client.
const CLIENTS: u32 = 300;
const RATE: u32 = 300;
/// Over how long clients connect, the runtime compiles, and nothing counts.
const WARM_UP: Duration = Duration::from_secs(5);
/// How long the auth service works before an outage, and after it.
const NORMAL: Duration = Duration::from_secs(10);
/// How long recovery may take: the longest back-off, a probe, and a little.
const PATIENCE: Duration = Duration::from_secs(310);
/// For how long the answer of the auth service counts while calls are counted, and later: then so
/// shortly that an outage finds no answer that still counts.
const USUAL_CACHE_SECONDS: u32 = 600;
const SHORT_CACHE_SECONDS: u32 = 2;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let down = Duration::from_secs(above_zero("EDGEWARD_OUTAGE_SECONDS").unwrap_or(60).into());
    let cpus = Cpus::take();
    let origin = Origin::start();

    println!("counting calls");
    let calls = {
        let outside = Outside::start().await;
        let isolates = isolates::start(&origin, &outside, USUAL_CACHE_SECONDS, &cpus);
        calls::count(&isolates, &outside).await
    };

    let outside = Outside::start().await;
    let isolates = isolates::start(&origin, &outside, SHORT_CACHE_SECONDS, &cpus);
    let shared = Arc::new(Shared::new(&isolates, Supply::new()));
    let breakers = Arc::new(Breakers::default());
    let watching = breakers::watch(&isolates, &breakers);
    let (opening, start) = (Instant::now(), Instant::now() + WARM_UP);
    let end = start + 2 * (down + NORMAL + PATIENCE) + NORMAL;
    let load = Load { clients: CLIENTS, rate: RATE, mix: Mix, opening, start, end };
    load.check();
    let following = tokio::spawn({
        let shared = Arc::clone(&shared);
        async move { clients::follow(load, &shared).await }
    });
    let phases = play(down, &outside, Stage::new(&outside, &isolates), &breakers).await;
    shared.stop();
    following.await.expect("every request was answered or counted");
    drop(watching);

    let facts = machine::facts(&cpus);
    let journal = shared.take_journal();
    let report = Report { facts, rate: RATE, calls, phases, breakers: &breakers, journal };
    print!("{}", report.text());
    report.save();
    if report.is_right() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Lets the auth service fail in two ways and work again after each.
async fn play(
    down: Duration,
    outside: &Outside,
    mut stage: Stage<'_>,
    breakers: &Breakers,
) -> Vec<Phase> {
    let hang = down / 2;
    println!("warming up for {} s, then normal for {} s", WARM_UP.as_secs(), NORMAL.as_secs());
    sleep(WARM_UP).await;
    stage.begin();
    sleep(NORMAL).await;
    stage.end(phases::NORMAL);
    for (mode, duration, [outage, recovery, afterwards]) in
        [(Mode::Refused, down, phases::DOWN), (Mode::Hang, hang, phases::HANG)]
    {
        println!("{outage} for {} s", duration.as_secs());
        outside.service.set(mode).await;
        sleep(duration).await;
        stage.end(outage);
        println!("{recovery}");
        outside.work().await;
        if !breakers.until_closed(PATIENCE).await {
            println!("a breaker is still not closed after {} s", PATIENCE.as_secs());
        }
        stage.end(recovery);
        sleep(NORMAL).await;
        stage.end(afterwards);
    }
    stage.phases()
}
