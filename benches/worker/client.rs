//! A client that always has the same number of requests under way: each connection sends its next
//! one when the answer to the last has come.
//!
//! It is our own, because the usual load generators repeat one request or a few, and do not look
//! at what comes back. Here every token may be sent only once, every single answer has to have the
//! right status, and the processor time of workerd is to be read just before the first request and
//! just after the last.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

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

/// One connection, on which one request is under way at a time.
pub struct Connection {
    stream: TcpStream,
    /// The answer that is being read.
    buffer: Vec<u8>,
}

impl Client {
    /// Opens all connections.
    pub async fn connect(address: SocketAddr) -> Self {
        let mut connections = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            connections.push(Connection::open(address).await);
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
                tokio::spawn(connection.play(script.clone(), Arc::clone(&next), count))
            })
            .collect();
        for task in tasks {
            self.connections.push(task.await.expect("every answer is the expected one"));
        }
    }
}

/// The status and the whole text of the answer to one request on a connection of its own.
pub async fn ask(address: SocketAddr, request: &[u8]) -> (u16, String) {
    let mut connection = Connection::open(address).await;
    let status = connection.exchange(request).await.expect("an answer");
    (status, connection.text())
}

impl Connection {
    /// Opens it.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("it listens");
        stream.set_nodelay(true).expect("a connection");
        Self { stream, buffer: Vec::with_capacity(4096) }
    }

    async fn play(mut self, script: Script, next: Arc<AtomicUsize>, count: usize) -> Self {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return self;
            }
            let request = &script.requests[at % script.requests.len()];
            let status = self.exchange(request).await;
            assert!(
                status.as_ref().is_ok_and(|status| *status == script.status),
                "{status:?} instead of {} to\n{}\n{}",
                script.status,
                String::from_utf8_lossy(request),
                self.text()
            );
        }
    }

    /// Sends a request and gives back the status of the answer.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(status) = status_of_whole(&self.buffer) {
                return Ok(status);
            }
        }
    }

    /// The last answer, with its head.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }
}

/// The status, once the whole answer is there. No body of these measurements contains what ends a
/// chunked one.
fn status_of_whole(answer: &[u8]) -> Option<u16> {
    let head_length = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let (head, body) = answer.split_at(head_length);
    let head = str::from_utf8(head).ok()?;
    let is_whole = match header(head, "content-length") {
        Some(length) => body.len() >= length.parse().ok()?,
        None => body.ends_with(b"0\r\n\r\n"),
    };
    head.get("HTTP/1.1 ".len()..)?.get(..3)?.parse().ok().filter(|_| is_whole)
}

fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(wanted).then(|| value.trim())
    })
}
