//! When the stated policy lets a request be refused that is in order, or get no answer: from the faults that
//! there were, and the times that the configuration and the documentation name.

use super::{
    BOUND_MS, INTROSPECTION_TIMEOUT_MS, ISOLATES, KEYS_REFRESH_SECONDS, KEYS_STALE_SECONDS,
    KEYS_TIMEOUT_MS, Ms,
    harness::Mode,
    script::{Service, What},
    world::{Happened, RELAYS},
};

/// What a busy machine may take to do what is due, and a call that meets it may fail by. Whatever is promised
/// in seconds is promised beside this only where something has to be done; a refusal in time needs nothing.
const MACHINE_MS: Ms = 1_000;

/// A question to a relay, and the time after which one counts as lost with its request.
const QUESTION_MS: Ms = 1_000 + 1_000;
/// Nobody asks again for a second after a question that brought nothing: neither an isolate nor a relay.
const PAUSES_MS: Ms = 1_000 + 1_000;
/// How old a list can be when nothing fails: as old as what the relay has (a second), as long again in the
/// cache of the data centre, and until the next one is there.
const USUAL_AGE_MS: Ms = 4_000;

/// One attempt to fetch keys, the look into KV before it, and the second after
/// which one counts as lost.
const FETCH_MS: Ms = KEYS_TIMEOUT_MS + 50 + 1_000;
/// After one that failed there is none for so long while there is no set.
const FETCH_PAUSE_MS: Ms = 2_000;

/// The first back-off of a breaker, with all of its jitter.
const BACK_OFF_MS: Ms = 3_000;

/// From one time to another.
pub type Span = (Ms, Ms);

/// For each isolate, when what is allowed.
pub struct Windows {
    /// Nobody may know what is revoked.
    pub list: [Vec<Span>; ISOLATES],
    /// The same, for those who have the relay asked each time.
    pub strict: [Vec<Span>; ISOLATES],
    /// There may be no published keys.
    pub keys: [Vec<Span>; ISOLATES],
    /// It may not be known which published keys there are.
    pub keys_doubt: [Vec<Span>; ISOLATES],
    /// The auth service may give no answer.
    pub asked: [Vec<Span>; ISOLATES],
    /// Orders may not be carried out.
    pub hub: [Vec<Span>; ISOLATES],
    /// A request may get no answer, or one that is not ours.
    pub silent: [Vec<Span>; ISOLATES],
    /// The memory of the isolate has begun anew.
    pub anew: [Vec<Span>; ISOLATES],
    /// Its relay may not hear what it has counted, or not keep it.
    pub unheard: [Vec<Span>; ISOLATES],
    /// What is due may be late.
    pub busy: Vec<Span>,
    /// Nobody listens where the origin is, or workerd has not noticed yet that somebody does.
    pub origin_gone: Vec<Span>,
    /// workerd stands still.
    pub stood: Vec<Span>,
}

/// Whether any of them has something in common with this one.
pub fn meets(spans: &[Span], (from, to): Span) -> bool {
    spans.iter().any(|span| span.0 <= to && from <= span.1)
}

/// How much of a time they cover, of which no two have anything in common.
fn in_common(spans: &[Span], (from, to): Span) -> Ms {
    spans.iter().map(|span| span.1.min(to).saturating_sub(span.0.max(from))).sum()
}

impl Windows {
    /// By the faults, and by the times when an isolate is known to have had the published keys.
    pub fn of(happened: &[Happened], had_keys: &[Vec<Ms>; ISOLATES]) -> Self {
        let spans = |is: &dyn Fn(&What) -> bool| -> Vec<Span> {
            let fitting = happened.iter().filter(|one| is(&one.what));
            fitting.map(|one| (one.from, one.to)).collect()
        };
        let each = |of: &dyn Fn(usize) -> Vec<Span>| std::array::from_fn(of);
        let stood = spans(&|what| matches!(what, What::HangWorkerd));
        let killed = spans(&|what| matches!(what, What::StartWorkerd | What::KillWorkerd));
        let anew = |isolate: usize| {
            let is_reset = |what: &What| matches!(what, What::Reset(at) if *at == isolate);
            [killed.clone(), spans(&is_reset)].concat()
        };
        // Until somebody needs the keys, nobody has fetched them.
        let without_keys = |isolate: usize| -> Vec<Span> {
            let until = |to: Ms| had_keys[isolate].iter().copied().filter(|at| *at >= to).min();
            let since = anew(isolate).into_iter();
            since.map(|(from, to)| (from, until(to).unwrap_or(Ms::MAX))).collect()
        };
        // A machine that is busy keeps everybody from answering in time.
        let fails = |service: Service, limit: Ms| {
            let mut all = spans(&move |what| match what {
                What::Service(failing, _) => *failing == service,
                other => matches!(other, What::Busy),
            });
            // Who has stood still for less than the time limit still gets the answer in time.
            all.extend(stood.iter().filter(|(from, to)| to - from + MACHINE_MS > limit));
            all
        };
        // Hub and relays are in the first isolate, and do nothing either while workerd stands still.
        let objects_end = |what: &What| {
            let ends = matches!(what, What::Reset(0) | What::StartWorkerd | What::KillWorkerd);
            ends || matches!(what, What::Busy | What::HangWorkerd)
        };
        let list = |isolate: usize, grace: Ms| {
            let relay = RELAYS[isolate];
            let fails = spans(&|what| match what {
                What::Objects(path, _) => {
                    *path == "/hub/" || format!("/relay/pull/{relay}").starts_with(path)
                }
                What::KillObject(name) => *name == relay || *name == "hub",
                other => objects_end(other),
            });
            // What begins anew asks everybody at once, and the hub has 600 ms to answer a relay.
            let all = [fails, anew(isolate)].concat();
            windows(&all, &anew(isolate), grace, |_| QUESTION_MS + PAUSES_MS + MACHINE_MS)
        };
        let keys = |isolate: usize| {
            let usual_ms = KEYS_REFRESH_SECONDS * 1_000 + FETCH_MS + MACHINE_MS;
            let grace = KEYS_STALE_SECONDS * 1_000 - usual_ms;
            let fails = fails(Service::Published, KEYS_TIMEOUT_MS);
            windows(&fails, &without_keys(isolate), grace, after_keys)
        };
        let keys_doubt = |isolate: usize| {
            let fails = fails(Service::Published, KEYS_TIMEOUT_MS);
            windows(&fails, &anew(isolate), 0, after_keys)
        };
        let asked = |isolate: usize| {
            let fails = fails(Service::Asked, INTROSPECTION_TIMEOUT_MS);
            // Who stands still does not fail again and again meanwhile.
            let felt = |span: Span| span.1 - span.0 - in_common(&stood, span);
            windows(&fails, &anew(isolate), 0, |span| after_outage(felt(span)))
        };
        let hub = |isolate: usize| {
            let fails = spans(&|what| match what {
                What::Objects(path, _) => path.starts_with("/hub/"),
                What::KillObject(name) => *name == "hub",
                other => objects_end(other),
            });
            let all = [fails, anew(isolate)].concat();
            windows(&all, &[], 0, |_| MACHINE_MS)
        };
        let unheard = |isolate: usize| {
            let relay = RELAYS[isolate];
            let fails = spans(&|what| match what {
                What::Objects(path, _) => {
                    *path == "/relay/message" || format!("/relay/pull/{relay}").starts_with(path)
                }
                What::KillObject(name) => *name == relay,
                other => objects_end(other),
            });
            // An isolate whose question failed asks again after a second.
            windows(&fails, &anew(isolate), 0, |_| QUESTION_MS + PAUSES_MS)
        };
        let is_refused =
            |what: &What| matches!(what, What::Service(Service::Origin, Mode::Refused));
        // That a connection has ended, who stands still notices when it goes on.
        let origin_gone = spans(&is_refused).into_iter().map(|(from, to)| {
            let noticed = stood.iter().filter(|span| meets(&[(from, to)], **span));
            (from, noticed.map(|span| span.1 + MACHINE_MS).max().unwrap_or(to).max(to))
        });
        Self {
            list: each(&|isolate| list(isolate, BOUND_MS - USUAL_AGE_MS)),
            strict: each(&|isolate| list(isolate, 0)),
            keys: each(&keys),
            keys_doubt: each(&keys_doubt),
            asked: each(&asked),
            hub: each(&hub),
            silent: each(&anew),
            anew: each(&anew),
            unheard: each(&unheard),
            busy: spans(&|what| matches!(what, What::Busy)),
            origin_gone: origin_gone.collect(),
            stood: stood.clone(),
        }
    }
}

/// A set that could not be had is fetched again when the last attempt and the pause after it are over.
const fn after_keys(_: Span) -> Ms {
    FETCH_MS + FETCH_PAUSE_MS + MACHINE_MS
}

/// Each back-off is at most three quarters longer than all before it together: twice the last, and half of
/// that again at random. Then the probe has to be answered, or counts as lost a second later.
const fn after_outage(lasted: Ms) -> Ms {
    lasted * 3 / 2 + BACK_OFF_MS + INTROSPECTION_TIMEOUT_MS + 1_000 + MACHINE_MS
}

/// When something may be missing: `grace` after a fault began, since what there was counts until then, until
/// `recovery` after it ended, which may depend on how long it lasted. Faults of which one begins before that
/// are one fault. An isolate that has begun anew meanwhile had nothing that would count.
fn windows(faults: &[Span], anew: &[Span], grace: Ms, recovery: impl Fn(Span) -> Ms) -> Vec<Span> {
    let mut faults = faults.to_vec();
    faults.sort_unstable();
    let mut joined: Vec<Span> = Vec::new();
    for (from, to) in faults {
        match joined.last_mut() {
            Some(last) if from <= last.1 + recovery(*last) => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    let allowed = joined.into_iter().map(|(from, to)| {
        let until = to + recovery((from, to));
        let cold = anew.iter().filter(|span| meets(&[(from, until)], **span));
        let cold = cold.map(|span| span.0.max(from)).min();
        (cold.unwrap_or(Ms::MAX).min(from + grace), until)
    });
    allowed.filter(|(from, until)| from < until).collect()
}
