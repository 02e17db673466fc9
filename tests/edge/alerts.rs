//! Every alert of `ops/alerts.yml` fires in a real Prometheus when what it is about happens, and ends
//! when it is over.

use std::time::Duration;

use futures_util::future::join_all;

use super::harness::{
    gate::ADMIN_TOKEN,
    mint::{self, P256, now, token_with},
    prometheus::{Prometheus, dashboard_queries},
    *,
};

/// Minutes are seconds.
const FACTOR: u64 = 60;
const METRICS: &str = "/_edgeward/metrics";
/// `for` and range of the slowest alert, and time for a busy machine.
const LONG: Duration = Duration::from_secs(90);

/// A Prometheus that asks this gate, where there is one, and has done so: a counter that it first sees when
/// it has grown has not grown.
async fn watching(gate: &Gate) -> Option<Prometheus> {
    let prometheus = Prometheus::start(gate.addr, METRICS, ADMIN_TOKEN, FACTOR).await?;
    let asked = "up{job=\"edgeward\"} == 1";
    eventually("it has asked", async || !prometheus.query(asked).await.is_empty()).await;
    Some(prometheus)
}

/// With a hub, without which there are no counters.
fn setup(origin: &Origin, relays: &Relays) -> Setup {
    Setup::new(origin).relays(relays)
}

/// `asking_about` with a hub.
fn asking(origin: &Origin, relays: &Relays, service: &Faults) -> Setup {
    asking_about(origin, service)
        .relays(relays)
        .set("providers.0.introspection.cache_seconds", 1)
        .set("providers.0.introspection.timeout_ms", 500)
}

/// A token that nobody has seen.
fn fresh(number: usize) -> String {
    token_with(json!({ "jti": format!("fresh-{number}") }))
}

/// So many requests at once, with tokens that nobody has seen, again and again as long as `wait` takes.
/// A rate is at its own only when it goes on.
async fn under_load<T>(gate: &Gate, at_once: usize, wait: impl Future<Output = T>) -> T {
    let load = async {
        for round in 0.. {
            let tokens = (0..at_once).map(|number| fresh(round * at_once + number));
            join_all(tokens.map(|token| async move { get("/").bearer(&token).send(gate).await }))
                .await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        unreachable!()
    };
    tokio::select! { value = wait => value, () = load => unreachable!() }
}

/// The same with one token.
async fn with_token<T>(gate: &Gate, token: &str, wait: impl Future<Output = T>) -> T {
    let load = async {
        loop {
            get("/").bearer(token).send(gate).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! { value = wait => value, () = load => unreachable!() }
}

/// `EdgewardErrorRate`, `EdgewardBreakerOpen`: the auth service fails, and the policy is to deny.
#[tokio::test]
async fn users_are_refused_because_the_auth_service_is_away() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let service = says(json!({ "active": true })).await;
    let gate = Gate::start(asking(&origin, &relays, &service)).await;
    let Some(prometheus) = watching(&gate).await else { return };
    service.set(Mode::status(503)).await;
    under_load(&gate, 2, async {
        prometheus.until_firing("EdgewardErrorRate", LONG).await;
        let alert = prometheus.until_firing("EdgewardBreakerOpen", LONG).await;
        assert_eq!(alert.labels["provider"], "main");
        service.set(Mode::Pass).await;
        // The probe closes it: the load goes on.
        prometheus.until_over("EdgewardBreakerOpen", LONG).await;
        prometheus.until_over("EdgewardErrorRate", LONG).await;
    })
    .await;
    assert!(!prometheus.alerts().await.contains_key("EdgewardMisconfiguredDenials"));
}

/// `EdgewardDegraded`: the same, and the operator lets them pass. No error rate.
#[tokio::test]
async fn users_pass_on_less() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let service = says(json!({ "active": true })).await;
    let setup = asking(&origin, &relays, &service)
        .set("providers.0.introspection.on_outage", "signature")
        .var("ALLOW_DEGRADED_AUTH", "true");
    let gate = Gate::start(setup).await;
    let Some(prometheus) = watching(&gate).await else { return };
    service.set(Mode::Refused).await;
    under_load(&gate, 1, async {
        prometheus.until_firing("EdgewardDegraded", LONG).await;
        assert!(!prometheus.alerts().await.contains_key("EdgewardErrorRate"));
        service.set(Mode::Pass).await;
        prometheus.until_over("EdgewardDegraded", LONG).await;
    })
    .await;
}

/// `EdgewardMisconfiguredDenials` (and `EdgewardErrorRate`): the auth service refuses us.
#[tokio::test]
async fn our_credentials_do_not_do() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let service = says(json!({ "active": true })).await;
    let gate = Gate::start(asking(&origin, &relays, &service)).await;
    let Some(prometheus) = watching(&gate).await else { return };
    service.set(Mode::status(401)).await;
    get("/").bearer(&fresh(0)).send(&gate).await.must_be(503, "misconfigured");
    let alert = prometheus.until_firing("EdgewardMisconfiguredDenials", LONG).await;
    assert_eq!(alert.labels["reason"], "auth_service_refuses_us");
    prometheus.until_over("EdgewardMisconfiguredDenials", LONG).await;
}

/// `EdgewardMisconfigured`, `EdgewardShadowRules`: what only a deployment changes. Between Prometheus and
/// the gates stands one that passes on what the old gate says, and then what the new one says.
#[tokio::test]
async fn deployments() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let front = Faults::start().await;
    let page = async |gate: &Gate| {
        let reply = get(METRICS).bearer(ADMIN_TOKEN).send(gate).await;
        Mode::status(200)
            .header("Content-Type", "text/plain; version=0.0.4")
            .with_body(&reply.text())
    };
    let bad = Gate::start(setup(&origin, &relays).set("clock_skew_seconds", 301)).await;
    front.set(page(&bad).await).await;
    let started = Prometheus::start(front.addr, METRICS, ADMIN_TOKEN, FACTOR).await;
    let Some(prometheus) = started else { return };
    prometheus.until_firing("EdgewardMisconfigured", LONG).await;
    drop(bad);

    // One disk is for one workerd at a time.
    let shadowing = setup(&origin, &relays).rule(json!({ "path": "/new", "enforce": "shadow" }));
    let shadowing = Gate::start(shadowing).await;
    front.set(page(&shadowing).await).await;
    prometheus.until_over("EdgewardMisconfigured", LONG).await;
    prometheus.until_firing("EdgewardShadowRules", LONG).await;
    drop(shadowing);

    let good = Gate::start(setup(&origin, &relays)).await;
    front.set(page(&good).await).await;
    prometheus.until_over("EdgewardShadowRules", LONG).await;
    // EdgewardMetricsDown, by the way.
    front.set(Mode::Refused).await;
    prometheus.until_firing("EdgewardMetricsDown", LONG).await;
    front.set(page(&good).await).await;
    prometheus.until_over("EdgewardMetricsDown", LONG).await;
}

/// `EdgewardOriginUnreachable`.
#[tokio::test]
async fn the_origin_is_away() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let way = Faults::start().await;
    way.pass_to(origin.addr);
    let setup = setup(&origin, &relays).set("origin", format!("http://{}", way.addr));
    let gate = Gate::start(setup).await;
    let Some(prometheus) = watching(&gate).await else { return };
    way.set(Mode::Refused).await;
    let token = mint::token();
    with_token(&gate, &token, async {
        prometheus.until_firing("EdgewardOriginUnreachable", LONG).await;
        assert!(!prometheus.alerts().await.contains_key("EdgewardErrorRate"));
        way.set(Mode::Pass).await;
        prometheus.until_over("EdgewardOriginUnreachable", LONG).await;
    })
    .await;
}

/// `EdgewardRefusalsJump`: a hundred requests in ten seconds, a part with a bad token, and nobody before.
#[tokio::test]
async fn suddenly_many_tokens_are_refused() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    let Some(prometheus) = watching(&gate).await else { return };
    let (good, forged) = (mint::token(), format!("{}A", mint::token()));
    with_token(&gate, &good, async {
        with_token(&gate, &forged, prometheus.until_firing("EdgewardRefusalsJump", LONG)).await;
        prometheus.until_over("EdgewardRefusalsJump", LONG).await;
    })
    .await;
}

/// `EdgewardValidationSlow`: a hundred decisions in five seconds that waited. By the clock of a local
/// workerd, which goes on.
#[tokio::test]
async fn decisions_wait() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let service = says(json!({ "active": true })).await;
    service.set(Mode::Slow(Duration::from_millis(300))).await;
    let gate =
        asking(&origin, &relays, &service).set("providers.0.introspection.timeout_ms", 5_000);
    let gate = Gate::start(gate).await;
    let Some(prometheus) = watching(&gate).await else { return };
    under_load(&gate, 20, prometheus.until_firing("EdgewardValidationSlow", LONG)).await;
    service.set(Mode::Pass).await;
    with_token(&gate, &fresh(0), prometheus.until_over("EdgewardValidationSlow", LONG)).await;
}

/// `EdgewardCacheHitRatioLow`: 300 good tokens in five seconds that are new.
#[tokio::test]
async fn every_token_is_new() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    let Some(prometheus) = watching(&gate).await else { return };
    under_load(&gate, 20, prometheus.until_firing("EdgewardCacheHitRatioLow", LONG)).await;
    with_token(&gate, &mint::token(), prometheus.until_over("EdgewardCacheHitRatioLow", LONG))
        .await;
}

/// `EdgewardKeySetTooOld`, then `EdgewardProviderWithoutKeys` and `EdgewardKeysNotFetched`: the issuer does
/// not hand out its keys any more.
#[tokio::test]
async fn an_issuer_hands_out_no_keys() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let set = json!({ "keys": [P256.jwk()] });
    let issuer = Faults::answering(move |_| Reply::new(200, set.to_string())).await;
    let setup = setup(&origin, &relays)
        .set("providers.0.algorithms", json!(["ES256"]))
        .set("providers.0.jwks_uri", format!("http://{}/jwks", issuer.addr))
        .set("providers.0.jwks.refresh_seconds", 10)
        .set("providers.0.jwks.max_stale_seconds", 14)
        .set("providers.0.jwks.cooldown_seconds", 1)
        .unset("providers.0.keys")
        .without_secret("JWT_KEYS");
    let gate = Gate::start(setup).await;
    let Some(prometheus) = watching(&gate).await else { return };
    let token = mint::token();
    get("/").bearer(&token).send(&gate).await.must_pass();
    issuer.set(Mode::status(500)).await;
    with_token(&gate, &token, async {
        prometheus.until_firing("EdgewardKeySetTooOld", LONG).await;
        prometheus.until_firing("EdgewardProviderWithoutKeys", LONG).await;
        prometheus.until_firing("EdgewardKeysNotFetched", LONG).await;
        issuer.set(Mode::Pass).await;
        prometheus.until_over("EdgewardKeySetTooOld", LONG).await;
        prometheus.until_over("EdgewardProviderWithoutKeys", LONG).await;
        prometheus.until_over("EdgewardKeysNotFetched", LONG).await;
    })
    .await;
}

/// `EdgewardRevocationListTooOld`: no relay answers. The hub does, so there are counters.
#[tokio::test]
async fn nobody_knows_what_was_revoked() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let setup = setup(&origin, &relays)
        .set("revocation.max_staleness_seconds", 4)
        .set("revocation.timeout_ms", 300);
    let gate = Gate::start(setup).await;
    let Some(prometheus) = watching(&gate).await else { return };
    let token = mint::token();
    get("/").bearer(&token).send(&gate).await.must_pass();
    relays.fail("/relay/pull", Fault::Down);
    with_token(&gate, &token, async {
        // That users are refused cannot be told: what isolates count goes by way of the relay.
        prometheus.until_firing("EdgewardRevocationListTooOld", LONG).await;
        relays.mend();
        prometheus.until_over("EdgewardRevocationListTooOld", LONG).await;
    })
    .await;
}

/// `EdgewardHubDown`. One that hangs takes longer than a scrape that comes every second.
#[tokio::test]
async fn the_hub_is_away() {
    join_all([Fault::Down, Fault::Garbage].map(async |fault| {
        let (origin, relays) = (Origin::start().await, Relays::start().await);
        let gate = Gate::start(setup(&origin, &relays)).await;
        let Some(prometheus) = watching(&gate).await else { return };
        relays.fail("/hub/", fault);
        prometheus.until_firing("EdgewardHubDown", LONG).await;
        assert!(!prometheus.alerts().await.contains_key("EdgewardMetricsDown"), "{fault:?}");
        relays.mend();
        prometheus.until_over("EdgewardHubDown", LONG).await;
    }))
    .await;
}

/// `EdgewardStoredEntriesRejected`: somebody else writes to KV. The isolate that was there before has the
/// token in memory, the other asks KV. It is over when the range is.
#[tokio::test]
async fn somebody_else_writes_to_kv() {
    let (origin, relays, kv) = (Origin::start().await, Relays::start().await, Kv::start().await);
    let service = says(json!({ "active": true })).await;
    let gates =
        Gate::start_all(asking_about(&origin, &service).relays(&relays).kv(&kv).isolates(2));
    let gates = gates.await;
    let Some(prometheus) = watching(&gates[0]).await else { return };
    let token = mint::token();
    get("/").bearer(&token).send(&gates[0]).await.must_pass();
    eventually("it is stored", async || !kv.entries().is_empty()).await;
    for (key, entry) in kv.entries() {
        let mut forged = entry.value;
        *forged.last_mut().unwrap() ^= 1;
        kv.put(&key, forged);
    }
    get("/").bearer(&token).send(&gates[1]).await.must_pass();
    prometheus.until_firing("EdgewardStoredEntriesRejected", LONG).await;
    prometheus.until_over("EdgewardStoredEntriesRejected", LONG).await;
}

/// A gate that serves has no alert, and the dashboard something to show. Users who are refused by right
/// are no alert.
#[tokio::test]
async fn a_gate_that_serves_is_no_alert() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    let Some(prometheus) = watching(&gate).await else { return };
    let expired = token_with(json!({ "exp": now() - 100 }));
    with_token(&gate, &mint::token(), async {
        // One of more than ten.
        for _ in 0..20 {
            get("/").bearer(&expired).send(&gate).await.must_be(401, "expired_token");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    assert_eq!(prometheus.firing().await, [] as [&str; 0]);
    // Those that filter by `> 0` show nothing of a gate without faults, so this asks that they are right.
    for query in dashboard_queries() {
        prometheus.query(&query).await;
    }
}

// EdgewardMetricsMissing needs a Prometheus without the job: promtool tests it, and nothing of a gate is
// in it.
