//! Why a request is permitted or denied, for an operator who asks.
//!
//! What decides is what decides about requests: the request that is asked about is put together as it would
//! come, and judged. What is added is only shown, and changes nothing: how the rules stand to it, which keys
//! there are, what can revoke the token. In scope: the question and the explanation. Out of scope: finding
//! out what the decision needs (`crate::edge`).

use serde_json::{Map, Value};

use super::admin::{json_response, problem_response};
use super::question::{Findings, Question};
use super::{Decision, Gate, Permit, Stop};
use crate::core::algorithm::Algorithm;
use crate::core::claims::{Millis, NumericDate};
use crate::core::config::Settings;
use crate::core::credentials;
use crate::core::denial::{Check, Denial, TextResponse};
use crate::core::json::{object, parse_object};
use crate::core::mutate::{ASSERTION_HEADER, is_field_name};
use crate::core::path::RequestPath;
use crate::core::request::RequestHead;
use crate::core::revocation::entry::Effect;
use crate::core::revocation::target::{Fingerprint, Kind};
use crate::core::rules::Standing;
use crate::core::verify::{Candidate, SignatureEngine, examine, family_name};

/// The longest question that is read, in bytes.
pub const MOST_QUESTION_BYTES: usize = 128 * 1024;

/// What is explained: the head of a request.
pub struct Explaining {
    packed: String,
    /// Whether the isolate knew the token before.
    was_known: bool,
}

impl Explaining {
    /// The head as it was asked about: method, URL, headers, on lines of their own.
    #[must_use]
    pub fn packed(&self) -> &str {
        &self.packed
    }

    /// The head as the platform makes a request of it.
    #[must_use]
    pub fn as_it_comes(self, packed: String) -> Self {
        Self { packed, ..self }
    }
}

/// What no line of a request can have.
const BREAKS: [char; 3] = ['\n', '\r', '\0'];

/// What a question may have.
const MEMBERS: [&str; 6] = ["method", "scheme", "host", "path", "token", "headers"];

impl<E: SignatureEngine> Gate<E> {
    /// Reads a question, which came with a request of this head. The error is the answer to one that is none.
    pub fn explaining(
        &self,
        question: Option<&[u8]>,
        head: &RequestHead<'_>,
    ) -> Result<Explaining, TextResponse> {
        let refuse = |detail: &str| problem_response(400, "invalid_request", detail);
        let Some(question) = question else {
            let detail = format!("the question is longer than {MOST_QUESTION_BYTES} bytes");
            return Err(problem_response(413, "invalid_request", &detail));
        };
        let question = parse_object(question).map_err(|fault| refuse(&fault.to_string()))?;
        let packed = packed(&question, head).map_err(|detail| refuse(&detail))?;
        let asked = RequestHead::unpack(&packed);
        let was_known = self.token_of(&asked).is_some_and(|token| {
            self.known.borrow().peek(&token).is_some_and(|known| known.signed.is_some())
        });
        Ok(Explaining { packed, was_known })
    }

    /// Judges what is asked about, and explains that; or says what has to be found out first.
    pub fn explain(
        &self,
        asked: &Explaining,
        now: Millis,
        findings: &mut Findings,
    ) -> Result<TextResponse, Question> {
        let Explaining { packed, was_known } = asked;
        let head = RequestHead::unpack(packed);
        let judged = match self.judge(&head, now, findings) {
            Ok(Decision::Ask(question)) | Err(Stop::Asking(question)) => return Err(question),
            Ok(decision) => Ok(decision),
            Err(Stop::Denied(denial)) => Err(denial),
        };
        let cache = match (*was_known, findings.has_heard_from_kv()) {
            (true, _) => "l1",
            (false, true) => "l2",
            (false, false) => "none",
        };
        let mut explanation = match &judged {
            Ok(Decision::Forward(permit)) => explain_permit(permit),
            // It never gets to the origin.
            Ok(_) => object! { "decision": "gate" },
            Err(denial) => explain_denial("deny", denial),
        };
        let denial = match &judged {
            Ok(Decision::Forward(permit)) => permit.shadowed(),
            Ok(_) => None,
            Err(denial) => Some(denial),
        };
        let token = self.token_of(&head);
        let candidate = token.as_deref().and_then(|token| examine(&self.settings, token).ok());
        if let Value::Object(members) = &mut explanation {
            let mut add = |name: &str, value: Value| members.insert(name.to_owned(), value);
            add("cache", cache.into());
            add(
                "checks",
                self.explain_checks(&judged, denial, token.is_some(), candidate.as_ref()),
            );
            if let Ok(path) = RequestPath::parse(head.path) {
                add("rules", self.explain_rules(&head, &path));
            }
            if let Some(candidate) = &candidate {
                add("provider", self.provider_name(candidate.provider).into());
                add("keys", self.explain_keys(candidate));
                add("revocation", self.explain_revocation(candidate, now));
            }
        }
        let mut response = json_response(200, &explanation);
        response.headers.push(("cache-control", "no-store".into()));
        Ok(response)
    }

    /// The token of a request, wherever it is.
    fn token_of(&self, head: &RequestHead<'_>) -> Option<String> {
        let Settings { sources, allowed_origins, .. } = &self.settings;
        let found = credentials::find(head, sources, allowed_origins).ok()??;
        Some(found.token.into_owned())
    }

    /// Every check in its order: those before the one that failed have passed, unless nobody asks for them.
    fn explain_checks(
        &self,
        judged: &Result<Decision<'_>, Denial>,
        denial: Option<&Denial>,
        has_token: bool,
        candidate: Option<&Candidate<'_>>,
    ) -> Value {
        let failed = denial.and_then(|denial| denial.reason.check());
        let has_service = |at: usize| self.services.get(at).is_some_and(Option::is_some);
        let has_identity = has_token
            && match judged {
                Ok(Decision::Forward(permit)) => permit.provider().is_some() || denial.is_some(),
                Ok(_) => false,
                Err(_) => true,
            };
        let is_asked = |check: Check| match check {
            Check::Configuration | Check::Target | Check::Credentials => true,
            // Of a token that only its issuer can read, all that is known is what the auth service says.
            Check::Header | Check::Issuer | Check::Key | Check::Signature => {
                has_identity && candidate.is_some()
            }
            Check::Revocation => has_identity && self.revokes(),
            Check::AuthService => {
                has_identity && candidate.is_none_or(|candidate| has_service(candidate.provider))
            }
            Check::Structure | Check::Time | Check::Audience | Check::Rule => has_identity,
            Check::Assertion => has_identity && self.signer.is_some(),
        };
        let outcome = |check: Check| match failed {
            Some(failed) if check == failed => "failed",
            Some(failed) if check > failed => "not_reached",
            // Whatever else is not known of a token that is refused for what it looks like.
            Some(failed) if failed <= Check::Signature => "passed",
            _ if is_asked(check) => "passed",
            _ => "not_needed",
        };
        let checks = Check::ALL.iter();
        checks
            .map(|check| object! { "check": check.name(), "outcome": outcome(*check) })
            .collect::<Vec<_>>()
            .into()
    }

    fn explain_rules(&self, head: &RequestHead<'_>, path: &RequestPath<'_>) -> Value {
        let rules = &self.settings.rules;
        let matched = rules.matching(head.authority, head.method, path);
        let standings = rules.standings(head.authority, head.method, path, &matched);
        let rule = |(at, ((path, _), standing)): (usize, ((&str, _), Standing))| {
            object! { "rule": at, "path": path, "standing": standing.name() }
        };
        rules.iter().zip(standings).enumerate().map(rule).collect::<Vec<_>>().into()
    }

    fn explain_keys(&self, candidate: &Candidate<'_>) -> Value {
        let Some(ring) = self.keys.get(candidate.provider) else { return Value::Null };
        let keys = ring.ready();
        let rows = candidate.standings(&keys).map(|(key, standing)| {
            object! {
                "kid": key.kid.as_deref(),
                "type": family_name(key.material.family()),
                "alg": key.algorithm.map(Algorithm::name),
                "standing": standing,
            }
        });
        rows.collect::<Vec<_>>().into()
    }

    /// Everything by which a token can be revoked, and what the list says about that.
    fn explain_revocation(&self, candidate: &Candidate<'_>, now: Millis) -> Value {
        let Some(revocations) = &self.revocations else { return Value::Null };
        let list = revocations.list();
        let (targets, issued_at) = (self.targets(candidate), candidate.issued_at());
        let seconds = now.div_euclid(1_000);
        let entry = |(id, effect, expires_at): (Fingerprint, Effect, NumericDate)| {
            let issued_before = match effect {
                Effect::RevokeIssuedBefore(time) => Some(time),
                Effect::RevokeAll | Effect::Undo => None,
            };
            object! {
                "id": id.to_string(),
                "issued_before": issued_before,
                "expires_at": expires_at,
            }
        };
        let rows = targets.iter().map(|(kind, target)| {
            object! {
                "by": kind.name(),
                "id": target.to_string(),
                "revoked": list.revokes(target, issued_at, seconds),
                "entries": list.about(target, seconds).map(entry).collect::<Vec<_>>(),
            }
        });
        let mut report = revocations.report(now);
        if let Value::Object(members) = &mut report {
            members.insert("targets".to_owned(), rows.collect::<Vec<_>>().into());
        }
        report
    }
}

/// The head of the request that is asked about, as it would come. The error is one sentence.
fn packed(question: &Map<String, Value>, head: &RequestHead<'_>) -> Result<String, String> {
    if let Some(other) = question.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        return Err(format!("{other:?} is none of {}", MEMBERS.join(", ")));
    }
    let text = |name: &str, usual: &str| match question.get(name) {
        None => Ok(usual.to_owned()),
        Some(Value::String(text)) if !text.contains(BREAKS) => Ok(text.clone()),
        Some(_) => Err(format!("{name} is not a text of one line")),
    };
    let path = text("path", "/")?;
    if !path.starts_with('/') {
        return Err("path does not begin with /".to_owned());
    }
    let method = text("method", "GET")?;
    let (scheme, host) = (text("scheme", head.scheme)?, text("host", head.authority)?);
    let mut headers: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: &str| {
        let name = name.to_ascii_lowercase();
        match headers.iter_mut().find(|(known, _)| *known == name) {
            // As the platform joins headers of one name.
            Some((_, joined)) => *joined = format!("{joined}, {value}"),
            None => headers.push((name, value.to_owned())),
        }
    };
    let token = text("token", "")?;
    if !token.is_empty() {
        add("authorization", &format!("Bearer {token}"));
    }
    match question.get("headers") {
        None => {}
        Some(Value::Object(members)) => {
            for (name, value) in members {
                let value = value.as_str().filter(|value| !value.contains(BREAKS));
                match value.filter(|_| is_field_name(name)) {
                    Some(value) => add(name, value),
                    None => return Err(format!("{name:?} is no header with one line of text")),
                }
            }
        }
        Some(_) => return Err("headers is not an object".to_owned()),
    }
    let mut packed = format!("{method}\n{scheme}://{host}{path}");
    for (name, value) in headers {
        packed = [&packed, "\n", &name, "\n", &value].concat();
    }
    Ok(packed)
}

fn explain_permit(permit: &Permit<'_>) -> Value {
    let mut explanation = match permit.shadowed() {
        Some(denial) => explain_denial("shadow", denial),
        None => object! { "decision": "permit", "degraded": permit.mode().name() },
    };
    if let Value::Object(members) = &mut explanation {
        members.insert("url".to_owned(), permit.url().into());
        members.insert("headers".to_owned(), explain_edits(permit.edits()));
    }
    explanation
}

fn explain_denial(decision: &str, denial: &Denial) -> Value {
    let code = denial.reason.code();
    object! {
        "decision": decision,
        "code": code.name(),
        "status": code.status(),
        "reason": denial.reason.name(),
        "rule": denial.rule,
        "scope": Some(denial.scope.as_str()).filter(|scope| !scope.is_empty()),
        "retry_after": denial.retry_after,
        "revoked_by": denial.revoked_by.map(Kind::name),
    }
}

/// What changes in the headers. The signature of the assertion is left out: with it, it would be one.
fn explain_edits(edits: &str) -> Value {
    let mut lines = edits.split('\n');
    let removed: Vec<Value> =
        lines.by_ref().take_while(|line| !line.is_empty()).map(Value::from).collect();
    let mut set = Map::new();
    while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
        let value = match value.rsplit_once('.') {
            Some((statement, _)) if name == ASSERTION_HEADER => format!("{statement}.…"),
            _ => value.to_owned(),
        };
        set.insert(name.to_owned(), value.into());
    }
    object! { "removed": removed, "set": set }
}
