//! The configuration: text, then typed, then validated. An invalid one is never used in part.
//!
//! In scope: the `AUTH` table of `wrangler.toml`. Out of scope: what the secrets contain
//! ([`super::secret`]).

mod read;
mod reader;
mod validate;

use super::access::Requirement;
use super::algorithm::Algorithm;
use super::credentials::Source;
use super::mutate::HeaderMap;
use super::problem::Problem;
use super::rules::RuleTable;

/// The name of the table, and the first part of every path in a [`Problem`].
pub const TABLE: &str = "AUTH";

/// Where the admin endpoints are while the configuration does not say, or cannot be read.
pub const DEFAULT_ADMIN_PATH: &str = "/_edgeward";

/// A configuration that passed every check.
#[derive(Debug)]
pub struct Settings {
    /// Where permitted requests go.
    pub origin: Origin,
    /// The path below which the gate itself answers.
    pub admin_path: String,
    /// Leeway for time claims, in seconds.
    pub clock_skew_seconds: i64,
    /// The longest token that is read, in bytes.
    pub max_token_bytes: usize,
    /// The issuers whose tokens are accepted; each issuer occurs once.
    pub providers: Vec<Provider>,
    /// Where tokens are looked for, in this order.
    pub sources: Vec<Source>,
    /// `Origin` values for which cookie-carried tokens and readable denials are allowed.
    pub allowed_origins: Vec<String>,
    /// What each path asks for.
    pub rules: RuleTable<Requirement>,
    /// Every claim that a rule asks about; [`Requirement`] refers to them by position.
    pub rule_claims: Vec<String>,
    /// What the origin is told.
    pub forward: Forward,
}

/// Where permitted requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Scheme and authority, without a trailing slash.
    Url(String),
    /// The name of a service binding.
    Service(String),
}

/// An issuer, what it may say and with which keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Label in logs and metrics.
    pub name: String,
    /// Exact value of `iss`.
    pub issuer: String,
    /// Accepted values of `aud`.
    pub audiences: Vec<String>,
    /// Accepted values of `alg`.
    pub algorithms: Vec<Algorithm>,
    /// Names of the secret bindings that hold its keys.
    pub keys: Vec<String>,
    /// Accepted values of `typ`; the empty string stands for an absent one.
    pub token_types: Vec<String>,
    /// Claims that must be present besides `exp`.
    pub required_claims: Vec<String>,
    /// The longest accepted `exp - iat`, in seconds.
    pub max_lifetime_seconds: Option<i64>,
}

/// What the origin is told about a permitted request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// What happens to the token itself.
    pub token: TokenForwarding,
    /// Which claim goes into which header.
    pub claims: HeaderMap,
    /// The assertion to sign for each identity, if any.
    pub assertion: Option<AssertionSettings>,
}

/// What happens to the token of a permitted request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenForwarding {
    /// Take it out of the request.
    Strip,
    /// Leave it where it was.
    Keep,
}

/// How the assertion is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssertionSettings {
    /// Name of the secret binding with the private key.
    pub key: String,
    /// Value of `aud`.
    pub audience: String,
    /// The longest life of an assertion, in seconds.
    pub ttl_seconds: i64,
}

impl Settings {
    /// Reads and checks the `AUTH` table, given as JSON. All mistakes of the same kind are reported
    /// together: first those of keys and types, then those of what they say.
    pub fn parse(table: &str) -> Result<Self, Vec<Problem>> {
        validate::validate(read::text(table)?)
    }
}

/// The `admin_path` of a table that may be wrong everywhere else, so that the health endpoint
/// stays where the operator looks for it.
#[must_use]
pub fn admin_path_of(table: &str) -> String {
    serde_json::from_str::<serde_json::Value>(table)
        .ok()
        .and_then(|table| table.get("admin_path")?.as_str().map(str::to_owned))
        .filter(|path| validate::admin_path_is_valid(path))
        .unwrap_or_else(|| DEFAULT_ADMIN_PATH.to_owned())
}
