//! Those who send, by a schedule that knows nothing of the answers.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use edgeward::core::mode::Mode;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::connection::Connection;
use super::isolates::Isolate;
use super::journal::{Entry, Journal};
use super::schedule::{Due, Load, random};
use super::traffic::Supply;

/// After how long a request counts as not answered.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the clients share. They all run on one thread, so the lock is always free.
pub struct Shared {
    addresses: Vec<SocketAddr>,
    supply: Supply,
    journal: Mutex<Journal>,
    is_over: AtomicBool,
}

impl Shared {
    pub fn new(isolates: &[Isolate], supply: Supply) -> Self {
        let addresses = isolates.iter().map(|isolate| isolate.addr).collect();
        Self { addresses, supply, journal: Mutex::default(), is_over: AtomicBool::new(false) }
    }

    /// No more requests are sent.
    pub fn stop(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// All that happened.
    pub fn take_journal(&self) -> Journal {
        std::mem::take(&mut *self.journal.lock().unwrap())
    }
}

/// Sends what the schedule wants when it wants it, until it is stopped and all answers are there.
pub async fn follow(load: Load, shared: &Arc<Shared>) {
    let mut clients = JoinSet::new();
    for client in 0..load.clients {
        clients.spawn(follow_one(load, client, Arc::clone(shared)));
    }
    clients.join_all().await;
}

/// A client stays with its isolate, as a user does with the place that is next.
async fn follow_one(load: Load, client: u32, shared: Arc<Shared>) {
    let isolate = client as usize % shared.addresses.len();
    let mut line = Line::to(shared.addresses[isolate]);
    for (turn, Due { at: due, kind }) in (0..).zip(load.of_client(client)) {
        let request = shared.supply.request(kind, random((client, turn, 2)));
        sleep_until(due).await;
        if shared.is_over.load(Ordering::Relaxed) {
            return;
        }
        let sent = Instant::now();
        let passed = line.send(&request).await;
        let done = Instant::now();
        let (mode, refusal) = match passed {
            Ok(mode) => (Some(mode), None),
            Err(refusal) => (None, Some(refusal)),
        };
        let entry = Entry { isolate, kind, due, sent, done, mode };
        shared.journal.lock().unwrap().note(entry, refusal);
    }
}

/// A client's way to an isolate.
pub struct Line {
    address: SocketAddr,
    connection: Option<Connection>,
}

impl Line {
    pub fn to(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }

    /// One request, and in which mode it passed, or why it did not. One that fails is not sent
    /// again: who counts refusals must not hide any.
    pub async fn send(&mut self, request: &[u8]) -> Result<Mode, String> {
        let answered = async {
            let connection = match &mut self.connection {
                Some(connection) => connection,
                None => self.connection.insert(Connection::open(self.address).await?),
            };
            let status = connection.exchange(request).await?;
            let body = connection.body();
            Ok(if status == 200 {
                Ok(mode(body))
            } else {
                Err(format!("{status}: {}", String::from_utf8_lossy(body)))
            })
        };
        let answer = timeout(PATIENCE, answered).await;
        answer.unwrap_or_else(|late| Err(late.into())).unwrap_or_else(|error: std::io::Error| {
            self.connection = None;
            Err(format!("no answer: {error}"))
        })
    }
}

/// The mode that the origin was told.
///
/// # Panics
///
/// When it was told something else.
fn mode(echo: &[u8]) -> Mode {
    let echo = String::from_utf8_lossy(echo);
    let told = echo.split_once("degraded=").and_then(|(_, rest)| rest.split_once(' '));
    let (told, _) = told.unwrap_or_else(|| panic!("not from the origin: {echo}"));
    let modes = [Mode::Normal, Mode::Stale, Mode::Signature];
    let mode = modes.into_iter().find(|mode| mode.name().unwrap_or_default() == told);
    mode.unwrap_or_else(|| panic!("a new mode: {told}"))
}
