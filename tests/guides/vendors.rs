//! What the nine providers issue and publish, in the shapes that their documentation has (the links are
//! in the guide), with the names of the guide in them.

mod access;
mod auth0;
mod clerk;
mod cognito;
mod entra;
mod firebase;
mod keycloak;
mod okta;
mod supabase;

use std::sync::LazyLock;

use edgeward::core::denial::Reason;
use serde_json::{Value, json};

use crate::gate::NOW;
use crate::native::{Signer, with};

pub static RSA: LazyLock<Signer> = LazyLock::new(Signer::rsa);
static P256: LazyLock<Signer> = LazyLock::new(Signer::p256);
/// A legacy secret of Supabase: its characters are the key.
pub const LEGACY_SECRET: &str =
    "YSBtYWRlLXVwIHNlY3JldCBvZiBzaXh0eS1mb3VyIGJ5dGVzLCBhcyBhIHByb2plY3Qgb2YgU3VwYWJhc2UgaA==";
static LEGACY: LazyLock<Signer> = LazyLock::new(|| Signer::Hmac(LEGACY_SECRET.as_bytes().to_vec()));

/// One configuration of the guide, and the tokens that are put before it.
pub struct Vendor {
    /// The heading in the guide.
    pub section: &'static str,
    /// Which of its configurations.
    pub block: usize,
    /// The issuers, and where each publishes its keys.
    pub issuers: Vec<(&'static str, Option<&'static str>)>,
    /// What they publish there.
    pub published: Value,
    pub tokens: Vec<Presented>,
}

/// A token, how it is sent, and what becomes of it.
pub struct Presented {
    pub what: &'static str,
    pub token: String,
    pub path: &'static str,
    /// The header lines in front of the token.
    pub carried: &'static str,
    /// What the auth service says, where there is one.
    pub verdict: Value,
    pub expected: Expected,
}

pub enum Expected {
    /// And these lines are among what the origin gets.
    Permitted(&'static [&'static str]),
    Denied(Reason),
}

fn presented(what: &'static str, token: String) -> Presented {
    Presented {
        what,
        token,
        path: "/",
        carried: "authorization\nBearer ",
        verdict: json!({ "active": true }),
        expected: Expected::Permitted(&[]),
    }
}

/// A token of these parts, signed with the key that the issuers of most vendors publish.
fn rsa(what: &'static str, header: &Value, claims: &Value) -> Presented {
    presented(what, RSA.token(header, claims))
}

impl Presented {
    fn at(self, path: &'static str) -> Self {
        Self { path, ..self }
    }

    fn carried(self, carried: &'static str) -> Self {
        Self { carried, ..self }
    }

    fn told(self, lines: &'static [&'static str]) -> Self {
        Self { expected: Expected::Permitted(lines), ..self }
    }

    fn inactive(self) -> Self {
        Self { verdict: json!({ "active": false }), ..self }.denied(Reason::Inactive)
    }

    fn denied(self, reason: Reason) -> Self {
        Self { expected: Expected::Denied(reason), ..self }
    }
}

/// Claims of a token that was issued just now and lives so long.
fn issued(seconds: i64, claims: &Value) -> Value {
    with(claims, json!({ "iat": NOW - 5, "exp": NOW - 5 + seconds }))
}

/// The published key with the members that this vendor adds to it.
fn key_set(members: Value) -> Value {
    json!({ "keys": [with(&RSA.jwk("k1"), members)] })
}

/// Every configuration of the guide.
pub fn all() -> Vec<Vendor> {
    vec![
        auth0::auth0(),
        okta::okta(),
        okta::okta_introspected(),
        entra::entra(),
        entra::entra_v1(),
        cognito::cognito(),
        cognito::cognito_id(),
        firebase::firebase(),
        keycloak::keycloak(),
        keycloak::keycloak_introspected(),
        clerk::clerk(),
        supabase::supabase(),
        supabase::supabase_legacy(),
        access::access(),
    ]
}
