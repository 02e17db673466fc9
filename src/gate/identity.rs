//! Who is asking: from a token to what is known about it, and on what that rests.

use std::rc::Rc;

use super::keyring::KeyRing;
use super::question::{Effort, Findings, Heard, Inquiry, Lookup, Question};
use super::service::{Admission, AuthService};
use super::{Degrading, Gate, Stop};
use crate::core::assertion::Assertion;
use crate::core::cache::{Known, Verdict};
use crate::core::claims::{Millis, NumericDate};
use crate::core::config::{Introspection, OnOutage, OpaqueTokens, ValidationCache};
use crate::core::denial::{Denial, Reason};
use crate::core::facts::Facts;
use crate::core::introspection::Silence;
use crate::core::mode::Mode;
use crate::core::remote_keys::Step;
use crate::core::sealed::Purpose;
use crate::core::verify::{Candidate, SignatureEngine, Unverified, check_validity, examine};

/// For how long "not active" counts, in seconds: long enough that a client which insists costs
/// little, short enough that a mistake of the auth service is soon over.
const INACTIVE_SECONDS: i64 = 10;

/// How long a request waits until it looks again at what another one is finding out, in
/// milliseconds.
const MOMENT_MS: u32 = 20;

/// For how long nobody looks into KV again for a token while its auth service is not asked, in
/// milliseconds.
const SOUGHT_MS: Millis = 60_000;

/// For how long a refusal asks to wait where nobody knows better, in seconds.
const RETRY_SECONDS: u32 = 2;

/// What is known about a token, and on what that rests.
pub(super) struct Assured {
    pub(super) basis: Basis,
    pub(super) mode: Mode,
    /// The last assertion about it.
    pub(super) last_assertion: Option<Rc<Assertion>>,
}

/// Where facts come from.
pub(super) enum Basis {
    /// From the token itself.
    Signed(Rc<Facts>),
    /// From the auth service, which was pleased with the token.
    Verdict(Rc<Verdict>),
}

impl Basis {
    /// The facts; none come from a verdict against the token.
    pub(super) fn facts(&self) -> Result<&Facts, Reason> {
        match self {
            Self::Signed(facts) => Ok(facts),
            Self::Verdict(verdict) => verdict.outcome.as_ref().map_err(|reason| *reason),
        }
    }
}

impl<E: SignatureEngine> Gate<E> {
    /// (5) Finds out about a token, as far as its provider asks for it. `lenience` is what rules say
    /// about outages.
    pub(super) fn assure(
        &self,
        token: &str,
        lenience: impl Fn(OnOutage) -> OnOutage,
        now: Millis,
        findings: &mut Findings,
    ) -> Result<Assured, Stop> {
        let known = match findings.effort {
            Effort::Usual => self.known.borrow().get(token).cloned(),
            Effort::Insisting => None,
        };
        let known = known.filter(|known| self.is_current(known, now));
        let known = match known {
            Some(known) => {
                if !findings.asked {
                    self.tally.hit();
                }
                known
            }
            None => self.learn(token, now, findings)?,
        };
        let known = Known { verdict: self.last_word(known.verdict, findings, now), ..known };
        if let Some(facts) = &known.signed {
            self.check_time(facts, now)?;
        }
        let provider = self.settings.providers.get(known.provider);
        let service = provider.and_then(|provider| provider.introspection.as_ref());
        let (basis, mode) = match (service, &known.signed) {
            (Some(service), _) => {
                let lenience = lenience(service.on_outage);
                self.confirm(token, &known, service, lenience, now, findings)?
            }
            (None, Some(facts)) => (Basis::Signed(Rc::clone(facts)), Mode::Normal),
            (None, None) => return Err(Denial::new(Reason::MalformedToken).into()),
        };
        Ok(Assured { basis, mode, last_assertion: known.assertion })
    }

    /// Whether what is known about a token still counts: the key that verified it may be gone. Sees
    /// to it that published keys are fetched again.
    fn is_current(&self, known: &Known, now: Millis) -> bool {
        let Some(keys) = self.keys.get(known.provider) else { return false };
        if keys.on_use(&self.engine, now) == Step::FetchInBackground {
            self.due.set(Some(known.provider));
        }
        // What only its issuer can read, no key has verified.
        known.signed.is_none() || keys.number() == known.key_set
    }

    /// Verifies a token that is not known, and remembers it. One that only its issuer can read is
    /// not remembered yet.
    fn learn(&self, token: &str, now: Millis, findings: &mut Findings) -> Result<Known, Stop> {
        let candidate = match examine(&self.settings, token) {
            Ok(candidate) => candidate,
            Err(unverified) => return self.opaque(token, unverified, findings, now),
        };
        let provider = candidate.provider;
        self.authenticate(token, &candidate, now, findings)?;
        let verified = candidate.accept(&self.settings, now.div_euclid(1_000)).map_err(denial)?;
        self.tally.miss();
        let known = Known {
            signed: Some(Rc::new(verified.facts)),
            // What the auth service said does not depend on how the signature was checked.
            ..self.heard_before(token, provider, findings, now)
        };
        self.known.borrow_mut().insert(token, known.clone());
        self.keep_signature(token, &known, now, findings);
        Ok(known)
    }

    /// Sees to it that other isolates learn that a signature is right, if the operator wants KV to
    /// stand in front of signature checks. Where an auth service is asked, its word is kept, and this
    /// with it.
    fn keep_signature(&self, token: &str, known: &Known, now: Millis, findings: &mut Findings) {
        let asks = self.services.get(known.provider).is_some_and(Option::is_some);
        if self.settings.validation_cache != ValidationCache::Always || asks {
            return;
        }
        // Not again what was just found there.
        let Some(key) = findings.verified_by.take() else { return };
        let provider = self.settings.providers.get(known.provider);
        if let (Some(provider), Some(facts)) = (provider, &known.signed) {
            findings.change = self.signature_entry(provider, token, facts, key, now);
        }
    }

    /// What is known about a token that is no JWT: nothing but whom to ask, if anyone.
    fn opaque(
        &self,
        token: &str,
        unverified: Unverified,
        findings: &Findings,
        now: Millis,
    ) -> Result<Known, Stop> {
        let is_like_a_jwt = token.starts_with("eyJ") && token.matches('.').count() == 2;
        let asked = self.settings.providers.iter().position(|provider| {
            provider
                .introspection
                .as_ref()
                .is_some_and(|service| service.opaque_tokens != OpaqueTokens::Refuse)
        });
        match asked {
            Some(provider) if unverified.reason == Reason::MalformedToken && !is_like_a_jwt => {
                Ok(self.heard_before(token, provider, findings, now))
            }
            _ => Err(denial(unverified).into()),
        }
    }

    /// The last word about a token: what was heard here, or what KV has.
    fn last_word(
        &self,
        here: Option<Rc<Verdict>>,
        findings: &Findings,
        now: Millis,
    ) -> Option<Rc<Verdict>> {
        let skew = self.settings.clock_skew_seconds;
        match (here, findings.last_word.as_ref()) {
            (Some(here), Some(stored)) if here.yields_to(stored, now.div_euclid(1_000), skew) => {
                Some(Rc::clone(stored))
            }
            (None, stored) => stored.map(Rc::clone),
            (here, _) => here,
        }
    }

    /// What is known about a token that was not verified yet: what its auth service said last.
    fn heard_before(
        &self,
        token: &str,
        provider: usize,
        findings: &Findings,
        now: Millis,
    ) -> Known {
        let known = self.known.borrow();
        let before = known.peek(token);
        let verdict = before.and_then(|known| known.verdict.clone());
        Known {
            provider,
            key_set: self.key_set(provider),
            signed: None,
            verdict: self.last_word(verdict, findings, now),
            sought_at: findings.sought_at.or(before.and_then(|known| known.sought_at)),
            assertion: None,
        }
    }

    /// Checks the signature, with keys that may have to be fetched first.
    fn authenticate(
        &self,
        token: &str,
        candidate: &Candidate<'_>,
        now: Millis,
        findings: &mut Findings,
    ) -> Result<(), Stop> {
        let provider = candidate.provider;
        let unavailable = |until: Option<Millis>| {
            let mut denial = Denial::new(Reason::KeysUnavailable);
            denial.provider = Some(provider);
            denial.retry_after =
                Some(until.map_or(RETRY_SECONDS, |until| seconds_until(until, now)));
            Stop::Denied(denial)
        };
        let Some(ring) = self.keys.get(provider) else {
            return Err(unavailable(None));
        };
        let step = ring.on_use(&self.engine, now);
        if step == Step::FetchInBackground {
            self.due.set(Some(provider));
        }
        if self.settings.validation_cache == ValidationCache::Always
            && self.sealing.is_some()
            && !findings.stored
        {
            return Err(ask(Question::Stored(lookup(token, provider)), findings));
        }
        let keys = ring.ready();
        let trusted = findings.trusted_key.as_deref();
        if trusted.is_some_and(|fingerprint| candidate.key_of(&keys, fingerprint).is_some()) {
            return Ok(());
        }
        let unverified = match candidate.authenticate(&keys, &self.engine) {
            Ok(key) => {
                if step == Step::Fetch {
                    // One of the configuration; nobody has to wait for the others.
                    self.due.set(Some(provider));
                }
                findings.verified_by = key.as_ref().fingerprint();
                return Ok(());
            }
            Err(unverified) => unverified,
        };
        let step = match unverified.reason {
            Reason::UnknownKey => ring.on_unknown_key(now),
            // Among the keys that are not here may be the right one.
            _ if ring.is_missing(now) => step,
            _ => return Err(denial(unverified).into()),
        };
        match step {
            // Whoever has waited for a fetch that failed does not make another.
            Step::Fetch
                if !findings.keys && (findings.keys_since.is_none() || !ring.has_failed(now)) =>
            {
                self.due.set(None);
                Err(ask(Question::Keys(provider), findings))
            }
            Step::Wait if !findings.keys && ring.may_wait(findings, now) => {
                Err(ask(Question::Moment(MOMENT_MS), findings))
            }
            Step::CoolingDown(until) if ring.is_in_doubt(now) => Err(unavailable(Some(until))),
            _ if ring.is_in_doubt(now) => Err(unavailable(None)),
            _ => Err(denial(unverified).into()),
        }
    }

    /// Goes by what the auth service says, or said, or by less where that is allowed.
    fn confirm(
        &self,
        token: &str,
        known: &Known,
        service: &Introspection,
        lenience: OnOutage,
        now: Millis,
        findings: &mut Findings,
    ) -> Result<(Basis, Mode), Stop> {
        let provider = known.provider;
        let about = |reason| Denial { provider: Some(provider), ..Denial::new(reason) };
        if let Some(Heard::Verdict(verdict)) = &findings.heard {
            return self.go_by(verdict, Mode::Normal, provider, now);
        }
        let Some(client) = self.services.get(provider).and_then(Option::as_ref) else {
            return Err(about(Reason::AuthServiceSilent).into());
        };
        findings.needs_since.get_or_insert(now);
        let waits_since = findings.waits_since;
        let is_new = |verdict: &Verdict| {
            // Another request has asked while this one waited for it.
            let is_shared =
                waits_since.is_some_and(|since| verdict.checked_at >= since.div_euclid(1_000));
            is_shared || counts(verdict, service, now)
        };
        if let Some(verdict) = known.verdict.as_ref().filter(|verdict| is_new(verdict))
            && findings.effort == Effort::Usual
        {
            return self.go_by(verdict, Mode::Normal, provider, now);
        }
        let fallback = self.fallback(known, service, lenience, now);
        if self.keeps_validations() && !findings.stored {
            // Where nobody can be asked, KV costs no time that it has cost before.
            let is_known = matches!(fallback, Some((Basis::Verdict(_), _)));
            let was_sought =
                known.sought_at.is_some_and(|at| (0..SOUGHT_MS).contains(&now.saturating_sub(at)));
            if client.is_asked(now) || !(is_known || was_sought && fallback.is_some()) {
                return Err(ask(Question::Stored(lookup(token, provider)), findings));
            }
        }
        let until =
            self.go_without(token, known, (client, service), fallback.is_some(), now, findings)?;
        match fallback {
            Some((Basis::Verdict(verdict), mode)) => self.go_by(&verdict, mode, provider, now),
            Some(fallback @ (Basis::Signed(_), _)) => Ok(fallback),
            None => {
                let retry_after = until.map_or(RETRY_SECONDS, |until| seconds_until(until, now));
                let retry_after = Some(retry_after);
                Err(Denial { retry_after, ..about(Reason::AuthServiceSilent) }.into())
            }
        }
    }

    /// Asks the auth service, or waits for a request that does. Passes on if there was no answer, or
    /// none in time: then it says from when on the service may be asked again, where that is known.
    fn go_without(
        &self,
        token: &str,
        known: &Known,
        (client, service): (&AuthService<E::SigningKey>, &Introspection),
        is_optional: bool,
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
                let denial = Denial::new(Reason::AuthServiceRefusesUs);
                return Err(Denial { provider: Some(provider), ..denial }.into());
            }
            Some(_) => return Ok(None),
            None => {}
        }
        let since = *findings.needs_since.get_or_insert(now);
        let waited = u32::try_from(now.saturating_sub(since)).unwrap_or(0);
        let patience_ms = is_optional.then(|| service.degrade_after_ms.saturating_sub(waited));
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
                    asked_at: now.div_euclid(1_000),
                    may_be_stored: findings.last_word.is_some()
                        || findings.effort == Effort::Insisting,
                };
                Err(ask(Question::Verdict(inquiry), findings))
            }
            Admission::UnderWay => {
                let since = *findings.waits_since.get_or_insert(now);
                // As long as a call can take, and then one of them was lost.
                let is_too_long = now.saturating_sub(since) >= client.lease_ms();
                match patience_ms.unwrap_or(MOMENT_MS).min(MOMENT_MS) {
                    0 => Ok(None),
                    _ if is_too_long => Ok(None),
                    moment_ms => Err(ask(Question::Moment(moment_ms), findings)),
                }
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
        let about = |reason| Denial { provider: Some(provider), ..Denial::new(reason) };
        let facts = verdict.outcome.as_ref().map_err(|reason| about(*reason))?;
        self.check_time(facts, now)?;
        Ok((Basis::Verdict(Rc::clone(verdict)), mode))
    }

    fn check_time(&self, facts: &Facts, now: Millis) -> Result<(), Denial> {
        let Facts { expiration, not_before, provider, .. } = *facts;
        let now = now.div_euclid(1_000);
        // A token that is over stays known, so that a client which goes on sending it does not have
        // its signature checked each time.
        check_validity(expiration, not_before, now, self.settings.clock_skew_seconds)
            .map_err(|reason| Denial { provider: Some(provider), ..Denial::new(reason) })
    }

    /// Which set of keys of a provider counts now.
    pub(super) fn key_set(&self, provider: usize) -> u32 {
        self.keys.get(provider).map_or(0, KeyRing::number)
    }
}

/// Whether a verdict still counts as an answer.
pub(super) fn counts(verdict: &Verdict, service: &Introspection, now: Millis) -> bool {
    let age = now.div_euclid(1_000).saturating_sub(verdict.checked_at);
    let most = match verdict.outcome {
        Ok(_) => service.cache_seconds,
        Err(_) => INACTIVE_SECONDS.min(service.cache_seconds),
    };
    // One from the future was made before the clock was set back; nobody knows how old it is.
    (0..most).contains(&age)
}

fn lookup(token: &str, provider: usize) -> Lookup {
    Lookup { provider, token: token.to_owned(), kv_key: Purpose::Validation.kv_key(token) }
}

fn denial(unverified: Unverified) -> Denial {
    Denial { provider: unverified.provider, ..Denial::new(unverified.reason) }
}

fn ask(question: Question, findings: &mut Findings) -> Stop {
    findings.asked = true;
    Stop::Asking(question)
}

fn seconds_until(until: Millis, now: Millis) -> u32 {
    const MOST: NumericDate = 300;
    let seconds = until.saturating_sub(now).saturating_add(999).div_euclid(1_000);
    u32::try_from(seconds.clamp(1, MOST)).unwrap_or(RETRY_SECONDS)
}
