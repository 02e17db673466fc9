//! A browser with pages that use WebSockets: Chromium, by `playwright-core`.

use std::path::Path;

use super::{Gate, Program, Value, json};

const CHROMIUM: &str = "/usr/bin/chromium";

/// A running browser; it ends with this value.
pub struct Browser {
    /// The origin of [`Browser::app`].
    pub origin: String,
    program: Program,
}

/// A page, whose script does what it is told.
pub struct Page<'a> {
    browser: &'a Browser,
    name: &'static str,
}

/// A socket of a page.
pub struct PageSocket<'a> {
    page: &'a Page<'a>,
    number: Value,
    /// The subprotocol that was chosen.
    pub protocol: Value,
}

impl Browser {
    /// Starts it, where there is one.
    ///
    /// # Panics
    ///
    /// With `CI` set where there is none.
    pub async fn start() -> Option<Self> {
        if !Path::new(CHROMIUM).exists() {
            assert!(std::env::var_os("CI").is_none(), "{CHROMIUM} is missing");
            println!("skipped: {CHROMIUM} is missing");
            return None;
        }
        let settings = json!({ "executablePath": CHROMIUM });
        let (program, started) = Program::start("tests/edge/harness/browser.mjs", &settings).await;
        let origin = started["origin"].as_str().unwrap().to_owned();
        Some(Self { origin, program })
    }

    /// The page that a gate may know.
    pub fn app(&self) -> Page<'_> {
        Page { browser: self, name: "app" }
    }

    /// A page of the same site that is of another origin, so that it has the same cookies.
    pub fn other(&self) -> Page<'_> {
        Page { browser: self, name: "other" }
    }

    /// Gives the browser a cookie for a gate.
    pub async fn keep_cookie(&self, gate: &Gate, name: &str, value: &str) {
        let cookie = json!({ "url": gate.url("/"), "name": name, "value": value });
        self.program.told(&json!({ "cookie": cookie })).await;
    }
}

impl Page<'_> {
    /// Opens a socket, with these subprotocols; how it has failed otherwise.
    pub async fn try_open(
        &self,
        gate: &Gate,
        path: &str,
        protocols: &[&str],
    ) -> Result<PageSocket<'_>, Value> {
        let url = format!("ws://{}{path}", gate.addr);
        let mut how = self.call("open", json!([url, protocols])).await;
        if how["protocol"].is_null() {
            how.as_object_mut().unwrap().remove("number");
            return Err(how);
        }
        let (number, protocol) = (how["number"].take(), how["protocol"].take());
        Ok(PageSocket { page: self, number, protocol })
    }

    /// Opens a socket.
    pub async fn open(&self, gate: &Gate, path: &str, protocols: &[&str]) -> PageSocket<'_> {
        let opened = self.try_open(gate, path, protocols).await;
        opened.unwrap_or_else(|how| panic!("{how}: {}", gate.log()))
    }

    /// What the page may read of the response to a `GET` of this path, with its cookies.
    pub async fn fetch(&self, gate: &Gate, path: &str) -> Value {
        self.call("fetch", json!([gate.url(path), "include"])).await
    }

    async fn call(&self, call: &str, given: Value) -> Value {
        let command = json!({ "page": self.name, "call": call, "given": given });
        self.browser.program.told(&command).await
    }
}

impl PageSocket<'_> {
    /// Sends a text that gets no answer.
    pub async fn say(&self, text: &str) {
        self.page.call("say", json!([self.number, text])).await;
    }

    /// Sends a text: the text that comes next.
    pub async fn text(&self, text: &str) -> Value {
        self.page.call("text", json!([self.number, text])).await
    }

    /// Sends so many bytes: whether the same come back.
    pub async fn bytes(&self, length: usize) -> Value {
        self.page.call("bytes", json!([self.number, length])).await
    }

    /// Waits until it closes: code, reason, and whether that was clean.
    pub async fn closed(&self) -> Value {
        self.page.call("closed", json!([self.number])).await
    }

    /// Closes it: how it closes.
    pub async fn close(&self, code: u16, reason: &str) -> Value {
        self.page.call("close", json!([self.number, code, reason])).await
    }
}
