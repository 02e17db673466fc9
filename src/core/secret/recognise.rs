//! What a text or a run of bytes looks like, before anything is decoded in earnest.

use serde::de::IgnoredAny;

use super::check::MIN_HMAC_BYTES;
use super::format::{Kind, Layer};
use super::problem::Problem;
use super::{asn1, bytes, pem};

/// Whether the bytes of an HMAC key are something that others know or that was meant otherwise.
/// Text that merely begins with a brace may be a key: whoever encoded it chose its bytes.
pub(super) fn is_disguised(key: &[u8]) -> bool {
    is_key_bytes(key) || bytes::printable(key).is_some_and(|text| is_disguised_text(&text))
}

fn is_disguised_text(text: &str) -> bool {
    let text = text.trim_matches(|character| is_margin(character) || is_quote(character));
    let json = text.starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(text).is_ok();
    json || names_key_type(text)
        || pem::resembles(text)
        || foreign(text).is_some()
        || Prefix::of(text).is_some()
        || decodings(text).into_iter().any(|(_, bytes)| is_disguised(&bytes))
}

/// The prefixes that announce the bytes of an HMAC key.
#[derive(Clone, Copy)]
pub(super) enum Prefix {
    Base64,
    Base64Url,
    Hex,
}

impl Prefix {
    const ALL: [Self; 3] = [Self::Base64, Self::Base64Url, Self::Hex];

    pub(super) fn of(text: &str) -> Option<(Self, &str)> {
        Self::ALL.into_iter().find_map(|prefix| {
            let (head, rest) = text.split_at_checked(prefix.name().len())?;
            head.eq_ignore_ascii_case(prefix.name()).then_some((prefix, rest))
        })
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Base64 => "base64:",
            Self::Base64Url => "base64url:",
            Self::Hex => "hex:",
        }
    }

    pub(super) const fn kind(self) -> Kind {
        match self {
            Self::Base64 => Kind::Base64Hmac,
            Self::Base64Url => Kind::Base64UrlHmac,
            Self::Hex => Kind::HexHmac,
        }
    }

    pub(super) fn decode(self, encoded: &str) -> Option<Vec<u8>> {
        let encoded = bytes::compact(encoded);
        match self {
            Self::Base64 => bytes::from_base64(&encoded),
            Self::Base64Url => bytes::from_base64url(&encoded),
            Self::Hex => bytes::from_hex(&encoded),
        }
    }
}

/// The fields in which secret stores put a secret.
pub(super) const FIELDS: [&str; 5] = ["signingKey", "signing_key", "secret", "key", "value"];

/// Some editors put it before the text of a file.
pub(super) const BYTE_ORDER_MARK: char = '\u{feff}';

pub(super) fn is_margin(character: char) -> bool {
    character.is_whitespace() || character == BYTE_ORDER_MARK
}

pub(super) const fn is_quote(character: char) -> bool {
    matches!(character, '"' | '\'')
}

/// The bytes that the text encodes, in each encoding that it fits. Hexadecimal digits are base64
/// characters too, so they come first.
pub(super) fn decodings(text: &str) -> Vec<(Layer, Vec<u8>)> {
    let compact = bytes::compact(text);
    let hex = bytes::from_hex(&compact).map(|bytes| (Layer::Hex, bytes));
    let base64 = bytes::from_any_base64(&compact).map(|bytes| (Layer::Base64, bytes));
    hex.into_iter().chain(base64).collect()
}

/// Whether a decoded text is anything but bytes that happen to be printable.
pub(super) fn is_structured(text: &str) -> bool {
    let bare = text.trim_matches(is_margin);
    bare.starts_with(['{', '[', '"', '\''])
        || pem::resembles(bare)
        || foreign(bare).is_some()
        || Prefix::of(bare).is_some()
        || decodings(bare).into_iter().any(|(_, bytes)| {
            is_key_bytes(&bytes)
                || bytes::printable(&bytes).is_some_and(|inner| is_structured(&inner))
        })
}

fn is_key_bytes(bytes: &[u8]) -> bool {
    asn1::shape(bytes).is_some()
        || is_openssh_private(bytes)
        || is_ssh_public(bytes)
        || holds_key_text(bytes)
}

/// Whether a key in text is among bytes of which not all are printed: there may be a name in
/// Latin-1 with it, a byte of zero at its end, or damage in it. In UTF-16 every other byte is zero.
fn holds_key_text(bytes: &[u8]) -> bool {
    let text: String = bytes.iter().filter(|byte| **byte != 0).copied().map(char::from).collect();
    text.contains("-----BEGIN")
        || names_key_type(&text)
        || (text.trim_start().starts_with('{')
            && text.split('"').any(|part| FIELDS.contains(&part)))
}

/// The content of an OpenSSH private key file, once its base64 is decoded.
pub(super) fn is_openssh_private(bytes: &[u8]) -> bool {
    bytes.starts_with(b"openssh-key-v1\0")
}

/// The wire format of RFC 4253 section 6.6 begins with the length and the name of the algorithm.
pub(super) fn is_ssh_public(bytes: &[u8]) -> bool {
    let Some(name) = bytes.strip_prefix(&[0, 0, 0]).and_then(|rest| rest.get(1..)) else {
        return false;
    };
    [b"ssh-".as_slice(), b"ecdsa-sha2-", b"sk-"].iter().any(|known| name.starts_with(known))
}

/// Keys in forms that are recognised only to be refused.
pub(super) fn foreign(text: &str) -> Option<(Kind, Problem)> {
    let ssh_line =
        text.contains(" AAAA") && (text.contains("ssh-") || text.contains("ecdsa-sha2-"));
    if ssh_line || text.contains("PuTTY-User-Key-File") || text.contains("BEGIN SSH2") {
        return Some((Kind::Ssh, Problem::SshKey));
    }
    text.contains("<RSAKeyValue").then_some((Kind::XmlRsa, Problem::XmlKey))
}

/// The binding's own name, a whole `NAME=value` line, a reference to a variable, or what reads
/// like another binding's name and is too short to be a secret.
pub(super) fn is_binding_name(bare: &str, binding: &str) -> bool {
    let name = bare.trim_start_matches(['$', '{']).trim_end_matches('}');
    let reads_like_one = name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.contains('_')
        && name.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'));
    let is_line = bare.strip_prefix(binding).is_some_and(|rest| rest.starts_with(['=', ':']));
    name == binding
        || (is_line && !binding.is_empty())
        || (reads_like_one && (bare.starts_with('$') || name.len() < MIN_HMAC_BYTES))
}

/// What is left of a public key after a careless copy: a JWK without its beginning, or digits of a
/// key, in hexadecimal or base64, that stop being digits further on.
pub(super) fn is_damaged_key(text: &str) -> bool {
    // Of random base64, a few characters may be hexadecimal digits, and encode a brace.
    const LEAST_HEX_BYTES: usize = 16;
    let compact = bytes::compact(text);
    let hex = Some(bytes::from_hex_beginning(&compact)).filter(|it| it.len() >= LEAST_HEX_BYTES);
    let base64 = bytes::from_base64_beginning(&compact);
    names_key_type(text)
        || [hex, base64].into_iter().flatten().any(|bytes| {
            is_key_bytes(&bytes)
                || bytes::printable(&bytes)
                    .is_some_and(|inner| is_structured(&inner) || is_damaged_key(&inner))
        })
}

/// Every JWK has this member; its first quotation mark may have been taken for a surrounding one.
fn names_key_type(text: &str) -> bool {
    text.contains("kty\"") || text.contains("kty\\\"")
}

/// A compact JWS or JWE: its header begins with `{"`, which is `eyJ` in base64.
pub(super) fn is_token(bare: &str) -> bool {
    bare.starts_with("eyJ") && matches!(bare.matches('.').count(), 2 | 4)
}
