//! Hub and relays do not answer, or answer what makes no sense.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::*;

/// Longer than anybody waits for hub or relay here.
const TOO_SLOW: Fault = Fault::Slow(Duration::from_millis(1_500));
const FAULTS: [Fault; 4] = [Fault::Down, Fault::Hang, Fault::Garbage, TOO_SLOW];

/// Where the isolates are, and so which relay is theirs.
const PLACES: [(&str, &str); 6] = [
    ("EU", "weur-0"),
    ("AS", "apac-0"),
    ("SA", "sam-0"),
    ("AF", "afr-0"),
    ("OC", "oc-0"),
    ("NA", "enam-0"),
];

async fn ask(gate: &Gate, at: usize, token: &str) -> Reply {
    let place = json!({ "continent": PLACES[at].0 }).to_string();
    get("/").bearer(token).header("CF-Blob", &place).send(gate).await
}

/// What a request is told when nobody knows whether its token was revoked.
#[track_caller]
fn must_be_told_to_wait(reply: &Reply) {
    reply.must_be(503, "auth_unavailable");
    let seconds: u32 = reply.header("retry-after")[0].parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(reply.header("cache-control"), ["no-store"]);
    assert_eq!(reply.header("www-authenticate"), [] as [&str; 0]);
}

/// Fails unless a good token passes, or is told to wait, as the policy has it.
fn must_go_by(passes: bool, origin: &Origin, reply: &Reply, what: &str) {
    if passes {
        assert_eq!(reply.status, 200, "{what}: {}", reply.text());
        assert_eq!(origin.last().header("x-auth-degraded"), ["revocation-stale"], "{what}");
    } else {
        must_be_told_to_wait(reply);
    }
}

/// Six isolates with a relay each, of which four cannot be reached, in one way each, and the other
/// two cannot reach the hub.
async fn outage(on_stale: &str, switch: &str, hub: Fault) {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let passes = (on_stale, switch) == ("serve", "true");
    let setup = setup(&origin, &relays)
        .assertion(60)
        .isolates(PLACES.len())
        .set("revocation.on_stale", on_stale)
        .set("revocation.max_staleness_seconds", 4)
        .set("revocation.timeout_ms", 300)
        .var("ALLOW_DEGRADED_AUTH", switch);
    let gates = Gate::start_all(setup).await;
    let fail = || {
        for (fault, (_, relay)) in FAULTS.into_iter().zip(PLACES) {
            relays.fail(&format!("/relay/pull/{relay}"), fault);
        }
        relays.fail("/hub/delta", hub);
    };
    let (out, good) = (token("out"), token("good"));
    revoked(&gates[0], json!({ "jti": "out" })).await;

    // Nobody has a list yet: that of the first was made by the admin.
    fail();
    for (at, gate) in gates.iter().enumerate().skip(1) {
        let what = format!("{on_stale}, {switch}, {hub:?}, {at}, cold");
        must_go_by(passes, &origin, &ask(gate, at, &good).await, &what);
    }
    // Everything heals by itself.
    relays.mend();
    for (at, gate) in gates.iter().enumerate() {
        eventually("it heals", async || {
            let reply = ask(gate, at, &good).await;
            reply.status == 200 && origin.last().header("x-auth-degraded").is_empty()
        })
        .await;
        ask(gate, at, &out).await.must_be(401, "revoked_token");
    }

    // Lists serve for a while, and a push brings what is new where a relay can be reached.
    fail();
    for (at, gate) in gates.iter().enumerate() {
        ask(gate, at, &good).await.must_pass();
        assert_eq!(origin.last().header("x-auth-degraded"), [] as [&str; 0]);
    }
    let pushed = token("pushed");
    assert_eq!(revoke(&gates[0], json!({ "jti": "pushed" })).await.status, 201);
    for (at, gate) in gates.iter().enumerate().skip(FAULTS.len()) {
        eventually("it is heard of", async || {
            let reply = ask(gate, at, &pushed).await;
            reply.verdict() == (401, "revoked_token".to_owned()) || reply.status == 503
        })
        .await;
    }
    for (at, gate) in gates.iter().enumerate() {
        eventually("the bound", async || {
            let reply = ask(gate, at, &good).await;
            let is_told = || origin.last().header("x-auth-degraded") == ["revocation-stale"];
            if passes { is_told() } else { reply.status == 503 }
        })
        .await;
    }
    for (at, gate) in gates.iter().enumerate() {
        let what = format!("{on_stale}, {switch}, {hub:?}, {at}, warm");
        must_go_by(passes, &origin, &ask(gate, at, &good).await, &what);
        let denied = ask(gate, at, &out).await;
        if passes {
            // What is known is known.
            denied.must_be(401, "revoked_token");
        } else {
            must_be_told_to_wait(&denied);
        }
        // What else is wrong with a token is said all the same.
        let expired = token_with(json!({ "exp": now() - 100 }));
        ask(gate, at, &expired).await.must_be(401, "expired_token");
        ask(gate, at, &format!("{good}A")).await.must_be(401, "invalid_token");
    }
    relays.mend();
    for (at, gate) in gates.iter().enumerate() {
        eventually("it heals once more", async || {
            let reply = ask(gate, at, &good).await;
            reply.status == 200 && origin.last().header("x-auth-degraded").is_empty()
        })
        .await;
        for token in [&out, &pushed] {
            ask(gate, at, token).await.must_be(401, "revoked_token");
        }
    }
}

#[tokio::test]
async fn by_default_an_outage_denies_everything_once_lists_are_too_old() {
    outage("deny", "true", Fault::Down).await;
}

#[tokio::test]
async fn an_operator_may_let_requests_pass_on_an_old_list() {
    outage("serve", "true", Fault::Hang).await;
}

#[tokio::test]
async fn where_degraded_modes_are_off_on_stale_changes_nothing() {
    outage("serve", "false", Fault::Garbage).await;
}

#[tokio::test]
async fn answers_of_the_hub_that_come_too_late_are_none() {
    outage("deny", "true", TOO_SLOW).await;
}

#[tokio::test]
async fn slow_answers_within_the_time_limit_are_answers_and_carry_revocations_within_the_bound() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let bound = Duration::from_secs(10);
    let setup = setup(&origin, &relays)
        .isolates(2)
        .set("revocation.max_staleness_seconds", bound.as_secs())
        .set("revocation.timeout_ms", 4_000);
    let gates = Gate::start_all(setup).await;
    // A relay waits for the hub for 600 ms.
    relays.fail("/hub/delta", Fault::Slow(Duration::from_millis(200)));
    relays.fail("/relay/pull/apac-0", Fault::Slow(Duration::from_millis(2_500)));
    let mut slowest = Duration::ZERO;
    for round in 0..4 {
        let jti = format!("out-{round}");
        for (at, gate) in gates.iter().enumerate() {
            ask(gate, at, &token(&jti)).await.must_pass();
        }
        revoked(&gates[0], json!({ "jti": jti })).await;
        let since = Instant::now();
        loop {
            // All the time, who is good passes: a list is never too old.
            ask(&gates[1], 1, &token("good")).await.must_pass();
            let asked_after = since.elapsed();
            let reply = ask(&gates[1], 1, &token(&jti)).await;
            if reply.status != 200 {
                reply.must_be(401, "revoked_token");
                slowest = slowest.max(asked_after);
                break;
            }
            assert!(asked_after < bound, "{jti} still passes");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        ask(&gates[0], 0, &token(&jti)).await.must_be(401, "revoked_token");
    }
    println!("out in every isolate after {slowest:?} at most");
    // It would be a second and a little.
    assert!(slowest > Duration::from_millis(1_500), "nothing was slow: {slowest:?}");
    // Nobody has taken slow for silent.
    assert!(!gates[0].log().contains("revocations_not_refreshed"), "{}", gates[0].log());
    gates[0].must_be_calm();
}

#[tokio::test]
async fn who_has_stood_still_for_longer_than_the_bound_lets_nobody_pass_by_the_list_of_before() {
    for is_mended in [false, true] {
        let (origin, relays) = (Origin::start().await, Relays::start().await);
        let bound = Duration::from_secs(4);
        let setup = setup(&origin, &relays)
            .isolates(2)
            .set("revocation.max_staleness_seconds", bound.as_secs())
            .set("revocation.timeout_ms", 4_000);
        let gates = Gate::start_all(setup).await;
        let (out, good) = (token("out"), token("good"));
        for token in [&out, &good] {
            ask(&gates[1], 1, token).await.must_pass();
        }
        relays.fail("/relay/pull/apac-0", Fault::Down);
        revoked(&gates[0], json!({ "jti": "out" })).await;
        // By its list, it is not revoked.
        ask(&gates[1], 1, &out).await.must_pass();
        gates[0].stand_still();
        let before = origin.count();
        tokio::time::sleep(bound).await;
        if is_mended {
            relays.mend();
        }
        let goes_on = async {
            // They are there before it goes on.
            tokio::time::sleep(Duration::from_millis(300)).await;
            gates[0].go_on();
        };
        let asked = join_all([&out, &good].map(|token| ask(&gates[1], 1, token)));
        let (replies, ()) = futures_util::future::join(asked, goes_on).await;
        if is_mended {
            replies[0].must_be(401, "revoked_token");
            replies[1].must_pass();
        } else {
            replies.iter().for_each(must_be_told_to_wait);
        }
        assert_eq!(origin.count() - before, usize::from(is_mended));
        gates[0].must_be_calm();
    }
}

#[tokio::test]
async fn a_relay_answers_for_the_hub_until_the_bound() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let setup = setup(&origin, &relays)
        .isolates(2)
        .set("revocation.max_staleness_seconds", 4)
        .rule(json!({ "path": "/strict", "revocation": "strict" }));
    let gates = Gate::start_all(setup).await;
    revoked(&gates[0], json!({ "jti": "out" })).await;
    relays.fail("/hub/", Fault::Down);
    // An isolate that is new has a list, although the hub cannot be asked.
    get("/").bearer(&token("a")).send(&gates[1]).await.must_pass();
    assert!(refused(&gates[1], &token("out")).await);
    let strict = async |token: &str| get("/strict").bearer(token).send(&gates[1]).await;
    strict(&token("out")).await.must_be(401, "revoked_token");
    eventually("the bound", async || {
        get("/").bearer(&token("a")).send(&gates[1]).await.status == 503
    })
    .await;
    must_be_told_to_wait(&strict(&token("a")).await);
    relays.mend();
    eventually("it heals", async || strict(&token("a")).await.status == 200).await;
    strict(&token("out")).await.must_be(401, "revoked_token");
}

/// All that an admin or client can want of the hub.
async fn all_calls(gate: &Gate, jti: &str) -> [Reply; 4] {
    let form = issuer::post("/_edgeward/revoke", &[("token", &token(jti))]).bearer(ADMIN_TOKEN);
    let asked = [
        admin_request("POST", "/revocations", Some(json!({ "jti": jti }))),
        admin_request("DELETE", "/revocations/4Wru2tnxTLb1Yw0U", None),
        admin_request("GET", "/revocations", None),
        form,
    ];
    join_all(asked.iter().map(|asked| asked.send(gate))).await.try_into().unwrap()
}

#[tokio::test]
async fn without_the_hub_nothing_is_called_done() {
    let cases = [Fault::Down, Fault::Hang, Fault::Garbage, Fault::AnswerLost];
    join_all(cases.map(async |fault| {
        let (origin, relays) = (Origin::start().await, Relays::start().await);
        let gate = Gate::start(setup(&origin, &relays)).await;
        let kept = revoked(&gate, json!({ "jti": "kept" })).await;
        relays.fail("/hub/", fault);
        let replies = all_calls(&gate, "new").await;
        for (at, reply) in replies.iter().enumerate() {
            if at == 3 {
                let error = json!({ "error": "temporarily_unavailable" });
                assert_eq!((reply.status, reply.json()), (503, error), "{fault:?}");
            } else {
                reply.must_be(503, "hub_unavailable");
            }
            assert_eq!(reply.header("cache-control"), ["no-store"], "{fault:?} {at}");
            assert_eq!(reply.header("retry-after"), ["2"], "{fault:?} {at}");
        }
        relays.mend();
        // As it was, or as it was wanted.
        let all = listed(&gate).await;
        let was_done = fault == Fault::AnswerLost;
        assert_eq!(all.len(), if was_done { 3 } else { 1 }, "{fault:?}");
        assert_eq!(all[0]["id"], kept["id"]);
        // Isolates agree with the list once they have it.
        eventually("a list", async || {
            get("/").bearer(&token("other")).send(&gate).await.status == 200
        })
        .await;
        eventually("the same", async || refused(&gate, &token("new")).await == was_done).await;
        // Asked again, it is done, whatever became of it before.
        let again = revoke(&gate, json!({ "jti": "new" })).await;
        assert_eq!(again.status, if was_done { 200 } else { 201 }, "{fault:?}");
        assert!(refused(&gate, &token("new")).await);
    }))
    .await;
}

#[tokio::test]
async fn an_order_is_answered_although_no_relay_can_be_told() {
    join_all(FAULTS.map(async |fault| {
        let (origin, relays) = (Origin::start().await, Relays::start().await);
        let gates = Gate::start_all(setup(&origin, &relays).isolates(2)).await;
        for (at, gate) in gates.iter().enumerate() {
            ask(gate, at, &token("a")).await.must_pass();
        }
        // One of two relays; that the isolate of the other has it, the answer waits for.
        relays.fail("/relay/push/apac-0", fault);
        let made = revoked(&gates[0], json!({ "jti": "a" })).await;
        assert_eq!(made["relays"], json!({ "acknowledged": 1, "known": 2 }), "{fault:?}");
        ask(&gates[0], 0, &token("a")).await.must_be(401, "revoked_token");
        // The other relay asks by itself.
        eventually("all refuse", async || ask(&gates[1], 1, &token("a")).await.status == 401).await;
        // And is told again.
        relays.mend();
        eventually("it has confirmed", async || {
            let made = revoke(&gates[0], json!({ "jti": "a" })).await.json();
            made["relays"]["acknowledged"] == 2
        })
        .await;
    }))
    .await;
}
