//! What the origin gets to see of a permitted request, and the client of its answer.

use jsonwebtoken::{DecodingKey, Validation};

use super::harness::{
    mint::{base64url, from_base64url, now, token, token_with},
    *,
};

/// The claim headers of most tests here.
fn claim_headers() -> Value {
    json!({ "X-Auth-Subject": "sub", "X-Auth-Scope": "scope", "X-User": "email" })
}

// Identity headers

/// Names that some origin takes for one of ours.
const SPOOFED: [&str; 26] = [
    "X-Auth-Subject",
    "x-auth-subject",
    "X-AUTH-SUBJECT",
    "X_Auth_Subject",
    "x_auth_subject",
    "X-Auth_Subject",
    "X_AUTH-SUBJECT",
    "X.Auth.Subject",
    "X-Auth-Subject-B64",
    "X_Auth_Subject_B64",
    "X-Auth-Scope",
    "x_auth_scope",
    "X-User",
    "x_user",
    "X_USER",
    "X.User",
    "X-User-B64",
    "x_user_b64",
    "X-Auth-Assertion",
    "X_Auth_Assertion",
    "X-Auth-Degraded",
    "x_auth_degraded",
    "X-Auth-Anything",
    "x_auth_anything",
    "X-Auth-",
    "X~Auth~Subject",
];

#[tokio::test]
async fn an_identity_header_of_the_client_never_arrives() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin)
        .assertion(60)
        .set("forward.claim_to_headers", claim_headers())
        .access("/public", "public")
        .access("/optional", "optional");
    let gate = Gate::start(setup).await;
    let good = token_with(json!({ "scope": "read", "email": "a@b.example" }));
    for (target, credentials) in [
        ("/public", None),
        ("/public", Some(&good)),
        ("/optional", None),
        ("/optional", Some(&good)),
        ("/required", Some(&good)),
        ("/required", Some(&good)),
    ] {
        let mut request = get(target);
        for name in SPOOFED {
            request = request.header(name, "spoofed");
        }
        if let Some(token) = credentials {
            request = request.bearer(token);
        }
        request.send(&gate).await.must_pass();
        let seen = origin.last();
        let spoofed: Vec<_> =
            seen.headers.iter().filter(|(_, value)| value.contains("spoofed")).collect();
        assert!(spoofed.is_empty(), "{target}: {spoofed:?}");
        let identified = credentials.is_some() && target != "/public";
        for (name, ours) in
            [("x-auth-subject", "alice"), ("x-auth-scope", "read"), ("x-user", "a@b.example")]
        {
            let expected = if identified { vec![ours] } else { vec![] };
            assert_eq!(seen.folded(name), expected, "{target} {name}");
        }
        assert_eq!(seen.folded("x-auth-assertion").len(), usize::from(identified), "{target}");
        assert!(seen.folded("x-auth-degraded").is_empty());
    }
    gate.must_be_calm();
}

#[tokio::test]
async fn an_identity_header_as_a_trailer_never_arrives() {
    let origin = Origin::start().await;
    let setup =
        Setup::new(&origin).set("forward.claim_to_headers", claim_headers()).access("/", "public");
    let gate = Gate::start(setup).await;
    let request = "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\
                   Trailer: X-Auth-Subject\r\n\r\n2\r\nhi\r\n0\r\nX-Auth-Subject: root\r\n\r\n";
    raw(gate.addr, request.as_bytes()).await.must_pass();
    let seen = origin.only();
    assert_eq!((seen.folded("x-auth-subject").len(), &seen.body[..]), (0, &b"hi"[..]));
    assert!(!format!("{:?}", seen.trailers).to_lowercase().contains("auth"), "{seen:?}");
}

#[tokio::test]
async fn connection_cannot_remove_what_we_set_and_removes_what_it_may() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin).assertion(60).set("forward.claim_to_headers", claim_headers());
    let gate = Gate::start(setup).await;
    get("/")
        .bearer(&token())
        .header("Connection", "X-Auth-Subject, X-Auth-Assertion, X-Forwarded-For, X-Hop")
        .header("X-Auth-Subject", "root")
        .header("X-Hop", "1")
        .header("X-Stays", "1")
        .header("Keep-Alive", "timeout=5")
        .header("Proxy-Authorization", "Basic cm9vdDpyb290")
        .header("Proxy-Connection", "keep-alive")
        .header("TE", "trailers")
        .send(&gate)
        .await
        .must_pass();
    let seen = origin.only();
    assert_eq!(seen.header("x-auth-subject"), ["alice"]);
    assert_eq!(seen.header("x-auth-assertion").len(), 1);
    assert_eq!(seen.header("x-stays"), ["1"]);
    for name in ["x-hop", "keep-alive", "proxy-authorization", "proxy-connection", "te"] {
        assert!(seen.header(name).is_empty(), "{name}: {seen:?}");
    }
    let connection = seen.header("connection").join(",").to_lowercase();
    assert!(!connection.contains("x-"), "{connection}");
}

#[tokio::test]
async fn every_type_of_claim_has_its_form_as_a_header() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin).set(
        "forward.claim_to_headers",
        json!({ "X-Auth-Scope": "scope", "X-Claim": "claim", "X-Role": "realm.role" }),
    );
    let gate = Gate::start(setup).await;
    let encoded = |text: &str| base64url(text.as_bytes());
    for (claim, value, name, expected) in [
        ("claim", json!("plain text"), "x-claim", "plain text".to_owned()),
        ("claim", json!("a,b; c=\"d\""), "x-claim", "a,b; c=\"d\"".into()),
        ("claim", json!(42), "x-claim", "42".into()),
        ("claim", json!(-7), "x-claim", "-7".into()),
        ("claim", json!(1.5), "x-claim", "1.5".into()),
        ("claim", json!(true), "x-claim", "true".into()),
        ("claim", json!(false), "x-claim", "false".into()),
        ("claim", json!(["a", "b", "c"]), "x-claim", "a,b,c".into()),
        ("claim", json!({ "a": 1 }), "x-claim", encoded(r#"{"a":1}"#)),
        ("claim", json!([["a"], ["b"]]), "x-claim", encoded(r#"[["a"],["b"]]"#)),
        ("claim", json!(["a,b", "c"]), "x-claim-b64", encoded(r#"["a,b","c"]"#)),
        ("claim", json!("Zo\u{eb}"), "x-claim-b64", encoded("Zo\u{eb}")),
        ("claim", json!("\u{1f600}"), "x-claim-b64", encoded("\u{1f600}")),
        ("claim", json!("a\r\nX-Claim: root"), "x-claim-b64", encoded("a\r\nX-Claim: root")),
        ("claim", json!("a\nb"), "x-claim-b64", encoded("a\nb")),
        ("claim", json!("a\u{0}b"), "x-claim-b64", encoded("a\u{0}b")),
        ("claim", json!(" padded "), "x-claim-b64", encoded(" padded ")),
        ("scope", json!("read write"), "x-auth-scope", "read write".into()),
        ("scope", json!(["read", "write"]), "x-auth-scope", "read write".into()),
        ("scope", json!(["read write", "x"]), "x-auth-scope-b64", encoded(r#"["read write","x"]"#)),
        ("realm", json!({ "role": "admin" }), "x-role", "admin".into()),
    ] {
        let token = token_with(json!({ claim: value }));
        for _cold_then_warm in 0..2 {
            get("/").bearer(&token).send(&gate).await.must_pass();
            let seen = origin.last();
            assert_eq!(seen.header(name), [expected.as_str()], "{claim} {value}");
            let others = ["x-claim", "x-claim-b64", "x-auth-scope", "x-auth-scope-b64", "x-role"];
            for other in others.into_iter().filter(|other| *other != name) {
                assert!(seen.header(other).is_empty(), "{claim} {value} {other}: {seen:?}");
            }
        }
    }
    for absent in [json!({}), json!({ "claim": {} , "scope": null })] {
        get("/").bearer(&token_with(absent)).send(&gate).await.must_pass();
        assert!(origin.last().header("x-auth-scope").is_empty());
    }
    gate.must_be_calm();
}

// The assertion

#[tokio::test]
async fn the_assertion_is_verified_by_what_jwks_json_says() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).assertion(60)).await;
    let token = token_with(json!({ "scope": "read write", "jti": "the-id" }));
    for _cold_then_warm in 0..2 {
        let before = now();
        get("/").bearer(&token).send(&gate).await.must_pass();
        let claims = verified(&gate, &origin.last()).await;
        assert_eq!(claims["sub"], "alice");
        assert_eq!(claims["tid"], "the-id");
        assert_eq!(claims["oiss"], mint::ISSUER);
        assert_eq!(claims["scope"], "read write");
        assert_eq!(claims.get("degraded"), None);
        let (issued, ends) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
        assert!((before - 60..=now()).contains(&issued), "{claims}");
        assert!((now() + 1..=now() + 60).contains(&ends), "{claims}");
    }
}

#[tokio::test]
async fn the_assertion_does_not_outlive_the_token() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).assertion(60)).await;
    let ends = now() + 20;
    get("/").bearer(&token_with(json!({ "exp": ends }))).send(&gate).await.must_pass();
    let claims = verified(&gate, &origin.last()).await;
    assert!(claims["exp"].as_i64().unwrap() <= ends, "{claims}");
}

#[tokio::test]
async fn a_symmetric_assertion_key_is_not_published() {
    let origin = Origin::start().await;
    let secret = mint::random(32);
    let key = json!({ "kty": "oct", "k": base64url(&secret), "alg": "HS256", "kid": "s" });
    let setup = Setup::new(&origin).assertion(60).secret("ASSERTION_KEY", &key.to_string());
    let gate = Gate::start(setup).await;
    get("/").bearer(&token()).send(&gate).await.must_pass();
    let seen = origin.last();
    let mut validation = Validation::new(jsonwebtoken::Algorithm::HS256);
    validation.set_audience(&[mint::ORIGIN_AUDIENCE]);
    validation.set_issuer(&["edgeward"]);
    let assertion = seen.header("x-auth-assertion")[0];
    let key = DecodingKey::from_secret(&secret);
    let claims = jsonwebtoken::decode::<Value>(assertion, &key, &validation).unwrap().claims;
    assert_eq!(claims["sub"], "alice");
    let published = get("/_edgeward/jwks.json").send(&gate).await;
    assert!(!published.text().contains(&base64url(&secret)), "{}", published.text());
    assert_eq!(published.json()["keys"], json!([]), "{}", published.text());
}

#[tokio::test]
async fn without_an_assertion_key_there_is_no_assertion_and_the_key_set_is_empty() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin)).await;
    get("/").bearer(&token()).send(&gate).await.must_pass();
    assert!(origin.only().header("x-auth-assertion").is_empty());
    let reply = get("/_edgeward/jwks.json").send(&gate).await;
    assert!(matches!(reply.status, 200 | 404), "{}", reply.text());
    if reply.status == 200 {
        assert_eq!(reply.json()["keys"], json!([]));
    }
}

// The rest of the request

#[tokio::test]
async fn the_origin_learns_the_outer_address_from_us_alone() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin)).await;
    get("/")
        .bearer(&token())
        .header("CF-Connecting-IP", "203.0.113.7")
        .header("X-Forwarded-For", "198.51.100.1")
        .header("X-Forwarded-Host", "evil.example")
        .header("X-Forwarded-Proto", "gopher")
        .header("X_Forwarded_Host", "evil.example")
        .header("Forwarded", "host=evil.example")
        .header("X-Original-URL", "/admin")
        .header("X-Rewrite-URL", "/admin")
        .header("X-HTTP-Method-Override", "DELETE")
        .send(&gate)
        .await
        .must_pass();
    let seen = origin.only();
    assert_eq!(seen.header("host"), [origin.addr.to_string()]);
    assert_eq!(seen.folded("x-forwarded-host"), [client::HOST]);
    assert_eq!(seen.folded("x-forwarded-proto"), ["http"]);
    let from = seen.folded("x-forwarded-for").join(",");
    assert!(from.ends_with("203.0.113.7"), "{seen:?}");
    for name in ["forwarded", "x-original-url", "x-rewrite-url", "x-http-method-override"] {
        assert!(seen.folded(name).is_empty(), "{name}: {seen:?}");
    }
}

#[tokio::test]
async fn the_token_is_taken_out_unless_it_shall_stay() {
    for strip in [true, false] {
        let origin = Origin::start().await;
        let setup = Setup::new(&origin).set("forward.strip_token", strip).set(
            "token.sources",
            json!(["authorization", "cookie:session", "query:access_token", "header:X-Api-Token"]),
        );
        let gate = Gate::start(setup).await;
        let token = token();
        let query = format!("/a?x=%2F&access_token={token}&y=1");
        for (name, request) in [
            ("authorization", get("/a?x=%2F&y=1").bearer(&token)),
            ("cookie", get("/a?x=%2F&y=1").header("Cookie", &format!("a=b; session={token}; c=d"))),
            ("query", get(&query)),
            ("header", get("/a?x=%2F&y=1").header("X-Api-Token", &token)),
        ] {
            request.send(&gate).await.must_pass();
            let seen = origin.last();
            let arrived = format!("{seen:?}").contains(&token);
            assert_eq!((name, arrived), (name, !strip), "{seen:?}");
            if strip {
                assert_eq!(seen.target, "/a?x=%2F&y=1", "{name}");
            }
            if name == "cookie" {
                let cookie = seen.header("cookie").join("; ");
                assert!(
                    cookie.starts_with("a=b; ") && cookie.ends_with("; c=d")
                        || strip && cookie == "a=b; c=d"
                );
            }
        }
        gate.must_be_calm();
    }
}

#[tokio::test]
async fn method_target_headers_and_body_arrive_as_they_were_sent() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin)).await;
    let body = "{\"a\": 1}\r\n\u{0}";
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let mut request = request(method, "/a/b%20c?q=%41&q=2&&=;/?")
            .bearer(&token())
            .header("Content-Type", "application/x-thing; charset=utf-8")
            .header("Accept-Encoding", "br;q=1.0, gzip;q=0.5")
            .header("Cookie", "a=b; c=\"d,e\"")
            .header("If-None-Match", "W/\"1\"")
            .header("Range", "bytes=0-1")
            .header("Referer", "https://other.example/");
        if method != "GET" {
            request = request.body(body);
        }
        request.send(&gate).await.must_pass();
        let seen = origin.last();
        assert_eq!(
            (seen.method.as_str(), seen.target.as_str()),
            (method, "/a/b%20c?q=%41&q=2&&=;/?")
        );
        assert_eq!(seen.header("content-type"), ["application/x-thing; charset=utf-8"]);
        assert_eq!(seen.header("accept-encoding"), ["br;q=1.0, gzip;q=0.5"]);
        assert_eq!(seen.header("cookie"), ["a=b; c=\"d,e\""]);
        assert_eq!(seen.header("if-none-match"), ["W/\"1\""]);
        assert_eq!(seen.header("range"), ["bytes=0-1"]);
        assert_eq!(seen.body, if method == "GET" { b"" } else { body.as_bytes() });
        assert!(seen.header("authorization").is_empty());
    }
}

#[tokio::test]
async fn a_service_binding_reaches_the_origin_like_a_url_does() {
    let origin =
        Origin::answering(|seen| Answer::status("203 Through The Binding").with_body(&seen.target))
            .await;
    let setup = Setup::new(&origin)
        .through_service(&origin)
        .assertion(60)
        .set("forward.claim_to_headers", claim_headers());
    let gate = Gate::start(setup).await;
    let reply = request("POST", "/a//b?c=d").bearer(&token()).body("text").send(&gate).await;
    assert_eq!((reply.status, reply.reason.as_str()), (203, "Through The Binding"));
    assert_eq!(reply.text(), "/a//b?c=d");
    let seen = origin.only();
    assert_eq!(seen.header("x-auth-subject"), ["alice"]);
    assert_eq!(seen.header("x-forwarded-host"), [client::HOST]);
    assert_eq!(seen.body, b"text");
    assert_eq!(verified(&gate, &seen).await["sub"], "alice");
    get("/a").send(&gate).await.must_be(401, "missing_token");
    assert_eq!(origin.count(), 1);
}

/// The platform keeps what a Worker fetches, by URL: what is for one user must not be kept for the next.
/// It says so to the origin, too, which is how this can be seen here.
#[tokio::test]
async fn what_is_asked_for_one_user_is_neither_taken_from_a_cache_nor_put_there() {
    let origin = Origin::start().await;
    let setup = |setup: Setup| setup.access("/public", "public").access("/optional", "optional");
    let by_url = Gate::start(setup(Setup::new(&origin))).await;
    let service = Gate::start(setup(Setup::new(&origin).through_service(&origin))).await;
    for (gate, method, target, has_token, is_kept_off) in [
        (&by_url, "GET", "/report.pdf", true, true),
        (&by_url, "HEAD", "/report.pdf", true, true),
        (&by_url, "GET", "/optional/a.css", true, true),
        (&by_url, "GET", "/optional/a.css", false, false),
        (&by_url, "GET", "/public/a.css", false, false),
        (&by_url, "POST", "/report.pdf", true, false),
        // There is no cache on the way.
        (&service, "GET", "/report.pdf", true, false),
    ] {
        let mut asked = request(method, target);
        if has_token {
            asked = asked.bearer(&token());
        }
        asked.send(gate).await.must_pass();
        let expected: &[&str] = if is_kept_off { &["no-cache"] } else { &[] };
        let seen = origin.last();
        assert_eq!(seen.header("pragma"), expected, "{method} {target}");
        assert_eq!(seen.header("cache-control"), expected, "{method} {target}");
    }
    // What the client says about caches stays.
    let asked = get("/a").bearer(&token()).header("Cache-Control", "max-age=7");
    asked.send(&by_url).await.must_pass();
    assert_eq!(origin.last().header("cache-control"), ["max-age=7"]);
}

// The response

/// Status lines of an origin, with `_` for the spaces.
const STATUS_LINES: [&str; 37] = [
    "200_OK",
    "200_Fine",
    "201_Created",
    "202_Accepted",
    "203_Changed",
    "204_Nothing",
    "205_Reset_Content",
    "206_Partial_Content",
    "226_IM_Used",
    "299_Odd",
    "300_Choices",
    "301_Moved",
    "302_Found",
    "303_See_Other",
    "304_Not_Modified",
    "307_Temporary",
    "308_Permanent",
    "400_Bad",
    "401_Who",
    "402_Pay",
    "403_No",
    "404_Nowhere",
    "407_Proxy",
    "410_Gone",
    "418_I_am_a_teapot",
    "421_Misdirected",
    "429_Slow_Down",
    "431_Large",
    "451_Legal",
    "499_Odd",
    "500_Oops",
    "501_No",
    "502_Bad_Gateway",
    "503_Later",
    "504_Late",
    "511_Login",
    "599_Odd",
];

#[tokio::test]
async fn status_reason_headers_and_body_come_back_as_the_origin_sent_them() {
    // The target's query is the status line to answer with.
    let origin = Origin::answering(|seen| {
        let status = seen.target.split_once('?').unwrap().1.replace('_', " ");
        Answer::status(&status)
            .header("Location", "http://elsewhere.example/a?b#c")
            .header("ETag", "\"1\"")
            .header("Set-Cookie", "a=1; Path=/")
            .header("Set-Cookie", "b=2, 3; HttpOnly")
            .header("WWW-Authenticate", "Basic realm=\"origin\"")
            .header("Retry-After", "7")
            .header("X-Auth-Subject", "of the response")
            .header("Cache-Control", "max-age=60")
            .with_body("body")
    })
    .await;
    let gate = Gate::start(Setup::new(&origin).access("/", "public")).await;
    for status in STATUS_LINES {
        let reply = get(&format!("/?{status}")).send(&gate).await;
        let line = format!("{} {}", reply.status, reply.reason).replace(' ', "_");
        assert_eq!(line, status, "{}", reply.text());
        assert_eq!(reply.header("location"), ["http://elsewhere.example/a?b#c"], "{status}");
        assert_eq!(reply.header("etag"), ["\"1\""], "{status}");
        assert_eq!(reply.header("set-cookie"), ["a=1; Path=/", "b=2, 3; HttpOnly"], "{status}");
        assert_eq!(reply.header("www-authenticate"), ["Basic realm=\"origin\""], "{status}");
        assert_eq!(reply.header("retry-after"), ["7"], "{status}");
        assert_eq!(reply.header("x-auth-subject"), ["of the response"], "{status}");
        assert_eq!(reply.header("cache-control"), ["max-age=60"], "{status}");
        let bodiless =
            status.starts_with("204") || status.starts_with("205") || status.starts_with("304");
        assert_eq!(reply.text(), if bodiless { "" } else { "body" }, "{status}");
    }
    // A redirect that was followed would have come twice.
    assert_eq!(origin.count(), STATUS_LINES.len());
    gate.must_be_calm();
}

#[tokio::test]
async fn a_compressed_body_is_not_touched() {
    // Not gzip at all: whoever decodes it, fails.
    let origin = Origin::answering(|_| {
        Answer::status("200 OK")
            .header("Content-Encoding", "gzip")
            .header("Content-Type", "text/plain")
            .with_body("\u{1f}not gzip")
    })
    .await;
    let gate = Gate::start(Setup::new(&origin)).await;
    let reply = get("/").bearer(&token()).header("Accept-Encoding", "gzip").send(&gate).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "\u{1f}not gzip"));
    assert_eq!(reply.header("content-encoding"), ["gzip"]);
}

#[tokio::test]
async fn a_head_request_stays_one() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin)).await;
    let reply = request("HEAD", "/").bearer(&token()).send(&gate).await;
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    assert_eq!(reply.header("content-length"), ["15"]);
    assert_eq!(origin.only().method, "HEAD");
}

#[tokio::test]
async fn a_websocket_passes_with_a_token_and_not_without() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

    let origin = Origin::answering(|_| Answer::WebSocketEcho).await;
    let setup = Setup::new(&origin).set("forward.claim_to_headers", claim_headers());
    let gate = Gate::start(setup).await;
    let connect = |token: Option<String>| {
        let mut request = format!("ws://{}/socket", gate.addr).into_client_request().unwrap();
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.headers_mut().insert("authorization", value);
        }
        async {
            let stream = tokio::net::TcpStream::connect(gate.addr).await.unwrap();
            tokio_tungstenite::client_async(request, stream).await
        }
    };
    for bad in [None, Some(token_with(json!({ "exp": 1 }))), Some("x.y.z".to_owned())] {
        assert!(connect(bad).await.is_err());
    }
    origin.must_be_untouched();

    let (mut socket, _) = connect(Some(token())).await.unwrap();
    for message in [Message::text("text"), Message::binary(vec![0, 255, 1])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    socket.close(None).await.unwrap();
    let seen = origin.only();
    assert_eq!(seen.header("x-auth-subject"), ["alice"]);
    assert_eq!(seen.header("upgrade"), ["websocket"]);
    assert!(seen.header("authorization").is_empty());
    gate.must_be_calm();
}

#[tokio::test]
async fn requests_on_one_connection_are_judged_each_by_itself() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin)).await;
    let good = token();
    let stream = tokio::net::TcpStream::connect(gate.addr).await.unwrap();
    let mut stream = tokio::io::BufReader::new(stream);
    for (request, status) in [
        (get("/1").bearer(&good), 200),
        (get("/2"), 401),
        (get("/3").bearer(&good), 200),
        (get("/4").bearer(&good[..good.len() - 4]), 401),
        (get("/5").bearer(&good), 200),
    ] {
        tokio::io::AsyncWriteExt::write_all(&mut stream, &request.bytes()).await.unwrap();
        assert_eq!(Reply::read(&mut stream, false).await.unwrap().status, status);
    }
    let targets: Vec<String> = origin.hits().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, ["/1", "/3", "/5"]);
}

#[test]
fn the_tests_decode_what_they_encode() {
    assert_eq!(from_base64url(&base64url(b"\xff\xfe")), b"\xff\xfe");
}
