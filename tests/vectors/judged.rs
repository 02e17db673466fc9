//! What a vector expects, and how it compares with what the probe says.

use std::fmt;

use serde_json::Value;

use super::probe::{Case, Probe};

/// What must come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The signature is right.
    Accepted,
    /// The key is usable and the signature is wrong.
    Rejected,
    /// The key is against our policy, at all or for this algorithm.
    Unusable,
}

/// A case with its name and expectation.
pub struct Vector {
    /// Whatever finds it in its source.
    pub name: String,
    pub case: Case,
    pub expected: Expected,
}

/// How many vectors came out which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub accepted: usize,
    pub rejected: usize,
    pub unusable: usize,
}

impl Expected {
    /// The exact reason counts: a signature that is refused for another one proves nothing.
    pub fn of(verdict: &str) -> Option<Self> {
        match verdict {
            "accepted" => Some(Self::Accepted),
            "rejected: bad_signature" => Some(Self::Rejected),
            "rejected: unknown_key" => Some(Self::Unusable),
            other => other.starts_with("key refused: ").then_some(Self::Unusable),
        }
    }
}

/// Asks the probe about all of them and fails with every one that came out otherwise.
pub async fn judge(probe: &Probe, vectors: &[Vector]) -> Tally {
    let cases: Vec<&Case> = vectors.iter().map(|vector| &vector.case).collect();
    let verdicts = verdicts(probe.ask("verify", &cases).await);
    assert_eq!(verdicts.len(), vectors.len());
    let mut tally = Tally::default();
    let mut failures = Vec::new();
    for (vector, verdict) in vectors.iter().zip(&verdicts) {
        if Expected::of(verdict) == Some(vector.expected) {
            *match vector.expected {
                Expected::Accepted => &mut tally.accepted,
                Expected::Rejected => &mut tally.rejected,
                Expected::Unusable => &mut tally.unusable,
            } += 1;
        } else {
            let Vector { name, expected, .. } = vector;
            failures.push(format!("{name}: expected {expected:?}, found {verdict}"));
        }
    }
    none_of(&failures);
    tally
}

/// The verdicts of an answer.
pub fn verdicts(answer: Value) -> Vec<String> {
    serde_json::from_value(answer).expect("a list of verdicts")
}

/// Fails with the whole list, if there is one.
#[track_caller]
pub fn none_of(failures: &[String]) {
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, rejected, unusable } = self;
        write!(formatter, "{accepted} accepted, {rejected} rejected, {unusable} keys unusable")
    }
}
