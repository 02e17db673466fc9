//! The origins of `examples/origins` behind the gate and around it: they know who is asking from the
//! assertion, and from nothing else.

use std::{fs, time::Duration};

use super::{
    harness::{
        client::Request,
        guide::blocks,
        mint::{self, ASSERTION, Key, now, raw_token, token_with},
        *,
    },
    workerd,
};

const JWKS: &str = "/_edgeward/jwks.json";

/// An example behind a gate that asks an auth service, and what it fetches keys through.
struct Stage {
    example: Example,
    gate: Gate,
    service: Faults,
    published: Faults,
}

impl Stage {
    async fn set(language: Language) -> Option<Self> {
        let published = Faults::start().await;
        let example = start(language, &published).await?;
        let service = says(json!({ "active": true })).await;
        let nobody = Origin::absent().await;
        let setup = asking_about(&nobody, &service)
            .set("origin", format!("http://{}", example.addr))
            .set("providers.0.introspection.on_outage", "signature")
            .set("providers.0.introspection.timeout_ms", 300)
            .var("ALLOW_DEGRADED_AUTH", "true")
            .set(
                "forward.claim_to_headers",
                json!({ "X-Auth-Subject": "sub", "X-Auth-Scope": "scope" }),
            )
            .access("/public", "public");
        let gate = Gate::start(setup).await;
        published.pass_to(gate.addr);
        Some(Self { example, gate, service, published })
    }
}

async fn start(language: Language, published: &Faults) -> Option<Example> {
    let url = format!("http://{}{JWKS}", published.addr);
    Example::start(language, &url, mint::ORIGIN_AUDIENCE).await
}

/// The claims of an assertion as the gate makes them, with these members added, replaced or, with `null`,
/// removed.
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": "edgeward",
        "aud": mint::ORIGIN_AUDIENCE,
        "sub": "alice",
        "iat": now(),
        "exp": now() + 60,
        "oiss": mint::ISSUER,
        "scope": "read",
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            _ => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

/// An assertion with these changes to its claims, by the key of the gate.
fn assertion(changes: Value) -> String {
    ASSERTION.token("EdDSA", &claims(changes))
}

/// A good assertion but for this member of its header. The signature is right.
fn with_header(name: &str, value: Value) -> String {
    let mut header = json!({ "alg": "EdDSA" });
    header[name] = value;
    ASSERTION.token_with_header(&header, &claims(json!({})))
}

/// A request with headers that only the gate may send, and these assertions.
fn forged(method: &str, path: &str, assertions: &[String]) -> Request {
    let request = request(method, path)
        .header("X-Auth-Subject", "root")
        .header("X-Auth-Scope", "write")
        .header("Content-Length", "0");
    assertions.iter().fold(request, |request, it| request.header("X-Auth-Assertion", it))
}

#[track_caller]
fn must_say(reply: &Reply, status: u16, body: Value, fact: &str) {
    assert_eq!((reply.status, reply.json()), (status, body), "{fact}: {}", reply.text());
}

/// All that the gate lets through, and what the example makes of it.
async fn the_gate_is_believed(stage: &Stage) {
    let asked = async |request: Request| request.send(&stage.gate).await;
    let post =
        |path, token: &str| request("POST", path).bearer(token).header("Content-Length", "0");
    let me = |scopes, degraded| {
        json!({
            "issuer": mint::ISSUER, "subject": "alice", "scopes": scopes, "degraded": degraded,
        })
    };
    let [reader, writer, author] =
        ["read", "read write", "writer"].map(|scope| token_with(json!({ "scope": scope })));
    let nothing = mint::token();

    let reply = asked(get("/public")).await;
    must_say(&reply, 200, json!({ "hello": "anyone" }), "a public route needs nothing");
    asked(get("/me")).await.must_be(401, "missing_token");

    let reply = asked(get("/me").bearer(&writer)).await;
    must_say(&reply, 200, me(json!(["read", "write"]), false), "subject and scopes are known");
    assert_eq!(reply.header("cache-control"), ["no-store"]);
    let reply = asked(get("/me").bearer(&nothing).header("X-Auth-Subject", "root")).await;
    must_say(&reply, 200, me(json!([]), false), "no scope is none, and the header is gone");

    let reply = asked(post("/notes", &writer)).await;
    must_say(&reply, 200, json!({ "saved_for": "alice" }), "the scope opens its route");
    for token in [&reader, &author, &nothing] {
        let reply = asked(post("/notes", token)).await;
        must_say(&reply, 403, json!({ "error": "insufficient_scope" }), "another scope does not");
    }

    let reply = asked(post("/payments", &reader)).await;
    must_say(&reply, 200, json!({ "paid_by": "alice" }), "a usual request may pay");
    stage.service.set(Mode::Refused).await;
    let reader = token_with(json!({ "scope": "read" }));
    let reply = asked(post("/payments", &reader)).await;
    must_say(&reply, 503, json!({ "error": "degraded" }), "a degraded one may not");
    assert_eq!(reply.header("retry-after"), ["10"]);
    let reply = asked(get("/me").bearer(&reader)).await;
    must_say(&reply, 200, me(json!(["read"]), true), "but it may read");
}

/// What is no good assertion, by the fact that it breaks.
fn bad_assertions() -> Vec<(&'static str, Vec<String>)> {
    let good = assertion(json!({}));
    let header = json!({ "alg": "HS256", "typ": "JWT", "kid": ASSERTION.kid }).to_string();
    let signed_with = |secret: Vec<u8>| {
        let claims = claims(json!({})).to_string();
        raw_token(&header, claims, |input| mint::hs256(&secret, input))
    };
    let unsigned = |alg: &str| {
        let header = json!({ "alg": alg, "kid": ASSERTION.kid }).to_string();
        raw_token(header, claims(json!({})).to_string(), |_| Vec::new())
    };
    let x = ASSERTION.jwk()["x"].as_str().unwrap().to_owned();
    let other = Key::ed25519(ASSERTION.kid);
    let [head, body, signature] = good.split('.').collect::<Vec<_>>()[..] else { unreachable!() };

    let mut cases = vec![
        ("none", vec![]),
        ("two", vec![good.clone(), good.clone()]),
        ("two in one header", vec![format!("{good}, {good}")]),
        ("a good one and an empty one", vec![good.clone(), String::new()]),
    ];
    cases.extend(
        [
            ("an empty one", String::new()),
            ("no token", "x".to_owned()),
            ("the token of an issuer", mint::token()),
            ("without its signature", format!("{head}.{body}.")),
            ("without the last part", format!("{head}.{body}")),
            ("with one part more", format!("{good}.{signature}")),
            ("with the claims of another", {
                let other = assertion(json!({ "sub": "root" }));
                format!("{head}.{}.{signature}", other.split('.').nth(1).unwrap())
            }),
            ("another key of the same name", other.token("EdDSA", &claims(json!({})))),
            ("a key that nobody knows", Key::ed25519("x").token("EdDSA", &claims(json!({})))),
            ("its own key in its header", {
                let header = json!({ "alg": "EdDSA", "jwk": other.jwk() });
                other.token_with_header(&header, &claims(json!({})))
            }),
            ("HS256, the secret is the public key", signed_with(mint::from_base64url(&x))),
            ("HS256, the secret is its text", signed_with(x.into_bytes())),
            ("HS256, the secret is its PEM", signed_with(ASSERTION.pem().into_bytes())),
            ("HS256, the secret is its DER", signed_with(ASSERTION.spki())),
            ("HS256, the secret is its JWK", signed_with(ASSERTION.jwk().to_string().into_bytes())),
            ("HS256, the secret is empty", signed_with(Vec::new())),
            ("alg none", unsigned("none")),
            ("alg None", unsigned("None")),
            ("alg empty", unsigned("")),
            ("alg EdDSA and no signature", unsigned("EdDSA")),
            ("another alg and the right signature", with_header("alg", json!("ES256"))),
            ("no alg and the right signature", with_header("alg", Value::Null)),
            ("a critical extension", with_header("crit", json!(["urn:example:x"]))),
            ("another audience", assertion(json!({ "aud": "https://other.internal" }))),
            ("no audience", assertion(json!({ "aud": null }))),
            ("another issuer", assertion(json!({ "iss": mint::ISSUER }))),
            ("no issuer", assertion(json!({ "iss": null }))),
            ("ended, beyond the leeway", assertion(json!({ "exp": now() - 35 }))),
            ("no end", assertion(json!({ "exp": null }))),
            ("no subject", assertion(json!({ "sub": null }))),
            ("an empty subject", assertion(json!({ "sub": "" }))),
            ("an empty original issuer", assertion(json!({ "oiss": "" }))),
            ("a subject that is no text", assertion(json!({ "sub": 7 }))),
            ("no original issuer", assertion(json!({ "oiss": null }))),
            ("an original issuer that is no text", assertion(json!({ "oiss": ["x"] }))),
            ("scopes that are no text", assertion(json!({ "scope": ["write"] }))),
        ]
        .map(|(fact, assertion)| (fact, vec![assertion])),
    );
    cases
}

/// What comes around the gate, with headers that only the gate may send.
async fn nothing_else_is_believed(stage: &Stage) {
    let example = &stage.example;
    for (fact, assertions) in bad_assertions() {
        let reply = example.ask(&forged("GET", "/me", &assertions)).await;
        must_say(&reply, 401, json!({ "error": "unauthenticated" }), fact);
        assert_eq!(reply.header("cache-control"), ["no-store"], "{fact}");
        assert_eq!(reply.header("www-authenticate"), ["Bearer"], "{fact}");
        let reply = example.ask(&forged("POST", "/notes", &assertions)).await;
        assert_eq!(reply.status, 401, "{fact}");
        let reply = example.ask(&forged("GET", "/public", &assertions)).await;
        assert_eq!(reply.status, 200, "{fact}");
        let log = example.log();
        assert!(assertions.iter().all(|it| it.len() < 20 || !log.contains(it)), "{fact}: {log}");
    }
    let good = assertion(json!({}));
    let as_bearer = forged("GET", "/me", &[]).bearer(&good);
    assert_eq!(example.ask(&as_bearer).await.status, 401, "elsewhere it is none");

    let alice = json!({
        "issuer": mint::ISSUER, "subject": "alice", "scopes": ["read"], "degraded": false,
    });
    let reply = example.ask(&forged("GET", "/me", std::slice::from_ref(&good))).await;
    must_say(&reply, 200, alice.clone(), "the assertion counts and not the headers");
    let reply = example.ask(&forged("POST", "/notes", &[good])).await;
    assert_eq!(reply.status, 403, "so do its scopes");
    let writer = assertion(json!({ "scope": "write" }));
    for path in ["/notes", "/payments"] {
        let reply = example.ask(&forged("GET", path, std::slice::from_ref(&writer))).await;
        assert!([404, 405].contains(&reply.status), "{path} changes something: {}", reply.status);
    }
    let late = assertion(json!({ "exp": now() - 20 }));
    let reply = example.ask(&forged("GET", "/me", &[late])).await;
    must_say(&reply, 200, alice, "it counts until the leeway is over");
}

/// What holds for each example.
async fn believes_the_assertion_and_nothing_else(language: Language) {
    let Some(mut stage) = Stage::set(language).await else { return };
    nothing_else_is_believed(&stage).await;
    the_gate_is_believed(&stage).await;
    assert_eq!(stage.published.count(JWKS), 1, "keys are fetched once");
    stage.example.must_run();
    stage.gate.must_be_calm();
}

#[tokio::test]
async fn axum_believes_the_assertion_and_nothing_else() {
    believes_the_assertion_and_nothing_else(Language::Axum).await;
}

#[tokio::test]
async fn express_believes_the_assertion_and_nothing_else() {
    believes_the_assertion_and_nothing_else(Language::Express).await;
}

#[tokio::test]
async fn fastapi_believes_the_assertion_and_nothing_else() {
    believes_the_assertion_and_nothing_else(Language::FastApi).await;
}

#[tokio::test]
async fn go_believes_the_assertion_and_nothing_else() {
    believes_the_assertion_and_nothing_else(Language::Go).await;
}

async fn takes_the_keys_that_it_can_use(language: Language) {
    let set = json!({ "keys": [
        // Of a kind that nobody knows yet, and of one that a library knows and cannot use.
        { "kty": "AKP", "kid": "other", "alg": "ML-DSA-44", "pub": "AAAA" },
        { "kty": "OKP", "kid": "x", "crv": "X25519", "x": "AAAA" },
        { "kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB" },
        { "kty": "EC", "kid": "half", "crv": "P-256", "x": "AAAA" },
        ASSERTION.jwk(),
    ] })
    .to_string();
    let published = Faults::answering(move |_| Reply::new(200, set.as_str())).await;
    let Some(example) = start(language, &published).await else { return };
    let reply = example.ask(&forged("GET", "/me", &[assertion(json!({}))])).await;
    assert_eq!(reply.status, 200, "{language:?}: {}\n{}", reply.text(), example.log());
    let by_another = Key::ed25519("other").token("EdDSA", &claims(json!({})));
    let reply = example.ask(&forged("GET", "/me", &[by_another])).await;
    assert_eq!(reply.status, 401, "{language:?}");
}

#[tokio::test]
async fn a_key_that_an_example_cannot_use_hides_no_other() {
    let [axum, express, fastapi, go] = Language::ALL.map(takes_the_keys_that_it_can_use);
    tokio::join!(axum, express, fastapi, go);
}

/// Longer than the examples wait after a fetch that failed.
const RETRY: Duration = Duration::from_millis(1_100);

/// So often a fetch may be caused by a key that is not known.
const COOLDOWN: Duration = Duration::from_secs(30);

async fn keys_come_late_and_change(language: Language) {
    let published = Faults::start().await;
    let Some(example) = start(language, &published).await else { return };
    let nobody = Origin::absent().await;
    let setup =
        || Setup::new(&nobody).assertion(60).set("origin", format!("http://{}", example.addr));
    let gate = Gate::start(setup()).await;
    published.pass_to(gate.addr);

    let elsewhere = Mode::Redirect(gate.url(JWKS));
    for mode in [Mode::Refused, Mode::status(500), Mode::Garbage, Mode::HalfBody, elsewhere] {
        published.set(mode.clone()).await;
        tokio::time::sleep(RETRY).await;
        let before = published.count(JWKS);
        let reply = get("/me").bearer(&mint::token()).send(&gate).await;
        must_say(
            &reply,
            503,
            json!({ "error": "keys_unavailable" }),
            &format!("{language:?} {mode:?}"),
        );
        assert_eq!(reply.header("retry-after"), ["5"]);
        let asked = usize::from(!matches!(mode, Mode::Refused));
        assert_eq!(published.count(JWKS) - before, asked, "{language:?} {mode:?}");
        let reply = example.ask(&forged("GET", "/me", &[])).await;
        assert_eq!(reply.status, 401, "no key is needed for what has no assertion");
        assert_eq!(example.ask(&get("/public")).await.status, 200);
    }

    published.set(Mode::Pass).await;
    tokio::time::sleep(RETRY).await;
    get("/me").bearer(&mint::token()).send(&gate).await.must_pass();
    let since = tokio::time::Instant::now();
    let fetches = published.count(JWKS);
    let old = assertion(json!({ "exp": now() + 300 }));

    gate.kill();
    let successor = Key::ed25519("assertion-2");
    let setup = setup().secret("ASSERTION_KEY", &successor.private_jwk().to_string());
    let gate = Gate::start(setup).await;
    published.pass_to(gate.addr);
    for number in 0..20 {
        let reply = get("/me").bearer(&mint::token()).send(&gate).await;
        assert_eq!(reply.status, 401, "{language:?} {number}: its key is not known yet");
    }
    assert_eq!(published.count(JWKS), fetches, "{language:?}: not so soon");
    assert!(since.elapsed() + RETRY < COOLDOWN, "the machine is too slow to tell");
    let reply = example.ask(&forged("GET", "/me", std::slice::from_ref(&old))).await;
    assert_eq!(reply.status, 200, "the old key counts as long as the set does");

    tokio::time::sleep_until(since + COOLDOWN + RETRY).await;
    get("/me").bearer(&mint::token()).send(&gate).await.must_pass();
    assert_eq!(published.count(JWKS), fetches + 1, "{language:?}");
    let reply = example.ask(&forged("GET", "/me", &[old])).await;
    assert_eq!(reply.status, 401, "{language:?}: the old key is gone with the old set");
    assert_eq!(published.count(JWKS), fetches + 1, "{language:?}");
}

/// All at once, since most of it is waiting.
#[tokio::test]
async fn examples_wait_for_keys_and_fetch_a_new_one_once_in_thirty_seconds() {
    let [axum, express, fastapi, go] = Language::ALL.map(keys_come_late_and_change);
    tokio::join!(axum, express, fastapi, go);
}

#[test]
fn what_the_guide_shows_of_an_example_is_in_it() {
    let read = |path: &str| fs::read_to_string(workerd::root().join(path)).unwrap();
    for (language, files) in [
        ("rust", &["axum/src/assertion.rs", "axum/src/main.rs"][..]),
        ("js", &["express/assertion.mjs", "express/origin.mjs"]),
        ("python", &["fastapi/assertion.py", "fastapi/main.py"]),
        ("go", &["go/assertion.go", "go/main.go"]),
    ] {
        let shown = blocks("docs/origins.md", language);
        assert!(shown.len() >= files.len(), "{language}: {shown:?}");
        let files = files.iter().map(|file| read(&format!("examples/origins/{file}")));
        let files: Vec<String> = files.collect();
        for block in shown {
            assert!(files.iter().any(|file| file.contains(&block)), "{language}:\n{block}");
        }
    }
}
