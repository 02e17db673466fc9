//! JWK and JWK Set (RFC 7517) with the key types of RFC 7518 section 6 and RFC 8037.

use serde_json::{Map, Value};

use super::problem::{JwkFault, KeyFault, MAX_KEYS, PrivateForm, Problem};
use super::{bytes, check, recognise};
use crate::core::algorithm::{Algorithm, Curve};
use crate::core::keys::{Material, SecretBytes, VerificationKey};

/// A JWK as parsed.
pub(super) type Object = Map<String, Value>;

/// The longest part of a `kid` that a message shows, in characters.
const KID_SHOWN: usize = 64;

/// Every acceptable key of the value of `keys`; a warning for each other one.
pub(super) fn read_set(
    keys: &Value,
    warnings: &mut Vec<String>,
) -> Result<Vec<VerificationKey>, Problem> {
    let entries = entries(keys)?;
    if entries.iter().filter_map(Value::as_object).any(is_private) {
        return Err(Problem::PrivateKey { form: PrivateForm::Jwk });
    }
    read_each(entries, read, warnings)
}

/// As [`read_set`], for a set that everybody can read: what should be secret in it is no key to go
/// by, and an issuer's slip with one key is no reason to refuse the tokens of all others.
pub(super) fn read_published(
    keys: &Value,
    warnings: &mut Vec<String>,
) -> Result<Vec<VerificationKey>, Problem> {
    let read = |jwk: &Object| match read(jwk)? {
        VerificationKey { material: Material::Hmac(_), .. } => Err(JwkFault::Published),
        _ if is_private(jwk) => Err(JwkFault::Published),
        key => Ok(key),
    };
    read_each(entries(keys)?, read, warnings)
}

fn entries(keys: &Value) -> Result<&[Value], Problem> {
    let entries = keys.as_array().ok_or(Problem::KeysNotArray)?;
    if entries.len() > MAX_KEYS {
        return Err(Problem::TooManyKeys { count: entries.len() });
    }
    Ok(entries)
}

fn read_each(
    entries: &[Value],
    read: impl Fn(&Object) -> Result<VerificationKey, JwkFault>,
    warnings: &mut Vec<String>,
) -> Result<Vec<VerificationKey>, Problem> {
    let mut usable = Vec::with_capacity(entries.len());
    let mut reasons = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        match entry.as_object().ok_or(JwkFault::NotAnObject).and_then(&read) {
            Ok(key) => usable.push(key),
            Err(fault) => reasons.push(format!("{}: {fault}", place(index, entry))),
        }
    }
    if usable.is_empty() {
        return Err(Problem::NoUsableKey { reasons });
    }
    warnings.extend(reasons.into_iter().map(|reason| format!("a key was skipped, {reason}")));
    Ok(usable)
}

/// The key of a JWK that stands alone.
pub(super) fn read_one(jwk: &Object) -> Result<VerificationKey, Problem> {
    if is_private(jwk) {
        return Err(Problem::PrivateKey { form: PrivateForm::Jwk });
    }
    read(jwk).map_err(Problem::Jwk)
}

/// A `kid` for a message: shortened, without control characters, in quotes.
pub(super) fn shown(kid: &str) -> String {
    let shortened: String = kid.chars().take(KID_SHOWN).collect();
    let ellipsis = if shortened.len() < kid.len() { "..." } else { "" };
    format!("\"{}{ellipsis}\"", shortened.escape_debug())
}

fn place(index: usize, entry: &Value) -> String {
    match entry.get("kid").and_then(Value::as_str) {
        Some(kid) => format!("keys[{index}] with kid {}", shown(kid)),
        None => format!("keys[{index}] without kid"),
    }
}

/// Private members of every key type that has a public half: RFC 7518 section 6, RFC 8037, and
/// `priv` of the key type AKP in the IANA registry. A symmetric key has no public half.
fn is_private(jwk: &Object) -> bool {
    const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "priv"];
    jwk.get("kty").and_then(Value::as_str) != Some("oct")
        && PRIVATE.iter().any(|member| jwk.contains_key(*member))
}

fn read(jwk: &Object) -> Result<VerificationKey, JwkFault> {
    let key_type = text(jwk, "kty")?.ok_or(JwkFault::Missing("kty"))?;
    purpose(jwk, "verify")?;
    let kid = text(jwk, "kid")?.map(str::to_owned);
    let algorithm = algorithm(jwk)?;
    let material = match key_type {
        "RSA" => check::rsa(&number(jwk, "n")?, &number(jwk, "e")?).map_err(JwkFault::Key),
        "EC" => ec(jwk),
        "OKP" => okp(jwk),
        "oct" => secret(jwk).map(Material::Hmac),
        _ => Err(JwkFault::KeyType),
    }?;
    if let Some(algorithm) = algorithm {
        fits(&material, algorithm)?;
    }
    Ok(VerificationKey { kid, algorithm, material })
}

/// Refuses a key that its `use` or `key_ops` reserve for something else (RFC 7517 sections 4.2
/// and 4.3).
pub(super) fn purpose(jwk: &Object, operation: &'static str) -> Result<(), JwkFault> {
    if text(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err(JwkFault::Use);
    }
    let Some(operations) = jwk.get("key_ops") else { return Ok(()) };
    let mistyped = JwkFault::WrongType { member: "key_ops", expected: "an array of strings" };
    let operations = operations.as_array().ok_or(mistyped)?;
    let mut found = false;
    for entry in operations {
        found |= entry.as_str().ok_or(mistyped)? == operation;
    }
    if found { Ok(()) } else { Err(JwkFault::KeyOps(operation)) }
}

fn algorithm(jwk: &Object) -> Result<Option<Algorithm>, JwkFault> {
    let Some(name) = text(jwk, "alg")? else { return Ok(None) };
    Algorithm::from_name(name).map(Some).ok_or(JwkFault::Algorithm)
}

fn fits(material: &Material, algorithm: Algorithm) -> Result<(), JwkFault> {
    if material.family() != algorithm.family() {
        return Err(JwkFault::AlgorithmMismatch(algorithm));
    }
    match (material, algorithm.min_secret_bytes()) {
        (Material::Hmac(secret), Some(needed)) if secret.expose().len() < needed => {
            let bytes = secret.expose().len();
            Err(JwkFault::Key(KeyFault::HmacShortFor { bytes, algorithm, needed }))
        }
        _ => Ok(()),
    }
}

fn ec(jwk: &Object) -> Result<Material, JwkFault> {
    let curve = text(jwk, "crv")?.ok_or(JwkFault::Missing("crv"))?;
    let curve = Curve::from_name(curve).ok_or(JwkFault::Curve)?;
    check::ec(curve, &number(jwk, "x")?, &number(jwk, "y")?).map_err(JwkFault::Key)
}

fn okp(jwk: &Object) -> Result<Material, JwkFault> {
    match text(jwk, "crv")?.ok_or(JwkFault::Missing("crv"))? {
        "Ed25519" => {
            let x = check::ed25519(&number(jwk, "x")?).map_err(JwkFault::Key)?;
            Ok(Material::Ed25519 { x })
        }
        _ => Err(JwkFault::Curve),
    }
}

/// The key of a JWK with `kty` oct.
pub(super) fn secret(jwk: &Object) -> Result<SecretBytes, JwkFault> {
    let key = number(jwk, "k")?;
    if recognise::is_disguised(&key) {
        return Err(JwkFault::DisguisedKey);
    }
    check::hmac(key).map_err(JwkFault::Key)
}

/// A member that holds bytes.
pub(super) fn number(jwk: &Object, member: &'static str) -> Result<Vec<u8>, JwkFault> {
    let encoded = text(jwk, member)?.ok_or(JwkFault::Missing(member))?;
    bytes::from_base64url_strict(encoded).ok_or(JwkFault::NotBase64Url(member))
}

/// A member that holds text.
pub(super) fn text<'j>(jwk: &'j Object, member: &'static str) -> Result<Option<&'j str>, JwkFault> {
    match jwk.get(member) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(JwkFault::WrongType { member, expected: "a string" }),
    }
}
