//! Handshakes of WebSockets that want in without a token, or with one in an odd place.

use super::*;
use mint::{now, token, token_with};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A handshake as browsers send it, without credentials.
fn open(target: &str) -> Request {
    get(target)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", KEY)
}

/// A request that wants to be one, with exactly these headers.
fn odd(method: &str, headers: &[(&str, &str)]) -> Request {
    headers.iter().fold(request(method, "/"), |asked, (name, value)| asked.header(name, value))
}

async fn siege() -> Siege {
    Siege::of(|setup| {
        setup
            .every_source_of_a_handshake()
            .rule(json!({ "path": "/admin", "scopes_all": ["admin"] }))
            .rule(json!({ "path": "/native", "websocket": "handshake" }))
    })
    .await
}

#[tokio::test]
async fn no_form_of_a_handshake_gets_in_without_a_token() {
    let mut siege = siege().await;
    let upgrade = ("Upgrade", "websocket");
    let connection = ("Connection", "Upgrade");
    let version = ("Sec-WebSocket-Version", "13");
    let key = ("Sec-WebSocket-Key", KEY);
    let forms: Vec<(&str, Vec<(&str, &str)>)> = vec![
        ("whole", vec![connection, upgrade, version, key]),
        ("without Connection", vec![upgrade, version, key]),
        ("Connection: close", vec![("Connection", "close"), upgrade, version, key]),
        (
            "Connection names Upgrade among others",
            vec![("Connection", "keep-alive, Upgrade"), upgrade, version, key],
        ),
        (
            "Connection names the key",
            vec![("Connection", "Upgrade, Sec-WebSocket-Key"), upgrade, version, key],
        ),
        ("without version", vec![connection, upgrade, key]),
        ("version 8", vec![connection, upgrade, ("Sec-WebSocket-Version", "8"), key]),
        ("two versions", vec![connection, upgrade, ("Sec-WebSocket-Version", "13, 8"), key]),
        ("without key", vec![connection, upgrade, version]),
        ("a short key", vec![connection, upgrade, version, ("Sec-WebSocket-Key", "AAAA")]),
        ("two keys", vec![connection, upgrade, version, key, key]),
        ("WebSocket", vec![connection, ("Upgrade", "WebSocket"), version, key]),
        ("WEBSOCKET", vec![connection, ("Upgrade", "WEBSOCKET"), version, key]),
        ("websocket among others", vec![connection, ("Upgrade", "websocket, h2c"), version, key]),
        ("websocket last", vec![connection, ("Upgrade", "h2c, websocket"), version, key]),
        ("two upgrades", vec![connection, upgrade, ("Upgrade", "h2c"), version, key]),
        ("websocket/13", vec![connection, ("Upgrade", "websocket/13"), version, key]),
        ("no upgrade", vec![connection, version, key]),
        (
            "extensions",
            vec![
                connection,
                upgrade,
                version,
                key,
                ("Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=99999"),
            ],
        ),
        ("a protocol", vec![connection, upgrade, version, key, ("Sec-WebSocket-Protocol", "chat")]),
        (
            "a protocol that is almost ours",
            vec![connection, upgrade, version, key, ("Sec-WebSocket-Protocol", "bearer.x, Bearer")],
        ),
        (
            "extended CONNECT in words",
            vec![connection, upgrade, version, key, (":protocol", "websocket")],
        ),
    ];
    for (form, headers) in &forms {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"] {
            let name = format!("{method}, {form}");
            let asked = odd(method, headers);
            if headers.iter().any(|(name, _)| name.starts_with(':')) {
                // The runtime's parser knows no such name.
                let reply = client::try_raw(siege.gate.addr, &asked.bytes()).await;
                assert_eq!(reply.map_or(400, |reply| reply.status), 400, "{name}");
                continue;
            }
            if method == "HEAD" {
                // Without a body, it has no code.
                let reply = asked.send(&siege.gate).await;
                assert_eq!((reply.status, siege.origin.count()), (401, 0), "{name}");
                continue;
            }
            siege.refuses(&name, &asked, MISSING_TOKEN, "no_credentials").await;
        }
    }
    // No preflight is made of one: what needs no token stays an OPTIONS.
    for (form, headers) in forms.iter().filter(|(form, _)| !form.contains("CONNECT")) {
        let asked = odd("OPTIONS", headers)
            .header("Origin", "https://evil.example")
            .header("Access-Control-Request-Method", "GET");
        let reply = asked.send(&siege.gate).await;
        reply.must_pass();
        let seen = siege.origin.last();
        assert_eq!((seen.method.as_str(), seen.header("upgrade").len()), ("OPTIONS", 0), "{form}");
    }
    let report = siege.gate.report().await;
    assert_eq!(report["websockets"]["opened"], 0);
    siege.gate.must_be_calm();
}

#[tokio::test]
async fn a_handshake_with_a_bad_token_is_refused_wherever_the_token_is() {
    let mut siege = siege().await;
    let (good, app) = (token(), "https://app.example");
    let encoded = |text: &str| {
        format!("base64url.bearer.authorization.k8s.io.{}", base64url(text.as_bytes()))
    };
    let forged = mint::Key::ec("p256", "P-256").token("ES256", &good_claims());
    let expired = token_with(json!({ "exp": now() - 3_600 }));
    let none = hmac_token(r#"{"alg":"none"}"#, good_claims().to_string());
    for cache in ["cold", "warm"] {
        for (what, token, code, reason) in [
            ("forged", &forged, "invalid_token", "bad_signature"),
            ("expired", &expired, "expired_token", "expired"),
            ("alg none", &none, "invalid_token", "algorithm_not_allowed"),
        ] {
            for (place, asked) in [
                ("the header", open("/").bearer(token)),
                ("a native route", open("/native").bearer(token)),
                (
                    "a protocol",
                    open("/").header("Sec-WebSocket-Protocol", &format!("bearer, {token}")),
                ),
                ("a coded protocol", open("/").header("Sec-WebSocket-Protocol", &encoded(token))),
                (
                    "a cookie",
                    open("/").header("Cookie", &format!("session={token}")).header("Origin", app),
                ),
                ("a parameter", open(&format!("/?token={token}"))),
            ] {
                let name = format!("{what} in {place}, {cache}");
                siege.refuses(&name, &asked, (401, code), reason).await;
            }
        }
        let asked = open("/admin").bearer(&good);
        siege.refuses("no scope", &asked, (403, "insufficient_scope"), "missing_scope").await;
        siege.passes("good", &open("/").bearer(&good)).await;
    }
    siege.must_have_held().await;
}

#[tokio::test]
async fn a_handshake_names_one_token_in_one_place() {
    let mut siege = siege().await;
    let good = token();
    let coded = |text: &[u8]| format!("base64url.bearer.authorization.k8s.io.{}", base64url(text));
    let ours = coded(good.as_bytes());
    let offering = |value: &str| open("/").header("Sec-WebSocket-Protocol", value);
    let several = (INVALID_REQUEST, "several_credentials");
    let malformed = (INVALID_REQUEST, "malformed_credentials");
    let none = (MISSING_TOKEN, "no_credentials");
    for (value, (answer, reason)) in [
        (format!("bearer, {good}, bearer, {good}"), several),
        (format!("bearer, {good}, {ours}"), several),
        (format!("{ours}, {ours}"), several),
        (format!("{ours}, bearer, {good}"), several),
        // The same once more, as if it were a protocol: the origin would get it.
        (format!("bearer, {good}, {good}"), several),
        (format!("{good}, bearer, {good}"), several),
        (format!("bearer, {good}, chat, {good}"), several),
        (format!("{ours}, {good}"), several),
        ("bearer".to_owned(), malformed),
        ("bearer,".to_owned(), malformed),
        (format!("{good}, bearer"), malformed),
        ("bearer, a b".to_owned(), malformed),
        (coded(b""), malformed),
        (coded(b"\xff\xfe"), malformed),
        (coded(format!("{good}\r\nX-Auth-Subject: root").as_bytes()), malformed),
        (coded(format!("{good}, {good}").as_bytes()), malformed),
        (coded(format!("{good}\0").as_bytes()), malformed),
        (coded(format!("Bearer {good}").as_bytes()), malformed),
        (format!("{ours}="), malformed),
        (format!("{ours}!"), malformed),
        (good.clone(), none),
        (format!("bearer {good}"), none),
        (format!("Bearer, {good}"), none),
        (format!("BEARER, {good}"), none),
        (format!("bearer;{good}"), none),
        (format!("access_token, {good}"), none),
        (ours.to_uppercase(), none),
        (ours.replace("k8s.io", "k8s.io.evil.example"), malformed),
    ] {
        siege.refuses(&value, &offering(&value), answer, reason).await;
    }
    let value = format!("bearer, {good}");
    let cookie = format!("session={good}");
    for (name, asked, (answer, reason)) in [
        ("and a header", offering(&value).bearer(&good), several),
        (
            "and a parameter",
            open(&format!("/?token={good}")).header("Sec-WebSocket-Protocol", &value),
            several,
        ),
        (
            "and a cookie",
            offering(&value).header("Cookie", &cookie).header("Origin", "https://app.example"),
            several,
        ),
        ("without a handshake", get("/").header("Sec-WebSocket-Protocol", &value), none),
        (
            "with another method",
            request("POST", "/")
                .header("Connection", "Upgrade")
                .header("Upgrade", "websocket")
                .header("Sec-WebSocket-Protocol", &value),
            none,
        ),
    ] {
        siege.refuses(name, &asked, answer, reason).await;
    }
    for origin in [
        None,
        Some("https://evil.example"),
        Some("null"),
        Some(""),
        Some("https://app.example.evil.example"),
        Some("https://app.example:444"),
        Some("https://app.example/"),
        Some("HTTPS://APP.EXAMPLE"),
        Some("https://app.example, https://evil.example"),
        Some("http://app.example@evil.example"),
        Some("wss://app.example"),
        Some("https://app.example\u{a0}"),
        Some("file://"),
    ] {
        let mut asked = open("/").header("Cookie", &cookie).header("Sec-Fetch-Site", "same-origin");
        if let Some(origin) = origin {
            asked = asked.header("Origin", origin);
        }
        let name = format!("a cookie from {origin:?}");
        siege.refuses(&name, &asked, INVALID_REQUEST, "foreign_origin").await;
    }
    // In two headers it is the list that it would be in one; the origin sees what is left.
    let split = open("/")
        .header("Sec-WebSocket-Protocol", "chat, bearer")
        .header("Sec-WebSocket-Protocol", &format!("{good}, v2"));
    if let Some(seen) = siege.passes("two headers", &split).await {
        assert_eq!(seen.header("sec-websocket-protocol"), ["chat, v2"]);
        assert!(!format!("{seen:?}").contains(&good), "{seen:?}");
    }
    siege.must_have_held().await;
}
