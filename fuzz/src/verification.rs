//! A header and, behind the first line feed, claims, signed as the first signer of the fixture signs that the
//! header names: they are judged as the model judges them, and no token that differs from an accepted one in one
//! bit is accepted.

use super::fixture::{self, SIGNERS};
use super::token;

/// Checks an input.
pub fn check(data: &[u8]) {
    let split = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (header, claims) = data.split_at(split);
    let named = |(algorithm, _): &&(&str, &str)| {
        header.windows(algorithm.len()).any(|text| text == algorithm.as_bytes())
    };
    let (algorithm, _) = SIGNERS.iter().find(named).unwrap_or(&SIGNERS[0]);
    let text = fixture::token(algorithm, header, claims.get(1..).unwrap_or_default());
    token::compare_verdict(&text);
    if token::verify(&text).is_none() {
        return;
    }
    // Of all its characters one, by what the input is; `tests/gate/properties.rs` takes any of them.
    let sum: usize = data.iter().map(|byte| usize::from(*byte)).sum();
    let at = sum * 31 % text.len();
    for bit in 0..8 {
        let mut changed = text.clone().into_bytes();
        changed[at] ^= 1 << bit;
        if let Ok(changed) = String::from_utf8(changed) {
            assert!(token::verify(&changed).is_none(), "{text}\n{changed}");
        }
    }
}
