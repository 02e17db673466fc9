//! Permitted requests on their way to the origin.

use wasm_bindgen::JsValue;
use web_sys::Request;

use super::boot::{Isolate, Ready};
use super::glue::Context;
use super::socket::{Supervisor, forward_choosing, supervise};
use super::{events, glue, log, now};
use crate::core::request::RequestHead;
use crate::gate::{Body, Permit, Upgrade};

/// Sends a permitted request on; bodies stream both ways, and the response is the origin's own
/// object. That includes an upgrade to a WebSocket that is not supervised: the runtime pumps it.
pub(super) fn forward(
    isolate: &'static Isolate,
    gate: &'static Ready,
    request: &Request,
    context: &Context,
    head: &RequestHead<'_>,
    mut permit: Permit<'static>,
) -> JsValue {
    if !permit.mode().is_normal() {
        log::degraded(isolate, gate, request, head, &permit, now());
    }
    if let Some(denial) = permit.shadowed() {
        log::shadowed(isolate, request, head, &permit, denial, now());
    }
    events::permitted(isolate, &permit);
    let upgrade = permit.take_upgrade();
    let (service, url, edits) = (&isolate.service, permit.url(), permit.edits());
    match (upgrade, permit.protocol()) {
        (Upgrade::Supervised(watch), protocol) => {
            let supervisor = Supervisor::new(isolate, gate, request, head, *watch);
            supervise(service, request, url, edits, protocol, context, supervisor)
        }
        (Upgrade::Native, Some(protocol)) => {
            forward_choosing(service, request, url, edits, protocol)
        }
        (Upgrade::Native | Upgrade::No, _) => {
            let (keep_body, is_personal) = (permit.body() == Body::Stream, permit.is_personal());
            glue::forward(service, request, url, edits, keep_body, is_personal)
        }
    }
}
