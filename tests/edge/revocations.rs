//! Tokens that are revoked are out, everywhere and for good.

mod admins;
mod clients;
mod crashes;
mod endpoint;
mod faults;
mod kinds;
mod losses;
mod many;
mod published;
mod races;

use super::harness::{
    gate::ADMIN_TOKEN,
    mint::{self, now, token_with},
    *,
};

fn setup(origin: &Origin, relays: &Relays) -> Setup {
    Setup::new(origin).relays(relays)
}

/// A request to an admin endpoint.
fn admin_request(method: &str, target: &str, body: Option<Value>) -> client::Request {
    let target = format!("/_edgeward{target}");
    let asked = request(method, &target).bearer(ADMIN_TOKEN);
    match body {
        Some(body) => asked.body(&body.to_string()),
        None => asked,
    }
}

/// Asks an admin endpoint.
async fn admin(gate: &Gate, method: &str, target: &str, body: Option<Value>) -> Reply {
    admin_request(method, target, body).send(gate).await
}

async fn revoke(gate: &Gate, order: Value) -> Reply {
    admin(gate, "POST", "/revocations", Some(order)).await
}

/// Revokes what was not revoked: what the answer says.
pub(super) async fn revoked(gate: &Gate, order: Value) -> Value {
    let reply = revoke(gate, order).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()
}

pub(super) async fn undo(gate: &Gate, id: &Value) -> Reply {
    admin(gate, "DELETE", &format!("/revocations/{}", id.as_str().unwrap()), None).await
}

/// Everything that is listed, page by page.
async fn listed(gate: &Gate) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), json!(0));
    while !after.is_null() {
        let target = format!("/revocations?limit=250&after={after}");
        let reply = admin(gate, "GET", &target, None).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let page = reply.json();
        all.extend(page["revocations"].as_array().unwrap().iter().cloned());
        after = page["next"].clone();
    }
    all
}

/// Waits until all of them refuse a token.
async fn refused_by_all(gates: &[Gate], token: &str) {
    for gate in gates {
        eventually("every isolate refuses", async || refused(gate, token).await).await;
    }
}

fn token(jti: &str) -> String {
    token_with(json!({ "jti": jti }))
}

/// Whether a token is revoked. Fails when it is refused for another reason.
async fn refused(gate: &Gate, token: &str) -> bool {
    let reply = get("/").bearer(token).send(gate).await;
    if reply.status != 200 {
        reply.must_be(401, "revoked_token");
    }
    reply.status != 200
}

#[tokio::test]
async fn a_revoked_token_is_out_and_another_is_not() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    let (revoked, other) = (token_with(json!({ "jti": "a" })), token_with(json!({ "jti": "b" })));
    for token in [&revoked, &other] {
        get("/").bearer(token).send(&gate).await.must_pass();
    }
    let reply = revoke(&gate, json!({ "jti": "a", "reason": "lost phone" })).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let made = reply.json();
    assert_eq!(made["sequence"], 1);
    assert_eq!(made["relays"], json!({ "acknowledged": 1, "known": 1 }));
    let denied = get("/").bearer(&revoked).send(&gate).await;
    denied.must_be(401, "revoked_token");
    assert!(denied.header("www-authenticate")[0].contains("error_description=\"revoked\""));
    get("/").bearer(&other).send(&gate).await.must_pass();
    gate.logged(&["\"reason\":\"revoked\"", "\"revoked_by\":\"jti\""]).await;
    let listed = admin(&gate, "GET", "/revocations", None).await.json();
    assert_eq!(listed["revocations"][0]["jti"], "a");
    assert_eq!(listed["revocations"][0]["reason"], "lost phone");

    let id = made["id"].as_str().unwrap();
    let undone = admin(&gate, "DELETE", &format!("/revocations/{id}"), None).await;
    assert_eq!(undone.status, 200, "{}", undone.text());
    get("/").bearer(&revoked).send(&gate).await.must_pass();
    let listed = admin(&gate, "GET", "/revocations", None).await.json();
    assert_eq!(listed, json!({ "revocations": [], "next": null }));
    admin(&gate, "DELETE", &format!("/revocations/{id}"), None).await.must_be(404, "not_found");
    gate.must_be_calm();
}

#[tokio::test]
async fn every_isolate_refuses_and_relays_of_all_regions_are_told() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gates = Gate::start_all(setup(&origin, &relays).isolates(4)).await;
    let places = [r#"{"continent":"EU","longitude":"2.3"}"#, r#"{"continent":"AS"}"#, "{}", "{}"];
    for (gate, place) in gates.iter().zip(places) {
        let known = get("/").bearer(&token("a")).header("CF-Blob", place);
        known.send(gate).await.must_pass();
    }
    assert_eq!(relays.calls("/relay/pull/weur-0"), 1);
    assert_eq!(relays.calls("/relay/pull/apac-0"), 1);
    assert_eq!(relays.calls("/relay/pull/any-0"), 2);
    let made = revoke(&gates[0], json!({ "sub": "alice" })).await.json();
    assert_eq!(made["relays"], json!({ "acknowledged": 3, "known": 3 }));
    for gate in &gates {
        eventually("it is refused", async || refused(gate, &token("a")).await).await;
    }
}

#[tokio::test]
async fn what_was_revoked_holds_after_everything_was_started_anew() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    for jti in ["a", "b"] {
        assert_eq!(revoke(&gate, json!({ "jti": jti })).await.status, 201);
    }
    gate.kill();
    let gate = Gate::start(setup(&origin, &relays)).await;
    for (jti, is_out) in [("a", true), ("b", true), ("c", false)] {
        assert_eq!(refused(&gate, &token(jti)).await, is_out, "{jti}");
    }
    assert_eq!(revoke(&gate, json!({ "jti": "c" })).await.json()["sequence"], 3);
}

#[tokio::test]
async fn without_a_list_the_operator_decides() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    for fault in [Fault::Down, Fault::Hang, Fault::Garbage] {
        relays.mend();
        relays.fail("/relay/", fault);
        let strict = setup(&origin, &relays).set("revocation.timeout_ms", 300);
        let gate = Gate::start(strict).await;
        let reply = get("/").bearer(&token("a")).send(&gate).await;
        reply.must_be(503, "auth_unavailable");
        assert!(reply.header("retry-after")[0].parse::<u32>().unwrap() >= 1, "{fault:?}");
        gate.logged(&["\"reason\":\"revocations_unknown\""]).await;
        gate.logged(&["\"event\":\"revocations_not_refreshed\""]).await;

        for (switch, passes) in [("true", true), ("false", false)] {
            let lenient = setup(&origin, &relays)
                .assertion(60)
                .set("revocation.timeout_ms", 300)
                .set("revocation.on_stale", "serve")
                .var("ALLOW_DEGRADED_AUTH", switch);
            let gate = Gate::start(lenient).await;
            let reply = get("/").bearer(&token("a")).send(&gate).await;
            if !passes {
                reply.must_be(503, "auth_unavailable");
                continue;
            }
            reply.must_pass();
            assert_eq!(origin.last().header("x-auth-degraded"), ["revocation-stale"]);
            assert_eq!(verified(&gate, &origin.last()).await["degraded"], true);
            let report = gate.report().await;
            assert_eq!(report["requests"]["degraded"]["revocation-stale"], 1);
            assert_eq!(report["revocations"]["state"], "absent");
        }
    }
}

#[tokio::test]
async fn a_list_serves_as_long_as_the_bound_and_a_revocation_is_out_by_then() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let setup = setup(&origin, &relays)
        .isolates(2)
        .set("revocation.max_staleness_seconds", 4)
        .set("revocation.timeout_ms", 300);
    let gates = Gate::start_all(setup).await;
    for gate in &gates {
        assert!(!refused(gate, &token("a")).await);
    }
    // Nobody hears of it, and nobody knows that there is nothing to hear.
    relays.fail("/relay/", Fault::Down);
    let made = revoke(&gates[0], json!({ "jti": "a" })).await;
    assert_eq!(made.json()["relays"], json!({ "acknowledged": 0, "known": 1 }));
    assert_eq!(made.status, 201);
    get("/").bearer(&token("a")).send(&gates[1]).await.must_pass();
    eventually("the bound", async || {
        get("/").bearer(&token("a")).send(&gates[1]).await.status != 200
    })
    .await;
    get("/").bearer(&token("b")).send(&gates[1]).await.must_be(503, "auth_unavailable");
    relays.mend();
    eventually("it is heard", async || {
        get("/").bearer(&token("b")).send(&gates[1]).await.status == 200
    })
    .await;
    assert!(refused(&gates[1], &token("a")).await);
}

#[tokio::test]
async fn a_relay_that_missed_a_push_is_told_again() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    assert!(!refused(&gate, &token("a")).await);
    relays.fail("/relay/push", Fault::AnswerLost);
    relays.fail("/hub/delta", Fault::Down);
    let made = revoke(&gate, json!({ "jti": "a" })).await.json();
    assert_eq!(made["relays"], json!({ "acknowledged": 0, "known": 1 }));
    // It was told, and only its answer was lost.
    eventually("it is refused", async || refused(&gate, &token("a")).await).await;
    let pushes = relays.calls("/relay/push");
    relays.mend();
    eventually("it is told again", async || relays.calls("/relay/push") > pushes).await;
    eventually("it has confirmed", async || {
        let made = revoke(&gate, json!({ "jti": "a" })).await.json();
        made["created"] == false && made["relays"]["acknowledged"] == 1
    })
    .await;
}

#[tokio::test]
async fn strict_rules_ask_for_each_request() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let setup = setup(&origin, &relays)
        .isolates(2)
        .set("revocation.refresh_seconds", 9)
        .set("revocation.timeout_ms", 300)
        .rule(json!({ "path": "/strict", "revocation": "strict" }));
    let gates = Gate::start_all(setup).await;
    for path in ["/", "/strict"] {
        get(path).bearer(&token("a")).send(&gates[1]).await.must_pass();
    }
    revoke(&gates[0], json!({ "jti": "a" })).await;
    get("/").bearer(&token("a")).send(&gates[1]).await.must_pass();
    get("/strict").bearer(&token("a")).send(&gates[1]).await.must_be(401, "revoked_token");
    relays.fail("/relay/", Fault::Down);
    get("/strict").bearer(&token("b")).send(&gates[1]).await.must_be(503, "auth_unavailable");
    get("/").bearer(&token("b")).send(&gates[1]).await.must_pass();
}

#[tokio::test]
async fn log_out_everywhere_and_log_in_again() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    let issued = |at: i64| token_with(json!({ "jti": at.to_string(), "iat": at }));
    let then = now();
    let (before, after) = (issued(then - 10), issued(then));
    get("/").bearer(&before).send(&gate).await.must_pass();
    revoke(&gate, json!({ "sub": "alice", "issued_before": then })).await;
    assert!(refused(&gate, &before).await);
    for _ in 0..3 {
        get("/").bearer(&after).send(&gate).await.must_pass();
    }
}

#[tokio::test]
async fn a_new_isolate_begins_with_what_kv_has_where_no_relay_answers() {
    let (origin, relays, kv) = (Origin::start().await, Relays::start().await, Kv::start().await);
    let setup =
        || setup(&origin, &relays).assertion(60).kv(&kv).set("validation_cache_timeout_ms", 5_000);
    let gate = Gate::start(setup()).await;
    assert!(!refused(&gate, &token("b")).await);
    revoke(&gate, json!({ "jti": "a" })).await;
    let head = "revocations:v1:head";
    let has_entry = |kv: &Kv| {
        let head = kv.get(head).map(|entry| String::from_utf8(entry.value).unwrap());
        head.is_some_and(|head| head.contains("\"number\":1,\"parts\":[0]"))
    };
    eventually("it is published", async || has_entry(&kv)).await;
    assert_eq!(kv.entries().len(), 2);
    gate.kill();

    for fault in [Fault::Down, Fault::Hang] {
        relays.mend();
        relays.fail("/relay/", fault);
        let gate = Gate::start(setup()).await;
        assert!(refused(&gate, &token("a")).await, "{fault:?}");
        assert!(!refused(&gate, &token("b")).await, "{fault:?}");
        gate.must_be_calm();
    }
    // What somebody else has put there does not count.
    let forged = kv.get(head).unwrap().value;
    kv.put(head, [&forged[..], b" "].concat());
    let gate = Gate::start(setup()).await;
    get("/").bearer(&token("b")).send(&gate).await.must_be(503, "auth_unavailable");
    assert_eq!(gate.report().await["kv"]["rejected"], json!({ "mac": 1 }));
    // Its hub would seal with its key what that of the next one has sealed.
    gate.kill();

    // Under another key all of it is published anew.
    let key = json!({ "kty": "oct", "k": "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE" });
    let setup = || setup().secret("ASSERTION_KEY", &key.to_string());
    relays.mend();
    let before = kv.entries();
    let gate = Gate::start(setup()).await;
    assert!(refused(&gate, &token("a")).await);
    eventually("it is sealed anew", async || {
        let entries = kv.entries();
        before.iter().all(|(key, entry)| entries[key].value != entry.value)
    })
    .await;
    gate.kill();
    relays.fail("/relay/", Fault::Down);
    let gate = Gate::start(setup()).await;
    assert!(refused(&gate, &token("a")).await);
    assert!(!refused(&gate, &token("b")).await);
}

#[tokio::test]
async fn isolates_of_one_data_centre_share_what_a_relay_answers() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let centre = DataCentre::start().await;
    let setup = setup(&origin, &relays)
        .isolates(3)
        .data_centre(&centre)
        .set("revocation.refresh_seconds", 2)
        .rule(json!({ "path": "/strict", "revocation": "strict" }));
    let gates = Gate::start_all(setup).await;
    assert!(!refused(&gates[0], &token("b")).await);
    assert_eq!((relays.calls("/relay/pull"), centre.puts()), (1, 1));
    for gate in &gates[1..] {
        assert!(!refused(gate, &token("b")).await);
        let age = gate.report().await["revocations"]["age_seconds"].as_i64().unwrap();
        assert!(age >= 2, "it may have been in the cache for as long: {age}");
    }
    assert_eq!(relays.calls("/relay/pull"), 1, "the others found it in the cache");
    // What was shared is not for who wants to know exactly.
    get("/strict").bearer(&token("b")).send(&gates[1]).await.must_pass();
    assert_eq!(relays.calls("/relay/pull"), 2);
    revoke(&gates[0], json!({ "jti": "a" })).await;
    for gate in &gates {
        eventually("it is refused", async || refused(gate, &token("a")).await).await;
    }
    gates[0].must_be_calm();
}
