//! The gate's own endpoints: who may ask, and what they are told.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::keyring::KeyRing;
use super::page::File;
use super::service::AuthService;
use super::{Decision, Degrading, Gate};
use crate::core::assertion::Signer;
use crate::core::claims::Millis;
use crate::core::config::{TABLE, admin_path_of};
use crate::core::credentials::bearer;
use crate::core::denial::{Denial, Reason, TextResponse};
use crate::core::json::object;
use crate::core::metrics::{Kind, Readings};
use crate::core::path::RequestPath;
use crate::core::problem::Problem;
use crate::core::refresh::Step;
use crate::core::request::RequestHead;
use crate::core::verify::SignatureEngine;

/// The binding of the admin token.
pub(super) const ADMIN_TOKEN: &str = "ADMIN_TOKEN";

/// The least length of the admin token, in bytes.
const LEAST_TOKEN_BYTES: usize = 32;

/// The secret that opens the admin endpoints, as its hash; the token itself is not kept.
pub(super) struct AdminToken(Option<[u8; 32]>);

/// Who is asking an admin endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    Anyone,
    Admin,
    Impostor,
}

impl AdminToken {
    /// Takes the secret. A missing or a short one opens nothing; a short one comes with a warning.
    #[must_use]
    pub(super) fn new(secret: Option<&str>) -> (Self, Option<String>) {
        match secret.map(str::trim_ascii) {
            None => (Self(None), None),
            Some(token) if token.len() < LEAST_TOKEN_BYTES => {
                let warning = format!(
                    "ADMIN_TOKEN: found {} bytes; expected at least {LEAST_TOKEN_BYTES}, such as \
                     the output of `openssl rand -base64 32`; the admin endpoints stay closed",
                    token.len()
                );
                (Self(None), Some(warning))
            }
            Some(token) => (Self(Some(Sha256::digest(token).into())), None),
        }
    }

    /// Compares hashes in constant time, so that neither content nor length can be timed.
    fn caller(&self, head: &RequestHead<'_>) -> Caller {
        let Some(value) = head.header("authorization") else { return Caller::Anyone };
        let Some(expected) = &self.0 else { return Caller::Anyone };
        let Some(presented) = bearer(value) else { return Caller::Impostor };
        let presented: [u8; 32] = Sha256::digest(presented).into();
        if expected.ct_eq(&presented).into() { Caller::Admin } else { Caller::Impostor }
    }

    /// Whether the admin asks.
    fn is_admin(&self, head: &RequestHead<'_>) -> bool {
        self.caller(head) == Caller::Admin
    }

    /// Whether there is one.
    pub(super) const fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Lets the admin pass. Without a token there is no such endpoint.
    pub(super) fn only_admin(&self, head: &RequestHead<'_>) -> Result<(), Denial> {
        match self.caller(head) {
            Caller::Admin => Ok(()),
            _ if self.0.is_none() => Err(Denial::new(Reason::NoSuchEndpoint)),
            Caller::Anyone | Caller::Impostor => Err(Denial::new(Reason::WrongAdminToken)),
        }
    }
}

/// The gate of a configuration that cannot be used: it refuses everything and says why to the
/// operator.
pub struct Misconfigured {
    admin_path: String,
    admin_token: AdminToken,
    /// Everything that has to be mended.
    pub problems: Vec<Problem>,
}

impl Misconfigured {
    /// The gate of these problems. `table` is the `AUTH` table, as far as there is one.
    #[must_use]
    pub fn new(
        table: Option<&str>,
        secret: &dyn Fn(&str) -> Option<String>,
        problems: Vec<Problem>,
    ) -> Self {
        let (admin_token, _) = AdminToken::new(secret(ADMIN_TOKEN).as_deref());
        Self { admin_path: admin_path_of(table.unwrap_or_default()), admin_token, problems }
    }

    /// Answers a request: 503, except for the health endpoint, which explains, and for the metrics, which
    /// say that this is so.
    pub fn answer(&self, head: &RequestHead<'_>) -> Result<TextResponse, Denial> {
        let denial = Denial::new(Reason::BadConfiguration);
        let path = RequestPath::parse(head.path).map_err(|_| denial.clone())?;
        match endpoint(&path, &self.admin_path) {
            Some(Endpoint::Health) => health(head, &self.admin_token, "misconfigured", || {
                object! {
                    "problems":
                        self.problems.iter().map(Problem::to_json).collect::<Vec<_>>(),
                }
            }),
            Some(Endpoint::Metrics) if self.admin_token.is_admin(head) => {
                only_get(head)?;
                let mut readings = Readings::default();
                readings.take(Kind::Greatest, "auth_misconfigured", 1);
                Ok(metrics_response(readings.page()))
            }
            _ => Err(denial),
        }
    }
}

impl<E: SignatureEngine> Gate<E> {
    /// Answers a request to the gate itself.
    #[inline(never)] // see docs/performance.md, "Cold start"
    pub(super) fn answer(
        &self,
        endpoint: Endpoint,
        head: &RequestHead<'_>,
        now: Millis,
    ) -> Result<Decision<'_>, Denial> {
        match endpoint {
            Endpoint::Health => {
                let is_available = self.is_available(now);
                if !is_available {
                    // Where a load balancer keeps requests away, none would find out that it is over.
                    self.look_again(now);
                }
                let status = if is_available { "ready" } else { "unavailable" };
                health(head, &self.admin_token, status, || self.health_report(now))
                    .map(Decision::Answer)
            }
            Endpoint::JwkSet => only_get(head).map(|()| Decision::Answer(self.jwk_set())),
            Endpoint::Explain | Endpoint::Prewarm => {
                self.admin_token.only_admin(head)?;
                Ok(match endpoint {
                    _ if head.method != "POST" => Decision::Answer(only_post()),
                    Endpoint::Explain => Decision::Explain,
                    _ => Decision::Prewarm,
                })
            }
            Endpoint::Metrics => {
                if !self.revokes() {
                    // Nobody adds up what isolates count.
                    return Err(Denial::new(Reason::NoSuchEndpoint));
                }
                self.admin_token.only_admin(head)?;
                only_get(head).map(|()| Decision::Metrics)
            }
            Endpoint::Page(file) => self.page(file, head),
            Endpoint::Settings => {
                self.admin_token.only_admin(head)?;
                only_get(head).map(|()| Decision::Answer(self.settings_report(now)))
            }
            Endpoint::Revocations(id) => {
                let call = self.revocations_call(head, id.as_deref())?;
                Ok(call.map_or_else(Decision::Answer, Decision::Revocations))
            }
            Endpoint::Revoke => {
                let call = self.revoke_call(head)?;
                Ok(call.map_or_else(Decision::Answer, Decision::Revocations))
            }
            Endpoint::Unknown => Err(Denial::new(Reason::NoSuchEndpoint)),
        }
    }

    /// What was found while this gate was made ready.
    #[must_use]
    pub const fn report(&self) -> &super::Report {
        &self.report
    }

    fn jwk_set(&self) -> TextResponse {
        let set = match &self.signer {
            Some(signer) => signer.jwk_set(),
            None => object! { "keys": Vec::<Value>::new() },
        };
        let mut response = json_response(200, &set);
        // Origins may keep the set for as long as they keep most remote key sets.
        response.headers.push(("cache-control", "public, max-age=300".into()));
        response
    }

    /// Whether anybody with a good token can pass, as far as this isolate knows: not if it cannot tell what is
    /// revoked, or has no key at all. While an auth service is silent, those pass whom it has told of.
    fn is_available(&self, now: Millis) -> bool {
        let knows_revocations = self.revocations.as_ref().is_none_or(|revocations| {
            self.serves_stale() || revocations.counts(now) || !revocations.has_failed(now)
        });
        let has_keys = |ring: &KeyRing<E::Key>| {
            !(ring.ready().is_empty() && ring.is_missing(now) && ring.has_failed(now))
        };
        knows_revocations && self.keys.iter().any(has_keys)
    }

    /// Sees to it that what is missing is fetched after the response, no oftener than for requests.
    fn look_again(&self, now: Millis) {
        let wants = |(_, ring): &(usize, &KeyRing<E::Key>)| {
            ring.is_missing(now)
                && ring.has_failed(now)
                && ring.on_use(&self.engine, now) == Step::Fetch
        };
        if let Some((provider, _)) = self.keys.iter().enumerate().find(wants) {
            self.due.set(Some(provider));
        }
        if let Some(revocations) = &self.revocations
            && revocations.step(now) == Step::Fetch
        {
            revocations.is_due();
        }
    }

    /// What is not as it should be at the moment, and what to do about it.
    fn troubles(&self, now: Millis) -> Vec<Value> {
        let mut troubles = Vec::new();
        let mut add = |path: String, found: &str, mend: &str| {
            troubles.push(object! { "path": path, "found": found, "mend": mend });
        };
        for (at, ring) in self.keys.iter().enumerate() {
            let path = |key: &str| format!("{TABLE}.providers[{at}].{key}");
            if ring.has_failed(now) {
                add(
                    path("jwks_uri"),
                    if ring.is_missing(now) {
                        "the published keys cannot be fetched, and no set counts: tokens are refused"
                    } else {
                        "the published keys cannot be fetched; the last set still counts"
                    },
                    "look for keys_not_fetched in the log and ask the issuer; until it is back, its keys can \
                     be stored as a secret that `keys` names",
                );
            }
            let service = self.services.get(at).and_then(Option::as_ref);
            if service.is_some_and(AuthService::refuses_us) {
                add(
                    path("introspection"),
                    "the auth service refuses us: tokens that nobody has asked about are refused",
                    "compare `client_id`, its secret or key, and `url` with what the auth service has",
                );
            } else if service.is_some_and(|service| !service.is_asked(now)) {
                let may_degrade = self.asked(at).is_some_and(|(_, it)| self.may_degrade(it));
                add(
                    path("introspection"),
                    if may_degrade {
                        "the auth service gives no answer: permits are degraded"
                    } else {
                        "the auth service gives no answer: tokens that nobody has asked about are refused"
                    },
                    "look at the auth service; ALLOW_DEGRADED_AUTH and on_outage say who passes meanwhile",
                );
            }
        }
        if let Some(revocations) = &self.revocations
            && revocations.has_failed(now)
        {
            add(
                format!("{TABLE}.revocation"),
                match (revocations.counts(now), self.serves_stale()) {
                    (true, _) => "the list of revocations cannot be refreshed; it still counts",
                    (false, true) => {
                        "there is no list of revocations that counts: permits are degraded"
                    }
                    (false, false) => {
                        "there is no list of revocations that counts: tokens are refused"
                    }
                },
                "look for revocations_not_refreshed in the log, and at the status of Durable Objects",
            );
        }
        for (at, _) in self.shadow_rules() {
            add(
                format!("{TABLE}.rules[{at}].enforce"),
                "whoever this rule would deny goes to the origin",
                "when auth_requests_total{decision=\"shadowed\"} shows nobody who should pass: \"deny\"",
            );
        }
        troubles
    }

    fn health_report(&self, now: Millis) -> Value {
        let providers: Vec<Value> = (0..self.settings.providers.len())
            .filter_map(|at| self.provider_report(at, now))
            .collect();
        let (entries, bytes) = self.cache_usage();
        let tally = &self.tally;
        let denied = counts(tally.denied().map(|(reason, count)| (reason.name(), count)));
        let shadowed = counts(tally.shadowed().map(|(reason, count)| (reason.name(), count)));
        let degraded = tally.degraded().filter_map(|(mode, count)| Some((mode.name()?, count)));
        let rejected = tally.rejected().map(|(why, count)| (why.name(), count));
        let silences = tally.silences().map(|(why, count)| (why.name(), count));
        let (stored_hits, stored_misses) = tally.stored();
        let endings = tally.endings().map(|(ending, count)| (ending.name(), count));
        let (open, opened) = tally.sockets();
        object! {
            "problems": self.troubles(now),
            "providers": providers,
            "assertion": self.signer.as_ref().map(Signer::jwk_set),
            "requests": object! {
                "permitted": tally.permitted(),
                "degraded": counts(degraded),
                "denied": denied,
                "shadowed": shadowed,
            },
            "cache": object! {
                "entries": entries,
                "bytes": bytes,
                "hits": tally.hits(),
                "misses": tally.misses(),
            },
            "kv": object! {
                "used": self.keeps_validations(),
                "hits": stored_hits,
                "misses": stored_misses,
                "rejected": counts(rejected),
            },
            "auth_services": object! {
                "answers": tally.answers(),
                "silences": counts(silences),
            },
            "websockets": object! {
                "open": open,
                "opened": opened,
                "ended": counts(endings),
            },
            "revocations": self.revocations.as_ref().map(|revocations| revocations.report(now)),
            "degraded_auth_allowed": self.degrading == Degrading::AsConfigured,
            "memory_bytes": memory_bytes(),
            "warnings": self.report.warnings.as_slice(),
        }
    }

    fn provider_report(&self, at: usize, now: Millis) -> Option<Value> {
        let provider = self.settings.providers.get(at)?;
        let mut report = object! {
            "name": provider.name.as_str(),
            "issuer": provider.issuer.as_str(),
            "algorithms": provider.algorithms.iter().map(|one| one.name()).collect::<Vec<_>>(),
            "keys": self.report.keys.get(at)?.as_slice(),
        };
        let members = report.as_object_mut()?;
        if let Some((ring, age)) = self.keys.get(at).and_then(|ring| Some((ring, ring.age(now)?))) {
            members.insert("published_keys".to_owned(), ring.report(age));
        }
        if let Some(service) = self.services.get(at)?.as_ref() {
            members.insert("auth_service".to_owned(), service.report_state(now));
        }
        Some(report)
    }
}

/// Not collected, which sorts first, by code that is made for each type.
fn counts<'n>(words: impl Iterator<Item = (&'n str, u64)>) -> Map<String, Value> {
    let mut counts = Map::new();
    for (word, count) in words {
        counts.insert(word.to_owned(), count.into());
    }
    counts
}

/// What is below the admin path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Explain,
    Health,
    JwkSet,
    Metrics,
    /// A file of the test page; none for the path without the slash, relative to which they would not be found.
    Page(Option<&'static File>),
    Prewarm,
    /// All revocations, or the one of this id.
    Revocations(Option<String>),
    Revoke,
    Settings,
    /// Nothing that exists. A path that an origin might take for one below the admin path is here
    /// too, so that it reaches neither.
    Unknown,
}

/// The endpoint of a path; `None` if the request is for the origin.
pub(super) fn endpoint(path: &RequestPath<'_>, admin_path: &str) -> Option<Endpoint> {
    let below = |path: &str| {
        path.strip_prefix(admin_path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let literal = path.literal();
    if !below(literal) && !path.other_readings().any(below) {
        return None;
    }
    Some(match literal.strip_prefix(admin_path) {
        Some("/explain") => Endpoint::Explain,
        Some("/health") => Endpoint::Health,
        Some("/jwks.json") => Endpoint::JwkSet,
        Some("/metrics") => Endpoint::Metrics,
        Some("/prewarm") => Endpoint::Prewarm,
        Some("/revocations") => Endpoint::Revocations(None),
        Some("/revoke") => Endpoint::Revoke,
        Some("/settings") => Endpoint::Settings,
        Some("") => Endpoint::Page(None),
        Some(other) => match (other.strip_prefix("/revocations/"), File::at(other)) {
            (Some(id), _) => Endpoint::Revocations(Some(id.to_owned())),
            (None, Some(file)) => Endpoint::Page(Some(file)),
            (None, None) => Endpoint::Unknown,
        },
        None => Endpoint::Unknown,
    })
}

/// The linear memory of the wasm instance in bytes, which only ever grows; natively there is none.
fn memory_bytes() -> usize {
    const PAGE_BYTES: usize = 65_536;
    #[cfg(target_arch = "wasm32")]
    let pages = std::arch::wasm32::memory_size::<0>();
    #[cfg(not(target_arch = "wasm32"))]
    let pages = 0;
    pages * PAGE_BYTES
}

/// A page of metrics.
pub(super) fn metrics_response(body: String) -> TextResponse {
    let headers = vec![
        ("content-type", "text/plain; version=0.0.4; charset=utf-8".into()),
        ("cache-control", "no-store".into()),
    ];
    TextResponse { status: 200, headers, body }
}

pub(super) fn only_get(head: &RequestHead<'_>) -> Result<(), Denial> {
    match head.method {
        "GET" | "HEAD" => Ok(()),
        _ => Err(Denial::new(Reason::WrongMethod)),
    }
}

/// The health endpoint: the status for anyone, the report for the admin.
fn health(
    head: &RequestHead<'_>,
    token: &AdminToken,
    status: &str,
    report: impl FnOnce() -> Value,
) -> Result<TextResponse, Denial> {
    only_get(head)?;
    let mut body = match token.caller(head) {
        Caller::Anyone => object! {},
        Caller::Admin => report(),
        Caller::Impostor => return Err(Denial::new(Reason::WrongAdminToken)),
    };
    if let Value::Object(body) = &mut body {
        body.insert("status".to_owned(), status.into());
    }
    let mut response = json_response(if status == "ready" { 200 } else { 503 }, &body);
    response.headers.push(("cache-control", "no-store".into()));
    Ok(response)
}

fn only_post() -> TextResponse {
    let mut response = problem_response(405, "method_not_allowed", "expected POST");
    response.headers.push(("allow", "POST".into()));
    response
}

/// What the admin did wrong (RFC 9457). Unlike a denial it says so in full.
pub(super) fn problem_response(status: u16, code: &str, detail: &str) -> TextResponse {
    let body = object! {
        "type": format!("urn:edgeward:problem:{code}"),
        "status": status,
        "code": code,
        "detail": detail,
    };
    TextResponse {
        status,
        headers: vec![
            ("content-type", "application/problem+json".into()),
            ("cache-control", "no-store".into()),
        ],
        body: body.to_string(),
    }
}

pub(super) fn json_response(status: u16, body: &Value) -> TextResponse {
    TextResponse {
        status,
        headers: vec![("content-type", "application/json".into())],
        body: body.to_string(),
    }
}
