//! What the gate counts, next to what clients saw.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use edgeward::core::denial::Reason;

use super::{
    ISOLATES, Ms,
    harness::{gate::ADMIN_TOKEN, *},
    judge::Judge,
    orders::place,
    traffic::{Attempt, Outcome, Route},
    windows::meets,
    world::{Arrival, World},
};

/// How long an admin waits for a page.
const PATIENCE: Duration = Duration::from_secs(20);
/// What an isolate counts is handed over so soon while its relay answers: every ten seconds where the cache of
/// the data centre answers its questions, and with the next one (docs/monitoring.md).
const HANDED_OVER_MS: Ms = 12_000;

/// Counts by what they are of: `permitted`, or the code of a denial.
pub type Counts = BTreeMap<String, u64>;

/// What an isolate says about itself, or all of them together.
pub struct Scrape {
    /// Of one isolate of a life; of all otherwise.
    pub of: Option<(usize, usize)>,
    pub sent: Ms,
    pub answered: Ms,
    pub counts: Counts,
}

/// Looks at the counters again and again until the end.
pub async fn scrape(world: Arc<World>, all: Arc<Mutex<Vec<Scrape>>>, end: Ms) {
    while world.clock.now() < end {
        for isolate in 0..ISOLATES {
            for path in ["health", "metrics"] {
                if let Some(scrape) = look(&world, isolate, path).await {
                    all.lock().unwrap().push(scrape);
                }
            }
        }
        world.moment(1_000).await;
    }
}

/// Looks at a page; nothing, if there is none, or none with counters.
pub async fn look(world: &World, isolate: usize, path: &str) -> Option<Scrape> {
    let asked = get(&format!("/_edgeward/{path}")).bearer(ADMIN_TOKEN);
    let asked = asked.header("CF-Blob", &place(isolate)).bytes();
    let sent = world.clock.now();
    let life = world.life();
    let came = client::try_raw(life.gates[isolate].addr, &asked);
    let reply = tokio::time::timeout(PATIENCE, came).await.ok()?.ok()?;
    let answered = world.clock.now();
    let is_page = path == "metrics";
    let of = (!is_page).then_some((life.number, isolate));
    let counts = if is_page { on_page(&reply.text())? } else { in_report(&reply.json())? };
    Some(Scrape { of, sent, answered, counts })
}

/// The page has no counters while nobody knows them.
fn on_page(page: &str) -> Option<Counts> {
    let mut counts = Counts::new();
    for line in page.lines() {
        let Some(rest) = line.strip_prefix("auth_requests_total{decision=\"") else { continue };
        let (labels, number) = rest.split_once("\"} ")?;
        let (decision, code) = labels.split_once("\",code=\"")?;
        let name = if decision == "permitted" { decision } else { code };
        if matches!(decision, "permitted" | "denied" | "failed") {
            *counts.entry(name.to_owned()).or_default() += number.parse::<u64>().ok()?;
        }
    }
    (!counts.is_empty()).then_some(counts)
}

fn in_report(report: &Value) -> Option<Counts> {
    let requests = report.get("requests")?;
    let mut counts = Counts::from([("permitted".to_owned(), requests["permitted"].as_u64()?)]);
    for (name, number) in requests["denied"].as_object()? {
        let reason = Reason::ALL.iter().find(|reason| reason.name() == name)?;
        *counts.entry(reason.code().name().to_owned()).or_default() += number.as_u64()?;
    }
    Some(counts)
}

/// What a request counts as, for certain or perhaps.
struct Counted {
    sent: Ms,
    answered: Ms,
    surely: Vec<String>,
    perhaps: Vec<String>,
}

/// How often something was counted: at least, and at most.
pub type Range = (u64, u64);

impl Counted {
    fn of(attempt: &Attempt, arrivals: &[Arrival], is_silent: bool) -> Self {
        let has_arrived = !arrivals.is_empty();
        let says_503 = |one: &Arrival| matches!(one.met, Mode::Status { code: 503, .. });
        let is_of_origin = arrivals.last().is_some_and(says_503);
        let Attempt { sent, answered, .. } = *attempt;
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (mut surely, mut perhaps): (Vec<String>, Vec<String>) = <_>::default();
        if has_arrived {
            surely.push("permitted".to_owned());
        }
        match &attempt.outcome {
            _ if attempt.route == Route::Health => {}
            Outcome::Answer(502, code)
                if code.as_deref() == Some("origin_unreachable") || !is_silent =>
            {
                // Who could not be reached got a permit.
                surely = named(&["permitted", "origin_unreachable"]);
            }
            // A handshake can be refused when the origin has answered.
            Outcome::Answer(503, None) if !is_of_origin => {
                surely.push("auth_unavailable".to_owned());
            }
            Outcome::Answer(403, None) if !has_arrived => surely = named(&["insufficient_scope"]),
            Outcome::Answer(401, None) => {
                perhaps = named(&["invalid_token", "revoked_token", "expired_token"]);
            }
            Outcome::Answer(_, Some(code)) if !has_arrived && !code.is_empty() => {
                surely.push(code.clone());
            }
            Outcome::Answer(status, _)
                if has_arrived && !(is_silent && matches!(status, 500 | 502)) => {}
            Outcome::Answer(..) | Outcome::Nothing(_) => {
                // It may have been counted, whatever it was, before nobody could answer.
                let codes = Reason::ALL.iter().map(|reason| reason.code().name().to_owned());
                perhaps = codes.chain(["permitted".to_owned()]).collect();
                perhaps.sort_unstable();
                perhaps.dedup();
            }
        }
        perhaps.retain(|name| !surely.contains(name));
        Self { sent, answered, surely, perhaps }
    }

    fn range(&self, name: &str) -> Range {
        let is = |names: &[String]| u64::from(names.iter().any(|one| one == name));
        let surely = is(&self.surely);
        (surely, surely + is(&self.perhaps))
    }
}

/// What clients saw, by life and isolate, and the names of all that was counted.
pub struct Ledger(BTreeMap<(usize, usize), Vec<Counted>>, Vec<String>);

impl Ledger {
    pub fn of(judge: &Judge<'_>, attempts: &[Attempt]) -> Self {
        let mut all = BTreeMap::<_, Vec<_>>::new();
        for attempt in attempts {
            let arrivals = judge.arrivals.get(&attempt.number).map_or(&[][..], Vec::as_slice);
            let span = (attempt.sent, attempt.answered);
            let is_silent = meets(&judge.windows.silent[attempt.isolate], span);
            let place = all.entry((attempt.life, attempt.isolate)).or_default();
            place.push(Counted::of(attempt, arrivals, is_silent));
        }
        let names = all.values().flatten().flat_map(|one| one.surely.clone());
        let names: BTreeSet<_> = names.collect();
        Self(all, names.into_iter().collect())
    }

    /// What was counted of these since the isolate began anew, up to a time.
    fn since(
        &self,
        of: (usize, usize),
        name: &str,
        anew: Option<(Ms, Ms)>,
        span: (Ms, Ms),
    ) -> Range {
        let all = self.0.get(&of).map(Vec::as_slice).unwrap_or_default();
        let (from, to) = anew.unwrap_or((0, 0));
        let mut range = (0, 0);
        for one in all.iter().filter(|one| one.answered >= from && one.sent <= span.1) {
            let (least, most) = one.range(name);
            // What was on its way then counts in the one or in the other.
            if one.sent > to && one.answered < span.0 {
                range.0 += least;
            }
            range.1 += most;
        }
        range
    }
}

impl Judge<'_> {
    /// Holds what was counted against what was seen.
    pub fn counters(&mut self, ledger: &Ledger, scrapes: &[Scrape]) {
        let mut known: BTreeMap<Option<(usize, usize)>, &Scrape> = BTreeMap::new();
        for scrape in scrapes {
            let span = (scrape.sent, scrape.answered);
            let of = scrape.of.map_or("all".to_owned(), |(life, isolate)| {
                format!("isolate {isolate} of life {life}")
            });
            if let Some(before) = known.insert(scrape.of, scrape) {
                let isolate = scrape.of.map(|(_, isolate)| isolate);
                let between = (before.sent, scrape.answered);
                let is_anew = |at: usize| meets(&self.windows.anew[at], between);
                let falls = before.counts.iter().find(|(name, number)| {
                    scrape.counts.get(*name).copied().unwrap_or(0) < **number
                });
                let falls = falls.map(|(name, number)| format!("{name}, which was {number}"));
                // Of all together nothing is ever forgotten.
                let is_allowed = falls.is_none() || isolate.is_some_and(is_anew);
                self.check(is_allowed, span, || format!("counters of {of} went back: {falls:?}"));
            }
            let Some(place) = scrape.of else { continue };
            let anew = self.last_beginning(place.1, scrape.sent);
            if meets(&self.windows.anew[place.1], span) {
                continue;
            }
            for name in &ledger.1 {
                let (least, most) = ledger.since(place, name, anew, span);
                let number = scrape.counts.get(name).copied().unwrap_or(0);
                self.check((least..=most).contains(&number), span, || {
                    format!("{of} counted {number} {name}, clients {least} to {most}")
                });
            }
        }
    }

    /// The last time at which an isolate began anew before another time.
    fn last_beginning(&self, isolate: usize, before: Ms) -> Option<(Ms, Ms)> {
        let anew = self.windows.anew[isolate].iter().filter(|span| span.0 <= before);
        anew.max_by_key(|span| span.1).copied()
    }

    /// What the sum over all isolates has once everything is handed over that can be.
    pub fn sum(&self, ledger: &Ledger) -> BTreeMap<String, Range> {
        ledger.1.iter().map(|name| (name.clone(), self.handed_over(ledger, name))).collect()
    }

    fn handed_over(&self, ledger: &Ledger, name: &str) -> Range {
        let mut range = (0, 0);
        for ((_, isolate), all) in &ledger.0 {
            for one in all {
                let (least, most) = one.range(name);
                range.1 += most;
                if least == 0 {
                    continue;
                }
                // Lost with what ended before it could be handed over.
                let ends = self.windows.anew[*isolate].iter().map(|span| span.0);
                let end = ends.filter(|end| *end >= one.sent).min();
                let until = end.map_or(Ms::MAX, |end| self.was_heard_before(*isolate, end));
                if one.answered < until {
                    range.0 += least;
                }
            }
        }
        range
    }

    /// The last time before another at which an isolate can have handed over what it had.
    fn was_heard_before(&self, isolate: usize, end: Ms) -> Ms {
        let away = self.windows.unheard[isolate].iter();
        let mut until = end;
        let mut away: Vec<_> = away.collect();
        away.sort_unstable();
        for (from, to) in away.into_iter().rev() {
            if (*from..=to.saturating_add(HANDED_OVER_MS)).contains(&until) {
                until = *from;
            }
        }
        until.saturating_sub(HANDED_OVER_MS)
    }
}
