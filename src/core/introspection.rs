//! Asking an auth service about a token (RFC 7662), as texts: what is sent, and what the answer
//! means.
//!
//! In scope: the form, the two ways to authenticate, and reading the answer. Out of scope: sending
//! it (`crate::edge`), and whether it may be sent at all ([`super::breaker`]).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::claims::NumericDate;
use super::json;

/// How long a signed statement about ourselves counts, in seconds.
const STATEMENT_SECONDS: i64 = 60;

/// The longest answer that is read, in bytes.
pub const MOST_ANSWER_BYTES: usize = 64 * 1024;

/// What the auth service said about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is active, and this is what it says.
    Active(Map<String, Value>),
    /// It is not, for whatever reason (RFC 7662 section 2.2).
    Inactive,
}

/// Why there is no answer. The names are part of the interface: they are labels of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// It took longer than it may.
    TimedOut,
    /// There was no connection, or it broke off.
    Unreachable,
    /// Its status says that it cannot answer.
    Failed,
    /// What it said is no answer.
    Malformed,
    /// It refuses us: our credentials are wrong, or it does not know this kind of token.
    RefusesUs,
}

impl Silence {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::TimedOut, Self::Unreachable, Self::Failed, Self::Malformed, Self::RefusesUs];

    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TimedOut => "timed_out",
            Self::Unreachable => "unreachable",
            Self::Failed => "failed",
            Self::Malformed => "malformed",
            Self::RefusesUs => "refuses_us",
        }
    }

    /// Whether it says that the service is not well. A service that refuses us works.
    #[must_use]
    pub const fn is_outage(self) -> bool {
        match self {
            Self::TimedOut | Self::Unreachable | Self::Failed | Self::Malformed => true,
            Self::RefusesUs => false,
        }
    }
}

/// The body of a request about a token: a form (RFC 7662 section 2.1). `statement` is what
/// [`statement`] signed, for clients that authenticate in this way (RFC 7523 section 2.2).
#[must_use]
pub fn form(token: &str, client_id: &str, statement: Option<&str>) -> String {
    let mut form = String::with_capacity(token.len() + 64);
    form.push_str("token=");
    encode(token, &mut form);
    form.push_str("&token_type_hint=access_token");
    if let Some(statement) = statement {
        form.push_str("&client_id=");
        encode(client_id, &mut form);
        form.push_str(
            "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3A\
             jwt-bearer&client_assertion=",
        );
        encode(statement, &mut form);
    }
    form
}

/// The value of `Authorization` for a client with a password (RFC 6749 section 2.3.1: both parts
/// are form-encoded before they are joined).
#[must_use]
pub fn basic(client_id: &str, secret: &str) -> String {
    let mut joined = String::with_capacity(client_id.len() + secret.len() + 1);
    encode(client_id, &mut joined);
    joined.push(':');
    encode(secret, &mut joined);
    format!("Basic {}", STANDARD.encode(joined))
}

/// What a client with a private key signs about itself, as the signing input of a compact JWS
/// (RFC 7523 section 3). The audience is the issuer, since a statement for one endpoint could be
/// used at another. `id` must be random.
#[must_use]
pub fn statement(
    algorithm: &str,
    key_id: Option<&str>,
    client_id: &str,
    issuer: &str,
    id: u128,
    now: NumericDate,
) -> String {
    let header = match key_id {
        Some(key_id) => json!({ "alg": algorithm, "typ": "JWT", "kid": key_id }),
        None => json!({ "alg": algorithm, "typ": "JWT" }),
    };
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": issuer,
        "jti": format!("{id:032x}"),
        "iat": now,
        "exp": now.saturating_add(STATEMENT_SECONDS),
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(&header), part(&claims))
}

/// What a response means: its status, and its body as far as it was read.
pub fn read(status: u16, body: &[u8]) -> Result<Answer, Silence> {
    match status {
        200 => answer(body).ok_or(Silence::Malformed),
        400 | 401 | 403 => Err(Silence::RefusesUs),
        // 404 as well, which is what some proxies say when the service behind them is gone.
        402..=599 => Err(Silence::Failed),
        // A redirect would take the token to someone else.
        _ => Err(Silence::Malformed),
    }
}

fn answer(body: &[u8]) -> Option<Answer> {
    let mut members = json::parse_object(body).ok()?;
    match members.remove("active")? {
        Value::Bool(true) => Some(Answer::Active(members)),
        Value::Bool(false) => Some(Answer::Inactive),
        _ => None,
    }
}

/// Joins the claims of a signed token with what the auth service says. Where both speak, the token
/// counts: it is signed, and rules must not change their mind with every answer. `scope` and `scp`
/// are two names of one claim.
#[must_use]
pub fn join(signed: Map<String, Value>, mut said: Map<String, Value>) -> Map<String, Value> {
    const SCOPES: [&str; 2] = ["scope", "scp"];
    if SCOPES.iter().any(|name| signed.contains_key(*name)) {
        for name in SCOPES {
            said.remove(name);
        }
    }
    said.extend(signed);
    said
}

/// `application/x-www-form-urlencoded` (WHATWG URL section 5): all but a few characters as `%XX`.
fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => {
                into.push(char::from(byte));
            }
            b' ' => into.push('+'),
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                into.push('%');
                for digit in [byte >> 4, byte & 15] {
                    into.push(char::from(DIGITS.get(usize::from(digit)).copied().unwrap_or(b'0')));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            other => panic!("not an object: {other}"),
        }
    }

    #[test]
    fn a_token_and_a_password_cannot_leave_their_place() {
        assert_eq!(
            form("a.b-c_d&active=true +é", "edge", None),
            "token=a.b-c_d%26active%3Dtrue+%2B%C3%A9&token_type_hint=access_token"
        );
        // RFC 6749 section 2.3.1 with the characters of its appendix B.
        let decoded = |value: &str| {
            let text = STANDARD.decode(value.strip_prefix("Basic ").unwrap()).unwrap();
            String::from_utf8(text).unwrap()
        };
        assert_eq!(
            decoded(&basic("s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw")),
            "s6BhdRkqt3:7Fjfp0ZBr1KtDRbnfVdmIw"
        );
        assert_eq!(decoded(&basic("a:b", " %&+£€")), "a%3Ab:+%25%26%2B%C2%A3%E2%82%AC");
    }

    #[test]
    fn a_statement_says_who_asks_whom_and_for_how_long() {
        let text = statement("ES256", Some("k1"), "edge", "https://i.example", 7, 1_800_000_000);
        let parts: Vec<Value> = text
            .split('.')
            .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
            .collect();
        assert_eq!(
            parts,
            [
                json!({ "alg": "ES256", "typ": "JWT", "kid": "k1" }),
                json!({
                    "iss": "edge", "sub": "edge", "aud": "https://i.example",
                    "jti": "00000000000000000000000000000007",
                    "iat": 1_800_000_000, "exp": 1_800_000_060,
                }),
            ]
        );
        let form = form("t", "edge", Some("h.c.s"));
        assert_eq!(
            form,
            "token=t&token_type_hint=access_token&client_id=edge&client_assertion_type=\
             urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&\
             client_assertion=h.c.s"
        );
    }

    #[test]
    fn an_answer_says_whether_the_token_is_active_or_is_none() {
        let active = json!({ "scope": "read", "sub": "alice" });
        let body = br#"{"active":true,"scope":"read","sub":"alice"}"#;
        assert_eq!(read(200, body), Ok(Answer::Active(object(active))));
        assert_eq!(read(200, br#"{"active":false}"#), Ok(Answer::Inactive));
        assert_eq!(read(200, br#"{"active":false,"sub":"a"}"#), Ok(Answer::Inactive));
        for body in [
            &br#"{"active":"true"}"#[..],
            br#"{"active":1}"#,
            br#"{"active":null}"#,
            br#"{"active":true,"active":true}"#,
            br#"{"active":true,"a":{"b":1,"b":2}}"#,
            br#"{"sub":"alice"}"#,
            br#"[{"active":true}]"#,
            b"<html>",
            b"",
            br#"{"active":true"#,
        ] {
            let shown = String::from_utf8_lossy(body);
            assert_eq!(read(200, body), Err(Silence::Malformed), "{shown}");
        }
    }

    #[test]
    fn a_status_says_who_is_to_blame() {
        let body = br#"{"active":true}"#;
        for (status, silence) in [
            (400, Silence::RefusesUs),
            (401, Silence::RefusesUs),
            (403, Silence::RefusesUs),
            (404, Silence::Failed),
            (408, Silence::Failed),
            (429, Silence::Failed),
            (500, Silence::Failed),
            (503, Silence::Failed),
            (599, Silence::Failed),
            (204, Silence::Malformed),
            (302, Silence::Malformed),
            (600, Silence::Malformed),
        ] {
            assert_eq!(read(status, body), Err(silence), "{status}");
            assert_eq!(silence.is_outage(), silence != Silence::RefusesUs);
        }
    }

    #[test]
    fn where_both_speak_the_signed_token_counts() {
        for (signed, said, expected) in [
            (json!({ "sub": "a" }), json!({ "sub": "b", "x": 1 }), json!({ "sub": "a", "x": 1 })),
            (json!({ "scope": "r" }), json!({ "scope": "admin" }), json!({ "scope": "r" })),
            (json!({ "scp": ["r"] }), json!({ "scope": "admin" }), json!({ "scp": ["r"] })),
            (json!({ "scope": "r" }), json!({ "scp": "admin" }), json!({ "scope": "r" })),
            (json!({ "scope": null }), json!({ "scope": "admin" }), json!({ "scope": null })),
            (json!({}), json!({ "scope": "r" }), json!({ "scope": "r" })),
        ] {
            assert_eq!(join(object(signed), object(said)), object(expected));
        }
    }
}
