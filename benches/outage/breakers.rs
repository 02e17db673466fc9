//! What the breaker of each isolate does, as the admin can see it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::connection::Connection;
use super::edgeward_setup::health_request;
use super::isolates::Isolate;

/// How often each isolate is asked: a change is seen so much too late at the most.
const INTERVAL: Duration = Duration::from_millis(50);
/// What a breaker is called that lets calls pass.
pub const CLOSED: &str = "closed";

/// What was seen.
#[derive(Default)]
pub struct Breakers {
    /// Of each isolate the first state and all changes, in order.
    changes: Mutex<Vec<Change>>,
}

/// A breaker is in another state than before.
#[derive(Clone)]
pub struct Change {
    pub at: Instant,
    pub isolate: usize,
    pub state: String,
}

/// Looks again and again, until the value is dropped.
pub fn watch(isolates: &[Isolate], breakers: &Arc<Breakers>) -> JoinSet<()> {
    let mut watching = JoinSet::new();
    for (number, isolate) in isolates.iter().enumerate() {
        let (address, breakers) = (isolate.addr, Arc::clone(breakers));
        watching.spawn(async move {
            let mut connection = Connection::open(address).await.expect("the isolate listens");
            loop {
                let state = state(&mut connection).await;
                breakers.see(number, state);
                sleep(INTERVAL).await;
            }
        });
    }
    watching
}

async fn state(connection: &mut Connection) -> String {
    let request = health_request();
    connection.exchange(request.as_bytes()).await.expect("the isolate answers");
    let report: Value = serde_json::from_slice(connection.body()).unwrap_or_default();
    let state = report["providers"][0]["auth_service"]["breaker"].as_str();
    state.unwrap_or_else(|| panic!("no breaker in {}", connection.text())).to_owned()
}

impl Breakers {
    fn see(&self, isolate: usize, state: String) {
        let mut changes = self.changes.lock().unwrap();
        let last = changes.iter().rfind(|change| change.isolate == isolate);
        if last.is_none_or(|last| last.state != state) {
            changes.push(Change { at: Instant::now(), isolate, state });
        }
    }

    /// Waits until all of them are closed; not longer than `patience`. Whether they are.
    pub async fn until_closed(&self, patience: Duration) -> bool {
        let all_closed = async {
            while !self.are_closed_at(Instant::now()) {
                sleep(INTERVAL).await;
            }
        };
        timeout(patience, all_closed).await.is_ok()
    }

    /// Whether all were closed then.
    pub fn are_closed_at(&self, at: Instant) -> bool {
        let changes = self.changes.lock().unwrap();
        let isolates = changes.iter().map(|change| change.isolate).max().map_or(0, |last| last + 1);
        (0..isolates).all(|isolate| {
            let seen = changes.iter().filter(|change| change.isolate == isolate);
            seen.take_while(|change| change.at <= at)
                .last()
                .is_some_and(|last| last.state == CLOSED)
        })
    }

    /// When the breaker of an isolate opened first in this time.
    pub fn opened(&self, isolate: usize, from: Instant, to: Instant) -> Option<Instant> {
        self.changes(from, to)
            .into_iter()
            .find(|change| change.isolate == isolate && change.state != CLOSED)
            .map(|change| change.at)
    }

    /// What was seen in this time.
    pub fn changes(&self, from: Instant, to: Instant) -> Vec<Change> {
        let changes = self.changes.lock().unwrap();
        changes.iter().filter(|change| (from..to).contains(&change.at)).cloned().collect()
    }
}
