//! Public keys in DER: SPKI (RFC 5280 section 4.1.2.7), PKCS#1 (RFC 8017 appendix A.1.1) and the
//! key of an X.509 certificate (RFC 5280 section 4.1).

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier};
use der::{Decode, FixedTag, Reader, SliceReader, Tag, TagNumber};
use pkcs1::RsaPublicKeyRef;
use spki::SubjectPublicKeyInfoRef;

use super::check;
use super::problem::{KeyFault, PrivateForm, Problem};
use crate::core::algorithm::Curve;
use crate::core::keys::Material;

/// What a DER text begins like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `SubjectPublicKeyInfo`.
    Spki,
    /// PKCS#1 `RSAPublicKey`.
    Pkcs1,
    /// X.509 certificate.
    Certificate,
    /// PKCS#8, plain or encrypted, PKCS#1 or SEC 1 private key.
    Private,
    /// PKCS#12 archive.
    Pkcs12,
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;

/// Recognises a key by its first bytes, so that one that was cut is not taken for random bytes.
/// At least 30 bits are compared: a random secret does not pass by chance.
pub(super) fn shape(bytes: &[u8]) -> Option<Shape> {
    let body = sequence_body(bytes)?;
    match body {
        [INTEGER, 1, 0 | 1, SEQUENCE | OCTET_STRING | INTEGER, ..] => Some(Shape::Private),
        [INTEGER, 1, 3, SEQUENCE, ..] => Some(Shape::Pkcs12),
        [INTEGER, 0x81 | 0x82, ..] if is_long(bytes) => Some(Shape::Pkcs1),
        _ => match sequence_body(body)? {
            [0xa0, 3, INTEGER, 1, ..] => Some(Shape::Certificate),
            [INTEGER, ..] if is_long(bytes) && is_long(body) => Some(Shape::Certificate),
            // What follows the algorithm is an octet string in an encrypted private key alone.
            [OID, 3..=10, ..] => Some(match after_short_sequence(body) {
                Some(OCTET_STRING) => Shape::Private,
                _ => Shape::Spki,
            }),
            _ => None,
        },
    }
}

/// What follows the header of a sequence, whatever length the header declares.
fn sequence_body(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [SEQUENCE, 0..=0x80, body @ ..]
        | [SEQUENCE, 0x81, _, body @ ..]
        | [SEQUENCE, 0x82, _, _, body @ ..]
        | [SEQUENCE, 0x83, _, _, _, body @ ..] => Some(body),
        _ => None,
    }
}

const fn is_long(bytes: &[u8]) -> bool {
    matches!(bytes, [SEQUENCE, 0x81..=0x83, ..])
}

fn after_short_sequence(bytes: &[u8]) -> Option<u8> {
    let [SEQUENCE, length, body @ ..] = bytes else { return None };
    body.get(usize::from(*length)).copied()
}

/// The public key in the DER text that begins like `shape`.
pub(super) fn read(shape: Shape, der: &[u8]) -> Result<Material, Problem> {
    match shape {
        Shape::Spki => spki(&SubjectPublicKeyInfoRef::from_der(der).map_err(damaged)?),
        Shape::Pkcs1 => rsa(der),
        Shape::Certificate => spki(&certified(der).map_err(damaged)?),
        Shape::Private => Err(Problem::PrivateKey { form: PrivateForm::Der }),
        Shape::Pkcs12 => Err(Problem::PrivateKey { form: PrivateForm::Pkcs12 }),
    }
}

fn damaged(_: der::Error) -> Problem {
    Problem::BrokenDer
}

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Keys that people store by mistake, for the message.
const UNSUPPORTED: [(ObjectIdentifier, &str); 6] = [
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10"), "RSASSA-PSS alone"),
    (ObjectIdentifier::new_unwrap("1.2.840.10040.4.1"), "DSA"),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.3.1"), "Diffie-Hellman"),
    (ObjectIdentifier::new_unwrap("1.3.101.110"), "X25519"),
    (ObjectIdentifier::new_unwrap("1.3.101.111"), "X448"),
    (ObjectIdentifier::new_unwrap("1.3.101.113"), "Ed448"),
];

const CURVES: [(ObjectIdentifier, Curve); 3] = [
    (ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"), Curve::P256),
    (ObjectIdentifier::new_unwrap("1.3.132.0.34"), Curve::P384),
    (ObjectIdentifier::new_unwrap("1.3.132.0.35"), Curve::P521),
];

fn spki(info: &SubjectPublicKeyInfoRef<'_>) -> Result<Material, Problem> {
    let key = info.subject_public_key.as_bytes().ok_or(Problem::BrokenDer)?;
    match info.algorithm.oid {
        RSA => rsa(key),
        EC => ec(info.algorithm.parameters, key),
        ED25519 => {
            let x = check::ed25519(key).map_err(Problem::Key)?;
            Ok(Material::Ed25519 { x })
        }
        other => {
            let known = UNSUPPORTED.iter().find(|(oid, _)| *oid == other);
            Err(Problem::KeyAlgorithm {
                name: known.map_or("an unknown algorithm", |(_, name)| name),
            })
        }
    }
}

fn rsa(der: &[u8]) -> Result<Material, Problem> {
    let key = RsaPublicKeyRef::from_der(der).map_err(damaged)?;
    check::rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes()).map_err(Problem::Key)
}

fn ec(parameters: Option<AnyRef<'_>>, point: &[u8]) -> Result<Material, Problem> {
    let curve = parameters
        .and_then(|parameters| parameters.decode_as::<ObjectIdentifier>().ok())
        .and_then(|oid| CURVES.iter().find(|(known, _)| *known == oid))
        .map(|(_, curve)| *curve)
        .ok_or(Problem::Key(KeyFault::EcCurve))?;
    match point {
        [4, coordinates @ ..] if coordinates.len() % 2 == 0 => {
            let (x, y) = coordinates.split_at(coordinates.len() / 2);
            check::ec(curve, x, y)
        }
        [2 | 3, ..] => Err(KeyFault::EcCompressed),
        [0] => Err(KeyFault::EcZero),
        other => Err(KeyFault::EcLength { curve, found: other.len() / 2 }),
    }
    .map_err(Problem::Key)
}

/// The key of a certificate. The rest is walked over: only its structure is checked.
fn certified(der: &[u8]) -> der::Result<SubjectPublicKeyInfoRef<'_>> {
    AnyRef::from_der(der)?.sequence(|certificate: &mut SliceReader<'_>| {
        let signed = AnyRef::decode(certificate)?;
        skip(certificate, Tag::Sequence)?;
        skip(certificate, BitStringRef::TAG)?;
        signed.sequence(|fields: &mut SliceReader<'_>| {
            const VERSION: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
            if Tag::peek(fields)? == VERSION {
                skip(fields, VERSION)?;
            }
            skip(fields, Tag::Integer)?;
            for _signature_issuer_validity_subject in 0..4 {
                skip(fields, Tag::Sequence)?;
            }
            let info = SubjectPublicKeyInfoRef::decode(fields)?;
            while !fields.is_finished() {
                AnyRef::decode(fields)?;
            }
            Ok(info)
        })
    })
}

fn skip<'r>(reader: &mut impl Reader<'r>, tag: Tag) -> der::Result<()> {
    let element = AnyRef::decode(reader)?;
    der::Tagged::tag(&element).assert_eq(tag).map(|_| ())
}
