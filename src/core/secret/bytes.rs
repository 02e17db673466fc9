//! Text encodings of bytes: strict for JWK members, tolerant for what people paste.

use base64::Engine as _;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};

/// The encoding of JWK members (RFC 7515 section 2): no padding, no unused bits.
pub(super) fn from_base64url_strict(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The inverse of [`from_base64url_strict`].
pub(super) fn to_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Base64 in the standard alphabet; padding may be left off.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    tolerant(&STANDARD).decode(text).ok()
}

/// Base64 in the URL alphabet; padding may be there.
pub(super) fn from_base64url(text: &str) -> Option<Vec<u8>> {
    tolerant(&URL_SAFE).decode(text).ok()
}

/// The bytes of text that begins as base64 of either alphabet, also when it was cut or damaged
/// further on: for recognition, not for use.
pub(super) fn from_base64_beginning(text: &str) -> Option<Vec<u8>> {
    let standard = |character: char| character.is_ascii_alphanumeric() || "+/".contains(character);
    let url = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    let beginning = |alphabet: &dyn Fn(char) -> bool| {
        text.split(|character| !alphabet(character)).next().unwrap_or_default()
    };
    let (run, alphabet) = match (beginning(&standard), beginning(&url)) {
        (run, other) if run.len() >= other.len() => (run, &STANDARD),
        (_, run) => (run, &URL_SAFE),
    };
    // One character alone in the last group encodes no byte.
    let whole = run.get(..run.len() - usize::from(run.len() % 4 == 1))?;
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(alphabet, config).decode(whole).ok()
}

/// Base64 in either alphabet.
pub(super) fn from_any_base64(text: &str) -> Option<Vec<u8>> {
    from_base64(text).or_else(|| from_base64url(text))
}

const fn tolerant(alphabet: &Alphabet) -> GeneralPurpose {
    GeneralPurpose::new(
        alphabet,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    )
}

/// Hexadecimal digits of either case, two for each byte.
pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    Some(from_hex_beginning(text)).filter(|bytes| 2 * bytes.len() == text.len())
}

/// The bytes of text that begins as hexadecimal digits, see [`from_base64_beginning`].
pub(super) fn from_hex_beginning(text: &str) -> Vec<u8> {
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    pairs.iter().map_while(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

const fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        b'A'..=b'F' => Some(character - b'A' + 10),
        _ => None,
    }
}

/// The text without whitespace and without line ends that are written as `\n` or `\r`.
pub(super) fn compact(text: &str) -> String {
    unescape_newlines(text).split_whitespace().collect()
}

/// Turns each `\n` and `\r` that is written out, with any number of backslashes, into a newline.
pub(super) fn unescape_newlines(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    let mut backslashes = 0_usize;
    for character in characters.by_ref() {
        match character {
            '\\' => backslashes += 1,
            'n' | 'r' if backslashes > 0 => {
                backslashes = 0;
                plain.push('\n');
            }
            other => {
                plain.extend(std::iter::repeat_n('\\', std::mem::take(&mut backslashes)));
                plain.push(other);
            }
        }
    }
    plain.extend(std::iter::repeat_n('\\', backslashes));
    plain
}

/// The bytes as printable text, if that is what they are; UTF-16 counts too, because some shells
/// encode to it before base64. A last character that was cut is left out.
pub(super) fn printable(bytes: &[u8]) -> Option<String> {
    let text = match from_utf8(bytes) {
        Some(text) if !text.contains('\0') => text.to_owned(),
        _ => from_utf16(bytes)?,
    };
    let odd = |character: char| character.is_control() && !character.is_whitespace();
    (!text.is_empty() && !text.contains(odd)).then_some(text)
}

fn from_utf8(bytes: &[u8]) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()
        }
        Err(_) => None,
    }
}

fn from_utf16(bytes: &[u8]) -> Option<String> {
    let (pairs, _) = bytes.as_chunks::<2>();
    let decode = |unit: fn([u8; 2]) -> u16| {
        let text: String =
            char::decode_utf16(pairs.iter().copied().map(unit)).collect::<Result<_, _>>().ok()?;
        // Keys in text are ASCII; random bytes would decode to scattered other characters.
        text.trim_start_matches('\u{feff}').is_ascii().then_some(text)
    };
    decode(u16::from_le_bytes).or_else(|| decode(u16::from_be_bytes))
}
