//! Many sockets at once, and how many there may be.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt, future};
use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::harness::sockets::End;

#[tokio::test]
async fn a_subject_has_no_more_sockets_than_it_may() {
    let (sockets, relays) = (Sockets::start(None).await, Relays::start().await);
    let gate =
        gate(&sockets, |setup| setup.relays(&relays).set("websocket.max_sockets_per_subject", 2))
            .await;
    let opening = |subject: &str| open("/").bearer(&token_with(json!({ "sub": subject })));
    let mut alices = [opening("alice").at(&gate).await, opening("alice").at(&gate).await];
    for _ in 0..2 {
        opening("alice").refused_at(&gate).await.must_be(429, "too_many_sockets");
    }
    opening("bob").at(&gate).await;
    gate.logged(&["\"reason\":\"too_many_sockets\"", "\"provider\":\"main\""]).await;
    // Of many at once no more pass.
    let at_once = future::join_all((0..10).map(|_| opening("carol").try_at(&gate))).await;
    assert_eq!(at_once.iter().flatten().count(), 2);
    assert_eq!(sockets.count(), 5);
    // There is room again when one is closed.
    alices[0].close(None).await.unwrap();
    let mut far = sockets.next().await.socket;
    ending(&mut far).await;
    eventually("there is room", async || opening("alice").try_at(&gate).await.is_some()).await;
    // Nobody is refused because a relay is away.
    relays.fail("/relay/leash", Fault::Down);
    opening("alice").at(&gate).await;
    gate.must_be_calm();
}

/// Where the relay counts, timers run before the origin has answered.
#[tokio::test]
async fn nobody_is_idle_or_late_before_the_origin_has_answered() {
    let (sockets, relays) = (Sockets::late(Duration::from_secs(6)).await, Relays::start().await);
    let gate = gate(&sockets, |setup| {
        setup
            .relays(&relays)
            .set("websocket.max_sockets_per_subject", 1)
            .set("websocket.idle_timeout_seconds", 1)
            .set("revocation.max_staleness_seconds", 4)
    })
    .await;
    let standstill = async {
        eventually("the origin is asked", async || sockets.count() == 1).await;
        gate.stand_still();
        tokio::time::sleep(Duration::from_secs(3)).await;
        gate.go_on();
    };
    let (mut near, ()) = tokio::join!(open("/").bearer(&token()).at(&gate), standstill);
    assert_eq!(received(&mut near).await, Message::text("welcome"));
    // From then on it can be.
    assert_eq!(ending(&mut near).await, Some((4408, "idle_timeout".to_owned())));
    gate.must_be_calm();
}

#[tokio::test]
async fn a_leash_that_was_taken_and_not_heard_of_is_made_again() {
    let (sockets, relays) = (Sockets::start(None).await, Relays::start().await);
    let gate = gate(&sockets, |setup| {
        setup
            .relays(&relays)
            .set("websocket.max_sockets_per_subject", 1)
            .set("revocation.max_staleness_seconds", 3_600)
    })
    .await;
    relays.fail("/relay/leash", Fault::AnswerLost);
    let mut near = open("/").bearer(&token_with(json!({ "jti": "a" }))).at(&gate).await;
    let mut far = sockets.next().await.socket;
    relays.mend();
    // The end that nobody has is still there, and does not count against it.
    eventually("it has a leash", async || {
        relays.calls("/relay/leash") > 1 && relays.leashes(&gate, "any-0").await == 2
    })
    .await;
    must_be_open(&mut near, &mut far).await;
    revoke(&gate, json!({ "jti": "a" })).await;
    assert_eq!(ending(&mut near).await, Some((4401, "token_revoked".to_owned())));
    gate.must_be_calm();
}

#[tokio::test]
async fn a_relay_that_is_full_sends_leashes_to_the_next() {
    let (sockets, relays) = (Sockets::start(None).await, Relays::start().await);
    let gate = gate(&sockets, |setup| {
        setup
            .relays(&relays)
            .set("websocket.leashes_per_relay", 2)
            .set("revocation.max_staleness_seconds", 3_600)
    })
    .await;
    let mut ends = Vec::new();
    for number in 0..5 {
        let token = token_with(json!({ "jti": number.to_string() }));
        ends.push((open("/").bearer(&token).at(&gate).await, sockets.next().await.socket));
        eventually("it has a leash", async || {
            let mut leashes = 0;
            for name in ["any-0", "any-1", "any-2"] {
                leashes += relays.leashes(&gate, name).await;
            }
            leashes == number + 1
        })
        .await;
    }
    for (name, count) in [("any-0", 2), ("any-1", 2), ("any-2", 1)] {
        assert_eq!(relays.leashes(&gate, name).await, count, "{name}");
    }
    for (number, (near, far)) in ends.iter_mut().enumerate() {
        must_be_open(near, far).await;
        revoke(&gate, json!({ "jti": number.to_string() })).await;
        assert_eq!(ending(near).await, Some((4401, "token_revoked".to_owned())), "{number}");
    }
    gate.must_be_calm();
}

/// Opens so many sockets of these subjects in turn.
async fn opened(gate: &Gate, count: usize, token_of: impl Fn(usize) -> String) -> Vec<End> {
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        let next = (all.len()..count).take(50);
        all.extend(future::join_all(next.map(|at| open("/").bearer(&token_of(at)).at(gate))).await);
    }
    all
}

/// Which of them are open still: those over which a message comes back. The others must have ended so.
async fn survivors(ends: &mut [End], reason: &str) -> Vec<bool> {
    future::join_all(ends.iter_mut().map(|end| async move {
        let _ = end.send(Message::text("there?")).await;
        loop {
            match next(end).await {
                Some(Ok(Message::Text(text))) if text == "there?" => return true,
                Some(Ok(Message::Close(frame))) => {
                    let frame = frame.expect("a reason");
                    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (4401, reason));
                    // To the end of the closing.
                    while let Some(Ok(_)) = end.next().await {}
                    return false;
                }
                Some(Ok(_)) => {}
                None | Some(Err(_)) => return false,
            }
        }
    }))
    .await
}

#[tokio::test]
async fn of_two_thousand_sockets_those_close_that_a_revocation_is_about() {
    const COUNT: usize = 2_000;
    const SUBJECTS: usize = 20;
    let (sockets, relays) = (Sockets::echoing().await, Relays::start().await);
    let gate = gate(&sockets, |setup| {
        // So long that nothing but leashes can tell in time.
        setup.relays(&relays).set("revocation.max_staleness_seconds", 3_600)
    })
    .await;
    let kid = |at: usize| if at.is_multiple_of(2) { "ES256" } else { "EdDSA" };
    let tokens: Vec<String> = (0..COUNT)
        .map(|at| {
            let claims = mint::claims_with(json!({
                "sub": format!("subject-{}", at % SUBJECTS), "jti": at.to_string(),
            }));
            mint::key_for(kid(at)).token(kid(at), &claims)
        })
        .collect();
    let mut ends = opened(&gate, COUNT, |at| tokens[at].clone()).await;
    let all_leashed = |count: usize| {
        let (gate, relays) = (&gate, &relays);
        async move {
            // While leashes are made again, there are as many for a moment before those have ended that must.
            let wanted = async || {
                relays.leashes(gate, "any-0").await == count
                    && gate.report().await["websockets"]["open"] == count
            };
            eventually("all have their leash", wanted).await;
        }
    };
    all_leashed(COUNT).await;
    assert_eq!(gate.report().await["websockets"]["open"], COUNT);

    revoke(&gate, json!({ "sub": "subject-3" })).await;
    let left = COUNT - COUNT / SUBJECTS;
    all_leashed(left).await;
    let open = survivors(&mut ends, "token_revoked").await;
    let expected: Vec<bool> = (0..COUNT).map(|at| at % SUBJECTS != 3).collect();
    assert_eq!(open, expected);

    // The relay is killed, and something is revoked before all leashes are made again.
    relays.kill(&gate, "any-0").await;
    revoke(&gate, json!({ "sub": "subject-4" })).await;
    let left = left - COUNT / SUBJECTS;
    all_leashed(left).await;
    let open = survivors(&mut ends, "token_revoked").await;
    let expected: Vec<bool> = (0..COUNT).map(|at| ![3, 4].contains(&(at % SUBJECTS))).collect();
    assert_eq!(open, expected);

    // Half of them were signed with this key, and a tenth of those is gone.
    revoke(&gate, json!({ "kid": mint::key_for("ES256").kid })).await;
    let expected: Vec<bool> = (0..COUNT).map(|at| at % 2 == 1 && at % SUBJECTS != 3).collect();
    all_leashed(expected.iter().filter(|is_open| **is_open).count()).await;
    assert_eq!(survivors(&mut ends, "token_revoked").await, expected);

    drop(ends);
    all_leashed(0).await;
    eventually("none is open", async || gate.report().await["websockets"]["open"] == 0).await;
}

#[tokio::test]
async fn nothing_is_left_of_thousands_that_came_and_went() {
    const COUNT: usize = 10_000;
    let (sockets, relays) = (Sockets::echoing().await, Relays::start().await);
    let gate = gate(&sockets, |setup| setup.relays(&relays).heap_megabytes(40)).await;
    let tokens: Vec<String> =
        (0..10).map(|at| token_with(json!({ "jti": at.to_string() }))).collect();
    let (mut half_way, mut wasm_half_way) = (0, Value::Null);
    for round in 0..COUNT / 100 {
        if round == COUNT / 200 {
            half_way = gate.rss();
            wasm_half_way = gate.report().await["memory_bytes"].clone();
        }
        let mut ends = opened(&gate, 100, |at| tokens[at % 10].clone()).await;
        for end in ends.iter_mut().step_by(2) {
            end.close(None).await.unwrap();
            ending(end).await;
        }
        // The others vanish.
        drop(ends);
    }
    eventually("no leash is held", async || relays.leashes(&gate, "any-0").await == 0).await;
    eventually("none is open", async || gate.report().await["websockets"]["open"] == 0).await;
    let report = gate.report().await;
    assert_eq!(report["websockets"]["opened"], COUNT);
    assert_eq!(report["memory_bytes"], wasm_half_way);
    let grown = gate.rss().saturating_sub(half_way);
    // 10 KB that were left of each would be 50 MB.
    assert!(grown < 50 << 20, "{grown} more bytes");
    gate.must_be_calm();
}
