//! What holds for every input.

use std::sync::LazyLock;

use edgeward::core::cache::MOST_BYTES;
use edgeward::core::request::RequestHead;
use proptest::prelude::*;
use serde_json::json;

use crate::fixture::{NOW, Setup, claims_with, present, send_at};
use crate::native::Signer;

static RSA: LazyLock<Signer> = LazyLock::new(Signer::rsa);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// No change of an accepted token is accepted: not of a bit, nor by taking out, putting in or
    /// exchanging characters.
    #[test]
    fn no_change_of_an_accepted_token_is_accepted(
        at in 0..10_000_usize,
        bit in 0..8_u8,
        kind in 0..4_u8,
        letter in "[A-Za-z0-9_.=+/ -]",
    ) {
        let gate = Setup::new(&["RS256"], &RSA).gate();
        let token = RSA.token(&json!({ "alg": "RS256", "kid": "k1" }), &claims_with(json!({})));
        prop_assert!(present(&gate, &token).is_permitted());
        let at = at % token.len();
        let mut changed = token.clone().into_bytes();
        match kind {
            0 => changed[at] ^= 1 << bit,
            1 => { changed.remove(at); }
            2 => changed.insert(at, letter.as_bytes()[0]),
            _ => changed[at] = letter.as_bytes()[0],
        }
        if let Ok(changed) = String::from_utf8(changed)
            && changed.trim() != token
            && !changed.contains(['\n', '\r'])
        {
            prop_assert!(!present(&gate, &changed).is_permitted(), "{changed}");
        }
    }

    /// Whatever a client sends, there is an answer, and without a token of the issuer it is no.
    #[test]
    fn no_request_panics_and_none_passes_without_a_token(
        method in "[A-Z]{1,8}",
        path in "/[ -~]{0,40}",
        names in prop::collection::vec(("[a-z_-]{1,20}", "[ -~]{0,60}"), 0..6),
        credentials in prop_oneof![
            "[ -~]{0,80}",
            "Bearer [A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}",
        ],
    ) {
        let setup = Setup::new(&["RS256", "HS256"], &RSA).with(json!({
            "token": { "sources": ["authorization", "cookie:s", "query:t", "header:x-token"] },
        }));
        let mut packed = format!("{method}\nhttps://e.example{path}\nauthorization\n{credentials}");
        for (name, value) in names {
            packed = format!("{packed}\n{name}\n{value}");
        }
        if !RequestHead::unpack(&packed).is_preflight() {
            prop_assert!(!send_at(&setup.gate(), &packed, NOW).is_permitted());
        }
    }
}

/// Every one, where the property above takes some at random.
#[test]
fn no_bit_of_an_accepted_token_can_change_whatever_signed_it() {
    let signers = [
        ("HS256", Signer::hmac(1)),
        ("RS256", Signer::rsa()),
        ("PS256", Signer::rsa()),
        ("ES256", Signer::p256()),
        ("EdDSA", Signer::ed25519()),
    ];
    for (algorithm, signer) in signers {
        let gate = Setup::new(&[algorithm], &signer).gate();
        let header = json!({ "alg": algorithm, "kid": "k1" });
        let token = signer.token(&header, &claims_with(json!({})));
        assert!(present(&gate, &token).is_permitted());
        let mut tried = 0;
        for (at, bit) in (0..token.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut changed = token.clone().into_bytes();
            changed[at] ^= 1 << bit;
            let changed = String::from_utf8(changed).ok().filter(|text| !text.contains('\n'));
            if let Some(changed) = changed {
                assert!(!present(&gate, &changed).is_permitted(), "{changed}");
                tried += 1;
            }
        }
        assert!(tried > 6 * token.len(), "{tried}");
    }
}

#[test]
fn no_character_of_an_accepted_token_can_be_another_or_missing_or_twice() {
    let signer = Signer::hmac(1);
    let gate = Setup::new(&["HS256"], &signer).gate();
    let token = signer.token(&json!({ "alg": "HS256" }), &claims_with(json!({})));
    assert!(present(&gate, &token).is_permitted());
    let letters = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain("-_.=+/~".chars());
    let letters: Vec<String> = letters.map(String::from).collect();
    for at in 0..token.len() {
        let (before, after) = (&token[..at], &token[at + 1..]);
        let letter = &token[at..=at];
        let others = letters.iter().map(String::as_str).filter(|other| *other != letter);
        let twice = letter.repeat(2);
        for other in others.chain(["", twice.as_str()]) {
            let changed = format!("{before}{other}{after}");
            assert!(!present(&gate, &changed).is_permitted(), "{changed}");
        }
    }
}

#[test]
fn the_cache_stays_within_its_bounds_whatever_is_put_in() {
    let signer = Signer::hmac(1);
    let gate = Setup::new(&["HS256"], &signer).gate();
    for number in 0..30_000 {
        let padding = "x".repeat(number % 3_000);
        let claims = claims_with(json!({ "jti": number.to_string(), "padding": padding }));
        let token = signer.token(&json!({ "alg": "HS256" }), &claims);
        assert!(present(&gate, &token).is_permitted());
    }
    let (entries, bytes) = gate.cache_usage();
    assert!(entries > 100, "{entries}");
    assert!(bytes <= MOST_BYTES, "{bytes}");
}
