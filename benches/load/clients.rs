//! Those who send: as fast as answers come, to find out what the machine carries, or by a schedule
//! that knows nothing of the answers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::connection::{Connection, exchange};
use super::schedule::{Due, Load, random};
use super::tally::{Tally, Times};
use super::traffic::Supply;

/// How many clients send as fast as answers come.
const BUSY_CLIENTS: u32 = 64;
/// After how long a request counts as not answered.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the clients share. They all run on one thread, so the locks are always free.
pub struct Shared {
    pub address: SocketAddr,
    pub supply: Mutex<Supply>,
    pub tally: Mutex<Tally>,
}

/// Sends `requests` in a closed loop and tells how many a second were answered.
///
/// # Panics
///
/// When an answer is wrong.
pub async fn saturate(shared: &Arc<Shared>, requests: u32) -> f64 {
    let mix = shared.supply.lock().unwrap().mix();
    let begin = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..BUSY_CLIENTS {
        let shared = Arc::clone(shared);
        clients.spawn(async move {
            let mut connection = None;
            let mut request = Vec::new();
            for turn in 0..requests / BUSY_CLIENTS {
                let kind = mix.kind(random((client, turn, 2)));
                shared.supply.lock().unwrap().write(kind, &mut request);
                let status = exchange(&mut connection, shared.address, &request, PATIENCE).await;
                let text = || connection.as_ref().map(Connection::text);
                assert_eq!(status, Ok(kind.status()), "{}: {:?}", kind.name(), text());
            }
        });
    }
    clients.join_all().await;
    f64::from(requests) / begin.elapsed().as_secs_f64()
}

/// Sends what the schedule wants when it wants it, until it ends and all answers are there.
pub async fn follow(load: Load, shared: &Arc<Shared>) {
    let mut clients = JoinSet::new();
    for client in 0..load.clients {
        clients.spawn(follow_one(load, client, Arc::clone(shared)));
    }
    clients.join_all().await;
}

async fn follow_one(load: Load, client: u32, shared: Arc<Shared>) {
    sleep_until(load.opening_of(client)).await;
    let mut connection = Connection::open(shared.address).await.ok();
    let mut request = Vec::new();
    let mut free = Instant::now();
    for Due { at: due, kind } in load.of_client(client) {
        sleep_until(due).await;
        shared.supply.lock().unwrap().write(kind, &mut request);
        let sent = Instant::now();
        let status = exchange(&mut connection, shared.address, &request, PATIENCE).await;
        let done = Instant::now();
        if due >= load.start {
            let times = Times { due, free, sent, done };
            let body = connection.as_ref().map(Connection::body).unwrap_or_default();
            shared.tally.lock().unwrap().record(kind, times, &status, body);
        }
        free = done;
    }
}
