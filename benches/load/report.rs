//! The load as a table, with what had to hold, and as a file.

use std::fmt::Write as _;
use std::fs;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::processors::{Processors, Use};
use super::schedule::Load;
use super::subject::{Subject, Young};
use super::tally::{Count, Tally};
use super::traffic::Kind;
use super::watch::{self, Sample};
use super::workerd::root;

/// The most that 99 % of the requests may take, in microseconds.
const P99_TARGET: u64 = 50_000;

/// All that came of a load.
pub struct Report<'t> {
    pub subject: Subject,
    pub young: Young,
    pub load: Load,
    /// Requests in a second that the machine carries at the most.
    pub saturation: f64,
    /// Machine, time, commit and versions.
    pub facts: Value,
    pub tally: &'t Tally,
    pub samples: Vec<Sample>,
    /// Some of what the Worker and workerd printed besides refusals.
    pub faults: Vec<String>,
}

/// Something that had to hold.
struct Verdict {
    what: &'static str,
    found: String,
    holds: bool,
}

impl Report<'_> {
    /// Whether every answer was right; how long it took is another matter.
    pub fn is_right(&self) -> bool {
        self.tally.with(|kind, status| status != Some(kind.status())) == 0
    }

    /// Tables and verdicts, in Markdown.
    pub fn text(&self) -> String {
        let Load { clients, rate, start, end, .. } = self.load;
        let mut text = format!(
            "\n{}: {clients} keep-alive clients, {rate} requests/s in an open loop ({:.0} % of {:.0}), {} s. {}. {}.\n\n",
            self.subject.name(),
            100.0 * f64::from(rate) / self.saturation,
            self.saturation,
            (end - start).as_secs(),
            self.facts["machine"]["pinning"].as_str().unwrap_or_default(),
            self.young,
        );
        text.push_str(&self.latencies());
        writeln!(
            text,
            "\nLatencies in ms, from when a request was due; p99 uncorrected: from when it was sent.\n\
             The driver was late by {} (p50), {} (p99) and {} ms (most); {} requests were due while \
             their client still waited.\n",
            at(&self.tally.lag, 0.5),
            at(&self.tally.lag, 0.99),
            at(&self.tally.lag, 1.0),
            self.tally.held_up,
        )
        .unwrap();
        text.push_str(&self.over_time());
        text.push('\n');
        for count in self.tally.kinds.values() {
            for example in &count.examples {
                writeln!(text, "wrong answer: {example}").unwrap();
            }
        }
        for fault in &self.faults {
            writeln!(text, "printed: {fault}").unwrap();
        }
        for Verdict { what, found, holds } in self.verdicts() {
            let word = if holds { "holds" } else { "MISSED" };
            writeln!(text, "- {word}: {what}: {found}").unwrap();
        }
        text
    }

    fn latencies(&self) -> String {
        let mut text = "| kind | requests | right | wrong | p50 | p90 | p99 | p99.9 | max | p99 uncorrected |\n\
                        |--|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
            .to_owned();
        for (kind, count) in self.sent_kinds() {
            let right = count.with(|status| status == Some(kind.status()));
            let wrong = count.requests() - right;
            text.push_str(&row(kind.name(), right, wrong, &count.corrected, &count.uncorrected));
        }
        let right = self.tally.with(|kind, status| status == Some(kind.status()));
        let wrong = self.tally.with(|_, _| true) - right;
        let (corrected, uncorrected) = self.tally.all();
        text.push_str(&row("all", right, wrong, &corrected, &uncorrected));
        text
    }

    fn sent_kinds(&self) -> impl Iterator<Item = (&Kind, &Count)> {
        self.tally.kinds.iter().filter(|(_, count)| count.requests() > 0)
    }

    fn over_time(&self) -> String {
        let mut text = "| s | wasm memory, MiB | workerd, MiB | tokens in the cache | p99 | max | \
                        workerd computed, waited | nginx | driver |\n\
                        |--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
            .to_owned();
        for sample in &self.samples {
            let Sample { seconds, cached, processors, .. } = sample;
            let wasm = sample.wasm_bytes.map_or_else(String::new, mebibytes);
            let cached = cached.map_or_else(String::new, |cached| cached.to_string());
            let resident = mebibytes(sample.resident_bytes);
            let [p99, max] = [sample.p99_us, sample.max_us].map(millis);
            write!(text, "| {seconds} | {wasm} | {resident} | {cached} | {p99} | {max} |").unwrap();
            let Processors { workerd, nginx, driver } = processors;
            for Use { computed, waited } in [workerd, nginx, driver] {
                write!(text, " {computed:.2}, {waited:.2} |").unwrap();
            }
            text.push('\n');
        }
        text.push_str(
            "\nComputed: parts of a processor since the last line. Waited: parts of the time in which \
             there was something to compute and the machine did something else.\n",
        );
        text
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let refused = self.tally.with(|kind, status| kind.is_valid() && status != Some(200));
        let valid = self.tally.with(|kind, _| kind.is_valid());
        let faults = self.tally.with(|_, status| status.is_some_and(|status| status >= 500));
        let accepted = self.tally.with(|kind, status| !kind.is_valid() && status != Some(401));
        let p99 = self.tally.all().0.value_at_quantile(0.99);
        let growth = watch::growth(&self.samples);
        let mut verdicts = vec![
            Verdict {
                what: "no valid request is refused",
                found: format!("{refused} of {valid} were"),
                holds: refused == 0,
            },
            Verdict {
                what: "no answer is a 5xx",
                found: format!("{faults} were"),
                holds: faults == 0,
            },
            Verdict {
                what: "p99 is below 50 ms, corrected",
                found: format!("{} ms", millis(p99)),
                holds: p99 < P99_TARGET,
            },
        ];
        if let Subject::Edgeward = self.subject {
            verdicts.push(Verdict {
                what: "every bad token gets a 401",
                found: format!("{accepted} did not"),
                holds: accepted == 0,
            });
            verdicts.push(Verdict {
                what: "the wasm memory grows by no more than 5 % after the first minute",
                found: growth.map_or_else(
                    || "workerd ended".to_owned(),
                    |growth| format!("{:.1} %", 100.0 * growth),
                ),
                holds: watch::is_flat(&self.samples),
            });
        }
        verdicts
    }

    /// Writes target/bench/load.json.
    pub fn save(&self) {
        let directory = root().join("target/bench");
        fs::create_dir_all(&directory).unwrap();
        let text = serde_json::to_string_pretty(&self.json()).unwrap();
        let file = directory.join("load.json");
        fs::write(&file, text).unwrap();
        println!("\n{}", file.display());
    }

    fn json(&self) -> Value {
        let (corrected, uncorrected) = self.tally.all();
        let kind = |(kind, count): (&Kind, &Count)| {
            let statuses: serde_json::Map<_, _> = count
                .statuses
                .iter()
                .map(|(status, n)| {
                    (
                        status.map_or_else(|| "none".to_owned(), |status| status.to_string()),
                        json!(n),
                    )
                })
                .collect();
            json!({
                "kind": kind.name(),
                "expected": kind.status(),
                "statuses": statuses,
                "wrong_answers": count.examples,
                "corrected_us": quantiles(&count.corrected),
                "uncorrected_us": quantiles(&count.uncorrected),
            })
        };
        let verdict = |Verdict { what, found, holds }| json!({ "what": what, "found": found, "holds": holds });
        let mut results = self.facts.clone();
        results["load"] = json!({
            "worker": self.subject.name(),
            "young_generation_mib": self.young.0,
            "clients": self.load.clients,
            "requests_per_second": self.load.rate,
            "seconds": (self.load.end - self.load.start).as_secs(),
            "saturation_requests_per_second": self.saturation,
            "kinds": self.sent_kinds().map(kind).collect::<Vec<_>>(),
            "all": { "corrected_us": quantiles(&corrected), "uncorrected_us": quantiles(&uncorrected) },
            "driver_lag_us": quantiles(&self.tally.lag),
            "due_while_waiting": self.tally.held_up,
            "over_time": self.samples,
            "memory_growth": watch::growth(&self.samples),
            "printed": self.faults,
            "verdicts": self.verdicts().into_iter().map(verdict).collect::<Vec<_>>(),
        });
        results
    }
}

fn row(
    name: &str,
    right: u64,
    wrong: u64,
    corrected: &Histogram<u64>,
    uncorrected: &Histogram<u64>,
) -> String {
    let mut row = format!("| {name} | {} | {right} | {wrong} |", right + wrong);
    for quantile in [0.5, 0.9, 0.99, 0.999, 1.0] {
        write!(row, " {} |", at(corrected, quantile)).unwrap();
    }
    writeln!(row, " {} |", at(uncorrected, 0.99)).unwrap();
    row
}

fn quantiles(histogram: &Histogram<u64>) -> Value {
    let at = |quantile| histogram.value_at_quantile(quantile);
    json!({
        "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p99.9": at(0.999), "max": histogram.max(),
    })
}

/// A quantile in milliseconds.
fn at(histogram: &Histogram<u64>, quantile: f64) -> String {
    millis(histogram.value_at_quantile(quantile))
}

fn millis(micros: u64) -> String {
    format!("{}.{:02}", micros / 1_000, micros % 1_000 / 10)
}

fn mebibytes(bytes: u64) -> String {
    let tenths = (bytes * 10) >> 20;
    format!("{}.{}", tenths / 10, tenths % 10)
}
