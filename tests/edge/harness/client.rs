//! A client that sends exactly what it is told to.

use std::{io, net::SocketAddr};

use serde_json::Value;
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::{
    Gate, PATIENCE,
    wire::{self, Framing, Head, Headers},
};

/// The `Host` of every request that does not say otherwise.
pub const HOST: &str = "app.example";

/// A request in the making.
#[derive(Clone)]
pub struct Request {
    method: String,
    target: String,
    headers: Headers,
    body: Vec<u8>,
}

/// A response as it came over the wire.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Reason phrase.
    pub reason: String,
    /// Header lines in order.
    pub headers: Headers,
    /// The whole body.
    pub body: Vec<u8>,
}

/// A `GET` of this target, which is sent as it is.
pub fn get(target: &str) -> Request {
    request("GET", target)
}

/// A request with this method and target.
pub fn request(method: &str, target: &str) -> Request {
    Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: Headers::new(),
        body: Vec::new(),
    }
}

/// Sends these bytes and reads one response.
///
/// # Panics
///
/// When no complete response comes back.
pub async fn raw(addr: SocketAddr, bytes: &[u8]) -> Reply {
    try_raw(addr, bytes).await.unwrap_or_else(|error| {
        panic!("no response: {error}\nto {:?}", String::from_utf8_lossy(bytes))
    })
}

/// Sends these bytes; `Err` when the connection ends before a response is complete.
pub async fn try_raw(addr: SocketAddr, bytes: &[u8]) -> io::Result<Reply> {
    let exchange = async {
        let mut stream = TcpStream::connect(addr).await?;
        stream.write_all(bytes).await?;
        Reply::read(&mut BufReader::new(stream), bytes.starts_with(b"HEAD ")).await
    };
    tokio::time::timeout(PATIENCE, exchange).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
}

impl Request {
    /// Adds a header line, also beside one of the same name.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds the token as RFC 6750 section 2.1 says.
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// The body, announced by its length.
    pub fn body(mut self, body: &str) -> Self {
        self.body = body.as_bytes().to_vec();
        self.header("Content-Length", &body.len().to_string())
    }

    /// The bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut headers = self.headers.clone();
        if wire::values(&headers, "host").is_empty() {
            headers.insert(0, ("Host".to_owned(), HOST.to_owned()));
        }
        let start = format!("{} {} HTTP/1.1", self.method, self.target);
        let mut bytes = Head::write(&start, &headers);
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Sends it on a connection of its own.
    pub async fn send(&self, gate: &Gate) -> Reply {
        raw(gate.addr, &self.bytes()).await
    }
}

impl Reply {
    /// A response of a server of ours, without a reason phrase.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, reason: String::new(), headers: Headers::new(), body: body.into() }
    }

    /// Adds a header line.
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Reads one response; `bodiless` for the answer to a `HEAD`.
    pub async fn read(
        stream: &mut (impl tokio::io::AsyncBufRead + Unpin),
        bodiless: bool,
    ) -> io::Result<Self> {
        let head = Head::read(stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut parts = head.start.splitn(3, ' ');
        let status = parts.nth(1).and_then(|text| text.parse().ok());
        let status: u16 = status.ok_or(io::ErrorKind::InvalidData)?;
        let reason = parts.next().unwrap_or_default().to_owned();
        let mut body = Vec::new();
        if !bodiless && !matches!(status, 100..200 | 204 | 304) {
            let framing = Framing::of(&head.headers, Framing::Close);
            wire::body(stream, framing, |bytes| body.extend_from_slice(bytes)).await?;
        }
        Ok(Self { status, reason, headers: head.headers, body })
    }

    /// Every value of a header.
    pub fn header(&self, name: &str) -> Vec<&str> {
        wire::values(&self.headers, name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `Null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The stable code of a denial; empty when this is none.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Status and code, which is what a denial comes down to.
    pub fn verdict(&self) -> (u16, String) {
        (self.status, self.code())
    }

    /// Whether it is no 401, or says that a bearer token would help (RFC 9110 section 15.5.2, RFC 6750
    /// section 3), and nothing else.
    pub fn is_challenged(&self) -> bool {
        let challenges = self.header("www-authenticate");
        self.status != 401 || matches!(challenges[..], [one] if one.starts_with("Bearer "))
    }

    /// Fails unless this is a denial with this status and code.
    #[track_caller]
    pub fn must_be(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{}", self.text());
        assert!(self.is_challenged(), "{:?}", self.headers);
    }

    /// Fails unless the origin answered with 200.
    #[track_caller]
    pub fn must_pass(&self) {
        assert_eq!(self.status, 200, "{}", self.text());
    }
}
