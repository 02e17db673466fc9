//! What the operator reads: which lines there are, what is in them, and what never is.

use std::time::Duration;

use super::harness::{
    mint::{self, HMAC, P256, claims_with, now, raw_token, token, token_with},
    *,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// What workerd takes for what the platform knows of a request.
const PLACE: (&str, &str) = ("cf-blob", r#"{"colo":"AMS"}"#);
const RAY: (&str, &str) = ("CF-Ray", "230b030023ae2822");

/// All lines of an event so far.
fn lines(gate: &Gate, event: &str) -> Vec<Value> {
    let log = gate.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["event"] == event && !line["level"].is_null()).collect()
}

/// The line of an event with this word in it. Its time is now, and is taken out.
async fn line(gate: &Gate, event: &str, word: &str) -> Value {
    let line = gate.logged(&[&format!("\"event\":\"{event}\""), word]).await;
    let mut line: Value = serde_json::from_str(&line).unwrap();
    let time = line.as_object_mut().unwrap().remove("time").unwrap().as_i64().unwrap();
    assert!((now() - 30..=now()).contains(&time), "{time}");
    line
}

fn failure_id(reply: &Reply) -> String {
    reply.json()["failure_id"].as_str().unwrap().to_owned()
}

async fn denial(gate: &Gate, reply: &Reply) -> Value {
    line(gate, "denial", &failure_id(reply)).await
}

fn placed(request: client::Request) -> client::Request {
    request.header(PLACE.0, PLACE.1).header(RAY.0, RAY.1).header("traceparent", PARENT)
}

#[tokio::test]
async fn a_denial_says_which_request_it_was_and_whose_token() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let setup =
        Setup::new(&origin).relays(&relays).rule(json!({ "path": "/a", "scopes_all": ["x"] }));
    let gate = Gate::start(setup).await;
    let reply = placed(get("/a?b=c").bearer(&token())).send(&gate).await;
    let found = denial(&gate, &reply).await;
    let subject = found["subject"].clone();
    let expected = json!({
        "code": "insufficient_scope", "colo": "AMS", "event": "denial",
        "failure_id": failure_id(&reply), "kid": "p256", "level": "info", "method": "GET",
        "path": "/a", "provider": "main", "ray": RAY.1, "reason": "missing_scope", "rule": 0,
        "status": 403, "subject": subject, "trace_id": TRACE,
    });
    assert_eq!(found, expected);

    // The same name as that of a revocation of all that is this subject's.
    let revoked = request("POST", "/_edgeward/revocations")
        .bearer(gate::ADMIN_TOKEN)
        .body(&json!({ "sub": "alice" }).to_string())
        .send(&gate)
        .await;
    assert_eq!(revoked.json()["id"], subject);
    assert_eq!(line(&gate, "revocation", "revoked").await["id"], subject);
    let refused = get("/").bearer(&token()).send(&gate).await;
    refused.must_be(401, "revoked_token");
    let found = denial(&gate, &refused).await;
    assert_eq!((&found["subject"], &found["revoked_by"]), (&subject, &json!("sub")));

    // What a client can make up is not taken for what it is not.
    for (ray, trace) in
        [("a b", "x"), (&*"r".repeat(65), &PARENT[..54]), ("\"}", &*PARENT.to_uppercase())]
    {
        let request = get("/").header("CF-Ray", ray).header("traceparent", trace);
        let found = denial(&gate, &request.send(&gate).await).await;
        let members: Vec<_> = found.as_object().unwrap().keys().map(String::as_str).collect();
        let expected =
            ["code", "colo", "event", "failure_id", "level", "method", "path", "reason", "status"];
        assert_eq!(members, expected);
    }
    gate.must_be_calm();
}

#[tokio::test]
async fn no_line_has_a_token_a_secret_or_a_claim() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin)
        .assertion(60)
        .set("providers.0.max_lifetime_seconds", 3_600)
        .set("token.sources", json!(["authorization", "query:access_token"]))
        .rule(json!({ "path": "/scope", "scopes_all": ["admin"] }))
        .rule(json!({ "path": "/claim", "claims": { "tenant": ["acme"] } }));
    let gate = Gate::start(setup).await;
    // Each has something of its own in every claim that may say anything.
    let marked = |number: usize, changes: Value| {
        let marks = json!({
            "sub": format!("Marked-sub-{number}"), "jti": format!("Marked-jti-{number}"),
            "email": "Marked@private.example", "scope": "Marked-scope", "tenant": "Marked-tenant",
        });
        let mut claims = claims_with(marks);
        for (name, value) in claims_with(changes.clone()).as_object().unwrap() {
            if !changes[name].is_null() {
                claims[name] = value.clone();
            }
        }
        claims
    };
    let es256 = |number, changes| P256.token("ES256", &marked(number, changes));
    let forged = |number| {
        let header = json!({ "alg": "ES256", "kid": "p256" }).to_string();
        raw_token(header, marked(number, json!({})).to_string(), |_| vec![7; 64])
    };
    let unknown = |number| {
        let header = json!({ "alg": "HS256", "kid": "nobody" }).to_string();
        let claims = marked(number, json!({})).to_string();
        raw_token(header, claims, |input| mint::hs256(b"Marked-secret", input))
    };
    let day = now() + 86_400;
    let cases = [
        ("expired", "/", es256(1, json!({ "exp": 1 })), true),
        ("not_yet_valid", "/", es256(2, json!({ "nbf": day })), true),
        ("issued_in_future", "/", es256(3, json!({ "iat": day, "exp": day + 60 })), true),
        ("lifetime_too_long", "/", es256(4, json!({ "exp": day })), true),
        ("malformed_time_claim", "/", es256(5, json!({ "exp": "Marked-exp" })), true),
        ("wrong_audience", "/", es256(6, json!({ "aud": "Marked-aud" })), true),
        ("missing_scope", "/scope", es256(7, json!({})), true),
        ("wrong_claim", "/claim", es256(8, json!({})), true),
        ("unknown_issuer", "/", es256(9, json!({ "iss": "https://Marked.example" })), false),
        ("bad_signature", "/", forged(10), false),
        ("unknown_key", "/", unknown(11), false),
        ("malformed_token", "/", "Marked.Marked.Marked".to_owned(), false),
        ("malformed_credentials", "/", "Marked Marked".to_owned(), false),
    ];
    let mut subjects = std::collections::BTreeSet::new();
    for (reason, path, token, has_subject) in &cases {
        for request in [
            get(&format!("{path}?Marked-query=1")).bearer(token),
            get(&format!("{path}?access_token={}", token.replace(' ', "%20"))),
        ] {
            let found = denial(&gate, &request.send(&gate).await).await;
            assert_eq!(found["reason"], *reason, "{found}");
            assert_eq!(found.get("subject").is_some(), *has_subject, "{found}");
            subjects.extend(found["subject"].as_str().map(str::to_owned));
        }
    }
    assert_eq!(subjects.len(), 8, "each subject has its own name, which stays the same");
    get("/_edgeward/health").bearer("Marked-admin-token-of-decent-length").send(&gate).await;
    let last = get("/").send(&gate).await;
    denial(&gate, &last).await;
    let log = gate.log();
    assert!(!log.contains("Marked"), "{log}");
    for (.., token, _) in &cases {
        for part in token.split(['.', ' ']).filter(|part| part.len() > 8) {
            assert!(!log.contains(part), "{log}");
        }
    }
    for secret in [
        gate::ADMIN_TOKEN,
        HMAC.jwk()["k"].as_str().unwrap(),
        mint::assertion_jwk()["d"].as_str().unwrap(),
    ] {
        assert!(!log.contains(secret), "{log}");
    }
    gate.must_be_calm();
}

#[tokio::test]
async fn a_degraded_permit_says_what_the_origin_is_told() {
    let origin = Origin::start().await;
    let service = says(json!({ "active": true })).await;
    service.set(Mode::Refused).await;
    let setup = asking_about(&origin, &service)
        .set("providers.0.introspection.on_outage", "signature")
        .set("providers.0.introspection.timeout_ms", 300)
        .rule(json!({ "path": "/other" }))
        .rule(json!({ "path": "/a", "on_outage": "signature" }))
        .var("ALLOW_DEGRADED_AUTH", "true");
    let gate = Gate::start(setup).await;
    // One that the gate begins, and one that the client is part of.
    let request = || get("/a?b").bearer(&token()).header(PLACE.0, PLACE.1).header(RAY.0, RAY.1);
    for request in [request(), request().header("traceparent", PARENT)] {
        request.send(&gate).await.must_pass();
        let parent = origin.last().header("traceparent")[0].to_owned();
        let trace = parent.split('-').nth(1).unwrap();
        let found = line(&gate, "degraded", trace).await;
        let expected = json!({
            "colo": "AMS", "event": "degraded", "kid": "p256", "level": "warning",
            "method": "GET", "mode": "signature", "path": "/a", "provider": "main",
            "failure_id": found["failure_id"], "ray": RAY.1, "rule": 1, "subject": found["subject"], "trace_id": trace,
        });
        assert_eq!(found, expected);
        assert_eq!(found["subject"].as_str().unwrap().len(), 16);
        assert!(found["failure_id"].is_string());
        assert_eq!(trace == TRACE, parent == PARENT);
    }
    assert_eq!(lines(&gate, "degraded").len(), 2);
    gate.must_be_calm();
}

#[tokio::test]
async fn the_level_decides_which_lines_are_written() {
    for (level, expected) in [
        (None, vec!["info", "warning", "error"]),
        (Some("info"), vec!["info", "warning", "error"]),
        (Some("warning"), vec!["warning", "error"]),
        (Some("error"), vec!["error"]),
        (Some("off"), vec![]),
    ] {
        let origin = Origin::start().await;
        let mut setup = Setup::new(&origin)
            // A warning when the isolate starts.
            .secret("ADMIN_TOKEN", "short")
            // A port that nobody listens on.
            .set("origin", "http://127.0.0.1:1")
            .access("/public", "public");
        if let Some(level) = level {
            setup = setup.set("log.level", level);
        }
        let gate = Gate::start(setup).await;
        get("/").send(&gate).await.must_be(401, "missing_token");
        get("/public").send(&gate).await.must_be(502, "origin_unreachable");
        // What is not written does not come later either.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let found = ["denial", "warning"].map(|event| lines(&gate, event)).concat();
        let mut levels: Vec<_> = found.iter().map(|line| line["level"].clone()).collect();
        levels.sort_by_key(|level| ["info", "warning", "error"].iter().position(|it| level == it));
        assert_eq!(levels, expected, "{level:?}: {found:?}");
        assert!(found.iter().all(|line| line["time"].is_i64()), "{found:?}");
    }
}

#[tokio::test]
async fn of_a_sample_each_line_says_for_how_many_it_stands() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin)
        .set("log.sample", 0.1)
        .set("origin", "http://127.0.0.1:1")
        .access("/public", "public");
    let gate = Gate::start(setup).await;
    for _ in 0..21 {
        get("/").send(&gate).await.must_be(401, "missing_token");
    }
    // Faults that are not the client's are all there.
    for _ in 0..3 {
        get("/public").send(&gate).await.must_be(502, "origin_unreachable");
    }
    eventually("six lines", async || lines(&gate, "denial").len() >= 6).await;
    let left_out = |status: u16| -> Vec<Value> {
        let lines = lines(&gate, "denial").into_iter();
        lines.filter(|line| line["status"] == status).map(|line| line["left_out"].clone()).collect()
    };
    assert_eq!(left_out(401), [Value::Null, json!(9), json!(9)]);
    assert_eq!(left_out(502), [Value::Null, Value::Null, Value::Null]);
}

#[tokio::test]
async fn a_flood_writes_as_many_lines_as_the_configuration_says() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).set("log.lines_per_second", 2)).await;
    for _ in 0..40 {
        get("/").send(&gate).await.must_be(401, "missing_token");
    }
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    get("/").send(&gate).await.must_be(401, "missing_token");
    let total = || {
        let lines = lines(&gate, "denial");
        let left_out: u64 = lines.iter().filter_map(|line| line["left_out"].as_u64()).sum();
        lines.len() as u64 + left_out
    };
    eventually("all are accounted for", async || total() == 41).await;
    let mut seconds: Vec<_> =
        lines(&gate, "denial").iter().map(|line| line["time"].as_i64().unwrap()).collect();
    for second in seconds.clone() {
        assert!(seconds.iter().filter(|it| **it == second).count() <= 2, "{seconds:?}");
    }
    seconds.dedup();
    assert!(seconds.len() >= 2, "{seconds:?}");
}

#[tokio::test]
async fn what_fails_again_and_again_is_told_once_and_so_is_its_end() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let set = serde_json::from_str::<Value>(&mint::jwks(&[&P256])).unwrap();
    let service = Faults::answering(move |_| Reply::new(200, set.to_string())).await;
    service.set(Mode::status(500)).await;
    relays.fail("/relay/", Fault::Down);
    let setup = Setup::new(&origin)
        .relays(&relays)
        .set("providers.0.algorithms", json!(["ES256"]))
        .set("providers.0.jwks_uri", format!("http://{}/jwks", service.addr))
        .unset("providers.0.keys")
        .without_secret("JWT_KEYS");
    let gate = Gate::start(setup).await;
    let send = async || get("/").header(PLACE.0, PLACE.1).bearer(&token()).send(&gate).await;
    let attempts = async |count: usize| {
        eventually("it was tried again", async || {
            send().await.must_be(503, "auth_unavailable");
            service.count("/jwks") >= count
        })
        .await;
    };
    attempts(2).await;
    let keys = json!({
        "colo": "AMS", "detail": "status 500", "event": "keys_not_fetched", "level": "error",
        "provider": "main", "state": "absent",
    });
    assert_eq!(line(&gate, "keys_not_fetched", "main").await, keys);
    assert_eq!(lines(&gate, "keys_not_fetched").len(), 1);
    service.set(Mode::Pass).await;
    eventually("the keys are here, and the list is missed", async || {
        send().await.must_be(503, "auth_unavailable");
        gate.log().contains("revocations_unknown")
    })
    .await;
    let keys = json!({
        "colo": "AMS", "event": "keys_fetched", "level": "warning", "provider": "main",
    });
    assert_eq!(line(&gate, "keys_fetched", "main").await, keys);
    let found = line(&gate, "revocations_not_refreshed", "detail").await;
    assert_eq!((&found["level"], &found["state"]), (&json!("error"), &json!("absent")));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    send().await.must_be(503, "auth_unavailable");
    relays.mend();
    eventually("it passes", async || send().await.status == 200).await;
    let list = json!({ "colo": "AMS", "event": "revocations_refreshed", "level": "warning" });
    assert_eq!(line(&gate, "revocations_refreshed", "").await, list);
    for event in
        ["keys_not_fetched", "keys_fetched", "revocations_not_refreshed", "revocations_refreshed"]
    {
        assert_eq!(lines(&gate, event).len(), 1, "{event}");
    }
}

#[tokio::test]
async fn what_must_be_mended_is_written_whatever_the_level() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin).set("log.level", "off").without_secret("JWT_KEYS");
    let gate = Gate::start(setup).await;
    get("/").bearer(&token_with(json!({}))).send(&gate).await.must_be(503, "misconfigured");
    let found = line(&gate, "misconfigured", "JWT_KEYS").await;
    assert_eq!(found["level"], "error");
    let members: Vec<_> = found.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["event", "expected", "found", "level", "path"]);
}
