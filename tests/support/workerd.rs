//! One workerd process with one Worker.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// How long workerd may take until it listens.
const PATIENCE: Duration = Duration::from_secs(20);
/// The name of workerd's configuration in its directory.
const CONFIG: &str = "config.capnp";
const NO_V8_FLAGS: &str = "v8Flags = [],";

/// A Worker and its configuration on disk, ready to be served, how many there are besides it, and what
/// workerd is told.
pub struct Files(TempDir, usize, &'static [&'static str]);

/// What Workers have besides modules and bindings. Nothing, unless it is said.
#[derive(Default)]
pub struct Extras {
    /// Further members of every Worker in workerd's configuration, in Cap'n Proto text.
    pub every: String,
    /// Further members of a Worker in workerd's configuration, in Cap'n Proto text, for the first
    /// Worker alone.
    pub first: String,
    /// Further Workers with the same modules, in an isolate of their own each: their bindings.
    pub others: Vec<String>,
}

/// A running workerd; it ends with this value.
pub struct Workerd {
    /// Where it listens, with HTTP.
    pub address: SocketAddr,
    /// Where the other Workers listen.
    #[allow(dead_code, reason = "most have one Worker")]
    pub others: Vec<SocketAddr>,
    child: Child,
    printed: Arc<Printed>,
    _files: Files,
}

/// The lines of a process, and who waits for one.
#[derive(Default)]
struct Printed {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Files {
    /// Of these modules, of which the first is the main one. `services` and `bindings` are further
    /// elements of the lists of these names in workerd's configuration, in Cap'n Proto text.
    ///
    /// # Panics
    ///
    /// When a module is missing.
    pub fn new(modules: &[PathBuf], services: &str, bindings: &str) -> Self {
        Self::with(modules, services, bindings, &Extras::default())
    }

    /// The same, with more.
    ///
    /// # Panics
    ///
    /// When a module is missing.
    pub fn with(modules: &[PathBuf], services: &str, bindings: &str, extras: &Extras) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        Self::in_directory(directory, modules, services, bindings, extras)
    }

    fn in_directory(
        directory: TempDir,
        modules: &[PathBuf],
        services: &str,
        bindings: &str,
        extras: &Extras,
    ) -> Self {
        let list = modules.iter().map(|module| {
            let name = module.file_name().and_then(|name| name.to_str()).expect("a file");
            fs::copy(module, directory.path().join(name))
                .unwrap_or_else(|error| panic!("{}: {error}", module.display()));
            let is_wasm = module.extension().is_some_and(|extension| extension == "wasm");
            let kind = if is_wasm { "wasm" } else { "esModule" };
            format!("(name = \"{name}\", {kind} = embed \"{name}\")")
        });
        let list: Vec<_> = list.collect();
        let config = capnp(&list.join(", "), services, bindings, extras);
        fs::write(directory.path().join(CONFIG), config).expect("the configuration is written");
        Self(directory, extras.others.len(), &[])
    }

    /// The same, with these flags for V8.
    #[allow(dead_code, reason = "most take V8 as it comes")]
    pub fn with_v8_flags(self, flags: &[String]) -> Self {
        let path = self.0.path().join(CONFIG);
        let config = fs::read_to_string(&path).expect("the configuration was written");
        let config = config.replace(NO_V8_FLAGS, &format!("v8Flags = {flags:?},"));
        fs::write(path, config).expect("the configuration is written");
        self
    }

    /// The same, with bindings that the runtime calls experimental.
    #[allow(dead_code, reason = "most have none")]
    pub fn with_experimental_bindings(self) -> Self {
        let Self(directory, others, _) = self;
        Self(directory, others, &["--experimental"])
    }

    /// Of a Worker as `tools/build.sh` leaves it in a directory.
    pub fn built(build: &Path, services: &str, bindings: &str) -> Self {
        Self::new(&built(build), services, bindings)
    }

    /// The same, with the Durable Objects of revocations, whose disk goes when these files go.
    #[allow(dead_code, reason = "tests keep their disk longer than a workerd")]
    pub fn built_with_objects(build: &Path, services: &str, bindings: &str) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let disk = directory.path().join("objects");
        fs::create_dir(&disk).expect("a directory for the objects");
        let (disk, objects) = objects_service(&disk);
        let extras = Extras { first: objects_members(), ..Extras::default() };
        let (services, bindings) = (services.to_owned() + &disk, bindings.to_owned() + &objects);
        Self::in_directory(directory, &built(build), &services, &bindings, &extras)
    }
}

impl Workerd {
    /// Starts the Worker whose `index.js` and wasm are in `build`, and waits until it listens.
    /// `services` and `bindings` are those of [`Files::new`].
    ///
    /// # Panics
    ///
    /// When the Worker is not built or workerd does not come up, with what it printed.
    #[allow(dead_code, reason = "measurements serve their own files")]
    pub fn start(build: &Path, services: &str, bindings: &str) -> Self {
        let files = Files::built(build, services, bindings);
        Self::serve(files, Command::new(binary()))
    }

    /// Ends it at once, as a failing machine would.
    #[allow(dead_code, reason = "most let it end with this value")]
    pub fn kill(&mut self) {
        // Both fail only if it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Lets it stand still with all that it has, as on a machine that does something else, until it
    /// [goes on](Self::go_on).
    #[allow(dead_code, reason = "most never stand still")]
    pub fn stand_still(&mut self) {
        self.signal("STOP");
    }

    /// Lets it go on, unless it has ended meanwhile.
    #[allow(dead_code, reason = "most never stand still")]
    pub fn go_on(&mut self) {
        self.signal("CONT");
    }

    /// Whether it has not ended. Whose end was seen has no number any more: another process can have it.
    #[allow(dead_code, reason = "most never ask")]
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn signal(&mut self, name: &str) {
        if !self.is_running() {
            return;
        }
        let mut kill = Command::new("sh");
        kill.args(["-c", "kill -s \"$0\" \"$1\"", name, &self.pid().to_string()]);
        let status = kill.status().expect("a shell");
        assert!(status.success(), "SIG{name} could not be sent: {status}");
    }

    /// Serves these files with `command`, which is [`binary`] or starts it, and waits until it
    /// listens.
    ///
    /// # Panics
    ///
    /// When workerd does not come up, with what it printed.
    pub fn serve(files: Files, mut command: Command) -> Self {
        let mut child = command
            .arg("serve")
            .arg(files.0.path().join(CONFIG))
            // The port is reported among the lines of the Worker.
            .arg("--control-fd=1")
            .args(files.2)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("node_modules/.bin/workerd starts; `npm ci` installs it");
        let printed = Arc::default();
        collect(child.stdout.take().expect("it is piped"), Arc::clone(&printed));
        collect(child.stderr.take().expect("it is piped"), Arc::clone(&printed));
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let count = files.1;
        let mut started = Self { address, others: Vec::new(), child, printed, _files: files };
        started.address.set_port(started.port("http"));
        for number in 0..count {
            let port = started.port(&format!("http{number}"));
            started.others.push(SocketAddr::from(([127, 0, 0, 1], port)));
        }
        started
    }

    fn port(&self, socket: &str) -> u16 {
        let reported = |lines: &[String]| lines.iter().find_map(|line| port_of(line, socket));
        let lines = self.printed.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let waited =
            self.printed.grown.wait_timeout_while(lines, PATIENCE, |it| reported(it).is_none());
        let (lines, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let port = reported(&lines);
        port.unwrap_or_else(|| panic!("workerd does not listen:\n{}", lines.join("\n")))
    }

    /// Every line that workerd and the Worker printed so far.
    #[allow(dead_code, reason = "measurements do not read them")]
    pub fn lines(&self) -> Vec<String> {
        self.printed.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        processor_times(self.pid()).used
    }

    /// Its resident memory in bytes (Linux).
    ///
    /// # Panics
    ///
    /// Where the kernel does not tell.
    #[allow(dead_code, reason = "not everything that links this looks at memory")]
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        let kilobytes = line.split_whitespace().next().and_then(|text| text.parse::<u64>().ok());
        kilobytes.expect("a number") * 1024
    }
}

/// What the living threads of a process have had of the processors so far.
pub struct ProcessorTimes {
    /// How long they computed.
    pub used: Duration,
    /// How long they could have, but others did.
    #[allow(dead_code, reason = "not every measurement looks at it")]
    pub waited: Duration,
}

/// The processor times of a process (Linux).
///
/// # Panics
///
/// Where the kernel does not count them.
#[allow(dead_code, reason = "measurements ask for it, tests do not")]
pub fn processor_times(pid: u32) -> ProcessorTimes {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("Linux");
    let [mut used, mut waited] = [0, 0];
    for thread in threads {
        let path = thread.expect("a thread").path().join("schedstat");
        // A thread that has ended meanwhile was not the one that computed.
        let text = fs::read_to_string(path).unwrap_or_else(|_| "0 0".to_owned());
        let mut nanos = text.split_whitespace().map_while(|text| text.parse::<u64>().ok());
        used += nanos.next().expect("nanoseconds on a processor");
        waited += nanos.next().expect("nanoseconds before a processor");
    }
    ProcessorTimes { used: Duration::from_nanos(used), waited: Duration::from_nanos(waited) }
}

impl Drop for Workerd {
    fn drop(&mut self) {
        self.kill();
    }
}

fn built(build: &Path) -> [PathBuf; 2] {
    ["index.js", "index_bg.wasm"].map(|module| build.join(module))
}

fn capnp(modules: &str, services: &str, bindings: &str, extras: &Extras) -> String {
    let date = compatibility_date();
    let worker = |name: &str, bindings: &str, more: &str| {
        format!(
            r#"const {name} :Workerd.Worker = (
  modules = [{modules}],
  compatibilityDate = "{date}",
  globalOutbound = "network",
  bindings = [{bindings}],
  {more}
);
"#
        )
    };
    let socket = |name: &str, service: &str| {
        format!(
            "(name = \"{name}\", address = \"127.0.0.1:0\", http = (cfBlobHeader = \"cf-blob\"), \
             service = \"{service}\"),\n"
        )
    };
    let mut all = format!("(name = \"main\", worker = .worker),\n{services}");
    let first = extras.first.clone() + &extras.every;
    let mut workers = worker("worker", bindings, &first);
    let mut sockets = socket("http", "main");
    for (number, bindings) in extras.others.iter().enumerate() {
        let service = format!("(name = \"main{number}\", worker = .worker{number}),\n");
        all.push_str(&service);
        workers.push_str(&worker(&format!("worker{number}"), bindings, &extras.every));
        sockets.push_str(&socket(&format!("http{number}"), &format!("main{number}")));
    }
    format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "network", network = (allow = ["private", "public"])),
    {all}
  ],
  sockets = [{sockets}],
  {NO_V8_FLAGS}
);
{workers}"#
    )
}

/// The date in `wrangler.toml`, so that tests run in the runtime that is deployed to.
fn compatibility_date() -> String {
    let settings = fs::read_to_string(root().join("wrangler.toml")).expect("wrangler.toml");
    let date = settings.lines().find_map(|line| line.strip_prefix("compatibility_date = "));
    date.expect("a compatibility_date").trim_matches('"').to_owned()
}

/// The port of this socket, if this is its `listen` message of `--control-fd`.
fn port_of(line: &str, socket: &str) -> Option<u16> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_ours = message["event"] == "listen" && message["socket"] == socket;
    u16::try_from(message["port"].as_u64().filter(|_| is_ours)?).ok()
}

fn collect(stream: impl Read + Send + 'static, printed: Arc<Printed>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            printed.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            printed.grown.notify_all();
        }
    });
}

/// A binding of this text, for `bindings`.
#[allow(dead_code, reason = "the probe has no bindings")]
pub fn text_binding(name: &str, text: &str) -> String {
    format!("(name = {}, text = {}),\n", quote(name), quote(text))
}

/// A binding of this JSON, for `bindings`.
#[allow(dead_code, reason = "the probe has no bindings")]
pub fn json_binding(name: &str, json: &Value) -> String {
    format!("(name = {}, json = {}),\n", quote(name), quote(&json.to_string()))
}

/// The service `origin` at this address, for `services`, and the binding `ORIGIN` to it.
#[allow(dead_code, reason = "the probe has no origin")]
pub fn origin_service(address: SocketAddr) -> (String, String) {
    let service =
        format!("(name = \"origin\", external = (address = \"{address}\", http = ())),\n");
    (service, "(name = \"ORIGIN\", service = \"origin\"),\n".to_owned())
}

/// The service at this address as a KV namespace, for `services`, and the binding to it.
#[allow(dead_code, reason = "most Workers that are measured or probed store nothing")]
pub fn kv_service(name: &str, address: SocketAddr) -> (String, String) {
    let service =
        format!("(name = \"{name}\", external = (address = \"{address}\", http = ())),\n");
    (service, format!("(name = \"{name}\", kvNamespace = \"{name}\"),\n"))
}

/// Where the Durable Objects of revocations keep what they know, and the bindings to them.
#[allow(dead_code, reason = "most have no revocations")]
pub fn objects_service(disk: &Path) -> (String, String) {
    let binding = |name: &str, class: &str| {
        format!(
            "(name = \"{name}\", durableObjectNamespace = (className = \"{class}\", serviceName = \
             \"main\")),\n"
        )
    };
    (
        format!("(name = \"objects\", disk = (path = \"{}\", writable = true)),\n", disk.display()),
        binding("REVOCATION_HUB", "RevocationHub")
            + &binding("REVOCATION_RELAY", "RevocationRelay"),
    )
}

/// What the first Worker has for them, see [`Extras::first`].
#[allow(dead_code, reason = "most have no revocations")]
pub fn objects_members() -> String {
    let namespace = |class: &str| {
        format!("(className = \"{class}\", uniqueKey = \"{class}\", enableSql = true)")
    };
    format!(
        "durableObjectNamespaces = [{}, {}],\n  durableObjectStorage = (localDisk = \"objects\"),",
        namespace("RevocationHub"),
        namespace("RevocationRelay"),
    )
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

/// The pinned workerd.
pub fn binary() -> PathBuf {
    root().join("node_modules/.bin/workerd")
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
