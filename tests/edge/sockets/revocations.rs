//! Revocations close the sockets that they are about, and no others.

use std::time::Duration;

use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::harness::sockets::End;
use crate::revocations::undo;

/// What [`ending`] finds.
fn revoked() -> (u16, String) {
    (4401, "token_revoked".to_owned())
}

async fn opened(gate: &Gate, sockets: &Sockets, token: &str) -> (End, End) {
    let near = open("/").bearer(token).at(gate).await;
    (near, sockets.next().await.socket)
}

/// Waits until so many leashes are held.
async fn leashed(gate: &Gate, relays: &Relays, count: usize) {
    eventually("all are leashed", async || relays.leashes(gate, "any-0").await == count).await;
}

#[tokio::test]
async fn a_revocation_closes_the_sockets_that_it_is_about_in_every_isolate() {
    let (sockets, relays) = (Sockets::start(None).await, Relays::start().await);
    let nobody = Origin::absent().await;
    // So long that nothing but a leash can tell in time.
    let setup = sockets
        .setup(Setup::new(&nobody).relays(&relays).isolates(2))
        .set("revocation.max_staleness_seconds", 3_600);
    let gates = Gate::start_all(setup).await;
    for order in [
        json!({ "jti": "t1" }),
        json!({ "sub": "bob" }),
        json!({ "sid": "s1" }),
        json!({ "client_id": "c1" }),
        json!({ "kid": mint::key_for("ES256").kid }),
        json!({ "sub": "bob2", "issued_before": now() }),
    ] {
        let before = relays.calls("/relay/leash");
        let claims = mint::claims_with(json!({
            "jti": "t1", "sub": if order["sub"] == "bob2" { "bob2" } else { "bob" }, "sid": "s1", "client_id": "c1",
            "iat": now() - 10,
        }));
        let other =
            mint::claims_with(json!({ "jti": "t2", "sub": "eve", "sid": "s2", "client_id": "c2" }));
        let token = mint::key_for("ES256").token("ES256", &claims);
        let other = mint::key_for("EdDSA").token("EdDSA", &other);
        let (mut revoked_ends, mut others) = (Vec::new(), Vec::new());
        for gate in &gates {
            revoked_ends.push(opened(gate, &sockets, &token).await);
            others.push(opened(gate, &sockets, &other).await);
        }
        eventually("they are leashed", async || relays.calls("/relay/leash") == before + 4).await;
        let made = revoke(&gates[0], order.clone()).await;
        for (near, far) in &mut revoked_ends {
            assert_eq!(ending(near).await, Some(revoked()), "{order}");
            assert_eq!(ending(far).await, Some(revoked()), "{order}");
        }
        for (near, far) in &mut others {
            must_be_open(near, far).await;
        }
        undo(&gates[0], &made["id"]).await;
    }
    gates[0].must_be_calm();
}

#[tokio::test]
async fn what_was_revoked_while_the_leash_was_lost_is_heard_when_it_is_there_again() {
    let (sockets, relays) = (Sockets::start(None).await, Relays::start().await);
    let nobody = Origin::absent().await;
    let setup = sockets
        .setup(Setup::new(&nobody).relays(&relays))
        .set("revocation.max_staleness_seconds", 3_600);
    let gate = Gate::start(setup).await;
    let (mut near, mut far) = opened(&gate, &sockets, &token_with(json!({ "jti": "a" }))).await;
    let (mut other, mut other_far) =
        opened(&gate, &sockets, &token_with(json!({ "jti": "b" }))).await;
    leashed(&gate, &relays, 2).await;
    relays.fail("/relay/leash", Fault::Down);
    relays.kill(&gate, "any-0").await;
    leashed(&gate, &relays, 0).await;
    revoke(&gate, json!({ "jti": "a" })).await;
    must_be_open(&mut near, &mut far).await;
    relays.mend();
    assert_eq!(ending(&mut near).await, Some(revoked()));
    assert_eq!(ending(&mut far).await, Some(revoked()));
    must_be_open(&mut other, &mut other_far).await;
}

#[tokio::test]
async fn without_any_leash_the_bound_holds() {
    let (sockets, relays) = (Sockets::start(None).await, Relays::start().await);
    let nobody = Origin::absent().await;
    relays.fail("/relay/leash", Fault::Down);
    let setup = sockets
        .setup(Setup::new(&nobody).relays(&relays))
        .set("revocation.max_staleness_seconds", 4);
    let gate = Gate::start(setup).await;
    let (mut near, mut far) = opened(&gate, &sockets, &token_with(json!({ "jti": "a" }))).await;
    let (mut other, mut other_far) =
        opened(&gate, &sockets, &token_with(json!({ "jti": "b" }))).await;
    revoke(&gate, json!({ "jti": "a" })).await;
    assert_eq!(ending(&mut near).await, Some(revoked()));
    assert_eq!(ending(&mut far).await, Some(revoked()));
    must_be_open(&mut other, &mut other_far).await;
    // Long enough for a bound to pass in vain.
    tokio::time::sleep(Duration::from_secs(6)).await;
    must_be_open(&mut other, &mut other_far).await;
}

#[tokio::test]
async fn when_nobody_can_tell_for_longer_than_the_bound_the_operator_decides() {
    let sockets = Sockets::start(None).await;
    let nobody = Origin::absent().await;
    for (on_stale, allowed, ends) in
        [("deny", "true", true), ("serve", "true", false), ("serve", "false", true)]
    {
        let relays = Relays::start().await;
        let setup = sockets
            .setup(Setup::new(&nobody).relays(&relays))
            .set("revocation.max_staleness_seconds", 4)
            .set("revocation.on_stale", on_stale)
            .var("ALLOW_DEGRADED_AUTH", allowed);
        let gate = Gate::start(setup).await;
        let (mut near, mut far) = opened(&gate, &sockets, &token()).await;
        leashed(&gate, &relays, 1).await;
        relays.fail("/", Fault::Down);
        if ends {
            let expected = Some((1013, "supervision_lost".to_owned()));
            assert_eq!(ending(&mut near).await, expected, "{on_stale}");
            assert_eq!(ending(&mut far).await, expected, "{on_stale}");
        } else {
            tokio::time::sleep(Duration::from_secs(7)).await;
            must_be_open(&mut near, &mut far).await;
        }
    }
}

#[tokio::test]
async fn a_leash_goes_with_its_socket() {
    let (sockets, relays) = (Sockets::start(None).await, Relays::start().await);
    let nobody = Origin::absent().await;
    let gate = Gate::start(sockets.setup(Setup::new(&nobody).relays(&relays))).await;
    let token = token();
    let mut ends = Vec::new();
    for _ in 0..5 {
        ends.push(opened(&gate, &sockets, &token).await);
    }
    leashed(&gate, &relays, 5).await;
    // Closed by the client, by the origin, vanished at either side.
    let (near, far) = &mut ends[0];
    near.send(close(1000, "")).await.unwrap();
    assert_eq!(ending(far).await, ending(near).await);
    let (near, far) = &mut ends[1];
    far.send(close(1000, "")).await.unwrap();
    assert_eq!(ending(near).await, ending(far).await);
    let (near, mut far) = ends.pop().unwrap();
    drop(near);
    assert_eq!(ending(&mut far).await, None);
    let (mut near, far) = ends.pop().unwrap();
    drop(far);
    assert_eq!(ending(&mut near).await.unwrap().1, "origin_unreachable");
    leashed(&gate, &relays, 1).await;
    let (near, far) = &mut ends[2];
    must_be_open(near, far).await;
    near.send(Message::text("x")).await.unwrap();
    gate.must_be_calm();
}
