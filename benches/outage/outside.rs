//! What the isolates share: an auth service that works or does not, and a KV namespace.

use std::fs;
use std::time::Duration;

use super::harness::{Faults, Kv, Mode, Reply};

/// Where the service is asked.
pub const INTROSPECTION: &str = "/introspect";
/// How long it takes for an answer.
const ANSWER_TIME: Duration = Duration::from_millis(5);

/// The stand-ins; they end with this value.
pub struct Outside {
    pub service: Faults,
    pub kv: Kv,
}

impl Outside {
    /// A service that works and an empty namespace.
    pub async fn start() -> Self {
        let active = |_: &_| {
            Reply::new(200, r#"{"active":true}"#).with_header("Content-Type", "application/json")
        };
        let outside = Self { service: Faults::answering(active).await, kv: Kv::start().await };
        outside.work().await;
        outside
    }

    /// From now on the service answers.
    pub async fn work(&self) {
        self.service.set(Mode::Slow(ANSWER_TIME)).await;
    }

    /// How often the service was asked.
    pub fn calls(&self) -> usize {
        self.service.count(INTROSPECTION)
    }
}

/// How many connections were refused so far (Linux), to anyone on this machine: the service cannot
/// count those that are made to it while it is down. Nothing where the kernel does not tell.
pub fn refused_connections() -> Option<u64> {
    let counters = fs::read_to_string("/proc/net/snmp").ok()?;
    let mut lines = counters.lines().filter(|line| line.starts_with("Tcp:"));
    let position = lines.next()?.split(' ').position(|name| name == "AttemptFails")?;
    lines.next()?.split(' ').nth(position)?.parse().ok()
}
