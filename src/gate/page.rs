//! The test page: its files, what a browser may do with them, and the settings that its inspector asks for.
//!
//! In scope: a closed list of names, and headers. Out of scope: where the files are (`crate::edge`), and what
//! the page does, which is nothing but asking the endpoints that are there for everybody.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::admin::{json_response, only_get, problem_response};
use super::{Decision, Gate};
use crate::core::algorithm::Algorithm;
use crate::core::claims::Millis;
use crate::core::config::Provider;
use crate::core::denial::{Denial, Reason, TextResponse};
use crate::core::json::object;
use crate::core::keys::VerificationKey;
use crate::core::refresh::Step;
use crate::core::request::RequestHead;
use crate::core::verify::SignatureEngine;

/// What is said where the page is switched on and its files are not there.
pub(super) const NO_PAGE: &str = "there is no binding ASSETS; expected [assets] in wrangler.toml, with \
                                  binding = \"ASSETS\"";

/// A file of the test page: its path below the admin path, its path among the assets, its type.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct File(&'static str, &'static str, &'static str);

/// All of them. What is not here is not asked for, whatever else lies among the assets.
static FILES: [File; 5] = [
    File("/", "/index.html", "text/html; charset=utf-8"),
    File("/page.js", "/page.js", "text/javascript; charset=utf-8"),
    File("/page.css", "/page.css", "text/css; charset=utf-8"),
    File("/page.wasm", "/page.wasm", "application/wasm"),
    File("/icon.svg", "/icon.svg", "image/svg+xml"),
];

impl File {
    /// The one at this path below the admin path.
    pub(super) fn at(path: &str) -> Option<&'static Self> {
        FILES.iter().find(|file| file.0 == path)
    }
}

/// A file of the test page, to be sent.
#[derive(Debug)]
pub struct Page {
    /// Its path among the assets.
    pub path: &'static str,
    /// All headers that it is sent with.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
}

impl<E: SignatureEngine> Gate<E> {
    /// Answers a request for a file of the test page.
    pub(super) fn page(
        &self,
        file: Option<&File>,
        head: &RequestHead<'_>,
    ) -> Result<Decision<'_>, Denial> {
        if !self.settings.test_page {
            return Err(Denial::new(Reason::NoSuchEndpoint));
        }
        only_get(head)?;
        let answer = match file {
            _ if !self.has_page => problem_response(503, "misconfigured", NO_PAGE),
            None => TextResponse {
                status: 307,
                headers: vec![("location", format!("{}/", self.settings.admin_path).into())],
                body: String::new(),
            },
            Some(File(_, path, content_type)) => {
                let headers = vec![
                    ("content-type", (*content_type).into()),
                    ("content-security-policy", self.page_policy().into()),
                    ("x-content-type-options", "nosniff".into()),
                    ("referrer-policy", "no-referrer".into()),
                    ("cross-origin-opener-policy", "same-origin".into()),
                    ("cross-origin-resource-policy", "same-origin".into()),
                    ("cache-control", "no-store".into()),
                ];
                return Ok(Decision::Page(Page { path, headers }));
            }
        };
        Ok(Decision::Answer(answer))
    }

    /// What the page may do (CSP Level 3): run its own files, and speak with this gate alone, also by WebSocket,
    /// which 'self' covers. Issuers on the same machine are those of a developer, from whom it gets tokens.
    fn page_policy(&self) -> String {
        let mut policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
                          img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                          connect-src 'self'"
            .to_owned();
        for origin in self.settings.providers.iter().filter_map(local_origin) {
            if !policy.ends_with(origin) {
                policy.push(' ');
                policy.push_str(origin);
            }
        }
        policy
    }

    /// What it takes to judge a token as this gate does: the configuration and all public keys that count.
    pub(super) fn settings_report(&self, now: Millis) -> TextResponse {
        let mut keys = Map::new();
        for (at, (provider, ring)) in self.settings.providers.iter().zip(&self.keys).enumerate() {
            if ring.on_use(&self.engine, now) == Step::Fetch {
                // Whoever asks again sees them.
                self.due.set(Some(at));
            }
            let ring = ring.ready();
            let public: Vec<Value> = ring.iter().filter_map(|key| jwk(key.as_ref())).collect();
            keys.insert(provider.name.clone(), public.into());
        }
        let table: Value = serde_json::from_str(&self.table).unwrap_or_default();
        let report = object! {
            "table": table,
            "keys": keys,
        };
        let mut response = json_response(200, &report);
        response.headers.push(("cache-control", "no-store".into()));
        response
    }
}

/// A key as a JWK with its name, unless it is a shared secret.
fn jwk(key: &VerificationKey) -> Option<Value> {
    let mut jwk = key.material.public_jwk()?;
    let names = [("kid", key.kid.as_deref()), ("alg", key.algorithm.map(Algorithm::name))];
    for (name, value) in names {
        if let (Some(value), Some(members)) = (value, jwk.as_object_mut()) {
            members.insert(name.to_owned(), value.into());
        }
    }
    Some(jwk)
}

/// The origin of an issuer on this machine. A policy has no word for `[::1]`: its hosts are names and IPv4
/// addresses (CSP Level 3, section 2.3.1).
fn local_origin(provider: &Provider) -> Option<&str> {
    let issuer = provider.issuer.as_str();
    let (scheme, rest) = issuer.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let port = ["127.0.0.1", "localhost"].iter().find_map(|host| authority.strip_prefix(host))?;
    let is_port = port.bytes().enumerate().all(|(at, byte)| match at {
        0 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    if !is_port || !["http", "https"].contains(&scheme) {
        return None;
    }
    issuer.get(..scheme.len() + "://".len() + authority.len())
}
