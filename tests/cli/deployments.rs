//! What the tool makes of what a deployment answers; with the built Worker: tests/edge/cli.rs.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::program::{Folder, Said, run};

const TOKEN: &str = "admin-token-of-these-tests-0123456789";

/// Runs the tool against something that answers like this, and gives back what was asked, too.
fn against(status: &str, body: &str, arguments: &[&str]) -> (Said, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        let mut part = [0; 4096];
        loop {
            let length = stream.read(&mut part).unwrap();
            asked.extend_from_slice(&part[..length]);
            let text = String::from_utf8_lossy(&asked).to_ascii_lowercase();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let expected = head.split("content-length: ").nth(1).and_then(|it| it.lines().next());
            if body.len() >= expected.map_or(0, |length| length.parse().unwrap()) {
                break;
            }
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(asked).unwrap()
    });
    let arguments = [arguments, &["--url", &url]].concat();
    // No proxy gets to see what goes to this machine without TLS; at this one nobody listens.
    let proxy = "http://127.0.0.1:1";
    let variables = [("EDGEWARD_ADMIN_TOKEN", TOKEN), ("HTTP_PROXY", proxy), ("ALL_PROXY", proxy)];
    let said = Folder::new().run_with(&arguments, "", &variables);
    (said, server.join().unwrap())
}

#[test]
fn each_answer_has_its_exit_code_and_the_token_is_in_none_of_them() {
    let revoke = ["revoke", "--sub", "alice"];
    let problem = |code: &str, detail: &str| format!(r#"{{"code":"{code}","detail":"{detail}"}}"#);
    for (arguments, status, body, code, words) in [
        (&["health"][..], "200 OK", r#"{"status":"ready"}"#.to_owned(), 0, "ready"),
        (&["health"], "503 x", r#"{"status":"misconfigured"}"#.to_owned(), 1, "misconfigured"),
        (&["health"], "503 x", "<html>".to_owned(), 3, "fails (503"),
        (&["health"], "401 x", problem("unauthorized", ""), 4, "refuses the admin token"),
        (&["health"], "404 x", String::new(), 4, "there is no such endpoint"),
        (&["health"], "302 x", String::new(), 3, "what answers at"),
        (&["health"], "200 OK", "<html>".to_owned(), 3, "what answers at"),
        (&revoke, "401 x", problem("unauthorized", ""), 4, "refuses the admin token"),
        (&revoke, "404 x", problem("not_found", ""), 4, "the Durable Objects are missing"),
        (&revoke, "400 x", problem("invalid_request", "issuer: why"), 2, "issuer: why"),
        (&revoke, "409 x", problem("conflict", "another one holds"), 1, "another one holds"),
        (
            &revoke,
            "503 x",
            problem("hub_unavailable", "no hub"),
            3,
            "(503 hub_unavailable): no hub",
        ),
        (
            &["revocations", "--undo", "abc"],
            "404 x",
            problem("not_found", "no revocation has this id"),
            1,
            "no revocation has this id",
        ),
        (
            &["explain"],
            "200 OK",
            r#"{"decision":"deny","status":401,"code":"missing_token","reason":"no_credentials"}"#
                .to_owned(),
            1,
            "denied: 401 missing_token, because of no_credentials",
        ),
        (&["explain"], "200 OK", r#"{"decision":"permit"}"#.to_owned(), 0, "permitted"),
    ] {
        let (said, asked) = against(status, &body, arguments);
        let all = format!("{}{}", said.out, said.err);
        assert!(all.contains(words), "{arguments:?} {status} {body}: {all}");
        assert!(!all.contains(TOKEN), "{all}");
        said.must_be(code);
        assert!(asked.contains(&format!("authorization: Bearer {TOKEN}\r\n")), "{asked}");
    }
}

#[test]
fn an_order_has_what_was_asked_for() {
    let arguments = [
        "revoke",
        "--sub",
        "alice",
        "--issuer",
        "https://i.test",
        "--issued-before",
        "2027-01-15T08:00:00Z",
        "--expires-at",
        "1900000000",
        "--reason",
        "left",
    ];
    let answer = r#"{"id":"x","sequence":1,"created":true,"relays":{"acknowledged":1,"known":2}}"#;
    let (said, asked) = against("201 Created", answer, &arguments);
    let said = said.must_be(0);
    assert!(said.out.contains("1 of 2 relays have confirmed it"), "{}", said.out);
    assert!(asked.starts_with("POST /_edgeward/revocations HTTP/1.1\r\n"), "{asked}");
    let (_, body) = asked.split_once("\r\n\r\n").unwrap();
    let expected = serde_json::json!({
        "sub": "alice", "issuer": "https://i.test", "issued_before": 1_800_000_000,
        "expires_at": 1_900_000_000, "reason": "left",
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap(), expected);
    let (said, _) = against("200 OK", answer, &["revoke", "--jti", "t", "--json"]);
    assert_eq!(crate::json(&said.must_be(0).out)["id"], "x");
}

#[test]
fn nothing_is_asked_without_a_token_or_where_it_would_be_seen() {
    let url = ["--url", "https://edge.test"];
    run(&[&["revoke", "--sub", "a"][..], &url].concat()).must_refuse("there is no admin token");
    run(&[&["explain"][..], &url].concat()).must_refuse("there is no admin token");
    let folder = Folder::new();
    folder.write("token", "");
    let file = ["--admin-token-file", "token"];
    folder
        .run(&[&["revoke", "--sub", "a"][..], &url, &file].concat())
        .must_refuse("no admin token");
    folder.write("token", "two words");
    let said = folder.run(&[&["explain"][..], &url, &file].concat()).must_refuse("a blank");
    assert!(!said.err.contains("two words"));
    for url in ["http://edge.test", "edge.test", "https://a:b@edge.test"] {
        run(&["health", "--url", url]).must_be(2);
    }
    run(&["revoke", "--url", "https://edge.test"]).must_be(2);
    run(&["revoke", "--url", "https://edge.test", "--sub", "a", "--jti", "b"]).must_be(2);
    folder.write("token", TOKEN);
    let revoke = ["revoke", "--sub", "a", "--issued-before", "yesterday"];
    folder.run(&[&revoke[..], &url, &file].concat()).must_refuse("--issued-before: expected");
}

#[test]
fn a_deployment_that_is_not_there_cannot_be_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let hanging = run(&["health", "--url", &url, "--timeout", "1"]).must_be(3);
    assert!(hanging.err.contains("no answer came in time"), "{}", hanging.err);
    drop(listener);
    let gone = run(&["health", "--url", &url]).must_be(3);
    assert!(gone.err.contains("cannot be reached"), "{}", gone.err);
}

#[test]
fn it_is_asked_again_until_it_is_ready() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        for (status, body) in
            [("503 x", "misconfigured"), ("503 x", "unavailable"), ("200 OK", "ready")]
        {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            let body = format!(r#"{{"status":"{body}"}}"#);
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
    let said = run(&["health", "--url", &url, "--wait", "30"]).must_be(0);
    assert!(said.out.starts_with("ready\n"), "{}", said.out);
    server.join().unwrap();
}
