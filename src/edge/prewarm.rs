//! Pre-warming: a list of tokens is read and validated into KV.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::Request;

use super::boot::{Isolate, Ready};
use super::glue::{self, Context};
use super::{later, now, respond};
use crate::core::denial::TextResponse;
use crate::gate::{Findings, MOST_LIST_BYTES, Order, Outcome, Warming};

/// How many entries are worked on at a time: the platform lets a request wait for six connections
/// at once.
const AT_A_TIME: usize = 6;

/// The promise of the response to a list.
pub(super) fn answer(
    isolate: &'static Isolate,
    gate: &'static Ready,
    request: Request,
    context: &Context,
) -> JsValue {
    context.promise(async move { respond::send(&prewarm(isolate, gate, &request).await, "POST") })
}

async fn prewarm(
    isolate: &'static Isolate,
    gate: &'static Ready,
    request: &Request,
) -> TextResponse {
    let most_bytes = u32::try_from(MOST_LIST_BYTES).unwrap_or(u32::MAX);
    let list = glue::body(request, most_bytes).await;
    let mut orders = match gate.prewarm(list.as_deref(), now()) {
        Ok(orders) => orders,
        Err(refusal) => return refusal,
    };
    let mut outcomes = Vec::with_capacity(orders.len());
    while !orders.is_empty() {
        let next: Vec<_> = orders
            .drain(..orders.len().min(AT_A_TIME))
            .map(|order| begin(isolate, gate, Clone::clone(request), order))
            .collect();
        for (promise, outcome) in next {
            // Nothing in it can fail.
            drop(JsFuture::from(promise).await);
            outcomes.extend(outcome.take());
        }
    }
    gate.prewarmed(&outcomes)
}

/// What became of an entry, once the promise is settled.
type Pending = (Promise, Rc<RefCell<Option<(Order, Outcome)>>>);

/// Begins to work on an entry.
fn begin(
    isolate: &'static Isolate,
    gate: &'static Ready,
    request: Request,
    order: Order,
) -> Pending {
    let outcome = Rc::new(RefCell::new(None));
    let result = Rc::clone(&outcome);
    let promise = glue::promise(async move {
        let became = carry_out(isolate, gate, &request, &order).await;
        result.replace(Some((order, became)));
        JsValue::UNDEFINED
    });
    (promise, outcome)
}

async fn carry_out(
    isolate: &'static Isolate,
    gate: &'static Ready,
    request: &Request,
    order: &Order,
) -> Outcome {
    let token = match order {
        Order::Token(token) => token,
        Order::Stored(kv_key) => {
            let sought = isolate.kv.get(kv_key, None).await;
            return gate.stored(kv_key, sought.stored(), now());
        }
    };
    let mut findings = Findings::insisting();
    let mut stored = false;
    loop {
        let warming = gate.warm(token, &mut findings, now());
        let (change, is_last) = match warming {
            Warming::Ask(question) => (
                later::find_out(isolate, gate, Some(request), question, &mut findings).await,
                false,
            ),
            Warming::Good => (findings.take_change(), true),
            Warming::Refused(reason) => return Outcome::Refused(reason),
        };
        if let Some(change) = change {
            let is_done = isolate.kv.apply(&change).await;
            stored |= is_done && change.keeps(token);
        }
        match (is_last, stored) {
            (true, true) => return Outcome::Stored { checked_at: now().div_euclid(1_000) },
            (true, false) => return Outcome::NotStored,
            (false, _) => {}
        }
    }
}
