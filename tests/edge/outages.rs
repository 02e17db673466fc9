//! The auth service goes, and users do not notice; operators and origins do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::harness::{
    faults::Mode,
    mint::{self, now, token_with},
    *,
};

/// Degraded modes on, and answers that count for a second.
fn lenient(origin: &Origin, service: &Faults) -> Setup {
    asking_about(origin, service)
        .set("providers.0.introspection.on_outage", "signature")
        .set("providers.0.introspection.cache_seconds", 1)
        .set("providers.0.introspection.timeout_ms", 300)
        .var("ALLOW_DEGRADED_AUTH", "true")
}

fn fresh(number: usize) -> String {
    token_with(json!({ "jti": format!("fresh-{number}") }))
}

async fn breaker(gate: &Gate) -> String {
    let report = gate.report().await;
    report["providers"][0]["auth_service"]["breaker"].as_str().unwrap().to_owned()
}

async fn until_breaker(gate: &Gate, state: &str) {
    eventually(state, async || breaker(gate).await == state).await;
}

/// How the last permitted request was permitted.
fn mode(origin: &Origin) -> Option<String> {
    origin.last().header("x-auth-degraded").first().map(|mode| (*mode).to_owned())
}

#[tokio::test]
async fn service_down() {
    let origin = Origin::start().await;
    let service = says(json!({ "active": true, "name": "Alice" })).await;
    let gate = Gate::start(lenient(&origin, &service)).await;
    let known = mint::token();
    get("/").bearer(&known).send(&gate).await.must_pass();
    service.set(Mode::Refused).await;
    // Answers are as old as they may be.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    for number in 0..20 {
        get("/").bearer(&fresh(number)).send(&gate).await.must_pass();
        assert_eq!(mode(&origin).as_deref(), Some("signature"));
        assert!(origin.last().header("x-name").is_empty(), "nobody has said it");
        get("/").bearer(&known).send(&gate).await.must_pass();
        assert_eq!(mode(&origin).as_deref(), Some("stale"));
        assert_eq!(origin.last().header("x-name"), ["Alice"]);
    }
    assert_eq!(breaker(&gate).await, "open");
    gate.logged(&["\"event\":\"breaker\"", "\"state\":\"open\"", "unreachable", "main"]).await;
    gate.logged(&["\"event\":\"degraded\"", "\"mode\":\"signature\"", "\"provider\":\"main\""])
        .await;
    let report = gate.report().await;
    assert_eq!(report["requests"]["denied"], json!({}));
    let degraded = &report["requests"]["degraded"];
    assert_eq!(*degraded, json!({ "signature": 20, "stale": 20 }));
    // Bad tokens are as bad as ever.
    let forged = format!("{known}A");
    get("/").bearer(&forged).send(&gate).await.must_be(401, "invalid_token");
    let expired = token_with(json!({ "exp": now() - 100 }));
    get("/").bearer(&expired).send(&gate).await.must_be(401, "expired_token");
    gate.must_be_calm();
}

#[tokio::test]
async fn intermittently_failing() {
    let origin = Origin::start().await;
    let service = says(json!({ "active": true })).await;
    let gate = Gate::start(lenient(&origin, &service)).await;
    service
        .set(Mode::Flapping(vec![
            Mode::Pass,
            Mode::status(500),
            Mode::Reset,
            Mode::Pass,
            Mode::Garbage,
            Mode::HalfBody,
            Mode::status(429),
        ]))
        .await;
    for number in 0..60 {
        get("/").bearer(&fresh(number)).send(&gate).await.must_pass();
    }
    let report = gate.report().await;
    assert_eq!(
        (&report["requests"]["permitted"], &report["requests"]["denied"]),
        (&json!(60), &json!({}))
    );
    // More than half of the calls fail, and the breaker sees to it that they are few.
    assert_eq!(report["providers"][0]["auth_service"]["breaker"], "open");
    assert!(service.count(INTROSPECT) < 30, "{}", service.count(INTROSPECT));
}

#[tokio::test]
async fn cache_miss() {
    // A token that nobody here knows, while nobody can be asked.
    let origin = Origin::start().await;
    let service = says(json!({ "active": true })).await;
    service.set(Mode::Hang).await;
    let token = mint::token();
    for (on_outage, is_allowed, passes) in [
        ("signature", true, true),
        ("stale", true, false),
        ("deny", true, false),
        ("signature", false, false),
    ] {
        let setup = lenient(&origin, &service)
            .set("providers.0.introspection.on_outage", on_outage)
            .var("ALLOW_DEGRADED_AUTH", if is_allowed { "true" } else { "false" });
        let gate = Gate::start(setup).await;
        let reply = get("/").bearer(&token).send(&gate).await;
        if passes {
            reply.must_pass();
            assert_eq!(mode(&origin).as_deref(), Some("signature"));
        } else {
            reply.must_be(503, "auth_unavailable");
            assert!(reply.header("retry-after")[0].parse::<u32>().unwrap() >= 1);
        }
    }
    // Another isolate knew it.
    let kv = Kv::start().await;
    service.set(Mode::Pass).await;
    let stale =
        || lenient(&origin, &service).set("providers.0.introspection.on_outage", "stale").kv(&kv);
    let first = Gate::start(stale()).await;
    get("/").bearer(&token).send(&first).await.must_pass();
    service.set(Mode::Refused).await;
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(kv.entries().len(), 1);
    let second = Gate::start(stale()).await;
    get("/").bearer(&token).send(&second).await.must_pass();
    assert_eq!(mode(&origin).as_deref(), Some("stale"));
}

#[tokio::test]
async fn token_expiring_during_degraded_mode() {
    let origin = Origin::start().await;
    let service = says(json!({ "active": true })).await;
    let gate = Gate::start(lenient(&origin, &service).set("clock_skew_seconds", 0)).await;
    let short = token_with(json!({ "exp": now() + 4 }));
    get("/").bearer(&short).send(&gate).await.must_pass();
    service.set(Mode::Refused).await;
    let mut modes = std::collections::BTreeSet::new();
    let limit = tokio::time::Instant::now() + PATIENCE;
    loop {
        let before = now();
        let reply = get("/").bearer(&short).send(&gate).await;
        if reply.status != 200 {
            reply.must_be(401, "expired_token");
            break;
        }
        modes.extend(mode(&origin));
        let claims = verified(&gate, &origin.last()).await;
        let ends = claims["exp"].as_i64().unwrap();
        assert!(before <= ends, "an assertion outlives the token: {claims}");
        assert!(tokio::time::Instant::now() < limit, "it goes on");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(modes.into_iter().collect::<Vec<_>>(), ["stale"]);
}

#[tokio::test]
async fn recovery() {
    let origin = Origin::start().await;
    let service = says(json!({ "active": true })).await;
    let gate = Gate::start(lenient(&origin, &service)).await;
    service.set(Mode::status(503)).await;
    for number in 0..10 {
        get("/").bearer(&fresh(number)).send(&gate).await.must_pass();
    }
    assert_eq!(breaker(&gate).await, "open");
    let calls = service.count(INTROSPECT);
    get("/").bearer(&fresh(10)).send(&gate).await.must_pass();
    assert_eq!(service.count(INTROSPECT), calls, "an open breaker asks nobody");
    service.set(Mode::Pass).await;
    until_breaker(&gate, "half_open").await;
    // One probe, which nobody waits for, and all is as before.
    get("/").bearer(&fresh(11)).send(&gate).await.must_pass();
    until_breaker(&gate, "closed").await;
    get("/").bearer(&fresh(11)).send(&gate).await.must_pass();
    assert_eq!(mode(&origin), None);
    gate.logged(&["\"event\":\"breaker\"", "\"state\":\"closed\""]).await;
    get("/").bearer(&fresh(0)).send(&gate).await.must_pass();
    assert_eq!(mode(&origin), None);
    assert_eq!(gate.report().await["requests"]["denied"], json!({}));
}

#[tokio::test]
async fn the_answer_that_came_too_late_counts_for_the_next_request() {
    let origin = Origin::start().await;
    let service = says(json!({ "active": true, "name": "Alice" })).await;
    let gate = lenient(&origin, &service)
        .set("providers.0.introspection.timeout_ms", 5_000)
        .set("providers.0.introspection.cache_seconds", 600);
    let gate = Gate::start(gate).await;
    service.set(Mode::Slow(Duration::from_secs(1))).await;
    let token = mint::token();
    get("/").bearer(&token).send(&gate).await.must_pass();
    assert_eq!(mode(&origin).as_deref(), Some("signature"));
    let limit = tokio::time::Instant::now() + PATIENCE;
    while mode(&origin).is_some() {
        assert!(tokio::time::Instant::now() < limit, "the answer is lost");
        tokio::time::sleep(Duration::from_millis(100)).await;
        get("/").bearer(&token).send(&gate).await.must_pass();
    }
    assert_eq!(origin.last().header("x-name"), ["Alice"]);
    assert_eq!(service.count(INTROSPECT), 1);
    assert_eq!(breaker(&gate).await, "closed");
    gate.must_be_calm();
}

#[tokio::test]
async fn many_requests_with_one_new_token_are_one_call() {
    let origin = Origin::start().await;
    let service = says(json!({ "active": true })).await;
    service.set(Mode::Slow(Duration::from_millis(300))).await;
    let gate = Gate::start(asking_about(&origin, &service)).await;
    let (one, token) = (get("/"), mint::token());
    let one = one.bearer(&token);
    let replies = futures_util::future::join_all((0..50).map(|_| one.send(&gate))).await;
    replies.iter().for_each(Reply::must_pass);
    assert_eq!(service.count(INTROSPECT), 1);
    gate.must_be_calm();
}

/// Sends a request and hangs up as soon as it was sent.
async fn leave(gate: &Gate, bytes: &[u8]) {
    let mut stream = tokio::net::TcpStream::connect(gate.addr).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, bytes).await.unwrap();
}

#[tokio::test]
async fn a_client_that_leaves_does_not_take_the_answer_along() {
    let origin = Origin::start().await;
    let service = says(json!({ "active": true })).await;
    service.set(Mode::Slow(Duration::from_millis(300))).await;
    let gate = Gate::start(asking_about(&origin, &service)).await;
    let token = mint::token();
    leave(&gate, &get("/").bearer(&token).bytes()).await;
    service.until(INTROSPECT, 1).await;
    // Whoever comes meanwhile waits for that answer, and does not ask again.
    get("/").bearer(&token).send(&gate).await.must_pass();
    assert_eq!(service.count(INTROSPECT), 1);
    gate.must_be_calm();
}

#[tokio::test]
async fn an_answer_that_nobody_could_hear_in_time_since_everything_stood_still_is_none() {
    let (withdrawn, origin) = (Arc::new(AtomicBool::new(false)), Origin::start().await);
    let is_withdrawn = Arc::clone(&withdrawn);
    let service = Faults::answering(move |_| {
        let is_active = !is_withdrawn.load(Ordering::SeqCst);
        Reply::new(200, json!({ "active": is_active }).to_string())
    })
    .await;
    service.set(Mode::Slow(Duration::from_millis(300))).await;
    let setup = asking_about(&origin, &service)
        .set("providers.0.introspection.cache_seconds", 3)
        .set("providers.0.introspection.timeout_ms", 1_000);
    let gate = Gate::start(setup).await;
    let token = mint::token();
    let asked = get("/").bearer(&token);
    let stands = async {
        service.until(INTROSPECT, 1).await;
        gate.stand_still();
        // The answer is there by then, and nobody reads it.
        tokio::time::sleep(Duration::from_millis(600)).await;
        withdrawn.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(6)).await;
        gate.go_on();
    };
    let (reply, ()) = futures_util::future::join(asked.send(&gate), stands).await;
    reply.must_be(503, "auth_unavailable");
    // Else it would count for `cache_seconds` from now on.
    asked.send(&gate).await.must_be(401, "revoked_token");
}
