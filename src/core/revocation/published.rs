//! The log as the hub leaves it in KV, for isolates that no relay answers.
//!
//! It lies there in parts of [`PART_NUMBERS`] numbers each, so that a new entry rewrites the last one
//! alone, and a head that says which parts there are and when that was all. Everything is sealed
//! ([`super::super::sealed`]): a head that does not open does not count, nor does a part.
//!
//! | KV key | payload |
//! |--|--|
//! | `revocations:v1:head` | `{"at":1800000000000,"log":7,"number":70000,"parts":[0,65536]}` |
//! | `revocations:v1:7:65536` | a part of the log after this number ([`super::delta`]) |

use serde_json::{Value, json};

use super::super::claims::Millis;
use super::super::json::parse_object;
use super::super::sealed::{Purpose, Rejected, SealingKey};
use super::entry::{LogId, Number};

/// How many numbers one part has room for: 1.5 MB.
pub const PART_NUMBERS: Number = 65_536;

/// So much later than it says the head may have been made, in milliseconds: hub and isolate have clocks of
/// their own, which the platform keeps together, and here nobody can ask back.
const CLOCKS_DIFFER_MS: Millis = 2_000;

/// What the head says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Which log it is.
    pub log: LogId,
    /// The number of the log.
    pub number: Number,
    /// When there was no more, by the clock of the hub.
    pub at: Millis,
    /// After which numbers parts begin.
    pub parts: Vec<Number>,
}

impl Published {
    /// The KV key of the head.
    #[must_use]
    pub fn head_key() -> String {
        Purpose::Revocations.kv_key_of_hash("head")
    }

    /// The KV key of a part.
    #[must_use]
    pub fn part_key(log: LogId, after: Number) -> String {
        Purpose::Revocations.kv_key_of_hash(&format!("{log}:{after}"))
    }

    /// The head as it is stored.
    #[must_use]
    pub fn seal(&self, key: &SealingKey) -> Vec<u8> {
        let Self { log, number, at, parts } = self;
        let payload = json!({ "at": at, "log": log, "number": number, "parts": parts });
        key.seal(&Self::head_key(), payload.to_string().as_bytes())
    }

    /// Reads a head.
    pub fn open(key: &SealingKey, value: &[u8]) -> Result<Self, Rejected> {
        let payload = key.open(&Self::head_key(), value)?;
        let head = parse_object(payload).map_err(|_| Rejected::Schema)?;
        let number = |name: &str| head.get(name).and_then(Value::as_u64).ok_or(Rejected::Schema);
        let parts = head.get("parts").and_then(Value::as_array).ok_or(Rejected::Schema)?;
        let parts: Option<Vec<Number>> = parts.iter().map(Value::as_u64).collect();
        Ok(Self {
            log: number("log")?,
            number: number("number")?,
            at: Millis::try_from(number("at")?).map_err(|_| Rejected::Schema)?,
            parts: parts.ok_or(Rejected::Schema)?,
        })
    }

    /// Since when a list that has all of it is certain to be all, at least.
    #[must_use]
    pub fn as_of(&self, now: Millis) -> Millis {
        self.at.min(now).saturating_sub(CLOCKS_DIFFER_MS)
    }

    /// The part that a number is in, by the number after which it begins.
    #[must_use]
    pub const fn part_of(number: Number) -> Number {
        number.saturating_sub(1) / PART_NUMBERS * PART_NUMBERS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::keys::SecretBytes;
    use crate::core::secret::{AssertionKey, AssertionMaterial};

    fn key(byte: u8) -> SealingKey {
        let material = AssertionMaterial::Hmac(SecretBytes::new(vec![byte; 32]));
        SealingKey::derive(&AssertionKey { kid: None, material }, Purpose::Revocations)
    }

    fn published() -> Published {
        Published { log: 7, number: 70_000, at: 1_800_000_000_000, parts: vec![0, 65_536] }
    }

    #[test]
    fn names_and_head_are_pinned() {
        assert_eq!(Published::head_key(), "revocations:v1:head");
        assert_eq!(Published::part_key(7, 65_536), "revocations:v1:7:65536");
        let value = published().seal(&key(7));
        let payload = r#".{"at":1800000000000,"log":7,"number":70000,"parts":[0,65536]}"#;
        assert!(String::from_utf8(value.clone()).unwrap().ends_with(payload));
        assert_eq!(Published::open(&key(7), &value), Ok(published()));
    }

    #[test]
    fn a_head_of_others_does_not_count() {
        let value = published().seal(&key(8));
        assert_eq!(Published::open(&key(7), &value), Err(Rejected::Mac));
        for payload in [r#"{"at":1}"#, r#"{"at":-1,"log":7,"number":1,"parts":[]}"#, "[]"] {
            let value = key(7).seal(&Published::head_key(), payload.as_bytes());
            assert_eq!(Published::open(&key(7), &value), Err(Rejected::Schema), "{payload}");
        }
    }

    #[test]
    fn it_is_as_old_as_it_says_at_least() {
        let (published, at) = (published(), 1_800_000_000_000);
        for (now, as_of) in [(at, at - 2_000), (at + 9_000, at - 2_000), (at - 500, at - 2_500)] {
            assert_eq!(published.as_of(now), as_of);
        }
    }

    #[test]
    fn a_part_has_room_for_so_many_numbers() {
        for (number, after) in [(0, 0), (1, 0), (65_536, 0), (65_537, 65_536), (131_073, 131_072)] {
            assert_eq!(Published::part_of(number), after, "{number}");
        }
    }
}
