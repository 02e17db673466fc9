use super::{
    harness::{
        gate::ADMIN_TOKEN,
        mint::{P256, token_with},
        sockets::{Sockets, open},
        *,
    },
    revocations::revoked,
};
use std::time::Duration;
async fn traffic(gate: &Gate) {
    let tokens: Vec<_> = (0..100).map(|n| token_with(json!({"jti": format!("t{n}")}))).collect();
    for _ in 0..10 {
        for t in &tokens {
            get("/").bearer(t).send(gate).await.must_pass();
        }
    }
}
#[tokio::test]
async fn sample_relays() {
    let (origin, relays, kv) = (Origin::start().await, Relays::start().await, Kv::start().await);
    let gate = Gate::start(Setup::new(&origin).relays(&relays).kv(&kv).assertion(60)).await;
    let show = async |what: &str, gate: &Gate| {
        println!(
            "{what}: relay pull {} push {} leash {} message {} hub {} [pull {} metrics {}] rows relay {} hub {} kv get {} put {} del {} ",
            relays.calls("/relay/pull"),
            relays.calls("/relay/push"),
            relays.calls("/relay/leash"),
            relays.calls("/relay/message"),
            relays.calls("/hub"),
            relays.calls("/hub/pull"),
            relays.calls("/hub/metrics"),
            relays.rows_written(gate, "any-0").await,
            relays.rows_written(gate, "hub").await,
            kv.gets(),
            kv.puts(),
            kv.deletes()
        )
    };
    show("nothing", &gate).await;
    get("/").bearer(&mint::token()).send(&gate).await.must_pass();
    tokio::time::sleep(Duration::from_secs(3)).await;
    show("one request, 3 s", &gate).await;
    let t = mint::token();
    for _ in 0..100 {
        get("/").bearer(&t).send(&gate).await.must_pass();
        tokio::time::sleep(Duration::from_millis(98)).await;
    }
    show("10 s", &gate).await;
    for n in 0..5 {
        revoked(&gate, json!({"sub": format!("s{n}")})).await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        show("revoked", &gate).await;
    }
    for n in 0..3 {
        get("/_edgeward/metrics").bearer(ADMIN_TOKEN).send(&gate).await;
        show(&format!("scrape {n}"), &gate).await;
    }
    for _ in 0..30 {
        get("/").bearer(&t).send(&gate).await.must_pass();
        tokio::time::sleep(Duration::from_millis(98)).await;
    }
    for n in 0..3 {
        get("/_edgeward/metrics").bearer(ADMIN_TOKEN).send(&gate).await;
        show(&format!("scrape {n}"), &gate).await;
    }
}
#[tokio::test]
async fn sample_sockets() {
    let (far, relays) = (Sockets::echoing().await, Relays::start().await);
    let o = Origin::start().await;
    let gate = Gate::start(
        far.setup(Setup::new(&o))
            .relays(&relays)
            .rule(json!({"path":"/h", "websocket":"handshake"})),
    )
    .await;
    let show = async |what: &str, gate: &Gate| {
        println!(
            "sock {what}: pull {} leash {} message {} hub {} rows relay {} hub {}",
            relays.calls("/relay/pull"),
            relays.calls("/relay/leash"),
            relays.calls("/relay/message"),
            relays.calls("/hub"),
            relays.rows_written(gate, "any-0").await,
            relays.rows_written(gate, "hub").await
        )
    };
    let mut all = vec![];
    for _ in 0..10 {
        all.push(open("/").bearer(&mint::token()).at(&gate).await);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    show("10 supervised", &gate).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    show("20s idle", &gate).await;
    for _ in 0..10 {
        all.push(open("/h").bearer(&mint::token()).at(&gate).await);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    show("10 handshake", &gate).await;
}
#[tokio::test]
async fn sample_requests() {
    let origin = Origin::start().await;
    let service = says(json!({"active": true})).await;
    let issuer = Faults::answering(|_| Reply::new(200, mint::jwks(&[&P256]))).await;
    for (name, f) in [
        ("secret", &(|s: Setup| s) as &dyn Fn(Setup) -> Setup),
        ("always", &|s: Setup| s.set("validation_cache", "always")),
        ("published", &|s: Setup| {
            s.set("providers.0.algorithms", json!(["ES256"]))
                .set("providers.0.jwks_uri", format!("http://{}/jwks", issuer.addr))
                .unset("providers.0.keys")
                .without_secret("JWT_KEYS")
        }),
        ("introspection", &|s: Setup| {
            s.secret("CS", "secret").set("providers.0.introspection", json!({"url": format!("http://{}/introspect", service.addr), "client_id":"e", "client_secret":"CS"}))
        }),
        ("introspection off", &|s: Setup| {
            s.set("validation_cache", "off").secret("CS", "secret").set("providers.0.introspection", json!({"url": format!("http://{}/introspect", service.addr), "client_id":"e", "client_secret":"CS"}))
        }),
    ] {
        let kv = Kv::start().await;
        let (s0, j0) = (service.count("/introspect"), issuer.count("/jwks"));
        for second in [false, true] {
            let gate = Gate::start(f(Setup::new(&origin)
                .kv(&kv)
                .assertion(60)
                .set("validation_cache_timeout_ms", 5000)))
            .await;
            traffic(&gate).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            println!(
                "{name} {second}: kv {} {} {} service {} issuer {}",
                kv.gets(),
                kv.puts(),
                kv.deletes(),
                service.count("/introspect") - s0,
                issuer.count("/jwks") - j0
            );
        }
    }
}
#[tokio::test]
async fn sample_strict() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(
        Setup::new(&origin).relays(&relays).rule(json!({"path": "/", "revocation": "strict"})),
    )
    .await;
    traffic(&gate).await;
    println!("strict: pull {} hub pull {}", relays.calls("/relay/pull"), relays.calls("/hub"));
}
