//! What a revocation names, and what it does not.

use super::{
    super::{
        harness::mint::{P256, RSA, base64url, claims_with, from_base64url},
        verification::{P256_ORDER, hex, subtract},
    },
    *,
};

const SECOND: &str = "https://second.example";

/// Two issuers with the same keys, and so with the same names for them.
fn two_issuers(origin: &Origin, relays: &Relays) -> Setup {
    setup(origin, relays).set(
        "providers.1",
        json!({
            "name": "second",
            "issuer": SECOND,
            "audiences": [mint::AUDIENCE],
            "algorithms": ["ES256"],
            "keys": ["JWT_KEYS"],
        }),
    )
}

/// Of the default issuer, with all that names a token.
fn full(changes: Value) -> String {
    let mut claims = claims_with(json!({
        "jti": "t", "sub": "s", "sid": "i", "client_id": "c", "azp": "z",
    }));
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            _ => claims[name] = value.clone(),
        }
    }
    P256.token("ES256", &claims)
}

#[tokio::test]
async fn a_revocation_is_about_exactly_what_it_names_within_its_issuer() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(two_issuers(&origin, &relays)).await;
    let [known, twin] = [full(json!({ "n": 1 })), full(json!({ "n": 2 }))];
    let of_rsa = RSA.token("RS256", &claims_with(json!({ "sub": "s", "jti": "t" })));
    let of_second = |changes: Value| {
        let mut changes = changes;
        changes["iss"] = json!(SECOND);
        full(changes)
    };
    let second = of_second(json!({}));
    let text = "x";
    let table: Vec<(Value, Vec<String>, Vec<String>)> = vec![
        (
            json!({ "jti": text }),
            vec![full(json!({ "jti": text })), full(json!({ "jti": text, "sub": "other" }))],
            vec![
                full(json!({ "jti": "X" })),
                full(json!({ "jti": "x " })),
                full(json!({ "jti": null })),
                full(json!({ "sub": text, "sid": text, "client_id": text, "azp": text })),
                of_second(json!({ "jti": text })),
            ],
        ),
        (
            json!({ "sub": text }),
            vec![full(json!({ "sub": text })), full(json!({ "sub": text, "jti": null }))],
            vec![
                full(json!({ "jti": text, "sid": text, "client_id": text, "azp": text })),
                of_second(json!({ "sub": text })),
            ],
        ),
        (
            json!({ "sid": text }),
            vec![full(json!({ "sid": text }))],
            vec![
                full(json!({ "sid": null })),
                full(json!({ "sid": [text] })),
                full(json!({ "jti": text, "sub": text, "client_id": text, "azp": text })),
                of_second(json!({ "sid": text })),
            ],
        ),
        (
            json!({ "client_id": text }),
            vec![
                full(json!({ "client_id": text })),
                full(json!({ "client_id": null, "azp": text })),
            ],
            vec![
                full(json!({ "azp": text })),
                full(json!({ "client_id": null, "azp": null, "aud": ["api", text] })),
                full(json!({ "jti": text, "sub": text, "sid": text })),
                of_second(json!({ "client_id": text })),
            ],
        ),
        (
            json!({ "kid": "p256" }),
            vec![known.clone(), twin.clone()],
            vec![of_rsa.clone(), second.clone()],
        ),
        (
            json!({ "token": known }),
            vec![known.clone()],
            vec![twin.clone(), of_rsa.clone(), second.clone()],
        ),
        (json!({ "token": second }), vec![second.clone()], vec![known.clone(), twin.clone()]),
    ];
    for (order, out, others) in table {
        // Some are known already, and some not.
        for token in [&out[0], &others[0]] {
            get("/").bearer(token).send(&gate).await.must_pass();
        }
        let mut order = order;
        if order["token"].is_null() {
            revoke(&gate, order.clone()).await.must_be(400, "invalid_request");
            order["issuer"] = json!(mint::ISSUER);
        }
        let id = revoked(&gate, order.clone()).await["id"].clone();
        for _ in 0..2 {
            for token in &out {
                assert!(refused(&gate, token).await, "{order}: {token}");
            }
            for token in &others {
                assert!(!refused(&gate, token).await, "{order}: {token}");
            }
        }
        assert_eq!(undo(&gate, &id).await.status, 200);
        for token in out.iter().chain(&others) {
            assert!(!refused(&gate, token).await, "{order} is undone: {token}");
        }
    }
    // The same about the other issuer.
    revoked(&gate, json!({ "kid": "p256", "issuer": SECOND })).await;
    assert!(refused(&gate, &second).await);
    assert!(!refused(&gate, &known).await);
}

#[tokio::test]
async fn issued_before_is_about_older_tokens_and_those_that_do_not_say() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    let then = now() - 60;
    let token = |iat: Value| full(json!({ "iat": iat, "azp": null }));
    let table = [
        ("older", token(json!(then - 1)), true),
        ("much older", token(json!(1)), true),
        ("at the time", token(json!(then)), false),
        ("newer", token(json!(then + 1)), false),
        ("does not say", token(Value::Null), true),
    ];
    for order in [
        json!({ "sub": "s" }),
        json!({ "sid": "i" }),
        json!({ "client_id": "c" }),
        json!({ "kid": "p256" }),
        json!({ "jti": "t" }),
    ] {
        let mut order = order;
        order["issued_before"] = json!(then);
        let id = revoked(&gate, order.clone()).await["id"].clone();
        for _ in 0..2 {
            for (what, token, is_out) in &table {
                assert_eq!(refused(&gate, token).await, *is_out, "{order}: {what}");
            }
        }
        // Later takes more of them, and earlier takes nothing back.
        order["issued_before"] = json!(then + 1);
        let until = revoked(&gate, order.clone()).await["expires_at"].as_i64().unwrap();
        // The end is counted anew, and a second later it is another one.
        let made_at = now();
        eventually("a second", async || now() > made_at).await;
        order["issued_before"] = json!(then - 30);
        let reply = revoke(&gate, order.clone()).await;
        assert_eq!((reply.status, &reply.json()["id"]), (200, &id), "{}", reply.text());
        // One entry cannot say that some hold for longer than others.
        for (issued_before, expires_at) in [(then - 30, until + 500), (then + 30, until - 500)] {
            order["issued_before"] = json!(issued_before);
            order["expires_at"] = json!(expires_at);
            revoke(&gate, order.clone()).await.must_be(409, "conflict");
        }
        for (what, token, is_out) in &table {
            let is_out = *is_out || *what == "at the time";
            assert_eq!(refused(&gate, token).await, is_out, "{order}: {what}");
        }
        assert_eq!(undo(&gate, &id).await.status, 200);
        for (what, token, _) in &table {
            assert!(!refused(&gate, token).await, "{order} is undone: {what}");
        }
    }
}

#[tokio::test]
async fn a_token_does_not_come_back_with_another_signature() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    // Anyone can compute the second signature from the first.
    let twin = |token: &str| {
        let (input, signature) = token.rsplit_once('.').unwrap();
        let signature = from_base64url(signature);
        let (r, s) = signature.split_at(32);
        format!("{input}.{}", base64url(&[r, &subtract(&hex(P256_ORDER), s)].concat()))
    };
    for revoke_twin in [false, true] {
        let token = mint::token();
        let twin = twin(&token);
        for token in [&token, &twin] {
            get("/").bearer(token).send(&gate).await.must_pass();
        }
        let named = if revoke_twin { &twin } else { &token };
        let made = revoked(&gate, json!({ "token": named })).await;
        for token in [&token, &twin] {
            assert!(refused(&gate, token).await);
        }
        let other = if revoke_twin { &token } else { &twin };
        let again = revoke(&gate, json!({ "token": other })).await;
        assert_eq!((again.status, &again.json()["id"]), (200, &made["id"]));
    }
    // And signed once more by its issuer it says the same.
    let claims = claims_with(json!({}));
    let [one, another] = [P256.token("ES256", &claims), P256.token("ES256", &claims)];
    assert_ne!(one, another);
    revoked(&gate, json!({ "token": one })).await;
    assert!(refused(&gate, &another).await);
}

#[tokio::test]
async fn a_revoked_key_is_out_also_for_tokens_that_do_not_name_it() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    let nameless = P256.token_with_header(&json!({ "alg": "ES256", "kid": null }), &mint::claims());
    get("/").bearer(&nameless).send(&gate).await.must_pass();
    revoked(&gate, json!({ "kid": "p256" })).await;
    assert!(refused(&gate, &mint::token()).await);
    // Whoever has the key decides what the header says.
    assert!(refused(&gate, &nameless).await);
    let fresh = P256.token_with_header(&json!({ "alg": "ES256", "kid": null }), &mint::claims());
    assert!(refused(&gate, &fresh).await);
}

#[tokio::test]
async fn a_revocation_ends_by_itself() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gates = Gate::start_all(setup(&origin, &relays).isolates(2)).await;
    let token = token("a");
    for gate in &gates {
        assert!(!refused(gate, &token).await);
    }
    for round in 0..2 {
        let end = now() + 3;
        let made = revoked(&gates[0], json!({ "jti": "a", "expires_at": end })).await;
        assert_eq!(made["sequence"], round + 1);
        assert_eq!(made["expires_at"], end);
        for gate in &gates {
            eventually("it is out", async || refused(gate, &token).await || now() >= end).await;
        }
        for gate in &gates {
            eventually("it passes again", async || {
                let is_out = refused(gate, &token).await;
                assert!(is_out || now() >= end, "it has come back too early");
                !is_out
            })
            .await;
        }
        assert!(now() >= end);
        assert_eq!(listed(&gates[0]).await, [] as [Value; 0]);
        // There is nothing to undo.
        undo(&gates[1], &made["id"]).await.must_be(404, "not_found");
    }
    // Nor is there after the end of everything.
    gates[0].kill();
    let gate = Gate::start(setup(&origin, &relays)).await;
    assert!(!refused(&gate, &token).await);
}

#[tokio::test]
async fn what_is_undone_can_be_revoked_again_and_undone_again() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gates = Gate::start_all(setup(&origin, &relays).isolates(2)).await;
    let token = token("a");
    for round in 0..4 {
        let made = revoked(&gates[round % 2], json!({ "jti": "a" })).await;
        assert_eq!(made["sequence"], 2 * round + 1);
        refused_by_all(&gates, &token).await;
        let undone = undo(&gates[(round + 1) % 2], &made["id"]).await;
        assert_eq!((undone.status, &undone.json()["sequence"]), (200, &json!(2 * round + 2)));
        for gate in &gates {
            eventually("it passes", async || !refused(gate, &token).await).await;
        }
        undo(&gates[0], &made["id"]).await.must_be(404, "not_found");
    }
}
