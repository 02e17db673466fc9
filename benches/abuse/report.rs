//! What abuse has cost, as tables with what had to hold, and as a file.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::COOLDOWN;
use super::crowd::{OTHERS, Others, Outcome, USERS};
use super::kinds::Kind;
use super::memory::{Flood, Look};
use super::workerd::root;

/// What users must have left beside abuse, of what they have beside as many who are welcome.
const LEAST: f64 = 0.9;
/// How many wrong answers are shown.
const EXAMPLES: usize = 5;

/// What came of some others in one round.
pub struct Row {
    pub round: u32,
    pub others: Others,
    pub outcome: Outcome,
}

/// All that was measured.
pub struct Report {
    /// Machine, time, commit and versions.
    pub facts: Value,
    pub rows: Vec<Row>,
    /// How often the issuer that publishes was asked for its keys, and in which time.
    pub asked: (usize, Duration),
    pub flood: Flood,
    /// How often an auth service was asked about tokens meanwhile.
    pub asked_about: usize,
}

/// Something that had to hold.
struct Verdict {
    what: String,
    found: String,
    /// Nothing where it is not in the hands of the gate, or known not to hold: it is said, and that is all.
    holds: Option<bool>,
}

pub fn name(others: Others) -> String {
    match others {
        Others::Nobody => "nobody".to_owned(),
        Others::Idle => "nothing".to_owned(),
        Others::Send(kind) => kind.name(),
        Others::Drip => "a byte every half a second".to_owned(),
        Others::Huge => "a header of a mebibyte, each on a new connection".to_owned(),
    }
}

impl Report {
    pub fn is_right(&self) -> bool {
        self.verdicts().iter().all(|verdict| verdict.holds != Some(false))
    }

    /// Tables and verdicts, in Markdown.
    pub fn text(&self) -> String {
        let rounds = self.rows.iter().map(|row| row.round).max().unwrap_or_default() + 1;
        let mut text = format!(
            "\n{USERS} users in a closed loop, beside {OTHERS} others. {}. Medians of {rounds} rounds.\n\n\
             | the others send | users, requests/s | part of the reference | others, requests/s | the others get |\n\
             |--|--:|--:|--:|--|\n",
            self.facts["machine"]["pinning"].as_str().unwrap_or_default(),
        );
        for others in self.all_others() {
            let of =
                |part: fn(&Outcome) -> f64| median(self.of(others).map(|row| part(&row.outcome)));
            let part = self.part(others).map_or_else(String::new, |part| format!("{part:.2}"));
            writeln!(
                text,
                "| {} | {:.0} | {part} | {:.0} | {} |",
                name(others),
                of(|outcome| outcome.users),
                of(|outcome| outcome.others),
                self.answers(others),
            )
            .unwrap();
        }
        text.push_str("\n| requests | wasm memory, MiB | workerd, MiB | tokens in the cache |\n|--:|--:|--:|--:|\n");
        for Look { requests, wasm_bytes, resident_bytes, cached } in &self.flood.looks {
            let [wasm, resident] = [*wasm_bytes, *resident_bytes].map(mebibytes);
            writeln!(text, "| {requests} | {wasm} | {resident} | {cached} |").unwrap();
        }
        text.push('\n');
        let wrong = self.rows.iter().flat_map(|row| &row.outcome.wrong);
        for example in wrong.chain(&self.flood.wrong).take(EXAMPLES) {
            writeln!(text, "wrong answer: {example}").unwrap();
        }
        for Verdict { what, found, holds } in self.verdicts() {
            let word = match holds {
                Some(true) => "holds",
                Some(false) => "MISSED",
                None => "exempt",
            };
            writeln!(text, "- {word}: {what}: {found}").unwrap();
        }
        text
    }

    /// Writes target/bench/abuse.json.
    pub fn save(&self) {
        let rows = self.rows.iter().map(|Row { round, others, outcome }| {
            json!({
                "round": round,
                "others": name(*others),
                "users_per_second": outcome.users,
                "others_per_second": outcome.others,
                "answers": outcome.answers,
                "wrong": outcome.wrong.len(),
            })
        });
        let all = json!({
            "facts": self.facts,
            "rows": rows.collect::<Vec<_>>(),
            "keys_fetched": self.asked.0,
            "seconds": self.asked.1.as_secs_f64(),
            "flood": self.flood.json(),
            "asked_about": self.asked_about,
        });
        let directory = root().join("target/bench");
        fs::create_dir_all(&directory).expect("a directory");
        fs::write(directory.join("abuse.json"), format!("{all:#}\n")).expect("it is written");
    }

    fn all_others(&self) -> impl Iterator<Item = Others> {
        self.rows.iter().filter(|row| row.round == 0).map(|row| row.others)
    }

    fn of(&self, others: Others) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.others == others)
    }

    /// What users had, as a part of what they had in the same round beside the reference.
    fn part(&self, others: Others) -> Option<f64> {
        let reference = match others {
            Others::Nobody => return None,
            Others::Idle | Others::Drip | Others::Huge => Others::Idle,
            Others::Send(_) => Others::Send(Kind::REFERENCE),
        };
        let rounds = self.of(others).zip(self.of(reference));
        Some(median(rounds.map(|(row, reference)| row.outcome.users / reference.outcome.users)))
    }

    fn answers(&self, others: Others) -> String {
        let mut sum = std::collections::BTreeMap::<&str, u64>::new();
        for (answer, count) in self.of(others).flat_map(|row| &row.outcome.answers) {
            *sum.entry(answer).or_default() += count;
        }
        let all: Vec<_> = sum.iter().map(|(answer, count)| format!("{count} × {answer}")).collect();
        all.join(", ")
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let worst = |least: f64, which: &dyn Fn(Others) -> bool| {
            let parts = self.all_others().filter(|others| which(*others));
            let parts = parts.filter_map(|others| Some((self.part(others)?, name(others))));
            let worst = parts.min_by(|(one, _), (other, _)| one.total_cmp(other)).expect("some");
            (worst.0 >= least, format!("{:.2} ({})", worst.0, worst.1))
        };
        let (sent_holds, sent) =
            worst(LEAST, &|others| matches!(others, Others::Send(kind) if !kind.is_dear()));
        let (_, dear) =
            worst(LEAST, &|others| matches!(others, Others::Send(kind) if kind.is_dear()));
        let (stuck_holds, stuck) = worst(LEAST, &|others| others == Others::Drip);
        let (_, huge) = worst(LEAST, &|others| others == Others::Huge);
        let wrong: usize = self.rows.iter().map(|row| row.outcome.wrong.len()).sum();
        let (asked, time) = self.asked;
        let most = time.as_secs() / COOLDOWN.as_secs() + 1;
        let [wasm, resident] =
            self.flood.growth().map(|growth| format!("{:+.1} %", 100.0 * growth));
        let verdict = |what: String, found, holds| Verdict { what, found, holds: Some(holds) };
        let exempt = |what: &str, found| Verdict { what: what.to_owned(), found, holds: None };
        vec![
            verdict(
                "beside bad tokens, but of ES384 and ES512, users have nine tenths of what they have beside as many good ones".to_owned(),
                sent,
                sent_holds,
            ),
            exempt("beside forged tokens of ES384 and ES512, whose verification is dear", dear),
            verdict(
                "beside heads that never end, they have nine tenths of what they have beside idle connections".to_owned(),
                stuck,
                stuck_holds,
            ),
            exempt(
                "beside headers of a mebibyte, which the runtime reads and refuses before there is a request to decide about",
                huge,
            ),
            verdict("wrong answers".to_owned(), wrong.to_string(), wrong == 0),
            verdict(
                format!("the issuer was asked for its keys no more than {most} times in {} s", time.as_secs()),
                asked.to_string(),
                asked as u64 <= most,
            ),
            verdict(
                format!("memory after {} requests, against that after a quarter", self.flood.requests),
                format!("wasm {wasm}, workerd {resident}"),
                self.flood.is_flat(),
            ),
            verdict(
                "wrong answers to these".to_owned(),
                self.flood.wrong.len().to_string(),
                self.flood.wrong.is_empty(),
            ),
            verdict(
                "the auth service was asked about opaque tokens among them, or all of it says nothing about that".to_owned(),
                format!("{} times", self.asked_about),
                self.asked_about > 0,
            ),
        ]
    }
}

fn median(all: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = all.collect();
    all.sort_unstable_by(f64::total_cmp);
    all[all.len() / 2]
}

fn mebibytes(bytes: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "shown with one digit")]
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    format!("{mebibytes:.1}")
}
