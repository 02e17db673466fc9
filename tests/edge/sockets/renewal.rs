//! A fresh token in band.

use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::harness::sockets::End;

const WORD: &str = "edgeward.renew";

async fn renewing_gate(sockets: &Sockets, change: impl FnOnce(Setup) -> Setup) -> Gate {
    gate(sockets, |setup| change(setup.set("websocket.renewal", WORD).set("clock_skew_seconds", 0)))
        .await
}

/// Sends a token, and gives back what the gate says to that.
async fn renewed(near: &mut End, token: &str) -> Value {
    near.send(Message::text(format!("{WORD} {token}"))).await.unwrap();
    let answer = received(near).await;
    let answer = answer.to_text().unwrap().strip_prefix(WORD).expect("an answer of the gate");
    serde_json::from_str(answer).unwrap()
}

#[tokio::test]
async fn a_fresh_token_extends_the_socket_and_the_origin_sees_none_of_it() {
    let sockets = Sockets::start(None).await;
    let gate = renewing_gate(&sockets, |setup| setup).await;
    let first = token_with(json!({ "exp": now() + 2 }));
    let mut near = open("/").bearer(&first).at(&gate).await;
    let mut far = sockets.next().await.socket;
    let until = now() + 4;
    let second = token_with(json!({ "exp": until }));
    let answer = renewed(&mut near, &second).await;
    assert_eq!(answer, json!({ "renewed": true, "expires_at": until }));
    must_be_open(&mut near, &mut far).await;
    while now() < until - 1 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    must_be_open(&mut near, &mut far).await;
    assert_eq!(ending(&mut near).await, Some((4401, "token_expired".into())));
    assert!(now() >= until);
    assert!(!gate.log().contains(&second));
    gate.must_be_calm();
}

#[tokio::test]
async fn a_token_that_does_not_do_changes_nothing() {
    let sockets = Sockets::start(None).await;
    let gate = renewing_gate(&sockets, |setup| {
        setup.rule(json!({ "path": "/", "access": "required", "scopes_all": ["read"] }))
    })
    .await;
    let until = now() + 10;
    let first = token_with(json!({ "exp": until, "scope": "read" }));
    let mut near = open("/").bearer(&first).at(&gate).await;
    let mut far = sockets.next().await.socket;
    for (token, code) in [
        ("", "invalid_token"),
        ("x.y.z", "invalid_token"),
        ("a".repeat(100_000).as_str(), "invalid_token"),
        (token_with(json!({ "exp": now() - 10 })).as_str(), "expired_token"),
        (token_with(json!({ "scope": "write" })).as_str(), "insufficient_scope"),
        (token_with(json!({ "scope": "read", "sub": "eve" })).as_str(), "another_subject"),
    ] {
        // Another one is not looked at before a second is over.
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        let answer = renewed(&mut near, token).await;
        assert_eq!((&answer["renewed"], &answer["code"]), (&json!(false), &json!(code)));
        must_be_open(&mut near, &mut far).await;
    }
    let line = gate.logged(&["\"event\":\"renewal_refused\"", "\"reason\":\"expired\""]).await;
    assert!(!line.contains("eyJ"), "{line}");
    assert_eq!(ending(&mut near).await, Some((4401, "token_expired".into())));
    gate.must_be_calm();
}

#[tokio::test]
async fn without_the_word_a_message_is_a_message() {
    let sockets = Sockets::start(None).await;
    let with = renewing_gate(&sockets, |setup| {
        setup.access("/public", "public").set("websocket.idle_timeout_seconds", 60)
    })
    .await;
    let without = gate(&sockets, |setup| setup).await;
    let token = token();
    let like_one = format!("{WORD} {token}");
    for (gate, path, message) in [
        // It is not configured, or there is no token to renew.
        (&without, "/", Message::text(like_one.clone())),
        (&with, "/public", Message::text(like_one.clone())),
        (&with, "/", Message::binary(like_one.clone())),
        (&with, "/", Message::text(format!("{WORD}ed"))),
        (&with, "/", Message::text(format!(" {like_one}"))),
    ] {
        let mut near = open(path).bearer(&token).at(gate).await;
        let mut far = sockets.next().await.socket;
        near.send(message.clone()).await.unwrap();
        assert_eq!(received(&mut far).await, message);
        far.send(message.clone()).await.unwrap();
        assert_eq!(received(&mut near).await, message);
    }
}

#[tokio::test]
async fn what_revokes_the_fresh_token_ends_the_socket() {
    let (sockets, relays) = (Sockets::start(None).await, Relays::start().await);
    let gate = renewing_gate(&sockets, |setup| {
        setup
            .relays(&relays)
            .set("revocation.max_staleness_seconds", 3_600)
            .set("websocket.max_sockets_per_subject", 1)
    })
    .await;
    let mut near = open("/").bearer(&token_with(json!({ "jti": "a" }))).at(&gate).await;
    let mut far = sockets.next().await.socket;
    // The one limit that there is does not count the leash that it is to take the place of.
    let answer = renewed(&mut near, &token_with(json!({ "jti": "b" }))).await;
    assert_eq!(answer["renewed"], true);
    eventually("it has another leash", async || {
        relays.calls("/relay/leash") == 2 && relays.leashes(&gate, "any-0").await == 1
    })
    .await;
    for (jti, is_over) in [("a", false), ("b", true)] {
        revoke(&gate, json!({ "jti": jti })).await;
        if !is_over {
            must_be_open(&mut near, &mut far).await;
        }
    }
    assert_eq!(ending(&mut near).await, Some((4401, "token_revoked".into())));
    assert_eq!(ending(&mut far).await, Some((4401, "token_revoked".into())));
    gate.must_be_calm();
}

#[tokio::test]
async fn renewals_without_end_cost_no_relay_anything() {
    let (sockets, relays) = (Sockets::start(None).await, Relays::start().await);
    let gate = renewing_gate(&sockets, |setup| setup.relays(&relays)).await;
    let token = token();
    let mut near = open("/").bearer(&token).at(&gate).await;
    let mut far = sockets.next().await.socket;
    eventually("it is leashed", async || relays.leashes(&gate, "any-0").await == 1).await;
    assert_eq!(renewed(&mut near, &token).await["renewed"], true);
    for _ in 0..100 {
        assert_eq!(renewed(&mut near, &token).await["code"], "busy");
    }
    must_be_open(&mut near, &mut far).await;
    assert_eq!(relays.calls("/relay/leash"), 1);
    gate.must_be_calm();
}
