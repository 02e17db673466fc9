//! What the nine providers issue and publish, in the shapes that their documentation has (the links are
//! in the guide), with the names of the guide in them.

use std::sync::LazyLock;

use serde_json::{Value, json};

use edgeward::core::denial::Reason;

use crate::gate::NOW;
use crate::native::{Signer, encode};

pub static RSA: LazyLock<Signer> = LazyLock::new(Signer::rsa);
static P256: LazyLock<Signer> = LazyLock::new(Signer::p256);
/// A legacy secret of Supabase: its characters are the key.
pub const LEGACY_SECRET: &str =
    "YSBtYWRlLXVwIHNlY3JldCBvZiBzaXh0eS1mb3VyIGJ5dGVzLCBhcyBhIHByb2plY3Qgb2YgU3VwYWJhc2UgaA==";
static LEGACY: LazyLock<Signer> = LazyLock::new(|| Signer::Hmac(LEGACY_SECRET.as_bytes().to_vec()));

/// One configuration of the guide, and the tokens that are put before it.
pub struct Vendor {
    /// The heading in the guide.
    pub section: &'static str,
    /// Which of its configurations.
    pub block: usize,
    /// The issuers, and where each publishes its keys.
    pub issuers: Vec<(&'static str, Option<&'static str>)>,
    /// What they publish there.
    pub published: Value,
    pub tokens: Vec<Presented>,
}

/// A token, how it is sent, and what becomes of it.
pub struct Presented {
    pub what: &'static str,
    pub token: String,
    pub path: &'static str,
    /// The header lines in front of the token.
    pub carried: &'static str,
    /// What the auth service says, where there is one.
    pub verdict: Value,
    pub expected: Expected,
}

pub enum Expected {
    /// And these lines are among what the origin gets.
    Permitted(&'static [&'static str]),
    Denied(Reason),
}

fn presented(what: &'static str, token: String) -> Presented {
    Presented {
        what,
        token,
        path: "/",
        carried: "authorization\nBearer ",
        verdict: json!({ "active": true }),
        expected: Expected::Permitted(&[]),
    }
}

/// A token of these parts, signed with the key that the issuers of most vendors publish.
fn rsa(what: &'static str, header: &Value, claims: &Value) -> Presented {
    presented(what, RSA.token(header, claims))
}

impl Presented {
    fn at(self, path: &'static str) -> Self {
        Self { path, ..self }
    }

    fn carried(self, carried: &'static str) -> Self {
        Self { carried, ..self }
    }

    fn told(self, lines: &'static [&'static str]) -> Self {
        Self { expected: Expected::Permitted(lines), ..self }
    }

    fn inactive(self) -> Self {
        Self { verdict: json!({ "active": false }), ..self }.denied(Reason::Inactive)
    }

    fn denied(self, reason: Reason) -> Self {
        Self { expected: Expected::Denied(reason), ..self }
    }
}

/// These claims with some of them replaced; `null` removes one.
fn with(claims: &Value, members: Value) -> Value {
    let mut claims = claims.clone();
    let Value::Object(members) = members else { panic!("not an object") };
    for (name, value) in members {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(&name);
        } else {
            claims[name] = value;
        }
    }
    claims
}

/// Claims of a token that was issued just now and lives so long.
fn issued(seconds: i64, claims: Value) -> Value {
    with(&claims, json!({ "iat": NOW - 5, "exp": NOW - 5 + seconds }))
}

/// The published key with the members that this vendor adds to it.
fn key_set(members: Value) -> Value {
    json!({ "keys": [with(&RSA.jwk("k1"), members)] })
}

pub fn all() -> Vec<Vendor> {
    let mut all = vec![auth0(), okta(), okta_introspected(), entra(), entra_v1()];
    all.extend([cognito(), cognito_id(), firebase(), keycloak(), keycloak_introspected()]);
    all.extend([clerk(), supabase(), supabase_legacy(), access()]);
    all
}

fn auth0() -> Vendor {
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" });
    let claims = issued(
        86_400,
        json!({
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

fn okta_claims() -> Value {
    issued(
        3_600,
        json!({
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

fn okta() -> Vendor {
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

fn okta_introspected() -> Vendor {
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

const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const API: &str = "66666666-7777-8888-9999-000000000000";

/// Keys of Entra ID have no `alg`, but certificates and an issuer.
fn entra_keys() -> Value {
    key_set(json!({
        "use": "sig", "x5t": "k1", "x5c": ["MIID"],
        "issuer": format!("https://login.microsoftonline.com/{TENANT}/v2.0"),
    }))
}

fn entra() -> Vendor {
    let header = json!({ "typ": "JWT", "alg": "RS256", "kid": "k1" });
    let claims = issued(
        3_900,
        json!({
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
        json!({
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

fn entra_v1() -> Vendor {
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

const POOL: &str = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_ExaMPle01";
const POOL_KEYS: &str =
    "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_ExaMPle01/.well-known/jwks.json";

/// An access token of a user pool, as it is without a resource.
fn cognito_access() -> Value {
    issued(
        3_600,
        json!({
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
        json!({
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

fn cognito() -> Vendor {
    let header = json!({ "kid": "k1", "alg": "RS256" });
    let bound = with(&cognito_access(), json!({ "aud": "https://api.app.example" }));
    let other_pool = json!({
        "iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_ExaMPle02",
    });
    Vendor {
        section: "Cognito",
        block: 0,
        issuers: vec![(POOL, Some(POOL_KEYS))],
        published: key_set(json!({ "alg": "RS256", "use": "sig" })),
        tokens: vec![
            rsa("bound to a resource", &header, &bound).told(&[
                "X-Auth-Subject\naaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
                "X-Auth-User\nmy-test-user",
                "X-Auth-Groups\nadmins",
            ]),
            rsa("of the group", &header, &bound).at("/admin"),
            rsa("with the scope of the resource server", &header, &bound).at("/photos"),
            rsa("not of the group", &header, &with(&bound, json!({ "cognito:groups": ["users"] })))
                .at("/admin")
                .denied(Reason::WrongClaim),
            rsa("of another app client", &header, &with(&bound, json!({ "client_id": "other" })))
                .denied(Reason::WrongClaim),
            rsa("not bound to a resource", &header, &cognito_access())
                .denied(Reason::WrongAudience),
            rsa("an ID token", &header, &cognito_identity()).denied(Reason::WrongAudience),
            rsa("of another pool", &header, &with(&bound, other_pool))
                .denied(Reason::UnknownIssuer),
        ],
    }
}

fn cognito_id() -> Vendor {
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

fn firebase() -> Vendor {
    let header = json!({ "alg": "RS256", "kid": "k1", "typ": "JWT" });
    let claims = issued(
        3_600,
        json!({
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

fn keycloak_claims() -> Value {
    issued(
        300,
        json!({
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

fn keycloak() -> Vendor {
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

fn keycloak_introspected() -> Vendor {
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

fn clerk() -> Vendor {
    let header = json!({ "alg": "RS256", "kid": "k1", "typ": "JWT" });
    let default = issued(
        60,
        json!({
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
    let claims = with(&default, json!({ "aud": "https://app.example" }));
    Vendor {
        section: "Clerk",
        block: 0,
        issuers: vec![(
            "https://clerk.app.example",
            Some("https://clerk.app.example/.well-known/jwks.json"),
        )],
        published: key_set(json!({ "alg": "RS256", "use": "sig" })),
        tokens: vec![
            rsa("customized", &header, &claims).told(&[
                "X-Auth-Subject\nuser_123",
                "X-Auth-Session\nsess_123",
                "X-Auth-Organization\norg_123",
            ]),
            rsa("of an administrator", &header, &claims).at("/admin"),
            rsa("of nobody's organization", &header, &with(&claims, json!({ "o": null })))
                .at("/admin")
                .denied(Reason::WrongClaim),
            rsa("with the default claims", &header, &default).denied(Reason::WrongAudience),
            rsa(
                "of another page",
                &header,
                &with(&claims, json!({ "azp": "https://preview.app.example" })),
            )
            .denied(Reason::WrongClaim),
            rsa(
                "of the development instance",
                &header,
                &with(&claims, json!({ "iss": "https://clean-mayfly-62.clerk.accounts.dev" })),
            )
            .denied(Reason::UnknownIssuer),
            rsa("of a template, without sid", &header, &with(&claims, json!({ "sid": null })))
                .denied(Reason::MissingClaim),
            rsa(
                "that was kept",
                &header,
                &with(&claims, json!({ "iat": NOW - 100, "exp": NOW - 40 })),
            )
            .denied(Reason::Expired),
            rsa("in the cookie, which is no source", &header, &claims)
                .carried("cookie\n__session=")
                .denied(Reason::NoCredentials),
        ],
    }
}

fn supabase_claims() -> Value {
    issued(
        3_600,
        json!({
            "aal": "aal1",
            "amr": [{ "method": "password", "timestamp": NOW - 5 }],
            "app_metadata": { "provider": "email", "providers": ["email"] },
            "aud": "authenticated",
            "email": "user@example.com",
            "iss": "https://abcdefghijklmnopqrst.supabase.co/auth/v1",
            "phone": "",
            "role": "authenticated",
            "session_id": "123e4567-e89b-12d3-a456-426614174000",
            "sub": "123e4567-e89b-12d3-a456-426614174000",
            "user_metadata": { "name": "John Doe" },
            "is_anonymous": false,
        }),
    )
}

/// An API key of the kind that is a token.
fn supabase_api_key() -> Value {
    issued(
        315_360_000,
        json!({ "iss": "supabase", "ref": "abcdefghijklmnopqrst", "role": "service_role" }),
    )
}

fn supabase() -> Vendor {
    let header = json!({ "alg": "ES256", "typ": "JWT", "kid": "e1" });
    let es = |what, claims: &Value| presented(what, P256.token(&header, claims));
    let claims = supabase_claims();
    let other = json!({ "iss": "https://zyxwvutsrqponmlkjihg.supabase.co/auth/v1" });
    Vendor {
        section: "Supabase",
        block: 0,
        issuers: vec![(
            "https://abcdefghijklmnopqrst.supabase.co/auth/v1",
            Some("https://abcdefghijklmnopqrst.supabase.co/auth/v1/.well-known/jwks.json"),
        )],
        published: json!({ "keys": [
            with(&P256.jwk("e1"), json!({ "alg": "ES256", "use": "sig", "key_ops": ["verify"], "ext": true })),
            with(&RSA.jwk("k1"), json!({ "alg": "RS256", "use": "sig", "key_ops": ["verify"], "ext": true })),
        ] }),
        tokens: vec![
            es("by an elliptic curve", &claims).told(&[
                "X-Auth-Subject\n123e4567-e89b-12d3-a456-426614174000",
                "X-Auth-Email\nuser@example.com",
            ]),
            rsa("by RSA", &json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" }), &claims),
            es("with a second factor", &with(&claims, json!({ "aal": "aal2" }))).at("/account"),
            es("without", &claims).at("/account").denied(Reason::WrongClaim),
            es("of an anonymous user", &with(&claims, json!({ "is_anonymous": true })))
                .denied(Reason::WrongClaim),
            es("of another project", &with(&claims, other)).denied(Reason::UnknownIssuer),
            es("for another audience", &with(&claims, json!({ "aud": "anon" })))
                .denied(Reason::WrongAudience),
            presented(
                "by the legacy secret",
                LEGACY.token(&json!({ "alg": "HS256", "typ": "JWT" }), &claims),
            )
            .denied(Reason::AlgorithmNotAllowed),
        ],
    }
}

fn supabase_legacy() -> Vendor {
    let header = json!({ "alg": "HS256", "typ": "JWT", "kid": "legacy" });
    let hs = |what, claims: &Value| presented(what, LEGACY.token(&header, claims));
    Vendor {
        block: 1,
        issuers: vec![("https://abcdefghijklmnopqrst.supabase.co/auth/v1", None)],
        published: Value::Null,
        tokens: vec![
            hs("by the legacy secret", &supabase_claims()),
            hs("a legacy API key, by the same secret", &supabase_api_key())
                .denied(Reason::UnknownIssuer),
            hs(
                "of a service, by the same secret",
                &with(&supabase_claims(), json!({ "role": "service_role" })),
            )
            .denied(Reason::WrongClaim),
            presented("by another secret", Signer::hmac(9).token(&header, &supabase_claims()))
                .denied(Reason::BadSignature),
        ],
        ..supabase()
    }
}

fn access() -> Vendor {
    const HEADER: &str = "cf-access-jwt-assertion\n";
    let header = json!({ "alg": "RS256", "kid": "k1", "typ": "JWT" });
    let bare = json!({ "alg": "RS256", "kid": "k1" });
    let claims = issued(
        86_400,
        json!({
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
        json!({
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
