//! A data point for each decision, for operators who use Analytics Engine.
//!
//! Metrics say how much, without asking for more than a deployment has; data points say which, in a store of
//! the platform's that can be asked for combinations. Nothing that a client chooses is among the words.

use wasm_bindgen::JsValue;

use super::boot::{Isolate, State};
use super::glue;
use crate::core::denial::Denial;
use crate::gate::Permit;

/// Where data points go, if anywhere.
pub(super) struct Events(Option<JsValue>);

impl Events {
    /// The name of the binding.
    const BINDING: &str = "AUTH_EVENTS";

    pub(super) fn of(env: &JsValue) -> Self {
        let dataset = glue::dataset(env, Self::BINDING);
        Self((!dataset.is_undefined()).then_some(dataset))
    }
}

/// A request is permitted, or goes on although it would have been denied.
pub(super) fn permitted(isolate: &Isolate, permit: &Permit<'_>) {
    if isolate.events.0.is_some() {
        let decision = if permit.shadowed().is_some() { "shadowed" } else { "permitted" };
        let mode = permit.mode().name().unwrap_or_default();
        write(isolate, decision, permit.shadowed(), permit.provider(), mode);
    }
}

/// A request is denied, or was permitted and its origin failed.
pub(super) fn denied(isolate: &Isolate, denial: &Denial) {
    if isolate.events.0.is_some() {
        write(isolate, denial.reason.code().decision(), Some(denial), denial.provider, "");
    }
}

/// Writes decision, code, reason, provider, rule, mode and data centre: an interface, in this order.
#[inline(never)] // see docs/performance.md, "Cold start"
fn write(
    isolate: &Isolate,
    decision: &str,
    denial: Option<&Denial>,
    provider: Option<usize>,
    mode: &str,
) {
    let (Some(dataset), State::Ready(gate)) = (&isolate.events.0, &isolate.state) else { return };
    let words = [
        decision,
        denial.map_or("none", |denial| denial.reason.code().name()),
        denial.map_or("none", |denial| denial.reason.name()),
        provider.map_or("", |provider| gate.provider_name(provider)),
        &denial.and_then(|denial| denial.rule).map(|rule| rule.to_string()).unwrap_or_default(),
        mode,
        isolate.colo().unwrap_or_default(),
    ];
    glue::write_data_point(dataset, &words.join("\n"));
}
