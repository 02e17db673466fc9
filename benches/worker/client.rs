//! A client that always has the same number of requests under way: each connection sends its next
//! one when the answer to the last has come.
//!
//! It is our own, because the usual load generators repeat one request or a few, and do not look
//! at what comes back. Here every token may be sent only once, every single answer has to have the
//! right status, and the processor time of workerd is to be read just before the first request and
//! just after the last.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::connection::Connection;

/// How many requests are under way at any time.
pub const CONNECTIONS: usize = 32;

/// Connections to one server.
pub struct Client {
    connections: Vec<Connection>,
}

/// Requests as they go over the wire, and what each must be answered with.
#[derive(Clone)]
pub struct Script {
    pub requests: Arc<Vec<Vec<u8>>>,
    pub status: u16,
}

impl Client {
    /// Opens all connections.
    pub async fn connect(address: SocketAddr) -> Self {
        let mut connections = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            connections.push(Connection::open(address).await.expect("it listens"));
        }
        Self { connections }
    }

    /// Sends so many requests of the script, from its first one, and over again after its last.
    ///
    /// # Panics
    ///
    /// When an answer has another status than the script says, with that answer.
    pub async fn play(&mut self, script: &Script, count: usize) {
        let next = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = self
            .connections
            .drain(..)
            .map(|connection| {
                tokio::spawn(play(connection, script.clone(), Arc::clone(&next), count))
            })
            .collect();
        for task in tasks {
            self.connections.push(task.await.expect("every answer is the expected one"));
        }
    }
}

/// The status and the whole text of the answer to one request on a connection of its own.
pub async fn ask(address: SocketAddr, request: &[u8]) -> (u16, String) {
    let mut connection = Connection::open(address).await.expect("it listens");
    let status = connection.exchange(request).await.expect("an answer");
    (status, connection.text())
}

async fn play(
    mut connection: Connection,
    script: Script,
    next: Arc<AtomicUsize>,
    count: usize,
) -> Connection {
    loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        if at >= count {
            return connection;
        }
        let request = &script.requests[at % script.requests.len()];
        let status = connection.exchange(request).await;
        assert!(
            status.as_ref().is_ok_and(|status| *status == script.status),
            "{status:?} instead of {} to\n{}\n{}",
            script.status,
            String::from_utf8_lossy(request),
            connection.text()
        );
    }
}
