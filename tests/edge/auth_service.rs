//! Tokens that the auth service is asked about (RFC 7662), also when it does not answer.

use super::harness::{
    issuer::{EDGE, EDGE_JWT, EDGE_JWT_KEYS, INTROSPECTION, Issuer, Resource},
    mint::{now, token, token_with},
    *,
};

/// A gate that asks the issuer about opaque tokens.
async fn asking_issuer(origin: &Origin, issuer: &Issuer) -> Setup {
    Setup::new(origin)
        .assertion(60)
        .set("providers.0.issuer", issuer.url())
        .secret("JWT_KEYS", &issuer.jwks().await.to_string())
        .secret("CLIENT_SECRET", EDGE.1)
        .set(
            "providers.0.introspection",
            json!({
                "url": issuer.url() + INTROSPECTION,
                "client_id": EDGE.0,
                "client_secret": "CLIENT_SECRET",
                "opaque_tokens": "accept",
            }),
        )
        .set(
            "forward.claim_to_headers",
            json!({ "X-Auth-Subject": "sub", "X-Auth-Scope": "scope" }),
        )
}

#[tokio::test]
async fn an_opaque_token_passes_as_long_as_its_issuer_says_so() {
    let (origin, issuer) = (Origin::start().await, Issuer::start().await);
    let setup = asking_issuer(&origin, &issuer)
        .await
        .rule(json!({ "path": "/a", "scopes_all": ["admin"] }));
    let gate = Gate::start(setup).await;
    let good = issuer.token(Resource::Opaque, "read write").await;
    for _ in 0..3 {
        get("/").bearer(&good).send(&gate).await.must_pass();
    }
    assert_eq!(issuer.introspections(), 1, "the answer is remembered");
    let seen = origin.last();
    assert_eq!(seen.header("x-auth-subject"), ["app"]);
    assert_eq!(seen.header("x-auth-scope"), ["read write"]);
    get("/a").bearer(&good).send(&gate).await.must_be(403, "insufficient_scope");

    let revoked = issuer.token(Resource::Opaque, "read").await;
    issuer.revoke(&revoked).await;
    for _ in 0..3 {
        get("/").bearer(&revoked).send(&gate).await.must_be(401, "invalid_token");
    }
    assert_eq!(issuer.introspections(), 2, "a refusal is remembered, too");
    gate.logged(&["\"reason\":\"unknown_token\""]).await;
}

#[tokio::test]
async fn a_client_can_show_who_it_is_with_a_key() {
    let (origin, issuer) = (Origin::start().await, Issuer::start().await);
    for (algorithm, key) in &*EDGE_JWT_KEYS {
        let setup = asking_issuer(&origin, &issuer)
            .await
            .set("providers.0.introspection.client_id", EDGE_JWT)
            .set("providers.0.introspection.client_key", "CLIENT_KEY")
            .unset("providers.0.introspection.client_secret")
            .secret("CLIENT_KEY", &key.private_jwk().to_string());
        let gate = Gate::start(setup).await;
        for _ in 0..2 {
            let token = issuer.token(Resource::Opaque, "read").await;
            let reply = get("/").bearer(&token).send(&gate).await;
            assert_eq!(reply.status, 200, "{algorithm}: {}", reply.text());
        }
    }
}

#[tokio::test]
async fn a_signed_token_needs_both_its_signature_and_the_word_of_the_auth_service() {
    let origin = Origin::start().await;
    let service = says(json!({ "active": true, "sub": "mallory", "name": "Alice" })).await;
    let gate = Gate::start(asking_about(&origin, &service)).await;
    get("/").bearer(&token()).send(&gate).await.must_pass();
    let seen = origin.last();
    // The token wins where both speak.
    assert_ne!(seen.header("x-auth-subject"), ["mallory"]);
    assert_eq!(seen.header("x-name"), ["Alice"]);
    let asked = service.last("/introspect");
    assert_eq!(asked.header("authorization"), ["Basic ZWRnZTpzZWNyZXQ="]);
    // What is not signed is not asked about.
    let forged = token().replace('.', "A.");
    get("/").bearer(&forged).send(&gate).await.must_be(401, "invalid_token");
    get("/")
        .bearer(&token_with(json!({ "exp": now() - 100 })))
        .send(&gate)
        .await
        .must_be(401, "expired_token");
    assert_eq!(service.count("/introspect"), 1);
}

#[tokio::test]
async fn a_signed_token_that_was_withdrawn_is_revoked() {
    let origin = Origin::start().await;
    let service = says(json!({ "active": false })).await;
    let gate = Gate::start(asking_about(&origin, &service)).await;
    let reply = get("/").bearer(&token()).send(&gate).await;
    reply.must_be(401, "revoked_token");
    assert!(reply.header("www-authenticate")[0].contains("error_description=\"revoked\""));
    origin.must_be_untouched();
}

#[tokio::test]
async fn without_an_answer_a_request_is_told_to_come_back_unless_the_operator_allows_less() {
    let origin = Origin::start().await;
    for mode in [
        Mode::Refused,
        Mode::Reset,
        Mode::Hang,
        Mode::status(500),
        Mode::status(503),
        Mode::status(429),
        Mode::status(404),
        Mode::Garbage,
        Mode::HalfBody,
        Mode::Huge,
    ] {
        let name = format!("{mode:?}");
        let service = says(json!({ "active": true })).await;
        service.set(mode).await;
        let strict =
            asking_about(&origin, &service).set("providers.0.introspection.timeout_ms", 300);
        let gate = Gate::start(strict).await;
        let reply = get("/").bearer(&token()).send(&gate).await;
        assert_eq!((reply.status, reply.code()), (503, "auth_unavailable".to_owned()), "{name}");
        assert!(reply.header("retry-after")[0].parse::<u32>().unwrap() >= 1, "{name}");
        assert!(reply.header("www-authenticate").is_empty(), "{name}");

        let lenient = asking_about(&origin, &service)
            .set("providers.0.introspection.timeout_ms", 300)
            .set("providers.0.introspection.on_outage", "signature")
            .var("ALLOW_DEGRADED_AUTH", "true");
        let gate = Gate::start(lenient).await;
        get("/").bearer(&token()).send(&gate).await.must_pass();
        let seen = origin.last();
        assert_eq!(seen.header("x-auth-degraded"), ["signature"], "{name}");
        assert_eq!(verified(&gate, &seen).await["degraded"], true);
        assert_eq!(gate.report().await["requests"]["degraded"]["signature"], 1, "{name}");

        // The switch is the master of all that.
        let off = asking_about(&origin, &service)
            .set("providers.0.introspection.timeout_ms", 300)
            .set("providers.0.introspection.on_outage", "signature")
            .var("ALLOW_DEGRADED_AUTH", "false");
        let gate = Gate::start(off).await;
        get("/").bearer(&token()).send(&gate).await.must_be(503, "auth_unavailable");
    }
}

#[tokio::test]
async fn a_service_that_refuses_us_is_our_own_fault() {
    let origin = Origin::start().await;
    for status in [400, 401, 403] {
        let service = says(json!({ "active": true })).await;
        service.set(Mode::status(status)).await;
        let setup = asking_about(&origin, &service)
            .set("providers.0.introspection.on_outage", "signature")
            .var("ALLOW_DEGRADED_AUTH", "true");
        let gate = Gate::start(setup).await;
        get("/").bearer(&token()).send(&gate).await.must_be(503, "misconfigured");
        gate.logged(&["auth_service_refuses_us"]).await;
    }
}

#[tokio::test]
async fn what_one_isolate_was_told_the_others_need_not_ask() {
    let (origin, issuer, kv) = (Origin::start().await, Issuer::start().await, Kv::start().await);
    let token = issuer.token(Resource::Opaque, "read").await;
    for _ in 0..3 {
        let gate = Gate::start(asking_issuer(&origin, &issuer).await.kv(&kv)).await;
        get("/").bearer(&token).send(&gate).await.must_pass();
        eventually("something is stored", async || !kv.entries().is_empty()).await;
    }
    assert_eq!(issuer.introspections(), 1);
    assert!(!format!("{:?}", kv.entries().keys()).contains(&token));
}
