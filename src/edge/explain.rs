//! Explanations: what a decision needs is found out as for a request, and told instead of done.

use wasm_bindgen::JsValue;
use web_sys::Request;

use super::boot::{Isolate, Ready};
use super::glue::{self, Context};
use super::{later, now, respond};
use crate::core::denial::TextResponse;
use crate::core::request::RequestHead;
use crate::gate::MOST_QUESTION_BYTES;

/// The promise of an explanation.
pub(super) fn answer(
    isolate: &'static Isolate,
    gate: &'static Ready,
    request: Request,
    context: &Context,
) -> JsValue {
    context.promise(async move { respond::send(&explain(isolate, gate, &request).await, "POST") })
}

async fn explain(
    isolate: &'static Isolate,
    gate: &'static Ready,
    request: &Request,
) -> TextResponse {
    let most_bytes = u32::try_from(MOST_QUESTION_BYTES).unwrap_or(u32::MAX);
    let question = glue::body(request, most_bytes).await;
    let packed = isolate.head(request);
    let head = RequestHead::unpack(packed.as_str());
    let mut asked = match gate.explaining(question.as_deref(), &head) {
        Ok(asked) => asked,
        Err(refusal) => return refusal,
    };
    loop {
        match gate.explain(&mut asked, now()) {
            Ok(explanation) => return explanation,
            Err(question) => {
                let findings = asked.findings();
                let change =
                    later::find_out(isolate, gate, Some(request), question, findings).await;
                if let Some(change) = change {
                    isolate.kv.apply(&change).await;
                }
            }
        }
    }
}
