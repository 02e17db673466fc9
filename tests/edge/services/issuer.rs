//! The provider issues, tells, revokes and rotates.

use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};

use super::{
    super::harness::{
        client::Request,
        issuer::{APP, DISCOVERY, EDGE, EDGE_JWT, EDGE_JWT_KEYS, INTROSPECTION, JWKS, basic, post},
        mint::{AUDIENCE, from_base64url, now, random},
    },
    *,
};

/// Header and claims of a JWT, nothing of it verified.
fn read(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| serde_json::from_slice(&from_base64url(part)));
    (parts.next().unwrap().unwrap(), parts.next().unwrap().unwrap())
}

fn kids(jwks: &Value) -> Vec<&str> {
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect()
}

async fn send(issuer: &Issuer, request: Request) -> Reply {
    raw(issuer.faults.addr, &request.bytes()).await
}

/// Asks about a token with `client_secret_basic`.
async fn introspect(issuer: &Issuer, caller: (&str, &str), token: &str) -> Reply {
    let request = post(INTROSPECTION, &[("token", token)]);
    send(issuer, request.header("Authorization", &basic(caller))).await
}

async fn is_active(issuer: &Issuer, token: &str) -> bool {
    introspect(issuer, EDGE, token).await.json()["active"].as_bool().unwrap()
}

#[tokio::test]
async fn everything_is_where_the_discovery_document_says() {
    let issuer = Issuer::start().await;
    let found = ask(issuer.faults.addr, DISCOVERY).await.json();
    assert_eq!(found["issuer"], issuer.url());
    assert_eq!(found["jwks_uri"], issuer.url() + JWKS);
    assert_eq!(found["introspection_endpoint"], issuer.url() + INTROSPECTION);

    let keys = ask(issuer.faults.addr, JWKS).await.json();
    assert_eq!(keys, issuer.jwks().await);
    assert_eq!((issuer.discoveries(), issuer.jwks_requests(), issuer.introspections()), (1, 1, 0));
}

#[tokio::test]
async fn a_gate_lets_its_jwts_pass() {
    let (origin, issuer) = (Origin::start().await, Issuer::start().await);
    let setup = Setup::new(&origin)
        .set("providers.0.issuer", issuer.url())
        .secret("JWT_KEYS", &issuer.jwks().await.to_string());
    let setup = setup.rule(json!({ "path": "/admin", "scopes_all": ["admin"] }));
    let gate = Gate::start(setup).await;

    let token = issuer.token(Resource::Jwt, "read write").await;
    get("/").bearer(&token).send(&gate).await.must_pass();
    get("/admin").bearer(&token).send(&gate).await.must_be(403, "insufficient_scope");
    let token = issuer.token(Resource::Jwt, "read admin").await;
    get("/admin").bearer(&token).send(&gate).await.must_pass();
    let token = issuer.token(Resource::Opaque, "read").await;
    get("/").bearer(&token).send(&gate).await.must_be(401, "invalid_token");
}

#[tokio::test]
async fn it_tells_about_tokens_only_those_who_may_know() {
    let issuer = Issuer::start().await;
    let token = issuer.token(Resource::Opaque, "read admin").await;
    let told = introspect(&issuer, EDGE, &token).await.json();
    assert_eq!(told["active"], true);
    assert_eq!((&told["iss"], &told["aud"]), (&json!(issuer.url()), &json!(AUDIENCE)));
    assert_eq!((&told["sub"], &told["client_id"]), (&json!(APP.0), &json!(APP.0)));
    assert_eq!(told["scope"], "read admin");

    assert_eq!(introspect(&issuer, EDGE, "unknown").await.json(), json!({ "active": false }));
    assert_eq!(introspect(&issuer, APP, &token).await.json(), json!({ "active": false }));
    let stranger = introspect(&issuer, (EDGE.0, "a wrong secret"), &token).await;
    assert_eq!((stranger.status, &stranger.json()["error"]), (401, &json!("invalid_client")));
    assert_eq!(issuer.introspections(), 4);
    let asked = issuer.faults.last(INTROSPECTION);
    assert_eq!(asked.header("Content-Type"), ["application/x-www-form-urlencoded"]);
}

#[tokio::test]
async fn a_client_can_prove_itself_with_a_key() {
    let issuer = Issuer::start().await;
    let token = issuer.token(Resource::Opaque, "read").await;
    for (algorithm, key) in &*EDGE_JWT_KEYS {
        let claims = json!({
            "iss": EDGE_JWT, "sub": EDGE_JWT, "aud": issuer.url(), "exp": now() + 60,
            "jti": mint::base64url(&random(9)),
        });
        let assertion = key.token(algorithm, &claims);
        let form = [
            ("token", token.as_str()),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ];
        let told = send(&issuer, post(INTROSPECTION, &form)).await;
        assert_eq!(told.json()["active"], true, "{algorithm}: {}", told.text());
        let again = send(&issuer, post(INTROSPECTION, &form)).await;
        assert_eq!(again.status, 401, "an assertion counts once");
    }
}

/// So that a gate can be given the keys of the client.
#[test]
fn a_private_jwk_belongs_to_its_public_one() {
    for (algorithm, key) in &*EDGE_JWT_KEYS {
        let jwk = key.private_jwk();
        let part = |name: &str| from_base64url(jwk[name].as_str().unwrap());
        let is_pair = if *algorithm == "EdDSA" {
            Ed25519KeyPair::from_seed_and_public_key(&part("d"), &part("x")).is_ok()
        } else {
            let point = [vec![4], part("x"), part("y")].concat();
            let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
            EcdsaKeyPair::from_private_key_and_public_key(kind, &part("d"), &point).is_ok()
        };
        assert!(is_pair, "{algorithm}");
    }
}

/// Whoever wants to know about JWTs from it has to bear this.
#[tokio::test]
async fn it_keeps_no_record_of_jwts() {
    let issuer = Issuer::start().await;
    let token = issuer.token(Resource::Jwt, "read").await;
    let told = introspect(&issuer, EDGE, &token).await;
    assert_eq!((told.status, &told.json()["error"]), (400, &json!("unsupported_token_type")));
}

#[tokio::test]
async fn a_revoked_token_is_not_active() {
    let issuer = Issuer::start().await;
    let token = issuer.token(Resource::Opaque, "read").await;
    assert!(is_active(&issuer, &token).await);
    issuer.faults.set(Mode::Refused).await;
    issuer.revoke(&token).await;
    issuer.faults.set(Mode::Pass).await;
    assert!(!is_active(&issuer, &token).await);
}

#[tokio::test]
async fn keys_change_and_opaque_tokens_stay() {
    let issuer = Issuer::start().await;
    let opaque = issuer.token(Resource::Opaque, "read").await;
    let first = issuer.jwks().await;
    issuer.rotate(true).await;
    let both = issuer.jwks().await;
    issuer.rotate(false).await;
    let third = issuer.jwks().await;

    let (first, both, third) = (kids(&first), kids(&both), kids(&third));
    assert_eq!((first.len(), both.len(), third.len()), (1, 2, 1));
    assert!(both.contains(&first[0]) && !both.contains(&third[0]));
    let (header, _) = read(&issuer.token(Resource::Jwt, "read").await);
    assert_eq!(header["kid"], third[0]);
    assert!(is_active(&issuer, &opaque).await);
}

#[tokio::test]
async fn the_newest_of_two_keys_signs() {
    let issuer = Issuer::start().await;
    let old = issuer.jwks().await;
    issuer.rotate(true).await;
    let (header, _) = read(&issuer.token(Resource::Jwt, "read").await);
    assert_ne!(header["kid"], kids(&old)[0]);
}

#[tokio::test]
async fn tokens_live_as_long_as_was_asked() {
    let issuer = Issuer::start().await;
    issuer.set_lifetime(2).await;
    let (_, claims) = read(&issuer.token(Resource::Jwt, "read").await);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 2);

    let token = issuer.token(Resource::Opaque, "read").await;
    let ended = async {
        while is_active(&issuer, &token).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("it ends");
}
