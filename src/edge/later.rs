//! Requests that cannot be decided at once: the gate's questions are answered one by one.
//!
//! Every answer belongs to the request that asked: no promise is ever awaited by another one. What
//! they share is plain memory, the gate's.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use web_sys::Request;

use super::boot::{Isolate, Ready};
use super::glue::{self, Context};
use super::head::PackedHead;
use super::revocations::Source;
use super::{
    exchange, explain, keys, log, metrics, now, page, prewarm, proxy, respond, revocations,
};
use crate::core::claims::Millis;
use crate::core::introspection::{MOST_ANSWER_BYTES, Silence};
use crate::core::request::RequestHead;
use crate::gate::{Decision, Findings, Inquiry, KvChange, Question, Refresh, ServiceCall, Told};

/// A request and what it has found out.
pub(super) struct Waiting {
    pub(super) isolate: &'static Isolate,
    pub(super) gate: &'static Ready,
    pub(super) request: Request,
    pub(super) context: Context,
    pub(super) head: PackedHead,
    pub(super) findings: Findings,
}

impl Waiting {
    /// The promise of the response. A client that leaves does not stop what leads to it: others may
    /// wait for what it finds out, and what would never go on would stay in memory for good.
    pub(super) fn answer(self, question: Question) -> JsValue {
        // What is found out may be worth a line that says where.
        self.isolate.see_colo(&self.request);
        self.context.clone().promise(self.decided(question))
    }

    async fn decided(mut self, mut question: Question) -> JsValue {
        let Self { isolate, gate, .. } = self;
        loop {
            self.find_out(question).await;
            let head = RequestHead::unpack(self.head.as_str());
            let now = now();
            let decision = gate.decide(&head, now, &mut self.findings);
            after_decision(isolate, gate, &self.request, &self.context, &mut self.findings, now);
            match decision {
                Ok(Decision::Forward(permit)) => {
                    let (request, context) = (&self.request, &self.context);
                    return proxy::forward(isolate, gate, request, context, &head, permit);
                }
                Ok(Decision::Answer(response)) => return respond::send(&response, head.method),
                Ok(Decision::Prewarm) => {
                    return prewarm::answer(isolate, gate, self.request, &self.context);
                }
                Ok(Decision::Revocations(call)) => {
                    return revocations::answer(isolate, gate, self.request, &self.context, call);
                }
                Ok(Decision::Explain) => {
                    return explain::answer(isolate, gate, self.request, &self.context);
                }
                Ok(Decision::Metrics) => {
                    return metrics::answer(isolate, gate, self.request, &self.context);
                }
                Ok(Decision::Page(page)) => return page::answer(isolate, &page, head.method),
                Ok(Decision::Ask(next)) => question = next,
                Err(denial) => {
                    return respond::deny(isolate, &self.request, &head, &denial, now, None);
                }
            }
        }
    }

    /// Answers a question, and waits for the answer no longer than the request would.
    pub(super) async fn find_out(&mut self, question: Question) {
        let Self { isolate, gate, .. } = *self;
        match question {
            Question::Verdict(inquiry) if inquiry.patience_ms().is_some() => {
                self.inquire(inquiry).await;
            }
            Question::Revocations(Refresh::Wanted(patience_ms)) => {
                self.refresh_list(patience_ms).await;
            }
            other => {
                let request = &self.request;
                let change =
                    find_out(isolate, gate, Some(request), other, &mut self.findings).await;
                store(isolate, change, |promise| self.context.wait_until(promise));
            }
        }
    }

    /// Refreshes the list of revocations for a request that does not have to wait for it.
    async fn refresh_list(&mut self, patience_ms: u32) {
        let Self { isolate, gate, .. } = *self;
        let request = Clone::clone(&self.request);
        let refresh = revocations::refresh_later(isolate, gate, request, &self.context);
        glue::within(&refresh, patience_ms).await;
        self.findings.list_was_sought();
    }

    /// Asks the auth service for a request that does not have to wait. The call goes on when it stops
    /// waiting: its outcome counts for the requests that follow.
    async fn inquire(&mut self, inquiry: Inquiry) {
        let Self { isolate, gate, .. } = *self;
        let patience_ms = inquiry.patience_ms().unwrap_or_default();
        let told = Rc::new(RefCell::new(None));
        let call = {
            let (context, told) = (self.context.clone(), Rc::clone(&told));
            glue::promise(async move {
                let mut heard = inquire(isolate, gate, inquiry).await;
                store(isolate, heard.change.take(), |promise| context.wait_until(promise));
                told.replace(Some(heard));
                JsValue::UNDEFINED
            })
        };
        self.context.wait_until(&call);
        if patience_ms > 0 {
            glue::within(&call, patience_ms).await;
        }
        match told.take() {
            Some(told) => self.findings.learn(told),
            None => self.findings.stop_waiting(),
        }
    }
}

/// Answers a question, and waits for the answer however long it takes. Gives back what other
/// isolates should know.
pub(super) async fn find_out(
    isolate: &'static Isolate,
    gate: &'static Ready,
    request: Option<&Request>,
    question: Question,
    findings: &mut Findings,
) -> Option<KvChange> {
    match question {
        Question::Keys(provider) => {
            let fetched = keys::fetch(isolate, gate, provider).await;
            if fetched.is_new {
                findings.keys_were_fetched();
            }
            fetched.change
        }
        Question::Stored(lookup) => {
            let sought = isolate.kv.get(lookup.kv_key(), lookup.patience_ms()).await;
            gate.hear_stored(&lookup, sought.stored(), findings, now());
            None
        }
        Question::Verdict(inquiry) => {
            let mut told = inquire(isolate, gate, inquiry).await;
            let change = told.change.take();
            findings.learn(told);
            change
        }
        Question::Revocations(how) => {
            let source = match how {
                Refresh::Strict => Source::Relay,
                Refresh::Needed | Refresh::Wanted(_) => Source::Shared,
            };
            revocations::refresh(isolate, gate, request, source).await;
            findings.list_was_sought();
            None
        }
        Question::Moment(millis) => {
            glue::sleep(millis).await;
            None
        }
    }
}

/// Asks the auth service.
async fn inquire(isolate: &Isolate, gate: &Ready, inquiry: Inquiry) -> Told {
    let reply = match gate.service_call(&inquiry, now()) {
        Some(ServiceCall { url, authorization, form, timeout_ms }) => {
            let authorization = authorization.as_deref();
            exchange::post(&url, authorization, &form, timeout_ms, MOST_ANSWER_BYTES).await
        }
        None => Err(Silence::RefusesUs),
    };
    let told = gate.hear_verdict(inquiry, reply, now());
    if let Some(news) = &told.news {
        log::breaker(isolate, gate.provider_name(news.provider), news, now());
    }
    told
}

/// Does what a decision has left to do after the response.
pub(super) fn after_decision(
    isolate: &'static Isolate,
    gate: &'static Ready,
    request: &Request,
    context: &Context,
    findings: &mut Findings,
    now: Millis,
) {
    store(isolate, findings.take_change(), |promise| context.wait_until(promise));
    if gate.take_list_due() {
        isolate.see_colo(request);
        drop(revocations::refresh_later(isolate, gate, Clone::clone(request), context));
    }
    if let Some(provider) = gate.take_due() {
        isolate.see_colo(request);
        context.wait_until(&keys::fetch_later(isolate, gate, provider));
    }
    metrics::watch(isolate, gate, Some(request), now, |promise| context.wait_until(promise));
}

/// Leaves something in KV for other isolates. Nobody waits for that: `keep` sees to it that it is done.
pub(super) fn store(
    isolate: &'static Isolate,
    change: Option<KvChange>,
    keep: impl FnOnce(&Promise),
) {
    let Some(change) = change else { return };
    keep(&glue::promise(async move {
        isolate.kv.apply(&change).await;
        JsValue::UNDEFINED
    }));
}
