//! Metrics, on their way to the relay and to who asks for them.

use js_sys::Promise;
use wasm_bindgen::JsValue;
use web_sys::Request;

use super::boot::{Isolate, Ready};
use super::glue::{self, Context};
use super::objects::{HUB_NAME, MOST_DELTA_BYTES};
use super::revocations::{self, Source};
use super::{now, respond};
use crate::core::claims::Millis;

/// How long the hub may take to add up, in milliseconds.
const HUB_TIMEOUT_MS: u32 = 2_000;

/// The promise of the page.
pub(super) fn answer(
    isolate: &'static Isolate,
    gate: &'static Ready,
    request: Request,
    context: &Context,
) -> JsValue {
    let method = request.method();
    context.promise(async move {
        // What this isolate has counted, too.
        revocations::refresh(isolate, gate, Some(&request), Source::Hub).await;
        let hub = &isolate.relays.hub;
        let answer = glue::call_object(
            hub,
            HUB_NAME,
            None,
            "/metrics",
            None,
            HUB_TIMEOUT_MS,
            MOST_DELTA_BYTES,
        )
        .await;
        let said = (answer.fault().is_none() && answer.status() == 200).then(|| answer.body());
        respond::send(&gate.metrics_page(said.as_deref(), now()), &method)
    })
}

/// Sees to it that what was counted is handed over although nothing may follow, unless something else does.
/// `keep` keeps what goes on alive.
pub(super) fn watch(
    isolate: &'static Isolate,
    gate: &'static Ready,
    request: Option<&Request>,
    at: Millis,
    keep: impl FnOnce(&Promise),
) {
    let Some(until) = gate.watch_metrics(at) else { return };
    // While it is known where the isolate is.
    isolate.relays.name(gate, request);
    keep(&glue::promise(async move {
        while now() < until
            && let Some(wait_ms) = gate.next_batch_ms(now())
        {
            if wait_ms > 0 {
                glue::sleep(wait_ms).await;
            } else {
                // By way of the hub, or the relay would have it for as long as nobody asks.
                revocations::refresh(isolate, gate, None, Source::Hub).await;
            }
        }
        gate.unwatch_metrics();
        JsValue::UNDEFINED
    }));
}
