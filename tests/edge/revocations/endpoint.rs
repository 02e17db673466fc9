//! The manners of the admin's endpoints.

use super::*;

#[tokio::test]
async fn only_the_admin_may() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    let order = json!({ "sub": "alice" }).to_string();
    let targets = [
        ("POST", "/_edgeward/revocations"),
        ("GET", "/_edgeward/revocations"),
        ("HEAD", "/_edgeward/revocations"),
        ("DELETE", "/_edgeward/revocations/4Wru2tnxTLb1Yw0U"),
        // A wrong method says nothing to strangers, either.
        ("PUT", "/_edgeward/revocations"),
    ];
    for (method, target) in targets {
        let user = mint::token();
        for authorization in
            [None, Some("wrong"), Some(&ADMIN_TOKEN[1..]), Some(""), Some(user.as_str())]
        {
            let asked = request(method, target).body(&order);
            let asked = match authorization {
                Some(token) => asked.bearer(token),
                None => asked,
            };
            let reply = asked.send(&gate).await;
            assert_eq!(reply.status, 401, "{method} {target} {authorization:?}");
            if method != "HEAD" {
                reply.must_be(401, "unauthorized");
            }
        }
    }
    assert_eq!(listed(&gate).await, [] as [Value; 0]);
    gate.kill();

    for missing in [
        setup(&origin, &relays).without_secret("ADMIN_TOKEN"),
        setup(&origin, &relays).secret("ADMIN_TOKEN", "short"),
        // Nothing can be revoked where there are no objects.
        Setup::new(&origin),
    ] {
        let gate = Gate::start(missing).await;
        for (method, target) in targets.into_iter().filter(|(method, _)| *method != "HEAD") {
            let reply = request(method, target).bearer(ADMIN_TOKEN).body(&order).send(&gate).await;
            reply.must_be(404, "not_found");
        }
    }
    origin.must_be_untouched();
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    for (method, target, allowed) in [
        ("PUT", "/revocations", "GET, HEAD, POST"),
        ("PATCH", "/revocations", "GET, HEAD, POST"),
        ("DELETE", "/revocations", "GET, HEAD, POST"),
        ("OPTIONS", "/revocations", "GET, HEAD, POST"),
        ("GET", "/revocations/4Wru2tnxTLb1Yw0U", "DELETE"),
        ("POST", "/revocations/4Wru2tnxTLb1Yw0U", "DELETE"),
        ("PUT", "/revocations/no-id", "DELETE"),
    ] {
        let reply = admin(&gate, method, target, None).await;
        reply.must_be(405, "method_not_allowed");
        assert_eq!(reply.header("allow"), [allowed], "{method} {target}");
    }
    for id in ["4Wru2tnxTLb1Yw0U", "no-id", "4Wru2tnxTLb1Yw0U4Wru2tnxTLb1Yw0U", "%00", "a%2Fb"] {
        let reply = admin(&gate, "DELETE", &format!("/revocations/{id}"), None).await;
        assert!(matches!(reply.status, 400 | 404), "{id}: {}", reply.text());
    }
    for target in ["/revocations/", "/revocations/a/b", "/revocation", "/revoke/a"] {
        let reply = admin(&gate, "POST", target, Some(json!({ "sub": "alice" }))).await;
        assert!(matches!(reply.status, 404 | 405), "{target}: {}", reply.text());
    }
    assert_eq!(listed(&gate).await, [] as [Value; 0]);
    origin.must_be_untouched();
}

#[tokio::test]
async fn an_order_that_cannot_be_meant_is_told_what_is_wrong_with_it() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    let (then, expired) = (now(), token_with(json!({ "exp": now() - 100 })));
    for (order, detail) in [
        (json!({}), "exactly one of"),
        (json!([]), "a JSON object"),
        (json!("sub"), "a JSON object"),
        (json!({ "jti": "a", "sub": "b" }), "exactly one of"),
        (json!({ "sub": null }), "as a text"),
        (json!({ "sub": 7 }), "as a text"),
        (json!({ "sub": ["alice"] }), "as a text"),
        (json!({ "sub": "" }), "sub: found 0 bytes; expected 1 to 1024"),
        (json!({ "jti": "a".repeat(1_025) }), "jti: found 1025 bytes"),
        (json!({ "azp": "app" }), "exactly one of"),
        (json!({ "sub": "alice", "until": 1 }), "unknown member \"until\""),
        (json!({ "sub": "alice", "issuer": "https://other.example" }), "no provider has"),
        (json!({ "sub": "alice", "issuer": null }), "issuer: expected a text"),
        (json!({ "sub": "alice", "reason": 1 }), "reason: expected a text"),
        (json!({ "sub": "alice", "reason": "r".repeat(257) }), "reason: found 257 bytes"),
        (json!({ "sub": "alice", "issued_before": "now" }), "issued_before: expected whole"),
        (json!({ "sub": "alice", "issued_before": -1 }), "issued_before: expected whole"),
        (json!({ "sub": "alice", "issued_before": then * 1_000 }), "not in the future"),
        (json!({ "sub": "alice", "expires_at": then - 1 }), "expires_at: found"),
        (json!({ "sub": "alice", "expires_at": then * 1_000 }), "in the next ten years"),
        (json!({ "sub": "alice", "expires_at": true }), "expires_at: expected whole"),
        (json!({ "token": "eyJhbGciOiJFUzI1NiJ9.e30.c" }), "refused anyway: malformed_token"),
        (json!({ "token": "opaque" }), "takes opaque tokens"),
        (json!({ "token": expired }), "nothing left to revoke"),
        (json!({ "token": mint::token(), "issued_before": then }), "issued once"),
        (json!({ "token": mint::token(), "issuer": "https://other.example" }), "no provider"),
    ] {
        let reply = revoke(&gate, order.clone()).await;
        reply.must_be(400, "invalid_request");
        let said = reply.json()["detail"].as_str().unwrap_or_default().to_owned();
        assert!(said.contains(detail), "{order}: {said}");
    }
    for body in [
        "",
        "{",
        "null",
        "{\"sub\":\"a\",\"sub\":\"b\"}",
        "{\"sub\":\"a\"} {}",
        "sub=a",
        "\u{feff}{\"sub\":\"a\"}",
    ] {
        let asked = request("POST", "/_edgeward/revocations").bearer(ADMIN_TOKEN).body(body);
        asked.send(&gate).await.must_be(400, "invalid_request");
    }
    let long = json!({ "token": "a".repeat(140_000) });
    revoke(&gate, long).await.must_be(413, "invalid_request");
    assert_eq!(listed(&gate).await, [] as [Value; 0]);
    origin.must_be_untouched();

    // The longest that is possible.
    let order = json!({ "sub": "é".repeat(512), "reason": "\u{1}".repeat(256) });
    let made = revoked(&gate, order.clone()).await;
    let all = listed(&gate).await;
    assert_eq!((&all[0]["sub"], &all[0]["reason"]), (&order["sub"], &order["reason"]));
    assert_eq!(all[0]["id"], made["id"]);
    assert!(refused(&gate, &token_with(json!({ "sub": order["sub"] }))).await);
}

#[tokio::test]
async fn an_order_is_listed_as_it_was_made() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    let then = now();
    let order = json!({
        "sub": "alice", "issuer": mint::ISSUER, "issued_before": then - 10,
        "expires_at": then + 500, "reason": "lost phone",
    });
    let made = revoked(&gate, order).await;
    let mut all = listed(&gate).await;
    let made_at = all[0].as_object_mut().unwrap().remove("made_at").unwrap().as_i64().unwrap();
    assert!((then..=now()).contains(&made_at));
    assert_eq!(
        all,
        [json!({
            "id": made["id"], "sequence": 1, "issuer": mint::ISSUER, "sub": "alice",
            "issued_before": then - 10, "expires_at": then + 500, "reason": "lost phone",
            "by": "admin",
        })]
    );
    assert_eq!(made["expires_at"], then + 500);
    let undone = undo(&gate, &made["id"]).await.json();
    assert_eq!((&undone["id"], &undone["sequence"]), (&made["id"], &json!(2)));
    // Who did what is in the log, and nothing that names people.
    for (action, number) in [("revoked", 1), ("undone", 2)] {
        let words = [
            "\"event\":\"revocation\"".to_owned(),
            format!("\"action\":\"{action}\""),
            format!("\"sequence\":{number}"),
            format!("\"id\":{}", made["id"]),
        ];
        let line = gate.logged(&words.each_ref().map(String::as_str)).await;
        assert!(!line.contains("alice") && !line.contains("phone"), "{line}");
    }
}

#[tokio::test]
async fn pages_of_the_list_are_complete_and_in_order() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    let mut ids = Vec::new();
    for number in 0..7 {
        let order = json!({ "jti": format!("t-{number}") });
        ids.push(revoked(&gate, order).await["id"].clone());
    }
    // 2 is undone, and 3 is made once more: it is later then.
    undo(&gate, &ids[2]).await;
    undo(&gate, &ids[3]).await;
    revoked(&gate, json!({ "jti": "t-3" })).await;
    let page = async |query: &str| {
        let reply = admin(&gate, "GET", &format!("/revocations{query}"), None).await;
        assert_eq!(reply.status, 200, "{query}: {}", reply.text());
        assert_eq!(reply.header("cache-control"), ["no-store"]);
        let page = reply.json();
        let numbers: Vec<_> = page["revocations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["sequence"].as_u64().unwrap())
            .collect();
        (numbers, page["next"].clone())
    };
    let all = vec![1, 2, 5, 6, 7, 10];
    for (query, numbers, next) in [
        ("", all.clone(), Value::Null),
        ("?", all.clone(), Value::Null),
        ("?limit=250", all.clone(), Value::Null),
        ("?limit=4", vec![1, 2, 5, 6], json!(6)),
        ("?after=6&limit=4", vec![7, 10], Value::Null),
        ("?limit=1&after=2", vec![5], json!(5)),
        ("?after=10", vec![], Value::Null),
        ("?after=9007199254740991", vec![], Value::Null),
    ] {
        assert_eq!(page(query).await, (numbers, next), "{query}");
    }
    let mut collected = Vec::new();
    let mut after = json!(0);
    while !after.is_null() {
        let (numbers, next) = page(&format!("?limit=2&after={after}")).await;
        collected.extend(numbers);
        after = next;
    }
    assert_eq!(collected, all);
    for query in [
        "?limit=0",
        "?limit=1001",
        "?limit=",
        "?limit=ten",
        "?limit=-1",
        "?after=-1",
        "?after=x",
        "?after",
        "?page=2",
        "?limit=1&token=x",
    ] {
        let reply = admin(&gate, "GET", &format!("/revocations{query}"), None).await;
        reply.must_be(400, "invalid_request");
        assert!(reply.json()["detail"].as_str().unwrap().contains("expected"), "{query}");
    }
    let head = admin(&gate, "HEAD", "/revocations", None).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test]
async fn no_spelling_of_the_endpoints_reaches_the_origin() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays).access("/", "public")).await;
    for path in [
        "/_edgeward/revocations",
        "/_EDGEWARD/revocations",
        "/_edgeward/REVOCATIONS",
        "//_edgeward/revocations",
        "/_edgeward//revocations",
        "/_edgeward/revocations/",
        "/_edgeward/revocations//",
        "/%5fedgeward/revocations",
        "/_edgeward/revocation%73",
        "/_edgeward%2Frevocations",
        "/_edgeward%2frevoke",
        "/x/../_edgeward/revocations",
        "/./_edgeward/revocations",
        "/_edgeward/./revoke",
        "/_edgeward;x/revocations",
        "/_edgeward/revocations;x",
        "/_edgeward\\revocations",
        "/_edgeward/revoke",
        "/_edgeward/Revoke/",
        "/_edgeward/revocations/4Wru2tnxTLb1Yw0U",
        "/_EDGEWARD/revocations/4Wru2tnxTLb1Yw0U",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let body = json!({ "sub": "alice" }).to_string();
            let stranger = request(method, path).body(&body).send(&gate).await;
            assert!((400..500).contains(&stranger.status), "{method} {path}: {}", stranger.status);
            let known = request(method, path).bearer(ADMIN_TOKEN).body(&body).send(&gate).await;
            assert!(known.status < 500, "{method} {path}: {}", known.status);
        }
    }
    origin.must_be_untouched();
}
