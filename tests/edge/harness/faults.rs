//! A service that can fail in every way that a client has to bear, and that counts what it is asked.
//!
//! In front of a server it is a proxy, with a function behind it the server itself. Requests and
//! answers are taken in whole; only the faults play with how bytes come. A handshake of a WebSocket that
//! passes becomes a tunnel to the server, which ends with one of its ends or when connections are refused.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Notify,
    task::{JoinHandle, JoinSet},
};

use super::{
    PATIENCE, Reply,
    wire::{self, Framing, Head, Headers},
};

/// How many requests are kept; the older ones are only counted.
const KEPT_REQUESTS: usize = 1000;
/// More than anyone should take for an answer, but not more than a machine has memory.
const HUGE_BYTES: usize = 64 << 20;

/// A server on loopback; it ends with this value.
pub struct Faults {
    /// Where it listens, unless it refuses.
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    server: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    /// Bound, but not listening: it keeps the port while connections are refused.
    _port: TcpSocket,
}

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Mode {
    /// It passes.
    Pass,
    /// Nobody listens. Connections that are open end.
    Refused,
    /// In the place of an answer the connection is reset.
    Reset,
    /// No answer comes for as long as the client stays, also when the mode has changed meanwhile.
    Hang,
    /// It passes after this time.
    Slow(Duration),
    /// This answer, see [`Mode::status`].
    Status {
        /// Status code.
        code: u16,
        /// Header lines.
        headers: Headers,
        /// The body.
        body: String,
    },
    /// 200 and a body that is announced as JSON and is none.
    Garbage,
    /// It passes, but half of the answer's body is missing when the connection ends.
    HalfBody,
    /// It passes, but the body comes behind so many blanks that nobody should read on. JSON allows
    /// them, so a client without a bound of its own finds nothing wrong.
    Huge,
    /// 307 to this URL: a client that follows sends everything once more, credentials included.
    Redirect(String),
    /// These in turn, one for each request, and then from the first again.
    Flapping(Vec<Mode>),
    /// These bytes, whatever they are, and the end of the connection.
    Custom(Vec<u8>),
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The request target, byte for byte.
    pub target: String,
    /// Header lines in order, with the names as they were written.
    pub headers: Headers,
    /// The whole body.
    pub body: Vec<u8>,
}

type Handler = dyn Fn(&Asked) -> Reply + Send + Sync;
type Watcher = dyn Fn(&Asked, &Mode) + Send + Sync;

/// Who answers what passes.
#[derive(Clone)]
enum Behind {
    Nobody,
    Server(SocketAddr),
    Handler(Arc<Handler>),
}

struct Shared {
    behind: Mutex<Behind>,
    mode: Mutex<Mode>,
    ledger: Mutex<Ledger>,
    watcher: Mutex<Option<Arc<Watcher>>>,
    changed: Notify,
}

#[derive(Default)]
struct Ledger {
    /// By method and path.
    counts: BTreeMap<(String, String), usize>,
    latest: VecDeque<Asked>,
}

impl Mode {
    /// An answer with this status, without a body.
    pub fn status(code: u16) -> Self {
        Self::Status { code, headers: Headers::new(), body: String::new() }
    }

    /// Adds a header line to a [`Mode::Status`].
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Status { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Sets the body of a [`Mode::Status`].
    pub fn with_body(mut self, text: &str) -> Self {
        if let Self::Status { body, .. } = &mut self {
            text.clone_into(body);
        }
        self
    }
}

impl Faults {
    /// A proxy that still needs to be told [what is behind it](Self::pass_to).
    pub async fn start() -> Self {
        Self::with(Behind::Nobody).await
    }

    /// A server that asks `handler` what to say to requests that pass.
    pub async fn answering(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(Behind::Handler(Arc::new(handler))).await
    }

    async fn with(behind: Behind) -> Self {
        let port = socket("127.0.0.1:0".parse().unwrap());
        let shared = Arc::new(Shared {
            behind: Mutex::new(behind),
            mode: Mutex::new(Mode::Pass),
            ledger: Mutex::default(),
            watcher: Mutex::default(),
            changed: Notify::new(),
        });
        let addr = port.local_addr().unwrap();
        let faults = Self { addr, shared, server: tokio::sync::Mutex::default(), _port: port };
        faults.set(Mode::Pass).await;
        faults
    }

    /// Puts it in front of this server, also in the place of another one. What is asked before that is not
    /// answered.
    pub fn pass_to(&self, server: SocketAddr) {
        *self.shared.behind.lock().unwrap() = Behind::Server(server);
    }

    /// From now on this is told of each request, and what happens to it.
    pub fn tell(&self, watcher: impl Fn(&Asked, &Mode) + Send + Sync + 'static) {
        *self.shared.watcher.lock().unwrap() = Some(Arc::new(watcher));
    }

    /// From now on, this happens to requests. Returns when connections are refused or accepted.
    pub async fn set(&self, mode: Mode) {
        if let Mode::Flapping(modes) = &mode {
            let single = |mode: &Mode| !matches!(mode, Mode::Refused | Mode::Flapping(_));
            assert!(!modes.is_empty() && modes.iter().all(single), "not by request: {modes:?}");
        }
        let refuses = matches!(mode, Mode::Refused);
        *self.shared.mode.lock().unwrap() = mode;

        let mut server = self.server.lock().await;
        match server.take() {
            Some(running) if refuses => {
                running.abort();
                // It fails because it was aborted.
                let _ = running.await;
            }
            None if !refuses => {
                let listener = socket(self.addr).listen(1024).unwrap();
                *server = Some(tokio::spawn(serve(listener, Arc::clone(&self.shared))));
            }
            same => *server = same,
        }
    }

    /// How many requests came for this path, whatever became of them.
    pub fn count(&self, path: &str) -> usize {
        self.count_of(|_, asked| asked == path)
    }

    /// How many requests came with such a method and path, whatever became of them.
    pub fn count_of(&self, which: impl Fn(&str, &str) -> bool) -> usize {
        let ledger = self.shared.ledger.lock().unwrap();
        let counts = ledger.counts.iter().filter(|((method, path), _)| which(method, path));
        counts.map(|(_, count)| count).sum()
    }

    /// The latest request for this path.
    #[track_caller]
    pub fn last(&self, path: &str) -> Asked {
        let ledger = self.shared.ledger.lock().unwrap();
        let found = ledger.latest.iter().rfind(|asked| asked.path() == path);
        found.unwrap_or_else(|| panic!("nobody asked for {path}")).clone()
    }

    /// Waits until so many requests came for this path.
    pub async fn until(&self, path: &str, count: usize) {
        let wait = async {
            loop {
                let changed = self.shared.changed.notified();
                if self.count(path) >= count {
                    return;
                }
                changed.await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        waited.unwrap_or_else(|_| panic!("{} requests for {path}", self.count(path)));
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        if let Some(server) = self.server.get_mut() {
            server.abort();
        }
    }
}

/// A socket that is bound to this address, beside others of ours. Port 0 is a new one.
fn socket(addr: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind(addr).unwrap();
    socket
}

impl Asked {
    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Every value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Vec<&str> {
        wire::values(&self.headers, name)
    }

    fn is_handshake(&self) -> bool {
        self.header("upgrade").iter().any(|value| value.eq_ignore_ascii_case("websocket"))
    }

    async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Self>> {
        let Some(Head { start, headers }) = Head::read(stream).await? else { return Ok(None) };
        let mut words = start.split(' ').map(str::to_owned);
        let [method, target] = [(); 2].map(|()| words.next().unwrap_or_default());
        let mut body = Vec::new();
        let framing = Framing::of(&headers, Framing::Length(0));
        wire::body(stream, framing, |bytes| body.extend_from_slice(bytes)).await?;
        Ok(Some(Self { method, target, headers, body }))
    }

    /// The same request, once more.
    fn bytes(&self) -> Vec<u8> {
        let headers = framed(&self.headers, self.body.len());
        let start = format!("{} {} HTTP/1.1", self.method, self.target);
        let mut bytes = Head::write(&start, &headers);
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

impl Shared {
    /// Takes the request down and says what becomes of it. Whoever sees it counted can change the
    /// mode for the next one: the ledger is locked until this one has its own.
    fn enter(&self, asked: &Asked) -> Mode {
        let mut ledger = self.ledger.lock().unwrap();
        let path = (asked.method.clone(), asked.path().to_owned());
        *ledger.counts.entry(path).or_default() += 1;
        ledger.latest.push_back(asked.clone());
        if ledger.latest.len() > KEPT_REQUESTS {
            ledger.latest.pop_front();
        }
        self.changed.notify_waiters();

        let mut mode = self.mode.lock().unwrap();
        let mode = match &mut *mode {
            Mode::Flapping(modes) => {
                modes.rotate_left(1);
                modes[modes.len() - 1].clone()
            }
            steady => steady.clone(),
        };
        if let Some(watcher) = &*self.watcher.lock().unwrap() {
            watcher(asked, &mode);
        }
        mode
    }

    /// A handshake that passes: from then on, whatever either side sends.
    async fn tunnel(&self, stream: &mut BufReader<TcpStream>, asked: &Asked) -> io::Result<()> {
        let Behind::Server(addr) = self.behind.lock().unwrap().clone() else {
            return Err(io::Error::other("no server is behind it"));
        };
        let mut server = TcpStream::connect(addr).await?;
        server.set_nodelay(true)?;
        let start = format!("{} {} HTTP/1.1", asked.method, asked.target);
        server.write_all(&Head::write(&start, &asked.headers)).await?;
        tokio::io::copy_bidirectional(stream, &mut server).await.map(drop)
    }

    /// The answer to what passes.
    async fn pass(&self, asked: &Asked) -> io::Result<Reply> {
        let behind = self.behind.lock().unwrap().clone();
        match behind {
            Behind::Handler(handler) => Ok(handler(asked)),
            Behind::Server(addr) => {
                let mut stream = BufReader::new(TcpStream::connect(addr).await?);
                stream.write_all(&asked.bytes()).await?;
                Reply::read(&mut stream, asked.method == "HEAD").await
            }
            Behind::Nobody => Err(io::Error::other("nobody is behind it yet")),
        }
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with the server, and the connections with it.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let mut stream = BufReader::new(stream);
            while let Ok(Some(asked)) = Asked::read(&mut stream).await {
                let mode = shared.enter(&asked);
                if !answer(&mut stream, &asked, mode, &shared).await.unwrap_or(false) {
                    return;
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Answers one request; `true` when the connection can take another.
async fn answer(
    stream: &mut BufReader<TcpStream>,
    asked: &Asked,
    mode: Mode,
    shared: &Shared,
) -> io::Result<bool> {
    if asked.is_handshake() && matches!(mode, Mode::Pass | Mode::Slow(_) | Mode::HalfBody) {
        if let Mode::Slow(delay) = mode {
            tokio::time::sleep(delay).await;
        }
        shared.tunnel(stream, asked).await?;
        return Ok(false);
    }
    let reply = match mode {
        Mode::Pass => shared.pass(asked).await?,
        Mode::Slow(delay) => {
            tokio::time::sleep(delay).await;
            shared.pass(asked).await?
        }
        Mode::Status { code, headers, body } => Reply { headers, ..Reply::new(code, body) },
        Mode::Garbage => {
            Reply::new(200, "{\"active\": <html>").with_header("Content-Type", "application/json")
        }
        Mode::Redirect(to) => Reply::new(307, "").with_header("Location", &to),
        Mode::HalfBody => {
            let whole = shared.pass(asked).await?;
            stream.write_all(&head(&whole, whole.body.len())).await?;
            stream.write_all(&whole.body[..whole.body.len() / 2]).await?;
            stream.shutdown().await?;
            return Ok(false);
        }
        Mode::Huge => {
            let late = shared.pass(asked).await?;
            stream.write_all(&head(&late, HUGE_BYTES + late.body.len())).await?;
            let blanks = vec![b' '; 1 << 16];
            for _ in 0..HUGE_BYTES / blanks.len() {
                stream.write_all(&blanks).await?;
            }
            stream.write_all(&late.body).await?;
            return Ok(true);
        }
        Mode::Custom(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await?;
            return Ok(false);
        }
        Mode::Reset => {
            stream.get_ref().set_zero_linger()?;
            return Ok(false);
        }
        Mode::Hang => return Err(wire::gone(stream).await),
        Mode::Refused => return Err(io::ErrorKind::ConnectionRefused.into()),
        Mode::Flapping(_) => unreachable!("one of its modes was chosen"),
    };
    let mut bytes = head(&reply, reply.body.len());
    bytes.extend_from_slice(&reply.body);
    stream.write_all(&bytes).await?;
    Ok(true)
}

/// The head of an answer with a body of this length.
fn head(reply: &Reply, length: usize) -> Vec<u8> {
    let start = format!("HTTP/1.1 {} {}", reply.status, reply.reason);
    let mut headers = framed(&reply.headers, length);
    if matches!(reply.status, 204 | 304) {
        // These have no body, and 204 must not even announce one.
        headers.pop();
    }
    Head::write(&start, &headers)
}

/// These headers for one connection of two, and for a body of this length.
fn framed(headers: &Headers, length: usize) -> Headers {
    let ours = ["content-length", "transfer-encoding", "connection", "keep-alive"];
    let is_ours = |name: &str| ours.iter().any(|our| name.eq_ignore_ascii_case(our));
    let mut framed: Headers = headers.iter().filter(|(name, _)| !is_ours(name)).cloned().collect();
    framed.push(("Content-Length".to_owned(), length.to_string()));
    framed
}
