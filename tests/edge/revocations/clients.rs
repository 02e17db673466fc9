//! Clients revoke tokens of their own (RFC 7009).

use super::{
    super::harness::{
        issuer::{EDGE, INTROSPECTION, Issuer, Resource, basic, post},
        mint::{P256, base64url, claims_with},
    },
    *,
};

/// Its password says something else in a form than in a header.
const APP: (&str, &str) = ("app", "secret of the app: 50% + 1");
const OTHER: (&str, &str) = ("https://other.example/client", "secret-of-the-other-client");

fn with_clients(setup: Setup) -> Setup {
    setup.secret("APP_SECRET", APP.1).secret("OTHER_SECRET", OTHER.1).set(
        "revocation.clients",
        json!([
            { "client_id": APP.0, "client_secret": "APP_SECRET" },
            { "client_id": OTHER.0, "client_secret": "OTHER_SECRET" },
        ]),
    )
}

fn form(fields: &[(&str, &str)]) -> client::Request {
    post("/_edgeward/revoke", fields)
}

fn by(client: (&str, &str), token: &str) -> client::Request {
    form(&[("token", token), ("token_type_hint", "access_token")])
        .header("Authorization", &basic(client))
}

fn of(client: &str) -> String {
    token_with(json!({ "client_id": client }))
}

/// Fails unless this is the answer to everything that is done, or as good as done.
#[track_caller]
fn must_be_done(reply: &Reply) {
    assert_eq!((reply.status, reply.json()), (200, json!({})), "{}", reply.text());
    assert_eq!(reply.header("cache-control"), ["no-store"]);
}

#[track_caller]
fn must_be_error(reply: &Reply, status: u16, error: &str) {
    assert_eq!(
        (reply.status, reply.json()),
        (status, json!({ "error": error })),
        "{}",
        reply.text()
    );
    assert_eq!(reply.header("cache-control"), ["no-store"]);
}

#[tokio::test]
async fn a_client_revokes_its_own_tokens_and_no_others() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gates = Gate::start_all(with_clients(setup(&origin, &relays)).isolates(2)).await;
    let unencoded =
        |(name, secret): (&str, &str)| format!("Basic {}", base64url_standard(name, secret));
    for (token, authorization) in [
        (of("app"), basic(APP)),
        // As many clients do it: without the encoding of RFC 6749 section 2.3.1.
        (of("app"), unencoded(APP)),
        (of("app"), basic(APP).replacen("Basic", "bASIC", 1)),
        (token_with(json!({ "azp": "app" })), basic(APP)),
        (token_with(json!({ "client_id": "app", "azp": "another" })), basic(APP)),
        (of(OTHER.0), basic(OTHER)),
        (of(OTHER.0), unencoded(("https%3A%2f%2fother.example/client", OTHER.1))),
    ] {
        let twin = of("app");
        for token in [&token, &twin] {
            get("/").bearer(token).send(&gates[1]).await.must_pass();
        }
        let asked = form(&[("token", &token)]).header("Authorization", &authorization);
        for _ in 0..2 {
            must_be_done(&asked.send(&gates[0]).await);
        }
        refused_by_all(&gates, &token).await;
        assert!(!refused(&gates[1], &twin).await, "the same client has others");
    }
    let all = listed(&gates[0]).await;
    assert_eq!(all.len(), 7);
    assert_eq!(all[0]["by"], "client:app");
    assert_eq!(all[6]["by"], "client:https://other.example/client");
    // Of a token there is nothing but its fingerprint.
    assert_eq!(all[0]["token"], Value::Null);
    // It holds as long as the token could have.
    let end = all[0]["expires_at"].as_i64().unwrap();
    assert!((now() + 290..=now() + 330).contains(&end), "{end}");

    let foreign = [
        of(OTHER.0),
        of("APP"),
        mint::token(),
        token_with(json!({ "client_id": OTHER.0, "azp": "app" })),
        token_with(json!({ "client_id": ["app"] })),
        token_with(json!({ "client_id": null, "aud": ["api", "app"], "sub": "app" })),
    ];
    for token in foreign {
        let reply = by(APP, &token).send(&gates[0]).await;
        must_be_error(&reply, 400, "unauthorized_client");
        assert!(!refused(&gates[0], &token).await);
    }
    assert_eq!(listed(&gates[0]).await.len(), 7);
}

fn base64url_standard(name: &str, secret: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("{name}:{secret}"))
}

#[tokio::test]
async fn who_is_no_client_revokes_nothing() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(with_clients(setup(&origin, &relays))).await;
    let token = of("app");
    let impostors = [
        None,
        Some(basic((APP.0, "wrong"))),
        Some(basic((APP.0, OTHER.1))),
        Some(basic((APP.0, ""))),
        Some(basic(("nobody", APP.1))),
        Some(basic(("", APP.1))),
        Some("Basic".to_owned()),
        Some("Basic !!!".to_owned()),
        Some(format!("Basic {}", base64url(b"app"))),
        Some(format!("Bearer {}", APP.1)),
        Some(format!("Bearer {token}")),
    ];
    for impostor in impostors {
        // What comes in the form (RFC 6749 section 2.3.1) is no credential here.
        let asked = form(&[("token", &token), ("client_id", APP.0), ("client_secret", APP.1)]);
        let asked = match &impostor {
            Some(value) => asked.header("Authorization", value),
            None => asked,
        };
        let reply = asked.send(&gate).await;
        must_be_error(&reply, 401, "invalid_client");
        assert_eq!(
            reply.header("www-authenticate"),
            ["Basic realm=\"/_edgeward\""],
            "{impostor:?}"
        );
    }
    // Two credentials are none.
    let twice = by(APP, &token).header("Authorization", &basic(APP)).send(&gate).await;
    assert!(matches!(twice.status, 400 | 401), "{}", twice.text());
    assert!(!refused(&gate, &token).await);
    assert_eq!(listed(&gate).await, [] as [Value; 0]);
}

#[tokio::test]
async fn what_is_no_good_token_is_done_and_fills_no_log() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(with_clients(setup(&origin, &relays))).await;
    let good = of("app");
    let (input, _) = good.rsplit_once('.').unwrap();
    let claims = |changes: Value| claims_with(json!({ "client_id": "app" })).tap(changes);
    let stranger = mint::Key::ec("p256", "P-256");
    for (what, token) in [
        ("another signature", format!("{input}.{}", base64url(&mint::random(64)))),
        ("no signature", format!("{input}.")),
        ("another key", stranger.token("ES256", &claims(json!({})))),
        ("alg none", P256.token_with_header(&json!({ "alg": "none" }), &claims(json!({})))),
        ("unknown issuer", P256.token("ES256", &claims(json!({ "iss": "https://x.example" })))),
        ("expired", P256.token("ES256", &claims(json!({ "exp": now() - 100 })))),
        ("expired, of somebody else", token_with(json!({ "exp": now() - 100 }))),
        ("no JWT, but like one", "eyJhbGciOiJFUzI1NiJ9.e30.c".to_owned()),
        ("too long", format!("eyJhbGciOiJFUzI1NiJ9.{}.c", "a".repeat(9_000))),
    ] {
        let reply = by(APP, &token).send(&gate).await;
        // Who may not have it revoked may as well hear that.
        if what == "expired, of somebody else" && reply.status == 400 {
            must_be_error(&reply, 400, "unauthorized_client");
            continue;
        }
        assert_eq!(reply.status, 200, "{what}: {}", reply.text());
        must_be_done(&reply);
    }
    must_be_error(&by(APP, "opaque").send(&gate).await, 400, "unsupported_token_type");
    let by_admin = async |token| form(&[("token", token)]).bearer(ADMIN_TOKEN).send(&gate).await;
    must_be_done(&by_admin("eyJhbGciOiJFUzI1NiJ9.e30.c").await);
    must_be_error(&by_admin("opaque").await, 400, "unsupported_token_type");
    assert_eq!(listed(&gate).await, [] as [Value; 0]);
    get("/").bearer(&good).send(&gate).await.must_pass();
}

/// A value with some members changed.
trait Tap {
    fn tap(self, changes: Value) -> Self;
}

impl Tap for Value {
    fn tap(mut self, changes: Value) -> Self {
        for (name, value) in changes.as_object().unwrap() {
            self[name] = value.clone();
        }
        self
    }
}

#[tokio::test]
async fn a_form_says_one_token_and_is_posted() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(with_clients(setup(&origin, &relays))).await;
    let token = of("app");
    let asked = |body: &str| {
        request("POST", "/_edgeward/revoke")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Authorization", &basic(APP))
            .body(body)
    };
    for body in [
        String::new(),
        "token_type_hint=access_token".to_owned(),
        format!("Token={token}"),
        format!("token={token}&token={token}"),
        format!("token={token}&tok%65n=other"),
        json!({ "token": token }).to_string(),
    ] {
        must_be_error(&asked(&body).send(&gate).await, 400, "invalid_request");
    }
    let long = format!("token={}", "a".repeat(200_000));
    must_be_error(&asked(&long).send(&gate).await, 413, "invalid_request");
    assert!(!refused(&gate, &token).await);
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let target = format!("/_edgeward/revoke?token={token}");
        let reply = request(method, &target).header("Authorization", &basic(APP)).send(&gate).await;
        assert_eq!((reply.status, reply.header("allow")), (405, vec!["POST"]), "{method}");
    }
    let hits = origin.count();
    // In another spelling of the same form.
    let encoded = token.replace('.', "%2E");
    must_be_done(&asked(&format!("tok%65n={encoded}&token_type_hint=nonsense")).send(&gate).await);
    assert_eq!(origin.count(), hits);
    assert!(refused(&gate, &token).await);
}

#[tokio::test]
async fn the_admin_revokes_tokens_of_everybody_in_this_way_too() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let service = says(json!({ "active": true, "aud": mint::AUDIENCE, "sub": "alice" })).await;
    let asking = asking_about(&origin, &service)
        .relays(&relays)
        .set("providers.0.introspection.opaque_tokens", "accept");
    let gate = Gate::start(asking).await;
    for token in ["opaque", "opaque with + and %", &of("somebody")] {
        if !token.contains(' ') {
            get("/").bearer(token).send(&gate).await.must_pass();
        }
        must_be_done(&form(&[("token", token)]).bearer(ADMIN_TOKEN).send(&gate).await);
        if !token.contains(' ') {
            assert!(refused(&gate, token).await, "{token}");
        }
    }
    get("/").bearer("another").send(&gate).await.must_pass();
    let all = listed(&gate).await;
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|one| one["by"] == "admin"));
    // There are no clients, so nobody else can.
    let reply = by(APP, "opaque-2").send(&gate).await;
    must_be_error(&reply, 401, "invalid_client");
}

#[tokio::test]
async fn without_admin_token_and_clients_there_is_no_such_endpoint() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let closed = setup(&origin, &relays).without_secret("ADMIN_TOKEN");
    let gate = Gate::start(closed).await;
    by(APP, "a.b.c").send(&gate).await.must_be(404, "not_found");
    let open = with_clients(setup(&origin, &relays)).without_secret("ADMIN_TOKEN");
    let gate = Gate::start(open).await;
    let token = of("app");
    must_be_done(&by(APP, &token).send(&gate).await);
    assert!(refused(&gate, &token).await);
    let unbound = with_clients(Setup::new(&origin)).unset("revocation");
    let gate = Gate::start(unbound).await;
    by(APP, &token).send(&gate).await.must_be(404, "not_found");
}

/// A gate that takes the tokens of a real provider.
fn of_provider(origin: &Origin, relays: &Relays, issuer: &Issuer) -> Setup {
    setup(origin, relays)
        .set("providers.0.issuer", issuer.url())
        .set("providers.0.discovery", true)
        .unset("providers.0.keys")
        .secret("APP_SECRET", issuer::APP.1)
        .set(
            "revocation.clients",
            json!([{ "client_id": issuer::APP.0, "client_secret": "APP_SECRET" }]),
        )
        .set("providers.0.algorithms", json!(["ES256"]))
}

#[tokio::test]
async fn a_token_of_a_real_provider_is_revoked_by_the_client_that_got_it() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let issuer = Issuer::start().await;
    let gates = Gate::start_all(of_provider(&origin, &relays, &issuer).isolates(2)).await;
    let [token, other] =
        [issuer.token(Resource::Jwt, "read").await, issuer.token(Resource::Jwt, "read").await];
    for gate in &gates {
        for token in [&token, &other] {
            get("/").bearer(token).send(gate).await.must_pass();
        }
    }
    must_be_done(&by(issuer::APP, &token).send(&gates[0]).await);
    refused_by_all(&gates, &token).await;
    get("/").bearer(&other).send(&gates[1]).await.must_pass();
}

#[tokio::test]
async fn an_isolate_that_has_no_keys_yet_does_not_say_done_to_a_good_token() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let issuer = Issuer::start().await;
    let gates = Gate::start_all(of_provider(&origin, &relays, &issuer).isolates(2)).await;
    let token = issuer.token(Resource::Jwt, "read").await;
    get("/").bearer(&token).send(&gates[1]).await.must_pass();
    // The first request that this isolate meets.
    let reply = by(issuer::APP, &token).send(&gates[0]).await;
    if reply.status == 200 {
        refused_by_all(&gates, &token).await;
    } else {
        must_be_error(&reply, 503, "temporarily_unavailable");
    }
}

#[tokio::test]
async fn a_token_whose_key_is_newer_than_the_set_is_not_taken_for_a_forged_one() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let issuer = Issuer::start().await;
    let gate = async |cooldown_seconds: u64| {
        let setup = of_provider(&origin, &relays, &issuer)
            .set("providers.0.jwks.cooldown_seconds", cooldown_seconds);
        let gate = Gate::start(setup).await;
        let before = issuer.token(Resource::Jwt, "read").await;
        get("/").bearer(&before).send(&gate).await.must_pass();
        issuer.rotate(true).await;
        (gate, issuer.token(Resource::Jwt, "read").await)
    };
    // The set may not be fetched again for a while, so nobody can tell.
    let (first, token) = gate(30).await;
    let reply = by(issuer::APP, &token).send(&first).await;
    must_be_error(&reply, 503, "temporarily_unavailable");
    assert_eq!(reply.header("retry-after"), ["2"]);
    first.kill();
    // As soon as it may be, it is, and the token is out.
    let (second, token) = gate(1).await;
    eventually("the set may be fetched", async || {
        let reply = by(issuer::APP, &token).send(&second).await;
        if reply.status != 200 {
            must_be_error(&reply, 503, "temporarily_unavailable");
        }
        reply.status == 200
    })
    .await;
    assert!(refused(&second, &token).await);
    // With the newest keys, a forged token is one.
    let stranger = mint::Key::ec("stranger", "P-256");
    let claims = claims_with(json!({ "iss": issuer.url(), "client_id": issuer::APP.0 }));
    let forged = stranger.token("ES256", &claims);
    eventually("the set may be fetched", async || {
        let reply = by(issuer::APP, &forged).send(&second).await;
        if reply.status != 200 {
            must_be_error(&reply, 503, "temporarily_unavailable");
        }
        reply.status == 200
    })
    .await;
    assert_eq!(listed(&second).await.len(), 1);
}

#[tokio::test]
async fn a_token_that_was_revoked_at_its_provider_is_out_and_one_that_was_revoked_here_too() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let issuer = Issuer::start().await;
    let setup =
        of_provider(&origin, &relays, &issuer).assertion(60).secret("CLIENT_SECRET", EDGE.1).set(
            "providers.0.introspection",
            json!({
                "url": issuer.url() + INTROSPECTION,
                "client_id": EDGE.0,
                "client_secret": "CLIENT_SECRET",
                "opaque_tokens": "accept",
                "cache_seconds": 1,
            }),
        );
    let gate = Gate::start(setup).await;
    let [there, here, by_subject] = [
        issuer.token(Resource::Opaque, "read").await,
        issuer.token(Resource::Opaque, "read").await,
        issuer.token(Resource::Opaque, "read").await,
    ];
    for token in [&there, &here, &by_subject] {
        get("/").bearer(token).send(&gate).await.must_pass();
    }
    issuer.revoke(&there).await;
    eventually("its provider says so", async || {
        get("/").bearer(&there).send(&gate).await.verdict() == (401, "invalid_token".to_owned())
    })
    .await;
    // Whose it is, nobody here can see, so only the admin may.
    let reply = by(issuer::APP, &here).send(&gate).await;
    must_be_error(&reply, 400, "unsupported_token_type");
    must_be_done(&form(&[("token", &here)]).bearer(ADMIN_TOKEN).send(&gate).await);
    assert!(refused(&gate, &here).await);
    get("/").bearer(&by_subject).send(&gate).await.must_pass();
    revoked(&gate, json!({ "client_id": "app" })).await;
    assert!(refused(&gate, &by_subject).await);
    get("/").bearer(&there).send(&gate).await.must_be(401, "invalid_token");
}
