//! What the figures belong to: the machine, the versions, the size of the module, and what other
//! benchmarks have left.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use super::edgeward::build_directory;
use super::machine::{self, output};
use super::pinning::Cpus;
use super::workerd::root;

/// The machine, when it was, and the versions of everything.
pub fn facts(cpus: &Cpus) -> Value {
    let mut facts = machine::facts(cpus);
    for peer in ["jose", "hono"] {
        facts["versions"][peer] = package_version(peer);
    }
    facts
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

fn package_version(name: &str) -> Value {
    let path = root().join("node_modules").join(name).join("package.json");
    let package: Option<Value> =
        fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    package.map_or(Value::Null, |package| package["version"].clone())
}
