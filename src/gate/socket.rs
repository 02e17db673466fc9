//! WebSockets that are open: what their handshake rested on is judged again, for as long as they live.
//!
//! A socket lives for hours and its token for minutes, so a permit does not last. In scope: which sockets
//! are supervised, and whether their token would still be accepted. Out of scope: when that is asked
//! ([`crate::core::socket`]), and the sockets themselves (`crate::edge`).

use super::identity::{Assured, Basis};
use super::question::{Findings, Question};
use super::{Gate, Identity, Stop, each, enforcement, freshness};
use crate::core::access::{Enforcement, Freshness, Requirement, Upgrades};
use crate::core::claims::{Millis, NumericDate};
use crate::core::denial::Denial;
use crate::core::refresh::Step;
use crate::core::revocation::delta::Delta;
use crate::core::revocation::entry::{LogId, Number};
use crate::core::revocation::target::{Fingerprint, Kind, Targets};
use crate::core::rules::Matched;
use crate::core::socket::{Leash, Terms};
use crate::core::verify::{SignatureEngine, examine};

/// So much may wait for one side unless a rule says otherwise, in bytes.
const BUFFERED_BYTES: u32 = 1_048_576;

/// A socket is judged again no less often than this, in milliseconds.
const MOST_CHECK_MS: Millis = 30_000;

/// A bound has room for so many checks: one can come just before a revocation, one can find a list that
/// is only then refreshed, and one sees it.
const CHECKS_IN_BOUND: Millis = 3;

/// The most targets that a leash names: what the platform takes.
const MOST_TAGS: usize = 10;

/// What becomes of a request that wants to be a WebSocket.
#[derive(Debug)]
pub enum Upgrade<'g> {
    /// It does not want to be one.
    No,
    /// The runtime pumps by itself.
    Native,
    /// It is supervised.
    Supervised(Box<Watch<'g>>),
}

/// What the handshake of a socket rested on.
#[derive(Debug)]
pub struct Watch<'g> {
    rules: Matched<'g, Requirement>,
    bearer: Option<Bearer>,
    max_buffered_bytes: u32,
    /// Counts the tokens that it has had.
    turn: u32,
}

/// Whose socket it is.
#[derive(Debug)]
struct Bearer {
    token: String,
    provider: usize,
    subject: Option<String>,
    /// When the token is over, with leeway, in milliseconds, if it says so itself.
    expires_at: Option<Millis>,
    /// Until when what the auth service said about it counts, at most.
    counts_until: Millis,
    /// What can revoke the token, and when it was issued.
    targets: Vec<(Fingerprint, Option<NumericDate>)>,
    /// The target that is its subject.
    subject_target: Option<Fingerprint>,
    /// Which list it was judged by.
    judged_by: (Option<LogId>, Number),
}

/// What became of a token that was to take the place of another.
#[derive(Debug)]
pub enum Renewal {
    /// It has, until then.
    Renewed(NumericDate),
    /// It is of somebody else.
    AnotherSubject,
    /// It would be refused.
    Refused(Denial),
    /// There is no decision before this is known.
    Ask(Question),
}

impl Watch<'_> {
    /// Position of the provider of its token, if it has one.
    #[must_use]
    pub fn provider(&self) -> Option<usize> {
        self.bearer.as_ref().map(|bearer| bearer.provider)
    }

    /// Whether it has a token, which can be over or revoked.
    #[must_use]
    pub const fn has_token(&self) -> bool {
        self.bearer.is_some()
    }

    /// When its token is over, with leeway, in milliseconds, if it says so itself.
    #[must_use]
    pub fn expires_at(&self) -> Option<Millis> {
        self.bearer.as_ref()?.expires_at
    }

    /// Until when what its handshake, or the last judgement, rested on counts at most. It may count for
    /// longer when it is looked at again.
    #[must_use]
    pub fn counts_until(&self) -> Option<Millis> {
        self.bearer.as_ref().map(|bearer| bearer.counts_until)
    }

    /// Which of its tokens it has: what was found out about one says nothing about another.
    #[must_use]
    pub const fn turn(&self) -> u32 {
        self.turn
    }

    /// What can revoke its token, as a leash names it; not more than one can name.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        let targets = self.bearer.iter().flat_map(|bearer| &bearer.targets);
        let mut tags: Vec<String> = Vec::with_capacity(MOST_TAGS);
        for tag in targets.map(|(target, _)| target.to_string()) {
            if tags.len() < MOST_TAGS && !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        tags
    }

    /// The tag of its subject, if it has one.
    #[must_use]
    pub fn subject_tag(&self) -> Option<Fingerprint> {
        self.bearer.as_ref()?.subject_target
    }

    /// Which list it was judged by: what came later may revoke it.
    #[must_use]
    pub fn judged_by(&self) -> (Option<LogId>, Number) {
        self.bearer.as_ref().map_or((None, 0), |bearer| bearer.judged_by)
    }

    /// Whether a part of the log revokes its token. What it was judged by already says nothing new: it may
    /// have been undone since, and a relay can be late.
    #[must_use]
    pub fn is_revoked_by(&self, delta: &Delta<'_>, now: NumericDate) -> bool {
        let (log, number) = self.judged_by();
        let known = if log == Some(delta.head.log) { number } else { 0 };
        let says = |target: Fingerprint, issued_at| {
            let new = delta.entries().filter(|entry| entry.number > known);
            let last = new.filter(|entry| entry.target == target).last();
            last.is_some_and(|entry| entry.expires_at > now && entry.effect.revokes(issued_at))
        };
        self.bearer.iter().flat_map(|bearer| &bearer.targets).any(|(target, issued_at)| {
            says(target.of_all(), *issued_at) || says(target.of_older(), *issued_at)
        })
    }
}

impl<E: SignatureEngine> Gate<E> {
    /// What becomes of a permitted request that wants to be a WebSocket.
    pub(super) fn upgrade<'g>(
        &'g self,
        rules: Matched<'g, Requirement>,
        identity: &Identity<'_>,
    ) -> Result<Upgrade<'g>, Denial> {
        let strictest = each(&rules).map(|(rule, _)| rule.websocket).max().unwrap_or_default();
        // Where the gate only records, nothing ends either.
        if strictest == Upgrades::Handshake || enforcement(&rules) == Enforcement::Shadow {
            return Ok(Upgrade::Native);
        }
        let limits = &self.settings.websocket;
        let has_limits =
            limits.max_message_bytes.is_some() || limits.idle_timeout_seconds.is_some();
        let bearer = match identity {
            Identity::Anonymous if !has_limits => return Ok(Upgrade::Native),
            Identity::Anonymous => None,
            Identity::Known { assured, credentials, .. } => {
                Some(self.bearer(&credentials.token, assured)?)
            }
        };
        let buffered =
            each(&rules).map(|(rule, _)| rule.max_buffered_bytes.unwrap_or(BUFFERED_BYTES)).min();
        let max_buffered_bytes = buffered.unwrap_or(BUFFERED_BYTES);
        Ok(Upgrade::Supervised(Box::new(Watch { rules, bearer, max_buffered_bytes, turn: 0 })))
    }

    fn bearer(&self, token: &str, assured: &Assured) -> Result<Bearer, Denial> {
        let facts = assured.basis.facts().map_err(Denial::new)?;
        let provider = facts.provider;
        let (own, issued_at, expiration) = match examine(&self.settings, token) {
            Ok(candidate) => {
                (self.targets(&candidate), candidate.issued_at(), candidate.expiration())
            }
            Err(_) => (Targets::of_opaque(self.issuer(provider), token), None, None),
        };
        let mut targets: Vec<_> = own.iter().map(|(_, target)| (target, issued_at)).collect();
        let subject = |targets: &Targets| {
            targets.iter().find(|(kind, _)| *kind == Kind::Subject).map(|(_, target)| target)
        };
        let mut subject_target = subject(&own);
        if let Basis::Verdict(verdict) = &assured.basis
            && let Some((named, issued_at)) = verdict.named.as_deref()
        {
            targets.extend(named.iter().map(|(_, target)| (target, *issued_at)));
            subject_target = subject_target.or_else(|| subject(named));
        }
        Ok(Bearer {
            token: token.to_owned(),
            provider,
            subject: facts.subject().map(str::to_owned),
            expires_at: expiration.map(|expiration| self.over_at(expiration)),
            counts_until: self.over_at(facts.expiration),
            targets,
            subject_target,
            judged_by: self.list_position(),
        })
    }

    /// When something is over that ends then, with leeway, in milliseconds.
    const fn over_at(&self, expiration: NumericDate) -> Millis {
        expiration.saturating_add(self.settings.clock_skew_seconds).saturating_mul(1_000)
    }

    /// What holds for a socket.
    #[must_use]
    pub fn terms(&self, watch: &Watch<'_>) -> Terms {
        let settings = &self.settings;
        let bound_ms = settings.revocation.max_staleness_seconds.saturating_mul(1_000);
        let check_ms = (bound_ms / CHECKS_IN_BOUND).min(MOST_CHECK_MS);
        Terms {
            expires_at: watch.expires_at(),
            check_ms: watch.has_token().then_some(check_ms),
            doubt_ms: bound_ms,
            idle_ms: settings.websocket.idle_timeout_seconds.map(|it| it.saturating_mul(1_000)),
            max_buffered_bytes: watch.max_buffered_bytes,
            max_message_bytes: settings.websocket.max_message_bytes,
        }
    }

    /// The leash that a socket is to have.
    #[must_use]
    pub fn leash(&self, watch: &Watch<'_>, now: Millis) -> Leash {
        if self.revokes() && watch.has_token() { Leash::wanted(now) } else { Leash::unwanted() }
    }

    /// Judges the token of a socket again, as it would be for a request. The list of revocations is taken
    /// as it is: whoever asks has seen to it. `Ok(None)`: it is good.
    pub fn judge_again(
        &self,
        watch: &mut Watch<'_>,
        now: Millis,
        findings: &mut Findings,
    ) -> Result<Option<Question>, Denial> {
        let Some(bearer) = &mut watch.bearer else { return Ok(None) };
        findings.list_was_sought();
        let freshness = Freshness::Standard;
        match self.authorize(&bearer.token, &watch.rules, freshness, now, findings) {
            Ok(assured) => {
                if let Ok(facts) = assured.basis.facts() {
                    bearer.counts_until = self.over_at(facts.expiration);
                }
                bearer.judged_by = self.list_position();
                Ok(None)
            }
            Err(Stop::Asking(question)) => Ok(Some(question)),
            Err(Stop::Denied(denial)) => Err(denial),
        }
    }

    /// Lets another token take the place of the one that a socket has, if it is of the same subject and
    /// issuer and good for the same.
    pub fn renew(
        &self,
        watch: &mut Watch<'_>,
        token: &str,
        now: Millis,
        findings: &mut Findings,
    ) -> Renewal {
        let freshness = freshness(&watch.rules);
        match self.authorize(token, &watch.rules, freshness, now, findings) {
            Err(Stop::Asking(question)) => Renewal::Ask(question),
            Err(Stop::Denied(denial)) => Renewal::Refused(denial),
            Ok(assured) => {
                let is_same = |new: &Bearer, old: &Bearer| {
                    new.provider == old.provider
                        && new.subject.is_some()
                        && new.subject == old.subject
                };
                match (self.bearer(token, &assured), &watch.bearer) {
                    (Ok(new), Some(old)) if is_same(&new, old) => {
                        let until = new.expires_at.unwrap_or(Millis::MAX).min(new.counts_until);
                        let until = until.div_euclid(1_000);
                        watch.bearer = Some(new);
                        watch.turn = watch.turn.wrapping_add(1);
                        Renewal::Renewed(until.saturating_sub(self.settings.clock_skew_seconds))
                    }
                    _ => Renewal::AnotherSubject,
                }
            }
        }
    }

    /// Whether the list is to be refreshed for a socket: it is older than that, in milliseconds, and not
    /// fresh, and nobody does it or has just tried. Over a leash it is when no leash has just tried: what has failed
    /// without one says nothing about it. Who hears that it is has to ask.
    pub fn list_is_due(&self, least_ms: Millis, is_leashed: bool, now: Millis) -> bool {
        let Some(revocations) = &self.revocations else { return false };
        let refresh_ms = self.settings.revocation.refresh_seconds.saturating_mul(1_000);
        let is_within = |at: Millis, most: Millis| (0..most).contains(&now.saturating_sub(at));
        let step = revocations.step(now);
        if revocations.known_at().is_some_and(|at| is_within(at, least_ms.max(refresh_ms))) {
            return false;
        }
        if !is_leashed {
            return matches!(step, Step::FetchInBackground | Step::Fetch);
        }
        let asked_at = &revocations.asked_leash_at;
        let is_due = !is_within(asked_at.get(), refresh_ms);
        if is_due {
            asked_at.set(now);
        }
        is_due
    }

    /// Until when the list counts, if it does, and if that matters: the operator can let it serve for longer.
    #[must_use]
    pub fn list_lapses_at(&self) -> Option<Millis> {
        if self.serves_stale() {
            return None;
        }
        let bound_ms = self.settings.revocation.max_staleness_seconds.saturating_mul(1_000);
        Some(self.revocations.as_ref()?.known_at()?.saturating_add(bound_ms))
    }
}
