//! Lines for the operator, one JSON object each.
//!
//! Each of them is begun by [`begin`], which knows whether it may be written, and ends in [`write`]. Those
//! about what has to be mended before anyone can pass are always written.

use std::panic::Location;

use web_sys::Request;

use super::boot::{Isolate, Ready, State};
use super::glue;
use crate::core::claims::Millis;
use crate::core::denial::{Checked, Denial};
use crate::core::log::{Level, Line, Matter, RequestInLog, ray};
use crate::core::log_budget::LogBudget;
use crate::core::problem::Problem;
use crate::core::request::RequestHead;
use crate::core::revocation::entry::Number;
use crate::core::revocation::target::Fingerprint;
use crate::core::socket::Ending;
use crate::core::trace::{TRACEPARENT, begun_by, trace_id};
use crate::gate::{BreakerNews, Permit, TokenInLog};

/// Begins a line, if lines of this level are written, and there may be one more.
#[inline(never)]
fn begin(
    isolate: &Isolate,
    level: Level,
    event: &str,
    budget: Option<&LogBudget>,
    now: Millis,
) -> Option<Line> {
    if isolate.log.level.is_none_or(|least| level < least) {
        return None;
    }
    let now = now.div_euclid(1_000);
    let left_out = match budget {
        Some(budget) => budget.take(now)?,
        None => 0,
    };
    let mut line = Line::new(level, event, now, left_out);
    line.texts(&[("colo", isolate.colo())]);
    Some(line)
}

/// Writes a line into the channel of its level.
#[inline(never)]
fn write(line: Line) {
    let level = line.level();
    let text = line.into_text();
    match level {
        Level::Info => glue::console_log(&text),
        Level::Warning => glue::console_warn(&text),
        Level::Error => glue::console_error(&text),
    }
}

/// Something works, but not as the operator may think.
pub(super) fn warning(isolate: &Isolate, text: &str, now: Millis) {
    if let Some(mut line) = begin(isolate, Level::Warning, "warning", None, now) {
        line.texts(&[("message", Some(text))]);
        write(line);
    }
}

/// The wasm instance has ended. What the panic says is left out: it may quote what a client sent.
pub(super) fn panicked(place: Option<&Location<'_>>, now: Millis) {
    let place = place.map(ToString::to_string);
    let mut line = Line::new(Level::Error, "panic", now.div_euclid(1_000), 0);
    line.texts(&[("place", place.as_deref())]);
    write(line);
}

/// Something has to be mended before anyone can pass.
pub(super) fn problem(problem: &Problem, now: Millis) {
    let mut line = Line::new(Level::Error, "misconfigured", now.div_euclid(1_000), 0);
    line.texts(&[
        ("expected", Some(&problem.expected)),
        ("found", Some(&problem.found)),
        ("path", Some(&problem.path)),
    ]);
    write(line);
}

/// A request is denied. `detail` is what the platform said.
pub(super) fn denial(
    isolate: &Isolate,
    request: &Request,
    head: &RequestHead<'_>,
    denial: &Denial,
    failure_id: &str,
    now: Millis,
    detail: Option<&str>,
) {
    let received = head.header(TRACEPARENT).and_then(trace_id);
    refused(isolate, request, head, "denial", denial, (failure_id, detail, received), now);
}

/// A request goes on that would have been denied, if its rule did not only record.
#[inline(never)] // see docs/performance.md, "Cold start"
pub(super) fn shadowed(
    isolate: &Isolate,
    request: &Request,
    head: &RequestHead<'_>,
    permit: &Permit<'_>,
    denial: &Denial,
    now: Millis,
) {
    let failure_id = isolate.failure_id();
    let received = || head.header(TRACEPARENT).and_then(trace_id);
    let forwarded = begun_by(permit.edits()).or_else(received);
    refused(isolate, request, head, "shadow", denial, (&failure_id, None, forwarded), now);
}

/// A request is refused, or would be. About it there are an id, what the platform said, and its trace.
fn refused(
    isolate: &Isolate,
    request: &Request,
    head: &RequestHead<'_>,
    event: &str,
    denial: &Denial,
    (failure_id, detail, trace_id): (&str, Option<&str>, Option<&str>),
    now: Millis,
) {
    isolate.see_colo(request);
    let code = denial.reason.code();
    let budget = Some(isolate.log_budget(code));
    let Some(mut line) = begin(isolate, code.level(), event, budget, now) else { return };
    denial.log(&mut line, failure_id, detail);
    let found = (denial.provider, denial.rule);
    write_about(isolate, line, head, denial.reason.checked(), found, trace_id);
}

/// A request passes on less than was asked for.
#[inline(never)] // see docs/performance.md, "Cold start"
pub(super) fn degraded(
    isolate: &Isolate,
    gate: &Ready,
    request: &Request,
    head: &RequestHead<'_>,
    permit: &Permit<'_>,
    now: Millis,
) {
    isolate.see_colo(request);
    let budget = Some(&isolate.degraded_logged);
    let Some(mut line) = begin(isolate, Level::Warning, "degraded", budget, now) else { return };
    let failure_id = isolate.failure_id();
    line.texts(&[("failure_id", Some(&failure_id)), ("mode", permit.mode().name())]);
    let received = || head.header(TRACEPARENT).and_then(trace_id);
    let found = (permit.provider(), gate.rule_in_log(head));
    let forwarded = begun_by(permit.edits()).or_else(received);
    write_about(isolate, line, head, Checked::Signature, found, forwarded);
}

/// Writes a line with what else there is to say about a request, whose token was checked so far. Found
/// were the positions of a provider and a rule.
#[inline(never)]
fn write_about(
    isolate: &Isolate,
    mut line: Line,
    head: &RequestHead<'_>,
    checked: Checked,
    (provider, rule): (Option<usize>, Option<usize>),
    trace_id: Option<&str>,
) {
    let gate = match &isolate.state {
        State::Ready(gate) => Some(gate),
        State::Misconfigured(_) => None,
    };
    let TokenInLog { kid, subject } =
        gate.map(|gate| gate.token_in_log(head, checked)).unwrap_or_default();
    line.request(&RequestInLog {
        method: head.method,
        path: head.path,
        provider: gate.zip(provider).map(|(gate, position)| gate.provider_name(position)),
        rule,
        ray: head.header("cf-ray").and_then(ray),
        trace_id,
        kid: kid.as_deref(),
        subject: subject.map(|subject| subject.to_string()).as_deref(),
    });
    write(line);
}

/// The keys of a provider could not be fetched.
pub(super) fn keys_not_fetched(
    isolate: &Isolate,
    gate: &Ready,
    provider: usize,
    why: &str,
    now: Millis,
) {
    let state = gate.keys_state(provider, now);
    if isolate.troubles.is_new(Matter::Keys(provider), Some((why, state)))
        && let Some(mut line) = begin(isolate, Level::Error, "keys_not_fetched", None, now)
    {
        line.texts(&[
            ("detail", Some(why)),
            ("provider", Some(gate.provider_name(provider))),
            ("state", Some(state)),
        ]);
        write(line);
    }
}

/// The keys of a provider are here; worth a line if they could not be fetched before.
pub(super) fn keys_fetched(isolate: &Isolate, gate: &Ready, provider: usize, now: Millis) {
    if isolate.troubles.is_new(Matter::Keys(provider), None)
        && let Some(mut line) = begin(isolate, Level::Warning, "keys_fetched", None, now)
    {
        line.texts(&[("provider", Some(gate.provider_name(provider)))]);
        write(line);
    }
}

/// The list of revocations could not be refreshed.
pub(super) fn list_not_refreshed(isolate: &Isolate, gate: &Ready, why: &str, now: Millis) {
    let state = gate.list_state(now);
    let budget = Some(&isolate.faults_logged);
    if isolate.troubles.is_new(Matter::Revocations, Some((why, state)))
        && let Some(mut line) =
            begin(isolate, Level::Error, "revocations_not_refreshed", budget, now)
    {
        line.texts(&[("detail", Some(why)), ("state", Some(state))]);
        write(line);
    }
}

/// The list of revocations is as young as a relay's; worth a line if it could not be refreshed before.
pub(super) fn list_refreshed(isolate: &Isolate, now: Millis) {
    if isolate.troubles.is_new(Matter::Revocations, None)
        && let Some(line) = begin(isolate, Level::Warning, "revocations_refreshed", None, now)
    {
        write(line);
    }
}

/// Who has revoked what, or has undone it. Values that name people are not in it.
pub(super) fn revocation(
    isolate: &Isolate,
    action: &str,
    sequence: Number,
    target: Fingerprint,
    by: &str,
    now: Millis,
) {
    if let Some(mut line) = begin(isolate, Level::Info, "revocation", None, now) {
        let id = target.to_string();
        line.texts(&[("action", Some(action)), ("by", Some(by)), ("id", Some(&id))]);
        line.numbers(&[("sequence", i64::try_from(sequence).ok())]);
        write(line);
    }
}

/// A supervised WebSocket was ended by us.
pub(super) fn socket_ended(
    isolate: &Isolate,
    ending: Ending,
    path: &str,
    (provider, subject): (Option<&str>, Option<Fingerprint>),
    began_at: Millis,
    now: Millis,
) {
    let budget = Some(&isolate.sockets_logged);
    if let Some(mut line) = begin(isolate, ending.level(), "websocket_ended", budget, now) {
        let subject = subject.map(|subject| subject.to_string());
        line.texts(&[
            ("path", Some(path)),
            ("provider", provider),
            ("reason", Some(ending.name())),
            ("subject", subject.as_deref()),
        ]);
        line.numbers(&[
            ("code", Some(ending.code().into())),
            ("seconds_open", Some(now.saturating_sub(began_at).div_euclid(1_000))),
        ]);
        write(line);
    }
}

/// A token that was to take the place of another was refused.
pub(super) fn renewal_refused(
    isolate: &Isolate,
    gate: &Ready,
    denial: &Denial,
    token: &str,
    path: &str,
    failure_id: &str,
    now: Millis,
) {
    let code = denial.reason.code();
    let budget = Some(&isolate.sockets_logged);
    if let Some(mut line) = begin(isolate, code.level(), "renewal_refused", budget, now) {
        denial.log(&mut line, failure_id, None);
        let TokenInLog { kid, subject } = gate.token_in_log_of(token, denial.reason.checked());
        let subject = subject.map(|subject| subject.to_string());
        line.texts(&[
            ("kid", kid.as_deref()),
            ("path", Some(path)),
            ("provider", denial.provider.map(|position| gate.provider_name(position))),
            ("subject", subject.as_deref()),
        ]);
        write(line);
    }
}

/// A breaker has changed its state.
pub(super) fn breaker(isolate: &Isolate, provider: &str, news: &BreakerNews, now: Millis) {
    if let Some(mut line) = begin(isolate, Level::Warning, "breaker", None, now) {
        line.texts(&[
            ("cause", news.cause),
            ("provider", Some(provider)),
            ("state", Some(news.state)),
        ]);
        write(line);
    }
}
