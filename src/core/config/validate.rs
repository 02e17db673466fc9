//! From the table as written to settings that can be used; every mistake is reported.

mod forward;
mod providers;
mod revocation;
mod rules;
mod services;
mod token;
mod websocket;

use super::super::access::Freshness;
use super::super::problem::{Problem, quoted};
use super::{Log, OnOutage, Origin, Provider, Settings, TABLE, read};
use forward::forward;
use providers::providers;
use revocation::revocation;
use rules::rules;
use token::{allowed_origins, sources};
use websocket::websocket;

pub(in crate::core) use services::is_service_url;

/// The longest leeway: RFC 7519 section 4.1.4 speaks of "a few minutes".
const MOST_SKEW_SECONDS: u64 = 300;

/// Tokens beyond this do not fit into the request headers that the platform accepts.
const TOKEN_BYTES: std::ops::RangeInclusive<u64> = 256..=65_536;

/// Longer than the auth service itself takes, KV saves nothing.
const CACHE_TIMEOUT_MS: std::ops::RangeInclusive<u64> = 1..=5_000;

/// Longer than a request can wait is a mistake; shorter than one round trip as well.
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 50..=10_000;

/// Nobody reads more, in each isolate, and all of them are paid for.
const LINES_PER_SECOND: std::ops::RangeInclusive<u64> = 1..=1_000;

/// Where the mistakes go.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, path: &str, found: impl AsRef<str>, expected: impl AsRef<str>) {
        self.push(path, found.as_ref(), expected.as_ref());
    }

    /// Not generic, and not part of each check: there are so many of them.
    #[inline(never)]
    fn push(&mut self, path: &str, found: &str, expected: &str) {
        self.0.push(Problem::new(format!("{TABLE}.{path}"), found, expected));
    }
}

/// Checks the table. The numbers are those of the configuration reference.
pub(super) fn validate(table: read::Table) -> Result<Settings, Vec<Problem>> {
    let mut problems = Problems::default();

    // (1)
    let origin = origin(&table.origin, &mut problems);
    // (2)
    if !admin_path_is_valid(&table.admin_path) {
        problems.add(
            "admin_path",
            quoted(&table.admin_path),
            "a path of at least one segment in lower case, such as \"/_edgeward\"",
        );
    }
    // (3)
    if table.clock_skew_seconds > MOST_SKEW_SECONDS {
        problems.add(
            "clock_skew_seconds",
            table.clock_skew_seconds.to_string(),
            format!("at most {MOST_SKEW_SECONDS}"),
        );
    }
    if !TOKEN_BYTES.contains(&table.max_token_bytes) {
        problems.add(
            "max_token_bytes",
            table.max_token_bytes.to_string(),
            format!("{} to {}", TOKEN_BYTES.start(), TOKEN_BYTES.end()),
        );
    }
    if !CACHE_TIMEOUT_MS.contains(&table.validation_cache_timeout_ms) {
        problems.add(
            "validation_cache_timeout_ms",
            table.validation_cache_timeout_ms.to_string(),
            format!("{} to {}", CACHE_TIMEOUT_MS.start(), CACHE_TIMEOUT_MS.end()),
        );
    }
    // (4)
    let providers = providers(table.providers, &mut problems);
    // (5)
    let sources = sources(&table.token.sources, &mut problems);
    allowed_origins(&table.token.allowed_origins, &mut problems);
    // (6)
    let some_rule_may_degrade = table
        .rules
        .iter()
        .any(|rule| rule.on_outage.is_some_and(|on_outage| on_outage != OnOutage::Deny));
    let is_strict = |rule: &read::Rule| rule.revocation == Some(Freshness::Strict);
    let strict_rule = table.rules.iter().position(is_strict);
    let mut rule_claims = Vec::new();
    let rules = rules(table.rules, &providers, &mut rule_claims, &mut problems);
    // (7)
    let forward = forward(table.forward, &mut problems);
    // (8)
    let revocation = revocation(table.revocation, &providers, &mut problems);
    // (9)
    let websocket = websocket(table.websocket, &mut problems);
    // (10)
    let read::Log { level, sample, lines_per_second } = table.log;
    within(lines_per_second, &LINES_PER_SECOND, "log.lines_per_second", &mut problems);
    let log = Log { level, sample, lines_per_second: small(lines_per_second) };

    match (origin, rules, forward) {
        (Some(origin), Some(rules), Some(forward)) if problems.0.is_empty() => Ok(Settings {
            origin,
            admin_path: table.admin_path,
            test_page: table.test_page,
            clock_skew_seconds: i64::try_from(table.clock_skew_seconds).unwrap_or_default(),
            max_token_bytes: usize::try_from(table.max_token_bytes).unwrap_or_default(),
            validation_cache: table.validation_cache,
            validation_cache_timeout_ms: u32::try_from(table.validation_cache_timeout_ms)
                .unwrap_or_default(),
            providers,
            sources,
            allowed_origins: table.token.allowed_origins,
            rules,
            some_rule_may_degrade,
            strict_rule,
            rule_claims,
            forward,
            revocation,
            websocket,
            log,
        }),
        _ => Err(problems.0),
    }
}

fn origin(text: &str, problems: &mut Problems) -> Option<Origin> {
    if let Some(name) = text.strip_prefix("service:") {
        if is_binding_name(name) {
            return Some(Origin::Service(name.to_owned()));
        }
        problems.add("origin", quoted(text), "\"service:\" and the name of a service binding");
        return None;
    }
    let url = text.strip_suffix('/').unwrap_or(text);
    if is_web_origin(url) {
        return Some(Origin::Url(url.to_owned()));
    }
    // What stands before an `@` may be a password.
    let found =
        if text.contains('@') { "a URL with user information".to_owned() } else { quoted(text) };
    problems.add(
        "origin",
        found,
        "an absolute URL of scheme, host and port alone, such as \"https://app.internal\", since \
         the path that is evaluated is the path that is forwarded; or \"service:BINDING\"",
    );
    None
}

/// Scheme and authority of a web origin, in the form in which browsers send it (RFC 6454 section
/// 6.2).
fn is_web_origin(text: &str) -> bool {
    let Some(authority) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))
    else {
        return false;
    };
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, rest)) => (host, rest.strip_prefix(':').or(rest.is_empty().then_some("0"))),
            None => return false,
        },
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, Some("0")),
        },
    };
    let is_host_byte = |byte: u8| {
        byte.is_ascii_digit()
            || byte.is_ascii_lowercase()
            || matches!(byte, b'.' | b'-' | b'_')
            || (byte == b':' && authority.starts_with('['))
    };
    !host.is_empty()
        && host.bytes().all(is_host_byte)
        && port.is_some_and(|port| port.parse::<u16>().is_ok())
}

fn is_binding_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether requests to the gate itself can be told from requests to the origin by this path.
pub(super) fn admin_path_is_valid(path: &str) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/_-".contains(&byte);
    path.starts_with('/')
        && path.len() > 1
        && !path.ends_with('/')
        && !path.contains("//")
        && path.bytes().all(is_plain)
}

fn check_binding(binding: &str, place: &str, problems: &mut Problems) {
    if !is_binding_name(binding) {
        problems.add(
            place,
            format!("a text of {} bytes", binding.len()),
            "the name of a secret binding: letters, digits and \"_\"; the secret itself belongs \
             into the binding",
        );
    }
}

fn within(value: u64, range: &std::ops::RangeInclusive<u64>, place: &str, problems: &mut Problems) {
    if !range.contains(&value) {
        problems.add(place, value.to_string(), format!("{} to {}", range.start(), range.end()));
    }
}

/// Values that were checked against a range fit.
fn seconds(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn small(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// The positions of providers of these names, which stand at `place`.
fn positions(
    names: &[String],
    providers: &[Provider],
    place: &str,
    problems: &mut Problems,
) -> Vec<usize> {
    let mut positions = Vec::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        match providers.iter().position(|provider| provider.name == *name) {
            Some(position) => positions.push(position),
            None => problems.add(
                &format!("{place}[{at}]"),
                quoted(name),
                "the name of a provider in AUTH.providers",
            ),
        }
    }
    positions
}

/// Adds a problem for an empty text in a list, and for an empty list if `expected` says what for.
fn not_empty(list: &[String], place: &str, expected: &str, problems: &mut Problems) {
    if list.is_empty() && !expected.is_empty() {
        problems.add(place, "an empty list", expected);
    }
    for (position, text) in list.iter().enumerate() {
        if text.is_empty() {
            problems.add(&format!("{place}[{position}]"), "an empty text", "a value");
        }
    }
}
