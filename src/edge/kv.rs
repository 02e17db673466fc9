//! Workers KV, where isolates leave each other what they have found out. It can be absent, slow,
//! broken or full of lies; all that costs is time, and not more than was configured.

use wasm_bindgen::JsValue;

use super::glue;
use crate::core::sealed::MOST_VALUE_BYTES;
use crate::gate::KvChange;

/// A KV namespace, if there is one.
pub(super) struct Kv {
    namespace: JsValue,
    /// How long a request waits for a value.
    pub(super) timeout_ms: u32,
}

impl Kv {
    /// The name of the binding.
    const BINDING: &str = "AUTH_KV";

    pub(super) fn of(env: &JsValue) -> Self {
        Self { namespace: glue::kv_namespace(env, Self::BINDING), timeout_ms: 0 }
    }

    /// Whether there is a namespace.
    pub(super) fn exists(&self) -> bool {
        !self.namespace.is_undefined()
    }

    /// What is there under a key; nothing if it does not come in time.
    pub(super) async fn get(&self, key: &str) -> Option<Vec<u8>> {
        if !self.exists() {
            return None;
        }
        let found = glue::kv_get(&self.namespace, key, self.timeout_ms).await;
        // A value that is too long to count is not taken over whole.
        let most_bytes = u32::try_from(MOST_VALUE_BYTES + 1).unwrap_or(u32::MAX);
        (!found.is_undefined())
            .then(|| js_sys::Uint8Array::new(&found).subarray(0, most_bytes).to_vec())
    }

    /// Makes a change. Whether that works out matters to no request.
    pub(super) async fn apply(&self, change: &KvChange) -> bool {
        if !self.exists() {
            return false;
        }
        match change {
            KvChange::Put { kv_key, value, ttl_seconds } => {
                glue::kv_put(&self.namespace, kv_key, value, *ttl_seconds).await.is_truthy()
            }
            KvChange::Delete(kv_key) => glue::kv_delete(&self.namespace, kv_key).await.is_truthy(),
        }
    }
}
