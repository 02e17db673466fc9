//! The words of each reason: what is wrong, and after the semicolon how to mend it.

use std::fmt;

use super::check::{MAX_RSA_BITS, MIN_HMAC_BYTES, MIN_RSA_BITS};
use super::problem::{
    AssertionFault, ClientFault, JwkFault, KeyFault, MAX_KEYS, MAX_LAYERS, MAX_SECRET_BYTES,
    PrivateForm, Problem, SecretError,
};
use crate::core::algorithm::Algorithm;

/// A set can hold a hundred bad keys; a log line cannot.
const REASONS_SHOWN: usize = 5;

impl fmt::Display for SecretError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (read as {}): ", self.binding, self.format)?;
        match &self.problem {
            Problem::Empty => write!(
                formatter,
                "it holds no secret; set it with `wrangler secret put {}`",
                self.binding
            ),
            problem => problem.fmt(formatter),
        }
    }
}

const STORE_PEM: &str = "store the public key as `openssl pkey -pubout` prints it";

impl fmt::Display for Problem {
    #[allow(clippy::too_many_lines, reason = "a table: one sentence for each variant")]
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => write!(
                formatter,
                "it is {bytes} bytes long and the limit is {MAX_SECRET_BYTES}; store the keys alone"
            ),
            Self::Empty => formatter.write_str("it holds no secret; set it"),
            Self::BindingName => formatter
                .write_str("it is or begins with the name of a binding; store the value alone"),
            Self::Token => formatter.write_str(
                "it is a token, not the key that verifies tokens; store the issuer's key",
            ),
            Self::Address => {
                formatter.write_str("it is an address, not a key; store the document found there")
            }
            Self::Nul => formatter
                .write_str("it contains NUL characters, as text in UTF-16 does; store it in UTF-8"),
            Self::UnbalancedQuote => formatter.write_str(
                "it has a quotation mark at one end only; remove it, or store the key as \
                 base64:<base64 of the bytes> if the mark belongs to the key",
            ),
            Self::TooDeep => write!(
                formatter,
                "it is wrapped more than {MAX_LAYERS} times in JSON, base64 or quotes; store what \
                 is inside"
            ),
            Self::TooManyKeys { count } => write!(
                formatter,
                "it holds {count} keys and the limit is {MAX_KEYS}; store the keys in use alone"
            ),
            Self::BrokenJson { line, column } => write!(
                formatter,
                "it begins like JSON but is not valid at line {line}, column {column}, perhaps \
                 because it was cut or its quotes were lost; store the whole text unchanged, or \
                 base64:<base64 of the bytes> if it is an HMAC key"
            ),
            Self::DuplicateMember => formatter.write_str(
                "an object in it has two members of one name; remove the one that is wrong",
            ),
            Self::JsonKind { found } => write!(
                formatter,
                "it is {found} in JSON, not a key; store a JWK Set {{\"keys\":[...]}}, or \
                 base64:<base64 of the bytes> if it is an HMAC key"
            ),
            Self::NoKnownField => formatter.write_str(
                "the object is no JWK, no JWK Set and has none of the fields signingKey, \
                 signing_key, secret, key, value; store the key itself, or put it into one of them",
            ),
            Self::SeveralFields { fields } => write!(
                formatter,
                "the object has several fields that could hold the key: {}; keep one of them",
                fields.join(", ")
            ),
            Self::FieldType { field } => write!(
                formatter,
                "the field {field} is neither a string nor an object; put the key there as a string"
            ),
            Self::PrivateKey { form } => form.fmt(formatter),
            Self::SshKey => formatter.write_str(
                "a key in SSH's own form cannot be used; store the public key as PEM, which for \
                 RSA and ECDSA `ssh-keygen -e -m PKCS8 -f key.pub` prints",
            ),
            Self::XmlKey => formatter
                .write_str("an RSA key in XML cannot be used; store the public key as PEM or JWK"),
            Self::DisguisedKey => formatter.write_str(
                "the encoded bytes are themselves JSON, a public key or a private key, which never \
                 serve as an HMAC key; store that text without the prefix if it is a public key",
            ),
            Self::PemTruncated => formatter.write_str(
                "a PEM block has no matching END line, so it was probably cut; store the whole \
                 text, from -----BEGIN to the end of the END line",
            ),
            Self::PemMalformed => formatter.write_str(
                "it resembles PEM but has no -----BEGIN ...----- and -----END ...----- lines with \
                 five hyphens on each side; store the whole text unchanged",
            ),
            Self::PemLabel { block } => write!(
                formatter,
                "block {block} is none of PUBLIC KEY, RSA PUBLIC KEY and CERTIFICATE; {STORE_PEM}"
            ),
            Self::PemBody { block } => write!(
                formatter,
                "the body of block {block} is not base64, so it was probably damaged in copying; \
                 store the whole text unchanged"
            ),
            Self::DamagedKey | Self::BrokenDer => {
                formatter.write_str("the key is damaged or was cut; store the whole text unchanged")
            }
            Self::KeyAlgorithm { name } => write!(
                formatter,
                "its key is for {name}; use an RSA, P-256, P-384, P-521 or Ed25519 key"
            ),
            Self::Encoding { prefix } => write!(
                formatter,
                "what follows the prefix {prefix} is not in that encoding; encode the bytes of the \
                 key again, or remove the prefix if it belongs to no encoding"
            ),
            Self::Key(fault) => fault.fmt(formatter),
            Self::Jwk(fault) => fault.fmt(formatter),
            Self::KeysNotArray => formatter
                .write_str("its member keys is not an array; store a JWK Set {\"keys\":[...]}"),
            Self::NoUsableKey { reasons } if reasons.is_empty() => {
                formatter.write_str("the set is empty; store the set with at least one key")
            }
            Self::NoUsableKey { reasons } => {
                write!(formatter, "none of its keys can verify: ")?;
                for (index, reason) in reasons.iter().take(REASONS_SHOWN).enumerate() {
                    let separator = if index == 0 { "" } else { " / " };
                    write!(formatter, "{separator}{reason}")?;
                }
                match reasons.len().saturating_sub(REASONS_SHOWN) {
                    0 => Ok(()),
                    more => write!(formatter, " / and {more} more"),
                }
            }
            Self::Assertion(fault) => fault.fmt(formatter),
            Self::Client(fault) => fault.fmt(formatter),
        }
    }
}

impl fmt::Display for PrivateForm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Pem => {
                "a private key does not belong here; store the public key instead, as `openssl \
                 pkey -in private.pem -pubout` prints it"
            }
            Self::Der => {
                "a private key does not belong here; store the public key instead, as `openssl \
                 pkey -inform DER -in private.der -pubout` prints it"
            }
            Self::OpenSsh => {
                "a private key does not belong here; store the public key instead as PEM, which \
                 for RSA and ECDSA `ssh-keygen -e -m PKCS8 -f private` prints"
            }
            Self::Pkcs12 => {
                "an archive with a private key does not belong here; store the certificate \
                 instead, as `openssl pkcs12 -in archive.p12 -nokeys -clcerts` prints it"
            }
            Self::Jwk => {
                "a private key does not belong here; store the JWK without d, p, q, dp, dq, qi, \
                 oth instead"
            }
        })
    }
}

impl fmt::Display for KeyFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HmacShort { bytes } => write!(
                formatter,
                "the HMAC key is {bytes} bytes long and needs at least {MIN_HMAC_BYTES}; use a \
                 longer one, such as `openssl rand -hex 64` prints"
            ),
            Self::HmacShortFor { bytes, algorithm, needed } => write!(
                formatter,
                "the HMAC key is {bytes} bytes long and {algorithm} needs at least {needed}; use a \
                 longer one"
            ),
            Self::RsaShort { bits } => write!(
                formatter,
                "the RSA key has {bits} bits and needs at least {MIN_RSA_BITS}; have the issuer \
                 sign with a larger key"
            ),
            Self::RsaLong { bits } => write!(
                formatter,
                "the RSA key has {bits} bits and the limit is {MAX_RSA_BITS}; have the issuer sign \
                 with a smaller key"
            ),
            Self::RsaModulusEven => formatter.write_str(
                "the RSA modulus is even, so this is no RSA key; copy the key from its source again",
            ),
            Self::RsaExponent => formatter.write_str(
                "the RSA exponent must be odd, at least 3 and at most 32 bits long; have the \
                 issuer sign with a sound key, usually with exponent 65537",
            ),
            Self::EcLength { curve, found } => write!(
                formatter,
                "a coordinate has {found} bytes and {} needs {}; copy the key from its source again",
                curve.name(),
                curve.coordinate_bytes()
            ),
            Self::EcCompressed => formatter.write_str(
                "the point is compressed; store the key as `openssl ec -pubin -in key.pem -pubout \
                 -conv_form uncompressed` prints it",
            ),
            Self::EcZero => formatter.write_str(
                "the point is zero, so this is no key; copy the key from its source again",
            ),
            Self::EcCurve => formatter.write_str(
                "the curve is none of P-256, P-384 and P-521, or is not given by its name; use a \
                 key on one of these",
            ),
            Self::Ed25519Length { found } => write!(
                formatter,
                "the Ed25519 key has {found} bytes and needs 32; copy the key from its source again"
            ),
            Self::Ed25519SmallOrder => formatter.write_str(
                "the Ed25519 key is a point of small order, for which anyone can sign; use a key \
                 that was generated properly",
            ),
        }
    }
}

impl fmt::Display for JwkFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject => formatter.write_str("it is not an object; put a JWK there"),
            Self::Missing(member) => {
                write!(formatter, "the JWK has no {member}; add it from the key's source")
            }
            Self::WrongType { member, expected } => {
                write!(formatter, "the member {member} of the JWK must be {expected}")
            }
            Self::NotBase64Url(member) => write!(
                formatter,
                "the member {member} of the JWK is not base64url without padding (RFC 7515 section \
                 2); encode it again"
            ),
            Self::KeyType => formatter.write_str(
                "the kty of the JWK is none of RSA, EC, OKP and oct; use a key of one of these",
            ),
            Self::Curve => formatter.write_str(
                "the crv of the JWK is not supported for its kty; use EC with P-256, P-384 or \
                 P-521, or OKP with Ed25519",
            ),
            Self::Algorithm => {
                write!(formatter, "the alg of the JWK is none of ")?;
                for (index, algorithm) in Algorithm::ALL.into_iter().enumerate() {
                    write!(formatter, "{}{algorithm}", if index == 0 { "" } else { ", " })?;
                }
                formatter.write_str("; use a key for one of these")
            }
            Self::AlgorithmMismatch(algorithm) => write!(
                formatter,
                "the alg {algorithm} of the JWK does not fit its kty and crv; correct it or leave \
                 it out"
            ),
            Self::Use => formatter.write_str(
                "the use of the JWK is not \"sig\", so it never verifies; store the signing key",
            ),
            Self::KeyOps(operation) => write!(
                formatter,
                "the key_ops of the JWK do not contain \"{operation}\"; store a key that may, or \
                 leave key_ops out"
            ),
            Self::Published => formatter.write_str("it is published, so it is no secret any more"),
            Self::DisguisedKey => formatter.write_str(
                "the bytes of k are themselves JSON, a public key or a private key, which never \
                 serve as an HMAC key; store a public key as it is",
            ),
            Self::Key(fault) => fault.fmt(formatter),
        }
    }
}

impl fmt::Display for ClientFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const STORE: &str = "store the private JWK whose public half the auth service has";
        match self {
            Self::NotAJwk => write!(formatter, "it is no JWK; {STORE}"),
            Self::PublicOnly => {
                write!(formatter, "the JWK has no member d, so it is a public key; {STORE}")
            }
            Self::Kind => formatter.write_str(
                "a client key is an Ed25519, P-256, P-384 or RSA key; store the private JWK of one",
            ),
            Self::Algorithm => formatter.write_str(
                "its alg does not fit: EdDSA for Ed25519, ES256 for P-256, ES384 for P-384, RS256 \
                 or PS256 for RSA; correct it",
            ),
            Self::Missing(member) => {
                write!(formatter, "the private JWK has no member {member}; {STORE}, whole")
            }
            Self::Jwk(fault) => fault.fmt(formatter),
        }
    }
}

impl fmt::Display for AssertionFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAJwk => formatter.write_str(
                "the assertion key must be a private JWK; store \
                 {\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"...\",\"x\":\"...\"}, or \
                 {\"kty\":\"oct\",\"k\":\"...\"} with the base64url of at least 32 random bytes",
            ),
            Self::Set => formatter.write_str(
                "the assertion key must be one private JWK, not a set; store the one JWK that signs",
            ),
            Self::PublicOnly => formatter.write_str(
                "the JWK is only the public half and cannot sign; store the private JWK, which has \
                 the member d",
            ),
            Self::Kind => formatter.write_str(
                "assertions are signed with Ed25519 or HS256; store a JWK with kty OKP and crv \
                 Ed25519, or with kty oct",
            ),
            Self::Algorithm => formatter.write_str(
                "the alg of the JWK does not fit an assertion key; use EdDSA with OKP, HS256 with \
                 oct, or leave it out",
            ),
            Self::PrivateLength { found } => write!(
                formatter,
                "the member d of the JWK has {found} bytes and Ed25519 needs 32; copy the key from \
                 its source again"
            ),
            Self::Jwk(fault) => fault.fmt(formatter),
        }
    }
}
