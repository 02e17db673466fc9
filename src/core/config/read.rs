//! From JSON to the table as it was written, with every key known and every type right.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::problem::{Problem, quoted};
use super::{DEFAULT_ADMIN_PATH, TABLE};

/// The `AUTH` table as it was written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    pub(super) origin: String,
    #[serde(default = "default_admin_path")]
    pub(super) admin_path: String,
    #[serde(default)]
    pub(super) test_page: bool,
    #[serde(default = "default_clock_skew")]
    pub(super) clock_skew_seconds: u64,
    #[serde(default = "default_max_token_bytes")]
    pub(super) max_token_bytes: u64,
    #[serde(default)]
    pub(super) validation_cache: ValidationCache,
    pub(super) providers: Vec<Provider>,
    #[serde(default)]
    pub(super) token: Token,
    #[serde(default)]
    pub(super) rules: Vec<Rule>,
    #[serde(default)]
    pub(super) forward: Forward,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ValidationCache {
    #[default]
    Auto,
    Always,
    Off,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Provider {
    pub(super) name: String,
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    pub(super) algorithms: Vec<String>,
    pub(super) keys: Vec<String>,
    #[serde(default = "default_token_types")]
    pub(super) token_types: Vec<String>,
    #[serde(default = "default_required_claims")]
    pub(super) required_claims: Vec<String>,
    #[serde(default)]
    pub(super) max_lifetime_seconds: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    #[serde(default = "default_sources")]
    pub(super) sources: Vec<String>,
    #[serde(default)]
    pub(super) allowed_origins: Vec<String>,
}

impl Default for Token {
    fn default() -> Self {
        Self { sources: default_sources(), allowed_origins: Vec::new() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub(super) path: String,
    #[serde(default)]
    pub(super) methods: Vec<String>,
    #[serde(default)]
    pub(super) hosts: Vec<String>,
    #[serde(default)]
    pub(super) access: Access,
    #[serde(default)]
    pub(super) providers: Option<Vec<String>>,
    #[serde(default)]
    pub(super) scopes_all: Option<Vec<String>>,
    #[serde(default)]
    pub(super) scopes_any: Option<Vec<String>>,
    #[serde(default)]
    pub(super) claims: BTreeMap<String, Vec<ClaimValue>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Access {
    Public,
    Optional,
    #[default]
    Required,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a string, a whole number or a boolean")]
pub(super) enum ClaimValue {
    Text(String),
    Integer(i64),
    Bool(bool),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Forward {
    #[serde(default = "default_strip_token")]
    pub(super) strip_token: bool,
    #[serde(default)]
    pub(super) claim_to_headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) assertion: Option<Assertion>,
}

impl Default for Forward {
    fn default() -> Self {
        Self {
            strip_token: default_strip_token(),
            claim_to_headers: BTreeMap::new(),
            assertion: None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Assertion {
    pub(super) key: String,
    pub(super) audience: String,
    #[serde(default = "default_ttl")]
    pub(super) ttl_seconds: u64,
}

/// Reads the table, or names the first place where a key is unknown, missing or of the wrong
/// type.
pub(super) fn text(table: &str) -> Result<Table, Problem> {
    let mut reader = serde_json::Deserializer::from_str(table);
    let read = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| explain(&error.path().to_string(), &error.into_inner()))?;
    reader.end().map_err(|_| not_json())?;
    Ok(read)
}

fn not_json() -> Problem {
    Problem::new(TABLE, "a text that is not JSON", "a table")
}

/// Turns serde's sentence into place, found and expected.
fn explain(path: &str, error: &serde_json::Error) -> Problem {
    if error.is_syntax() || error.is_eof() {
        return not_json();
    }
    let place = match path {
        "." => TABLE.to_owned(),
        path => format!("{TABLE}.{path}"),
    };
    let message = error.to_string();
    // serde_json appends the position in a text that the operator never wrote.
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(text, _)| text);
    if let Some(name) = message.strip_prefix("missing field ") {
        let name = name.trim_matches('`');
        return Problem::new(format!("{place}.{name}"), "nothing", "a value: the key is required");
    }
    if let Some(name) = message.strip_prefix("duplicate field ") {
        return Problem::new(place, format!("the key {name} twice"), "each key once");
    }
    match message.rsplit_once(", expected ") {
        Some((found, expected)) => Problem::new(place, found_by(found), plain(expected)),
        None => Problem::new(place, "a value of the wrong type", message),
    }
}

/// What serde found. A text is shown only if it is no more than a quoted number or truth value: a
/// secret may stand where a list should.
fn found_by(found: &str) -> String {
    if let Some(name) = found.strip_prefix("unknown field ") {
        return format!("the unknown key {}", quoted(name.trim_matches('`')));
    }
    if let Some(name) = found.strip_prefix("unknown variant ") {
        return quoted(name.trim_matches('`'));
    }
    let value = found.trim_start_matches("invalid type: ").trim_start_matches("invalid value: ");
    match value {
        "sequence" => "a list".to_owned(),
        "map" => "a table".to_owned(),
        value => match value.strip_prefix("string ").map(|text| text.trim_matches('"')) {
            Some(text) if text.parse::<f64>().is_ok() || text.parse::<bool>().is_ok() => {
                format!("the text {text:?}")
            }
            Some(text) => format!("a text of {} bytes", text.len()),
            None => value.to_owned(),
        },
    }
}

/// What serde expects, in the words of a TOML file.
fn plain(expected: &str) -> String {
    match expected {
        "u64" | "i64" => "a whole number that is not negative".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        "a boolean" => "true or false".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other => other.to_owned(),
    }
}

fn default_admin_path() -> String {
    DEFAULT_ADMIN_PATH.to_owned()
}

const fn default_clock_skew() -> u64 {
    30
}

const fn default_max_token_bytes() -> u64 {
    8192
}

fn default_token_types() -> Vec<String> {
    ["JWT", "at+jwt", ""].map(str::to_owned).to_vec()
}

fn default_required_claims() -> Vec<String> {
    vec!["sub".to_owned()]
}

fn default_sources() -> Vec<String> {
    vec!["authorization".to_owned()]
}

const fn default_strip_token() -> bool {
    true
}

const fn default_ttl() -> u64 {
    60
}
