//! The key with which the gate shows an auth service who it is (`private_key_jwt`).

use serde_json::{Map, Value};

use super::jwk::{self, Object};
use super::open::{self, Content, Opened};
use super::problem::{ClientFault, Problem, SecretError};
use crate::core::algorithm::Algorithm;
use crate::core::keys::SecretBytes;

/// A private key that signs statements about the gate. `Debug` does not show it.
#[derive(Clone, Debug)]
pub struct ClientKey {
    /// The `kid` of the JWK.
    pub kid: Option<String>,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// The private JWK as text, with the members of its key type alone.
    pub jwk: SecretBytes,
}

/// Reads a client key from the text of the secret that is bound as `binding`: a private JWK, in any
/// wrapping that [`super::parse`] opens.
pub fn parse_client_key(binding: &str, text: &str) -> Result<ClientKey, SecretError> {
    let Opened { content, format, .. } = open::open(binding, text)?;
    let read = match content {
        Content::Jwk(jwk) => read(&jwk),
        _ => Err(ClientFault::NotAJwk),
    };
    read.map_err(|fault| SecretError::new(binding, &format, Problem::Client(fault)))
}

fn read(jwk: &Object) -> Result<ClientKey, ClientFault> {
    let member = |name| jwk::text(jwk, name).map_err(ClientFault::Jwk);
    jwk::purpose(jwk, "sign").map_err(ClientFault::Jwk)?;
    let (usual, others, members): (_, &[Algorithm], &[&'static str]) =
        match (member("kty")?, member("crv")?) {
            (Some("OKP"), Some("Ed25519")) => (Algorithm::EdDsa, &[], &["kty", "crv", "x", "d"]),
            (Some("EC"), Some("P-256")) => (Algorithm::Es256, &[], &["kty", "crv", "x", "y", "d"]),
            (Some("EC"), Some("P-384")) => (Algorithm::Es384, &[], &["kty", "crv", "x", "y", "d"]),
            (Some("RSA"), _) => (
                Algorithm::Rs256,
                &[Algorithm::Ps256],
                &["kty", "n", "e", "d", "p", "q", "dp", "dq", "qi"],
            ),
            _ => return Err(ClientFault::Kind),
        };
    let algorithm = match member("alg")? {
        None => usual,
        Some(name) => Algorithm::from_name(name)
            .filter(|named| *named == usual || others.contains(named))
            .ok_or(ClientFault::Algorithm)?,
    };
    if !jwk.contains_key("d") {
        return Err(ClientFault::PublicOnly);
    }
    let mut private = Map::new();
    for name in members {
        let text = member(name)?.ok_or(ClientFault::Missing(name))?;
        private.insert((*name).to_owned(), text.into());
    }
    let kid = member("kid")?.map(str::to_owned);
    let jwk = SecretBytes::new(Value::Object(private).to_string().into_bytes());
    Ok(ClientKey { kid, algorithm, jwk })
}
