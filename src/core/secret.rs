//! The text of a secret binding becomes keys, or a diagnosis that says how to mend it.
//!
//! Operators store secrets in many shapes: a JWK Set, PEM with mangled newlines, the JSON object
//! of a cloud secret store, base64 of any of these. This module recognises the shape, takes the
//! keys out and checks them. It errs on the side of refusal: whatever resembles JSON or a public
//! key never becomes the bytes of an HMAC key, because a key that the world knows would then
//! verify forged tokens.
//!
//! In scope: recognition, decoding, checks that need no curve arithmetic. Out of scope: whether a
//! point lies on its curve (the signature engine checks it), the chain and the dates of a
//! certificate (only its public key is used), and where the text comes from.
//!
//! No error, warning or `Debug` here contains any part of the text, except a JWK `kid`.

mod asn1;
mod assertion;
mod bytes;
mod check;
mod client;
mod format;
mod jwk;
mod message;
mod open;
mod pem;
mod problem;
mod recognise;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::keys::{Material, VerificationKey};
use open::{Content, Opened};

pub use assertion::{AssertionKey, AssertionMaterial, parse_assertion_key, parse_public_half};
pub use client::{ClientKey, parse_client_key};
pub use format::{Format, Kind, Layer};
pub use problem::{
    AssertionFault, ClientFault, JwkFault, KeyFault, MAX_KEYS, MAX_SECRET_BYTES, PrivateForm,
    Problem, SecretError,
};

/// The keys of one verification secret.
#[derive(Clone, Debug)]
pub struct ParsedSecret {
    /// At least one key, without repetitions, in the order of the text.
    pub keys: Vec<VerificationKey>,
    /// What the text was found to be.
    pub format: Format,
    /// What an operator should know although the secret works; one sentence each.
    pub warnings: Vec<String>,
}

/// Reads the verification keys from the text of the secret that is bound as `binding`.
pub fn parse(binding: &str, text: &str) -> Result<ParsedSecret, SecretError> {
    let Opened { content, format, mut warnings } = open::open(binding, text)?;
    let refuse = |problem| SecretError::new(binding, &format, problem);
    let keys = match content {
        Content::JwkSet(set) => jwk::read_set(&set, &mut warnings).map_err(refuse)?,
        Content::Jwk(jwk) => vec![jwk::read_one(&jwk).map_err(refuse)?],
        Content::Pem(blocks) => pem::read(&blocks, &mut warnings).map_err(refuse)?,
        Content::Der(shape, der) => vec![anonymous(asn1::read(shape, &der).map_err(refuse)?)],
        Content::Private(form) => return Err(refuse(Problem::PrivateKey { form })),
        Content::Secret(key) => {
            let secret = check::hmac(key).map_err(|fault| refuse(Problem::Key(fault)))?;
            vec![anonymous(Material::Hmac(secret))]
        }
    };
    let keys = without_repetitions(keys);
    warn_of_ambiguous_kids(&keys, &mut warnings);
    Ok(ParsedSecret { keys, format, warnings })
}

/// Reads the verification keys from a JWK Set that an issuer publishes, with a sentence about each
/// that does not count. It needs no more than one that does.
pub fn published(set: &Value) -> Result<(Vec<VerificationKey>, Vec<String>), Problem> {
    let mut warnings = Vec::new();
    let keys = set.get("keys").ok_or(Problem::KeysNotArray)?;
    let keys = without_repetitions(jwk::read_published(keys, &mut warnings)?);
    warn_of_ambiguous_kids(&keys, &mut warnings);
    Ok((keys, warnings))
}

const fn anonymous(material: Material) -> VerificationKey {
    VerificationKey { kid: None, algorithm: None, material }
}

fn without_repetitions(keys: Vec<VerificationKey>) -> Vec<VerificationKey> {
    let mut unique: Vec<VerificationKey> = Vec::with_capacity(keys.len());
    for key in keys {
        if !unique.contains(&key) {
            unique.push(key);
        }
    }
    unique
}

/// Two keys under one `kid` both work, but a token cannot say which of them it means and a
/// revocation by `kid` hits both.
fn warn_of_ambiguous_kids(keys: &[VerificationKey], warnings: &mut Vec<String>) {
    let mut named: Vec<&str> = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        let Some(kid) = key.kid.as_deref() else { continue };
        let rival = keys.iter().take(index).any(|earlier| {
            earlier.kid.as_deref() == Some(kid)
                && earlier.material.family() == key.material.family()
                && earlier.material != key.material
        });
        if rival && !named.contains(&kid) {
            named.push(kid);
            warnings.push(format!(
                "different keys of one family share the kid {}; give each its own",
                jwk::shown(kid)
            ));
        }
    }
}
