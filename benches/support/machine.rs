//! What figures belong to: a machine, a time, a commit, and versions.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::pinning::Cpus;
use super::workerd::{binary, root};

/// The machine, when it is, and the versions of what every measurement uses.
pub fn facts(cpus: &Cpus) -> Value {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
    json!({
        "machine": {
            "cpu": model.unwrap_or("unknown").trim_start_matches(['\t', ' ', ':']),
            // Not those that this process may use, since it is pinned to one.
            "cores": cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
            "kernel": output("uname", &["-sr"]),
            "pinning": cpus.note(),
        },
        "date": output("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]),
        "commit": output("git", &["describe", "--always", "--dirty", "--abbrev=40"]),
        "versions": {
            "workerd": output(&binary().to_string_lossy(), &["--version"]),
            // It says so on its standard error.
            "nginx": output("sh", &["-c", "nginx -v 2>&1"]),
            "rustc": output("rustc", &["--version"]),
        },
    })
}

/// What a program prints in the repository; nothing, if it cannot be started.
pub fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(root()).output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
