//! What is kept where others can write: a payload with a MAC that only this gate can make.
//!
//! Workers KV is shared by all isolates and by whoever else may write to the namespace. A value
//! counts only if it was sealed with the assertion key, for the same purpose and under the same KV
//! key. Everything else is [`Rejected`], and its payload is not parsed.
//!
//! | part | bytes | |
//! |--|--|--|
//! | version | 1 | `1`, an ASCII digit |
//! | | 1 | `.` |
//! | MAC | 43 | HMAC-SHA256, base64url without padding |
//! | | 1 | `.` |
//! | payload | all others | |
//!
//! The MAC is over four texts: a label, the version, the KV key and the payload. Each follows its
//! length in eight bytes, so that the message can be taken apart in one way alone: the first length
//! says where the first text ends and the second length begins, and so on to the fourth. Two
//! different inputs therefore never give the same message, whatever an attacker puts into one of
//! them.
//!
//! In scope: names and values of entries, the key, what opens. Out of scope: reading and writing,
//! what a payload means, and three things that a MAC cannot give:
//!
//! - **Secrecy.** Whoever can read KV can read payloads.
//! - **Freshness.** A value that was good once opens again when somebody puts it back, also after KV
//!   has let it expire. A payload has to say when it was made, and its reader how old it may be.
//! - **Secrecy of the key from an origin that shares it.** An `oct` assertion key is known to those
//!   who verify assertions with it, and they could seal. An Ed25519 key is not.
//!
//! Another assertion key opens nothing that was sealed before: after a rotation, KV fills anew.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use hmac::digest::Key;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

use super::secret::{AssertionKey, AssertionMaterial};

/// The longest value that opens, in bytes, but for a part of the list of revocations. Longer ones are not
/// looked at, so there is no use in storing them.
pub const MOST_VALUE_BYTES: usize = 32 * 1024;

/// The longest part of the list of revocations that opens, in bytes.
pub const MOST_PART_BYTES: usize = 2 * 1024 * 1024;

/// The first byte of every value. Another layout, another MAC or another reading of the payload
/// gets another.
const VERSION: u8 = b'1';

/// The MAC, encoded.
const MAC_TEXT_BYTES: usize = 43;

/// Tells these MACs from all others that anybody may ever make with the same key.
const LABEL: &[u8] = b"edgeward sealed value";

/// What a payload is for. Each purpose has a key of its own, so that no value of one opens as
/// another's, and KV keys of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// What was found out about a token: [`super::validation`].
    Validation,
    /// A JWK Set of an issuer.
    KeySet,
    /// The list of revocations, or a part of it.
    Revocations,
}

impl Purpose {
    /// The KV key for a token or an issuer: the version of the name, and a hash, since a token must
    /// not be told to those who can list keys, and KV takes no more than 512 bytes.
    #[must_use]
    pub fn kv_key(self, subject: &str) -> String {
        self.kv_key_of_hash(&URL_SAFE_NO_PAD.encode(Sha256::digest(subject)))
    }

    /// The KV key for what has this hash, in base64url without padding.
    #[must_use]
    pub fn kv_key_of_hash(self, hash: &str) -> String {
        let prefix = match self {
            Self::Validation => "validation:v1:",
            Self::KeySet => "jwks:v1:",
            Self::Revocations => "revocations:v1:",
        };
        format!("{prefix}{hash}")
    }

    /// The `info` of HKDF (RFC 5869 section 3.2).
    const fn info(self) -> &'static [u8] {
        match self {
            Self::Validation => b"edgeward sealing validation",
            Self::KeySet => b"edgeward sealing keyset",
            Self::Revocations => b"edgeward sealing revocations",
        }
    }
}

/// Why a stored value does not count. The names are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejected {
    /// Longer than [`MOST_VALUE_BYTES`] or [`MOST_PART_BYTES`].
    TooLarge,
    /// Not in the layout of a sealed value.
    Malformed,
    /// Of an older or newer version of edgeward.
    Version,
    /// Not sealed by this key for this purpose under this KV key, or changed since.
    Mac,
    /// The payload is not what its purpose asks for.
    Schema,
    /// About another issuer.
    Issuer,
    /// From the future, or about something that has ended.
    Time,
}

impl Rejected {
    /// All of them, in the order in which they are checked.
    pub const ALL: [Self; 7] = [
        Self::TooLarge,
        Self::Malformed,
        Self::Version,
        Self::Mac,
        Self::Schema,
        Self::Issuer,
        Self::Time,
    ];

    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Version => "version",
            Self::Mac => "mac",
            Self::Schema => "schema",
            Self::Issuer => "issuer",
            Self::Time => "time",
        }
    }
}

/// Seals payloads of one purpose and opens them again. `Debug` does not show it.
#[derive(Clone)]
pub struct SealingKey {
    mac: Hmac<Sha256>,
    /// The longest value that opens.
    most_bytes: usize,
}

impl SealingKey {
    /// The key for a purpose, from the private part of the assertion key.
    #[must_use]
    pub fn derive(assertion_key: &AssertionKey, purpose: Purpose) -> Self {
        let private = match &assertion_key.material {
            AssertionMaterial::Ed25519 { d, .. } => d,
            AssertionMaterial::Hmac(secret) => secret,
        };
        let most_bytes = match purpose {
            Purpose::Validation | Purpose::KeySet => MOST_VALUE_BYTES,
            Purpose::Revocations => MOST_PART_BYTES,
        };
        Self { mac: Hmac::new(&hkdf(private.expose(), purpose.info())), most_bytes }
    }

    /// The value to store under `kv_key`.
    #[must_use]
    pub fn seal(&self, kv_key: &str, payload: &[u8]) -> Vec<u8> {
        self.seal_as(VERSION, kv_key, payload)
    }

    /// The payload of a value that was found under `kv_key`, if it was sealed there.
    pub fn open<'v>(&self, kv_key: &str, value: &'v [u8]) -> Result<&'v [u8], Rejected> {
        if value.len() > self.most_bytes {
            return Err(Rejected::TooLarge);
        }
        let Parts { mac, payload } = Parts::of(value)?;
        // Compares in constant time.
        self.mac(VERSION, kv_key, payload).verify_slice(&mac).map_err(|_| Rejected::Mac)?;
        Ok(payload)
    }

    fn seal_as(&self, version: u8, kv_key: &str, payload: &[u8]) -> Vec<u8> {
        let mac = self.mac(version, kv_key, payload).finalize().into_bytes();
        let mac = URL_SAFE_NO_PAD.encode(mac);
        [&[version, b'.'], mac.as_bytes(), b".", payload].concat()
    }

    fn mac(&self, version: u8, kv_key: &str, payload: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        for text in [LABEL, &[version], kv_key.as_bytes(), payload] {
            mac.update(&(text.len() as u64).to_be_bytes());
            mac.update(text);
        }
        mac
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SealingKey")
    }
}

/// HKDF-SHA256 (RFC 5869) without a salt: a whole block, which HMAC takes as its key unchanged.
///
/// An `oct` secret also is the key of the assertions' HMAC. Here it is the message of one, so that
/// neither use tells anything about the other.
fn hkdf(private: &[u8], info: &[u8]) -> Key<Hmac<Sha256>> {
    let mut key = Key::<Hmac<Sha256>>::default();
    #[allow(clippy::expect_used, reason = "64 bytes, and only more than 8160 are refused")]
    Hkdf::<Sha256>::new(None, private).expand(info, &mut key).expect("a length that HKDF allows");
    key
}

/// A value, taken apart.
struct Parts<'v> {
    mac: Vec<u8>,
    payload: &'v [u8],
}

impl<'v> Parts<'v> {
    fn of(value: &'v [u8]) -> Result<Self, Rejected> {
        let [version @ b'0'..=b'9', b'.', rest @ ..] = value else {
            return Err(Rejected::Malformed);
        };
        // What follows may have another layout then.
        if *version != VERSION {
            return Err(Rejected::Version);
        }
        let Some((mac, [b'.', payload @ ..])) = rest.split_first_chunk::<MAC_TEXT_BYTES>() else {
            return Err(Rejected::Malformed);
        };
        let mac = URL_SAFE_NO_PAD.decode(mac).map_err(|_| Rejected::Malformed)?;
        Ok(Self { mac, payload })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::keys::SecretBytes;

    /// The first bytes of a value, before its payload.
    const HEAD_BYTES: usize = 2 + MAC_TEXT_BYTES + 1;

    fn ed25519(byte: u8) -> AssertionKey {
        let d = SecretBytes::new(vec![byte; 32]);
        AssertionKey { kid: None, material: AssertionMaterial::Ed25519 { d, x: [9; 32] } }
    }

    fn key() -> SealingKey {
        SealingKey::derive(&ed25519(7), Purpose::Validation)
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }

    /// RFC 5869 appendix A.3, which has no salt.
    #[test]
    fn keys_are_derived_as_rfc_5869_says() {
        let expected = hex(concat!(
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d",
            "9d201395faa4b61a96c8",
        ));
        assert_eq!(hkdf(&[0x0b; 22], b"")[..42], expected);
    }

    /// RFC 5869 appendices A.1 and A.2, whose salts cannot be given to the function that derives.
    #[test]
    fn the_library_derives_as_rfc_5869_says() {
        let counted = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
        for (private, salt, info, expected) in [
            (
                vec![0x0b; 22],
                counted(0x00, 0x0c),
                counted(0xf0, 0xf9),
                concat!(
                    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf",
                    "34007208d5b887185865",
                ),
            ),
            (
                counted(0x00, 0x4f),
                counted(0x60, 0xaf),
                counted(0xb0, 0xff),
                concat!(
                    "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c",
                    "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71",
                    "cc30c58179ec3e87c14c01d5c1f3434f1d87",
                ),
            ),
        ] {
            let expected = hex(expected);
            let mut derived = vec![0; expected.len()];
            Hkdf::<Sha256>::new(Some(&salt), &private).expand(&info, &mut derived).unwrap();
            assert_eq!(derived, expected);
        }
    }

    /// The literals were computed by another implementation of HKDF and HMAC.
    #[test]
    fn names_and_values_are_pinned() {
        let oct = AssertionMaterial::Hmac(SecretBytes::new((0..48).collect()));
        let oct = AssertionKey { kid: Some("a".to_owned()), material: oct };
        for (key, purpose, subject, kv_key, value) in [
            (
                ed25519(7),
                Purpose::Validation,
                "a.b.c",
                "validation:v1:hF4wRIgJ4ryJWOsCW_x5UjXROwd6U9DDq70jhRcNybg",
                "1.m0qtUu97eJTgUILsJ0UcjaWZIGKtQrvgZ59GSdZ48Dk.{}",
            ),
            (
                oct,
                Purpose::KeySet,
                "https://issuer.example",
                "jwks:v1:_7Vaz_8cvBt4rbdVZbs_9ulu5beDCQX-f-rcfZdzbag",
                "1.IoZM6fFtCJ4bU2XGbrWY-Z3Wvl6efiFoyYqplio02aA.{}",
            ),
        ] {
            assert_eq!(purpose.kv_key(subject), kv_key);
            let key = SealingKey::derive(&key, purpose);
            assert_eq!(String::from_utf8_lossy(&key.seal(kv_key, b"{}")), value);
            assert_eq!(key.open(kv_key, value.as_bytes()), Ok(&b"{}"[..]));
        }
    }

    #[test]
    fn every_rejection_has_its_name() {
        let names = Rejected::ALL.map(Rejected::name);
        let expected = ["too_large", "malformed", "version", "mac", "schema", "issuer", "time"];
        assert_eq!(names, expected);
    }

    #[test]
    fn no_byte_of_a_value_can_be_another() {
        let (key, payload) = (key(), br#"{"a":"b"}"#);
        let value = key.seal("k", payload);
        for position in 0..value.len() {
            for byte in (0..=u8::MAX).filter(|byte| *byte != value[position]) {
                let mut changed = value.clone();
                changed[position] = byte;
                let decodes = || URL_SAFE_NO_PAD.decode(&changed[2..HEAD_BYTES - 1]).is_ok();
                let expected = match position {
                    0 if byte.is_ascii_digit() => Rejected::Version,
                    2..HEAD_BYTES if position < HEAD_BYTES - 1 && decodes() => Rejected::Mac,
                    0..HEAD_BYTES => Rejected::Malformed,
                    _ => Rejected::Mac,
                };
                assert_eq!(key.open("k", &changed), Err(expected), "{position}: {byte}");
            }
        }
    }

    #[test]
    fn a_value_that_was_cut_or_extended_is_rejected() {
        let key = key();
        let value = key.seal("k", br#"{"a":"b"}"#);
        for length in 0..value.len() {
            let expected = if length < HEAD_BYTES { Rejected::Malformed } else { Rejected::Mac };
            assert_eq!(key.open("k", &value[..length]), Err(expected), "{length}");
        }
        for position in 0..=value.len() {
            for byte in [0, b' ', b'.', b'1', b'A', b'}', 0xff] {
                let mut longer = value.clone();
                longer.insert(position, byte);
                // A dot beside the last dot leaves the layout as it is.
                let in_head = position < HEAD_BYTES && (position, byte) != (HEAD_BYTES - 1, b'.');
                let expected = if in_head { Rejected::Malformed } else { Rejected::Mac };
                assert_eq!(key.open("k", &longer), Err(expected), "{position}: {byte}");
            }
        }
    }

    #[test]
    fn another_version_is_rejected_although_its_mac_is_right() {
        let key = key();
        for version in b'0'..=b'9' {
            let value = key.seal_as(version, "k", b"{}");
            let expected = if version == VERSION { Ok(&b"{}"[..]) } else { Err(Rejected::Version) };
            assert_eq!(key.open("k", &value), expected);
            // The MAC is over the version: a value of another does not become one of this.
            let renamed = [&[VERSION], &value[1..]].concat();
            assert_eq!(key.open("k", &renamed).is_ok(), version == VERSION);
        }
        for version in [0, 1, b'a', 0xff] {
            let value = key.seal_as(version, "k", b"{}");
            assert_eq!(key.open("k", &value), Err(Rejected::Malformed));
        }
    }

    #[test]
    fn a_value_opens_by_its_key_for_its_purpose_and_under_its_name_alone() {
        let value = key().seal("validation:v1:A", b"{}");
        let other_key = SealingKey::derive(&ed25519(8), Purpose::Validation);
        let other_purpose = SealingKey::derive(&ed25519(7), Purpose::KeySet);
        assert_eq!(key().open("validation:v1:A", &value), Ok(&b"{}"[..]));
        assert_eq!(key().open("validation:v1:B", &value), Err(Rejected::Mac));
        assert_eq!(other_key.open("validation:v1:A", &value), Err(Rejected::Mac));
        assert_eq!(other_purpose.open("validation:v1:A", &value), Err(Rejected::Mac));
    }

    #[test]
    fn the_name_and_the_public_half_of_the_assertion_key_change_nothing() {
        let mut renamed = ed25519(7);
        renamed.kid = Some("other".to_owned());
        let AssertionMaterial::Ed25519 { x, .. } = &mut renamed.material else { unreachable!() };
        *x = [1; 32];
        let value = SealingKey::derive(&renamed, Purpose::Validation).seal("k", b"{}");
        assert_eq!(key().open("k", &value), Ok(&b"{}"[..]));
    }

    #[test]
    fn no_byte_moves_between_name_and_payload() {
        let (key, whole) = (key(), "validation:v1:{}");
        for cut in 0..=whole.len() {
            let (kv_key, payload) = whole.split_at(cut);
            let value = key.seal(kv_key, payload.as_bytes());
            for other_cut in (0..=whole.len()).filter(|other| *other != cut) {
                let (kv_key, payload) = whole.split_at(other_cut);
                let moved = [&value[..HEAD_BYTES], payload.as_bytes()].concat();
                assert_eq!(key.open(kv_key, &moved), Err(Rejected::Mac));
            }
        }
    }

    #[test]
    fn a_value_beyond_the_bound_is_rejected_before_it_is_read() {
        let key = key();
        let largest = vec![b' '; MOST_VALUE_BYTES - HEAD_BYTES];
        assert_eq!(key.open("k", &key.seal("k", &largest)), Ok(&largest[..]));
        let larger = vec![b' '; MOST_VALUE_BYTES - HEAD_BYTES + 1];
        assert_eq!(key.open("k", &key.seal("k", &larger)), Err(Rejected::TooLarge));
        assert_eq!(key.open("k", &vec![0; MOST_VALUE_BYTES + 1]), Err(Rejected::TooLarge));
        assert_eq!(key.open("k", &vec![0; MOST_VALUE_BYTES]), Err(Rejected::Malformed));
    }

    #[test]
    fn a_sealing_key_never_shows_itself() {
        assert_eq!(format!("{:?}", key()), "SealingKey");
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens(kv_key in ".*", payload: Vec<u8>) {
            let value = key().seal(&kv_key, &payload);
            prop_assert_eq!(key().open(&kv_key, &value), Ok(&payload[..]));
        }

        #[test]
        fn random_bytes_never_open(value: Vec<u8>) {
            prop_assert!(key().open("k", &value).is_err());
        }

        #[test]
        fn random_bytes_in_the_right_layout_never_open(mac: [u8; 32], payload: Vec<u8>) {
            let mac = URL_SAFE_NO_PAD.encode(mac);
            let value = [b"1.", mac.as_bytes(), b".", &payload].concat();
            prop_assert_eq!(key().open("k", &value), Err(Rejected::Mac));
        }
    }
}
