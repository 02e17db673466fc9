//! From a configuration and its secrets to a gate that is ready, or to everything that is wrong.

use std::cell::RefCell;

use serde_json::{Value, json};

use super::Gate;
use super::admin::{ADMIN_TOKEN, AdminToken};
use crate::core::algorithm::Algorithm;
use crate::core::assertion::Signer;
use crate::core::cache::TokenCache;
use crate::core::config::{Forward, Provider, Settings, TABLE};
use crate::core::keys::VerificationKey;
use crate::core::problem::Problem;
use crate::core::secret::{self, SecretError};
use crate::core::tally::Tally;
use crate::core::verify::{ReadyKey, SignatureEngine, family_name};

/// What was found while the gate was made ready, for the log and the health report. No key
/// material is in it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What works, but not as the operator may think; one sentence each.
    pub warnings: Vec<String>,
    /// For each provider, its keys as JSON objects.
    pub(super) keys: Vec<Vec<Value>>,
}

impl<E: SignatureEngine> Gate<E> {
    /// Makes a gate ready. `table` is the `AUTH` table as JSON; `secret` gives the text of a
    /// secret binding; `seed` is random. The error lists all that has to be mended.
    #[inline(never)] // see docs/performance.md, "Cold start"
    pub fn boot(
        table: &str,
        secret: &dyn Fn(&str) -> Option<String>,
        engine: E,
        seed: u64,
    ) -> Result<Self, Vec<Problem>> {
        let settings = Settings::parse(table)?;
        let assertion_key = settings.forward.assertion.as_ref().map(|one| one.key.as_str());
        let report = Report::default();
        let mut loader =
            Loader { secret, engine: &engine, assertion_key, report, problems: Vec::new() };
        let keys: Vec<_> = settings
            .providers
            .iter()
            .enumerate()
            .map(|(at, provider)| loader.keys(at, provider))
            .collect();
        let signer = loader.signer(&settings.forward);
        let (admin_token, warning) = AdminToken::new(secret(ADMIN_TOKEN).as_deref());
        loader.report.warnings.extend(warning);
        let Loader { report, problems, .. } = loader;
        if !problems.is_empty() {
            return Err(problems);
        }
        let known = RefCell::new(TokenCache::new(seed));
        let tally = Tally::new();
        Ok(Self { settings, keys, signer, engine, known, tally, admin_token, report })
    }
}

/// A secret whose text gives no key; the error says why, and what to store instead.
fn unusable(place: String, error: &SecretError) -> Problem {
    let found = format!("the secret {}, which cannot be used", error.binding);
    Problem::new(place, found, error.to_string())
}

/// Whether a text may be shown as the name of a binding. A key that was pasted in place of a name
/// is longer than most names, or mixes cases.
fn is_like_a_name(binding: &str) -> bool {
    let is_constant = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    binding.len() < 32 || (binding.contains('_') && binding.bytes().all(is_constant))
}

struct Loader<'a, E> {
    secret: &'a dyn Fn(&str) -> Option<String>,
    engine: &'a E,
    /// The binding of the key that signs assertions.
    assertion_key: Option<&'a str>,
    report: Report,
    problems: Vec<Problem>,
}

impl<E: SignatureEngine> Loader<'_, E> {
    /// The text of a binding; a missing one is a problem at `place`.
    fn text(&mut self, place: &str, binding: &str) -> Option<String> {
        let text = (self.secret)(binding);
        if text.is_none() {
            let (found, name) = if is_like_a_name(binding) {
                (format!("no secret named {binding}"), binding)
            } else {
                (format!("a text of {} bytes that names no secret", binding.len()), "NAME")
            };
            let expected = format!("the name of a secret: `wrangler secret put {name}`");
            self.problems.push(Problem::new(place, found, expected));
        }
        text
    }

    fn keys(&mut self, at: usize, provider: &Provider) -> Vec<ReadyKey<E::Key>> {
        let mut ready: Vec<ReadyKey<E::Key>> = Vec::new();
        let mut listed = Vec::new();
        let problems_before = self.problems.len();
        for (position, binding) in provider.keys.iter().enumerate() {
            let place = format!("{TABLE}.providers[{at}].keys[{position}]");
            if binding == ADMIN_TOKEN || self.assertion_key.is_some_and(|own| own == binding) {
                let found = format!("{binding}, a secret of the gate itself");
                self.problems.push(Problem::new(place, found, "a secret with the issuer's keys"));
                continue;
            }
            let Some(text) = self.text(&place, binding) else { continue };
            let parsed = match secret::parse(binding, &text) {
                Ok(parsed) => parsed,
                Err(error) => {
                    self.problems.push(unusable(place, &error));
                    continue;
                }
            };
            let about = |warning| format!("{binding}: {warning}");
            self.report.warnings.extend(parsed.warnings.into_iter().map(about));
            let mut usable = 0;
            for description in parsed.keys {
                if ready.iter().any(|key| *key.as_ref() == description) {
                    usable += 1;
                    continue;
                }
                let kid = description.kid.clone();
                let entry = json!({
                    "kid": kid,
                    "type": family_name(description.material.family()),
                    "alg": description.algorithm.map(Algorithm::name),
                    "source": binding,
                    "format": parsed.format.to_string(),
                });
                match ReadyKey::prepare(self.engine, description) {
                    Ok(key) => {
                        usable += 1;
                        ready.push(key);
                        listed.push(entry);
                    }
                    Err(refused) => {
                        let name = kid.map_or_else(String::new, |kid| format!(" {kid:?}"));
                        self.report
                            .warnings
                            .push(format!("{binding}: the key{name} is skipped: {refused}"));
                    }
                }
            }
            if usable == 0 {
                self.problems.push(Problem::new(
                    place,
                    format!("the secret {binding} ({}) without a usable key", parsed.format),
                    "a public key whose point is on its curve",
                ));
            }
        }
        if self.problems.len() == problems_before {
            self.check_algorithms(at, provider, &ready);
        }
        self.report.keys.push(listed);
        ready
    }

    /// Every algorithm of the list should have a key, and at least one must. Keys that no token can
    /// choose between are a mistake: all its tokens would be refused.
    fn check_algorithms(&mut self, at: usize, provider: &Provider, keys: &[ReadyKey<E::Key>]) {
        let mut idle = Vec::new();
        for algorithm in &provider.algorithms {
            let name = algorithm.name();
            let (named, nameless): (Vec<_>, Vec<_>) = keys
                .iter()
                .map(AsRef::as_ref)
                .filter(|key: &&VerificationKey| key.serves(*algorithm))
                .partition(|key| key.kid.is_some());
            if named.is_empty() && nameless.is_empty() {
                idle.push(name);
            }
            let first = nameless.first().map(|key| &key.material);
            if nameless.iter().all(|key| Some(&key.material) == first) {
                continue;
            }
            let place = format!("{TABLE}.providers[{at}].keys");
            let found = format!("{} keys without `kid` for {name}", nameless.len());
            if named.is_empty() {
                self.problems.push(Problem::new(
                    place,
                    found,
                    "keys that tokens can choose between: store each as a JWK with the `kid` that \
                     the issuer puts into its tokens, or keep one",
                ));
            } else {
                let warning = format!("{place}: {found}: no token can choose between them");
                self.report.warnings.push(warning);
            }
        }
        if idle.len() == provider.algorithms.len() {
            let families: Vec<&str> =
                keys.iter().map(|key| family_name(key.as_ref().material.family())).collect();
            self.problems.push(Problem::new(
                format!("{TABLE}.providers[{at}].algorithms"),
                format!("{}, but the keys are {}", idle.join(", "), families.join(", ")),
                "at least one algorithm that one of the keys can verify (an HMAC secret must be \
                 as long as the hash: 32, 48 or 64 bytes)",
            ));
        } else if !idle.is_empty() {
            self.report.warnings.push(format!(
                "{TABLE}.providers[{at}].algorithms: no key can verify {}",
                idle.join(", ")
            ));
        }
    }

    fn signer(&mut self, forward: &Forward) -> Option<Signer<E::SigningKey>> {
        let settings = forward.assertion.as_ref()?;
        let place = format!("{TABLE}.forward.assertion.key");
        let text = self.text(&place, &settings.key)?;
        let key = match secret::parse_assertion_key(&settings.key, &text) {
            Ok(key) => key,
            Err(error) => {
                self.problems.push(unusable(place, &error));
                return None;
            }
        };
        let signer = Signer::prepare(self.engine, settings, &key).ok();
        if signer.is_none() {
            self.problems.push(Problem::new(
                place,
                format!("the secret {}, whose d and x do not belong together", settings.key),
                "a private JWK of one key pair",
            ));
        }
        signer
    }
}
