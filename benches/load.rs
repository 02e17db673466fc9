//! Thousands of clients at a rate that the machine carries, for minutes: `make load`. The built
//! Worker in workerd must refuse none of them that has a valid token, answer quickly also at the
//! end, and take no more memory then than in the beginning.
//!
//! The load is an open loop: see `load/schedule.rs` for what that is and why it counts. The
//! variables that change it are in tools/load.sh.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a panic says what is wrong with a measurement, and who measures asks for the time"
)]

#[path = "load/clients.rs"]
mod clients;
#[path = "support/connection.rs"]
mod connection;
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
#[path = "load/processors.rs"]
mod processors;
#[path = "load/report.rs"]
mod report;
#[path = "load/schedule.rs"]
mod schedule;
#[path = "load/subject.rs"]
mod subject;
#[path = "load/tally.rs"]
mod tally;
#[path = "load/traffic.rs"]
mod traffic;
#[path = "support/variables.rs"]
mod variables;
#[path = "load/watch.rs"]
mod watch;
#[path = "../tests/support/workerd.rs"]
mod workerd;

use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use clients::Shared;
use origin::Origin;
use pinning::Cpus;
use processors::Meter;
use report::Report;
use schedule::Load;
use subject::{Subject, Young};
use tally::Tally;
use traffic::Supply;
use variables::{above_zero, number};
use workerd::Workerd;

/// Over how long the clients connect before anything counts.
const OPENING: Duration = Duration::from_secs(10);
/// How many requests show what the machine carries, after some that warm it up.
const WARM_UP: u32 = 6_400;
const CALIBRATION: u32 = 25_600;
/// Which part of what a few clients get is the load. With thousands of connections a request takes
/// workerd half as long again, so that this keeps it busy for about 60 % of the time.
const LOAD_PART: f64 = 0.4;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let seconds = above_zero("EDGEWARD_LOAD_SECONDS").unwrap_or(300);
    let clients = above_zero("EDGEWARD_LOAD_CLIENTS").unwrap_or(5_000);

    let young = Young(number("EDGEWARD_LOAD_YOUNG").unwrap_or(1));
    let subject = Subject::of_environment();
    let mut supply = Supply::new(subject.mix());
    supply.stock((WARM_UP + CALIBRATION) as usize);
    let cpus = Cpus::take();
    let origin = Origin::start();
    let workerd = subject.start(&origin, supply.jwk(), young, &cpus);
    let shared = Arc::new(Shared {
        address: workerd.address,
        supply: Mutex::new(supply),
        tally: Mutex::new(Tally::new()),
    });

    clients::saturate(&shared, WARM_UP).await;
    let saturation = clients::saturate(&shared, CALIBRATION).await;
    let rate = above_zero("EDGEWARD_LOAD_RATE").unwrap_or_else(|| part_of(saturation));
    println!("saturated by 64 clients in a closed loop: {saturation:.0} requests/s");

    println!("making the tokens of {seconds} s at {rate} requests/s");
    let duration = Duration::from_secs(seconds.into());
    let requests = (OPENING + duration).as_secs() * u64::from(rate);
    shared.supply.lock().unwrap().stock(usize::try_from(requests).expect("a number of requests"));

    println!("opening {clients} connections, then {seconds} s of load");
    let opening = Instant::now();
    let start = opening + OPENING;
    let load = Load { clients, rate, mix: subject.mix(), opening, start, end: start + duration };
    load.check();
    let followed = clients::follow(load, &shared);
    let meter = Meter::start(workerd.pid(), origin.pid());
    let watched = watch::watch(&workerd, meter, &shared.tally, start, load.end);
    let ((), samples) = tokio::join!(followed, watched);

    let tally = shared.tally.lock().unwrap();
    let facts = machine::facts(&cpus);
    let faults = faults(&workerd);
    let report = Report { subject, young, load, saturation, facts, tally: &tally, samples, faults };
    print!("{}", report.text());
    report.save();
    if report.is_right() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Some of what the Worker and workerd printed besides refusals: why an answer was a 5xx.
fn faults(workerd: &Workerd) -> Vec<String> {
    const MOST: usize = 5;
    let usual = ["\"status\":401", "\"event\":\"listen\""];
    let is_usual = |line: &String| usual.iter().any(|part| line.contains(part));
    workerd.lines().into_iter().filter(|line| !is_usual(line)).take(MOST).collect()
}

/// The rate of the load, in full hundreds.
fn part_of(saturation: f64) -> u32 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is positive and far below a billion"
    )]
    let hundreds = (saturation * LOAD_PART / 100.0) as u32;
    hundreds.max(1) * 100
}
