//! Explanations: what a decision needs is found out as for a request, and told instead of done.

use wasm_bindgen::JsValue;
use web_sys::Request;

use super::boot::{Isolate, Ready};
use super::glue::{self, Context};
use super::later::Waiting;
use super::{now, respond};
use crate::core::denial::TextResponse;
use crate::core::request::RequestHead;
use crate::gate::{Findings, MOST_QUESTION_BYTES};

/// The promise of an explanation.
pub(super) fn answer(
    isolate: &'static Isolate,
    gate: &'static Ready,
    request: Request,
    context: &Context,
) -> JsValue {
    let (head, findings) = (isolate.head(&request), Findings::default());
    let waiting = Waiting { isolate, gate, request, context: context.clone(), head, findings };
    context.promise(async move { respond::send(&explain(waiting).await, "POST") })
}

async fn explain(mut waiting: Waiting) -> TextResponse {
    let gate = waiting.gate;
    let most_bytes = u32::try_from(MOST_QUESTION_BYTES).unwrap_or(u32::MAX);
    let question = glue::body(&waiting.request, most_bytes).await;
    let head = RequestHead::unpack(waiting.head.as_str());
    let mut asked = match gate.explaining(question.as_deref(), &head) {
        Ok(asked) => asked,
        Err(refusal) => return refusal,
    };
    // What the platform would not make a request of is explained as it stands.
    if let Some(packed) = glue::as_it_comes(asked.packed()) {
        asked = asked.as_it_comes(packed);
    }
    loop {
        match gate.explain(&asked, now(), &mut waiting.findings) {
            Ok(explanation) => return explanation,
            Err(question) => waiting.find_out(question).await,
        }
    }
}
