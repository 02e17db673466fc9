//! From a configuration and its secrets to a gate that is ready, or to everything that is wrong.

use std::cell::RefCell;

use serde_json::{Value, json};

use super::Gate;
use crate::core::algorithm::Algorithm;
use crate::core::assertion::Signer;
use crate::core::cache::TokenCache;
use crate::core::config::{Forward, Provider, Settings, TABLE};
use crate::core::problem::Problem;
use crate::core::secret;
use crate::core::verify::{ReadyKey, SignatureEngine, family_name, is_served};

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
    pub fn boot(
        table: &str,
        secret: &dyn Fn(&str) -> Option<String>,
        engine: E,
        seed: u64,
    ) -> Result<Self, Vec<Problem>> {
        let settings = Settings::parse(table)?;
        let mut loader =
            Loader { secret, engine: &engine, report: Report::default(), problems: Vec::new() };
        let keys: Vec<_> = settings
            .providers
            .iter()
            .enumerate()
            .map(|(at, provider)| loader.keys(at, provider))
            .collect();
        let signer = loader.signer(&settings.forward);
        let Loader { report, problems, .. } = loader;
        if !problems.is_empty() {
            return Err(problems);
        }
        let known = RefCell::new(TokenCache::new(seed));
        Ok(Self { settings, keys, signer, engine, known, report })
    }
}

struct Loader<'a, E> {
    secret: &'a dyn Fn(&str) -> Option<String>,
    engine: &'a E,
    report: Report,
    problems: Vec<Problem>,
}

impl<E: SignatureEngine> Loader<'_, E> {
    /// The text of a binding; a missing one is a problem at `place`.
    fn text(&mut self, place: &str, binding: &str) -> Option<String> {
        let text = (self.secret)(binding);
        if text.is_none() {
            self.problems.push(Problem::new(
                place,
                format!("no secret named {binding}"),
                format!("a secret of this name: `wrangler secret put {binding}`"),
            ));
        }
        text
    }

    fn keys(&mut self, at: usize, provider: &Provider) -> Vec<ReadyKey<E::Key>> {
        let mut ready: Vec<ReadyKey<E::Key>> = Vec::new();
        let mut listed = Vec::new();
        let problems_before = self.problems.len();
        for (position, binding) in provider.keys.iter().enumerate() {
            let place = format!("{TABLE}.providers[{at}].keys[{position}]");
            let Some(text) = self.text(&place, binding) else { continue };
            let parsed = match secret::parse(binding, &text) {
                Ok(parsed) => parsed,
                Err(error) => {
                    let found = format!("the secret {binding}, which cannot be used");
                    self.problems.push(Problem::new(place, found, error.to_string()));
                    continue;
                }
            };
            let about = |warning| format!("{binding}: {warning}");
            self.report.warnings.extend(parsed.warnings.into_iter().map(about));
            let mut usable = 0;
            for description in parsed.keys {
                let known = ready.iter().any(|key| *key.as_ref() == description);
                let kid = description.kid.clone();
                let entry = json!({
                    "kid": kid,
                    "type": family_name(description.material.family()),
                    "alg": description.algorithm.map(Algorithm::name),
                    "source": binding,
                    "format": parsed.format.to_string(),
                });
                match ReadyKey::prepare(self.engine, description) {
                    Ok(_) if known => usable += 1,
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

    /// Every algorithm of the list should have a key, and at least one must.
    fn check_algorithms(&mut self, at: usize, provider: &Provider, keys: &[ReadyKey<E::Key>]) {
        let idle: Vec<&str> = provider
            .algorithms
            .iter()
            .filter(|algorithm| !is_served(keys, **algorithm))
            .map(|algorithm| algorithm.name())
            .collect();
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
                let found = format!("the secret {}, which cannot be used", settings.key);
                self.problems.push(Problem::new(place, found, error.to_string()));
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
