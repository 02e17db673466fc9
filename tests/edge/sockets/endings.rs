//! When the gate ends a socket.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncReadExt;
use tokio_tungstenite::tungstenite::Message;

use super::*;

#[tokio::test]
async fn a_socket_ends_with_its_token() {
    let sockets = Sockets::start(None).await;
    let gate = gate(&sockets, |setup| setup.set("clock_skew_seconds", 0)).await;
    let token = token_with(json!({ "exp": now() + 2 }));
    let mut near = open("/").bearer(&token).at(&gate).await;
    let mut far = sockets.next().await.socket;
    must_be_open(&mut near, &mut far).await;
    let expected = Some((4401, "token_expired".to_owned()));
    assert_eq!(ending(&mut near).await, expected);
    assert_eq!(ending(&mut far).await, expected);
    let line = gate.logged(&["\"event\":\"websocket_ended\"", "token_expired"]).await;
    assert!(line.contains("\"provider\":\"main\""), "{line}");
    eventually("none is open", async || gate.report().await["websockets"]["open"] == 0).await;
    assert_eq!(gate.report().await["websockets"]["ended"], json!({ "token_expired": 1 }));
    gate.must_be_calm();
}

/// A runtime that goes on after a standstill has heard what came meanwhile, and finds its timers late.
#[tokio::test]
async fn after_a_standstill_nothing_passes_that_nobody_could_judge_in_time() {
    let (sockets, relays) = (Sockets::start(None).await, Relays::start().await);
    let gate = gate(&sockets, |setup| {
        setup
            .relays(&relays)
            .set("clock_skew_seconds", 0)
            .set("revocation.max_staleness_seconds", 6)
    })
    .await;
    let mut all = Vec::new();
    // One is over meanwhile, and of the other nobody knows whether it is revoked.
    for (exp, expected) in [(3, (4401, "token_expired")), (300, (1013, "supervision_lost"))] {
        let token = token_with(json!({ "exp": now() + exp }));
        let mut near = open("/").bearer(&token).at(&gate).await;
        let mut far = sockets.next().await.socket;
        must_be_open(&mut near, &mut far).await;
        all.push((near, far, expected));
    }
    gate.stand_still();
    tokio::time::sleep(Duration::from_millis(4_500)).await;
    for (near, far, _) in &mut all {
        near.send(Message::text("still there?")).await.unwrap();
        far.send(Message::text("still there?")).await.unwrap();
    }
    gate.go_on();
    for (mut near, mut far, (code, reason)) in all {
        for side in [&mut near, &mut far] {
            let next = side.next().await.unwrap().unwrap();
            assert_eq!(next, close(code, reason));
        }
    }
    // Who stands still for less than the time between two checks goes on.
    let mut near = open("/").bearer(&token()).at(&gate).await;
    let mut far = sockets.next().await.socket;
    gate.stand_still();
    tokio::time::sleep(Duration::from_secs(1)).await;
    gate.go_on();
    must_be_open(&mut near, &mut far).await;
    gate.must_be_calm();
}

/// What a handshake was permitted by gets old while its origin is slow, and what that says first comes with its answer.
#[tokio::test]
async fn an_origin_that_answers_late_gets_no_socket_that_nobody_could_judge_in_time() {
    let (sockets, relays) = (Sockets::late(Duration::from_secs(5)).await, Relays::start().await);
    // Nothing tells a socket of a revocation but being judged again, and that takes its time.
    relays.fail("/relay/leash", Fault::Down);
    relays.fail("/relay/pull", Fault::Slow(Duration::from_millis(500)));
    let nobody = Origin::absent().await;
    let setup = sockets
        .setup(Setup::new(&nobody).isolates(2).relays(&relays))
        .set("clock_skew_seconds", 0)
        .set("revocation.max_staleness_seconds", 4);
    let gates = Gate::start_all(setup).await;
    let tokens = [
        token_with(json!({ "jti": "revoked" })),
        token_with(json!({ "jti": "ended", "exp": now() + 5 })),
        token_with(json!({ "jti": "good" })),
    ];
    let opening = |at: usize, path: &'static str| open(path).bearer(&tokens[at]);
    let refused = |at: usize, path: &'static str| opening(at, path).refused_at(&gates[0]);
    let revoking = async {
        eventually("all have asked", async || sockets.count() == 3).await;
        revoke(&gates[1], json!({ "jti": "revoked" })).await;
    };
    let (revoked, ended, mut near, ()) = tokio::join!(
        refused(0, "/revoked"),
        refused(1, "/ended"),
        opening(2, "/good").at(&gates[0]),
        revoking
    );
    revoked.must_be(401, "revoked_token");
    ended.must_be(401, "expired_token");
    assert_eq!(received(&mut near).await, Message::text("welcome"));
    // Who got no socket has none at the origin either.
    for _ in 0..3 {
        let mut far = sockets.next().await;
        if far.target == "/good" {
            must_be_open(&mut near, &mut far.socket).await;
            near.close(None).await.unwrap();
            ending(&mut far.socket).await;
        } else {
            assert_eq!(ending(&mut far.socket).await, None, "{}", far.target);
        }
    }
    // The same where nobody can tell any more.
    let failing = async {
        eventually("it has asked", async || sockets.count() == 4).await;
        relays.fail("/", Fault::Down);
    };
    let (unknown, ()) = tokio::join!(refused(2, "/"), failing);
    unknown.must_be(503, "auth_unavailable");
    // They are requests that were denied, and no sockets that have ended.
    let report = gates[0].report().await;
    assert_eq!(report["websockets"], json!({ "open": 0, "opened": 1, "ended": {} }));
    assert!(!gates[0].log().contains("websocket_ended"), "{}", gates[0].log());
    gates[0].must_be_calm();
}

#[tokio::test]
async fn limits_end_a_socket_and_say_so() {
    let sockets = Sockets::start(None).await;
    let gate = gate(&sockets, |setup| {
        setup
            .set("websocket.max_message_bytes", 10)
            .set("websocket.idle_timeout_seconds", 1)
            .access("/public", "public")
    })
    .await;
    for path in ["/", "/public"] {
        for message in
            [Message::binary(vec![0; 11]), Message::text("a".repeat(11)), Message::text("äöüäöü")]
        {
            let mut near = open(path).bearer(&token()).at(&gate).await;
            let mut far = sockets.next().await.socket;
            near.send(Message::text("äöüäö")).await.unwrap();
            assert_eq!(received(&mut far).await, Message::text("äöüäö"));
            far.send(message).await.unwrap();
            let expected = Some((1009, "message_too_large".to_owned()));
            assert_eq!(ending(&mut near).await, expected);
            assert_eq!(ending(&mut far).await, expected);
        }
        let mut near = open(path).bearer(&token()).at(&gate).await;
        let mut far = sockets.next().await.socket;
        let expected = Some((4408, "idle_timeout".to_owned()));
        assert_eq!(ending(&mut near).await, expected);
        assert_eq!(ending(&mut far).await, expected);
    }
    gate.must_be_calm();
}

/// Whether a socket ends as too slow, when its other end sends these without end, and what the gate took.
async fn flooded(gate: &Gate, sockets: &Sockets, is_from_origin: bool, message: &Message) -> u64 {
    let before = gate.rss();
    let mut near = open("/").narrow().bearer(&token()).at(gate).await;
    let mut far = sockets.next().await.socket;
    must_be_open(&mut near, &mut far).await;
    let (from, to) = if is_from_origin { (&mut far, &mut near) } else { (&mut near, &mut far) };
    // Whoever does not read is told nothing, so it is the other one who hears first.
    let (mut sink, mut stream) = from.split();
    let flood = async { while sink.feed(message.clone()).await.is_ok() {} };
    let heard = async {
        loop {
            match tokio::time::timeout(PATIENCE, stream.next()).await.expect("an end") {
                Some(Ok(Message::Close(frame))) => return frame.expect("a reason"),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    let frame = tokio::select! {
        frame = heard => frame,
        () = flood => panic!("the connection ended without a word"),
    };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1013, "slow_consumer"));
    let grown = gate.rss().saturating_sub(before);
    // It reads at last, and hears why.
    assert_eq!(ending(to).await, Some((1013, "slow_consumer".to_owned())));
    grown
}

#[tokio::test]
async fn who_takes_less_than_the_other_sends_is_closed_before_it_costs_memory() {
    let sockets = Sockets::narrow();
    // A million messages leave as much garbage as the heap may hold, which would be taken for what waits.
    let gate = gate(&sockets, |setup| setup.heap_megabytes(40)).await;
    for message in [
        Message::binary(vec![7; 65_536]),
        Message::text("a".repeat(1_000)),
        Message::text("a".repeat(16)),
        Message::text(""),
    ] {
        for is_from_origin in [true, false] {
            let grown = flooded(&gate, &sockets, is_from_origin, &message).await;
            // What may wait is 1 MiB; the runtime has buffers of its own, and that garbage.
            assert!(grown < 64 << 20, "{grown} {} {is_from_origin}", message.len());
        }
    }
    eventually("none is open", async || gate.report().await["websockets"]["open"] == 0).await;
}

#[tokio::test]
async fn a_client_that_vanishes_in_the_middle_of_a_flood_is_noticed() {
    let sockets = Sockets::start(None).await;
    let gate = gate(&sockets, |setup| setup).await;
    for reads in [true, false] {
        let mut near = open("/").bearer(&token()).at(&gate).await;
        let mut far = sockets.next().await.socket;
        must_be_open(&mut near, &mut far).await;
        let message = Message::binary(vec![7; 16_384]);
        for _ in 0..20 {
            far.send(message.clone()).await.unwrap();
            if reads {
                assert!(received(&mut near).await == message);
            }
        }
        drop(near);
        // Until the connection is gone.
        let flood = async { while far.send(message.clone()).await.is_ok() {} };
        tokio::time::timeout(PATIENCE, flood).await.expect("the origin notices");
    }
    eventually("none is open", async || gate.report().await["websockets"]["open"] == 0).await;
}

#[tokio::test]
async fn who_does_not_answer_a_close_frame_is_cut_off() {
    let sockets = Sockets::start(None).await;
    let gate = gate(&sockets, |setup| {
        setup
            .set("clock_skew_seconds", 0)
            .set("websocket.max_message_bytes", 10)
            .access("/public", "public")
    })
    .await;
    let token = token_with(json!({ "exp": now() + 3 }));
    // Neither end is read, so that neither is answered.
    let mut near = open("/").bearer(&token).at(&gate).await;
    let mut far = sockets.next().await.socket;
    // Nothing else would ever wake for this one.
    let mut public = open("/public").at(&gate).await;
    let mut public_far = sockets.next().await.socket;
    public_far.send(Message::text("longer than ten")).await.unwrap();
    gate.logged(&["token_expired"]).await;
    gate.logged(&["message_too_large"]).await;
    eventually("it is gone", async || gate.report().await["websockets"]["open"] == 0).await;
    for end in [&mut near, &mut far, &mut public, &mut public_far] {
        let mut rest = Vec::new();
        let read = end.get_mut().read_to_end(&mut rest);
        // To the end of the connection, by whatever means.
        let _ = tokio::time::timeout(PATIENCE, read).await.expect("the connection is cut");
    }
}
