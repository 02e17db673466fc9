//! What the auth service has to say about a token, and what counts while it says nothing.
//!
//! In scope: whether an answer counts, whom to ask for one, and what a request can pass on without.
//! Out of scope: the token itself ([`super::identity`]).

use std::rc::Rc;

use super::identity::{Basis, MOMENT_MS, ask, lookup};
use super::question::{Effort, Findings, Heard, Inquiry, KvKnown, Question};
use super::service::{Admission, AuthService};
use super::{Degrading, Gate, Stop};
use crate::core::cache::{Known, Verdict};
use crate::core::claims::Millis;
use crate::core::config::{Introspection, OnOutage};
use crate::core::denial::{Denial, Reason};
use crate::core::introspection::Silence;
use crate::core::mode::Mode;
use crate::core::verify::SignatureEngine;

/// For how long "not active" counts, in seconds: long enough that a client which insists costs
/// little, short enough that a mistake of the auth service is soon over.
const INACTIVE_SECONDS: i64 = 10;

/// For how long nobody looks into KV again for a token while its auth service is not asked, in
/// milliseconds.
const SOUGHT_MS: Millis = 60_000;

impl<E: SignatureEngine> Gate<E> {
    /// Goes by what the auth service says, or said, or by less where that is allowed.
    pub(super) fn confirm(
        &self,
        token: &str,
        known: &Known,
        service: &Introspection,
        lenience: OnOutage,
        now: Millis,
        findings: &mut Findings,
    ) -> Result<(Basis, Mode), Stop> {
        let provider = known.provider;
        if let Some(Heard::Verdict(verdict)) = &findings.heard {
            return self.go_by(verdict, Mode::Normal, provider, now);
        }
        let Some(client) = self.services.get(provider).and_then(Option::as_ref) else {
            return Err(Denial::of(provider, Reason::AuthServiceSilent).into());
        };
        let needs_since = *findings.needs_since.get_or_insert(now);
        let waits_since = findings.waits_since;
        let is_new = |verdict: &Verdict| {
            // Another request has asked while this one waited for it.
            let heard_since = |since: Millis| {
                (since.div_euclid(1_000)..=now.div_euclid(1_000)).contains(&verdict.checked_at)
            };
            let is_shared = waits_since.is_some_and(heard_since);
            is_shared || counts(verdict, service, now)
        };
        if let Some(verdict) = known.verdict.as_ref().filter(|verdict| is_new(verdict))
            && findings.effort == Effort::Usual
        {
            return self.go_by(verdict, Mode::Normal, provider, now);
        }
        let fallback = self.fallback(known, service, lenience, now);
        let waited = u32::try_from(now.saturating_sub(needs_since)).unwrap_or(0);
        let patience_ms =
            fallback.as_ref().map(|_| service.degrade_after_ms.saturating_sub(waited));
        if self.keeps_validations() && findings.kv == KvKnown::NotYet {
            // Where nobody can be asked, KV costs no time that it has cost before.
            let is_known = matches!(fallback, Some((Basis::Verdict(_), _)));
            let was_sought = (0..SOUGHT_MS).contains(&now.saturating_sub(known.sought_at));
            if client.is_asked(now) || !(is_known || was_sought && fallback.is_some()) {
                let lookup = lookup(token, provider, patience_ms);
                return Err(ask(Question::Stored(lookup), findings));
            }
        }
        // A breaker that is not closed expects no answer: its probe is not waited for.
        let patience_ms = patience_ms.map(|it| if client.is_asked(now) { it } else { 0 });
        let until = self.go_without(token, known, client, patience_ms, now, findings)?;
        match fallback {
            Some((Basis::Verdict(verdict), mode)) => self.go_by(&verdict, mode, provider, now),
            Some(fallback @ (Basis::Signed(_), _)) => {
                // What it said is too old to pass by, but not to be refused by.
                if let Some(verdict) = &known.verdict {
                    self.check_named(verdict, provider, now)?;
                }
                Ok(fallback)
            }
            None => Err(Denial::later(provider, Reason::AuthServiceSilent, until, now).into()),
        }
    }

    /// Asks the auth service, or waits for a request that does. Passes on if there was no answer, or
    /// none in time: then it says from when on the service may be asked again, where that is known.
    /// `patience_ms` is how long the request still waits, if it need not.
    fn go_without(
        &self,
        token: &str,
        known: &Known,
        client: &AuthService<E::SigningKey>,
        patience_ms: Option<u32>,
        now: Millis,
        findings: &mut Findings,
    ) -> Result<Option<Millis>, Stop> {
        let provider = known.provider;
        let hash = self.known.borrow().hash(token);
        if findings.heard.is_none()
            && let Some(since) = findings.waits_since
            && let Some(silence) = client.silence_about(hash, since)
        {
            // The request that this one waited for got no answer.
            findings.heard = Some(Heard::Silence(silence));
        }
        match &findings.heard {
            Some(Heard::Silence(Silence::RefusesUs)) => {
                return Err(Denial::of(provider, Reason::AuthServiceRefusesUs).into());
            }
            Some(_) => return Ok(None),
            None => {}
        }
        match client.admit(hash, now) {
            Admission::Ask(ticket) => {
                let token = token.to_owned();
                let verified_by = findings.verified_by.take();
                let inquiry = Inquiry {
                    provider,
                    token,
                    ticket,
                    verified_by,
                    patience_ms,
                    asked_at: now,
                    // Nobody can invent one that is signed.
                    may_be_stored: known.signed.is_some()
                        || findings.last_word.is_some()
                        || findings.kv == KvKnown::Perhaps
                        || findings.effort == Effort::Insisting,
                };
                Err(ask(Question::Verdict(inquiry), findings))
            }
            Admission::UnderWay => {
                let since = *findings.waits_since.get_or_insert(now);
                let moment_ms = patience_ms.unwrap_or(MOMENT_MS).min(MOMENT_MS);
                // As long as a call can take, and then one of them was lost.
                let is_too_long = now.saturating_sub(since) >= client.lease_ms();
                if moment_ms == 0 || is_too_long {
                    return Ok(None);
                }
                Err(ask(Question::Moment(moment_ms), findings))
            }
            Admission::Refused(until) => Ok(Some(until)),
        }
    }

    /// What a request can pass by while the auth service is silent, if anything. A last word against
    /// the token is a word, too.
    fn fallback(
        &self,
        known: &Known,
        service: &Introspection,
        lenience: OnOutage,
        now: Millis,
    ) -> Option<(Basis, Mode)> {
        if self.degrading == Degrading::Never || lenience == OnOutage::Deny {
            return None;
        }
        let skew = self.settings.clock_skew_seconds;
        let is_last_word = |verdict: &Verdict| {
            let age = now.div_euclid(1_000).saturating_sub(verdict.checked_at);
            // A word against the token counts until there is another.
            verdict.outcome.is_err() || (-skew..=service.max_stale_seconds).contains(&age)
        };
        let last = known.verdict.as_ref().filter(|verdict| is_last_word(verdict));
        match (last, &known.signed) {
            (Some(verdict), _) => Some((Basis::Verdict(Rc::clone(verdict)), Mode::Stale)),
            (None, Some(facts)) if lenience == OnOutage::Signature => {
                Some((Basis::Signed(Rc::clone(facts)), Mode::Signature))
            }
            (None, _) => None,
        }
    }

    fn go_by(
        &self,
        verdict: &Rc<Verdict>,
        mode: Mode,
        provider: usize,
        now: Millis,
    ) -> Result<(Basis, Mode), Stop> {
        let facts = verdict.outcome.as_ref().map_err(|reason| Denial::of(provider, *reason))?;
        self.check_named(verdict, provider, now)?;
        self.check_time(facts, now)?;
        Ok((Basis::Verdict(Rc::clone(verdict)), mode))
    }
}

/// Whether a verdict still counts as an answer.
fn counts(verdict: &Verdict, service: &Introspection, now: Millis) -> bool {
    let age = now.div_euclid(1_000).saturating_sub(verdict.checked_at);
    let most = match verdict.outcome {
        Ok(_) => service.cache_seconds,
        Err(_) => INACTIVE_SECONDS.min(service.cache_seconds),
    };
    // One from the future was made before the clock was set back; nobody knows how old it is.
    (0..most).contains(&age)
}
