//! From JSON to the table as it was written, with every key known and every type right.
//!
//! Not derived: code that is generated for each type, and tracks where it is, was a tenth of the
//! module, and of what the runtime compiles before the first answer of an isolate
//! (docs/performance.md, "Cold start"). And this reports every mistake, not the first.

use serde_json::Value;

use super::super::access::{Enforcement, Freshness, Upgrades};
use super::super::claims::AUDIENCE;
use super::super::json::{self, JsonFault};
use super::super::log::Level;
use super::super::problem::Problem;
use super::reader::{A_LIST, A_TEXT, Reader, as_list, as_text, kind};
use super::{
    self as config, DEFAULT_ADMIN_PATH, DEFAULT_MAX_TOKEN_BYTES, OnOutage, OnStale, OpaqueTokens,
    TABLE, ValidationCache,
};

/// How often a published key set is fetched, in seconds.
const DEFAULT_REFRESH_SECONDS: u64 = 300;
/// For how long it counts while it cannot be fetched, in seconds.
const DEFAULT_KEYS_STALE_SECONDS: u64 = 86_400;
/// How long nobody tries again to fetch it, in seconds.
const DEFAULT_COOLDOWN_SECONDS: u64 = 30;
/// How long it may take to fetch it, in milliseconds.
const DEFAULT_KEYS_TIMEOUT_MS: u64 = 2_000;

const ON_OUTAGE: [(&str, OnOutage); 3] =
    [("deny", OnOutage::Deny), ("stale", OnOutage::Stale), ("signature", OnOutage::Signature)];

/// The `AUTH` table as it was written.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) origin: String,
    pub(super) admin_path: String,
    pub(super) test_page: bool,
    pub(super) clock_skew_seconds: u64,
    pub(super) max_token_bytes: u64,
    pub(super) validation_cache: ValidationCache,
    pub(super) validation_cache_timeout_ms: u64,
    pub(super) providers: Vec<Provider>,
    pub(super) token: Token,
    pub(super) rules: Vec<Rule>,
    pub(super) forward: Forward,
    pub(super) revocation: Option<Revocation>,
    pub(super) websocket: Websocket,
    pub(super) log: Log,
}

#[derive(Debug)]
pub(super) struct Log {
    pub(super) level: Option<Level>,
    pub(super) sample: u32,
    pub(super) lines_per_second: u64,
}

#[derive(Debug)]
pub(super) struct Websocket {
    pub(super) renewal: Option<String>,
    pub(super) max_message_bytes: Option<u64>,
    pub(super) idle_timeout_seconds: Option<u64>,
    pub(super) max_sockets_per_subject: Option<u64>,
    pub(super) leashes_per_relay: u64,
}

#[derive(Debug)]
pub(super) struct Revocation {
    pub(super) refresh_seconds: u64,
    pub(super) max_staleness_seconds: u64,
    pub(super) on_stale: OnStale,
    pub(super) retention_seconds: u64,
    pub(super) relays_per_region: u64,
    pub(super) timeout_ms: u64,
    pub(super) clients: Vec<RevocationClient>,
}

#[derive(Debug)]
pub(super) struct RevocationClient {
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) providers: Option<Vec<String>>,
}

#[derive(Debug)]
pub(super) struct Provider {
    pub(super) name: String,
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    pub(super) audience_claim: String,
    pub(super) algorithms: Vec<String>,
    pub(super) keys: Vec<String>,
    pub(super) jwks_uri: Option<String>,
    pub(super) discovery: bool,
    pub(super) jwks: Option<Jwks>,
    pub(super) introspection: Option<Introspection>,
    pub(super) token_types: Vec<String>,
    pub(super) required_claims: Vec<String>,
    pub(super) max_lifetime_seconds: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Jwks {
    pub(super) refresh_seconds: u64,
    pub(super) max_stale_seconds: u64,
    pub(super) timeout_ms: u64,
    pub(super) cooldown_seconds: u64,
}

#[derive(Debug)]
pub(super) struct Introspection {
    pub(super) url: String,
    pub(super) client_id: String,
    pub(super) client_secret: Option<String>,
    pub(super) client_key: Option<String>,
    pub(super) timeout_ms: u64,
    pub(super) degrade_after_ms: u64,
    pub(super) on_outage: OnOutage,
    pub(super) cache_seconds: u64,
    pub(super) max_stale_seconds: u64,
    pub(super) opaque_tokens: OpaqueTokens,
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
    pub(super) claims: Vec<(String, Vec<ClaimValue>)>,
    pub(super) on_outage: Option<OnOutage>,
    pub(super) revocation: Option<Freshness>,
    pub(super) websocket: Option<Upgrades>,
    pub(super) max_buffered_bytes: Option<u64>,
    pub(super) enforce: Enforcement,
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
    pub(super) claim_to_headers: Vec<(String, String)>,
    pub(super) assertion: Option<Assertion>,
}

#[derive(Debug)]
pub(super) struct Assertion {
    pub(super) key: String,
    pub(super) audience: String,
    pub(super) ttl_seconds: u64,
    pub(super) publish: Vec<Value>,
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
            max_token_bytes: reader.number_or("max_token_bytes", DEFAULT_MAX_TOKEN_BYTES),
            validation_cache: reader
                .one_of(
                    "validation_cache",
                    &[
                        ("auto", ValidationCache::Auto),
                        ("always", ValidationCache::Always),
                        ("off", ValidationCache::Off),
                    ],
                )
                .unwrap_or_default(),
            validation_cache_timeout_ms: reader.number_or("validation_cache_timeout_ms", 50),
            providers: reader.tables("providers", Provider::read),
            token: reader.table("token", Token::read),
            rules: reader.tables_if_any("rules", Rule::read),
            forward: reader.table("forward", Forward::read),
            revocation: reader.table_if_any("revocation", Revocation::read),
            websocket: reader.table("websocket", Websocket::read),
            log: reader.table("log", Log::read),
        }
    }
}

impl Log {
    fn read(reader: &mut Reader<'_>) -> Self {
        let default = config::Log::default();
        Self {
            level: reader
                .one_of(
                    "level",
                    &[
                        ("info", Some(Level::Info)),
                        ("warning", Some(Level::Warning)),
                        ("error", Some(Level::Error)),
                        ("off", None),
                    ],
                )
                .unwrap_or(default.level),
            sample: reader.share_or("sample", default.sample),
            lines_per_second: reader.number_or("lines_per_second", default.lines_per_second.into()),
        }
    }
}

impl Websocket {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            renewal: reader.text_if_any("renewal"),
            max_message_bytes: reader.number_if_any("max_message_bytes"),
            idle_timeout_seconds: reader.number_if_any("idle_timeout_seconds"),
            max_sockets_per_subject: reader.number_if_any("max_sockets_per_subject"),
            leashes_per_relay: reader.number_or("leashes_per_relay", 16_384),
        }
    }
}

impl Revocation {
    fn read(reader: &mut Reader<'_>) -> Self {
        let default = Self::default();
        Self {
            refresh_seconds: reader.number_or("refresh_seconds", default.refresh_seconds),
            max_staleness_seconds: reader
                .number_or("max_staleness_seconds", default.max_staleness_seconds),
            on_stale: reader
                .one_of("on_stale", &[("deny", OnStale::Deny), ("serve", OnStale::Serve)])
                .unwrap_or_default(),
            retention_seconds: reader.number_or("retention_seconds", default.retention_seconds),
            relays_per_region: reader.number_or("relays_per_region", default.relays_per_region),
            timeout_ms: reader.number_or("timeout_ms", default.timeout_ms),
            clients: reader.tables_if_any("clients", RevocationClient::read),
        }
    }
}

impl Default for Revocation {
    fn default() -> Self {
        Self {
            refresh_seconds: 1,
            max_staleness_seconds: 30,
            on_stale: OnStale::default(),
            retention_seconds: 2_592_000,
            relays_per_region: 1,
            timeout_ms: 1_000,
            clients: Vec::new(),
        }
    }
}

impl RevocationClient {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            client_id: reader.text("client_id"),
            client_secret: reader.text("client_secret"),
            providers: reader.texts_if_any("providers"),
        }
    }
}

impl Provider {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            name: reader.text("name"),
            issuer: reader.text("issuer"),
            audiences: reader.texts("audiences"),
            audience_claim: reader.text_or("audience_claim", AUDIENCE),
            algorithms: reader.texts("algorithms"),
            keys: reader.texts_or("keys", &[]),
            jwks_uri: reader.text_if_any("jwks_uri"),
            discovery: reader.truth_or("discovery", false),
            jwks: reader.table_if_any("jwks", Jwks::read),
            introspection: reader.table_if_any("introspection", Introspection::read),
            token_types: reader.texts_or("token_types", &["JWT", "at+jwt", ""]),
            required_claims: reader.texts_or("required_claims", &["sub"]),
            max_lifetime_seconds: reader.number_if_any("max_lifetime_seconds"),
        }
    }
}

impl Jwks {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            refresh_seconds: reader.number_or("refresh_seconds", DEFAULT_REFRESH_SECONDS),
            max_stale_seconds: reader.number_or("max_stale_seconds", DEFAULT_KEYS_STALE_SECONDS),
            timeout_ms: reader.number_or("timeout_ms", DEFAULT_KEYS_TIMEOUT_MS),
            cooldown_seconds: reader.number_or("cooldown_seconds", DEFAULT_COOLDOWN_SECONDS),
        }
    }
}

impl Default for Jwks {
    fn default() -> Self {
        Self {
            refresh_seconds: DEFAULT_REFRESH_SECONDS,
            max_stale_seconds: DEFAULT_KEYS_STALE_SECONDS,
            timeout_ms: DEFAULT_KEYS_TIMEOUT_MS,
            cooldown_seconds: DEFAULT_COOLDOWN_SECONDS,
        }
    }
}

impl Introspection {
    fn read(reader: &mut Reader<'_>) -> Self {
        let timeout_ms = reader.number_or("timeout_ms", 1_000);
        let cache_seconds = reader.number_or("cache_seconds", 600);
        Self {
            url: reader.text("url"),
            client_id: reader.text("client_id"),
            client_secret: reader.text_if_any("client_secret"),
            client_key: reader.text_if_any("client_key"),
            timeout_ms,
            degrade_after_ms: reader.number_or("degrade_after_ms", timeout_ms.min(80)),
            on_outage: reader.one_of("on_outage", &ON_OUTAGE).unwrap_or_default(),
            cache_seconds,
            max_stale_seconds: reader.number_or("max_stale_seconds", cache_seconds.max(3_600)),
            opaque_tokens: reader
                .one_of(
                    "opaque_tokens",
                    &[
                        ("refuse", OpaqueTokens::Refuse),
                        ("accept", OpaqueTokens::Accept),
                        ("accept_for_any_audience", OpaqueTokens::AcceptForAnyAudience),
                    ],
                )
                .unwrap_or_default(),
        }
    }
}

impl Token {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            sources: reader.texts_or("sources", &["authorization", "websocket-protocol"]),
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
            on_outage: reader.one_of("on_outage", &ON_OUTAGE),
            revocation: reader.one_of(
                "revocation",
                &[("standard", Freshness::Standard), ("strict", Freshness::Strict)],
            ),
            websocket: reader.one_of(
                "websocket",
                &[("supervise", Upgrades::Supervise), ("handshake", Upgrades::Handshake)],
            ),
            max_buffered_bytes: reader.number_if_any("max_buffered_bytes"),
            enforce: reader
                .one_of("enforce", &[("deny", Enforcement::Deny), ("shadow", Enforcement::Shadow)])
                .unwrap_or_default(),
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
            publish: reader.list_or_none("publish"),
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
