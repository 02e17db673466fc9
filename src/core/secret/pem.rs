//! PEM (RFC 7468) as it arrives in an environment variable: newlines real, written as `\n`,
//! replaced by spaces, or lost.

use super::asn1::{self, Shape};
use super::bytes;
use super::format::Kind;
use super::problem::{MAX_KEYS, PrivateForm, Problem};
use crate::core::keys::VerificationKey;

/// One decoded block.
pub(super) struct Block {
    shape: Shape,
    der: Vec<u8>,
}

/// The blocks of one text, and whether there was other text around them.
pub(super) struct Blocks {
    blocks: Vec<Block>,
    stray: bool,
}

const BEGIN: &str = "-----BEGIN ";
const HYPHENS: &str = "-----";

/// Whether the text is PEM or what is left of it.
pub(super) fn resembles(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    let names = ["PUBLIC KEY", "PRIVATE KEY", "CERTIFICATE"];
    ["-----BEGIN", "-----END", "KEY-----", "CERTIFICATE-----"]
        .iter()
        .any(|mark| upper.contains(mark))
        || (text.contains("BEGIN ") && names.iter().any(|name| text.contains(name)))
}

/// Whether the text is PEM of a private key, complete or not. One private block among public ones
/// counts: it must not stay where it is.
pub(super) fn private_form(text: &str) -> Option<PrivateForm> {
    if text.contains("OPENSSH PRIVATE KEY") {
        Some(PrivateForm::OpenSsh)
    } else if text.contains("PRIVATE KEY") {
        Some(PrivateForm::Pem)
    } else {
        None
    }
}

/// Cuts the text into blocks and decodes each.
pub(super) fn split(text: &str) -> Result<Blocks, Problem> {
    let text = bytes::unescape_newlines(text);
    let mut blocks = Vec::new();
    let mut stray = false;
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once(BEGIN) {
        stray |= is_stray(before)?;
        let (label, after) = after.split_once(HYPHENS).ok_or(Problem::PemMalformed)?;
        let end = format!("{HYPHENS}END {label}{HYPHENS}");
        let (body, after) = after.split_once(&end).ok_or(Problem::PemTruncated)?;
        if body.contains(HYPHENS) {
            return Err(Problem::PemTruncated);
        }
        let block = blocks.len() + 1;
        if block > MAX_KEYS {
            return Err(Problem::TooManyKeys { count: text.matches(BEGIN).count() });
        }
        let shape = match label {
            "PUBLIC KEY" => Shape::Spki,
            "RSA PUBLIC KEY" => Shape::Pkcs1,
            "CERTIFICATE" | "X509 CERTIFICATE" => Shape::Certificate,
            _ => return Err(Problem::PemLabel { block }),
        };
        let body: String = body.split_whitespace().collect();
        let der = bytes::from_base64(&body).ok_or(Problem::PemBody { block })?;
        blocks.push(Block { shape, der });
        rest = after;
    }
    stray |= is_stray(rest)?;
    if blocks.is_empty() { Err(Problem::PemMalformed) } else { Ok(Blocks { blocks, stray }) }
}

/// Text around the blocks is allowed (RFC 7468 section 2), but not the remains of a block.
fn is_stray(text: &str) -> Result<bool, Problem> {
    if text.contains(HYPHENS) {
        return Err(Problem::PemMalformed);
    }
    Ok(!text.trim().is_empty())
}

impl Blocks {
    /// What the blocks are together.
    pub(super) fn kind(&self) -> Kind {
        let mut shapes = self.blocks.iter().map(|block| block.shape);
        let first = shapes.next();
        if shapes.any(|shape| Some(shape) != first) {
            return Kind::PemBundle;
        }
        match first {
            Some(Shape::Spki) => Kind::PemSpki,
            Some(Shape::Pkcs1) => Kind::PemPkcs1,
            Some(Shape::Certificate) => Kind::PemCertificate,
            _ => Kind::Pem,
        }
    }
}

/// The keys of the blocks: every public key, and of certificates the first.
pub(super) fn read(
    Blocks { blocks, stray }: &Blocks,
    warnings: &mut Vec<String>,
) -> Result<Vec<VerificationKey>, Problem> {
    let mut keys = Vec::with_capacity(blocks.len());
    let mut certificates = 0_usize;
    for Block { shape, der } in blocks {
        if *shape == Shape::Certificate {
            certificates += 1;
            if certificates > 1 {
                continue;
            }
        }
        keys.push(super::anonymous(asn1::read(*shape, der)?));
    }
    if certificates > 1 {
        warnings.push(format!(
            "it holds {certificates} certificates; only the first, the leaf, is used as a key, \
             because a chain is not a set of signing keys"
        ));
    }
    if *stray {
        warnings.push("the text around the PEM blocks was ignored".to_owned());
    }
    Ok(keys)
}
