//! Lines for the operator, one JSON object each.

use std::panic::Location;

use serde_json::json;

use super::boot::{Isolate, State};
use super::glue;
use crate::core::claims::Millis;
use crate::core::denial::cut;
use crate::core::problem::Problem;
use crate::core::request::RequestHead;
use crate::gate::{BreakerNews, Permit};

/// Something works, but not as the operator may think.
pub(super) fn warning(text: &str) {
    glue::console_log(&json!({ "event": "warning", "message": text }).to_string());
}

/// The wasm instance has ended. What the panic says is left out: it may quote what a client sent.
pub(super) fn panicked(place: Option<&Location<'_>>) {
    let place = place.map(ToString::to_string);
    glue::console_error(&json!({ "event": "panic", "place": place }).to_string());
}

/// Something has to be mended before anyone can pass.
pub(super) fn problem(problem: &Problem) {
    let mut line = problem.to_json();
    if let Some(line) = line.as_object_mut() {
        line.insert("event".to_owned(), "misconfigured".into());
    }
    glue::console_error(&line.to_string());
}

/// The keys of a provider could not be fetched.
pub(super) fn keys_not_fetched(provider: &str, why: &str) {
    let line = json!({ "event": "keys_not_fetched", "provider": provider, "detail": why });
    glue::console_error(&line.to_string());
}

/// A request passes on less than was asked for.
#[inline(never)] // see docs/performance.md, "Cold start"
pub(super) fn degraded(
    isolate: &Isolate,
    head: &RequestHead<'_>,
    permit: &Permit<'_>,
    now: Millis,
) {
    let now = now.div_euclid(1_000);
    let (State::Ready(gate), Some(left_out)) = (&isolate.state, isolate.degraded_logged.take(now))
    else {
        return;
    };
    let line = json!({
        "event": "degraded",
        "left_out": left_out,
        "method": cut(head.method),
        "mode": permit.mode().name(),
        "path": cut(head.path),
        "provider": permit.provider().map(|provider| gate.provider_name(provider)),
        "time": now,
    });
    glue::console_log(&line.to_string());
}

/// The list of revocations could not be refreshed.
pub(super) fn list_not_refreshed(isolate: &Isolate, why: &str, now: Millis) {
    let now = now.div_euclid(1_000);
    if let Some(left_out) = isolate.faults_logged.take(now) {
        let line = json!({
            "event": "revocations_not_refreshed",
            "detail": why,
            "left_out": left_out,
            "time": now,
        });
        glue::console_error(&line.to_string());
    }
}

/// A breaker has changed its state.
pub(super) fn breaker(provider: &str, news: &BreakerNews, now: Millis) {
    let line = json!({
        "cause": news.cause,
        "event": "breaker",
        "provider": provider,
        "state": news.state,
        "time": now.div_euclid(1_000),
    });
    glue::console_error(&line.to_string());
}
