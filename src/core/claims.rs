//! What the claims of a token say (RFC 7519 section 4, RFC 9068).
//!
//! In scope: reading times, audience, scopes and nested claims without guessing. Out of scope:
//! whether what they say is acceptable ([`super::verify`], [`super::access`]).

use serde_json::{Map, Value};

/// Seconds since 1970-01-01T00:00:00Z (RFC 7519 section 2). Fractions are rounded against the
/// token's favour when read.
pub type NumericDate = i64;

/// Milliseconds since 1970-01-01T00:00:00Z, where seconds are too coarse.
pub type Millis = i64;

/// Times beyond this are refused: no double can hold them exactly.
const MAX_DATE: NumericDate = 1 << 53;

/// A claim has a type that its definition does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongType;

/// Which way a fractional time is rounded.
#[derive(Clone, Copy)]
pub enum Rounding {
    /// For an end of validity: it comes no later than stated.
    Down,
    /// For a beginning of validity: it comes no earlier than stated.
    Up,
}

/// Reads a time claim. Absent is not an error; a string, a negative number or one beyond 2^53 is.
pub fn date(
    claims: &Map<String, Value>,
    name: &str,
    rounding: Rounding,
) -> Result<Option<NumericDate>, WrongType> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = match (value.as_i64(), value.as_f64()) {
        (Some(seconds), _) => seconds,
        (None, Some(seconds)) if (0.0..9_007_199_254_740_992.0).contains(&seconds) => {
            let whole = match rounding {
                Rounding::Down => seconds.floor(),
                Rounding::Up => seconds.ceil(),
            };
            #[allow(clippy::cast_possible_truncation, reason = "between 0 and 2^53, and whole")]
            let whole = whole as NumericDate;
            whole
        }
        _ => return Err(WrongType),
    };
    if (0..=MAX_DATE).contains(&seconds) { Ok(Some(seconds)) } else { Err(WrongType) }
}

/// Reads a claim that is a string where present.
pub fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> Result<Option<&'c str>, WrongType> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(WrongType),
    }
}

/// The claim that says whom a token is for (RFC 7519 section 4.1.3).
pub const AUDIENCE: &str = "aud";

/// Whether `claim` is one of `accepted`, or a list of strings with one of them. A list with anything but
/// strings in it is never accepted. Whatever `claim` is, an `aud` that names only others refuses (RFC 7519
/// section 4.1.3).
#[must_use]
pub fn audience_matches(claims: &Map<String, Value>, claim: &str, accepted: &[String]) -> bool {
    let one = |audience: &str| accepted.iter().any(|accepted| accepted == audience);
    let named = |claim: &str| {
        claims.get(claim).map(|value| match value {
            Value::String(audience) => one(audience),
            Value::Array(audiences) => {
                audiences.iter().all(Value::is_string)
                    && audiences.iter().filter_map(Value::as_str).any(one)
            }
            _ => false,
        })
    };
    named(claim) == Some(true) && named(AUDIENCE) != Some(false)
}

/// The granted scopes, separated by single spaces: `scope` as a string (RFC 8693 section 4.2) or
/// a list of strings; without `scope`, the `scp` that Entra ID and Okta issue. Anything else
/// grants nothing.
#[must_use]
pub fn scopes(claims: &Map<String, Value>) -> String {
    let granted = claims.get("scope").or_else(|| claims.get("scp"));
    let mut joined = String::new();
    let mut add = |scope: &str| {
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(scope);
    };
    match granted {
        Some(Value::String(text)) => text.split(' ').filter(|part| !part.is_empty()).for_each(add),
        // An element with a space in it must not turn into two scopes.
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(Value::as_str)
            .filter(|scope| !scope.is_empty() && !scope.contains(' '))
            .for_each(&mut add),
        _ => {}
    }
    joined
}

/// Finds a claim by name or by dotted path: the member of exactly this name, else, for each dot
/// from the left, the rest of the path inside the object of that name. `null` is absent.
#[must_use]
pub fn lookup<'c>(claims: &'c Map<String, Value>, path: &str) -> Option<&'c Value> {
    if let Some(value) = claims.get(path) {
        return (!value.is_null()).then_some(value);
    }
    path.match_indices('.').find_map(|(dot, _)| {
        let (parent, rest) = path.split_at_checked(dot)?;
        let child = claims.get(parent)?.as_object()?;
        lookup(child, rest.strip_prefix('.')?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            other => panic!("not an object: {other}"),
        }
    }

    #[test]
    fn a_time_is_a_number_between_zero_and_two_to_the_53() {
        for (value, down, up) in [
            (json!(0), 0, 0),
            (json!(1_700_000_000), 1_700_000_000, 1_700_000_000),
            (json!(1_700_000_000.5), 1_700_000_000, 1_700_000_001),
            (json!(1.7e9), 1_700_000_000, 1_700_000_000),
            (json!(9_007_199_254_740_992_i64), 1 << 53, 1 << 53),
        ] {
            let claims = object(json!({ "exp": value }));
            assert_eq!(date(&claims, "exp", Rounding::Down), Ok(Some(down)));
            assert_eq!(date(&claims, "exp", Rounding::Up), Ok(Some(up)));
        }
        for value in [
            json!("1700000000"),
            json!(true),
            json!(null),
            json!([1]),
            json!({}),
            json!(-1),
            json!(-0.5),
            json!(9_007_199_254_740_993_i64),
            json!(u64::MAX),
            json!(1e300),
        ] {
            let claims = object(json!({ "exp": value }));
            assert_eq!(date(&claims, "exp", Rounding::Down), Err(WrongType), "{value}");
        }
        assert_eq!(date(&Map::new(), "exp", Rounding::Down), Ok(None));
    }

    #[test]
    fn an_audience_matches_exactly_or_not_at_all() {
        let accepted = vec!["api".to_owned(), "https://a.example".to_owned()];
        for (aud, expected) in [
            (json!("api"), true),
            (json!(["x", "api"]), true),
            (json!("https://a.example"), true),
            (json!("https://a.example/"), false),
            (json!("API"), false),
            (json!("api "), false),
            (json!("apis"), false),
            (json!("ap"), false),
            (json!(""), false),
            (json!([]), false),
            (json!([["api"]]), false),
            (json!(["api", 1]), false),
            (json!({ "api": 1 }), false),
            (json!(null), false),
        ] {
            let claims = object(json!({ "aud": aud }));
            assert_eq!(audience_matches(&claims, AUDIENCE, &accepted), expected, "{aud}");
        }
        assert!(!audience_matches(&Map::new(), AUDIENCE, &accepted));
    }

    #[test]
    fn another_claim_can_name_the_audience_and_an_aud_of_others_still_refuses() {
        let accepted = vec!["client".to_owned(), "api".to_owned()];
        for (claims, expected) in [
            (json!({ "client_id": "client" }), true),
            (json!({ "client_id": ["other", "client"] }), true),
            (json!({ "client_id": "other" }), false),
            (json!({ "client_id": null }), false),
            (json!({ "aud": "client" }), false),
            (json!({ "client_id": "client", "aud": "api" }), true),
            (json!({ "client_id": "client", "aud": "other" }), false),
            (json!({ "client_id": "client", "aud": [] }), false),
            (json!({ "client_id": "client", "aud": null }), false),
        ] {
            let matches = audience_matches(&object(claims.clone()), "client_id", &accepted);
            assert_eq!(matches, expected, "{claims}");
        }
    }

    #[test]
    fn scopes_come_from_scope_or_else_from_scp() {
        for (claims, expected) in [
            (json!({ "scope": "read  write " }), "read write"),
            (json!({ "scope": ["read", "write"] }), "read write"),
            (json!({ "scope": ["read admin", "", 7, "write"] }), "write"),
            (json!({ "scp": ["read"] }), "read"),
            (json!({ "scp": "read write" }), "read write"),
            (json!({ "scope": "read", "scp": "admin" }), "read"),
            (json!({ "scope": 7 }), ""),
            (json!({}), ""),
        ] {
            assert_eq!(scopes(&object(claims.clone())), expected, "{claims}");
        }
    }

    #[test]
    fn a_claim_is_found_by_its_name_before_its_path() {
        let claims = object(json!({
            "a": { "b": { "c": 1 }, "b.c": 2, "n": null },
            "https://x.example/roles": ["r"],
            "x.y": { "z": 3 },
            "list": [{ "b": 1 }],
        }));
        for (path, expected) in [
            ("a.b.c", Some(json!(2))),
            ("a.b", Some(json!({ "c": 1 }))),
            ("https://x.example/roles", Some(json!(["r"]))),
            ("x.y.z", Some(json!(3))),
            ("a.n", None),
            ("a.b.d", None),
            ("list.b", None),
            ("a.", None),
            (".", None),
            ("", None),
        ] {
            assert_eq!(lookup(&claims, path), expected.as_ref(), "{path}");
        }
    }
}
