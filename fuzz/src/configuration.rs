//! The configuration: it is good, or every message about it says where the mistake is; and no gate that comes
//! of it lets a stranger pass where no rule says so.

use edgeward::core::access::{Access, Enforcement, Requirement};
use edgeward::core::config::{Settings, admin_path_of};
use edgeward::core::request::RequestHead;
use edgeward::gate::{Bindings, Decision, Findings, Gate};

use super::fixture::{HmacAlone, NOW, jwt_keys};

/// Checks an input.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    assert!(admin_path_of(text).starts_with('/'));
    let bindings =
        Bindings { has_kv: true, has_relays: true, has_some_relays: false, has_page: true };
    let secret = |name: &str| match name {
        "ALLOW_DEGRADED_AUTH" => None,
        name if name.contains("KEYS") => Some(jwt_keys()),
        _ => Some(
            "{\"kty\":\"oct\",\"k\":\"c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldCA\"}"
                .to_owned(),
        ),
    };
    let booted = Gate::boot(text, &secret, bindings, HmacAlone);
    let settings = match (Settings::parse(text), &booted) {
        (Ok(settings), _) => settings,
        (Err(problems), booted) => {
            assert!(booted.as_ref().err() == Some(&problems));
            assert!(!problems.is_empty());
            for problem in problems {
                assert!(problem.path.starts_with("AUTH"), "{problem}");
                assert!(!problem.found.is_empty() && !problem.expected.is_empty(), "{problem}");
            }
            return;
        }
    };
    check_settings(&settings);
    assert_eq!(admin_path_of(text), settings.admin_path);
    if let Ok(gate) = booted {
        check_strangers(&gate);
    }
}

fn check_settings(settings: &Settings) {
    assert!(!settings.providers.is_empty() && settings.max_token_bytes > 0);
    for (at, provider) in settings.providers.iter().enumerate() {
        let others = &settings.providers[..at];
        assert!(others.iter().all(|other| other.issuer != provider.issuer));
        assert!(!provider.algorithms.is_empty());
        let is_asked = provider.introspection.is_some();
        assert!(!provider.keys.is_empty() || provider.remote_keys.is_some() || is_asked);
    }
    for (path, requirement) in settings.rules.iter() {
        assert!(path.starts_with('/'));
        let providers = requirement.providers.iter().flatten();
        assert!(providers.into_iter().all(|at| *at < settings.providers.len()));
        let claims = &requirement.claims;
        assert!(claims.iter().all(|one| one.claim < settings.rule_claims.len()));
    }
}

fn check_strangers(gate: &Gate<HmacAlone>) {
    let rules = &gate.settings().rules;
    let is_open = rules.iter().any(|(_, requirement)| {
        requirement.access != Access::Required || requirement.enforce == Enforcement::Shadow
    });
    for (path, _) in rules.iter().chain([("/", &Requirement::default())]) {
        let packed = format!("GET\nhttps://edge.example{path}");
        let head = RequestHead::unpack(&packed);
        let decision = gate.decide(&head, NOW * 1_000, &mut Findings::default());
        assert!(is_open || !matches!(decision, Ok(Decision::Forward(_))), "{path}");
    }
}
