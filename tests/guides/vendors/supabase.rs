//! What Supabase issues.

use edgeward::core::denial::Reason;
use serde_json::{Value, json};

use super::{LEGACY, P256, RSA, Vendor, issued, presented, rsa, with};
use crate::gate::NOW;
use crate::native::Signer;

fn supabase_claims() -> Value {
    issued(
        3_600,
        &json!({
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
        &json!({ "iss": "supabase", "ref": "abcdefghijklmnopqrst", "role": "service_role" }),
    )
}

pub(super) fn supabase() -> Vendor {
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

pub(super) fn supabase_legacy() -> Vendor {
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
