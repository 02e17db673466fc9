//! So many revocations that they come in parts.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::future::join_all;

use super::*;

/// How many admins revoke at the same time.
const CLIENTS: usize = 32;
/// How many one of them revokes alone before.
const ALONE: usize = 200;

/// How many there are in the end: 100,000 with `EDGEWARD_SOAK=1`, which takes minutes.
fn count() -> usize {
    if std::env::var_os("EDGEWARD_SOAK").is_some() { 100_000 } else { 3_000 }
}

fn name(number: usize) -> String {
    format!("many-{number}")
}

/// Revokes those that are next until `end`, `clients` at a time.
async fn revoke_until(gate: &Gate, next: &Arc<AtomicUsize>, end: usize, clients: usize) {
    let (start, began) = (next.load(Ordering::Relaxed), tokio::time::Instant::now());
    let clients_at_work = (0..clients).map(|_| {
        let (addr, next) = (gate.addr, Arc::clone(next));
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= end {
                    return;
                }
                let order = json!({ "jti": name(number) });
                let order = admin_request("POST", "/revocations", Some(order));
                let reply = client::raw(addr, &order.bytes()).await;
                assert_eq!(reply.status, 201, "{}", reply.text());
            }
        })
    });
    for client in join_all(clients_at_work.collect::<Vec<_>>()).await {
        client.unwrap();
    }
    next.store(end, Ordering::Relaxed);
    let seconds = began.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "a rate")]
    let rate = (end - start) as f64 / seconds;
    println!("{clients} clients: {} revocations, {rate:.0} a second", end - start);
}

#[tokio::test]
async fn thousands_of_revocations_hold_after_everything_was_started_anew() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let setup = || setup(&origin, &relays).isolates(2);
    let count = count();
    let gates = Gate::start_all(setup()).await;
    assert!(!refused(&gates[1], &token("other")).await);
    let next = Arc::new(AtomicUsize::new(0));
    revoke_until(&gates[0], &next, ALONE, 1).await;
    revoke_until(&gates[0], &next, count, CLIENTS).await;
    gates[0].kill();

    let gates = Gate::start_all(setup()).await;
    for gate in &gates {
        for number in (0..count).step_by(count / 40).chain([count - 1]) {
            assert!(refused(gate, &token(&name(number))).await, "{number}");
        }
        for number in [count, count + 1] {
            assert!(!refused(gate, &token(&name(number))).await, "{number}");
        }
        let report = &gate.report().await["revocations"];
        println!("{report}");
        assert_eq!(report["state"], "fresh");
        assert_eq!((&report["number"], &report["entries"]), (&json!(count), &json!(count)));
        assert!(report["bytes"].as_u64().unwrap() >= 20 * count as u64);
    }
    let all = listed(&gates[0]).await;
    assert_eq!(all.len(), count);
    assert!(all.iter().zip(1..).all(|(one, number)| one["sequence"] == number));
    gates[0].must_be_calm();
}
