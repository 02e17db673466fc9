//! `edgeward bench-report`: what `make bench` has measured, as the documents show it.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use super::output::{Exit, Failure, say, say_json};
use super::wrangler::read;

/// Where `make bench` leaves its figures.
const RESULTS: &str = "target/bench/results.json";

/// The width of the longest bar of the chart.
const WIDTH: f64 = 40.0;

/// What refuses, and is compared to what does nothing but refuse.
const DENIALS: [&str; 3] = ["bad signature", "expired", "garbage"];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The figures of `make bench`
    #[arg(value_name = "FILE", default_value = RESULTS)]
    results: PathBuf,
    /// A target that is missed is a problem
    #[arg(long)]
    strict: bool,
}

/// What is read of the figures (benches/worker.rs writes them).
#[derive(Deserialize)]
struct Results {
    algorithms: Vec<Table>,
    cold_start: Option<ColdStart>,
    module: Module,
    targets: Vec<Target>,
    date: Option<String>,
    commit: Option<String>,
    machine: Option<Machine>,
}

#[derive(Deserialize)]
struct Machine {
    cpu: String,
    cores: u32,
}

#[derive(Deserialize)]
struct Module {
    gzip_bytes: u64,
}

/// All rows of one algorithm.
#[derive(Deserialize)]
struct Table {
    alg: String,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    requests_per_second: Spread,
    to_limit: Option<Ratio>,
    to_jose: Option<Ratio>,
    to_hono: Option<Ratio>,
    to_before: Option<Ratio>,
}

/// By processor time.
#[derive(Deserialize)]
struct Ratio {
    cpu: Spread,
}

/// Median and quartiles.
#[derive(Deserialize)]
struct Spread {
    low: f64,
    median: f64,
    high: f64,
}

#[derive(Deserialize)]
struct ColdStart {
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Span {
    what: String,
    clock: Comparison,
    cpu: Comparison,
}

#[derive(Deserialize)]
struct Comparison {
    empty: Spread,
    edgeward: Spread,
    difference: Spread,
    ratio: Spread,
}

#[derive(Deserialize)]
struct Target {
    what: String,
    wanted: f64,
    at_most: bool,
    found: f64,
    by_cpu: Option<f64>,
    reached: bool,
}

pub(crate) fn run(arguments: &Arguments, as_json: bool) -> Result<Exit, Failure> {
    let path = &arguments.results;
    if !path.exists() {
        let path = path.display();
        return Err(Failure::usage(format!(
            "there is no {path}; `make bench` writes it, or name another file"
        )));
    }
    let results: Results = serde_json::from_str(&read(path)?).map_err(|fault| {
        Failure::usage(format!("{} holds no figures of `make bench`: {fault}", path.display()))
    })?;
    let is_missed = results.targets.iter().any(|target| !target.reached);
    if as_json {
        say_json(&results.to_json());
    } else {
        say(&results.to_markdown());
    }
    Ok(if is_missed && arguments.strict { Exit::Problems } else { Exit::Good })
}

impl Results {
    fn to_json(&self) -> Value {
        let targets = self.targets.iter().map(|target| {
            json!({
                "what": target.what,
                "wanted": target.wanted,
                "at_most": target.at_most,
                "found": target.found,
                "reached": target.reached,
            })
        });
        json!({
            "date": self.date,
            "commit": self.commit,
            "module": { "gzip_bytes": self.module.gzip_bytes },
            "tables": self.tables(),
            "chart": self.chart(),
            "targets": targets.collect::<Vec<_>>(),
        })
    }

    fn to_markdown(&self) -> String {
        let mut text = String::new();
        if let (Some(Machine { cpu, cores }), Some(date)) = (&self.machine, &self.date) {
            let commit = self.commit.as_deref().unwrap_or("unknown");
            let _ = writeln!(text, "{cores} cores of {cpu}, {date}, commit {commit}\n");
        }
        for part in [self.tables(), self.fenced_chart(), self.cold_start(), self.target_list()] {
            if !part.is_empty() {
                let _ = writeln!(text, "{part}");
            }
        }
        let _ = writeln!(text, "Module: {} bytes after gzip -9", self.module.gzip_bytes);
        text
    }

    /// All algorithms side by side: first how many requests there were, then how the rows compare.
    fn tables(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for row in self.algorithms.iter().flat_map(|table| &table.rows) {
            if !names.contains(&row.name.as_str()) {
                names.push(&row.name);
            }
        }
        if names.is_empty() {
            return String::new();
        }
        let algs: Vec<_> = self.algorithms.iter().map(|table| table.alg.as_str()).collect();
        let mut text = format!("| | {} |\n|--|{}\n", algs.join(" | "), "--:|".repeat(algs.len()));
        let mut add = |title: String, name: &str, figure: &dyn Fn(&Row) -> Option<String>| {
            let of = |table: &Table| {
                table.rows.iter().find(|row| row.name == name).and_then(figure).unwrap_or_default()
            };
            let cells: Vec<_> = self.algorithms.iter().map(of).collect();
            if cells.iter().any(|cell| !cell.is_empty()) {
                let _ = writeln!(text, "| {title} | {} |", cells.join(" | "));
            }
        };
        for name in &names {
            add(format!("{name}, requests/s"), name, &|row| {
                Some(row.requests_per_second.with_digits(0))
            });
        }
        for name in &names {
            let cell = |ratio: &Option<Ratio>| ratio.as_ref().map(|it| it.cpu.with_digits(2));
            add(format!("{name} : {}", limit(name)), name, &|row| cell(&row.to_limit));
            add(format!("{name} : jose"), name, &|row| cell(&row.to_jose));
            add(format!("{name} : hono"), name, &|row| cell(&row.to_hono));
            add(format!("{name} : before"), name, &|row| cell(&row.to_before));
        }
        text
    }

    /// How much of the speed of a Worker without auth is left for tokens that were seen before.
    fn chart(&self) -> String {
        let mut text = String::new();
        for table in &self.algorithms {
            for gate in ["edgeward", "jose", "hono"] {
                let row = table.rows.iter().find(|row| row.name == format!("{gate} seen"));
                let Some(Ratio { cpu }) = row.and_then(|row| row.to_limit.as_ref()) else {
                    continue;
                };
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a bar is short and not negative"
                )]
                let width = (cpu.median * WIDTH).round().clamp(0.0, 2.0 * WIDTH) as usize;
                let (alg, bar) = (&table.alg, "█".repeat(width));
                let _ = writeln!(text, "{alg:6} {gate:9} {bar:40} {:3.0} %", cpu.median * 100.0);
            }
        }
        text
    }

    fn fenced_chart(&self) -> String {
        let chart = self.chart();
        if chart.is_empty() { chart } else { format!("```text\n{chart}```\n") }
    }

    fn cold_start(&self) -> String {
        let Some(cold_start) = &self.cold_start else { return String::new() };
        let mut text = "### Cold start\n\n\
                        | ms | empty | edgeward | difference | ratio |\n\
                        |--|--:|--:|--:|--:|\n"
            .to_owned();
        for Span { what, clock, cpu } in &cold_start.spans {
            let (clock, cpu) = (clock.cells(), cpu.cells());
            let _ = writeln!(text, "| {what} | {clock} |\n| {what}, CPU | {cpu} |");
        }
        text
    }

    fn target_list(&self) -> String {
        let mut text = "### Targets\n\n".to_owned();
        for Target { what, wanted, at_most, found, by_cpu, reached } in &self.targets {
            let verdict = if *reached { "reached" } else { "MISSED" };
            let relation = if *at_most { "at most" } else { "at least" };
            let digits = if *wanted < 100.0 { 2 } else { 0 };
            let by_cpu =
                by_cpu.map(|ratio| format!(" (by CPU {ratio:.digits$})")).unwrap_or_default();
            let _ = writeln!(
                text,
                "- {verdict}: {what}: {found:.digits$}{by_cpu}, {relation} {wanted:.digits$}"
            );
        }
        text
    }
}

/// The row that says how fast another one could be at best (benches/worker/rows.rs).
fn limit(name: &str) -> &'static str {
    if DENIALS.iter().any(|denial| name.ends_with(denial)) {
        "refuse"
    } else if name.contains("by URL") {
        "edits by URL"
    } else if name.ends_with("14 headers") {
        "edits 14 headers"
    } else {
        "edits"
    }
}

impl Spread {
    fn with_digits(&self, digits: usize) -> String {
        let Self { low, median, high } = self;
        format!("{median:.digits$} ({low:.digits$}–{high:.digits$})")
    }
}

impl Comparison {
    fn cells(&self) -> String {
        let spans =
            [&self.empty, &self.edgeward, &self.difference].map(|spread| spread.with_digits(1));
        format!("{} | {}", spans.join(" | "), self.ratio.with_digits(2))
    }
}
