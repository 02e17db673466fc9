//! One workerd process with one built Worker.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// How long workerd may take until it listens.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running workerd; it ends with this value.
pub struct Workerd {
    /// Where it listens, with HTTP.
    pub address: SocketAddr,
    child: Child,
    printed: Arc<Mutex<Vec<String>>>,
    _directory: TempDir,
}

impl Workerd {
    /// Starts the Worker whose `index.js` and wasm are in `build`, and waits until it listens.
    /// `services` and `bindings` are further elements of the lists of these names in workerd's
    /// configuration, in Cap'n Proto text.
    ///
    /// # Panics
    ///
    /// When the Worker is not built or workerd does not come up, with what it printed.
    pub fn start(build: &Path, services: &str, bindings: &str) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        for module in ["index.js", "index_bg.wasm"] {
            fs::copy(build.join(module), directory.path().join(module))
                .unwrap_or_else(|error| panic!("{}: {error}", build.join(module).display()));
        }
        let config = directory.path().join("config.capnp");
        fs::write(&config, capnp(services, bindings)).expect("the configuration is written");

        let mut child = Command::new(root().join("node_modules/.bin/workerd"))
            .arg("serve")
            .arg(&config)
            // The port is reported among the lines of the Worker.
            .arg("--control-fd=1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("node_modules/.bin/workerd starts; `npm ci` installs it");
        let printed = Arc::default();
        collect(child.stdout.take().expect("it is piped"), Arc::clone(&printed));
        collect(child.stderr.take().expect("it is piped"), Arc::clone(&printed));
        let mut started = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            child,
            printed,
            _directory: directory,
        };
        started.address.set_port(started.port());
        started
    }

    fn port(&self) -> u16 {
        const PAUSE: Duration = Duration::from_millis(2);
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            if let Some(port) = self.lines().iter().find_map(|line| port_of(line)) {
                return port;
            }
            std::thread::sleep(PAUSE);
        }
        panic!("workerd does not listen:\n{}", self.lines().join("\n"));
    }

    /// Every line that workerd and the Worker printed so far.
    pub fn lines(&self) -> Vec<String> {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its process.
    #[allow(dead_code, reason = "not every test that links this looks at the process")]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Workerd {
    /// The processor time that it has used so far (Linux). Unlike time on a clock, it is hardly
    /// longer when the machine does other work, too.
    ///
    /// # Panics
    ///
    /// Where the kernel does not count it.
    #[allow(dead_code, reason = "measurements ask for it, tests do not")]
    pub fn processor_time(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid())).expect("Linux");
        let nanos = threads.map(|thread| {
            let path = thread.expect("a thread").path().join("schedstat");
            // A thread that has ended meanwhile was not the one that computed.
            let text = fs::read_to_string(path).unwrap_or_else(|_| "0".to_owned());
            let nanos = text.split_whitespace().next().and_then(|text| text.parse::<u64>().ok());
            nanos.expect("nanoseconds on a processor")
        });
        Duration::from_nanos(nanos.sum())
    }
}

impl Drop for Workerd {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn capnp(services: &str, bindings: &str) -> String {
    format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "network", network = (allow = ["private", "public"])),
    {services}
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [
    (name = "index.js", esModule = embed "index.js"),
    (name = "index_bg.wasm", wasm = embed "index_bg.wasm"),
  ],
  compatibilityDate = "{date}",
  globalOutbound = "network",
  bindings = [{bindings}],
);
"#,
        date = compatibility_date(),
    )
}

/// The date in `wrangler.toml`, so that tests run in the runtime that is deployed to.
fn compatibility_date() -> String {
    let settings = fs::read_to_string(root().join("wrangler.toml")).expect("wrangler.toml");
    let date = settings.lines().find_map(|line| line.strip_prefix("compatibility_date = "));
    date.expect("a compatibility_date").trim_matches('"').to_owned()
}

/// The port, if this is the `listen` message of `--control-fd`.
fn port_of(line: &str) -> Option<u16> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_ours = message["event"] == "listen" && message["socket"] == "http";
    u16::try_from(message["port"].as_u64().filter(|_| is_ours)?).ok()
}

fn collect(stream: impl Read + Send + 'static, printed: Arc<Mutex<Vec<String>>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            printed.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    });
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
