//! The commands.

use std::io::{self, IsTerminal as _, Read as _};
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use serde_json::Value;

use super::output::{Exit, Failure, say, say_beside};
use super::wrangler::read;
use super::{admin, bench_report, check, health, inspect, keygen, mint};

/// What stands below the help of every command.
const EXIT_CODES: &str = "\
Exit codes:
  0  all is well
  1  what was asked about is not: a configuration has problems, a token
     would be denied, a gate is not ready, there is no such revocation or
     it conflicts with another one, a target is missed with --strict
  2  the command cannot be understood, what it names cannot be read or
     written, or a deployment does not take the order (400)
  3  a deployment cannot be reached, or fails (5xx), or is no gate
  4  a deployment refuses: the admin token is wrong (401), or there is no
     such endpoint (404)

Colours are for terminals alone, and not where NO_COLOR is set.";

/// Keys, tokens, configurations and deployments of edgeward, JWT authentication at the edge
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES, arg_required_else_help = true)]
struct Tool {
    #[command(subcommand)]
    command: Command,
    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Make a key or a password, and say how to store it
    Keygen(keygen::Arguments),
    /// Make a token for tests
    Mint(mint::Arguments),
    /// Tell what a token says and, with a configuration, what the gate would make of it
    Inspect(inspect::Arguments),
    /// Check wrangler.toml and secrets before they are deployed, as the Worker would
    Check(check::Arguments),
    /// Ask a deployment whether it is ready, and what has to be mended
    Health(health::Arguments),
    /// Ask a deployment why it permits or denies a request
    Explain(admin::Explain),
    /// Revoke tokens
    Revoke(admin::Revoke),
    /// List what is revoked, or undo it
    Revocations(admin::Revocations),
    /// Tell what `make bench` has measured, in markdown
    BenchReport(bench_report::Arguments),
    /// Write the completions of a shell to standard output
    Completions {
        /// The shell
        shell: Shell,
    },
}

pub(crate) fn main() -> ExitCode {
    let tool = match Tool::try_parse() {
        Ok(tool) => tool,
        Err(fault) => return misunderstood(&fault).into(),
    };
    let done = match &tool.command {
        Command::Keygen(arguments) => keygen::run(arguments, tool.json),
        Command::Mint(arguments) => mint::run(arguments, tool.json),
        Command::Inspect(arguments) => inspect::run(arguments, tool.json),
        Command::Check(arguments) => check::run(arguments, tool.json),
        Command::Health(arguments) => health::run(arguments, tool.json),
        Command::Explain(arguments) => admin::explain(arguments, tool.json),
        Command::Revoke(arguments) => admin::revoke(arguments, tool.json),
        Command::Revocations(arguments) => admin::revocations(arguments, tool.json),
        Command::BenchReport(arguments) => bench_report::run(arguments, tool.json),
        Command::Completions { shell } => {
            complete(*shell);
            Ok(Exit::Good)
        }
    };
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.tell();
            failure.exit.into()
        }
    }
}

/// Says what clap has to say. What may be a secret among the arguments is not repeated.
fn misunderstood(fault: &clap::Error) -> Exit {
    if matches!(fault.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        say(&fault.render().ansi().to_string());
        return Exit::Good;
    }
    let mut said = fault.render().ansi().to_string();
    for argument in std::env::args_os().skip(1) {
        let argument = argument.to_string_lossy();
        let values = [&*argument, argument.split_once('=').map_or("", |(_, value)| value)];
        for value in values.into_iter().filter(|value| is_like_a_secret(value)) {
            said = said.replace(value, "…");
        }
    }
    say_beside(&said);
    Exit::Usage
}

/// A token, a key or a password: one long word.
fn is_like_a_secret(word: &str) -> bool {
    let is_of_one = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+/=~:".contains(&byte);
    word.len() >= 20 && !word.starts_with("--") && word.bytes().all(is_of_one)
        || word.trim_start().starts_with(['{', '"'])
        || word.contains("-----BEGIN")
}

fn complete(shell: Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Tool::command(), "edgeward", &mut script);
    say(&String::from_utf8_lossy(&script));
}

/// The text of a file, or of standard input for `-`, without white space around it.
pub(crate) fn input(path: &Path) -> Result<String, Failure> {
    let text = if path == Path::new("-") { standard_input()? } else { read(path)? };
    Ok(text.trim().to_owned())
}

/// An argument; `-` or none is standard input, unless that is a terminal where nobody is asked for anything.
pub(crate) fn input_or_argument(argument: Option<&str>) -> Result<String, Failure> {
    match argument {
        Some("-") => standard_input(),
        Some(text) => Ok(text.to_owned()),
        None if io::stdin().is_terminal() => Err(Failure::usage(
            "there is no token; give it on standard input: edgeward inspect < FILE",
        )),
        None => standard_input(),
    }
}

fn standard_input() -> Result<String, Failure> {
    let mut text = String::new();
    io::stdin()
        .read_to_string(&mut text)
        .map_err(|fault| Failure::usage(format!("standard input cannot be read: {fault}")))?;
    Ok(text)
}

/// What a deployment or a token says, without what could change the terminal or the order of the
/// letters.
pub(crate) fn tell(text: Option<&str>) -> String {
    let plain =
        |letter: char| if is_harmless(letter) { letter } else { char::REPLACEMENT_CHARACTER };
    text.unwrap_or_default().chars().map(plain).collect()
}

/// JSON for people, in the same way.
pub(crate) fn tell_json(value: &Value) -> String {
    let lines = format!("{value:#}");
    let lines: Vec<_> = lines.split('\n').map(|line| tell(Some(line))).collect();
    lines.join("\n")
}

fn is_harmless(letter: char) -> bool {
    // Those of Unicode for the direction of writing.
    let turns = ['\u{200e}'..='\u{200f}', '\u{202a}'..='\u{202e}', '\u{2066}'..='\u{2069}'];
    !letter.is_control() && !turns.iter().any(|turn| turn.contains(&letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_consistent() {
        Tool::command().debug_assert();
    }

    #[test]
    fn what_others_say_moves_no_cursor() {
        assert_eq!(
            tell(Some("a\u{1b}[2Jb\nc\u{9b}d\u{202e}e é")),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}e é"
        );
        let value = serde_json::json!({ "sub": "a\u{9b}31m\u{1b}" });
        assert_eq!(tell_json(&value), "{\n  \"sub\": \"a\u{fffd}31m\\u001b\"\n}");
    }

    #[test]
    fn a_long_word_may_be_a_secret() {
        for word in
            ["eyJhbGciOiJFUzI1NiJ9.e30.c2ln", "dGhpcyBpcyBhIHNlY3JldCE=", "{\"kty\":\"oct\"}"]
        {
            assert!(is_like_a_secret(word), "{word}");
        }
        for word in ["ES256", "--admin-token-file-name", "check", "two words that are rather long"]
        {
            assert!(!is_like_a_secret(word), "{word}");
        }
    }
}
