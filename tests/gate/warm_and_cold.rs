//! Caches change how fast an answer is, and not what it is, but for what the operator allows.

use std::sync::LazyLock;

use edgeward::core::denial::Reason;
use edgeward::core::mode::Mode;
use edgeward::core::revocation::entry::Effect;
use edgeward::core::revocation::target::{Fingerprint, Kind};
use edgeward::core::sealed::Purpose;
use edgeward::gate::Gate;
use proptest::prelude::*;
use serde_json::json;

use crate::fixture::{ISSUER, NOW, claims_with};
use crate::native::{NativeCrypto, Signer};
use crate::outages::asking;
use crate::world::{Outcome, State, World};

const CACHE_SECONDS: i64 = 100;
const MAX_STALE_SECONDS: i64 = 400;
/// What a gate waits for KV unless it is told otherwise.
const KV_TIMEOUT_MS: i64 = 50;
/// After so long without an outage, a breaker lets calls pass again: the longest back-off.
const LONGEST_BACK_OFF_SECONDS: i64 = 301;

/// The bound for revocations, unless a gate is told otherwise.
const MAX_LIST_STALENESS_MS: i64 = 30_000;
/// After so long, a gate tries again to get a list.
const LIST_RETRY_MS: i64 = 1_000;

static RSA: LazyLock<Signer> = LazyLock::new(Signer::rsa);
/// Two good tokens, one of which ends soon, and two that are not.
static TOKENS: LazyLock<[String; 4]> = LazyLock::new(|| {
    let token = |members| RSA.token(&json!({ "alg": "RS256", "kid": "k1" }), &claims_with(members));
    let forged = token(json!({ "exp": NOW + 100_000, "jti": "f" }));
    let (input, _) = forged.rsplit_once('.').unwrap();
    let (_, signature) = forged.rsplit_once('.').unwrap();
    let other = signature.chars().rev().collect::<String>();
    [
        token(json!({ "exp": NOW + 100_000, "jti": "0" })),
        token(json!({ "exp": NOW + 900, "jti": "1" })),
        format!("{input}.{}", other.replace(['-', '_'], "A")),
        token(json!({ "exp": NOW + 100_000, "aud": "another" })),
    ]
});

#[derive(Clone, Copy, Debug)]
enum Step {
    Request(usize),
    Wait(i64),
    Service(State),
    Withdraw(usize),
    /// A good one is revoked here, or that is undone.
    Revoke(usize, bool),
    /// Relays answer, or none does.
    Relay(bool),
    /// How long KV takes from now on, in milliseconds.
    Kv(i64),
    /// Somebody who can write to KV puts back one of the entries that were ever there, for good: one that was
    /// replaced or deleted, or that has aged.
    PutBack(usize),
    /// Another isolate takes over, with nothing in its memory.
    Cold,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..4_usize).prop_map(Step::Request),
        3 => prop_oneof![1..6_i64, 1..250_i64].prop_map(Step::Wait),
        1 => Just(Step::Service(State::Up)),
        1 => Just(Step::Service(State::Down)),
        1 => Just(Step::Service(State::Hanging)),
        1 => (0..2_usize).prop_map(Step::Withdraw),
        1 => (0..2_usize, any::<bool>()).prop_map(|(at, is_out)| Step::Revoke(at, is_out)),
        1 => any::<bool>().prop_map(Step::Relay),
        1 => prop_oneof![Just(0), Just(KV_TIMEOUT_MS + 1)].prop_map(Step::Kv),
        2 => any::<usize>().prop_map(Step::PutBack),
        1 => Just(Step::Cold),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Policy {
    on_outage: &'static str,
    is_allowed: bool,
}

fn policy() -> impl Strategy<Value = Policy> {
    let on_outage = prop_oneof![Just("deny"), Just("stale"), Just("signature")];
    (on_outage, any::<bool>()).prop_map(|(on_outage, is_allowed)| Policy { on_outage, is_allowed })
}

fn gate(policy: Policy, has_kv: bool) -> Gate<NativeCrypto> {
    let settings = json!({
        "on_outage": policy.on_outage,
        "cache_seconds": CACHE_SECONDS,
        "max_stale_seconds": MAX_STALE_SECONDS,
    });
    let mut setup = asking(&RSA, &settings, policy.is_allowed);
    setup.has_relays = true;
    setup.gate_with(has_kv)
}

/// What an isolate can have been told about a token by somebody who puts old entries back.
#[derive(Clone, Copy, Default)]
struct Deceived {
    /// Whether one about this token was put back.
    may_be: bool,
    /// Whether the isolate has heard since it began that the token is not active: no old entry says otherwise.
    knows_better: bool,
}

/// What the origin is told, but for the assertion, which says when it was made.
fn told(edits: &str) -> Vec<&str> {
    let lines: Vec<&str> = edits.lines().collect();
    let is_assertion = |at: usize| at > 0 && lines[at - 1] == "x-auth-assertion";
    (0..lines.len()).filter(|at| !is_assertion(*at)).map(|at| lines[at]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Compares a gate with both caches, whose isolates come and go, with one that has none and
    /// meets every request as its first.
    #[test]
    fn a_gate_with_caches_answers_as_one_without(
        policy in policy(),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut world = World::new(json!({ "nickname": "al" }));
        let mut cached = gate(policy, true);
        let mut last_outage = 0;
        let (mut revoked, mut without_relay) = ([i64::MIN; 4], i64::MIN);
        let mut deceived = [Deceived::default(); 4];
        for step in steps {
            match step {
                Step::Wait(seconds) => world.now += seconds * 1_000,
                Step::Service(state) => world.service.state = state,
                Step::Withdraw(at) => drop(world.service.withdrawn.insert(TOKENS[at].clone())),
                Step::Revoke(at, is_out) => {
                    let effect = if is_out { Effect::RevokeAll } else { Effect::Undo };
                    let target = Fingerprint::of(Kind::TokenId, ISSUER, &at.to_string());
                    world.hub.append(target, effect, NOW + 1_000_000);
                    revoked[at] = world.now;
                }
                Step::Relay(is_there) => world.has_relay = is_there,
                Step::Kv(takes_ms) => world.kv_takes_ms = takes_ms,
                Step::PutBack(which) => {
                    let Some(at) = which.checked_rem(world.kv_history.len()) else { continue };
                    let (kv_key, value) = world.kv_history[at].clone();
                    world.put(&kv_key, &value);
                    for (at, token) in TOKENS.iter().enumerate() {
                        deceived[at].may_be |= Purpose::Validation.kv_key(token) == kv_key;
                    }
                }
                Step::Cold => {
                    cached = gate(policy, true);
                    for one in &mut deceived { one.knows_better = false; }
                }
                Step::Request(at) => {
                    if world.service.state != State::Up {
                        last_outage = world.seconds();
                    }
                    if !world.has_relay {
                        without_relay = world.now;
                    }
                    let token = &TOKENS[at];
                    let mut all_relays = World { has_relay: true, ..world.clone() };
                    let without = all_relays.present(&gate(policy, false), token);
                    let asked_ms = world.now;
                    let asked_at = world.seconds();
                    let calls = world.service.calls;
                    let with = world.present(&cached, token);
                    let has_heard = world.service.state == State::Up && world.service.calls > calls;
                    if let Some((is_active, _)) = world.service.last_word.get(token).filter(|_| has_heard) {
                        deceived[at].knows_better = !is_active;
                    }
                    if with == Outcome::Denied(Reason::RevocationsUnknown) {
                        prop_assert!(asked_ms.saturating_sub(without_relay) <= LIST_RETRY_MS);
                        continue;
                    }
                    let is_revoked = |outcome: &Outcome| *outcome == Outcome::Denied(Reason::Revoked);
                    if is_revoked(&with) != is_revoked(&without) {
                        let since_ms = asked_ms.saturating_sub(revoked[at]);
                        prop_assert!(since_ms < MAX_LIST_STALENESS_MS, "{with:?} {without:?}");
                        continue;
                    }
                    let deceived = deceived[at];
                    compare(policy, &world, token, asked_at, last_outage, deceived, &with, &without)?;
                }
            }
        }
    }
}

/// What must hold for the answers `with` caches and `without`.
#[allow(clippy::too_many_arguments, reason = "all of it is known only where the steps are taken")]
fn compare(
    policy: Policy,
    world: &World,
    token: &str,
    asked_at: i64,
    last_outage: i64,
    deceived: Deceived,
    with: &Outcome,
    without: &Outcome,
) -> Result<(), TestCaseError> {
    let is_out = world.service.state != State::Up;
    let may_be_out = asked_at - last_outage <= LONGEST_BACK_OFF_SECONDS;
    let last_word = world.service.last_word.get(token).copied();
    let active_for =
        |most: i64| last_word.is_some_and(|(is_active, at)| is_active && asked_at - at <= most);
    // Who puts an old entry back gains that what was said counts as long as it would have without any later
    // word, and in isolates alone that have heard none.
    let may_count_for = |most: i64| {
        let last_active = world.service.last_active.get(token);
        let is_young = last_active.is_some_and(|at| asked_at - at <= most);
        active_for(most) || deceived.may_be && !deceived.knows_better && is_young
    };
    match (with, without) {
        // What can be seen without anybody's help is seen with and without caches.
        (Outcome::Denied(reason), Outcome::Denied(other)) if reason == other => {}
        (_, Outcome::Denied(reason))
            if !matches!(reason, Reason::Inactive | Reason::AuthServiceSilent) =>
        {
            prop_assert!(false, "{with:?} in place of {reason:?}");
        }
        (Outcome::Denied(Reason::Inactive), _) => {
            prop_assert!(world.service.withdrawn.contains(token));
        }
        (Outcome::Denied(Reason::AuthServiceSilent), _) => {
            prop_assert!(may_be_out);
            let passes = policy.is_allowed
                && match policy.on_outage {
                    "stale" => active_for(MAX_STALE_SECONDS),
                    "signature" => true,
                    _ => false,
                };
            // The end of a token may be too near for KV, and KV may be late.
            let is_excused = *token == TOKENS[1]
                || policy.on_outage == "stale" && world.kv_takes_ms > KV_TIMEOUT_MS;
            prop_assert!(!passes || is_excused, "an outage is felt");
        }
        (Outcome::Denied(reason), _) => prop_assert!(false, "denied for {reason:?}"),
        (Outcome::Permitted { mode: Mode::Normal, edits }, without) => {
            prop_assert!(may_count_for(CACHE_SECONDS), "an answer counts for too long");
            if let Outcome::Permitted { mode: Mode::Normal, edits: other } = without {
                prop_assert_eq!(told(edits), told(other));
            }
        }
        (Outcome::Permitted { mode: Mode::Stale, .. }, _) => {
            prop_assert!(is_out || may_be_out);
            prop_assert!(policy.is_allowed && policy.on_outage != "deny");
            prop_assert!(may_count_for(MAX_STALE_SECONDS), "a last word counts for too long");
        }
        (Outcome::Permitted { mode, .. }, _) => {
            prop_assert_eq!(*mode, Mode::Signature);
            prop_assert!(is_out || may_be_out);
            prop_assert!(policy.is_allowed && policy.on_outage == "signature");
        }
    }
    Ok(())
}
