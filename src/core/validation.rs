//! What was found out about a token, in the form in which isolates tell each other.
//!
//! An entry says that a token was good at a time: its signature was checked, or an auth service
//! called it active (RFC 7662), or both. A token that is not active has no entry. The value is
//! sealed ([`super::sealed`]); its payload is one JSON object:
//!
//! | member | type | |
//! |--|--|--|
//! | `issuer` | string | of the provider that the token belongs to |
//! | `checked_at` | integer | when it was found out, in seconds |
//! | `response` | object | all members of the introspection response but `active`, at most 16 KiB. Absent: no auth service was asked |
//! | `key` | string | fingerprint of the key that verified the signature. Absent: none did |
//!
//! What has a right MAC was written by a gate with our key, but maybe by one of another age: the
//! payload is read as strictly as a token, and what has a member too many or too few is not used.
//!
//! In scope: what is written, what can be read, how long KV should keep it. Out of scope:
//!
//! - **How old an entry may be.** A revoked token's entry stays authentic, and who can write to KV
//!   can put it back after KV has let it expire. The caller compares `checked_at` with the age that
//!   it allows; that KV still had the entry proves nothing.
//! - **Whether the token may pass.** An entry replaces the question to an auth service. The claims,
//!   the key of that fingerprint and the rule are checked as for any other token.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::claims::{self, NumericDate, Rounding};
use super::json;
use super::sealed::{MOST_VALUE_BYTES, Rejected, SealingKey};

/// The longest response that is kept, as JSON, in bytes.
pub const MOST_RESPONSE_BYTES: usize = 16 * 1024;

/// The shortest life that KV can give to an entry, in seconds.
const LEAST_TTL_SECONDS: u32 = 60;

/// What was found out about one token. `Debug` shows no claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Validation {
    /// The `issuer` of the token's provider.
    pub issuer: String,
    /// When the auth service said so or, if none was asked, when the signature was checked.
    pub checked_at: NumericDate,
    /// What the auth service said. `None`: only the signature was checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Response>,
    /// Fingerprint of the key that verified the signature. `None`: no key did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What an introspection response says about an active token, without `active`. `Debug` shows no
/// claims.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Response(Map<String, Value>);

impl Response {
    /// Keeps the claims of an active token, without `active` itself. `None` if they are too long.
    #[must_use]
    pub fn keep(claims: &Map<String, Value>) -> Option<Self> {
        Self::read(claims.clone())
    }

    /// All members but `active`. Of a fraction with more than 15 digits, the last one may differ from
    /// what the auth service said, once it was stored.
    #[must_use]
    pub const fn claims(&self) -> &Map<String, Value> {
        &self.0
    }

    fn read(members: Map<String, Value>) -> Option<Self> {
        let response = Self(members);
        (!response.0.contains_key("active") && !response.is_too_large()).then_some(response)
    }

    fn is_too_large(&self) -> bool {
        serde_json::to_vec(&self.0).map_or(true, |text| text.len() > MOST_RESPONSE_BYTES)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Response({} members)", self.0.len())
    }
}

impl Validation {
    /// The value to store under the `kv_key` of the token, see
    /// [`Purpose::kv_key`](super::sealed::Purpose::kv_key). `None` if it is so long that it would
    /// not open.
    #[must_use]
    pub fn seal(&self, key: &SealingKey, kv_key: &str) -> Option<Vec<u8>> {
        let value = key.seal(kv_key, &serde_json::to_vec(self).ok()?);
        (value.len() <= MOST_VALUE_BYTES).then_some(value)
    }

    /// Reads the value that was found under the `kv_key` of the token.
    ///
    /// `issuer` is the one of the provider that the token is checked for. The leeway of
    /// `skew_seconds` is for the clock that set `checked_at`. The `exp` of a response gets none:
    /// at the end of a token's life, the auth service itself has to be asked.
    pub fn open(
        key: &SealingKey,
        kv_key: &str,
        value: &[u8],
        issuer: &str,
        now: NumericDate,
        skew_seconds: i64,
    ) -> Result<Self, Rejected> {
        let validation = Self::read(key.open(kv_key, value)?).ok_or(Rejected::Schema)?;
        let expiration = validation.response_expiration()?;
        if validation.issuer != issuer {
            return Err(Rejected::Issuer);
        }
        let from_the_future = validation.checked_at > now.saturating_add(skew_seconds);
        if from_the_future || expiration.is_some_and(|expiration| expiration <= now) {
            return Err(Rejected::Time);
        }
        Ok(validation)
    }

    fn read(payload: &[u8]) -> Option<Self> {
        let mut members = json::parse_object(payload).ok()?;
        let validation = Self {
            issuer: text(members.remove("issuer")?)?,
            checked_at: date(&members.remove("checked_at")?)?,
            response: match members.remove("response") {
                Some(Value::Object(response)) => Some(Response::read(response)?),
                Some(_) => return None,
                None => None,
            },
            key: match members.remove("key") {
                Some(key) => Some(text(key)?),
                None => None,
            },
        };
        members.is_empty().then_some(validation)
    }

    fn response_expiration(&self) -> Result<Option<NumericDate>, Rejected> {
        let Some(response) = &self.response else { return Ok(None) };
        claims::date(response.claims(), "exp", Rounding::Down).map_err(|_| Rejected::Schema)
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// Whole seconds alone, as we write them.
fn date(value: &Value) -> Option<NumericDate> {
    value.as_i64().filter(|seconds| *seconds >= 0)
}

/// How long KV should keep an entry about a token that ends at `exp`, in seconds: not beyond its
/// end, at most `keep_seconds`. `None` if that is less than KV can do; then nothing is stored.
#[must_use]
pub fn expiration_ttl(now: NumericDate, exp: NumericDate, keep_seconds: u32) -> Option<u32> {
    let left = exp.saturating_sub(now).min(i64::from(keep_seconds));
    u32::try_from(left).ok().filter(|ttl| *ttl >= LEAST_TTL_SECONDS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::core::keys::SecretBytes;
    use crate::core::sealed::Purpose;
    use crate::core::secret::{AssertionKey, AssertionMaterial};

    const ISSUER: &str = "https://issuer.example";
    const NOW: NumericDate = 1_700_000_010;
    const SKEW: i64 = 30;

    fn sealing_key(byte: u8, purpose: Purpose) -> SealingKey {
        let d = SecretBytes::new(vec![byte; 32]);
        let material = AssertionMaterial::Ed25519 { d, x: [9; 32] };
        SealingKey::derive(&AssertionKey { kid: None, material }, purpose)
    }

    fn key() -> SealingKey {
        sealing_key(7, Purpose::Validation)
    }

    fn kv_key() -> String {
        Purpose::Validation.kv_key("a.b.c")
    }

    fn open(value: &[u8]) -> Result<Validation, Rejected> {
        Validation::open(&key(), &kv_key(), value, ISSUER, NOW, SKEW)
    }

    /// Opens a payload that was rightly sealed, whatever it says.
    fn open_payload(payload: &str) -> Result<Validation, Rejected> {
        open(&key().seal(&kv_key(), payload.as_bytes()))
    }

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            other => panic!("not an object: {other}"),
        }
    }

    fn response(claims: Value) -> Response {
        Response::keep(&object(claims)).unwrap()
    }

    fn full() -> Validation {
        Validation {
            issuer: ISSUER.to_owned(),
            checked_at: 1_700_000_000,
            response: Some(response(json!({ "sub": "alice", "exp": 1_700_000_300 }))),
            key: Some("k-1".to_owned()),
        }
    }

    fn least() -> Validation {
        Validation { response: None, key: None, ..full() }
    }

    /// The literals were computed by another implementation of HKDF and HMAC.
    #[test]
    fn an_entry_is_pinned() {
        let kv_key = "validation:v1:hF4wRIgJ4ryJWOsCW_x5UjXROwd6U9DDq70jhRcNybg";
        assert_eq!(Purpose::Validation.kv_key("a.b.c"), kv_key);
        for (validation, value) in [
            (
                full(),
                concat!(
                    "1.KVILtadO5u4f9ym0pDpp10PPiqo_6ZE5qWtLV9iFkhE.",
                    r#"{"issuer":"https://issuer.example","checked_at":1700000000,"#,
                    r#""response":{"exp":1700000300,"sub":"alice"},"key":"k-1"}"#,
                ),
            ),
            (
                least(),
                concat!(
                    "1.fx_3EhLxAA3u7WjmdgxFDskWTOGqtmL9qbX29pHfBdI.",
                    r#"{"issuer":"https://issuer.example","checked_at":1700000000}"#,
                ),
            ),
        ] {
            let sealed = validation.seal(&key(), kv_key).unwrap();
            assert_eq!(String::from_utf8_lossy(&sealed), value);
            assert_eq!(open(value.as_bytes()), Ok(validation));
        }
    }

    #[test]
    fn no_changed_and_no_cut_entry_opens() {
        let value = least().seal(&key(), &kv_key()).unwrap();
        for position in 0..value.len() {
            for byte in (0..=u8::MAX).filter(|byte| *byte != value[position]) {
                let mut changed = value.clone();
                changed[position] = byte;
                let rejected = open(&changed).unwrap_err();
                let by_the_envelope = [Rejected::Malformed, Rejected::Version, Rejected::Mac];
                assert!(by_the_envelope.contains(&rejected), "{position}: {byte}");
            }
            assert!(open(&value[..position]).is_err(), "{position}");
        }
        for end in ["}", " ", "\n", "\0", ",\"key\":\"k\"}"] {
            let longer = [&value, end.as_bytes()].concat();
            assert_eq!(open(&longer), Err(Rejected::Mac), "{end}");
        }
    }

    #[test]
    fn an_entry_of_another_token_key_or_purpose_does_not_open() {
        let of_another_token = full().seal(&key(), &Purpose::Validation.kv_key("a.b.d"));
        let of_another_key = full().seal(&sealing_key(8, Purpose::Validation), &kv_key());
        let of_another_purpose = full().seal(&sealing_key(7, Purpose::KeySet), &kv_key());
        for value in [of_another_token, of_another_key, of_another_purpose] {
            assert_eq!(open(&value.unwrap()), Err(Rejected::Mac));
        }
    }

    #[test]
    fn an_entry_about_another_issuer_is_rejected() {
        for issuer in ["", "https://issuer.example/", "https://ISSUER.example", "other"] {
            let validation = Validation { issuer: issuer.to_owned(), ..full() };
            let value = validation.seal(&key(), &kv_key()).unwrap();
            assert_eq!(open(&value), Err(Rejected::Issuer), "{issuer}");
        }
    }

    #[test]
    fn a_payload_that_is_not_an_entry_is_rejected_although_its_mac_is_right() {
        let with = |more: &str| {
            format!(r#"{{"issuer":"https://issuer.example","checked_at":1700000000{more}}}"#)
        };
        assert_eq!(open_payload(&with("")), Ok(least()));
        for payload in [
            // Not one object.
            String::new(),
            "null".to_owned(),
            "[]".to_owned(),
            "\"\"".to_owned(),
            with("") + "x",
            with("") + &with(""),
            format!("[{}]", with("")),
            // Members missing.
            "{}".to_owned(),
            r#"{"issuer":"https://issuer.example"}"#.to_owned(),
            r#"{"checked_at":1700000000}"#.to_owned(),
            // Members that are not known.
            with(r#","active":true"#),
            with(r#","Key":"k""#),
            with(r#","":null"#),
            // Wrong types.
            r#"{"issuer":null,"checked_at":1700000000}"#.to_owned(),
            r#"{"issuer":["https://issuer.example"],"checked_at":1700000000}"#.to_owned(),
            r#"{"issuer":"https://issuer.example","checked_at":"1700000000"}"#.to_owned(),
            r#"{"issuer":"https://issuer.example","checked_at":1700000000.0}"#.to_owned(),
            r#"{"issuer":"https://issuer.example","checked_at":1.7e9}"#.to_owned(),
            r#"{"issuer":"https://issuer.example","checked_at":-1}"#.to_owned(),
            r#"{"issuer":"https://issuer.example","checked_at":9223372036854775808}"#.to_owned(),
            r#"{"issuer":"https://issuer.example","checked_at":null}"#.to_owned(),
            with(r#","response":null"#),
            with(r#","response":[]"#),
            with(r#","response":"{}""#),
            with(r#","response":true"#),
            with(r#","key":null"#),
            with(r#","key":7"#),
            with(r#","key":["k"]"#),
            // Members that occur twice, also in another spelling and further down.
            with(r#","issuer":"https://issuer.example""#),
            with(r#","checked_at":1700000000"#),
            with(r#","checked_a\u0074":1700000000"#),
            with(r#","key":"k","key":"k""#),
            with(r#","response":{},"response":{}"#),
            with(r#","response":{"sub":"a","sub":"b"}"#),
            with(r#","response":{"a":[{"b":1,"b":1}]}"#),
            // Responses that would not have been kept.
            with(r#","response":{"active":true}"#),
            with(r#","response":{"active":false}"#),
            with(&format!(r#","response":{{"a":"{}"}}"#, "x".repeat(MOST_RESPONSE_BYTES))),
            with(r#","response":{"account":12345678901234567890123}"#),
            with(r#","response":{"exp":"1700000300"}"#),
            with(r#","response":{"exp":null}"#),
            with(r#","response":{"exp":-1}"#),
        ] {
            assert_eq!(open_payload(&payload), Err(Rejected::Schema), "{payload}");
        }
        let not_utf8 = key().seal(&kv_key(), b"{\"issuer\":\"\xff\",\"checked_at\":1}");
        assert_eq!(open(&not_utf8), Err(Rejected::Schema));
    }

    #[test]
    fn an_entry_from_the_future_is_rejected() {
        for (checked_at, in_time) in [
            (0, true),
            (NOW, true),
            (NOW + SKEW, true),
            (NOW + SKEW + 1, false),
            (NumericDate::MAX, false),
        ] {
            let value = Validation { checked_at, ..least() }.seal(&key(), &kv_key()).unwrap();
            let expected = if in_time { None } else { Some(Rejected::Time) };
            assert_eq!(open(&value).err(), expected, "{checked_at}");
        }
        let value = least().seal(&key(), &kv_key()).unwrap();
        for now in [NumericDate::MIN, -1] {
            let opened = Validation::open(&key(), &kv_key(), &value, ISSUER, now, SKEW);
            assert_eq!(opened, Err(Rejected::Time));
        }
        let opened = Validation::open(&key(), &kv_key(), &value, ISSUER, NumericDate::MAX, SKEW);
        assert_eq!(opened, Ok(least()));
    }

    #[test]
    fn an_entry_ends_with_its_token() {
        for (exp, in_time) in [
            (json!(NOW + 1), true),
            (json!(1_700_000_011.5), true),
            (json!(1_700_000_010.9), false),
            (json!(NOW), false),
            (json!(NOW - SKEW), false),
            (json!(0), false),
        ] {
            let response = Some(response(json!({ "exp": exp })));
            let value = Validation { response, ..full() }.seal(&key(), &kv_key()).unwrap();
            let expected = if in_time { None } else { Some(Rejected::Time) };
            assert_eq!(open(&value).err(), expected, "{exp}");
        }
    }

    #[test]
    fn of_several_faults_the_one_that_is_checked_first_is_told() {
        let ended = r#"{"issuer":"other","checked_at":1,"response":{"exp":1}}"#;
        assert_eq!(open_payload(ended), Err(Rejected::Issuer));
        let ended_and_unknown = r#"{"issuer":"other","checked_at":1,"response":{"exp":1},"x":1}"#;
        assert_eq!(open_payload(ended_and_unknown), Err(Rejected::Schema));
    }

    #[test]
    fn whether_the_token_is_active_is_no_claim() {
        assert_eq!(Response::keep(&object(json!({ "active": true, "sub": "alice" }))), None);
    }

    #[test]
    fn what_is_too_large_is_not_kept() {
        let of_bytes = |bytes: usize| {
            let text = "x".repeat(bytes - r#"{"a":""}"#.len());
            Response::keep(&object(json!({ "a": text })))
        };
        let largest = of_bytes(MOST_RESPONSE_BYTES).unwrap();
        let validation = Validation { response: Some(largest), ..full() };
        let value = validation.seal(&key(), &kv_key()).unwrap();
        assert_eq!(open(&value), Ok(validation));
        assert_eq!(of_bytes(MOST_RESPONSE_BYTES + 1), None);
        let long_name = Validation { issuer: "x".repeat(MOST_VALUE_BYTES), ..least() };
        assert_eq!(long_name.seal(&key(), &kv_key()), None);
    }

    #[test]
    fn claims_never_show_themselves() {
        let shown = format!("{:?}", full());
        assert!(!shown.contains("alice") && !shown.contains("sub"), "{shown}");
    }

    #[test]
    fn kv_keeps_an_entry_no_longer_than_the_token_and_never_less_than_it_can() {
        for (now, exp, keep_seconds, expected) in [
            (1_000, 1_300, 3_600, Some(300)),
            (1_000, 1_300, 120, Some(120)),
            (1_000, 1_300, 300, Some(300)),
            (1_000, 1_060, 3_600, Some(60)),
            (1_000, 1_059, 3_600, None),
            (1_000, 1_300, 60, Some(60)),
            (1_000, 1_300, 59, None),
            (1_000, 1_300, 0, None),
            (1_000, 1_000, 3_600, None),
            (1_000, 900, 3_600, None),
            (1_000, NumericDate::MAX, 3_600, Some(3_600)),
            (0, NumericDate::MAX, u32::MAX, Some(u32::MAX)),
            (NumericDate::MIN, NumericDate::MAX, 3_600, Some(3_600)),
            (NumericDate::MAX, NumericDate::MIN, 3_600, None),
        ] {
            let ttl = expiration_ttl(now, exp, keep_seconds);
            assert_eq!(ttl, expected, "{now} {exp} {keep_seconds}");
        }
    }

    fn any_claim() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        scalar.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".*", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            checked_at in 0..=NOW + SKEW,
            claims in prop::option::of(prop::collection::btree_map("x.*", any_claim(), 0..4)),
            fingerprint in prop::option::of(".*"),
        ) {
            let validation = Validation {
                issuer: ISSUER.to_owned(),
                checked_at,
                response: claims.map(|claims| {
                    response(Value::Object(claims.into_iter().collect()))
                }),
                key: fingerprint,
            };
            let value = validation.seal(&key(), &kv_key()).unwrap();
            prop_assert_eq!(open(&value), Ok(validation));
        }

        #[test]
        fn no_sealed_bytes_panic(payload: Vec<u8>) {
            prop_assert_eq!(open(&key().seal(&kv_key(), &payload)), Err(Rejected::Schema));
        }

        #[test]
        fn random_bytes_never_open(value: Vec<u8>) {
            prop_assert!(open(&value).is_err());
        }
    }
}
