//! Sockets whose tokens an auth service is asked about, also while it is away.

use std::time::Duration;

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
async fn a_socket_ends_when_the_auth_service_calls_its_token_inactive() {
    let sockets = Sockets::start(None).await;
    let is_active = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let active = std::sync::Arc::clone(&is_active);
    let service = Faults::answering(move |_| {
        let active = active.load(std::sync::atomic::Ordering::SeqCst);
        client::Reply::new(200, json!({ "active": active }).to_string())
    })
    .await;
    let (gate, _relays) = asking_gate(&sockets, &service, |setup| setup).await;
    let mut near = open("/").bearer(&token()).at(&gate).await;
    let mut far = sockets.next().await.socket;
    // It is asked again and again, and nothing comes of it.
    service.until(INTROSPECT, 3).await;
    must_be_open(&mut near, &mut far).await;
    is_active.store(false, std::sync::atomic::Ordering::SeqCst);
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
