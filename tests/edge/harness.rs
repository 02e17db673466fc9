//! What the tests are made of: the gate under test, an origin, a client, and a mint of tokens.

pub mod asking;
pub mod assertion;
pub mod autobahn;
pub mod browser;
pub mod client;
pub mod data_centre;
pub mod example;
pub mod faults;
pub mod fleet;
pub mod gate;
pub mod guide;
pub mod issuer;
pub mod kv;
pub mod mint;
pub mod origin;
pub mod program;
pub mod prometheus;
pub mod relays;
pub mod sockets;
pub mod wire;
pub mod ws;

pub use asking::{INTROSPECT, asking_about, says};
pub use assertion::verified;
pub use client::{Reply, get, raw, request};
pub use data_centre::DataCentre;
pub use example::{Example, Language};
pub use faults::{Asked, Faults, Mode};
pub use fleet::Fleet;
pub use gate::{Gate, Setup};
pub use issuer::{Issuer, Resource};
pub use kv::Kv;
pub use origin::{Answer, Origin, Seen};
pub use program::Program;
pub use relays::{Fault, Relays};
pub use serde_json::{Value, json};

use std::time::Duration;

/// How long a test waits for something that must happen before it calls it missing. It guards
/// against hanging and asserts nothing about speed.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until something holds that is asked for again and again.
pub async fn eventually(what: &str, mut fact: impl AsyncFnMut() -> bool) {
    let limit = tokio::time::Instant::now() + PATIENCE;
    while !fact().await {
        assert!(tokio::time::Instant::now() < limit, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
