//! What is right, written in the most obvious way: slow, and without a line of the code under test.
//!
//! It knows the fixture alone ([`super::fixture`]), and checks everything, in no order.

use serde_json::{Map, Number, Value};

use super::fixture::{
    AUDIENCE, ISSUER, MOST_LIFE_SECONDS, MOST_TOKEN_BYTES, REVOKED_BEFORE, REVOKED_ID,
    REVOKED_SUBJECT, SIGNERS, SKEW_SECONDS, signature as right_signature,
};

/// How deep values may lie in each other. `serde_json` stops reading at 128, which is its own affair: what
/// is deeper is compared with nothing.
pub const DEPTH: usize = 100;

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64url without padding, in which no bit is left over.
#[must_use]
pub fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut bits = Vec::new();
    for character in text.chars() {
        let value = ALPHABET.chars().position(|one| one == character)?;
        bits.extend((0..6).rev().map(|bit| value >> bit & 1));
    }
    let whole = bits.len() / 8 * 8;
    // At most six bits fill up a byte, and a lone character of a last group says nothing.
    if bits.len() - whole == 6 || bits[whole..].contains(&1) {
        return None;
    }
    let byte = |bits: &[usize]| bits.iter().fold(0, |byte, bit| byte << 1 | bit);
    bits[..whole].chunks(8).map(|bits| u8::try_from(byte(bits)).ok()).collect()
}

/// What [`json`] makes of a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    /// It means this alone.
    Value(Value),
    /// It is not JSON, or could mean several things.
    Refused,
    /// It is deeper than [`DEPTH`].
    TooDeep,
}

/// Reads JSON (RFC 8259): one value with one meaning.
#[must_use]
pub fn json(text: &[u8]) -> Read {
    let Ok(text) = std::str::from_utf8(text) else { return Read::Refused };
    let mut reader = Reader { rest: text, is_too_deep: false };
    let value = reader.value(0);
    reader.space();
    match value {
        _ if reader.is_too_deep => Read::TooDeep,
        Some(value) if reader.rest.is_empty() => Read::Value(value),
        _ => Read::Refused,
    }
}

struct Reader<'t> {
    rest: &'t str,
    is_too_deep: bool,
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// Takes these characters away, after space.
    fn take(&mut self, text: &str) -> Option<()> {
        self.space();
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEPTH {
            self.is_too_deep = true;
            return None;
        }
        self.space();
        match self.rest.chars().next()? {
            '{' => self.object(depth),
            '[' => self.array(depth),
            '"' => self.string().map(Value::String),
            'n' => self.take("null").map(|()| Value::Null),
            't' => self.take("true").map(|()| Value::Bool(true)),
            'f' => self.take("false").map(|()| Value::Bool(false)),
            _ => self.number().map(Value::Number),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        self.take("{")?;
        let mut members = Map::new();
        if self.take("}").is_some() {
            return Some(Value::Object(members));
        }
        loop {
            self.space();
            let name = self.string()?;
            self.take(":")?;
            let value = self.value(depth + 1)?;
            if members.insert(name, value).is_some() {
                return None;
            }
            if self.take("}").is_some() {
                return Some(Value::Object(members));
            }
            self.take(",")?;
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        self.take("[")?;
        let mut items = Vec::new();
        if self.take("]").is_some() {
            return Some(Value::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.take("]").is_some() {
                return Some(Value::Array(items));
            }
            self.take(",")?;
        }
    }

    fn string(&mut self) -> Option<String> {
        let inner = self.rest.strip_prefix('"')?;
        let mut units: Vec<u16> = Vec::new();
        let mut characters = inner.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = &inner[at + 1..];
                    // A half of a surrogate pair is no character.
                    return String::from_utf16(&units).ok();
                }
                '\\' => match characters.next()?.1 {
                    'u' => {
                        let digits: String =
                            characters.by_ref().take(4).map(|(_, digit)| digit).collect();
                        let is_hex = digits.chars().all(|digit| digit.is_ascii_hexdigit());
                        units.push(
                            u16::from_str_radix(&digits, 16)
                                .ok()
                                .filter(|_| is_hex && digits.len() == 4)?,
                        );
                    }
                    escaped => {
                        let place = "\"\\/bfnrt".chars().position(|one| one == escaped)?;
                        units.push(
                            [0x22, 0x5c, 0x2f, 0x08, 0x0c, 0x0a, 0x0d, 0x09].get(place).copied()?,
                        );
                    }
                },
                '\0'..='\u{1f}' => return None,
                plain => units.extend(plain.encode_utf16(&mut [0; 2]).iter()),
            }
        }
        None
    }

    fn number(&mut self) -> Option<Number> {
        let end = self
            .rest
            .find(|one: char| !one.is_ascii_digit() && !"+-.eE".contains(one))
            .unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        let unsigned = digits.strip_prefix('-').unwrap_or(digits);
        let (whole, _) = unsigned.split_once(['.', 'e', 'E']).unwrap_or((unsigned, ""));
        let is_whole = unsigned == whole;
        if !is_number(unsigned) {
            return None;
        }
        // `-0` is a fraction for who tells it from 0.
        let number: Number = match (digits.parse::<u64>(), digits.parse::<i64>()) {
            (Ok(number), _) if is_whole => number.into(),
            (_, Ok(number)) if is_whole && number < 0 => number.into(),
            _ => Number::from_f64(digits.parse().ok()?)?,
        };
        let is_exact = !number.is_f64() || number.as_f64()?.abs() < 9_007_199_254_740_992.0;
        is_exact.then_some(number)
    }
}

/// The grammar of RFC 8259 section 6, without the sign.
fn is_number(text: &str) -> bool {
    let is_digits =
        |text: &str| !text.is_empty() && text.chars().all(|digit| digit.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent),
        None => (text, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    is_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && is_digits(fraction)
        && is_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))
}

/// A token, taken apart.
#[derive(Debug)]
pub struct Parts {
    /// The header.
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Map<String, Value>,
    /// The signature.
    pub signature: Vec<u8>,
    /// What is signed.
    pub signed: String,
}

/// What is deeper than [`DEPTH`], and so compared with nothing.
#[derive(Clone, Copy, Debug)]
pub struct TooDeep;

/// Takes a token apart, if it is one.
pub fn parts(text: &str) -> Result<Option<Parts>, TooDeep> {
    let texts: Vec<&str> = text.split('.').collect();
    let [header, claims, signature] = texts.as_slice() else { return Ok(None) };
    let object = |part: &str| match base64url(part).map(|bytes| json(&bytes)) {
        Some(Read::TooDeep) => Err(TooDeep),
        Some(Read::Value(Value::Object(object))) => Ok(Some(object)),
        _ => Ok(None),
    };
    let (header_object, claims_object) = (object(header)?, object(claims)?);
    let (Some(header_object), Some(claims), Some(signature)) =
        (header_object, claims_object, base64url(signature))
    else {
        return Ok(None);
    };
    let signed = format!("{header}.{}", texts[1]);
    Ok(Some(Parts { header: header_object, claims, signature, signed }))
}

/// Whether the gate of the fixture may let this token pass at `now`, whatever the rule: the claims if it
/// may.
pub fn accepted(text: &str, now: i64) -> Result<Option<Map<String, Value>>, TooDeep> {
    let Some(Parts { header, claims, signature, signed }) = parts(text)? else { return Ok(None) };
    let text_of = |object: &Map<String, Value>, name: &str| match object.get(name) {
        Some(Value::String(text)) => Some(text.clone()),
        _ => None,
    };
    // A member that is there is a text.
    let is_text =
        |object: &Map<String, Value>, name: &str| object.get(name).is_none_or(Value::is_string);
    let refused = ["crit", "b64", "zip", "enc", "cty", "jwk", "jku", "x5u", "x5c"];
    let token_type = text_of(&header, "typ").unwrap_or_default();
    let algorithm = text_of(&header, "alg").unwrap_or_default();
    // The key of an algorithm is the only one, and has a name.
    let signer = SIGNERS.iter().find(|(name, _)| *name == algorithm);
    let is_its_key = |(_, key): &(&str, &str)| text_of(&header, "kid").is_none_or(|id| id == *key);
    let header_is_good = signer.is_some_and(is_its_key)
        && is_text(&header, "typ")
        && is_text(&header, "kid")
        && !refused.iter().any(|name| header.contains_key(*name))
        && [String::new(), "jwt".into(), "at+jwt".into()].contains(&media_type(&token_type));

    let time = |name: &str| match claims.get(name) {
        None => Some(None),
        Some(Value::Number(number)) => {
            let seconds = number.as_f64()?;
            (0.0..=9_007_199_254_740_992.0).contains(&seconds).then_some(Some(seconds))
        }
        Some(_) => None,
    };
    let times_are_good = || {
        #[expect(clippy::cast_precision_loss, reason = "the times of the fixture are small")]
        let (now, skew, most) = (now as f64, SKEW_SECONDS as f64, MOST_LIFE_SECONDS as f64);
        let exp = time("exp")??.floor();
        let not_before = time("nbf")?.map_or(0.0, f64::ceil);
        let issued_at = time("iat")??.ceil();
        let is_in_time = now < exp + skew && now + skew >= not_before && issued_at <= now + skew;
        (is_in_time && exp - issued_at <= most).then_some(())
    };
    let is_for_us = match claims.get("aud") {
        Some(Value::String(audience)) => audience == AUDIENCE,
        Some(Value::Array(list)) => {
            list.iter().all(Value::is_string) && list.iter().any(|one| one == AUDIENCE)
        }
        _ => false,
    };
    let claims_are_good = claims.get("iss").is_some_and(|issuer| issuer == ISSUER)
        && times_are_good().is_some()
        && is_for_us
        && text_of(&claims, "sub").is_some()
        && is_text(&claims, "jti")
        && organisation(&claims).is_some();

    let is_good = text.len() <= MOST_TOKEN_BYTES
        && header_is_good
        && claims_are_good
        && right_signature(&algorithm, signed.as_bytes()).is_some_and(|right| signature == right);
    Ok(is_good.then_some(claims))
}

/// Whether tokens of these claims, which were accepted, are revoked.
#[must_use]
pub fn is_revoked(claims: &Map<String, Value>) -> bool {
    let is_older = || {
        // To a time that is no whole second belongs the second in which it is.
        let issued_at = claims.get("iat").and_then(Value::as_f64).map(f64::floor);
        #[expect(clippy::cast_precision_loss, reason = "the times of the fixture are small")]
        issued_at.is_none_or(|at| at < REVOKED_BEFORE as f64)
    };
    claims.get("jti").is_some_and(|id| id == REVOKED_ID)
        || claims.get("sub").is_some_and(|subject| subject == REVOKED_SUBJECT) && is_older()
}

/// RFC 7515 section 4.1.9: `application/` may be left out of a type without another slash.
fn media_type(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    match lower.strip_prefix("application/") {
        Some(rest) if !rest.contains('/') => rest.to_owned(),
        _ => lower,
    }
}

/// The claim `org.id`, which is a member of that name or one of the object `org`.
#[must_use]
pub fn organisation(claims: &Map<String, Value>) -> Option<&Value> {
    let found = match claims.get("org.id") {
        Some(value) => value,
        None => claims.get("org")?.get("id")?,
    };
    (!found.is_null()).then_some(found)
}

/// The scopes that claims grant.
#[must_use]
pub fn scopes(claims: &Map<String, Value>) -> Vec<String> {
    match claims.get("scope").or_else(|| claims.get("scp")) {
        Some(Value::String(text)) => {
            text.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
        }
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(|one| Some(one.as_str()?.to_owned()))
            .filter(|scope| !scope.is_empty() && !scope.contains(' '))
            .collect(),
        _ => Vec::new(),
    }
}

/// Bytes in which what is percent-encoded was decoded once; what is not rightly encoded stays.
#[must_use]
pub fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = bytes;
    while let Some((first, others)) = rest.split_first() {
        let digit = |at: usize| others.get(at).and_then(|one| char::from(*one).to_digit(16));
        rest = if let (b'%', Some(high), Some(low)) = (first, digit(0), digit(1)) {
            decoded.extend(u8::try_from(high << 4 | low).ok());
            &others[2..]
        } else {
            decoded.push(*first);
            others
        };
    }
    decoded
}

/// `application/x-www-form-urlencoded`, decoded.
#[must_use]
pub fn form_decoded(text: &str) -> String {
    let bytes = percent_decoded(text.replace('+', " ").as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Without space at either end.
#[must_use]
pub fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r', '\u{c}'])
}

/// Of edits of a head, the names that go, and names and values that are set.
///
/// # Panics
///
/// If they have no such parts.
#[must_use]
pub fn parts_of(edits: &str) -> (Vec<&str>, Vec<(&str, &str)>) {
    let (removed, set) = match edits.strip_prefix('\n') {
        Some(set) => ("", set),
        None => edits.split_once("\n\n").expect("an empty line"),
    };
    let mut lines = set.split_terminator('\n');
    let mut pairs = Vec::new();
    while let Some(name) = lines.next() {
        pairs.push((name, lines.next().expect("a value")));
    }
    (removed.lines().collect(), pairs)
}
