//! edgeward as it is measured.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Value, json};

use super::mint;
use super::workerd::{json_binding, root, text_binding};

/// What opens the health report.
pub const ADMIN_TOKEN: &str = "admin-token-of-the-benchmark-0123456789abcdef";

/// The request for that report.
#[allow(dead_code, reason = "not every measurement asks for it")]
pub fn health_request() -> String {
    format!(
        "GET /_edgeward/health HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n\r\n"
    )
}

/// Where `index.js` and wasm are.
pub fn build_directory() -> PathBuf {
    std::env::var_os("EDGEWARD_BUILD").map_or_else(|| root().join("build"), PathBuf::from)
}

/// Where those of an earlier build are, which is then measured beside it.
#[allow(dead_code, reason = "only the comparison of Workers compares")]
pub fn before_directory() -> Option<PathBuf> {
    std::env::var_os("EDGEWARD_BENCH_BEFORE").map(PathBuf::from)
}

/// The bindings of a gate in front of `origin` (a URL or a service) for the tokens that `keys`
/// verify.
pub fn bindings(origin: &str, algorithms: &[String], keys: &[Value]) -> String {
    bindings_with(&settings(origin, algorithms), keys)
}

/// The same without an assertion: the origin is told as much as by the peers.
#[allow(dead_code, reason = "the load test has no peers")]
pub fn bindings_without_assertion(origin: &str, algorithms: &[String], keys: &[Value]) -> String {
    let mut settings = settings(origin, algorithms);
    settings["forward"].as_object_mut().expect("a table").remove("assertion");
    bindings_with(&settings, keys)
}

/// The bindings of a gate with these settings.
pub fn bindings_with(settings: &Value, keys: &[Value]) -> String {
    [
        json_binding("AUTH", settings),
        text_binding("JWT_KEYS", &json!({ "keys": keys }).to_string()),
        text_binding("ASSERTION_KEY", &mint::assertion_jwk().to_string()),
        text_binding("ADMIN_TOKEN", ADMIN_TOKEN),
    ]
    .concat()
}

/// The settings of a middling application: ten rules, four claims for the origin, an assertion.
pub fn settings(origin: &str, algorithms: &[String]) -> Value {
    let mut provider = provider(algorithms);
    provider["token_types"] = json!(["at+jwt"]);
    json!({
        "origin": origin,
        "clock_skew_seconds": 30,
        "providers": [provider],
        "rules": [
            { "path": "/", "access": "public" },
            { "path": "/assets", "access": "public", "methods": ["GET"] },
            { "path": "/docs", "access": "optional" },
            { "path": "/api", "access": "required" },
            { "path": "/api/orders", "methods": ["GET"], "scopes_all": ["read"] },
            { "path": "/api/orders", "methods": ["POST", "PUT"], "scopes_all": ["write"] },
            { "path": "/api/customers", "scopes_any": ["read", "customers"] },
            { "path": "/api/reports", "claims": { "tenant": ["acme"] } },
            { "path": "/admin", "scopes_all": ["admin"] },
            { "path": "/internal", "hosts": ["internal.example"], "providers": ["main"] },
        ],
        "forward": {
            "strip_token": true,
            "claim_to_headers": {
                "X-Auth-Subject": "sub",
                "X-Auth-Scope": "scope",
                "X-Auth-Client": "client_id",
                "X-Auth-Email": "email",
            },
            "assertion": {
                "key": "ASSERTION_KEY",
                "audience": mint::ORIGIN_AUDIENCE,
                "ttl_seconds": 60,
            },
        },
    })
}

/// The settings of the provider of the tokens that are measured with, and no more than it needs.
pub fn provider(algorithms: &[impl Serialize]) -> Value {
    json!({
        "name": "main",
        "issuer": mint::ISSUER,
        "audiences": [mint::AUDIENCE],
        "algorithms": algorithms,
        "keys": ["JWT_KEYS"],
    })
}
