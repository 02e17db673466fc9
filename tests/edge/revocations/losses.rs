//! A disk is lost, of a relay or of the hub.

use super::*;

const EUROPE: &str = r#"{"continent":"EU"}"#;
const ASIA: &str = r#"{"continent":"AS"}"#;

async fn is_refused_in(gate: &Gate, place: &str, jti: &str) -> bool {
    let reply = get("/").bearer(&token(jti)).header("CF-Blob", place).send(gate).await;
    if reply.status != 200 {
        reply.must_be(401, "revoked_token");
    }
    reply.status != 200
}

#[tokio::test]
async fn a_relay_that_lost_its_disk_has_everything_again() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    assert!(!refused(&gate, &token("x")).await);
    for jti in ["a", "b", "c"] {
        let made = revoked(&gate, json!({ "jti": jti })).await;
        assert_eq!(made["relays"], json!({ "acknowledged": 1, "known": 1 }));
    }
    gate.kill();
    relays.lose_disk_of("RevocationRelay");
    let gates = Gate::start_all(setup(&origin, &relays).isolates(2)).await;
    for gate in &gates {
        for (jti, is_out) in [("a", true), ("b", true), ("c", true), ("d", false)] {
            assert_eq!(refused(gate, &token(jti)).await, is_out, "{jti}");
        }
    }
    // The hub knows what it has now, although it had confirmed more before.
    let made = revoked(&gates[0], json!({ "jti": "d" })).await;
    assert_eq!(made["relays"], json!({ "acknowledged": 1, "known": 1 }));
    refused_by_all(&gates, &token("d")).await;
}

#[tokio::test]
async fn a_push_to_a_relay_that_lost_its_disk_brings_everything_that_it_lacks() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    assert!(!refused(&gate, &token("x")).await);
    for jti in ["a", "b"] {
        revoked(&gate, json!({ "jti": jti })).await;
    }
    gate.kill();
    relays.lose_disk_of("RevocationRelay");
    // It can ask nobody, so that all it gets is what it is told.
    relays.fail("/hub/delta", Fault::Down);
    let lenient = setup(&origin, &relays)
        .set("revocation.on_stale", "serve")
        .var("ALLOW_DEGRADED_AUTH", "true");
    let gate = Gate::start(lenient).await;
    let made = revoked(&gate, json!({ "jti": "c" })).await;
    // The hub believes that it has a and b, and is told that this is not so.
    assert_eq!(made["relays"]["acknowledged"], 0);
    relays.mend();
    eventually("it has confirmed", async || {
        let made = revoke(&gate, json!({ "jti": "c" })).await.json();
        made["relays"] == json!({ "acknowledged": 1, "known": 1 })
    })
    .await;
    for jti in ["a", "b", "c"] {
        eventually("it is refused", async || refused(&gate, &token(jti)).await).await;
    }
}

#[tokio::test]
async fn when_the_hub_begins_anew_nothing_of_the_old_log_is_left_anywhere() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gates = Gate::start_all(setup(&origin, &relays).isolates(2)).await;
    for (gate, place) in gates.iter().zip([EUROPE, ASIA]) {
        assert!(!is_refused_in(gate, place, "x").await);
    }
    for jti in ["a", "b", "c"] {
        revoked(&gates[0], json!({ "jti": jti })).await;
    }
    gates[0].kill();
    relays.lose_disk_of("RevocationHub");

    // While they cannot ask it, relays and isolates go by the old log.
    relays.fail("/hub/delta", Fault::Down);
    let lenient = setup(&origin, &relays)
        .isolates(3)
        .set("revocation.on_stale", "serve")
        .var("ALLOW_DEGRADED_AUTH", "true");
    let gates = Gate::start_all(lenient).await;
    let places = [EUROPE, ASIA, EUROPE];
    for (gate, place) in gates.iter().zip(places) {
        assert!(is_refused_in(gate, place, "a").await);
        assert!(!is_refused_in(gate, place, "z").await);
    }
    assert_eq!(listed(&gates[0]).await, [] as [Value; 0]);
    // In the new log the numbers are those of others, or of nothing that still counts.
    let made = revoked(&gates[0], json!({ "jti": "z" })).await;
    assert_eq!(made["sequence"], 1);
    assert_eq!(undo(&gates[0], &made["id"]).await.status, 200);
    for (jti, number) in [("z", 3), ("y", 4)] {
        assert_eq!(revoked(&gates[0], json!({ "jti": jti })).await["sequence"], number);
    }
    relays.mend();
    for (gate, place) in gates.iter().zip(places) {
        eventually("the new log", async || is_refused_in(gate, place, "z").await).await;
        for jti in ["a", "b", "c"] {
            // No isolate has both.
            assert!(!is_refused_in(gate, place, jti).await, "{jti}");
        }
        let report = &gate.report().await["revocations"];
        assert_eq!((&report["number"], &report["entries"]), (&json!(4), &json!(2)));
    }
    for gate in &gates {
        let reply = revoke(gate, json!({ "jti": "a" })).await;
        assert!(matches!(reply.status, 200 | 201), "{}", reply.text());
    }
    for (gate, place) in gates.iter().zip(places) {
        eventually("a is out again", async || is_refused_in(gate, place, "a").await).await;
        assert!(is_refused_in(gate, place, "z").await);
        assert!(!is_refused_in(gate, place, "b").await);
    }
}
