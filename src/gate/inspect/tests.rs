use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;

const NOW: NumericDate = 1_800_000_000;

fn token(header: &str, claims: &str) -> String {
    format!("{}.{}.AAAA", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

fn at_now(token: &str) -> Value {
    inspect(token, NOW * 1_000 + 999)
}

/// Claims that nothing is to be said about, with some replaced; `null` removes one.
fn claims_with(members: Value) -> String {
    let mut claims = json!({
        "iss": "https://issuer.example", "aud": "api", "sub": "alice",
        "iat": NOW - 3, "nbf": NOW - 3, "exp": NOW + 240,
    });
    let Value::Object(members) = members else { panic!("not an object") };
    for (name, value) in members {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(&name)),
            value => claims[name] = value,
        }
    }
    claims.to_string()
}

fn warnings(header: &str, claims: &str) -> Vec<String> {
    let inspected = at_now(&token(header, claims));
    serde_json::from_value(inspected["warnings"].clone()).unwrap()
}

const HEADER: &str = r#"{"alg":"ES256","kid":"k1"}"#;

#[test]
fn an_ordinary_token_is_told_without_a_warning() {
    let auth_time = json!({ "auth_time": NOW - 7_200 });
    let inspected = at_now(&token(HEADER, &claims_with(auth_time)));
    assert_eq!(
        inspected,
        json!({
            "form": "jwt",
            "fault": null,
            "header": { "alg": "ES256", "kid": "k1" },
            "claims": {
                "iss": "https://issuer.example", "aud": "api", "sub": "alice",
                "iat": NOW - 3, "nbf": NOW - 3, "exp": NOW + 240, "auth_time": NOW - 7_200,
            },
            "times": [
                { "claim": "exp", "at": NOW + 240, "utc": "2027-01-15T08:04:00Z",
                  "words": "expires in 4 minutes" },
                { "claim": "nbf", "at": NOW - 3, "utc": "2027-01-15T07:59:57Z",
                  "words": "valid since 3 seconds ago" },
                { "claim": "iat", "at": NOW - 3, "utc": "2027-01-15T07:59:57Z",
                  "words": "issued 3 seconds ago" },
                { "claim": "auth_time", "at": NOW - 7_200, "utc": "2027-01-15T06:00:00Z",
                  "words": "authenticated 2 hours ago" },
            ],
            "warnings": [],
        })
    );
}

#[test]
fn what_was_copied_around_a_token_is_no_part_of_it() {
    let token = token(HEADER, &claims_with(json!({})));
    let plain = at_now(&token);
    assert_eq!(plain["fault"], Value::Null);
    for text in [format!("  {token}\n"), format!("Bearer {token}"), format!("bearer  {token}\r\n")]
    {
        assert_eq!(at_now(&text), plain, "{text}");
    }
}

#[test]
fn what_is_no_jwt_is_opaque_or_empty_and_nothing_is_decoded() {
    for text in ["", "  \n", "Bearer "] {
        let inspected = at_now(text);
        let form = if text == "Bearer " { "opaque" } else { "empty" };
        assert_eq!(inspected["form"], form, "{text:?}");
        assert_eq!(inspected["fault"]["reason"], "malformed_token");
    }
    for text in ["2YotnFZFEjr1zCsicMWpAA", "a.b", "a.b.c", "MTIz.NDU2.Nzg5", "no token at all"] {
        let inspected = at_now(text);
        assert_eq!(inspected["form"], "opaque", "{text}");
        assert_eq!(inspected["fault"]["reason"], "malformed_token");
        assert!(inspected["fault"]["sentence"].as_str().unwrap().starts_with("It is no JWT"));
        assert_eq!(inspected["header"], Value::Null);
        assert_eq!(inspected["claims"], Value::Null);
        assert_eq!(inspected["warnings"], json!([]));
    }
}

#[test]
fn a_token_that_is_refused_is_decoded_as_far_as_it_can_be() {
    let good = token(HEADER, &claims_with(json!({})));
    let long = token(HEADER, &claims_with(json!({ "long": "x".repeat(9_000) })));
    let two_parts = good.rsplit_once('.').unwrap().0;
    for (text, reason, has_claims) in [
        (long.as_str(), "token_too_large", true),
        (&token("{}", &claims_with(json!({}))), "malformed_header", true),
        (&token(r#"{"alg":7}"#, &claims_with(json!({}))), "malformed_header", true),
        (&good.replacen('.', "=.", 1), "malformed_token", true),
        (&format!("{good}=="), "malformed_token", true),
        (two_parts, "malformed_token", true),
        (&format!("{good}.AA.AA"), "malformed_token", true),
        (&token(HEADER, "not JSON"), "malformed_token", false),
        (&token(HEADER, r#"{"sub":"a","sub":"b"}"#), "malformed_token", true),
        (&token(HEADER, r#"{"sub":12345678901234567890123}"#), "malformed_token", true),
    ] {
        let inspected = at_now(text);
        assert_eq!(inspected["form"], "jwt", "{text}");
        assert_eq!(inspected["fault"]["reason"], reason, "{text}");
        assert!(inspected["header"].is_object(), "{text}");
        assert_eq!(inspected["claims"].is_object(), has_claims, "{text}");
    }
    let list = at_now(&token(HEADER, "[1]"));
    assert_eq!(list["claims"], json!([1]));
    assert_eq!(list["warnings"], json!(["The claims are no JSON object."]));
}

#[test]
fn the_fault_is_what_a_gate_would_say() {
    for text in ["", "opaque", "eyJ.eyJ.", &token(HEADER, "{}"), &token("{}", "{}")] {
        let expected =
            UntrustedToken::parse(text, 8_192).err().map(|fault| Reason::from(fault).name());
        assert_eq!(at_now(text)["fault"]["reason"].as_str(), expected, "{text}");
    }
}

#[test]
fn each_oddity_of_the_encoding_is_told() {
    let good = token(HEADER, &claims_with(json!({})));
    let unsigned = format!("{}.", good.rsplit_once('.').unwrap().0);
    for (text, expected) in [
        (format!("{good}.AA.AA"), "It has five parts"),
        (good.rsplit_once('.').unwrap().0.to_owned(), "It has 2 parts"),
        (format!("{good}="), "characters of ordinary base64"),
        (unsigned, "Its signature is empty"),
        ("eyJ.eyJ.AA".to_owned(), "The header cannot be decoded: no JSON"),
        (token(HEADER, "not JSON"), "The claims cannot be decoded: no JSON"),
        (token(r#"{"alg":"ES256","alg":"none"}"#, "{}"), "A member of the header occurs twice"),
        (token(HEADER, r#"{"a":{"b":1,"b":1}}"#), "A member of the claims occurs twice"),
        (token(HEADER, r#"{"a":1e300}"#), "A number in the claims is too large"),
    ] {
        let inspected = at_now(&text);
        let warnings = inspected["warnings"].to_string();
        assert!(warnings.contains(expected), "{text}: {warnings}");
    }
}

#[test]
fn each_oddity_of_the_header_is_told() {
    for (header, expected) in [
        (
            r#"{"alg":"none"}"#,
            "alg is \"none\": nobody has signed it, anybody can have written it.",
        ),
        (
            r#"{"alg":"NoNe"}"#,
            "alg is \"none\": nobody has signed it, anybody can have written it.",
        ),
        (r#"{"alg":"es256"}"#, "alg is \"es256\", which no gate can verify."),
    ] {
        assert_eq!(warnings(header, &claims_with(json!({}))), [expected], "{header}");
    }
    for member in REFUSED_MEMBERS {
        let header = format!(r#"{{"alg":"ES256","{member}":"x"}}"#);
        let warnings = warnings(&header, &claims_with(json!({})));
        let [warning] = &warnings[..] else { panic!("{warnings:?}") };
        assert!(warning.starts_with(&format!("The header has {member}: ")), "{warning}");
    }
    assert_eq!(warnings(r#"{"alg":"ES256","x5t":"a"}"#, &claims_with(json!({}))), [""; 0]);
}

#[test]
fn each_oddity_of_the_claims_is_told() {
    for (members, expected) in [
        (json!({ "exp": null }), "It has no exp, so it would never end; a gate refuses it."),
        (json!({ "exp": "soon" }), "exp is no number of seconds between 0 and 2^53."),
        (json!({ "auth_time": -1 }), "auth_time is no number of seconds between 0 and 2^53."),
        (
            json!({ "nbf": (NOW - 3) * 1_000, "exp": NOW * 1_000, "iat": null }),
            "exp looks like milliseconds; times in tokens are seconds.",
        ),
        (json!({ "exp": NOW - 3, "nbf": null }), "It ends before it was issued."),
        (
            json!({ "exp": NOW - 3 + 86_401 }),
            "It lives for 1 day: whoever steals it has it for as long.",
        ),
        (
            json!({ "exp": NOW + 2_592_000, "iat": null }),
            "It is good for another 30 days: whoever steals it has it for as long.",
        ),
        (json!({ "nbf": NOW + 240 }), "It ends before it begins to count (nbf)."),
        (json!({ "sub": 7 }), "sub is no string; a gate refuses that."),
        (json!({ "jti": [] }), "jti is no string; a gate refuses that."),
        (json!({ "iss": null }), "It has no iss that is a string, so no provider is found for it."),
        (
            json!({ "aud": null }),
            "It has no aud: it does not say whom it is for, and a gate refuses it.",
        ),
        (
            json!({ "aud": ["a", 1] }),
            "aud is neither a string nor a list of strings; a gate refuses that.",
        ),
    ] {
        let warnings = warnings(HEADER, &claims_with(members));
        assert!(warnings.contains(&expected.to_owned()), "{expected}: {warnings:?}");
    }
    for members in [
        json!({ "exp": NOW - 3 + 86_400 }),
        json!({ "aud": ["a", "b"] }),
        json!({ "jti": "t-1" }),
        json!({ "nbf": null }),
    ] {
        assert_eq!(warnings(HEADER, &claims_with(members.clone())), [""; 0], "{members}");
    }
}
