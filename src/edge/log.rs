//! Lines for the operator, one JSON object each.

use std::panic::Location;

use super::boot::{Isolate, State};
use super::glue;
use crate::core::claims::Millis;
use crate::core::denial::{Denial, cut};
use crate::core::json::object;
use crate::core::problem::Problem;
use crate::core::request::RequestHead;
use crate::core::socket::Ending;
use crate::gate::{BreakerNews, Permit};

/// Something works, but not as the operator may think.
pub(super) fn warning(text: &str) {
    glue::console_log(&object! { "event": "warning", "message": text }.to_string());
}

/// The wasm instance has ended. What the panic says is left out: it may quote what a client sent.
pub(super) fn panicked(place: Option<&Location<'_>>) {
    let place = place.map(ToString::to_string);
    glue::console_error(&object! { "event": "panic", "place": place }.to_string());
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
    let line = object! { "event": "keys_not_fetched", "provider": provider, "detail": why };
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
    let line = object! {
        "event": "degraded",
        "left_out": left_out,
        "method": cut(head.method),
        "mode": permit.mode().name(),
        "path": cut(head.path),
        "provider": permit.provider().map(|provider| gate.provider_name(provider)),
        "time": now,
    };
    glue::console_log(&line.to_string());
}

/// The list of revocations could not be refreshed.
pub(super) fn list_not_refreshed(isolate: &Isolate, why: &str, now: Millis) {
    let now = now.div_euclid(1_000);
    if let Some(left_out) = isolate.faults_logged.take(now) {
        let line = object! {
            "event": "revocations_not_refreshed",
            "detail": why,
            "left_out": left_out,
            "time": now,
        };
        glue::console_error(&line.to_string());
    }
}

/// A supervised WebSocket was ended by us.
pub(super) fn socket_ended(
    isolate: &Isolate,
    ending: Ending,
    path: &str,
    provider: Option<&str>,
    began_at: Millis,
    now: Millis,
) {
    let seconds = now.div_euclid(1_000);
    if let Some(left_out) = isolate.sockets_logged.take(seconds) {
        let line = object! {
            "code": ending.code(),
            "event": "websocket_ended",
            "left_out": left_out,
            "path": path,
            "provider": provider,
            "reason": ending.name(),
            "seconds_open": now.saturating_sub(began_at).div_euclid(1_000),
            "time": seconds,
        };
        glue::console_log(&line.to_string());
    }
}

/// A token that was to take the place of another was refused.
pub(super) fn renewal_refused(
    isolate: &Isolate,
    denial: &Denial,
    path: &str,
    failure_id: &str,
    now: Millis,
) {
    let now = now.div_euclid(1_000);
    if let Some(left_out) = isolate.sockets_logged.take(now) {
        let line = object! {
            "code": denial.reason.code().name(),
            "event": "renewal_refused",
            "failure_id": failure_id,
            "left_out": left_out,
            "path": path,
            "reason": denial.reason.name(),
            "time": now,
        };
        glue::console_log(&line.to_string());
    }
}

/// A breaker has changed its state.
pub(super) fn breaker(provider: &str, news: &BreakerNews, now: Millis) {
    let line = object! {
        "cause": news.cause,
        "event": "breaker",
        "provider": provider,
        "state": news.state,
        "time": now.div_euclid(1_000),
    };
    glue::console_error(&line.to_string());
}
