//! What a token says, for somebody who looks at one.
//!
//! In scope: what can be told without configuration and keys, also of a token that no gate would read. Out
//! of scope: signature and policy ([`Gate::explain`](super::Gate::explain) judges with the real settings).
//! The Worker has no part in it: the command line tool and the page that inspects tokens do.

mod words;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use crate::core::algorithm::Algorithm;
use crate::core::claims::{self, Millis, NumericDate, Rounding};
use crate::core::config::DEFAULT_MAX_TOKEN_BYTES;
use crate::core::denial::Reason;
use crate::core::json::{self, JsonFault, object};
use crate::core::token::{REFUSED_MEMBERS, TokenFault, UntrustedToken, is_like_a_jwt};

pub use words::utc;

/// A life that is longer than that is worth a warning, in seconds.
const LONG_LIFE: NumericDate = 86_400;

/// The year 5138: whoever names a later time has counted milliseconds.
const FAR_FUTURE: NumericDate = 100_000_000_000;

/// Reads what others may have written, too: with padding or without, and whatever the unused bits are.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What a token says at `now`, as an object:
///
/// - `form`: `"jwt"`, `"opaque"` or `"empty"`
/// - `fault`: `null`, or why no gate reads it: the stable `reason`, and a `sentence` for people
/// - `header`, `claims`: as far as they can be decoded, else `null`
/// - `times`: `claim`, `at` (a `NumericDate`), `utc` (RFC 3339) and `words` of each time claim
/// - `warnings`: sentences about what else is worth knowing
///
/// White space around the token and `Bearer` before it are no part of it.
#[must_use]
pub fn inspect(token: &str, now: Millis) -> Value {
    let token = bare(token);
    let most_bytes = usize::try_from(DEFAULT_MAX_TOKEN_BYTES).unwrap_or_default();
    let fault = UntrustedToken::parse(token, most_bytes).err();
    let mut parts = token.split('.');
    let [header, claims] = [(); 2].map(|()| parts.next().and_then(Part::read));
    let is_object = |part: &Option<Part>| part.as_ref().is_some_and(|part| part.value.is_object());
    let form = match token {
        "" => "empty",
        _ if is_like_a_jwt(token) || is_object(&header) => "jwt",
        _ => "opaque",
    };
    let [header, claims] = [header, claims].map(|part| part.filter(|_| form == "jwt"));
    let seconds = now.div_euclid(1_000);
    let mut warnings = Vec::new();
    if form == "jwt" {
        warn_of_encoding(token, &mut warnings);
        warn_of_json("header", "is", header.as_ref(), &mut warnings);
        warn_of_json("claims", "are", claims.as_ref(), &mut warnings);
    }
    let [header, claims] = [header, claims].map(|part| part.map_or(Value::Null, |part| part.value));
    if let Value::Object(header) = &header {
        warn_of_header(header, &mut warnings);
    }
    let mut times = Vec::new();
    if let Value::Object(claims) = &claims {
        warn_of_claims(claims, seconds, &mut warnings);
        times = words::times(claims, seconds);
    }
    object! {
        "form": form,
        "fault": fault.map_or(Value::Null, |fault| explain_fault(fault, form)),
        "header": header,
        "claims": claims,
        "times": times,
        "warnings": warnings,
    }
}

/// The token alone, of a text that was copied with what is around it.
#[must_use]
pub fn bare(text: &str) -> &str {
    let text = text.trim_ascii();
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim_ascii(),
        _ => text,
    }
}

/// One of the first two parts of a token.
struct Part {
    value: Value,
    /// Why a strict reader does not take it.
    fault: Option<JsonFault>,
}

impl Part {
    fn read(part: &str) -> Option<Self> {
        let text = LENIENT.decode(part.replace('+', "-").replace('/', "_")).ok()?;
        let value = serde_json::from_slice(&text).ok()?;
        Some(Self { value, fault: json::parse_strict(&text).err() })
    }
}

fn explain_fault(fault: TokenFault, form: &str) -> Value {
    let too_large = format!(
        "It is longer than the {DEFAULT_MAX_TOKEN_BYTES} bytes that a gate reads unless max_token_bytes says \
         otherwise."
    );
    let sentence = match (fault, form) {
        (_, "empty") => "There is no token.",
        (TokenFault::TooLarge, _) => too_large.as_str(),
        (TokenFault::Malformed, "opaque") => {
            "It is no JWT: only the auth service that issued it can tell what it means, so it counts where \
             opaque_tokens says so."
        }
        (TokenFault::Malformed, _) => {
            "It is not three parts of strict base64url, the first two of them one JSON object each."
        }
        (TokenFault::MalformedHeader, _) => {
            "Its header has no alg, or an alg, kid or typ that is no string."
        }
    };
    object! { "reason": Reason::from(fault).name(), "sentence": sentence }
}

fn warn_of_encoding(token: &str, warnings: &mut Vec<String>) {
    match token.split('.').count() {
        3 => {}
        5 => warnings.push(
            "It has five parts, as an encrypted token (JWE): a gate cannot read it.".to_owned(),
        ),
        parts => warnings.push(format!("It has {parts} parts; a signed token has three.")),
    }
    if token.contains(['=', '+', '/']) {
        warnings.push(
            "It is written with characters of ordinary base64 (=, + or /); a JWT is base64url without \
             padding."
                .to_owned(),
        );
    }
    if token.ends_with('.') {
        warnings.push("Its signature is empty: nobody has signed it.".to_owned());
    }
}

fn warn_of_json(name: &str, is: &str, part: Option<&Part>, warnings: &mut Vec<String>) {
    warnings.push(match part {
        None => format!("The {name} cannot be decoded: no JSON in base64url."),
        Some(part) if !part.value.is_object() => format!("The {name} {is} no JSON object."),
        Some(Part { fault: Some(JsonFault::DuplicateMember), .. }) => format!(
            "A member of the {name} occurs twice, so that two readers can see two different tokens; the \
             last one is shown."
        ),
        Some(Part { fault: Some(JsonFault::InexactNumber), .. }) => format!(
            "A number in the {name} is too large to be held exactly; what is shown may be rounded."
        ),
        Some(Part { fault: Some(JsonFault::Syntax), .. }) => {
            format!("The {name} {is} no JSON that a strict reader takes.")
        }
        Some(Part { fault: None, .. }) => return,
    });
}

fn warn_of_header(header: &Map<String, Value>, warnings: &mut Vec<String>) {
    if let Some(Value::String(algorithm)) = header.get("alg") {
        if algorithm.eq_ignore_ascii_case("none") {
            warnings
                .push("alg is \"none\": nobody has signed it, anybody can have written it.".into());
        } else if Algorithm::from_name(algorithm).is_none() {
            let algorithm = crate::core::problem::quoted(algorithm);
            warnings.push(format!("alg is {algorithm}, which no gate can verify."));
        }
    }
    for member in REFUSED_MEMBERS.into_iter().filter(|member| header.contains_key(*member)) {
        warnings.push(format!("The header has {member}: {}; it is refused.", effect_of(member)));
    }
}

/// What a member of the header would do.
fn effect_of(member: &str) -> &'static str {
    match member {
        "crit" => "it names extensions that a reader has to know",
        "b64" => "it changes what was signed",
        "zip" => "the claims would be compressed",
        "enc" => "the token would be encrypted",
        "cty" => "the claims would be another token",
        "jku" | "x5u" => "it names where the sender wants the key to be fetched from",
        _ => "it brings a key of the sender's choice",
    }
}

fn warn_of_claims(claims: &Map<String, Value>, now: NumericDate, warnings: &mut Vec<String>) {
    let mut warn = |warning: &str| warnings.push(warning.to_owned());
    for name in words::CLAIMS {
        match claims::date(claims, name, Rounding::Down) {
            Err(_) => warn(&format!("{name} is no number of seconds between 0 and 2^53.")),
            Ok(Some(at)) if at > FAR_FUTURE => {
                warn(&format!("{name} looks like milliseconds; times in tokens are seconds."));
            }
            Ok(_) => {}
        }
    }
    let date = |name| claims::date(claims, name, Rounding::Down).ok().flatten();
    match (date("exp"), date("iat")) {
        (None, _) if !claims.contains_key("exp") => {
            warn("It has no exp, so it would never end; a gate refuses it.");
        }
        (Some(end), Some(begin)) if end <= begin => warn("It ends before it was issued."),
        (Some(end), Some(begin)) if end - begin > LONG_LIFE => {
            let life = words::span(end - begin);
            warn(&format!("It lives for {life}: whoever steals it has it for as long."));
        }
        (Some(end), None) if end - now > LONG_LIFE => {
            let rest = words::span(end - now);
            warn(&format!("It is good for another {rest}: whoever steals it has it for as long."));
        }
        _ => {}
    }
    if let (Some(end), Some(begin)) = (date("exp"), date("nbf"))
        && end <= begin
    {
        warn("It ends before it begins to count (nbf).");
    }
    for name in ["sub", "jti"] {
        if claims::text(claims, name).is_err() {
            warn(&format!("{name} is no string; a gate refuses that."));
        }
    }
    if !claims.get("iss").is_some_and(Value::is_string) {
        warn("It has no iss that is a string, so no provider is found for it.");
    }
    match claims.get("aud") {
        None => warn(
            "It has no aud: it does not say whom it is for, and a gate refuses it unless audience_claim \
             names another claim.",
        ),
        Some(Value::String(_)) => {}
        Some(Value::Array(list)) if list.iter().all(Value::is_string) => {}
        Some(_) => warn("aud is neither a string nor a list of strings; a gate refuses that."),
    }
}

#[cfg(test)]
mod tests;
