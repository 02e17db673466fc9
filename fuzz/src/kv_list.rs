//! The head of the list of revocations in KV, and a published set of keys there: rightly sealed or not.

use edgeward::core::remote_keys::KeptSet;
use edgeward::core::revocation::published::{PART_NUMBERS, Published};
use edgeward::core::sealed::{Purpose, Rejected};
use serde_json::Value;

use super::fixture::{ISSUER, NOW, sealing_key};
use super::model::{self, Read};

/// Checks an input.
pub fn check(data: &[u8]) {
    let key = sealing_key(Purpose::Revocations);
    let head_key = Published::head_key();
    let is_sealed = key.open(&head_key, data).is_ok();
    assert!(is_sealed || Published::open(&key, data).is_err());

    let said = match model::json(data) {
        Read::Value(said) => said,
        Read::Refused => Value::Null,
        Read::TooDeep => return,
    };
    match Published::open(&key, &key.seal(&head_key, data)) {
        Ok(head) => {
            assert_eq!(said["log"], head.log);
            assert_eq!(said["number"], head.number);
            assert_eq!(said["at"], head.at);
            assert_eq!(said["parts"], Value::from(head.parts.clone()));
            assert_eq!(Published::open(&key, &head.seal(&key)), Ok(head.clone()));
            assert!(head.as_of(NOW * 1_000) <= (NOW * 1_000).min(head.at));
            let part = Published::part_of(head.number);
            assert!(part.is_multiple_of(PART_NUMBERS) && part <= head.number);
            assert!(head.number - part <= PART_NUMBERS);
        }
        Err(rejected) => {
            assert_eq!(rejected, Rejected::Schema);
            let is_number = |name: &str| said[name].as_u64().is_some_and(|at| at < 1 << 62);
            let is_list =
                said["parts"].as_array().is_some_and(|list| list.iter().all(Value::is_u64));
            assert!(!(is_number("log") && is_number("number") && is_number("at") && is_list));
        }
    }

    let (key, kv_key) = (sealing_key(Purpose::KeySet), Purpose::KeySet.kv_key(ISSUER));
    match KeptSet::open(&key, &kv_key, &key.seal(&kv_key, data), NOW, 0) {
        Ok(kept) => {
            assert_eq!(said["fetched_at"], kept.fetched_at);
            assert!(kept.fetched_at <= NOW && !kept.keys.is_empty());
            assert_eq!(said.as_object().map(serde_json::Map::len), Some(2));
            let again =
                KeptSet::seal(&key, &kv_key, &said["set"], kept.fetched_at).expect("it fits");
            assert!(KeptSet::open(&key, &kv_key, &again, NOW, 0) == Ok(kept));
        }
        Err(rejected) => {
            assert!(matches!(rejected, Rejected::TooLarge | Rejected::Schema | Rejected::Time));
        }
    }
}
