//! Who is asking: from a token to what is known about it, and on what that rests.

use std::rc::Rc;

use super::keyring::KeyRing;
use super::question::{Effort, Findings, KvKnown, Lookup, Question};
use super::revocation::Currency;
use super::{Gate, Stop};
use crate::core::access::Freshness;
use crate::core::assertion::Assertion;
use crate::core::cache::{Known, NEVER, Verdict};
use crate::core::claims::Millis;
use crate::core::config::{OnOutage, OpaqueTokens, ValidationCache};
use crate::core::denial::{Denial, Reason};
use crate::core::facts::Facts;
use crate::core::mode::Mode;
use crate::core::refresh::Step;
use crate::core::revocation::target::{Marks, Targets};
use crate::core::sealed::Purpose;
use crate::core::token::is_like_a_jwt;
use crate::core::verify::{Candidate, SignatureEngine, Unverified, check_validity, examine};

/// How long a request waits until it looks again at what another one is finding out, in
/// milliseconds.
pub(super) const MOMENT_MS: u32 = 20;

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
    /// about outages, `freshness` what they say about revocations.
    pub(super) fn assure(
        &self,
        token: &str,
        lenience: impl Fn(OnOutage) -> OnOutage,
        freshness: Freshness,
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
                Known { verdict: self.last_word(known.verdict, findings, now), ..known }
            }
            None => self.learn(token, now, findings)?,
        };
        if let Some(facts) = &known.signed {
            self.check_time(facts, now)?;
        }
        // What anybody can invent makes nobody ask the relay.
        let at_first = if known.signed.is_some() { freshness } else { Freshness::Standard };
        let mut currency = self.check_revocation(token, &known, at_first, now, findings)?;
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
        if at_first != freshness {
            currency = self.check_revocation(token, &known, freshness, now, findings)?;
            if let Basis::Verdict(verdict) = &basis {
                self.check_named(verdict, known.provider, now)?;
            }
        }
        let mode = match currency {
            Currency::Current => mode,
            Currency::Stale => mode.with_stale_revocations(),
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
        let marks =
            if self.revokes() { self.targets(&candidate).marks() } else { Marks::default() };
        let verified = candidate.accept(&self.settings, now.div_euclid(1_000)).map_err(denial)?;
        self.tally.miss();
        let known = Known {
            signed: Some(Rc::new(verified.facts)),
            marks,
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
        let asked = self.settings.providers.iter().position(|provider| {
            provider
                .introspection
                .as_ref()
                .is_some_and(|service| service.opaque_tokens != OpaqueTokens::Refuse)
        });
        match asked {
            Some(provider)
                if unverified.reason == Reason::MalformedToken && !is_like_a_jwt(token) =>
            {
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
            sought_at: findings.sought_at.or(before.map(|known| known.sought_at)).unwrap_or(NEVER),
            assertion: None,
            marks: self.opaque_marks(provider, token),
            clear_at: 0,
        }
    }

    /// What a list of revocations is asked for a token that only its issuer can read.
    pub(super) fn opaque_marks(&self, provider: usize, token: &str) -> Marks {
        if self.revokes() {
            Targets::of_opaque(self.issuer(provider), token).marks()
        } else {
            Marks::default()
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
        let unavailable =
            |until| Stop::Denied(Denial::later(provider, Reason::KeysUnavailable, until, now));
        let Some(ring) = self.keys.get(provider) else {
            return Err(unavailable(None));
        };
        let step = ring.on_use(&self.engine, now);
        if step == Step::FetchInBackground {
            self.due.set(Some(provider));
        }
        if self.settings.validation_cache == ValidationCache::Always
            && self.keeps_validations()
            && findings.kv == KvKnown::NotYet
        {
            // What is sought may be the word of the auth service, which is not waited for longer.
            let patience_ms = self.asked(provider).and_then(|(_, service)| {
                findings.needs_since.get_or_insert(now);
                self.may_degrade(service).then_some(service.degrade_after_ms)
            });
            return Err(ask(Question::Stored(lookup(token, provider, patience_ms)), findings));
        }
        let keys = ring.ready();
        let trusted = findings.trusted_key.as_deref();
        if trusted.is_some_and(|fingerprint| candidate.key_of(&keys, fingerprint).is_some()) {
            return Ok(());
        }
        // Whoever waits for keys and looks for them again asks other ones, or has its answer.
        let number = ring.number();
        let before = findings.unverified.filter(|(asked, _)| *asked == number);
        let found = match before {
            Some((_, unverified)) => Err(unverified),
            None => candidate.authenticate(&keys, &self.engine),
        };
        let unverified = match found {
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
        findings.unverified = Some((number, unverified));
        let step = match unverified.reason {
            Reason::UnknownKey => ring.on_unknown_key(now),
            // Among the keys that are not here may be the right one, unless the token names its key.
            _ if ring.is_missing(now) && !candidate.names_one_of(&keys) => step,
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

    pub(super) fn check_time(&self, facts: &Facts, now: Millis) -> Result<(), Denial> {
        let Facts { expiration, not_before, provider, .. } = *facts;
        let now = now.div_euclid(1_000);
        // A token that is over stays known, so that a client which goes on sending it does not have
        // its signature checked each time.
        check_validity(expiration, Some(not_before), now, self.settings.clock_skew_seconds)
            .map_err(|reason| Denial::of(provider, reason))
    }

    /// Which set of keys of a provider counts now.
    pub(super) fn key_set(&self, provider: usize) -> u32 {
        self.keys.get(provider).map_or(0, KeyRing::number)
    }
}

pub(super) fn lookup(token: &str, provider: usize, patience_ms: Option<u32>) -> Lookup {
    let kv_key = Purpose::Validation.kv_key(token);
    Lookup { provider, token: token.to_owned(), kv_key, patience_ms }
}

fn denial(unverified: Unverified) -> Denial {
    Denial { provider: unverified.provider, ..Denial::new(unverified.reason) }
}

pub(super) fn ask(question: Question, findings: &mut Findings) -> Stop {
    findings.asked = true;
    Stop::Asking(question)
}
