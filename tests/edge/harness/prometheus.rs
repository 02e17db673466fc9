//! A real Prometheus with the alerts of `ops/alerts.yml`, in a hurry: what takes minutes there takes
//! seconds here.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::Instant,
};
use url::form_urlencoded;

use super::{PATIENCE, Value, get, json, raw};
use crate::workerd;

/// Where `tools/install.sh` unpacks it.
const UNPACKED: &str = ".tools/prometheus/usr/bin/prometheus";
/// The shortest range that always holds two samples, one a second.
const SHORTEST_RANGE_MS: u64 = 3_000;

/// A running Prometheus; it ends with this value.
pub struct Prometheus {
    /// Where it listens.
    pub addr: SocketAddr,
    _child: Child,
    _directory: TempDir,
}

/// An alert that is pending or firing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Whether it fires; otherwise it waits for its `for`.
    pub is_firing: bool,
    /// Its labels, with `alertname`.
    pub labels: BTreeMap<String, String>,
    /// Its annotations, filled in.
    pub annotations: BTreeMap<String, String>,
}

impl Prometheus {
    /// Starts it, where there is one, and waits until it is ready. It asks the target for this path with
    /// this token once a second, and evaluates the alerts as often, with their durations divided by
    /// `factor`: with 60, minutes are seconds.
    ///
    /// # Panics
    ///
    /// With `CI` set where there is none, and when it does not come up, with what it printed.
    pub async fn start(target: SocketAddr, path: &str, token: &str, factor: u64) -> Option<Self> {
        let Some(program) = program() else {
            assert!(std::env::var_os("CI").is_none(), "prometheus is missing");
            println!("skipped: prometheus is missing");
            return None;
        };
        let directory = TempDir::new().unwrap();
        let rules = directory.path().join("alerts.yml");
        fs::write(&rules, faster(&alerts_file(), factor)).unwrap();
        // JSON is YAML.
        let settings = json!({
            "global": { "scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s" },
            "rule_files": [rules],
            "scrape_configs": [{
                "job_name": "edgeward",
                "metrics_path": path,
                "authorization": { "credentials": token },
                "static_configs": [{ "targets": [target.to_string()] }],
            }],
        });
        let config = directory.path().join("prometheus.yml");
        fs::write(&config, settings.to_string()).unwrap();
        let mut child = Command::new(program)
            .arg(option("config.file", &config))
            .arg(option("storage.tsdb.path", &directory.path().join("data")))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus starts");
        let addr = ready(&mut child).await;
        Some(Self { addr, _child: child, _directory: directory })
    }

    /// The alerts that are pending or firing, by name: one for each set of labels.
    pub async fn alerts(&self) -> BTreeMap<String, Vec<Alert>> {
        let data = self.ask("/api/v1/alerts").await;
        let mut alerts = BTreeMap::<_, Vec<_>>::new();
        for alert in data["alerts"].as_array().unwrap() {
            let texts = |what: &str| serde_json::from_value(alert[what].clone()).unwrap();
            let alert = Alert {
                is_firing: alert["state"] == "firing",
                labels: texts("labels"),
                annotations: texts("annotations"),
            };
            alerts.entry(alert.labels["alertname"].clone()).or_default().push(alert);
        }
        alerts
    }

    /// The names of the alerts that fire.
    pub async fn firing(&self) -> Vec<String> {
        let alerts = self.alerts().await.into_iter();
        let firing = alerts.filter(|(_, alerts)| alerts.iter().any(|alert| alert.is_firing));
        firing.map(|(name, _)| name).collect()
    }

    /// Waits until an alert fires.
    pub async fn until_firing(&self, name: &str, patience: Duration) -> Alert {
        let limit = Instant::now() + patience;
        loop {
            let mut alerts = self.alerts().await;
            let named = alerts.remove(name).unwrap_or_default();
            if let Some(firing) = named.into_iter().find(|alert| alert.is_firing) {
                return firing;
            }
            assert!(Instant::now() < limit, "{name} does not fire; others: {alerts:#?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until an alert neither fires nor is pending.
    pub async fn until_over(&self, name: &str, patience: Duration) {
        let limit = Instant::now() + patience;
        while let Some(alert) = self.alerts().await.remove(name) {
            assert!(Instant::now() < limit, "{name} goes on: {alert:#?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// What an expression is now: the elements of the vector, with `metric` and `value`.
    ///
    /// # Panics
    ///
    /// When it is no expression.
    pub async fn query(&self, expression: &str) -> Vec<Value> {
        let query = form_urlencoded::byte_serialize(expression.as_bytes()).collect::<String>();
        let mut data = self.ask(&format!("/api/v1/query?query={query}")).await;
        assert_eq!(data["resultType"], "vector", "{expression}");
        serde_json::from_value(data["result"].take()).unwrap()
    }

    async fn ask(&self, target: &str) -> Value {
        let mut answer = raw(self.addr, &get(target).bytes()).await.json();
        assert_eq!(answer["status"], "success", "{target}: {answer}");
        answer["data"].take()
    }
}

/// Every expression of `ops/grafana.json`, with its variables filled in for a target that is asked once
/// a second.
pub fn dashboard_queries() -> Vec<String> {
    let mut found = Vec::new();
    expressions(&dashboard(), &mut found);
    let filled = |text: String| text.replace("$__rate_interval", "5s").replace("$instance", ".*");
    found.into_iter().map(filled).collect()
}

/// The dashboard.
pub fn dashboard() -> Value {
    let text = fs::read(workerd::root().join("ops/grafana.json")).expect("ops/grafana.json");
    serde_json::from_slice(&text).expect("JSON")
}

/// The alerts as they are in the repository.
pub fn alerts_file() -> String {
    fs::read_to_string(workerd::root().join("ops/alerts.yml")).expect("ops/alerts.yml")
}

/// The same rules with every `for`, range and offset divided. What annotations say stays as it is, and
/// so do numbers of requests, which therefore have to come in less time. No range gets so short that
/// it would not hold two samples, one a second.
pub fn faster(rules: &str, factor: u64) -> String {
    // The key whose lines these are: how far in it is, and whether it is `expr`.
    let mut inside = None;
    let mut lines = Vec::new();
    for line in rules.lines() {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        // A block goes on as long as its lines are further in than its key.
        if inside.is_some_and(|(key, _)| indent <= key && !text.is_empty()) {
            inside = None;
        }
        let is_key = inside.is_none();
        let begins_block = text.split(": ").nth(1).is_some_and(|it| it.starts_with(['|', '>']));
        if is_key && (begins_block || text.starts_with("expr:")) {
            inside = Some((indent, text.starts_with("expr:")));
        }
        lines.push(if is_key && text.starts_with("for:") {
            divided(line, "for: ", factor, 0)
        } else if inside.is_some_and(|(_, is_expression)| is_expression) {
            let line = divided(line, "[", factor, SHORTEST_RANGE_MS);
            divided(&line, "offset ", factor, 0)
        } else {
            line.to_owned()
        });
    }
    lines.join("\n") + "\n"
}

/// The text, with the durations divided that come right behind `before`.
fn divided(text: &str, before: &str, factor: u64, least_ms: u64) -> String {
    let mut parts = text.split(before);
    let mut divided = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        divided.push_str(before);
        let end = part.find(|next: char| !next.is_ascii_alphanumeric()).unwrap_or(part.len());
        let (word, rest) = part.split_at(end);
        match milliseconds(word) {
            Some(long) => divided += &((long / factor).max(least_ms).to_string() + "ms"),
            None => divided += word,
        }
        divided.push_str(rest);
    }
    divided
}

/// A duration such as `1h30m`; `None` when it is none.
fn milliseconds(duration: &str) -> Option<u64> {
    let mut rest = duration;
    let mut sum = 0;
    while !rest.is_empty() {
        let (number, more) = rest.split_at(rest.find(|next: char| !next.is_ascii_digit())?);
        let end = more.find(|next: char| next.is_ascii_digit()).unwrap_or(more.len());
        let (unit, more) = more.split_at(end);
        let unit = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return None,
        };
        sum += number.parse::<u64>().ok()? * unit;
        rest = more;
    }
    (sum > 0).then_some(sum)
}

/// Collects what stands under the name `expr`, however deep.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| expressions(value, found)),
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str().filter(|_| name == "expr") {
                    Some(expression) => found.push(expression.to_owned()),
                    None => expressions(value, found),
                }
            }
        }
        _ => {}
    }
}

/// The program: that of `tools/install.sh`, or what the machine has.
fn program() -> Option<PathBuf> {
    let unpacked = workerd::root().join(UNPACKED);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|directory| directory.join("prometheus"));
    [unpacked].into_iter().chain(on_path).find(|file| file.is_file())
}

fn option(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

/// Waits until it is ready: where it listens.
async fn ready(child: &mut Child) -> SocketAddr {
    let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let mut printed = Vec::new();
    let mut addr = None;
    let wait = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            // Of the two that it prints, this is the one with the port that it got.
            if line.contains("msg=\"Listening on\"") {
                let word = line.split("address=").nth(1).unwrap_or_default();
                addr = word.split(' ').next().unwrap_or_default().parse().ok();
            }
            let is_ready = line.contains("Server is ready to receive web requests");
            printed.push(line);
            if is_ready {
                return;
            }
        }
    };
    // Without an address, too, there is something to show.
    let _ = tokio::time::timeout(PATIENCE, wait).await;
    let addr = addr.unwrap_or_else(|| panic!("no Prometheus:\n{}", printed.join("\n")));
    // It must never wait for somebody to read what it prints.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    addr
}
