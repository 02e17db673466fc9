//! Several admins at once.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use super::*;

#[tokio::test]
async fn the_same_order_of_many_at_once_is_one() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gates = Gate::start_all(setup(&origin, &relays).isolates(2)).await;
    for round in 1..=5 {
        let order = json!({ "sub": format!("user-{round}"), "reason": "all of us" });
        let asked = (0..8).map(|admin| revoke(&gates[admin % 2], order.clone()));
        let replies = join_all(asked).await;
        let mut statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 201]);
        for reply in &replies {
            let (said, first) = (reply.json(), replies[0].json());
            for same in ["id", "sequence", "expires_at"] {
                assert_eq!(said[same], first[same], "{same}");
            }
            assert_eq!(said["sequence"], round);
        }
    }
    assert_eq!(listed(&gates[0]).await.len(), 5);
}

#[tokio::test]
async fn different_orders_of_many_at_once_all_hold() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gates = Gate::start_all(setup(&origin, &relays).isolates(2)).await;
    let names: Vec<_> = (0..40).map(|number| format!("t-{number}")).collect();
    let asked = names.iter().enumerate().map(|(at, jti)| {
        let gate = &gates[at % 2];
        revoked(gate, json!({ "jti": jti }))
    });
    let made = join_all(asked).await;
    let numbers: BTreeSet<_> = made.iter().map(|one| one["sequence"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=40).collect());
    let ids: BTreeSet<_> = made.iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 40);
    assert_eq!(listed(&gates[1]).await.len(), 40);
    for jti in &names {
        refused_by_all(&gates, &token(jti)).await;
    }
}

#[tokio::test]
async fn of_revoking_and_undoing_at_once_one_is_last_and_everybody_goes_by_it() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gates = Gate::start_all(setup(&origin, &relays).isolates(2)).await;
    for round in 0..5 {
        let jti = format!("t-{round}");
        let id = revoked(&gates[0], json!({ "jti": jti })).await["id"].clone();
        let asked = (0..8).map(async |admin| {
            if admin % 2 == 0 {
                revoke(&gates[0], json!({ "jti": jti })).await
            } else {
                undo(&gates[1], &id).await
            }
        });
        for reply in join_all(asked).await {
            assert!(matches!(reply.status, 200 | 201 | 404), "{}", reply.text());
        }
        let is_out = listed(&gates[0]).await.iter().any(|one| one["jti"] == *jti);
        for gate in &gates {
            eventually("all agree", async || refused(gate, &token(&jti)).await == is_out).await;
        }
    }
}

#[tokio::test]
async fn an_order_repeated_takes_nothing_back() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    let until = now() + 1_000;
    let order = |expires_at: i64| json!({ "sub": "alice", "expires_at": expires_at });
    let first = revoked(&gate, order(until)).await;
    for (expires_at, status, holds_until) in [
        (until, 200, until),
        (until - 500, 200, until),
        (until + 500, 201, until + 500),
        (until, 200, until + 500),
    ] {
        let reply = revoke(&gate, order(expires_at)).await;
        assert_eq!((reply.status, &reply.json()["id"]), (status, &first["id"]));
        assert_eq!(reply.json()["expires_at"], holds_until);
    }
    // What is about older tokens is another one, and undoing either leaves the other.
    let before = json!({ "sub": "alice", "issued_before": now() - 50 });
    let other = revoked(&gate, before).await;
    assert_ne!(other["id"], first["id"]);
    let issued = |at: i64| token_with(json!({ "iat": at }));
    let (old, new) = (issued(now() - 100), issued(now()));
    for (undone, old_is_out, new_is_out) in [(&first, true, false), (&other, false, false)] {
        assert!(refused(&gate, &old).await);
        assert_eq!(undo(&gate, &undone["id"]).await.status, 200);
        assert_eq!(refused(&gate, &old).await, old_is_out);
        assert_eq!(refused(&gate, &new).await, new_is_out);
    }
}
