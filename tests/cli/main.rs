//! The command line tool, as its users run it: arguments, standard input and files in; text, JSON and exit
//! codes out. What asks a deployment is tested with the built Worker, too: tests/edge/cli.rs.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking, and its items are for itself alone"
)]
#![cfg(not(target_arch = "wasm32"))]

mod check;
mod deployments;
mod inspect;
mod keygen;
mod mint;
#[allow(dead_code, reason = "the tests of the gate use the rest of it")]
#[path = "../support/native.rs"]
mod native;
mod program;
mod reports;

use std::process::Command;

use program::{Folder, run};
use serde_json::Value;

#[test]
fn every_command_has_help_and_an_unknown_one_is_a_mistake_of_usage() {
    let help = run(&["--help"]).must_be(0).out;
    for command in [
        "keygen",
        "mint",
        "inspect",
        "check",
        "health",
        "explain",
        "revoke",
        "revocations",
        "bench-report",
        "completions",
    ] {
        assert!(help.contains(&format!("\n  {command}")), "{command}: {help}");
        let own = run(&[command, "--help"]).must_be(0).out;
        assert!(own.contains(&format!("Usage: edgeward {command}")), "{own}");
    }
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cli.md"));
    let guide = guide.unwrap();
    let (_, table) = guide.split_once("| exit code | meaning |\n|--|--|\n").unwrap();
    let rows: Vec<_> = table.lines().map_while(|line| line.strip_prefix("| ")).collect();
    assert_eq!(rows.len(), 5);
    for row in rows {
        let (code, meaning) = row.trim_end_matches(" |").split_once(" | ").unwrap();
        let meaning = meaning.replace('`', "");
        assert!(help.contains(&format!(" {code} {meaning} ")), "{code} {meaning}: {help}");
    }
    assert!(run(&["--version"]).must_be(0).out.starts_with("edgeward "));
    run(&["no-such-command"]).must_be(2);
    run(&["keygen", "ES256", "--no-such-option"]).must_be(2);
    run(&[]).must_be(2);
}

#[test]
fn completions_are_made_for_every_shell() {
    for (shell, word) in
        [("bash", "complete -F"), ("zsh", "#compdef edgeward"), ("fish", "complete -c edgeward")]
    {
        let script = run(&["completions", shell]).must_be(0).out;
        assert!(script.contains(word) && script.contains("keygen"), "{shell}");
    }
    run(&["completions", "no-such-shell"]).must_be(2);
    let asked = r#"source <("$TOOL" completions bash); COMP_WORDS=(edgeward rev); COMP_CWORD=1
                   _edgeward edgeward rev edgeward; echo "${COMPREPLY[*]}""#;
    let tool = env!("CARGO_BIN_EXE_edgeward");
    let bash = Command::new("bash").args(["-c", asked]).env("TOOL", tool).output().unwrap();
    assert_eq!(String::from_utf8(bash.stdout).unwrap(), "revoke revocations\n");
}

#[test]
fn nothing_is_coloured_where_no_terminal_reads_it() {
    let folder = Folder::new();
    folder.write("wrangler.toml", "name = \"x\"\n");
    for arguments in
        [&["--help"][..], &["check"], &["inspect", "e30.e30.AA"], &["inspect", "--nonsense"]]
    {
        let said = folder.run(arguments);
        assert!(!said.out.is_empty() || !said.err.is_empty(), "{arguments:?}");
        assert!(!said.out.contains('\u{1b}') && !said.err.contains('\u{1b}'), "{arguments:?}");
    }
}

#[test]
fn what_looks_like_a_secret_is_not_repeated_in_an_error() {
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";
    let password = "dGhpcyBpcyBhIHZlcnkgc2VjcmV0IHBhc3N3b3Jk";
    for arguments in [
        &["revoke", token][..],
        &["revoke", "--sub", "a", "--url", "https://x.test", password],
        &["health", "--url", "https://x.test", "--admin-token", password],
        &["keygen", password],
        &["mint", "--key", "-", "--alg", password],
        &["check", token],
    ] {
        let said = run(arguments).must_be(2);
        for secret in [token, password] {
            assert!(!said.err.contains(secret) && !said.out.contains(secret), "{}", said.err);
        }
    }
}

/// The JSON of an answer.
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|fault| panic!("{fault}: {text}"))
}
