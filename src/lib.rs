//! edgeward: JWT authentication at the edge.
//!
//! One Cloudflare Worker stands in front of one origin. A request comes in with a token that
//! nobody trusts yet; the gate verifies it with the keys of its issuer, looks up the rule of its
//! path, and either permits it, and the origin learns in signed form who is asking, or denies it
//! and says why. Nothing reaches the origin without a permit, and what cannot be decided is
//! denied.
//!
//! Three rings, each of which knows only those inside it:
//!
//! - [`core`] knows what a token, a key, a rule and a denial are. It is pure.
//! - [`gate`] decides: which checks, in which order, lead to a permit or to a denial.
//! - `edge` is the Worker: requests, responses, secrets, clock and the runtime's cryptography. It
//!   exists only in the build for the platform (feature `edge`).
//!
//! Beside it, `page` is core and gate for the test page, in a browser (feature `page`).
//!
//! State lives in the isolate alone: settings and keys from its first request on, and the facts
//! about tokens that it has verified, bounded in memory.

pub mod core;
pub mod gate;

#[cfg(feature = "edge")]
pub mod edge;
#[cfg(feature = "page")]
pub mod page;

/// Where the runtime enters. Synchronous, because most decisions need no I/O: what it returns is a
/// denial, the origin's own promise or, if something has to be found out first, that of a response.
#[cfg(all(feature = "edge", not(feature = "probe")))]
#[wasm_bindgen::prelude::wasm_bindgen]
#[must_use]
pub fn fetch(
    request: &web_sys::Request,
    env: &wasm_bindgen::JsValue,
    context: &edge::Context,
) -> wasm_bindgen::JsValue {
    edge::serve(request, env, context)
}

/// Where the runtime enters the probe.
#[cfg(feature = "probe")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub async fn fetch(
    request: web_sys::Request,
    _env: wasm_bindgen::JsValue,
    _context: wasm_bindgen::JsValue,
) -> wasm_bindgen::JsValue {
    edge::probe::serve(request).await
}
