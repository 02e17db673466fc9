//! The isolates: one workerd process each, all with the same configuration.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::edgeward_setup::{ADMIN_TOKEN, build_directory, provider};
use super::mint;
use super::origin::Origin;
use super::outside::{INTROSPECTION, Outside};
use super::pinning::Cpus;
use super::workerd::{
    Files, Workerd, binary, json_binding, kv_service, origin_service, text_binding,
};

/// How many there are.
pub const ISOLATES: usize = 3;
/// After so many milliseconds a request passes without an answer.
pub const DEGRADE_AFTER_MS: u32 = 80;
/// After so many milliseconds a call of the auth service has failed.
pub const TIMEOUT_MS: u32 = 1_000;
/// The room that V8 gives to new objects, as `make load` sets it: with as much as V8 likes, workerd
/// stops for a tenth of a second now and then (docs/performance.md, "Under load"), which is as long
/// as what is measured here.
pub const V8_FLAGS: [&str; 1] = ["--max-semi-space-size=1"];

/// A running isolate; it ends with this value.
pub struct Isolate {
    /// Where it listens.
    pub addr: SocketAddr,
    workerd: Workerd,
}

impl Isolate {
    /// The processor time that it has used so far.
    pub fn processor_time(&self) -> Duration {
        self.workerd.processor_time()
    }
}

/// Starts them. What the auth service says counts for `cache_seconds`.
pub fn start(
    origin: &Origin,
    outside: &Outside,
    cache_seconds: u32,
    cpus: &Cpus,
) -> [Isolate; ISOLATES] {
    let (origin_service, origin_binding) = origin_service(origin.address);
    let (kv_service, kv_binding) = kv_service("AUTH_KV", outside.kv.faults.addr);
    let services = origin_service + &kv_service;
    let bindings = [
        json_binding("AUTH", &settings(outside.service.addr, cache_seconds)),
        text_binding("JWT_KEYS", &mint::jwks(&[&mint::P256])),
        text_binding("CLIENT_SECRET", "client-secret-of-the-benchmark"),
        text_binding("ASSERTION_KEY", &mint::assertion_jwk().to_string()),
        text_binding("ADMIN_TOKEN", ADMIN_TOKEN),
        text_binding("ALLOW_DEGRADED_AUTH", "true"),
        origin_binding,
        kv_binding,
    ]
    .concat();
    [(); ISOLATES].map(|()| {
        let files = Files::built(&build_directory(), &services, &bindings)
            .with_v8_flags(&V8_FLAGS.map(str::to_owned));
        let workerd = Workerd::serve(files, cpus.for_workerd(&binary()));
        Isolate { addr: workerd.address, workerd }
    })
}

fn settings(auth_service: SocketAddr, cache_seconds: u32) -> Value {
    let mut provider = provider(&["ES256"]);
    provider["introspection"] = json!({
        "url": format!("http://{auth_service}{INTROSPECTION}"),
        "client_id": "edge",
        "client_secret": "CLIENT_SECRET",
        "on_outage": "signature",
        "cache_seconds": cache_seconds,
        "max_stale_seconds": 3_600,
        "degrade_after_ms": DEGRADE_AFTER_MS,
        "timeout_ms": TIMEOUT_MS,
    });
    json!({
        "origin": "service:ORIGIN",
        "providers": [provider],
        "rules": [{ "path": "/api", "scopes_all": ["read"] }],
        "forward": {
            "strip_token": true,
            "claim_to_headers": { "X-Auth-Subject": "sub" },
            "assertion": {
                "key": "ASSERTION_KEY",
                "audience": mint::ORIGIN_AUDIENCE,
                "ttl_seconds": 60,
            },
        },
    })
}
