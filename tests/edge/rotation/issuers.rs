//! The keys of issuers.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{
    super::harness::{mint::Key, *},
    World,
};

/// Tokens of this key, with its name or without.
fn signed_by(
    key: &Arc<Key>,
    algorithm: &'static str,
    named: bool,
) -> impl Fn(usize) -> String + use<> {
    let key = Arc::clone(key);
    move |number| {
        let claims = mint::claims_with(json!({ "jti": format!("{}-{number}", key.kid) }));
        let kid = if named { json!(key.kid) } else { Value::Null };
        key.token_with_header(&json!({ "alg": algorithm, "kid": kid }), &claims)
    }
}

/// A set whose keys are for one algorithm, as issuers publish them.
fn set(algorithm: &str, keys: &[&Key]) -> String {
    let keys: Vec<Value> =
        keys.iter().map(|key| key.jwk_with(json!({ "alg": algorithm, "use": "sig" }))).collect();
    json!({ "keys": keys }).to_string()
}

fn two(kind: impl Fn(&'static str) -> Key) -> [Arc<Key>; 2] {
    ["2026-11", "2026-12"].map(|kid| Arc::new(kind(kid)))
}

/// "JWK sets", and "HMAC secrets", which are no different as JWKs.
async fn a_set_in_a_secret(algorithm: &'static str, kind: impl Fn(&'static str) -> Key) {
    let [old, new] = two(kind);
    let with = move |setup: Setup, keys: &[&Key]| {
        setup
            .set("providers.0.algorithms", json!([algorithm]))
            .secret("JWT_KEYS", &set(algorithm, keys))
    };
    let world = World::start(|setup| with(setup, &[&old]), signed_by(&old, algorithm, true)).await;
    world.deploy("both keys", with(world.setup(), &[&old, &new])).await;

    world.traffic.issue(signed_by(&new, algorithm, true));
    world.traffic.phase("the issuer signs with the new key").await;
    world.traffic.let_tokens_end().await;
    world.deploy("the new key", with(world.setup(), &[&new])).await;

    let reply = world.ask("/", &signed_by(&old, algorithm, true)(0)).await;
    reply.must_be(401, "invalid_token");
}

#[tokio::test]
async fn a_jwk_set_in_a_secret() {
    a_set_in_a_secret("ES256", |kid| Key::ec(kid, "P-256")).await;
}

#[tokio::test]
async fn an_hmac_secret_as_a_jwk() {
    a_set_in_a_secret("HS512", Key::hmac).await;
}

/// "PEM and other keys without a name", first row: the new key has a name, and the old one has none.
/// "Change the configuration and its secrets", since the new one is in a secret of its own.
#[tokio::test]
async fn a_pem_file_by_a_named_key() {
    let [old, new] = two(Key::rsa);
    let named = |setup: Setup, names: Value| {
        setup.set("providers.0.algorithms", json!(["RS256"])).set("providers.0.keys", names)
    };
    let (pem, jwks) = (old.pem(), set("RS256", &[&new]));
    let first = |setup: Setup| named(setup, json!(["JWT_KEYS"])).secret("JWT_KEYS", &pem);
    let world = World::start(first, signed_by(&old, "RS256", true)).await;
    let stored = |setup: Setup| first(setup).secret("NEW_KEYS", &jwks);
    world.deploy("the new secret, which nobody names", stored(world.setup())).await;
    let both = named(stored(world.setup()), json!(["JWT_KEYS", "NEW_KEYS"]));
    world.deploy("both", both).await;

    world.traffic.issue(signed_by(&new, "RS256", true));
    world.traffic.phase("the issuer signs with the new key").await;
    world.traffic.let_tokens_end().await;
    let last = named(stored(world.setup()), json!(["NEW_KEYS"]));
    world.deploy("the old secret, which nobody names", last).await;
    let last = named(stored(world.setup()), json!(["NEW_KEYS"])).without_secret("JWT_KEYS");
    world.deploy("the new secret", last).await;
    world.ask("/", &signed_by(&old, "RS256", true)(0)).await.must_be(401, "invalid_token");
}

/// Second row: no token has a `kid`, and the new key is of another kind.
#[tokio::test]
async fn a_pem_file_by_one_of_another_kind() {
    let (old, new) = (Arc::new(Key::rsa("old")), Arc::new(Key::ec("new", "P-256")));
    let (old_pem, new_pem) = (old.pem(), new.pem());
    let first = |setup: Setup| {
        setup.set("providers.0.algorithms", json!(["RS256"])).secret("JWT_KEYS", &old_pem)
    };
    let world = World::start(first, signed_by(&old, "RS256", false)).await;
    let both = |setup: Setup| {
        first(setup)
            .secret("NEW_KEYS", &new_pem)
            .set("providers.0.algorithms", json!(["RS256", "ES256"]))
            .set("providers.0.keys", json!(["JWT_KEYS", "NEW_KEYS"]))
    };
    world.deploy("the new secret", first(world.setup()).secret("NEW_KEYS", &new_pem)).await;
    world.deploy("both", both(world.setup())).await;

    world.traffic.issue(signed_by(&new, "ES256", false));
    world.traffic.phase("the issuer signs with the new key").await;
    world.traffic.let_tokens_end().await;
    let last = both(world.setup())
        .set("providers.0.algorithms", json!(["ES256"]))
        .set("providers.0.keys", json!(["NEW_KEYS"]));
    world.deploy("the new key", last).await;
    world.ask("/", &signed_by(&old, "RS256", false)(0)).await.must_be(401, "invalid_token");
}

/// "HMAC secrets", last paragraph: from a raw secret, whose tokens have no `kid`, to a named one.
#[tokio::test]
async fn a_raw_hmac_secret_by_a_named_one() {
    let [old, new] = two(Key::hmac);
    let raw = mint::from_base64url(old.jwk()["k"].as_str().unwrap());
    let (raw, jwks) = (String::from_utf8(raw).unwrap(), set("HS512", &[&new]));
    let first = |setup: Setup| {
        setup.set("providers.0.algorithms", json!(["HS512"])).secret("JWT_KEYS", &raw)
    };
    let world = World::start(first, signed_by(&old, "HS512", false)).await;

    world.traffic.issue(signed_by(&old, "HS512", true));
    world.traffic.phase("the issuer gives its key a name").await;
    world.traffic.let_tokens_end().await;
    let stored = |setup: Setup| first(setup).secret("NEW_KEYS", &jwks);
    world.deploy("the new secret", stored(world.setup())).await;
    let both = stored(world.setup()).set("providers.0.keys", json!(["JWT_KEYS", "NEW_KEYS"]));
    world.deploy("both", both).await;

    world.traffic.issue(signed_by(&new, "HS512", true));
    world.traffic.phase("the issuer signs with the new key").await;
    world.traffic.let_tokens_end().await;
    let last = stored(world.setup()).set("providers.0.keys", json!(["NEW_KEYS"]));
    world.deploy("the new key", last).await;
    world.ask("/", &signed_by(&old, "HS512", true)(0)).await.must_be(401, "invalid_token");
}

/// What an issuer hands out, which it can change.
async fn publisher(first: String) -> (Faults, Arc<Mutex<String>>) {
    let set = Arc::new(Mutex::new(first));
    let published = Arc::clone(&set);
    (Faults::answering(move |_| Reply::new(200, published.lock().unwrap().as_str())).await, set)
}

/// Keys from this issuer alone, which are fetched again after ten seconds.
fn fetching(setup: Setup, issuer: &Faults) -> Setup {
    setup
        .set("providers.0.algorithms", json!(["ES256"]))
        .set("providers.0.jwks_uri", format!("http://{}/jwks", issuer.addr))
        .set("providers.0.jwks.refresh_seconds", 10)
        .unset("providers.0.keys")
        .without_secret("JWT_KEYS")
}

/// "Published keys": nobody deploys anything. The issuer publishes a new key, waits for `cooldown_seconds`,
/// signs with it, and takes the old one away when the last of its tokens has ended.
#[tokio::test]
async fn published_keys_that_the_issuer_changes() {
    const COOLDOWN: u64 = 3;
    let [old, new] = two(|kid| Key::ec(kid, "P-256"));
    let (issuer, published) = publisher(set("ES256", &[&old])).await;
    let kv = Kv::start().await;
    let adapt = |setup: Setup| {
        fetching(setup, &issuer).kv(&kv).set("providers.0.jwks.cooldown_seconds", COOLDOWN)
    };
    let world = World::start(adapt, signed_by(&old, "ES256", true)).await;
    // A second isolate, which has the set from KV.
    world.gates.deploy_gate(Gate::start(adapt(world.setup())).await);

    *published.lock().unwrap() = set("ES256", &[&old, &new]);
    tokio::time::sleep(Duration::from_secs(COOLDOWN)).await;
    world.traffic.issue(signed_by(&new, "ES256", true));
    world.traffic.phase("the issuer signs with the new key").await;
    world.traffic.let_tokens_end().await;

    *published.lock().unwrap() = set("ES256", &[&new]);
    let removed = signed_by(&old, "ES256", true)(0);
    eventually("the old key is gone from both", async || {
        let replies = [world.ask("/", &removed).await, world.ask("/", &removed).await];
        replies.iter().all(|reply| reply.status == 401)
    })
    .await;
    world.traffic.phase("the new key").await;
}

/// Why it waits: README, "Limits".
#[tokio::test]
async fn an_issuer_that_signs_at_once_can_have_its_first_tokens_refused() {
    let [old, new] = two(|kid| Key::ec(kid, "P-256"));
    let (issuer, published) = publisher(set("ES256", &[&old])).await;
    let origin = Origin::start().await;
    let gate = Gate::start(fetching(Setup::new(&origin), &issuer)).await;
    get("/").bearer(&signed_by(&old, "ES256", true)(0)).send(&gate).await.must_pass();
    *published.lock().unwrap() = set("ES256", &[&old, &new]);
    let token = signed_by(&new, "ES256", true)(0);
    get("/").bearer(&token).send(&gate).await.must_be(401, "invalid_token");
}
