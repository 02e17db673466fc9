//! Verification keys as data, and the choice of the key for a token.
//!
//! In scope: what a key is and whether it may verify a given algorithm. Out of scope: how a
//! secret's text becomes keys ([`super::secret`]) and the arithmetic of signatures.

use std::fmt;

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
}
