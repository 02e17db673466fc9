//! Keys that the issuer publishes: fetched when they are needed, and kept while it is away.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::harness::{
    issuer::{DISCOVERY, Issuer, JWKS, Resource},
    mint::{self, HMAC, P256, RSA, token},
    *,
};

fn fetching(origin: &Origin, issuer: &Issuer) -> Setup {
    Setup::new(origin)
        .set("providers.0.issuer", issuer.url())
        .set("providers.0.algorithms", json!(["ES256"]))
        .set("providers.0.jwks_uri", issuer.url() + JWKS)
        .unset("providers.0.keys")
        .without_secret("JWT_KEYS")
}

async fn publishes(set: Value) -> Faults {
    Faults::answering(move |_| Reply::new(200, set.to_string())).await
}

fn from(origin: &Origin, service: &Faults) -> Setup {
    Setup::new(origin)
        .set("providers.0.algorithms", json!(["ES256", "RS256"]))
        .set("providers.0.jwks_uri", format!("http://{}/jwks", service.addr))
        .unset("providers.0.keys")
        .without_secret("JWT_KEYS")
}

async fn published(gate: &Gate) -> Value {
    gate.report().await["providers"][0]["published_keys"].clone()
}

#[tokio::test]
async fn keys_are_fetched_once_and_found_by_discovery_too() {
    let (origin, issuer) = (Origin::start().await, Issuer::start().await);
    let by_url = Gate::start(fetching(&origin, &issuer)).await;
    let by_discovery =
        fetching(&origin, &issuer).unset("providers.0.jwks_uri").set("providers.0.discovery", true);
    let by_discovery = Gate::start(by_discovery).await;
    for gate in [&by_url, &by_discovery] {
        assert_eq!(published(gate).await["state"], "absent");
        for _ in 0..3 {
            let token = issuer.token(Resource::Jwt, "read").await;
            get("/").bearer(&token).send(gate).await.must_pass();
        }
        assert_eq!(published(gate).await["state"], "fresh");
        get("/").bearer("no.to.ken").send(gate).await.must_be(401, "invalid_token");
    }
    assert_eq!((issuer.jwks_requests(), issuer.discoveries()), (2, 1));
}

#[tokio::test]
async fn a_new_key_of_the_issuer_works_at_once_and_unknown_ones_are_no_lever() {
    let (origin, issuer) = (Origin::start().await, Issuer::start().await);
    let gate = Gate::start(fetching(&origin, &issuer)).await;
    // The first fetch is for a key that nobody has.
    get("/").bearer(&token_of(&issuer, "nobody")).send(&gate).await.must_be(401, "invalid_token");
    assert_eq!(issuer.jwks_requests(), 1);
    for number in 0..20 {
        let token = token_of(&issuer, &format!("nobody-{number}"));
        get("/").bearer(&token).send(&gate).await.must_be(401, "invalid_token");
    }
    assert_eq!(issuer.jwks_requests(), 1, "the cooldown counts from every attempt");
}

fn token_of(issuer: &Issuer, kid: &str) -> String {
    let claims = mint::claims_with(json!({ "iss": issuer.url() }));
    P256.token_with_header(&json!({ "alg": "ES256", "kid": kid }), &claims)
}

#[tokio::test]
async fn while_keys_cannot_be_had_it_is_nobodys_fault_but_ours() {
    let origin = Origin::start().await;
    for mode in [
        Mode::Refused,
        Mode::Reset,
        Mode::Hang,
        Mode::status(500),
        Mode::status(404),
        Mode::Garbage,
        Mode::HalfBody,
        Mode::Huge,
        Mode::Redirect("http://127.0.0.1:1/jwks".to_owned()),
    ] {
        let name = format!("{mode:?}");
        let service = publishes(json!({ "keys": [P256.jwk()] })).await;
        service.set(mode).await;
        let setup = from(&origin, &service).set("providers.0.jwks.timeout_ms", 300);
        let gate = Gate::start(setup).await;
        let reply = get("/").bearer(&token()).send(&gate).await;
        assert_eq!((reply.status, reply.code()), (503, "auth_unavailable".to_owned()), "{name}");
        assert!(!reply.header("retry-after").is_empty(), "{name}");
        gate.logged(&["keys_not_fetched", "main"]).await;
        // It recovers by itself.
        service.set(Mode::Pass).await;
        eventually(&name, async || get("/").bearer(&token()).send(&gate).await.status == 200).await;
    }
}

#[tokio::test]
async fn a_published_secret_is_no_key() {
    let origin = Origin::start().await;
    let service = publishes(json!({
        "keys": [HMAC.jwk(), RSA.jwk(), mint::assertion_jwk(), { "kty": "XYZ" }],
    }))
    .await;
    let setup = from(&origin, &service);
    let gate = Gate::start(setup).await;
    get("/").bearer(&RSA.token("RS256", &mint::claims())).send(&gate).await.must_pass();
    get("/").bearer(&token()).send(&gate).await.must_be(401, "invalid_token");
    assert_eq!(published(&gate).await["keys"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_set_of_nothing_but_broken_keys_does_not_replace_a_good_one() {
    // A point that is not on its curve, which only the platform can see.
    let mut broken = P256.jwk();
    broken["y"] = broken["x"].clone();
    let (good, broken) = (mint::jwks(&[&P256]), json!({ "keys": [broken] }).to_string());
    let origin = Origin::start().await;
    let is_broken = Arc::new(AtomicBool::new(true));
    let now_broken = Arc::clone(&is_broken);
    let service = Faults::answering(move |_| {
        let is_broken = now_broken.load(Ordering::Relaxed);
        Reply::new(200, if is_broken { broken.as_str() } else { good.as_str() })
    })
    .await;
    let kv = Kv::start().await;
    let setup = || from(&origin, &service).set("providers.0.jwks.cooldown_seconds", 1);
    let token = |jti: &str| P256.token("ES256", &mint::claims_with(json!({ "jti": jti })));
    let gate = Gate::start(setup().assertion(60).kv(&kv)).await;
    get("/").bearer(&token("a")).send(&gate).await.must_be(503, "auth_unavailable");
    gate.logged(&["keys_not_fetched", "none of its keys"]).await;
    assert_eq!((published(&gate).await["state"].clone(), kv.puts()), ("absent".into(), 0));

    is_broken.store(false, Ordering::Relaxed);
    let gate = Gate::start(setup()).await;
    get("/").bearer(&token("a")).send(&gate).await.must_pass();
    is_broken.store(true, Ordering::Relaxed);
    // A key that nobody knows has the set fetched again.
    let unknown = P256.token_with_header(&json!({ "alg": "ES256", "kid": "b" }), &mint::claims());
    eventually("the broken set is fetched", async || {
        get("/").bearer(&unknown).send(&gate).await;
        gate.log().contains("none of its keys")
    })
    .await;
    for jti in ["a", "b"] {
        get("/").bearer(&token(jti)).send(&gate).await.must_pass();
    }
}

#[tokio::test]
async fn many_first_requests_are_one_fetch() {
    let origin = Origin::start().await;
    let service = publishes(serde_json::from_str(&mint::jwks(&[&P256])).unwrap()).await;
    service.set(Mode::Slow(Duration::from_millis(300))).await;
    let gate = Gate::start(from(&origin, &service)).await;
    let requests: Vec<_> = (0..50)
        .map(|number| {
            let token =
                P256.token("ES256", &mint::claims_with(json!({ "jti": number.to_string() })));
            get("/").bearer(&token)
        })
        .collect();
    let replies = futures_util::future::join_all(requests.iter().map(|one| one.send(&gate))).await;
    replies.iter().for_each(Reply::must_pass);
    assert_eq!(service.count("/jwks"), 1);
    gate.must_be_calm();
}

#[tokio::test]
async fn what_one_isolate_has_fetched_the_others_find_in_kv() {
    let (origin, issuer, kv) = (Origin::start().await, Issuer::start().await, Kv::start().await);
    // However busy the machine is, KV answers in time.
    let patient = |origin: &Origin, issuer: &Issuer, kv: &Kv| {
        fetching(origin, issuer).assertion(60).kv(kv).set("validation_cache_timeout_ms", 5_000)
    };
    let token = issuer.token(Resource::Jwt, "read").await;
    for _ in 0..3 {
        let gate = Gate::start(patient(&origin, &issuer, &kv)).await;
        get("/").bearer(&token).send(&gate).await.must_pass();
        eventually("something is stored", async || !kv.entries().is_empty()).await;
    }
    assert_eq!(issuer.jwks_requests(), 1);
    // Nobody else can publish keys there.
    let key = kv.entries().into_keys().next().unwrap();
    let forged = json!({ "fetched_at": 4_102_444_800_000_i64, "set": { "keys": [P256.jwk()] } });
    kv.put(&key, format!("1.{}.{forged}", "A".repeat(43)));
    let gate = Gate::start(patient(&origin, &issuer, &kv)).await;
    let claims = mint::claims_with(json!({ "iss": issuer.url() }));
    get("/").bearer(&P256.token("ES256", &claims)).send(&gate).await.must_be(401, "invalid_token");
    get("/").bearer(&token).send(&gate).await.must_pass();
    assert_eq!((issuer.jwks_requests(), issuer.faults.count(DISCOVERY)), (2, 0));
}

/// Asks again until the answer has this status.
async fn until(gate: &Gate, token: &str, status: u16) {
    let what = status.to_string();
    eventually(&what, async || get("/").bearer(token).send(gate).await.status == status).await;
}

#[tokio::test]
async fn keys_that_the_issuer_rotates_are_followed_and_those_it_removes_stop_working() {
    let (origin, issuer) = (Origin::start().await, Issuer::start().await);
    let setup = fetching(&origin, &issuer).set("providers.0.jwks.cooldown_seconds", 1);
    let gate = Gate::start(setup).await;
    let first = issuer.token(Resource::Jwt, "read").await;
    get("/").bearer(&first).send(&gate).await.must_pass();
    issuer.rotate(true).await;
    let second = issuer.token(Resource::Jwt, "read").await;
    until(&gate, &second, 200).await;
    get("/").bearer(&first).send(&gate).await.must_pass();
    issuer.rotate(false).await;
    let third = issuer.token(Resource::Jwt, "read").await;
    until(&gate, &third, 200).await;
    // Also those that were verified before.
    for old in [first, second] {
        get("/").bearer(&old).send(&gate).await.must_be(401, "invalid_token");
    }
}

#[tokio::test]
async fn the_last_set_serves_while_there_is_none_for_as_long_as_the_operator_says() {
    let (origin, issuer) = (Origin::start().await, Issuer::start().await);
    let setup = fetching(&origin, &issuer)
        .set("providers.0.jwks.refresh_seconds", 10)
        .set("providers.0.jwks.max_stale_seconds", 14)
        .set("providers.0.jwks.cooldown_seconds", 1);
    let gate = Gate::start(setup).await;
    let token = issuer.token(Resource::Jwt, "read").await;
    get("/").bearer(&token).send(&gate).await.must_pass();
    issuer.faults.set(Mode::status(500)).await;
    eventually("it ages", async || published(&gate).await["state"] == "stale").await;
    // Nobody waits for it.
    let new = issuer.token(Resource::Jwt, "read").await;
    for token in [&token, &new] {
        get("/").bearer(token).send(&gate).await.must_pass();
    }
    gate.logged(&["keys_not_fetched", "status 500"]).await;
    until(&gate, &token, 503).await;
    assert_eq!(published(&gate).await["keys"], json!([]));
    issuer.faults.set(Mode::Pass).await;
    until(&gate, &token, 200).await;
    assert_eq!(published(&gate).await["state"], "fresh");
}
