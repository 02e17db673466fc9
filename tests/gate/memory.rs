//! What the cache keeps, in which room.

use edgeward::core::cache::{Known, MOST_BYTES, TokenCache};

use crate::verified::{self, Verifier};

/// Keys in the place of tokens, which need not be tokens here, so that many are made quickly.
fn keys(kind: &str, number: usize) -> impl Iterator<Item = String> {
    (0..number).map(move |number| format!("{kind}-{number:0600}"))
}

/// Lets a token come for the first time, as the gate does.
fn come(cache: &mut TokenCache, token: &str, known: &Known) {
    cache.insert(token, Known { assertion: None, ..known.clone() });
    renew(cache, token, known);
}

fn renew(cache: &mut TokenCache, token: &str, from: &Known) {
    cache.renew(token, |known| known.assertion.clone_from(&from.assertion));
}

#[test]
fn ten_thousand_usual_tokens_fit() {
    let verifier = Verifier::new();
    let mut cache = TokenCache::new(7);
    for number in 0..10_000 {
        let token = verified::token(number);
        assert!((600..700).contains(&token.len()), "{}", token.len());
        come(&mut cache, &token, &verifier.known(&token));
    }
    let (entries, bytes) = cache.usage();
    assert_eq!(entries, 10_000, "{bytes} bytes");
}

#[test]
fn tokens_that_come_once_do_not_displace_those_that_come_again() {
    let known = Verifier::new().known(&verified::token(0));
    let mut cache = TokenCache::new(7);
    for token in keys("again", 1_000) {
        come(&mut cache, &token, &known);
        assert!(cache.get(&token).is_some());
    }
    for token in keys("once", 100_000) {
        come(&mut cache, &token, &known);
    }
    assert_eq!(keys("again", 1_000).filter(|token| cache.get(token).is_some()).count(), 1_000);
}

#[test]
fn an_assertion_takes_room_when_there_is_one() {
    let known = Verifier::new().known(&verified::token(0));
    let mut cache = TokenCache::new(7);
    cache.insert("token", Known { assertion: None, ..known.clone() });
    let (_, before) = cache.usage();
    let assertion = known.assertion.clone().unwrap();
    renew(&mut cache, "token", &known);
    let (entries, after) = cache.usage();
    assert_eq!((entries, after - before), (1, assertion.weight() as u64));
    assert_eq!(cache.get("token").unwrap().assertion, Some(assertion));
}

#[test]
fn a_token_that_had_to_go_gets_no_assertion() {
    let known = Verifier::new().known(&verified::token(0));
    let mut cache = TokenCache::new(7);
    renew(&mut cache, "token", &known);
    assert!(cache.get("token").is_none());
    assert_eq!(cache.usage(), (0, 0));
}

#[test]
fn assertions_for_all_tokens_of_a_full_cache_stay_within_the_bound() {
    let known = Verifier::new().known(&verified::token(0));
    let mut cache = TokenCache::new(7);
    for token in keys("full", 20_000) {
        cache.insert(&token, Known { assertion: None, ..known.clone() });
    }
    for token in keys("full", 20_000) {
        renew(&mut cache, &token, &known);
        assert!(cache.usage().1 <= MOST_BYTES);
    }
    assert!(cache.usage().0 >= 10_000);
}
