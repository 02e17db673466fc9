//! The path that is evaluated is the path that is forwarded, and no spelling gets around a rule.

use super::harness::{
    mint::{token, token_with},
    *,
};

/// Spellings of something below `/admin`, for one origin or another.
const ADMIN: [&str; 62] = [
    "/admin",
    "/admin/",
    "/admin/x",
    "/admin?x=/public",
    "/admin/?",
    "/admin/../admin/x",
    "//admin",
    "///admin/x",
    "/./admin",
    "/.//admin",
    "/x/../admin",
    "/x/..//admin",
    "/public/../admin/x",
    "/public/..%2fadmin",
    "/public/..%2Fadmin",
    "/public%2f../admin",
    "/public%2f..%2fadmin",
    "/%2e/admin",
    "/%2E%2e/admin",
    "/x/%2e%2e/admin",
    "/x/.%2e/admin",
    "/x/%2e./admin",
    "/x/%252e%252e/admin",
    "/x/%252e%252e%252fadmin",
    "/%61dmin",
    "/%61%64%6d%69%6e",
    "/%2561dmin",
    "/%252561dmin",
    "/ad%6Din/x",
    "/%2fadmin",
    "/%2Fadmin/x",
    "/%252fadmin",
    "/\\admin",
    "\\admin",
    "/x\\..\\admin",
    "/%5cadmin",
    "/%5Cadmin/x",
    "/x/..%5cadmin",
    "/x/..%255cadmin",
    "/ADMIN",
    "/Admin/x",
    "/%41DMIN",
    "/admin;x=1",
    "/admin;/x",
    "/;x=1/admin",
    "/x;/../admin",
    "/x/..;/admin",
    "/admin.",
    "/admin./x",
    "/admin%2e",
    "/admin%20",
    "/admin%09/x",
    "/admin%00",
    "/admin%00/x",
    "/admin%2fx",
    "/admin%5cx",
    "/admin%3fx",
    "/admin%23x",
    "/admin%0a",
    "/%EF%BC%A1dmin",
    "/%ef%bd%81dmin",
    "/%c0%afadmin",
];

#[tokio::test]
async fn no_spelling_of_a_protected_path_gets_past_its_rule() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin)
        .set("forward.claim_to_headers", json!({ "X-Auth-Subject": "sub" }))
        .access("/", "public")
        .rule(json!({ "path": "/admin", "scopes_all": ["admin"] }));
    let gate = Gate::start(setup).await;
    let (plain, admin) = (token(), token_with(json!({ "scope": "admin" })));
    let mut leaks = Vec::new();
    for target in ADMIN {
        for (who, request) in [("nobody", get(target)), ("a user", get(target).bearer(&plain))] {
            let before = origin.count();
            let reply = client::try_raw(gate.addr, &request.bytes()).await;
            if origin.count() > before {
                leaks.push(format!("{who} {target} as {}", origin.last().target));
            } else if let Ok(reply) = reply {
                assert!(matches!(reply.status, 400 | 401 | 403), "{target}: {}", reply.status);
            }
        }
        let before = origin.count();
        let reply = client::try_raw(gate.addr, &get(target).bearer(&admin).bytes()).await;
        if origin.count() > before {
            reply.unwrap().must_pass();
            assert_eq!(origin.last().header("x-auth-subject"), ["alice"], "{target}");
        } else if let Ok(reply) = reply {
            assert_eq!(reply.status, 400, "{target}: {}", reply.text());
        }
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
    gate.must_be_calm();
}

#[tokio::test]
async fn a_rule_covers_whole_segments_and_no_neighbours() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin)
        .access("/", "public")
        .rule(json!({ "path": "/admin", "scopes_all": ["admin"] }));
    let gate = Gate::start(setup).await;
    for target in [
        "/",
        "/administrator",
        "/admin-x",
        "/admin_x",
        "/xadmin",
        "/x/admin",
        "/?/admin",
        "/x?path=/admin",
        "/x?/../admin",
        "/adminx/../public",
        "/admi",
        "/admi/n",
        "/a%20dmin",
    ] {
        let reply = get(target).send(&gate).await;
        assert_eq!((target, reply.status), (target, 200), "{}", reply.text());
    }
}

#[tokio::test]
async fn the_origin_gets_the_normal_form_that_was_evaluated() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).access("/", "public")).await;
    for (sent, arrives) in [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/a/", "/a/"),
        ("/a//b", "/a//b"),
        ("//a", "//a"),
        ("//evil.example/a", "//evil.example/a"),
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/../../a", "/a"),
        ("/a/%2e%2e/b", "/b"),
        ("/a/.%2E/b", "/b"),
        ("/a/..", "/"),
        ("/a\\b", "/a/b"),
        ("/a/..\\b", "/b"),
        ("/a%20b", "/a%20b"),
        ("/%41%42", "/%41%42"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a%2fb", "/a%2fb"),
        ("/a;b=c/d", "/a;b=c/d"),
        ("/a:b@c", "/a:b@c"),
        ("/a\"b", "/a%22b"),
        ("/a{b}", "/a%7Bb%7D"),
        ("/a?b=../c", "/a?b=../c"),
        ("/a?b=c?d", "/a?b=c?d"),
        ("/a?", "/a"),
        ("/a?b=%2e%2e%2f", "/a?b=%2e%2e%2f"),
        ("/a?b=//c", "/a?b=//c"),
        ("/a/b?c=\\d", "/a/b?c=\\d"),
        ("/a?b=http://x/../y", "/a?b=http://x/../y"),
    ] {
        let reply = get(sent).send(&gate).await;
        assert_eq!((sent, reply.status), (sent, 200), "{}", reply.text());
        let target = origin.last().target;
        // An empty query may stay or go: no origin sees a difference.
        let target = target.strip_suffix('?').unwrap_or(&target);
        assert_eq!((sent, target), (sent, arrives));
        // What arrived is its own normal form.
        get(target).send(&gate).await.must_pass();
        assert_eq!(origin.last().target, target);
        assert_eq!(origin.last().header("host"), [origin.addr.to_string()]);
    }
}

#[tokio::test]
async fn an_ambiguous_path_is_refused_also_where_everything_is_public() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).access("/", "public")).await;
    for target in ["/a%00", "/x/..%2fadmin", "/x/%252e%252e/a", "/a%c0%af..%c0%afb"] {
        get(target).send(&gate).await.must_be(400, "invalid_request");
    }
    origin.must_be_untouched();
}

#[tokio::test]
async fn other_forms_of_the_target_do_not_confuse_the_gate() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin)
        .access("/", "public")
        .rule(json!({ "path": "/admin", "scopes_all": ["admin"] }));
    let gate = Gate::start(setup).await;
    for head in [
        "GET http://app.example/admin HTTP/1.1\r\nHost: app.example",
        "GET http://app.example/x/../admin HTTP/1.1\r\nHost: app.example",
        "GET http://user:pass@app.example/admin HTTP/1.1\r\nHost: app.example",
        "GET http:///admin HTTP/1.1\r\nHost: app.example",
        "GET /admin#x HTTP/1.1\r\nHost: app.example",
        "GET /#/../admin HTTP/1.1\r\nHost: app.example/admin",
        "GET admin HTTP/1.1\r\nHost: app.example",
        "GET ?/admin HTTP/1.1\r\nHost: app.example/admin",
        "GET * HTTP/1.1\r\nHost: app.example",
        "OPTIONS * HTTP/1.1\r\nHost: app.example",
        "GET @evil.example/admin HTTP/1.1\r\nHost: app.example",
        "GET /admin HTTP/1.1\r\nHost: app.example/x?",
        "GET /admin HTTP/1.1\r\nHost: app.example#",
        "GET /admin HTTP/1.1\r\nHost: ",
        "GET /admin HTTP/1.0",
    ] {
        let _ = client::try_raw(gate.addr, format!("{head}\r\n\r\n").as_bytes()).await;
    }
    for seen in origin.hits() {
        // `Host: app.example/x?` makes a query of what follows; the path is then `/x` for all.
        let path = seen.target.split('?').next().unwrap();
        assert!(!path.contains("admin"), "{seen:?}");
        assert!(seen.target.starts_with('/') || seen.target == "*", "{seen:?}");
    }
    get("/").send(&gate).await.must_pass();
    gate.must_be_calm();
}

#[tokio::test]
async fn a_host_has_one_name_in_every_spelling() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin)
        .access("/", "public")
        .rule(json!({ "path": "/", "hosts": ["app.example"], "access": "required" }));
    let gate = Gate::start(setup).await;
    for host in ["app.example", "APP.example", "app.example.", "App.Example:80", "app.example:8443"]
    {
        let verdict = get("/").header("Host", host).send(&gate).await.verdict();
        assert_eq!((host, verdict), (host, (401, "missing_token".to_owned())));
    }
    origin.must_be_untouched();
    for host in ["other.example", "xapp.example", "app.example.org", "sub.app.example"] {
        let request = get("/").header("Host", host).header("X-Forwarded-Host", "app.example");
        let reply = request.send(&gate).await;
        assert_eq!((host, reply.status), (host, 200), "{}", reply.text());
    }
}

#[tokio::test]
async fn the_method_that_is_evaluated_is_the_one_that_is_forwarded() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin)
        .rule(json!({ "path": "/", "methods": ["GET", "HEAD"], "access": "public" }));
    let gate = Gate::start(setup).await;
    get("/").send(&gate).await.must_pass();
    assert_eq!(request("HEAD", "/").send(&gate).await.status, 200);
    let before = origin.count();
    for (method, name) in [
        ("POST", "X-HTTP-Method-Override"),
        ("POST", "X-HTTP-Method"),
        ("POST", "X-Method-Override"),
        ("DELETE", "X-HTTP-Method-Override"),
    ] {
        let verdict = request(method, "/").header(name, "GET").send(&gate).await.verdict();
        assert_eq!(verdict, (401, "missing_token".to_owned()));
    }
    assert_eq!(origin.count(), before);
    for name in ["X-HTTP-Method-Override", "x_http_method_override", "X-Method-Override"] {
        get("/").header(name, "DELETE").send(&gate).await.must_pass();
        assert!(origin.last().folded(name).is_empty());
    }
}

#[tokio::test]
async fn the_most_specific_rule_wins_whatever_the_order() {
    let origin = Origin::start().await;
    let rules = [
        json!({ "path": "/", "access": "required", "scopes_all": ["all"] }),
        json!({ "path": "/a", "access": "public" }),
        json!({ "path": "/a/b", "access": "required", "scopes_all": ["b"] }),
        json!({ "path": "/a/b", "access": "public", "methods": ["GET"], "hosts": ["app.example"] }),
        json!({ "path": "/a/b/c", "access": "required", "scopes_all": ["c"] }),
    ];
    for turn in 0..rules.len() {
        let mut turned = rules.clone();
        turned.rotate_left(turn);
        let gate = Gate::start(Setup::new(&origin).set("rules", json!(turned))).await;
        let token = token_with(json!({ "scope": "c" }));
        for (method, target, host, status) in [
            ("GET", "/", "app.example", 403),
            ("GET", "/b", "app.example", 403),
            ("GET", "/a", "app.example", 200),
            ("GET", "/a/x", "app.example", 200),
            ("GET", "/ab", "app.example", 403),
            ("GET", "/a/b", "app.example", 200),
            ("POST", "/a/b", "app.example", 403),
            ("GET", "/a/b", "other.example", 403),
            ("GET", "/a/b/c/d", "app.example", 200),
        ] {
            let request = request(method, target).header("Host", host).bearer(&token);
            let found = request.send(&gate).await.status;
            assert_eq!((turn, method, target, host, found), (turn, method, target, host, status));
        }
    }
}

#[tokio::test]
async fn nested_claims_and_providers_of_a_rule_count() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin).rule(json!({
        "path": "/", "claims": { "realm_access.roles": ["admin", "owner"], "tenant": ["acme"] },
    }));
    let gate = Gate::start(setup).await;
    let roles = |roles: Value, tenant: Value| {
        token_with(json!({ "realm_access": { "roles": roles }, "tenant": tenant }))
    };
    for (name, token, status) in [
        ("in the list", roles(json!(["user", "owner"]), json!("acme")), 200),
        ("the value itself", roles(json!("admin"), json!("acme")), 200),
        ("a list for the other", roles(json!(["admin"]), json!(["x", "acme"])), 200),
        ("none", roles(json!([]), json!("acme")), 403),
        ("another", roles(json!(["administrator"]), json!("acme")), 403),
        ("case", roles(json!(["ADMIN"]), json!("acme")), 403),
        ("only one of two", roles(json!(["admin"]), json!("other")), 403),
        ("not nested", token_with(json!({ "roles": ["admin"], "tenant": "acme" })), 403),
        ("absent", token(), 403),
        ("a wrong type", roles(json!({ "admin": true }), json!("acme")), 403),
    ] {
        let found = get("/").bearer(&token).send(&gate).await.status;
        assert_eq!((name, found), (name, status));
    }
}
