//! The subprotocols that a WebSocket handshake offers: at most one token among them, and none in what is left.

use edgeward::core::credentials::{CredentialsFault, is_token};
use edgeward::core::subprotocol::{Rest, token, without_token};

use super::model;

const PREFIX: &str = "base64url.bearer.authorization.k8s.io.";

/// What is offered, read in the most obvious way.
#[derive(Debug, Default)]
pub struct Offered {
    /// The tokens, in whatever form; none for what is wrong about them: an encoding, a marker of nothing, the
    /// same token where it is none.
    pub tokens: Vec<Option<String>>,
    has_marker: bool,
    others: Vec<String>,
}

/// Takes the value of the header apart.
#[must_use]
pub fn offered(value: &str) -> Offered {
    let all: Vec<&str> =
        value.split(',').map(model::trimmed).filter(|one| !one.is_empty()).collect();
    let mut offered = Offered::default();
    let mut at = 0;
    while let Some(one) = all.get(at) {
        at += 1;
        if let Some(text) = one.strip_prefix(PREFIX) {
            let bytes = model::base64url(text);
            offered.tokens.push(bytes.and_then(|bytes| String::from_utf8(bytes).ok()));
        } else if *one == "bearer" {
            offered.has_marker = true;
            // A marker and what is behind it.
            if let Some(next) = all.get(at).filter(|next| !next.starts_with(PREFIX)) {
                offered.tokens.push(Some((*next).to_owned()));
                at += 1;
            }
        } else {
            offered.others.push((*one).to_owned());
        }
    }
    let is_there_again = offered.tokens.iter().flatten().any(|one| offered.others.contains(one));
    if is_there_again || offered.has_marker && offered.tokens.is_empty() {
        offered.tokens.push(None);
    }
    offered
}

/// Checks an input.
pub fn check(data: &[u8]) {
    let Ok(value) = std::str::from_utf8(data) else { return };
    let Offered { tokens, has_marker, others } = offered(value);
    let all: Vec<&String> = tokens.iter().flatten().collect();
    let expected = match all.as_slice() {
        [_, _, ..] => Err(CredentialsFault::Several),
        [one] if others.contains(one) => Err(CredentialsFault::Several),
        _ if tokens.contains(&None) => Err(CredentialsFault::Malformed),
        [one] if is_token(one) => Ok(Some(one.as_str())),
        [] => Ok(None),
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
