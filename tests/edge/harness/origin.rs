//! The origin behind the gate: it records every request as it came and answers as it is told.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_lc_rs::digest;
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc},
    task::JoinHandle,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};

use super::{
    PATIENCE,
    wire::{self, Framing, Head, Headers},
};

/// How much of a request body is kept as it is; the rest is counted and hashed.
const KEPT_BODY_BYTES: usize = 64 * 1024;

/// How many requests are kept; the older ones are only counted.
const KEPT_REQUESTS: usize = 1000;

/// A server on loopback; it ends with this value.
pub struct Origin {
    /// Where it listens.
    pub addr: SocketAddr,
    log: Arc<Log>,
    server: JoinHandle<()>,
}

/// One request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The request target, byte for byte.
    pub target: String,
    /// Header lines in order, with the names as they were written.
    pub headers: Headers,
    /// The first part of the body.
    pub body: Vec<u8>,
    /// The length of the whole body.
    pub body_len: u64,
    /// SHA-256 of the whole body in hex, once it is complete.
    pub body_sha256: String,
    /// Header lines after a chunked body.
    pub trailers: Headers,
    /// How far it came.
    pub state: State,
}

/// How far an exchange came, seen from the origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// The head is here, the body is not complete.
    #[default]
    Receiving,
    /// The request is complete.
    Received,
    /// The response was written in full.
    Answered,
    /// The other side went away before the end.
    Abandoned,
}

/// What the origin answers.
pub enum Answer {
    /// A response with a body of known length.
    Full {
        /// Status code and reason phrase, as they go into the status line.
        status: String,
        /// Header lines.
        headers: Headers,
        /// The body.
        body: Vec<u8>,
    },
    /// A chunked response: one chunk for each message, the end when the sender is dropped.
    Chunks(&'static str, mpsc::Receiver<String>),
    /// So many bytes.
    Download(u64),
    /// These bytes, whatever they are, and the end of the connection.
    Raw(Vec<u8>),
    /// Nothing, for as long as the other side stays.
    Silence,
    /// `101 Switching Protocols`, and every frame sent back.
    WebSocketEcho,
}

type Handler = dyn Fn(&Seen) -> Answer + Send + Sync;

#[derive(Default)]
struct Log {
    /// The latest requests, by their number.
    seen: Mutex<BTreeMap<usize, Seen>>,
    count: AtomicUsize,
    changed: Notify,
}

impl Answer {
    /// `200 OK` with the body `from the origin`.
    pub fn ok() -> Self {
        Self::status("200 OK").with_body("from the origin")
    }

    /// A response without a body.
    pub fn status(status: &str) -> Self {
        Self::Full { status: status.to_owned(), headers: Headers::new(), body: Vec::new() }
    }

    /// Adds a header line.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Full { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Sets the body.
    pub fn with_body(mut self, text: &str) -> Self {
        if let Self::Full { body, .. } = &mut self {
            *body = text.as_bytes().to_vec();
        }
        self
    }
}

impl Origin {
    /// An origin that says [`Answer::ok`] to everything.
    pub async fn start() -> Self {
        Self::answering(|_| Answer::ok()).await
    }

    /// An origin that asks `handler` what to say, once a request is complete.
    pub async fn answering(handler: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let log = Arc::new(Log::default());
        let handler: Arc<Handler> = Arc::new(handler);
        let server = tokio::spawn(serve(listener, Arc::clone(&log), handler));
        Self { addr, log, server }
    }

    /// An origin whose answer is a stream of server-sent events that the test sends one by one.
    pub async fn with_events() -> (Self, mpsc::Sender<String>) {
        let (sender, receiver) = mpsc::channel(1);
        let receiver = Mutex::new(Some(receiver));
        let origin = Self::answering(move |_| {
            receiver.lock().unwrap().take().map_or_else(
                || Answer::status("409 Only once"),
                |events| Answer::Chunks("text/event-stream", events),
            )
        });
        (origin.await, sender)
    }

    /// An address where nobody listens.
    pub async fn absent() -> Self {
        let origin = Self::start().await;
        origin.server.abort();
        while TcpStream::connect(origin.addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
        origin
    }

    /// The latest requests, oldest first.
    pub fn hits(&self) -> Vec<Seen> {
        self.log.seen.lock().unwrap().values().cloned().collect()
    }

    /// How many requests came so far.
    pub fn count(&self) -> usize {
        self.log.count.load(Ordering::SeqCst)
    }

    /// The only request so far.
    #[track_caller]
    pub fn only(&self) -> Seen {
        let mut hits = self.hits();
        assert_eq!(hits.len(), 1, "{hits:#?}");
        hits.remove(0)
    }

    /// The latest request.
    #[track_caller]
    pub fn last(&self) -> Seen {
        let seen = self.log.seen.lock().unwrap();
        let (_, last) = seen.last_key_value().expect("a request at the origin");
        last.clone()
    }

    /// Fails if anything reached the origin.
    #[track_caller]
    pub fn must_be_untouched(&self) {
        assert!(self.hits().is_empty(), "{:#?}", self.hits());
    }

    /// Waits until the latest request satisfies this.
    pub async fn until(&self, fact: impl Fn(&Seen) -> bool) -> Seen {
        let wait = async {
            loop {
                let changed = self.log.changed.notified();
                let last =
                    self.log.seen.lock().unwrap().last_entry().map(|last| last.get().clone());
                if let Some(seen) = last.filter(|seen| fact(seen)) {
                    return seen;
                }
                changed.await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        waited.unwrap_or_else(|_| panic!("it did not happen: {:#?}", self.hits()))
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Seen {
    /// Every value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Vec<&str> {
        wire::values(&self.headers, name)
    }

    /// Every value of the headers that some origin would call `name`: CGI and its heirs turn all
    /// but letters and digits into one sign (RFC 3875 section 4.1.18).
    pub fn folded(&self, name: &str) -> Vec<&str> {
        let same = self.headers.iter().filter(|(known, _)| fold(known) == fold(name));
        same.map(|(_, value)| value.as_str()).collect()
    }
}

/// A header name as CGI would have it.
pub fn fold(name: &str) -> String {
    let one = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    name.to_ascii_lowercase().chars().map(one).collect()
}

impl Log {
    fn open(&self, seen: Seen) -> usize {
        let mut all = self.seen.lock().unwrap();
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        all.insert(number, seen);
        if all.len() > KEPT_REQUESTS {
            all.pop_first();
        }
        self.changed.notify_waiters();
        number
    }

    fn update(&self, number: usize, change: impl FnOnce(&mut Seen)) {
        if let Some(seen) = self.seen.lock().unwrap().get_mut(&number) {
            change(seen);
        }
        self.changed.notify_waiters();
    }
}

async fn serve(listener: TcpListener, log: Arc<Log>, handler: Arc<Handler>) {
    // Dropped with the server, and the connections with it.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let (log, handler) = (Arc::clone(&log), Arc::clone(&handler));
        connections.spawn(async move {
            let mut stream = BufReader::with_capacity(256 * 1024, stream);
            while let Ok(Some(head)) = Head::read(&mut stream).await {
                let number = log.open(Seen::from_head(&head));
                match exchange(&mut stream, number, &head, &log, &handler).await {
                    Ok(true) => log.update(number, |seen| seen.state = State::Answered),
                    Ok(false) => return log.update(number, |seen| seen.state = State::Answered),
                    Err(_) => return log.update(number, |seen| seen.state = State::Abandoned),
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

impl Seen {
    fn from_head(head: &Head) -> Self {
        let mut words = head.start.split(' ').map(str::to_owned);
        Self {
            method: words.next().unwrap_or_default(),
            target: words.next().unwrap_or_default(),
            headers: head.headers.clone(),
            ..Self::default()
        }
    }
}

/// One request and its answer; `true` when the connection can take another.
async fn exchange(
    stream: &mut BufReader<TcpStream>,
    number: usize,
    head: &Head,
    log: &Log,
    handler: &Arc<Handler>,
) -> io::Result<bool> {
    let mut hash = digest::Context::new(&digest::SHA256);
    let framing = Framing::of(&head.headers, Framing::Length(0));
    let trailers = wire::body(stream, framing, |bytes| {
        hash.update(bytes);
        log.update(number, |seen| {
            seen.body_len += bytes.len() as u64;
            let room = KEPT_BODY_BYTES.saturating_sub(seen.body.len());
            seen.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
        });
    })
    .await?;
    let hash = hash.finish().as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    log.update(number, |seen| {
        seen.trailers = trailers;
        seen.body_sha256 = hash;
        seen.state = State::Received;
    });

    let seen = log.seen.lock().unwrap().get(&number).cloned().unwrap_or_default();
    let answer = handler(&seen);
    reply(stream, &seen, answer).await
}

async fn reply(stream: &mut BufReader<TcpStream>, seen: &Seen, answer: Answer) -> io::Result<bool> {
    match answer {
        Answer::Full { status, headers, body } => {
            let mut headers = headers;
            let bodiless = matches!(status.get(..3), Some("204" | "304"));
            if !bodiless {
                headers.push(("Content-Length".to_owned(), body.len().to_string()));
            }
            let mut bytes = Head::write(&format!("HTTP/1.1 {status}"), &headers);
            if !bodiless && seen.method != "HEAD" {
                bytes.extend_from_slice(&body);
            }
            stream.write_all(&bytes).await?;
            Ok(true)
        }
        Answer::Chunks(content_type, mut chunks) => {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await?;
            loop {
                tokio::select! {
                    chunk = chunks.recv() => {
                        let Some(chunk) = chunk else {
                            stream.write_all(b"0\r\n\r\n").await?;
                            return Ok(true);
                        };
                        let chunk = format!("{:x}\r\n{chunk}\r\n", chunk.len());
                        stream.write_all(chunk.as_bytes()).await?;
                    }
                    gone = wire::gone(stream) => return Err(gone),
                }
            }
        }
        Answer::Download(length) => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            let block = vec![b'd'; 1 << 20];
            let mut left = usize::try_from(length).unwrap();
            while left > 0 {
                let count = left.min(block.len());
                stream.write_all(&block[..count]).await?;
                left -= count;
            }
            Ok(true)
        }
        Answer::Raw(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await?;
            Ok(false)
        }
        Answer::Silence => Err(wire::gone(stream).await),
        Answer::WebSocketEcho => {
            let key = seen.header("Sec-WebSocket-Key").first().map_or("", |key| *key);
            let accept = derive_accept_key(key.as_bytes());
            let head = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await?;
            let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
            while let Some(Ok(message)) = socket.next().await {
                if message.is_close() || socket.send(message).await.is_err() {
                    break;
                }
            }
            Ok(false)
        }
    }
}
