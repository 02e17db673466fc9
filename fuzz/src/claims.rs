//! The claims of a token, and what is read from them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edgeward::core::claims::{self, Rounding, audience_matches, lookup};
use edgeward::core::json::parse_object;
use edgeward::core::mutate::HeaderMap;
use serde_json::{Map, Value};

use super::model;

/// Checks an input.
pub fn check(data: &[u8]) {
    let Ok(claims) = parse_object(data) else { return };
    for name in ["exp", "nbf", "iat"] {
        check_date(&claims, name);
    }
    let scopes: Vec<String> = claims::scopes(&claims).split(' ').map(str::to_owned).collect();
    let expected = model::scopes(&claims);
    assert_eq!(scopes, if expected.is_empty() { vec![String::new()] } else { expected });
    check_audience(&claims);
    check_paths(&claims);
    check_lines(&claims);
}

/// A time is the claim itself, rounded against the token.
fn check_date(claims: &Map<String, Value>, name: &str) {
    let read = |rounding| claims::date(claims, name, rounding);
    match (claims.get(name).map(Value::as_f64), read(Rounding::Down), read(Rounding::Up)) {
        (None, down, up) => assert!(down == Ok(None) && up == Ok(None)),
        (Some(Some(said)), Ok(Some(down)), Ok(Some(up))) => {
            assert!((0..=1 << 53).contains(&down) && (0..=1).contains(&(up - down)));
            #[expect(clippy::cast_precision_loss, reason = "at most 2^53")]
            let (down, up) = (down as f64, up as f64);
            assert!(down <= said && said <= up && (up <= down || said > down), "{said}");
        }
        (Some(Some(said)), Err(_), Err(_)) => {
            assert!(!(0.0..9_007_199_254_740_991.0).contains(&said), "{said}");
        }
        (Some(None), Err(_), Err(_)) => {}
        (said, down, up) => panic!("{said:?} {down:?} {up:?}"),
    }
}

fn check_audience(claims: &Map<String, Value>) {
    let accepted = ["api".to_owned(), "other".to_owned()];
    let names = |claim: &str| {
        let list = match claims.get(claim)? {
            Value::Array(list) => list.clone(),
            one => vec![one.clone()],
        };
        let is_ours = list.iter().any(|one| accepted.iter().any(|accepted| one == accepted));
        Some(is_ours && list.iter().all(Value::is_string))
    };
    for claim in ["aud", "client_id"] {
        let expected = names(claim) == Some(true) && names("aud") != Some(false);
        assert_eq!(audience_matches(claims, claim, &accepted), expected);
    }
}

/// Each value is found by its path, unless two of them have the same.
fn check_paths(claims: &Map<String, Value>) {
    fn walk<'c>(object: &'c Map<String, Value>, before: &str, into: &mut Vec<(String, &'c Value)>) {
        for (name, value) in object {
            if into.len() >= 64 {
                return;
            }
            let path = format!("{before}{name}");
            into.push((path.clone(), value));
            if let Value::Object(inner) = value {
                walk(inner, &format!("{path}."), into);
            }
        }
    }
    let mut all = Vec::new();
    walk(claims, "", &mut all);
    let is_complete = all.len() < 64;
    for (path, value) in &all {
        let same: Vec<_> = all.iter().filter(|(other, _)| other == path).collect();
        if let ([_], true) = (same.as_slice(), is_complete) {
            assert_eq!(lookup(claims, path), (!value.is_null()).then_some(*value), "{path}");
        }
        if let Some(found) = lookup(claims, path) {
            let is_one = !is_complete || same.iter().any(|(_, one)| std::ptr::eq(*one, found));
            assert!(is_one, "{path}");
        }
    }
    assert_eq!(lookup(claims, "org.id"), expected_organisation(claims));
}

fn expected_organisation(claims: &Map<String, Value>) -> Option<&Value> {
    model::organisation(claims)
}

/// No claim becomes more than one header, or one with bytes that no header has.
fn check_lines(claims: &Map<String, Value>) {
    let pairs = [("X-User-Id", "sub"), ("Tenant", "org.id"), ("X-Scopes", "scope")];
    let map = HeaderMap::build(pairs.into_iter()).expect("these are names");
    let lines = map.lines(claims);
    let lines: Vec<&str> = lines.split_terminator('\n').collect();
    let mut expected = pairs.iter();
    for line in lines.chunks(2) {
        let [name, value] = line else { panic!("{lines:?}") };
        let plain = name.strip_suffix("-B64");
        let (_, claim) = expected
            .find(|(header, _)| *header == plain.unwrap_or(name))
            .expect("one header for each claim, in their order");
        let is_visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        assert!(value.bytes().all(is_visible) && value.trim() == *value, "{value:?}");
        let said = lookup(claims, claim).expect("there is a claim");
        match said {
            Value::String(text) if plain.is_none() => assert_eq!(value, text),
            Value::String(text) => {
                assert_eq!(URL_SAFE_NO_PAD.decode(value).as_deref(), Ok(text.as_bytes()));
                assert!(!text.bytes().all(is_visible) || text.trim() != text, "{text:?}");
            }
            _ => {}
        }
    }
}
