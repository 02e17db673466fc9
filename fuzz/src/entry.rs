//! A value that KV holds about a token: as it was found, and as a payload that was rightly sealed.

use edgeward::core::sealed::{MOST_VALUE_BYTES, Purpose, Rejected};
use edgeward::core::validation::{MOST_RESPONSE_BYTES, Response, Validation};
use serde_json::{Map, Value};

use super::fixture::{ISSUER, NOW, sealing_key};
use super::json::same;
use super::model::{self, Read};

const SKEW: i64 = 30;

/// Checks an input.
pub fn check(data: &[u8]) {
    let (key, kv_key) = (sealing_key(Purpose::Validation), Purpose::Validation.kv_key("a.b.c"));
    let open = |value: &[u8]| Validation::open(&key, &kv_key, value, ISSUER, NOW, SKEW);

    // What comes from nobody with the key does not get as far as its payload.
    match open(data) {
        Err(Rejected::TooLarge) => assert!(data.len() > MOST_VALUE_BYTES),
        Err(Rejected::Malformed | Rejected::Version | Rejected::Mac) => {}
        other => {
            let payload = key.open(&kv_key, data).expect("it is sealed");
            assert_eq!(key.seal(&kv_key, payload), data, "{other:?}");
        }
    }

    let sealed = key.seal(&kv_key, data);
    for other in [Purpose::KeySet, Purpose::Revocations] {
        assert!(sealing_key(other).open(&kv_key, &sealed).is_err());
    }
    let read = open(&sealed);
    if sealed.len() > MOST_VALUE_BYTES {
        assert_eq!(read, Err(Rejected::TooLarge));
        return;
    }
    let expected = match model::json(data) {
        Read::TooDeep => return,
        Read::Value(Value::Object(members)) => members,
        _ => Map::new(),
    };
    match read {
        Ok(validation) => {
            check_validation(&validation, &expected);
            let again = validation.seal(&key, &kv_key).expect("it fits");
            let again = open(&again).expect("it was sealed");
            assert!(
                (&again.issuer, again.checked_at, &again.key)
                    == (&validation.issuer, validation.checked_at, &validation.key)
            );
            let claims = |one: &Validation| {
                one.response.as_ref().map(|one| Value::Object(one.claims().clone()))
            };
            assert!(same(&claims(&again).into(), &claims(&validation).into()));
        }
        Err(rejected) => {
            assert!(matches!(rejected, Rejected::Schema | Rejected::Issuer | Rejected::Time));
            assert!(!is_usual(&expected), "{expected:?}");
        }
    }
}

/// What the payload says, and no more.
fn check_validation(validation: &Validation, said: &Map<String, Value>) {
    assert_eq!(said["issuer"], ISSUER);
    assert_eq!(said["checked_at"], validation.checked_at);
    assert!((0..=NOW + SKEW).contains(&validation.checked_at));
    assert_eq!(said.get("key").map(|key| key.as_str().expect("a text")), validation.key.as_deref());
    match (&validation.response, said.get("response")) {
        (None, None) => {}
        (Some(response), Some(said)) => {
            assert!(same(&Value::Object(response.claims().clone()), said));
            assert!(!response.claims().contains_key("active"));
            assert!(said.get("exp").is_none_or(|exp| exp.as_f64() > Some(1_800_000_000.0)));
            assert!(Response::keep(response.claims()).as_ref() == Some(response));
        }
        (found, said) => panic!("{found:?} {said:?}"),
    }
    let known = ["issuer", "checked_at", "response", "key"];
    assert!(said.keys().all(|name| known.contains(&name.as_str())));
}

/// Whether an entry has to open: its members are of their types, and nothing about them is unusual.
fn is_usual(said: &Map<String, Value>) -> bool {
    let known = ["issuer", "checked_at", "response", "key"];
    said.get("issuer").is_some_and(|issuer| issuer == ISSUER)
        && said.get("checked_at").and_then(Value::as_u64).is_some_and(|at| at <= 1_800_000_000)
        && said.get("key").is_none_or(Value::is_string)
        && said.keys().all(|name| known.contains(&name.as_str()))
        && said.get("response").is_none_or(|response| {
            response.as_object().is_some_and(|response| {
                !response.contains_key("active")
                    && !response.contains_key("exp")
                    && said["response"].to_string().len() < MOST_RESPONSE_BYTES
            })
        })
}
