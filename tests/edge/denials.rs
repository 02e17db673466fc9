//! What a refused client is told, and what the operator is.

use super::harness::{
    mint::{now, token, token_with},
    *,
};

const REALM: &str = "Bearer realm=\"http://app.example\"";
const ALLOWED: &str = "https://app.example";

/// Members that every problem has, and no others (RFC 9457 section 3.1).
#[track_caller]
fn must_be_a_problem(reply: &Reply, status: u16, code: &str) {
    reply.must_be(status, code);
    assert_eq!(reply.header("content-type"), ["application/problem+json"]);
    assert_eq!(reply.header("cache-control"), ["no-store"]);
    let problem = reply.json();
    let members: Vec<&str> = problem.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["code", "failure_id", "status", "title", "type"]);
    assert_eq!(problem["status"], status);
    for member in ["failure_id", "title", "type"] {
        assert!(!problem[member].as_str().unwrap().is_empty(), "{problem}");
    }
}

fn failure_id(reply: &Reply) -> String {
    reply.json()["failure_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_row_of_the_table_of_denials() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin)
        .rule(json!({ "path": "/admin", "scopes_all": ["admin", "write"] }))
        .rule(json!({ "path": "/any", "scopes_any": ["a", "b"] }))
        .rule(json!({ "path": "/tenant", "claims": { "tenant": ["acme"] } }));
    let gate = Gate::start(setup).await;
    let invalid = format!("{REALM}, error=\"invalid_token\"");
    let rows = [
        (get("/"), 401, "missing_token", REALM.to_owned()),
        (get("/").header("Authorization", "Basic YTpi"), 401, "missing_token", REALM.to_owned()),
        (
            get("/").bearer("a b"),
            400,
            "invalid_request",
            format!("{REALM}, error=\"invalid_request\""),
        ),
        (get("/").bearer("a.b.c"), 401, "invalid_token", invalid.clone()),
        (
            get("/").bearer(&token_with(json!({ "aud": "x" }))),
            401,
            "invalid_token",
            invalid.clone(),
        ),
        (
            get("/").bearer(&token_with(json!({ "exp": now() - 3600 }))),
            401,
            "expired_token",
            format!("{invalid}, error_description=\"expired\""),
        ),
        (
            get("/admin/x").bearer(&token_with(json!({ "scope": "admin" }))),
            403,
            "insufficient_scope",
            format!("{REALM}, error=\"insufficient_scope\", scope=\"admin write\""),
        ),
        (
            get("/any").bearer(&token_with(json!({ "scope": "c" }))),
            403,
            "insufficient_scope",
            format!("{REALM}, error=\"insufficient_scope\", scope=\"a b\""),
        ),
        (
            get("/tenant").bearer(&token_with(json!({ "tenant": "other" }))),
            403,
            "insufficient_scope",
            format!("{REALM}, error=\"insufficient_scope\""),
        ),
    ];
    let mut ids = std::collections::BTreeSet::new();
    for (request, status, code, challenge) in &rows {
        let reply = request.send(&gate).await;
        must_be_a_problem(&reply, *status, code);
        assert_eq!(reply.header("www-authenticate"), [challenge.as_str()]);
        let id = failure_id(&reply);
        gate.logged(&[id.as_str(), code, "\"reason\""]).await;
        ids.insert(id);
    }
    assert_eq!(ids.len(), rows.len(), "each denial has an id of its own");
    origin.must_be_untouched();
    gate.must_be_calm();
}

#[tokio::test]
async fn credentials_are_one_and_well_formed() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin)
        .set("token.sources", json!(["authorization", "cookie:session", "query:access_token"]));
    let gate = Gate::start(setup).await;
    let token = token();
    let bearer = format!("Bearer {token}");
    let cookie = format!("session={token}");
    let query = format!("/?access_token={token}");
    for (name, request) in [
        ("two headers", get("/").bearer(&token).bearer(&token)),
        ("two headers, one of them bad", get("/").bearer("x.y.z").bearer(&token)),
        ("joined by a comma", get("/").header("Authorization", &format!("{bearer}, {bearer}"))),
        ("Basic and Bearer", get("/").header("Authorization", "Basic YTpi").bearer(&token)),
        ("Bearer and Basic", get("/").bearer(&token).header("Authorization", "Basic YTpi")),
        ("no token", get("/").header("Authorization", "Bearer")),
        ("no token but a space", get("/").header("Authorization", "Bearer ")),
        ("two words", get("/").bearer("a b")),
        ("header and cookie", get("/").bearer(&token).header("Cookie", &cookie)),
        ("header and query", get(&query).bearer(&token)),
        ("cookie and query", get(&query).header("Cookie", &cookie)),
        ("two cookies", get("/").header("Cookie", &format!("{cookie}; {cookie}"))),
        ("two parameters", get(&format!("{query}&access_token=x"))),
        ("two parameters, one encoded", get(&format!("{query}&access%5Ftoken=x"))),
    ] {
        let verdict = request.send(&gate).await.verdict();
        assert_eq!((name, verdict), (name, (400, "invalid_request".to_owned())));
    }
    origin.must_be_untouched();

    for (name, request) in [
        ("lower case", get("/").header("authorization", &format!("bearer {token}"))),
        ("upper case", get("/").header("AUTHORIZATION", &format!("BEARER {token}"))),
        ("a cookie among others", get("/").header("Cookie", &format!("a=b; {cookie}"))),
        ("a parameter", get(&query)),
    ] {
        let reply = request.send(&gate).await;
        assert_eq!((name, reply.status), (name, 200), "{}", reply.text());
    }
}

#[tokio::test]
async fn a_token_where_nobody_looks_is_no_token() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin)).await;
    let token = token();
    for request in [
        get(&format!("/?access_token={token}")),
        get("/").header("Cookie", &format!("session={token}; Authorization=Bearer {token}")),
        get("/").header("X-Api-Token", &token),
        get("/").header("Proxy-Authorization", &format!("Bearer {token}")),
        get("/").header("X-Authorization", &format!("Bearer {token}")),
        get("/").header("X-Forwarded-Authorization", &format!("Bearer {token}")),
        request("POST", "/")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(&format!("access_token={token}")),
    ] {
        request.send(&gate).await.must_be(401, "missing_token");
    }
    origin.must_be_untouched();
}

#[tokio::test]
async fn a_cookie_counts_only_for_our_own_pages() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin)
        .set("token.sources", json!(["cookie:session"]))
        .set("token.allowed_origins", json!([ALLOWED]));
    let gate = Gate::start(setup).await;
    let cookie = format!("session={}", token());
    for from in [
        "https://evil.example",
        "null",
        "https://app.example.evil.example",
        "http://app.example:8080",
        "HTTPS://app.example",
        "https://app.example/",
    ] {
        for method in ["GET", "POST"] {
            let request = request(method, "/").header("Cookie", &cookie).header("Origin", from);
            request.send(&gate).await.must_be(400, "invalid_request");
        }
    }
    let silent = request("POST", "/").header("Cookie", &cookie).send(&gate).await;
    silent.must_be(400, "invalid_request");
    origin.must_be_untouched();
    for from in [ALLOWED, "http://app.example"] {
        request("POST", "/")
            .header("Cookie", &cookie)
            .header("Origin", from)
            .send(&gate)
            .await
            .must_pass();
    }
    get("/").header("Cookie", &cookie).send(&gate).await.must_pass();
}

#[tokio::test]
async fn a_denied_head_request_has_no_body() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin)).await;
    let request = "HEAD / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
    let mut stream = tokio::net::TcpStream::connect(gate.addr).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\n") && answer.matches("\r\n\r\n").count() == 1, "{answer}");
}

#[tokio::test]
async fn only_allowed_origins_may_read_a_denial() {
    let origin = Origin::start().await;
    let gate =
        Gate::start(Setup::new(&origin).set("token.allowed_origins", json!([ALLOWED]))).await;
    let reply = get("/").header("Origin", ALLOWED).send(&gate).await;
    must_be_a_problem(&reply, 401, "missing_token");
    assert_eq!(reply.header("access-control-allow-origin"), [ALLOWED]);
    assert!(reply.header("vary").join(",").to_lowercase().contains("origin"));
    let exposed = reply.header("access-control-expose-headers").join(",").to_lowercase();
    assert!(exposed.contains("www-authenticate"), "{exposed}");

    for from in [
        "https://evil.example",
        "null",
        "https://app.example.evil.example",
        "http://app.example",
        "https://app.example:444",
        "https://app.example/",
    ] {
        let reply = get("/").header("Origin", from).send(&gate).await;
        must_be_a_problem(&reply, 401, "missing_token");
        for name in ["access-control-allow-origin", "access-control-allow-credentials"] {
            assert!(reply.header(name).is_empty(), "{from}");
        }
    }
    assert!(get("/").send(&gate).await.header("access-control-allow-origin").is_empty());
}

#[tokio::test]
async fn a_preflight_passes_without_credentials_and_without_identity() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin)
        .assertion(60)
        .set("forward.claim_to_headers", json!({ "X-Auth-Subject": "sub" }))
        .set("token.sources", json!(["authorization", "cookie:session", "query:access_token"]));
    let gate = Gate::start(setup).await;
    let preflight = || {
        request("OPTIONS", "/a")
            .header("Origin", ALLOWED)
            .header("Access-Control-Request-Method", "DELETE")
            .header("Access-Control-Request-Headers", "authorization")
    };
    preflight().send(&gate).await.must_pass();
    let seen = origin.only();
    assert_eq!(seen.header("origin"), [ALLOWED]);
    assert_eq!(seen.header("access-control-request-method"), ["DELETE"]);

    // What carries more than a preflight gets no further with it.
    let good = token();
    for request in [
        preflight().bearer(&good),
        preflight().header("Cookie", &format!("session={good}; other=1")),
        preflight().header("X-Auth-Subject", "root"),
        preflight().bearer("x.y.z"),
    ] {
        let before = origin.count();
        let reply = request.send(&gate).await;
        if origin.count() > before {
            reply.must_pass();
            let seen = origin.last();
            for name in ["authorization", "cookie", "x-auth-subject", "x-auth-assertion"] {
                assert!(seen.folded(name).is_empty(), "{seen:?}");
            }
            assert!(!format!("{seen:?}").contains(&good), "{seen:?}");
        } else {
            assert!(matches!(reply.status, 400 | 401), "{}", reply.status);
        }
    }

    let before = origin.count();
    for (name, request) in [
        ("no Origin", request("OPTIONS", "/a").header("Access-Control-Request-Method", "GET")),
        ("no method", request("OPTIONS", "/a").header("Origin", ALLOWED)),
        (
            "not OPTIONS",
            get("/a").header("Origin", ALLOWED).header("Access-Control-Request-Method", "GET"),
        ),
        (
            "POST",
            request("POST", "/a")
                .header("Origin", ALLOWED)
                .header("Access-Control-Request-Method", "GET")
                .header("X-HTTP-Method-Override", "OPTIONS"),
        ),
    ] {
        let verdict = request.send(&gate).await.verdict();
        assert_eq!((name, verdict), (name, (401, "missing_token".to_owned())));
    }
    assert_eq!(origin.count(), before);
}

#[tokio::test]
async fn no_token_and_no_secret_is_ever_logged() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin)
        .assertion(60)
        .rule(json!({ "path": "/admin", "scopes_all": ["admin"] }))
        .set("token.sources", json!(["authorization", "query:access_token"]));
    let gate = Gate::start(setup).await;
    let expired = token_with(json!({ "exp": 1, "email": "person@private.example" }));
    let good = token();
    let forged = format!("{}AAAA", &good[..good.len() - 4]);
    for token in [&expired, &forged, &good] {
        get("/admin/x?secret=in-the-query").bearer(token).send(&gate).await;
        get(&format!("/admin/x?access_token={token}")).send(&gate).await;
    }
    get("/_edgeward/health").bearer("a-wrong-admin-token-of-decent-length").send(&gate).await;
    let last = get("/").send(&gate).await;
    gate.logged(&[&failure_id(&last)]).await;
    let log = gate.log();
    for token in [&expired, &forged, &good] {
        for part in token.split('.').skip(1) {
            assert!(!log.contains(part), "{log}");
        }
    }
    for secret in [
        "a-wrong-admin-token",
        gate::ADMIN_TOKEN,
        "in-the-query",
        "person@private.example",
        mint::HMAC.jwk()["k"].as_str().unwrap(),
        mint::assertion_jwk()["d"].as_str().unwrap(),
    ] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[tokio::test]
async fn a_public_rule_asks_for_nothing_and_an_optional_one_for_a_good_token_or_none() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin).access("/public", "public").access("/optional", "optional");
    let gate = Gate::start(setup).await;
    let expired = token_with(json!({ "exp": 1 }));
    for (target, token, verdict) in [
        ("/public", None, (200, "")),
        ("/public", Some("garbage"), (200, "")),
        ("/public", Some(expired.as_str()), (200, "")),
        ("/optional", None, (200, "")),
        ("/optional", Some("x.y.z"), (401, "invalid_token")),
        ("/optional", Some(expired.as_str()), (401, "expired_token")),
        ("/elsewhere", None, (401, "missing_token")),
        ("/publicity", None, (401, "missing_token")),
        ("/public/below", None, (200, "")),
    ] {
        let request = get(target);
        let request = match token {
            Some(token) => request.bearer(token),
            None => request,
        };
        let found = request.send(&gate).await.verdict();
        assert_eq!(
            (target, token, found.0, found.1.as_str()),
            (target, token, verdict.0, verdict.1)
        );
    }
}
