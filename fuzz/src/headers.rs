//! The headers of a request: what the origin gets of them is nothing that only the gate may say, and all the
//! rest.

use edgeward::core::mutate::{Edits, HeaderMap};
use edgeward::core::request::RequestHead;
use edgeward::core::trace::{TraceIds, begun_by, trace_id};

use super::model;

/// Names that an origin may take for each other are one: CGI makes `_` of all that is no letter or digit.
fn fold(name: &str) -> String {
    let one = |one: char| if one.is_ascii_alphanumeric() { one.to_ascii_lowercase() } else { '-' };
    name.chars().map(one).collect()
}

const OURS: [&str; 6] =
    ["x-user-id", "x-user-id-b64", "tenant", "tenant-b64", "x-scopes", "x-scopes-b64"];

const PREFIXES: [&str; 3] = ["x-auth-", "x-forwarded-", "x-original-"];

/// Headers of one connection (RFC 9110 section 7.6.1), and those that say who sends what to whom.
const OTHERS: [&str; 16] = [
    "connection",
    "forwarded",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "true-client-ip",
    "x-client-ip",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-real-ip",
    "x-rewrite-url",
];

fn is_ours(name: &str) -> bool {
    let folded = fold(name);
    OURS.contains(&folded.as_str())
        || PREFIXES.iter().any(|prefix| folded.starts_with(prefix))
        || OTHERS.contains(&folded.as_str())
        || (folded == "cf-connecting-ip" && name != "cf-connecting-ip")
}

fn is_name(text: &str) -> bool {
    let is_one = |one: char| one.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(one);
    !text.is_empty() && text.chars().all(is_one)
}

/// Checks an input: a packed head, see [`RequestHead::unpack`].
pub fn check(data: &[u8]) {
    let Ok(packed) = std::str::from_utf8(data) else { return };
    let mut head = RequestHead::unpack(packed);
    // The platform gives names in lower case, each once.
    let mut known = std::collections::BTreeSet::new();
    head.headers.retain(|(name, _)| {
        is_name(name) && *name == name.to_ascii_lowercase() && known.insert(*name)
    });
    check_edits(&head);
}

fn check_edits(head: &RequestHead<'_>) {
    let pairs = [("X-User-Id", "sub"), ("Tenant", "org.id"), ("X-Scopes", "scope")];
    let own = HeaderMap::build(pairs.into_iter()).expect("these are names");
    let mut edits = Edits::sanitize(head, &own);
    edits.trace(head, &TraceIds::new([1, 2]));
    let text = edits.into_text();
    let (removed, set) = model::parts_of(&text);
    assert!(removed.iter().all(|name| is_name(name)), "{text:?}");

    let options: Vec<String> = head
        .header("connection")
        .unwrap_or_default()
        .split(',')
        .map(|option| model::trimmed(option).to_ascii_lowercase())
        .filter(|option| is_name(option) && option != "upgrade")
        .collect();
    let goes = |name: &str| removed.iter().any(|one| one.eq_ignore_ascii_case(name));
    for (name, _) in &head.headers {
        let is_stray_upgrade = *name == "upgrade" && !head.is_websocket_upgrade();
        let must_go =
            is_ours(name) || is_stray_upgrade || options.iter().any(|option| option == name);
        assert!(goes(name) == must_go || *name == "tracestate", "{name} {text:?}");
    }

    // A trace goes on, or one is begun; never two.
    let goes_on = head
        .header("traceparent")
        .filter(|_| !goes("traceparent"))
        .is_some_and(|value| trace_id(value).is_some());
    assert_eq!(set.is_empty(), goes_on, "{text:?}");
    assert_eq!(begun_by(&text).is_some(), !goes_on, "{text:?}");
    assert!(goes_on || head.header("tracestate").is_none() || goes("tracestate"), "{text:?}");
}
