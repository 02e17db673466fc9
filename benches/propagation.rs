//! How long a revocation takes until everybody goes by it: `cargo bench --bench propagation`, after
//! `make build`. Four isolates in one workerd share a hub and a relay and refresh their lists every
//! second, under a light and steady load. Tokens that all of them know are revoked one after the other,
//! at moments that have nothing to do with the refreshes, and each isolate is asked again and again with
//! the token until it refuses. Each isolate also has an open WebSocket with the token, which ends.
//!
//! What is not in it: the network. Hub, relay, isolates, clients and origin are on one machine, and of
//! workerd's Workers all run in one thread.
//!
//! `EDGEWARD_REVOCATIONS` says how many there are, 200 unless given,
//! and `EDGEWARD_BUILD` names another build than build/.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a panic says what is wrong with a measurement, and who measures asks for the time"
)]

#[path = "support/connection.rs"]
mod connection;
#[allow(dead_code, reason = "the configuration is another one here")]
#[path = "support/edgeward.rs"]
mod edgeward_setup;
#[path = "support/machine.rs"]
mod machine;
#[allow(
    dead_code,
    clippy::needless_pass_by_value,
    reason = "the tests use more of it, in one line"
)]
#[path = "../tests/edge/harness/mint.rs"]
mod mint;
#[path = "support/pinning.rs"]
mod pinning;
#[path = "support/variables.rs"]
mod variables;
#[path = "../tests/support/workerd.rs"]
mod workerd;

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{join, join_all};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

use connection::Connection;
use edgeward_setup::{ADMIN_TOKEN, build_directory, provider};
use pinning::Cpus;
use variables::above_zero;
use workerd::{Extras, Files, Workerd, json_binding, origin_service, text_binding};

/// How many isolates there are.
const ISOLATES: usize = 4;
/// How many revocations are made, unless it is said.
const REVOCATIONS: u32 = 200;
/// After so long an isolate is asked again.
const PROBED_EVERY: Duration = Duration::from_millis(5);
/// How often each isolate has another request, in the background.
const LOAD_EVERY: Duration = Duration::from_millis(20);
/// The longest pause between two revocations, in milliseconds: the time between two refreshes, since a
/// measurement ends with one.
const PAUSE_MS: u64 = 1_000;
/// After so long a token must be out.
const PATIENCE: Duration = Duration::from_secs(20);

/// What one revocation took.
struct Sample {
    /// From the order to its answer.
    answer: Duration,
    /// From the answer to the first refusal, in each isolate, the one that was asked first.
    refusals: Vec<Duration>,
    /// From the order to the end of a WebSocket of each: relays tell them before they confirm, and the
    /// answer comes after that.
    endings: Vec<Duration>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let count = above_zero("EDGEWARD_REVOCATIONS").unwrap_or(REVOCATIONS) as usize;
    let cpus = Cpus::take();
    let (origin, disk) = (origin().await, TempDir::new().unwrap());
    let workerd = start(origin, &disk, &cpus);
    let gates: Vec<_> =
        [workerd.address].into_iter().chain(workerd.others.iter().copied()).collect();
    assert_eq!(gates.len(), ISOLATES);

    let load: Vec<_> = gates.iter().map(|gate| tokio::spawn(load(*gate))).collect();
    sleep(Duration::from_secs(2)).await;
    let mut samples = Vec::with_capacity(count);
    // xorshift (Marsaglia 2003), so that every run has the same pauses.
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for number in 0..count {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        sleep(Duration::from_millis(random % PAUSE_MS)).await;
        samples.push(measure(&gates, number).await);
    }
    for load in &load {
        assert!(!load.is_finished(), "the load has ended");
        load.abort();
    }

    let facts = machine::facts(&cpus);
    println!("{count} revocations, {ISOLATES} isolates, refresh_seconds = 1\n");
    println!("{}\n", serde_json::to_string_pretty(&facts).unwrap());
    println!("| from | to | p50 | p90 | p99 | max |\n|--|--|--|--|--|--|");
    let answers = samples.iter().map(|sample| sample.answer).collect();
    row("the order", "201", answers);
    let of = |at: usize| samples.iter().map(|sample| sample.refusals[at]).collect();
    row("201", "refused by the isolate that was asked", of(0));
    let others = samples.iter().flat_map(|sample| sample.refusals[1..].to_vec()).collect();
    row("201", "refused by another isolate", others);
    for at in 1..ISOLATES {
        row("201", &format!("refused by the isolate {at} after it"), of(at));
    }
    let last = |sample: &Sample| *sample.refusals.iter().max().unwrap();
    row("201", "refused by all", samples.iter().map(last).collect());
    let endings = samples.iter().flat_map(|sample| sample.endings.clone()).collect();
    row("the order", "the end of a WebSocket", endings);
    let last = |sample: &Sample| *sample.endings.iter().max().unwrap();
    row("the order", "the end of the WebSockets of all", samples.iter().map(last).collect());
}

/// Prints a row of the table.
fn row(from: &str, to: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| {
        let rank = (times.len() * percent).div_ceil(100).max(1);
        times[rank - 1].as_millis()
    };
    let figures = [50, 90, 99, 100].map(|percent| format!("{} ms", at(percent)));
    println!("| {from} | {to} | {} |", figures.join(" | "));
}

/// Revokes a token that all isolates know.
async fn measure(gates: &[SocketAddr], number: usize) -> Sample {
    let jti = format!("revoked-{number}");
    let token = mint::token_with(json!({ "jti": jti }));
    let request = get(&token);
    let mut connections = Vec::new();
    for at in 0..gates.len() {
        // The one that is asked comes first.
        let mut connection = Connection::open(gates[(number + at) % gates.len()]).await.unwrap();
        assert_eq!(connection.exchange(&request).await.unwrap(), 200, "{}", connection.text());
        connections.push(connection);
    }
    let sockets = join_all(gates.iter().map(|gate| open(*gate, &token))).await;
    let order = json!({ "jti": jti }).to_string();
    let order = format!(
        "POST /_edgeward/revocations HTTP/1.1\r\nHost: app.example\r\nAuthorization: Bearer \
         {ADMIN_TOKEN}\r\nContent-Length: {}\r\n\r\n{order}",
        order.len()
    );
    let mut admin = Connection::open(gates[number % gates.len()]).await.unwrap();
    let revocation = async {
        let sent = Instant::now();
        let status = admin.exchange(order.as_bytes()).await.unwrap();
        assert_eq!(status, 201, "{}", admin.text());
        (sent, Instant::now())
    };
    let refusals = join_all(connections.iter_mut().map(|connection| refused(connection, &request)));
    let endings = join_all(sockets.into_iter().map(ended));
    let ((sent, answered), (refusals, endings)) = join(revocation, join(refusals, endings)).await;
    // Some have heard of it before the admin does.
    let since = |at: &Instant| at.saturating_duration_since(answered);
    Sample {
        answer: answered - sent,
        refusals: refusals.iter().map(since).collect(),
        endings: endings.iter().map(|at| at.saturating_duration_since(sent)).collect(),
    }
}

/// Opens a WebSocket, and waits for as long as its leash may take.
async fn open(gate: SocketAddr, token: &str) -> WebSocketStream<TcpStream> {
    let mut request = format!("ws://{gate}/socket").into_client_request().unwrap();
    let bearer = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert("authorization", bearer);
    let stream = TcpStream::connect(gate).await.unwrap();
    let (socket, _) = client_async(request, stream).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    socket
}

/// When a WebSocket ends, as it should.
async fn ended(mut socket: WebSocketStream<TcpStream>) -> Instant {
    loop {
        let next = tokio::time::timeout(PATIENCE, socket.next()).await;
        match next.expect("the socket of a revoked token stays open") {
            Some(Ok(Message::Close(Some(frame)))) if frame.reason == "token_revoked" => {
                return Instant::now();
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// An origin that says yes to everything, also to WebSockets.
async fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

async fn serve(mut stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let mut head = vec![0; 16_384];
    loop {
        let Ok(length) = stream.peek(&mut head).await else { return };
        let text = String::from_utf8_lossy(&head[..length]).to_ascii_lowercase();
        if length == 0 {
            return;
        }
        let Some(end) = text.find("\r\n\r\n") else { continue };
        if text[..end].contains("upgrade: websocket") {
            let Ok(mut socket) = accept_async(stream).await else { return };
            while let Some(Ok(_)) = socket.next().await {}
            return;
        }
        let mut request = vec![0; end + 4];
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        if stream.read_exact(&mut request).await.is_err() || stream.write_all(answer).await.is_err()
        {
            return;
        }
    }
}

/// When an isolate refuses for the first time.
async fn refused(connection: &mut Connection, request: &[u8]) -> Instant {
    let began = Instant::now();
    loop {
        match connection.exchange(request).await.unwrap() {
            200 => assert!(began.elapsed() < PATIENCE, "a revoked token still passes"),
            401 => return Instant::now(),
            other => panic!("{other}: {}", connection.text()),
        }
        sleep(PROBED_EVERY).await;
    }
}

/// A request now and then, which nobody revokes.
async fn load(gate: SocketAddr) {
    let mut connection = Connection::open(gate).await.unwrap();
    let mut ticks = tokio::time::interval(LOAD_EVERY);
    // Tokens last for five minutes.
    let mut token = (Instant::now(), get(&mint::token()));
    loop {
        ticks.tick().await;
        if token.0.elapsed() > Duration::from_mins(1) {
            token = (Instant::now(), get(&mint::token()));
        }
        let status = connection.exchange(&token.1).await.unwrap();
        assert_eq!(status, 200, "{}", connection.text());
    }
}

fn get(token: &str) -> Vec<u8> {
    format!("GET /api HTTP/1.1\r\nHost: app.example\r\nAuthorization: Bearer {token}\r\n\r\n")
        .into_bytes()
}

fn start(origin: SocketAddr, disk: &TempDir, cpus: &Cpus) -> Workerd {
    let (origin_service, origin_binding) = origin_service(origin);
    let (objects_service, objects_bindings) = workerd::objects_service(disk.path());
    let services = origin_service + &objects_service;
    let settings = json!({
        "origin": "service:ORIGIN",
        "providers": [provider(&["ES256"])],
        "revocation": { "refresh_seconds": 1 },
    });
    let bindings = [
        json_binding("AUTH", &settings),
        text_binding("JWT_KEYS", &mint::jwks(&[&mint::P256])),
        text_binding("ADMIN_TOKEN", ADMIN_TOKEN),
        objects_bindings,
        origin_binding,
    ]
    .concat();
    let extras = Extras {
        first: workerd::objects_members(),
        others: vec![bindings.clone(); ISOLATES - 1],
        ..Extras::default()
    };
    let modules = ["index.js", "index_bg.wasm"].map(|module| build_directory().join(module));
    let files = Files::with(&modules, &services, &bindings, &extras);
    Workerd::serve(files, cpus.for_workerd(&workerd::binary()))
}
