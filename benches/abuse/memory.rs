//! An hour's worth of requests, each of which has something that none had before: a token, a key
//! identifier, a path, a subject. Memory must not know of that.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::connection::{Connection, exchange};
use super::crowd::PATIENCE;
use super::edgeward::health_request;
use super::kinds::{Kind, Supply};
use super::workerd::Workerd;

/// In turns. Where an auth service is asked about opaque tokens, it is asked about garbage, too.
const KINDS: [Kind; 9] = [
    Kind::New,
    Kind::Public,
    Kind::Garbage,
    Kind::UnknownKey,
    Kind::New,
    Kind::UnknownPublishedKey,
    Kind::Forged("HS256"),
    Kind::Expired,
    Kind::Opaque,
];
/// How many ask at a time.
const CLIENTS: usize = 64;
/// How often memory is looked at.
const LOOKS: u64 = 20;
/// By which part of them memory may grow after the first quarter, in which caches fill.
const SLACK: f64 = 0.05;

/// Memory after so many requests.
#[derive(Clone, Copy)]
pub struct Look {
    pub requests: u64,
    pub wasm_bytes: u64,
    pub resident_bytes: u64,
    pub cached: u64,
}

/// What came of it.
pub struct Flood {
    pub requests: u64,
    pub took: Duration,
    pub looks: Vec<Look>,
    pub wrong: Vec<String>,
}

/// Sends so many.
pub async fn flood(workerd: &Workerd, supply: &Arc<Supply>, requests: u64) -> Flood {
    let next = Arc::new(AtomicU64::new(0));
    let wrong: Arc<Mutex<Vec<String>>> = Arc::default();
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (next, supply, wrong) = (Arc::clone(&next), Arc::clone(supply), Arc::clone(&wrong));
        let address = workerd.address;
        clients.spawn(async move {
            let (mut connection, mut request) = (None, Vec::new());
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= requests {
                    return;
                }
                let kind = KINDS[usize::try_from(number).expect("64 bits") % KINDS.len()];
                supply.write(kind, number, &mut request);
                let answer = exchange(&mut connection, address, &request, PATIENCE).await;
                if answer != Ok(kind.status()) {
                    wrong.lock().unwrap().push(format!("{}: {answer:?}", kind.name()));
                }
            }
        });
    }
    let mut looks = Vec::new();
    while looks.len() < usize::try_from(LOOKS).expect("few") {
        let due = requests * (looks.len() as u64 + 1) / LOOKS;
        while next.load(Ordering::Relaxed).min(requests) < due {
            sleep(Duration::from_millis(50)).await;
        }
        looks.push(look(workerd, due).await);
    }
    clients.join_all().await;
    let wrong = std::mem::take(&mut *wrong.lock().unwrap());
    Flood { requests, took: began.elapsed(), looks, wrong }
}

async fn look(workerd: &Workerd, requests: u64) -> Look {
    let report = report(workerd.address).await;
    Look {
        requests,
        wasm_bytes: report["memory_bytes"].as_u64().expect("a number"),
        resident_bytes: workerd.resident_bytes(),
        cached: report["cache"]["entries"].as_u64().expect("a number"),
    }
}

/// The health report as the admin gets it.
pub async fn report(address: SocketAddr) -> Value {
    let request = health_request();
    let mut connection = Connection::open(address).await.expect("it listens");
    connection.exchange(request.as_bytes()).await.expect("an answer");
    serde_json::from_slice(connection.body()).expect("a report")
}

impl Flood {
    /// By which part the wasm's memory and that of workerd have grown after the first quarter.
    pub fn growth(&self) -> [f64; 2] {
        let first = self.looks[self.looks.len() / 4];
        let last = self.looks[self.looks.len() - 1];
        #[allow(clippy::cast_precision_loss, reason = "a ratio needs no 64 bits")]
        let growth = |first: u64, last: u64| last as f64 / first as f64 - 1.0;
        [
            growth(first.wasm_bytes, last.wasm_bytes),
            growth(first.resident_bytes, last.resident_bytes),
        ]
    }

    pub fn is_flat(&self) -> bool {
        self.growth().iter().all(|growth| *growth <= SLACK)
    }

    pub fn json(&self) -> Value {
        let looks = self.looks.iter().map(|look| {
            json!({
                "requests": look.requests,
                "wasm_bytes": look.wasm_bytes,
                "resident_bytes": look.resident_bytes,
                "cached": look.cached,
            })
        });
        json!({
            "requests": self.requests,
            "seconds": self.took.as_secs_f64(),
            "looks": looks.collect::<Vec<_>>(),
            "wrong": self.wrong.len(),
        })
    }
}
