//! One connection of a client that costs as little as possible: of an answer no more is read than
//! its status and where it ends.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// One connection, on which one request is under way at a time.
pub struct Connection {
    stream: TcpStream,
    /// The answer that is being read.
    buffer: Vec<u8>,
}

impl Connection {
    /// Opens it.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Sends a request and gives back the status of the answer. After an error the connection is
    /// of no more use.
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
    #[allow(dead_code, reason = "not every measurement shows it")]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }

    /// The body of the last answer.
    #[allow(dead_code, reason = "not every measurement reads it")]
    pub fn body(&self) -> &[u8] {
        head_and_body(&self.buffer).map_or(&[], |(_, body)| body)
    }
}

/// One request and the status of its answer, on this connection or, if there is none, a new one. A request
/// that fails, or takes longer than `patience`, is not sent again: who counts refusals must not hide any.
#[allow(dead_code, reason = "not every measurement goes on after an error")]
pub async fn exchange(
    connection: &mut Option<Connection>,
    address: SocketAddr,
    request: &[u8],
    patience: Duration,
) -> Result<u16, String> {
    let answered = async {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(Connection::open(address).await?),
        };
        connection.exchange(request).await
    };
    let answer = timeout(patience, answered).await.unwrap_or_else(|late| Err(late.into()));
    if answer.is_err() {
        *connection = None;
    }
    answer.map_err(|error| error.to_string())
}

/// The status, once the whole answer is there. No body of these measurements contains what ends a
/// chunked one.
fn status_of_whole(answer: &[u8]) -> Option<u16> {
    let (head, body) = head_and_body(answer)?;
    let head = str::from_utf8(head).ok()?;
    let is_whole = match header(head, "content-length") {
        Some(length) => body.len() >= length.parse().ok()?,
        None => body.ends_with(b"0\r\n\r\n"),
    };
    head.get("HTTP/1.1 ".len()..)?.get(..3)?.parse().ok().filter(|_| is_whole)
}

fn head_and_body(answer: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    answer.split_at_checked(end + 4)
}

fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(wanted).then(|| value.trim())
    })
}
