//! What Entra ID issues.

use edgeward::core::denial::Reason;
use serde_json::{Value, json};

use super::{RSA, Vendor, issued, key_set, presented, rsa, with};
use crate::gate::NOW;
use crate::native::encode;

const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const API: &str = "66666666-7777-8888-9999-000000000000";

/// Keys of Entra ID have no `alg`, but certificates and an issuer.
fn entra_keys() -> Value {
    key_set(json!({
        "use": "sig", "x5t": "k1", "x5c": ["MIID"],
        "issuer": format!("https://login.microsoftonline.com/{TENANT}/v2.0"),
    }))
}

pub(super) fn entra() -> Vendor {
    let header = json!({ "typ": "JWT", "alg": "RS256", "kid": "k1" });
    let claims = issued(
        3_900,
        &json!({
            "aud": API,
            "iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0"),
            "nbf": NOW - 5,
            "azp": "6e74172b-be56-4843-9ff4-e66a39bb12e3",
            "azpacr": "0",
            "name": "Abe Lincoln",
            "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
            "preferred_username": "abeli@microsoft.com",
            "rh": "I",
            "scp": "access_as_user",
            "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
            "tid": TENANT,
            "uti": "fqiBqXLPj0eQa82S-IYFAA",
            "ver": "2.0",
        }),
    );
    let application = with(&claims, json!({ "scp": null, "roles": ["Task.Run.All"] }));
    Vendor {
        section: "Entra ID",
        block: 0,
        issuers: vec![(
            "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0",
            Some(
                "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0/.well-known/openid-configuration",
            ),
        )],
        published: entra_keys(),
        tokens: vec![
            rsa("of a user", &header, &claims).at("/api").told(&[
                "X-Auth-Subject\n690222be-ff1a-4d56-abd1-7e4f7d38e474",
                "X-Auth-Tenant\n11111111-2222-3333-4444-555555555555",
            ]),
            rsa("of an application", &header, &application)
                .at("/jobs")
                .told(&["X-Auth-Roles\nTask.Run.All"]),
            rsa("of an application, where users are asked for", &header, &application)
                .at("/api")
                .denied(Reason::MissingScope),
            rsa(
                "of another tenant",
                &header,
                &with(
                    &claims,
                    json!({ "iss": "https://login.microsoftonline.com/99999999-2222-3333-4444-555555555555/v2.0" }),
                ),
            )
            .denied(Reason::UnknownIssuer),
            rsa("of version 1.0", &header, &entra_v1_claims()).denied(Reason::UnknownIssuer),
            rsa("for another API", &header, &with(&claims, json!({ "aud": TENANT })))
                .denied(Reason::WrongAudience),
            rsa("with api:// in front", &header, &with(&claims, json!({ "aud": format!("api://{API}") })))
                .denied(Reason::WrongAudience),
        ],
    }
}

fn entra_v1_claims() -> Value {
    issued(
        3_900,
        &json!({
            "aud": format!("api://{API}"),
            "iss": format!("https://sts.windows.net/{TENANT}/"),
            "nbf": NOW - 5,
            "acr": "1",
            "amr": ["wia"],
            "appid": "75dbe77f-10a3-4e59-85fd-8c127544f17c",
            "appidacr": "0",
            "oid": "02223b6b-aa1d-42d4-9ec0-1b2bb9194438",
            "scp": "access_as_user",
            "sub": "l3_roISQU222bULS9yi2k0XpqpOiMz5H3ZACo1GeXA",
            "tid": TENANT,
            "unique_name": "abeli@microsoft.com",
            "ver": "1.0",
        }),
    )
}

pub(super) fn entra_v1() -> Vendor {
    let header = json!({ "typ": "JWT", "alg": "RS256", "x5t": "k1", "kid": "k1" });
    let claims = entra_v1_claims();
    let Vendor { mut issuers, mut tokens, .. } = entra();
    issuers.push((
        "https://sts.windows.net/11111111-2222-3333-4444-555555555555/",
        Some(
            "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/discovery/keys",
        ),
    ));
    // The one that says that version 1.0 is unknown.
    tokens.retain(|token| token.what != "of version 1.0");
    // What is signed is another header than the one that is sent.
    let graph = with(&claims, json!({ "aud": "https://graph.microsoft.com" }));
    let signed = RSA.token(&with(&header, json!({ "nonce": "its digest" })), &graph);
    let (_, rest) = signed.split_once('.').unwrap();
    let sent = with(&header, json!({ "nonce": "AQABAAAAAABnfiG" })).to_string();
    tokens.extend([
        rsa("of version 1.0", &header, &claims).at("/api"),
        rsa("with the bare client id", &header, &with(&claims, json!({ "aud": API }))),
        rsa(
            "of version 1.0 and another tenant",
            &header,
            &with(
                &claims,
                json!({ "iss": "https://sts.windows.net/99999999-2222-3333-4444-555555555555/" }),
            ),
        )
        .denied(Reason::UnknownIssuer),
        presented("for Microsoft Graph", format!("{}.{rest}", encode(sent.as_bytes())))
            .denied(Reason::BadSignature),
    ]);
    Vendor { section: "Entra ID", block: 1, issuers, published: entra_keys(), tokens }
}
