//! `ASSERTION_KEY`, before an origin that trusts assertions alone.

use super::{
    super::harness::{mint::Key, *},
    *,
};

fn tokens(number: usize) -> String {
    mint::token_with(json!({ "jti": format!("token-{number}") }))
}

fn with(setup: Setup, key: &Key, publish: &[Value]) -> Setup {
    setup
        .secret("ASSERTION_KEY", &key.private_jwk().to_string())
        .set("forward.assertion.publish", publish)
}

/// As `jq 'del(.d)'` makes it of the key.
fn public_half(key: &Key) -> Value {
    let mut jwk = key.private_jwk();
    jwk.as_object_mut().unwrap().remove("d");
    jwk
}

/// The names of the keys that a gate publishes.
async fn published(gate: &Gate) -> Vec<String> {
    let set = get("/_edgeward/jwks.json").send(gate).await.json();
    let keys = set["keys"].as_array().unwrap().iter();
    keys.map(|jwk| jwk["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_assertion_key() {
    let [old, new] = ["old", "new"].map(Key::ed25519);
    let both = [public_half(&old), public_half(&new)];
    let world = World::start(|setup| with(setup, &old, &[]), tokens).await;
    world.deploy("both keys published", with(world.setup(), &old, &both)).await;
    // As if the set that it keeps had ended.
    world.renew_origin("origins that know both").await;

    // `wrangler secret put` changes the key and nothing else.
    world.gates.deploy_gate(Gate::start(with(world.setup(), &new, &both)).await);
    world.traffic.phase("the new key, beside the old one").await;
    world.renew_origin("origins that come in between").await;
    world.gates.retire();
    world.traffic.phase("the new key, alone").await;

    world.deploy("one key published", with(world.setup(), &new, &[])).await;
    world.renew_origin("origins that know the new one").await;
}

#[tokio::test]
async fn whatever_is_published_the_own_key_comes_first_and_once() {
    let [old, new] = ["old", "new"].map(Key::ed25519);
    let mut nameless = public_half(&old);
    nameless.as_object_mut().unwrap().remove("kid");
    let origin = Origin::start().await;
    for (key, publish, kids) in [
        (&old, vec![], vec!["old"]),
        (&old, vec![public_half(&old), public_half(&new)], vec!["old", "new"]),
        (&new, vec![public_half(&old), public_half(&new)], vec!["new", "old"]),
    ] {
        let gate = Gate::start(with(Setup::new(&origin).assertion(60), key, &publish)).await;
        assert_eq!(published(&gate).await, kids);
    }
    let setup = with(Setup::new(&origin).assertion(60), &new, &[nameless]);
    let gate = Gate::start(setup).await;
    // Of RFC 7638: 32 bytes.
    assert_eq!(published(&gate).await.get(1).map(String::len), Some(43));
}

/// Why it has to be published beforehand.
#[tokio::test]
async fn an_origin_refuses_somebody_while_a_key_comes_that_nobody_published() {
    let [old, new] = ["old", "new"].map(Key::ed25519);
    let world = World::start(|setup| with(setup, &old, &[]), tokens).await;
    world.gates.deploy_gate(Gate::start(with(world.setup(), &new, &[])).await);
    world.traffic.go_on().await;
    let wrong = world.traffic.wrong();
    // The origin's own 401 has no body.
    assert!(!wrong.is_empty() && wrong.iter().all(|it| it == "401 in place of 200: "), "{wrong:?}");
}
