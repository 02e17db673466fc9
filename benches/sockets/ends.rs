//! Both ends of the sockets, by tungstenite: clients, and an origin that sends everything back. What lies
//! ready is read and written in one go, so that the ends take as little of the machine as they can.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{Sink, Stream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

/// One end of a socket.
pub type End = WebSocketStream<TcpStream>;

/// An origin that sends everything back; it ends with this value.
pub struct Origin {
    /// Where it listens.
    pub address: SocketAddr,
    server: JoinHandle<()>,
}

impl Origin {
    /// Starts it.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    stream.set_nodelay(true).expect("it is open");
                    if let Ok(mut socket) = accept_async(stream).await {
                        poll_fn(|context| echo(&mut socket, context)).await;
                    }
                });
            }
        });
        Self { address, server }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Sends back what comes, until nothing more can.
fn echo(socket: &mut End, context: &mut Context<'_>) -> Poll<()> {
    loop {
        let mut socket = Pin::new(&mut *socket);
        if ready!(socket.as_mut().poll_ready(context)).is_err() {
            return Poll::Ready(());
        }
        let message = match socket.as_mut().poll_next(context) {
            Poll::Ready(Some(Ok(message))) => message,
            Poll::Ready(_) => return Poll::Ready(()),
            Poll::Pending => {
                let has_failed = matches!(socket.poll_flush(context), Poll::Ready(Err(_)));
                return if has_failed { Poll::Ready(()) } else { Poll::Pending };
            }
        };
        let is_data = message.is_text() || message.is_binary();
        if is_data && socket.start_send(message).is_err() {
            return Poll::Ready(());
        }
    }
}

/// Opens a socket.
///
/// # Panics
///
/// When it is refused.
pub async fn open(address: SocketAddr, path: &str, token: &str) -> End {
    let mut request = format!("ws://{address}{path}").into_client_request().expect("a URL");
    let credentials = HeaderValue::from_str(&format!("Bearer {token}")).expect("a token");
    request.headers_mut().insert("authorization", credentials);
    let stream = TcpStream::connect(address).await.expect("it listens");
    stream.set_nodelay(true).expect("it is open");
    let opened = client_async(request, stream).await;
    opened.unwrap_or_else(|error| panic!("{error}: {error:?}")).0
}

/// Sends a message so often, with at most `window` of them under way, and takes them back.
///
/// # Panics
///
/// When something else comes back, or the socket ends.
pub async fn exchange(socket: &mut End, message: &Message, count: usize, window: usize) {
    let (mut sent, mut received, mut is_flushed) = (0, 0, true);
    poll_fn(|context| {
        loop {
            let mut socket = Pin::new(&mut *socket);
            let before = (sent, received);
            while sent < count && sent - received < window {
                match socket.as_mut().poll_ready(context) {
                    Poll::Ready(ready) => ready.expect("the socket is open"),
                    Poll::Pending => break,
                }
                socket.as_mut().start_send(message.clone()).expect("the socket is open");
                (sent, is_flushed) = (sent + 1, false);
            }
            if !is_flushed && let Poll::Ready(flushed) = socket.as_mut().poll_flush(context) {
                flushed.expect("the socket is open");
                is_flushed = true;
            }
            while received < sent {
                match socket.as_mut().poll_next(context) {
                    Poll::Ready(come) => check(come.as_ref(), message),
                    Poll::Pending => break,
                }
                received += 1;
            }
            if received == count {
                return Poll::Ready(());
            }
            if (sent, received) == before {
                return Poll::Pending;
            }
        }
    })
    .await;
}

fn check(come: Option<&Result<Message, Error>>, sent: &Message) {
    let is_like = |come: &Message| come.len() == sent.len() && come.is_text() == sent.is_text();
    let is_same = come.and_then(|come| come.as_ref().ok()).is_some_and(is_like);
    assert!(is_same, "another message came back: {come:?}");
}
