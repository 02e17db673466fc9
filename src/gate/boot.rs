//! From a configuration and its secrets to a gate that is ready, or to everything that is wrong.

use std::cell::{Cell, RefCell};

use serde_json::{Value, json};

use super::admin::{ADMIN_TOKEN, AdminToken};
use super::keyring::KeyRing;
use super::metrics::Metrics;
use super::page::NO_PAGE;
use super::revocation::Revocations;
use super::service::{AuthService, Client, MOST_SECRET_BYTES};
use super::{Degrading, Gate, Sealing, revoke};
use crate::core::algorithm::Algorithm;
use crate::core::assertion::Signer;
use crate::core::cache::TokenCache;
use crate::core::config::{
    ClientAuthentication, Forward, Introspection, Provider, Settings, TABLE, ValidationCache,
};
use crate::core::introspection;
use crate::core::keys::VerificationKey;
use crate::core::problem::Problem;
use crate::core::sealed::{Purpose, SealingKey};
use crate::core::secret::{self, SecretError};
use crate::core::tally::Tally;
use crate::core::trace::TraceIds;
use crate::core::verify::{ReadyKey, SignatureEngine, family_name};

/// The least length of the password of a client that may revoke, in bytes: anybody can try one.
const LEAST_PASSWORD_BYTES: usize = 16;

/// The variable that lets requests pass on less than they ask for.
pub(super) const ALLOW_DEGRADED_AUTH: &str = "ALLOW_DEGRADED_AUTH";

/// What the deployment has besides texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each of them is there or not")]
pub struct Bindings {
    /// A KV namespace.
    pub has_kv: bool,
    /// The Durable Objects that keep revocations and get them around.
    pub has_relays: bool,
    /// Only a part of them.
    pub has_some_relays: bool,
    /// The files of the test page.
    pub has_page: bool,
}

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
    /// binding; `bindings` are the others. The error lists all that has to be mended.
    #[inline(never)] // see docs/performance.md, "Cold start"
    pub fn boot(
        table: &str,
        secret: &dyn Fn(&str) -> Option<String>,
        bindings: Bindings,
        engine: E,
    ) -> Result<Self, Vec<Problem>> {
        let Bindings { has_kv, has_relays, has_some_relays, has_page } = bindings;
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
        let services: Vec<_> = settings
            .providers
            .iter()
            .enumerate()
            .map(|(at, provider)| {
                Some(loader.service(at, provider.introspection.as_ref()?)).flatten()
            })
            .collect();
        let (signer, sealing) = loader.signer(&settings.forward).unzip();
        let uses_kv = has_kv && settings.validation_cache != ValidationCache::Off;
        let sealing = sealing.filter(|_| uses_kv);
        let degrading = loader.degrading();
        loader.check_validation_cache(&settings, has_kv);
        loader.check_revocation(&settings, has_relays, has_some_relays);
        loader.check_page(&settings, has_page);
        let revoking_clients = loader.revoking_clients(&settings);
        let (admin_token, warning) = AdminToken::new(secret(ADMIN_TOKEN).as_deref());
        loader.report.warnings.extend(warning);
        let Loader { report, problems, .. } = loader;
        if !problems.is_empty() {
            return Err(problems);
        }
        let published = settings.providers.iter().map(|provider| provider.remote_keys.as_ref());
        let keys = keys.into_iter().zip(published);
        let kv_timeout_ms = settings.validation_cache_timeout_ms;
        let keys =
            keys.map(|(keys, published)| KeyRing::new(keys, published, kv_timeout_ms)).collect();
        let known = RefCell::new(TokenCache::new(engine.random()));
        let metrics = Metrics::new(engine.random());
        let traces = TraceIds::new([engine.random(), engine.random()]);
        let revocations = has_relays.then(|| Revocations::new(&settings.revocation));
        let mut gate = Self {
            table: table.to_owned(),
            settings,
            has_page,
            degrading,
            keys,
            services,
            revocations,
            sealing,
            signer,
            engine,
            known,
            due: Cell::new(None),
            prewarm_from: Cell::new(0),
            traces,
            tally: Tally::new(),
            metrics,
            admin_token,
            revoking_clients,
            report,
        };
        let warnings: Vec<_> = gate
            .shadow_rules()
            .map(|(at, path)| {
                format!(
                    "{TABLE}.rules[{at}].enforce: \"shadow\": whoever this rule ({path}) would deny \
                     goes to the origin"
                )
            })
            .collect();
        gate.report.warnings.extend(warnings);
        Ok(gate)
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

    /// The text of a binding that must be none of our own secrets: one key has one purpose, and
    /// the admin token is sent to nobody.
    fn foreign_text(&mut self, place: &str, binding: &str, expected: &str) -> Option<String> {
        if binding == ADMIN_TOKEN || self.assertion_key.is_some_and(|own| own == binding) {
            let found = format!("{binding}, a secret of the gate itself");
            self.problems.push(Problem::new(place, found, expected));
            return None;
        }
        self.text(place, binding)
    }

    fn keys(&mut self, at: usize, provider: &Provider) -> Vec<ReadyKey<E::Key>> {
        let mut ready: Vec<ReadyKey<E::Key>> = Vec::new();
        let mut listed = Vec::new();
        let problems_before = self.problems.len();
        for (position, binding) in provider.keys.iter().enumerate() {
            let place = format!("{TABLE}.providers[{at}].keys[{position}]");
            let Some(text) = self.foreign_text(&place, binding, "a secret with the issuer's keys")
            else {
                continue;
            };
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
        // What a published set will have nobody knows yet.
        if self.problems.len() == problems_before && provider.remote_keys.is_none() {
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

    /// The key for assertions, and what is derived from it.
    fn signer(&mut self, forward: &Forward) -> Option<(Signer<E::SigningKey>, Sealing)> {
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
                format!(
                    "the secret {}, whose d and x do not belong together, or whose kid another key in \
                     `publish` has",
                    settings.key
                ),
                "a private JWK of one key pair, with a kid of its own",
            ));
        }
        let sealing = Sealing {
            validations: SealingKey::derive(&key, Purpose::Validation),
            key_sets: SealingKey::derive(&key, Purpose::KeySet),
            revocations: SealingKey::derive(&key, Purpose::Revocations),
        };
        Some((signer?, sealing))
    }

    /// An auth service, with the secret that we show it.
    fn service(
        &mut self,
        at: usize,
        settings: &Introspection,
    ) -> Option<AuthService<E::SigningKey>> {
        let place = |key: &str| format!("{TABLE}.providers[{at}].introspection.{key}");
        let client = match &settings.authentication {
            ClientAuthentication::Secret(binding) => {
                let place = place("client_secret");
                let text =
                    self.foreign_text(&place, binding, "a secret with the client's password")?;
                let secret = text.trim_ascii();
                if secret.is_empty() || secret.len() > MOST_SECRET_BYTES {
                    self.problems.push(Problem::new(
                        place,
                        format!("the secret {binding}, of {} bytes", secret.len()),
                        format!("the client's password, of 1 to {MOST_SECRET_BYTES} bytes"),
                    ));
                    return None;
                }
                Client::Basic(introspection::basic(&settings.client_id, secret))
            }
            ClientAuthentication::PrivateKey(binding) => {
                let place = place("client_key");
                let text = self.foreign_text(&place, binding, "a secret with the client's key")?;
                let key = match secret::parse_client_key(binding, &text) {
                    Ok(key) => key,
                    Err(error) => {
                        self.problems.push(unusable(place, &error));
                        return None;
                    }
                };
                match self.engine.import_client(&key) {
                    Ok(imported) => {
                        Client::Key { key: imported, algorithm: key.algorithm, key_id: key.kid }
                    }
                    Err(refused) => {
                        let found = format!("the secret {binding}: {refused}");
                        self.problems.push(Problem::new(place, found, "a private JWK"));
                        return None;
                    }
                }
            }
        };
        Some(AuthService::new(settings, client))
    }

    fn degrading(&mut self) -> Degrading {
        match (self.secret)(ALLOW_DEGRADED_AUTH).as_deref().map(str::trim_ascii) {
            None | Some("false") => Degrading::Never,
            Some("true") => Degrading::AsConfigured,
            Some(other) => {
                self.problems.push(Problem::new(
                    ALLOW_DEGRADED_AUTH,
                    format!("a text of {} bytes", other.len()),
                    "\"true\" or \"false\"",
                ));
                Degrading::Never
            }
        }
    }

    fn revoking_clients(&mut self, settings: &Settings) -> Vec<revoke::Client> {
        let mut clients = Vec::new();
        for (at, client) in settings.revocation.clients.iter().enumerate() {
            let place = format!("{TABLE}.revocation.clients[{at}].client_secret");
            let expected = "a secret with the client's password";
            let Some(text) = self.foreign_text(&place, &client.client_secret, expected) else {
                continue;
            };
            let secret = text.trim_ascii();
            if secret.len() < LEAST_PASSWORD_BYTES || secret.len() > MOST_SECRET_BYTES {
                let binding = &client.client_secret;
                self.problems.push(Problem::new(
                    place,
                    format!("the secret {binding}, of {} bytes", secret.len()),
                    format!(
                        "the client's password, of {LEAST_PASSWORD_BYTES} to {MOST_SECRET_BYTES} bytes"
                    ),
                ));
                continue;
            }
            clients.push(revoke::Client::new(client, secret));
        }
        clients
    }

    /// Without the Durable Objects nothing can be revoked, so nobody may count on it.
    fn check_revocation(&mut self, settings: &Settings, has_relays: bool, has_some: bool) {
        let place = match settings.strict_rule {
            _ if has_relays => return,
            Some(at) => format!("{TABLE}.rules[{at}].revocation"),
            None if settings.revocation.is_asked_for || has_some => format!("{TABLE}.revocation"),
            None => return,
        };
        self.problems.push(Problem::new(
            place,
            if has_some {
                "only one of the Durable Object namespaces REVOCATION_HUB and REVOCATION_RELAY"
            } else {
                "no Durable Object namespaces named REVOCATION_HUB and REVOCATION_RELAY"
            },
            "both bindings and their migration in wrangler.toml, or no such key",
        ));
    }

    /// Without its files there is no page. Nothing else depends on it.
    fn check_page(&mut self, settings: &Settings, has_page: bool) {
        if settings.test_page && !has_page {
            self.report.warnings.push(format!("{TABLE}.test_page: true, but {NO_PAGE}"));
        }
    }

    /// Without a namespace, or a key that seals, nothing is kept in KV.
    fn check_validation_cache(&mut self, settings: &Settings, has_kv: bool) {
        let place = format!("{TABLE}.validation_cache");
        let asks = settings
            .providers
            .iter()
            .any(|provider| provider.introspection.is_some() || provider.remote_keys.is_some());
        let (lack, mend) = match (has_kv, &settings.forward.assertion) {
            (true, Some(_)) => return,
            (false, _) => ("no KV namespace", "a binding AUTH_KV: [[kv_namespaces]]"),
            (true, None) => (
                "no key that seals what is kept there",
                "`forward.assertion` with a key, from which that one is derived",
            ),
        };
        match settings.validation_cache {
            ValidationCache::Always => self.problems.push(Problem::new(
                place,
                format!("\"always\", with {lack}"),
                format!("{mend}, or \"auto\""),
            )),
            ValidationCache::Auto if asks => self.report.warnings.push(format!(
                "{place}: isolates cannot tell each other what they find out: found {lack}; expected \
                 {mend}"
            )),
            ValidationCache::Auto | ValidationCache::Off => {}
        }
    }
}
