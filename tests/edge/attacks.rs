//! Hostile input, class by class, against the built Worker: nothing gets in, and nothing falls over.
//!
//! The other modules establish what a rule is. These go over as many inputs of a class as somebody might
//! invent, with caches cold and warm, and hold the origin's record against what was sent. What the runtime
//! refuses before the Worker sees it is here, too, as it answers today.

mod admin;
mod claims;
mod confusion;
mod credentials;
mod floods;
mod handshakes;
mod headers;
mod http;
mod jose;
mod json;
mod keys;
mod largest;
mod many;
mod paths;
mod published;
mod tokens;

use std::{collections::BTreeMap, time::Duration};

use super::harness::{
    client::Request,
    mint::{self, base64url, claims as good_claims, claims_with, now, raw_token},
    *,
};

/// What each fault of a token is to the client.
const INVALID_TOKEN: (u16, &str) = (401, "invalid_token");
/// A request that cannot be meant.
const INVALID_REQUEST: (u16, &str) = (400, "invalid_request");
/// Nothing that counts as credentials.
const MISSING_TOKEN: (u16, &str) = (401, "missing_token");

/// A gate that is attacked, and the record of what became of each attempt. Everything is tried before
/// anything is asserted, so that a failure shows every attempt that succeeded.
struct Siege {
    origin: Origin,
    gate: Gate,
    /// How many requests had to pass.
    permitted: usize,
    /// What had to be refused, by its failure id: what it was, and why it had to be.
    refused: BTreeMap<String, (String, &'static str)>,
    wrong: Vec<String>,
    /// A second of the clock, and how many refusals there were in it.
    pace: (i64, usize),
}

/// Of each refusal there is a line in the log: a little less than may be written in a second.
const REFUSALS_PER_SECOND: usize = 900;

impl Siege {
    async fn of(setup: impl FnOnce(Setup) -> Setup) -> Self {
        let origin = Origin::start().await;
        // Each refusal is looked up in the log.
        let setup = setup(Setup::new(&origin).set("log.lines_per_second", 1_000));
        let gate = Gate::start(setup).await;
        let (refused, wrong) = (BTreeMap::new(), Vec::new());
        Self { origin, gate, permitted: 0, refused, wrong, pace: (0, 0) }
    }

    /// Sends what has to reach the origin, once.
    async fn passes(&mut self, name: &str, request: &Request) -> Option<Seen> {
        self.permitted += 1;
        let before = self.origin.count();
        let reply = client::try_raw(self.gate.addr, &request.bytes()).await;
        let status = reply.as_ref().map_or(0, |reply| reply.status);
        if status == 200 && self.origin.count() == before + 1 {
            return Some(self.origin.last());
        }
        self.wrong.push(format!("{name}: has to pass, got {reply:?}"));
        None
    }

    /// Sends what must not reach the origin, and must be refused in this way, for this reason.
    async fn refuses(
        &mut self,
        name: &str,
        request: &Request,
        (status, code): (u16, &str),
        reason: &'static str,
    ) {
        while self.pace == (now(), REFUSALS_PER_SECOND) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if self.pace.0 != now() {
            self.pace = (now(), 0);
        }
        self.pace.1 += 1;
        let before = self.origin.count();
        let reply = match client::try_raw(self.gate.addr, &request.bytes()).await {
            Ok(reply) => reply,
            Err(error) => return self.wrong.push(format!("{name}: no answer: {error}")),
        };
        if self.origin.count() != before {
            self.wrong.push(format!("{name}: reached the origin as {:?}", self.origin.last()));
        }
        if reply.verdict() != (status, code.to_owned()) {
            self.wrong.push(format!("{name}: {} {}", reply.status, reply.text()));
        }
        if !reply.is_challenged() {
            self.wrong.push(format!("{name}: no challenge of a bearer: {:?}", reply.headers));
        }
        if let Some(id) = reply.json()["failure_id"].as_str() {
            self.refused.insert(id.to_owned(), (name.to_owned(), reason));
        }
    }

    /// Presents a token that is no good, before and after the good one that it was made of has been seen.
    async fn refuses_token(
        &mut self,
        name: &str,
        (good, hostile): (&str, &str),
        reason: &'static str,
    ) {
        let request = get("/").bearer(hostile);
        self.refuses(&format!("{name}, cold"), &request, INVALID_TOKEN, reason).await;
        self.passes(name, &get("/").bearer(good)).await;
        self.refuses(&format!("{name}, warm"), &request, INVALID_TOKEN, reason).await;
    }

    /// Fails unless each attempt ended as it had to, for its reason; what was counted is counted by one
    /// isolate from the first attempt to the last; and the origin got what had to pass and nothing else.
    async fn must_have_held(self) {
        let Self { origin, gate, permitted, refused, mut wrong, pace: _ } = self;
        let mut reasons = BTreeMap::new();
        eventually("all refusals are in the log", async || {
            let log = gate.log();
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            reasons = lines
                .filter_map(|line| {
                    let text = |name: &str| line[name].as_str().map(str::to_owned);
                    Some((text("failure_id")?, text("reason")?))
                })
                .collect::<BTreeMap<_, _>>();
            reasons.len() >= refused.len()
        })
        .await;
        for (id, (name, expected)) in &refused {
            let found = reasons.get(id).map_or("nothing", String::as_str);
            if found != *expected {
                wrong.push(format!("{name}: refused for {found}, not for {expected}"));
            }
        }
        assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
        let requests = &gate.report().await["requests"];
        let sum = |kind: &str| -> u64 {
            requests[kind].as_object().unwrap().values().filter_map(Value::as_u64).sum()
        };
        // Whom a rule that only records would have refused has passed, too.
        let passed = requests["permitted"].as_u64().unwrap() + sum("shadowed");
        assert_eq!(
            (passed, sum("denied"), origin.count()),
            (permitted as u64, refused.len() as u64, permitted),
            "another isolate, or another count: {requests}"
        );
        gate.must_be_calm();
    }
}

/// A token of the HMAC key with exactly these texts.
fn hmac_token(header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    raw_token(header, claims, |input| mint::HMAC.sign("HS256", input))
}

/// The header of the tokens of the HMAC key.
const HMAC_HEADER: &str = r#"{"alg":"HS256","kid":"hmac"}"#;

/// The parts of a token.
fn parts(token: &str) -> [&str; 3] {
    let parts: Vec<&str> = token.split('.').collect();
    parts.try_into().unwrap()
}
