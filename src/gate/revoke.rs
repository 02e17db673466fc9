//! Making, undoing and listing revocations: the admin's endpoints, and the one of RFC 7009.
//!
//! In scope: who may ask for what, and the answers. Out of scope: the hub, which keeps the log
//! (`crate::edge`), and what an order says ([`crate::core::revocation::order`]).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::Gate;
use super::admin::{json_response, problem_response};
use crate::core::claims::Millis;
use crate::core::config::{OpaqueTokens, RevocationClient};
use crate::core::credentials::form_decode;
use crate::core::denial::{Denial, Reason, TextResponse};
use crate::core::json::object;
use crate::core::json::parse_strict;
use crate::core::refresh::Step;
use crate::core::request::RequestHead;
use crate::core::revocation::entry::Number;
use crate::core::revocation::order::Order;
use crate::core::revocation::target::Fingerprint;
use crate::core::token::is_like_a_jwt;
use crate::core::verify::{SignatureEngine, examine};

/// How many revocations one page lists at most, and unless it is said.
const MOST_LISTED: u32 = 250;
const USUALLY_LISTED: u32 = 100;

/// What somebody wants of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevocationCall {
    /// The admin adds to it: `POST /revocations`.
    Add,
    /// A token is revoked by its client or by the admin: `POST /revoke` (RFC 7009).
    RevokeToken(Revoker),
    /// What holds is listed: `GET /revocations`.
    List {
        /// From this number on.
        after: Number,
        /// So many at most.
        limit: u32,
    },
    /// One is undone: `DELETE /revocations/{id}`.
    Undo(Fingerprint),
}

/// Who revokes a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoker {
    /// The admin.
    Admin,
    /// The client of this `client_id`.
    Client(String),
}

/// What to ask the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubCall {
    /// The path of the question.
    pub path: &'static str,
    /// Its body, JSON.
    pub body: String,
}

/// A client that may revoke, with the hash of its password.
pub(super) struct Client {
    id: String,
    secret_hash: [u8; 32],
    /// Positions of the providers whose tokens it may revoke; nothing for all.
    providers: Option<Vec<usize>>,
}

impl Client {
    pub(super) fn new(settings: &RevocationClient, secret: &str) -> Self {
        Self {
            id: settings.client_id.clone(),
            secret_hash: Sha256::digest(secret).into(),
            providers: settings.providers.clone(),
        }
    }
}

/// Who calls, by HTTP Basic (RFC 6749 section 2.3.1). Many clients do not encode what they should, so
/// the password counts both ways. Compares hashes in constant time, with all clients.
fn basic_client(clients: &[Client], authorization: &str) -> Option<String> {
    let (scheme, rest) = authorization.trim_ascii().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(rest.trim_ascii()).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    let hash = |secret: &str| -> [u8; 32] { Sha256::digest(secret).into() };
    let presented = [hash(secret), hash(&form_decode(secret))];
    let mut found = None;
    for client in clients {
        let fits = presented
            .iter()
            .fold(Choice::from(0), |fits, hash| fits | client.secret_hash.ct_eq(hash));
        let is_it = client.id == id || client.id == form_decode(id);
        if bool::from(fits) & is_it {
            found = Some(client.id.clone());
        }
    }
    found
}

impl<E: SignatureEngine> Gate<E> {
    /// What a request to `/revocations` wants.
    pub(super) fn revocations_call(
        &self,
        head: &RequestHead<'_>,
        id: Option<&str>,
    ) -> Result<Result<RevocationCall, TextResponse>, Denial> {
        if !self.revokes() {
            return Err(Denial::new(Reason::NoSuchEndpoint));
        }
        self.admin_token.only_admin(head)?;
        Ok(match (head.method, id) {
            ("POST", None) => Ok(RevocationCall::Add),
            ("GET" | "HEAD", None) => {
                page(head.query).map_err(|detail| problem_response(400, "invalid_request", &detail))
            }
            ("DELETE", Some(id)) => match Fingerprint::from_text(id) {
                Some(target) => Ok(RevocationCall::Undo(target)),
                None => Err(problem_response(404, "not_found", "no revocation has this id")),
            },
            (_, id) => {
                let expected = if id.is_some() { "DELETE" } else { "GET, HEAD, POST" };
                Err(wrong_method(expected))
            }
        })
    }

    /// What a request to `/revoke` wants.
    pub(super) fn revoke_call(
        &self,
        head: &RequestHead<'_>,
    ) -> Result<Result<RevocationCall, TextResponse>, Denial> {
        let is_open = self.admin_token.is_set() || !self.revoking_clients.is_empty();
        if !self.revokes() || !is_open {
            return Err(Denial::new(Reason::NoSuchEndpoint));
        }
        if head.method != "POST" {
            return Ok(Err(wrong_method("POST")));
        }
        let authorization = head.header("authorization").unwrap_or_default();
        if let Some(client) = basic_client(&self.revoking_clients, authorization) {
            return Ok(Ok(RevocationCall::RevokeToken(Revoker::Client(client))));
        }
        if self.admin_token.only_admin(head).is_ok() {
            return Ok(Ok(RevocationCall::RevokeToken(Revoker::Admin)));
        }
        let mut response = oauth_error(401, "invalid_client");
        let challenge = format!("Basic realm=\"{}\"", self.settings.admin_path);
        response.headers.push(("www-authenticate", challenge.into()));
        Ok(Err(response))
    }

    /// What to ask the hub for a call whose body is this, if it came. The error is the answer where
    /// there is nothing to ask.
    ///
    /// Where keys are missing, [`Gate::take_due`] says whose: once they were fetched, ask again, with
    /// `has_new_keys`.
    pub fn hub_call(
        &self,
        call: &RevocationCall,
        body: Option<&[u8]>,
        has_new_keys: bool,
        now: Millis,
    ) -> Result<HubCall, TextResponse> {
        let seconds = now.div_euclid(1_000);
        let invalid = |detail: &str| problem_response(400, "invalid_request", detail);
        match call {
            RevocationCall::Add => {
                let body = body.ok_or_else(|| {
                    problem_response(413, "invalid_request", "the order is too long, or broke off")
                })?;
                let order = Order::read(body, &self.settings, seconds);
                let order = order.map_err(|detail| invalid(&detail))?;
                Ok(HubCall { path: "/append", body: order.to_json().to_string() })
            }
            RevocationCall::RevokeToken(revoker) => {
                let body = body.ok_or_else(|| oauth_error(413, "invalid_request"))?;
                let order = self.token_order(revoker, body, has_new_keys, now)?;
                Ok(HubCall { path: "/append", body: order.to_json().to_string() })
            }
            RevocationCall::List { after, limit } => {
                let body = object! { "after": *after, "limit": *limit }.to_string();
                Ok(HubCall { path: "/list", body })
            }
            RevocationCall::Undo(target) => {
                let body = object! { "target": target.to_string(), "by": "admin" }.to_string();
                Ok(HubCall { path: "/undo", body })
            }
        }
    }

    /// The answer to a call, by what the hub said; nothing if it said nothing.
    #[must_use]
    pub fn revocation_answer(
        &self,
        call: &RevocationCall,
        said: Option<(u16, &[u8])>,
    ) -> TextResponse {
        let is_token = matches!(call, RevocationCall::RevokeToken(_));
        let done = said.filter(|(status, _)| *status == 200);
        if let Some(said) = done.and_then(|(_, body)| parse_strict(body).ok()) {
            if is_token {
                // RFC 7009 section 2.2: nothing but that it is done.
                return no_store(json_response(200, &object! {}));
            }
            let is_new = said.get("created").and_then(Value::as_bool) == Some(true);
            return no_store(json_response(if is_new { 201 } else { 200 }, &said));
        }
        match said {
            Some((404, _)) => problem_response(404, "not_found", "no revocation has this id"),
            Some((507, _)) if !is_token => problem_response(
                503,
                "revocations_full",
                "the log has no room for another target until older ones expire",
            ),
            Some((409, _)) if !is_token => problem_response(
                409,
                "conflict",
                "another revocation of these tokens holds, of older ones for longer or of younger ones \
                 for a shorter time; undo it first, or take its issued_before or expires_at",
            ),
            _ if is_token => temporarily_unavailable(),
            _ => {
                let detail = "the hub does not answer: it is not known whether this was done";
                let mut response = problem_response(503, "hub_unavailable", detail);
                response.headers.push(("retry-after", "2".into()));
                response
            }
        }
    }

    /// The order to revoke the token of a form, by its client or by the admin.
    fn token_order(
        &self,
        revoker: &Revoker,
        form: &[u8],
        has_new_keys: bool,
        now: Millis,
    ) -> Result<Order, TextResponse> {
        let invalid = || oauth_error(400, "invalid_request");
        let form = std::str::from_utf8(form).map_err(|_| invalid())?;
        let mut tokens = form
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .filter(|(name, _)| form_decode(name) == "token")
            .map(|(_, value)| form_decode(value));
        let (Some(token), None) = (tokens.next(), tokens.next()) else { return Err(invalid()) };
        // RFC 7009 section 2.2: what is no good token is as revoked as it can be.
        let done = || no_store(json_response(200, &object! {}));
        let by = match revoker {
            Revoker::Admin => "admin".to_owned(),
            Revoker::Client(client) => {
                self.check_ownership(client, &token, done, has_new_keys, now)?;
                format!("client:{client}")
            }
        };
        let order = object! { "token": token.as_str() }.to_string();
        let order = Order::read(order.as_bytes(), &self.settings, now.div_euclid(1_000));
        let order = order.map_err(|_| {
            if self.takes_opaque() || is_like_a_jwt(&token) {
                done()
            } else {
                oauth_error(400, "unsupported_token_type")
            }
        })?;
        Ok(Order { by, ..order })
    }

    /// Whether a token is one of this client. One that nobody signed is nobody's: it must not fill the
    /// log.
    fn check_ownership(
        &self,
        client: &str,
        token: &str,
        done: impl Fn() -> TextResponse,
        has_new_keys: bool,
        now: Millis,
    ) -> Result<(), TextResponse> {
        let Ok(candidate) = examine(&self.settings, token) else {
            let is_opaque = !is_like_a_jwt(token);
            return Err(if is_opaque {
                oauth_error(400, "unsupported_token_type")
            } else {
                done()
            });
        };
        let Some(ring) = self.keys.get(candidate.provider) else { return Err(done()) };
        let step = ring.on_use(&self.engine, now);
        if let Err(unverified) = candidate.authenticate(&ring.ready(), &self.engine) {
            let step = match unverified.reason {
                Reason::UnknownKey => ring.on_unknown_key(now),
                _ if ring.is_missing(now) => step,
                _ => return Err(done()),
            };
            if step == Step::Fetch {
                self.due.set(Some(candidate.provider));
            }
            // Nobody can say yet that it is none: its key may be newer than the set, also while that is
            // not fetched again.
            let may_be_newer = matches!(step, Step::Fetch | Step::Wait | Step::CoolingDown(_));
            let is_open = may_be_newer && !has_new_keys || ring.is_in_doubt(now);
            return Err(if is_open { temporarily_unavailable() } else { done() });
        }
        let provider = candidate.provider;
        let claims = candidate.into_claims();
        let claim = |name| claims.get(name).and_then(Value::as_str);
        let is_accepted = self.revoking_clients.iter().any(|one| {
            one.id == client && one.providers.as_ref().is_none_or(|all| all.contains(&provider))
        });
        if is_accepted && claim("client_id").or_else(|| claim("azp")) == Some(client) {
            Ok(())
        } else {
            Err(oauth_error(400, "unauthorized_client"))
        }
    }

    fn takes_opaque(&self) -> bool {
        let services = self.settings.providers.iter().filter_map(|one| one.introspection.as_ref());
        services.into_iter().any(|service| service.opaque_tokens != OpaqueTokens::Refuse)
    }
}

/// Which page a query asks for.
fn page(query: Option<&str>) -> Result<RevocationCall, String> {
    let (mut after, mut limit) = (0, USUALLY_LISTED);
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    for pair in pairs {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "after" => {
                after = value.parse().map_err(|_| "after: expected a number".to_owned())?;
            }
            "limit" => {
                let expected = || format!("limit: expected 1 to {MOST_LISTED}");
                limit = value.parse().map_err(|_| expected())?;
                if !(1..=MOST_LISTED).contains(&limit) {
                    return Err(expected());
                }
            }
            _ => return Err("expected nothing but after and limit".to_owned()),
        }
    }
    Ok(RevocationCall::List { after, limit })
}

fn wrong_method(expected: &'static str) -> TextResponse {
    let detail = format!("expected {expected}");
    let mut response = problem_response(405, "method_not_allowed", &detail);
    response.headers.push(("allow", expected.into()));
    response
}

/// RFC 7009 section 2.2.1.
fn temporarily_unavailable() -> TextResponse {
    let mut response = oauth_error(503, "temporarily_unavailable");
    response.headers.push(("retry-after", "2".into()));
    response
}

/// An error in the form of RFC 6749 section 5.2, which RFC 7009 asks for.
fn oauth_error(status: u16, error: &str) -> TextResponse {
    no_store(json_response(status, &object! { "error": error }))
}

fn no_store(mut response: TextResponse) -> TextResponse {
    response.headers.push(("cache-control", "no-store".into()));
    response
}
