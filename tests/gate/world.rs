//! What is around a gate: time, an auth service and a KV namespace, in memory.

use std::collections::{BTreeMap, BTreeSet};

use edgeward::core::denial::Reason;
use edgeward::core::introspection::Silence;
use edgeward::core::mode::Mode;
use edgeward::core::request::RequestHead;
use edgeward::gate::{Decision, Findings, Gate, KvChange, Question, Stored};
use serde_json::{Map, Value};

use crate::fixture::{NOW, untraced, with_token};
use crate::native::NativeCrypto;
use crate::revocations::Hub;

/// Everything that a gate can ask.
#[derive(Clone)]
pub struct World {
    /// In milliseconds.
    pub now: i64,
    pub service: Service,
    /// Values, and until when they are there.
    pub kv: BTreeMap<String, (Vec<u8>, i64)>,
    pub kv_changes: usize,
    /// All that was ever there, in its order, for who has read it in time.
    pub kv_history: Vec<(String, Vec<u8>)>,
    /// How long a look takes, in milliseconds.
    pub kv_takes_ms: i64,
    pub hub: Hub,
    /// Whether a relay answers.
    pub has_relay: bool,
}

/// The auth service.
#[derive(Clone, Default)]
pub struct Service {
    pub state: State,
    /// Tokens that it does not call active any more.
    pub withdrawn: BTreeSet<String>,
    /// What it said last about each token, and when, in seconds.
    pub last_word: BTreeMap<String, (bool, i64)>,
    /// When it last called each token active, in seconds.
    pub last_active: BTreeMap<String, i64>,
    pub calls: usize,
    /// What it says about active tokens.
    pub claims: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    #[default]
    Up,
    /// It fails at once.
    Down,
    /// No answer comes in time.
    Hanging,
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Permitted { mode: Mode, edits: String },
    Denied(Reason),
}

impl World {
    /// Everything works, and it is the time of all tests.
    pub fn new(claims: Value) -> Self {
        let Value::Object(claims) = claims else { panic!("not an object") };
        let service = Service { claims, ..Service::default() };
        Self {
            now: NOW * 1_000,
            service,
            kv: BTreeMap::new(),
            kv_changes: 0,
            kv_history: Vec::new(),
            kv_takes_ms: 0,
            hub: Hub::default(),
            has_relay: true,
        }
    }

    /// The time in seconds.
    pub fn seconds(&self) -> i64 {
        self.now.div_euclid(1_000)
    }

    /// Somebody writes to KV, and wants it to stay there.
    pub fn put(&mut self, kv_key: &str, value: &[u8]) {
        self.kv.insert(kv_key.to_owned(), (value.to_vec(), i64::MAX));
    }

    /// Sends a request with this token through the gate, and answers all that it asks.
    pub fn present(&mut self, gate: &Gate<NativeCrypto>, token: &str) -> Outcome {
        self.present_at(gate, "/", token)
    }

    /// As [`World::present`], for a path.
    pub fn present_at(&mut self, gate: &Gate<NativeCrypto>, path: &str, token: &str) -> Outcome {
        let packed = with_token(token).replacen("/\n", &format!("{path}\n"), 1);
        let head = RequestHead::unpack(&packed);
        let mut findings = Findings::default();
        // More questions than there are kinds of them would be a circle.
        for _ in 0..6 {
            let decision = gate.decide(&head, self.now, &mut findings);
            if let Some(change) = findings.take_change() {
                self.apply(change);
            }
            match decision {
                Ok(Decision::Forward(permit)) => {
                    if gate.take_list_due() {
                        self.refresh_list(gate);
                    }
                    let edits = untraced(permit.edits());
                    return Outcome::Permitted { mode: permit.mode(), edits };
                }
                Ok(Decision::Ask(question)) => self.answer(gate, question, &mut findings),
                Ok(other) => panic!("{other:?}"),
                Err(denial) => return Outcome::Denied(denial.reason),
            }
        }
        panic!("it goes on asking");
    }

    fn answer(&mut self, gate: &Gate<NativeCrypto>, question: Question, findings: &mut Findings) {
        match question {
            Question::Stored(lookup) => {
                let most_ms = gate.settings().validation_cache_timeout_ms;
                let most_ms = lookup.patience_ms().map_or(most_ms, |it| it.min(most_ms));
                let is_late = self.kv_takes_ms > i64::from(most_ms);
                self.now += self.kv_takes_ms.min(most_ms.into());
                let found = self.kv.get(lookup.kv_key()).filter(|(_, until)| self.now < *until);
                let value = match found {
                    _ if is_late => Stored::Late,
                    Some((value, _)) => Stored::Found(value),
                    None => Stored::Absent,
                };
                gate.hear_stored(&lookup, value, findings, self.now);
            }
            Question::Verdict(inquiry) => {
                let call = gate.service_call(&inquiry, self.now).unwrap();
                let token = inquiry.token().to_owned();
                self.service.calls += 1;
                let mut waits = true;
                let reply = match self.service.state {
                    State::Up => {
                        let active = !self.service.withdrawn.contains(&token);
                        self.service.last_word.insert(token.clone(), (active, self.seconds()));
                        if active {
                            self.service.last_active.insert(token, self.seconds());
                        }
                        let mut answer = self.service.claims.clone();
                        answer.insert("active".to_owned(), active.into());
                        Ok((200, Value::Object(answer).to_string().into_bytes()))
                    }
                    State::Down => Err(Silence::Unreachable),
                    State::Hanging => {
                        let patience_ms = inquiry.patience_ms();
                        waits = patience_ms.is_none();
                        self.now += i64::from(patience_ms.unwrap_or(call.timeout_ms));
                        Err(Silence::TimedOut)
                    }
                };
                let mut told = gate.hear_verdict(inquiry, reply, self.now);
                if let Some(change) = told.change.take() {
                    self.apply(change);
                }
                if waits {
                    findings.learn(told);
                } else {
                    findings.stop_waiting();
                }
            }
            Question::Revocations(_) => {
                self.refresh_list(gate);
                findings.list_was_sought();
            }
            other @ (Question::Keys(_) | Question::Moment(_)) => panic!("{other:?}"),
        }
    }

    fn refresh_list(&self, gate: &Gate<NativeCrypto>) {
        if self.has_relay {
            self.hub.refresh(gate, self.now, 0);
        } else {
            gate.begin_list(self.now);
            gate.list_was_not_refreshed(self.now);
        }
    }

    fn apply(&mut self, change: KvChange) {
        self.kv_changes += 1;
        match change {
            KvChange::Put { kv_key, value, ttl_seconds } => {
                assert!(ttl_seconds >= 60, "KV takes no shorter life");
                self.kv_history.push((kv_key.clone(), value.clone()));
                self.kv.insert(kv_key, (value, self.now + i64::from(ttl_seconds) * 1_000));
            }
            KvChange::Delete(kv_key) => drop(self.kv.remove(&kv_key)),
        }
    }
}
