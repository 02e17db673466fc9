//! One workerd process with the built Worker and one configuration.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};

use super::{DataCentre, Faults, Kv, Origin, PATIENCE, Relays, get, mint};
use crate::workerd::{self, Extras, Files, ProcessorTimes, Workerd};

/// The admin token of every gate that has one.
pub const ADMIN_TOKEN: &str = "admin-token-of-the-tests-0123456789abcdef";

/// The configuration of a gate, in the words of `wrangler.toml`.
///
/// Starts as: one provider `main` with every algorithm and one key of each kind, no rule (so that
/// access is required everywhere), no claim headers, the admin token set, degraded modes off.
pub struct Setup {
    auth: Value,
    /// Secrets and plain variables: workerd has one kind of binding for both.
    texts: Vec<(String, String)>,
    service: Option<SocketAddr>,
    kv: Option<SocketAddr>,
    /// Services and bindings of the Durable Objects.
    relays: Option<(String, String)>,
    others: usize,
    /// Service and member of the shared cache.
    cache: Option<(String, String)>,
    v8_flags: Vec<String>,
    /// Where data points go.
    events: Option<SocketAddr>,
    /// The files of the test page.
    assets: Option<PathBuf>,
}

/// A running workerd; it ends with this value.
pub struct Gate {
    /// Where it listens.
    pub addr: SocketAddr,
    workerd: Arc<Mutex<Workerd>>,
}

impl Setup {
    /// The configuration that the type's documentation describes, in front of `origin`.
    pub fn new(origin: &Origin) -> Self {
        Self::before(origin.addr)
    }

    /// The same, in front of whatever listens there.
    pub fn before(origin: SocketAddr) -> Self {
        let auth = json!({
            "origin": format!("http://{origin}"),
            "providers": [{
                "name": "main",
                "issuer": mint::ISSUER,
                "audiences": [mint::AUDIENCE],
                "algorithms": mint::ALGORITHMS,
                "keys": ["JWT_KEYS"],
            }],
        });
        Self {
            auth,
            texts: Vec::new(),
            service: None,
            kv: None,
            relays: None,
            others: 0,
            cache: None,
            v8_flags: Vec::new(),
            events: None,
            assets: None,
        }
        .var("ALLOW_DEGRADED_AUTH", "false")
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

    /// Takes tokens from everywhere where a handshake can carry one; the origin is told the subject.
    pub fn every_source_of_a_handshake(self) -> Self {
        let sources = ["authorization", "websocket-protocol", "cookie:session", "query:token"];
        self.set("forward.claim_to_headers", json!({ "X-Auth-Subject": "sub" }))
            .set("token.sources", sources)
            .set("token.allowed_origins", ["https://app.example"])
    }

    /// Adds or replaces a secret binding.
    pub fn secret(mut self, name: &str, text: &str) -> Self {
        self = self.without_secret(name);
        self.texts.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Removes a secret binding.
    pub fn without_secret(mut self, name: &str) -> Self {
        self.texts.retain(|(known, _)| known != name);
        self
    }

    /// Adds or replaces a variable that is plain text.
    pub fn var(self, name: &str, text: &str) -> Self {
        self.secret(name, text)
    }

    /// Adds the KV namespace `AUTH_KV`. Several gates can have the same.
    pub fn kv(mut self, kv: &Kv) -> Self {
        self.kv = Some(kv.faults.addr);
        self
    }

    /// Adds the dataset `AUTH_EVENTS`; the runtime sends what is written to this service.
    pub fn events(mut self, service: &Faults) -> Self {
        self.events = Some(service.addr);
        self
    }

    /// Switches the test page on, and adds the binding `ASSETS` to the files in this directory.
    pub fn test_page(mut self, directory: &Path) -> Self {
        self.assets = Some(directory.to_owned());
        self.set("test_page", true)
    }

    /// Adds the Durable Objects.
    pub fn relays(mut self, relays: &Relays) -> Self {
        self.relays = Some(relays.services());
        self
    }

    /// Puts all isolates into this data centre.
    pub fn data_centre(mut self, data_centre: &DataCentre) -> Self {
        self.cache = Some(data_centre.services());
        self
    }

    /// Starts so many isolates in one workerd, see [`Gate::start_all`].
    pub fn isolates(mut self, count: usize) -> Self {
        self.others = count - 1;
        self
    }

    /// Lets the heap of JavaScript grow no further, in MB: without a limit it is not tidied up for a long
    /// time, which nobody can tell from a leak.
    pub fn heap_megabytes(mut self, most: usize) -> Self {
        self.v8_flags = vec![format!("--max-heap-size={most}")];
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

    /// The services and the bindings of workerd's configuration, for [`Workerd::start`].
    pub fn capnp(&self) -> (String, String) {
        let mut bindings = workerd::json_binding("AUTH", &self.auth);
        for (name, text) in &self.texts {
            bindings.push_str(&workerd::text_binding(name, text));
        }
        let origin = self.service.map(workerd::origin_service);
        let kv = self.kv.map(|address| workerd::kv_service("AUTH_KV", address));
        let mut services = String::new();
        if let Some(address) = self.events {
            services =
                format!("(name = \"events\", external = (address = \"{address}\", http = ())),\n");
            bindings.push_str("(name = \"AUTH_EVENTS\", analyticsEngine = \"events\"),\n");
        }
        if let Some(directory) = &self.assets {
            let path = directory.display();
            let disk = format!("(name = \"assets\", disk = (path = \"{path}\")),\n");
            services.push_str(&disk);
            bindings.push_str("(name = \"ASSETS\", service = \"assets\"),\n");
        }
        for (service, binding) in origin.into_iter().chain(kv).chain(self.relays.clone()) {
            services.push_str(&service);
            bindings.push_str(&binding);
        }
        (services, bindings)
    }
}

impl Gate {
    /// Starts workerd and waits until it listens.
    ///
    /// # Panics
    ///
    /// When the Worker is not built or workerd does not come up, with what it printed.
    pub async fn start(setup: Setup) -> Self {
        Self::start_all(setup).await.swap_remove(0)
    }

    /// Starts workerd with all isolates of the setup, and waits until it listens: a gate for each. They
    /// have everything in common but their memory. workerd ends with the last of them.
    ///
    /// # Panics
    ///
    /// As [`Gate::start`].
    pub async fn start_all(setup: Setup) -> Vec<Self> {
        let (mut services, bindings) = setup.capnp();
        let mut modules =
            ["index.js", "index_bg.wasm"].map(|it| build_directory().join(it)).to_vec();
        let mut extras =
            Extras { others: vec![bindings.clone(); setup.others], ..Extras::default() };
        if let Some((service, member)) = &setup.cache {
            services.push_str(service);
            extras.every.push_str(member);
        }
        if setup.relays.is_some() {
            modules.insert(0, Relays::module());
            extras.first = workerd::objects_members();
        }
        let start = move || {
            let files = Files::with(&modules, &services, &bindings, &extras);
            let mut files = files.with_v8_flags(&setup.v8_flags);
            if setup.events.is_some() {
                files = files.with_experimental_bindings();
            }
            Workerd::serve(files, Command::new(workerd::binary()))
        };
        let workerd = tokio::task::spawn_blocking(start).await.unwrap();
        let addresses: Vec<_> =
            [workerd.address].into_iter().chain(workerd.others.clone()).collect();
        let workerd = Arc::new(Mutex::new(workerd));
        addresses.into_iter().map(|addr| Self { addr, workerd: Arc::clone(&workerd) }).collect()
    }

    /// Ends workerd at once, as a failing machine would.
    pub fn kill(&self) {
        self.workerd.lock().unwrap().kill();
    }

    /// Lets workerd stand still with all that it has, until it [goes on](Self::go_on).
    pub fn stand_still(&self) {
        self.workerd.lock().unwrap().stand_still();
    }

    /// Lets workerd go on, unless it has ended meanwhile.
    pub fn go_on(&self) {
        self.workerd.lock().unwrap().go_on();
    }

    /// The absolute URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// The full health report.
    pub async fn report(&self) -> Value {
        get("/_edgeward/health").bearer(ADMIN_TOKEN).send(self).await.json()
    }

    /// Everything that workerd and the Worker printed so far.
    pub fn log(&self) -> String {
        self.workerd.lock().unwrap().lines().join("\n")
    }

    /// Waits for a printed line with all of these words in it.
    pub async fn logged(&self, words: &[&str]) -> String {
        let has_all = |line: &String| words.iter().all(|word| line.contains(word));
        let found = async {
            loop {
                if let Some(line) = self.workerd.lock().unwrap().lines().into_iter().find(has_all) {
                    return line;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
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

    /// The processor times of workerd, unless it has ended.
    pub fn processor_times(&self) -> Option<ProcessorTimes> {
        let mut workerd = self.workerd.lock().unwrap();
        workerd.is_running().then(|| workerd::processor_times(workerd.pid()))
    }

    /// The processor time that workerd has used.
    pub fn processor_time(&self) -> Duration {
        self.workerd.lock().unwrap().processor_time()
    }

    /// The resident memory of workerd in bytes.
    pub fn rss(&self) -> u64 {
        self.workerd.lock().unwrap().resident_bytes()
    }
}

/// Where the built Worker is, and in `www` its test page.
pub fn build_directory() -> PathBuf {
    std::env::var_os("EDGEWARD_BUILD").map_or_else(|| workerd::root().join("build"), PathBuf::from)
}
