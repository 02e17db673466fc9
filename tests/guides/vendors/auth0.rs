//! What Auth0 issues.

use edgeward::core::denial::Reason;
use serde_json::json;

use super::{LEGACY, Vendor, issued, key_set, presented, rsa, with};

pub(super) fn auth0() -> Vendor {
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" });
    let claims = issued(
        86_400,
        &json!({
            "iss": "https://example.eu.auth0.com/",
            "sub": "auth0|123456",
            "aud": ["https://api.app.example", "https://example.eu.auth0.com/userinfo"],
            "azp": "my_client_id",
            "scope": "openid profile read:reports",
            "permissions": ["manage:all"],
        }),
    );
    let rfc9068 = with(
        &claims,
        json!({ "azp": null, "client_id": "my_client_id", "jti": "73WakrfVbNJBaAmhQtEeDv" }),
    );
    let at_jwt = json!({ "alg": "RS256", "typ": "at+jwt", "kid": "k1" });
    let told: &[&str] =
        &["X-Auth-Subject\nauth0|123456", "X-Auth-Scope\nopenid profile read:reports"];
    Vendor {
        section: "Auth0",
        block: 0,
        issuers: vec![(
            "https://example.eu.auth0.com/",
            Some("https://example.eu.auth0.com/.well-known/jwks.json"),
        )],
        published: key_set(json!({ "alg": "RS256", "use": "sig", "x5t": "k1", "x5c": ["MIIC"] })),
        tokens: vec![
            rsa("of the Auth0 profile", &header, &claims).at("/reports").told(told),
            rsa("of the RFC 9068 profile", &at_jwt, &rfc9068).told(told),
            rsa("with the permission", &header, &claims).at("/admin"),
            rsa("without RBAC", &header, &with(&claims, json!({ "permissions": null })))
                .at("/admin")
                .denied(Reason::WrongClaim),
            rsa("without the scope", &header, &with(&claims, json!({ "scope": "openid" })))
                .at("/reports")
                .denied(Reason::MissingScope),
            rsa(
                "of another tenant",
                &header,
                &with(&claims, json!({ "iss": "https://other.eu.auth0.com/" })),
            )
            .denied(Reason::UnknownIssuer),
            rsa(
                "of an issuer without the slash",
                &header,
                &with(&claims, json!({ "iss": "https://example.eu.auth0.com" })),
            )
            .denied(Reason::UnknownIssuer),
            rsa("for another API", &header, &with(&claims, json!({ "aud": "https://b.example" })))
                .denied(Reason::WrongAudience),
            rsa("an ID token", &header, &with(&claims, json!({ "aud": "my_client_id" })))
                .denied(Reason::WrongAudience),
            presented("an opaque token", "5ErMjqCsCy1F0rnVWsLXnEMBV2KXmnnR".to_owned())
                .denied(Reason::MalformedToken),
            presented(
                "of an API that is set to HS256",
                LEGACY.token(&json!({ "alg": "HS256", "typ": "JWT" }), &claims),
            )
            .denied(Reason::AlgorithmNotAllowed),
        ],
    }
}
