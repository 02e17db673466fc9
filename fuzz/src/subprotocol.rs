//! The subprotocols that a WebSocket handshake offers: at most one token among them, and none in what is left.

use edgeward::core::credentials::{CredentialsFault, is_token};
use edgeward::core::subprotocol::{Rest, token, without_token};

use super::model;

const PREFIX: &str = "base64url.bearer.authorization.k8s.io.";

/// Checks an input.
pub fn check(data: &[u8]) {
    let Ok(value) = std::str::from_utf8(data) else { return };
    let offered: Vec<&str> = value
        .split(',')
        .map(|one| one.trim_matches([' ', '\t', '\n', '\r', '\u{c}']))
        .filter(|one| !one.is_empty())
        .collect();
    let encoded: Vec<Option<String>> = offered
        .iter()
        .filter_map(|one| one.strip_prefix(PREFIX))
        .map(|text| String::from_utf8(model::base64url(text)?).ok())
        .collect();
    // A marker and what is behind it.
    let mut plain = Vec::new();
    let mut others = Vec::new();
    let mut has_marker = false;
    let mut at = 0;
    while let Some(one) = offered.get(at) {
        at += 1;
        if *one == "bearer" {
            has_marker = true;
            if let Some(next) = offered.get(at).filter(|next| !next.starts_with(PREFIX)) {
                plain.push((*next).to_owned());
                at += 1;
            }
        } else if !one.starts_with(PREFIX) {
            others.push(*one);
        }
    }
    let all: Vec<String> = plain.iter().cloned().chain(encoded.iter().flatten().cloned()).collect();
    let expected = match all.as_slice() {
        [_, _, ..] => Err(CredentialsFault::Several),
        [one] if others.contains(&one.as_str()) => Err(CredentialsFault::Several),
        _ if encoded.contains(&None) => Err(CredentialsFault::Malformed),
        [one] if is_token(one) => Ok(Some(one.as_str())),
        [] if !has_marker => Ok(None),
        _ => Err(CredentialsFault::Malformed),
    };
    let found = token(value);
    assert_eq!(found.as_ref().map(Option::as_deref), expected.as_ref().map(|one| *one));

    let rest = match without_token(value) {
        Rest::Others(rest) => rest,
        Rest::Marker => {
            assert!(has_marker && others.is_empty());
            String::new()
        }
        Rest::Nothing => {
            assert!(!has_marker && others.is_empty());
            String::new()
        }
    };
    assert_eq!(rest, others.join(", "));
    assert_eq!(token(&rest), Ok(None), "{rest:?}");
    assert_eq!(without_token(&rest) == Rest::Nothing, rest.is_empty());
}
