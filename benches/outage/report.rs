//! The run as tables, with what had to hold, and as a file.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use edgeward::core::mode::Mode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::breakers::{Breakers, CLOSED};
use super::calls::Calls;
use super::isolates::{DEGRADE_AFTER_MS, ISOLATES, TIMEOUT_MS, V8_FLAGS};
use super::journal::{Entry, Journal, Summary, micros};
use super::phases::{self, Phase};
use super::traffic::Kind;
use super::workerd::root;

/// The most calls of the auth service, in percent of the requests.
const MOST_CALLS_PERCENT: usize = 2;
/// How much longer than usual a request may take while the breaker has not opened yet, in
/// microseconds.
const MOST_WAIT_US: u64 = 100_000;
/// By how many percent p99 may be above that of the normal phase once the breaker has opened: so
/// much it strays by itself.
const SLACK_PERCENT: u64 = 25;
/// What takes longer has waited for the auth service, in microseconds.
const WAITED_US: u64 = DEGRADE_AFTER_MS as u64 * 1_000;

/// The time limit of a call of the auth service.
const TIMEOUT: Duration = Duration::from_millis(TIMEOUT_MS as u64);

/// All that came of a run.
pub struct Report<'r> {
    /// Machine, time, commit and versions.
    pub facts: Value,
    /// Requests in a second.
    pub rate: u32,
    pub calls: Calls,
    pub phases: Vec<Phase>,
    pub breakers: &'r Breakers,
    pub journal: Journal,
}

/// A line of the table.
struct Row<'r> {
    name: String,
    phase: &'r Phase,
    summary: Summary,
    /// It is all of its phase.
    is_whole: bool,
}

/// How an outage ended.
struct Recovery {
    of: &'static str,
    outage: Duration,
    /// When each breaker was closed again, since the auth service worked. `None`: it was not, or it
    /// never opened.
    closed: [Option<Duration>; ISOLATES],
    /// When the last request was due that passed degraded, since then.
    last_degraded: Option<Duration>,
    /// How many passed degraded in the phase after the recovery.
    degraded_afterwards: usize,
}

/// Something that had to hold.
struct Verdict {
    what: String,
    found: String,
    holds: bool,
    /// The run fails without it.
    is_vital: bool,
}

impl Report<'_> {
    /// Whether nobody was refused, few calls were made, and all breakers are closed again.
    pub fn is_right(&self) -> bool {
        self.verdicts().iter().all(|verdict| verdict.holds || !verdict.is_vital)
    }

    /// Tables and verdicts, in Markdown.
    pub fn text(&self) -> String {
        let Calls { tokens, requests, asked, .. } = &self.calls;
        let mut text = format!(
            "\n{ISOLATES} isolates, one KV namespace, one auth service that takes 5 ms. {}; auth service \
             and KV with the client. V8 with {}.\n\n\
             Calls: {requests} requests with {tokens} tokens made {asked} calls of the auth service, \
             {} % fewer.\n\n\
             Then {} requests/s in an open loop, all valid, four of five with one of 200 tokens, the \
             others with a token each of its own:\n\n",
            self.facts["machine"]["pinning"].as_str().unwrap_or_default(),
            V8_FLAGS.join(" "),
            percent(requests - asked, *requests),
            self.rate,
        );
        text.push_str(&self.table());
        let sent = self.journal.entries.iter().filter(|entry| self.phase_of(entry).is_some());
        let mut lags: Vec<u64> = sent.map(|entry| micros(entry.sent - entry.due)).collect();
        lags.sort_unstable();
        writeln!(
            text,
            "\nLatencies in ms, from when a request was due; it was sent late by {} (p99) and {} ms \
             (most). Busy: parts of their processor that the isolates used. Stale: passed by an answer \
             that should have been asked for again; signature: by the signature alone. While the \
             auth service is down it cannot count; those are refused connections.\n",
            millis(lags.get(lags.len() * 99 / 100).copied().unwrap_or(0)),
            millis(lags.last().copied().unwrap_or(0)),
        )
        .unwrap();
        text.push_str(&self.recovery_table());
        text.push('\n');
        for refusal in self.calls.refusals.iter().chain(&self.journal.refusals) {
            writeln!(text, "refused: {refusal}").unwrap();
        }
        for Verdict { what, found, holds, .. } in self.verdicts() {
            let word = if holds { "holds" } else { "does not hold" };
            writeln!(text, "- {word}: {what}: {found}").unwrap();
        }
        text
    }

    fn table(&self) -> String {
        let mut text =
            "| phase | s | requests | refused | normal | stale | signature | p50 | p99 | max | \
                        calls | busy |\n\
                        |--|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
                .to_owned();
        for row in self.rows() {
            let Row { name, phase, summary, is_whole } = &row;
            let Summary { requests, refused, normal, stale, signature, .. } = summary;
            let [p50, p99] = [50, 99].map(|percent| millis(summary.percentile(percent)));
            let max = millis(summary.max());
            write!(
                text,
                "| {name} | {} | {requests} | {refused} | {normal} | {stale} | {signature} | {p50} | \
                 {p99} | {max} |",
                if *is_whole { seconds(phase.duration()) } else { String::new() },
            )
            .unwrap();
            if *is_whole {
                let busy = phase.computed.as_secs_f64() / phase.duration().as_secs_f64();
                writeln!(text, " {} | {busy:.2} |", calls_of(phase)).unwrap();
            } else {
                text.push_str(" | |\n");
            }
        }
        text
    }

    fn recovery_table(&self) -> String {
        let mut text =
            "| outage | lasted, s | breakers closed after, s | last degraded permit after, s | \
                        degraded in the 10 s after that |\n\
                        |--|--:|--:|--:|--:|\n"
                .to_owned();
        for Recovery { of, outage, closed, last_degraded, degraded_afterwards } in self.recoveries()
        {
            let closed = closed.map(|after| after.map_or_else(|| "never".to_owned(), seconds));
            writeln!(
                text,
                "| {of} | {} | {} | {} | {degraded_afterwards} |",
                seconds(outage),
                closed.join(", "),
                last_degraded.map_or_else(|| "none".to_owned(), seconds),
            )
            .unwrap();
        }
        text.push_str(
            "\nSince the auth service worked again. Each failed probe doubles the time until the next \
             one, from 2 s to 300 s, with jitter: the longer an outage was, the longer recovery can \
             take, after 30 s or more about one and a half times as long at the most.\n",
        );
        text
    }

    /// The phases; an outage also in two parts, before and after the breaker of each isolate opened.
    fn rows(&self) -> Vec<Row<'_>> {
        let mut rows = Vec::new();
        for phase in &self.phases {
            let summary = self.journal.summary(|entry| self.is_of(phase, entry));
            rows.push(Row { name: phase.name.to_owned(), phase, summary, is_whole: true });
            if phase.is_outage() {
                for (is_open, words) in [(false, "breaker closed"), (true, "breaker opened")] {
                    let summary = self.around_opening(phase, is_open);
                    let name = format!("{}, {words}", phase.name);
                    rows.push(Row { name, phase, summary, is_whole: false });
                }
            }
        }
        rows
    }

    /// The requests of an outage that were due before or after the breaker of their isolate was
    /// first seen open.
    fn around_opening(&self, phase: &Phase, is_open: bool) -> Summary {
        let opened = self.opened(phase);
        let was_open = |entry: &Entry| opened[entry.isolate].is_some_and(|at| at <= entry.due);
        self.journal.summary(|entry| self.is_of(phase, entry) && was_open(entry) == is_open)
    }

    /// How many requests of an outage waited for the auth service though their breaker had opened:
    /// while calls from before that were still under way, and later.
    fn waited_after_opening(&self, phase: &Phase) -> [usize; 2] {
        let opened = self.opened(phase);
        let mut waited = [0; 2];
        for entry in self.journal.entries.iter().filter(|entry| self.is_of(phase, entry)) {
            let opened = opened[entry.isolate].filter(|at| *at <= entry.due);
            if let Some(opened) = opened
                && entry.latency() > WAITED_US
            {
                waited[usize::from(entry.due - opened > TIMEOUT)] += 1;
            }
        }
        waited
    }

    /// When the breaker of each isolate was first seen open in an outage.
    fn opened(&self, phase: &Phase) -> [Option<Instant>; ISOLATES] {
        let opened = |isolate| self.breakers.opened(isolate, phase.begin, phase.end);
        std::array::from_fn(opened)
    }

    fn is_of(&self, phase: &Phase, entry: &Entry) -> bool {
        self.phase_of(entry).is_some_and(|its| its.name == phase.name)
    }

    fn recoveries(&self) -> Vec<Recovery> {
        let recovery = |[outage, recovery, afterwards]: [&'static str; 3]| {
            let [during, recovery, afterwards] =
                [outage, recovery, afterwards].map(|name| self.phase(name));
            let changes = self.breakers.changes(during.begin, recovery.end);
            let closed = std::array::from_fn(|isolate| {
                let last = changes.iter().rfind(|change| change.isolate == isolate)?;
                (last.state == CLOSED).then(|| last.at.saturating_duration_since(recovery.begin))
            });
            let degraded = |phase: &Phase| {
                let all = self.journal.entries.iter();
                let degraded = all.filter(|entry| entry.is_degraded() && self.is_of(phase, entry));
                degraded.map(|entry| entry.due).collect::<Vec<_>>()
            };
            Recovery {
                of: outage,
                outage: during.duration(),
                closed,
                last_degraded: degraded(recovery).into_iter().max().map(|at| at - recovery.begin),
                degraded_afterwards: degraded(afterwards).len(),
            }
        };
        [phases::DOWN, phases::HANG].map(recovery).into()
    }

    fn phase(&self, name: &str) -> &Phase {
        self.phases.iter().find(|phase| phase.name == name).expect("it was played")
    }

    fn phase_of(&self, entry: &Entry) -> Option<&Phase> {
        phases::of_request(&self.phases, entry)
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let Calls { requests, asked, refusals, .. } = &self.calls;
        let load = self.journal.summary(|entry| self.phase_of(entry).is_some());
        let refused = load.refused + refusals.len();
        let recoveries = self.recoveries();
        let closed = recoveries.iter().all(|recovery| recovery.closed.iter().all(Option::is_some));
        let degraded: usize = recoveries.iter().map(|recovery| recovery.degraded_afterwards).sum();
        let mut verdicts = vec![
            Verdict {
                what: format!(
                    "at least {} % fewer calls of the auth service than requests",
                    100 - MOST_CALLS_PERCENT
                ),
                found: format!("{asked} for {requests}"),
                holds: asked * 100 <= requests * MOST_CALLS_PERCENT,
                is_vital: true,
            },
            Verdict {
                what: "no valid request is refused".to_owned(),
                found: format!("{refused} of {} were", requests + load.requests),
                holds: refused == 0,
                is_vital: true,
            },
        ];
        verdicts.extend(self.latency_verdicts());
        verdicts.push(Verdict {
            what: "all breakers open, and close again by themselves".to_owned(),
            found: if closed { "they did" } else { "one did not" }.to_owned(),
            holds: closed,
            is_vital: true,
        });
        verdicts.push(Verdict {
            what: "afterwards no permit is degraded".to_owned(),
            found: format!("{degraded} were"),
            holds: degraded == 0,
            is_vital: false,
        });
        verdicts
    }

    fn latency_verdicts(&self) -> Vec<Verdict> {
        let normal = self.phase(phases::NORMAL);
        let normal = self.journal.summary(|entry| self.is_of(normal, entry)).percentile(99);
        let mut verdicts = Vec::new();
        for name in [phases::DOWN[0], phases::HANG[0]] {
            let [closed, open] =
                [false, true].map(|is_open| self.around_opening(self.phase(name), is_open));
            let most = normal + MOST_WAIT_US;
            verdicts.push(Verdict {
                what: format!(
                    "{name}, breaker closed: no request takes longer than 100 ms and p99 of normal \
                     ({} ms)",
                    millis(most)
                ),
                found: format!("at most {} ms", millis(closed.max())),
                holds: closed.max() <= most,
                is_vital: false,
            });
            let [first, later] = self.waited_after_opening(self.phase(name));
            let most = normal + normal * SLACK_PERCENT / 100;
            verdicts.push(Verdict {
                what: format!(
                    "{name}, breaker opened: p99 as in normal ({} ms, at most {SLACK_PERCENT} % more)",
                    millis(normal)
                ),
                found: format!(
                    "{} ms; of {} requests {} took longer than {DEGRADE_AFTER_MS} ms, {} of them in \
                     the first second",
                    millis(open.percentile(99)),
                    open.requests,
                    first + later,
                    first,
                ),
                holds: open.percentile(99) <= most,
                is_vital: false,
            });
        }
        verdicts
    }

    /// Writes target/bench/outage.json.
    pub fn save(&self) {
        let directory = root().join("target/bench");
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join("outage.json");
        fs::write(&file, serde_json::to_string_pretty(&self.json()).unwrap()).unwrap();
        println!("\n{}", file.display());
    }

    fn json(&self) -> Value {
        let recovery = |recovery: Recovery| {
            json!({
                "outage": recovery.of,
                "outage_seconds": recovery.outage.as_secs_f64(),
                "closed_after_seconds": recovery.closed.map(|after| after.map(|it| it.as_secs_f64())),
                "last_degraded_after_seconds": recovery.last_degraded.map(|it| it.as_secs_f64()),
                "degraded_afterwards": recovery.degraded_afterwards,
            })
        };
        let verdict = |Verdict { what, found, holds, is_vital }| json!({ "what": what, "found": found, "holds": holds, "vital": is_vital });
        let mut results = self.facts.clone();
        results["outage"] = json!({
            "isolates": ISOLATES,
            "v8_flags": V8_FLAGS,
            "requests_per_second": self.rate,
            "calls": self.calls,
            "phases": self.phases.iter().map(|phase| self.phase_json(phase)).collect::<Vec<_>>(),
            "recoveries": self.recoveries().into_iter().map(recovery).collect::<Vec<_>>(),
            "refusals": self.journal.refusals,
            "verdicts": self.verdicts().into_iter().map(verdict).collect::<Vec<_>>(),
        });
        results
    }

    fn phase_json(&self, phase: &Phase) -> Value {
        let is_here = |entry: &Entry| self.is_of(phase, entry);
        let of = |kind| self.journal.summary(|entry| is_here(entry) && entry.kind == kind).json();
        let changes = self.breakers.changes(phase.begin, phase.end);
        let changes = changes.into_iter().map(|change| {
            json!({
                "seconds": (change.at - phase.begin).as_secs_f64(),
                "isolate": change.isolate,
                "state": change.state,
            })
        });
        let degraded = self.journal.entries.iter().filter(|entry| {
            is_here(entry) && entry.is_degraded() && phases::WORKING.contains(&phase.name)
        });
        let degraded = degraded.map(|entry| {
            json!({
                "due_seconds": (entry.due - phase.begin).as_secs_f64(),
                "latency_seconds": (entry.done - entry.due).as_secs_f64(),
                "isolate": entry.isolate,
                "mode": entry.mode.and_then(Mode::name),
            })
        });
        let mut report = json!({
            "name": phase.name,
            "seconds": phase.duration().as_secs_f64(),
            "calls": phase.calls,
            "refused_connections": phase.refused_connections,
            "processor_seconds": phase.computed.as_secs_f64(),
            "all": self.journal.summary(is_here).json(),
            "known": of(Kind::Known),
            "new": of(Kind::New),
            "breakers": changes.collect::<Vec<_>>(),
            "degraded_without_an_outage": degraded.collect::<Vec<_>>(),
        });
        if phase.is_outage() {
            let [at_once, later] = self.waited_after_opening(phase);
            report["breaker_closed"] = self.around_opening(phase, false).json();
            report["breaker_opened"] = self.around_opening(phase, true).json();
            report["waited_after_opening"] = json!({ "first_second": at_once, "later": later });
        }
        report
    }
}

/// The calls of the auth service, answered or not.
fn calls_of(phase: &Phase) -> String {
    match phase.refused_connections {
        Some(refused) if phase.name == phases::DOWN[0] => format!("{refused} refused"),
        _ => phase.calls.to_string(),
    }
}

fn percent(part: usize, whole: usize) -> String {
    let hundredths = part * 10_000 / whole;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn millis(micros: u64) -> String {
    format!("{}.{:02}", micros / 1_000, micros % 1_000 / 10)
}

fn seconds(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64())
}
