//! A configuration that cannot be used denies everything, and says to the operator what is wrong.

use super::harness::{mint::token, *};

/// The first problem in a report whose place contains `place`.
fn problem<'a>(report: &'a Value, place: &str) -> Option<&'a Value> {
    match report {
        Value::Object(object) => {
            let here = object.get("path").and_then(Value::as_str);
            if here.is_some_and(|path| path.contains(place)) {
                return Some(report);
            }
            object.values().find_map(|value| problem(value, place))
        }
        Value::Array(list) => list.iter().find_map(|value| problem(value, place)),
        _ => None,
    }
}

/// The gate is closed, and log and health report name this place with all of these words.
async fn is_closed(name: &str, origin: &Origin, setup: Setup, place: &str, words: &[&str]) {
    let gate = Gate::start(setup).await;
    for request in [
        get("/"),
        get("/").bearer(&token()),
        get("/public"),
        request("OPTIONS", "/")
            .header("Origin", "https://app.example")
            .header("Access-Control-Request-Method", "GET"),
    ] {
        let reply = request.send(&gate).await;
        assert_eq!((name, reply.verdict()), (name, (503, "misconfigured".to_owned())));
        assert!(reply.header("www-authenticate").is_empty(), "{name}");
        assert!(!reply.text().contains(place), "{name}: {}", reply.text());
    }
    origin.must_be_untouched();

    let health = get("/_edgeward/health").send(&gate).await;
    assert_eq!((name, health.status), (name, 503));
    assert_eq!(health.json(), json!({ "status": "misconfigured" }), "{name}");

    let report = get("/_edgeward/health").bearer(gate::ADMIN_TOKEN).send(&gate).await;
    assert_eq!((name, report.status), (name, 503), "{}", report.text());
    let found = report.json();
    let found = problem(&found, place)
        .unwrap_or_else(|| panic!("{name}: nothing about {place} in {}", report.text()));
    for member in ["found", "expected"] {
        assert!(found[member].as_str().is_some_and(|text| !text.is_empty()), "{name}: {found}");
    }
    let text = found.to_string();
    for word in words {
        assert!(text.contains(word), "{name}: no {word:?} in {text}");
    }
    gate.logged(&[place]).await;
    gate.must_be_calm();
}

#[tokio::test]
async fn a_mistake_in_the_table_names_its_place() {
    let origin = Origin::start().await;
    let new = || Setup::new(&origin);
    let rule = |rule: Value| new().rule(rule);
    let provider = "AUTH.providers[0]";
    let twin = json!({
        "name": "twin", "issuer": mint::ISSUER, "audiences": ["x"], "algorithms": ["HS256"],
        "keys": ["JWT_KEYS"],
    });
    let cases: Vec<(&str, Setup, String, Vec<&str>)> = vec![
        ("no table", new().auth(Value::Null), "AUTH".into(), vec![]),
        ("an empty table", new().auth(json!({})), "AUTH.".into(), vec![]),
        ("a list", new().auth(json!([])), "AUTH".into(), vec![]),
        ("an unknown key", new().set("orgin", "x"), "AUTH".into(), vec!["orgin"]),
        ("no origin", new().unset("origin"), "AUTH.origin".into(), vec![]),
        (
            "origin by ftp",
            new().set("origin", "ftp://a.example"),
            "AUTH.origin".into(),
            vec!["ftp"],
        ),
        ("origin not absolute", new().set("origin", "a.example"), "AUTH.origin".into(), vec![]),
        (
            "no such service",
            new().set("origin", "service:NOWHERE"),
            "AUTH.origin".into(),
            vec!["NOWHERE"],
        ),
        ("no provider", new().set("providers", json!([])), "AUTH.providers".into(), vec![]),
        (
            "skew as text",
            new().set("clock_skew_seconds", "30"),
            "AUTH.clock_skew_seconds".into(),
            vec!["30"],
        ),
        (
            "negative skew",
            new().set("clock_skew_seconds", -1),
            "AUTH.clock_skew_seconds".into(),
            vec!["-1"],
        ),
        ("log level", new().set("log.level", "debug"), "AUTH.log.level".into(), vec!["warning"]),
        ("share of lines", new().set("log.sample", 2), "AUTH.log.sample".into(), vec!["0 to 1"]),
        ("an unknown key below", new().set("log.x", 1), "AUTH.log.x".into(), vec!["sample"]),
        ("admin path", new().set("admin_path", "admin"), "AUTH.admin_path".into(), vec!["admin"]),
        (
            "no algorithms",
            new().unset("providers.0.algorithms"),
            format!("{provider}.algorithms"),
            vec![],
        ),
        (
            "empty algorithms",
            new().set("providers.0.algorithms", json!([])),
            format!("{provider}.algorithms"),
            vec![],
        ),
        (
            "none",
            new().set("providers.0.algorithms", json!(["none"])),
            format!("{provider}.algorithms"),
            vec!["none"],
        ),
        (
            "a slip in a name",
            new().set("providers.0.algorithms", json!(["RS256", "ES265"])),
            format!("{provider}.algorithms"),
            vec!["ES265", "ES256"],
        ),
        (
            "empty audiences",
            new().set("providers.0.audiences", json!([])),
            format!("{provider}.audiences"),
            vec![],
        ),
        ("empty issuer", new().set("providers.0.issuer", ""), format!("{provider}.issuer"), vec![]),
        (
            "empty keys",
            new().set("providers.0.keys", json!([])),
            format!("{provider}.keys"),
            vec![],
        ),
        (
            "a missing binding",
            new().set("providers.0.keys", json!(["JWT_KEYS", "NOT_THERE"])),
            format!("{provider}.keys"),
            vec!["NOT_THERE"],
        ),
        ("one issuer twice", new().set("providers.1", twin), "AUTH.providers[1]".into(), vec![]),
        ("a relative rule", rule(json!({ "path": "admin" })), "AUTH.rules[0].path".into(), vec![]),
        (
            "an unknown access",
            rule(json!({ "path": "/", "access": "open" })),
            "AUTH.rules[0].access".into(),
            vec!["open", "public"],
        ),
        (
            "an unknown provider",
            rule(json!({ "path": "/", "providers": ["nobody"] })),
            "AUTH.rules[0].providers".into(),
            vec!["nobody"],
        ),
        (
            "a typo in a rule",
            rule(json!({ "path": "/", "scope_all": ["a"] })),
            "AUTH.rules[0]".into(),
            vec!["scope_all"],
        ),
        (
            "an unknown source",
            new().set("token.sources", json!(["body"])),
            "AUTH.token.sources".into(),
            vec!["body"],
        ),
        (
            "a reserved header",
            new().set("forward.claim_to_headers", json!({ "Host": "sub" })),
            "AUTH.forward.claim_to_headers".into(),
            vec!["Host"],
        ),
        (
            "no assertion key",
            new().assertion(60).without_secret("ASSERTION_KEY"),
            "AUTH.forward.assertion.key".into(),
            vec!["ASSERTION_KEY"],
        ),
    ];
    for (name, setup, place, words) in cases {
        is_closed(name, &origin, setup, &place, &words).await;
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_used_is_named_and_not_shown() {
    let origin = Origin::start().await;
    let short = "only-31-bytes-of-secret-0123456";
    let mut private = mint::assertion_jwk();
    private["kid"] = json!("private");
    let pem = mint::RSA.pem();
    let broken = json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }] });
    for (name, secret, words) in [
        ("empty", String::new(), vec![]),
        ("31 bytes", short.to_owned(), vec!["31"]),
        ("a private JWK", private.to_string(), vec!["private"]),
        ("a private key in PEM", mint::armor("PRIVATE KEY", &mint::random(64)), vec!["private"]),
        ("a PEM cut short", pem[..200].to_owned(), vec![]),
        ("an empty set", json!({ "keys": [] }).to_string(), vec![]),
        ("a set without a usable key", broken.to_string(), vec![]),
        ("JSON that is no key", json!({ "hello": "world" }).to_string(), vec![]),
    ] {
        let setup = Setup::new(&origin).secret("JWT_KEYS", &secret);
        let words: Vec<&str> = words.into_iter().chain(["JWT_KEYS"]).collect();
        is_closed(name, &origin, setup, "AUTH.providers[0].keys", &words).await;

        if secret.len() > 20 {
            let gate = Gate::start(Setup::new(&origin).secret("JWT_KEYS", &secret)).await;
            let health = get("/_edgeward/health").bearer(gate::ADMIN_TOKEN).send(&gate).await;
            let said = health.text() + &gate.log();
            for shown in secret.as_bytes().windows(16) {
                let shown = String::from_utf8_lossy(shown);
                let part_of_the_format = shown.contains("-----")
                    || shown.contains("PRIVATE")
                    || shown.contains("PUBLIC");
                assert!(part_of_the_format || !said.contains(&*shown), "{name}: {shown}: {said}");
            }
        }
    }
}

#[tokio::test]
async fn an_assertion_key_that_cannot_sign_is_named() {
    let origin = Origin::start().await;
    let mut foreign = mint::assertion_jwk();
    foreign["x"] = mint::ED25519.jwk()["x"].clone();
    for (name, secret) in [
        ("halves of two keys", foreign.to_string()),
        ("a public key", mint::ED25519.jwk().to_string()),
        ("a short secret", json!({ "kty": "oct", "k": "c2hvcnQ" }).to_string()),
        ("no JWK", "a-text-that-is-long-enough-for-a-secret".to_owned()),
        ("empty", String::new()),
    ] {
        let setup = Setup::new(&origin).assertion(60).secret("ASSERTION_KEY", &secret);
        let place = "AUTH.forward.assertion.key";
        is_closed(name, &origin, setup, place, &["ASSERTION_KEY"]).await;
    }
}
