//! `ASSERTION_KEY`, before an origin that trusts assertions alone.

use super::{
    super::harness::{mint::Key, *},
    *,
};

fn tokens(number: usize) -> String {
    mint::token_with(json!({ "jti": format!("token-{number}") }))
}

/// A new key without `kid`, as the operations say.
fn nameless(key: &Key) -> String {
    let mut jwk = key.private_jwk();
    jwk.as_object_mut().unwrap().remove("kid");
    jwk.to_string()
}

/// What a gate publishes.
async fn published(gate: &Gate) -> Value {
    get("/_edgeward/jwks.json").send(gate).await.json()
}

/// The public half of a key with the name that a gate gives it, by running one with it.
async fn public_half(key: &Key) -> Value {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin).assertion(60).secret("ASSERTION_KEY", &nameless(key));
    let gate = Gate::start(setup).await;
    published(&gate).await["keys"][0].clone()
}

#[tokio::test]
async fn the_assertion_key() {
    let [old, new] = ["", ""].map(Key::ed25519);
    let with = |setup: Setup, key: &Key| setup.secret("ASSERTION_KEY", &nameless(key));
    let world = World::start(|setup| with(setup, &old), tokens).await;

    // Both public halves to the origins.
    let both = json!({ "keys": [public_half(&old).await, public_half(&new).await] });
    let origin = CarefulOrigin::start(world.gates.addr, Some(both)).await;
    world.origins.deploy(origin.addr, origin);
    world.traffic.phase("an origin with both keys beside one without").await;
    world.origins.retire();
    // What the gate has still open to the one without.
    world.traffic.phase("origins with both keys").await;

    world.deploy("the new key", with(world.setup(), &new)).await;

    let origin = CarefulOrigin::start(world.gates.addr, None).await;
    world.origins.deploy(origin.addr, origin);
    world.origins.retire();
    world.traffic.phase("origins that know what is published").await;
}

/// Why both of them: README, "Limits". Each isolate publishes its own key alone, so no set that an origin can
/// fetch knows what isolates of the other deployment sign.
#[tokio::test]
async fn an_origin_that_knows_only_what_is_published_refuses_somebody_meanwhile() {
    let [old, new] = ["", ""].map(Key::ed25519);
    let with = |setup: Setup, key: &Key| setup.secret("ASSERTION_KEY", &nameless(key));
    let world = World::start(|setup| with(setup, &old), tokens).await;
    let gate = Gate::start(with(world.setup(), &new)).await;
    let sets = [published(&gate).await, json!({ "keys": [public_half(&old).await] })];
    assert_eq!(sets.each_ref().map(|set| set["keys"].as_array().unwrap().len()), [1, 1]);
    assert_ne!(sets[0]["keys"][0]["kid"], sets[1]["keys"][0]["kid"]);

    world.gates.deploy_gate(gate);
    world.traffic.go_on().await;
    let wrong = world.traffic.wrong();
    // The origin's own 401 has no body.
    assert!(!wrong.is_empty() && wrong.iter().all(|it| it == "401 in place of 200: "), "{wrong:?}");
}
