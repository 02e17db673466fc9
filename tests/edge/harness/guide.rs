//! What the guides in `docs/` tell the reader to type, for tests that do it.

use std::{net::SocketAddr, process::Stdio};

use tokio::{
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

use super::{eventually, mint};
use crate::workerd;

/// A document of the repository.
pub fn document(path: &str) -> String {
    let path = workerd::root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The blocks of code in this language, from the top to the bottom.
pub fn blocks(path: &str, language: &str) -> Vec<String> {
    let (document, fence) = (document(path), format!("```{language}"));
    let mut blocks = Vec::new();
    let mut lines = document.lines();
    while lines.any(|line| line == fence) {
        let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
        blocks.push(block.join("\n") + "\n");
    }
    blocks
}

/// The only one of them with these words.
pub fn block(path: &str, language: &str, words: &str) -> String {
    let mut found = blocks(path, language);
    found.retain(|block| block.contains(words));
    assert_eq!(found.len(), 1, "{language} with {words:?} in {path}");
    found.remove(0)
}

/// An origin in Node.js (`origin.mjs`) that verifies every assertion: 401 for whom it does not know. It ends
/// with this value.
pub struct CarefulOrigin {
    /// Where it listens.
    pub addr: SocketAddr,
    _process: Child,
}

impl CarefulOrigin {
    /// Starts it, and waits until it listens. `gate` is where it gets keys from.
    pub async fn start(gate: SocketAddr) -> Self {
        // Free a moment ago.
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = free.local_addr().unwrap();
        drop(free);
        let mut command = Command::new(workerd::root().join("node_modules/.bin/node"));
        command
            .arg(workerd::root().join("tests/edge/harness/origin.mjs"))
            .env("JWKS_URL", format!("http://{gate}/_edgeward/jwks.json"))
            .env("AUDIENCE", mint::ORIGIN_AUDIENCE)
            .env("PORT", addr.port().to_string())
            .stdin(Stdio::null())
            // Whom it refuses, the tests see by the answer.
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let process = command.spawn().expect("node_modules/.bin/node starts; `npm ci` installs it");
        eventually("the origin listens", async || TcpStream::connect(addr).await.is_ok()).await;
        Self { addr, _process: process }
    }
}
