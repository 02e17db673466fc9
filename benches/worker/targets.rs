//! What the project wants to reach, and whether it does.

use std::fmt::Write as _;

use serde::Serialize;

use super::cold::ColdStart;
use super::contender::Contender::{self, Edgeward, EdgewardUnsigned};
use super::lines::{Line, Ratio, Table};
use super::rows::{DENIALS, Row, Traffic};

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
    /// The same by processor time.
    by_cpu: Option<f64>,
    reached: bool,
}

/// All that the measured figures say something about.
pub fn targets(tables: &[Table], cold_start: Option<&ColdStart>, module_size: u64) -> Vec<Target> {
    let mut targets: Vec<_> = tables.iter().flat_map(of_table).collect();
    for span in cold_start.into_iter().flat_map(|cold_start| &cold_start.spans) {
        let what = format!("cold start, {}, difference in ms", span.what);
        let [clock, cpu] = [&span.clock, &span.cpu].map(|it| it.difference.median);
        targets.push(Target::at_most(what, COLD_START_MILLIS, clock, Some(cpu)));
    }
    #[allow(clippy::cast_precision_loss, reason = "it is far below 2^52")]
    let module_size = module_size as f64;
    targets.push(Target::at_most("module in bytes".to_owned(), MODULE_BYTES, module_size, None));
    targets
}

/// As a list in markdown.
pub fn markdown(targets: &[Target]) -> String {
    let mut text = "### Targets\n\n".to_owned();
    for Target { what, wanted, at_most, found, by_cpu, reached } in targets {
        let verdict = if *reached { "reached" } else { "MISSED" };
        let relation = if *at_most { "at most" } else { "at least" };
        let digits = if *wanted < 100.0 { 2 } else { 0 };
        let by_cpu = by_cpu.map(|ratio| format!(" (by CPU {ratio:.digits$})")).unwrap_or_default();
        writeln!(
            text,
            "- {verdict}: {what}: {found:.digits$}{by_cpu}, {relation} {wanted:.digits$}"
        )
        .expect("a string takes everything");
    }
    text
}

impl Target {
    fn at_least(what: String, wanted: f64, found: Ratio) -> Self {
        let Ratio { rate, cpu } = found;
        let [found, cpu] = [rate.median, cpu.median];
        Self { what, wanted, at_most: false, found, by_cpu: Some(cpu), reached: found >= wanted }
    }

    fn at_most(what: String, wanted: f64, found: f64, by_cpu: Option<f64>) -> Self {
        Self { what, wanted, at_most: true, found, by_cpu, reached: found <= wanted }
    }
}

fn of_table(table: &Table) -> Vec<Target> {
    let mut targets = Vec::new();
    let mut want = |row: Row, to: Contender, wanted: f64| {
        if let Some(found) = table.line(row).and_then(|line| ratio(line, to)) {
            let what = format!("{}, {} to {}", table.alg, row.name(), to.name());
            targets.push(Target::at_least(what, wanted, found));
        }
    };
    let seen = Row::new(Edgeward, Traffic::Seen);
    want(seen, Contender::Edits, SEEN_OF_LIMIT);
    want(seen, Contender::Jose, SEEN_OF_JOSE);
    want(seen, Contender::Hono, SEEN_OF_HONO);
    for (_, wanted) in NEW_OF_JOSE.iter().filter(|(alg, _)| *alg == table.alg) {
        for contender in [Edgeward, EdgewardUnsigned] {
            want(Row::new(contender, Traffic::New), Contender::Jose, *wanted);
        }
    }
    for denial in DENIALS {
        want(Row::new(Edgeward, denial), Contender::Jose, DENIAL_OF_JOSE);
    }
    targets
}

fn ratio(line: &Line, to: Contender) -> Option<Ratio> {
    match to {
        Contender::Edits => line.to_limit,
        Contender::Jose => line.to_jose,
        Contender::Hono => line.to_hono,
        _ => None,
    }
}
