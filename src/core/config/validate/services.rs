//! The part of the table about what is fetched from an issuer: its keys, and its word on a token.

use super::super::read;
use super::super::{ClientAuthentication, Introspection, KeySetLocation, OpaqueTokens, RemoteKeys};
use super::{Problems, TIMEOUT_MS, check_binding, is_web_origin, seconds, small, within};
use crate::core::problem::quoted;

/// A set that is fetched more often would be a load on the issuer, less often no rotation.
const REFRESH_SECONDS: std::ops::RangeInclusive<u64> = 10..=86_400;
/// Shorter would let invented key identifiers make us ask at will, longer would make a key that was
/// not published ahead unusable for long.
const COOLDOWN_SECONDS: std::ops::RangeInclusive<u64> = 1..=300;
/// A day: whoever wants an answer to count for longer does not want to ask.
const MOST_CACHE_SECONDS: u64 = 86_400;
/// Thirty days: no outage lasts longer.
const MOST_STALE_SECONDS: u64 = 2_592_000;

/// Where the keys of a provider are published. `at` is its position.
pub(super) fn remote_keys(
    at: usize,
    table: &read::Provider,
    problems: &mut Problems,
) -> Option<RemoteKeys> {
    let place = |key: &str| format!("providers[{at}].{key}");
    let location = match (&table.jwks_uri, table.discovery) {
        (None, false) => {
            if table.jwks.is_some() {
                let expected = "no such table without `jwks_uri` or `discovery = true`";
                problems.add(&place("jwks"), "a table", expected);
            }
            return None;
        }
        (Some(_), true) => {
            let expected = "either `jwks_uri` or `discovery = true`: discovery finds the set";
            problems.add(&place("discovery"), "true, beside jwks_uri", expected);
            return None;
        }
        (Some(url), false) => {
            check_url(url, &place("jwks_uri"), problems);
            KeySetLocation::Url(url.clone())
        }
        (None, true) => {
            if !is_service_url(&table.issuer) || table.issuer.contains('?') {
                problems.add(
                    &place("discovery"),
                    format!("true, with the issuer {}", quoted(&table.issuer)),
                    "an issuer that is an https URL, or `jwks_uri`",
                );
            }
            let issuer = table.issuer.strip_suffix('/').unwrap_or(&table.issuer);
            KeySetLocation::Discovery(format!("{issuer}/.well-known/openid-configuration"))
        }
    };
    let default = read::Jwks::default();
    let kept = table.jwks.as_ref().unwrap_or(&default);
    within(kept.refresh_seconds, &REFRESH_SECONDS, &place("jwks.refresh_seconds"), problems);
    within(
        kept.max_stale_seconds,
        &(kept.refresh_seconds..=MOST_STALE_SECONDS),
        &place("jwks.max_stale_seconds"),
        problems,
    );
    within(kept.timeout_ms, &TIMEOUT_MS, &place("jwks.timeout_ms"), problems);
    let cooldown = place("jwks.cooldown_seconds");
    within(kept.cooldown_seconds, &COOLDOWN_SECONDS, &cooldown, problems);
    Some(RemoteKeys {
        location,
        refresh_seconds: seconds(kept.refresh_seconds),
        max_stale_seconds: seconds(kept.max_stale_seconds),
        timeout_ms: small(kept.timeout_ms),
        cooldown_seconds: seconds(kept.cooldown_seconds),
    })
}

/// The endpoint that says whether a token of a provider is active. `at` is its position.
pub(super) fn introspection(
    at: usize,
    table: read::Introspection,
    problems: &mut Problems,
) -> Option<Introspection> {
    let place = |key: &str| format!("providers[{at}].introspection.{key}");
    check_url(&table.url, &place("url"), problems);
    if table.client_id.is_empty() {
        problems.add(&place("client_id"), "an empty text", "who the gate is to the auth service");
    }
    let authentication = match (table.client_secret, table.client_key) {
        (Some(secret), None) => {
            check_binding(&secret, &place("client_secret"), problems);
            Some(ClientAuthentication::Secret(secret))
        }
        (None, Some(key)) => {
            check_binding(&key, &place("client_key"), problems);
            Some(ClientAuthentication::PrivateKey(key))
        }
        (secret, _) => {
            problems.add(
                &place("client_secret"),
                if secret.is_some() { "a value, beside client_key" } else { "nothing" },
                "the name of the secret with the password (client_secret_basic), or client_key \
                 with the name of the one with the private JWK (private_key_jwt), and not both",
            );
            None
        }
    };
    within(table.timeout_ms, &TIMEOUT_MS, &place("timeout_ms"), problems);
    within(table.degrade_after_ms, &(1..=table.timeout_ms), &place("degrade_after_ms"), problems);
    within(table.cache_seconds, &(0..=MOST_CACHE_SECONDS), &place("cache_seconds"), problems);
    within(
        table.max_stale_seconds,
        &(table.cache_seconds..=MOST_STALE_SECONDS),
        &place("max_stale_seconds"),
        problems,
    );
    Some(Introspection {
        url: table.url,
        client_id: table.client_id,
        authentication: authentication?,
        timeout_ms: small(table.timeout_ms),
        degrade_after_ms: small(table.degrade_after_ms),
        on_outage: table.on_outage,
        cache_seconds: seconds(table.cache_seconds),
        max_stale_seconds: seconds(table.max_stale_seconds),
        opaque_tokens: table.opaque_tokens,
    })
}

/// No token says whose it is if nobody but the issuer can read it.
pub(super) fn only_one_is_asked_about_opaque_tokens(
    services: impl Iterator<Item = (usize, OpaqueTokens)>,
    problems: &mut Problems,
) {
    let asked = services.filter(|(_, opaque)| *opaque != OpaqueTokens::Refuse);
    for (at, _) in asked.skip(1) {
        problems.add(
            &format!("providers[{at}].introspection.opaque_tokens"),
            "a second provider that accepts opaque tokens",
            "one: an opaque token does not say who issued it",
        );
    }
}

fn check_url(url: &str, place: &str, problems: &mut Problems) {
    if !is_service_url(url) {
        // What stands before an `@` may be a password.
        let found =
            if url.contains('@') { "a URL with user information".to_owned() } else { quoted(url) };
        problems.add(
            place,
            found,
            "an absolute https URL without fragment (http only for 127.0.0.1, [::1] and localhost)",
        );
    }
}

/// Whether a URL can be asked without anyone listening: https, or a port of this machine.
pub(in crate::core) fn is_service_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let Some((authority, target)) = rest.split_at_checked(end) else { return false };
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, port)| if port.contains(']') { authority } else { host });
    let is_private = match scheme {
        "https" => true,
        "http" => ["127.0.0.1", "[::1]", "localhost"].contains(&host),
        _ => false,
    };
    is_private
        && is_web_origin(&format!("{scheme}://{authority}"))
        && target.bytes().all(|byte| byte.is_ascii_graphic() && !b"#\\\"<>^`{|}".contains(&byte))
}
