//! Each configuration of the guides, as somebody has it checked who has just pasted it.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::document::sections;
use crate::gate::own_secrets;
use crate::vendors::LEGACY_SECRET;

/// What stands before it in the file.
const BEFORE: &str = r#"
name = "gate"
main = "build/index.js"
compatibility_date = "2026-11-17"
workers_dev = true

[[kv_namespaces]]
binding = "AUTH_KV"
id = "0123456789abcdef0123456789abcdef"
"#;

/// The answer of `edgeward check --json` about a configuration, and its exit code.
fn check(block: &str) -> (Option<i32>, Value) {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("wrangler.toml"), format!("{BEFORE}\n{block}")).unwrap();
    let mut secrets = json!(own_secrets());
    secrets["SUPABASE_JWT_SECRET"] = LEGACY_SECRET.into();
    secrets["ADMIN_TOKEN"] = "admin-token-of-these-tests-0123456789".into();
    fs::write(path("secrets.json"), secrets.to_string()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_edgeward"))
        .args(["check", "--json", "--secrets", "secrets.json"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answer = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), answer)
}

#[test]
fn the_tool_finds_nothing_wrong_with_any_configuration_of_a_provider() {
    for section in sections("providers.md") {
        for (at, block) in section.configurations().iter().enumerate() {
            let (code, answer) = check(block);
            let what = format!("{} {at}: {answer:#}", section.title);
            assert_eq!((code, &answer["good"]), (Some(0), &json!(true)), "{what}");
            let environment = &answer["environments"][0];
            assert_eq!(environment["problems"], json!([]), "{what}");
            assert_eq!(environment["not_checked"], json!([]), "{what}");
        }
    }
}

#[test]
fn the_tool_names_what_is_wrong_with_one() {
    let block = &sections("providers.md")[2].configurations()[0];
    assert!(block.contains("auth0"), "{block}");
    let (code, answer) = check(&block.replace("RS256", "RS257"));
    assert_eq!((code, &answer["good"]), (Some(1), &json!(false)), "{answer:#}");
    let problems = answer["environments"][0]["problems"].to_string();
    assert!(problems.contains("AUTH.providers[0].algorithms[0]"), "{problems}");
}
