//! The endpoints of the gate itself, for somebody who is no admin, and for an admin whose requests were
//! made by somebody else.

use std::time::Duration;

use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::*;
use gate::ADMIN_TOKEN;

const ENDPOINTS: [(&str, &str); 8] = [
    ("GET", "/metrics"),
    ("GET", "/revocations"),
    ("POST", "/revocations"),
    ("DELETE", "/revocations/4Wru2tnxTLb1Yw0U"),
    ("POST", "/explain"),
    ("POST", "/prewarm"),
    ("POST", "/revoke"),
    ("GET", "/settings"),
];

async fn gate(origin: &Origin, relays: &Relays) -> Gate {
    let setup = Setup::new(origin)
        .relays(relays)
        .access("/", "public")
        .set("token.sources", json!(["authorization", "cookie:session", "query:access_token"]));
    Gate::start(setup).await
}

/// Everything that tells about keys, rules or revocations.
fn must_tell_nothing(name: &str, reply: &Reply) {
    let text = reply.text();
    for word in ["JWT_KEYS", mint::ISSUER, "revocations\":", "edgeward_", "decision", "sequence"] {
        assert!(!text.contains(word), "{name}: {text}");
    }
}

#[tokio::test]
async fn no_guess_and_no_other_place_opens_an_endpoint() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = gate(&origin, &relays).await;
    let right = ADMIN_TOKEN;
    let mut guesses: Vec<String> = vec![
        String::new(),
        "admin".into(),
        "undefined".into(),
        "null".into(),
        "[object Object]".into(),
        "ADMIN_TOKEN".into(),
        right.to_uppercase(),
        right.replace('-', "_"),
        format!("{right}{right}"),
        format!("{right}="),
        format!("{right}."),
        format!("a{right}"),
        right[1..].into(),
        right.chars().rev().collect(),
        base64url(right.as_bytes()),
        "a".repeat(100_000),
        mint::token(),
        mint::token_with(json!({ "scope": "admin", "role": "admin", "sub": "admin" })),
    ];
    // Each prefix, and each with one character changed: nothing is half right.
    for at in 0..right.len() {
        guesses.push(right[..at].to_owned());
        let mut near = right.as_bytes().to_vec();
        near[at] ^= 1;
        guesses.push(String::from_utf8(near).unwrap());
    }
    let order = json!({ "sub": "alice", "token": mint::token() }).to_string();
    for (at, guess) in guesses.iter().enumerate() {
        let (method, path) = ENDPOINTS[at % ENDPOINTS.len()];
        if path == "/settings" {
            // It is there with the test page alone.
            continue;
        }
        let target = format!("/_edgeward{path}");
        let reply = request(method, &target).bearer(guess).body(&order).send(&gate).await;
        let name = format!("{method} {path} with {}", &guess[..guess.len().min(50)]);
        assert_eq!(reply.status, 401, "{name}: {}", reply.text());
        must_tell_nothing(&name, &reply);
    }
    for (method, path) in ENDPOINTS {
        let target = format!("/_edgeward{path}");
        let asked = |target: &str| request(method, target).body(&order);
        let basic = |user: &str| format!("Basic {}", base64_of(&format!("{user}:{right}")));
        for (place, asked) in [
            ("nothing", asked(&target)),
            ("a parameter", asked(&format!("{target}?access_token={right}&token={right}"))),
            (
                "a cookie",
                asked(&target).header("Cookie", &format!("session={right}; admin={right}")),
            ),
            (
                "another header",
                asked(&target).header("X-Admin-Token", right).header("X-Auth-Admin", "true"),
            ),
            (
                "Proxy-Authorization",
                asked(&target).header("Proxy-Authorization", &format!("Bearer {right}")),
            ),
            (
                "X-Forwarded-Authorization",
                asked(&target).header("X-Forwarded-Authorization", &format!("Bearer {right}")),
            ),
            ("no scheme", asked(&target).header("Authorization", right)),
            ("another scheme", asked(&target).header("Authorization", &format!("Token {right}"))),
            ("Basic, as a password", asked(&target).header("Authorization", &basic("admin"))),
            ("Basic, without a name", asked(&target).header("Authorization", &basic(""))),
            ("twice", asked(&target).bearer(right).bearer(right)),
            ("behind a wrong one", asked(&target).bearer("wrong").bearer(right)),
            ("before a wrong one", asked(&target).bearer(right).bearer("wrong")),
            ("quoted", asked(&target).header("Authorization", &format!("Bearer \"{right}\""))),
            ("with a comma", asked(&target).header("Authorization", &format!("Bearer {right},"))),
            (
                "from the inside",
                asked(&target)
                    .header("X-Forwarded-For", "127.0.0.1")
                    .header("CF-Connecting-IP", "127.0.0.1")
                    .header("Host", "localhost"),
            ),
            (
                "overridden",
                asked(&target)
                    .header("X-HTTP-Method-Override", "GET")
                    .header("X-Original-URL", "/_edgeward/health"),
            ),
        ] {
            let reply = asked.send(&gate).await;
            let name = format!("{method} {path}, {place}");
            assert!(matches!(reply.status, 400 | 401 | 404), "{name}: {}", reply.text());
            must_tell_nothing(&name, &reply);
        }
    }
    let listed = get("/_edgeward/revocations").bearer(right).send(&gate).await;
    assert_eq!(listed.json()["revocations"], json!([]), "{}", listed.text());
    origin.must_be_untouched();
    gate.must_be_calm();
}

fn base64_of(text: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.encode(text)
}

#[tokio::test]
async fn a_body_that_nobody_meant_is_refused_in_bounded_memory_and_time() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = gate(&origin, &relays).await;
    let deep = |open: &str, close: &str| {
        format!("{{\"sub\":{}1{}}}", open.repeat(20_000), close.repeat(20_000))
    };
    let members: Vec<String> = (0..9_000).map(|at| format!("\"m{at}\":0")).collect();
    let bodies = [
        String::new(),
        "\0".into(),
        "{".into(),
        "[]".into(),
        "null".into(),
        "\"sub\"".into(),
        "1e999".into(),
        "{\"sub\":\"a\",\"sub\":\"b\"}".into(),
        "{\"sub\":\"a\",\"s\\u0075b\":\"b\"}".into(),
        "{\"sub\":\"\\ud800\"}".into(),
        "{\"sub\":{\"$ne\":null}}".into(),
        "{\"sub\":\"a\"}{\"sub\":\"b\"}".into(),
        "{\"sub\":\"a\",\"expires_at\":1e400}".into(),
        "{\"__proto__\":{\"sub\":\"a\"}}".into(),
        format!("{{\"sub\":{}}}", "7".repeat(5_000)),
        deep("[", "]"),
        deep("{\"a\":", "}"),
        format!("{{{}}}", members.join(",")),
        format!("{{\"sub\":\"{}\"}}", "\\u0041".repeat(10_000)),
        "sub=a&sub=b".into(),
        "<sub>a</sub>".into(),
        "--x\r\nContent-Disposition: form-data\r\n\r\n--x--".into(),
    ];
    let memory = gate.rss();
    for (_, path) in ENDPOINTS.into_iter().filter(|(method, _)| *method == "POST") {
        let target = format!("/_edgeward{path}");
        for body in &bodies {
            for admin in [false, true] {
                let mut asked = request("POST", &target).body(body);
                if admin {
                    asked = asked.bearer(ADMIN_TOKEN);
                }
                let reply = asked.send(&gate).await;
                let name = format!("{path} {}", &body[..body.len().min(50)]);
                // `/explain` answers what is about nothing; nothing is done by it.
                let done = path == "/explain" && reply.status == 200;
                let expected = if admin { 400..=413 } else { 401..=401 };
                assert!(
                    admin && done || expected.contains(&reply.status),
                    "{name}: {} {}",
                    reply.status,
                    reply.text()
                );
            }
        }
        // Without an end, and without a length: read as far as there may be something, and no further.
        for admin in [false, true] {
            let status = endless(&gate, &target, admin).await;
            let name = format!("{path} without end, admin {admin}");
            assert!(
                matches!((admin, status), (false, Some(401) | None) | (true, Some(413) | None)),
                "{name}: {status:?}"
            );
        }
    }
    let grown = gate.rss().saturating_sub(memory);
    assert!(grown < 96 << 20, "{grown} bytes more");
    let listed = get("/_edgeward/revocations").bearer(ADMIN_TOKEN).send(&gate).await;
    assert_eq!(listed.json()["revocations"], json!([]), "{}", listed.text());
    origin.must_be_untouched();
    gate.must_be_calm();
}

/// Sends chunks until there is an answer or nobody takes them any more: the status, if there was one.
async fn endless(gate: &Gate, target: &str, admin: bool) -> Option<u16> {
    let mut asked = request("POST", target).header("Transfer-Encoding", "chunked");
    if admin {
        asked = asked.bearer(ADMIN_TOKEN);
    }
    let stream = TcpStream::connect(gate.addr).await.unwrap();
    let (reader, mut writer) = stream.into_split();
    writer.write_all(&asked.bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let pour = tokio::spawn(async move {
        // Half a gigabyte, if somebody takes it.
        for _ in 0..8_000 {
            if writer.write_all(chunk.as_bytes()).await.is_err() {
                return writer;
            }
        }
        panic!("somebody reads without end");
    });
    let mut reader = BufReader::new(reader);
    let reply = tokio::time::timeout(PATIENCE, Reply::read(&mut reader, false)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    pour.abort();
    assert!(!pour.is_finished() || pour.await.is_ok(), "it took everything");
    reply.ok().map(|reply| reply.status)
}

#[tokio::test]
async fn an_endpoint_in_another_spelling_is_that_endpoint_or_none_and_never_the_origins() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = gate(&origin, &relays).await;
    let order = json!({ "sub": "alice" }).to_string();
    for prefix in [
        "/_edgeward",
        "/_EDGEWARD",
        "/_Edgeward",
        "//_edgeward",
        "/./_edgeward",
        "/x/../_edgeward",
        "/%5fedgeward",
        "/%5Fedgeward",
        "/_%65dgeward",
        "/_edgeward;x",
        "/_edgeward;",
        "/_edgeward.",
        "/_edgeward%20",
        "/_edgeward%2e",
        "/x/..;/_edgeward",
        "/x/%2e%2e/_edgeward",
        "\\_edgeward",
        "/x\\..\\_edgeward",
        "/%2f_edgeward",
        "/%5c_edgeward",
        "/;/_edgeward",
        "/_edgeward%09",
        "/%255fedgeward",
        "/_edgeward%00",
        "/_edg%65ward",
        "/\u{ef}\u{bc}\u{bf}edgeward",
        "/_edgeward%3fx",
        "/_edgeward%23x",
        "http://app.example/_edgeward",
        "http://evil.example/_edgeward",
    ] {
        for (method, path) in ENDPOINTS {
            for end in ["", "/", "//", ";x", "%20", "?x=/public", "#x"] {
                let target = format!("{prefix}{path}{end}");
                let bytes = request(method, &target).body(&order).bytes();
                let Ok(reply) = client::try_raw(gate.addr, &bytes).await else { continue };
                assert!(
                    matches!(reply.status, 400 | 401 | 404 | 405),
                    "{method} {target}: {}",
                    reply.status
                );
                must_tell_nothing(&target, &reply);
            }
        }
    }
    let listed = get("/_edgeward/revocations").bearer(ADMIN_TOKEN).send(&gate).await;
    assert_eq!(listed.json()["revocations"], json!([]), "{}", listed.text());
    origin.must_be_untouched();
    gate.must_be_calm();
}
