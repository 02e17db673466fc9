//! Why a secret cannot be used, each reason with its evidence and its mend.

use super::format::Format;
use crate::core::algorithm::{Algorithm, Curve};

/// The longest text that is read, in bytes. Platforms store less; a longer one is a mistake.
pub const MAX_SECRET_BYTES: usize = 64 * 1024;
/// The most keys that one secret may hold.
pub const MAX_KEYS: usize = 100;
/// How many wrappings are taken off before the text counts as nonsense.
pub(super) const MAX_LAYERS: usize = 3;

/// A secret that yields no key. `Display` is one sentence: the binding, the format, what is wrong
/// and how to mend it. It holds nothing of the text, except a JWK `kid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretError {
    /// The name of the binding.
    pub binding: String,
    /// What the text was found to be.
    pub format: Format,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Longer than [`MAX_SECRET_BYTES`].
    TooLarge {
        /// The length of the text.
        bytes: usize,
    },
    /// Nothing, or whitespace alone.
    Empty,
    /// The name of a binding, or a reference to one, instead of its value or before it.
    BindingName,
    /// A JWT, which is what a key verifies and not a key.
    Token,
    /// An address, which is where keys may be fetched and not a key.
    Address,
    /// NUL characters, as UTF-16 read as UTF-8 has them.
    Nul,
    /// A quotation mark at one end only.
    UnbalancedQuote,
    /// More than three wrappings around the content.
    TooDeep,
    /// More than [`MAX_KEYS`] keys.
    TooManyKeys {
        /// How many there are.
        count: usize,
    },
    /// Begins like JSON and is not.
    BrokenJson {
        /// The line where reading stopped, from 1.
        line: usize,
        /// The column where reading stopped.
        column: usize,
    },
    /// An object has two members of one name.
    DuplicateMember,
    /// A JSON value that is neither an object nor a string.
    JsonKind {
        /// Such as `an array`.
        found: &'static str,
    },
    /// An object that is no JWK, no JWK Set and has no field of a known wrapper.
    NoKnownField,
    /// Several fields of a known wrapper in one object.
    SeveralFields {
        /// Their names, from the closed list of known ones.
        fields: Vec<&'static str>,
    },
    /// The field of a wrapper holds neither text nor an object.
    FieldType {
        /// The name of the field.
        field: &'static str,
    },
    /// A private key where a public one belongs.
    PrivateKey {
        /// In which form.
        form: PrivateForm,
    },
    /// A key in a form of SSH, which is not read.
    SshKey,
    /// An RSA key in XML, which is not read.
    XmlKey,
    /// The bytes of an HMAC key are JSON, a public key or another known text.
    DisguisedKey,
    /// A PEM block without its end.
    PemTruncated,
    /// Resembles PEM and has no readable block.
    PemMalformed,
    /// A PEM block with a label that is not read.
    PemLabel {
        /// Its position, from 1.
        block: usize,
    },
    /// The body of a PEM block is not base64.
    PemBody {
        /// Its position, from 1.
        block: usize,
    },
    /// The remains of a key in JSON or base64.
    DamagedKey,
    /// DER that ends early or breaks its grammar.
    BrokenDer,
    /// A public key of an algorithm that is not supported.
    KeyAlgorithm {
        /// Its usual name, or `unknown`.
        name: &'static str,
    },
    /// The text after `base64:`, `base64url:` or `hex:` is not in that encoding.
    Encoding {
        /// The prefix, with its colon.
        prefix: &'static str,
    },
    /// The key itself is not acceptable.
    Key(KeyFault),
    /// The one JWK is not acceptable.
    Jwk(JwkFault),
    /// `keys` of a JWK Set is not an array.
    KeysNotArray,
    /// No key of a JWK Set is acceptable.
    NoUsableKey {
        /// One reason for each key, with its index and `kid`.
        reasons: Vec<String>,
    },
    /// Not a key that signs assertions.
    Assertion(AssertionFault),
    /// Not a key that signs statements about the gate.
    Client(ClientFault),
}

/// The form of a private key, which decides how its public half is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivateForm {
    /// PEM of PKCS#8, PKCS#1 or SEC 1, perhaps encrypted.
    Pem,
    /// DER of the same.
    Der,
    /// The OpenSSH format.
    OpenSsh,
    /// A PKCS#12 archive.
    Pkcs12,
    /// A JWK with private members.
    Jwk,
}

/// Why the numbers of a key are not acceptable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// Too short for every HMAC algorithm.
    HmacShort {
        /// The length of the key.
        bytes: usize,
    },
    /// Too short for the HMAC algorithm that the JWK names.
    HmacShortFor {
        /// The length of the key.
        bytes: usize,
        /// The algorithm of the JWK.
        algorithm: Algorithm,
        /// What that algorithm needs.
        needed: usize,
    },
    /// An RSA modulus that can be factored.
    RsaShort {
        /// The length of the modulus.
        bits: usize,
    },
    /// An RSA modulus that costs too much to compute with.
    RsaLong {
        /// The length of the modulus.
        bits: usize,
    },
    /// An RSA modulus that is even.
    RsaModulusEven,
    /// An RSA exponent that is even, below 3 or above 32 bits.
    RsaExponent,
    /// A coordinate of the wrong length for its curve.
    EcLength {
        /// The curve.
        curve: Curve,
        /// The length of the coordinate in bytes.
        found: usize,
    },
    /// A compressed point.
    EcCompressed,
    /// Both coordinates are zero.
    EcZero,
    /// Not one of the NIST curves, or given by its parameters.
    EcCurve,
    /// An Ed25519 key of the wrong length.
    Ed25519Length {
        /// Its length in bytes.
        found: usize,
    },
    /// An Ed25519 key for which signatures can be made without a private key.
    Ed25519SmallOrder,
}

/// Why a JWK cannot verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwkFault {
    /// Not an object.
    NotAnObject,
    /// A member is missing.
    Missing(&'static str),
    /// A member is of the wrong JSON type.
    WrongType {
        /// The member.
        member: &'static str,
        /// Such as `a string`.
        expected: &'static str,
    },
    /// A member is not base64url (RFC 7515 section 2).
    NotBase64Url(&'static str),
    /// A `kty` other than RSA, EC, OKP and oct.
    KeyType,
    /// A `crv` that is not supported for this `kty`.
    Curve,
    /// An `alg` that is not supported.
    Algorithm,
    /// An `alg` that cannot be used with this kind of key.
    AlgorithmMismatch(Algorithm),
    /// A `use` other than `sig`.
    Use,
    /// `key_ops` does not contain this operation.
    KeyOps(&'static str),
    /// The bytes of `k` are JSON, a public key or another known text.
    DisguisedKey,
    /// A shared secret or a private key in a set that is published.
    Published,
    /// The key itself is not acceptable.
    Key(KeyFault),
}

/// Why a text is not an assertion key, although it may be a good key for another purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssertionFault {
    /// Not a JWK.
    NotAJwk,
    /// A JWK Set.
    Set,
    /// A JWK without `d`.
    PublicOnly,
    /// A `kty` or `crv` other than oct and Ed25519.
    Kind,
    /// An `alg` other than `EdDSA` or `HS256`, whichever fits the key.
    Algorithm,
    /// `d` is not 32 bytes.
    PrivateLength {
        /// Its length in bytes.
        found: usize,
    },
    /// The JWK itself is not acceptable.
    Jwk(JwkFault),
}

/// Why a text is not a client key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFault {
    /// Not a JWK.
    NotAJwk,
    /// A JWK without `d`.
    PublicOnly,
    /// A `kty` or `crv` that we do not sign with.
    Kind,
    /// An `alg` that does not fit the key.
    Algorithm,
    /// A member of a private key is missing.
    Missing(&'static str),
    /// The JWK itself is not acceptable.
    Jwk(JwkFault),
}

impl SecretError {
    pub(super) fn new(binding: &str, format: &Format, problem: Problem) -> Self {
        Self { binding: binding.to_owned(), format: format.clone(), problem }
    }
}

impl std::error::Error for SecretError {}
