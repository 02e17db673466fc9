//! Permitted requests on their way to the origin.

use wasm_bindgen::JsValue;
use web_sys::Request;

use super::boot::Isolate;
use super::{glue, log, now};
use crate::core::request::RequestHead;
use crate::gate::{Body, Permit};

/// Sends a permitted request on; bodies stream both ways, and the response is the origin's own
/// object. That includes an upgrade to a WebSocket, which the runtime then pumps by itself.
pub(super) fn forward(
    isolate: &Isolate,
    request: &Request,
    head: &RequestHead<'_>,
    permit: &Permit<'_>,
) -> JsValue {
    if !permit.mode().is_normal() {
        log::degraded(isolate, head, permit, now());
    }
    let keep_body = permit.body() == Body::Stream;
    glue::forward(&isolate.service, request, permit.url(), permit.edits(), keep_body)
}
