//! A whole request. Nothing is permitted that a model refuses which knows where the one token may stand, checks
//! all of it, and asks what the strictest reading of the path asks. What is permitted is about the owner of that
//! token, or about nobody.
//!
//! The input is a packed head ([`RequestHead::unpack`]) in which `{0}` to `{16}` stand for tokens.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edgeward::core::request::RequestHead;
use edgeward::gate::{Body, Decision, Findings, Gate, Permit};
use serde_json::{Map, Value, json};

use super::fixture::{
    self, HmacAlone, NOW, OPEN_HOST, REVOKED_BEFORE, REVOKED_ID, REVOKED_SUBJECT, SIGNERS,
};
use super::model;
use super::places::{Carried, carried};

/// Tokens: the first four are good, and those from 10 to 12.
pub static TOKENS: LazyLock<[String; 17]> = LazyLock::new(|| {
    let signed = |algorithm: &str, header: Value, changes: Value| {
        let claims = fixture::claims_with(&changes);
        fixture::token(algorithm, header.to_string().as_bytes(), claims.as_bytes())
    };
    let by = |at: usize, changes| {
        let (algorithm, key) = SIGNERS[at];
        signed(algorithm, json!({ "alg": algorithm, "kid": key }), changes)
    };
    let token = |changes| by(0, changes);
    let good = token(json!({}));
    let unsigned = format!("{}.", good.rsplit_once('.').map_or("", |(signed, _)| signed));
    [
        token(json!({ "scope": "admin", "org.id": 7 })),
        token(json!({ "scope": "admin" })),
        token(json!({ "org.id": "seven", "sub": "bob" })),
        good,
        token(json!({ "exp": NOW - 600 })),
        token(json!({ "aud": "other" })),
        token(json!({ "iss": "https://other.example" })),
        token(json!({ "org.id": null })),
        signed("HS256", json!({ "alg": "none" }), json!({ "scope": "admin" })),
        unsigned,
        token(json!({ "scope": "host", "sub": "bob" })),
        by(1, json!({ "scope": "admin", "sub": "carol" })),
        by(2, json!({ "sub": REVOKED_SUBJECT, "iat": REVOKED_BEFORE })),
        token(json!({ "jti": REVOKED_ID, "scope": "admin" })),
        by(2, json!({ "sub": REVOKED_SUBJECT, "iat": REVOKED_BEFORE - 1, "scope": "admin" })),
        // The key of one algorithm under the name of another.
        signed("HS256", json!({ "alg": "HS512", "kid": "k1" }), json!({ "scope": "admin" })),
        signed("EdDSA", json!({ "alg": "HS512", "kid": "k3" }), json!({ "scope": "admin" })),
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

/// Whether the platform could report this: it has a scheme of its own, no control characters in headers, and
/// each header once, in lower case.
fn is_possible(head: &RequestHead<'_>) -> bool {
    let is_plain = |text: &&str| !text.contains(|one: char| one.is_control() && one != '\t');
    let headers = head.headers.iter().flat_map(|(name, value)| [*name, *value]);
    let is_alone = |(at, (name, _)): (usize, &(&str, &str))| {
        head.headers[..at].iter().all(|(other, _)| other != name)
            && *name == name.to_ascii_lowercase()
    };
    ["http", "https"].contains(&head.scheme)
        && headers.chain([head.method, head.authority]).all(|text| is_plain(&text))
        && head.headers.iter().enumerate().all(is_alone)
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
    check_edits(permit.edits());
    check_permit(&head, &permit).unwrap_or_else(|refused| panic!("{refused}: {packed}"));
}

/// Checks that a permit is one that the model gives. The error says why not.
fn check_permit(head: &RequestHead<'_>, permit: &Permit<'_>) -> Result<(), &'static str> {
    if ["TRACE", "TRACK", "CONNECT"].iter().any(|one| head.method.eq_ignore_ascii_case(one)) {
        return Err("a method that is never forwarded");
    }
    let asked = Asked::of(head);
    if asked.is_own {
        return Err("the gate's own");
    }
    if is_preflight(head) {
        return check_preflight(head, permit);
    }
    if permit.shadowed().is_some() {
        return if asked.is_shadow { check_owner(None, permit) } else { Err("no shadow") };
    }
    // Where rules may ask for none, a token that was looked at all the same has to be good.
    let least = if permit.is_personal() { Access::Optional } else { Access::Public };
    let owner = match (asked.access.max(least), carried(head)) {
        (Access::Public, _) | (Access::Optional, Carried::Nothing) => None,
        (Access::Required, Carried::Nothing) => return Err("no token"),
        (_, Carried::Refused) => return Err("not one token"),
        (_, Carried::One(text)) => {
            // What is too deep for the model, it knows nothing of.
            let Ok(claims) = model::accepted(&text, NOW) else { return Ok(()) };
            let claims = claims.ok_or("no good token")?;
            if model::is_revoked(&claims) {
                return Err("a revoked token");
            }
            if !asked.of_claims.iter().all(|one| one(&claims)) {
                return Err("a token that may less");
            }
            Some(claims)
        }
    };
    check_owner(owner.as_ref(), permit)
}

/// Fetch standard, "CORS-preflight request".
fn is_preflight(head: &RequestHead<'_>) -> bool {
    let has = |name: &str| head.headers.iter().any(|(known, _)| *known == name);
    head.method == "OPTIONS" && has("origin") && has("access-control-request-method")
}

/// A preflight needs no token, and so it takes none along, nor anything else that could do something.
fn check_preflight(head: &RequestHead<'_>, permit: &Permit<'_>) -> Result<(), &'static str> {
    if permit.body() != Body::Drop || permit.shadowed().is_some() {
        return Err("more than a preflight");
    }
    let (removed, _) = model::parts_of(permit.edits());
    let stays = |name: &&str| head.header(name).is_some() && !removed.contains(name);
    let goes = ["authorization", "cookie", "x-token", "sec-websocket-protocol", "upgrade"];
    if goes.iter().any(stays) {
        return Err("a preflight with credentials");
    }
    let query = permit.url().and_then(|url| url.split_once('?')).map(|(_, query)| query);
    let forwarded = RequestHead { headers: Vec::new(), query, ..head.clone() };
    match carried(&forwarded) {
        Carried::Nothing => check_owner(None, permit),
        _ => Err("a preflight with a token in its query"),
    }
}

/// What the origin is told is of the owner of the token, or of nobody.
fn check_owner(
    owner: Option<&Map<String, Value>>,
    permit: &Permit<'_>,
) -> Result<(), &'static str> {
    let (_, set) = model::parts_of(permit.edits());
    let told = |name: &str| {
        let is_it = |(known, _): &&(&str, &str)| known.eq_ignore_ascii_case(name);
        set.iter().find(is_it).map(|(_, value)| *value)
    };
    let Some(owner) = owner else {
        let names = ["x-user-id", "tenant", "x-scopes"];
        let is_told = |name: &&str| told(name).or(told(&format!("{name}-b64"))).is_some();
        let is_somebody = names.iter().any(is_told) || permit.is_personal();
        return if is_somebody { Err("an identity of nobody") } else { Ok(()) };
    };
    let subject = owner.get("sub").and_then(Value::as_str).unwrap_or_default();
    match told("x-user-id") {
        Some(name) if name != subject => Err("the identity of another"),
        None if told("x-user-id-b64").is_none() && !subject.is_empty() => Err("no identity"),
        _ => Ok(()),
    }
}

/// How much a token matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Access {
    /// Not at all.
    Public,
    /// If there is one, it has to be good.
    Optional,
    /// There has to be a good one.
    Required,
}

type Question = fn(&Map<String, Value>) -> bool;

/// What the rules ask, as a stranger to their code would say who goes by every reading of the path that he can
/// think of.
struct Asked {
    access: Access,
    of_claims: Vec<Question>,
    /// Whether a denial is only recorded.
    is_shadow: bool,
    /// Whether some reading is the gate's own.
    is_own: bool,
}

impl Asked {
    fn of(head: &RequestHead<'_>) -> Self {
        let of_claims = Vec::new();
        let mut asked = Self { access: Access::Public, of_claims, is_shadow: true, is_own: false };
        // A URL parser drops these, and takes encoded dots for dots; what it makes of the path is forwarded.
        let path = head.path.to_ascii_lowercase().replace(['\t', '\r', '\n'], "");
        let mut path = resolved(&path.replace("%2e", "."));
        for _ in 0..4 {
            asked.read(head, &path);
            let Some(decoded) = decoded(&path) else { break };
            path = resolved(&decoded);
        }
        asked
    }

    /// Takes a reading into account. One that ends in an odd way may be that of an open or a shadow rule for
    /// some; that of a rule that asks for more it is in any case where it is the same.
    fn read(&mut self, head: &RequestHead<'_>, path: &str) {
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        let second = rest.split('/').next().unwrap_or_default();
        let is_open_method = ["GET", "HEAD"].contains(&head.method);
        let access = match first {
            "_edgeward" => {
                self.is_own = true;
                Access::Required
            }
            "optional" => Access::Optional,
            _ if first.starts_with("public") || first.starts_with("optional") => Access::Public,
            _ if first.starts_with("method") && is_open_method => Access::Public,
            _ if first.starts_with("host") && is_open_host(head.authority) => Access::Public,
            _ => Access::Required,
        };
        self.access = self.access.max(access);
        self.is_shadow &= first.starts_with("shadow") && (first, second) != ("shadow", "real");
        match first {
            "admin" | "shadow" => self.of_claims.push(|claims| has_scope(claims, &["admin"])),
            "host" if access == Access::Required => {
                self.of_claims.push(|claims| has_scope(claims, &["admin", "host"]));
            }
            "team" => self.of_claims.push(|claims| {
                let is_one = |one: &Value| one == 7 || one == "seven";
                match model::organisation(claims) {
                    Some(Value::Array(list)) => list.iter().any(is_one),
                    Some(one) => is_one(one),
                    None => false,
                }
            }),
            _ => {}
        }
    }
}

fn has_scope(claims: &Map<String, Value>, any_of: &[&str]) -> bool {
    model::scopes(claims).iter().any(|scope| any_of.contains(&scope.as_str()))
}

/// Neither its case nor a port nor a last dot makes it another host.
fn is_open_host(authority: &str) -> bool {
    let (host, _) = authority.split_once(':').unwrap_or((authority, ""));
    let host = host.to_ascii_lowercase();
    host.strip_suffix('.').unwrap_or(&host) == OPEN_HOST
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

/// What the origin gets: names and values in pairs, of bytes that headers have.
fn check_edits(edits: &str) {
    let (_, set) = model::parts_of(edits);
    for (name, value) in set {
        assert!(!name.is_empty() && !value.contains('\r'), "{edits:?}");
    }
}
