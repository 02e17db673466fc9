//! Whether a token is revoked, and whether that can be told.
//!
//! In scope: asking the list, and how old it may be. Out of scope: the list itself
//! ([`crate::core::revocation`]), and how its parts come here (`crate::edge`).

use std::cell::{Cell, Ref, RefCell};

use serde_json::Value;

use super::identity::{MOMENT_MS, ask};
use super::question::{Findings, KvChange, ListSought, Question, Refresh, Stored};
use super::{Degrading, Gate, Stop};
use crate::core::access::Freshness;
use crate::core::cache::{Known, Verdict};
use crate::core::claims::{Millis, NumericDate};
use crate::core::config::{self, OnStale};
use crate::core::denial::{Denial, Reason};
use crate::core::json::object;
use crate::core::refresh::{Age, RefreshClock, Schedule, Step};
use crate::core::revocation::delta::{Delta, Head};
use crate::core::revocation::entry::{LogId, Number};
use crate::core::revocation::list::RevocationList;
use crate::core::revocation::published::{PART_NUMBERS, Published};
use crate::core::revocation::target::{Kind, Targets};
use crate::core::verify::{Candidate, SignatureEngine, examine};

/// After an attempt that brought nothing the relay is not asked for so long, in milliseconds. Whoever
/// needs a list is refused meanwhile, however rarely it is refreshed at other times.
const RETRY_MS: Millis = 1_000;

/// A list that was not refreshed for so many times `refresh_seconds` is of an isolate that had no
/// requests. Its first one waits for a refresh: without that, a revocation would take 17 s in one isolate
/// of a hundred, and takes 4.5 s with it (docs/revocation.md, "Beyond this machine").
const IDLE_AFTER: i64 = 5;

/// How long it waits, in milliseconds; then it passes by the list that there is.
const IDLE_PATIENCE_MS: u32 = 250;

/// How long KV keeps what is published, in seconds: 400 days. What is in a part that was not written for
/// so long is missing then, and nobody takes the rest for all.
const PUBLISHED_SECONDS: u32 = 34_560_000;

/// What an isolate knows of revocations.
pub(super) struct Revocations {
    list: RefCell<RevocationList>,
    clock: RefCell<RefreshClock>,
    /// Counts the parts of the log that have changed something.
    changes: Cell<u32>,
    /// It should be refreshed after the response.
    due: Cell<bool>,
    /// When the last refresh by the relay itself began that was good.
    asked_relay_at: Cell<Option<Millis>>,
    /// When a leash was last used to ask what is new.
    pub(super) asked_leash_at: Cell<Millis>,
    /// How old it was at most when a request went by it, in milliseconds, since that was last told.
    oldest_use: Cell<Millis>,
}

/// How current the list is that a token was checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Currency {
    /// As the operator wants it.
    Current,
    /// Older, and the operator lets that pass.
    Stale,
}

/// Why a part of the log was not taken. The names are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// It is none.
    Malformed,
    /// Something is missing before it, or it is of another log: the next one has to begin at the
    /// beginning.
    Gap,
}

impl NotTaken {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Gap => "gap",
        }
    }
}

impl Revocations {
    pub(super) fn new(settings: &config::Revocation) -> Self {
        let refresh_ms = settings.refresh_seconds.saturating_mul(1_000);
        let schedule = Schedule {
            refresh_ms,
            max_stale_ms: settings.max_staleness_seconds.saturating_mul(1_000),
            attempt_ms: settings.timeout_ms.into(),
            // The age of a list is counted from when the hub was asked, so it is never fresh for
            // as long as this.
            cooldown_ms: refresh_ms,
            cooldown_without_ms: RETRY_MS,
            pause_ms: RETRY_MS,
        };
        Self {
            list: RefCell::default(),
            clock: RefCell::new(RefreshClock::new(schedule)),
            changes: Cell::new(0),
            due: Cell::new(false),
            asked_relay_at: Cell::new(None),
            asked_leash_at: Cell::new(0),
            oldest_use: Cell::new(0),
        }
    }

    /// What a use of the list does that waits for nothing.
    pub(super) fn step(&self, now: Millis) -> Step {
        let mut clock = self.clock.borrow_mut();
        clock.see_strictly(now);
        clock.on_use(now)
    }

    /// Since when it is certain that there is no more, if it is.
    pub(super) fn known_at(&self) -> Option<Millis> {
        self.clock.borrow().fetched_at()
    }

    /// Whether the last attempt to refresh it brought nothing.
    pub(super) fn has_failed(&self, now: Millis) -> bool {
        self.clock.borrow().failed(now)
    }

    /// It should be refreshed after the response.
    pub(super) fn is_due(&self) {
        self.due.set(true);
    }

    /// Whether it is young enough to count.
    pub(super) fn counts(&self, now: Millis) -> bool {
        self.clock.borrow().age(now).counts()
    }

    /// The list, to look into.
    pub(super) fn list(&self) -> Ref<'_, RevocationList> {
        self.list.borrow()
    }

    /// How old it is where that matters, in milliseconds: at most when a request went by it, or now, if it
    /// could not be refreshed. One that nobody asks for is refreshed by nobody, and its age means nothing.
    pub(super) fn age_in_use(&self, now: Millis) -> Option<Millis> {
        let clock = self.clock.borrow();
        if clock.failed(now) {
            clock.fetched_at().map(|at| now.saturating_sub(at))
        } else {
            Some(self.oldest_use.get())
        }
    }

    /// Its age was told.
    pub(super) fn age_was_told(&self) {
        self.oldest_use.set(0);
    }

    /// For the health report.
    pub(super) fn report(&self, now: Millis) -> Value {
        let (list, clock) = (self.list.borrow(), self.clock.borrow());
        let age = clock.fetched_at().map(|at| now.saturating_sub(at).div_euclid(1_000));
        object! {
            "state": clock.age(now).name(),
            "age_seconds": age,
            "number": list.number(),
            "entries": list.len(),
            "bytes": list.bytes(),
        }
    }
}

impl<E: SignatureEngine> Gate<E> {
    /// Checks a token whose signature and claims are right. `freshness` is what the rules ask of the
    /// list.
    pub(super) fn check_revocation(
        &self,
        token: &str,
        known: &Known,
        freshness: Freshness,
        now: Millis,
        findings: &mut Findings,
    ) -> Result<Currency, Stop> {
        let Some(revocations) = &self.revocations else { return Ok(Currency::Current) };
        let currency = self.currency(revocations, known.provider, freshness, now, findings)?;
        let list = revocations.list.borrow();
        let changes = revocations.changes.get();
        if known.clear_at == changes || !known.marks.iter().any(|mark| list.may_have(*mark)) {
            return Ok(currency);
        }
        let seconds = now.div_euclid(1_000);
        let issuer = self.issuer(known.provider);
        let (targets, issued_at) = match examine(&self.settings, token) {
            Ok(candidate) => (self.targets(&candidate), candidate.issued_at()),
            Err(_) => (Targets::of_opaque(issuer, token), None),
        };
        if let Some(kind) = revoked(&list, &targets, issued_at, seconds) {
            return Err(denial(known.provider, kind).into());
        }
        // The next request need not look so closely, until the list changes.
        self.known.borrow_mut().renew(token, |known| known.clear_at = changes);
        Ok(currency)
    }

    /// Checks what an auth service said about a token.
    pub(super) fn check_named(
        &self,
        verdict: &Verdict,
        provider: usize,
        now: Millis,
    ) -> Result<(), Denial> {
        let (Some(revocations), Some(named)) = (&self.revocations, &verdict.named) else {
            return Ok(());
        };
        let (targets, issued_at) = &**named;
        let list = revocations.list.borrow();
        match revoked(&list, targets, *issued_at, now.div_euclid(1_000)) {
            Some(kind) => Err(denial(provider, kind)),
            None => Ok(()),
        }
    }

    /// All by which a token can be revoked.
    pub(super) fn targets(&self, candidate: &Candidate<'_>) -> Targets {
        let issuer = self.issuer(candidate.provider);
        match self.keys.get(candidate.provider) {
            Some(ring) => candidate.targets(issuer, &ring.ready()),
            None => candidate.targets::<E::Key>(issuer, &[]),
        }
    }

    pub(super) fn issuer(&self, provider: usize) -> &str {
        self.settings.providers.get(provider).map_or("", |provider| provider.issuer.as_str())
    }

    /// Whether the operator lets requests pass on a list that is too old.
    pub(super) fn serves_stale(&self) -> bool {
        self.settings.revocation.on_stale == OnStale::Serve
            && self.degrading == Degrading::AsConfigured
    }

    /// Sees to it that the list is as current as it has to be, or says how it is.
    fn currency(
        &self,
        revocations: &Revocations,
        provider: usize,
        freshness: Freshness,
        now: Millis,
        findings: &mut Findings,
    ) -> Result<Currency, Stop> {
        let mut clock = revocations.clock.borrow_mut();
        clock.see_strictly(now);
        let step = clock.on_use(now);
        let counts = clock.age(now).counts();
        if counts && let Some(at) = clock.fetched_at() {
            revocations.oldest_use.set(revocations.oldest_use.get().max(now.saturating_sub(at)));
        }
        let serves = self.serves_stale();
        match freshness {
            Freshness::Standard if counts => {
                if step == Step::FetchInBackground {
                    if findings.list == ListSought::NotYet && self.was_idle(&clock, now) {
                        return Err(ask(
                            Question::Revocations(Refresh::Wanted(IDLE_PATIENCE_MS)),
                            findings,
                        ));
                    }
                    revocations.due.set(true);
                }
                return Ok(Currency::Current);
            }
            Freshness::Strict => {
                let since = *findings.strict_since.get_or_insert(now);
                let is_asked = |at: Millis| (since..=now).contains(&at);
                if counts && revocations.asked_relay_at.get().is_some_and(is_asked) {
                    return Ok(Currency::Current);
                }
                // A refresh that began before this request may not know what was revoked before it.
                let is_under_way = clock.is_under_way(now);
                if is_under_way && findings.may_wait_for_list(2 * clock.lease_ms(), now) {
                    return Err(ask(Question::Moment(MOMENT_MS), findings));
                }
                if !is_under_way && findings.list != ListSought::Strictly {
                    findings.list = ListSought::Strictly;
                    return Err(ask(Question::Revocations(Refresh::Strict), findings));
                }
            }
            // Who can pass without does not wait for what has just failed.
            Freshness::Standard if serves && clock.failed(now) => {
                revocations.due.set(step == Step::Fetch);
            }
            Freshness::Standard => match step {
                Step::Fetch if findings.list == ListSought::NotYet => {
                    return Err(ask(Question::Revocations(Refresh::Needed), findings));
                }
                Step::Wait if findings.may_wait_for_list(clock.lease_ms(), now) => {
                    return Err(ask(Question::Moment(MOMENT_MS), findings));
                }
                _ => {}
            },
        }
        if serves {
            return Ok(Currency::Stale);
        }
        let until = match step {
            Step::CoolingDown(until) => Some(until),
            _ => None,
        };
        Err(Denial::later(provider, Reason::RevocationsUnknown, until, now).into())
    }

    /// Whether the list is so old that there can have been no requests for a while.
    fn was_idle(&self, clock: &RefreshClock, now: Millis) -> bool {
        let idle_ms = self.settings.revocation.refresh_seconds.saturating_mul(IDLE_AFTER * 1_000);
        clock.fetched_at().is_none_or(|at| now.saturating_sub(at) >= idle_ms)
    }

    /// Whether the list should be refreshed once there is a response.
    pub fn take_list_due(&self) -> bool {
        self.revocations.as_ref().is_some_and(|revocations| revocations.due.take())
    }

    /// Someone begins to refresh the list: of which log it is, and its number.
    pub fn begin_list(&self, now: Millis) -> (Option<LogId>, Number) {
        let Some(revocations) = &self.revocations else { return (None, 0) };
        revocations.clock.borrow_mut().begin(now);
        self.list_position()
    }

    /// Of which log the list is, and its number.
    #[must_use]
    pub fn list_position(&self) -> (Option<LogId>, Number) {
        self.revocations.as_ref().map_or((None, 0), |revocations| {
            let list = revocations.list.borrow();
            (list.log(), list.number())
        })
    }

    /// Takes a part of the log that was asked for at `asked_at`.
    pub fn hear_delta(
        &self,
        bytes: &[u8],
        asked_at: Millis,
        now: Millis,
    ) -> Result<Head, NotTaken> {
        let delta = Delta::read(bytes).map_err(|_| NotTaken::Malformed)?;
        let Some(revocations) = &self.revocations else { return Ok(delta.head) };
        let mut list = revocations.list.borrow_mut();
        let mut clock = revocations.clock.borrow_mut();
        let before = list.log();
        let has_changed = list.take(&delta, now.div_euclid(1_000)).map_err(|_| NotTaken::Gap)?;
        let is_another = before != list.log();
        if has_changed || is_another {
            // 0 is for tokens that were never looked at closely.
            revocations.changes.set(revocations.changes.get().wrapping_add(1).max(1));
        }
        if is_another {
            clock.forget();
        }
        if !delta.head.is_whole() {
            // The rest takes its time, too.
            clock.begin(now);
        }
        if let Some(as_of) = delta.head.as_of(asked_at) {
            // An older answer may come later.
            let known = clock.fetched_at();
            clock.fetched(known.map_or(as_of, |known| known.max(as_of)));
        }
        Ok(delta.head)
    }

    /// The list could not be refreshed.
    pub fn list_was_not_refreshed(&self, now: Millis) {
        if let Some(revocations) = &self.revocations {
            revocations.clock.borrow_mut().failed_to_fetch(now);
        }
    }

    /// How old the list is, for the log.
    #[must_use]
    pub fn list_state(&self, now: Millis) -> &'static str {
        let clock = self.revocations.as_ref().map(|revocations| revocations.clock.borrow());
        clock.map_or(Age::Absent, |clock| clock.age(now)).name()
    }

    /// A refresh that began at `asked_at` was answered by the relay itself.
    pub fn relay_was_asked(&self, asked_at: Millis) {
        if let Some(revocations) = &self.revocations {
            revocations.asked_relay_at.set(Some(asked_at));
        }
    }

    /// Whether the list is published in KV, and found there.
    #[must_use]
    pub fn publishes(&self) -> bool {
        self.revokes() && self.sealing.is_some()
    }

    /// Tells the keys apart by which lists are sealed.
    #[must_use]
    pub fn published_seal(&self) -> Option<String> {
        let seal = self.sealing.as_ref()?.revocations.seal("", b"");
        String::from_utf8(seal).ok()
    }

    /// What the hub leaves in KV about a part of the log, which begins after a number.
    #[must_use]
    pub fn published_part(&self, log: LogId, after: Number, part: &[u8]) -> Option<KvChange> {
        let kv_key = Published::part_key(log, after);
        let value = self.sealing.as_ref()?.revocations.seal(&kv_key, part);
        Some(KvChange::Put { kv_key, value, ttl_seconds: PUBLISHED_SECONDS })
    }

    /// What it leaves there about all of them.
    #[must_use]
    pub fn published_head(&self, published: &Published) -> Option<KvChange> {
        let value = published.seal(&self.sealing.as_ref()?.revocations);
        let kv_key = Published::head_key();
        Some(KvChange::Put { kv_key, value, ttl_seconds: PUBLISHED_SECONDS })
    }

    /// Takes a head that was found in KV.
    pub fn hear_published(&self, value: Stored<'_>, now: Millis) -> Option<Published> {
        let Stored::Found(value) = value else {
            self.tally.stored_miss(value == Stored::Late);
            return None;
        };
        match Published::open(&self.sealing.as_ref()?.revocations, value) {
            Ok(published) => {
                self.tally.stored_hit();
                Some(published).filter(|published| !self.goes_by_another_log(published, now))
            }
            Err(rejected) => {
                self.tally.stored_rejected(rejected);
                None
            }
        }
    }

    /// Whether the list is of another log, and counts: that of a hub which had to begin anew may be
    /// missing in KV for a while.
    fn goes_by_another_log(&self, published: &Published, now: Millis) -> bool {
        self.revocations.as_ref().is_some_and(|revocations| {
            let log = revocations.list.borrow().log();
            let counts = revocations.clock.borrow().age(now).counts();
            counts && log.is_some_and(|log| log != published.log)
        })
    }

    /// After which numbers the parts begin that the list lacks.
    #[must_use]
    pub fn lacking_parts(&self, published: &Published) -> Vec<Number> {
        let (log, number) = self.list_position();
        let has = if log == Some(published.log) { number } else { 0 };
        let lacks = |after: &Number| after.saturating_add(PART_NUMBERS) > has;
        let parts = published.parts.iter().copied().filter(lacks);
        if has < published.number { parts.collect() } else { Vec::new() }
    }

    /// Takes a part that was found in KV, after those before it. Whether it counts.
    pub fn hear_published_part(
        &self,
        published: &Published,
        after: Number,
        value: Stored<'_>,
        now: Millis,
    ) -> bool {
        let Some((sealing, Stored::Found(value))) = self.sealing.as_ref().map(|it| (it, value))
        else {
            self.tally.stored_miss(value == Stored::Late);
            return false;
        };
        match sealing.revocations.open(&Published::part_key(published.log, after), value) {
            Ok(part) => {
                self.tally.stored_hit();
                // What is in no part has expired.
                self.skip(published.log, after);
                // Behind every part but the last there are others, so it was full. One that is not is
                // older than the head: KV can be late, and whoever writes to it can put it back.
                let least = match published.parts.last() {
                    Some(last) if *last == after => after,
                    _ => after.saturating_add(PART_NUMBERS),
                };
                self.hear_delta(part, now, now).is_ok_and(|head| head.to >= least)
            }
            Err(rejected) => {
                self.tally.stored_rejected(rejected);
                false
            }
        }
    }

    fn skip(&self, log: LogId, to: Number) {
        if let Some(revocations) = &self.revocations {
            let mut list = revocations.list.borrow_mut();
            if list.log() != Some(log) {
                revocations.clock.borrow_mut().forget();
            }
            list.skip(log, to);
        }
    }

    /// All parts were taken: the list is as old as the head says, if it has all of it. Whether it is.
    pub fn take_published(&self, published: &Published, now: Millis) -> bool {
        let last_ends = published.parts.last().map_or(0, |last| last.saturating_add(PART_NUMBERS));
        let (_, number) = self.list_position();
        // The last part may be older than the head. Behind a full one that was taken nothing counts.
        if last_ends <= published.number && (last_ends == 0 || number >= last_ends) {
            self.skip(published.log, published.number);
        }
        let (log, number) = self.list_position();
        let is_whole = log == Some(published.log) && number >= published.number;
        if let Some(revocations) = self.revocations.as_ref().filter(|_| is_whole) {
            let mut clock = revocations.clock.borrow_mut();
            let (known, as_of) = (clock.fetched_at(), published.as_of(now));
            if known.is_none_or(|known| known < as_of) {
                // The relay is not asked again any sooner for that.
                clock.is_as_of(as_of);
            }
        }
        is_whole
    }

    /// Whether there are revocations at all.
    #[must_use]
    pub const fn revokes(&self) -> bool {
        self.revocations.is_some()
    }
}

fn denial(provider: usize, kind: Kind) -> Denial {
    Denial { revoked_by: Some(kind), ..Denial::of(provider, Reason::Revoked) }
}

/// By what a token is revoked, if it is.
fn revoked(
    list: &RevocationList,
    targets: &Targets,
    issued_at: Option<NumericDate>,
    now: NumericDate,
) -> Option<Kind> {
    let mut targets = targets.iter();
    targets.find(|(_, target)| list.revokes(*target, issued_at, now)).map(|(kind, _)| kind)
}
