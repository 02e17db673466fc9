//! Fetching the keys that an issuer publishes.

use js_sys::Promise;
use wasm_bindgen::JsValue;

use super::boot::{Isolate, Ready};
use super::{exchange, glue, log, now};
use crate::core::config::{KeySetLocation, RemoteKeys};
use crate::core::remote_keys::{MOST_BYTES, jwks_uri};
use crate::gate::KvChange;

/// What came of it.
pub(super) struct Fetched {
    /// What other isolates should know.
    pub(super) change: Option<KvChange>,
    /// Whether the issuer was asked.
    pub(super) is_new: bool,
}

/// Fetches the keys of a provider and tells the other isolates, with nobody waiting: the promise of that.
pub(super) fn fetch_later(
    isolate: &'static Isolate,
    gate: &'static Ready,
    provider: usize,
) -> Promise {
    glue::promise(async move {
        if let Some(change) = fetch(isolate, gate, provider).await.change {
            isolate.kv.apply(&change).await;
        }
        JsValue::UNDEFINED
    })
}

/// Fetches the keys of a provider, from KV if another isolate has just done so.
pub(super) async fn fetch(isolate: &Isolate, gate: &Ready, provider: usize) -> Fetched {
    let found = Fetched { change: None, is_new: false };
    let Some(configured) = gate.settings().providers.get(provider) else { return found };
    let Some(remote) = configured.remote_keys.as_ref() else { return found };
    gate.begin_keys(provider, now());
    if let Some(kv_key) = gate.stored_keys(provider, now())
        && let sought = isolate.kv.get(&kv_key, None).await
        && gate.hear_stored_keys(provider, &kv_key, sought.stored(), now())
    {
        log::keys_fetched(isolate, gate, provider, now());
        return found;
    }
    gate.begin_keys(provider, now());
    let reply = match location(remote, &configured.issuer).await {
        Ok(url) => exchange::get(&url, remote.timeout_ms, MOST_BYTES)
            .await
            .map_err(|silence| silence.name().to_owned()),
        Err(why) => Err(why),
    };
    let change = match gate.hear_keys(provider, reply, now()) {
        Ok(change) => {
            log::keys_fetched(isolate, gate, provider, now());
            change
        }
        Err(why) => {
            log::keys_not_fetched(isolate, gate, provider, &why, now());
            None
        }
    };
    Fetched { change, is_new: true }
}

/// The URL of the set.
async fn location(remote: &RemoteKeys, issuer: &str) -> Result<String, String> {
    let metadata = match &remote.location {
        KeySetLocation::Url(url) => return Ok(url.clone()),
        KeySetLocation::Discovery(url) => url,
    };
    let (status, body) = exchange::get(metadata, remote.timeout_ms, MOST_BYTES)
        .await
        .map_err(|silence| format!("metadata: {}", silence.name()))?;
    if status != 200 {
        return Err(format!("metadata: status {status}"));
    }
    jwks_uri(&body, issuer).map_err(str::to_owned)
}
