//! Tokens of the largest size that a configuration permits, full of what is dear to read. What cannot be afforded
//! in a large token is refused, or is not done.

use super::*;

/// The most that `max_token_bytes` may be, and what a token of that length has room for in one of its texts.
const LARGEST: usize = 65_536;
const ROOM: usize = 48_600;

/// A text with as many items as there is room for.
fn full(begin: &str, item: impl Fn(usize) -> String, end: &str) -> String {
    let mut text = begin.to_owned();
    for number in 0.. {
        let item = item(number);
        if text.len() + item.len() + end.len() > ROOM {
            break;
        }
        text.push_str(&item);
    }
    text + end
}

/// Headers and claims as long as may be, and why a token of them is refused, if it is although it is rightly signed.
fn largest() -> Vec<(&'static str, String, String, Option<&'static str>)> {
    let all = good_claims().to_string();
    let good = format!("{},", &all[..all.len() - 1]);
    let without_audience = claims_with(json!({ "aud": null })).to_string();
    let audiences = format!("{},\"aud\":[", &without_audience[..without_audience.len() - 1]);
    let same = |text: &'static str| move |_| text.to_owned();
    let member = |number| format!("\"m{number}\":0,");
    let alike = |number| format!("\"{}{number}\":0,", "m".repeat(200));
    let nested = |open: &str, close: &str| format!("{}1{},", open.repeat(120), close.repeat(120));
    let lists = nested("[", "]");
    let objects = nested("{\"y\":", "}");
    let mut cases = Vec::new();
    for (name, text, reason) in [
        ("a text", full(&format!("{good}\"x\":\""), same("x"), "\"}"), None),
        ("members", full(&good, member, "\"x\":0}"), None),
        ("members that begin alike", full(&good, alike, "\"x\":0}"), None),
        ("members, and the first again", full(&good, member, "\"m0\":0}"), Some("malformed_token")),
        ("one member", full(&good, same("\"m\":0,"), "\"x\":0}"), Some("malformed_token")),
        ("empty lists", full(&format!("{good}\"x\":["), same("[],"), "0]}"), None),
        ("empty objects", full(&format!("{good}\"x\":["), same("{},"), "0]}"), None),
        ("deep lists", full(&format!("{good}\"x\":["), |_| lists.clone(), "0]}"), None),
        ("deep objects", full(&format!("{good}\"x\":["), |_| objects.clone(), "0]}"), None),
        ("brackets", full(&format!("{good}\"x\":"), same("["), ""), Some("malformed_token")),
        ("braces", full(&format!("{good}\"x\":"), same("{\"y\":"), ""), Some("malformed_token")),
        ("digits", full(&format!("{good}\"x\":7"), same("7"), "}"), Some("malformed_token")),
        ("a fraction", full(&format!("{good}\"x\":0."), same("7"), "}"), None),
        ("an exponent", full(&format!("{good}\"x\":1e-"), same("9"), "}"), None),
        ("escapes", full(&format!("{good}\"x\":\""), same("\\u0041"), "\"}"), None),
        ("scopes", full(&format!("{good}\"scope\":\""), same("a "), "a\"}"), None),
        ("audiences", full(&audiences, same("\"other\","), "\"api\"]}"), None),
    ] {
        cases.push((name, HMAC_HEADER.to_owned(), text, reason));
    }
    let ours = format!("{},", &HMAC_HEADER[..HMAC_HEADER.len() - 1]);
    let encrypting = "{\"alg\":\"PBES2-HS512+A256KW\",\"enc\":\"A256GCM\",\"kid\":\"hmac\",";
    let iterations = "\"p2c\":2147483647,\"p2s\":\"";
    for (name, text, reason) in [
        ("members of the header", full(&ours, member, "\"x\":0}"), None),
        (
            "critical members",
            full(&format!("{ours}\"crit\":["), |at| format!("\"m{at}\","), "\"x\"]}"),
            Some("refused_header_member"),
        ),
        (
            "members, packed",
            full(&format!("{ours}\"zip\":\"DEF\","), member, "\"x\":0}"),
            Some("refused_header_member"),
        ),
        (
            "a key made of a password, billions of times",
            full(&format!("{encrypting}{iterations}"), same("A"), "\"}"),
            Some("algorithm_not_allowed"),
        ),
        (
            "the same, under our algorithm",
            full(&format!("{ours}\"enc\":\"A256GCM\",{iterations}"), same("A"), "\"}"),
            Some("refused_header_member"),
        ),
        (
            "a key",
            full(&format!("{ours}\"jwk\":{{\"kty\":\"RSA\",\"e\":\""), same("_"), "\"}}"),
            Some("refused_header_member"),
        ),
        ("a kid", full("{\"alg\":\"HS256\",\"kid\":\"", same("k"), "\"}"), Some("unknown_key")),
    ] {
        cases.push((name, text, good_claims().to_string(), reason));
    }
    cases
}

/// What a refusal costs is compared with one of a token of that length with nothing in it but one long text.
#[tokio::test]
async fn the_largest_token_costs_what_its_length_costs_whatever_is_in_it() {
    const ROUNDS: u32 = 8;
    let mut siege = Siege::of(|setup| setup.set("max_token_bytes", LARGEST)).await;
    let user = get("/").bearer(&mint::token());
    let mut work = Vec::new();
    for (name, header, claims, reason) in largest() {
        let good = hmac_token(&header, &claims);
        assert!((64_000..=LARGEST).contains(&good.len()), "{name}: {}", good.len());
        let (hostile, reason) = if let Some(reason) = reason {
            (good, reason)
        } else {
            for cache in ["cold", "warm"] {
                siege.passes(&format!("{name}, {cache}"), &get("/").bearer(&good)).await;
            }
            (raw_token(&header, &claims, |_| vec![7; 32]), "bad_signature")
        };
        let before = siege.gate.processor_time();
        for _ in 0..ROUNDS {
            siege.refuses(name, &get("/").bearer(&hostile), INVALID_TOKEN, reason).await;
        }
        work.push((name, siege.gate.processor_time().saturating_sub(before)));
        siege.passes("a user beside", &user).await;
    }
    // Five parts, as what is encrypted has.
    let part = base64url(&[7; 12_200]);
    let encrypted = format!("{part}.{part}.{part}.{part}.AAAA");
    siege
        .refuses("encrypted", &get("/").bearer(&encrypted), INVALID_TOKEN, "malformed_token")
        .await;
    siege.passes("a user beside", &user).await;
    let (_, plain) = work[0];
    for (name, it) in &work {
        // It is up to three times as much. Looking at each member for each other one would be far beyond.
        assert!(*it < plain * 8, "{name}: {it:?}, and {plain:?} for a text");
    }
    siege.must_have_held().await;
}
