//! Which claims a rightly signed token may have.

use edgeward::core::denial::Reason;
use serde_json::{Value, json};

use crate::fixture::{NOW, Setup, claims_with, send_at, with_token};
use crate::native::Signer;

fn reason(setup: &Setup, changes: Value, now: i64) -> Option<Reason> {
    let token = Signer::hmac(1).token(&json!({ "alg": "HS256" }), &claims_with(changes));
    send_at(&setup.gate(), &with_token(&token), now).reason()
}

fn setup() -> Setup {
    Setup::new(&["HS256"], &Signer::hmac(1))
}

#[test]
fn each_claim_is_refused_for_its_own_reason() {
    for (changes, expected) in [
        (json!({}), None),
        (json!({ "nbf": null, "iat": null, "jti": null, "scope": null }), None),
        (json!({ "exp": NOW + 1 }), None),
        (json!({ "exp": NOW }), Some(Reason::Expired)),
        (json!({ "exp": 0 }), Some(Reason::Expired)),
        (json!({ "exp": null }), Some(Reason::MalformedTimeClaim)),
        (json!({ "exp": "1900000000" }), Some(Reason::MalformedTimeClaim)),
        (json!({ "exp": -1 }), Some(Reason::MalformedTimeClaim)),
        (json!({ "exp": i64::MAX }), Some(Reason::MalformedTimeClaim)),
        (json!({ "nbf": NOW }), None),
        (json!({ "nbf": NOW + 1 }), Some(Reason::NotYetValid)),
        (json!({ "nbf": true }), Some(Reason::MalformedTimeClaim)),
        (json!({ "iat": NOW }), None),
        (json!({ "iat": NOW + 1 }), Some(Reason::IssuedInFuture)),
        (json!({ "iat": [NOW] }), Some(Reason::MalformedTimeClaim)),
        (json!({ "aud": ["x", "api"] }), None),
        (json!({ "aud": "API" }), Some(Reason::WrongAudience)),
        (json!({ "aud": null }), Some(Reason::WrongAudience)),
        (json!({ "sub": null }), Some(Reason::MissingClaim)),
        (json!({ "sub": 7 }), Some(Reason::MissingClaim)),
        (json!({ "jti": 7 }), Some(Reason::MissingClaim)),
        (json!({ "iss": "https://issuer.example/" }), Some(Reason::UnknownIssuer)),
        (json!({ "iss": ["https://issuer.example"] }), Some(Reason::UnknownIssuer)),
        (json!({ "iss": null }), Some(Reason::UnknownIssuer)),
    ] {
        assert_eq!(reason(&setup(), changes.clone(), NOW), expected, "{changes}");
    }
}

#[test]
fn leeway_counts_for_every_time_and_ends_exactly() {
    let setup = setup().with(json!({ "clock_skew_seconds": 30 }));
    for (changes, expected) in [
        (json!({ "exp": NOW - 29 }), None),
        (json!({ "exp": NOW - 30 }), Some(Reason::Expired)),
        (json!({ "nbf": NOW + 30 }), None),
        (json!({ "nbf": NOW + 31 }), Some(Reason::NotYetValid)),
        (json!({ "iat": NOW + 30 }), None),
        (json!({ "iat": NOW + 31 }), Some(Reason::IssuedInFuture)),
    ] {
        assert_eq!(reason(&setup, changes.clone(), NOW), expected, "{changes}");
    }
}

#[test]
fn a_life_that_is_longer_than_allowed_or_unknown_is_refused() {
    let mut setup = setup();
    setup.table["providers"][0]["max_lifetime_seconds"] = 600.into();
    for (changes, expected) in [
        (json!({ "iat": NOW - 10, "exp": NOW + 590 }), None),
        (json!({ "iat": NOW - 10, "exp": NOW + 591 }), Some(Reason::LifetimeTooLong)),
        (json!({ "iat": null, "exp": NOW + 1 }), Some(Reason::LifetimeTooLong)),
        (json!({ "iat": 0, "exp": 1_i64 << 53 }), Some(Reason::LifetimeTooLong)),
    ] {
        assert_eq!(reason(&setup, changes.clone(), NOW), expected, "{changes}");
    }
}

#[test]
fn required_claims_are_found_by_path_and_null_is_absent() {
    let mut setup = setup();
    setup.table["providers"][0]["required_claims"] = json!(["org.id"]);
    for (changes, expected) in [
        (json!({ "org": { "id": 7 } }), None),
        (json!({ "org.id": "x" }), None),
        (json!({ "org": { "id": null } }), Some(Reason::MissingClaim)),
        (json!({ "org": "id" }), Some(Reason::MissingClaim)),
        (json!({}), Some(Reason::MissingClaim)),
    ] {
        assert_eq!(reason(&setup, changes.clone(), NOW), expected, "{changes}");
    }
}
