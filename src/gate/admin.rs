//! The gate's own endpoints: who may ask, and what they are told.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Gate;
use crate::core::assertion::Signer;
use crate::core::denial::{Denial, Reason, TextResponse};
use crate::core::path::RequestPath;
use crate::core::problem::Problem;
use crate::core::request::RequestHead;
use crate::core::verify::SignatureEngine;

/// The least length of the admin token, in bytes.
const LEAST_TOKEN_BYTES: usize = 32;

/// The secret that opens the admin endpoints, as its hash; the token itself is not kept.
pub struct AdminToken(Option<[u8; 32]>);

/// Who is asking an admin endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    Anyone,
    Admin,
    Impostor,
}

/// What an admin endpoint answers; `None` means that the request is for the origin.
pub type AdminAnswer = Option<Result<TextResponse, Denial>>;

impl AdminToken {
    /// Takes the secret. A missing or a short one opens nothing; a short one comes with a warning.
    #[must_use]
    pub fn new(secret: Option<&str>) -> (Self, Option<String>) {
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
        let presented = match value.split_at_checked(7) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer ") => token.trim_ascii(),
            _ => return Caller::Impostor,
        };
        let presented: [u8; 32] = Sha256::digest(presented).into();
        if expected.ct_eq(&presented).into() { Caller::Admin } else { Caller::Impostor }
    }
}

/// The gate of a configuration that cannot be used: it refuses everything and says why to the
/// operator.
pub struct Misconfigured {
    /// Where the admin endpoints are, as far as that can be told.
    pub admin_path: String,
    /// Everything that has to be mended.
    pub problems: Vec<Problem>,
}

impl Misconfigured {
    /// Answers a request: 503, except for the health endpoint, which explains.
    pub fn answer(
        &self,
        head: &RequestHead<'_>,
        token: &AdminToken,
    ) -> Result<TextResponse, Denial> {
        let denial = Denial::new(Reason::BadConfiguration);
        let endpoint = endpoint(head, &self.admin_path);
        if endpoint.as_deref() != Some("/health") {
            return Err(denial);
        }
        health(head, token, 503, "misconfigured", || {
            json!({
                "problems": self.problems.iter().map(Problem::to_json).collect::<Vec<_>>(),
            })
        })
    }
}

impl<E: SignatureEngine> Gate<E> {
    /// Answers a request to the gate itself.
    pub fn answer_admin(&self, head: &RequestHead<'_>, token: &AdminToken) -> AdminAnswer {
        let endpoint = endpoint(head, &self.settings.admin_path)?;
        Some(match endpoint.as_str() {
            "/health" => health(head, token, 200, "ready", || self.health_report()),
            "/jwks.json" => only_get(head).map(|()| self.jwk_set()),
            _ => Err(Denial::new(Reason::NoSuchEndpoint)),
        })
    }

    /// What was found while this gate was made ready.
    #[must_use]
    pub const fn report(&self) -> &super::Report {
        &self.report
    }

    fn jwk_set(&self) -> TextResponse {
        let set = match &self.signer {
            Some(signer) => signer.jwk_set(),
            None => json!({ "keys": [] }),
        };
        let mut response = json_response(200, &set);
        // Origins may keep the set for as long as they keep most remote key sets.
        response.headers.push(("cache-control", "public, max-age=300".to_owned()));
        response
    }

    fn health_report(&self) -> Value {
        let providers: Vec<Value> = self
            .settings
            .providers
            .iter()
            .zip(&self.report.keys)
            .map(|(provider, keys)| {
                json!({
                    "name": provider.name,
                    "issuer": provider.issuer,
                    "algorithms": provider.algorithms.iter().map(|one| one.name()).collect::<Vec<_>>(),
                    "keys": keys,
                })
            })
            .collect();
        let (entries, bytes) = self.cache_usage();
        json!({
            "providers": providers,
            "assertion": self.signer.as_ref().map(Signer::jwk_set),
            "cache": { "entries": entries, "bytes": bytes },
            "warnings": self.report.warnings,
        })
    }
}

/// The part of the path below the admin path; `None` if the request is for the origin. A path
/// that an origin might take for one below the admin path has no endpoint.
fn endpoint(head: &RequestHead<'_>, admin_path: &str) -> Option<String> {
    let below = |path: &str| {
        let rest = path.strip_prefix(admin_path)?;
        (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned())
    };
    let path = RequestPath::parse(head.path).ok()?;
    below(path.literal()).or_else(|| {
        path.other_readings().any(|reading| below(reading).is_some()).then(|| "?".to_owned())
    })
}

fn only_get(head: &RequestHead<'_>) -> Result<(), Denial> {
    match head.method {
        "GET" | "HEAD" => Ok(()),
        _ => Err(Denial::new(Reason::WrongMethod)),
    }
}

/// The health endpoint: the status for anyone, the report for the admin.
fn health(
    head: &RequestHead<'_>,
    token: &AdminToken,
    http_status: u16,
    status: &str,
    report: impl FnOnce() -> Value,
) -> Result<TextResponse, Denial> {
    only_get(head)?;
    let mut body = match token.caller(head) {
        Caller::Anyone => json!({}),
        Caller::Admin => report(),
        Caller::Impostor => return Err(Denial::new(Reason::WrongAdminToken)),
    };
    if let Value::Object(body) = &mut body {
        body.insert("status".to_owned(), status.into());
    }
    let mut response = json_response(http_status, &body);
    response.headers.push(("cache-control", "no-store".to_owned()));
    Ok(response)
}

fn json_response(status: u16, body: &Value) -> TextResponse {
    TextResponse {
        status,
        headers: vec![("content-type", "application/json".to_owned())],
        body: body.to_string(),
    }
}
