//! What the origin gets to see: identity headers are set or removed, never left.
//!
//! In scope: which headers of a request go, and which are set in their place. Out of scope: how
//! the platform edits a request.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::assertion::Assertion;
use super::claims;
use super::request::RequestHead;
use super::trace::{self, TRACEPARENT, TRACESTATE, TraceIds};

/// The assertion's header.
pub const ASSERTION_HEADER: &str = "x-auth-assertion";

/// The header that says on what less than usual a permit rests.
pub const DEGRADED: &str = "x-auth-degraded";

/// The header that says why a request would have been denied.
pub const SHADOW: &str = "x-auth-shadow";

/// Where the platform says who is connected to it.
pub const CLIENT_ADDRESS: &str = "cf-connecting-ip";

/// Every name that starts like this is ours, whatever the configuration says.
const OWN_PREFIX: &str = "x-auth-";

/// Headers that describe one connection (RFC 9110 section 7.6.1), lower case.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
];

/// Headers from which origins learn who sent a request, or a target or method other than the one
/// that was evaluated; folded, as [`fold`] gives them.
const OVERRIDES: [&str; 8] = [
    "forwarded",
    "true-client-ip",
    "x-client-ip",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-real-ip",
    "x-rewrite-url",
];

/// Every name that starts like this is an override too.
const OVERRIDE_PREFIXES: [&str; 2] = ["x-forwarded-", "x-original-"];

/// Headers that we set ourselves, or that say what a request is or carries; a mapped claim must
/// not replace them.
const RESERVED: [&str; 20] = [
    ASSERTION_HEADER,
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "origin",
    "range",
    "sec-websocket-protocol",
    TRACEPARENT,
    TRACESTATE,
    "upgrade",
    "via",
    "x-auth-degraded",
    "x-auth-shadow",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// Which claim goes into which header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderMap {
    entries: Vec<Mapping>,
    /// The folded names of all entries and of their `-B64` forms.
    folded: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mapping {
    name: String,
    claim: String,
}

/// Why a header cannot carry a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderFault {
    /// Not a field name (RFC 9110 section 5.1).
    NotAName,
    /// A header with a meaning of its own.
    Reserved,
    /// An origin could take it for another entry's header.
    Ambiguous,
}

impl HeaderMap {
    /// Builds the map from header names and claim paths; a fault comes with its header's name.
    pub fn build<'a>(
        pairs: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Vec<(&'a str, HeaderFault)>> {
        let mut map = Self::default();
        let mut faults = Vec::new();
        for (name, claim) in pairs {
            let folded = fold(name);
            let base64 = format!("{folded}-b64");
            if !is_field_name(name) {
                faults.push((name, HeaderFault::NotAName));
            } else if RESERVED.contains(&folded.as_str()) || HOP_BY_HOP.contains(&folded.as_str()) {
                faults.push((name, HeaderFault::Reserved));
            } else if map.folded.contains(&folded) || map.folded.contains(&base64) {
                faults.push((name, HeaderFault::Ambiguous));
            } else {
                map.entries.push(Mapping { name: name.to_owned(), claim: claim.to_owned() });
                map.folded.extend([folded, base64]);
            }
        }
        if faults.is_empty() { Ok(map) } else { Err(faults) }
    }

    /// The mapped claims as name, line feed, value, line feed; absent claims have no line.
    #[must_use]
    pub fn lines(&self, claims: &Map<String, Value>) -> String {
        let mut lines = String::new();
        for Mapping { name, claim } in &self.entries {
            let Some(value) = claims::lookup(claims, claim) else { continue };
            let spaced = matches!(claim.as_str(), "scope" | "scp");
            match header_value(value, if spaced { ' ' } else { ',' }) {
                Some(HeaderValue::Plain(value)) => push_line(&mut lines, &[name], &[&value]),
                Some(HeaderValue::Encoded(value)) => {
                    push_line(&mut lines, &[name, "-B64"], &[&value]);
                }
                None => {}
            }
        }
        lines
    }

    /// Whether an origin could take a header of this name for one that only we may set.
    fn owns(&self, name: &str) -> bool {
        folds_to_prefix(name, OWN_PREFIX) || self.folded.iter().any(|own| folds_to(name, own))
    }
}

/// A claim as the value of a header.
enum HeaderValue {
    /// Goes under the configured name.
    Plain(String),
    /// Goes under the name with `-B64`.
    Encoded(String),
}

fn header_value(value: &Value, separator: char) -> Option<HeaderValue> {
    match value {
        Value::Null => None,
        Value::Bool(value) => Some(HeaderValue::Plain(value.to_string())),
        Value::Number(number) => Some(HeaderValue::Plain(number.to_string())),
        Value::String(text) if is_field_value(text) => Some(HeaderValue::Plain(text.clone())),
        Value::String(text) => Some(HeaderValue::Encoded(URL_SAFE_NO_PAD.encode(text))),
        Value::Array(list) if list.is_empty() => None,
        Value::Array(list) if list.iter().all(Value::is_string) => {
            let items: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
            let unambiguous = |item: &&str| {
                !item.is_empty()
                    && is_field_value(item)
                    && !item.contains(separator)
                    && !item.contains(',')
            };
            Some(if items.iter().all(unambiguous) {
                HeaderValue::Plain(items.join(separator.encode_utf8(&mut [0; 4])))
            } else {
                HeaderValue::Encoded(URL_SAFE_NO_PAD.encode(value.to_string()))
            })
        }
        Value::Array(_) | Value::Object(_) => {
            Some(HeaderValue::Plain(URL_SAFE_NO_PAD.encode(value.to_string())))
        }
    }
}

/// Whether a text can be a field value as it is: visible ASCII, with spaces only inside. Bytes
/// beyond ASCII are legal but no two stacks agree on what they mean (RFC 9110 section 5.5).
fn is_field_value(text: &str) -> bool {
    let inner = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    text.bytes().all(inner) && !text.starts_with(' ') && !text.ends_with(' ')
}

/// Whether a text is a field name (RFC 9110 section 5.1).
#[must_use]
pub fn is_field_name(text: &str) -> bool {
    let is_token_byte =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Adds a header whose name and value come in parts.
fn push_line(lines: &mut String, name: &[&str], value: &[&str]) {
    lines.extend(name.iter().copied());
    lines.push('\n');
    lines.extend(value.iter().copied());
    lines.push('\n');
}

/// The one name that all spellings share which some origin takes for each other: CGI and its
/// heirs (RFC 3875 section 4.1.18) upper-case a name and turn everything that is not a letter or a
/// digit into `_`.
fn fold(name: &str) -> String {
    name.bytes().map(|byte| char::from(fold_byte(byte))).collect()
}

const fn fold_byte(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// Whether `name` folds to `folded`; without allocation, since this is asked of every header.
fn folds_to(name: &str, folded: &str) -> bool {
    name.len() == folded.len() && name.bytes().map(fold_byte).eq(folded.bytes())
}

fn folds_to_prefix(name: &str, folded: &str) -> bool {
    name.get(..folded.len()).is_some_and(|start| folds_to(start, folded))
}

/// The edits that turn a request into the one that the origin gets: some headers are removed, then
/// some are set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edits {
    /// Names, each with a line feed.
    removed: String,
    /// Names and values, each with a line feed.
    set: String,
}

impl Edits {
    /// Starts with the removal of every inbound header that is not the client's to set.
    #[must_use]
    pub fn sanitize(head: &RequestHead<'_>, own: &HeaderMap) -> Self {
        // Room for what a usual request gets, so that nothing is moved while it grows.
        let mut edits =
            Self { removed: String::with_capacity(64), set: String::with_capacity(1024) };
        for (name, value) in &head.headers {
            // The platform sends any request that keeps this header as a GET.
            let is_stray_upgrade = *name == "upgrade" && !head.is_websocket_upgrade();
            if is_stray_upgrade || is_managed(name, own) {
                edits.remove(name);
            }
            if *name == "connection" {
                // What an intermediary must not forward (RFC 9110 section 7.6.1). `Upgrade` has
                // been dealt with.
                for option in value.split(',').map(str::trim_ascii) {
                    if is_field_name(option) && !option.eq_ignore_ascii_case("upgrade") {
                        edits.remove(option);
                    }
                }
            }
        }
        edits
    }

    /// Removes a header that the client sent.
    pub fn remove(&mut self, name: &str) {
        self.removed.push_str(name);
        self.removed.push('\n');
    }

    /// Sets a header, whether or not it is also removed, to a value that is a legal field value.
    pub fn set(&mut self, name: &str, value: &str) {
        push_line(&mut self.set, &[name], &[value]);
    }

    /// Sets the assertion's header.
    pub fn set_assertion(&mut self, assertion: &Assertion) {
        push_line(&mut self.set, &[ASSERTION_HEADER], &assertion.parts());
    }

    /// Lets the trace go on that a request is part of, or begins one. What others keep about a trace
    /// (`tracestate`) stays with it.
    pub fn trace(&mut self, head: &RequestHead<'_>, ids: &TraceIds) {
        let received = head.header(TRACEPARENT).and_then(trace::trace_id);
        // The client can have named it in `Connection`.
        if received.is_some() && !self.removes(TRACEPARENT) {
            return;
        }
        if head.header(TRACESTATE).is_some() {
            self.remove(TRACESTATE);
        }
        self.set.push_str(TRACEPARENT);
        self.set.push('\n');
        ids.begin(&mut self.set);
        self.set.push('\n');
    }

    fn removes(&self, name: &str) -> bool {
        self.removed.lines().any(|removed| removed.eq_ignore_ascii_case(name))
    }

    /// Sets the headers that [`HeaderMap::lines`] made.
    pub fn extend(&mut self, lines: &str) {
        self.set.push_str(lines);
    }

    /// The edits as text, for the platform's side: the names to remove, an empty line, the names
    /// and values to set, each on a line of its own.
    #[must_use]
    pub fn into_text(self) -> String {
        let Self { removed: mut text, set } = self;
        text.reserve_exact(1 + set.len());
        text.push('\n');
        text.push_str(&set);
        text
    }
}

/// Whether an inbound header is removed whatever the request.
fn is_managed(name: &str, own: &HeaderMap) -> bool {
    HOP_BY_HOP.iter().chain(&OVERRIDES).any(|managed| folds_to(name, managed))
        || OVERRIDE_PREFIXES.iter().any(|prefix| folds_to_prefix(name, prefix))
        // The platform vouches for this spelling alone.
        || (name != CLIENT_ADDRESS && folds_to(name, CLIENT_ADDRESS))
        || own.owns(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        HeaderMap::build(pairs.iter().copied()).unwrap()
    }

    fn sanitized(method: &str, headers: &[(&str, &str)], own: &HeaderMap) -> String {
        let mut head = RequestHead::unpack("");
        head.method = method;
        head.headers = headers.to_vec();
        Edits::sanitize(&head, own).into_text()
    }

    fn lines(claim: &'static str, value: &Value) -> String {
        let claims = json!({ claim: value });
        map(&[("X-Id", claim)]).lines(claims.as_object().unwrap())
    }

    #[test]
    fn each_type_of_claim_has_its_form() {
        for (claim, value, expected) in [
            ("c", json!("plain text"), "X-Id\nplain text\n"),
            ("c", json!(""), "X-Id\n\n"),
            ("c", json!(42), "X-Id\n42\n"),
            ("c", json!(1.5), "X-Id\n1.5\n"),
            ("c", json!(true), "X-Id\ntrue\n"),
            ("c", json!(null), ""),
            ("c", json!([]), ""),
            ("c", json!(["a", "b"]), "X-Id\na,b\n"),
            ("c", json!(["a b", "c"]), "X-Id\na b,c\n"),
            ("scope", json!(["a", "b"]), "X-Id\na b\n"),
            ("scp", json!(["a", "b"]), "X-Id\na b\n"),
            ("scope", json!("a b"), "X-Id\na b\n"),
            ("c", json!({ "a": 1 }), "X-Id\neyJhIjoxfQ\n"),
            ("c", json!([["a"]]), "X-Id\nW1siYSJdXQ\n"),
            ("c", json!([1]), "X-Id\nWzFd\n"),
        ] {
            assert_eq!(lines(claim, &value), expected, "{claim} {value}");
        }
    }

    #[test]
    fn a_value_that_a_header_cannot_carry_is_encoded_under_another_name() {
        for (claim, value, decoded) in [
            ("c", json!("a\r\nX-Auth-Subject: root"), "a\r\nX-Auth-Subject: root"),
            ("c", json!("\u{0}"), "\u{0}"),
            ("c", json!("Zoë"), "Zoë"),
            ("c", json!(" a"), " a"),
            ("c", json!("a\t"), "a\t"),
            ("c", json!(["a,b", "c"]), r#"["a,b","c"]"#),
            ("c", json!(["", "c"]), r#"["","c"]"#),
            ("c", json!(["ü"]), r#"["ü"]"#),
            ("scope", json!(["a b", "c"]), r#"["a b","c"]"#),
        ] {
            let expected = format!("X-Id-B64\n{}\n", URL_SAFE_NO_PAD.encode(decoded));
            assert_eq!(lines(claim, &value), expected, "{claim} {value}");
        }
    }

    #[test]
    fn every_spelling_that_an_origin_could_fold_is_removed() {
        let own = map(&[("X-User-Id", "sub"), ("Tenant", "tenant")]);
        for name in [
            "x-user-id",
            "x_user_id",
            "x-user_id",
            "x.user.id",
            "X-USER-ID",
            "tenant",
            "tenant-b64",
            "x-user-id-b64",
            "x_user_id_b64",
            "x-auth-anything",
            "x_auth_subject",
            "x-auth-assertion",
            "te",
            "x-forwarded-for",
            "x_forwarded_host",
            "forwarded",
            "x-forwarded-user",
            "x-forwarded-prefix",
            "x-real-ip",
            "cf_connecting_ip",
            "true-client-ip",
            "x-original-url",
            "x-original-method",
            "x-http-method-override",
        ] {
            assert_eq!(sanitized("GET", &[(name, "v")], &own), format!("{name}\n\n"), "{name}");
        }
        for name in [
            "x-user",
            "x-user-id-2",
            "tenants",
            "accept",
            "authorization",
            "x-authority",
            "cf-connecting-ip",
        ] {
            assert_eq!(sanitized("GET", &[(name, "v")], &own), "\n", "{name}");
        }
    }

    #[test]
    fn connection_options_are_removed_before_ours_are_set() {
        let own = map(&[("X-User-Id", "sub")]);
        let headers = [("connection", "close, X-User-Id,, upgrade, a b")];
        assert_eq!(sanitized("GET", &headers, &own), "connection\nclose\nX-User-Id\n\n");
    }

    #[test]
    fn only_a_get_upgrades_and_only_to_a_websocket() {
        let own = HeaderMap::default();
        assert_eq!(sanitized("GET", &[("upgrade", "WebSocket")], &own), "\n");
        for (method, value) in [
            ("OPTIONS", "websocket"),
            ("POST", "websocket"),
            ("HEAD", "websocket"),
            ("get", "websocket"),
            ("GET", "h2c"),
            ("GET", "websocket, h2c"),
            ("GET", ""),
        ] {
            let edits = sanitized(method, &[("upgrade", value)], &own);
            assert_eq!(edits, "upgrade\n\n", "{method} {value}");
        }
    }

    fn traced(headers: &[(&str, &str)]) -> String {
        let mut head = RequestHead::unpack("");
        head.headers = headers.to_vec();
        let mut edits = Edits::sanitize(&head, &HeaderMap::default());
        edits.trace(&head, &TraceIds::new([1, 2]));
        edits.into_text()
    }

    #[test]
    fn a_trace_goes_on_as_it_is_and_one_is_begun_where_there_is_none() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let begun = "traceparent\n00-910a2dec89025cc1975835de1c9756cf-e1013437ce76cc27-01\n";
        for (headers, edits) in [
            (vec![("traceparent", parent), ("tracestate", "a=b")], "\n".to_owned()),
            (vec![], format!("\n{begun}")),
            (vec![("tracestate", "a=b")], format!("tracestate\n\n{begun}")),
            (vec![("traceparent", "00-0-0-0")], format!("\n{begun}")),
            (
                vec![("tracestate", "a=b"), ("traceparent", &parent[..54])],
                format!("tracestate\n\n{begun}"),
            ),
            (
                vec![("connection", "TraceParent"), ("traceparent", parent), ("tracestate", "a=b")],
                format!("connection\nTraceParent\ntracestate\n\n{begun}"),
            ),
        ] {
            assert_eq!(traced(&headers), edits, "{headers:?}");
        }
    }

    #[test]
    fn a_header_with_a_meaning_of_its_own_carries_no_claim() {
        for (name, fault) in [
            ("", HeaderFault::NotAName),
            ("X Id", HeaderFault::NotAName),
            ("X-Id:", HeaderFault::NotAName),
            ("Authorization", HeaderFault::Reserved),
            ("Host", HeaderFault::Reserved),
            ("Content_Length", HeaderFault::Reserved),
            ("X-Forwarded-For", HeaderFault::Reserved),
            ("X-Auth-Assertion", HeaderFault::Reserved),
            ("Transfer-Encoding", HeaderFault::Reserved),
            ("Traceparent", HeaderFault::Reserved),
            ("tracestate", HeaderFault::Reserved),
        ] {
            let built = HeaderMap::build([(name, "sub")].into_iter());
            assert_eq!(built, Err(vec![(name, fault)]));
        }
        // Removed from what the client sends, so that a claim may take the name.
        assert!(HeaderMap::build([("X-Forwarded-User", "sub")].into_iter()).is_ok());
        for second in ["x_id", "X-ID", "X-Id-B64"] {
            let built = HeaderMap::build([("X-Id", "sub"), (second, "sub")].into_iter());
            assert_eq!(built, Err(vec![(second, HeaderFault::Ambiguous)]));
        }
    }
}
