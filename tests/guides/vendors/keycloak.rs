//! What Keycloak issues.

use edgeward::core::denial::Reason;
use serde_json::{Value, json};

use super::{Presented, RSA, Vendor, issued, rsa, with};

fn keycloak_claims() -> Value {
    issued(
        300,
        &json!({
            "jti": "onrtac:6a1b6a8e-4a3f-4b0e-9d38-8a7c3c1f7e55",
            "iss": "https://sso.app.example/realms/example",
            "aud": ["example-api", "account"],
            "sub": "f:7d1c2b62-1111-4222-8333-944455556666",
            "typ": "Bearer",
            "azp": "frontend-client",
            "sid": "0d0a4bd2-9c3c-4d68-8b5c-2f1a7a0e5a11",
            "acr": "1",
            "realm_access": { "roles": ["offline_access", "admin"] },
            "resource_access": { "example-api": { "roles": ["orders-read"] } },
            "scope": "openid email profile",
            "email_verified": true,
            "preferred_username": "john",
        }),
    )
}

pub(super) fn keycloak() -> Vendor {
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" });
    let at_jwt = json!({ "alg": "RS256", "typ": "at+jwt", "kid": "k1" });
    let claims = keycloak_claims();
    let identity = with(&claims, json!({ "typ": "ID", "aud": "frontend-client" }));
    Vendor {
        section: "Keycloak",
        block: 0,
        issuers: vec![(
            "https://sso.app.example/realms/example",
            Some("https://sso.app.example/realms/example/.well-known/openid-configuration"),
        )],
        // Its set has a key for encryption, too.
        published: json!({ "keys": [
            with(&RSA.jwk("enc"), json!({ "alg": "RSA-OAEP", "use": "enc" })),
            with(&RSA.jwk("k1"), json!({ "alg": "RS256", "use": "sig", "x5c": ["MIIC"], "x5t": "a" })),
        ] }),
        tokens: vec![
            rsa("an access token", &header, &claims)
                .told(&["X-Auth-User\njohn", "X-Auth-Roles\noffline_access,admin"]),
            rsa("with the header type of RFC 9068", &at_jwt, &claims),
            rsa("of the realm's role", &header, &claims).at("/admin"),
            rsa("of the client's role", &header, &claims).at("/orders"),
            rsa(
                "without the role",
                &header,
                &with(&claims, json!({ "realm_access": { "roles": [] } })),
            )
            .at("/admin")
            .denied(Reason::WrongClaim),
            rsa("without an audience mapper", &header, &with(&claims, json!({ "aud": "account" })))
                .denied(Reason::WrongAudience),
            rsa("an ID token", &header, &identity).denied(Reason::WrongAudience),
            rsa(
                "an ID token of the API's own client",
                &header,
                &with(&identity, json!({ "aud": "example-api" })),
            )
            .denied(Reason::WrongClaim),
            rsa("that is bound to a key", &header, &with(&claims, json!({ "typ": "DPoP" })))
                .denied(Reason::WrongClaim),
            rsa(
                "of another realm",
                &header,
                &with(&claims, json!({ "iss": "https://sso.app.example/realms/master" })),
            )
            .denied(Reason::UnknownIssuer),
        ],
    }
}

pub(super) fn keycloak_introspected() -> Vendor {
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" });
    // What a lightweight access token leaves out, the answer has.
    let light = with(&keycloak_claims(), json!({ "realm_access": null, "resource_access": null }));
    let answer = json!({ "active": true, "realm_access": { "roles": ["admin"] } });
    Vendor {
        block: 1,
        tokens: vec![
            rsa("active", &header, &keycloak_claims()),
            Presented { verdict: answer, ..rsa("lightweight", &header, &light).at("/admin") },
            rsa("of a session that was ended", &header, &keycloak_claims()).inactive(),
        ],
        ..keycloak()
    }
}
