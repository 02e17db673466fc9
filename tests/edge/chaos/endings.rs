//! The model of sockets: when they have to end, and with which words they may.

use super::{
    BOUND_MS, INTROSPECTION_CACHE_SECONDS, INTROSPECTION_TIMEOUT_MS, Ms,
    judge::{Judge, holds},
    orders::Wanted,
    sockets::{Ended, Socket},
    tokens::Issued,
    windows::{Span, meets},
};

/// A busy machine may take so long to close a socket whose time has come.
const CLOSING_MS: Ms = 3_000;
/// A socket ends by what was the case shortly before.
const BEFORE_MS: Ms = 2_000;

impl Judge<'_> {
    /// Judges how a socket ended, and that it did.
    pub fn socket(&mut self, socket: &Socket) {
        let Socket { token, isolate, opened, closed, echoed, ended } = socket;
        let span = (*opened, *closed);
        let about = || format!("a socket of {:?} in isolate {isolate}: {ended:?}", token.class);
        let mut limits = vec![(token.over.1 - self.clock.wall(0), "it was over".to_owned())];
        for order in self.orders.about(token) {
            let until = order.undone.as_ref().map_or(Ms::MAX, Wanted::sent);
            if let Some(done) = order.made.done
                && (done + BOUND_MS).max(*opened) + CLOSING_MS < until
            {
                let at = i64::try_from(done + BOUND_MS).unwrap();
                limits.push((at, format!("its {} was revoked at {done}", order.kind)));
            }
        }
        let mut is_withdrawn = false;
        if let Some((since, done)) = self.withdrawn.get(&token.text) {
            is_withdrawn = since <= closed;
            // The service is asked at each third of the bound.
            let check_ms = BOUND_MS / 3 + INTROSPECTION_CACHE_SECONDS * 1_000;
            let at = done.saturating_add(check_ms + INTROSPECTION_TIMEOUT_MS);
            if at < Ms::MAX && !meets(&self.windows.asked[*isolate], (*since, at + CLOSING_MS)) {
                limits.push((i64::try_from(at).unwrap(), format!("it was withdrawn at {done}")));
            }
        }
        for (limit, why) in limits {
            // One that was opened afterwards is judged as a request.
            let due = Ms::try_from(limit).unwrap_or(0).max(*opened);
            let limit = due + CLOSING_MS;
            if meets(&self.windows.busy, (due, *closed)) {
                continue;
            }
            self.check(*echoed <= limit, span, || {
                format!("{}: something sent at {echoed} passed, although {why}", about())
            });
            // Who stands still closes nothing, and lets nothing pass either.
            let stood = self.windows.stood.iter().filter(|(from, to)| *from <= limit && due <= *to);
            let closes = stood.map(|(_, to)| to + CLOSING_MS).max().unwrap_or(limit).max(limit);
            // A client that closes waits for the other side, which may be slow.
            let is_open = *closed > closes && *ended != Ended::ByClient;
            self.check(!is_open, span, || format!("{}: it was open, although {why}", about()));
        }
        let lately = (closed.saturating_sub(BEFORE_MS), *closed);
        let windows = &self.windows;
        let met = |spans: &[Vec<Span>]| meets(&spans[*isolate], lately);
        // Told when it next has a message, or is due.
        let is_reset = meets(&windows.silent[*isolate], span);
        let is_over = self.clock.wall(*closed) >= token.over.0;
        let is_revoked = self
            .orders
            .about(token)
            .any(|order| holds(order, BOUND_MS).is_some_and(|(may, _)| meets(&[may], span)));
        let is_asked = token.class.issuer() == Issued::Asked;
        let is_published = token.class.issuer() == Issued::Published;
        let allowed = match ended {
            Ended::ByClient => true,
            Ended::Gone => meets(&windows.silent[*isolate], lately),
            Ended::Closed(code, reason) => match (code, reason.as_str()) {
                (4401, "token_expired") => is_over,
                (4401, "token_revoked") => is_revoked,
                (4401, "token_invalid") => is_asked && (is_withdrawn || is_over),
                (1013, "supervision_lost") => {
                    // Late by the time between two checks.
                    let mut stood = windows.stood.iter().filter(|it| it.1 - it.0 >= BOUND_MS / 3);
                    let is_late = stood.any(|span| meets(&[*span], lately));
                    met(&windows.list) || is_reset || is_late
                }
                (1013, "auth_unavailable") => {
                    is_asked && met(&windows.asked) || is_published && met(&windows.keys)
                }
                (1011, "origin_unreachable") => meets(&windows.origin_gone, lately),
                _ => false,
            },
        };
        self.check(allowed, span, about);
    }
}
