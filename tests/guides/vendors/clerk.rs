//! What Clerk issues.

use edgeward::core::denial::Reason;
use serde_json::json;

use super::{Vendor, issued, key_set, rsa, with};
use crate::gate::NOW;

pub(super) fn clerk() -> Vendor {
    let header = json!({ "alg": "RS256", "kid": "k1", "typ": "JWT" });
    let default = issued(
        60,
        &json!({
            "azp": "https://app.example",
            "fva": [7, -1],
            "iss": "https://clerk.app.example",
            "jti": "10db7f531a90cb2faea4",
            "nbf": NOW - 15,
            "o": { "id": "org_123", "slg": "org-slug", "rol": "admin", "per": "read,manage", "fpm": "3,2" },
            "sid": "sess_123",
            "sub": "user_123",
            "v": 2,
        }),
    );
    let claims = &default;
    let customized = with(&default, json!({ "aud": "https://app.example" }));
    Vendor {
        section: "Clerk",
        block: 0,
        issuers: vec![(
            "https://clerk.app.example",
            Some("https://clerk.app.example/.well-known/jwks.json"),
        )],
        published: key_set(json!({ "alg": "RS256", "use": "sig" })),
        tokens: vec![
            rsa("as it is usual", &header, claims).told(&[
                "X-Auth-Subject\nuser_123",
                "X-Auth-Session\nsess_123",
                "X-Auth-Organization\norg_123",
            ]),
            rsa("customized", &header, &customized),
            rsa("without typ", &json!({ "alg": "RS256", "kid": "k1" }), claims),
            rsa("of an administrator", &header, claims).at("/admin"),
            rsa("of nobody's organization", &header, &with(claims, json!({ "o": null })))
                .at("/admin")
                .denied(Reason::WrongClaim),
            rsa(
                "with an aud of somebody else",
                &header,
                &with(&default, json!({ "aud": "other" })),
            )
            .denied(Reason::WrongAudience),
            rsa("without azp", &header, &with(&default, json!({ "azp": null })))
                .denied(Reason::WrongAudience),
            rsa(
                "of another page",
                &header,
                &with(claims, json!({ "azp": "https://preview.app.example" })),
            )
            .denied(Reason::WrongAudience),
            rsa(
                "of the development instance",
                &header,
                &with(claims, json!({ "iss": "https://clean-mayfly-62.clerk.accounts.dev" })),
            )
            .denied(Reason::UnknownIssuer),
            rsa("of a template, without sid", &header, &with(claims, json!({ "sid": null })))
                .denied(Reason::MissingClaim),
            rsa(
                "that was kept",
                &header,
                &with(claims, json!({ "iat": NOW - 100, "exp": NOW - 40 })),
            )
            .denied(Reason::Expired),
            rsa("in the cookie, which is no source", &header, claims)
                .carried("cookie\n__session=")
                .denied(Reason::NoCredentials),
        ],
    }
}
