//! The probe (`src/edge/probe.rs`) in workerd, and how to ask it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::Value;

use super::workerd::{Workerd, root};

/// A running probe; it ends with this value.
pub struct Probe {
    /// Where it runs.
    pub workerd: Workerd,
    client: reqwest::Client,
}

/// A signature to judge. `key` is the text of a secret.
#[derive(Serialize)]
pub struct Case {
    pub alg: &'static str,
    pub key: String,
    message: String,
    signature: String,
}

impl Case {
    /// The signature as bytes.
    pub fn new(alg: &'static str, key: String, message: &[u8], signature: &[u8]) -> Self {
        let [message, signature] = [message, signature].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        Self { alg, key, message, signature }
    }
}

static BUILT: LazyLock<bool> = LazyLock::new(|| {
    let build = Command::new(root().join("tools/build-probe.sh")).status();
    build.is_ok_and(|status| status.success())
});

impl Probe {
    /// Builds the probe if its sources have changed, and tells where it is.
    ///
    /// # Panics
    ///
    /// When it cannot be built.
    pub fn build() -> PathBuf {
        assert!(*BUILT, "tools/build-probe.sh failed");
        root().join("target/probe")
    }

    /// Starts it, built.
    ///
    /// # Panics
    ///
    /// When it cannot be built or started.
    pub fn start() -> Self {
        let workerd = Workerd::start(&Self::build(), "", "");
        Self { workerd, client: reqwest::Client::new() }
    }

    /// Posts a question as JSON and gives back the answer.
    ///
    /// # Panics
    ///
    /// When the probe does not answer with 200 and JSON.
    pub async fn ask(&self, endpoint: &str, question: &impl Serialize) -> Value {
        let (status, text) = self.post(endpoint, question).await;
        assert!(status == 200, "{status}: {text}");
        serde_json::from_str(&text).expect("the answer is JSON")
    }

    /// Posts a question as JSON and gives back status and body, whatever they are.
    ///
    /// # Panics
    ///
    /// When there is no answer.
    pub async fn post(&self, endpoint: &str, question: &impl Serialize) -> (u16, String) {
        let url = format!("http://{}/{endpoint}", self.workerd.address);
        let question = serde_json::to_string(question).expect("it is JSON");
        let response = self.client.post(url).body(question).send().await.expect("an answer");
        (response.status().as_u16(), response.text().await.expect("a whole answer"))
    }
}
