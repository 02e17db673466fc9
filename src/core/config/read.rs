//! From JSON to the table as it was written, with every key known and every type right.
//!
//! Not derived: code that is generated for each type, and tracks where it is, was a tenth of the
//! module, and of what the runtime compiles before the first answer of an isolate
//! (docs/performance.md, "Cold start"). And this reports every mistake, not the first.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::json::{self, JsonFault};
use super::super::problem::Problem;
use super::reader::{A_LIST, A_TEXT, Reader, as_list, as_text, kind};
use super::{DEFAULT_ADMIN_PATH, TABLE};

/// The `AUTH` table as it was written.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) origin: String,
    pub(super) admin_path: String,
    pub(super) test_page: bool,
    pub(super) clock_skew_seconds: u64,
    pub(super) max_token_bytes: u64,
    pub(super) validation_cache: ValidationCache,
    pub(super) providers: Vec<Provider>,
    pub(super) token: Token,
    pub(super) rules: Vec<Rule>,
    pub(super) forward: Forward,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValidationCache {
    Auto,
    Always,
    Off,
}

#[derive(Debug)]
pub(super) struct Provider {
    pub(super) name: String,
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    pub(super) algorithms: Vec<String>,
    pub(super) keys: Vec<String>,
    pub(super) token_types: Vec<String>,
    pub(super) required_claims: Vec<String>,
    pub(super) max_lifetime_seconds: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Token {
    pub(super) sources: Vec<String>,
    pub(super) allowed_origins: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) path: String,
    pub(super) methods: Vec<String>,
    pub(super) hosts: Vec<String>,
    pub(super) access: Access,
    pub(super) providers: Option<Vec<String>>,
    pub(super) scopes_all: Option<Vec<String>>,
    pub(super) scopes_any: Option<Vec<String>>,
    pub(super) claims: BTreeMap<String, Vec<ClaimValue>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Public,
    Optional,
    Required,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ClaimValue {
    Text(String),
    Integer(i64),
    Bool(bool),
}

#[derive(Debug)]
pub(super) struct Forward {
    pub(super) strip_token: bool,
    pub(super) claim_to_headers: BTreeMap<String, String>,
    pub(super) assertion: Option<Assertion>,
}

#[derive(Debug)]
pub(super) struct Assertion {
    pub(super) key: String,
    pub(super) audience: String,
    pub(super) ttl_seconds: u64,
}

/// Reads the table, or names every place where a key is unknown, missing or of the wrong type.
pub(super) fn text(table: &str) -> Result<Table, Vec<Problem>> {
    let not_a_table = |found: &str| vec![Problem::new(TABLE, found, "a table")];
    let members = match json::parse_strict(table.as_bytes()) {
        Ok(Value::Object(members)) => members,
        Ok(other) => return Err(not_a_table(&kind(&other))),
        Err(JsonFault::DuplicateMember) => return Err(not_a_table("a key twice in one table")),
        Err(JsonFault::InexactNumber) => {
            return Err(not_a_table("a number that is too large to be held exactly"));
        }
        Err(JsonFault::Syntax) => return Err(not_a_table("a text that is not JSON")),
    };
    let mut problems = Vec::new();
    let table = Reader::read(TABLE, members, &mut problems, Table::read);
    if problems.is_empty() { Ok(table) } else { Err(problems) }
}

impl Table {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            origin: reader.text("origin"),
            admin_path: reader.text_or("admin_path", DEFAULT_ADMIN_PATH),
            test_page: reader.truth_or("test_page", false),
            clock_skew_seconds: reader.number_or("clock_skew_seconds", 30),
            max_token_bytes: reader.number_or("max_token_bytes", 8192),
            validation_cache: reader
                .one_of(
                    "validation_cache",
                    &[
                        ("auto", ValidationCache::Auto),
                        ("always", ValidationCache::Always),
                        ("off", ValidationCache::Off),
                    ],
                )
                .unwrap_or(ValidationCache::Auto),
            providers: reader.tables("providers", Provider::read),
            token: reader.table("token", Token::read),
            rules: reader.tables_if_any("rules", Rule::read),
            forward: reader.table("forward", Forward::read),
        }
    }
}

impl Provider {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            name: reader.text("name"),
            issuer: reader.text("issuer"),
            audiences: reader.texts("audiences"),
            algorithms: reader.texts("algorithms"),
            keys: reader.texts("keys"),
            token_types: reader.texts_or("token_types", &["JWT", "at+jwt", ""]),
            required_claims: reader.texts_or("required_claims", &["sub"]),
            max_lifetime_seconds: reader.number_if_any("max_lifetime_seconds"),
        }
    }
}

impl Token {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            sources: reader.texts_or("sources", &["authorization"]),
            allowed_origins: reader.texts_or("allowed_origins", &[]),
        }
    }
}

impl Rule {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            path: reader.text("path"),
            methods: reader.texts_or("methods", &[]),
            hosts: reader.texts_or("hosts", &[]),
            access: reader
                .one_of(
                    "access",
                    &[
                        ("public", Access::Public),
                        ("optional", Access::Optional),
                        ("required", Access::Required),
                    ],
                )
                .unwrap_or(Access::Required),
            providers: reader.texts_if_any("providers"),
            scopes_all: reader.texts_if_any("scopes_all"),
            scopes_any: reader.texts_if_any("scopes_any"),
            claims: reader.entries("claims", claim_values),
        }
    }
}

impl Forward {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            strip_token: reader.truth_or("strip_token", true),
            claim_to_headers: reader
                .entries("claim_to_headers", |value| as_text(value).map_err(|it| (it, A_TEXT))),
            assertion: reader.table_if_any("assertion", Assertion::read),
        }
    }
}

impl Assertion {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            key: reader.text("key"),
            audience: reader.text("audience"),
            ttl_seconds: reader.number_or("ttl_seconds", 60),
        }
    }
}

fn claim_values(value: Value) -> Result<Vec<ClaimValue>, (Value, &'static str)> {
    let list = as_list(value).map_err(|other| (other, A_LIST))?;
    list.into_iter().map(claim_value).collect()
}

fn claim_value(value: Value) -> Result<ClaimValue, (Value, &'static str)> {
    match value {
        Value::String(text) => Ok(ClaimValue::Text(text)),
        Value::Bool(value) => Ok(ClaimValue::Bool(value)),
        other => match other.as_i64() {
            Some(value) => Ok(ClaimValue::Integer(value)),
            None => Err((other, "a list of texts, whole numbers and truth values")),
        },
    }
}
