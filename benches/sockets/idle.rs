//! What an idle socket takes of workerd's memory: many are opened, and V8 clears away what nobody uses
//! before and after that. The first sockets do not count, because with them comes what all need.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::time::sleep;

use super::connection::Connection;
use super::contender::{Contender, Running};
use super::edgeward_setup::ADMIN_TOKEN;
use super::ends::{End, Origin, exchange, open};
use super::pinning::Cpus;
use super::turns::token;
use tokio_tungstenite::tungstenite::Message;

/// So many are opened before anything is measured.
const FIRST: usize = 200;
/// Few new objects at a time, so that it is not by chance how many nobody uses any more.
const V8_FLAGS: [&str; 2] = ["--expose-gc", "--max-semi-space-size=1"];
/// Until all that an opening has brought about is over, leashes among it.
const SETTLING: Duration = Duration::from_secs(2);

/// What a socket of each contender took, in bytes, in the order of [`Contender::OF_MEMORY`].
pub type Idle = [Taken; 5];

/// What one socket took.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Taken {
    /// Resident memory of workerd.
    pub resident: f64,
    /// Memory of the wasm, if there is any: part of the resident memory.
    pub wasm: Option<f64>,
}

/// Resident memory and that of the wasm.
struct Memory(u64, Option<u64>);

/// Opens so many sockets with each contender, one contender after the other.
pub async fn measure(origin: &Origin, cpus: &Cpus, count: usize) -> Idle {
    let mut taken = Vec::new();
    for contender in Contender::OF_MEMORY {
        eprintln!("{count} idle sockets: {}", contender.name());
        let running = contender.start(origin, cpus, &V8_FLAGS);
        let mut sockets = Vec::with_capacity(FIRST + count);
        open_until(&mut sockets, FIRST, contender, &running).await;
        let Memory(resident, wasm) = memory(contender, &running).await;
        open_until(&mut sockets, FIRST + count, contender, &running).await;
        let after = memory(contender, &running).await;
        let each = |before: u64, after: u64| per_socket(before, after, count);
        taken.push(Taken {
            resident: each(resident, after.0),
            wasm: wasm.zip(after.1).map(|(before, after)| each(before, after)),
        });
        must_be_open(&mut sockets).await;
    }
    taken.try_into().expect("one of each")
}

async fn open_until(sockets: &mut Vec<End>, count: usize, contender: Contender, running: &Running) {
    while sockets.len() < count {
        let token = token(sockets.len());
        let mut socket = open(running.address, contender.path(), &token).await;
        // Some of what a socket needs comes with its first message.
        exchange(&mut socket, &Message::text("hello"), 1, 1).await;
        sockets.push(socket);
    }
}

async fn memory(contender: Contender, running: &Running) -> Memory {
    sleep(SETTLING).await;
    let mut connection = Connection::open(running.address).await.expect("it listens");
    // What only a finalizer frees is free after the second time.
    for _ in 0..2 {
        ask(&mut connection, "/collect-garbage").await;
        sleep(SETTLING / 4).await;
    }
    let workerd = running.workerd.as_ref().expect("it is a Worker");
    let resident = workerd.resident_bytes();
    if !contender.is_edgeward() {
        return Memory(resident, None);
    }
    ask(&mut connection, "/_edgeward/health").await;
    let report: Value = serde_json::from_slice(connection.body()).expect("a report");
    Memory(resident, report["memory_bytes"].as_u64())
}

async fn ask(connection: &mut Connection, path: &str) {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: app.example\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n\r\n"
    );
    let status = connection.exchange(request.as_bytes()).await.expect("an answer");
    assert_eq!(status, 200, "{path}: {}", connection.text());
}

/// A socket that has ended takes nothing.
async fn must_be_open(sockets: &mut [End]) {
    for socket in sockets {
        exchange(socket, &Message::text("still there"), 1, 1).await;
    }
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn per_socket(before: u64, after: u64, count: usize) -> f64 {
    (after as f64 - before as f64) / count as f64
}
