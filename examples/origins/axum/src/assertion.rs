//! Who is asking, as the gate has signed it.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::Deserialize;

use crate::deny;
use crate::keys::Keys;

/// Who is asking. A handler that takes it is behind [`require`], or answers 500.
#[derive(Clone)]
pub struct Identity {
    /// Issuer of the original token. A subject is unique within it only.
    pub issuer: String,
    pub subject: String,
    pub scopes: Vec<String>,
    /// The gate could not check everything that it usually does.
    pub degraded: bool,
}

/// Why nobody is let in.
pub enum Refusal {
    /// There is no good assertion.
    Unauthenticated(String),
    /// Nobody can tell.
    NoKeys(String),
}

/// What the assertion has to be, and the keys that it has to be signed with.
pub struct Verifier {
    keys: Keys,
    expected: Validation,
}

#[derive(Deserialize)]
struct Claims {
    oiss: String,
    sub: String,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    degraded: bool,
}

/// Answers 401 where there is no good assertion, and 503 where nobody can tell.
pub async fn require(
    State(verifier): State<Arc<Verifier>>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut response = match verifier.identity(request.headers()).await {
        Ok(who) => {
            request.extensions_mut().insert(who);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    };
    // The same URL has another answer for somebody else.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Verifier {
    pub fn new(jwks: String, audience: String) -> Result<Self, reqwest::Error> {
        // Never the algorithm that the header of the assertion says.
        let mut expected = Validation::new(Algorithm::EdDSA);
        expected.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        expected.set_issuer(&["edgeward"]);
        expected.set_audience(&[audience]);
        expected.leeway = 30; // clock_skew_seconds of the gate
        Ok(Self { keys: Keys::new(jwks)?, expected })
    }

    async fn identity(&self, headers: &HeaderMap) -> Result<Identity, Refusal> {
        let mut assertions = headers.get_all("x-auth-assertion").iter();
        let (Some(assertion), None) = (assertions.next(), assertions.next()) else {
            return Err(Refusal::Unauthenticated("not exactly one assertion".to_owned()));
        };
        let header = decode_header(assertion)?;
        // Extensions that have to be understood (RFC 7515, section 4.1.11). None is here, and the
        // library leaves it to us to look.
        if header.crit.is_some() {
            return Err(Refusal::Unauthenticated("it has a critical extension".to_owned()));
        }
        let key = self.keys.find(&header.kid.unwrap_or_default()).await?;
        let Claims { oiss, sub, scope, degraded } = decode(assertion, &key, &self.expected)?.claims;
        if oiss.is_empty() || sub.is_empty() {
            return Err(Refusal::Unauthenticated("it says about nobody".to_owned()));
        }
        let scopes = scope.split_whitespace().map(str::to_owned).collect();
        Ok(Identity { issuer: oiss, subject: sub, scopes, degraded })
    }
}

impl Identity {
    pub fn has(&self, scope: &str) -> bool {
        self.scopes.iter().any(|granted| granted == scope)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Identity {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        parts.extensions.get::<Self>().cloned().ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<jsonwebtoken::errors::Error> for Refusal {
    fn from(error: jsonwebtoken::errors::Error) -> Self {
        Self::Unauthenticated(error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Unauthenticated(reason) => {
                // Why, but never the assertion: whoever reads it can use it until it ends.
                eprintln!("refused: {reason}");
                let refusal = deny(StatusCode::UNAUTHORIZED, "unauthenticated");
                ([(header::WWW_AUTHENTICATE, "Bearer")], refusal).into_response()
            }
            Self::NoKeys(reason) => {
                eprintln!("the gate's keys cannot be had: {reason}");
                let refusal = deny(StatusCode::SERVICE_UNAVAILABLE, "keys_unavailable");
                ([(header::RETRY_AFTER, "5")], refusal).into_response()
            }
        }
    }
}
