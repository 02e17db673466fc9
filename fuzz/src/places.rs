//! Where a request of the fixture may carry its token, read in the most obvious way.

use edgeward::core::request::RequestHead;

use super::fixture::ALLOWED_ORIGIN;
use super::model::{self, trimmed};
use super::subprotocol::offered;

/// What stands in the place of tokens.
#[derive(Debug, PartialEq, Eq)]
pub enum Carried {
    /// Nothing.
    Nothing,
    /// This alone, which may be no token.
    One(String),
    /// What nobody may read as one token: several (RFC 6750 section 2), or a cookie that another site may have
    /// sent.
    Refused,
}

/// What a request carries.
#[must_use]
pub fn carried(head: &RequestHead<'_>) -> Carried {
    let of = |name: &str| head.header(name).map(trimmed);
    let authorization = of("authorization").into_iter().filter_map(authorization).map(Some);
    // `Bearer` is for the standard header; others may have it, too.
    let other = of("x-token").map(|value| bearer(value).unwrap_or(value).to_owned());
    let offered = of("sec-websocket-protocol").filter(|_| is_handshake(head)).map(offered);
    let cookies = of("cookie").map(cookies).unwrap_or_default();
    let is_by_cookie = !cookies.is_empty();
    let found: Vec<Option<String>> = authorization
        .chain(other.filter(|text| !text.is_empty()).map(Some))
        .chain(offered.into_iter().flat_map(|offered| offered.tokens))
        .chain(cookies.into_iter().map(Some))
        .chain(head.query.map(parameters).unwrap_or_default().into_iter().map(Some))
        .collect();
    match found.as_slice() {
        [] => Carried::Nothing,
        [Some(text)] if !is_by_cookie || is_of_our_pages(head) => Carried::One(text.clone()),
        _ => Carried::Refused,
    }
}

fn is_handshake(head: &RequestHead<'_>) -> bool {
    head.method == "GET"
        && head.header("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

/// What follows the scheme `Bearer`.
#[must_use]
pub fn bearer(value: &str) -> Option<&str> {
    let end = value.find([' ', '\t', ',']).unwrap_or(value.len());
    let (scheme, rest) = value.split_at(end);
    scheme.eq_ignore_ascii_case("bearer").then(|| trimmed(rest))
}

/// What is behind the scheme; or all of it, if there is a token behind another scheme, too.
fn authorization(value: &str) -> Option<String> {
    let is_hidden = || value.split(',').any(|part| bearer(trimmed(part)).is_some());
    match bearer(value) {
        Some(token) => Some(token.to_owned()),
        None => is_hidden().then(|| value.to_owned()),
    }
}

/// Servers part cookies at semicolons; what the platform has joined, at commas.
fn cookies(value: &str) -> Vec<String> {
    let pairs = value.split([';', ',']).filter_map(|pair| pair.split_once('='));
    let ours = pairs.filter(|(name, _)| trimmed(name) == "session");
    let values = ours.map(|(_, value)| trimmed(value).trim_matches('"').to_owned());
    values.filter(|value| !value.is_empty()).collect()
}

fn parameters(query: &str) -> Vec<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let ours =
        pairs.filter(|(name, value)| model::form_decoded(name) == "token" && !value.is_empty());
    ours.map(|(_, value)| model::form_decoded(value)).collect()
}

/// Whether no other site can have caused this, or only what does no harm.
fn is_of_our_pages(head: &RequestHead<'_>) -> bool {
    let is_own = |origin: &str| {
        let (scheme, authority) = origin.split_once("://").unwrap_or_default();
        scheme == head.scheme && authority.eq_ignore_ascii_case(head.authority)
    };
    match (head.header("origin"), head.header("sec-fetch-site")) {
        (Some(origin), _) => origin == ALLOWED_ORIGIN || is_own(origin),
        (None, _) if is_handshake(head) => false,
        (None, Some("same-origin")) => true,
        (None, _) => ["GET", "HEAD", "OPTIONS"].contains(&head.method),
    }
}
