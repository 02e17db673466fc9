//! The decision: a request earns a [`Permit`], or gets a [`Denial`].
//!
//! In scope: which checks a request must pass and in which order. Out of scope: the checks
//! themselves ([`crate::core`]) and every platform type (`crate::edge`). The numbers in the code
//! are those of "The life of a request" in docs/architecture.md.
#![forbid(unsafe_code)]

mod admin;
mod boot;

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use crate::core::access::{Access, Lack, Requirement};
use crate::core::assertion::{Assertion, Signer};
use crate::core::cache::{Known, TokenCache};
use crate::core::claims::NumericDate;
use crate::core::config::{Origin, Settings, TokenForwarding};
use crate::core::credentials::{self, Credentials, CredentialsFault, Source};
use crate::core::denial::{Denial, Reason, TextResponse};
use crate::core::facts::Facts;
use crate::core::mutate::{CLIENT_ADDRESS, Edits};
use crate::core::path::RequestPath;
use crate::core::request::RequestHead;
use crate::core::rules::Matched;
use crate::core::tally::Tally;
use crate::core::verify::{ReadyKey, SignatureEngine, check_validity, verify};

use admin::AdminToken;

pub use admin::Misconfigured;
pub use boot::Report;

/// Everything that a decision needs, ready: the settings, the keys, what is already known.
pub struct Gate<E: SignatureEngine> {
    settings: Settings,
    keys: Vec<Vec<ReadyKey<E::Key>>>,
    signer: Option<Signer<E::SigningKey>>,
    engine: E,
    known: RefCell<TokenCache>,
    tally: Tally,
    admin_token: AdminToken,
    report: Report,
}

/// Proof that a request may go to the origin, and in which form. Only a gate can make one, and
/// nothing else can be forwarded.
#[derive(Debug)]
pub struct Permit<'g> {
    destination: &'g Origin,
    url: Option<String>,
    edits: String,
    body: Body,
}

/// What becomes of a request that is not denied.
#[derive(Debug)]
pub enum Decision<'g> {
    /// It goes to the origin.
    Forward(Permit<'g>),
    /// It is for the gate itself, which answers this.
    Answer(TextResponse),
}

/// What happens to the body of a permitted request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// It streams to the origin.
    Stream,
    /// It stays here: the request is a preflight, which has none.
    Drop,
}

impl Permit<'_> {
    /// Where the request goes.
    #[must_use]
    pub const fn destination(&self) -> &Origin {
        self.destination
    }

    /// The URL to request there, if it is not the one that the client asked for. Its path is the one
    /// that was evaluated.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// What changes in the headers, as [`Edits::into_text`] writes it.
    #[must_use]
    pub fn edits(&self) -> &str {
        &self.edits
    }

    /// What happens to the body.
    #[must_use]
    pub const fn body(&self) -> Body {
        self.body
    }
}

/// Who is asking, as far as the rules of a request let us know.
enum Identity<'a> {
    /// Nobody in particular.
    Anonymous,
    /// The one whom this token, found there, speaks of.
    Known { facts: Rc<Facts>, assertion: Option<Rc<Assertion>>, credentials: Credentials<'a> },
}

impl<E: SignatureEngine> Gate<E> {
    /// Decides about a request at `now`, and counts it.
    #[inline(never)] // see docs/performance.md, "Cold start"
    pub fn decide(&self, head: &RequestHead<'_>, now: NumericDate) -> Result<Decision<'_>, Denial> {
        let decision = self.judge(head, now);
        match &decision {
            Ok(Decision::Forward(_)) => self.tally.permit(),
            Ok(Decision::Answer(_)) => {}
            Err(denial) => self.tally.deny(denial.reason),
        }
        decision
    }

    fn judge(&self, head: &RequestHead<'_>, now: NumericDate) -> Result<Decision<'_>, Denial> {
        // (1)
        if ["TRACE", "TRACK", "CONNECT"].iter().any(|one| head.method.eq_ignore_ascii_case(one)) {
            return Err(Denial::new(Reason::WrongMethod));
        }
        if !head.is_forwardable() {
            return Err(Denial::new(Reason::MalformedTarget));
        }
        let path = RequestPath::parse(head.path).map_err(|_| Denial::new(Reason::AmbiguousPath))?;
        if let Some(endpoint) = admin::endpoint(&path, &self.settings.admin_path) {
            return self.answer(endpoint, head).map(Decision::Answer);
        }
        // (2)
        if head.is_preflight() {
            return Ok(Decision::Forward(self.permit_preflight(head, &path)));
        }
        // (3)
        let rules = self.settings.rules.matching(head.authority, head.method, &path);
        // (4) to (7)
        let identity = self.identify(head, &rules, now)?;
        // (8)
        Ok(Decision::Forward(self.permit(head, &path, &identity)))
    }

    /// The settings that this gate works by.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
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
        now: NumericDate,
    ) -> Result<Identity<'a>, Denial> {
        let (access, strictest) = strictest(rules);
        if access == Access::Public {
            return Ok(Identity::Anonymous);
        }
        let at_rule = |reason| Denial { rule: strictest, ..Denial::new(reason) };
        // (4)
        let settings = &self.settings;
        let found = credentials::find(head, &settings.sources, &settings.allowed_origins)
            .map_err(|fault| at_rule(fault.into()))?;
        let Some(credentials) = found else {
            return match access {
                Access::Required => Err(at_rule(Reason::NoCredentials)),
                Access::Optional | Access::Public => Ok(Identity::Anonymous),
            };
        };
        // (5)
        let Known { facts, assertion } = self
            .know(&credentials.token, now)
            .map_err(|denial| Denial { rule: strictest, ..denial })?;
        // (6)
        for (requirement, rule) in each(rules) {
            requirement.check(&facts).map_err(|lack| Denial {
                reason: lack.into(),
                scope: requirement.challenge_scope(),
                provider: Some(facts.provider),
                rule,
            })?;
        }
        // (7)
        let assertion =
            self.assertion(&credentials.token, &facts, assertion, now).map_err(|denial| {
                Denial { provider: Some(facts.provider), rule: strictest, ..denial }
            })?;
        Ok(Identity::Known { facts, assertion, credentials })
    }

    /// What is known about a token: from the cache, if it is still in time, or by verifying it.
    fn know(&self, token: &str, now: NumericDate) -> Result<Known, Denial> {
        let known = self.known.borrow().get(token).cloned();
        if let Some(known) = known {
            self.tally.hit();
            let Facts { expiration, not_before, provider, .. } = *known.facts;
            let skew = self.settings.clock_skew_seconds;
            // A token that is over stays known, so that a client which goes on sending it does not
            // have its signature checked each time.
            return check_validity(expiration, not_before, now, skew)
                .map(|()| known)
                .map_err(|reason| Denial { provider: Some(provider), ..Denial::new(reason) });
        }
        let verified =
            verify(&self.settings, &self.keys, &self.engine, token, now).map_err(|unverified| {
                Denial { provider: unverified.provider, ..Denial::new(unverified.reason) }
            })?;
        self.tally.miss();
        let known = Known { facts: Rc::new(verified.facts), assertion: None };
        self.known.borrow_mut().insert(token, known.clone());
        Ok(known)
    }

    /// The assertion to send, if the configuration asks for one: the last one while it is young,
    /// or a new one.
    fn assertion(
        &self,
        token: &str,
        facts: &Facts,
        last: Option<Rc<Assertion>>,
        now: NumericDate,
    ) -> Result<Option<Rc<Assertion>>, Denial> {
        let Some(signer) = &self.signer else { return Ok(None) };
        if let Some(last) = last.filter(|last| now < last.renew_at) {
            return Ok(Some(last));
        }
        let issuer = self
            .settings
            .providers
            .get(facts.provider)
            .map_or("", |provider| provider.issuer.as_str());
        let assertion = signer
            .sign(&self.engine, facts, issuer, now)
            .map(Rc::new)
            .ok_or_else(|| Denial::new(Reason::AssertionFailed))?;
        self.known.borrow_mut().renew(token, Rc::clone(&assertion));
        Ok(Some(assertion))
    }

    fn permit(
        &self,
        head: &RequestHead<'_>,
        path: &RequestPath<'_>,
        identity: &Identity<'_>,
    ) -> Permit<'_> {
        let mut edits = self.first_edits(head);
        let mut query = head.query.map(Cow::Borrowed);
        if let Identity::Known { facts, assertion, credentials } = identity {
            if self.settings.forward.token == TokenForwarding::Strip {
                strip(credentials.source, head, &mut edits, &mut query);
            }
            edits.extend(facts.header_lines());
            if let Some(assertion) = assertion {
                edits.set_assertion(assertion);
            }
        }
        self.permit_with(head, path, query, edits, Body::Stream)
    }

    /// A preflight asks whether a request would be allowed; browsers send no credentials with it
    /// (Fetch standard, "CORS-preflight fetch"), so whatever it carries stays here.
    fn permit_preflight(&self, head: &RequestHead<'_>, path: &RequestPath<'_>) -> Permit<'_> {
        let mut edits = self.first_edits(head);
        let mut query = head.query.map(Cow::Borrowed);
        for source in &self.settings.sources {
            match source {
                // All cookies go, not only the one with the token.
                Source::Authorization | Source::Cookie(_) => {}
                Source::Header(_) | Source::Query(_) => strip(source, head, &mut edits, &mut query),
            }
        }
        for name in [
            "authorization",
            "cookie",
            "content-encoding",
            "content-length",
            "content-type",
            "expect",
        ] {
            edits.remove(name);
        }
        self.permit_with(head, path, query, edits, Body::Drop)
    }

    /// What every forwarded request begins with: the client's claims about itself go, and the
    /// origin is told how it reached us.
    fn first_edits(&self, head: &RequestHead<'_>) -> Edits {
        let mut edits = Edits::sanitize(head, &self.settings.forward.claims);
        if let Some(address) = head.header(CLIENT_ADDRESS) {
            edits.set("x-forwarded-for", address);
        }
        edits.set("x-forwarded-proto", head.scheme);
        edits.set("x-forwarded-host", head.authority);
        edits
    }

    fn permit_with(
        &self,
        head: &RequestHead<'_>,
        path: &RequestPath<'_>,
        query: Option<Cow<'_, str>>,
        edits: Edits,
        body: Body,
    ) -> Permit<'_> {
        let path = path.literal();
        let base = match &self.settings.origin {
            Origin::Url(origin) => Some(Cow::Borrowed(origin.as_str())),
            // A service sees the URL that the client asked for, as if it were asked directly.
            Origin::Service(_) if path == head.path && query.as_deref() == head.query => None,
            Origin::Service(_) => Some(format!("{}://{}", head.scheme, head.authority).into()),
        };
        let url = base.map(|base| match query {
            Some(query) => format!("{base}{path}?{query}"),
            None => format!("{base}{path}"),
        });
        Permit { destination: &self.settings.origin, url, edits: edits.into_text(), body }
    }
}

/// What no rule says.
static DEFAULT_REQUIREMENT: Requirement = Requirement {
    access: Access::Required,
    providers: None,
    scopes_all: Vec::new(),
    scopes_any: Vec::new(),
    claims: Vec::new(),
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

/// The strictest access level that any reading of the path asks for, and the rule that does.
fn strictest(rules: &Matched<'_, Requirement>) -> (Access, Option<usize>) {
    each(rules)
        .map(|(requirement, rule)| (requirement.access, rule))
        .max_by_key(|(access, _)| *access)
        .unwrap_or_default()
}

/// Takes a token out of where it was found.
fn strip(
    source: &Source,
    head: &RequestHead<'_>,
    edits: &mut Edits,
    query: &mut Option<Cow<'_, str>>,
) {
    match source {
        Source::Authorization => edits.remove("authorization"),
        Source::Header(name) => edits.remove(name),
        Source::Cookie(name) => {
            let kept =
                head.header("cookie").and_then(|value| credentials::without_cookie(value, name));
            match kept {
                Some(kept) => edits.set("cookie", &kept),
                None => edits.remove("cookie"),
            }
        }
        Source::Query(name) => {
            *query = query
                .as_deref()
                .and_then(|query| credentials::without_parameter(query, name))
                .map(Cow::Owned);
        }
    }
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
