//! `edgeward mint`: tokens for tests.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use edgeward::core::algorithm::Algorithm;
use edgeward::core::claims::NumericDate;
use serde_json::{Map, Value, json};

use super::cli::input;
use super::clock::seconds;
use super::crypto::PrivateKey;
use super::keys::{NamedKey, NoKey, encode};
use super::output::{Exit, Failure, say, say_json};

/// How long a token lives that has ended, in seconds.
const USUAL_LIFE: NumericDate = 600;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The private key or shared secret that signs it, as JWK or PEM; - for standard input
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// What it is signed with, if neither the key says so nor its kind
    #[arg(long, ignore_case = true,
        value_parser = PossibleValuesParser::new(Algorithm::ALL.into_iter().map(Algorithm::name)))]
    alg: Option<String>,
    /// The name of the key in the header; else that of the JWK
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    kid: Option<String>,
    /// The type in the header; "" for none
    #[arg(long, value_name = "TYPE", default_value = "JWT")]
    typ: String,
    /// Who issued it
    #[arg(long, value_name = "URL")]
    iss: Option<String>,
    /// Whom it is about
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    sub: Option<String>,
    /// Whom it is for; several make a list
    #[arg(long, value_name = "NAME")]
    aud: Vec<String>,
    /// Its scopes, separated by blanks
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// Its identifier
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    jti: Option<String>,
    /// When it ends: 90 or 90s, 10m, 2h, 1d; with a minus it has ended
    #[arg(long, value_name = "SPAN", default_value = "10m", allow_hyphen_values = true)]
    exp_in: String,
    /// Before that it does not count
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true)]
    nbf_in: Option<String>,
    /// Another claim: the value is JSON or, if it is none, a text; null takes a claim away
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    claims: Vec<String>,
    /// Another member of the header, in the same way
    #[arg(long = "header", value_name = "NAME=VALUE")]
    headers: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments, as_json: bool) -> Result<Exit, Failure> {
    let path = arguments.key.display();
    let unusable = |why: &str| Failure::usage(format!("{path} cannot be used as a key: {why}"));
    let NamedKey { key, kid, algorithm } =
        PrivateKey::read(&input(&arguments.key)?).map_err(|NoKey(why)| unusable(&why))?;
    let wanted = arguments.alg.as_ref().and_then(|name| {
        Algorithm::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(name))
    });
    let algorithm = wanted.or(algorithm).unwrap_or_else(|| key.usual_algorithm());
    let header = header(arguments, algorithm, kid)?;
    let claims = claims(arguments)?;
    let encoded = |part: &Map<String, Value>| encode(json!(part).to_string().as_bytes());
    let message = format!("{}.{}", encoded(&header), encoded(&claims));
    let signature = key.sign(algorithm, message.as_bytes()).ok_or_else(|| {
        let usual = key.usual_algorithm().name();
        unusable(&format!("it is not for {}; --alg {usual} fits it", algorithm.name()))
    })?;
    let token = format!("{message}.{}", encode(&signature));
    if as_json {
        say_json(&json!({ "token": token, "header": header, "claims": claims }));
    } else {
        say(&format!("{token}\n"));
    }
    Ok(Exit::Good)
}

fn header(
    arguments: &Arguments,
    algorithm: Algorithm,
    kid: Option<String>,
) -> Result<Map<String, Value>, Failure> {
    let mut header = Map::new();
    header.insert("alg".to_owned(), algorithm.name().into());
    if !arguments.typ.is_empty() {
        header.insert("typ".to_owned(), arguments.typ.as_str().into());
    }
    if let Some(kid) = arguments.kid.clone().or(kid) {
        header.insert("kid".to_owned(), kid.into());
    }
    add("--header", &arguments.headers, &mut header)?;
    Ok(header)
}

fn claims(arguments: &Arguments) -> Result<Map<String, Value>, Failure> {
    let now = seconds();
    let at = |option: &str, text: &str| {
        let span = span(text).ok_or_else(|| {
            Failure::usage(format!("{option}: expected a span such as 90s, 10m, 2h or 1d"))
        })?;
        Ok::<NumericDate, Failure>(now.saturating_add(span))
    };
    let mut claims = Map::new();
    let texts = [
        ("iss", &arguments.iss),
        ("sub", &arguments.sub),
        ("scope", &arguments.scope),
        ("jti", &arguments.jti),
    ];
    for (name, value) in texts {
        claims.extend(value.as_ref().map(|value| (name.to_owned(), value.as_str().into())));
    }
    match arguments.aud.as_slice() {
        [] => {}
        [one] => drop(claims.insert("aud".to_owned(), one.as_str().into())),
        several => drop(claims.insert("aud".to_owned(), several.into())),
    }
    let exp = at("--exp-in", &arguments.exp_in)?;
    // One that has ended was issued before.
    let iat = if exp > now { now } else { exp.saturating_sub(USUAL_LIFE) };
    claims.insert("iat".to_owned(), iat.into());
    claims.insert("exp".to_owned(), exp.into());
    if let Some(span) = &arguments.nbf_in {
        claims.insert("nbf".to_owned(), at("--nbf-in", span)?.into());
    }
    add("--claim", &arguments.claims, &mut claims)?;
    Ok(claims)
}

fn add(option: &str, pairs: &[String], members: &mut Map<String, Value>) -> Result<(), Failure> {
    for pair in pairs {
        let (name, value) = pair
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| Failure::usage(format!("{option}: expected NAME=VALUE")))?;
        match serde_json::from_str(value) {
            Ok(Value::Null) => drop(members.remove(name)),
            Ok(value) => drop(members.insert(name.to_owned(), value)),
            Err(_) => drop(members.insert(name.to_owned(), value.into())),
        }
    }
    Ok(())
}

/// A span in seconds.
fn span(text: &str) -> Option<i64> {
    let unit = text.chars().last()?;
    let (number, unit) = match unit {
        's' => (text.strip_suffix('s')?, 1),
        'm' => (text.strip_suffix('m')?, 60),
        'h' => (text.strip_suffix('h')?, 3_600),
        'd' => (text.strip_suffix('d')?, 86_400),
        _ => (text, 1),
    };
    number.parse::<i64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn a_span_has_a_unit_or_is_in_seconds() {
        for (text, expected) in [
            ("90", Some(90)),
            ("90s", Some(90)),
            ("10m", Some(600)),
            ("2h", Some(7_200)),
            ("1d", Some(86_400)),
            ("-5m", Some(-300)),
            ("", None),
            ("m", None),
            ("1w", None),
            ("1.5h", None),
            ("9223372036854775807d", None),
        ] {
            assert_eq!(span(text), expected, "{text}");
        }
    }
}
