//! What the tool makes of what a deployment answers; with the built Worker: tests/edge/cli.rs.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json as object};

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
    let expected = object!({
        "sub": "alice", "issuer": "https://i.test", "issued_before": 1_800_000_000,
        "expires_at": 1_900_000_000, "reason": "left",
    });
    assert_eq!(crate::json(body), expected);
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

/// Something that gives these answers, one after the other, and then listens no more.
fn answering(answers: Vec<(&'static str, String)>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let answer = |(status, body): (&str, String)| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 4096];
            let length = stream.read(&mut asked).unwrap();
            let head = format!("Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all(format!("HTTP/1.1 {status}\r\n{head}{body}").as_bytes()).unwrap();
            let asked = String::from_utf8_lossy(&asked[..length]);
            asked.lines().next().unwrap_or_default().to_owned()
        };
        answers.into_iter().map(answer).collect()
    });
    (url, server)
}

fn status(status: &str) -> String {
    format!(r#"{{"status":"{status}"}}"#)
}

#[test]
fn it_is_asked_again_until_it_is_ready() {
    let (url, server) = answering(vec![
        // What is there before the gate is, or in front of it.
        ("404 x", "<html>".to_owned()),
        ("200 OK", "<html>".to_owned()),
        ("502 x", "<html>".to_owned()),
        ("503 x", status("misconfigured")),
        ("200 OK", status("ready")),
    ]);
    let said = run(&["health", "--url", &url, "--wait", "30"]).must_be(0);
    assert!(said.out.starts_with("ready\n"), "{}", said.out);
    assert_eq!(said.err, "", "nobody sees a progress bar where there is no terminal");
    assert_eq!(server.join().unwrap().len(), 5);
}

#[test]
fn a_wrong_admin_token_is_not_waited_for() {
    let problem = r#"{"code":"unauthorized"}"#.to_owned();
    let (url, server) = answering(vec![("401 x", problem)]);
    #[allow(clippy::disallowed_methods, reason = "the test is about how long it takes")]
    let began = Instant::now();
    let variables = [("EDGEWARD_ADMIN_TOKEN", TOKEN)];
    let arguments = ["health", "--url", &url, "--wait", "30"];
    let said = Folder::new().run_with(&arguments, "", &variables).must_be(4);
    assert!(said.err.contains("refuses the admin token (401)"), "{}", said.err);
    assert!(began.elapsed() < Duration::from_secs(10));
    server.join().unwrap();
}

#[test]
fn what_was_waited_for_in_vain_has_its_own_exit_code() {
    for (answer, code, words) in [
        (("404 x", String::new()), 4, "there is no such endpoint"),
        (("503 x", status("misconfigured")), 1, "misconfigured"),
    ] {
        let (url, server) = answering(vec![answer.clone(), answer]);
        let said = run(&["health", "--url", &url, "--wait", "1"]).must_be(code);
        let all = format!("{}{}", said.out, said.err);
        assert!(all.contains(words), "{all}");
        assert_eq!(server.join().unwrap().len(), 2);
    }
    // Nobody listens.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = run(&["health", "--url", &format!("http://{free}"), "--wait", "1"]).must_be(3);
    assert!(said.err.contains("cannot be reached"), "{}", said.err);
}

#[test]
fn the_list_of_revocations_is_read_page_by_page_and_not_in_a_circle() {
    let page = |sub: &str, next: Value| {
        let body =
            object!({ "revocations": [{ "id": sub, "sub": sub, "issuer": "i" }], "next": next });
        ("200 OK", body.to_string())
    };
    let list = |answers: Vec<_>| {
        let (url, server) = answering(answers);
        let variables = [("EDGEWARD_ADMIN_TOKEN", TOKEN)];
        let said = Folder::new().run_with(&["revocations", "--url", &url], "", &variables);
        (said, server.join().unwrap())
    };
    let (said, asked) =
        list(vec![page("a", 7.into()), page("b", 9.into()), page("c", Value::Null)]);
    assert_eq!(said.must_be(0).out.lines().count(), 3);
    assert_eq!(
        asked,
        ["", "&after=7", "&after=9"]
            .map(|after| format!("GET /_edgeward/revocations?limit=250{after} HTTP/1.1"))
    );
    for again in [7, 3] {
        let (said, _) = list(vec![page("a", 7.into()), page("b", again.into())]);
        let said = said.must_be(3);
        assert!(said.err.contains("its list of revocations has no end"), "{}", said.err);
    }
}

#[test]
fn an_explanation_says_by_what_a_token_is_revoked_and_what_a_permit_rests_on() {
    let explain = |answer: Value| against("200 OK", &answer.to_string(), &["explain"]).0;
    let revoked = |decision: &str| {
        object!({ "decision": decision, "status": 401, "code": "revoked_token", "reason": "revoked",
                  "revoked_by": "sid" })
    };
    let said = explain(revoked("deny")).must_be(1);
    assert_eq!(said.out, "denied: 401 revoked_token, because of revoked, by sid\n");
    let said = explain(revoked("shadow")).must_be(0);
    assert!(said.out.contains("because of revoked, by sid\n"), "{}", said.out);
    let said = explain(object!({ "decision": "permit", "degraded": "stale, revocation-stale" }));
    assert_eq!(said.must_be(0).out, "permitted, degraded: stale, revocation-stale\n");
    let said = explain(object!({ "decision": "permit", "degraded": null }));
    assert_eq!(said.must_be(0).out, "permitted\n");
}

/// Runs the tool at a terminal, and gives back all that it writes there.
fn at_a_terminal(arguments: &str) -> String {
    let command = format!("{} {arguments}", env!("CARGO_BIN_EXE_edgeward"));
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("EDGEWARD_ADMIN_TOKEN", TOKEN)
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .output()
        .expect("there is script, of util-linux");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn what_takes_longer_than_a_second_is_seen_at_a_terminal() {
    let misconfigured = ("503 x", status("misconfigured"));
    let answers = vec![misconfigured.clone(), misconfigured.clone(), misconfigured];
    let (url, server) = answering([answers, vec![("200 OK", status("ready"))]].concat());
    let seen = at_a_terminal(&format!("health --url {url} --wait 30"));
    assert!(seen.contains("waiting until the deployment is ready"), "{seen}");
    assert!(seen.contains("2 of 30 seconds"), "{seen}");
    server.join().unwrap();
    // What is over sooner is not.
    let (url, server) = answering(vec![("200 OK", status("ready"))]);
    let seen = at_a_terminal(&format!("health --url {url} --wait 30"));
    assert!(seen.contains("ready") && !seen.contains("waiting"), "{seen}");
    server.join().unwrap();
    // How long it is, nobody knows.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = at_a_terminal(&format!("revocations --url {url} --timeout 2"));
    assert!(seen.contains("reading the list (1s)"), "{seen}");
    assert!(!seen.contains(TOKEN));
}
