//! A gate of a configuration as it stands in a guide, and what becomes of requests to it.

use std::collections::BTreeMap;

use edgeward::core::denial::Reason;
use edgeward::core::request::RequestHead;
use edgeward::gate::{Bindings, Decision, Findings, Gate, Question, Stored};
use serde_json::{Value, json};

use crate::native::{NativeCrypto, encode, engine};

/// The time of all tests.
pub const NOW: i64 = 1_800_000_000;

/// A gate, and what is around it.
pub struct Guarded {
    pub gate: Gate<NativeCrypto>,
    /// What each issuer publishes.
    pub published: Vec<Value>,
    /// What an auth service says about any token.
    pub verdict: Value,
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The edits, as the platform gets them.
    Permitted(String),
    /// It goes to the origin, and only a rule that records it would have denied it.
    Shadowed(Reason),
    Denied(Reason),
}

/// Boots what stands in a block of `wrangler.toml`, with the code that boots the Worker. `secrets` are
/// those that the reader is told to store.
pub fn boot(
    block: &str,
    secrets: &BTreeMap<&str, String>,
) -> Result<Gate<NativeCrypto>, Vec<String>> {
    let file: Value = toml::from_str(block).map_err(|error| vec![error.to_string()])?;
    let vars = file["vars"].as_object().expect("[vars]");
    let text = |name: &str| match vars.get(name) {
        Some(variable) => variable.as_str().map(str::to_owned),
        None => secrets.get(name).cloned(),
    };
    let bindings = Bindings { has_kv: true, ..Bindings::default() };
    Gate::boot(&vars["AUTH"].to_string(), &text, bindings, engine())
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// The secrets that do not depend on an issuer.
pub fn own_secrets() -> BTreeMap<&'static str, String> {
    let key = json!({ "kty": "oct", "k": encode(&[7; 32]) });
    BTreeMap::from([
        ("ASSERTION_KEY", key.to_string()),
        ("INTROSPECTION_SECRET", "a-password-of-the-gate".to_owned()),
    ])
}

impl Guarded {
    /// Sends a packed request head, and answers all that the gate asks.
    pub fn send(&self, packed: &str) -> Outcome {
        let (head, now) = (RequestHead::unpack(packed), NOW * 1_000);
        let mut findings = Findings::default();
        // More questions than there are kinds of them would be a circle.
        for _ in 0..6 {
            match self.gate.decide(&head, now, &mut findings) {
                Ok(Decision::Forward(permit)) => {
                    return match permit.shadowed() {
                        Some(denial) => Outcome::Shadowed(denial.reason),
                        None => Outcome::Permitted(permit.edits().to_owned()),
                    };
                }
                Ok(Decision::Ask(Question::Keys(provider))) => {
                    self.gate.begin_keys(provider, now);
                    let set = self.published[provider].to_string().into_bytes();
                    self.gate.hear_keys(provider, Ok((200, set)), now).expect("a key set");
                    findings.keys_were_fetched();
                }
                Ok(Decision::Ask(Question::Stored(lookup))) => {
                    self.gate.hear_stored(&lookup, Stored::Absent, &mut findings, now);
                }
                Ok(Decision::Ask(Question::Verdict(inquiry))) => {
                    self.gate.service_call(&inquiry, now).expect("a call");
                    let answer = self.verdict.to_string().into_bytes();
                    findings.learn(self.gate.hear_verdict(inquiry, Ok((200, answer)), now));
                }
                Ok(other) => panic!("{other:?}"),
                Err(denial) => return Outcome::Denied(denial.reason),
            }
        }
        panic!("it goes on asking");
    }
}
