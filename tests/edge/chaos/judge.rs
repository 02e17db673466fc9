//! The model: what each request may have come to.

use std::{collections::BTreeMap, io::ErrorKind, time::Duration};

use super::{
    BOUND_MS, INTROSPECTION_CACHE_SECONDS, INTROSPECTION_STALE_SECONDS, INTROSPECTION_TIMEOUT_MS,
    Ms, STRICT_BOUND_MS,
    harness::Mode,
    orders::{Attempted, Order, PATIENCE},
    tokens::{Class, Issued, Token},
    traffic::{Attempt, Outcome, Route, body},
    windows::{Span, Windows, meets},
    world::{Arrival, Clock, Happened},
};

/// Everything that is known of the run.
pub struct Judge<'a> {
    pub clock: Clock,
    pub happened: &'a [Happened],
    pub windows: Windows,
    pub orders: Orders<'a>,
    pub withdrawn: &'a BTreeMap<String, Span>,
    pub arrivals: &'a BTreeMap<u64, Vec<Arrival>>,
    pub violations: Vec<String>,
    /// How many facts were checked.
    pub checks: u64,
    /// How many requests the runtime sent once more.
    pub repeated: usize,
    /// How long after an acknowledgement a token was still permitted, at most: by the list, and strictly.
    pub last_permit: [Ms; 2],
}

/// All orders, and where to find those about a token.
pub struct Orders<'a>(BTreeMap<(&'static str, &'a str), Vec<&'a Order>>);

impl<'a> Orders<'a> {
    pub fn of(all: &'a [Order]) -> Self {
        let mut found = BTreeMap::<_, Vec<_>>::new();
        for order in all {
            found.entry((order.kind, order.value.as_str())).or_default().push(order);
        }
        Self(found)
    }

    pub fn about(&self, token: &Token) -> impl Iterator<Item = &'a Order> {
        let names = token.names.iter().map(|(kind, value)| (*kind, value.as_str()));
        names
            .chain([("token", token.text.as_str())])
            .filter_map(|name| self.0.get(&name))
            .flatten()
            .filter(|order| order.names(token))
            .copied()
            .collect::<Vec<_>>()
            .into_iter()
    }
}

/// What holds of a token in the time of a request.
#[derive(Default)]
struct Verdict {
    /// Codes with which it may be refused.
    may: Vec<&'static str>,
    /// Why it must be refused, if it must.
    must: Option<String>,
}

impl Judge<'_> {
    /// Notes what should not be.
    fn violation(&mut self, (from, to): Span, what: &str) {
        let faults = self.happened.iter().filter(|one| one.from <= to && from <= one.to + 5_000);
        let faults: Vec<_> =
            faults.map(|one| format!("{} {}..{}", one.what.name(), one.from, one.to)).collect();
        self.violations.push(format!("{from}..{to} ms: {what}\n    faults: {}", faults.join(", ")));
    }

    /// Fails unless this is so.
    pub fn check(&mut self, is_so: bool, span: Span, what: impl FnOnce() -> String) {
        self.checks += 1;
        if !is_so {
            self.violation(span, &what());
        }
    }

    /// Judges a request by what came of it, at the client and at the origin.
    pub fn attempt(&mut self, attempt: &Attempt) {
        let span = (attempt.sent, attempt.answered);
        let Attempt { token, route, outcome, .. } = attempt;
        let arrivals = self.arrivals.get(&attempt.number).map(Vec::as_slice).unwrap_or_default();
        let about = || {
            let Attempt { number, life, isolate, .. } = attempt;
            let met = arrivals.iter().map(|arrival| &arrival.met);
            format!(
                "{:?} on {route:?}, request {number} to isolate {isolate} of life {life}: came \
                 {outcome:?}, at the origin {:?}",
                token.class,
                met.collect::<Vec<_>>(),
            )
        };
        // The runtime sends what may be repeated once more if a connection that it had ended before the answer.
        let (again, last) = arrivals.split_at(arrivals.len().saturating_sub(1));
        let was_lost = |arrival: &Arrival| !attempt.is_post && matches!(arrival.met, Mode::Reset);
        self.repeated += again.len();
        self.check(again.iter().all(was_lost), span, || format!("{}: sent on twice", about()));
        if *route == Route::Health {
            return self.health(attempt, &about);
        }
        let verdict = self.verdict(token, *route, attempt.isolate, span);
        let arrival = last.first();
        let code = match outcome {
            Outcome::Answer(_, code) => code.as_deref().filter(|code| !code.is_empty()),
            Outcome::Nothing(_) => None,
        };
        let is_unreachable = code == Some("origin_unreachable");
        if arrival.is_some() || is_unreachable {
            let must = verdict.must.clone().unwrap_or_default();
            self.check(verdict.must.is_none(), span, || {
                format!("{}: PERMITTED, and must be refused: {must}", about())
            });
            self.note_last_permit(attempt);
        }
        for arrival in arrivals {
            self.arrival(attempt, arrival, &about);
        }
        let windows = &self.windows;
        let is_silent = meets(&windows.silent[attempt.isolate], span);
        let is_gone = meets(&windows.origin_gone, span);
        let may_be = |status: u16, code: &Option<String>| {
            let fits = |may: &&str| code.as_ref().is_none_or(|code| code == may);
            verdict.may.iter().filter(|may| fits(may)).any(|may| status == status_of(may))
        };
        let allowed = match (outcome, arrival) {
            // A client does not wait for ever for who stands still.
            (Outcome::Nothing(ErrorKind::TimedOut), _) if meets(&windows.stood, span) => true,
            (Outcome::Nothing(_), Some(arrival)) => {
                let leaves = matches!(arrival.met, Mode::Hang | Mode::HalfBody);
                leaves || is_silent || is_gone
            }
            (Outcome::Nothing(_), None) => is_silent,
            (Outcome::Answer(500 | 502, _), None) if is_silent => true,
            (Outcome::Answer(502, _), None) => is_gone && verdict.must.is_none(),
            (Outcome::Answer(status, _), Some(arrival)) => {
                let is_handshake = arrival.is_handshake;
                let expected = match &arrival.met {
                    Mode::Pass | Mode::Slow(_) | Mode::HalfBody if is_handshake => 101,
                    Mode::Pass | Mode::Slow(_) | Mode::Garbage | Mode::HalfBody => 200,
                    Mode::Status { code, .. } => *code,
                    _ => 502,
                };
                // A connection that is gone meanwhile, and an instance that is.
                *status == expected
                    // The token is looked at again when the origin has answered. What is in doubt then opens.
                    || is_handshake
                        && match *status {
                            503 => meets(&windows.list[attempt.isolate], span),
                            status => may_be(status, &None),
                        }
                    || *status == 502 && is_gone
                    || matches!(status, 500 | 502) && is_silent
            }
            (Outcome::Answer(status, code), None) => may_be(*status, code),
        };
        let expected = verdict.must.map_or_else(
            || format!("the origin's answer, or one of {:?}", verdict.may),
            |must| format!("one of {:?}, since {must}", verdict.may),
        );
        self.check(allowed, span, || format!("{}: expected {expected}", about()));
    }

    fn health(&mut self, attempt: &Attempt, about: &dyn Fn() -> String) {
        let span = (attempt.sent, attempt.answered);
        let allowed = match &attempt.outcome {
            Outcome::Answer(200, _) => true,
            Outcome::Answer(503, _) => meets(&self.windows.list[attempt.isolate], span),
            Outcome::Answer(..) => false,
            Outcome::Nothing(_) => meets(&self.windows.silent[attempt.isolate], span),
        };
        self.check(allowed, span, || format!("{}: the health report", about()));
    }

    /// What the origin got says who is asking, and only that.
    fn arrival(&mut self, attempt: &Attempt, arrival: &Arrival, about: &dyn Fn() -> String) {
        let span = (attempt.sent, attempt.answered);
        let token = &attempt.token;
        let is_whole = !attempt.is_post || arrival.body == body(attempt.number);
        self.check(is_whole, span, || format!("{}: not with its body", about()));
        if attempt.route == Route::Public {
            let says = arrival.subject.is_some() || arrival.assertion;
            self.check(!says, span, || format!("{}: an identity on a public path", about()));
            return;
        }
        let subject = arrival.subject.as_deref();
        self.check(subject == Some(token.subject()), span, || {
            format!("{}: it was said to be {subject:?}", about())
        });
        self.check(arrival.assertion && !arrival.has_token, span, || {
            format!("{}: no assertion, or the token itself", about())
        });
        let degraded = arrival.degraded.as_deref();
        let may_degrade = token.class == Class::Opaque
            && attempt.route == Route::Stale
            && meets(&self.windows.asked[attempt.isolate], span);
        let is_allowed = degraded.is_none() || degraded == Some("stale") && may_degrade;
        self.check(is_allowed, span, || format!("{}: degraded {degraded:?}", about()));
    }

    /// What a token is worth in this time, in this isolate.
    fn verdict(&self, token: &Token, route: Route, isolate: usize, span: Span) -> Verdict {
        let mut verdict = Verdict::default();
        if route == Route::Public {
            return verdict;
        }
        let (from, to) = span;
        let issuer = token.class.issuer();
        let windows = &self.windows;
        if let Some(code) = token.class.denial() {
            verdict.may.push(code);
            verdict.must = Some(format!("it is {:?}", token.class));
        }
        let (over_from, over_to) = token.over;
        if token.class.is_signed() && self.clock.wall(to) >= over_from {
            verdict.may.push("expired_token");
            if issuer == Issued::Asked {
                verdict.may.push("invalid_token");
            }
            if self.clock.wall(from) >= over_to {
                verdict.must = Some(format!("it was over at {over_to}"));
            }
        }
        let bound = if route == Route::Strict { STRICT_BOUND_MS } else { BOUND_MS };
        for order in self.orders.about(token) {
            let Some((may, must)) = holds(order, bound) else { continue };
            if meets(&[may], span) {
                verdict.may.push("revoked_token");
            }
            if must.0 <= from && to <= must.1 {
                let since = order.made.done;
                verdict.must = Some(format!("its {} was revoked at {since:?}", order.kind));
            }
        }
        if let Some((since, done)) = self.withdrawn.get(&token.text)
            && to >= *since
        {
            verdict.may.push("invalid_token");
            let is_away = route == Route::Stale && meets(&windows.asked[isolate], span);
            let counts =
                if is_away { INTROSPECTION_STALE_SECONDS + 1 } else { INTROSPECTION_CACHE_SECONDS };
            // What the service said before can have been on its way for so long.
            let counts_ms = counts * 1_000 + INTROSPECTION_TIMEOUT_MS;
            if from >= done.saturating_add(counts_ms) {
                verdict.must = Some(format!("its issuer withdrew it at {done}"));
            }
        }
        let is_judged = verdict.must.is_none() || token.class.denial().is_none();
        // Claims are looked at before the list, so what is wrong with them is said in any case.
        let is_over_for_certain = issuer != Issued::Asked && self.clock.wall(from) >= token.over.1;
        let is_sound = is_judged && !is_over_for_certain || token.class == Class::Invented;
        let list = if route == Route::Strict { &windows.strict } else { &windows.list };
        if is_sound && meets(&list[isolate], span) {
            verdict.may.push("auth_unavailable");
        }
        let keys = match token.class {
            Class::UnknownPublished => &windows.keys_doubt,
            _ => &windows.keys,
        };
        let is_missing = match issuer {
            Issued::Published => meets(&keys[isolate], span),
            Issued::Asked => meets(&windows.asked[isolate], span),
            Issued::Local => false,
        };
        if is_missing {
            verdict.may.push("auth_unavailable");
        }
        if verdict.must.is_none() && route == Route::Scoped && !token.is_admin {
            verdict.may.push("insufficient_scope");
            verdict.must = Some("it has not the scope".to_owned());
        }
        verdict
    }

    fn note_last_permit(&mut self, attempt: &Attempt) {
        if matches!(attempt.route, Route::Public) {
            return;
        }
        let orders = self.orders.about(&attempt.token).filter(|order| order.undone.is_none());
        let done = orders.filter_map(|order| order.made.done);
        let after = done.map(|done| attempt.sent.saturating_sub(done)).max().unwrap_or(0);
        let last = &mut self.last_permit[usize::from(attempt.route == Route::Strict)];
        *last = (*last).max(after);
    }

    /// An order is carried out, unless the hub cannot be reached.
    pub fn order(&mut self, order: &Order) {
        for Attempted { isolate, sent, answered, came } in &order.made.attempts {
            let may_fail = meets(&self.windows.hub[*isolate], (*sent, *answered));
            let is_silent = meets(&self.windows.silent[*isolate], (*sent, *answered));
            // An admin does not wait for ever, either.
            let gave_up = Duration::from_millis(answered - sent) >= PATIENCE
                && meets(&self.windows.stood, (*sent, *answered));
            let allowed = match came.as_ref().map(|(status, code)| (*status, code.as_str())) {
                Some((200 | 201, _)) => true,
                Some((503, "hub_unavailable")) => may_fail,
                None if gave_up => true,
                Some((500, _)) | None => is_silent,
                Some(_) => false,
            };
            self.check(allowed, (*sent, *answered), || {
                format!("an order about a {}: came {came:?}", order.kind)
            });
        }
    }

    /// Where an earlier answer may serve, it does: who was good in an isolate that asked is good there while the
    /// service is away.
    pub fn stale_serves(&mut self, attempts: &[&Attempt]) {
        let mut good: BTreeMap<(usize, usize, &str), Ms> = BTreeMap::new();
        for attempt in attempts.iter().filter(|it| it.token.class == Class::Opaque) {
            let key = (attempt.life, attempt.isolate, attempt.token.text.as_str());
            let arrival = self.arrivals.get(&attempt.number).and_then(|all| all.first());
            if arrival.is_some_and(|arrival| arrival.degraded.is_none()) {
                good.insert(key, attempt.sent);
            }
            let is_refused = matches!(&attempt.outcome, Outcome::Answer(503, Some(code)) if code == "auth_unavailable");
            let Some(since) = good.get(&key).filter(|_| attempt.route == Route::Stale) else {
                continue;
            };
            // The answer that it passed by then may have been as old as answers may be.
            let counts_ms = (INTROSPECTION_STALE_SECONDS - INTROSPECTION_CACHE_SECONDS) * 1_000;
            let span = (attempt.sent, attempt.answered);
            let between = (*since, attempt.answered);
            let counts = attempt.answered < since + counts_ms
                && !meets(&self.windows.anew[attempt.isolate], between)
                && !meets(&self.windows.list[attempt.isolate], span);
            self.check(!(is_refused && counts), span, || {
                format!(
                    "Opaque on Stale, request {}: refused, although it was good at {since}",
                    attempt.number
                )
            });
        }
    }
}

/// From when until when an order can hold, and from when until when it does, everywhere.
pub fn holds(order: &Order, bound: Ms) -> Option<(Span, Span)> {
    let sent = order.made.attempts.first()?.sent;
    let (undoing, undone) = match &order.undone {
        Some(undone) => {
            let done = undone.done.map_or(Ms::MAX, |done| done.saturating_add(BOUND_MS));
            (undone.attempts.first().map_or(Ms::MAX, |attempt| attempt.sent), done)
        }
        None => (Ms::MAX, Ms::MAX),
    };
    let since = order.made.done.map_or(Ms::MAX, |done| done.saturating_add(bound));
    Some(((sent, undone), (since, undoing)))
}

fn status_of(code: &str) -> u16 {
    match code {
        "insufficient_scope" => 403,
        "auth_unavailable" => 503,
        _ => 401,
    }
}
