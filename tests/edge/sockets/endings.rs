//! When the gate ends a socket.

use futures_util::SinkExt;
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
