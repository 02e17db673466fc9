//! A whole request. Nothing is permitted that a model refuses which looks for tokens everywhere, checks all of
//! them and asks of the best what the strictest reading of the path asks.
//!
//! The input is a packed head ([`RequestHead::unpack`]) in which `{0}` to `{9}` stand for tokens.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edgeward::core::request::RequestHead;
use edgeward::gate::{Decision, Findings, Gate};
use serde_json::{Map, Value, json};

use super::fixture::{self, AUDIENCE, HmacAlone, ISSUER, NOW};
use super::model;

/// Tokens, from the best on: the first four are good.
pub static TOKENS: LazyLock<[String; 10]> = LazyLock::new(|| {
    let header = |header: Value, changes: Value| {
        let mut claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "org.id": 1, "iat": NOW - 10,
            "exp": NOW + 600,
        });
        for (name, value) in changes.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        fixture::token(header.to_string().as_bytes(), claims.to_string().as_bytes())
    };
    let token = |changes| header(json!({ "alg": "HS256", "kid": "k1" }), changes);
    let good = token(json!({}));
    let unsigned = format!("{}.", good.rsplit_once('.').map_or("", |(signed, _)| signed));
    [
        token(json!({ "scope": "admin", "org.id": 7 })),
        token(json!({ "scope": "admin" })),
        token(json!({ "org.id": "seven" })),
        good,
        token(json!({ "exp": NOW - 600 })),
        token(json!({ "aud": "other" })),
        token(json!({ "iss": "https://other.example" })),
        token(json!({ "org.id": null })),
        header(json!({ "alg": "none" }), json!({ "scope": "admin" })),
        unsigned,
    ]
});

/// Checks an input.
pub fn check(data: &[u8]) {
    thread_local! {
        static GATE: Gate<HmacAlone> = fixture::gate();
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut packed = text.to_owned();
    for (number, token) in TOKENS.iter().enumerate() {
        packed = packed.replace(&format!("{{{number}}}"), token);
        // In the form in which a browser offers one as a subprotocol, too.
        packed = packed.replace(&format!("{{b{number}}}"), &URL_SAFE_NO_PAD.encode(token));
    }
    if packed.len() > 16_384 {
        return;
    }
    GATE.with(|gate| check_request(gate, &packed));
}

/// Whether the platform could report this: it has a scheme of its own, and no control characters in headers.
fn is_possible(head: &RequestHead<'_>) -> bool {
    let is_plain = |text: &&str| !text.contains(|one: char| one.is_control() && one != '\t');
    let headers = head.headers.iter().flat_map(|(name, value)| [*name, *value]);
    ["http", "https"].contains(&head.scheme)
        && headers.chain([head.method, head.authority]).all(|text| is_plain(&text))
}

/// Checks a packed head.
pub fn check_request(gate: &Gate<HmacAlone>, packed: &str) {
    let head = RequestHead::unpack(packed);
    if !is_possible(&head) {
        return;
    }
    let decide = || {
        let decision = gate.decide(&head, NOW * 1_000, &mut Findings::default());
        decision.map_err(|denial| denial.reason)
    };
    let first = decide();
    let second = decide();
    match (&first, &second) {
        (Ok(Decision::Forward(one)), Ok(Decision::Forward(again))) => {
            assert_eq!((one.url(), one.mode()), (again.url(), again.mode()), "{packed}");
        }
        (Ok(one), Ok(again)) => assert_eq!(format!("{one:?}"), format!("{again:?}")),
        (Err(one), Err(again)) => assert_eq!(one, again, "{packed}"),
        (one, again) => panic!("{one:?} {again:?}"),
    }
    let Ok(Decision::Forward(permit)) = first else { return };
    if head.is_preflight() {
        return;
    }
    let asked = asked(&head);
    let found = claims_anywhere(packed);
    assert!(
        asked.is_empty() || found.iter().any(|claims| asked.iter().all(|one| one(claims))),
        "{packed}"
    );
    check_edits(permit.edits());
}

type Asked = fn(&Map<String, Value>) -> bool;

/// What the rules ask of a token, as a stranger to their code would say who goes by every reading of the path
/// that he can think of; nothing where no token is asked for.
fn asked(head: &RequestHead<'_>) -> Vec<Asked> {
    let mut asked: Vec<Asked> = Vec::new();
    let mut is_open = true;
    // A URL parser drops these, and takes encoded dots for dots; what it makes of the path is forwarded.
    let path = head.path.to_ascii_lowercase().replace(['\t', '\r', '\n'], "");
    let mut path = resolved(&path.replace("%2e", "."));
    for _ in 0..4 {
        match path.split('/').next().unwrap_or_default() {
            "admin" => {
                is_open = false;
                asked.push(|claims| model::scopes(claims).iter().any(|scope| scope == "admin"));
            }
            "team" => {
                is_open = false;
                asked.push(|claims| {
                    let is_one = |one: &Value| one == 7 || one == "seven";
                    match model::organisation(claims) {
                        Some(Value::Array(list)) => list.iter().any(is_one),
                        Some(one) => is_one(one),
                        None => false,
                    }
                });
            }
            first => {
                // What ends in an odd way may be one of the open ones for some.
                is_open &= first.starts_with("public") || first.starts_with("optional");
            }
        }
        let Some(decoded) = decoded(&path) else { break };
        path = resolved(&decoded);
    }
    if !is_open {
        asked.push(|_| true);
    }
    asked
}

/// The segments of a path that are left when those of dots have done what they say, without the first slash.
fn resolved(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let plain = path.replace('\\', "/");
    for segment in plain.split('/').skip(usize::from(plain.starts_with('/'))) {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    kept.retain(|segment| !segment.is_empty());
    kept.join("/")
}

fn decoded(text: &str) -> Option<String> {
    let at = text.find('%')?;
    let byte = u8::from_str_radix(text.get(at + 1..at + 3)?, 16).ok().filter(u8::is_ascii)?;
    let rest = &text[at + 3..];
    let rest = decoded(rest).unwrap_or_else(|| rest.to_owned());
    Some(format!("{}{}{rest}", &text[..at], char::from(byte)))
}

/// The claims of every good token that is anywhere in the request, however it is written.
fn claims_anywhere(packed: &str) -> Vec<Map<String, Value>> {
    let is_of_token = |one: char| one.is_ascii_alphanumeric() || "-._~+/".contains(one);
    let mut texts: BTreeSet<String> = BTreeSet::new();
    for text in [packed.to_owned(), all_decoded(packed)] {
        for run in text.split(|one: char| !is_of_token(one)) {
            texts.insert(run.to_owned());
            if let Some(encoded) = run.strip_prefix("base64url.bearer.authorization.k8s.io.") {
                let bytes = model::base64url(encoded).unwrap_or_default();
                texts.extend(String::from_utf8(bytes).ok());
            }
        }
    }
    texts.iter().filter_map(|text| model::accepted(text, NOW).ok().flatten()).collect()
}

fn all_decoded(text: &str) -> String {
    decoded(text).unwrap_or_else(|| text.to_owned())
}

/// What the origin gets: names and values in pairs, of bytes that headers have.
fn check_edits(edits: &str) {
    let set = match edits.strip_prefix('\n') {
        Some(set) => set,
        None => edits.split_once("\n\n").expect("an empty line").1,
    };
    let lines: Vec<&str> = set.split_terminator('\n').collect();
    for pair in lines.chunks(2) {
        let [name, value] = pair else { panic!("{edits:?}") };
        assert!(!name.is_empty() && !value.contains('\r'), "{edits:?}");
    }
}
