//! How a revocation gets around, planned past this machine: a simulation of 300 data centres in the nine
//! regions of Durable Objects, with up to 100,000 isolates. `cargo bench --bench fanout` prints the
//! tables of docs/revocation.md.
//!
//! What is simulated, event by event: the hub, which makes a revocation durable and pushes it to the
//! relays; relays, which vouch for their copy only while they have asked the hub a moment ago; the cache
//! of a data centre; isolates, which pull when a request finds their list too old. The schedule of an
//! isolate is [`edgeward::core::refresh::RefreshClock`] itself. Everything else is written down again
//! here, in a few lines, so that it can be put under loads, losses and failures that no test can make.
//!
//! What is assumed of the network and of the platform is in `fanout/assumptions.rs`. Simpler than it is:
//!
//! - An isolate lives as long as the run. A new one would have to pull before it permits anything.
//! - Of its requests only those that begin a pull are events. They come at random (as a Poisson
//!   process), so that the last one before a moment can be drawn when it is needed, exactly.
//! - Requests that find the list expired are counted by their mean number.
//! - Objects answer at once, however many ask: what that would take is in the table of the traffic.
//! - No two revocations are about the same target, so that none replaces another.
//! - The list is not published in KV, so that a pull that fails brings nothing.
//! - The hub tries each relay again by itself, not all by one alarm.
//! - Lookups in the cache of a data centre that miss at the same time all go to the relay, as the cache
//!   does not let one wait for another.
//!
//! No clock and no threads: the same seed gives the same tables, on a machine with the same logarithms.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    unreachable_pub,
    reason = "a simulation counts, and panics when it has lost count"
)]

#[path = "fanout/assumptions.rs"]
mod assumptions;
#[path = "fanout/clockwork.rs"]
mod clockwork;
#[path = "fanout/hub.rs"]
mod hub;
#[path = "fanout/isolate.rs"]
mod isolate;
#[path = "fanout/random.rs"]
mod random;
#[path = "fanout/relay.rs"]
mod relay;
#[path = "fanout/report.rs"]
mod report;
#[path = "fanout/scenario.rs"]
mod scenario;
#[path = "fanout/simulation.rs"]
mod simulation;
#[path = "fanout/tally.rs"]
mod tally;
#[path = "fanout/world.rs"]
mod world;

use std::process::ExitCode;

use report::Outcome;
use simulation::Simulation;

fn main() -> ExitCode {
    let mut outcomes = Vec::new();
    for scenario in scenario::all() {
        let tally = Simulation::new(&scenario).run();
        outcomes.push(Outcome { scenario, tally });
    }
    let first = &outcomes[0];
    let again = Simulation::new(&first.scenario).run();
    let is_repeatable = again.digest() == first.tally.digest();
    if report::print(&outcomes, is_repeatable) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
