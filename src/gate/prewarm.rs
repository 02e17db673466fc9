//! Pre-warming: tokens are validated into KV ahead of a planned outage or deploy, so that what is
//! known about them is there when nobody can be asked.
//!
//! In scope: the list, its limits, and what becomes of each entry. Out of scope: reading it and
//! answering the questions of its tokens (`crate::edge`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::admin::{json_response, problem_response};
use super::question::{Findings, Question, Stored};
use super::{Gate, Stop};
use crate::core::access::Freshness;
use crate::core::claims::Millis;
use crate::core::config::OnOutage;
use crate::core::denial::TextResponse;
use crate::core::json as strict;
use crate::core::json::object;
use crate::core::sealed::Purpose;
use crate::core::validation::Validation;
use crate::core::verify::SignatureEngine;

/// The longest list that is read, in bytes: room for the most tokens of the default size.
pub const MOST_LIST_BYTES: usize = 1024 * 1024;

/// The most entries of one list. Each costs up to three calls of the platform, which allows a
/// thousand in one request.
const MOST_ENTRIES: usize = 100;

/// How long an isolate takes no other list, for each entry of the last one, in milliseconds: ten
/// entries a second are no flood for an auth service.
const PAUSE_MS_PER_ENTRY: Millis = 100;

/// One entry of the list.
#[derive(Debug, PartialEq, Eq)]
pub enum Order {
    /// A token, to be validated as if it came with a request, but without the help of any cache.
    Token(String),
    /// The KV key of a token that was validated before, to be read: this brings it into the cache
    /// that KV keeps in this place, and tells whether it is good.
    Stored(String),
}

/// What to do next about an entry.
#[derive(Debug)]
pub enum Warming {
    /// Find this out, then ask again.
    Ask(Question),
    /// Nothing; the token is good.
    Good,
    /// Nothing; the token is refused, for this reason.
    Refused(&'static str),
}

/// What became of an entry. The names are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in KV.
    Stored {
        /// When it was validated, in seconds.
        checked_at: i64,
    },
    /// The token is good, and not in KV: the configuration does not keep it, it ends too soon, or
    /// KV did not take it.
    NotStored,
    /// The token would be refused.
    Refused(&'static str),
    /// KV has nothing under this hash, or nothing that counts.
    Absent,
}

impl<E: SignatureEngine> Gate<E> {
    /// Reads a list. The error is the answer to one that is not taken.
    pub fn prewarm(&self, list: Option<&[u8]>, now: Millis) -> Result<Vec<Order>, TextResponse> {
        let Some(list) = list else {
            let detail = format!("the list is longer than {MOST_LIST_BYTES} bytes");
            return Err(problem_response(413, "invalid_request", &detail));
        };
        let orders =
            read(list).map_err(|detail| problem_response(400, "invalid_request", &detail))?;
        let wait = self.prewarm_from.get().saturating_sub(now);
        // More than a whole pause is left only if the clock was set back.
        if wait > 0 && wait <= pause(MOST_ENTRIES) {
            let seconds = wait.saturating_add(999).div_euclid(1_000);
            let detail = format!("the last list was just taken; again in {seconds} s");
            let mut response = problem_response(429, "too_many_requests", &detail);
            response.headers.push(("retry-after", seconds.to_string().into()));
            return Err(response);
        }
        self.prewarm_from.set(now.saturating_add(pause(orders.len())));
        Ok(orders)
    }

    /// Goes on with a token of a list. `findings` begins as [`Findings::insisting`].
    pub fn warm(&self, token: &str, findings: &mut Findings, now: Millis) -> Warming {
        match self.assure(token, |_| OnOutage::Deny, Freshness::Standard, now, findings) {
            Ok(_) => Warming::Good,
            Err(Stop::Asking(question)) => Warming::Ask(question),
            Err(Stop::Denied(denial)) => Warming::Refused(denial.reason.name()),
        }
    }

    /// What a value of KV under this key comes to.
    #[must_use]
    pub fn stored(&self, kv_key: &str, value: Stored<'_>, now: Millis) -> Outcome {
        let (Stored::Found(value), Some(sealing)) = (value, self.sealing.as_ref()) else {
            return Outcome::Absent;
        };
        let open = |issuer: &str| {
            let now = now.div_euclid(1_000);
            let skew = self.settings.clock_skew_seconds;
            Validation::open(&sealing.validations, kv_key, value, issuer, now, skew).ok()
        };
        let found = self.settings.providers.iter().find_map(|provider| open(&provider.issuer));
        found.map_or(Outcome::Absent, |it| Outcome::Stored { checked_at: it.checked_at })
    }

    /// The answer to a list.
    #[must_use]
    pub fn prewarmed(&self, outcomes: &[(Order, Outcome)]) -> TextResponse {
        let is_stored = |outcome: &Outcome| matches!(outcome, Outcome::Stored { .. });
        let stored = outcomes.iter().filter(|(_, outcome)| is_stored(outcome)).count();
        let results: Vec<Value> = outcomes.iter().map(result).collect();
        let mut response = json_response(200, &object! { "stored": stored, "results": results });
        response.headers.push(("cache-control", "no-store".into()));
        response
    }
}

fn pause(entries: usize) -> Millis {
    PAUSE_MS_PER_ENTRY.saturating_mul(Millis::try_from(entries).unwrap_or(Millis::MAX))
}

/// One of `{"tokens": […]}` and `{"hashes": […]}`, or both.
fn read(list: &[u8]) -> Result<Vec<Order>, String> {
    const EXPECTED: &str = "expected {\"tokens\": [\"…\"]} or {\"hashes\": [\"…\"]}, where a hash \
                            is the base64url of the SHA-256 of a token";
    let members = strict::parse_object(list).map_err(|fault| format!("{fault}; {EXPECTED}"))?;
    let mut orders = Vec::new();
    for (name, entries) in members {
        let make: fn(&str) -> Option<Order> = match name.as_str() {
            "tokens" => |token| Some(Order::Token(token.to_owned())),
            "hashes" => |hash| {
                let is_hash = URL_SAFE_NO_PAD.decode(hash).is_ok_and(|bytes| bytes.len() == 32);
                is_hash.then(|| Order::Stored(Purpose::Validation.kv_key_of_hash(hash)))
            },
            _ => return Err(EXPECTED.to_owned()),
        };
        let Value::Array(entries) = entries else { return Err(EXPECTED.to_owned()) };
        for (at, entry) in entries.iter().enumerate() {
            let order = entry.as_str().and_then(make);
            orders.push(order.ok_or_else(|| format!("{name}[{at}]: {EXPECTED}"))?);
        }
    }
    match orders.len() {
        0 => Err(EXPECTED.to_owned()),
        1..=MOST_ENTRIES => Ok(orders),
        more => Err(format!("found {more} entries; expected at most {MOST_ENTRIES}")),
    }
}

fn result((order, outcome): &(Order, Outcome)) -> Value {
    let kv_key = match order {
        Order::Token(token) => Purpose::Validation.kv_key(token),
        Order::Stored(kv_key) => kv_key.clone(),
    };
    let hash = kv_key.rsplit(':').next();
    match outcome {
        Outcome::Stored { checked_at } => {
            object! { "hash": hash, "outcome": "stored", "checked_at": *checked_at }
        }
        Outcome::NotStored => object! { "hash": hash, "outcome": "not_stored" },
        Outcome::Refused(reason) => {
            object! { "hash": hash, "outcome": "refused", "reason": *reason }
        }
        Outcome::Absent => object! { "hash": hash, "outcome": "absent" },
    }
}
