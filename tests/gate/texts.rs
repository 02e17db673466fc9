//! Texts that others collected to confuse JSON readers, as header and as claims of a token.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use edgeward::core::denial::Reason;
use serde_json::{Value, json};

use crate::fixture::{Setup, claims, present};
use crate::native::{Signer, encode};
use crate::vectors;

/// A token of these bytes, rightly signed.
fn token_of(signer: &Signer, header: &[u8], claims: &[u8]) -> String {
    let input = format!("{}.{}", encode(header), encode(claims));
    let signature = signer.sign("HS256", input.as_bytes());
    format!("{input}.{}", encode(&signature))
}

#[test]
fn no_confusing_text_passes_as_header_or_claims_although_rightly_signed() {
    let signer = Signer::hmac(1);
    let gate = Setup::new(&["HS256"], &signer).gate();
    let good_header = json!({ "alg": "HS256" }).to_string();
    let good_claims = claims().to_string();
    assert!(
        present(&gate, &token_of(&signer, good_header.as_bytes(), good_claims.as_bytes()))
            .is_permitted()
    );
    for text in [
        &b""[..],
        b"{",
        b"null",
        b"[]",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\0}\0",
        b"{\"alg\":\"HS256\",\"alg\":\"HS256\"}",
        b"{\"alg\":\"HS256\",\"\\u0061lg\":\"HS256\"}",
        b"{\"alg\":\"HS256\"}\0",
        b"{\"alg\":\"HS256\"}{}",
        b"{\"alg\":\"HS\xc0\xb256\"}",
    ] {
        let header = token_of(&signer, text, good_claims.as_bytes());
        assert!(!present(&gate, &header).is_permitted(), "{}", text.escape_ascii());
        let claims = token_of(&signer, good_header.as_bytes(), text);
        assert!(!present(&gate, &claims).is_permitted(), "{}", text.escape_ascii());
    }
}

#[test]
fn a_confusing_text_inside_the_claims_is_refused_or_means_what_it_says() {
    let Some(suite) = vectors::read("json_test_suite.jsonl") else { return };
    let signer = Signer::hmac(1);
    let gate = Setup::new(&["HS256"], &signer).with(json!({ "max_token_bytes": 65_536 })).gate();
    let good_claims = claims().to_string();
    let (mut refused, mut accepted) = (0, 0);
    for line in suite.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let text = STANDARD.decode(case["bytes_b64"].as_str().unwrap()).unwrap();
        // The text as one more member: good claims up to their last brace, then `,"x":TEXT}`.
        let (open, _) = good_claims.rsplit_once('}').unwrap();
        let claims = [open.as_bytes(), b",\"x\":", &text, b"}"].concat();
        let token = token_of(&signer, b"{\"alg\":\"HS256\"}", &claims);
        let outcome = present(&gate, &token);
        let (id, kind) = (&case["id"], case["kind"].as_str().unwrap());
        match kind {
            "must-not-parse" => {
                // The suite has texts of 100,000 brackets.
                let expected = [Reason::MalformedToken, Reason::TokenTooLarge];
                assert!(outcome.reason().is_some_and(|one| expected.contains(&one)), "{id}");
            }
            // A repeated member and a rounded number are valid JSON that we refuse on purpose.
            _ => assert!(
                outcome.is_permitted() || outcome.reason() == Some(Reason::MalformedToken),
                "{id}: {outcome:?}"
            ),
        }
        if outcome.is_permitted() {
            accepted += 1;
        } else {
            refused += 1;
        }
        for (header, claims) in
            [(&text[..], good_claims.as_bytes()), (b"{\"alg\":\"HS256\"}", &text[..])]
        {
            assert!(!present(&gate, &token_of(&signer, header, claims)).is_permitted(), "{id}");
        }
    }
    println!("{accepted} accepted as a claim, {refused} refused");
    assert!(accepted > 50 && refused > 150);
}
