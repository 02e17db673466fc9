//! WebSockets that stay open, and over which something is always sent.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use tokio::time::{interval, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{
    Ms,
    harness::sockets::{End, open},
    orders::place,
    script::Random,
    tokens::{Class, Token},
    traffic::{Attempt, Clients, Outcome, Route},
};

/// How long a client waits for the answer to its handshake.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often something is sent.
const EVERY: Duration = Duration::from_millis(400);
/// How long a client waits for the answer to its Close frame: the gate cuts off after ten seconds.
const CLOSING: Duration = Duration::from_secs(20);

/// How a socket ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The client had enough, and was told that it is closed.
    ByClient,
    /// With this code and reason.
    Closed(u16, String),
    /// The connection was gone.
    Gone,
}

/// A socket that was open.
#[derive(Clone)]
pub struct Socket {
    pub token: Arc<Token>,
    pub isolate: usize,
    pub opened: Ms,
    pub closed: Ms,
    /// When the last message was sent that came back.
    pub echoed: Ms,
    pub ended: Ended,
}

/// Opens one socket after the other, until the end.
pub async fn watch(
    clients: Arc<Clients>,
    all: Arc<Mutex<Vec<Socket>>>,
    isolate: usize,
    mut random: Random,
    end: Ms,
) {
    let clock = clients.world.clock;
    while clock.now() < end {
        let class = random.pick(&[
            Class::Local,
            Class::Local,
            Class::Short,
            Class::Published,
            Class::Opaque,
        ]);
        if let Some(token) = clients.token(class, &mut random)
            && let Some((end_here, opened)) = handshake(&clients, &token, isolate).await
        {
            let until = end.min(opened + random.between(2_000, 45_000));
            let (echoed, ended) = talk(&clients, end_here, opened, until).await;
            let closed = clock.now();
            all.lock().unwrap().push(Socket { token, isolate, opened, closed, echoed, ended });
        }
        clients.world.moment(random.between(100, 1_000)).await;
    }
}

async fn handshake(clients: &Clients, token: &Arc<Token>, isolate: usize) -> Option<(End, Ms)> {
    let world = &clients.world;
    let number = world.number();
    let opening = open(&Route::Socket.path(number)).bearer(&token.text);
    let opening = opening.header("cf-blob", &place(isolate));
    let sent = world.clock.now();
    let life = world.life();
    let came = timeout(PATIENCE, opening.attempt(&life.gates[isolate])).await;
    let answered = world.clock.now();
    let (outcome, socket) = match came {
        Ok(Ok((socket, _))) => (Outcome::Answer(101, None), Some(socket)),
        // The body may not be complete.
        Ok(Err(Error::Http(response))) => (Outcome::Answer(response.status().as_u16(), None), None),
        Ok(Err(Error::Io(error))) => (Outcome::Nothing(error.kind()), None),
        Ok(Err(_)) => (Outcome::Nothing(io::ErrorKind::Other), None),
        Err(_) => (Outcome::Nothing(io::ErrorKind::TimedOut), None),
    };
    clients.note(Attempt {
        number,
        token: Arc::clone(token),
        route: Route::Socket,
        is_post: false,
        life: life.number,
        isolate,
        sent,
        answered,
        outcome,
    });
    Some((socket?, answered))
}

/// Sends something again and again until then. When the last one was sent that came back, and how it ended.
async fn talk(clients: &Clients, mut socket: End, opened: Ms, until: Ms) -> (Ms, Ended) {
    let clock = clients.world.clock;
    let mut echoed = opened;
    let mut tick = interval(EVERY);
    while clock.now() < until {
        tokio::select! {
            _ = tick.tick() => {
                // If it fails, what comes next says why.
                let _ = socket.send(Message::text(clock.now().to_string())).await;
            }
            came = socket.next() => match came {
                Some(Ok(Message::Text(text))) => echoed = echoed.max(text.parse().unwrap()),
                Some(Ok(Message::Close(frame))) => {
                    let said = frame.map_or((1005, String::new()), |frame| {
                        (frame.code.into(), frame.reason.as_str().to_owned())
                    });
                    // So that the answer to it is sent.
                    let _ = timeout(CLOSING, socket.next()).await;
                    return (echoed, Ended::Closed(said.0, said.1));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return (echoed, Ended::Gone),
            },
        }
    }
    let _ = socket.close(None).await;
    let answered = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(frame))) => {
                    return frame.map_or(Ended::ByClient, |frame| match frame.code.into() {
                        1000 => Ended::ByClient,
                        code => Ended::Closed(code, frame.reason.as_str().to_owned()),
                    });
                }
                Some(Ok(_)) => {}
                // Whoever has closed does not mind how the other side goes.
                Some(Err(_)) | None => return Ended::ByClient,
            }
        }
    };
    (echoed, timeout(CLOSING, answered).await.unwrap_or(Ended::Gone))
}
