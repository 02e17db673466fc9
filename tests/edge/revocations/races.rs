//! A revocation comes while a token is being looked at for the first time.

use std::time::Duration;

use futures_util::future::join_all;

use super::*;

/// How long it is asked again whether a revoked token passes once more.
const WATCHED: Duration = Duration::from_millis(2_500);

/// Lets every isolate meet new tokens while they are revoked. What all refuse has to be refused from
/// then on, here and in isolates that know no more than what is in KV.
async fn race(setup: impl Fn() -> Setup, kv: &Kv) {
    let gates = Gate::start_all(setup().isolates(4)).await;
    let mut tokens = Vec::new();
    for round in 0..8_u64 {
        let jti = format!("t-{round}");
        let token = token(&jti);
        let first = async |gate: &Gate| {
            for _ in 0..4 {
                let reply = get("/").bearer(&token).send(gate).await;
                assert!(matches!(reply.status, 200 | 401), "{}", reply.text());
            }
        };
        let revocation = async {
            tokio::time::sleep(Duration::from_millis(round * 3)).await;
            revoked(&gates[0], json!({ "jti": jti })).await;
        };
        futures_util::future::join(join_all(gates.iter().map(first)), revocation).await;
        tokens.push(token);
    }
    for token in &tokens {
        refused_by_all(&gates, token).await;
    }
    let until = tokio::time::Instant::now() + WATCHED;
    while tokio::time::Instant::now() < until {
        for gate in &gates {
            let asked = tokens.iter().map(|token| refused(gate, token));
            assert!(join_all(asked).await.into_iter().all(|is_refused| is_refused));
        }
    }
    assert!(!kv.entries().is_empty(), "nothing is in KV, so that nothing could let them in");
    gates[0].kill();
    let gates = Gate::start_all(setup().isolates(2)).await;
    for gate in &gates {
        assert!(!refused(gate, &token("other")).await);
        for token in &tokens {
            assert!(refused(gate, token).await);
        }
    }
}

#[tokio::test]
async fn no_cache_lets_a_token_in_again_that_was_revoked_while_it_was_new() {
    let (origin, relays, kv) = (Origin::start().await, Relays::start().await, Kv::start().await);
    let setup = || setup(&origin, &relays).assertion(60).kv(&kv).set("validation_cache", "always");
    race(setup, &kv).await;
}

#[tokio::test]
async fn nor_does_the_word_of_an_auth_service() {
    let (origin, relays, kv) = (Origin::start().await, Relays::start().await, Kv::start().await);
    let service = says(json!({ "active": true, "name": "Alice" })).await;
    service.set(Mode::Slow(Duration::from_millis(20))).await;
    let setup = || {
        asking_about(&origin, &service)
            .relays(&relays)
            .kv(&kv)
            .set("validation_cache", "always")
            .set("providers.0.introspection.on_outage", "stale")
            .var("ALLOW_DEGRADED_AUTH", "true")
    };
    race(setup, &kv).await;
}

#[tokio::test]
async fn an_opaque_token_is_revoked_by_what_its_issuer_says_about_it() {
    let (origin, relays, kv) = (Origin::start().await, Relays::start().await, Kv::start().await);
    // It says of each token that its name is its subject and its number.
    let service = Faults::answering(|asked: &Asked| {
        let form = String::from_utf8_lossy(&asked.body).into_owned();
        let mut pairs = url::form_urlencoded::parse(form.as_bytes());
        let token = pairs.find(|(name, _)| name == "token").unwrap().1.into_owned();
        let (sub, jti) = token.split_once('.').unwrap();
        let said = json!({
            "active": true, "aud": mint::AUDIENCE, "sub": sub, "jti": jti, "client_id": "app",
            "iat": now() - 10, "exp": now() + 300,
        });
        Reply::new(200, said.to_string())
    })
    .await;
    let setup = asking_about(&origin, &service)
        .relays(&relays)
        .kv(&kv)
        .set("providers.0.introspection.opaque_tokens", "accept")
        .rule(json!({ "path": "/strict", "revocation": "strict" }))
        .isolates(2);
    let gates = Gate::start_all(setup).await;
    // At first, and after a pause, a list is taken from wherever it comes from before anybody knows that
    // the token is good.
    for pause in [Duration::ZERO, Duration::from_secs(6)] {
        tokio::time::sleep(pause).await;
        for gate in &gates {
            get("/strict").bearer("alice.1").send(gate).await.must_pass();
        }
    }
    let tokens = ["alice.1", "alice.2", "bob.3", "bob.4", "carol.5"];
    for gate in &gates {
        for token in tokens {
            get("/").bearer(token).send(gate).await.must_pass();
        }
    }
    for (order, out) in [
        (json!({ "sub": "alice" }), &["alice.1", "alice.2"] as &[&str]),
        (json!({ "jti": "3" }), &["bob.3"]),
        (json!({ "token": "bob.4" }), &["bob.4"]),
        (json!({ "client_id": "app", "issued_before": now() - 60 }), &[]),
        (json!({ "client_id": "app", "issued_before": now() }), &tokens),
    ] {
        let id = revoked(&gates[0], order.clone()).await["id"].clone();
        for gate in &gates {
            for token in tokens {
                let is_out = out.contains(&token);
                eventually(&format!("{token} {order}"), async || {
                    refused(gate, token).await == is_out
                })
                .await;
            }
        }
        assert_eq!(undo(&gates[1], &id).await.status, 200);
        for gate in &gates {
            for token in tokens {
                eventually("undone", async || !refused(gate, token).await).await;
            }
        }
    }
}
