//! What is no request, or two, depending on who reads it. Most of it the runtime answers, before the Worker
//! sees anything; on Cloudflare, what stands in front of workerd does. What both let through is judged by
//! the gate, and what the origin gets must be what was judged.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::*;

/// Everything that comes back: status and code of each response, until the connection ends or nothing more
/// comes.
async fn answers(gate: &Gate, bytes: &[u8], expected: usize) -> Vec<(u16, String)> {
    let mut stream = TcpStream::connect(gate.addr).await.unwrap();
    // Whoever is refused in the middle of a head cannot write the rest.
    let _ = stream.write_all(bytes).await;
    let mut stream = BufReader::new(stream);
    let mut answers = Vec::new();
    loop {
        let patience = if answers.len() < expected { PATIENCE } else { Duration::from_millis(500) };
        let reply = tokio::time::timeout(patience, Reply::read(&mut stream, false)).await;
        match reply {
            Ok(Ok(reply)) => answers.push(reply.verdict()),
            _ => return answers,
        }
    }
}

/// A case: its name, what is sent, the answers, and what the origin gets, as method, target and body.
/// `§` in all of it is the number of the case, so that all can be sent at once.
type Case = (&'static str, String, Vec<(u16, &'static str)>, Vec<&'static str>);

const OK: (u16, &str) = (200, "");
/// The runtime's own word, without any code of ours.
const BAD: (u16, &str) = (400, "");
/// A method that the runtime does not know.
const UNKNOWN: (u16, &str) = (501, "");
/// What was announced as a body is none. The runtime tells the Worker so in the same words as a failure of
/// the origin, which it is not.
const BROKEN_BODY: (u16, &str) = (502, "origin_unreachable");

fn post(headers: &str, rest: &str) -> String {
    format!("POST /public/§ HTTP/1.1\r\nHost: app.example\r\n{headers}\r\n{rest}")
}

fn got(line: &str, headers: &str) -> String {
    format!("{line}\r\nHost: app.example\r\n{headers}\r\n")
}

/// A request inside of another, for what asks for a token.
const SMUGGLED: &str = "GET /inner/§ HTTP/1.1\r\nHost: app.example\r\nX-Auth-Subject: root\r\n\r\n";

fn framing() -> Vec<Case> {
    let chunked = |size: &str, more: &str| {
        post("Transfer-Encoding: chunked\r\n", &format!("{size}\r\nhi\r\n0\r\n{more}\r\n"))
    };
    let length = SMUGGLED.replace('§', "100").len();
    let te = |value: &str| post(&format!("Transfer-Encoding: {value}\r\n"), "2\r\nhi\r\n0\r\n\r\n");
    let cl = |value: &str| post(&format!("Content-Length: {value}\r\n"), "hi");
    vec![
        // Both framings: chunks count, so that what looks like a second request is none.
        (
            "CL and TE",
            post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "zz\r\nhi\r\n0\r\n\r\n"),
            vec![BROKEN_BODY],
            vec![],
        ),
        (
            "TE and CL, with something behind",
            post(
                "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
                &format!("0\r\n\r\n{SMUGGLED}"),
            ),
            vec![OK],
            vec!["POST /public/§ "],
        ),
        (
            "two lengths",
            post(&format!("Content-Length: 0\r\nContent-Length: {length}\r\n"), SMUGGLED),
            vec![BAD],
            vec![],
        ),
        (
            "the same length twice",
            post("Content-Length: 2\r\nContent-Length: 2\r\n", "hi"),
            vec![OK],
            vec!["POST /public/§ hi"],
        ),
        ("two lengths in one", cl("2, 2"), vec![BAD], vec![]),
        ("a length with a sign", cl("+2"), vec![BAD], vec![]),
        ("a negative length", cl("-1"), vec![BAD], vec![]),
        ("a length in hex", cl("0x2"), vec![BAD], vec![]),
        ("a length beyond 64 bits", cl("99999999999999999999999"), vec![BAD], vec![]),
        ("an empty length", cl(""), vec![BAD], vec![]),
        ("a length in words", cl("two"), vec![BAD], vec![]),
        ("xchunked", te("xchunked"), vec![BAD], vec![]),
        ("chunked, identity", te("chunked, identity"), vec![BAD], vec![]),
        ("identity", te("identity"), vec![BAD], vec![]),
        ("chunked behind a vertical tab", te("\u{b}chunked"), vec![BAD], vec![]),
        ("chunked in quotes", te("\"chunked\""), vec![BAD], vec![]),
        ("gzip, chunked", te("gzip, chunked"), vec![OK], vec!["POST /public/§ hi"]),
        ("CHUNKED", te("CHUNKED"), vec![OK], vec!["POST /public/§ hi"]),
        (
            "chunked twice",
            post(
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                "2\r\nhi\r\n0\r\n\r\n",
            ),
            vec![OK],
            vec!["POST /public/§ hi"],
        ),
        (
            "a space before the colon",
            post("Transfer-Encoding : chunked\r\n", "2\r\nhi\r\n0\r\n\r\n"),
            vec![BAD],
            vec![],
        ),
        (
            "a folded line",
            post("Transfer-Encoding:\r\n chunked\r\n", "2\r\nhi\r\n0\r\n\r\n"),
            vec![BAD],
            vec![],
        ),
        ("an extension", chunked("2;a=b", ""), vec![OK], vec!["POST /public/§ hi"]),
        ("a quoted extension", chunked("2;a=\"b\"", ""), vec![OK], vec!["POST /public/§ hi"]),
        ("zeros before a size", chunked("0000002", ""), vec![OK], vec!["POST /public/§ hi"]),
        ("a line break in an extension", chunked("2;a\nxx", ""), vec![BROKEN_BODY], vec![]),
        ("a size with 0x", chunked("0x2", ""), vec![BROKEN_BODY], vec![]),
        ("a negative size", chunked("-2", ""), vec![BROKEN_BODY], vec![]),
        ("a size beyond 64 bits", chunked("fffffffffffffffff2", ""), vec![BROKEN_BODY], vec![]),
        ("a size that is too small", chunked("1", ""), vec![BROKEN_BODY], vec![]),
        (
            "trailers",
            chunked(
                "2",
                "X-Auth-Subject: root\r\nAuthorization: Bearer x\r\nHost: evil.example\r\n",
            ),
            vec![OK],
            vec!["POST /public/§ hi"],
        ),
        (
            "a request as the body of a GET",
            got("GET /public/§ HTTP/1.1", &format!("Content-Length: {length}\r\n")) + SMUGGLED,
            vec![OK],
            vec!["GET /public/§ +"],
        ),
        // What a refused request brings along is not the next request.
        (
            "a request as the body of a refused one",
            got("POST /inner/§ HTTP/1.1", &format!("Content-Length: {length}\r\n"))
                + &SMUGGLED.replace("/inner/§", "/public/§/no")
                + &got("GET /public/§ HTTP/1.1", ""),
            vec![MISSING_TOKEN],
            vec!["GET /public/§ "],
        ),
        (
            "three in one",
            got("GET /public/§ HTTP/1.1", "") + SMUGGLED + &got("GET /public/§/3 HTTP/1.1", ""),
            vec![OK, MISSING_TOKEN, OK],
            vec!["GET /public/§ ", "GET /public/§/3 "],
        ),
    ]
}

fn lines() -> Vec<Case> {
    let header = |line: &str| got("GET /public/§ HTTP/1.1", line);
    let identity = |line: &str, answer, hits: &[&'static str]| -> (String, Vec<_>, Vec<_>) {
        (header(line), vec![answer], hits.to_vec())
    };
    let mut cases = Vec::new();
    for (name, (text, answers, hits)) in [
        ("NUL in a value", identity("X-A: b\0c\r\n", BAD, &[])),
        ("NUL in a name", identity("X-Auth-Subject\0: root\r\n", BAD, &[])),
        ("CR in a value", identity("X-A: b\rX-Auth-Subject: root\r\n", BAD, &[])),
        ("a folded identity", identity("X-A: b\r\n X-Auth-Subject: root\r\n", BAD, &[])),
        ("a tab that folds", identity("X-A: b\r\n\tX-Auth-Subject: root\r\n", BAD, &[])),
        ("a space behind a name", identity("X-Auth-Subject : root\r\n", BAD, &[])),
        ("a tab behind a name", identity("X-Auth-Subject\t: root\r\n", BAD, &[])),
        ("no colon", identity("X-Auth-Subject root\r\n", BAD, &[])),
        ("no name", identity(": root\r\n", BAD, &[])),
        ("a name with bytes", identity("X-\u{e4}uth-Subject: root\r\n", BAD, &[])),
        ("a name in quotes", identity("\"X-Auth-Subject\": root\r\n", BAD, &[])),
        ("a name in brackets", identity("X-Auth-Subject[]: root\r\n", BAD, &[])),
        // A bare line feed ends a line, so that this is a header of its own, which is removed.
        ("a bare line feed", identity("X-A: b\nX-Auth-Subject: root\n", OK, &["GET /public/§ "])),
    ] {
        cases.push((name, text, answers, hits));
    }
    let start = |line: &str| got(line, "");
    for (name, line, answer, hits) in [
        ("two spaces", "GET  /public/§ HTTP/1.1", vec![BAD], vec![]),
        ("tabs", "GET\t/public/§\tHTTP/1.1", vec![BAD], vec![]),
        ("a space in the target", "GET /public/§ x HTTP/1.1", vec![BAD], vec![]),
        ("no version", "GET /public/§", vec![BAD], vec![]),
        ("HTTP/0.9", "GET /public/§ HTTP/0.9", vec![BAD], vec![]),
        ("HTTP/2.0", "GET /public/§ HTTP/2.0", vec![BAD], vec![]),
        ("HTTP/1.2", "GET /public/§ HTTP/1.2", vec![BAD], vec![]),
        ("http/1.1", "GET /public/§ http/1.1", vec![BAD], vec![]),
        ("no method", " /public/§ HTTP/1.1", vec![BAD], vec![]),
        ("get", "get /public/§ HTTP/1.1", vec![UNKNOWN], vec![]),
        ("an unknown method", "BREW /public/§ HTTP/1.1", vec![UNKNOWN], vec![]),
        ("TRACK", "TRACK /public/§ HTTP/1.1", vec![UNKNOWN], vec![]),
        ("TRACE", "TRACE /public/§ HTTP/1.1", vec![(405, "method_not_allowed")], vec![]),
        // The preface of HTTP/2, which this end does not speak, has no answer.
        ("PRI", "PRI * HTTP/2.0\r\n\r\nSM\r\n", vec![], vec![]),
        ("1.0", "GET /public/§ HTTP/1.0", vec![OK], vec!["GET /public/§ "]),
        ("1.0 inside", "GET /inner/§ HTTP/1.0", vec![MISSING_TOKEN], vec![]),
        ("line breaks before", "\r\n\r\nGET /public/§ HTTP/1.1", vec![OK], vec!["GET /public/§ "]),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}", vec![BAD], vec![]),
        ("bytes", "\u{ff}\u{fe}\u{fd}", vec![BAD], vec![]),
    ] {
        cases.push((name, start(line), answer, hits));
    }
    cases
}

fn upgrades() -> Vec<Case> {
    let h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    let without_host = |line: &str| format!("{line}\r\n\r\n");
    let host = |value: &str| format!("GET /public/§ HTTP/1.1\r\nHost: {value}\r\n\r\n");
    let expect = |value: &str| post(&format!("Expect: {value}\r\nContent-Length: 2\r\n"), "hi");
    vec![
        ("h2c", got("GET /public/§ HTTP/1.1", h2c), vec![OK], vec!["GET /public/§ "]),
        ("h2c inside", got("GET /inner/§ HTTP/1.1", h2c), vec![MISSING_TOKEN], vec![]),
        ("h2c of a POST inside", got("POST /inner/§ HTTP/1.1", h2c), vec![MISSING_TOKEN], vec![]),
        ("no host", without_host("GET /public/§ HTTP/1.1"), vec![BAD], vec![]),
        ("no host in 1.0", without_host("GET /public/§ HTTP/1.0"), vec![BAD], vec![]),
        ("two hosts", host("a.example\r\nHost: b.example"), vec![INVALID_REQUEST], vec![]),
        ("two hosts in one", host("a.example, b.example"), vec![INVALID_REQUEST], vec![]),
        ("a host with a name", host("u:p@a.example"), vec![INVALID_REQUEST], vec![]),
        ("a host with a space", host("a.example b"), vec![INVALID_REQUEST], vec![]),
        ("a host and a path", host("a.example/inner/§?"), vec![MISSING_TOKEN], vec![]),
        // The runtime says 100 by itself. The one that it does not know is the origin's to answer.
        (
            "a body that waits",
            expect("100-continue"),
            vec![(100, ""), OK],
            vec!["POST /public/§ hi"],
        ),
        ("an expectation", expect("200-ok"), vec![OK], vec!["POST /public/§ hi"]),
        (
            "3000 headers",
            got("GET /public/§ HTTP/1.1", &"X-A: b\r\n".repeat(3_000)),
            vec![OK],
            vec!["GET /public/§ "],
        ),
        (
            "3000 headers inside",
            got("GET /inner/§ HTTP/1.1", &"X-A: b\r\n".repeat(3_000)),
            vec![MISSING_TOKEN],
            vec![],
        ),
        (
            "a header of 100 KB",
            got("GET /inner/§ HTTP/1.1", &format!("X-A: {}\r\n", "a".repeat(100_000))),
            vec![MISSING_TOKEN],
            vec![],
        ),
        (
            "a cookie of 100 KB",
            got("GET /inner/§ HTTP/1.1", &format!("Cookie: {}\r\n", "session=;".repeat(11_000))),
            vec![MISSING_TOKEN],
            vec![],
        ),
        (
            "a target of 9 KB",
            got(&format!("GET /public/{} HTTP/1.1", "a".repeat(9_000)), ""),
            vec![INVALID_REQUEST],
            vec![],
        ),
        (
            "a query of 60 KB",
            got(&format!("GET /inner/§?{} HTTP/1.1", "a=b&".repeat(15_000)), ""),
            vec![MISSING_TOKEN],
            vec![],
        ),
        (
            "a head of 2 MB",
            got("GET /public/§ HTTP/1.1", &format!("X-A: {}\r\n", "a".repeat(2_000_000))),
            vec![(431, "")],
            vec![],
        ),
    ]
}

#[tokio::test]
async fn what_can_be_read_as_another_request_is_refused_or_read_as_one() {
    let siege = Siege::of(|setup| {
        setup
            .set("forward.claim_to_headers", json!({ "X-Auth-Subject": "sub" }))
            .set("token.sources", json!(["authorization", "cookie:session", "query:access_token"]))
            .access("/public", "public")
    })
    .await;
    let cases: Vec<Case> = [framing(), lines(), upgrades()].concat();
    let numbered = |text: &str, number: usize| text.replace('§', &(100 + number).to_string());
    // Ten at a time.
    let mut wrong = Vec::new();
    for (batch, some) in cases.chunks(10).enumerate() {
        let asked = some.iter().enumerate().map(async |(at, (_, text, expected, _))| {
            // Bytes beyond ASCII as Latin-1.
            let text = numbered(text, 10 * batch + at);
            let bytes: Vec<u8> = text.chars().map(|one| u8::try_from(one).unwrap()).collect();
            answers(&siege.gate, &bytes, expected.len()).await
        });
        for ((name, _, expected, _), found) in some.iter().zip(join_all(asked).await) {
            let expected: Vec<_> =
                expected.iter().map(|(status, code)| (*status, (*code).to_owned())).collect();
            // A refusal of ours may be followed by that of the runtime, of what is no request.
            if !found.starts_with(&expected) || found.iter().any(|(status, _)| *status == 500) {
                wrong.push(format!("{name}: {found:?}, not {expected:?}"));
            }
        }
    }
    let hits: Vec<(String, String)> = siege
        .origin
        .hits()
        .into_iter()
        .map(|seen| {
            assert!(
                seen.folded("x-auth-subject").is_empty() && seen.trailers.is_empty(),
                "{seen:?}"
            );
            let body = String::from_utf8_lossy(&seen.body).into_owned();
            (format!("{} {}", seen.method, seen.target), body)
        })
        .collect();
    let mut expected = Vec::new();
    for (number, (.., hits)) in cases.iter().enumerate() {
        for hit in hits {
            let line = numbered(hit, number);
            let (request, body) = line.rsplit_once(' ').unwrap();
            let body = if body == "+" { numbered(SMUGGLED, number) } else { body.to_owned() };
            expected.push((request.to_owned(), body));
        }
    }
    let sorted = |mut list: Vec<(String, String)>| {
        list.sort_unstable();
        list
    };
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(sorted(hits), sorted(expected));
    get("/").bearer(&mint::token()).send(&siege.gate).await.must_pass();
    siege.gate.must_be_calm();
}

#[tokio::test]
async fn a_tunnel_is_refused_by_the_runtime() {
    // A Worker that has no handler of that name is no tunnel. The runtime calls that an exception.
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).access("/", "public")).await;
    let (good, target) = (mint::token(), origin.addr.to_string());
    for target in ["app.example:443", &target, "/public", "http://app.example/"] {
        for token in [None, Some(&good)] {
            let request = request("CONNECT", target).header("Host", target);
            let request = match token {
                Some(token) => request.bearer(token),
                None => request,
            };
            let reply = client::try_raw(gate.addr, &request.bytes()).await;
            assert!(reply.is_err() || (400..=599).contains(&reply.as_ref().unwrap().status));
        }
    }
    origin.must_be_untouched();
    get("/").send(&gate).await.must_pass();
    assert!(!gate.log().contains("RuntimeError") && !gate.log().contains("panicked"));
}
