//! One workerd process with the built Worker and one configuration.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::Notify,
};

use super::{Origin, PATIENCE, mint};

/// The admin token of every gate that has one.
pub const ADMIN_TOKEN: &str = "admin-token-of-the-tests-0123456789abcdef";

/// The configuration of a gate, in the words of `wrangler.toml`.
///
/// Starts as: one provider `main` with every algorithm and one key of each kind, no rule (so that
/// access is required everywhere), no claim headers, the admin token set.
pub struct Setup {
    auth: Value,
    secrets: Vec<(String, String)>,
    service: Option<SocketAddr>,
}

/// A running workerd; it ends with this value.
pub struct Gate {
    /// Where it listens.
    pub addr: SocketAddr,
    child: Child,
    output: Arc<Output>,
    _directory: TempDir,
}

#[derive(Default)]
struct Output {
    lines: Mutex<Vec<String>>,
    changed: Notify,
}

impl Setup {
    /// The configuration that the type's documentation describes, in front of `origin`.
    pub fn new(origin: &Origin) -> Self {
        let auth = json!({
            "origin": format!("http://{}", origin.addr),
            "providers": [{
                "name": "main",
                "issuer": mint::ISSUER,
                "audiences": [mint::AUDIENCE],
                "algorithms": mint::ALGORITHMS,
                "keys": ["JWT_KEYS"],
            }],
        });
        Self { auth, secrets: Vec::new(), service: None }
            .secret("JWT_KEYS", &mint::jwks(&mint::all()))
            .secret("ADMIN_TOKEN", ADMIN_TOKEN)
    }

    /// Sets `AUTH` at this dotted path (`providers.0.algorithms`), making tables on the way.
    pub fn set(mut self, path: &str, value: impl Into<Value>) -> Self {
        let mut at = &mut self.auth;
        for part in path.split('.') {
            at = match part.parse::<usize>() {
                Ok(index) => {
                    let list = at.as_array_mut().expect("a list");
                    if index == list.len() {
                        list.push(json!({}));
                    }
                    &mut list[index]
                }
                Err(_) => &mut at[part],
            };
        }
        *at = value.into();
        self
    }

    /// Removes a member of `AUTH` or, with a dotted path, of a table in it.
    pub fn unset(mut self, path: &str) -> Self {
        let pointer = format!("/{}", path.replace('.', "/"));
        let (table, member) = pointer.rsplit_once('/').unwrap();
        self.auth.pointer_mut(table).unwrap().as_object_mut().unwrap().remove(member);
        self
    }

    /// Puts this in the place of the whole `AUTH` table.
    pub fn auth(mut self, auth: Value) -> Self {
        self.auth = auth;
        self
    }

    /// Adds a `[[rules]]` table.
    pub fn rule(mut self, rule: Value) -> Self {
        match self.auth.get_mut("rules").and_then(Value::as_array_mut) {
            Some(rules) => rules.push(rule),
            None => self.auth["rules"] = json!([rule]),
        }
        self
    }

    /// A rule without conditions.
    pub fn access(self, path: &str, access: &str) -> Self {
        self.rule(json!({ "path": path, "access": access }))
    }

    /// Adds or replaces a secret binding.
    pub fn secret(mut self, name: &str, text: &str) -> Self {
        self = self.without_secret(name);
        self.secrets.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Removes a secret binding.
    pub fn without_secret(mut self, name: &str) -> Self {
        self.secrets.retain(|(known, _)| known != name);
        self
    }

    /// Reaches the origin through the service binding `ORIGIN` and not by URL.
    pub fn through_service(mut self, origin: &Origin) -> Self {
        self.service = Some(origin.addr);
        self.set("origin", "service:ORIGIN")
    }

    /// Signs assertions with the mint's assertion key.
    pub fn assertion(self, ttl_seconds: u64) -> Self {
        self.secret("ASSERTION_KEY", &mint::assertion_jwk().to_string()).set(
            "forward.assertion",
            json!({
                "key": "ASSERTION_KEY",
                "audience": mint::ORIGIN_AUDIENCE,
                "ttl_seconds": ttl_seconds,
            }),
        )
    }

    fn capnp(&self) -> String {
        let secrets = self.secrets.iter().fold(String::new(), |list, (name, text)| {
            list + &format!("    (name = {}, text = {}),\n", quote(name), quote(text))
        });
        let (service, binding) = self.service.map_or_else(Default::default, |addr| {
            (
                format!("(name = \"origin\", external = (address = \"{addr}\", http = ())),"),
                "(name = \"ORIGIN\", service = \"origin\"),".to_owned(),
            )
        });
        format!(
            r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "network", network = (allow = ["private", "public"])),
    {service}
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [
    (name = "index.js", esModule = embed "index.js"),
    (name = "index_bg.wasm", wasm = embed "index_bg.wasm"),
  ],
  compatibilityDate = "2026-11-17",
  globalOutbound = "network",
  bindings = [
    (name = "AUTH", json = {auth}),
    (name = "ALLOW_DEGRADED_AUTH", text = "false"),
{secrets}    {binding}
  ],
);
"#,
            auth = quote(&self.auth.to_string()),
        )
    }
}

impl Gate {
    /// Starts workerd and waits until it listens.
    ///
    /// # Panics
    ///
    /// When the Worker is not built or workerd does not come up, with what it printed.
    pub async fn start(setup: Setup) -> Self {
        let directory = TempDir::new().unwrap();
        let build = build_directory();
        for module in ["index.js", "index_bg.wasm"] {
            fs::copy(build.join(module), directory.path().join(module)).unwrap_or_else(|error| {
                panic!("{}: {error}; run `make build` first", build.join(module).display())
            });
        }
        let config = directory.path().join("config.capnp");
        fs::write(&config, setup.capnp()).unwrap();

        let mut child = Command::new(root().join("node_modules/.bin/workerd"))
            .arg("serve")
            .arg(&config)
            // The port is reported among the Worker's own lines.
            .arg("--control-fd=1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node_modules/.bin/workerd; run `npm ci` first");

        let output = Arc::new(Output::default());
        collect(child.stdout.take().unwrap(), Arc::clone(&output));
        collect(child.stderr.take().unwrap(), Arc::clone(&output));
        let port = tokio::time::timeout(PATIENCE, output.listening())
            .await
            .unwrap_or_else(|_| panic!("workerd does not listen:\n{}", output.text()));
        Self {
            addr: SocketAddr::from(([127, 0, 0, 1], port)),
            child,
            output,
            _directory: directory,
        }
    }

    /// The absolute URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Everything that workerd and the Worker printed so far.
    pub fn log(&self) -> String {
        self.output.text()
    }

    /// Waits for a printed line with all of these words in it.
    pub async fn logged(&self, words: &[&str]) -> String {
        let find = || {
            let lines = self.output.lines.lock().unwrap();
            lines.iter().find(|line| words.iter().all(|word| line.contains(word))).cloned()
        };
        let found = self.output.until(find);
        tokio::time::timeout(PATIENCE, found)
            .await
            .unwrap_or_else(|_| panic!("no line with {words:?} in:\n{}", self.log()))
    }

    /// Fails if the Worker panicked or threw, or workerd complained.
    #[track_caller]
    pub fn must_be_calm(&self) {
        let log = self.log();
        let trouble = ["panicked", "RuntimeError", "unreachable executed", "rror: ", "exception"];
        let line = log
            .lines()
            .find(|line| !line.starts_with('{') && trouble.iter().any(|word| line.contains(word)));
        assert_eq!(line, None, "{log}");
    }

    /// The resident memory of workerd in bytes.
    pub fn rss(&self) -> u64 {
        let pid = self.child.id().expect("workerd runs");
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Output {
    fn text(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// The port of the `listen` message of `--control-fd`.
    async fn listening(&self) -> u16 {
        let find = || {
            let lines = self.lines.lock().unwrap();
            let messages = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            messages
                .filter(|message| message["event"] == "listen" && message["socket"] == "http")
                .find_map(|message| u16::try_from(message["port"].as_u64()?).ok())
        };
        self.until(find).await
    }

    async fn until<T>(&self, find: impl Fn() -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            if let Some(found) = find() {
                return found;
            }
            changed.await;
        }
    }
}

fn collect(stream: impl AsyncRead + Unpin + Send + 'static, output: Arc<Output>) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            output.lines.lock().unwrap().push(line);
            output.changed.notify_waiters();
        }
    });
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn build_directory() -> PathBuf {
    std::env::var_os("EDGEWARD_BUILD").map_or_else(|| root().join("build"), PathBuf::from)
}

/// A Cap'n Proto text literal.
fn quote(text: &str) -> String {
    let escaped = text.chars().fold(String::new(), |escaped, character| match character {
        '"' | '\\' => escaped + "\\" + &character.to_string(),
        '\n' => escaped + "\\n",
        '\r' => escaped + "\\r",
        '\t' => escaped + "\\t",
        _ => escaped + &character.to_string(),
    });
    format!("\"{escaped}\"")
}
