//! The Workers that are compared, each in a workerd of its own.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::mint;
use super::pinning::Cpus;
use super::tokens::Tokens;
use super::workerd::{Files, Workerd, binary, quote, root};

/// A Worker that is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Contender {
    /// Answers without an origin.
    Empty,
    /// Hands requests on.
    Forward,
    /// Hands requests on with two edits of headers: the limit for every gate.
    Edits,
    /// The same, with an origin that has a URL.
    EditsByUrl,
    Edgeward,
    EdgewardByUrl,
    Jose,
    Hono,
}

/// What all contenders are given.
pub struct Surroundings<'a> {
    pub origin: SocketAddr,
    pub alg: &'a str,
    /// The issuer's keys; the first is the one of `alg`.
    pub keys: &'a [Value],
    /// The first key, if it is a text.
    pub secret: Option<String>,
    pub cpus: &'a Cpus,
}

impl<'a> Surroundings<'a> {
    /// Those for the tokens of one algorithm.
    pub fn new(origin: SocketAddr, tokens: &'a Tokens, cpus: &'a Cpus) -> Self {
        let keys = std::slice::from_ref(&tokens.jwk);
        Self { origin, alg: &tokens.alg, keys, secret: tokens.secret(), cpus }
    }
}

impl Contender {
    /// Its name in the results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Forward => "forward",
            Self::Edits => "edits",
            Self::EditsByUrl => "edits by URL",
            Self::Edgeward => "edgeward",
            Self::EdgewardByUrl => "edgeward by URL",
            Self::Jose => "jose",
            Self::Hono => "hono",
        }
    }

    /// Whether it refuses anything.
    pub fn is_gate(self) -> bool {
        matches!(self, Self::Edgeward | Self::EdgewardByUrl | Self::Jose | Self::Hono)
    }

    /// Its modules and its configuration, written.
    pub fn files(self, surroundings: &Surroundings) -> Files {
        let services = format!(
            "(name = \"origin\", external = (address = \"{}\", http = ()))",
            surroundings.origin
        );
        let bindings = match self {
            Self::Edgeward => edgeward_bindings(surroundings, "service:ORIGIN"),
            Self::EdgewardByUrl => edgeward_bindings(surroundings, &surroundings.origin_url()),
            _ => peer_bindings(surroundings),
        };
        let bindings = bindings + "(name = \"ORIGIN\", service = \"origin\")";
        match self.script() {
            None => Files::built(&build_directory(), &services, &bindings),
            Some(script) => Files::new(&[script], &services, &bindings),
        }
    }

    /// Starts it.
    pub fn start(self, surroundings: &Surroundings) -> Workerd {
        Workerd::serve(self.files(surroundings), surroundings.cpus.for_workerd(&binary()))
    }

    /// The only module of those that are written in JavaScript.
    fn script(self) -> Option<PathBuf> {
        let name = match self {
            Self::Edgeward | Self::EdgewardByUrl => return None,
            Self::EditsByUrl => "edits-url",
            other => other.name(),
        };
        Some(root().join("target/bench/peers").join(name).with_extension("js"))
    }
}

/// Where edgeward's `index.js` and wasm are.
pub fn build_directory() -> PathBuf {
    std::env::var_os("EDGEWARD_BUILD").map_or_else(|| root().join("build"), PathBuf::from)
}

impl Surroundings<'_> {
    fn origin_url(&self) -> String {
        format!("http://{}", self.origin)
    }
}

fn peer_bindings(surroundings: &Surroundings) -> String {
    [
        text("ALG", surroundings.alg),
        text("ISSUER", mint::ISSUER),
        text("AUDIENCE", mint::AUDIENCE),
        text("ORIGIN_URL", &surroundings.origin_url()),
        text("SECRET", surroundings.secret.as_deref().unwrap_or_default()),
        json_text("KEY", &surroundings.keys[0]),
    ]
    .concat()
}

fn edgeward_bindings(surroundings: &Surroundings, origin: &str) -> String {
    let keys = json!({ "keys": surroundings.keys });
    [
        json_text("AUTH", &settings(surroundings, origin)),
        text("JWT_KEYS", &keys.to_string()),
        text("ASSERTION_KEY", &mint::assertion_jwk().to_string()),
        text("ADMIN_TOKEN", "admin-token-of-the-benchmark-0123456789abcdef"),
    ]
    .concat()
}

/// The settings of a middling application: ten rules, four claims for the origin, an assertion.
fn settings(surroundings: &Surroundings, origin: &str) -> Value {
    json!({
        "origin": origin,
        "clock_skew_seconds": 30,
        "providers": [{
            "name": "main",
            "issuer": mint::ISSUER,
            "audiences": [mint::AUDIENCE],
            "algorithms": algorithms(surroundings),
            "keys": ["JWT_KEYS"],
            "token_types": ["at+jwt"],
        }],
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

/// Those that the keys are for.
fn algorithms(surroundings: &Surroundings) -> Vec<String> {
    let mut algorithms = vec![surroundings.alg.to_owned()];
    for key in &surroundings.keys[1..] {
        let alg = if key["kty"] == "RSA" { "RS256" } else { "EdDSA" };
        algorithms.push(alg.to_owned());
    }
    algorithms
}

fn text(name: &str, value: &str) -> String {
    format!("(name = {}, text = {}),\n", quote(name), quote(value))
}

fn json_text(name: &str, value: &Value) -> String {
    format!("(name = {}, json = {}),\n", quote(name), quote(&value.to_string()))
}
