//! The endpoints of the gate itself, below `admin_path`.

use super::harness::{
    gate::ADMIN_TOKEN,
    mint::{HMAC, P256, token},
    *,
};

#[tokio::test]
async fn anyone_learns_whether_the_gate_is_ready_and_nothing_more() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin)).await;
    for request in [get("/_edgeward/health"), get("/_edgeward/health").bearer(&token())] {
        let reply = request.send(&gate).await;
        if reply.status == 401 {
            // A user's token is a wrong admin token.
            continue;
        }
        reply.must_pass();
        assert_eq!(reply.json(), json!({ "status": "ready" }));
        assert_eq!(reply.header("cache-control"), ["no-store"]);
    }
    origin.must_be_untouched();
}

#[tokio::test]
async fn the_admin_sees_providers_and_keys_but_no_material() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).assertion(60)).await;
    let reply = get("/_edgeward/health").bearer(gate::ADMIN_TOKEN).send(&gate).await;
    reply.must_pass();
    let (report, text) = (reply.json(), reply.text());
    assert_eq!(report["status"], "ready");
    for known in ["main", mint::ISSUER, "JWT_KEYS"] {
        assert!(text.contains(known), "{known}: {text}");
    }
    for key in mint::all() {
        assert!(text.contains(&format!("\"{}\"", key.kid)), "{}: {text}", key.kid);
    }
    for material in [
        HMAC.jwk()["k"].as_str().unwrap(),
        P256.jwk()["x"].as_str().unwrap(),
        mint::assertion_jwk()["d"].as_str().unwrap(),
        gate::ADMIN_TOKEN,
    ] {
        assert!(!text.contains(material), "{text}");
    }
    origin.must_be_untouched();
}

#[tokio::test]
async fn the_admin_sees_what_became_of_the_requests() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).access("/open", "public")).await;
    let token = token();
    for _ in 0..3 {
        get("/").bearer(&token).send(&gate).await.must_pass();
    }
    get("/open").send(&gate).await.must_pass();
    get("/").send(&gate).await.must_be(401, "missing_token");
    for _ in 0..2 {
        get("/").bearer("no.to.ken").send(&gate).await.must_be(401, "invalid_token");
    }
    get("/_edgeward/health").bearer("wrong").send(&gate).await.must_be(401, "unauthorized");
    let report = report(&gate).await;
    assert_eq!(
        report["requests"],
        json!({
            "permitted": 4,
            "degraded": {},
            "shadowed": {},
            "denied": { "malformed_token": 2, "no_credentials": 1, "wrong_admin_token": 1 },
        })
    );
    let cache = &report["cache"];
    assert_eq!((&cache["hits"], &cache["misses"]), (&json!(2), &json!(1)), "{cache}");
}

#[tokio::test]
async fn a_request_that_the_origin_did_not_answer_was_permitted_all_the_same() {
    let origin = Origin::absent().await;
    let gate = Gate::start(Setup::new(&origin)).await;
    get("/").bearer(&token()).send(&gate).await.must_be(502, "origin_unreachable");
    let requests = &report(&gate).await["requests"];
    assert_eq!(
        *requests,
        json!({
            "permitted": 1, "degraded": {}, "denied": { "origin_failed": 1 }, "shadowed": {},
        })
    );
}

async fn report(gate: &Gate) -> serde_json::Value {
    get("/_edgeward/health").bearer(gate::ADMIN_TOKEN).send(gate).await.json()
}

#[tokio::test]
async fn a_wrong_admin_token_is_refused_and_never_half_accepted() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin)).await;
    let right = gate::ADMIN_TOKEN;
    for wrong in [
        right[..right.len() - 1].to_owned(),
        format!("{right}x"),
        right.to_uppercase(),
        right.replace('0', "1"),
        "x".repeat(right.len()),
        token(),
    ] {
        let reply = get("/_edgeward/health").bearer(&wrong).send(&gate).await;
        assert_eq!(reply.status, 401, "{wrong}: {}", reply.text());
        assert!(!reply.text().contains("JWT_KEYS"), "{}", reply.text());
    }
    for request in [
        get("/_edgeward/health").bearer(right).bearer(right),
        get("/_edgeward/health").header("Authorization", &format!("Basic {right}")),
        get("/_edgeward/health").header("Authorization", right),
        get("/_edgeward/health").header("Cookie", &format!("session={right}")),
        get(&format!("/_edgeward/health?access_token={right}")),
    ] {
        let reply = request.send(&gate).await;
        assert!(!reply.text().contains("JWT_KEYS"), "{}", reply.text());
    }
    // The admin token opens the endpoints and nothing else.
    get("/").bearer(right).send(&gate).await.must_be(401, "invalid_token");
    origin.must_be_untouched();
}

#[tokio::test]
async fn without_an_admin_token_there_is_no_admin() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).without_secret("ADMIN_TOKEN")).await;
    let reply = get("/_edgeward/health").send(&gate).await;
    assert_eq!((reply.status, reply.json()), (200, json!({ "status": "ready" })));
    for guess in ["", "undefined", "null", gate::ADMIN_TOKEN] {
        let reply = get("/_edgeward/health").bearer(guess).send(&gate).await;
        assert!(!reply.text().contains("JWT_KEYS"), "{}", reply.text());
    }
    get("/_edgeward/metrics").bearer(gate::ADMIN_TOKEN).send(&gate).await.must_be(404, "not_found");
    origin.must_be_untouched();
}

#[tokio::test]
async fn a_short_admin_token_counts_as_none_and_the_log_says_so() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).secret("ADMIN_TOKEN", "short")).await;
    let reply = get("/_edgeward/health").bearer("short").send(&gate).await;
    assert!(!reply.text().contains("JWT_KEYS"), "{}", reply.text());
    get("/_edgeward/metrics").bearer("short").send(&gate).await.must_be(404, "not_found");
    let line = gate.logged(&["ADMIN_TOKEN", "5 bytes"]).await;
    assert!(!line.contains("short\""), "{line}");
    origin.must_be_untouched();
}

#[tokio::test]
async fn what_is_below_the_admin_path_never_reaches_the_origin() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).access("/", "public")).await;
    for target in [
        "/_edgeward",
        "/_edgeward/",
        "/_edgeward/unknown",
        "/_edgeward/health/x",
        "/_edgeward/health/",
        "/_edgeward//health",
        "//_edgeward/health",
        "/_edgeward/./health",
        "/x/../_edgeward/health",
        "/_edgeward\\health",
        "/_edgeward%2fhealth",
        "/%5fedgeward/health",
        "/%5Fedgeward/health",
        "/_EDGEWARD/health",
        "/_Edgeward/HEALTH",
        "/_edgeward;x/health",
        "/_edgeward/health;x",
        "/_edgeward./health",
        "/_edgeward%20/health",
        "/%255fedgeward/health",
        "/_edgeward%00/health",
        "/_edgeward?x=/public",
        "/.//_edgeward/x",
        "/x/%2e%2e/_edgeward/health",
        "/x/..%2f_edgeward/health",
    ] {
        for method in ["GET", "POST", "HEAD", "DELETE", "OPTIONS"] {
            let before = origin.count();
            request(method, target).send(&gate).await;
            assert_eq!(origin.count(), before, "{method} {target}");
        }
    }
    for target in ["/_edgewards", "/_edgeward-x", "/x/_edgeward", "/?/_edgeward/health"] {
        get(target).send(&gate).await.must_pass();
    }
}

#[tokio::test]
async fn the_admin_path_can_be_moved() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).set("admin_path", "/internal/gate")).await;
    get("/internal/gate/health").send(&gate).await.must_pass();
    origin.must_be_untouched();
    get("/_edgeward/health").send(&gate).await.must_be(401, "missing_token");
    get("/_edgeward/health").bearer(&token()).send(&gate).await.must_pass();
    assert_eq!(origin.count(), 1);
}

#[tokio::test]
async fn an_endpoint_knows_its_methods_and_head_has_no_body() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).assertion(60)).await;
    for target in ["/_edgeward/health", "/_edgeward/jwks.json"] {
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            request(method, target).send(&gate).await.must_be(405, "method_not_allowed");
        }
        let reply = request("HEAD", target).send(&gate).await;
        reply.must_pass();
        assert_eq!(reply.text(), "", "{target}");
    }
    origin.must_be_untouched();
}

#[tokio::test]
async fn the_key_set_is_public_and_json() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).assertion(60)).await;
    let reply = get("/_edgeward/jwks.json").send(&gate).await;
    reply.must_pass();
    let content_type = reply.header("content-type").join(",");
    assert!(content_type.contains("json"), "{content_type}");
    let keys = reply.json()["keys"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 1);
    let expected = mint::assertion_jwk();
    for member in ["kty", "crv", "x", "kid"] {
        assert_eq!(keys[0][member], expected[member], "{member}");
    }
    for member in ["d", "k", "p", "q"] {
        assert_eq!(keys[0].get(member), None);
    }
    // The keys that verify tokens are the issuer's to publish.
    assert!(!reply.text().contains("hmac"));
    origin.must_be_untouched();
}

#[tokio::test]
async fn an_explanation_is_about_what_the_platform_makes_of_a_url() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin)
        .access("/", "public")
        .rule(json!({ "path": "/admin", "scopes_all": ["nobody-has-it"] }));
    let gate = Gate::start(setup).await;
    for (path, decision) in [
        ("/x", "permit"),
        ("/a/../admin", "deny"),
        ("/%61dmin", "deny"),
        ("/admin#x", "deny"),
        ("/x/a b", "permit"),
        ("/x/\u{e9}", "permit"),
    ] {
        let question = json!({ "path": path, "method": "get", "host": "APP.example:80" });
        let asked = request("POST", "/_edgeward/explain").bearer(ADMIN_TOKEN);
        let reply = asked.body(&question.to_string()).send(&gate).await;
        assert_eq!(reply.header("cache-control"), ["no-store"]);
        let explanation = reply.json();
        assert_eq!(explanation["decision"], decision, "{path}: {explanation}");
    }
    let asked = request("POST", "/_edgeward/explain").send(&gate).await;
    asked.must_be(401, "unauthorized");
    origin.must_be_untouched();
    gate.must_be_calm();
}
