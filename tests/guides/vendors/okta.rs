//! What Okta issues.

use edgeward::core::denial::Reason;
use serde_json::{Value, json};

use super::{Vendor, issued, key_set, rsa, with};

fn okta_claims() -> Value {
    issued(
        3_600,
        &json!({
            "ver": 1,
            "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
            "iss": "https://example.okta.com/oauth2/default",
            "aud": "api://default",
            "sub": "00ujmkLgagxeRrAg20g3",
            "cid": "nmdP1fcyvdVO11AL7ECm",
            "uid": "00ujmkLgagxeRrAg20g3",
            "scp": ["openid", "email", "flights", "custom"],
            "custom_claim": "CustomValue",
        }),
    )
}

pub(super) fn okta() -> Vendor {
    let header = json!({ "alg": "RS256", "kid": "k1" });
    let claims = okta_claims();
    Vendor {
        section: "Okta",
        block: 0,
        issuers: vec![(
            "https://example.okta.com/oauth2/default",
            Some("https://example.okta.com/oauth2/default/.well-known/openid-configuration"),
        )],
        published: key_set(json!({ "alg": "RS256", "use": "sig" })),
        tokens: vec![
            rsa("as documented", &header, &claims).at("/flights").told(&[
                "X-Auth-Subject\n00ujmkLgagxeRrAg20g3",
                "X-Auth-Scope\nopenid email flights custom",
                "X-Auth-Client\nnmdP1fcyvdVO11AL7ECm",
            ]),
            rsa("without the scope", &header, &with(&claims, json!({ "scp": ["openid"] })))
                .at("/flights")
                .denied(Reason::MissingScope),
            rsa(
                "of the org authorization server",
                &header,
                &with(&claims, json!({ "iss": "https://example.okta.com" })),
            )
            .denied(Reason::UnknownIssuer),
            rsa("an ID token", &header, &with(&claims, json!({ "aud": "nmdP1fcyvdVO11AL7ECm" })))
                .denied(Reason::WrongAudience),
        ],
    }
}

pub(super) fn okta_introspected() -> Vendor {
    let header = json!({ "alg": "RS256", "kid": "k1" });
    Vendor {
        block: 1,
        tokens: vec![
            rsa("active", &header, &okta_claims()).at("/flights"),
            rsa("that Okta has revoked", &header, &okta_claims()).inactive(),
        ],
        ..okta()
    }
}
