//! The list that the hub has published in KV, where no relay answers.

use edgeward::core::{
    revocation::{
        delta::{Delta, Head},
        entry::{Effect, Entry},
        published::{PART_NUMBERS, Published},
        target::{Fingerprint, Kind},
    },
    sealed::{Purpose, SealingKey},
    secret,
};

use super::*;

/// Puts a log of so many entries into KV, as a hub would have published it so many seconds ago.
fn publish(kv: &Kv, count: u64, seconds_ago: i64) {
    let key = secret::parse_assertion_key("ASSERTION_KEY", &mint::assertion_jwk().to_string());
    let key = SealingKey::derive(&key.unwrap(), Purpose::Revocations);
    let log = 7;
    let parts: Vec<u64> = (0..count).step_by(usize::try_from(PART_NUMBERS).unwrap()).collect();
    for after in &parts {
        let to = count.min(after + PART_NUMBERS);
        let entries: Vec<Entry> = (after + 1..=to)
            .map(|number| Entry {
                number,
                target: Fingerprint::of(Kind::TokenId, mint::ISSUER, &number.to_string()),
                effect: Effect::RevokeAll,
                expires_at: now() + 86_400,
            })
            .collect();
        let head = Head { log, after: *after, to, latest: count, age_ms: None };
        let kv_key = Published::part_key(log, *after);
        kv.put(&kv_key, key.seal(&kv_key, &Delta::write(&head, &entries)));
    }
    let head = Published { log, number: count, at: (now() - seconds_ago) * 1_000, parts };
    kv.put(&Published::head_key(), head.seal(&key));
}

/// A gate before which no relay answers. What is in KV by the clock of another machine counts for two seconds
/// less.
async fn without_relays(origin: &Origin, relays: &Relays, kv: &Kv, on_stale: &str) -> Gate {
    relays.fail("/relay/", Fault::Down);
    let setup = setup(origin, relays)
        .assertion(60)
        .kv(kv)
        // However busy the machine is, KV answers in time.
        .set("validation_cache_timeout_ms", 5_000)
        .set("revocation.max_staleness_seconds", BOUND_SECONDS)
        .set("revocation.on_stale", on_stale)
        .var("ALLOW_DEGRADED_AUTH", if on_stale == "serve" { "true" } else { "false" });
    Gate::start(setup).await
}

const BOUND_SECONDS: i64 = 20;

#[tokio::test]
async fn a_new_isolate_lets_nobody_pass_by_a_published_list_that_is_older_than_the_bound() {
    let (origin, relays, kv) = (Origin::start().await, Relays::start().await, Kv::start().await);
    for seconds_ago in [BOUND_SECONDS, BOUND_SECONDS + 1, 3_600] {
        publish(&kv, 1, seconds_ago);
        let gate = without_relays(&origin, &relays, &kv, "deny").await;
        for jti in ["1", "good"] {
            let reply = get("/").bearer(&token(jti)).send(&gate).await;
            reply.must_be(503, "auth_unavailable");
            let seconds: u32 = reply.header("retry-after")[0].parse().unwrap();
            assert!((1..=60).contains(&seconds), "{seconds}");
        }
        gate.logged(&["\"reason\":\"revocations_unknown\""]).await;
        let report = gate.report().await;
        // It was found, and is known to be too old.
        assert_eq!(report["revocations"]["state"], "expired", "{report}");
        assert_eq!(report["revocations"]["entries"], 1);
        gate.must_be_calm();
    }
    assert_eq!(origin.count(), 0);
}

#[tokio::test]
async fn a_published_list_serves_a_new_isolate_until_it_is_older_than_the_bound_and_again_with_a_younger_one()
 {
    let (origin, relays, kv) = (Origin::start().await, Relays::start().await, Kv::start().await);
    publish(&kv, 1, BOUND_SECONDS / 2);
    let published = tokio::time::Instant::now();
    let gate = without_relays(&origin, &relays, &kv, "deny").await;
    get("/").bearer(&token("good")).send(&gate).await.must_pass();
    assert!(refused(&gate, &token("1")).await);
    assert_eq!(origin.count(), 1);
    // The same list, as it ages.
    let mut last_passed = std::time::Duration::ZERO;
    eventually("the bound", async || {
        let sent = published.elapsed();
        let reply = get("/").bearer(&token("good")).send(&gate).await;
        if reply.status == 200 {
            last_passed = sent;
            return false;
        }
        reply.must_be(503, "auth_unavailable");
        true
    })
    .await;
    let left = u64::try_from(BOUND_SECONDS - BOUND_SECONDS / 2).unwrap();
    assert!(last_passed.as_secs() < left, "it still passed after {last_passed:?}");
    let before = origin.count();
    for jti in ["1", "good", "another"] {
        get("/").bearer(&token(jti)).send(&gate).await.must_be(503, "auth_unavailable");
    }
    assert_eq!(origin.count(), before);

    publish(&kv, 2, 0);
    eventually("a younger one is found", async || {
        get("/").bearer(&token("good")).send(&gate).await.status == 200
    })
    .await;
    for jti in ["1", "2"] {
        assert!(refused(&gate, &token(jti)).await, "{jti}");
    }
    assert_eq!(relays.calls("/hub/"), 0, "the hub has published nothing itself");
    gate.must_be_calm();
}

#[tokio::test]
async fn who_may_pass_by_an_old_published_list_is_told_to_the_origin_and_what_it_has_is_out() {
    let (origin, relays, kv) = (Origin::start().await, Relays::start().await, Kv::start().await);
    publish(&kv, 1, 3_600);
    let gate = without_relays(&origin, &relays, &kv, "serve").await;
    get("/").bearer(&token("good")).send(&gate).await.must_pass();
    assert_eq!(origin.last().header("x-auth-degraded"), ["revocation-stale"]);
    assert!(refused(&gate, &token("1")).await);
    assert_eq!(origin.count(), 1);
    gate.must_be_calm();
}

/// A million with `EDGEWARD_SOAK=1`.
#[tokio::test]
async fn a_long_list_fits_beside_everything_else() {
    let (origin, relays, kv) = (Origin::start().await, Relays::start().await, Kv::start().await);
    relays.fail("/relay/", Fault::Down);
    let setup = || {
        let setup = setup(&origin, &relays).assertion(60).kv(&kv);
        setup
            .set("revocation.timeout_ms", 10_000)
            .set("revocation.max_staleness_seconds", 600)
            .set("validation_cache_timeout_ms", 5_000)
    };
    publish(&kv, 0, 0);
    let gate = Gate::start(setup()).await;
    assert!(!refused(&gate, &token("0")).await);
    let before = gate.report().await["memory_bytes"].as_u64().unwrap();

    let count = if std::env::var_os("EDGEWARD_SOAK").is_some() { 1_000_000 } else { 100_000 };
    publish(&kv, count, 0);
    let gate = Gate::start(setup()).await;
    let began = tokio::time::Instant::now();
    assert!(refused(&gate, &token("1")).await);
    let took = began.elapsed();
    assert!(refused(&gate, &token(&count.to_string())).await);
    assert!(!refused(&gate, &token("0")).await);
    let report = gate.report().await;
    let after = report["memory_bytes"].as_u64().unwrap();
    println!(
        "{count}: {took:?}, {} bytes, wasm memory grew by {}",
        report["revocations"],
        after - before
    );
    assert_eq!(report["revocations"]["entries"], count);
    let bytes = report["revocations"]["bytes"].as_u64().unwrap();
    assert!(bytes <= 200_000 + count * 25, "{bytes} bytes");
}
