//! Verification keys as data, and the choice of the key for a token.
//!
//! In scope: what a key is and whether it may verify a given algorithm. Out of scope: how a
//! secret's text becomes keys ([`super::secret`]) and the arithmetic of signatures.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::algorithm::{Algorithm, Curve, Family};

/// A key that can verify signatures, checked on load: sizes, exponents and curve are acceptable.
#[derive(Clone, PartialEq, Eq)]
pub struct VerificationKey {
    /// The JWK `kid` (RFC 7517 section 4.5); absent for keys from PEM or raw secrets.
    pub kid: Option<String>,
    /// The JWK `alg`: where present, the key serves this algorithm alone (RFC 7517 section 4.4).
    pub algorithm: Option<Algorithm>,
    /// The key itself.
    pub material: Material,
}

/// The numbers of a key; big-endian, as in RFC 7518 section 6.
#[derive(Clone, PartialEq, Eq)]
pub enum Material {
    /// A shared secret.
    Hmac(SecretBytes),
    /// Modulus and public exponent, without leading zeros.
    Rsa {
        /// Modulus, 2048 to 8192 bits.
        n: Vec<u8>,
        /// Public exponent: odd, at least 3, at most 32 bits.
        e: Vec<u8>,
    },
    /// A point; both coordinates have [`Curve::coordinate_bytes`].
    Ec {
        /// The curve.
        curve: Curve,
        /// First coordinate.
        x: Vec<u8>,
        /// Second coordinate.
        y: Vec<u8>,
    },
    /// An Ed25519 public key (RFC 8037).
    Ed25519 {
        /// The encoded point.
        x: [u8; 32],
    },
}

/// Bytes that never show themselves.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// Takes the bytes into custody.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, for the one who computes with them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretBytes({} bytes)", self.0.len())
    }
}

impl VerificationKey {
    /// A text that no other key has: a hash of its numbers, and of its name and algorithm, which
    /// decide about what it may verify. A shared secret has none: its hash would help to guess it.
    #[must_use]
    pub fn fingerprint(&self) -> Option<String> {
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        add(self.kid.as_deref().unwrap_or_default().as_bytes());
        add(self.algorithm.map(Algorithm::name).unwrap_or_default().as_bytes());
        match &self.material {
            Material::Hmac(_) => return None,
            Material::Rsa { n, e } => [b"RSA", n.as_slice(), e].into_iter().for_each(add),
            Material::Ec { curve, x, y } => {
                [curve.name().as_bytes(), x, y].into_iter().for_each(add);
            }
            Material::Ed25519 { x } => [b"OKP".as_slice(), x].into_iter().for_each(add),
        }
        Some(URL_SAFE_NO_PAD.encode(hash.finalize()))
    }

    /// Whether this key may verify `algorithm`: the family fits, the JWK `alg` does not object,
    /// and an HMAC secret is long enough for the hash (RFC 7518 section 3.2).
    #[must_use]
    pub fn serves(&self, algorithm: Algorithm) -> bool {
        let family_fits = self.material.family() == algorithm.family();
        let declared_fits = self.algorithm.is_none_or(|declared| declared == algorithm);
        let long_enough = match (&self.material, algorithm.min_secret_bytes()) {
            (Material::Hmac(secret), Some(least)) => secret.expose().len() >= least,
            _ => true,
        };
        family_fits && declared_fits && long_enough
    }
}

/// Why no key can be named for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoKey {
    /// No key of this identifier serves the algorithm.
    Unknown,
    /// The token names no key and more than one would do.
    Ambiguous,
}

/// Chooses the keys that may verify a token with this `kid` and `alg`, among one issuer's keys.
///
/// A `kid` chooses the keys of exactly that identifier; where none has it, the only key without an
/// identifier that serves the algorithm, since PEM and raw secrets cannot carry one. Without a
/// `kid`, the only key that serves the algorithm. Never "try them all": the sender would choose
/// how much work a refusal costs.
pub fn select<'k, K: AsRef<VerificationKey>>(
    keys: &'k [K],
    key_id: Option<&str>,
    algorithm: Algorithm,
) -> Result<Vec<&'k K>, NoKey> {
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for key in keys.iter().filter(|key| (*key).as_ref().serves(algorithm)) {
        let name = (*key).as_ref().kid.as_deref();
        if key_id.is_none() || name.is_none() {
            others.push(key);
        } else if name == key_id {
            named.push(key);
        }
    }
    if named.is_empty() {
        return single(others);
    }
    // An issuer that reuses an identifier while it rotates is tolerated, within bounds.
    named.truncate(MOST_KEYS_OF_ONE_ID);
    Ok(named)
}

/// How many keys of one identifier are tried.
const MOST_KEYS_OF_ONE_ID: usize = 2;

/// The only key among these; one that is stored twice, say as PEM and as JWK, is one.
fn single<K: AsRef<VerificationKey>>(mut keys: Vec<&K>) -> Result<Vec<&K>, NoKey> {
    let Some(first) = keys.first() else { return Err(NoKey::Unknown) };
    let material = &(*first).as_ref().material;
    if keys.iter().any(|key| (*key).as_ref().material != *material) {
        return Err(NoKey::Ambiguous);
    }
    keys.truncate(1);
    Ok(keys)
}

impl AsRef<Self> for VerificationKey {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("VerificationKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .field("family", &self.material.family())
            .finish_non_exhaustive()
    }
}

impl Material {
    /// The family whose algorithms this key can serve.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self {
            Self::Hmac(_) => Family::Hmac,
            Self::Rsa { .. } => Family::Rsa,
            Self::Ec { curve, .. } => Family::Ec(*curve),
            Self::Ed25519 { .. } => Family::Ed25519,
        }
    }

    /// The key as a JWK (RFC 7518 section 6, RFC 8037 section 2); a shared secret is nobody's business.
    #[must_use]
    pub fn public_jwk(&self) -> Option<Value> {
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Hmac(_) => None,
            Self::Rsa { n, e } => Some(json!({ "kty": "RSA", "n": number(n), "e": number(e) })),
            Self::Ec { curve, x, y } => Some(json!({
                "kty": "EC", "crv": Curve::name(*curve), "x": number(x), "y": number(y),
            })),
            Self::Ed25519 { x } => Some(json!({ "kty": "OKP", "crv": "Ed25519", "x": number(x) })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(kid: Option<&str>, byte: u8, bytes: usize) -> VerificationKey {
        VerificationKey {
            kid: kid.map(str::to_owned),
            algorithm: None,
            material: Material::Hmac(SecretBytes::new(vec![byte; bytes])),
        }
    }

    #[test]
    fn a_kid_chooses_the_key_of_that_name() {
        let keys = [secret(Some("a"), 1, 64), secret(Some("b"), 2, 64)];
        assert_eq!(select(&keys, Some("b"), Algorithm::Hs256), Ok(vec![&keys[1]]));
        assert_eq!(select(&keys, Some("c"), Algorithm::Hs256), Err(NoKey::Unknown));
        assert_eq!(select(&keys, Some(""), Algorithm::Hs256), Err(NoKey::Unknown));
        assert_eq!(select(&keys, Some("b"), Algorithm::Rs256), Err(NoKey::Unknown));
    }

    #[test]
    fn without_a_kid_only_a_single_key_will_do() {
        let keys = [secret(Some("a"), 1, 32), secret(None, 2, 64)];
        assert_eq!(select(&keys, None, Algorithm::Hs256), Err(NoKey::Ambiguous));
        assert_eq!(select(&keys, None, Algorithm::Hs512), Ok(vec![&keys[1]]));
        assert_eq!(select(&keys[..1], None, Algorithm::Hs256), Ok(vec![&keys[0]]));
        assert_eq!(select(&keys[..0], None, Algorithm::Hs256), Err(NoKey::Unknown));
        let twice = [secret(Some("a"), 1, 64), secret(None, 1, 64)];
        assert_eq!(select(&twice, None, Algorithm::Hs256), Ok(vec![&twice[0]]));
    }

    #[test]
    fn a_key_without_a_name_serves_a_kid_that_no_other_has_if_it_is_the_only_one() {
        let keys = [secret(Some("a"), 1, 64), secret(None, 2, 64)];
        assert_eq!(select(&keys, Some("x"), Algorithm::Hs256), Ok(vec![&keys[1]]));
        assert_eq!(select(&keys, Some("a"), Algorithm::Hs256), Ok(vec![&keys[0]]));
        let two = [secret(None, 1, 64), secret(None, 2, 64)];
        assert_eq!(select(&two, Some("x"), Algorithm::Hs256), Err(NoKey::Ambiguous));
    }

    #[test]
    fn of_many_keys_of_one_name_only_two_are_tried() {
        let keys = [1, 2, 3].map(|byte| secret(Some("a"), byte, 64));
        assert_eq!(select(&keys, Some("a"), Algorithm::Hs256), Ok(vec![&keys[0], &keys[1]]));
    }

    #[test]
    fn a_declared_algorithm_and_the_length_of_a_secret_bind() {
        let mut key = secret(None, 1, 48);
        assert!(key.serves(Algorithm::Hs256) && key.serves(Algorithm::Hs384));
        assert!(!key.serves(Algorithm::Hs512));
        key.algorithm = Some(Algorithm::Hs384);
        assert!(!key.serves(Algorithm::Hs256) && key.serves(Algorithm::Hs384));
    }

    #[test]
    fn a_secret_never_shows_itself() {
        let shown = format!("{:?}", secret(Some("k"), 0x41, 32));
        assert!(!shown.contains("65") && !shown.contains("AAAA"), "{shown}");
    }
}
