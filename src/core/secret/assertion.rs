//! The key that signs the assertion for the origin.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::jwk::{self, Object};
use super::open::{self, Content, Opened};
use super::problem::{AssertionFault, JwkFault, Problem, SecretError};
use super::{bytes, check};
use crate::core::algorithm::Algorithm;
use crate::core::keys::{Material, SecretBytes, VerificationKey};

/// A private key that signs assertions. `Debug` does not show it.
#[derive(Clone, Debug)]
pub struct AssertionKey {
    /// The `kid` of the JWK; without one, an Ed25519 key has its thumbprint (RFC 7638). A
    /// symmetric key then has none: its thumbprint is a hash of the secret.
    pub kid: Option<String>,
    /// The key itself.
    pub material: AssertionMaterial,
}

/// The numbers of an assertion key.
#[derive(Clone, Debug)]
pub enum AssertionMaterial {
    /// Signs with `EdDSA`.
    Ed25519 {
        /// The private key, the 32-byte seed of RFC 8032 section 5.1.5.
        d: SecretBytes,
        /// The public key as the JWK states it; that it belongs to `d` is for the engine to check.
        x: [u8; 32],
    },
    /// Signs with `HS256`; at least 32 bytes.
    Hmac(SecretBytes),
}

/// Reads the assertion key from the text of the secret that is bound as `binding`: a private JWK
/// with Ed25519 or oct, in any wrapping that [`super::parse`] opens. What was tolerated on the way
/// is not reported.
pub fn parse_assertion_key(binding: &str, text: &str) -> Result<AssertionKey, SecretError> {
    let Opened { content, format, .. } = open::open(binding, text).map_err(redirected)?;
    let read = match content {
        Content::Jwk(jwk) => read(&jwk),
        Content::JwkSet(_) => Err(AssertionFault::Set),
        Content::Pem(_) | Content::Der(..) | Content::Private(_) | Content::Secret(_) => {
            Err(AssertionFault::NotAJwk)
        }
    };
    read.map_err(|fault| SecretError::new(binding, &format, Problem::Assertion(fault)))
}

/// Reads the public half of another assertion key from its JWK, as `/jwks.json` shows it: that JWK, with a
/// `kid` in any case. `None` if it is anything else, above all a private key.
#[must_use]
pub fn parse_public_half(jwk: &Value) -> Option<Value> {
    match jwk::read_one(jwk.as_object()?).ok()? {
        VerificationKey { kid, material: Material::Ed25519 { x }, .. } => {
            public_half(&kid.unwrap_or_else(|| thumbprint(&x)), x)
        }
        _ => None,
    }
}

/// The mend of these problems names a verification key, which would not help here.
fn redirected(mut error: SecretError) -> SecretError {
    if matches!(
        error.problem,
        Problem::Token
            | Problem::Address
            | Problem::JsonKind { .. }
            | Problem::SshKey
            | Problem::XmlKey
            | Problem::DisguisedKey
            | Problem::DamagedKey
            | Problem::Encoding { .. }
            | Problem::PemTruncated
            | Problem::PemMalformed
            | Problem::PemLabel { .. }
            | Problem::PemBody { .. }
    ) {
        error.problem = Problem::Assertion(AssertionFault::NotAJwk);
    }
    error
}

fn read(jwk: &Object) -> Result<AssertionKey, AssertionFault> {
    let member = |name| jwk::text(jwk, name).map_err(AssertionFault::Jwk);
    jwk::purpose(jwk, "sign").map_err(AssertionFault::Jwk)?;
    let kid = member("kid")?.map(str::to_owned);
    match (member("kty")?, member("crv")?) {
        (Some("oct"), _) => {
            declares(jwk, Algorithm::Hs256)?;
            let secret = jwk::secret(jwk).map_err(AssertionFault::Jwk)?;
            Ok(AssertionKey { kid, material: AssertionMaterial::Hmac(secret) })
        }
        (Some("OKP"), Some("Ed25519")) => {
            declares(jwk, Algorithm::EdDsa)?;
            let (d, x) = ed25519(jwk)?;
            let kid = kid.unwrap_or_else(|| thumbprint(&x));
            Ok(AssertionKey { kid: Some(kid), material: AssertionMaterial::Ed25519 { d, x } })
        }
        (None, _) => Err(AssertionFault::Jwk(JwkFault::Missing("kty"))),
        _ => Err(AssertionFault::Kind),
    }
}

fn declares(jwk: &Object, expected: Algorithm) -> Result<(), AssertionFault> {
    match jwk::text(jwk, "alg").map_err(AssertionFault::Jwk)? {
        Some(name) if name != expected.name() => Err(AssertionFault::Algorithm),
        _ => Ok(()),
    }
}

fn ed25519(jwk: &Object) -> Result<(SecretBytes, [u8; 32]), AssertionFault> {
    if !jwk.contains_key("d") {
        return Err(AssertionFault::PublicOnly);
    }
    let d = jwk::number(jwk, "d").map_err(AssertionFault::Jwk)?;
    if d.len() != 32 {
        return Err(AssertionFault::PrivateLength { found: d.len() });
    }
    let x = jwk::number(jwk, "x").map_err(AssertionFault::Jwk)?;
    let x = check::ed25519(&x).map_err(|fault| AssertionFault::Jwk(JwkFault::Key(fault)))?;
    Ok((SecretBytes::new(d), x))
}

/// RFC 7638 with the members that RFC 8037 section 2 requires.
fn thumbprint(x: &[u8]) -> String {
    let x = bytes::to_base64url(x);
    let canonical = format!("{{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"{x}\"}}");
    bytes::to_base64url(&Sha256::digest(canonical))
}

impl AssertionKey {
    /// The JWK that verifies what this key signs; `None` for a symmetric key, which has no public
    /// half.
    #[must_use]
    pub fn public_jwk(&self) -> Option<Value> {
        match (&self.material, &self.kid) {
            (AssertionMaterial::Ed25519 { x, .. }, Some(kid)) => public_half(kid, *x),
            _ => None,
        }
    }
}

fn public_half(kid: &str, x: [u8; 32]) -> Option<Value> {
    let mut jwk = Material::Ed25519 { x }.public_jwk()?;
    let members = jwk.as_object_mut()?;
    for (name, value) in [("use", "sig"), ("alg", Algorithm::EdDsa.name()), ("kid", kid)] {
        members.insert(name.to_owned(), value.into());
    }
    Some(jwk)
}
