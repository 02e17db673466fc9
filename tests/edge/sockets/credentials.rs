//! Where a handshake can carry its token, and what the origin sees of it.

use super::*;

#[tokio::test]
async fn a_token_is_taken_from_every_source_and_the_origin_sees_none() {
    let sockets = Sockets::start(None).await;
    let gate = gate(&sockets, Setup::every_source_of_a_handshake).await;
    let token = token();
    let encoded =
        format!("base64url.bearer.authorization.k8s.io.{}", mint::base64url(token.as_bytes()));
    for opening in [
        open("/a?x=1").bearer(&token),
        open("/a?x=1").protocols(&format!("bearer, {token}")),
        open("/a?x=1").protocols(&format!("{encoded}, bearer")),
        open("/a?x=1")
            .header("cookie", &format!("session={token}; theme=dark"))
            .header("origin", "https://app.example"),
        open(&format!("/a?x=1&token={token}")),
    ] {
        let mut near = opening.at(&gate).await;
        let mut far = sockets.next().await;
        assert_eq!(far.target, "/a?x=1");
        assert_eq!(far.headers["x-auth-subject"], "alice");
        let all = format!("{:?}", far.headers);
        assert!(!all.contains(&token) && !all.contains(&encoded), "{all}");
        must_be_open(&mut near, &mut far.socket).await;
    }
    assert!(!gate.log().contains(&token));
    gate.must_be_calm();
}

#[tokio::test]
async fn the_origin_chooses_among_the_other_subprotocols_and_the_marker_only_where_there_is_none() {
    let sockets = Sockets::start(Some("chat")).await;
    let supervised = gate(&sockets, |setup| setup).await;
    let handed_over = gate(&sockets, |setup| {
        setup.rule(json!({ "path": "/", "access": "required", "websocket": "handshake" }))
    })
    .await;
    let token = token();
    let encoded =
        format!("base64url.bearer.authorization.k8s.io.{}", mint::base64url(token.as_bytes()));
    for gate in [&supervised, &handed_over] {
        for (offered, seen, chosen) in [
            (format!("bearer, {token}"), None, Some("bearer")),
            (format!("{encoded}, bearer"), None, Some("bearer")),
            (format!("bearer, {token}, chat, v2"), Some("chat, v2"), Some("chat")),
            (format!("{encoded}, v2, chat"), Some("v2, chat"), Some("chat")),
        ] {
            let (mut near, headers) = open("/").protocols(&offered).with_headers_at(gate).await;
            let mut far = sockets.next().await;
            let value = |headers: &tokio_tungstenite::tungstenite::http::HeaderMap| {
                headers.get("sec-websocket-protocol").map(|it| it.to_str().unwrap().to_owned())
            };
            assert_eq!(value(&far.headers).as_deref(), seen, "{offered}");
            assert_eq!(value(&headers).as_deref(), chosen, "{offered}");
            must_be_open(&mut near, &mut far.socket).await;
        }
    }
}

#[tokio::test]
async fn a_refusal_is_a_response_and_the_origin_knows_nothing_of_it() {
    let sockets = Sockets::start(None).await;
    let gate = gate(&sockets, |setup| {
        setup
            .set("token.sources", json!(["authorization", "websocket-protocol", "cookie:session"]))
            .rule(json!({ "path": "/admin", "access": "required", "scopes_all": ["admin"] }))
    })
    .await;
    let good = token();
    let expired = token_with(json!({ "exp": now() - 100 }));
    for (opening, status, code) in [
        (open("/"), 401, "missing_token"),
        (open("/").bearer("x.y.z"), 401, "invalid_token"),
        (open("/").bearer(&expired), 401, "expired_token"),
        (open("/").protocols(&format!("bearer, {expired}")), 401, "expired_token"),
        (open("/").protocols("bearer"), 400, "invalid_request"),
        (open("/").bearer(&good).protocols(&format!("bearer, {good}")), 400, "invalid_request"),
        (open("/admin").bearer(&good), 403, "insufficient_scope"),
        // Whoever can make a browser open a socket has its cookies.
        (open("/").header("cookie", &format!("session={good}")), 400, "invalid_request"),
        (
            open("/")
                .header("cookie", &format!("session={good}"))
                .header("origin", "https://evil.example"),
            400,
            "invalid_request",
        ),
    ] {
        let reply = opening.refused_at(&gate).await;
        reply.must_be(status, code);
        assert!(!reply.json()["failure_id"].as_str().unwrap().is_empty());
    }
    assert_eq!(sockets.count(), 0);
    gate.must_be_calm();
}

#[tokio::test]
async fn what_the_origin_answers_instead_of_a_socket_passes_untouched() {
    let origin = Origin::answering(|_| Answer::status("418 I'm a teapot").with_body("no")).await;
    let gate = Gate::start(Setup::new(&origin)).await;
    let reply = open("/").bearer(&token()).refused_at(&gate).await;
    assert_eq!((reply.status, reply.text().as_str()), (418, "no"));

    let absent = Origin::absent().await;
    let gate = Gate::start(Setup::new(&absent)).await;
    open("/").bearer(&token()).refused_at(&gate).await.must_be(502, "origin_unreachable");
    gate.must_be_calm();
}
