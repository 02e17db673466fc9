//! WebSockets on both sides of the gate, by `ws` in Node.js.

use std::net::SocketAddr;

use super::{Program, Setup, Value, eventually, json};

/// An origin that sends everything back, but for what its code calls requests.
pub struct WsServer {
    /// Where it listens.
    pub addr: SocketAddr,
    program: Program,
}

/// A client that goes the steps that it is told.
pub struct WsClient(Program);

impl WsServer {
    /// One that chooses `chat` if it is offered, and takes permessage-deflate if it may.
    pub async fn start(deflate: bool) -> Self {
        let settings = json!({ "protocol": "chat", "deflate": deflate });
        let (program, started) =
            Program::start("tests/edge/harness/ws-server.mjs", &settings).await;
        let port = u16::try_from(started["port"].as_u64().unwrap()).unwrap();
        Self { addr: SocketAddr::from(([127, 0, 0, 1], port)), program }
    }

    /// A setup of a gate in front of it.
    pub fn setup(&self, setup: Setup) -> Setup {
        setup.set("origin", format!("http://{}", self.addr))
    }

    /// Fails if a socket has ended since the last one that was asked for.
    pub async fn must_have_seen_none(&self) {
        assert_eq!(self.program.told(&Value::Null).await, json!([]));
    }

    /// What it saw of the only socket that has ended since the last one that was asked for.
    pub async fn ended(&self) -> Value {
        let mut ended = Vec::new();
        eventually("a socket ends at the origin", async || {
            let more = self.program.told(&Value::Null).await;
            ended.extend_from_slice(more.as_array().unwrap());
            !ended.is_empty()
        })
        .await;
        assert_eq!(ended.len(), 1, "{ended:?}");
        ended.remove(0)
    }
}

impl WsClient {
    /// Starts it.
    pub async fn start() -> Self {
        Self(Program::start("tests/edge/harness/ws-client.mjs", &Value::Null).await.0)
    }

    /// Opens a socket, goes these steps, and waits for its end: what it saw.
    pub async fn visit(&self, socket: &Value) -> Value {
        self.0.told(socket).await
    }
}
