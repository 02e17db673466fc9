//! Method, host and port: what was evaluated is what the origin gets, or it gets nothing.

use super::harness::*;

/// Everything is public but what is below /admin.
async fn open_but_admin(origin: &Origin) -> Gate {
    let setup = Setup::new(origin)
        .access("/", "public")
        .rule(json!({ "path": "/admin", "scopes_all": ["admin"] }));
    Gate::start(setup).await
}

#[tokio::test]
async fn no_request_becomes_a_get_by_asking_for_an_upgrade() {
    // The runtime sends a request that carries `Upgrade: websocket` as a GET, whatever it was.
    let origin = Origin::start().await;
    let gate = open_but_admin(&origin).await;
    for (method, target) in [
        ("OPTIONS", "/admin/secret"),
        ("OPTIONS", "/x"),
        ("POST", "/x"),
        ("DELETE", "/x"),
        ("HEAD", "/x"),
    ] {
        for value in ["websocket", "WebSocket", "websocket, h2c", "h2c"] {
            let reply = request(method, target)
                .header("Origin", "http://evil.example")
                .header("Access-Control-Request-Method", "GET")
                .header("Connection", "Upgrade")
                .header("Upgrade", value)
                .send(&gate)
                .await;
            reply.must_pass();
            let seen = origin.last();
            assert_eq!((seen.method.as_str(), seen.target.as_str()), (method, target), "{value}");
            assert!(seen.header("upgrade").is_empty(), "{method} {value}");
        }
    }
    gate.must_be_calm();
}

#[tokio::test]
async fn a_method_that_would_show_our_headers_is_not_sent() {
    let origin = Origin::start().await;
    let gate = open_but_admin(&origin).await;
    let reply = request("TRACE", "/x").send(&gate).await;
    reply.must_be(405, "method_not_allowed");
    assert_eq!(reply.header("allow"), ["GET, HEAD"]);
    origin.must_be_untouched();
}

#[tokio::test]
async fn a_host_that_a_parser_would_rewrite_is_denied_and_logged_without_the_query() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin).access("/", "public").through_service(&origin);
    let gate = Gate::start(setup).await;
    for host in ["a:99999", "1.2.3.999", "127.1", "0x7f.1", "[::zz]", "a:080", "u@b"] {
        let bytes = format!("GET /x?access_token=SECRET HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let reply = raw(gate.addr, bytes.as_bytes()).await;
        assert_eq!(reply.status, 400, "{host}");
    }
    origin.must_be_untouched();
    assert!(!gate.log().contains("SECRET"), "{}", gate.log());
    gate.must_be_calm();
    // And one that stays as it is.
    let bytes = b"GET /x HTTP/1.1\r\nHost: App.example:8080\r\n\r\n";
    raw(gate.addr, bytes).await.must_pass();
    assert_eq!(origin.last().header("x-forwarded-host"), ["App.example:8080"]);
}

#[tokio::test]
async fn a_misconfigured_gate_says_so_whatever_the_target() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).set("origin", json!("nowhere"))).await;
    for target in ["/", "/a%00b", "*"] {
        let method = if target == "*" { "OPTIONS" } else { "GET" };
        let bytes = format!("{method} {target} HTTP/1.1\r\nHost: app.example\r\n\r\n");
        raw(gate.addr, bytes.as_bytes()).await.must_be(503, "misconfigured");
    }
}

#[tokio::test]
async fn a_cookie_token_is_found_in_a_header_of_its_own() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin)
        .set("token", json!({ "sources": ["cookie:session"] }))
        .set("forward.claim_to_headers", json!({ "X-Auth-Subject": "sub" }));
    let gate = Gate::start(setup).await;
    let token = mint::token();
    for cookies in [
        vec![format!("session={token}")],
        vec!["a=1,2".to_owned(), format!("session={token}")],
        vec![format!("session={token}"), "a=1,2".to_owned()],
    ] {
        let mut asked = get("/");
        for cookie in &cookies {
            asked = asked.header("Cookie", cookie);
        }
        asked.send(&gate).await.must_pass();
        let seen = origin.last();
        assert!(!seen.header("cookie").concat().contains(&token), "{cookies:?}");
        assert_eq!(seen.header("x-auth-subject").len(), 1, "{cookies:?}");
        if cookies.len() > 1 {
            assert_eq!(seen.header("cookie"), ["a=1,2"], "{cookies:?}");
        }
    }
}

#[tokio::test]
async fn a_target_without_host_is_denied_in_a_realm_that_has_a_name() {
    let origin = Origin::start().await;
    let gate = open_but_admin(&origin).await;
    let reply = raw(gate.addr, b"OPTIONS * HTTP/1.1\r\nHost: app.example\r\n\r\n").await;
    reply.must_be(400, "invalid_request");
    let challenge = "Bearer realm=\"edgeward\", error=\"invalid_request\"";
    assert_eq!(reply.header("www-authenticate"), [challenge]);
    gate.logged(&["malformed_target", "OPTIONS"]).await;
    origin.must_be_untouched();
}
