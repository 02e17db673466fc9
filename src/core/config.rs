//! The configuration: text, then typed, then validated. An invalid one is never used in part.
//!
//! In scope: the `AUTH` table of `wrangler.toml`. Out of scope: what the secrets contain
//! ([`super::secret`]).

mod read;
mod reader;
mod validate;

use serde_json::Value;

use super::access::Requirement;
use super::algorithm::Algorithm;
use super::credentials::Source;
use super::log::Level;
use super::log_budget::{LINES_PER_SECOND, MILLION};
use super::mutate::HeaderMap;
use super::problem::Problem;
use super::rules::RuleTable;

/// The name of the table, and the first part of every path in a [`Problem`].
pub const TABLE: &str = "AUTH";

/// Where the admin endpoints are while the configuration does not say, or cannot be read.
pub const DEFAULT_ADMIN_PATH: &str = "/_edgeward";

/// The longest token that is read while the configuration does not say, in bytes.
pub const DEFAULT_MAX_TOKEN_BYTES: u64 = 8192;

/// A configuration that passed every check.
#[derive(Debug)]
pub struct Settings {
    /// Where permitted requests go.
    pub origin: Origin,
    /// The path below which the gate itself answers.
    pub admin_path: String,
    /// Whether the test page is served there.
    pub test_page: bool,
    /// Leeway for time claims, in seconds.
    pub clock_skew_seconds: i64,
    /// The longest token that is read, in bytes.
    pub max_token_bytes: usize,
    /// What KV is used for.
    pub validation_cache: ValidationCache,
    /// How long a request waits for KV, in milliseconds.
    pub validation_cache_timeout_ms: u32,
    /// The issuers whose tokens are accepted; each issuer occurs once.
    pub providers: Vec<Provider>,
    /// Where tokens are looked for, in this order.
    pub sources: Vec<Source>,
    /// `Origin` values for which cookie-carried tokens and readable denials are allowed.
    pub allowed_origins: Vec<String>,
    /// What each path asks for.
    pub rules: RuleTable<Requirement>,
    /// Whether a rule lets requests pass while an auth service is silent.
    pub some_rule_may_degrade: bool,
    /// Position of the first rule that wants revocations to be asked for each request, if any.
    pub strict_rule: Option<usize>,
    /// Every claim that a rule asks about; [`Requirement`] refers to them by position.
    pub rule_claims: Vec<String>,
    /// What the origin is told.
    pub forward: Forward,
    /// How revocations are kept.
    pub revocation: Revocation,
    /// What supervised WebSockets may do.
    pub websocket: Websocket,
    /// Which log lines are written.
    pub log: Log,
}

/// What validations are kept in KV for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValidationCache {
    /// To replace a call over the network. A signature costs less than a look into KV.
    #[default]
    Auto,
    /// To replace signatures as well.
    Always,
    /// For nothing: KV is neither read nor written.
    Off,
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
    /// Accepted values of the next one.
    pub audiences: Vec<String>,
    /// The claim that names the audience.
    pub audience_claim: String,
    /// Accepted values of `alg`.
    pub algorithms: Vec<Algorithm>,
    /// Names of the secret bindings that hold its keys.
    pub keys: Vec<String>,
    /// Where more of its keys are published, if they are to be fetched.
    pub remote_keys: Option<RemoteKeys>,
    /// Whom to ask whether a token is still good, if anyone.
    pub introspection: Option<Introspection>,
    /// Accepted values of `typ`; the empty string stands for an absent one.
    pub token_types: Vec<String>,
    /// Claims that must be present besides `exp`.
    pub required_claims: Vec<String>,
    /// The longest accepted `exp - iat`, in seconds.
    pub max_lifetime_seconds: Option<i64>,
}

/// A published JWK Set (RFC 7517) and how it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteKeys {
    /// Where it is found.
    pub location: KeySetLocation,
    /// For how long after a fetch the set is not fetched again, in seconds; then it is, in the
    /// background.
    pub refresh_seconds: i64,
    /// For how long the last good set serves while no new one can be had, in seconds.
    pub max_stale_seconds: i64,
    /// The longest that a fetch may take, in milliseconds.
    pub timeout_ms: u32,
    /// The least time between two attempts while there is a set, in seconds.
    pub cooldown_seconds: i64,
}

/// Where an issuer publishes its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySetLocation {
    /// The URL of the set.
    Url(String),
    /// The URL of the metadata that name it (`OpenID` Connect Discovery 1.0 section 4).
    Discovery(String),
}

/// An endpoint that says whether a token is active (RFC 7662).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introspection {
    /// The URL of the endpoint.
    pub url: String,
    /// Who we are to it.
    pub client_id: String,
    /// How we prove that.
    pub authentication: ClientAuthentication,
    /// The longest that an answer may take, in milliseconds.
    pub timeout_ms: u32,
    /// How long a request waits for an answer where it can pass without one, in milliseconds.
    pub degrade_after_ms: u32,
    /// What happens without an answer, unless a rule says otherwise.
    pub on_outage: OnOutage,
    /// How long "active" counts, in seconds.
    pub cache_seconds: i64,
    /// How old the last answer may be to count while there is no new one, in seconds.
    pub max_stale_seconds: i64,
    /// What happens to tokens that only the endpoint can read.
    pub opaque_tokens: OpaqueTokens,
}

/// How a client authenticates (`OpenID` Connect Core 1.0 section 9). Both hold the name of a secret
/// binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// `client_secret_basic`: a shared secret (RFC 6749 section 2.3.1).
    Secret(String),
    /// `private_key_jwt`: a signed statement (RFC 7523 section 2.2).
    PrivateKey(String),
}

/// What happens to a request when the auth service gives no answer, from the strictest on. All but
/// the first count only where `ALLOW_DEGRADED_AUTH` is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnOutage {
    /// Deny it: 503.
    #[default]
    Deny,
    /// Go by the last answer.
    Stale,
    /// Go by the last answer or, where there is none, by the signature alone.
    Signature,
}

/// What happens to tokens that are no JWT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OpaqueTokens {
    /// Refuse them.
    #[default]
    Refuse,
    /// Ask about them; the answer must name one of the provider's audiences.
    Accept,
    /// Ask about them; the answer need not say for whom the token is.
    AcceptForAnyAudience,
}

/// How revocations are kept, and who may make them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Whether the configuration speaks of it, so that it cannot be without.
    pub is_asked_for: bool,
    /// After so long an isolate's list is refreshed in the background, in seconds.
    pub refresh_seconds: i64,
    /// So old may a list be that a request is checked against, in seconds: the bound on the life of a
    /// revoked token.
    pub max_staleness_seconds: i64,
    /// What happens to a request when there is no younger list.
    pub on_stale: OnStale,
    /// For how long a revocation counts whose tokens may live without end, in seconds.
    pub retention_seconds: i64,
    /// How many relays share the load of one region.
    pub relays_per_region: u32,
    /// The longest that one refresh may take, in milliseconds.
    pub timeout_ms: u32,
    /// Who may revoke tokens of their own (RFC 7009).
    pub clients: Vec<RevocationClient>,
}

/// What happens to a request when the list of revocations is too old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStale {
    /// Deny it: 503.
    #[default]
    Deny,
    /// Go by the list that there is. Only where `ALLOW_DEGRADED_AUTH` is on.
    Serve,
}

/// What supervised WebSockets may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Websocket {
    /// The word that begins a message with a fresh token, if that is possible.
    pub renewal: Option<String>,
    /// The longest message, in bytes, if it is shorter than the platform's.
    pub max_message_bytes: Option<u32>,
    /// After so long without a message it ends, in seconds.
    pub idle_timeout_seconds: Option<i64>,
    /// How many a subject may have at one relay.
    pub max_sockets_per_subject: Option<u32>,
    /// How many leashes one relay holds.
    pub leashes_per_relay: u32,
}

/// Which log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// From which level on; `None` for no lines but those without which nothing can be mended.
    pub level: Option<Level>,
    /// How many of a million denials have one that are the client's fault.
    pub sample: u32,
    /// How many in one second, of each kind.
    pub lines_per_second: u32,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: Some(Level::Info), sample: MILLION, lines_per_second: LINES_PER_SECOND }
    }
}

/// A client that may revoke its own tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationClient {
    /// `client_id` of its tokens, and its name when it comes.
    pub client_id: String,
    /// Name of the secret binding with its password.
    pub client_secret: String,
    /// Positions of the providers whose tokens it may revoke; `None` for the only one.
    pub providers: Option<Vec<usize>>,
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
    /// Public JWKs of other keys that sign assertions: of another deployment, before it serves and after.
    pub publish: Vec<Value>,
}

pub(in crate::core) use validate::is_service_url;

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
