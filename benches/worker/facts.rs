//! What the figures belong to: the machine, the versions, the size of the module, and what other
//! benchmarks have left.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use serde_json::{Map, Value, json};

use super::edgeward::build_directory;
use super::pinning::Cpus;
use super::workerd::{binary, root};

/// The machine, when it was, and the versions of everything.
pub fn facts(cpus: &Cpus) -> Value {
    json!({
        "machine": {
            "cpu": cpu_model(),
            "cores": thread::available_parallelism().map_or(1, usize::from),
            "kernel": output("uname", &["-sr"]),
            "pinning": cpus.note(),
        },
        "date": output("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]),
        "commit": output("git", &["-C", &root().to_string_lossy(), "describe", "--always", "--dirty", "--abbrev=40"]),
        "versions": {
            "workerd": output(&binary().to_string_lossy(), &["--version"]),
            "jose": package_version("jose"),
            "hono": package_version("hono"),
            // It says so on its standard error.
            "nginx": output("sh", &["-c", "nginx -v 2>&1"]),
            "rustc": output("rustc", &["--version"]),
        },
    })
}

/// The bytes of `index.js` and `index_bg.wasm` together, after `gzip -9`.
pub fn module_size() -> u64 {
    let build = build_directory();
    let pack = format!("cd '{}' && cat index.js index_bg.wasm | gzip -9 | wc -c", build.display());
    output("sh", &["-c", &pack]).parse().expect("gzip packs the build")
}

/// What the benchmarks of Criterion found, by their names: nanoseconds.
pub fn criterion() -> Value {
    let mut found = Map::new();
    collect(&root().join("target/criterion"), "", &mut found);
    Value::Object(found)
}

fn collect(directory: &Path, name: &str, found: &mut Map<String, Value>) {
    let estimates = fs::read(directory.join("new/estimates.json"));
    if let Some(estimates) = estimates.ok().and_then(|text| serde_json::from_slice(&text).ok()) {
        let estimates: Value = estimates;
        found.insert(name.to_owned(), estimates["median"].clone());
    }
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let part = entry.file_name().to_string_lossy().into_owned();
        let name = if name.is_empty() { part } else { format!("{name}/{part}") };
        collect(&entry.path(), &name, found);
    }
}

fn cpu_model() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name"));
    model.unwrap_or("unknown").trim_start_matches(['\t', ' ', ':']).to_owned()
}

fn package_version(name: &str) -> Value {
    let path = root().join("node_modules").join(name).join("package.json");
    let package: Option<Value> =
        fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    package.map_or(Value::Null, |package| package["version"].clone())
}

/// What a program prints; nothing, if it cannot be started.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
