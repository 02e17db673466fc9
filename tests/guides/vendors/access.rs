//! What Cloudflare Access issues.

use edgeward::core::denial::Reason;
use serde_json::{Value, json};

use super::{Vendor, issued, key_set, rsa, with};
use crate::gate::NOW;

pub(super) fn access() -> Vendor {
    const HEADER: &str = "cf-access-jwt-assertion\n";
    let header = json!({ "alg": "RS256", "kid": "k1", "typ": "JWT" });
    let bare = json!({ "alg": "RS256", "kid": "k1" });
    let claims = issued(
        86_400,
        &json!({
            "aud": ["32eafc7626e974616deaf0dc3ce63d7bcbed58a2731e84d06bc3cdf1b53c4228"],
            "email": "user@example.com",
            "nbf": NOW - 5,
            "iss": "https://example.cloudflareaccess.com",
            "type": "app",
            "identity_nonce": "6ei69kawdKzMIAPF",
            "sub": "7335d417-61da-459d-899c-0a01c76a2f94",
            "country": "US",
        }),
    );
    let service = issued(
        86_400,
        &json!({
            "type": "app",
            "aud": ["32eafc7626e974616deaf0dc3ce63d7bcbed58a2731e84d06bc3cdf1b53c4228"],
            "iss": "https://example.cloudflareaccess.com",
            "common_name": "e367826f93b8d71185e03fe518aff3b4.access",
            "sub": "",
        }),
    );
    let published = with(
        &key_set(json!({ "alg": "RS256", "use": "sig" })),
        json!({ "public_cert": { "kid": "k1", "cert": "-----" }, "public_certs": [] }),
    );
    let carried = |what, header: &Value, claims: &Value| rsa(what, header, claims).carried(HEADER);
    Vendor {
        section: "Cloudflare Access",
        block: 0,
        issuers: vec![(
            "https://example.cloudflareaccess.com",
            Some("https://example.cloudflareaccess.com/cdn-cgi/access/certs"),
        )],
        published,
        tokens: vec![
            carried("of a user", &header, &claims).told(&[
                "X-Auth-Subject\n7335d417-61da-459d-899c-0a01c76a2f94",
                "X-Auth-Email\nuser@example.com",
            ]),
            carried("without typ", &bare, &claims),
            carried("of a service", &header, &service)
                .told(&["X-Auth-Client\ne367826f93b8d71185e03fe518aff3b4.access"]),
            carried(
                "of a session and no application",
                &header,
                &with(&claims, json!({ "type": "org" })),
            )
            .denied(Reason::WrongClaim),
            carried(
                "of another application",
                &header,
                &with(&claims, json!({ "aud": ["97e2aae1"] })),
            )
            .denied(Reason::WrongAudience),
            carried(
                "of another team",
                &header,
                &with(&claims, json!({ "iss": "https://other.cloudflareaccess.com" })),
            )
            .denied(Reason::UnknownIssuer),
            rsa("in Authorization", &header, &claims).denied(Reason::NoCredentials),
        ],
    }
}
