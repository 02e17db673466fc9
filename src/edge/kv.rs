//! Workers KV, where isolates leave each other what they have found out. It can be absent, slow,
//! broken or full of lies; all that costs is time, and not more than was configured.

use wasm_bindgen::JsValue;

use super::glue;
use crate::core::sealed::MOST_VALUE_BYTES;
use crate::gate::{KvChange, Stored};

/// A KV namespace, if there is one.
pub(super) struct Kv {
    namespace: JsValue,
    /// How long a request waits for a value.
    pub(super) timeout_ms: u32,
}

/// What a look brought, see [`Stored`].
pub(super) enum Sought {
    Found(Vec<u8>),
    Absent,
    Late,
}

impl Sought {
    /// For the gate.
    pub(super) fn stored(&self) -> Stored<'_> {
        match self {
            Self::Found(value) => Stored::Found(value),
            Self::Absent => Stored::Absent,
            Self::Late => Stored::Late,
        }
    }
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

    /// What is there under a key. `patience_ms` is how long the request can wait, if not as long as
    /// was configured.
    pub(super) async fn get(&self, key: &str, patience_ms: Option<u32>) -> Sought {
        let wait_ms = patience_ms.map_or(self.timeout_ms, |it| it.min(self.timeout_ms));
        self.get_up_to(key, wait_ms, MOST_VALUE_BYTES).await
    }

    /// The same, for a value of this length at most, with a wait of its own.
    pub(super) async fn get_up_to(&self, key: &str, wait_ms: u32, most_bytes: usize) -> Sought {
        if !self.exists() {
            return Sought::Absent;
        }
        let found = glue::kv_get(&self.namespace, key, wait_ms).await;
        if found.is_undefined() {
            return Sought::Late;
        }
        if found.is_null() {
            return Sought::Absent;
        }
        // A value that is too long to count is not taken over whole.
        let most_bytes = u32::try_from(most_bytes.saturating_add(1)).unwrap_or(u32::MAX);
        Sought::Found(js_sys::Uint8Array::new(&found).subarray(0, most_bytes).to_vec())
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
