//! A text as a token, from taking it apart to its verification: what is accepted is accepted by the model, and
//! what is refused is refused by it.

use edgeward::core::token::{REFUSED_MEMBERS, UntrustedToken};
use edgeward::core::verify::examine;
use serde_json::{Map, Value};

use super::fixture::{self, HmacAlone, MOST_TOKEN_BYTES, NOW};
use super::json::same;
use super::model;

/// Checks an input.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    compare_parts(text);
    compare_verdict(text);
}

fn compare_parts(text: &str) {
    let Ok(expected) = model::parts(text) else { return };
    let expected = expected.filter(|parts| {
        let is_text = |name: &str| parts.header.get(name).is_none_or(Value::is_string);
        text.len() <= MOST_TOKEN_BYTES
            && parts.header.contains_key("alg")
            && ["alg", "kid", "typ"].into_iter().all(is_text)
    });
    match (UntrustedToken::parse(text, MOST_TOKEN_BYTES), expected) {
        (Err(_), None) => {}
        (Ok(found), Some(expected)) => {
            let text_of = |name: &str| expected.header.get(name).and_then(Value::as_str);
            assert_eq!(Some(found.header.algorithm.as_str()), text_of("alg"));
            assert_eq!(found.header.key_id.as_deref(), text_of("kid"));
            assert_eq!(found.header.token_type.as_deref(), text_of("typ"));
            let is_refused = REFUSED_MEMBERS.iter().any(|name| expected.header.contains_key(*name));
            assert_eq!(found.header.refused_member.is_some(), is_refused);
            assert!(same(&Value::Object(found.claims), &Value::Object(expected.claims)));
            assert_eq!(found.signing_input, expected.signed);
            assert_eq!(found.signature, expected.signature);
        }
        (found, expected) => panic!("{found:?} {expected:?}"),
    }
}

/// Compares what becomes of a text with what the model says.
pub fn compare_verdict(text: &str) {
    let Ok(expected) = model::accepted(text, NOW) else { return };
    match (verify(text), expected) {
        (None, None) => {}
        (Some(found), Some(expected)) => {
            assert!(same(&Value::Object(found), &Value::Object(expected)));
        }
        (found, expected) => panic!("{text}: {found:?} {expected:?}"),
    }
}

/// The claims of a token that passes all checks.
#[must_use]
pub fn verify(text: &str) -> Option<Map<String, Value>> {
    thread_local! {
        static READY: (edgeward::core::config::Settings, Vec<edgeward::core::verify::ReadyKey<Option<[u8; 32]>>>) =
            (fixture::settings(), fixture::keys());
    }
    READY.with(|(settings, keys)| {
        let candidate = examine(settings, text).ok()?;
        candidate.authenticate(keys, &HmacAlone).ok()?;
        Some(candidate.accept(settings, NOW).ok()?.claims)
    })
}
