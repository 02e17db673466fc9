//! The decision: a request earns a [`Permit`], or gets a [`Denial`].
//!
//! In scope: which checks a request must pass and in which order. Out of scope: the checks
//! themselves ([`crate::core`]) and every platform type (`crate::edge`). The numbers in the code
//! are those of "The life of a request" in docs/architecture.md.
#![forbid(unsafe_code)]
// Beside those in Cargo.toml, which hold for tests, too. No input leads to a panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::get_unwrap,
        clippy::panic_in_result_fn,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_in_result
    )
)]

mod admin;
mod boot;
mod confirm;
mod explain;
mod hear;
mod identity;
mod inspect;
mod keyring;
mod log;
mod metrics;
mod page;
mod permit;
mod prewarm;
mod question;
mod rehearsal;
mod revocation;
mod revoke;
mod service;
mod socket;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::core::access::{Access, Enforcement, Freshness, Lack, Requirement, Upgrades};
use crate::core::assertion::{Assertion, Signer};
use crate::core::cache::TokenCache;
use crate::core::claims::{Millis, NumericDate};
use crate::core::config::Settings;
use crate::core::credentials::{self, Credentials, CredentialsFault};
use crate::core::denial::{Denial, Reason, TextResponse};
use crate::core::path::RequestPath;
use crate::core::request::RequestHead;
use crate::core::rules::Matched;
use crate::core::sealed::SealingKey;
use crate::core::tally::Tally;
use crate::core::trace::TraceIds;
use crate::core::verify::SignatureEngine;

use admin::AdminToken;
use identity::Assured;
use keyring::KeyRing;
use metrics::Metrics;
use revocation::Revocations;
use service::AuthService;

pub use admin::Misconfigured;
pub use boot::{Bindings, Report};
pub use explain::{Explaining, MOST_QUESTION_BYTES};
pub use inspect::{bare, inspect, utc};
pub use log::TokenInLog;
pub use page::Page;
pub use permit::{Body, Permit};
pub use prewarm::{MOST_LIST_BYTES, Order, Outcome, Warming};
pub use question::{
    BreakerNews, Findings, Inquiry, KvChange, Lookup, Question, Refresh, ServiceCall, Stored, Told,
};
pub use rehearsal::Rehearsal;
pub use revocation::NotTaken;
pub use revoke::{HubCall, RevocationCall, Revoker};
pub use socket::{Renewal, Upgrade, Watch};

/// Everything that a decision needs, ready: the settings, the keys, what is already known.
pub struct Gate<E: SignatureEngine> {
    /// The configuration as it was written.
    table: String,
    settings: Settings,
    /// Whether there are files of the test page.
    has_page: bool,
    degrading: Degrading,
    /// One for each provider.
    keys: Vec<KeyRing<E::Key>>,
    /// One for each provider that has one.
    services: Vec<Option<AuthService<E::SigningKey>>>,
    /// If there are any.
    revocations: Option<Revocations>,
    /// For what is kept in KV; nothing is, without.
    sealing: Option<Sealing>,
    signer: Option<Signer<E::SigningKey>>,
    engine: E,
    known: RefCell<TokenCache>,
    /// The provider whose keys should be fetched after the response.
    due: Cell<Option<usize>>,
    /// From when on another list is taken for pre-warming.
    prewarm_from: Cell<Millis>,
    traces: TraceIds,
    tally: Tally,
    metrics: Metrics,
    admin_token: AdminToken,
    /// Who else may revoke.
    revoking_clients: Vec<revoke::Client>,
    report: Report,
}

/// Whether the operator lets requests pass on less than they asked for: `ALLOW_DEGRADED_AUTH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Degrading {
    /// No, whatever rules and providers say.
    Never,
    /// Where rules and providers say so.
    AsConfigured,
}

/// The keys that seal what is kept in KV.
struct Sealing {
    validations: SealingKey,
    key_sets: SealingKey,
    revocations: SealingKey,
}

/// What becomes of a request that is not denied.
#[derive(Debug)]
pub enum Decision<'g> {
    /// It goes to the origin.
    Forward(Permit<'g>),
    /// It is for the gate itself, which answers this.
    Answer(TextResponse),
    /// The admin sends a list of tokens to be validated ahead, see [`Gate::prewarm`].
    Prewarm,
    /// It is about revocations, see [`Gate::hub_call`].
    Revocations(RevocationCall),
    /// The admin asks why, see [`Gate::explaining`].
    Explain,
    /// The admin asks for the metrics, see [`Gate::metrics_page`].
    Metrics,
    /// It is for the test page: this file.
    Page(Page),
    /// There is no decision before this is known.
    Ask(Question),
}

/// Why there is nothing to forward.
enum Stop {
    Denied(Denial),
    Asking(Question),
}

impl From<Denial> for Stop {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

/// Who is asking, as far as the rules of a request let us know.
enum Identity<'a> {
    /// Nobody in particular.
    Anonymous,
    /// The one whom this token, found there, speaks of.
    Known { assured: Assured, assertion: Option<Rc<Assertion>>, credentials: Credentials<'a> },
}

impl<E: SignatureEngine> Gate<E> {
    /// Decides about a request at `now`, and counts it. `findings` is what was found out for this
    /// request so far, at first nothing.
    #[inline(never)] // see docs/performance.md, "Cold start"
    pub fn decide(
        &self,
        head: &RequestHead<'_>,
        now: Millis,
        findings: &mut Findings,
    ) -> Result<Decision<'_>, Denial> {
        let came_at = *findings.came_at.get_or_insert(now);
        let decision = match self.judge(head, now, findings) {
            Ok(decision) => Ok(decision),
            Err(Stop::Asking(question)) => Ok(Decision::Ask(question)),
            Err(Stop::Denied(denial)) => Err(denial),
        };
        match &decision {
            Ok(Decision::Forward(permit)) => match permit.shadowed() {
                Some(denial) => self.tally.shadow(denial.reason),
                None => self.tally.permit(permit.mode()),
            },
            Ok(_) => return decision,
            Err(denial) => self.tally.deny(denial.reason),
        }
        self.tally.decided(now.saturating_sub(came_at));
        decision
    }

    fn judge(
        &self,
        head: &RequestHead<'_>,
        now: Millis,
        findings: &mut Findings,
    ) -> Result<Decision<'_>, Stop> {
        // (1)
        if ["TRACE", "TRACK", "CONNECT"].iter().any(|one| head.method.eq_ignore_ascii_case(one)) {
            return Err(Denial::new(Reason::WrongMethod).into());
        }
        if !head.is_forwardable() {
            return Err(Denial::new(Reason::MalformedTarget).into());
        }
        let path = RequestPath::parse(head.path).map_err(|_| Denial::new(Reason::AmbiguousPath))?;
        if let Some(endpoint) = admin::endpoint(&path, &self.settings.admin_path) {
            return Ok(self.answer(endpoint, head, now)?);
        }
        // (2)
        if head.is_preflight() {
            return Ok(Decision::Forward(self.permit_preflight(head, &path)));
        }
        // (3)
        let rules = self.settings.rules.matching(head.authority, head.method, &path);
        let enforcement = enforcement(&rules);
        // (4) to (7)
        let identity = match self.identify(head, &rules, now, findings) {
            Err(Stop::Denied(denial)) if enforcement == Enforcement::Shadow => {
                return Ok(Decision::Forward(self.permit_in_shadow(head, &path, denial)));
            }
            identity => identity?,
        };
        // (8)
        let permit = self.permit(head, &path, &identity, enforcement);
        Ok(Decision::Forward(if head.is_websocket_upgrade() {
            permit.with_upgrade(self.upgrade(rules, &identity)?)
        } else {
            permit
        }))
    }

    /// The provider whose keys should be fetched again once there is a response, if any.
    pub fn take_due(&self) -> Option<usize> {
        self.due.take()
    }

    /// The settings that this gate works by.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The name of the provider at this position, for the log.
    #[must_use]
    pub fn provider_name(&self, position: usize) -> &str {
        self.settings.providers.get(position).map_or("", |provider| provider.name.as_str())
    }

    /// The rules that only record what they would deny: positions and paths.
    pub fn shadow_rules(&self) -> impl Iterator<Item = (usize, &str)> {
        let rules = self.settings.rules.iter().enumerate();
        rules
            .filter(|(_, (_, requirement))| requirement.enforce == Enforcement::Shadow)
            .map(|(at, (path, _))| (at, path))
    }

    /// What became of the requests so far.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// How many tokens are known, and about how many bytes of memory that takes.
    #[must_use]
    pub fn cache_usage(&self) -> (usize, u64) {
        self.known.borrow().usage()
    }

    /// Finds out who is asking, as far as the rules want to know, and whether they let them pass.
    fn identify<'a>(
        &'a self,
        head: &RequestHead<'a>,
        rules: &Matched<'_, Requirement>,
        now: Millis,
        findings: &mut Findings,
    ) -> Result<Identity<'a>, Stop> {
        let (access, strictest) = strictest(rules);
        if access == Access::Public {
            return Ok(Identity::Anonymous);
        }
        let at_rule = |denial: Denial| Denial { rule: strictest, ..denial };
        // (4)
        let settings = &self.settings;
        let found = credentials::find(head, &settings.sources, &settings.allowed_origins)
            .map_err(|fault| at_rule(Denial::new(fault.into())))?;
        let Some(credentials) = found else {
            return match access {
                Access::Required => Err(at_rule(Denial::new(Reason::NoCredentials)).into()),
                Access::Optional | Access::Public => Ok(Identity::Anonymous),
            };
        };
        let freshness = freshness(rules);
        let assured = self.authorize(&credentials.token, rules, freshness, now, findings)?;
        // (7)
        let provider = assured.basis.facts().ok().map(|facts| facts.provider);
        let assertion = self
            .assertion(&credentials.token, &assured, now)
            .map_err(|denial| at_rule(Denial { provider, ..denial }))?;
        Ok(Identity::Known { assured, assertion, credentials })
    }

    /// Finds out about a token, and whether the rules let it pass. `freshness` is what they ask of the
    /// list of revocations.
    fn authorize(
        &self,
        token: &str,
        rules: &Matched<'_, Requirement>,
        freshness: Freshness,
        now: Millis,
        findings: &mut Findings,
    ) -> Result<Assured, Stop> {
        let (_, strictest) = strictest(rules);
        let at_rule = |denial: Denial| Denial { rule: strictest, ..denial };
        // (5)
        let lenience = |usual| {
            each(rules).map(|(rule, _)| rule.on_outage.unwrap_or(usual)).min().unwrap_or(usual)
        };
        let assured =
            self.assure(token, lenience, freshness, now, findings).map_err(|stop| match stop {
                Stop::Denied(denial) => Stop::Denied(at_rule(denial)),
                asking @ Stop::Asking(_) => asking,
            })?;
        let facts = assured.basis.facts().map_err(|reason| at_rule(Denial::new(reason)))?;
        // (6)
        for (requirement, rule) in each(rules) {
            requirement.check(facts).map_err(|lack| {
                if lack != Lack::Provider
                    && assured.mode.is_by_signature()
                    && requirement.is_open(facts)
                {
                    // The auth service could say what is missing.
                    let reason = Reason::AuthServiceSilent;
                    return Denial { rule, ..Denial::later(facts.provider, reason, None, now) };
                }
                Denial {
                    scope: requirement.challenge_scope(),
                    provider: Some(facts.provider),
                    rule,
                    ..Denial::new(lack.into())
                }
            })?;
        }
        Ok(assured)
    }

    /// The assertion to send, if the configuration asks for one: the last one while it is young and
    /// says the same, or a new one.
    fn assertion(
        &self,
        token: &str,
        assured: &Assured,
        now: Millis,
    ) -> Result<Option<Rc<Assertion>>, Denial> {
        let Some(signer) = &self.signer else { return Ok(None) };
        let now: NumericDate = now.div_euclid(1_000);
        let is_good = |last: &&Rc<Assertion>| now < last.renew_at && last.mode == assured.mode;
        if let Some(last) = assured.last_assertion.as_ref().filter(is_good) {
            return Ok(Some(Rc::clone(last)));
        }
        let facts = assured.basis.facts().map_err(Denial::new)?;
        let issuer = self
            .settings
            .providers
            .get(facts.provider)
            .map_or("", |provider| provider.issuer.as_str());
        let assertion = signer
            .sign(&self.engine, facts, issuer, assured.mode, now)
            .map(Rc::new)
            .ok_or_else(|| Denial::new(Reason::AssertionFailed))?;
        let renewed = Rc::clone(&assertion);
        self.known.borrow_mut().renew(token, |known| known.assertion = Some(renewed));
        Ok(Some(assertion))
    }
}

/// What no rule says.
static DEFAULT_REQUIREMENT: Requirement = Requirement {
    access: Access::Required,
    enforce: Enforcement::Deny,
    providers: None,
    scopes_all: Vec::new(),
    scopes_any: Vec::new(),
    claims: Vec::new(),
    on_outage: None,
    revocation: Freshness::Standard,
    websocket: Upgrades::Supervise,
    max_buffered_bytes: None,
};

/// The requirements that a request must satisfy, with the rule that each comes from.
fn each<'m>(
    rules: &'m Matched<'_, Requirement>,
) -> impl Iterator<Item = (&'m Requirement, Option<usize>)> {
    rules.iter().map(|rule| match rule {
        Some(rule) => (rule.requirement, Some(rule.index)),
        None => (&DEFAULT_REQUIREMENT, None),
    })
}

/// How current the list of revocations has to be, by the strictest of the rules.
fn freshness(rules: &Matched<'_, Requirement>) -> Freshness {
    each(rules).map(|(rule, _)| rule.revocation).max().unwrap_or_default()
}

/// Whether a denial counts: unless all of the rules only record it.
fn enforcement(rules: &Matched<'_, Requirement>) -> Enforcement {
    let is_shadow = |(rule, _): (&Requirement, _)| rule.enforce == Enforcement::Shadow;
    if each(rules).all(is_shadow) { Enforcement::Shadow } else { Enforcement::Deny }
}

/// The strictest access level that any reading of the path asks for, and the rule that does.
fn strictest(rules: &Matched<'_, Requirement>) -> (Access, Option<usize>) {
    each(rules)
        .map(|(requirement, rule)| (requirement.access, rule))
        .max_by_key(|(access, _)| *access)
        .unwrap_or_default()
}

impl From<CredentialsFault> for Reason {
    fn from(fault: CredentialsFault) -> Self {
        match fault {
            CredentialsFault::Several => Self::SeveralCredentials,
            CredentialsFault::Malformed => Self::MalformedCredentials,
            CredentialsFault::ForeignOrigin => Self::ForeignOrigin,
        }
    }
}

impl From<Lack> for Reason {
    fn from(lack: Lack) -> Self {
        match lack {
            Lack::Provider => Self::ProviderNotAccepted,
            Lack::Scope => Self::MissingScope,
            Lack::Claim => Self::WrongClaim,
        }
    }
}
