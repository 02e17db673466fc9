//! What the gate and those who ask it prove themselves with.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use super::{
    super::harness::{
        gate::ADMIN_TOKEN,
        issuer::{EDGE, EDGE_JWT, EDGE_JWT_KEYS, INTROSPECTION, basic, post},
        *,
    },
    World,
};

const NEW_ADMIN_TOKEN: &str = "another-admin-token-0123456789abcdefghij";

fn tokens(number: usize) -> String {
    mint::token_with(json!({ "jti": format!("token-{number}") }))
}

/// "`ADMIN_TOKEN`": whoever has both, and takes the other one after a 401, gets an answer at any time.
#[tokio::test]
async fn the_admin_token() {
    let world = World::start(|setup| setup, tokens).await;
    let new = world.setup().secret("ADMIN_TOKEN", NEW_ADMIN_TOKEN);
    world.gates.deploy_gate(Gate::start(new).await);
    let mut refusals = 0;
    for _ in 0..20 {
        let mut status = world.ask("/_edgeward/health", ADMIN_TOKEN).await;
        // A repeated question can meet another deployment than the one that refused.
        while status.status == 401 {
            refusals += 1;
            status = world.ask("/_edgeward/health", NEW_ADMIN_TOKEN).await;
            if status.status == 401 {
                refusals += 1;
                status = world.ask("/_edgeward/health", ADMIN_TOKEN).await;
            }
        }
        assert_eq!(status.status, 200, "{}", status.text());
    }
    assert!(refusals > 0, "either token is refused by the other deployment");
    world.traffic.phase("both admin tokens").await;
    world.gates.retire();
    world.traffic.phase("the new admin token").await;
    world.ask("/_edgeward/health", NEW_ADMIN_TOKEN).await.must_pass();
    world.ask("/_edgeward/health", ADMIN_TOKEN).await.must_be(401, "unauthorized");
}

/// "Secrets of clients that revoke": the same for a client of `/revoke`.
#[tokio::test]
async fn the_secret_of_a_client_that_revokes() {
    const SECRETS: [&str; 2] = ["old-secret-0123456789", "new-secret-0123456789"];
    // A disk is for one workerd.
    let relays = [Relays::start().await, Relays::start().await];
    let with = |setup: Setup, number: usize| {
        let client = json!([{ "client_id": "app", "client_secret": "APP_SECRET" }]);
        setup
            .relays(&relays[number])
            .set("revocation.clients", client)
            .secret("APP_SECRET", SECRETS[number])
    };
    let world = World::start(|setup| with(setup, 0), tokens).await;
    world.gates.deploy_gate(Gate::start(with(world.setup(), 1)).await);
    let revoke = async |secret: &str| {
        let token = mint::token_with(json!({ "client_id": "app" }));
        let form = post("/_edgeward/revoke", &[("token", &token)]);
        let request = form.header("Authorization", &basic(("app", secret)));
        client::raw(world.gates.addr, &request.bytes()).await.status
    };
    for turn in 0..10 {
        let mut tries = turn;
        while revoke(SECRETS[tries % 2]).await != 200 {
            tries += 1;
            assert!(tries < turn + 50, "neither is taken");
        }
    }
    world.traffic.phase("both secrets").await;
    world.gates.retire();
    world.traffic.phase("the new secret").await;
    assert_eq!((revoke(SECRETS[0]).await, revoke(SECRETS[1]).await), (401, 200));
}

fn asking(setup: Setup, service: &str, client: Value) -> Setup {
    let mut introspection = json!({ "url": service, "cache_seconds": 1, "timeout_ms": 5000 });
    introspection.as_object_mut().unwrap().extend(client.as_object().unwrap().clone());
    setup.set("providers.0.introspection", introspection)
}

/// "Credentials at an auth service", where the service takes two passwords of a client for a time.
#[tokio::test]
async fn a_client_secret_at_a_service_that_takes_two() {
    let accepted = Arc::new(Mutex::new(vec![basic(("edge", "old"))]));
    let taken = Arc::clone(&accepted);
    let refused = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refused);
    let service = Faults::answering(move |asked| {
        if taken.lock().unwrap().iter().any(|one| asked.header("authorization") == [one]) {
            return Reply::new(200, json!({ "active": true }).to_string());
        }
        counted.fetch_add(1, Ordering::SeqCst);
        Reply::new(401, "")
    })
    .await;
    let url = format!("http://{}{INTROSPECT}", service.addr);
    let with = |setup: Setup, secret: &str| {
        let client = json!({ "client_id": "edge", "client_secret": "INTROSPECTION_SECRET" });
        asking(setup, &url, client).secret("INTROSPECTION_SECRET", secret)
    };
    let world = World::start(|setup| with(setup, "old"), tokens).await;
    accepted.lock().unwrap().push(basic(("edge", "new")));
    world.deploy("the new secret", with(world.setup(), "new")).await;
    accepted.lock().unwrap().remove(0);
    world.traffic.phase("the old secret is no longer taken").await;
    assert_eq!(refused.load(Ordering::SeqCst), 0);
}

/// And where it does not: a second client. The service is a real provider, whose tokens are opaque.
#[tokio::test]
async fn a_client_secret_by_a_second_client() {
    let issuer = Issuer::start().await;
    let mut opaque = Vec::new();
    for _ in 0..40 {
        opaque.push(issuer.token(Resource::Opaque, "read").await);
    }
    let (url, name) = (issuer.url() + INTROSPECTION, issuer.url());
    let with = |setup: Setup, client: Value| {
        asking(setup, &url, client)
            .set("providers.0.issuer", name.as_str())
            .set("providers.0.introspection.opaque_tokens", "accept")
            .secret("EDGE_SECRET", EDGE.1)
    };
    let old = json!({ "client_id": EDGE.0, "client_secret": "EDGE_SECRET" });
    let new = json!({ "client_id": EDGE_JWT, "client_key": "EDGE_KEY" });
    let key = EDGE_JWT_KEYS[0].1.private_jwk().to_string();
    let world = World::start(
        |setup| with(setup, old.clone()),
        move |number| opaque[number % opaque.len()].clone(),
    )
    .await;
    let stored =
        |setup: Setup, client: &Value| with(setup, client.clone()).secret("EDGE_KEY", &key);
    world.deploy("the key of the second client", stored(world.setup(), &old)).await;
    world.deploy("the second client", stored(world.setup(), &new)).await;
    let last = issuer.faults.last(INTROSPECTION);
    assert!(String::from_utf8_lossy(&last.body).contains("client_assertion="), "{last:?}");
    world
        .deploy("without the old secret", stored(world.setup(), &new).without_secret("EDGE_SECRET"))
        .await;
}
