//! What others read is pinned to the letter.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edgeward::core::request::RequestHead;
use edgeward::gate::{Decision, Findings};
use serde_json::{Value, json};

use crate::fixture::{NOW, Outcome, Setup, claims, send_at, with_token};
use crate::native::{Signer, encode};

fn setup() -> Setup {
    let mut setup = Setup::new(&["HS256"], &Signer::hmac(1));
    setup.table["forward"]["assertion"] =
        json!({ "key": "ASSERTION_KEY", "audience": "https://origin.internal", "ttl_seconds": 60 });
    let key = json!({ "kty": "oct", "k": encode(&[9; 32]), "kid": "a1" });
    setup.secret("ASSERTION_KEY", &key.to_string());
    setup.secret("ADMIN_TOKEN", &"a".repeat(32));
    setup
}

#[test]
fn the_assertion_has_these_members_and_no_others() {
    let token = Signer::hmac(1).token(&json!({ "alg": "HS256" }), &claims());
    let Outcome::Permitted(_, edits) = send_at(&setup().gate(), &with_token(&token), NOW) else {
        panic!("denied");
    };
    let (_, assertion) = edits.split_once("x-auth-assertion\n").unwrap();
    let parts: Vec<&str> = assertion.trim_end().split('.').collect();
    let text = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    assert_eq!(text(parts[0]), r#"{"alg":"HS256","kid":"a1","typ":"JWT"}"#);
    assert_eq!(
        text(parts[1]),
        "{\"iss\":\"edgeward\",\"aud\":\"https://origin.internal\",\"sub\":\"alice\",\
         \"iat\":1800000000,\"exp\":1800000060,\"tid\":\"t-1\",\
         \"oiss\":\"https://issuer.example\",\"scope\":\"read write\"}"
    );
    let signed = format!("{}.{}", parts[0], parts[1]);
    assert_eq!(parts[2], encode(&Signer::Hmac(vec![9; 32]).sign("HS256", signed.as_bytes())));
}

fn health(setup: &Setup, authorization: &str) -> (u16, Value) {
    let packed = format!("GET\nhttps://e.example/_edgeward/health{authorization}");
    match setup.gate().decide(&RequestHead::unpack(&packed), NOW * 1_000, &mut Findings::default())
    {
        Ok(Decision::Answer(response)) => {
            (response.status, serde_json::from_str(&response.body).unwrap())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_health_report_has_these_members_and_no_others() {
    assert_eq!(health(&setup(), ""), (200, json!({ "status": "ready" })));
    let admin = format!("\nauthorization\nBearer {}", "a".repeat(32));
    let report = json!({
        "status": "ready",
        "problems": [],
        "providers": [{
            "name": "main",
            "issuer": "https://issuer.example",
            "algorithms": ["HS256"],
            "keys": [{
                "kid": "k1", "type": "oct", "alg": null, "source": "JWT_KEYS", "format": "JWK Set",
            }],
        }],
        "assertion": { "keys": [] },
        "cache": { "entries": 0, "bytes": 0, "hits": 0, "misses": 0 },
        "auth_services": { "answers": 0, "silences": {} },
        "degraded_auth_allowed": false,
        "kv": { "used": true, "hits": 0, "misses": 0, "rejected": {} },
        "requests": { "permitted": 0, "denied": {}, "degraded": {}, "shadowed": {} },
        "memory_bytes": 0,
        "websockets": { "open": 0, "opened": 0, "ended": {} },
        "revocations": null,
        "warnings": [],
    });
    assert_eq!(health(&setup(), &admin), (200, report));
}

#[test]
fn a_key_that_is_stored_twice_is_one_key() {
    let mut setup = setup();
    setup.table["providers"][0]["keys"] = json!(["JWT_KEYS", "JWT_KEYS_PREVIOUS"]);
    setup.secret("JWT_KEYS_PREVIOUS", &Signer::hmac(1).jwk("k1").to_string());
    let (_, report) = health(&setup, &format!("\nauthorization\nBearer {}", "a".repeat(32)));
    assert_eq!(report["providers"][0]["keys"].as_array().unwrap().len(), 1);
}

#[test]
fn the_admin_token_opens_the_report_and_nothing_else_does() {
    let status = |secret: Option<&str>, authorization: &str| {
        let mut setup = setup();
        setup.secrets.remove("ADMIN_TOKEN");
        if let Some(secret) = secret {
            setup.secret("ADMIN_TOKEN", secret);
        }
        let packed =
            format!("GET\nhttps://e.example/_edgeward/health\nauthorization\n{authorization}");
        match setup.gate().decide(
            &RequestHead::unpack(&packed),
            NOW * 1_000,
            &mut Findings::default(),
        ) {
            Ok(Decision::Answer(response)) if response.body.contains("providers") => "report",
            Ok(Decision::Answer(_)) => "status",
            Err(denial) => denial.reason.name(),
            Ok(Decision::Forward(_)) => "forwarded",
            Ok(_) => "another",
        }
    };
    let (token, short) = ("t".repeat(32), "t".repeat(31));
    let bearer = format!("Bearer {token}");
    for (secret, authorization, expected) in [
        (Some(token.as_str()), bearer.as_str(), "report"),
        (Some(&format!("{token}\n")), &bearer, "report"),
        (Some(&token), &format!("bearer  {token} "), "report"),
        (Some(&token), &format!("Bearer {short}"), "wrong_admin_token"),
        (Some(&token), &format!("Bearer {token}t"), "wrong_admin_token"),
        (Some(&token), &format!("Basic {token}"), "wrong_admin_token"),
        (Some(&token), &token, "wrong_admin_token"),
        (Some(&token), "", "wrong_admin_token"),
        (Some(&short), &format!("Bearer {short}"), "status"),
        (Some(""), "Bearer ", "status"),
        (None, &bearer, "status"),
    ] {
        assert_eq!(status(secret, authorization), expected, "{secret:?} {authorization:?}");
    }
}
