//! The probe is never part of what is deployed.

use std::fs;
use std::path::Path;

use super::probe::Probe;
use super::workerd::root;

/// Texts of the probe that neither the compiler nor the bundler can leave out.
const SIGNS: [&str; 2] = ["the probe knows", "WebCrypto"];

#[test]
fn the_built_worker_does_not_contain_the_probe() {
    let build = root().join("build");
    let probe = Probe::build();
    for sign in SIGNS {
        assert!(contains(&probe, sign), "{sign:?} says nothing: the probe is without it");
        assert!(!contains(&build, sign), "{sign:?} is in the Worker");
    }
}

#[test]
fn the_deployed_configuration_builds_the_worker_alone() {
    let read = |file: &str| fs::read_to_string(root().join(file)).unwrap();
    let lines = read("wrangler.toml");
    assert!(lines.contains("main = \"build/index.js\"") && !lines.contains("probe"));
    let build = read("tools/build.sh");
    assert!(build.contains("feature=${1:-edge}\n") && !build.contains("probe"));
    assert!(read("Makefile").contains("\t@tools/build.sh\n"));
}

fn contains(directory: &Path, sign: &str) -> bool {
    ["index.js", "index_bg.wasm"].into_iter().any(|file| {
        let path = directory.join(file);
        let bytes = fs::read(&path)
            .unwrap_or_else(|error| panic!("{}: {error}; `make build` first", path.display()));
        bytes.windows(sign.len()).any(|window| window == sign.as_bytes())
    })
}
