//! The gate of a configuration, made ready here as the Worker makes it ready there.
//!
//! In scope: the Worker's own boot, with what is known of the secrets here, and what stands in for the
//! others. Out of scope: what is told about it (`super::check`, `super::inspect`).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::rsa::KeySize;
use edgeward::core::algorithm::Algorithm;
use edgeward::core::config::{ClientAuthentication, Origin, Settings};
use edgeward::core::problem::Problem;
use edgeward::gate::{Bindings, Gate};
use serde_json::{Value, json};

use super::crypto::{NativeCrypto, PrivateKey};
use super::keys::{NoKey, encode, random};
use super::output::{Exit, Failure};
use super::wrangler::{Environment, Secrets};

pub(crate) const ADMIN_TOKEN: &str = "ADMIN_TOKEN";
/// A variable, which may be absent.
const ALLOW_DEGRADED_AUTH: &str = "ALLOW_DEGRADED_AUTH";

/// A configuration with what is known of its secrets.
pub(crate) struct Offline<'c> {
    environment: Environment<'c>,
    secrets: Secrets,
    table: Option<String>,
}

/// What the Worker would say when it starts.
pub(crate) struct Verdict {
    /// What has to be mended before anyone can pass.
    pub(crate) problems: Vec<Problem>,
    /// What works, but not as somebody may think.
    pub(crate) warnings: Vec<String>,
    /// Secrets that are not known here.
    pub(crate) unknown: BTreeSet<String>,
}

impl<'c> Offline<'c> {
    pub(crate) fn new(environment: Environment<'c>, secrets: Secrets) -> Self {
        Self { environment, secrets, table: environment.table() }
    }

    /// The settings, if they can be read.
    pub(crate) fn settings(&self) -> Option<Settings> {
        Settings::parse(self.table.as_deref()?).ok()
    }

    /// A text binding as the Worker would find it, as far as that is known here.
    fn text(&self, name: &str) -> Option<String> {
        self.environment.var(name).or_else(|| self.secrets.get(name))
    }

    /// Starts as the Worker does. A secret that is not known here is a problem only if it has to be known.
    pub(crate) fn start(&self, must_know_secrets: bool) -> Result<Verdict, Failure> {
        let mut verdict =
            Verdict { problems: Vec::new(), warnings: Vec::new(), unknown: BTreeSet::new() };
        let Some(table) = &self.table else {
            verdict.problems.push(Problem::of_missing_table());
            return Ok(verdict);
        };
        let unknown = RefCell::new(BTreeSet::new());
        let secret = |name: &str| {
            let text = self.text(name);
            if text.is_none() && name != ALLOW_DEGRADED_AUTH {
                unknown.borrow_mut().insert(name.to_owned());
            }
            text
        };
        let booted = Gate::boot(table, &secret, self.environment.bindings(), engine());
        verdict.unknown = unknown.take();
        let problems = booted.as_ref().err().cloned().unwrap_or_default();
        let is_of_unknown = |problem: &Problem| {
            verdict.unknown.iter().any(|name| problem.found == format!("no secret named {name}"))
        };
        verdict.problems = problems;
        if must_know_secrets {
            if verdict.unknown.contains(ADMIN_TOKEN) {
                let expected = "a secret of at least 32 bytes: `wrangler secret put ADMIN_TOKEN`";
                verdict.problems.push(Problem::new(
                    ADMIN_TOKEN,
                    "no secret of this name",
                    expected,
                ));
            }
        } else {
            let mut problems = std::mem::take(&mut verdict.problems);
            problems.retain(|problem| !is_of_unknown(problem));
            verdict.problems = problems;
        }
        if verdict.problems.is_empty() {
            // Once more, so that nothing that would be said after them is missing.
            let gate = match booted {
                Ok(gate) => gate,
                Err(_) => self.gate()?,
            };
            verdict.warnings.clone_from(&gate.report().warnings);
            if let Origin::Service(name) = &gate.settings().origin
                && !self.environment.has("services", name)
            {
                verdict.problems.push(Problem::of_missing_service(name));
            }
        }
        Ok(verdict)
    }

    /// The gate. What is not known of the secrets is made up, so no token can be good because of it.
    pub(crate) fn gate(&self) -> Result<Gate<NativeCrypto>, Failure> {
        let table =
            self.table.as_deref().ok_or_else(|| unusable(&[Problem::of_missing_table()]))?;
        let settings = Settings::parse(table).map_err(|problems| unusable(&problems))?;
        let made_up =
            StandIns::of(&settings).map_err(|NoKey(why)| Failure::new(Exit::Problems, why))?;
        let secret = |name: &str| match name {
            ADMIN_TOKEN | ALLOW_DEGRADED_AUTH => self.text(name),
            _ => self.text(name).or_else(|| made_up.text(name)),
        };
        let bindings: Bindings = self.environment.bindings();
        Gate::boot(table, &secret, bindings, engine()).map_err(|problems| unusable(&problems))
    }

    /// The first secret with keys of this provider that is not known here.
    pub(crate) fn unknown_keys(&self, settings: &Settings, provider: usize) -> Option<String> {
        let provider = settings.providers.get(provider)?;
        provider.keys.iter().find(|name| self.text(name).is_none()).cloned()
    }
}

fn unusable(problems: &[Problem]) -> Failure {
    let all: Vec<_> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
    Failure::new(
        Exit::Problems,
        format!("the configuration cannot be used; `edgeward check` says more:{}", all.concat()),
    )
}

fn engine() -> NativeCrypto {
    NativeCrypto(|| random::<8>().map(u64::from_le_bytes).unwrap_or_default())
}

/// Secrets that are made up.
struct StandIns(BTreeMap<String, StandIn>);

enum StandIn {
    Keys(Vec<Value>),
    Text(String),
}

impl StandIns {
    fn of(settings: &Settings) -> Result<Self, NoKey> {
        let mut all = Self(BTreeMap::new());
        let password = || random::<32>().map(|bytes| StandIn::Text(encode(&bytes)));
        let private = || -> Result<_, NoKey> {
            let key = PrivateKey::generate(Algorithm::EdDsa, KeySize::Rsa2048)?;
            Ok(StandIn::Text(Value::Object(key.private_jwk()?).to_string()))
        };
        for provider in &settings.providers {
            for name in &provider.keys {
                all.add_keys(name, &provider.algorithms)?;
            }
            match provider.introspection.as_ref().map(|service| &service.authentication) {
                Some(ClientAuthentication::Secret(name)) => all.add(name, password()?),
                Some(ClientAuthentication::PrivateKey(name)) => all.add(name, private()?),
                None => {}
            }
        }
        for client in &settings.revocation.clients {
            all.add(&client.client_secret, password()?);
        }
        if let Some(assertion) = &settings.forward.assertion {
            all.add(&assertion.key, private()?);
        }
        Ok(all)
    }

    fn add(&mut self, name: &str, secret: StandIn) {
        self.0.entry(name.to_owned()).or_insert(secret);
    }

    /// A key for each of these algorithms.
    fn add_keys(&mut self, name: &str, algorithms: &[Algorithm]) -> Result<(), NoKey> {
        let entry = self.0.entry(name.to_owned()).or_insert_with(|| StandIn::Keys(Vec::new()));
        let StandIn::Keys(keys) = entry else { return Ok(()) };
        let mut families = Vec::new();
        for algorithm in algorithms {
            if families.contains(&algorithm.family()) {
                continue;
            }
            families.push(algorithm.family());
            let key = PrivateKey::generate(*algorithm, KeySize::Rsa2048)?;
            let mut jwk = match key.public_jwk() {
                Some(jwk) => jwk,
                None => key.private_jwk()?,
            };
            jwk.insert("kid".to_owned(), encode(&random::<16>()?).into());
            keys.push(Value::Object(jwk));
        }
        Ok(())
    }

    fn text(&self, name: &str) -> Option<String> {
        Some(match self.0.get(name)? {
            StandIn::Keys(keys) => json!({ "keys": keys }).to_string(),
            StandIn::Text(text) => text.clone(),
        })
    }
}
