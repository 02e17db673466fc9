//! WebSockets on both sides of the gate, by tungstenite.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Mutex, mpsc},
    task::JoinHandle,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async_with_config, client_async_with_config,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        handshake::server,
        http::{HeaderMap, HeaderName, HeaderValue},
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{Gate, PATIENCE, Reply, Setup, get};

/// One end of a socket.
pub type End = WebSocketStream<TcpStream>;

/// An origin that takes every WebSocket; it ends with this value, and all of its sockets.
pub struct Sockets {
    /// Where it listens.
    pub addr: SocketAddr,
    opened: Arc<AtomicUsize>,
    taken: Mutex<mpsc::UnboundedReceiver<Far>>,
    server: JoinHandle<()>,
}

/// The origin's end of a socket, and with what it was asked for.
pub struct Far {
    /// The end.
    pub socket: End,
    /// The headers of the handshake.
    pub headers: HeaderMap,
    /// Its target.
    pub target: String,
}

impl Sockets {
    /// One whose ends the test takes, see [`Sockets::next`]. `protocol` is chosen if it is offered.
    pub async fn start(protocol: Option<&'static str>) -> Self {
        Self::listening(TcpListener::bind("127.0.0.1:0").await.unwrap(), protocol, None)
    }

    /// One that answers handshakes so late, and says "welcome" with it.
    pub async fn late(delay: Duration) -> Self {
        Self::listening(TcpListener::bind("127.0.0.1:0").await.unwrap(), None, Some(delay))
    }

    /// One whose ends take little before they are read, see [`Opening::narrow`].
    pub fn narrow() -> Self {
        let socket = narrow_socket();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self::listening(socket.listen(64).unwrap(), None, None)
    }

    fn listening(
        listener: TcpListener,
        protocol: Option<&'static str>,
        delay: Option<Duration>,
    ) -> Self {
        let addr = listener.local_addr().unwrap();
        let (sender, taken) = mpsc::unbounded_channel();
        let opened = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&opened);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (sender, count) = (sender.clone(), Arc::clone(&count));
                tokio::spawn(async move {
                    count.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(delay.unwrap_or_default()).await;
                    let Some(mut far) = accept(stream, protocol).await else { return };
                    if delay.is_some() {
                        let _ = far.socket.send(Message::text("welcome")).await;
                    }
                    let _ = sender.send(far);
                });
            }
        });
        Self { addr, opened, taken: Mutex::new(taken), server }
    }

    /// One that sends everything back.
    pub async fn echoing() -> Self {
        let mut this = Self::start(None).await;
        let (_, none) = mpsc::unbounded_channel();
        let mut taken = std::mem::replace(&mut this.taken, Mutex::new(none)).into_inner();
        let echoes = tokio::spawn(async move {
            while let Some(far) = taken.recv().await {
                tokio::spawn(echo(far.socket));
            }
        });
        let server = std::mem::replace(&mut this.server, echoes);
        // Both end together, because the one feeds the other.
        tokio::spawn(server);
        this
    }

    /// A setup of a gate in front of it.
    pub fn setup(&self, setup: Setup) -> Setup {
        setup.set("origin", format!("http://{}", self.addr))
    }

    /// The next socket's end here.
    pub async fn next(&self) -> Far {
        let next = async { self.taken.lock().await.recv().await.expect("a server") };
        tokio::time::timeout(PATIENCE, next).await.expect("a socket at the origin")
    }

    /// How many connections there were.
    pub fn count(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn narrow_socket() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(None).max_frame_size(None)
}

async fn accept(stream: TcpStream, protocol: Option<&'static str>) -> Option<Far> {
    let _ = stream.set_nodelay(true);
    let (mut headers, mut target) = (HeaderMap::new(), String::new());
    #[allow(clippy::result_large_err, reason = "as the library wants it")]
    let note = |request: &server::Request, mut response: server::Response| {
        headers = request.headers().clone();
        target = request.uri().to_string();
        let offered = headers.get("sec-websocket-protocol").and_then(|it| it.to_str().ok());
        let is_offered =
            |one: &&str| offered.unwrap_or_default().split(',').any(|it| it.trim() == *one);
        if let Some(protocol) = protocol.filter(is_offered) {
            let chosen = HeaderValue::from_static(protocol);
            response.headers_mut().insert("sec-websocket-protocol", chosen);
        }
        Ok(response)
    };
    let socket = accept_hdr_async_with_config(stream, note, Some(config())).await.ok()?;
    Some(Far { socket, headers, target })
}

async fn echo(mut socket: End) {
    while let Some(Ok(message)) = socket.next().await {
        if !(message.is_text() || message.is_binary()) {
            continue;
        }
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

/// A handshake to be.
pub struct Opening {
    target: String,
    headers: Vec<(&'static str, String)>,
    is_narrow: bool,
}

/// A handshake for this path, without credentials.
pub fn open(target: &str) -> Opening {
    Opening { target: target.to_owned(), headers: Vec::new(), is_narrow: false }
}

impl Opening {
    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Adds a token in the header.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With an end that takes little before it is read: buffers of the kernel are full soon.
    pub fn narrow(mut self) -> Self {
        self.is_narrow = true;
        self
    }

    /// Offers subprotocols.
    pub fn protocols(self, protocols: &str) -> Self {
        self.header("sec-websocket-protocol", protocols)
    }

    /// Opens the socket: this end, and the headers of the response.
    pub async fn with_headers_at(self, gate: &Gate) -> (End, HeaderMap) {
        self.attempt(gate).await.unwrap_or_else(|error| panic!("{error}: {error:?}"))
    }

    /// Opens the socket, or is refused.
    pub async fn try_at(self, gate: &Gate) -> Option<End> {
        match self.attempt(gate).await {
            Ok((socket, _)) => Some(socket),
            Err(Error::Http(_)) => None,
            Err(other) => panic!("{other}: {other:?}"),
        }
    }

    /// Tries to open the socket: this end and the headers of the response, or what came instead.
    #[allow(clippy::result_large_err, reason = "as the library has it")]
    pub async fn attempt(self, gate: &Gate) -> Result<(End, HeaderMap), Error> {
        let mut request =
            format!("ws://{}{}", gate.addr, self.target).into_client_request().unwrap();
        for (name, value) in self.headers {
            let name = HeaderName::from_static(name);
            request.headers_mut().insert(name, HeaderValue::from_str(&value).unwrap());
        }
        let socket = if self.is_narrow { narrow_socket() } else { TcpSocket::new_v4().unwrap() };
        let stream = socket.connect(gate.addr).await?;
        stream.set_nodelay(true)?;
        let opened = client_async_with_config(request, stream, Some(config())).await;
        opened.map(|(socket, response)| (socket, response.headers().clone()))
    }

    /// Opens the socket.
    pub async fn at(self, gate: &Gate) -> End {
        self.with_headers_at(gate).await.0
    }

    /// The response that refuses it, read by a client that knows more of HTTP.
    pub async fn refused_at(self, gate: &Gate) -> Reply {
        let mut request = get(&self.target)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let reply = request.send(gate).await;
        assert_ne!(reply.status, 101, "the socket is open");
        reply
    }
}

/// The next message, whatever it is.
pub async fn next(socket: &mut End) -> Option<Result<Message, Error>> {
    tokio::time::timeout(PATIENCE, socket.next()).await.expect("something comes")
}

/// The next message of text or bytes.
pub async fn received(socket: &mut End) -> Message {
    loop {
        match next(socket).await {
            Some(Ok(message)) if message.is_text() || message.is_binary() => return message,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Reads to the end: code and reason of the Close frame, `None` where the connection was only gone.
pub async fn ending(socket: &mut End) -> Option<(u16, String)> {
    let mut close = None;
    while let Some(Ok(message)) = next(socket).await {
        if let Message::Close(frame) = message {
            close = Some(frame.map_or((1005, String::new()), |frame| {
                (frame.code.into(), frame.reason.as_str().to_owned())
            }));
        }
    }
    close
}

/// What a Close frame with this code and reason is.
pub fn close(code: u16, reason: &str) -> Message {
    Message::Close(Some(CloseFrame { code: CloseCode::from(code), reason: reason.into() }))
}

/// Both are open: a message passes each way.
pub async fn must_be_open(near: &mut End, far: &mut End) {
    for text in ["there", "and back"] {
        near.send(Message::text(text)).await.unwrap();
        assert_eq!(received(far).await, Message::text(text));
        far.send(Message::text(text)).await.unwrap();
        assert_eq!(received(near).await, Message::text(text));
    }
}
