//! What a log line may say about a request that its denial or permit does not.
//!
//! It is found out again for each line that is written, so that no request pays for it that has none. In
//! scope: which key and whose token, and by which rule. Out of scope: the lines ([`crate::core::log`]).

use super::{Gate, strictest};
use crate::core::credentials;
use crate::core::denial::Checked;
use crate::core::log::key_id;
use crate::core::path::RequestPath;
use crate::core::request::RequestHead;
use crate::core::revocation::target::{Fingerprint, Kind};
use crate::core::verify::{SignatureEngine, examine};

/// What a log line may say about a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenInLog {
    /// The name of the key that it wants, see [`key_id`].
    pub kid: Option<String>,
    /// Its subject, as revocations name it: whoever can guess a subject can see whether it is this one, and
    /// nobody can read it.
    pub subject: Option<Fingerprint>,
}

impl<E: SignatureEngine> Gate<E> {
    /// About the token of a request. `checked` is how far its checks have come.
    #[must_use]
    #[inline(never)] // see docs/performance.md, "Cold start"
    pub fn token_in_log(&self, head: &RequestHead<'_>, checked: Checked) -> TokenInLog {
        let settings = &self.settings;
        let found = credentials::find(head, &settings.sources, &settings.allowed_origins);
        match found {
            Ok(Some(found)) => self.token_in_log_of(&found.token, checked),
            _ => TokenInLog::default(),
        }
    }

    /// About this token.
    #[must_use]
    pub fn token_in_log_of(&self, token: &str, checked: Checked) -> TokenInLog {
        if checked == Checked::Nothing {
            return TokenInLog::default();
        }
        let known = self.known.borrow();
        let known = known.peek(token);
        let Ok(candidate) = examine(&self.settings, token) else {
            // One that only its issuer can read is whose the issuer says.
            let verdict = known.and_then(|known| known.verdict.as_ref());
            let facts = verdict.and_then(|verdict| verdict.outcome.as_ref().ok());
            let subject = facts.and_then(|facts| {
                let issuer = self.issuer(facts.provider);
                Some(Fingerprint::of(Kind::Subject, issuer, facts.subject()?))
            });
            return TokenInLog { kid: None, subject };
        };
        // Not by the reason alone: what is in the log must never be what somebody has made up.
        let is_signed = || {
            known.is_some_and(|known| known.signed.is_some())
                || self
                    .keys
                    .get(candidate.provider)
                    .is_some_and(|ring| candidate.authenticate(&ring.ready(), &self.engine).is_ok())
        };
        let subject = candidate.subject().filter(|_| checked == Checked::Signature && is_signed());
        let issuer = self.issuer(candidate.provider);
        TokenInLog {
            kid: candidate.key_id().and_then(key_id).map(str::to_owned),
            subject: subject.map(|subject| Fingerprint::of(Kind::Subject, issuer, subject)),
        }
    }

    /// Position of the rule by which a request was let pass, if there is one.
    #[must_use]
    #[inline(never)] // see docs/performance.md, "Cold start"
    pub fn rule_in_log(&self, head: &RequestHead<'_>) -> Option<usize> {
        let path = RequestPath::parse(head.path).ok()?;
        let (_, rule) =
            strictest(&self.settings.rules.matching(head.authority, head.method, &path));
        rule
    }
}
