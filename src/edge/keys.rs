//! Fetching the keys that an issuer publishes.

use super::boot::{Isolate, Ready};
use super::{exchange, log, now};
use crate::core::config::{KeySetLocation, RemoteKeys};
use crate::core::remote_keys::{MOST_BYTES, jwks_uri};
use crate::gate::KvChange;

/// Fetches the keys of a provider, from KV if another isolate has just done so. Gives back what
/// other isolates should know.
pub(super) async fn fetch(isolate: &Isolate, gate: &Ready, provider: usize) -> Option<KvChange> {
    let configured = gate.settings().providers.get(provider)?;
    let remote = configured.remote_keys.as_ref()?;
    gate.begin_keys(provider, now());
    if let Some(kv_key) = gate.stored_keys(provider, now())
        && let Some(value) = isolate.kv.get(&kv_key).await
        && gate.hear_stored_keys(provider, &kv_key, &value, now())
    {
        return None;
    }
    gate.begin_keys(provider, now());
    let reply = match location(remote, &configured.issuer).await {
        Ok(url) => exchange::get(&url, remote.timeout_ms, MOST_BYTES)
            .await
            .map_err(|silence| silence.name().to_owned()),
        Err(why) => Err(why),
    };
    match gate.hear_keys(provider, reply, now()) {
        Ok(change) => change,
        Err(why) => {
            log::keys_not_fetched(&configured.name, &why);
            None
        }
    }
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
