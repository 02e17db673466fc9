//! Tokens among the subprotocols of a WebSocket handshake, where browsers can put them: they can set no
//! header.
//!
//! Two forms are known: `bearer` and behind it the token, and
//! `base64url.bearer.authorization.k8s.io.` with the token in base64url, as Kubernetes has it
//! (<https://github.com/kubernetes/kubernetes/pull/47740>), which carries tokens of any alphabet. In
//! scope: finding the token, and what is left without it. Out of scope: what the token says.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::credentials::{CredentialsFault, is_token};

/// The header, in lower case (RFC 6455 section 11.3.4).
pub const HEADER: &str = "sec-websocket-protocol";

/// What stands before a token. A browser that has offered subprotocols takes no connection without one
/// of them, so that this is chosen where there is no other.
pub const MARKER: &str = "bearer";

const ENCODED_PREFIX: &str = "base64url.bearer.authorization.k8s.io.";

/// The offered subprotocols, taken apart.
#[derive(Debug, Default)]
struct Offer<'a> {
    tokens: Vec<Cow<'a, str>>,
    has_marker: bool,
    is_malformed: bool,
    others: Vec<&'a str>,
}

impl<'a> Offer<'a> {
    fn read(value: &'a str) -> Self {
        let mut offer = Self::default();
        let mut rest =
            value.split(',').map(str::trim_ascii).filter(|one| !one.is_empty()).peekable();
        while let Some(one) = rest.next() {
            if let Some(encoded) = one.strip_prefix(ENCODED_PREFIX) {
                let decoded = URL_SAFE_NO_PAD.decode(encoded).ok();
                match decoded.and_then(|bytes| String::from_utf8(bytes).ok()) {
                    Some(token) => offer.tokens.push(Cow::Owned(token)),
                    None => offer.is_malformed = true,
                }
            } else if one == MARKER {
                offer.has_marker = true;
                // Beside an encoded token the marker stands for itself.
                if let Some(token) = rest.next_if(|next| !next.starts_with(ENCODED_PREFIX)) {
                    offer.tokens.push(Cow::Borrowed(token));
                }
            } else {
                offer.others.push(one);
            }
        }
        offer
    }
}

/// The token in the value of the header, if there is one.
pub fn token(value: &str) -> Result<Option<Cow<'_, str>>, CredentialsFault> {
    let Offer { mut tokens, has_marker, is_malformed, others } = Offer::read(value);
    let token = tokens.pop();
    match token {
        Some(_) if !tokens.is_empty() => Err(CredentialsFault::Several),
        // Once more, where the origin would see it.
        Some(token) if others.contains(&&*token) => Err(CredentialsFault::Several),
        _ if is_malformed => Err(CredentialsFault::Malformed),
        Some(token) if is_token(&token) => Ok(Some(token)),
        None if !has_marker => Ok(None),
        // A marker of nothing, or of no token.
        _ => Err(CredentialsFault::Malformed),
    }
}

/// What is left of the header when the token and its marker are taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rest {
    /// These subprotocols.
    Others(String),
    /// Nothing; the marker is to be chosen.
    Marker,
    /// Nothing.
    Nothing,
}

/// Takes the token out of the value of the header.
#[must_use]
pub fn without_token(value: &str) -> Rest {
    let Offer { has_marker, others, .. } = Offer::read(value);
    if !others.is_empty() {
        Rest::Others(others.join(", "))
    } else if has_marker {
        Rest::Marker
    } else {
        Rest::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENCODED: &str = "base64url.bearer.authorization.k8s.io.YS5iLmM"; // a.b.c

    #[test]
    fn a_token_is_found_in_either_form_and_taken_out() {
        let encoded = |others: &str| format!("{ENCODED}{others}");
        for (value, rest) in [
            ("bearer, a.b.c".to_owned(), Rest::Marker),
            ("bearer,a.b.c,chat".to_owned(), Rest::Others("chat".into())),
            ("chat, bearer, a.b.c, v2".to_owned(), Rest::Others("chat, v2".into())),
            (encoded(""), Rest::Nothing),
            (encoded(", chat"), Rest::Others("chat".into())),
            (encoded(", bearer"), Rest::Marker),
            (format!("bearer, {ENCODED}"), Rest::Marker),
            (format!("bearer,, {ENCODED} ,chat"), Rest::Others("chat".into())),
        ] {
            assert_eq!(token(&value), Ok(Some("a.b.c".into())), "{value}");
            assert_eq!(without_token(&value), rest, "{value}");
        }
    }

    #[test]
    fn subprotocols_without_a_token_are_none_of_ours() {
        for value in ["", "chat", "chat, Bearer, v2", "base64url.bearer.authorization.k8s.io"] {
            assert_eq!(token(value), Ok(None), "{value}");
        }
        assert_eq!(without_token("chat, Bearer"), Rest::Others("chat, Bearer".into()));
    }

    #[test]
    fn several_tokens_and_what_is_none_are_refused() {
        for value in [
            format!("bearer, x, {ENCODED}"),
            format!("{ENCODED}, {ENCODED}"),
            "bearer, x, bearer, y".to_owned(),
            "bearer, x, chat, x".to_owned(),
            "x, bearer, x".to_owned(),
            format!("a.b.c, {ENCODED}"),
        ] {
            assert_eq!(token(&value), Err(CredentialsFault::Several), "{value}");
        }
        for value in [
            "bearer",
            "chat, bearer",
            "bearer, a b",
            "bearer, a\"b",
            "base64url.bearer.authorization.k8s.io.",
            "base64url.bearer.authorization.k8s.io.YS5iLmM=",
            "base64url.bearer.authorization.k8s.io.YS5iLm",
            "base64url.bearer.authorization.k8s.io._w",
            "base64url.bearer.authorization.k8s.io.IA",
            "bearer, x, base64url.bearer.authorization.k8s.io.*",
        ] {
            assert_eq!(token(value), Err(CredentialsFault::Malformed), "{value}");
        }
    }
}
