//! A published key set: how it is kept, and where it is found.
//!
//! In scope: the schedule by which it is fetched ([`super::refresh`] keeps it), its form in KV, and the
//! metadata of an issuer. Out of scope: fetching (`crate::edge`) and what the keys are ([`super::keys`]).

use serde_json::{Value, json};

use super::claims::{Millis, NumericDate};
use super::config::{KeySetLocation, RemoteKeys, is_service_url};
use super::json as strict;
use super::keys::VerificationKey;
use super::refresh::Schedule;
use super::sealed::{MOST_VALUE_BYTES, Rejected, SealingKey};
use super::secret;

/// The longest key set, and the longest metadata of an issuer, that are read, in bytes.
pub const MOST_BYTES: usize = 64 * 1024;

/// The least time between two attempts while there is no set, in milliseconds: all that waits for it
/// is refused meanwhile.
const COOLDOWN_WITHOUT_SET_MS: Millis = 2_000;

/// When the published set of a provider is fetched. `kv_timeout_ms` is how long it may be looked for
/// in KV before.
#[must_use]
pub fn schedule(settings: &RemoteKeys, kv_timeout_ms: u32) -> Schedule {
    let fetches = match settings.location {
        KeySetLocation::Url(_) => 1,
        KeySetLocation::Discovery(_) => 2,
    };
    Schedule {
        refresh_ms: settings.refresh_seconds.saturating_mul(1_000),
        max_stale_ms: settings.max_stale_seconds.saturating_mul(1_000),
        attempt_ms: Millis::from(settings.timeout_ms)
            .saturating_mul(fetches)
            .saturating_add(kv_timeout_ms.into()),
        cooldown_ms: settings.cooldown_seconds.saturating_mul(1_000),
        cooldown_without_ms: COOLDOWN_WITHOUT_SET_MS,
        pause_ms: 0,
    }
}

/// A key set as isolates leave it to each other in KV:
/// `{"fetched_at": NumericDate, "set": JWK Set}`, sealed.
#[derive(Debug, PartialEq, Eq)]
pub struct KeptSet {
    /// When it was fetched.
    pub fetched_at: NumericDate,
    /// Those of its keys that can verify.
    pub keys: Vec<VerificationKey>,
}

impl KeptSet {
    /// The value to store for a set, if it is not too long to be read again.
    #[must_use]
    pub fn seal(
        key: &SealingKey,
        kv_key: &str,
        set: &Value,
        fetched_at: NumericDate,
    ) -> Option<Vec<u8>> {
        let payload = json!({ "fetched_at": fetched_at, "set": set }).to_string();
        let value = key.seal(kv_key, payload.as_bytes());
        (value.len() <= MOST_VALUE_BYTES).then_some(value)
    }

    /// Reads a value that was found under `kv_key`. The clock of who stored it may be ahead by
    /// `skew_seconds`.
    pub fn open(
        key: &SealingKey,
        kv_key: &str,
        value: &[u8],
        now: NumericDate,
        skew_seconds: i64,
    ) -> Result<Self, Rejected> {
        let payload = key.open(kv_key, value)?;
        let mut members = strict::parse_object(payload).map_err(|_| Rejected::Schema)?;
        let fetched_at = members.remove("fetched_at").and_then(|at| at.as_i64());
        let (Some(fetched_at), Some(set), true) =
            (fetched_at, members.remove("set"), members.is_empty())
        else {
            return Err(Rejected::Schema);
        };
        if fetched_at > now.saturating_add(skew_seconds) {
            return Err(Rejected::Time);
        }
        let (keys, _) = secret::published(&set).map_err(|_| Rejected::Schema)?;
        Ok(Self { fetched_at, keys })
    }
}

/// The URL of the key set in the metadata of an issuer (`OpenID` Connect Discovery 1.0 section 4.3: the
/// metadata must be about the issuer that was asked for). The error is for the log.
pub fn jwks_uri(metadata: &[u8], issuer: &str) -> Result<String, &'static str> {
    let metadata = strict::parse_object(metadata).map_err(|_| "the metadata are not valid JSON")?;
    if metadata.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err("the metadata are about another issuer");
    }
    match metadata.get("jwks_uri").and_then(Value::as_str) {
        Some(url) if is_service_url(url) => Ok(url.to_owned()),
        Some(_) => Err("the jwks_uri of the metadata is no https URL"),
        None => Err("the metadata have no jwks_uri"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::keys::SecretBytes;
    use crate::core::sealed::Purpose;
    use crate::core::secret::{AssertionKey, AssertionMaterial};

    const NOW: NumericDate = 1_800_000_000;

    fn key() -> SealingKey {
        let material = AssertionMaterial::Hmac(SecretBytes::new(vec![7; 32]));
        SealingKey::derive(&AssertionKey { kid: None, material }, Purpose::KeySet)
    }

    fn set() -> Value {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        json!({ "keys": [{ "crv": "Ed25519", "kid": "a", "kty": "OKP", "x": x }] })
    }

    #[test]
    fn a_kept_set_is_pinned() {
        let value = KeptSet::seal(&key(), "jwks:v1:i", &set(), NOW).unwrap();
        let payload = concat!(
            r#".{"fetched_at":1800000000,"set":{"keys":[{"crv":"Ed25519","kid":"a","kty":"OKP","#,
            r#""x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}}"#,
        );
        assert!(String::from_utf8(value.clone()).unwrap().ends_with(payload));
        let kept = KeptSet::open(&key(), "jwks:v1:i", &value, NOW, 0).unwrap();
        assert_eq!((kept.fetched_at, kept.keys.len()), (NOW, 1));
    }

    #[test]
    fn what_is_no_kept_set_does_not_count() {
        let too_long = json!({ "keys": [{ "kid": "a".repeat(MOST_VALUE_BYTES) }] });
        assert_eq!(KeptSet::seal(&key(), "k", &too_long, NOW), None);
        for (payload, rejected) in [
            (json!({ "fetched_at": NOW + 31, "set": set() }), Rejected::Time),
            (json!({ "fetched_at": "1", "set": set() }), Rejected::Schema),
            (json!({ "set": set() }), Rejected::Schema),
            (json!({ "fetched_at": NOW }), Rejected::Schema),
            (json!({ "fetched_at": NOW, "set": set(), "more": 1 }), Rejected::Schema),
            (json!({ "fetched_at": NOW, "set": { "keys": [] } }), Rejected::Schema),
        ] {
            let value = key().seal("k", payload.to_string().as_bytes());
            assert_eq!(KeptSet::open(&key(), "k", &value, NOW, 30), Err(rejected), "{payload}");
        }
    }

    #[test]
    fn metadata_name_the_key_set_of_their_own_issuer() {
        let issuer = "https://i.example";
        for (metadata, found) in [
            (
                r#"{"issuer":"https://i.example","jwks_uri":"https://i.example/k"}"#,
                Ok("https://i.example/k".to_owned()),
            ),
            (
                r#"{"issuer":"https://i.example/","jwks_uri":"https://i.example/k"}"#,
                Err("the metadata are about another issuer"),
            ),
            (
                r#"{"issuer":"https://i.example","jwks_uri":"http://i.example/k"}"#,
                Err("the jwks_uri of the metadata is no https URL"),
            ),
            (r#"{"issuer":"https://i.example"}"#, Err("the metadata have no jwks_uri")),
            ("<html>", Err("the metadata are not valid JSON")),
        ] {
            assert_eq!(jwks_uri(metadata.as_bytes(), issuer), found, "{metadata}");
        }
    }
}
