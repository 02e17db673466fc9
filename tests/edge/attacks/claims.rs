//! Claims that are almost what is asked for, in tokens that are rightly signed.

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use super::*;
use mint::{AUDIENCE, HMAC, ISSUER, from_base64url, now, token_with};

/// Good claims with this text as the value of one of them.
fn with_text(claim: &str, value: &str) -> String {
    let text = claims_with(json!({ claim: null })).to_string();
    format!("{},\"{claim}\":{value}}}", text.trim_end_matches('}'))
}

#[tokio::test]
async fn a_time_that_is_no_moment_is_refused_for_what_it_is() {
    let mut siege = Siege::of(|setup| setup).await;
    let known = HMAC.token("HS256", &good_claims());
    let (soon, digits) = (now() + 300, "9".repeat(5_000));
    for claim in ["exp", "nbf", "iat"] {
        for (value, reason) in [
            (format!("\"{soon}\""), "malformed_time_claim"),
            ("\"\"".to_owned(), "malformed_time_claim"),
            ("\"never\"".to_owned(), "malformed_time_claim"),
            ("\"2099-01-01T00:00:00Z\"".to_owned(), "malformed_time_claim"),
            ("true".to_owned(), "malformed_time_claim"),
            ("false".to_owned(), "malformed_time_claim"),
            ("null".to_owned(), "malformed_time_claim"),
            ("[]".to_owned(), "malformed_time_claim"),
            (format!("[{soon}]"), "malformed_time_claim"),
            ("{}".to_owned(), "malformed_time_claim"),
            (format!("{{\"$date\":{soon}}}"), "malformed_time_claim"),
            ("-1".to_owned(), "malformed_time_claim"),
            (format!("-{soon}"), "malformed_time_claim"),
            ("9007199254740993".to_owned(), "malformed_time_claim"),
            ("9223372036854775807".to_owned(), "malformed_time_claim"),
            ("9223372036854775808".to_owned(), "malformed_time_claim"),
            ("18446744073709551615".to_owned(), "malformed_time_claim"),
            ("18446744073709551616".to_owned(), "malformed_token"),
            ("1e20".to_owned(), "malformed_token"),
            ("1e400".to_owned(), "malformed_token"),
            ("-1e400".to_owned(), "malformed_token"),
            (digits.clone(), "malformed_token"),
            (format!("{soon}.{digits}"), ""),
            ("NaN".to_owned(), "malformed_token"),
            ("Infinity".to_owned(), "malformed_token"),
            (format!("0{soon}"), "malformed_token"),
            (format!("+{soon}"), "malformed_token"),
        ] {
            let token = hmac_token(HMAC_HEADER, with_text(claim, &value));
            let name = format!("{claim} {}", &value[..value.len().min(40)]);
            match (claim, reason) {
                // A fraction of any length is a moment; that of the others is to come.
                ("exp", "") => {
                    siege.passes(&name, &get("/").bearer(&token)).await;
                }
                ("nbf", "") => siege.refuses_token(&name, (&known, &token), "not_yet_valid").await,
                ("iat", "") => {
                    siege.refuses_token(&name, (&known, &token), "issued_in_future").await;
                }
                _ => siege.refuses_token(&name, (&known, &token), reason).await,
            }
        }
    }
    for (changes, reason) in [
        (json!({ "exp": null }), "malformed_time_claim"),
        (json!({ "nbf": now() + 3_600 }), "not_yet_valid"),
        (json!({ "iat": now() + 3_600, "exp": now() + 7_200 }), "issued_in_future"),
        (json!({ "nbf": 9_007_199_254_740_991_i64 }), "not_yet_valid"),
    ] {
        let token = token_with(changes.clone());
        siege.refuses_token(&changes.to_string(), (&known, &token), reason).await;
    }
    siege.must_have_held().await;
}

#[tokio::test]
async fn an_issuer_or_audience_that_is_almost_right_is_wrong() {
    let mut siege = Siege::of(|setup| setup).await;
    let known = HMAC.token("HS256", &good_claims());
    for (claim, right, reason) in
        [("iss", ISSUER, "unknown_issuer"), ("aud", AUDIENCE, "wrong_audience")]
    {
        let mut wrong: Vec<Value> = vec![
            json!({}),
            json!([]),
            json!(0),
            json!(true),
            json!(""),
            json!("*"),
            json!("null"),
            json!("undefined"),
            json!([[right]]),
            json!([right, 1]),
            json!([right, null]),
            json!([right, [right]]),
            json!({ "0": right, "length": 1 }),
            json!({ "toString": right }),
            json!(".*"),
            json!("%"),
        ];
        for text in [
            right.to_uppercase(),
            format!("{right}/"),
            format!("{right}//"),
            format!("{right}/."),
            format!("{right}?"),
            format!("{right}#"),
            format!("{right}."),
            format!("{right} "),
            format!(" {right}"),
            format!("{right}\t"),
            format!("{right}\n"),
            format!("{right}\r\n"),
            format!("{right}\0"),
            format!("{right}\0.evil.example"),
            format!("{right}\u{200b}"),
            format!("\u{feff}{right}"),
            format!("{right},{right}"),
            format!("{right} {right}"),
            format!("x {right}"),
            format!("{right}.evil.example"),
            format!("evil-{right}"),
            right[1..].to_owned(),
            right[..right.len() - 1].to_owned(),
            right.replace('i', "\u{456}"),
            right.replace('i', "\u{131}"),
            right.replace('p', "\u{440}"),
            right.replace('e', "e\u{301}"),
            right.replace("https", "http"),
            right.replace("//", "///"),
            right.replace("//", "//user@"),
            right.replace(".example", ".example:443"),
            right.replace('.', "%2e"),
            right.replace('a', "\u{ff41}"),
        ] {
            if text != right {
                wrong.push(json!(text));
                // A list of audiences may name us; one of issuers may not.
                wrong.push(json!([text]));
            }
        }
        if claim == "iss" {
            wrong.push(json!([right]));
        }
        for value in wrong {
            let mut claims = good_claims();
            claims[claim] = value.clone();
            let token = hmac_token(HMAC_HEADER, claims.to_string());
            siege.refuses_token(&format!("{claim} {value}"), (&known, &token), reason).await;
        }
        let absent = token_with(json!({ claim: null }));
        siege.refuses_token(&format!("{claim} absent"), (&known, &absent), reason).await;
    }
    siege.must_have_held().await;
}

#[tokio::test]
async fn who_a_token_is_about_is_a_text_or_the_token_is_refused() {
    let mut siege = Siege::of(|setup| {
        setup.set("forward.claim_to_headers", json!({ "X-Auth-Subject": "sub" }))
    })
    .await;
    let known = HMAC.token("HS256", &good_claims());
    for claim in ["sub", "jti"] {
        for value in ["0", "1", "-1", "1.5", "true", "false", "[]", "[\"root\"]", "{}", "{\"a\":1}"]
        {
            let token = hmac_token(HMAC_HEADER, with_text(claim, value));
            let name = format!("{claim} {value}");
            siege.refuses_token(&name, (&known, &token), "missing_claim").await;
        }
    }
    let token = hmac_token(HMAC_HEADER, with_text("sub", "null"));
    siege.refuses_token("sub null", (&known, &token), "missing_claim").await;
    siege.must_have_held().await;
}

#[tokio::test]
async fn a_scope_or_role_that_is_almost_right_opens_nothing() {
    const FORBIDDEN: (u16, &str) = (403, "insufficient_scope");
    let mut siege = Siege::of(|setup| {
        setup
            .rule(json!({ "path": "/scope", "scopes_all": ["admin"] }))
            .rule(json!({ "path": "/any", "scopes_any": ["admin", "root"] }))
            .rule(json!({ "path": "/claim", "claims": { "role": ["admin"] } }))
            .rule(json!({ "path": "/deep", "claims": { "realm.role": ["admin"] } }))
    })
    .await;
    let almost = [
        json!(""),
        json!("ADMIN"),
        json!("Admin"),
        json!("administrator"),
        json!("xadmin"),
        json!("admin:read"),
        json!("admin.read"),
        json!("admin,user"),
        json!("user,admin"),
        json!("user;admin"),
        json!("user|admin"),
        json!("user+admin"),
        json!("user%20admin"),
        json!("user\tadmin"),
        json!("user\nadmin"),
        json!("user\u{a0}admin"),
        json!("user\u{3000}admin"),
        json!("user\0admin"),
        json!("admin\0"),
        json!("\0admin"),
        json!("admin\u{200b}"),
        json!("\u{feff}admin"),
        json!("\u{430}dmin"),
        json!("adm\u{131}n"),
        json!("\u{ff41}dmin"),
        json!("\"admin\""),
        json!("*"),
        json!(true),
        json!(1),
        json!(0),
        json!({ "admin": true }),
        json!({ "0": "admin" }),
        json!([]),
        json!([["admin"]]),
        json!([{ "admin": true }]),
        json!([true, 1, null]),
        json!(["user admin"]),
        json!(["admin "]),
        json!(["admin,user"]),
        json!(["ADMIN"]),
    ];
    for value in almost {
        let token =
            token_with(json!({ "scope": value, "role": value, "realm": { "role": value } }));
        for cache in ["cold", "warm"] {
            for (path, reason) in [
                ("/scope", "missing_scope"),
                ("/any", "missing_scope"),
                ("/claim", "wrong_claim"),
                ("/deep/x", "wrong_claim"),
            ] {
                let name = format!("{path} {value}, {cache}");
                siege.refuses(&name, &get(path).bearer(&token), FORBIDDEN, reason).await;
            }
            siege.passes("elsewhere", &get("/").bearer(&token)).await;
        }
    }
    // What stands beside the right place is not in it.
    for (path, claims, reason) in [
        (
            "/scope",
            json!({ "scopes": "admin", "roles": ["admin"], "x": { "scope": "admin" } }),
            "missing_scope",
        ),
        ("/scope", json!({ "scope": "user", "scp": "admin" }), "missing_scope"),
        ("/claim", json!({ "roles": "admin", "realm": { "role": "admin" } }), "wrong_claim"),
        ("/deep", json!({ "role": "admin", "realm": ["role", "admin"] }), "wrong_claim"),
        ("/deep", json!({ "realm": { "role": { "role": "admin" } } }), "wrong_claim"),
        ("/deep", json!({ "realm": "role.admin" }), "wrong_claim"),
    ] {
        let request = get(path).bearer(&token_with(claims.clone()));
        siege.refuses(&format!("{path} {claims}"), &request, FORBIDDEN, reason).await;
    }
    let right = json!({ "scope": "user admin", "role": ["admin"], "realm": { "role": "admin" } });
    for path in ["/scope", "/any", "/claim", "/deep"] {
        siege.passes(path, &get(path).bearer(&token_with(right.clone()))).await;
    }
    siege.must_have_held().await;
}

/// A text of what means something to somebody who reads headers.
fn tricky_text() -> impl Strategy<Value = String> {
    let pieces = [
        "a",
        "b",
        " ",
        ",",
        ";",
        ":",
        "=",
        "\"",
        "\\",
        "\r",
        "\n",
        "\r\n",
        "\r\n ",
        "\0",
        "\t",
        "\u{7f}",
        "\u{85}",
        "\u{a0}",
        "\u{e9}",
        "\u{2028}",
        "\u{1f600}",
        "X-Auth-Subject: root",
        "%0d%0a",
        "",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..7)
        .prop_map(|pieces| pieces.concat())
}

#[tokio::test]
async fn a_claim_is_one_header_as_it_is_or_encoded_and_never_two() {
    let mut siege = Siege::of(|setup| {
        let headers = json!({ "X-Auth-Subject": "sub", "X-Claim": "claim" });
        setup.set("forward.claim_to_headers", headers)
    })
    .await;
    let mut runner = TestRunner::deterministic();
    let strategy = tricky_text();
    for _ in 0..150 {
        let text = strategy.new_tree(&mut runner).unwrap().current();
        let token = token_with(json!({ "claim": text }));
        for cache in ["cold", "warm"] {
            let name = format!("{text:?}, {cache}");
            let Some(seen) = siege.passes(&name, &get("/").bearer(&token)).await else { continue };
            let (plain, encoded) = (seen.folded("x-claim"), seen.folded("x-claim-b64"));
            let arrived = match (&plain[..], &encoded[..]) {
                ([plain], []) => (*plain).to_owned(),
                ([], [encoded]) => String::from_utf8(from_base64url(encoded)).unwrap(),
                other => panic!("{name}: {other:?}"),
            };
            assert_eq!(arrived, text, "{name}");
            assert_eq!(seen.folded("x-auth-subject"), ["alice"], "{name}");
            let values: String = seen.headers.iter().map(|(_, value)| value.as_str()).collect();
            assert!(!values.contains(['\r', '\n', '\0']), "{name}: {seen:?}");
        }
    }
    siege.must_have_held().await;
}
