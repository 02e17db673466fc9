//! What Cognito issues.

use edgeward::core::denial::Reason;
use serde_json::{Value, json};

use super::{Vendor, issued, key_set, rsa, with};
use crate::gate::NOW;

const POOL: &str = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_ExaMPle01";
const POOL_KEYS: &str =
    "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_ExaMPle01/.well-known/jwks.json";

/// An access token of a user pool, as it is without a resource.
fn cognito_access() -> Value {
    issued(
        3_600,
        &json!({
            "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "cognito:groups": ["admins"],
            "iss": POOL,
            "version": 2,
            "client_id": "1example23456789",
            "origin_jti": "bbbbbbbb-bbbb-cccc-dddd-eeeeeeeeeeee",
            "event_id": "64f513be-32db-42b0-b78e-b02127b4f463",
            "token_use": "access",
            "scope": "openid https://api.app.example/photos.read",
            "auth_time": NOW - 5,
            "jti": "aaaaaaaa-bbbb-cccc-dddd-ffffffffffff",
            "username": "my-test-user",
        }),
    )
}

fn cognito_identity() -> Value {
    issued(
        3_600,
        &json!({
            "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "cognito:groups": ["admins"],
            "email_verified": true,
            "iss": POOL,
            "cognito:username": "my-test-user",
            "aud": "1example23456789",
            "event_id": "64f513be-32db-42b0-b78e-b02127b4f463",
            "token_use": "id",
            "auth_time": NOW - 5,
            "email": "my-test-user@example.com",
        }),
    )
}

pub(super) fn cognito() -> Vendor {
    let header = json!({ "kid": "k1", "alg": "RS256" });
    let access = cognito_access();
    let bound = with(&access, json!({ "aud": "https://api.app.example" }));
    let other_pool = json!({
        "iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_ExaMPle02",
    });
    Vendor {
        section: "Cognito",
        block: 0,
        issuers: vec![(POOL, Some(POOL_KEYS))],
        published: key_set(json!({ "alg": "RS256", "use": "sig" })),
        tokens: vec![
            rsa("as it is usual", &header, &access).told(&[
                "X-Auth-Subject\naaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
                "X-Auth-User\nmy-test-user",
                "X-Auth-Groups\nadmins",
            ]),
            rsa("bound to a resource", &header, &bound),
            rsa("of the group", &header, &access).at("/admin"),
            rsa("with the scope of the resource server", &header, &access).at("/photos"),
            rsa(
                "not of the group",
                &header,
                &with(&access, json!({ "cognito:groups": ["users"] })),
            )
            .at("/admin")
            .denied(Reason::WrongClaim),
            rsa("of another app client", &header, &with(&access, json!({ "client_id": "other" })))
                .denied(Reason::WrongAudience),
            rsa(
                "bound to another resource",
                &header,
                &with(&access, json!({ "aud": "https://other.app.example" })),
            )
            .denied(Reason::WrongAudience),
            rsa("an ID token", &header, &cognito_identity()).denied(Reason::WrongAudience),
            rsa("of another pool", &header, &with(&access, other_pool))
                .denied(Reason::UnknownIssuer),
        ],
    }
}

pub(super) fn cognito_id() -> Vendor {
    let header = json!({ "kid": "k1", "alg": "RS256" });
    let claims = cognito_identity();
    Vendor {
        block: 1,
        tokens: vec![
            rsa("an ID token", &header, &claims)
                .told(&["X-Auth-Email\nmy-test-user@example.com", "X-Auth-Groups\nadmins"]),
            rsa("an access token", &header, &cognito_access()).denied(Reason::WrongAudience),
            rsa("of another app client", &header, &with(&claims, json!({ "aud": "other" })))
                .denied(Reason::WrongAudience),
            rsa(
                "an access token that is bound to the client",
                &header,
                &with(&cognito_access(), json!({ "aud": "1example23456789" })),
            )
            .denied(Reason::WrongClaim),
        ],
        ..cognito()
    }
}
