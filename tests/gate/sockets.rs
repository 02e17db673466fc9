//! What a gate makes of WebSockets: which are supervised, and what their tokens are worth later.

use edgeward::core::denial::Reason;
use edgeward::core::request::RequestHead;
use edgeward::core::revocation::delta::{Delta, Head};
use edgeward::core::revocation::entry::{Effect, Entry};
use edgeward::core::revocation::target::{Fingerprint, Kind};
use edgeward::core::socket::{Step, Terms};
use edgeward::gate::{Decision, Findings, Gate, Renewal, Upgrade, Watch};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fixture::{ISSUER, NOW, Setup, claims_with};
use crate::native::{NativeCrypto, Signer};

const THEN: i64 = NOW * 1_000;

fn setup() -> Setup {
    let mut setup = Setup::new(&["HS256"], &Signer::hmac(1));
    setup.has_relays = true;
    setup
}

fn token(members: Value) -> String {
    let header = json!({ "alg": "HS256", "kid": "k1" });
    Signer::hmac(1).token(&header, &claims_with(members))
}

/// A list that is certain to be all at `as_of`.
fn refresh(gate: &Gate<NativeCrypto>, entries: &[Entry], as_of: i64) {
    let to = entries.last().map_or(0, |last| last.number);
    let head = Head { log: 7, after: 0, to, latest: to, age_ms: Some(0) };
    gate.begin_list(as_of);
    gate.hear_delta(&Delta::write(&head, entries), as_of, as_of).unwrap();
}

/// What becomes of a handshake for a path.
fn upgrade<'g>(gate: &'g Gate<NativeCrypto>, path: &str, token: Option<&str>) -> Upgrade<'g> {
    let credentials =
        token.map(|token| format!("\nauthorization\nBearer {token}")).unwrap_or_default();
    let packed = format!("GET\nhttps://edge.example{path}\nupgrade\nwebsocket{credentials}");
    match gate.decide(&RequestHead::unpack(&packed), THEN, &mut Findings::default()) {
        Ok(Decision::Forward(mut permit)) => permit.take_upgrade(),
        other => panic!("{other:?}"),
    }
}

fn watch<'g>(gate: &'g Gate<NativeCrypto>, token: &str) -> Watch<'g> {
    match upgrade(gate, "/", Some(token)) {
        Upgrade::Supervised(watch) => *watch,
        other => panic!("{other:?}"),
    }
}

fn target(kind: Kind, value: &str) -> Fingerprint {
    Fingerprint::of(kind, ISSUER, value)
}

fn entry(number: u64, target: Fingerprint, effect: Effect) -> Entry {
    Entry { number, target, effect, expires_at: NOW + 1_000 }
}

#[test]
fn a_socket_with_a_token_is_supervised_unless_a_rule_says_otherwise() {
    let rules = json!({ "rules": [
        { "path": "/public", "access": "public" },
        { "path": "/stream", "access": "required", "websocket": "handshake" },
        { "path": "/small", "access": "required", "max_buffered_bytes": 4_096 },
    ] });
    let gate = setup().with(rules.clone()).gate();
    refresh(&gate, &[], THEN);
    let token = token(json!({}));
    for (path, token, expected) in [
        ("/", Some(&token), Some(1_048_576)),
        ("/small", Some(&token), Some(4_096)),
        ("/stream", Some(&token), None),
        ("/public", Some(&token), None),
        ("/public", None, None),
    ] {
        let buffered = match upgrade(&gate, path, token.map(String::as_str)) {
            Upgrade::Supervised(watch) => Some(gate.terms(&watch).max_buffered_bytes),
            Upgrade::Native => None,
            Upgrade::No => panic!("{path}"),
        };
        assert_eq!(buffered, expected, "{path}");
    }
    // Where there are limits for all, nobody is without; where the runtime pumps, there are none.
    let gate = setup().with(rules).with(json!({ "websocket": { "max_message_bytes": 9 } })).gate();
    refresh(&gate, &[], THEN);
    let Upgrade::Supervised(anonymous) = upgrade(&gate, "/public", None) else {
        panic!("no limit")
    };
    let expected = Terms {
        expires_at: None,
        check_ms: None,
        doubt_ms: 30_000,
        idle_ms: None,
        max_buffered_bytes: 1_048_576,
        max_message_bytes: Some(9),
    };
    assert_eq!(gate.terms(&anonymous), expected);
    assert_eq!(gate.leash(&anonymous, THEN).next_at(), None);
    assert!(matches!(upgrade(&gate, "/stream", Some(&token)), Upgrade::Native));
}

#[test]
fn a_request_that_does_not_want_to_be_a_socket_is_none() {
    let gate = setup().gate();
    refresh(&gate, &[], THEN);
    let packed = format!("GET\nhttps://e.example/\nauthorization\nBearer {}", token(json!({})));
    match gate.decide(&RequestHead::unpack(&packed), THEN, &mut Findings::default()) {
        Ok(Decision::Forward(mut permit)) => assert!(matches!(permit.take_upgrade(), Upgrade::No)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_socket_lasts_as_long_as_its_token_with_leeway_and_is_judged_in_thirds_of_the_bound() {
    for (staleness, skew, check_ms) in [(30, 0, 10_000), (4, 5, 1_333), (3_600, 30, 30_000)] {
        let mut setup =
            setup().with(json!({ "revocation": { "max_staleness_seconds": staleness } }));
        setup.table["clock_skew_seconds"] = json!(skew);
        let gate = setup.gate();
        refresh(&gate, &[], THEN);
        let watch = watch(&gate, &token(json!({ "exp": NOW + 60 })));
        let terms = gate.terms(&watch);
        assert_eq!(terms.expires_at, Some((NOW + 60 + skew) * 1_000));
        assert_eq!((terms.check_ms, terms.doubt_ms), (Some(check_ms), staleness * 1_000));
        assert_eq!(gate.list_lapses_at(), Some(THEN + staleness * 1_000));
        assert_eq!(gate.leash(&watch, THEN).wake(THEN), Step::Connect);
    }
}

#[test]
fn a_leash_names_all_that_can_revoke_the_token() {
    let gate = setup().gate();
    refresh(&gate, &[], THEN);
    let token = token(json!({ "sid": "s", "client_id": "c" }));
    let watch = watch(&gate, &token);
    let signed = token.rsplit_once('.').unwrap().0;
    let expected = [
        (Kind::TokenId, "t-1"),
        (Kind::Subject, "alice"),
        (Kind::Session, "s"),
        (Kind::Client, "c"),
        (Kind::Key, "k1"),
        (Kind::Token, signed),
    ]
    .map(|(kind, value)| target(kind, value).to_string());
    assert_eq!(watch.tags(), expected);
    assert_eq!(watch.subject_tag(), Some(target(Kind::Subject, "alice")));
    assert_eq!(watch.judged_by(), (Some(7), 0));
}

#[test]
fn a_notice_revokes_by_its_last_word_about_a_target_that_counts() {
    let gate = setup().gate();
    refresh(&gate, &[], THEN);
    let watch = watch(&gate, &token(json!({})));
    let (alice, eve) = (target(Kind::Subject, "alice"), target(Kind::Subject, "eve"));
    let old = alice.of_older();
    let issued_before = Effect::RevokeIssuedBefore;
    let over = Entry { expires_at: NOW, ..entry(1, alice, Effect::RevokeAll) };
    for (entries, revokes) in [
        (vec![], false),
        (vec![entry(1, alice, Effect::RevokeAll)], true),
        (vec![entry(1, eve, Effect::RevokeAll)], false),
        (vec![over], false),
        (vec![entry(1, alice, Effect::RevokeAll), entry(2, alice, Effect::Undo)], false),
        (vec![entry(1, alice, Effect::Undo), entry(2, alice, Effect::RevokeAll)], true),
        // It was issued ten seconds ago.
        (vec![entry(1, old, issued_before(NOW - 9))], true),
        (vec![entry(1, old, issued_before(NOW - 10))], false),
        (vec![entry(1, old, issued_before(NOW)), entry(2, alice, Effect::Undo)], true),
    ] {
        let to = entries.len() as u64;
        let head = Head { log: 7, after: 0, to, latest: to, age_ms: None };
        let bytes = Delta::write(&head, &entries);
        let delta = Delta::read(&bytes).unwrap();
        assert_eq!(watch.is_revoked_by(&delta, NOW), revokes, "{entries:?}");
    }
}

#[test]
fn a_token_is_worth_later_what_it_is_worth_to_a_request() {
    let gate = setup().gate();
    refresh(&gate, &[], THEN);
    let mut watch = watch(&gate, &token(json!({ "exp": NOW + 60 })));
    let mut judge = |now: i64| {
        gate.judge_again(&mut watch, now, &mut Findings::default()).map_err(|it| it.reason)
    };
    assert!(matches!(judge(THEN + 29_999), Ok(None)));
    assert_eq!(judge(THEN + 30_000).unwrap_err(), Reason::RevocationsUnknown);
    refresh(&gate, &[entry(1, target(Kind::Subject, "eve"), Effect::RevokeAll)], THEN + 30_000);
    assert!(matches!(judge(THEN + 59_999), Ok(None)));
    assert_eq!(judge(THEN + 60_000).unwrap_err(), Reason::Expired);
    refresh(&gate, &[entry(2, target(Kind::TokenId, "t-1"), Effect::RevokeAll)], THEN + 50_000);
    assert_eq!(judge(THEN + 50_001).unwrap_err(), Reason::Revoked);
    // From where it was last good something may have been missed, and not from any later number.
    assert_eq!(watch.judged_by(), (Some(7), 1));
}

#[test]
fn a_notice_that_is_late_does_not_revoke_what_was_undone_since() {
    let gate = setup().gate();
    let alice = target(Kind::Subject, "alice");
    refresh(&gate, &[entry(1, alice, Effect::RevokeAll), entry(2, alice, Effect::Undo)], THEN);
    let watch = watch(&gate, &token(json!({})));
    for (log, number, revokes) in [(7, 1, false), (7, 2, false), (7, 3, true), (8, 1, true)] {
        let head = Head { log, after: number - 1, to: number, latest: number, age_ms: None };
        let bytes = Delta::write(&head, &[entry(number, alice, Effect::RevokeAll)]);
        let delta = Delta::read(&bytes).unwrap();
        assert_eq!(watch.is_revoked_by(&delta, NOW), revokes, "{log} {number}");
    }
}

#[test]
fn a_list_is_due_when_nobody_refreshes_it() {
    let gate = setup().gate();
    let is_due = |passed| gate.list_is_due(0, false, THEN + passed);
    assert!(is_due(0));
    refresh(&gate, &[], THEN);
    assert!(!is_due(999));
    assert!(is_due(1_000));
    assert!(!gate.list_is_due(5_000, false, THEN + 4_999), "nobody needs it so soon");
    assert!(gate.list_is_due(5_000, false, THEN + 5_000));
    gate.begin_list(THEN + 1_000);
    assert!(!is_due(1_001));
    gate.list_was_not_refreshed(THEN + 1_500);
    assert!(!is_due(2_499));
    assert!(is_due(2_500));
    // Over a leash it is when none has just tried, whatever came of what others did.
    let is_due = |passed| gate.list_is_due(5_000, true, THEN + passed);
    assert!(!is_due(4_999));
    gate.begin_list(THEN + 5_000);
    gate.list_was_not_refreshed(THEN + 5_000);
    assert!(is_due(5_000));
    assert!(!is_due(5_999), "it has just been asked");
    assert!(is_due(6_000));
    assert!(!Setup::new(&["HS256"], &Signer::hmac(1)).gate().list_is_due(0, false, THEN));
}

#[test]
fn only_a_good_token_of_the_same_subject_takes_the_place_of_another() {
    let rules = json!({ "rules": [
        { "path": "/", "access": "required", "scopes_all": ["read"] },
    ] });
    let gate = setup().with(rules).gate();
    refresh(&gate, &[entry(1, target(Kind::TokenId, "bad"), Effect::RevokeAll)], THEN);
    let mut watch = watch(&gate, &token(json!({ "exp": NOW + 60 })));
    let mut renew = |token: &str| {
        let mut findings = Findings::default();
        let renewal = gate.renew(&mut watch, token, THEN, &mut findings);
        let expires_at = watch.expires_at();
        (renewal, expires_at)
    };
    for (members, reason) in [
        (json!({ "exp": NOW }), Some(Reason::Expired)),
        (json!({ "jti": "bad" }), Some(Reason::Revoked)),
        (json!({ "scope": "write" }), Some(Reason::MissingScope)),
        (json!({ "sub": "eve" }), None),
    ] {
        let (renewal, expires_at) = renew(&token(members.clone()));
        match (renewal, reason) {
            (Renewal::Refused(denial), Some(reason)) => assert_eq!(denial.reason, reason),
            (Renewal::AnotherSubject, None) => {}
            other => panic!("{members} {other:?}"),
        }
        assert_eq!(expires_at, Some((NOW + 60) * 1_000), "{members}");
    }
    assert_eq!(watch.turn(), 0);
    let mut renew = |token: &str| {
        let renewal = gate.renew(&mut watch, token, THEN, &mut Findings::default());
        (renewal, watch.expires_at())
    };
    let (renewal, expires_at) = renew(&token(json!({ "exp": NOW + 600, "jti": "t-2" })));
    assert!(matches!(renewal, Renewal::Renewed(until) if until == NOW + 600), "{renewal:?}");
    assert_eq!(expires_at, Some((NOW + 600) * 1_000));
    assert_eq!(watch.turn(), 1);
    assert!(watch.tags().contains(&target(Kind::TokenId, "t-2").to_string()));
    assert!(!watch.tags().contains(&target(Kind::TokenId, "t-1").to_string()));
}

#[test]
fn a_token_of_another_issuer_is_another_subject_whatever_its_name() {
    let mut setup = setup();
    let mut other = setup.table["providers"][0].clone();
    other["name"] = json!("other");
    other["issuer"] = json!("https://other.example");
    other["keys"] = json!(["OTHER_KEYS"]);
    setup.table["providers"].as_array_mut().unwrap().push(other);
    let keys = json!({ "keys": [Signer::hmac(2).jwk("k2")] });
    setup.secret("OTHER_KEYS", &keys.to_string());
    let gate = setup.gate();
    refresh(&gate, &[], THEN);
    let mut watch = watch(&gate, &token(json!({})));
    let claims = claims_with(json!({ "iss": "https://other.example" }));
    let header = json!({ "alg": "HS256", "kid": "k2" });
    let alice = Signer::hmac(2).token(&header, &claims);
    let renewal = gate.renew(&mut watch, &alice, THEN, &mut Findings::default());
    assert!(matches!(renewal, Renewal::AnotherSubject), "{renewal:?}");
    assert_eq!(watch.turn(), 0);
}

#[test]
fn a_token_without_a_subject_is_nobody_s_and_is_not_renewed() {
    let mut setup = setup();
    setup.table["providers"][0]["required_claims"] = json!([]);
    let gate = setup.gate();
    refresh(&gate, &[], THEN);
    let token = token(json!({ "sub": null }));
    let mut watch = watch(&gate, &token);
    assert_eq!(watch.subject_tag(), None);
    let renewal = gate.renew(&mut watch, &token, THEN, &mut Findings::default());
    assert!(matches!(renewal, Renewal::AnotherSubject), "{renewal:?}");
}

/// What a request with this token comes to at that time, where nothing has to be found out.
fn request(gate: &Gate<NativeCrypto>, token: &str, now: i64) -> Result<(), Reason> {
    let packed = format!("GET\nhttps://edge.example/\nauthorization\nBearer {token}");
    let mut findings = Findings::default();
    findings.list_was_sought();
    match gate.decide(&RequestHead::unpack(&packed), now, &mut findings) {
        Ok(Decision::Forward(_)) => Ok(()),
        Ok(other) => panic!("{other:?}"),
        Err(denial) => Err(denial.reason),
    }
}

proptest! {
    /// A socket that lives is one whose token would be let in, at every time and whatever was revoked.
    #[test]
    fn a_socket_is_judged_as_a_request_would_be(
        life in 1_i64..120,
        steps in prop::collection::vec((0_i64..40_000, 0_usize..6, any::<bool>()), 1..20),
    ) {
        let gate = setup().gate();
        refresh(&gate, &[], THEN);
        let token = token(json!({ "exp": NOW + life }));
        let mut watch = watch(&gate, &token);
        let (mut now, mut log) = (THEN, Vec::new());
        for (passes, which, refreshes) in steps {
            now += passes;
            let kinds =
                [(Kind::TokenId, "t-1"), (Kind::Subject, "alice"), (Kind::Subject, "eve")];
            if let Some((kind, value)) = kinds.get(which) {
                let effect = if passes % 2 == 0 { Effect::RevokeAll } else { Effect::Undo };
                log.push(entry(log.len() as u64 + 1, target(*kind, value), effect));
            }
            if refreshes {
                refresh(&gate, &log, now);
            }
            let judged = gate.judge_again(&mut watch, now, &mut Findings::default());
            if let Ok(Some(question)) = &judged {
                panic!("{question:?}");
            }
            let judged = judged.map(|_| ()).map_err(|denial| denial.reason);
            prop_assert_eq!(judged, request(&gate, &token, now));
        }
    }
}
