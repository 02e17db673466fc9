//! What Firebase issues.

use edgeward::core::denial::Reason;
use serde_json::json;

use super::{Vendor, issued, key_set, presented, rsa, with};
use crate::gate::NOW;
use crate::native::encode;

pub(super) fn firebase() -> Vendor {
    let header = json!({ "alg": "RS256", "kid": "k1", "typ": "JWT" });
    let claims = issued(
        3_600,
        &json!({
            "iss": "https://securetoken.google.com/example-project",
            "aud": "example-project",
            "auth_time": NOW - 5,
            "user_id": "ZVmB4vQ5sXM0W2",
            "sub": "ZVmB4vQ5sXM0W2",
            "email": "user@example.com",
            "email_verified": true,
            "firebase": {
                "identities": { "email": ["user@example.com"] }, "sign_in_provider": "password",
            },
        }),
    );
    let unsigned = json!({ "alg": "none", "typ": "JWT" });
    let unsigned = format!(
        "{}.{}.",
        encode(unsigned.to_string().as_bytes()),
        encode(claims.to_string().as_bytes())
    );
    let custom = json!({
        "iss": "firebase-adminsdk@example-project.iam.gserviceaccount.com",
        "aud": "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit",
        "uid": "ZVmB4vQ5sXM0W2",
    });
    Vendor {
        section: "Firebase",
        block: 0,
        issuers: vec![(
            "https://securetoken.google.com/example-project",
            Some(
                "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
            ),
        )],
        published: key_set(json!({ "alg": "RS256", "use": "sig" })),
        tokens: vec![
            rsa("an ID token", &header, &claims).at("/members").told(&[
                "X-Auth-Subject\nZVmB4vQ5sXM0W2",
                "X-Auth-Email\nuser@example.com",
                "X-Auth-Sign-In\npassword",
            ]),
            rsa("with a custom claim", &header, &with(&claims, json!({ "admin": true })))
                .at("/admin"),
            rsa("without it", &header, &claims).at("/admin").denied(Reason::WrongClaim),
            rsa(
                "of another project, by the same keys",
                &header,
                &with(
                    &claims,
                    json!({ "iss": "https://securetoken.google.com/other", "aud": "other" }),
                ),
            )
            .denied(Reason::UnknownIssuer),
            rsa("for another project", &header, &with(&claims, json!({ "aud": "other" })))
                .denied(Reason::WrongAudience),
            rsa("a custom token", &header, &with(&claims, custom)).denied(Reason::UnknownIssuer),
            presented("of the emulator", unsigned).denied(Reason::AlgorithmNotAllowed),
            rsa("without auth_time", &header, &with(&claims, json!({ "auth_time": null })))
                .denied(Reason::MissingClaim),
        ],
    }
}
