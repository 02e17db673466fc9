//! What the load does over time: to the Worker's memory, and to latencies and processors.

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use super::connection::Connection;
use super::edgeward::health_request;
use super::processors::{Meter, Processors};
use super::tally::Tally;
use super::workerd::Workerd;

const INTERVAL: Duration = Duration::from_secs(10);
/// From when on memory must not grow: until then, the cache fills.
const SETTLED: Duration = Duration::from_mins(1);
/// By which part it may grow all the same.
const SLACK: f64 = 0.05;

/// One look at the Worker.
#[derive(Clone, Copy, Serialize)]
pub struct Sample {
    /// Time since requests count.
    pub seconds: u64,
    /// The linear memory of the Worker's wasm, if it is edgeward.
    pub wasm_bytes: Option<u64>,
    /// The resident memory of workerd with all that is in it.
    pub resident_bytes: u64,
    /// Tokens in its cache.
    pub cached: Option<u64>,
    /// Of the requests that were answered since the last look, corrected.
    pub p99_us: u64,
    pub max_us: u64,
    /// Since the last look.
    pub processors: Processors,
}

/// Looks every ten seconds, from `start` to `end`, or until workerd ends.
pub async fn watch(
    workerd: &Workerd,
    mut meter: Meter,
    tally: &Mutex<Tally>,
    start: Instant,
    end: Instant,
) -> Vec<Sample> {
    let mut samples = Vec::new();
    for at in (0..).map(|n| start + INTERVAL * n).take_while(|at| *at <= end) {
        sleep_until(at).await;
        let processors = meter.take();
        let recent = tally.lock().unwrap().take_recent();
        // The answers that are missing from here on, and what workerd printed, say the rest.
        let Ok(report) = health(workerd).await else { break };
        samples.push(Sample {
            seconds: (at - start).as_secs(),
            wasm_bytes: report["memory_bytes"].as_u64(),
            resident_bytes: workerd.resident_bytes(),
            cached: report["cache"]["entries"].as_u64(),
            p99_us: recent.value_at_quantile(0.99),
            max_us: recent.max(),
            processors,
        });
    }
    samples
}

/// By which part the wasm memory grew after the first minute, or, if the load is short, after its
/// first fifth. Nothing, if workerd ended before anything could be seen.
pub fn growth(samples: &[Sample]) -> Option<f64> {
    let last = samples.last()?;
    let settled = SETTLED.as_secs().min(last.seconds / 5);
    let first = samples.iter().find(|sample| sample.seconds >= settled)?;
    #[allow(clippy::cast_precision_loss, reason = "a ratio needs no 64 bits")]
    let ratio = last.wasm_bytes? as f64 / first.wasm_bytes? as f64;
    Some(ratio - 1.0)
}

/// Whether that is flat.
pub fn is_flat(samples: &[Sample]) -> bool {
    growth(samples).is_some_and(|growth| growth <= SLACK)
}

/// The health report as the admin gets it; nothing, if this is another Worker than edgeward.
async fn health(workerd: &Workerd) -> io::Result<Value> {
    let request = health_request();
    let mut connection = Connection::open(workerd.address).await?;
    connection.exchange(request.as_bytes()).await?;
    Ok(serde_json::from_slice(connection.body()).unwrap_or_default())
}
