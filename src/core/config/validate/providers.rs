//! The part of the table about issuers.

use super::super::Provider;
use super::super::read;
use super::{Problems, is_binding_name, not_empty, services};
use crate::core::algorithm::{Algorithm, Family};
use crate::core::problem::quoted;

pub(super) fn providers(tables: Vec<read::Provider>, problems: &mut Problems) -> Vec<Provider> {
    if tables.is_empty() {
        problems.add("providers", "an empty list", "at least one provider");
    }
    let mut providers: Vec<Provider> = Vec::with_capacity(tables.len());
    for (at, table) in tables.into_iter().enumerate() {
        let place = |key: &str| format!("providers[{at}].{key}");
        let is_label = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if table.name.is_empty() || table.name.len() > 64 || !table.name.bytes().all(is_label) {
            problems.add(
                &place("name"),
                quoted(&table.name),
                "a label of 1 to 64 letters, digits, \"_\", \"-\" and \".\"",
            );
        } else if providers.iter().any(|other| other.name == table.name) {
            problems.add(&place("name"), quoted(&table.name), "a name that no other provider has");
        }
        if table.issuer.is_empty() {
            problems.add(&place("issuer"), "an empty text", "the exact value of `iss`");
        } else if providers.iter().any(|other| other.issuer == table.issuer) {
            problems.add(
                &place("issuer"),
                quoted(&table.issuer),
                "an issuer that no other provider has: keys are looked up by issuer",
            );
        }
        let expected = "at least one value, none of them empty";
        not_empty(&table.audiences, &place("audiences"), expected, problems);
        if table.audience_claim.is_empty() {
            problems.add(&place("audience_claim"), "an empty text", "the name of a claim");
        }
        not_empty(&table.required_claims, &place("required_claims"), "", problems);
        if table.token_types.is_empty() {
            problems.add(
                &place("token_types"),
                "an empty list",
                "at least one value of `typ`; \"\" stands for an absent one",
            );
        }
        let remote_keys = services::remote_keys(at, &table, problems);
        let is_remote = table.jwks_uri.is_some() || table.discovery;
        if table.keys.is_empty() && !is_remote {
            problems.add(
                &place("keys"),
                "an empty list",
                "the name of at least one secret binding, or `jwks_uri` or `discovery = true`",
            );
        }
        for (position, name) in table.keys.iter().enumerate() {
            if !is_binding_name(name) {
                problems.add(
                    &format!("providers[{at}].keys[{position}]"),
                    // A key pasted in place of a name must not end up in a log.
                    format!("a text of {} bytes", name.len()),
                    "the name of a secret binding: letters, digits and \"_\"; the key itself \
                     belongs into the secret",
                );
            }
        }
        if table.max_lifetime_seconds == Some(0) {
            problems.add(&place("max_lifetime_seconds"), "0", "at least 1, or no such key");
        }
        let algorithms = algorithms(&table.algorithms, &place("algorithms"), problems);
        let is_shared = |one: &Algorithm| one.family() == Family::Hmac;
        if table.keys.is_empty() && is_remote && algorithms.iter().any(is_shared) {
            problems.add(
                &place("algorithms"),
                "an HMAC algorithm without `keys`",
                "algorithms with public keys: what is published is no secret",
            );
        }
        let introspection = table
            .introspection
            .and_then(|introspection| services::introspection(at, introspection, problems));
        providers.push(Provider {
            algorithms,
            remote_keys,
            introspection,
            max_lifetime_seconds: table
                .max_lifetime_seconds
                .map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX)),
            name: table.name,
            issuer: table.issuer,
            audiences: table.audiences,
            audience_claim: table.audience_claim,
            keys: table.keys,
            token_types: table.token_types,
            required_claims: table.required_claims,
        });
    }
    let asked = providers.iter().map(|provider| provider.introspection.as_ref());
    services::only_one_is_asked_about_opaque_tokens(
        asked.enumerate().filter_map(|(at, asked)| Some((at, asked?.opaque_tokens))),
        problems,
    );
    providers
}

fn algorithms(names: &[String], place: &str, problems: &mut Problems) -> Vec<Algorithm> {
    if names.is_empty() {
        problems.add(
            place,
            "an empty list",
            "the algorithms that this issuer signs with, such as [\"RS256\"]: the token never \
             chooses",
        );
    }
    let mut algorithms = Vec::with_capacity(names.len());
    for (position, name) in names.iter().enumerate() {
        match Algorithm::from_name(name) {
            Some(algorithm) if algorithms.contains(&algorithm) => {
                problems.add(&format!("{place}[{position}]"), format!("{name} again"), "each once");
            }
            Some(algorithm) => algorithms.push(algorithm),
            None => problems.add(
                &format!("{place}[{position}]"),
                quoted(name),
                format!("one of {}", Algorithm::ALL.map(Algorithm::name).join(", ")),
            ),
        }
    }
    algorithms
}
