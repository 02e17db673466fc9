//! The part of the table about what each path asks for.

use super::super::Provider;
use super::super::read::{self, ClaimValue};
use super::{Problems, positions, small, within};
use crate::core::access::{Access, ClaimRequirement, Enforcement, Requirement, Scalar, Upgrades};
use crate::core::problem::quoted;
use crate::core::rules::{Match, RuleTable};

pub(super) fn rules(
    tables: Vec<read::Rule>,
    providers: &[Provider],
    rule_claims: &mut Vec<String>,
    problems: &mut Problems,
) -> Option<RuleTable<Requirement>> {
    let mut rules = Vec::with_capacity(tables.len());
    for (at, table) in tables.into_iter().enumerate() {
        let requirement = requirement(&table, at, providers, rule_claims, problems);
        let read::Rule { path, methods, hosts, .. } = table;
        rules.push((Match { path, methods, hosts }, requirement));
    }
    match RuleTable::build(rules) {
        Ok(table) => Some(table),
        Err(errors) => {
            for error in errors {
                problems.add(&error.key(), error.found(), error.expected());
            }
            None
        }
    }
}

/// Less than a frame is of no use, and more than this no isolate has for one of its sockets.
const BUFFERED_BYTES: std::ops::RangeInclusive<u64> = 4_096..=33_554_432;

fn requirement(
    table: &read::Rule,
    at: usize,
    providers: &[Provider],
    rule_claims: &mut Vec<String>,
    problems: &mut Problems,
) -> Requirement {
    let place = |key: &str| format!("rules[{at}].{key}");
    let asks_for_identity = table.providers.is_some()
        || table.scopes_all.is_some()
        || table.scopes_any.is_some()
        || !table.claims.is_empty()
        || table.on_outage.is_some()
        || table.revocation.is_some();
    if table.access == read::Access::Public && asks_for_identity {
        problems.add(
            &place("access"),
            "\"public\" together with providers, scopes, claims, on_outage or revocation",
            "\"required\" or \"optional\" where a token is to be checked, or \"public\" alone",
        );
    }
    if table.access == read::Access::Public && table.enforce == Enforcement::Shadow {
        problems.add(
            &place("enforce"),
            "\"shadow\" with access = \"public\"",
            "nothing here: a public rule refuses nobody",
        );
    }
    let scopes_all = some_of(table.scopes_all.as_deref(), &place("scopes_all"), problems);
    let scopes_any = some_of(table.scopes_any.as_deref(), &place("scopes_any"), problems);
    let names = some_of(table.providers.as_deref(), &place("providers"), problems);
    for (key, scopes) in [("scopes_all", &scopes_all), ("scopes_any", &scopes_any)] {
        for (position, scope) in scopes.iter().enumerate() {
            if !is_scope(scope) {
                problems.add(
                    &format!("rules[{at}].{key}[{position}]"),
                    quoted(scope),
                    "one scope: visible ASCII without space, \" and \\ (RFC 6749 section 3.3)",
                );
            }
        }
    }
    let accepted = positions(&names, providers, &place("providers"), problems);
    let mut claims = Vec::with_capacity(table.claims.len());
    for (path, values) in &table.claims {
        if path.is_empty() || path.len() > 256 || values.is_empty() {
            problems.add(
                &format!("rules[{at}].claims.{path}"),
                if values.is_empty() { "an empty list" } else { "a claim without a usable name" },
                "the name of a claim of at most 256 bytes and at least one accepted value",
            );
        }
        let claim = rule_claims.iter().position(|known| known == path).unwrap_or_else(|| {
            rule_claims.push(path.clone());
            rule_claims.len() - 1
        });
        let any_of = values
            .iter()
            .map(|value| match value {
                ClaimValue::Text(text) => Scalar::Text(text.clone()),
                ClaimValue::Integer(value) => Scalar::Integer(*value),
                ClaimValue::Bool(value) => Scalar::Bool(*value),
            })
            .collect();
        claims.push(ClaimRequirement { claim, any_of });
    }
    if let Some(bytes) = table.max_buffered_bytes {
        within(bytes, &BUFFERED_BYTES, &place("max_buffered_bytes"), problems);
        if table.websocket == Some(Upgrades::Handshake) {
            problems.add(
                &place("max_buffered_bytes"),
                bytes.to_string(),
                "nothing with websocket = \"handshake\": the runtime pumps by itself then",
            );
        }
    }
    Requirement {
        access: match table.access {
            read::Access::Public => Access::Public,
            read::Access::Optional => Access::Optional,
            read::Access::Required => Access::Required,
        },
        enforce: table.enforce,
        providers: table.providers.is_some().then_some(accepted),
        scopes_all,
        scopes_any,
        claims,
        on_outage: table.on_outage,
        revocation: table.revocation.unwrap_or_default(),
        websocket: table.websocket.unwrap_or_default(),
        max_buffered_bytes: table.max_buffered_bytes.map(small),
    }
}

/// A list that may be absent, but asks for nothing if it is empty, which no one can mean.
fn some_of(list: Option<&[String]>, place: &str, problems: &mut Problems) -> Vec<String> {
    if list.is_some_and(<[String]>::is_empty) {
        problems.add(place, "an empty list", "at least one value, or no such key");
    }
    list.unwrap_or_default().to_vec()
}

fn is_scope(text: &str) -> bool {
    let is_scope_byte = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
    !text.is_empty() && text.bytes().all(is_scope_byte)
}
