//! An introspection response: two bytes of status, then its body. And what is sent to ask for it.

use edgeward::core::config::Settings;
use edgeward::core::credentials::form_decode;
use edgeward::core::introspection::{Answer, Silence, form, join, read};
use edgeward::core::verify::accept_answer;
use serde_json::{Map, Value};

use super::fixture::{AUDIENCE, ISSUER, NOW};
use super::json::same;
use super::model::{self, Read};

const TABLE: &str = r#"{
    "origin": "https://origin.internal",
    "providers": [{
        "name": "main",
        "issuer": "https://issuer.example",
        "audiences": ["api"],
        "algorithms": ["HS256"],
        "keys": ["JWT_KEYS"],
        "max_lifetime_seconds": 3600,
        "introspection": {
            "url": "https://issuer.example/introspect",
            "client_id": "edge",
            "client_secret": "CLIENT",
            "opaque_tokens": "accept"
        }
    }]
}"#;

/// Checks an input.
pub fn check(data: &[u8]) {
    let Some((status, body)) = data.split_first_chunk::<2>() else { return };
    let status = u16::from_be_bytes(*status);
    let said = match model::json(body) {
        Read::Value(Value::Object(members)) => members,
        Read::TooDeep => return,
        _ => Map::new(),
    };
    match read(status, body) {
        Ok(answer) => {
            assert_eq!(status, 200);
            let is_active = matches!(answer, Answer::Active(_));
            assert_eq!(said.get("active"), Some(&Value::Bool(is_active)));
            if let Answer::Active(members) = answer {
                let mut expected = said;
                expected.remove("active");
                assert!(same(&Value::Object(members.clone()), &Value::Object(expected)));
                check_answer(&members);
            }
        }
        Err(silence) => {
            assert!(status != 200 || !said.get("active").is_some_and(Value::is_boolean));
            let refuses = matches!(status, 400 | 401 | 403);
            assert_eq!(silence == Silence::RefusesUs, refuses, "{status}");
            assert_eq!(silence.is_outage(), !refuses);
        }
    }
    if let Ok(token) = std::str::from_utf8(body) {
        check_form(token);
    }
}

fn check_answer(members: &Map<String, Value>) {
    thread_local! {
        static SETTINGS: Settings = Settings::parse(TABLE).expect("the fixture is good");
    }
    // Where the token says something, the service does not change it.
    let signed = model::json(br#"{"sub":"alice","scope":"read","exp":1800000300}"#);
    let Read::Value(Value::Object(signed)) = signed else { panic!("the fixture is good") };
    let joined = join(signed.clone(), members.clone());
    for (name, value) in &joined {
        assert_eq!(signed.get(name).or_else(|| members.get(name)), Some(value), "{name}");
    }
    assert!(signed.keys().all(|name| joined.contains_key(name)) && !joined.contains_key("scp"));

    let accepted = SETTINGS.with(|settings| accept_answer(settings, 0, members, NOW));
    let Ok(facts) = accepted else { return };
    assert!(members.get("iss").is_none_or(|issuer| issuer == ISSUER));
    let is_ours = match &members["aud"] {
        Value::Array(list) => list.iter().any(|one| one == AUDIENCE),
        one => one == AUDIENCE,
    };
    assert!(is_ours && facts.subject() == members["sub"].as_str());
    assert_eq!(facts.scopes().collect::<Vec<_>>(), model::scopes(members));
    if let Some(exp) = members.get("exp").and_then(Value::as_f64) {
        #[expect(clippy::cast_precision_loss, reason = "at most 2^53")]
        let end = facts.expiration as f64;
        assert!(end <= exp && exp < end + 1.0, "{exp}");
    } else {
        assert!(facts.expiration > NOW);
    }
}

/// No token leaves its place in the form.
fn check_form(token: &str) {
    let form = form(token, "edge", None);
    let pairs: Vec<&str> = form.split('&').collect();
    let [first, "token_type_hint=access_token"] = pairs.as_slice() else { panic!("{form}") };
    let value = first.strip_prefix("token=").expect("it comes first");
    assert!(value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._*+%".contains(&byte)));
    assert_eq!(form_decode(value), token);
}
