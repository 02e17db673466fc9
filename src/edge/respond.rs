//! Responses of our own.

use std::borrow::Cow;

use wasm_bindgen::JsValue;
use web_sys::Request;

use super::boot::{Isolate, State};
use super::{events, glue, log};
use crate::core::claims::Millis;
use crate::core::denial::{Denial, Recipient, TextResponse};
use crate::core::request::RequestHead;

/// Sends a denial and logs it. `detail` is what the platform said, for the log alone.
#[inline(never)] // see docs/performance.md, "Cold start"
pub(super) fn deny(
    isolate: &Isolate,
    request: &Request,
    head: &RequestHead<'_>,
    denial: &Denial,
    now: Millis,
    detail: Option<&str>,
) -> JsValue {
    let settings = match &isolate.state {
        State::Ready(gate) => Some(gate.settings()),
        State::Misconfigured(_) => None,
    };
    let failure_id = isolate.failure_id();
    log::denial(isolate, request, head, denial, &failure_id, now, detail);
    events::denied(isolate, denial);
    let allowed_origin = head.header("origin").filter(|origin| {
        settings.is_some_and(|settings| settings.allowed_origins.iter().any(|one| one == origin))
    });
    let realm = if head.is_forwardable() {
        format!("{}://{}", head.scheme, head.authority)
    } else {
        "edgeward".to_owned()
    };
    let recipient = Recipient { realm: &realm, allowed_origin, failure_id: &failure_id };
    send(&denial.response(recipient), head.method)
}

/// Sends a response of ours.
pub(super) fn send(response: &TextResponse, method: &str) -> JsValue {
    let headers = lines(&response.headers);
    // A response to HEAD has no content (RFC 9110 section 9.3.2).
    let body = (method != "HEAD").then_some(response.body.as_bytes());
    glue::text_response(response.status, &headers, body)
}

/// Names and values on lines of their own, as the glue takes them.
pub(super) fn lines(headers: &[(&'static str, Cow<'static, str>)]) -> String {
    let mut lines = String::new();
    for (name, value) in headers {
        for part in [*name, "\n", value, "\n"] {
            lines.push_str(part);
        }
    }
    lines
}
