//! What the project wants to reach, and whether it does.

use std::fmt::Write as _;

use serde::Serialize;

use super::cold::{ColdStart, FIRST_REQUEST, PROCESS_TO_ANSWER};
use super::contender::Contender::{self, Edgeward};
use super::lines::{Line, Table};
use super::rows::{DENIALS, Row, Traffic};
use super::stats::Spread;

/// Seen tokens against a Worker that does nothing but the edits.
const SEEN_OF_LIMIT: f64 = 0.92;
const SEEN_OF_JOSE: f64 = 1.35;
const SEEN_OF_HONO: f64 = 1.7;
/// New tokens, where a signature has to be verified. ES384 has no target: nearly all of its time is
/// the runtime's.
const NEW_OF_JOSE: [(&str, f64); 5] =
    [("RS256", 1.0), ("PS256", 1.0), ("ES256", 1.0), ("EdDSA", 1.0), ("HS256", 1.2)];
const DENIAL_OF_JOSE: f64 = 1.5;
const COLD_START_MILLIS: f64 = 15.0;
const MODULE_BYTES: f64 = 300_000.0;

/// One of them.
#[derive(Serialize)]
pub struct Target {
    what: String,
    wanted: f64,
    /// Whether less is better.
    at_most: bool,
    found: f64,
    reached: bool,
}

/// All that the measured figures say something about.
pub fn targets(tables: &[Table], cold_start: Option<&ColdStart>, module_size: u64) -> Vec<Target> {
    let mut targets: Vec<_> = tables.iter().flat_map(of_table).collect();
    let on_the_clock = [FIRST_REQUEST, PROCESS_TO_ANSWER];
    let comparisons = cold_start.into_iter().flat_map(|cold_start| &cold_start.comparisons);
    for it in comparisons.filter(|it| on_the_clock.contains(&it.what)) {
        let what = format!("cold start, {}, difference in ms", it.what);
        targets.push(Target::at_most(what, COLD_START_MILLIS, it.difference.median));
    }
    #[allow(clippy::cast_precision_loss, reason = "it is far below 2^52")]
    let module_size = module_size as f64;
    targets.push(Target::at_most("module in bytes".to_owned(), MODULE_BYTES, module_size));
    targets
}

/// As a list in markdown.
pub fn markdown(targets: &[Target]) -> String {
    let mut text = "### Targets\n\n".to_owned();
    for Target { what, wanted, at_most, found, reached } in targets {
        let verdict = if *reached { "reached" } else { "MISSED" };
        let relation = if *at_most { "at most" } else { "at least" };
        let digits = if *wanted < 10.0 { 2 } else { 0 };
        writeln!(text, "- {verdict}: {what}: {found:.digits$}, {relation} {wanted:.digits$}")
            .expect("a string takes everything");
    }
    text
}

impl Target {
    fn at_least(what: String, wanted: f64, found: f64) -> Self {
        Self { what, wanted, at_most: false, found, reached: found >= wanted }
    }

    fn at_most(what: String, wanted: f64, found: f64) -> Self {
        Self { what, wanted, at_most: true, found, reached: found <= wanted }
    }
}

fn of_table(table: &Table) -> Vec<Target> {
    let mut targets = Vec::new();
    let mut want = |traffic: Traffic, to: Contender, wanted: f64| {
        let line = table.line(Row::new(Edgeward, traffic));
        if let Some(found) = line.and_then(|line| ratio(line, to)) {
            let what = format!("{}, {} to {}", table.alg, traffic.name(), to.name());
            targets.push(Target::at_least(what, wanted, found.median));
        }
    };
    want(Traffic::Seen, Contender::Edits, SEEN_OF_LIMIT);
    want(Traffic::Seen, Contender::Jose, SEEN_OF_JOSE);
    want(Traffic::Seen, Contender::Hono, SEEN_OF_HONO);
    for (_, wanted) in NEW_OF_JOSE.iter().filter(|(alg, _)| *alg == table.alg) {
        want(Traffic::New, Contender::Jose, *wanted);
    }
    for denial in DENIALS {
        want(denial, Contender::Jose, DENIAL_OF_JOSE);
    }
    targets
}

fn ratio(line: &Line, to: Contender) -> Option<Spread> {
    match to {
        Contender::Edits => line.to_limit,
        Contender::Jose => line.to_jose,
        Contender::Hono => line.to_hono,
        _ => None,
    }
}
