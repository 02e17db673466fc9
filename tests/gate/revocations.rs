//! What a gate makes of revocations, against a naive model of them.

use std::collections::BTreeMap;

use edgeward::core::access::Freshness;
use edgeward::core::config::Settings;
use edgeward::core::denial::Reason;
use edgeward::core::mode::Mode;
use edgeward::core::request::RequestHead;
use edgeward::core::revocation::delta::{Delta, Head};
use edgeward::core::revocation::entry::{Effect, Entry};
use edgeward::core::revocation::order::{self, Change, Order};
use edgeward::core::revocation::published::{PART_NUMBERS, Published};
use edgeward::core::revocation::target::{Fingerprint, Kind};
use edgeward::gate::{Decision, Findings, Gate, KvChange, Question, Refresh, Stored};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fixture::{NOW, Setup, claims_with, with_token};
use crate::native::{NativeCrypto, Signer};

const THEN: i64 = NOW * 1_000;
const LOG: u64 = 7;

fn setup() -> Setup {
    let mut setup = Setup::new(&["HS256"], &Signer::hmac(1));
    setup.table["forward"]["assertion"] = json!({ "key": "ASSERTION_KEY", "audience": "o" });
    let key = json!({ "kty": "oct", "k": "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE" });
    setup.secret("ASSERTION_KEY", &key.to_string());
    setup.has_relays = true;
    setup
}

fn token(members: &Value) -> String {
    let mut all = json!({ "exp": NOW + 1_000_000 });
    all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    Signer::hmac(1).token(&json!({ "alg": "HS256", "kid": "k1" }), &claims_with(all))
}

/// What a request comes to.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Permit(Mode),
    Refresh(Refresh),
    Wait,
    Deny(Reason),
}

fn ask(gate: &Gate<NativeCrypto>, token: &str, now: i64, findings: &mut Findings) -> Outcome {
    ask_at(gate, "/", token, now, findings)
}

fn ask_at(
    gate: &Gate<NativeCrypto>,
    path: &str,
    token: &str,
    now: i64,
    findings: &mut Findings,
) -> Outcome {
    let packed = with_token(token).replacen("/\n", &format!("{path}\n"), 1);
    match gate.decide(&RequestHead::unpack(&packed), now, findings) {
        Ok(Decision::Forward(permit)) => Outcome::Permit(permit.mode()),
        Ok(Decision::Ask(Question::Revocations(how))) => Outcome::Refresh(how),
        Ok(Decision::Ask(Question::Moment(_))) => Outcome::Wait,
        Ok(other) => panic!("{other:?}"),
        Err(denial) => Outcome::Deny(denial.reason),
    }
}

fn first(gate: &Gate<NativeCrypto>, token: &str, now: i64) -> Outcome {
    ask(gate, token, now, &mut Findings::default())
}

const PASSES: Outcome = Outcome::Permit(Mode::Normal);
const REVOKED: Outcome = Outcome::Deny(Reason::Revoked);
const UNKNOWN: Outcome = Outcome::Deny(Reason::RevocationsUnknown);

/// A hub: the log, and nothing else.
#[derive(Clone, Default)]
pub struct Hub {
    log: Vec<Entry>,
}

impl Hub {
    fn latest(&self) -> u64 {
        self.log.len() as u64
    }

    pub fn append(&mut self, target: Fingerprint, effect: Effect, expires_at: i64) {
        let number = self.latest() + 1;
        self.log.push(Entry { number, target, effect, expires_at });
    }

    fn order(&mut self, order: &Value, settings: &Settings, now: i64) {
        let order = Order::read(order.to_string().as_bytes(), settings, now).unwrap();
        let before = self.log.iter().rfind(|one| one.target == order.target);
        let before = before.map(|one| (one.effect, one.expires_at));
        let wanted = (order.effect, order.expires_at, order.is_exact);
        if let Change::To(effect, expires_at) = order::change(before, wanted, now) {
            self.append(order.target, effect, expires_at);
        }
    }

    fn part(&self, after: u64, to: u64, age_ms: Option<u32>) -> Vec<u8> {
        let [from, end] = [after, to].map(|at| usize::try_from(at).unwrap());
        let head = Head { log: LOG, after, to, latest: self.latest(), age_ms };
        Delta::write(&head, &self.log[from..end])
    }

    /// Revokes something, which the gate hears at once.
    pub fn revoke(&mut self, gate: &Gate<NativeCrypto>, kind: Kind, value: &str, now: i64) {
        let target = Fingerprint::of(kind, crate::fixture::ISSUER, value);
        self.append(target, Effect::RevokeAll, now.div_euclid(1_000) + 1_000_000);
        self.refresh(gate, now, 0);
    }

    /// Refreshes the list of a gate, by an answer of this age.
    pub fn refresh(&self, gate: &Gate<NativeCrypto>, now: i64, age_ms: u32) {
        let (_, after) = gate.begin_list(now);
        let part = self.part(after, self.latest(), Some(age_ms));
        assert!(gate.hear_delta(&part, now, now).unwrap().is_whole());
    }
}

#[test]
fn a_list_is_waited_for_then_refreshed_in_the_background_then_waited_for_again() {
    let (gate, hub, token) = (setup().gate(), Hub::default(), token(&json!({})));
    let mut findings = Findings::default();
    assert_eq!(ask(&gate, &token, THEN, &mut findings), Outcome::Refresh(Refresh::Needed));
    gate.begin_list(THEN);
    assert_eq!(first(&gate, &token, THEN + 1), Outcome::Wait);
    hub.refresh(&gate, THEN + 10, 0);
    findings.list_was_sought();
    assert_eq!(ask(&gate, &token, THEN + 10, &mut findings), PASSES);
    for (later, outcome, is_due) in [
        (1_009, PASSES, false),
        (1_010, PASSES, true),
        (5_009, PASSES, true),
        // Of an isolate that had no requests.
        (5_010, Outcome::Refresh(Refresh::Wanted(250)), false),
        (30_009, Outcome::Refresh(Refresh::Wanted(250)), false),
        (30_010, Outcome::Refresh(Refresh::Needed), false),
    ] {
        assert_eq!(first(&gate, &token, THEN + later), outcome, "{later}");
        assert_eq!(gate.take_list_due(), is_due, "{later}");
    }
    // Without an answer, a list that counts still does, and one that does not is nothing.
    let mut findings = Findings::default();
    findings.list_was_sought();
    gate.begin_list(THEN + 20_000);
    gate.list_was_not_refreshed(THEN + 20_000);
    assert_eq!(ask(&gate, &token, THEN + 20_001, &mut findings), PASSES);
    assert_eq!(ask(&gate, &token, THEN + 30_010, &mut findings), UNKNOWN);
}

#[test]
fn the_age_of_an_answer_counts_and_one_that_vouches_for_nothing_is_none() {
    let (gate, hub, token) = (setup().gate(), Hub::default(), token(&json!({})));
    hub.refresh(&gate, THEN, 29_000);
    assert_eq!(first(&gate, &token, THEN + 999), PASSES);
    assert_eq!(first(&gate, &token, THEN + 1_000), Outcome::Refresh(Refresh::Needed));
    gate.begin_list(THEN + 1_000);
    gate.hear_delta(&hub.part(0, 0, None), THEN + 1_000, THEN + 1_000).unwrap();
    assert_eq!(first(&gate, &token, THEN + 1_001), Outcome::Wait);
    // An older answer that comes late makes nothing older.
    hub.refresh(&gate, THEN + 2_000, 0);
    gate.hear_delta(&hub.part(0, 0, Some(20_000)), THEN + 1_000, THEN + 2_000).unwrap();
    assert_eq!(first(&gate, &token, THEN + 2_999), PASSES);
}

#[test]
fn what_is_missing_of_a_log_does_not_count_as_all_of_it() {
    let (gate, mut hub) = (setup().gate(), Hub::default());
    let settings = setup();
    let settings = Settings::parse(&settings.table.to_string()).unwrap();
    for jti in ["a", "b"] {
        hub.order(&json!({ "jti": jti }), &settings, NOW);
    }
    gate.begin_list(THEN);
    let head = gate.hear_delta(&hub.part(0, 1, Some(0)), THEN, THEN).unwrap();
    assert!(!head.is_whole());
    assert_eq!(first(&gate, &token(&json!({ "jti": "b" })), THEN + 1), Outcome::Wait);
    assert!(gate.hear_delta(&hub.part(2, 2, Some(0)), THEN, THEN).is_err(), "a gap");
    gate.hear_delta(&hub.part(1, 2, Some(0)), THEN, THEN).unwrap();
    for jti in ["a", "b"] {
        assert_eq!(first(&gate, &token(&json!({ "jti": jti })), THEN + 1), REVOKED);
    }
}

#[test]
fn an_old_list_serves_only_where_both_the_table_and_the_switch_say_so() {
    for (on_stale, switch, outcome) in [
        ("deny", "true", UNKNOWN),
        ("serve", "false", UNKNOWN),
        ("serve", "true", Outcome::Permit(Mode::RevocationStale)),
    ] {
        let mut setup = setup();
        setup.table["revocation"] = json!({ "on_stale": on_stale });
        setup.secret("ALLOW_DEGRADED_AUTH", switch);
        let (gate, mut hub) = (setup.gate(), Hub::default());
        let settings = Settings::parse(&setup.table.to_string()).unwrap();
        hub.order(&json!({ "jti": "a" }), &settings, NOW);
        hub.refresh(&gate, THEN, 0);
        let mut findings = Findings::default();
        findings.list_was_sought();
        let late = THEN + 40_000;
        let good = token(&json!({ "jti": "b" }));
        assert_eq!(ask(&gate, &good, late, &mut findings), outcome, "{on_stale} {switch}");
        // Nor does a socket rest on its age.
        assert_eq!(gate.list_lapses_at().is_none(), outcome != UNKNOWN);
        // What is known to be revoked stays so.
        let bad = ask(&gate, &token(&json!({ "jti": "a" })), late, &mut findings);
        assert_eq!(bad, if outcome == UNKNOWN { UNKNOWN } else { REVOKED });
    }
}

#[test]
fn a_strict_rule_asks_whatever_is_known() {
    assert!(Freshness::Standard < Freshness::Strict);
    let setup = setup().with(json!({ "rules": [{ "path": "/s", "revocation": "strict" }] }));
    let (gate, mut hub) = (setup.gate(), Hub::default());
    let settings = Settings::parse(&setup.table.to_string()).unwrap();
    hub.refresh(&gate, THEN, 0);
    let token = token(&json!({ "jti": "a" }));
    assert_eq!(ask_at(&gate, "/", &token, THEN, &mut Findings::default()), PASSES);
    let mut findings = Findings::default();
    let strict = Outcome::Refresh(Refresh::Strict);
    assert_eq!(ask_at(&gate, "/s", &token, THEN, &mut findings), strict);
    findings.list_was_sought();
    assert_eq!(ask_at(&gate, "/s", &token, THEN, &mut findings), UNKNOWN);
    hub.order(&json!({ "jti": "a" }), &settings, NOW);
    hub.refresh(&gate, THEN, 0);
    gate.relay_was_asked(THEN);
    assert_eq!(ask_at(&gate, "/s", &token, THEN, &mut Findings::default()), REVOKED);
    // Those who come while the relay is asked wait, then one of them asks anew, for all of them.
    gate.begin_list(THEN + 5);
    let (mut second, mut third) = (Findings::default(), Findings::default());
    for findings in [&mut second, &mut third] {
        assert_eq!(ask_at(&gate, "/s", &token, THEN + 10, findings), Outcome::Wait);
    }
    hub.refresh(&gate, THEN + 5, 0);
    gate.relay_was_asked(THEN + 5);
    assert_eq!(ask_at(&gate, "/s", &token, THEN + 30, &mut second), strict);
    hub.refresh(&gate, THEN + 30, 0);
    gate.relay_was_asked(THEN + 30);
    for findings in [&mut second, &mut third] {
        assert_eq!(ask_at(&gate, "/s", &token, THEN + 40, findings), REVOKED);
    }
}

#[test]
fn revocation_comes_after_the_claims_and_before_the_rule() {
    let setup = setup().with(json!({ "rules": [{ "path": "/", "scopes_all": ["write"] }] }));
    let (gate, mut hub) = (setup.gate(), Hub::default());
    let settings = Settings::parse(&setup.table.to_string()).unwrap();
    hub.order(&json!({ "jti": "a" }), &settings, NOW);
    hub.refresh(&gate, THEN, 0);
    for (members, reason) in [
        (json!({ "jti": "a", "aud": "other", "scope": "" }), Reason::WrongAudience),
        (json!({ "jti": "a", "sub": null, "scope": "" }), Reason::MissingClaim),
        (json!({ "jti": "a", "exp": NOW - 1, "scope": "" }), Reason::Expired),
        (json!({ "jti": "a", "scope": "" }), Reason::Revoked),
        (json!({ "jti": "b", "scope": "" }), Reason::MissingScope),
    ] {
        assert_eq!(first(&gate, &token(&members), THEN), Outcome::Deny(reason));
    }
}

#[test]
fn a_key_that_was_revoked_does_not_come_back_without_its_name() {
    let setup = setup();
    let (gate, mut hub) = (setup.gate(), Hub::default());
    let settings = Settings::parse(&setup.table.to_string()).unwrap();
    hub.order(&json!({ "kid": "k1" }), &settings, NOW);
    hub.refresh(&gate, THEN, 0);
    for header in [json!({ "alg": "HS256", "kid": "k1" }), json!({ "alg": "HS256" })] {
        let token = Signer::hmac(1).token(&header, &claims_with(json!({})));
        for _known in 0..2 {
            assert_eq!(first(&gate, &token, THEN), REVOKED, "{header}");
        }
    }
}

#[test]
fn a_clock_that_was_set_back_makes_no_list_younger() {
    let (gate, hub, token) =
        (setup().gate(), Hub::default(), token(&json!({ "nbf": null, "iat": null })));
    hub.refresh(&gate, THEN, 0);
    assert_eq!(first(&gate, &token, THEN), PASSES);
    assert_eq!(first(&gate, &token, THEN - 1), Outcome::Refresh(Refresh::Needed));
}

#[test]
fn a_part_of_another_log_makes_the_age_of_the_list_unknown() {
    let (gate, hub, token) = (setup().gate(), Hub::default(), token(&json!({})));
    hub.refresh(&gate, THEN, 0);
    let head = Head { log: LOG + 1, after: 0, to: 5, latest: 9, age_ms: Some(0) };
    gate.hear_delta(&Delta::write(&head, &[]), THEN, THEN).unwrap();
    assert_eq!(first(&gate, &token, THEN + 1), Outcome::Wait);
}

/// Puts a change into a namespace.
fn put(kv: &mut BTreeMap<String, Vec<u8>>, change: Option<KvChange>) {
    match change {
        Some(KvChange::Put { kv_key, value, .. }) => drop(kv.insert(kv_key, value)),
        other => panic!("{other:?}"),
    }
}

fn stored<'k>(kv: &'k BTreeMap<String, Vec<u8>>, key: &str) -> Stored<'k> {
    kv.get(key).map_or(Stored::Absent, |value| Stored::Found(value))
}

/// Reads what was published. Whether it is all.
fn read(gate: &Gate<NativeCrypto>, kv: &BTreeMap<String, Vec<u8>>, now: i64) -> bool {
    let Some(published) = gate.hear_published(stored(kv, &Published::head_key()), now) else {
        return false;
    };
    for after in gate.lacking_parts(&published) {
        let part = stored(kv, &Published::part_key(published.log, after));
        if !gate.hear_published_part(&published, after, part, now) {
            return false;
        }
    }
    gate.take_published(&published, now)
}

#[test]
fn what_the_hub_has_published_serves_where_no_relay_answers() {
    let (writer, mut hub) = (setup().gate(), Hub::default());
    let target =
        |value: u64| Fingerprint::of(Kind::TokenId, crate::fixture::ISSUER, &value.to_string());
    let count = PART_NUMBERS + 10;
    for value in 0..count {
        hub.append(target(value), Effect::RevokeAll, NOW + 100_000);
    }
    let mut kv = BTreeMap::new();
    for after in [0, PART_NUMBERS] {
        let part = hub.part(after, count.min(after + PART_NUMBERS), None);
        put(&mut kv, writer.published_part(LOG, after, &part));
    }
    let head =
        |parts: &[u64]| Published { log: LOG, number: count, at: THEN, parts: parts.to_vec() };
    put(&mut kv, writer.published_head(&head(&[0, PART_NUMBERS])));
    let named = |value: u64| token(&json!({ "jti": value.to_string() }));

    let gate = setup().gate();
    assert!(read(&gate, &kv, THEN));
    for value in [0, PART_NUMBERS, count - 1] {
        assert_eq!(first(&gate, &named(value), THEN), REVOKED, "{value}");
    }
    assert_eq!(first(&gate, &named(count), THEN), PASSES);
    // Clocks may differ by two seconds.
    assert_eq!(first(&gate, &named(count), THEN + 27_999), Outcome::Refresh(Refresh::Wanted(250)));
    assert_eq!(first(&gate, &named(count), THEN + 28_000), Outcome::Refresh(Refresh::Needed));

    // A relay that does not answer is not asked any sooner because KV did.
    gate.begin_list(THEN + 40_000);
    gate.list_was_not_refreshed(THEN + 40_000);
    assert!(read(&gate, &kv, THEN + 40_000));
    assert_eq!(first(&gate, &named(count), THEN + 40_999), UNKNOWN);
    assert_eq!(first(&gate, &named(count), THEN + 41_000), Outcome::Refresh(Refresh::Needed));

    // Parts whose entries have all expired are in no head.
    for (parts, revoked, passes) in [(vec![PART_NUMBERS], count - 1, 0), (vec![0], 0, count - 1)] {
        put(&mut kv, writer.published_head(&head(&parts)));
        let gate = setup().gate();
        assert!(read(&gate, &kv, THEN), "{parts:?}");
        assert_eq!(first(&gate, &named(revoked), THEN), REVOKED);
        assert_eq!(first(&gate, &named(passes), THEN), PASSES);
        assert_eq!(gate.list_position(), (Some(LOG), count));
    }
    put(&mut kv, writer.published_head(&head(&[])));
    assert!(read(&setup().gate(), &kv, THEN));

    // An older part under a newer head is not all.
    put(&mut kv, writer.published_head(&head(&[0, PART_NUMBERS])));
    let older = hub.part(PART_NUMBERS, count - 5, None);
    put(&mut kv, writer.published_part(LOG, PART_NUMBERS, &older));
    assert!(!read(&setup().gate(), &kv, THEN));

    // Nor is one that others follow.
    let last = hub.part(PART_NUMBERS, count, None);
    put(&mut kv, writer.published_part(LOG, PART_NUMBERS, &last));
    let older = hub.part(0, PART_NUMBERS - 1, None);
    put(&mut kv, writer.published_part(LOG, 0, &older));
    let gate = setup().gate();
    assert!(!read(&gate, &kv, THEN));
    assert_eq!(gate.list_position(), (Some(LOG), PART_NUMBERS - 1));
}

#[test]
fn a_key_that_is_stored_twice_has_its_name() {
    for names in [json!(["JWT_KEYS", "NAMELESS"]), json!(["NAMELESS", "JWT_KEYS"])] {
        let mut setup = setup();
        setup.table["providers"][0]["keys"] = names;
        let mut nameless = Signer::hmac(1).jwk("k1");
        nameless.as_object_mut().unwrap().remove("kid");
        setup.secret("NAMELESS", &nameless.to_string());
        let gate = setup.gate();
        Hub::default().revoke(&gate, Kind::Key, "k1", THEN);
        for header in [json!({ "alg": "HS256" }), json!({ "alg": "HS256", "kid": "invented" })] {
            let token = Signer::hmac(1).token(&header, &claims_with(json!({ "exp": NOW + 100 })));
            assert_eq!(first(&gate, &token, THEN), REVOKED, "{header}");
        }
    }
}

#[test]
fn a_list_that_counts_does_not_yield_to_another_log_in_kv() {
    let (writer, mut hub) = (setup().gate(), Hub::default());
    hub.append(
        Fingerprint::of(Kind::TokenId, crate::fixture::ISSUER, "0"),
        Effect::RevokeAll,
        NOW + 100_000,
    );
    let gate = setup().gate();
    gate.begin_list(THEN);
    gate.hear_delta(&hub.part(0, 1, Some(0)), THEN, THEN).unwrap();
    let before = Published { log: LOG + 2, number: 0, at: THEN + 4_000, parts: vec![] };
    let mut kv = BTreeMap::new();
    put(&mut kv, writer.published_head(&before));
    assert!(!read(&gate, &kv, THEN + 4_999));
    assert_eq!(first(&gate, &token(&json!({ "jti": "0" })), THEN + 4_999), REVOKED);
    // Once it does not count there is nothing to lose.
    assert!(read(&gate, &kv, THEN + 30_000));
    assert_eq!(gate.list_position(), (Some(LOG + 2), 0));
}

#[test]
fn what_others_publish_does_not_count() {
    let (writer, hub) = (setup().gate(), Hub::default());
    let mut kv = BTreeMap::new();
    put(
        &mut kv,
        writer.published_head(&Published { log: LOG, number: 0, at: THEN, parts: vec![] }),
    );
    assert!(read(&setup().gate(), &kv, THEN));
    let mut other = setup();
    let key = json!({ "kty": "oct", "k": "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI" });
    other.secret("ASSERTION_KEY", &key.to_string());
    assert!(!read(&other.gate(), &kv, THEN));
    // Nor does a good part under another name.
    let mut kv = BTreeMap::new();
    let parts = vec![0];
    put(&mut kv, writer.published_head(&Published { log: LOG, number: 0, at: THEN, parts }));
    let Some(KvChange::Put { value, .. }) = writer.published_part(LOG, 1, &hub.part(0, 0, None))
    else {
        panic!("nothing")
    };
    kv.insert(Published::part_key(LOG, 0), value);
    let gate = setup().gate();
    let published = gate.hear_published(stored(&kv, &Published::head_key()), THEN).unwrap();
    let part = stored(&kv, &Published::part_key(LOG, 0));
    assert!(!gate.hear_published_part(&published, 0, part, THEN));
}

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    /// An order about one of a few values, `issued_before` so many seconds ago, for so long.
    Order(usize, usize, Option<i64>, Option<i64>),
    Undo(usize),
    Wait(i64),
    Refresh,
    /// A request with one of the tokens.
    Request(usize),
    Cold,
}

const NAMES: [&str; 5] = ["jti", "sub", "sid", "client_id", "kid"];
const VALUES: [&str; 2] = ["a", "b"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..NAMES.len(), 0..VALUES.len(), prop::option::of(0..60_i64), prop::option::of(1..200_i64))
            .prop_map(|(name, value, before, life)| Step::Order(name, value, before, life)),
        1 => (0..20_usize).prop_map(Step::Undo),
        2 => (1..40_i64).prop_map(Step::Wait),
        3 => Just(Step::Refresh),
        8 => (0..32_usize).prop_map(Step::Request),
        1 => Just(Step::Cold),
    ]
}

/// The members of a token: one bit for the value of each claim. They are issued a second apart.
fn members(number: usize) -> BTreeMap<&'static str, Value> {
    let bit = |at: usize| json!(VALUES[number >> at & 1]);
    BTreeMap::from([
        ("jti", bit(0)),
        ("sub", bit(1)),
        ("sid", bit(2)),
        ("client_id", bit(3)),
        ("iat", json!(NOW - 40 + i64::try_from(number).unwrap())),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever is revoked, undone, refreshed and remembered: a token is refused if and only if the list
    /// that the gate has revokes it, by a model that goes through the whole log for each token.
    #[test]
    fn a_token_is_refused_if_and_only_if_it_is_revoked(steps in prop::collection::vec(step(), 1..80)) {
        let setup = setup().with(json!({ "revocation": { "max_staleness_seconds": 3600 } }));
        let settings = Settings::parse(&setup.table.to_string()).unwrap();
        let (mut gate, mut hub, mut seconds) = (setup.gate(), Hub::default(), NOW);
        hub.refresh(&gate, seconds * 1_000, 0);
        let mut heard = 0;
        for step in steps {
            match step {
                Step::Wait(more) => seconds += more,
                Step::Refresh => {
                    hub.refresh(&gate, seconds * 1_000, 0);
                    heard = hub.log.len();
                }
                Step::Cold => {
                    gate = setup.gate();
                    hub.refresh(&gate, seconds * 1_000, 0);
                    heard = hub.log.len();
                }
                Step::Order(name, value, before, life) => {
                    let mut order = json!({ NAMES[name]: VALUES[value] });
                    if let Some(before) = before {
                        order["issued_before"] = (seconds - before).into();
                    }
                    if let Some(life) = life {
                        order["expires_at"] = (seconds + life).into();
                    }
                    hub.order(&order, &settings, seconds);
                }
                Step::Undo(at) => {
                    if let Some(one) = hub.log.get(at).copied() {
                        hub.append(one.target, Effect::Undo, one.expires_at);
                    }
                }
                Step::Request(number) => {
                    let members = members(number);
                    let text = token(&serde_json::to_value(&members).unwrap());
                    let mut findings = Findings::default();
                    findings.list_was_sought();
                    let outcome = ask(&gate, &text, seconds * 1_000, &mut findings);
                    let expected = model(&hub.log[..heard], &members, seconds);
                    prop_assert_eq!(outcome, if expected { REVOKED } else { PASSES });
                }
            }
        }
    }
}

/// Whether a log revokes a token.
fn model(log: &[Entry], members: &BTreeMap<&str, Value>, now: i64) -> bool {
    let issued_at = members["iat"].as_i64();
    NAMES.iter().any(|name| {
        let value = match *name {
            "kid" => "k1",
            name => members[name].as_str().unwrap(),
        };
        let target = Fingerprint::of(Kind::from_name(name).unwrap(), crate::fixture::ISSUER, value);
        [target, target.of_older()].into_iter().any(|target| {
            let last = log.iter().rfind(|one| one.target == target);
            last.is_some_and(|one| one.expires_at > now && one.effect.revokes(issued_at))
        })
    })
}

#[test]
fn what_cannot_be_meant_in_the_table_is_said() {
    for (members, problem) in [
        (
            json!({ "refresh_seconds": 0 }),
            "AUTH.revocation.refresh_seconds: found 0; expected 1 to 60",
        ),
        (
            json!({ "refresh_seconds": 10, "max_staleness_seconds": 30 }),
            "AUTH.revocation.max_staleness_seconds: found 30; expected 31 to 3600",
        ),
        (
            json!({ "on_stale": "allow" }),
            "AUTH.revocation.on_stale: found \"allow\"; expected one of `deny`, `serve`",
        ),
        (
            json!({ "relays_per_region": 17 }),
            "AUTH.revocation.relays_per_region: found 17; expected 1 to 16",
        ),
        (
            json!({ "clients": [{ "client_id": "app", "client_secret": "APP_SECRET" }] }),
            "AUTH.revocation.clients[0].client_secret: found no secret named APP_SECRET; expected the \
             name of a secret: `wrangler secret put APP_SECRET`",
        ),
        (
            json!({ "clients": [{ "client_id": "app", "client_secret": "SHORT" }] }),
            "AUTH.revocation.clients[0].client_secret: found the secret SHORT, of 5 bytes; expected the \
             client's password, of 16 to 4096 bytes",
        ),
        (
            json!({ "clients": [{ "client_id": "app", "client_secret": "ASSERTION_KEY" }] }),
            "AUTH.revocation.clients[0].client_secret: found ASSERTION_KEY, a secret of the gate itself; \
             expected a secret with the client's password",
        ),
        (
            json!({ "clients": [
                { "client_id": "app", "client_secret": "LONG", "providers": ["other"] },
            ] }),
            "AUTH.revocation.clients[0].providers[0]: found \"other\"; expected the name of a provider in \
             AUTH.providers",
        ),
        (
            json!({ "bound": 1 }),
            "AUTH.revocation.bound: found the unknown key \"bound\"; expected one of `refresh_seconds`, \
             `max_staleness_seconds`, `on_stale`, `retention_seconds`, `relays_per_region`, \
             `timeout_ms`, `clients`",
        ),
    ] {
        let mut setup = setup().with(json!({ "revocation": members }));
        setup.secret("SHORT", "short");
        setup.secret("LONG", "0123456789abcdef");
        assert_eq!(setup.problems(), [problem]);
    }
}

#[test]
fn who_counts_on_revocation_is_told_when_there_can_be_none() {
    let missing = "found no Durable Object namespaces named REVOCATION_HUB and REVOCATION_RELAY; expected \
                   both bindings and their migration in wrangler.toml, or no such key";
    for (members, place) in [
        (json!({ "revocation": {} }), "AUTH.revocation"),
        (
            json!({ "rules": [{ "path": "/a" }, { "path": "/b", "revocation": "strict" }] }),
            "AUTH.rules[1].revocation",
        ),
    ] {
        let mut setup = setup().with(members);
        setup.has_relays = false;
        assert_eq!(setup.problems(), [format!("{place}: {missing}")]);
    }
    let mut setup = setup();
    setup.has_relays = false;
    assert!(setup.problems().is_empty());
}

#[test]
fn a_client_says_whose_tokens_it_revokes_where_there_are_several_issuers() {
    let mut setup = setup().with(json!({
        "revocation": { "clients": [{ "client_id": "app", "client_secret": "LONG" }] },
    }));
    setup.secret("LONG", "0123456789abcdef");
    assert!(setup.problems().is_empty());
    let mut other = setup.table["providers"][0].clone();
    other["name"] = "other".into();
    other["issuer"] = "https://other.example".into();
    setup.table["providers"].as_array_mut().unwrap().push(other);
    let problem = "AUTH.revocation.clients[0].providers: found nothing; expected whose tokens it may \
                   revoke: another issuer can have a client of this name";
    assert_eq!(setup.problems(), [problem]);
    setup.table["revocation"]["clients"][0]["providers"] = json!(["main", "other"]);
    assert!(setup.problems().is_empty());
}
