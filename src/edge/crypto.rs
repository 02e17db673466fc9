//! Signatures by the runtime's own synchronous cryptography.
//!
//! Which of the runtime's two interfaces serves which algorithm was measured; the table is in
//! docs/architecture.md.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use wasm_bindgen::JsValue;

use super::glue;
use crate::core::algorithm::Algorithm;
use crate::core::keys::Material;
use crate::core::secret::ClientKey;
use crate::core::verify::{KeyRefused, SignatureEngine};

/// The runtime's cryptography.
pub(super) struct RuntimeCrypto;

/// A public key of the runtime.
pub(super) struct RuntimeKey {
    plain: JsValue,
    /// The same RSA key with the parameters of RSASSA-PSS; `undefined` for other keys.
    pss: JsValue,
}

/// A private key of the runtime, and what it signs with.
pub(super) struct RuntimeSigningKey {
    key: JsValue,
    algorithm: Algorithm,
}

/// Position in the glue's list of hashes.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Hash {
    /// The algorithm has its own.
    None = 0,
    Sha256 = 1,
    Sha384 = 2,
    Sha512 = 3,
}

impl SignatureEngine for RuntimeCrypto {
    type Key = RuntimeKey;
    type SigningKey = RuntimeSigningKey;

    fn import(&self, material: &Material) -> Result<RuntimeKey, KeyRefused> {
        let jwk = material.public_jwk().ok_or(KeyRefused)?.to_string();
        let plain = found(glue::import_public_key(&jwk))?;
        let pss = match material {
            Material::Rsa { .. } => found(glue::import_pss_key(&jwk))?,
            _ => JsValue::UNDEFINED,
        };
        Ok(RuntimeKey { plain, pss })
    }

    fn verify(
        &self,
        algorithm: Algorithm,
        key: &RuntimeKey,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let verify = |hash: Hash, signature: &[u8]| {
            glue::verify_signature(hash as u8, &key.plain, message, signature)
        };
        let verify_pss = |hash: Hash| glue::verify_pss(hash as u8, &key.pss, message, signature);
        match algorithm {
            Algorithm::Rs256 => verify(Hash::Sha256, signature),
            Algorithm::Rs384 => verify(Hash::Sha384, signature),
            Algorithm::Rs512 => verify(Hash::Sha512, signature),
            Algorithm::Ps256 => verify_pss(Hash::Sha256),
            Algorithm::Ps384 => verify_pss(Hash::Sha384),
            Algorithm::Ps512 => verify_pss(Hash::Sha512),
            Algorithm::Es256 => verify(Hash::Sha256, &ecdsa_der(signature)),
            Algorithm::Es384 => verify(Hash::Sha384, &ecdsa_der(signature)),
            Algorithm::Es512 => verify(Hash::Sha512, &ecdsa_der(signature)),
            Algorithm::EdDsa => verify(Hash::None, signature),
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => false,
        }
    }

    fn import_signing(&self, d: &[u8], x: &[u8; 32]) -> Result<RuntimeSigningKey, KeyRefused> {
        let public = Material::Ed25519 { x: *x };
        let mut jwk = public.public_jwk().ok_or(KeyRefused)?;
        let public = self.import(&public)?;
        if let Some(jwk) = jwk.as_object_mut() {
            jwk.insert("d".to_owned(), URL_SAFE_NO_PAD.encode(d).into());
        }
        let key = found(glue::import_private_key(&jwk.to_string()))?;
        let private = RuntimeSigningKey { key, algorithm: Algorithm::EdDsa };
        let trial = b"do both halves belong together?";
        let signature = self.sign(&private, trial).ok_or(KeyRefused)?;
        let together = self.verify(Algorithm::EdDsa, &public, trial, &signature);
        if together { Ok(private) } else { Err(KeyRefused) }
    }

    fn import_client(&self, key: &ClientKey) -> Result<RuntimeSigningKey, KeyRefused> {
        let jwk = str::from_utf8(key.jwk.expose()).map_err(|_| KeyRefused)?;
        let private = RuntimeSigningKey {
            key: found(glue::import_private_key(jwk))?,
            algorithm: key.algorithm,
        };
        self.sign(&private, b"can it sign?").map(|_| private).ok_or(KeyRefused)
    }

    fn sign(&self, key: &RuntimeSigningKey, message: &[u8]) -> Option<Vec<u8>> {
        let sign = |hash: Hash| glue::sign(hash as u8, &key.key, message);
        match key.algorithm {
            Algorithm::EdDsa => sign(Hash::None),
            Algorithm::Rs256 => sign(Hash::Sha256),
            Algorithm::Ps256 => glue::sign_pss(Hash::Sha256 as u8, &key.key, message),
            Algorithm::Es256 => ecdsa_numbers(&sign(Hash::Sha256)?, 32),
            Algorithm::Es384 => ecdsa_numbers(&sign(Hash::Sha384)?, 48),
            _ => None,
        }
    }

    fn random(&self) -> u64 {
        // It never fails where Workers run; if it did, identifiers would be guessable and the cache's
        // slots known, neither of which opens anything.
        getrandom::u64().unwrap_or_default()
    }
}

fn found(key: JsValue) -> Result<JsValue, KeyRefused> {
    if key.is_undefined() { Err(KeyRefused) } else { Ok(key) }
}

/// Turns both numbers of an ECDSA signature, side by side (RFC 7518 section 3.4), into the DER
/// sequence that the runtime's synchronous interface reads (RFC 3279 section 2.2.3).
fn ecdsa_der(signature: &[u8]) -> Vec<u8> {
    let (r, s) = signature.split_at(signature.len() / 2);
    let body = [der_integer(r), der_integer(s)].concat();
    [&[0x30][..], &der_length(body.len()), &body].concat()
}

/// The reverse: both numbers, each of `bytes` bytes, side by side.
fn ecdsa_numbers(der: &[u8], bytes: usize) -> Option<Vec<u8>> {
    // No signature of ours is longer than 127 bytes.
    let body = der.strip_prefix(&[0x30])?.split_first()?.1;
    let (r, rest) = der_number(body)?;
    let (s, _) = der_number(rest)?;
    let mut numbers = Vec::with_capacity(2 * bytes);
    for number in [r, s] {
        numbers.resize(numbers.len() + bytes.checked_sub(number.len())?, 0);
        numbers.extend_from_slice(number);
    }
    Some(numbers)
}

/// A DER integer without leading zeros, and what follows it.
fn der_number(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = der.strip_prefix(&[0x02])?.split_first()?;
    let (number, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((number.strip_prefix(&[0]).unwrap_or(number), rest))
}

fn der_integer(number: &[u8]) -> Vec<u8> {
    let first = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    let digits = number.get(first..).unwrap_or_default();
    // Zero is one byte, and a leading one bit would mean a negative number.
    let pad = digits.first().is_none_or(|byte| byte & 0x80 != 0);
    let zero: &[u8] = if pad { &[0] } else { &[] };
    [&[0x02][..], &der_length(zero.len() + digits.len()), zero, digits].concat()
}

/// A definite length. No signature of ours is longer than 255 bytes.
fn der_length(length: usize) -> Vec<u8> {
    match u8::try_from(length) {
        Ok(length @ 0..=0x7f) => vec![length],
        Ok(length) => vec![0x81, length],
        Err(_) => vec![0x80],
    }
}
