//! One gate, its issuer, and requests to it.

use std::collections::BTreeMap;

use edgeward::core::denial::Reason;
use edgeward::core::problem::Problem;
use edgeward::core::request::RequestHead;
use edgeward::core::trace::begun_by;
use edgeward::gate::{Bindings, Decision, Findings, Gate};
use serde_json::{Value, json};

use crate::native::{NativeCrypto, Signer, engine, with};

/// The time of all tests that do not say otherwise.
pub const NOW: i64 = 1_800_000_000;

pub const ISSUER: &str = "https://issuer.example";

/// A configuration and its secrets.
#[derive(Clone)]
pub struct Setup {
    pub table: Value,
    pub secrets: BTreeMap<String, String>,
    /// Whether there are Durable Objects for revocations.
    pub has_relays: bool,
    /// Whether there are files of the test page.
    pub has_page: bool,
}

impl Setup {
    /// One provider with the key of `signer`, and no rules.
    pub fn new(algorithms: &[&str], signer: &Signer) -> Self {
        let table = json!({
            "origin": "https://origin.internal",
            "clock_skew_seconds": 0,
            "providers": [{
                "name": "main",
                "issuer": ISSUER,
                "audiences": ["api"],
                "algorithms": algorithms,
                "keys": ["JWT_KEYS"],
            }],
            "forward": { "claim_to_headers": { "X-Auth-Subject": "sub", "X-Auth-Scope": "scope" } },
        });
        let mut setup =
            Self { table, secrets: BTreeMap::new(), has_relays: false, has_page: false };
        setup.secret("JWT_KEYS", &json!({ "keys": [signer.jwk("k1")] }).to_string());
        setup
    }

    pub fn secret(&mut self, name: &str, text: &str) {
        self.secrets.insert(name.to_owned(), text.to_owned());
    }

    /// Merges members into the table.
    pub fn with(mut self, members: Value) -> Self {
        let Value::Object(members) = members else { panic!("not a table") };
        self.table.as_object_mut().unwrap().extend(members);
        self
    }

    pub fn boot(&self) -> Result<Gate<NativeCrypto>, Vec<Problem>> {
        self.boot_with(true)
    }

    fn boot_with(&self, has_kv: bool) -> Result<Gate<NativeCrypto>, Vec<Problem>> {
        let secret = |name: &str| self.secrets.get(name).cloned();
        let Self { has_relays, has_page, .. } = *self;
        let bindings = Bindings { has_kv, has_relays, has_some_relays: false, has_page };
        Gate::boot(&self.table.to_string(), &secret, bindings, engine())
    }

    /// With a KV namespace, or without.
    pub fn gate_with(&self, has_kv: bool) -> Gate<NativeCrypto> {
        self.boot_with(has_kv).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    pub fn gate(&self) -> Gate<NativeCrypto> {
        self.gate_with(true)
    }

    pub fn problems(&self) -> Vec<String> {
        match self.boot() {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Claims that pass every check of [`Setup::new`].
pub fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "api", "sub": "alice", "jti": "t-1", "scope": "read write",
        "iat": NOW - 10, "nbf": NOW - 10, "exp": NOW + 600,
    })
}

/// `claims()` with some members replaced; `null` removes one.
pub fn claims_with(members: Value) -> Value {
    with(&claims(), members)
}

/// What the gate made of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// URL, if it is another one than the client's, and edits but for [`untraced`].
    Permitted(Option<String>, String),
    /// Status of what the gate itself answered.
    Answered(u16),
    Denied(Reason),
}

/// Sends a packed request head through the gate.
pub fn send_at(gate: &Gate<NativeCrypto>, packed: &str, now: i64) -> Outcome {
    let head = RequestHead::unpack(packed);
    match gate.decide(&head, now * 1_000, &mut Findings::default()) {
        Ok(Decision::Forward(permit)) => {
            Outcome::Permitted(permit.url().map(str::to_owned), untraced(permit.edits()))
        }
        Ok(Decision::Answer(response)) => Outcome::Answered(response.status),
        Ok(other) => panic!("{other:?}"),
        Err(denial) => Outcome::Denied(denial.reason),
    }
}

/// Asks a gate that needs to find out nothing for an explanation.
pub fn explain(gate: &Gate<NativeCrypto>, question: &Value) -> Value {
    let head = RequestHead::unpack("POST\nhttps://edge.example/_edgeward/explain");
    let asked = gate
        .explaining(Some(question.to_string().as_bytes()), &head)
        .unwrap_or_else(|refused| panic!("{refused:?}"));
    let answer = gate.explain(&asked, NOW * 1_000, &mut Findings::default()).unwrap();
    assert_eq!(answer.status, 200);
    serde_json::from_str(&answer.body).unwrap()
}

/// Edits without the trace that they begin, which is never the same.
pub fn untraced(edits: &str) -> String {
    assert!(begun_by(edits).is_some(), "{edits}");
    let (before, _) = edits.split_once("traceparent\n").unwrap();
    before.to_owned()
}

/// `GET /` with a bearer token.
pub fn present(gate: &Gate<NativeCrypto>, token: &str) -> Outcome {
    send_at(gate, &with_token(token), NOW)
}

pub fn with_token(token: &str) -> String {
    format!("GET\nhttps://edge.example/\nauthorization\nBearer {token}")
}

impl Outcome {
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Permitted(..) | Self::Answered(_) => None,
            Self::Denied(reason) => Some(*reason),
        }
    }

    pub fn is_permitted(&self) -> bool {
        matches!(self, Self::Permitted(..))
    }
}
