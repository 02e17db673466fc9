//! The path of a request, and every reading of it that an origin could make.
//!
//! One reading is forwarded: [`RequestPath::literal`], which the runtime's URL parser leaves as it
//! is, so that the path evaluated is the path forwarded. The others exist for comparison alone: an
//! origin may decode once more, ignore case or drop `;parameters`, and a rule must hold for what
//! such an origin would serve. A path that has no safe reading is refused.
//!
//! In scope: the text of the path. Out of scope: query, host and the choice of the rule
//! ([`super::rules`]).

mod letters;

use std::borrow::Cow;
use std::fmt;

/// The longest path that is read, in bytes, before and after normalisation. RFC 9110 section 4.1
/// recommends to support URIs of 8000 octets.
pub const MAX_PATH_BYTES: usize = 8192;

/// How often a path is decoded in search of its folded reading. Two proxies and an origin that each
/// decode once make three.
const MAX_DECODING_ROUNDS: usize = 3;

/// A request path together with its readings. Parsing a literal again gives the same path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPath<'a> {
    literal: Cow<'a, str>,
    /// `None` where it equals the literal reading, as for almost every honest request.
    folded: Option<String>,
    /// `None` where nothing is cut off, or where the cut changes nothing.
    cut: Option<String>,
}

/// Why a path is refused. No variant repeats the path: it comes from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathError {
    /// It is not in origin form, without query (RFC 9112 section 3.2.1).
    NotOriginForm,
    /// It is longer than [`MAX_PATH_BYTES`].
    TooLong,
    /// It holds NUL, raw or encoded: text ends there for origins written in C.
    Nul,
    /// An origin that decodes or strips more than a URL parser would find `.` or `..` in it.
    HiddenDotSegment,
    /// One segment has both parameters and an encoded separator: what the parameters are depends
    /// on whether the origin decodes or splits first.
    SeparatorAmongParameters,
    /// It can still be decoded after three rounds.
    EncodedTooDeep,
    /// It holds `%uXXXX`, which some origins decode and others do not.
    UnicodeEscape,
    /// It holds a longer UTF-8 form than necessary (RFC 3629 section 3), which hides a character
    /// from all but careless decoders.
    OverlongUtf8,
}

impl<'a> RequestPath<'a> {
    /// Reads the path of a request target: everything before the query.
    ///
    /// The caller appends the literal to an origin without resolving it as a relative reference:
    /// `//host` is a path here and would be an authority there.
    pub fn parse(raw_path: &'a str) -> Result<Self, PathError> {
        if raw_path.len() > MAX_PATH_BYTES {
            return Err(PathError::TooLong);
        }
        if !raw_path.starts_with('/') || raw_path.contains(['?', '#']) {
            return Err(PathError::NotOriginForm);
        }
        if is_plain(raw_path) {
            return Ok(Self { literal: Cow::Borrowed(raw_path), folded: None, cut: None });
        }
        let literal = literal_reading(raw_path);
        if literal.len() > MAX_PATH_BYTES {
            return Err(PathError::TooLong);
        }
        let decoded = decode_path(&literal)?;
        let folded = fold(&decoded)?;
        let cut = match decoded.iter().position(|byte| matches!(byte, b'?' | b'#')) {
            Some(end) => Some(fold(decoded.get(..end).unwrap_or_default())?),
            None => None,
        };
        Ok(Self {
            cut: cut.filter(|cut| *cut != literal && *cut != folded),
            folded: Some(folded).filter(|folded| *folded != literal),
            literal,
        })
    }

    /// What a URL parser makes of the path (WHATWG URL, special scheme). This is forwarded.
    #[must_use]
    pub fn literal(&self) -> &str {
        &self.literal
    }

    /// The most liberal reading that an origin could make; for comparison only. Decoded to the
    /// end, full-width forms narrowed, `\` as `/`, controls, parameters, trailing dots and spaces
    /// and empty segments dropped, case folded.
    #[must_use]
    pub fn folded(&self) -> &str {
        self.folded.as_deref().unwrap_or(&self.literal)
    }

    /// The folded reading of an origin that takes a decoded `?` or `#` for the end of the path.
    /// `None` where that gives neither of the other readings anything new.
    #[must_use]
    pub fn cut(&self) -> Option<&str> {
        self.cut.as_deref()
    }

    /// The readings other than the literal one, without repetition: none for a plain path.
    pub fn other_readings(&self) -> impl Iterator<Item = &str> {
        self.folded.as_deref().into_iter().chain(self.cut.as_deref())
    }
}

/// Whether every reading of the path is the path itself, so that there is nothing to compute.
/// Errs on the side of `false`.
fn is_plain(path: &str) -> bool {
    let bytes = path.as_bytes();
    let following = bytes.iter().copied().skip(1).map(Some).chain([None]);
    bytes.iter().copied().zip(following).all(|(byte, next)| match byte {
        // An empty segment is merged away.
        b'/' => next != Some(b'/'),
        // A dot that ends a segment is part of a dot segment or is stripped.
        b'.' => !matches!(next, None | Some(b'/')),
        // What neither an encode set nor a folding touches.
        b'a'..=b'z' | b'0'..=b':' | b'&'..=b'-' | b'!' | b'$' | b'=' | b'@' | b'_' | b'~' => true,
        _ => false,
    })
}

/// The pathname of the URL parser for a special scheme
/// (<https://url.spec.whatwg.org/#path-state>).
fn literal_reading(raw_path: &str) -> Cow<'_, str> {
    let cleaned: Cow<'_, str> = if raw_path.contains(['\t', '\n', '\r', '\\']) {
        // The parser removes tab and newline before it looks at anything else.
        Cow::Owned(raw_path.replace(['\t', '\n', '\r'], "").replace('\\', "/"))
    } else {
        Cow::Borrowed(raw_path)
    };
    let settled = !cleaned.bytes().any(must_encode) && !segments(&cleaned).any(is_dot_segment);
    if settled {
        return cleaned;
    }

    let mut kept: Vec<&str> = Vec::new();
    let mut rest = segments(&cleaned).peekable();
    while let Some(segment) = rest.next() {
        let is_last = rest.peek().is_none();
        match dots(segment) {
            None => kept.push(segment),
            Some(count) => {
                if count == 2 {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
        }
    }

    let mut literal = String::with_capacity(cleaned.len());
    for segment in kept {
        literal.push('/');
        for character in segment.chars() {
            let mut utf8 = [0; 4];
            let encoded = character.encode_utf8(&mut utf8);
            if encoded.bytes().any(must_encode) {
                for byte in encoded.bytes() {
                    literal.push('%');
                    literal.push(hex_digit(byte >> 4));
                    literal.push(hex_digit(byte & 0x0f));
                }
            } else {
                literal.push(character);
            }
        }
    }
    Cow::Owned(literal)
}

/// The segments of a path that starts with `/`.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').skip(1)
}

fn is_dot_segment(segment: &str) -> bool {
    dots(segment).is_some()
}

/// 1 for `.` and 2 for `..`, with any of the dots as `%2e`; `None` for every other segment.
fn dots(segment: &str) -> Option<usize> {
    let mut rest = segment.as_bytes();
    let mut count = 0;
    while !rest.is_empty() {
        rest = match rest {
            [b'.', rest @ ..] | [b'%', b'2', b'e' | b'E', rest @ ..] => rest,
            _ => return None,
        };
        count += 1;
    }
    (1..=2).contains(&count).then_some(count)
}

/// The path percent-encode set (<https://url.spec.whatwg.org/#path-percent-encode-set>), which has
/// `^` since 2025. `?` and `#` are in it, and never reach this point.
const fn must_encode(byte: u8) -> bool {
    matches!(byte, 0..=0x20 | 0x7f.. | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'}')
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase()
}

/// The literal decoded to the end, segment by segment, so that it is known where a separator came
/// from.
fn decode_path(literal: &str) -> Result<Vec<u8>, PathError> {
    let mut decoded = Vec::with_capacity(literal.len());
    for segment in segments(literal) {
        decoded.push(b'/');
        if !segment.contains('%') {
            decoded.extend_from_slice(segment.as_bytes());
            continue;
        }
        let bytes = decode_segment(segment)?;
        if bytes.contains(&b';') && bytes.iter().any(|byte| matches!(byte, b'/' | b'\\')) {
            return Err(PathError::SeparatorAmongParameters);
        }
        decoded.extend_from_slice(&bytes);
    }
    Ok(decoded)
}

fn decode_segment(segment: &str) -> Result<Vec<u8>, PathError> {
    let mut bytes = segment.as_bytes().to_vec();
    for _ in 0..MAX_DECODING_ROUNDS {
        refuse_deceptive(&bytes)?;
        match decode_once(&bytes) {
            Some(decoded) => bytes = simplify(&decoded),
            None => return Ok(bytes),
        }
    }
    refuse_deceptive(&bytes)?;
    match decode_once(&bytes) {
        Some(_) => Err(PathError::EncodedTooDeep),
        None => Ok(bytes),
    }
}

/// Refuses what means different things to different decoders.
fn refuse_deceptive(bytes: &[u8]) -> Result<(), PathError> {
    let mut rest = bytes;
    while let [_, tail @ ..] = rest {
        match rest {
            [0, ..] => return Err(PathError::Nul),
            [b'%', b'u' | b'U', a, b, c, d, ..]
                if [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit) =>
            {
                return Err(PathError::UnicodeEscape);
            }
            // The last two are the forms of five and six bytes that RFC 2279 had.
            [0xc0 | 0xc1, ..]
            | [0xe0, 0x80..=0x9f, ..]
            | [0xf0, 0x80..=0x8f, ..]
            | [0xf8, 0x80..=0x87, ..]
            | [0xfc, 0x80..=0x83, ..] => return Err(PathError::OverlongUtf8),
            _ => {}
        }
        rest = tail;
    }
    Ok(())
}

/// One round of percent-decoding; `None` where there is nothing to decode. A `%` without two hex
/// digits stays.
fn decode_once(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut found = false;
    let mut rest = bytes;
    loop {
        rest = match rest {
            [] => return found.then_some(decoded),
            [b'%', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                decoded.push(hex_value(*high) << 4 | hex_value(*low));
                found = true;
                tail
            }
            [byte, tail @ ..] => {
                decoded.push(*byte);
                tail
            }
        };
    }
}

/// The bytes that a path or a part of it stands for to a server that decodes once.
pub(super) fn percent_decode(text: &str) -> Vec<u8> {
    decode_once(text.as_bytes()).unwrap_or_else(|| text.as_bytes().to_vec())
}

/// The value of an ASCII hex digit.
const fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10),
    }
}

/// Maps full-width forms of ASCII (U+FF01 to U+FF5E) to ASCII, as best-fit conversions do, and
/// drops ASCII controls, as URL parsers do with tab and newline. On bytes because the text around
/// them need not be UTF-8; between rounds because both can complete a `%XX`.
fn simplify(bytes: &[u8]) -> Vec<u8> {
    let mut simplified = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        rest = match rest {
            [] => return simplified,
            [0xef, 0xbc, last @ 0x81..=0xbf, tail @ ..] => {
                simplified.push(last - 0x60);
                tail
            }
            [0xef, 0xbd, last @ 0x80..=0x9e, tail @ ..] => {
                simplified.push(last - 0x20);
                tail
            }
            // NUL stays, to be refused.
            [0x01..=0x1f | 0x7f, tail @ ..] => tail,
            [byte, tail @ ..] => {
                simplified.push(*byte);
                tail
            }
        };
    }
}

/// The folded reading of a decoded path.
fn fold(decoded: &[u8]) -> Result<String, PathError> {
    let text = fold_characters(decoded);
    let mut folded = String::with_capacity(text.len());
    let mut ends_empty = false;
    for segment in segments(&text) {
        let name = segment.split(';').next().unwrap_or_default();
        refuse_hidden_dots(name)?;
        let name = name.trim_end_matches(['.', ' ']);
        ends_empty = name.is_empty();
        if !ends_empty {
            folded.push('/');
            folded.push_str(name);
        }
    }
    if ends_empty {
        folded.push('/');
    }
    Ok(folded)
}

/// Case and separators folded. Bytes that are not UTF-8 are read as Latin-1, as an origin
/// would that expects it: its `%E9` is the `é` of a rule.
fn fold_characters(decoded: &[u8]) -> String {
    let mut text = String::with_capacity(decoded.len());
    for chunk in decoded.utf8_chunks() {
        let latin1 = chunk.invalid().iter().copied().map(char::from);
        for character in chunk.valid().chars().chain(latin1) {
            match character {
                '\\' => text.push('/'),
                _ => letters::push_folded(&mut text, character),
            }
        }
    }
    text
}

/// The URL parser has removed the dot segments; one that is found now was hidden from it. Three
/// dots and more are a name, except to systems that strip all of them.
fn refuse_hidden_dots(name: &str) -> Result<(), PathError> {
    let dots = name.bytes().filter(|byte| *byte == b'.').count();
    let spaces = name.bytes().filter(|byte| *byte == b' ').count();
    let only_dots_and_spaces = dots + spaces == name.len();
    if only_dots_and_spaces && dots > 0 && (dots <= 2 || spaces > 0) {
        return Err(PathError::HiddenDotSegment);
    }
    Ok(())
}

impl fmt::Display for PathError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOriginForm => {
                formatter.write_str("the path does not start with `/`, or holds `?` or `#`")
            }
            Self::TooLong => write!(formatter, "the path is longer than {MAX_PATH_BYTES} bytes"),
            Self::Nul => formatter.write_str("the path holds NUL"),
            Self::HiddenDotSegment => formatter.write_str("the path hides a dot segment"),
            Self::SeparatorAmongParameters => formatter
                .write_str("a segment of the path has both parameters and an encoded separator"),
            Self::EncodedTooDeep => write!(
                formatter,
                "the path can still be decoded after {MAX_DECODING_ROUNDS} rounds"
            ),
            Self::UnicodeEscape => formatter.write_str("the path holds a `%uXXXX` escape"),
            Self::OverlongUtf8 => formatter.write_str("the path holds overlong UTF-8"),
        }
    }
}

impl std::error::Error for PathError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_short_cut_for_plain_paths_agrees_with_the_long_way(
            path in "/[a-z.;%A/~!$&'()*+,:=@_-]{0,12}",
        ) {
            if is_plain(&path) {
                prop_assert_eq!(literal_reading(&path), path.as_str());
                prop_assert_eq!(fold(&decode_path(&path).unwrap()).unwrap(), path);
            }
        }
    }
}
