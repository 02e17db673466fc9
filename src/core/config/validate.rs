//! From the table as written to settings that can be used; every mistake is reported.

use std::collections::BTreeSet;

use super::super::access::{Access, ClaimRequirement, Requirement, Scalar};
use super::super::algorithm::Algorithm;
use super::super::credentials::Source;
use super::super::mutate::{HeaderFault, HeaderMap, is_field_name};
use super::super::problem::{Problem, quoted};
use super::super::rules::{Match, RuleTable};
use super::read::{self, ClaimValue};
use super::{AssertionSettings, Forward, Origin, Provider, Settings, TABLE, TokenForwarding};

/// The longest leeway: RFC 7519 section 4.1.4 speaks of "a few minutes".
const MOST_SKEW_SECONDS: u64 = 300;

/// Tokens beyond this do not fit into the request headers that the platform accepts.
const TOKEN_BYTES: std::ops::RangeInclusive<u64> = 256..=65_536;

/// An assertion is for one request; an hour is far beyond any.
const TTL_SECONDS: std::ops::RangeInclusive<u64> = 1..=3600;

/// Where the mistakes go.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, path: &str, found: impl Into<String>, expected: impl Into<String>) {
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
    // (4)
    let providers = providers(table.providers, &mut problems);
    // (5)
    let sources = sources(&table.token.sources, &mut problems);
    allowed_origins(&table.token.allowed_origins, &mut problems);
    // (6)
    let mut rule_claims = Vec::new();
    let rules = rules(table.rules, &providers, &mut rule_claims, &mut problems);
    // (7)
    let forward = forward(table.forward, &mut problems);

    match (origin, rules, forward) {
        (Some(origin), Some(rules), Some(forward)) if problems.0.is_empty() => Ok(Settings {
            origin,
            admin_path: table.admin_path,
            clock_skew_seconds: i64::try_from(table.clock_skew_seconds).unwrap_or_default(),
            max_token_bytes: usize::try_from(table.max_token_bytes).unwrap_or_default(),
            providers,
            sources,
            allowed_origins: table.token.allowed_origins,
            rules,
            rule_claims,
            forward,
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

fn providers(tables: Vec<read::Provider>, problems: &mut Problems) -> Vec<Provider> {
    if tables.is_empty() {
        problems.add("providers", "an empty list", "at least one provider");
    }
    let (mut names, mut issuers) = (BTreeSet::new(), BTreeSet::new());
    let mut providers = Vec::with_capacity(tables.len());
    for (at, table) in tables.into_iter().enumerate() {
        let place = |key: &str| format!("providers[{at}].{key}");
        let is_label = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if table.name.is_empty() || table.name.len() > 64 || !table.name.bytes().all(is_label) {
            problems.add(
                &place("name"),
                quoted(&table.name),
                "a label of 1 to 64 letters, digits, \"_\", \"-\" and \".\"",
            );
        } else if !names.insert(table.name.clone()) {
            problems.add(&place("name"), quoted(&table.name), "a name that no other provider has");
        }
        if table.issuer.is_empty() {
            problems.add(&place("issuer"), "an empty text", "the exact value of `iss`");
        } else if !issuers.insert(table.issuer.clone()) {
            problems.add(
                &place("issuer"),
                quoted(&table.issuer),
                "an issuer that no other provider has: keys are looked up by issuer",
            );
        }
        let expected = "at least one value, none of them empty";
        not_empty(&table.audiences, &place("audiences"), expected, problems);
        not_empty(&table.required_claims, &place("required_claims"), "", problems);
        if table.token_types.is_empty() {
            problems.add(
                &place("token_types"),
                "an empty list",
                "at least one value of `typ`; \"\" stands for an absent one",
            );
        }
        if table.keys.is_empty() {
            problems.add(
                &place("keys"),
                "an empty list",
                "the name of at least one secret binding",
            );
        }
        for (position, name) in table.keys.iter().enumerate() {
            if !is_binding_name(name) {
                problems.add(
                    &format!("providers[{at}].keys[{position}]"),
                    // A key pasted in place of a name must not end up in a log.
                    format!("a text of {} bytes", name.len()),
                    "the name of a secret binding: letters, digits and \"_\"; the key itself \
                     belongs into the secret",
                );
            }
        }
        if table.max_lifetime_seconds == Some(0) {
            problems.add(&place("max_lifetime_seconds"), "0", "at least 1, or no such key");
        }
        providers.push(Provider {
            algorithms: algorithms(&table.algorithms, &place("algorithms"), problems),
            max_lifetime_seconds: table
                .max_lifetime_seconds
                .map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX)),
            name: table.name,
            issuer: table.issuer,
            audiences: table.audiences,
            keys: table.keys,
            token_types: table.token_types,
            required_claims: table.required_claims,
        });
    }
    providers
}

fn algorithms(names: &[String], place: &str, problems: &mut Problems) -> Vec<Algorithm> {
    if names.is_empty() {
        problems.add(
            place,
            "an empty list",
            "the algorithms that this issuer signs with, such as [\"RS256\"]: the token never \
             chooses",
        );
    }
    let mut algorithms = Vec::with_capacity(names.len());
    for (position, name) in names.iter().enumerate() {
        match Algorithm::from_name(name) {
            Some(algorithm) if algorithms.contains(&algorithm) => {
                problems.add(&format!("{place}[{position}]"), format!("{name} again"), "each once");
            }
            Some(algorithm) => algorithms.push(algorithm),
            None => problems.add(
                &format!("{place}[{position}]"),
                quoted(name),
                format!("one of {}", Algorithm::ALL.map(Algorithm::name).join(", ")),
            ),
        }
    }
    algorithms
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

fn sources(texts: &[String], problems: &mut Problems) -> Vec<Source> {
    if texts.is_empty() {
        problems.add("token.sources", "an empty list", "at least one source");
    }
    let mut sources = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        let place = format!("token.sources[{at}]");
        let source = match text.split_once(':') {
            None if text == "authorization" => Some(Source::Authorization),
            Some(("cookie", name)) if is_field_name(name) => Some(Source::Cookie(name.to_owned())),
            Some(("query", name)) if is_parameter_name(name) => {
                Some(Source::Query(name.to_owned()))
            }
            Some(("header", name))
                if is_field_name(name)
                    && !["authorization", "cookie"]
                        .contains(&name.to_ascii_lowercase().as_str()) =>
            {
                Some(Source::Header(name.to_ascii_lowercase()))
            }
            _ => None,
        };
        match source {
            Some(source) if sources.contains(&source) => {
                problems.add(&place, format!("{} again", quoted(text)), "each source once");
            }
            Some(source) => sources.push(source),
            None => problems.add(
                &place,
                quoted(text),
                "\"authorization\", \"cookie:NAME\", \"query:NAME\" or \"header:NAME\"",
            ),
        }
    }
    sources
}

fn is_parameter_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_plain)
}

fn allowed_origins(texts: &[String], problems: &mut Problems) {
    for (at, text) in texts.iter().enumerate() {
        if !is_web_origin(text) {
            problems.add(
                &format!("token.allowed_origins[{at}]"),
                quoted(text),
                "an origin as browsers send it, in lower case and without a trailing slash, such \
                 as \"https://app.example\"; there are no wildcards",
            );
        }
    }
}

fn rules(
    tables: Vec<read::Rule>,
    providers: &[Provider],
    rule_claims: &mut Vec<String>,
    problems: &mut Problems,
) -> Option<RuleTable<Requirement>> {
    let mut rules = Vec::with_capacity(tables.len());
    for (at, table) in tables.into_iter().enumerate() {
        let requirement = requirement(&table, at, providers, rule_claims, problems);
        let read::Rule { path, methods, hosts, .. } = table;
        rules.push((Match { path, methods, hosts }, requirement));
    }
    match RuleTable::build(rules) {
        Ok(table) => Some(table),
        Err(errors) => {
            for error in errors {
                problems.add(&error.key(), error.found(), error.expected());
            }
            None
        }
    }
}

fn requirement(
    table: &read::Rule,
    at: usize,
    providers: &[Provider],
    rule_claims: &mut Vec<String>,
    problems: &mut Problems,
) -> Requirement {
    let place = |key: &str| format!("rules[{at}].{key}");
    let asks_for_identity = table.providers.is_some()
        || table.scopes_all.is_some()
        || table.scopes_any.is_some()
        || !table.claims.is_empty();
    if table.access == read::Access::Public && asks_for_identity {
        problems.add(
            &place("access"),
            "\"public\" together with providers, scopes or claims",
            "\"required\" or \"optional\" where a token is to be checked, or \"public\" alone",
        );
    }
    let scopes_all = some_of(table.scopes_all.as_deref(), &place("scopes_all"), problems);
    let scopes_any = some_of(table.scopes_any.as_deref(), &place("scopes_any"), problems);
    let names = some_of(table.providers.as_deref(), &place("providers"), problems);
    for (key, scopes) in [("scopes_all", &scopes_all), ("scopes_any", &scopes_any)] {
        for (position, scope) in scopes.iter().enumerate() {
            if !is_scope(scope) {
                problems.add(
                    &format!("rules[{at}].{key}[{position}]"),
                    quoted(scope),
                    "one scope: visible ASCII without space, \" and \\ (RFC 6749 section 3.3)",
                );
            }
        }
    }
    let mut accepted = Vec::with_capacity(names.len());
    for (position, name) in names.iter().enumerate() {
        match providers.iter().position(|provider| provider.name == *name) {
            Some(provider) => accepted.push(provider),
            None => problems.add(
                &format!("rules[{at}].providers[{position}]"),
                quoted(name),
                "the name of a provider in AUTH.providers",
            ),
        }
    }
    let mut claims = Vec::with_capacity(table.claims.len());
    for (path, values) in &table.claims {
        if path.is_empty() || path.len() > 256 || values.is_empty() {
            problems.add(
                &format!("rules[{at}].claims.{path}"),
                if values.is_empty() { "an empty list" } else { "a claim without a usable name" },
                "the name of a claim of at most 256 bytes and at least one accepted value",
            );
        }
        let claim = rule_claims.iter().position(|known| known == path).unwrap_or_else(|| {
            rule_claims.push(path.clone());
            rule_claims.len() - 1
        });
        let any_of = values
            .iter()
            .map(|value| match value {
                ClaimValue::Text(text) => Scalar::Text(text.clone()),
                ClaimValue::Integer(value) => Scalar::Integer(*value),
                ClaimValue::Bool(value) => Scalar::Bool(*value),
            })
            .collect();
        claims.push(ClaimRequirement { claim, any_of });
    }
    Requirement {
        access: match table.access {
            read::Access::Public => Access::Public,
            read::Access::Optional => Access::Optional,
            read::Access::Required => Access::Required,
        },
        providers: table.providers.is_some().then_some(accepted),
        scopes_all,
        scopes_any,
        claims,
    }
}

/// A list that may be absent, but asks for nothing if it is empty, which no one can mean.
fn some_of(list: Option<&[String]>, place: &str, problems: &mut Problems) -> Vec<String> {
    if list.is_some_and(<[String]>::is_empty) {
        problems.add(place, "an empty list", "at least one value, or no such key");
    }
    list.unwrap_or_default().to_vec()
}

fn is_scope(text: &str) -> bool {
    let is_scope_byte = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
    !text.is_empty() && text.bytes().all(is_scope_byte)
}

fn forward(table: read::Forward, problems: &mut Problems) -> Option<Forward> {
    for (name, claim) in &table.claim_to_headers {
        if claim.is_empty() || claim.len() > 256 {
            problems.add(
                &format!("forward.claim_to_headers.{name}"),
                quoted(claim),
                "the name or dotted path of a claim, of at most 256 bytes",
            );
        }
    }
    let pairs = table.claim_to_headers.iter().map(|(name, claim)| (name.as_str(), claim.as_str()));
    let claims = match HeaderMap::build(pairs) {
        Ok(claims) => Some(claims),
        Err(faults) => {
            for (name, fault) in faults {
                let expected = match fault {
                    HeaderFault::NotAName => "a header name (RFC 9110 section 5.1)",
                    HeaderFault::Reserved => "a header that has no meaning of its own",
                    HeaderFault::Ambiguous => {
                        "a name that an origin cannot take for another one of this table, nor for \
                         its -B64 form"
                    }
                };
                problems.add(&format!("forward.claim_to_headers.{name}"), quoted(name), expected);
            }
            None
        }
    };
    let assertion = table.assertion.map(|assertion| {
        let place = "forward.assertion";
        if !is_binding_name(&assertion.key) {
            problems.add(
                &format!("{place}.key"),
                format!("a text of {} bytes", assertion.key.len()),
                "the name of a secret binding: letters, digits and \"_\"",
            );
        }
        if assertion.audience.is_empty() {
            problems.add(
                &format!("{place}.audience"),
                "an empty text",
                "what the origin expects in `aud`, such as its URL",
            );
        }
        if !TTL_SECONDS.contains(&assertion.ttl_seconds) {
            problems.add(
                &format!("{place}.ttl_seconds"),
                assertion.ttl_seconds.to_string(),
                format!("{} to {}", TTL_SECONDS.start(), TTL_SECONDS.end()),
            );
        }
        AssertionSettings {
            key: assertion.key,
            audience: assertion.audience,
            ttl_seconds: i64::try_from(assertion.ttl_seconds).unwrap_or_default(),
        }
    });
    Some(Forward {
        token: if table.strip_token { TokenForwarding::Strip } else { TokenForwarding::Keep },
        claims: claims?,
        assertion,
    })
}
