//! What a gate with these settings would say, told where there is no platform: in a browser.
//!
//! The decision is that of the gate itself, with two differences. Signatures are verified by whoever
//! rehearses, who may need time for it, so a rehearsal names the signatures that it needs to know about, and
//! is held again with the answers. And nobody is asked who can only be asked by the gate: what would have
//! been is said in words, and never taken for a verdict.

use std::cell::{Cell, RefCell};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::question::{Findings, Question};
use super::{Bindings, Gate};
use crate::core::algorithm::{Algorithm, Family};
use crate::core::claims::Millis;
use crate::core::denial::Reason;
use crate::core::json::object;
use crate::core::keys::Material;
use crate::core::problem::Problem;
use crate::core::request::RequestHead;
use crate::core::secret::ClientKey;
use crate::core::verify::{KeyRefused, SignatureEngine, examine};

/// Under which name a key is known that whoever rehearses has brought.
const BROUGHT: &str = "BROUGHT";

/// Where keys would be that are not here. Nobody asks there.
const ELSEWHERE: &str = "https://keys.invalid/";

/// What is rehearsed.
pub struct Rehearsal<'r> {
    /// What `GET /settings` answered.
    pub settings: &'r Value,
    /// What `POST /explain` takes.
    pub question: &'r Value,
    /// A key or secret of the token's issuer that the gate does not tell; empty if there is none.
    pub brought: &'r str,
    /// What is known about signatures: `question` as a rehearsal named it, and `is_right`: true, false, or
    /// null if it cannot be verified here.
    pub answers: &'r [Value],
}

/// Signatures are looked up among the answers; those that are not there become questions.
struct TwoPasses<'a> {
    answers: &'a [Value],
    questions: RefCell<Vec<Value>>,
    /// A signature that nobody here can verify was asked about.
    is_stuck: Cell<bool>,
}

impl SignatureEngine for &TwoPasses<'_> {
    /// A question about a key that is not the token's would be a strange one.
    const HIDES_UNKNOWN_KEYS: bool = false;
    /// A public JWK.
    type Key = Value;
    type SigningKey = ();

    fn import(&self, material: &Material) -> Result<Value, KeyRefused> {
        material.public_jwk().ok_or(KeyRefused)
    }

    fn verify(&self, algorithm: Algorithm, key: &Value, message: &[u8], signature: &[u8]) -> bool {
        let question = object! {
            "algorithm": algorithm.name(),
            "key": key.clone(),
            "message": URL_SAFE_NO_PAD.encode(message),
            "signature": URL_SAFE_NO_PAD.encode(signature),
        };
        let Some(answer) =
            self.answers.iter().find(|answer| answer.get("question") == Some(&question))
        else {
            self.questions.borrow_mut().push(question);
            return false;
        };
        let is_right = answer.get("is_right").and_then(Value::as_bool);
        if is_right.is_none() {
            self.is_stuck.set(true);
        }
        is_right.unwrap_or_default()
    }

    fn import_signing(&self, _: &[u8], _: &[u8; 32]) -> Result<(), KeyRefused> {
        Err(KeyRefused)
    }

    fn import_client(&self, _: &ClientKey) -> Result<(), KeyRefused> {
        Err(KeyRefused)
    }

    fn sign(&self, (): &(), _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    /// The gate of a rehearsal meets one token, which whoever rehearses has chosen.
    fn random(&self) -> u64 {
        0
    }
}

impl Rehearsal<'_> {
    /// Holds it: an object with a `state`.
    ///
    /// - `questions`: signatures that have to be verified first, in `questions`: `algorithm`, `key` (a public
    ///   JWK), `message` and `signature` (base64url)
    /// - `verdict`: what the gate would say, in `explanation`, as far as it decides by itself; `not_asked` has
    ///   sentences about who else would be asked
    /// - `unknown`: nobody can tell here, and `why`; `explanation` has the checks before
    /// - `problems`: these settings make no gate
    #[must_use]
    pub fn hold(&self, now: Millis) -> Value {
        let engine = TwoPasses {
            answers: self.answers,
            questions: RefCell::default(),
            is_stuck: Cell::new(false),
        };
        let gate = match self.gate(&engine) {
            Ok(gate) => gate,
            Err(problems) => {
                let problems: Vec<Value> = problems.iter().map(Problem::to_json).collect();
                return object! { "state": "problems", "problems": problems };
            }
        };
        let head = RequestHead::unpack("POST\nhttps://gate.invalid/");
        let asked = match gate.explaining(Some(self.question.to_string().as_bytes()), &head) {
            Ok(asked) => asked,
            Err(refused) => return unknown(&detail(&refused.body), Value::Null, Vec::new()),
        };
        let mut findings = Findings::default();
        let explanation = loop {
            match gate.explain(&asked, now, &mut findings) {
                Ok(explanation) => break parsed(&explanation.body),
                Err(Question::Keys(provider)) => {
                    gate.begin_keys(provider, now);
                    // The error is the one that goes in.
                    let _ = gate.hear_keys(provider, Err("not asked from here".to_owned()), now);
                    findings.keys_were_fetched();
                }
                Err(_) => {
                    return unknown("The gate would have to ask others.", Value::Null, Vec::new());
                }
            }
        };
        let questions = engine.questions.take();
        if !questions.is_empty() {
            return object! { "state": "questions", "questions": questions };
        }
        let not_asked = self.not_asked(&gate, &explanation);
        match self.doubt(&engine, &explanation) {
            Some(why) => unknown(why, explanation, not_asked),
            None => object! {
                "state": "verdict",
                "explanation": explanation,
                "not_asked": not_asked,
            },
        }
    }

    /// A gate with these settings, but for what it would ask of others.
    fn gate<'e>(&self, engine: &'e TwoPasses<'e>) -> Result<Gate<&'e TwoPasses<'e>>, Vec<Problem>> {
        let mut table = self.settings.get("table").cloned().unwrap_or_default();
        let mut secrets = Map::new();
        secrets.insert(BROUGHT.to_owned(), self.brought.into());
        if let Some(table) = table.as_object_mut() {
            for name in ["revocation", "validation_cache", "test_page"] {
                table.remove(name);
            }
            if let Some(forward) = table.get_mut("forward").and_then(Value::as_object_mut) {
                forward.remove("assertion");
            }
            for rule in members_of(table, "rules") {
                rule.remove("revocation");
            }
            let issuer = self.issuer();
            for (at, provider) in members_of(table, "providers").enumerate() {
                self.prepare(provider, at, issuer.as_deref(), &mut secrets);
            }
        }
        let secret = |name: &str| secrets.get(name).and_then(Value::as_str).map(str::to_owned);
        Gate::boot(&table.to_string(), &secret, Bindings::default(), engine)
    }

    /// Gives a provider the keys that are here. Where there may be others, it gets a place that has them, so
    /// that the gate says "not known" and not "wrong".
    fn prepare(
        &self,
        provider: &mut Map<String, Value>,
        at: usize,
        issuer: Option<&str>,
        secrets: &mut Map<String, Value>,
    ) {
        let name = provider.get("name").and_then(Value::as_str).unwrap_or_default();
        let keys = self.settings.get("keys").and_then(|keys| keys.get(name));
        let keys = keys.and_then(Value::as_array).filter(|keys| !keys.is_empty());
        let is_its_issuer =
            issuer.is_some_and(|issuer| provider.get("issuer").is_some_and(|it| it == issuer));
        let is_brought = !self.brought.is_empty() && is_its_issuer;
        let may_have_others = keys.is_none()
            || ["jwks_uri", "discovery"].iter().any(|name| provider.contains_key(*name))
            || has_shared_secrets(provider);
        for name in ["discovery", "jwks_uri", "jwks", "introspection"] {
            provider.remove(name);
        }
        let mut names = Vec::new();
        if let Some(keys) = keys {
            let binding = format!("KEYS_{at}");
            secrets.insert(binding.clone(), object! { "keys": keys.clone() }.to_string().into());
            names.push(Value::from(binding));
        }
        if is_brought {
            names.push(BROUGHT.into());
        }
        provider.insert("keys".to_owned(), names.into());
        if may_have_others {
            provider.insert("jwks_uri".to_owned(), ELSEWHERE.into());
        }
    }

    /// What the token says about its issuer.
    fn issuer(&self) -> Option<String> {
        let claims = self.question.get("token")?.as_str()?.split('.').nth(1)?;
        let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
        let claims: Value = serde_json::from_slice(&claims).ok()?;
        claims.get("iss")?.as_str().map(str::to_owned)
    }

    /// Why an explanation is no verdict.
    fn doubt(&self, engine: &TwoPasses<'_>, explanation: &Value) -> Option<&'static str> {
        let reason = explanation.get("reason").and_then(Value::as_str).unwrap_or_default();
        let is = |other: Reason| reason == other.name();
        let is_for_the_gate =
            explanation.get("decision").is_some_and(|decision| decision == "gate");
        if is_for_the_gate || is(Reason::WrongAdminToken) || is(Reason::NoSuchEndpoint) {
            return Some("The gate itself answers what is below its admin path.");
        }
        if engine.is_stuck.get() && is(Reason::BadSignature) {
            return Some("This browser cannot verify a signature of this kind.");
        }
        if is(Reason::KeysUnavailable) {
            return Some(
                "The key is not known here: shared secrets never leave the gate, and it may not have fetched \
                 what the issuer publishes.",
            );
        }
        let opaque = |provider: &Value| {
            let introspection = provider.get("introspection");
            introspection.and_then(|it| it.get("opaque_tokens")).is_some_and(|it| it != "refuse")
        };
        let providers = self.settings.get("table").and_then(|table| table.get("providers"));
        let accepts_opaque =
            providers.and_then(Value::as_array).is_some_and(|all| all.iter().any(opaque));
        if is(Reason::MalformedToken) && accepts_opaque {
            return Some("It is no JWT: only the auth service that issued it can read it.");
        }
        None
    }

    /// Whom the gate would ask that a rehearsal does not.
    fn not_asked(&self, gate: &Gate<&TwoPasses<'_>>, explanation: &Value) -> Vec<Value> {
        let token = self.question.get("token").and_then(Value::as_str).unwrap_or_default();
        let Ok(candidate) = examine(gate.settings(), token) else { return Vec::new() };
        if explanation.get("decision").is_some_and(|decision| decision == "deny") {
            return Vec::new();
        }
        let mut sentences = vec!["the list of revocations".into()];
        let table = self.settings.get("table").and_then(|table| table.get("providers"));
        let provider = table.and_then(|providers| providers.get(candidate.provider));
        if provider.is_some_and(|provider| provider.get("introspection").is_some()) {
            sentences.push("the auth service of its issuer".into());
        }
        sentences
    }
}

/// The tables in a list of the table.
fn members_of<'t>(
    table: &'t mut Map<String, Value>,
    name: &str,
) -> impl Iterator<Item = &'t mut Map<String, Value>> {
    let list = table.get_mut(name).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// Whether a provider may have keys that are told to nobody.
fn has_shared_secrets(provider: &Map<String, Value>) -> bool {
    let algorithms = provider.get("algorithms").and_then(Value::as_array);
    let names = algorithms.into_iter().flatten().filter_map(Value::as_str);
    let mut known = names.filter_map(Algorithm::from_name);
    known.any(|algorithm| algorithm.family() == Family::Hmac)
}

fn unknown(why: &str, explanation: Value, not_asked: Vec<Value>) -> Value {
    object! {
        "state": "unknown",
        "why": why,
        "explanation": explanation,
        "not_asked": not_asked,
    }
}

fn parsed(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_default()
}

/// The sentence of a problem document.
fn detail(body: &str) -> String {
    let detail = parsed(body).get("detail").and_then(Value::as_str).map(str::to_owned);
    detail.unwrap_or_default()
}
