//! The least that a key must satisfy, whichever format it came in.

use super::bytes;
use super::problem::KeyFault;
use crate::core::algorithm::Curve;
use crate::core::keys::{Material, SecretBytes};

/// The output of SHA-256: the least for the weakest HMAC algorithm (RFC 7518 section 3.2).
pub(super) const MIN_HMAC_BYTES: usize = 32;
/// RFC 7518 section 3.3.
pub(super) const MIN_RSA_BITS: usize = 2048;
/// Verification time grows with the square of the size; no issuer uses more.
pub(super) const MAX_RSA_BITS: usize = 8192;

/// Encodings of the Ed25519 points of order 1, 2, 4 and 8, canonical and not, with the sign bit
/// cleared. Under such a key anyone can make signatures that verify. The list is the one of
/// libsodium's `ge25519_has_small_order`.
const SMALL_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/// A shared secret that is long enough for at least one algorithm.
pub(super) fn hmac(key: Vec<u8>) -> Result<SecretBytes, KeyFault> {
    let bytes = key.len();
    if bytes < MIN_HMAC_BYTES {
        return Err(KeyFault::HmacShort { bytes });
    }
    Ok(SecretBytes::new(key))
}

/// An RSA key of acceptable size whose numbers can be a key at all.
pub(super) fn rsa(n: &[u8], e: &[u8]) -> Result<Material, KeyFault> {
    let (n, e) = (without_leading_zeros(n), without_leading_zeros(e));
    let bits = bit_length(n);
    if bits < MIN_RSA_BITS {
        return Err(KeyFault::RsaShort { bits });
    }
    if bits > MAX_RSA_BITS {
        return Err(KeyFault::RsaLong { bits });
    }
    if is_even(n) {
        return Err(KeyFault::RsaModulusEven);
    }
    if is_even(e) || e == [1] || e.len() > 4 {
        return Err(KeyFault::RsaExponent);
    }
    Ok(Material::Rsa { n: n.to_vec(), e: e.to_vec() })
}

/// A point with coordinates of the exact length (RFC 7518 section 6.2.1.2).
pub(super) fn ec(curve: Curve, x: &[u8], y: &[u8]) -> Result<Material, KeyFault> {
    let expected = curve.coordinate_bytes();
    for coordinate in [x, y] {
        if coordinate.len() != expected {
            return Err(KeyFault::EcLength { curve, found: coordinate.len() });
        }
    }
    if x.iter().chain(y).all(|byte| *byte == 0) {
        return Err(KeyFault::EcZero);
    }
    Ok(Material::Ec { curve, x: x.to_vec(), y: y.to_vec() })
}

/// An Ed25519 public key that is not one of the points of small order.
pub(super) fn ed25519(x: &[u8]) -> Result<[u8; 32], KeyFault> {
    let x: [u8; 32] = x.try_into().map_err(|_| KeyFault::Ed25519Length { found: x.len() })?;
    let mut unsigned = x;
    if let Some(last) = unsigned.last_mut() {
        *last &= 0x7f;
    }
    let is_small = |point: &str| bytes::from_hex(point).is_some_and(|point| point == unsigned);
    if SMALL_ORDER.into_iter().any(is_small) {
        return Err(KeyFault::Ed25519SmallOrder);
    }
    Ok(x)
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// Of a number without leading zeros.
fn bit_length(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

/// Nothing is zero, and zero is even.
fn is_even(number: &[u8]) -> bool {
    number.last().is_none_or(|last| last % 2 == 0)
}
