//! Sockets whose tokens an auth service is asked about, also while it is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;

use super::*;

/// A gate that asks this service about the tokens of the mint, soon again.
async fn asking_gate(
    sockets: &Sockets,
    service: &Faults,
    change: impl FnOnce(Setup) -> Setup,
) -> (Gate, Relays) {
    let nobody = Origin::absent().await;
    let setup = asking_about(&nobody, service)
        .set("providers.0.introspection.cache_seconds", 1)
        .set("providers.0.introspection.timeout_ms", 300)
        // It is judged again every third of this.
        .set("revocation.max_staleness_seconds", 4)
        .set("revocation.refresh_seconds", 1);
    let relays = Relays::start().await;
    (Gate::start(sockets.setup(change(setup.relays(&relays)))).await, relays)
}

#[tokio::test]
async fn a_socket_is_connected_in_degraded_mode_while_the_auth_service_is_away() {
    let sockets = Sockets::start(None).await;
    let service = says(json!({ "active": true })).await;
    service.set(Mode::Refused).await;
    for (on_outage, passes) in [("signature", true), ("deny", false)] {
        let (gate, _relays) = asking_gate(&sockets, &service, |setup| {
            setup
                .var("ALLOW_DEGRADED_AUTH", "true")
                .set("providers.0.introspection.on_outage", on_outage)
        })
        .await;
        let before = sockets.count();
        if passes {
            let mut near = open("/").bearer(&token()).at(&gate).await;
            let mut far = sockets.next().await;
            assert_eq!(far.headers["x-auth-degraded"], "signature");
            // And stays so.
            tokio::time::sleep(Duration::from_secs(6)).await;
            must_be_open(&mut near, &mut far.socket).await;
        } else {
            open("/").bearer(&token()).refused_at(&gate).await.must_be(503, "auth_unavailable");
            assert_eq!(sockets.count(), before);
        }
        gate.must_be_calm();
    }
}

#[tokio::test]
async fn a_handshake_that_is_judged_again_does_not_wait_for_what_that_leaves_in_kv() {
    let (sockets, kv) = (Sockets::late(Duration::from_secs(3)).await, Kv::start().await);
    let service = says(json!({ "active": true })).await;
    // What an outage may be passed by is kept for long enough to be left there.
    let (gate, _relays) = asking_gate(&sockets, &service, |setup| {
        setup
            .kv(&kv)
            .var("ALLOW_DEGRADED_AUTH", "true")
            .set("providers.0.introspection.on_outage", "stale")
    })
    .await;
    let verdicts = || {
        let mut entries = kv.entries();
        entries.retain(|key, _| key.starts_with("validation:"));
        entries
    };
    let slows = async {
        eventually("its verdict is stored", async || !verdicts().is_empty()).await;
        kv.faults.set(Mode::Slow(Duration::from_secs(3))).await;
        verdicts()
    };
    let (_near, before) = tokio::join!(open("/").bearer(&token()).at(&gate), slows);
    assert_eq!((service.count(INTROSPECT), verdicts()), (2, before.clone()));
    eventually("the next one is stored all the same", async || verdicts() != before).await;
    gate.must_be_calm();
}

#[tokio::test]
async fn a_socket_ends_when_the_auth_service_calls_its_token_inactive() {
    let sockets = Sockets::start(None).await;
    let is_active = Arc::new(AtomicBool::new(true));
    let active = Arc::clone(&is_active);
    let service = Faults::answering(move |_| {
        let active = active.load(Ordering::SeqCst);
        client::Reply::new(200, json!({ "active": active }).to_string())
    })
    .await;
    let (gate, _relays) = asking_gate(&sockets, &service, |setup| setup).await;
    let mut near = open("/").bearer(&token()).at(&gate).await;
    let mut far = sockets.next().await.socket;
    // It is asked again and again, and nothing comes of it.
    service.until(INTROSPECT, 3).await;
    must_be_open(&mut near, &mut far).await;
    is_active.store(false, Ordering::SeqCst);
    let expected = Some((4401, "token_revoked".to_owned()));
    assert_eq!(ending(&mut near).await, expected);
    assert_eq!(ending(&mut far).await, expected);
    gate.must_be_calm();
}

#[tokio::test]
async fn a_socket_outlives_a_moment_without_the_auth_service_and_ends_when_that_lasts() {
    let sockets = Sockets::start(None).await;
    let service = says(json!({ "active": true })).await;
    let (gate, _relays) = asking_gate(&sockets, &service, |setup| setup).await;
    let mut near = open("/").bearer(&token()).at(&gate).await;
    let mut far = sockets.next().await.socket;
    service.set(Mode::status(500)).await;
    let asked = service.count(INTROSPECT);
    service.until(INTROSPECT, asked + 1).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    service.set(Mode::Pass).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    must_be_open(&mut near, &mut far).await;
    service.set(Mode::status(500)).await;
    let expected = Some((1013, "auth_unavailable".to_owned()));
    assert_eq!(ending(&mut near).await, expected);
    assert_eq!(ending(&mut far).await, expected);
    gate.must_be_calm();
}

#[tokio::test]
async fn an_opaque_token_without_an_end_lasts_as_long_as_its_issuer_says_so() {
    let sockets = Sockets::start(None).await;
    let service = says(json!({ "active": true, "sub": "alice", "aud": mint::AUDIENCE })).await;
    let (gate, _relays) = asking_gate(&sockets, &service, |setup| {
        setup
            .set("providers.0.introspection.opaque_tokens", "accept")
            .set("providers.0.introspection.max_stale_seconds", 4)
            .set("clock_skew_seconds", 0)
    })
    .await;
    let mut near = open("/").bearer("opaque-0123456789").at(&gate).await;
    let mut far = sockets.next().await.socket;
    tokio::time::sleep(Duration::from_secs(9)).await;
    must_be_open(&mut near, &mut far).await;
    service.set(Mode::status(500)).await;
    // What was said last counts no more, and nobody says more.
    let ended = ending(&mut near).await.unwrap();
    assert!(ended.0 == 4401 || ended == (1013, "auth_unavailable".into()), "{ended:?}");
    gate.must_be_calm();
}

#[tokio::test]
async fn what_is_said_about_a_token_says_nothing_about_the_one_in_its_place() {
    let sockets = Sockets::start(None).await;
    let old = token_with(json!({ "jti": "old" }));
    let is_over = Arc::new(AtomicBool::new(false));
    let (over, about) = (Arc::clone(&is_over), old.clone());
    let service = Faults::answering(move |asked| {
        let is_old = String::from_utf8_lossy(&asked.body).contains(&about);
        let active = !(is_old && over.load(Ordering::SeqCst));
        client::Reply::new(200, json!({ "active": active }).to_string())
    })
    .await;
    let (gate, _relays) = asking_gate(&sockets, &service, |setup| {
        setup.set("websocket.renewal", "renew").set("providers.0.introspection.timeout_ms", 5_000)
    })
    .await;
    let mut near = open("/").bearer(&old).at(&gate).await;
    let mut far = sockets.next().await.socket;
    is_over.store(true, Ordering::SeqCst);
    // While the service thinks about the old one, it is asked about the new one, and quick.
    service.set(Mode::Slow(Duration::from_millis(2_500))).await;
    let asked = service.count(INTROSPECT);
    service.until(INTROSPECT, asked + 1).await;
    service.set(Mode::Pass).await;
    near.send(Message::text(format!("renew {}", token_with(json!({ "jti": "new" })))))
        .await
        .unwrap();
    let answer = received(&mut near).await;
    assert!(answer.to_text().unwrap().contains("\"renewed\":true"), "{answer}");
    tokio::time::sleep(Duration::from_secs(4)).await;
    must_be_open(&mut near, &mut far).await;
    gate.must_be_calm();
}

#[tokio::test]
async fn an_origin_that_closes_in_the_middle_of_a_renewal_hurts_nobody() {
    let sockets = Sockets::start(None).await;
    let service = says(json!({ "active": true })).await;
    let (gate, _relays) =
        asking_gate(&sockets, &service, |setup| setup.set("websocket.renewal", "renew")).await;
    let mut bystander = open("/").bearer(&token_with(json!({ "jti": "b" }))).at(&gate).await;
    let mut bystander_far = sockets.next().await.socket;
    let mut near = open("/").bearer(&token_with(json!({ "jti": "a" }))).at(&gate).await;
    let mut far = sockets.next().await.socket;
    must_be_open(&mut near, &mut far).await;
    service.set(Mode::Slow(Duration::from_millis(200))).await;
    let asked = service.count(INTROSPECT);
    near.send(Message::text(format!("renew {}", token_with(json!({ "jti": "c" }))))).await.unwrap();
    service.until(INTROSPECT, asked + 1).await;
    far.send(close(1000, "")).await.unwrap();
    // The client does not answer the Close frame, and the answer comes.
    tokio::time::sleep(Duration::from_millis(800)).await;
    must_be_open(&mut bystander, &mut bystander_far).await;
    assert!(!gate.log().contains("socket_failed"), "{}", gate.log());
    drop(near);
    gate.must_be_calm();
}
