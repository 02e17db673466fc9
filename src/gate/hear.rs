//! What comes in from outside: the answers to [`Question`](super::Question)s.
//!
//! In scope: what each answer changes in the gate, and what is to be stored for other isolates. Out
//! of scope: sending and receiving, and the decision.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::Gate;
use super::question::{
    BreakerNews, Findings, Heard, Inquiry, KvChange, KvKnown, Lookup, ServiceCall, Stored, Told,
};
use crate::core::cache::{Known, NEVER, Verdict};
use crate::core::claims::{self, Millis, NumericDate, Rounding};
use crate::core::config::{Introspection, OnOutage, Provider};
use crate::core::denial::Reason;
use crate::core::facts::Facts;
use crate::core::introspection::{self, Answer, Silence};
use crate::core::json as strict;
use crate::core::refresh::Age;
use crate::core::remote_keys::KeptSet;
use crate::core::revocation::target::Targets;
use crate::core::sealed::{Purpose, Rejected};
use crate::core::secret;
use crate::core::validation::{Response, Validation, expiration_ttl};
use crate::core::verify::{SignatureEngine, accept_answer, examine};

/// For how long KV keeps that a signature is right, in seconds: a signature does not age, so this only
/// bounds what is stored of tokens that nobody sends any more.
const MOST_SIGNATURE_SECONDS: u32 = 86_400;

impl<E: SignatureEngine> Gate<E> {
    /// The request that asks an auth service. `None` if the platform cannot sign it.
    pub fn service_call(&self, inquiry: &Inquiry, now: Millis) -> Option<ServiceCall> {
        let (provider, settings) = self.asked(inquiry.provider)?;
        let client = self.services.get(inquiry.provider)?.as_ref()?;
        let (authorization, statement) =
            client.proof(&self.engine, settings, &provider.issuer, now)?;
        Some(ServiceCall {
            url: settings.url.clone(),
            authorization,
            form: introspection::form(&inquiry.token, &settings.client_id, statement.as_deref()),
            timeout_ms: settings.timeout_ms,
        })
    }

    /// Takes what the auth service answered: a status and a body.
    pub fn hear_verdict(
        &self,
        inquiry: Inquiry,
        reply: Result<(u16, Vec<u8>), Silence>,
        now: Millis,
    ) -> Told {
        let Inquiry {
            provider, token, ticket, verified_by, asked_at: began, may_be_stored, ..
        } = inquiry;
        let asked_at = began.div_euclid(1_000);
        let answer = reply.and_then(|(status, body)| introspection::read(status, &body));
        let silence = answer.as_ref().err().copied();
        self.tally.service(silence, now.saturating_sub(began));
        let news = self.services.get(provider).and_then(Option::as_ref).and_then(|service| {
            let hash = self.known.borrow().hash(&token);
            #[allow(clippy::cast_possible_truncation, reason = "some of its bits are enough")]
            let random = self.engine.random() as u32;
            let state = service.report(hash, ticket, silence, now, random)?;
            Some(BreakerNews { provider, state, cause: silence.map(Silence::name) })
        });
        let checked_at = now.div_euclid(1_000);
        let (heard, change) = match answer {
            Ok(Answer::Active(claims)) => {
                let verdict = self.verdict(provider, &token, &claims, checked_at, checked_at);
                let entry = self.verdict_entry(provider, &token, &verdict, &claims, verified_by);
                // An answer that took long does not undo a withdrawal that was heard meanwhile. One
                // from the future was heard before the clock was set back.
                let replaces = |old: &Verdict, _: &Verdict| {
                    old.outcome.is_ok() || !(asked_at..=checked_at).contains(&old.checked_at)
                };
                let verdict = self.install(provider, &token, verdict, replaces);
                let change = entry.filter(|_| verdict.outcome.is_ok());
                (Heard::Verdict(verdict), change)
            }
            Ok(Answer::Inactive) => {
                let is_signed = examine(&self.settings, &token).is_ok();
                let reason = if is_signed { Reason::Inactive } else { Reason::UnknownToken };
                let verdict = Verdict { outcome: Err(reason), checked_at, named: None };
                let change = self.withdrawal(&token, may_be_stored);
                (Heard::Verdict(self.install(provider, &token, verdict, |_, _| true)), change)
            }
            Err(silence) => (Heard::Silence(silence), None),
        };
        Told { heard, change, news }
    }

    /// What to do to KV about a token that is not active any more: what it says there is no last word
    /// to fall back on. Only where it may say something, so that whoever invents tokens cannot make
    /// us write.
    fn withdrawal(&self, token: &str, may_be_stored: bool) -> Option<KvChange> {
        let known = self.known.borrow();
        let last = known.peek(token).and_then(|known| known.verdict.as_ref());
        let was_active = last.is_some_and(|verdict| verdict.outcome.is_ok());
        ((was_active || may_be_stored) && self.keeps_validations())
            .then(|| KvChange::Delete(Purpose::Validation.kv_key(token)))
    }

    /// Takes what was found in KV.
    pub fn hear_stored(
        &self,
        lookup: &Lookup,
        value: Stored<'_>,
        findings: &mut Findings,
        now: Millis,
    ) {
        findings.kv = if value == Stored::Late { KvKnown::Perhaps } else { KvKnown::All };
        findings.sought_at = Some(now);
        self.known.borrow_mut().renew(&lookup.token, |known| known.sought_at = now);
        let Stored::Found(value) = value else {
            self.tally.stored_miss(value == Stored::Late);
            return;
        };
        match self.open(lookup, value, now.div_euclid(1_000)) {
            Ok(validation) => {
                self.tally.stored_hit();
                let Validation { checked_at, response, key, .. } = validation;
                findings.trusted_key = key;
                if let Some(response) = response {
                    let Lookup { provider, token, .. } = lookup;
                    let now = now.div_euclid(1_000);
                    let verdict =
                        self.verdict(*provider, token, response.claims(), checked_at, now);
                    let skew = self.settings.clock_skew_seconds;
                    let replaces =
                        |old: &Verdict, stored: &Verdict| old.yields_to(stored, now, skew);
                    findings.last_word = Some(self.install(*provider, token, verdict, replaces));
                }
            }
            Err(rejected) => self.tally.stored_rejected(rejected),
        }
    }

    fn open(
        &self,
        lookup: &Lookup,
        value: &[u8],
        now: NumericDate,
    ) -> Result<Validation, Rejected> {
        let Lookup { provider, kv_key, .. } = lookup;
        let sealing = self.sealing.as_ref().ok_or(Rejected::Mac)?;
        let issuer = self.settings.providers.get(*provider).map_or("", |one| one.issuer.as_str());
        let skew = self.settings.clock_skew_seconds;
        Validation::open(&sealing.validations, kv_key, value, issuer, now, skew)
    }

    /// What the claims of an answer come to, together with those of the token.
    fn verdict(
        &self,
        provider: usize,
        token: &str,
        said: &Map<String, Value>,
        checked_at: NumericDate,
        now: NumericDate,
    ) -> Verdict {
        let (outcome, named) = match examine(&self.settings, token) {
            Ok(candidate) => {
                let (facts, claims) = self.joined(provider, candidate.into_claims(), said);
                (Ok(facts), self.named(provider, &claims))
            }
            Err(_) => {
                (accept_answer(&self.settings, provider, said, now), self.named(provider, said))
            }
        };
        Verdict { outcome, checked_at, named }
    }

    /// By what a token of these claims can be revoked, where anything can be.
    fn named(
        &self,
        provider: usize,
        claims: &Map<String, Value>,
    ) -> Option<Box<(Targets, Option<NumericDate>)>> {
        let targets = || Targets::of(self.issuer(provider), claims, None, None);
        let issued_at = || claims::date(claims, "iat", Rounding::Down).ok().flatten();
        self.revokes().then(|| Box::new((targets(), issued_at())))
    }

    /// The facts about a token whose signature and claims were checked before, and all that it and the
    /// answer say.
    fn joined(
        &self,
        provider: usize,
        signed: Map<String, Value>,
        said: &Map<String, Value>,
    ) -> (Facts, Map<String, Value>) {
        let date = |claims: &Map<String, Value>, name, rounding| {
            claims::date(claims, name, rounding).ok().flatten()
        };
        let [own, other] = [&signed, said].map(|claims| date(claims, "exp", Rounding::Down));
        // Whichever ends first.
        let expiration = own.into_iter().chain(other).min().unwrap_or_default();
        let not_before = date(&signed, "nbf", Rounding::Up);
        let claims = introspection::join(signed, said.clone());
        (Facts::collect(&self.settings, provider, &claims, expiration, not_before), claims)
    }

    /// Remembers a verdict, if there is none or `replaces` says so of the one that is there and of
    /// this one. Gives back the one that counts.
    fn install(
        &self,
        provider: usize,
        token: &str,
        verdict: Verdict,
        replaces: impl Fn(&Verdict, &Verdict) -> bool,
    ) -> Rc<Verdict> {
        let verdict = Rc::new(verdict);
        let mut known = self.known.borrow_mut();
        if let Some(here) = known.peek(token) {
            if let Some(old) = here.verdict.as_ref().filter(|old| !replaces(old, &verdict)) {
                return Rc::clone(old);
            }
            known.renew(token, |known| {
                known.verdict = Some(Rc::clone(&verdict));
                // It may speak of claims that have changed.
                known.assertion = None;
            });
        } else if examine(&self.settings, token).is_err() {
            // One that only the issuer can read is known by its verdict alone.
            let key_set = self.key_set(provider);
            let verdict = Some(Rc::clone(&verdict));
            let new = Known {
                provider,
                key_set,
                signed: None,
                verdict,
                sought_at: NEVER,
                assertion: None,
                marks: self.opaque_marks(provider, token),
                clear_at: 0,
            };
            known.insert(token, new);
        }
        verdict
    }

    /// What to store about a token that the auth service calls active.
    fn verdict_entry(
        &self,
        provider: usize,
        token: &str,
        verdict: &Verdict,
        said: &Map<String, Value>,
        verified_by: Option<String>,
    ) -> Option<KvChange> {
        let (provider, service) = self.asked(provider)?;
        let validation = Validation {
            issuer: provider.issuer.clone(),
            checked_at: verdict.checked_at,
            response: Some(Response::keep(said)?),
            key: verified_by,
        };
        let facts = verdict.outcome.as_ref().ok()?;
        // What nobody could read again would be taken for poison.
        claims::date(said, "exp", Rounding::Down).ok()?;
        self.validation_entry(token, &validation, facts, self.keep_seconds(service))
    }

    /// What to store about a token whose signature was found right by this key.
    pub(super) fn signature_entry(
        &self,
        provider: &Provider,
        token: &str,
        facts: &Facts,
        key: String,
        now: Millis,
    ) -> Option<KvChange> {
        let checked_at = now.div_euclid(1_000);
        let issuer = provider.issuer.clone();
        let validation = Validation { issuer, checked_at, response: None, key: Some(key) };
        self.validation_entry(token, &validation, facts, MOST_SIGNATURE_SECONDS)
    }

    fn validation_entry(
        &self,
        token: &str,
        validation: &Validation,
        facts: &Facts,
        keep_seconds: u32,
    ) -> Option<KvChange> {
        let sealing = self.sealing.as_ref()?;
        let ttl_seconds = expiration_ttl(validation.checked_at, facts.expiration, keep_seconds)?;
        let kv_key = Purpose::Validation.kv_key(token);
        let value = validation.seal(&sealing.validations, &kv_key)?;
        Some(KvChange::Put { kv_key, value, ttl_seconds })
    }

    /// How long a verdict is of use to anyone: longer than it counts only where it may count in an
    /// outage.
    fn keep_seconds(&self, service: &Introspection) -> u32 {
        let seconds = if self.may_degrade(service) {
            service.max_stale_seconds
        } else {
            service.cache_seconds
        };
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    pub(super) fn may_degrade(&self, service: &Introspection) -> bool {
        self.degrading == super::Degrading::AsConfigured
            && (service.on_outage != OnOutage::Deny || self.settings.some_rule_may_degrade)
    }

    pub(super) fn asked(&self, provider: usize) -> Option<(&Provider, &Introspection)> {
        let provider = self.settings.providers.get(provider)?;
        Some((provider, provider.introspection.as_ref()?))
    }

    /// Whether KV is used at all.
    pub(super) fn keeps_validations(&self) -> bool {
        self.sealing.is_some()
    }

    /// Someone begins to fetch the keys of a provider.
    pub fn begin_keys(&self, provider: usize, now: Millis) {
        if let Some(keys) = self.keys.get(provider) {
            keys.begin(now);
        }
    }

    /// How old the published keys of a provider are, for the log.
    #[must_use]
    pub fn keys_state(&self, provider: usize, now: Millis) -> &'static str {
        let age = self.keys.get(provider).and_then(|keys| keys.age(now));
        age.unwrap_or(Age::Absent).name()
    }

    /// Whether KV may have keys of a provider that are not here.
    #[must_use]
    pub fn stored_keys(&self, provider: usize, now: Millis) -> Option<String> {
        let keys = self.keys.get(provider)?;
        let issuer = &self.settings.providers.get(provider)?.issuer;
        (keys.is_missing(now) && self.keeps_validations()).then(|| Purpose::KeySet.kv_key(issuer))
    }

    /// Takes the keys of a provider as they were found in KV. Whether they are fresh.
    pub fn hear_stored_keys(
        &self,
        provider: usize,
        kv_key: &str,
        value: Stored<'_>,
        now: Millis,
    ) -> bool {
        let Some((keys, sealing)) = self.keys.get(provider).zip(self.sealing.as_ref()) else {
            return false;
        };
        let Stored::Found(value) = value else {
            self.tally.stored_miss(value == Stored::Late);
            return false;
        };
        let skew = self.settings.clock_skew_seconds;
        match KeptSet::open(&sealing.key_sets, kv_key, value, now.div_euclid(1_000), skew) {
            Ok(KeptSet { fetched_at, keys: found }) => {
                self.tally.stored_hit();
                let fetched_at = fetched_at.saturating_mul(1_000).min(now);
                keys.found(&self.engine, found, fetched_at);
                keys.age(now) == Some(Age::Fresh)
            }
            Err(rejected) => {
                self.tally.stored_rejected(rejected);
                false
            }
        }
    }

    /// Takes the key set of a provider as it was fetched, or why it was not. Gives back what other
    /// isolates should know. The error says why there is none.
    pub fn hear_keys(
        &self,
        provider: usize,
        reply: Result<(u16, Vec<u8>), String>,
        now: Millis,
    ) -> Result<Option<KvChange>, String> {
        let Some(ring) = self.keys.get(provider) else { return Ok(None) };
        let kept = reply.and_then(|(status, body)| {
            if status != 200 {
                return Err(format!("status {status}"));
            }
            let set = strict::parse_strict(&body).map_err(|fault| fault.to_string())?;
            let (keys, _) = secret::published(&set).map_err(|problem| problem.to_string())?;
            if ring.fetched(&self.engine, keys, now) {
                Ok(set)
            } else {
                Err("none of its keys is on its curve".to_owned())
            }
        });
        self.tally.fetch_keys(kept.is_ok());
        match kept {
            Ok(set) => Ok(self.key_entry(provider, &set, now)),
            Err(why) => {
                ring.failed(now);
                Err(why)
            }
        }
    }

    fn key_entry(&self, provider: usize, set: &Value, now: Millis) -> Option<KvChange> {
        let sealing = self.sealing.as_ref()?;
        let provider = self.settings.providers.get(provider)?;
        let kv_key = Purpose::KeySet.kv_key(&provider.issuer);
        let value = KeptSet::seal(&sealing.key_sets, &kv_key, set, now.div_euclid(1_000))?;
        let settings = provider.remote_keys.as_ref()?;
        let ttl_seconds = u32::try_from(settings.max_stale_seconds.max(60)).ok()?;
        Some(KvChange::Put { kv_key, value, ttl_seconds })
    }
}
