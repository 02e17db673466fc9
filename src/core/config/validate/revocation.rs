//! The part of the table about revocations.

use super::super::{Provider, Revocation, RevocationClient, read};
use super::{Problems, TIMEOUT_MS, check_binding, positions, seconds, small, within};

/// More often than once a second nobody can be told that anything has changed; less often than every
/// minute is no revocation.
const REFRESH_SECONDS: std::ops::RangeInclusive<u64> = 1..=60;
/// An hour: whoever takes a longer bound does not want one.
const MOST_STALENESS_SECONDS: u64 = 3_600;
/// From the life of a short token to a year.
const RETENTION_SECONDS: std::ops::RangeInclusive<u64> = 3_600..=31_536_000;
/// Each is told of every revocation.
const RELAYS: std::ops::RangeInclusive<u64> = 1..=16;

pub(super) fn revocation(
    table: Option<read::Revocation>,
    all: &[Provider],
    problems: &mut Problems,
) -> Revocation {
    let is_asked_for = table.is_some();
    let table = table.unwrap_or_default();
    let place = |key: &str| format!("revocation.{key}");
    within(table.refresh_seconds, &REFRESH_SECONDS, &place("refresh_seconds"), problems);
    // What a relay answers may be as old as this, a list is refreshed as often, and that may fail once.
    let least = table.refresh_seconds.saturating_mul(3).saturating_add(1);
    let staleness = least..=MOST_STALENESS_SECONDS;
    let key = place("max_staleness_seconds");
    within(table.max_staleness_seconds, &staleness, &key, problems);
    within(table.retention_seconds, &RETENTION_SECONDS, &place("retention_seconds"), problems);
    within(table.relays_per_region, &RELAYS, &place("relays_per_region"), problems);
    within(table.timeout_ms, &TIMEOUT_MS, &place("timeout_ms"), problems);
    let mut clients: Vec<RevocationClient> = Vec::with_capacity(table.clients.len());
    for (at, client) in table.clients.into_iter().enumerate() {
        let place = |key: &str| format!("revocation.clients[{at}].{key}");
        let read::RevocationClient { client_id, client_secret, providers } = client;
        check_binding(&client_secret, &place("client_secret"), problems);
        if client_id.is_empty() {
            problems.add(&place("client_id"), "an empty text", "the `client_id` of its tokens");
        } else if clients.iter().any(|other| other.client_id == client_id) {
            problems.add(&place("client_id"), "one that was named before", "each client once");
        }
        if providers.is_none() && all.len() > 1 {
            let expected =
                "whose tokens it may revoke: another issuer can have a client of this name";
            problems.add(&place("providers"), "nothing", expected);
        }
        let providers =
            providers.map(|names| positions(&names, all, &place("providers"), problems));
        clients.push(RevocationClient { client_id, client_secret, providers });
    }
    Revocation {
        is_asked_for,
        refresh_seconds: seconds(table.refresh_seconds),
        max_staleness_seconds: seconds(table.max_staleness_seconds),
        on_stale: table.on_stale,
        retention_seconds: seconds(table.retention_seconds),
        relays_per_region: small(table.relays_per_region),
        timeout_ms: small(table.timeout_ms),
        clients,
    }
}
