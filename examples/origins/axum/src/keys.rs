//! The gate's public keys, fetched when the first request needs one.

use std::collections::HashMap;
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::assertion::Refusal;

/// After this, a key that the gate no longer publishes no longer counts.
const KEYS_LIVE: Duration = Duration::from_mins(5);
/// A `kid` that is not in the set has it fetched again, but not sooner than this after the last
/// time: anybody can invent one.
const COOLDOWN: Duration = Duration::from_secs(30);
/// After an attempt that failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

pub struct Keys {
    url: String,
    client: reqwest::Client,
    /// Held during a fetch, so that there is one at a time.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_kid: HashMap<String, DecodingKey>,
    until: Option<Instant>,
    no_fetch_before: Option<Instant>,
}

/// A JWK Set, with keys of whatever kind.
#[derive(Deserialize)]
struct Published {
    keys: Vec<Value>,
}

impl Keys {
    pub fn new(url: String) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { url, client, known: Mutex::default() })
    }

    pub async fn find(&self, kid: &str) -> Result<DecodingKey, Refusal> {
        let mut known = self.known.lock().await;
        let now = Instant::now();
        if known.until.is_some_and(|end| end <= now) {
            *known = Known { no_fetch_before: known.no_fetch_before, ..Known::default() };
        }
        if let Some(key) = known.by_kid.get(kid) {
            return Ok(key.clone());
        }
        if known.no_fetch_before.is_none_or(|time| time <= now) {
            known.no_fetch_before = Some(now + RETRY_AFTER);
            known.by_kid =
                self.fetch().await.map_err(|error| Refusal::NoKeys(error.to_string()))?;
            known.until = Some(now + KEYS_LIVE);
            known.no_fetch_before = Some(now + COOLDOWN);
        }
        if known.until.is_none() {
            return Err(Refusal::NoKeys("the last attempt has just failed".to_owned()));
        }
        let unknown = || Refusal::Unauthenticated("the gate has no such key".to_owned());
        known.by_kid.get(kid).cloned().ok_or_else(unknown)
    }

    async fn fetch(&self) -> Result<HashMap<String, DecodingKey>, Box<dyn std::error::Error>> {
        let response = self.client.get(&self.url).send().await?.error_for_status()?;
        let set: Published = response.json().await?;
        let keys: HashMap<_, _> = set.keys.into_iter().filter_map(usable).collect();
        if keys.is_empty() {
            return Err("no Ed25519 key in it".into());
        }
        Ok(keys)
    }
}

/// A key of a kind that is not known here must not hide the others.
fn usable(key: Value) -> Option<(String, DecodingKey)> {
    let jwk: Jwk = serde_json::from_value(key).ok()?;
    let AlgorithmParameters::OctetKeyPair(parameters) = &jwk.algorithm else { return None };
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    (parameters.curve == EllipticCurve::Ed25519)
        .then(|| (jwk.common.key_id.unwrap_or_default(), key))
}
