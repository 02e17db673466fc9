//! The cases of the Autobahn test suite, sent by `kosoku`.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::PathBuf};

use tempfile::TempDir;
use tokio::process::Command;

use super::Value;
use crate::workerd::{self, Files, Workerd};

/// What came of a case: how the server behaved until the end and at the end, and its code in the Close
/// frame, as the suite judges and reports them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outcome {
    pub behavior: String,
    pub closing: String,
    pub code: Option<u64>,
}

/// The outcome of each case.
pub type Outcomes = BTreeMap<String, Outcome>;

/// Where the program is, if it is installed.
fn program() -> PathBuf {
    workerd::root().join(".tools/kosoku")
}

/// Whether the program is installed.
pub fn is_installed() -> bool {
    program().join(".version").exists()
}

/// The outcomes of these cases with a server that has to send back what it gets. `9.*` are all that begin so.
pub async fn outcomes(server: SocketAddr, cases: &[&str]) -> Outcomes {
    let directory = TempDir::new().unwrap();
    // It fails when a case does, so what it has written says whether it could do its work.
    // By the interpreter, since the first line of a script in `bin` names the place where it was installed.
    let output = Command::new(program().join("bin/python"))
        .arg(program().join("bin/kosoku"))
        .args(cases.iter().flat_map(|case| ["-i", case]))
        .args(["-p", "8", "-o"])
        .arg(directory.path())
        .arg(server.to_string())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let index = fs::read(directory.path().join("index.json"))
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let index: Value = serde_json::from_slice(&index).unwrap();
    let agent = index.as_object().unwrap().values().next().expect("one server");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let outcome = |case: &Value| Outcome {
        behavior: text(&case["behavior"]),
        closing: text(&case["behaviorClose"]),
        code: case["remoteCloseCode"].as_u64(),
    };
    let cases = agent.as_object().unwrap();
    cases.iter().map(|(number, case)| (number.clone(), outcome(case))).collect()
}

/// A workerd that sends back what it gets, without any gate.
pub async fn bare_worker() -> Workerd {
    let start = || {
        let module = workerd::root().join("tests/edge/harness/echo-worker.mjs");
        Workerd::serve(Files::new(&[module], "", ""), std::process::Command::new(workerd::binary()))
    };
    tokio::task::spawn_blocking(start).await.unwrap()
}
