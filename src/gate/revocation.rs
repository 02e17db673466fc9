//! Whether a token is revoked, and whether that can be told.
//!
//! In scope: asking the list, and how old it may be. Out of scope: the list itself
//! ([`crate::core::revocation`]), and how its parts come here (`crate::edge`).

use std::cell::{Cell, RefCell};

use serde_json::{Value, json};

use super::identity::{MOMENT_MS, ask};
use super::question::{Findings, Question};
use super::{Degrading, Gate, Stop};
use crate::core::access::Freshness;
use crate::core::cache::Known;
use crate::core::claims::{Millis, NumericDate};
use crate::core::config::{self, OnStale};
use crate::core::denial::{Denial, Reason};
use crate::core::refresh::{Age, RefreshClock, Schedule, Step};
use crate::core::revocation::delta::{Delta, Head};
use crate::core::revocation::entry::{LogId, Number};
use crate::core::revocation::list::RevocationList;
use crate::core::revocation::target::{Kind, Targets};
use crate::core::verify::{SignatureEngine, examine};

/// What an isolate knows of revocations.
pub(super) struct Revocations {
    list: RefCell<RevocationList>,
    clock: RefCell<RefreshClock>,
    /// Counts the parts of the log that have changed something.
    changes: Cell<u32>,
    /// It should be refreshed after the response.
    due: Cell<bool>,
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
            cooldown_without_ms: refresh_ms,
        };
        Self {
            list: RefCell::default(),
            clock: RefCell::new(RefreshClock::new(schedule)),
            changes: Cell::new(0),
            due: Cell::new(false),
        }
    }

    /// For the health report.
    pub(super) fn report(&self, now: Millis) -> Value {
        let (list, clock) = (self.list.borrow(), self.clock.borrow());
        let age = clock.fetched_at().map(|at| now.saturating_sub(at).div_euclid(1_000));
        json!({
            "state": clock.age(now).name(),
            "age_seconds": age,
            "number": list.number(),
            "entries": list.len(),
            "bytes": list.bytes(),
        })
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
            Ok(candidate) => (candidate.targets(issuer), candidate.issued_at()),
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
        provider: usize,
        named: &(Targets, Option<NumericDate>),
        now: Millis,
    ) -> Result<(), Denial> {
        let Some(revocations) = &self.revocations else { return Ok(()) };
        let (targets, issued_at) = named;
        let list = revocations.list.borrow();
        match revoked(&list, targets, *issued_at, now.div_euclid(1_000)) {
            Some(kind) => Err(denial(provider, kind)),
            None => Ok(()),
        }
    }

    pub(super) fn issuer(&self, provider: usize) -> &str {
        self.settings.providers.get(provider).map_or("", |provider| provider.issuer.as_str())
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
        clock.see(now);
        let step = clock.on_use(now);
        let counts = matches!(clock.age(now), Age::Fresh | Age::Stale);
        match freshness {
            Freshness::Standard if counts => {
                if step == Step::FetchInBackground {
                    revocations.due.set(true);
                }
                return Ok(Currency::Current);
            }
            Freshness::Strict => match findings.list_was_refreshed {
                None => return Err(ask(Question::Revocations, findings)),
                Some(true) if counts => return Ok(Currency::Current),
                Some(_) => {}
            },
            Freshness::Standard => match step {
                Step::Fetch if findings.list_was_refreshed.is_none() => {
                    return Err(ask(Question::Revocations, findings));
                }
                Step::Wait if findings.may_wait_for_list(clock.lease_ms(), now) => {
                    return Err(ask(Question::Moment(MOMENT_MS), findings));
                }
                _ => {}
            },
        }
        match (self.settings.revocation.on_stale, self.degrading) {
            (OnStale::Serve, Degrading::AsConfigured) => Ok(Currency::Stale),
            (OnStale::Deny, _) | (OnStale::Serve, Degrading::Never) => {
                let until = match step {
                    Step::CoolingDown(until) => Some(until),
                    _ => None,
                };
                Err(Denial::later(provider, Reason::RevocationsUnknown, until, now).into())
            }
        }
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
        let before = list.log();
        let has_changed = list.take(&delta, now.div_euclid(1_000)).map_err(|_| NotTaken::Gap)?;
        if has_changed || before != list.log() {
            // 0 is for tokens that were never looked at closely.
            revocations.changes.set(revocations.changes.get().wrapping_add(1).max(1));
        }
        let mut clock = revocations.clock.borrow_mut();
        if let Some(as_of) = delta.head.as_of(asked_at) {
            // An older answer may come later.
            let known = clock.fetched_at();
            clock.fetched(known.map_or(as_of, |known| known.max(as_of)));
        }
        Ok(delta.head)
    }

    /// The list could not be refreshed.
    pub fn list_was_not_refreshed(&self) {
        if let Some(revocations) = &self.revocations {
            revocations.clock.borrow_mut().failed_to_fetch();
        }
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
