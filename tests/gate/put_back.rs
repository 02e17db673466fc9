//! Somebody who can write to KV puts back what was there, as it was or changed: it counts no longer than it
//! would have, and never against a later word.

use std::sync::LazyLock;

use edgeward::core::denial::Reason;
use edgeward::core::mode::Mode;
use edgeward::core::revocation::target::Kind;
use edgeward::core::sealed::Rejected;
use edgeward::gate::Gate;
use serde_json::json;

use crate::fixture::{NOW, Setup, claims_with};
use crate::native::{NativeCrypto, Signer};
use crate::outages::asking;
use crate::world::{Outcome, State, World};

const CACHE_SECONDS: i64 = 100;
const MAX_STALE_SECONDS: i64 = 400;
const LIFE_SECONDS: i64 = 1_000;

static RSA: LazyLock<Signer> = LazyLock::new(Signer::rsa);
static TOKEN: LazyLock<String> = LazyLock::new(|| {
    let claims = claims_with(json!({ "exp": NOW + LIFE_SECONDS }));
    RSA.token(&json!({ "alg": "RS256", "kid": "k1" }), &claims)
});

fn setup() -> Setup {
    let settings = json!({
        "on_outage": "stale",
        "cache_seconds": CACHE_SECONDS,
        "max_stale_seconds": MAX_STALE_SECONDS,
    });
    asking(&RSA, &settings, true)
}

fn mode(outcome: &Outcome) -> Result<Mode, Reason> {
    match outcome {
        Outcome::Permitted { mode, .. } => Ok(*mode),
        Outcome::Denied(reason) => Err(*reason),
    }
}

/// An isolate has asked about the token and written an entry; the auth service is as it was then.
fn after_an_answer(gate: &Gate<NativeCrypto>) -> (World, String, Vec<u8>) {
    let mut world = World::new(json!({ "exp": NOW + LIFE_SECONDS, "nickname": "al" }));
    assert_eq!(mode(&world.present(gate, &TOKEN)), Ok(Mode::Normal));
    let [(kv_key, value)] = world.kv_history.as_slice() else { panic!("one entry") };
    let (kv_key, value) = (kv_key.clone(), value.clone());
    (world, kv_key, value)
}

/// What becomes of the token so many seconds after the answer, in an isolate that finds this entry.
fn later(
    world: &World,
    seconds: i64,
    state: State,
    kv_key: &str,
    value: &[u8],
) -> Result<Mode, Reason> {
    let mut world = world.clone();
    world.now = (NOW + seconds) * 1_000;
    world.service.state = state;
    world.put(kv_key, value);
    mode(&world.present(&setup().gate(), &TOKEN))
}

#[test]
fn an_old_entry_counts_no_longer_than_the_answer_that_is_in_it() {
    let (mut world, kv_key, value) = after_an_answer(&setup().gate());
    world.service.withdrawn.insert(TOKEN.clone());
    let silent = Err(Reason::AuthServiceSilent);
    for (seconds, state, outcome) in [
        (CACHE_SECONDS - 1, State::Up, Ok(Mode::Normal)),
        (CACHE_SECONDS, State::Up, Err(Reason::Inactive)),
        (MAX_STALE_SECONDS, State::Up, Err(Reason::Inactive)),
        (CACHE_SECONDS, State::Down, Ok(Mode::Stale)),
        (MAX_STALE_SECONDS, State::Down, Ok(Mode::Stale)),
        (MAX_STALE_SECONDS + 1, State::Down, silent),
        (MAX_STALE_SECONDS + 1, State::Hanging, silent),
    ] {
        let found = later(&world, seconds, state, &kv_key, &value);
        assert_eq!(found, outcome, "{seconds} {state:?}");
    }
}

#[test]
fn an_old_entry_does_not_outlive_its_token() {
    let mut setup = setup();
    // So that the answer itself would count for longer.
    setup.table["providers"][0]["introspection"]["cache_seconds"] = (2 * LIFE_SECONDS).into();
    setup.table["providers"][0]["introspection"]["max_stale_seconds"] = (3 * LIFE_SECONDS).into();
    let (world, kv_key, value) = after_an_answer(&setup.gate());
    for state in [State::Up, State::Down, State::Hanging] {
        for (seconds, outcome) in
            [(LIFE_SECONDS - 1, Ok(Mode::Normal)), (LIFE_SECONDS, Err(Reason::Expired))]
        {
            let mut world = world.clone();
            world.now = (NOW + seconds) * 1_000;
            world.service.state = state;
            world.put(&kv_key, &value);
            let found = mode(&world.present(&setup.gate(), &TOKEN));
            assert_eq!(found, outcome, "{seconds} {state:?}");
        }
    }
}

#[test]
fn an_isolate_that_has_heard_that_a_token_is_not_active_believes_no_older_entry() {
    let gate = setup().gate();
    let (mut world, kv_key, value) = after_an_answer(&gate);
    world.service.withdrawn.insert(TOKEN.clone());
    world.now += CACHE_SECONDS * 1_000;
    assert_eq!(mode(&world.present(&gate, &TOKEN)), Err(Reason::Inactive));
    assert_eq!(world.kv.len(), 0, "nobody else finds it");
    world.put(&kv_key, &value);
    for (seconds, state) in [
        (0, State::Up),
        // Now the auth service is asked again, and KV before it.
        (11, State::Up),
        (11, State::Down),
        (200, State::Hanging),
    ] {
        world.now += seconds * 1_000;
        world.service.state = state;
        let found = mode(&world.present(&gate, &TOKEN));
        assert_eq!(found, Err(Reason::Inactive), "{seconds} {state:?}");
        world.put(&kv_key, &value);
    }
}

#[test]
fn a_revoked_token_stays_so_whatever_entry_is_put_back() {
    let mut setup = setup();
    setup.has_relays = true;
    for (kind, word) in [(Kind::TokenId, "t-1"), (Kind::Subject, "alice")] {
        let gate = setup.gate();
        let (mut world, kv_key, value) = after_an_answer(&gate);
        let mut hub = world.hub.clone();
        hub.revoke(&gate, kind, word, world.now);
        world.hub = hub;
        world.put(&kv_key, &value);
        for state in [State::Up, State::Down] {
            world.service.state = state;
            for isolate in [&gate, &setup.gate()] {
                let found = mode(&world.present(isolate, &TOKEN));
                assert_eq!(found, Err(Reason::Revoked), "{kind:?} {state:?}");
            }
        }
    }
}

#[test]
fn an_entry_with_another_age_or_a_longer_life_is_none() {
    let (mut world, kv_key, value) = after_an_answer(&setup().gate());
    world.service.withdrawn.insert(TOKEN.clone());
    let value = String::from_utf8(value).unwrap();
    let checked_at = |seconds: i64| format!("\"checked_at\":{}", NOW + seconds);
    let expiry = |seconds: i64| format!("\"exp\":{}", NOW + seconds);
    for (from, to) in [
        (checked_at(0), checked_at(CACHE_SECONDS)),
        (checked_at(0), checked_at(CACHE_SECONDS + 1)),
        (expiry(LIFE_SECONDS), expiry(10 * LIFE_SECONDS)),
        ("\"nickname\":\"al\"".to_owned(), "\"nickname\":\"eve\"".to_owned()),
    ] {
        let changed = value.replacen(&from, &to, 1);
        assert_ne!(changed, value, "{from}");
        for (state, outcome) in
            [(State::Up, Reason::Inactive), (State::Down, Reason::AuthServiceSilent)]
        {
            let mut world = world.clone();
            world.now = (NOW + CACHE_SECONDS) * 1_000;
            world.service.state = state;
            world.put(&kv_key, changed.as_bytes());
            let gate = setup().gate();
            let found = mode(&world.present(&gate, &TOKEN));
            assert_eq!(found, Err(outcome), "{to} {state:?}");
            let counted: Vec<_> = gate.tally().rejected().filter(|(_, count)| *count > 0).collect();
            assert_eq!(counted, [(Rejected::Mac, 1)], "{to} {state:?}");
        }
    }
}
