//! docs/providers.md: each configuration accepts what its provider issues, and nothing of its neighbours.

use std::collections::BTreeSet;

use edgeward::core::config::KeySetLocation;
use edgeward::core::denial::Reason;

use crate::document::{Section, sections};
use crate::gate::{Guarded, Outcome, boot, own_secrets};
use crate::vendors::{self, Expected, LEGACY_SECRET, Vendor};

const GUIDE: &str = "providers.md";

/// Sections that are about no provider.
const GENERAL: [&str; 2] = ["Before you start", "At a glance"];

const PROVIDERS: [&str; 9] = [
    "Auth0",
    "Okta",
    "Entra ID",
    "Cognito",
    "Firebase",
    "Keycloak",
    "Clerk",
    "Supabase",
    "Cloudflare Access",
];

fn of_providers() -> Vec<Section> {
    let mut sections = sections(GUIDE);
    sections.retain(|section| !GENERAL.contains(&section.title.as_str()));
    sections
}

fn guarded(sections: &[Section], vendor: &Vendor) -> Guarded {
    let section = sections.iter().find(|section| section.title == vendor.section).unwrap();
    let mut secrets = own_secrets();
    secrets.insert("SUPABASE_JWT_SECRET", LEGACY_SECRET.to_owned());
    let block = &section.configurations()[vendor.block];
    let gate = boot(block, &secrets)
        .unwrap_or_else(|problems| panic!("{} {}: {problems:#?}", vendor.section, vendor.block));
    let published = vec![vendor.published.clone(); vendor.issuers.len()];
    Guarded { gate, published, verdict: serde_json::Value::Null }
}

#[test]
fn every_provider_has_a_configuration_and_every_configuration_has_tokens() {
    let sections = of_providers();
    let titles: Vec<_> = sections.iter().map(|section| section.title.as_str()).collect();
    assert_eq!(titles, PROVIDERS);
    let mut in_guide = BTreeSet::new();
    for section in &sections {
        let blocks = section.configurations().len();
        assert!(blocks > 0, "{}: no configuration", section.title);
        in_guide.extend((0..blocks).map(|block| (section.title.as_str(), block)));
    }
    let vendors = vendors::all();
    let in_test: BTreeSet<_> =
        vendors.iter().map(|vendor| (vendor.section, vendor.block)).collect();
    assert_eq!(in_guide, in_test);
    for vendor in &vendors {
        let passes = |expected: &Expected| matches!(expected, Expected::Permitted(_));
        let what = format!("{} {}", vendor.section, vendor.block);
        assert!(vendor.tokens.iter().any(|token| passes(&token.expected)), "{what}: none passes");
    }
    for provider in PROVIDERS {
        let tokens =
            || vendors.iter().filter(|one| one.section == provider).flat_map(|one| &one.tokens);
        for reason in [Reason::UnknownIssuer, Reason::WrongAudience] {
            let is_one =
                |expected: &Expected| matches!(expected, Expected::Denied(it) if *it == reason);
            assert!(
                tokens().any(|token| is_one(&token.expected)),
                "{provider}: no {}",
                reason.name()
            );
        }
    }
}

#[test]
fn every_configuration_boots_without_a_warning() {
    let sections = of_providers();
    for vendor in vendors::all() {
        let guarded = guarded(&sections, &vendor);
        let warnings = &guarded.gate.report().warnings;
        // The guide says so.
        let is_legacy = vendor.section == "Supabase" && vendor.block == 1;
        let expected = is_legacy.then_some(
            "SUPABASE_JWT_SECRET: the secret could be base64 of 64 bytes, but its characters are used \
             as they are; put base64: before it if the decoded bytes are the key",
        );
        assert_eq!(
            warnings.iter().map(String::as_str).collect::<Vec<_>>(),
            expected.into_iter().collect::<Vec<_>>(),
            "{} {}",
            vendor.section,
            vendor.block
        );
    }
}

#[test]
fn issuers_and_their_keys_are_where_the_vendor_has_them() {
    let sections = of_providers();
    for vendor in vendors::all() {
        let guarded = guarded(&sections, &vendor);
        let found: Vec<_> = guarded
            .gate
            .settings()
            .providers
            .iter()
            .map(|provider| {
                let keys = provider.remote_keys.as_ref().map(|keys| match &keys.location {
                    KeySetLocation::Url(url) | KeySetLocation::Discovery(url) => url.as_str(),
                });
                (provider.issuer.as_str(), keys)
            })
            .collect();
        assert_eq!(found, vendor.issuers, "{} {}", vendor.section, vendor.block);
    }
}

#[test]
fn tokens_as_documented_pass_and_others_are_refused_for_the_reason_that_the_guide_names() {
    let sections = of_providers();
    for vendor in vendors::all() {
        for token in &vendor.tokens {
            let what = format!("{} {}: {}", vendor.section, vendor.block, token.what);
            // A gate of its own, since each remembers what it was told about a token.
            let guarded = Guarded { verdict: token.verdict.clone(), ..guarded(&sections, &vendor) };
            let path = token.path;
            let packed =
                format!("GET\nhttps://app.example{path}\n{}{}", token.carried, token.token);
            match (guarded.send(&packed), &token.expected) {
                (Outcome::Permitted(edits), Expected::Permitted(lines)) => {
                    for line in *lines {
                        assert!(
                            edits.contains(&format!("\n{line}\n")),
                            "{what}: {line} in {edits}"
                        );
                    }
                    assert!(edits.contains("\nx-auth-assertion\n"), "{what}: {edits}");
                    assert!(!edits.contains(&token.token), "{what}: the token goes to the origin");
                }
                (Outcome::Denied(found), Expected::Denied(reason)) => {
                    assert_eq!(found, *reason, "{what}");
                }
                (outcome, Expected::Permitted(_)) => panic!("{what}: {outcome:?}"),
                (outcome, Expected::Denied(reason)) => {
                    panic!("{what}: {outcome:?} and not {}", reason.name())
                }
            }
        }
    }
}

#[test]
fn every_reason_that_the_guide_explains_exists() {
    let names: BTreeSet<_> = Reason::ALL.into_iter().map(Reason::name).collect();
    for section in of_providers() {
        let table = section.table("reason").unwrap_or_else(|| panic!("{}", section.title));
        for row in &table.rows {
            assert!(names.contains(row[0].as_str()), "{}: {}", section.title, row[0]);
        }
    }
}
