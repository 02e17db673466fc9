//! What isolates leave each other in KV, and what others may put there.

use std::time::Duration;

use super::harness::{
    faults::Mode,
    mint::{self, now, token_with},
    *,
};

/// Tokens that differ in their `jti`.
fn tokens<const N: usize>() -> [String; N] {
    std::array::from_fn(|number| token_with(json!({ "jti": format!("t-{number}") })))
}

fn kv_key(token: &str) -> String {
    use sha2::{Digest as _, Sha256};
    format!("validation:v1:{}", mint::base64url(&Sha256::digest(token)))
}

#[tokio::test]
async fn an_entry_counts_only_as_it_was_sealed() {
    let (origin, kv) = (Origin::start().await, Kv::start().await);
    let active = says(json!({ "active": true, "name": "Alice" })).await;
    let tokens = tokens::<12>();
    let first = Gate::start(asking_about(&origin, &active).kv(&kv)).await;
    for token in &tokens {
        get("/").bearer(token).send(&first).await.must_pass();
    }
    eventually("entries are stored", async || kv.entries().len() == tokens.len()).await;
    // The same, by a gate with another key.
    let others = Kv::start().await;
    let key = json!({ "kty": "oct", "k": mint::base64url(&mint::random(32)) }).to_string();
    let other = asking_about(&origin, &active).secret("ASSERTION_KEY", &key).kv(&others);
    let other = Gate::start(other).await;
    for token in &tokens {
        get("/").bearer(token).send(&other).await.must_pass();
    }
    eventually("entries are stored", async || others.entries().len() == tokens.len()).await;

    let good = |at: usize| kv.get(&kv_key(&tokens[at])).unwrap().value;
    let changed = |at: usize, from: &str, to: &str| {
        String::from_utf8(good(at)).unwrap().replacen(from, to, 1).into_bytes()
    };
    let poisons: [(&str, Vec<u8>); 11] = [
        ("mac", [b"1.".as_slice(), &[b'A'; 43], b".{}"].concat()),
        ("mac", good(2)),
        ("mac", [good(2), b" ".to_vec()].concat()),
        ("mac", good(3)[..good(3).len() - 1].to_vec()),
        ("version", changed(4, "1.", "0.")),
        ("version", changed(5, "1.", "2.")),
        ("mac", others.get(&kv_key(&tokens[6])).unwrap().value),
        ("mac", changed(7, "Alice", "Mallo")),
        ("malformed", b"\xff\x00".to_vec()),
        ("malformed", Vec::new()),
        ("too_large", vec![b'1'; 1 << 20]),
    ];
    let poisoned = &tokens[..poisons.len()];
    for (token, (_, value)) in poisoned.iter().zip(&poisons) {
        kv.put(&kv_key(token), value.clone());
    }

    let before = origin.count();
    let inactive = says(json!({ "active": false })).await;
    let second = Gate::start(asking_about(&origin, &inactive).kv(&kv)).await;
    for (at, token) in poisoned.iter().enumerate() {
        let reply = get("/").bearer(token).send(&second).await;
        assert_eq!(reply.verdict(), (401, "revoked_token".to_owned()), "{at}: {}", poisons[at].0);
    }
    assert_eq!(origin.count(), before);
    assert_eq!(inactive.count(INTROSPECT), poisoned.len(), "each is a miss");
    let mut expected = serde_json::Map::new();
    for (reason, _) in &poisons {
        let count = expected.get(*reason).and_then(Value::as_u64).unwrap_or(0);
        expected.insert((*reason).to_owned(), (count + 1).into());
    }
    let report = second.report().await;
    assert_eq!(report["kv"]["rejected"], Value::Object(expected), "each is counted");
    assert_eq!((&report["kv"]["hits"], &report["kv"]["misses"]), (&json!(0), &json!(0)));
    // The one that nobody touched counts.
    get("/").bearer(&tokens[poisons.len()]).send(&second).await.must_pass();
    assert_eq!(origin.last().header("x-name"), ["Alice"]);
    assert_eq!(inactive.count(INTROSPECT), poisoned.len());
    assert_eq!(second.report().await["kv"]["hits"], 1);
    second.must_be_calm();
}

#[tokio::test]
async fn a_namespace_that_fails_costs_time_and_nothing_else() {
    let origin = Origin::start().await;
    let service = says(json!({ "active": true })).await;
    for mode in [
        Mode::Refused,
        Mode::Reset,
        Mode::Hang,
        Mode::Slow(Duration::from_secs(5)),
        Mode::status(500),
        Mode::status(429),
        Mode::Garbage,
        Mode::HalfBody,
    ] {
        let kv = Kv::start().await;
        kv.faults.set(mode.clone()).await;
        let gate = Gate::start(asking_about(&origin, &service).kv(&kv)).await;
        for token in tokens::<3>() {
            for _new_then_known in 0..2 {
                let reply = get("/").bearer(&token).send(&gate).await;
                assert_eq!(reply.status, 200, "{mode:?}: {}", reply.text());
            }
        }
        let report = gate.report().await;
        assert_eq!(report["requests"]["denied"], json!({}), "{mode:?}");
        assert_eq!(report["kv"]["hits"], 0, "{mode:?}");
        gate.must_be_calm();
    }
}

#[tokio::test]
async fn without_a_namespace_each_isolate_asks_by_itself_and_the_operator_is_told() {
    let origin = Origin::start().await;
    let service = says(json!({ "active": true })).await;
    let gate = Gate::start(asking_about(&origin, &service)).await;
    get("/").bearer(&mint::token()).send(&gate).await.must_pass();
    let report = gate.report().await;
    assert_eq!(report["kv"]["used"], false);
    let warning = report["warnings"][0].as_str().unwrap();
    assert!(warning.contains("found no KV namespace"), "{warning}");
}

#[tokio::test]
async fn off_is_off_and_always_is_always() {
    let (origin, kv) = (Origin::start().await, Kv::start().await);
    let service = says(json!({ "active": true })).await;
    let off = asking_about(&origin, &service).kv(&kv).set("validation_cache", "off");
    let gate = Gate::start(off).await;
    get("/").bearer(&mint::token()).send(&gate).await.must_pass();
    assert_eq!((kv.gets(), kv.puts()), (0, 0));

    // Without an auth service, KV only stands in front of signature checks if it is told to.
    let local = || Setup::new(&origin).assertion(60).kv(&kv);
    let gate = Gate::start(local()).await;
    get("/").bearer(&mint::token()).send(&gate).await.must_pass();
    assert_eq!((kv.gets(), kv.puts()), (0, 0));

    let token = token_with(json!({ "jti": "always" }));
    for isolate in 0..3 {
        let gate = Gate::start(local().set("validation_cache", "always")).await;
        for _new_then_known in 0..2 {
            get("/").bearer(&token).send(&gate).await.must_pass();
        }
        eventually("entries are stored", async || kv.entries().contains_key(&kv_key(&token))).await;
        assert_eq!(gate.report().await["kv"]["hits"], i32::from(isolate > 0));
        let forged = format!("{token}A");
        get("/").bearer(&forged).send(&gate).await.must_be(401, "invalid_token");
    }
    assert_eq!(kv.puts(), 1, "what was found there is not written again");
    // What a key has verified that is none any more is not verified.
    let keys = mint::jwks(&[&mint::HMAC]);
    let gate = local().set("validation_cache", "always").secret("JWT_KEYS", &keys);
    let gate = Gate::start(gate).await;
    get("/").bearer(&token).send(&gate).await.must_be(401, "invalid_token");
}

#[tokio::test]
async fn entries_end_before_their_tokens_and_short_ones_are_not_written() {
    let (origin, kv) = (Origin::start().await, Kv::start().await);
    let service = says(json!({ "active": true })).await;
    let gate = Gate::start(asking_about(&origin, &service).kv(&kv)).await;
    let short = token_with(json!({ "exp": now() + 50 }));
    get("/").bearer(&short).send(&gate).await.must_pass();
    let long = token_with(json!({ "exp": now() + 100 }));
    get("/").bearer(&long).send(&gate).await.must_pass();
    eventually("entries are stored", async || !kv.entries().is_empty()).await;
    let entries = kv.entries();
    assert_eq!(entries.keys().collect::<Vec<_>>(), [&kv_key(&long)]);
    let expiration = entries[&kv_key(&long)].expiration.unwrap();
    assert!(expiration <= now() + 100, "{expiration}");
}

#[tokio::test]
async fn tokens_can_be_validated_into_kv_ahead_of_an_outage() {
    let (origin, kv) = (Origin::start().await, Kv::start().await);
    let service = says(json!({ "active": true })).await;
    let setup = || {
        asking_about(&origin, &service)
            .kv(&kv)
            .set("providers.0.introspection.on_outage", "stale")
            .var("ALLOW_DEGRADED_AUTH", "true")
    };
    let gate = Gate::start(setup()).await;
    let prewarm = |body: Value| {
        request("POST", "/_edgeward/prewarm").bearer(gate::ADMIN_TOKEN).body(&body.to_string())
    };
    let tokens = tokens::<8>();
    let expired = token_with(json!({ "exp": now() - 100 }));
    let mut list = tokens.to_vec();
    list.push(expired);
    let reply = prewarm(json!({ "tokens": list })).send(&gate).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(!reply.text().contains(&tokens[0]));
    let answer = reply.json();
    assert_eq!(answer["stored"], 8, "{answer}");
    let hash = mint::base64url(&{
        use sha2::{Digest as _, Sha256};
        Sha256::digest(&tokens[0])
    });
    assert_eq!(answer["results"][0]["hash"], hash);
    assert_eq!(answer["results"][0]["outcome"], "stored");
    assert_eq!(answer["results"][8]["outcome"], "refused");
    assert_eq!(answer["results"][8]["reason"], "expired");
    assert_eq!(kv.entries().len(), 8);

    // Too soon.
    let reply = prewarm(json!({ "tokens": [tokens[0]] })).send(&gate).await;
    assert_eq!(reply.verdict(), (429, "too_many_requests".to_owned()));
    assert_eq!(reply.header("retry-after"), ["1"]);

    // Elsewhere the entries are there, and during an outage, too.
    service.set(Mode::Refused).await;
    let second = Gate::start(setup()).await;
    let hashes = json!({ "hashes": [hash, "A".repeat(43)] });
    let reply = request("POST", "/_edgeward/prewarm")
        .bearer(gate::ADMIN_TOKEN)
        .body(&hashes.to_string())
        .send(&second)
        .await
        .json();
    let outcomes = [&reply["results"][0]["outcome"], &reply["results"][1]["outcome"]];
    assert_eq!(outcomes, ["stored", "absent"]);
    let asked = service.count(INTROSPECT);
    for token in &tokens {
        get("/").bearer(token).send(&second).await.must_pass();
    }
    assert_eq!(service.count(INTROSPECT), asked);
}

#[tokio::test]
async fn a_list_that_cannot_be_taken_is_told_why_and_only_the_admin_is_asked() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin)).await;
    let post =
        |body: &str| request("POST", "/_edgeward/prewarm").bearer(gate::ADMIN_TOKEN).body(body);
    for (body, detail) in [
        ("", "expected"),
        ("[]", "expected"),
        ("{}", "expected"),
        (r#"{"tokens":"a"}"#, "expected"),
        (r#"{"tokens":[1]}"#, "tokens[0]: expected"),
        (r#"{"hashes":["a"]}"#, "hashes[0]: expected"),
        (r#"{"tokens":[],"more":[]}"#, "expected"),
        (r#"{"tokens":["a"],"tokens":["b"]}"#, "expected"),
        (
            &json!({ "tokens": vec!["a"; 101] }).to_string(),
            "found 101 entries; expected at most 100",
        ),
    ] {
        let reply = post(body).send(&gate).await;
        assert_eq!(reply.verdict(), (400, "invalid_request".to_owned()), "{body}");
        let told = reply.json()["detail"].as_str().unwrap().to_owned();
        assert!(told.contains(detail), "{body}: {told}");
    }
    let reply = post(&" ".repeat(2 << 20)).send(&gate).await;
    assert_eq!(reply.verdict(), (413, "invalid_request".to_owned()));
    let reply = get("/_edgeward/prewarm").bearer(gate::ADMIN_TOKEN).send(&gate).await;
    assert_eq!((reply.status, reply.header("allow")), (405, vec!["POST"]));
    let list = json!({ "tokens": [mint::token()] }).to_string();
    let nobody = request("POST", "/_edgeward/prewarm").body(&list).send(&gate).await;
    nobody.must_be(401, "unauthorized");
    let wrong = request("POST", "/_edgeward/prewarm").bearer("wrong").body(&list).send(&gate).await;
    wrong.must_be(401, "unauthorized");
    let closed = Gate::start(Setup::new(&origin).without_secret("ADMIN_TOKEN")).await;
    let reply = request("POST", "/_edgeward/prewarm").body(&list).send(&closed).await;
    reply.must_be(404, "not_found");
    origin.must_be_untouched();
    // Without anything to keep it in, a good token is just good.
    let reply = post(&list).send(&gate).await.json();
    assert_eq!(reply["results"][0]["outcome"], "not_stored", "{reply}");
}
