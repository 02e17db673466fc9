//! Finding the token in a request, and taking it out again.
//!
//! In scope: the places of RFC 6750 section 2, cookies, other headers and the subprotocols of a
//! WebSocket ([`super::subprotocol`]), and when a cookie may count. Out of scope: what the token says.

use std::borrow::Cow;

use super::path::percent_decode;
use super::request::RequestHead;
use super::subprotocol;

/// A place where a token may be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// `Authorization: Bearer` (RFC 6750 section 2.1).
    Authorization,
    /// The subprotocols that a WebSocket handshake offers.
    WebSocketProtocol,
    /// The cookie of this name.
    Cookie(String),
    /// The query parameter of this name (RFC 6750 section 2.3).
    Query(String),
    /// The header of this name, in lower case; the value is the token, with or without `Bearer`.
    Header(String),
}

/// The token that a request carries, and where it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// The token, not yet looked at.
    pub token: Cow<'a, str>,
    /// Where it was found.
    pub source: &'a Source,
}

/// Why the credentials of a request cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialsFault {
    /// More than one token, in one place or in several (RFC 6750 section 2).
    Several,
    /// A bearer credential that does not have the form of a token.
    Malformed,
    /// A cookie-carried token on a request that another site may have caused.
    ForeignOrigin,
}

/// Looks in every source. `Ok(None)` means that there are no credentials of ours.
pub fn find<'a>(
    head: &RequestHead<'a>,
    sources: &'a [Source],
    allowed_origins: &[String],
) -> Result<Option<Credentials<'a>>, CredentialsFault> {
    let mut found: Option<Credentials<'a>> = None;
    for source in sources {
        let token = match source {
            Source::Authorization => authorization(head)?.map(Cow::Borrowed),
            Source::WebSocketProtocol => websocket_protocol(head)?,
            Source::Cookie(name) => cookie(head, name)?.map(Cow::Borrowed),
            Source::Query(name) => query(head, name)?,
            Source::Header(name) => header(head, name)?.map(Cow::Borrowed),
        };
        if let Some(token) = token {
            if found.is_some() {
                return Err(CredentialsFault::Several);
            }
            found = Some(Credentials { token, source });
        }
    }
    if let Some(Credentials { source: Source::Cookie(_), .. }) = found
        && !is_same_party(head, allowed_origins)
    {
        return Err(CredentialsFault::ForeignOrigin);
    }
    Ok(found)
}

/// Whether a value has the form `b64token` of RFC 6750 section 2.1.
#[must_use]
pub fn is_token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    // Eight at a time: every request has its token looked at, and in wasm a branch for each byte
    // takes four times as long.
    let (chunks, rest) = body.as_bytes().as_chunks::<8>();
    !body.is_empty()
        && chunks
            .iter()
            .all(|chunk| chunk.iter().fold(true, |so_far, byte| so_far & is_token_byte(*byte)))
        && rest.iter().all(|byte| is_token_byte(*byte))
}

fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES.get(usize::from(byte)).is_some_and(|is_one| *is_one)
}

#[allow(clippy::indexing_slicing, reason = "checked when it is compiled")]
static TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        table[byte as usize] =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
        byte += 1;
    }
    table
};

/// What follows the scheme `Bearer`, whose case does not matter (RFC 9110 section 11.1), in an
/// `Authorization` value.
#[must_use]
pub fn bearer(value: &str) -> Option<&str> {
    let (scheme, rest) = value.trim_ascii().split_at_checked(6)?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer")
        && (rest.is_empty() || rest.starts_with([' ', '\t', ',']));
    is_bearer.then_some(rest.trim_ascii())
}

fn authorization<'a>(head: &RequestHead<'a>) -> Result<Option<&'a str>, CredentialsFault> {
    let Some(value) = head.header("authorization") else { return Ok(None) };
    let Some(token) = bearer(value) else {
        // The platform joins repeated headers by a comma: a bearer token behind another scheme.
        let hidden = value.split(',').skip(1).any(|part| bearer(part).is_some());
        return if hidden { Err(CredentialsFault::Several) } else { Ok(None) };
    };
    one_token(token).map(Some)
}

/// Nothing but a handshake offers subprotocols.
fn websocket_protocol<'a>(
    head: &RequestHead<'a>,
) -> Result<Option<Cow<'a, str>>, CredentialsFault> {
    match head.header(subprotocol::HEADER) {
        Some(value) if head.is_websocket_upgrade() => subprotocol::token(value),
        _ => Ok(None),
    }
}

fn header<'a>(head: &RequestHead<'a>, name: &str) -> Result<Option<&'a str>, CredentialsFault> {
    let Some(value) = head.header(name) else { return Ok(None) };
    let value = value.trim_ascii();
    match bearer(value).unwrap_or(value) {
        "" => Ok(None),
        token => one_token(token).map(Some),
    }
}

fn one_token(text: &str) -> Result<&str, CredentialsFault> {
    if is_token(text) {
        Ok(text)
    } else if text.contains(',') {
        Err(CredentialsFault::Several)
    } else {
        Err(CredentialsFault::Malformed)
    }
}

/// The pairs of a `Cookie` header (RFC 6265 section 4.2.1).
///
/// The platform joins repeated headers by a comma, and browsers send commas inside of values,
/// although the grammar has none there. So a comma parts pairs only next to a cookie of this name.
fn cookie_pairs<'a>(value: &'a str, name: &str) -> Vec<&'a str> {
    let mut pairs = Vec::new();
    for part in value.split(';') {
        let mut rest = part;
        loop {
            let end = if cookie_is(rest, name) {
                rest.find(',')
            } else {
                rest.match_indices(',')
                    .map(|(comma, _)| comma)
                    .find(|comma| rest.get(comma + 1..).is_some_and(|next| cookie_is(next, name)))
            };
            let (pair, next) = match end {
                Some(end) => (rest.get(..end), rest.get(end + 1..)),
                None => (Some(rest), None),
            };
            pairs.extend(pair.map(str::trim_ascii).filter(|pair| !pair.is_empty()));
            match next {
                Some(next) => rest = next,
                None => break,
            }
        }
    }
    pairs
}

/// Looks no further than the name: this is asked at every comma of a header that a client fills.
fn cookie_is(pair: &str, name: &str) -> bool {
    pair.trim_ascii_start()
        .strip_prefix(name)
        .is_some_and(|rest| rest.trim_ascii_start().starts_with('='))
}

fn cookie<'a>(head: &RequestHead<'a>, name: &str) -> Result<Option<&'a str>, CredentialsFault> {
    let Some(value) = head.header("cookie") else { return Ok(None) };
    let mut tokens = cookie_pairs(value, name)
        .into_iter()
        .filter(|pair| cookie_is(pair, name))
        .filter_map(|pair| pair.split_once('='))
        .map(|(_, token)| token.trim_ascii().trim_matches('"'))
        // A site that logs out may leave an empty cookie behind.
        .filter(|token| !token.is_empty());
    let Some(token) = tokens.next() else { return Ok(None) };
    if tokens.next().is_some() {
        return Err(CredentialsFault::Several);
    }
    one_token(token).map(Some)
}

fn query_is(pair: &str, name: &str) -> bool {
    let key = pair.split_once('=').map_or(pair, |(key, _)| key);
    key == name || (key.contains(['%', '+']) && form_decode(key) == name)
}

fn query<'a>(head: &RequestHead<'a>, name: &str) -> Result<Option<Cow<'a, str>>, CredentialsFault> {
    let Some(query) = head.query else { return Ok(None) };
    let mut tokens = query
        .split('&')
        .filter(|pair| query_is(pair, name))
        .filter_map(|pair| pair.split_once('='))
        .map(|(_, token)| token)
        .filter(|token| !token.is_empty());
    let Some(token) = tokens.next() else { return Ok(None) };
    if tokens.next().is_some() {
        return Err(CredentialsFault::Several);
    }
    let token = if token.contains('%') { Cow::Owned(form_decode(token)) } else { token.into() };
    if is_token(&token) { Ok(Some(token)) } else { Err(CredentialsFault::Malformed) }
}

/// Decodes `application/x-www-form-urlencoded`, the way every origin reads a query.
#[must_use]
pub fn form_decode(text: &str) -> String {
    let bytes = percent_decode(&text.replace('+', " "));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a request that carries a cookie was caused by a party that may use it.
///
/// Browsers send cookies along with requests that other sites cause. An `Origin` must be ours or
/// allowed. Without one, only requests pass that change nothing (RFC 9110 section 9.2.1), that the
/// browser calls same-origin (`Sec-Fetch-Site`), and never a WebSocket: its handshake is a GET
/// that gives full access and always carries an `Origin` (RFC 6455 section 10.2).
fn is_same_party(head: &RequestHead<'_>, allowed_origins: &[String]) -> bool {
    match head.header("origin") {
        Some(origin) => {
            let own = origin.split_once("://").is_some_and(|(scheme, authority)| {
                scheme == head.scheme && authority.eq_ignore_ascii_case(head.authority)
            });
            own || allowed_origins.iter().any(|allowed| allowed == origin)
        }
        None if head.is_websocket_upgrade() => false,
        None => match head.header("sec-fetch-site") {
            Some("same-origin") => true,
            _ => matches!(head.method, "GET" | "HEAD" | "OPTIONS"),
        },
    }
}

/// The `Cookie` header without the cookies of this name; `None` if nothing is left.
#[must_use]
pub fn without_cookie(value: &str, name: &str) -> Option<String> {
    let mut pairs = cookie_pairs(value, name);
    pairs.retain(|pair| !cookie_is(pair, name));
    (!pairs.is_empty()).then(|| pairs.join("; "))
}

/// The query without the parameters of this name; `None` if nothing is left.
#[must_use]
pub fn without_parameter(query: &str, name: &str) -> Option<String> {
    let kept: Vec<&str> = query.split('&').filter(|pair| !query_is(pair, name)).collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cookie_has_the_name_before_its_first_equals_sign(
            pair in "[ \t]?(ab?)?[ \t]?[ab=, ]{0,4}",
        ) {
            let name = pair.split_once('=').map(|(name, _)| name.trim_ascii());
            prop_assert_eq!(cookie_is(&pair, "ab"), name == Some("ab"));
        }
    }

    const SOURCES: &[fn() -> Source] = &[
        || Source::Authorization,
        || Source::Cookie("session".into()),
        || Source::Query("access_token".into()),
        || Source::Header("x-token".into()),
        || Source::WebSocketProtocol,
    ];

    const HANDSHAKE: &str = "GET\nhttp://a/\nupgrade\nwebsocket\nsec-websocket-protocol\n";

    fn find_in(packed: &str) -> Result<Option<(String, usize)>, CredentialsFault> {
        let sources: Vec<Source> = SOURCES.iter().map(|source| source()).collect();
        let head = RequestHead::unpack(packed);
        find(&head, &sources, &["https://app.example".to_owned()]).map(|found| {
            found.map(|found| {
                let position = sources.iter().position(|source| source == found.source).unwrap();
                (found.token.into_owned(), position)
            })
        })
    }

    #[test]
    fn a_token_is_found_in_each_source() {
        for (packed, token, source) in [
            ("GET\nhttp://a/\nauthorization\nBearer a.b-c_d", "a.b-c_d", 0),
            ("GET\nhttp://a/\nauthorization\nbeARer   abc=", "abc=", 0),
            ("GET\nhttp://a/\ncookie\na=b; session=abc; c=d", "abc", 1),
            ("GET\nhttp://a/\ncookie\nsession=\"abc\"", "abc", 1),
            ("GET\nhttp://a/\ncookie\na=1; session = abc", "abc", 1),
            ("GET\nhttp://a/\ncookie\na=1,2, session=abc", "abc", 1),
            ("GET\nhttp://a/\ncookie\nsession,,a,session=abc", "abc", 1),
            ("GET\nhttp://a/\ncookie\nsession=abc, a=1,2; b=3", "abc", 1),
            ("GET\nhttp://a/?x=1&access_token=abc", "abc", 2),
            ("GET\nhttp://a/?access%5Ftoken=a%2Eb", "a.b", 2),
            ("GET\nhttp://a/\nx-token\nabc", "abc", 3),
            ("GET\nhttp://a/\nx-token\nBearer abc", "abc", 3),
        ] {
            assert_eq!(find_in(packed), Ok(Some((token.to_owned(), source))), "{packed}");
        }
    }

    #[test]
    fn no_credentials_of_ours_is_not_an_error() {
        for packed in [
            "GET\nhttp://a/",
            "GET\nhttp://a/\nauthorization\nBasic dTpw",
            "GET\nhttp://a/\nauthorization\nDigest username=\"u\", realm=\"bearer\"",
            "GET\nhttp://a/\nauthorization\nBearerabc",
            "GET\nhttp://a/\nauthorization\n",
            "GET\nhttp://a/\nx-token\n",
            "GET\nhttp://a/\ncookie\nsession=; Session=x; sessions=y; x-session=z; session",
            "GET\nhttp://a/?access_token=&ACCESS_TOKEN=x&access_token",
        ] {
            assert_eq!(find_in(packed), Ok(None), "{packed}");
        }
    }

    #[test]
    fn several_credentials_are_refused() {
        for packed in [
            "GET\nhttp://a/\nauthorization\nBearer a, Bearer b",
            "GET\nhttp://a/\nauthorization\nBearer a,b",
            "GET\nhttp://a/\nauthorization\nBasic dTpw, Bearer a",
            "GET\nhttp://a/\ncookie\nsession=a; session=b",
            "GET\nhttp://a/\ncookie\nsession=a, session=b",
            "GET\nhttp://a/?access_token=a&access_token=b",
            "GET\nhttp://a/?access_token=a\nauthorization\nBearer a",
            "GET\nhttp://a/\nx-token\na, b",
        ] {
            assert_eq!(find_in(packed), Err(CredentialsFault::Several), "{packed}");
        }
    }

    #[test]
    fn only_a_handshake_offers_a_token_among_its_subprotocols() {
        let found = find_in(&format!("{HANDSHAKE}bearer, abc, chat"));
        assert_eq!(found, Ok(Some(("abc".to_owned(), 4))));
        let plain = "GET\nhttp://a/\nsec-websocket-protocol\nbearer, abc";
        assert_eq!(find_in(plain), Ok(None));
        assert_eq!(find_in(&format!("{HANDSHAKE}chat")), Ok(None));
        assert_eq!(find_in(&format!("{HANDSHAKE}bearer")), Err(CredentialsFault::Malformed));
        let both = format!("{HANDSHAKE}bearer, a\nauthorization\nBearer a");
        assert_eq!(find_in(&both), Err(CredentialsFault::Several));
    }

    #[test]
    fn malformed_bearer_credentials_are_refused() {
        for packed in [
            "GET\nhttp://a/\nauthorization\nBearer",
            "GET\nhttp://a/\nauthorization\nBearer ",
            "GET\nhttp://a/\nauthorization\nBearer a b",
            "GET\nhttp://a/\nauthorization\nBearer \"a\"",
            "GET\nhttp://a/\nauthorization\nBearer a=b",
            "GET\nhttp://a/\nauthorization\nBearer \u{e9}",
            "GET\nhttp://a/?access_token=a%20b",
            "GET\nhttp://a/\ncookie\nsession=a b",
        ] {
            assert_eq!(find_in(packed), Err(CredentialsFault::Malformed), "{packed}");
        }
    }

    #[test]
    fn a_cookie_counts_only_where_no_other_site_can_have_caused_the_request() {
        let cookie = "\ncookie\nsession=abc";
        for (packed, accepted) in [
            ("GET\nhttp://a/", true),
            ("HEAD\nhttp://a/", true),
            ("OPTIONS\nhttp://a/", true),
            ("DELETE\nhttp://a/", false),
            ("POST\nhttp://A/\norigin\nhttp://a", true),
            ("POST\nhttp://a/", false),
            ("POST\nhttp://a/\nsec-fetch-site\nsame-origin", true),
            ("POST\nhttp://a/\nsec-fetch-site\nsame-site", false),
            ("POST\nhttp://a/\norigin\nhttp://a", true),
            ("POST\nhttp://a/\norigin\nhttps://a", false),
            ("POST\nhttp://a/\norigin\nhttps://app.example", true),
            ("POST\nhttp://a/\norigin\nhttps://app.example.evil", false),
            ("GET\nhttp://a/\norigin\nhttps://evil.example", false),
            ("GET\nhttp://a/\norigin\nnull", false),
            ("GET\nhttp://a/\nupgrade\nwebsocket", false),
            ("GET\nhttp://a/\nupgrade\nwebsocket\norigin\nhttp://a", true),
        ] {
            let found = find_in(&format!("{packed}{cookie}"));
            assert_eq!(found.is_ok(), accepted, "{packed}");
            if !accepted {
                assert_eq!(found, Err(CredentialsFault::ForeignOrigin), "{packed}");
            }
        }
    }

    #[test]
    fn a_token_is_taken_out_and_its_neighbours_stay() {
        assert_eq!(without_cookie("a=b; session=x; c=d", "session").as_deref(), Some("a=b; c=d"));
        assert_eq!(without_cookie("a=1,2; session=x", "session").as_deref(), Some("a=1,2"));
        assert_eq!(
            without_cookie("a=1,2, session=x, b=3", "session").as_deref(),
            Some("a=1,2; b=3")
        );
        assert_eq!(without_cookie("session=x", "session"), None);
        assert_eq!(without_parameter("a=b&t=x&t=y&c", "t").as_deref(), Some("a=b&c"));
        assert_eq!(without_parameter("%74=x", "t"), None);
    }
}
