//! What the script of a page sees, in a browser.

use std::time::Duration;

use super::*;
use crate::harness::{
    browser::{Browser, PageSocket},
    ws::WsServer,
};

/// How a page learns that a socket was closed.
fn closed(code: u16, reason: &str) -> Value {
    json!({ "code": code, "reason": reason, "wasClean": true })
}

/// All that a page learns of a handshake that is refused.
fn refused() -> Value {
    json!({ "code": 1006, "reason": "", "wasClean": false })
}

/// An origin that sends back what it gets, and a gate in front of it.
async fn echoing(change: impl FnOnce(Setup) -> Setup) -> (WsServer, Gate) {
    let server = WsServer::start(true).await;
    let nobody = Origin::absent().await;
    let gate = Gate::start(server.setup(change(Setup::new(&nobody)))).await;
    (server, gate)
}

async fn must_echo(socket: &PageSocket<'_>) {
    assert_eq!(socket.text("ä€😀").await, "ä€😀");
    assert_eq!(socket.bytes(70_000).await, true);
}

#[tokio::test]
async fn a_page_opens_a_socket_with_its_token_among_the_subprotocols() {
    let Some(browser) = Browser::start().await else { return };
    let (server, gate) = echoing(|setup| setup).await;
    let (page, token) = (browser.app(), token());
    for (protocols, chosen) in
        [(vec!["bearer", &token], "bearer"), (vec!["bearer", &token, "v2", "chat"], "chat")]
    {
        let socket = page.open(&gate, "/", &protocols).await;
        assert_eq!(socket.protocol, chosen);
        must_echo(&socket).await;
        assert_eq!(socket.bytes(4_000_000).await, true);
        assert_eq!(socket.text("").await, "");
        assert_eq!(socket.close(4000, "ö").await, closed(4000, "ö"));
        assert_eq!(server.ended().await["close"], json!([4000, "ö"]));
    }
    let socket = page.open(&gate, "/", &["bearer", &token]).await;
    assert_eq!(socket.text("x").await, "x");
    // The origin closes instead of an answer.
    socket.say("please close 4001 ü").await;
    assert_eq!(socket.closed().await, closed(4001, "ü"));
    gate.must_be_calm();
}

#[tokio::test]
async fn a_page_sees_why_its_socket_ends() {
    let Some(browser) = Browser::start().await else { return };
    let relays = Relays::start().await;
    let (_server, gate) = echoing(|setup| setup.relays(&relays).set("clock_skew_seconds", 0)).await;
    let page = browser.app();

    let expiring = token_with(json!({ "exp": now() + 4 }));
    let socket = page.open(&gate, "/", &["bearer", &expiring]).await;
    must_echo(&socket).await;
    assert_eq!(socket.closed().await, closed(4401, "token_expired"));

    let [revoked, other] = ["a", "b"].map(|id| token_with(json!({ "jti": id })));
    let (revoked, other) = (
        page.open(&gate, "/", &["bearer", &revoked]).await,
        page.open(&gate, "/", &["bearer", &other]).await,
    );
    must_echo(&revoked).await;
    revoke(&gate, json!({ "jti": "a" })).await;
    assert_eq!(revoked.closed().await, closed(4401, "token_revoked"));
    must_echo(&other).await;
    gate.must_be_calm();
}

#[tokio::test]
async fn a_page_learns_from_fetch_why_its_handshake_was_refused() {
    let Some(browser) = Browser::start().await else { return };
    let (server, gate) = echoing(|setup| {
        setup
            .set("token.sources", json!(["websocket-protocol", "query:token"]))
            .set("token.allowed_origins", json!([browser.origin]))
            .rule(json!({ "path": "/admin", "access": "required", "scopes_all": ["admin"] }))
    })
    .await;
    let (app, other) = (browser.app(), browser.other());
    let expired = token_with(json!({ "exp": now() - 100 }));
    for (path, status, code, challenge) in [
        ("/".to_owned(), 401, "missing_token", "Bearer"),
        (format!("/?token={expired}"), 401, "expired_token", "invalid_token"),
        (format!("/admin?token={}", token()), 403, "insufficient_scope", "insufficient_scope"),
    ] {
        assert_eq!(app.try_open(&gate, &path, &[]).await.err(), Some(refused()), "{path}");
        let response = app.fetch(&gate, &path).await;
        assert_eq!(response["status"], status, "{response}");
        assert_eq!(response["body"]["code"], code, "{response}");
        assert!(response["challenge"].as_str().unwrap().contains(challenge), "{response}");
        // Nobody else's page may know.
        assert_eq!(other.try_open(&gate, &path, &[]).await.err(), Some(refused()), "{path}");
        assert_eq!(other.fetch(&gate, &path).await, Value::Null, "{path}");
    }
    for protocols in [vec!["bearer", &expired], vec!["bearer"], vec!["chat"]] {
        let opened = app.try_open(&gate, "/", &protocols).await;
        assert_eq!(opened.err(), Some(refused()), "{protocols:?}");
    }
    assert_eq!(gate.report().await["websockets"]["opened"], 0);
    server.must_have_seen_none().await;
    gate.must_be_calm();
}

#[tokio::test]
async fn only_a_page_of_an_allowed_origin_can_use_a_cookie_for_a_socket() {
    let Some(browser) = Browser::start().await else { return };
    let (_server, gate) = echoing(|setup| {
        setup
            .set("token.sources", json!(["cookie:session"]))
            .set("token.allowed_origins", json!([browser.origin]))
    })
    .await;
    browser.keep_cookie(&gate, "session", &token()).await;
    let (app, other) = (browser.app(), browser.other());
    assert_eq!(other.try_open(&gate, "/", &[]).await.err(), Some(refused()));
    // It came with the cookie.
    let requests = gate.report().await["requests"].clone();
    assert_eq!(requests["denied"], json!({ "foreign_origin": 1 }));
    must_echo(&app.open(&gate, "/", &[]).await).await;
    gate.must_be_calm();
}

#[tokio::test]
async fn a_page_renews_its_token_in_the_open_socket() {
    let Some(browser) = Browser::start().await else { return };
    let (_server, gate) = echoing(|setup| {
        setup.set("clock_skew_seconds", 0).set("websocket.renewal", "edgeward.renew")
    })
    .await;
    let page = browser.app();
    let (first_end, end) = (now() + 6, now() + 3_600);
    let [first, fresh] = [first_end, end].map(|exp| token_with(json!({ "exp": exp })));
    let socket = page.open(&gate, "/", &["bearer", &first]).await;
    must_echo(&socket).await;
    let answered = async |token: &str| {
        let answer = socket.text(&format!("edgeward.renew {token}")).await;
        let answer = answer.as_str().unwrap().strip_prefix("edgeward.renew ").unwrap().to_owned();
        serde_json::from_str::<Value>(&answer).unwrap()
    };
    let another = token_with(json!({ "sub": "eve", "exp": end }));
    assert_eq!(answered(&another).await, json!({ "renewed": false, "code": "another_subject" }));
    // Another one is not looked at before a second is over.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(answered(&fresh).await, json!({ "renewed": true, "expires_at": end }));
    while now() <= first_end {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    must_echo(&socket).await;
    gate.must_be_calm();
}
