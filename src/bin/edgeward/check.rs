//! `edgeward check`: what the Worker would say of its configuration, and what it cannot see.

use std::path::PathBuf;

use edgeward::core::algorithm::{Algorithm, Family};
use edgeward::core::config::{ClientAuthentication, Settings, TABLE};
use edgeward::core::problem::Problem;
use serde_json::{Value, json};

use super::offline::{ADMIN_TOKEN, Offline, Verdict};
use super::output::{BAD, Exit, Failure, GOOD, NAME, Progress, QUIET, WARNING, say, say_json};
use super::wrangler::{Config, Environment, Secrets, text};

/// The runtime that edgeward is tested with: that of its own wrangler.toml.
const COMPATIBILITY_DATE: &str = "2026-11-17";

/// The Durable Objects: their names in the configuration and in the Worker.
const OBJECTS: [(&str, &str); 2] =
    [("REVOCATION_HUB", "RevocationHub"), ("REVOCATION_RELAY", "RevocationRelay")];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The configuration of wrangler; else wrangler.json, wrangler.jsonc or wrangler.toml of this directory
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The environment to check; else the one without a name
    #[arg(long, value_name = "NAME", conflicts_with = "all_envs")]
    env: Option<String>,
    /// Check the environment without a name and all others
    #[arg(long)]
    all_envs: bool,
    /// Files with secrets, as lines NAME=value or as a JSON object; else .dev.vars or .dev.vars.NAME beside the
    /// configuration. What is in none of them is taken from the variables of this process
    #[arg(long, value_name = "FILE")]
    secrets: Vec<PathBuf>,
    /// A secret that is not known here is a problem
    #[arg(long)]
    require_secrets: bool,
    /// A warning is a problem, too
    #[arg(long)]
    strict: bool,
}

/// What is said about one environment.
struct Finding<'c> {
    environment: Environment<'c>,
    verdict: Verdict,
}

pub(crate) fn run(arguments: &Arguments, as_json: bool) -> Result<Exit, Failure> {
    let config = Config::read(arguments.config.as_deref())?;
    let environments = if arguments.all_envs {
        config.environments()
    } else {
        vec![config.environment(arguments.env.as_deref())?]
    };
    let length = u64::try_from(environments.len()).unwrap_or(u64::MAX);
    let progress = Progress::of_length("checking", length, "environments");
    let mut findings = Vec::new();
    for environment in environments {
        let secrets = Secrets::read(&arguments.secrets, &config, &environment)?;
        let offline = Offline::new(environment, secrets);
        let mut verdict = offline.start(arguments.require_secrets)?;
        examine(&environment, offline.settings().as_ref(), &mut verdict);
        findings.push(Finding { environment, verdict });
        progress.reach(u64::try_from(findings.len()).unwrap_or(length));
    }
    drop(progress);
    let is_good = |finding: &Finding<'_>| {
        let Verdict { problems, warnings, .. } = &finding.verdict;
        problems.is_empty() && (warnings.is_empty() || !arguments.strict)
    };
    let all_good = findings.iter().all(is_good);
    if as_json {
        let path = config.path.display().to_string();
        let all: Vec<_> = findings.iter().map(Finding::to_json).collect();
        say_json(&json!({ "config": path, "good": all_good, "environments": all }));
    } else {
        for finding in &findings {
            say(&finding.to_text(&config, is_good(finding)));
        }
    }
    Ok(if all_good { Exit::Good } else { Exit::Problems })
}

impl Finding<'_> {
    fn to_json(&self) -> Value {
        let Verdict { problems, warnings, unknown } = &self.verdict;
        json!({
            "env": self.environment.name,
            "problems": problems.iter().map(Problem::to_json).collect::<Vec<_>>(),
            "warnings": warnings,
            "not_checked": unknown,
        })
    }

    fn to_text(&self, config: &Config, is_good: bool) -> String {
        let Verdict { problems, warnings, unknown } = &self.verdict;
        let title = format!("{}, {}", config.path.display(), self.environment.title());
        let mut lines = vec![format!("{NAME}{title}{NAME:#}")];
        lines.extend(problems.iter().map(|one| format!("  {BAD}error{BAD:#}    {one}")));
        lines.extend(warnings.iter().map(|one| format!("  {WARNING}warning{WARNING:#}  {one}")));
        if !unknown.is_empty() {
            let names: Vec<_> = unknown.iter().map(String::as_str).collect();
            lines.push(format!(
                "  {QUIET}not checked, since they are not known here: {}{QUIET:#}",
                names.join(", ")
            ));
        }
        lines.push(match (is_good, problems.is_empty(), unknown.is_empty()) {
            (true, _, true) => format!("  {GOOD}good{GOOD:#}"),
            (true, _, false) => format!("  {GOOD}good{GOOD:#}, but for what was not checked"),
            (false, true, _) => format!("  {BAD}not good{BAD:#}: with --strict, warnings count"),
            (false, false, _) => format!("  {BAD}not good{BAD:#}"),
        });
        lines.join("\n") + "\n"
    }
}

/// What the Worker cannot see.
fn examine(environment: &Environment<'_>, settings: Option<&Settings>, verdict: &mut Verdict) {
    inheritance(environment, verdict);
    objects(environment, verdict);
    test_page(environment, verdict);
    compatibility_date(environment, verdict);
    placeholders(environment, verdict);
    reach(environment, verdict);
    exposed_secrets(environment, settings, verdict);
}

/// Wrangler lets environments inherit some keys, and others not.
fn inheritance(environment: &Environment<'_>, verdict: &mut Verdict) {
    let Some(name) = environment.name else { return };
    let top = environment.top();
    if environment.table().is_none() && top.table().is_some() {
        verdict.warnings.push(format!(
            "an environment inherits no variables: [vars.{TABLE}] has to be repeated as \
             [env.{name}.vars.{TABLE}]"
        ));
    }
    let has_no = |key: &str, binding: &str| top.has(key, binding) && !environment.has(key, binding);
    let mut lost = Vec::new();
    if has_no("kv_namespaces", "AUTH_KV") {
        lost.push("AUTH_KV".to_owned());
    }
    for (object, _) in OBJECTS {
        if top.object(object).is_some() && environment.object(object).is_none() {
            lost.push(object.to_owned());
        }
    }
    let services = top.list("services").iter().filter_map(|service| text(service, "binding"));
    lost.extend(services.filter(|it| has_no("services", it)).map(str::to_owned));
    if !lost.is_empty() {
        verdict.warnings.push(format!(
            "an environment inherits no bindings: [env.{name}] is without {}, which the one without a \
             name has",
            lost.join(", ")
        ));
    }
}

/// The Durable Objects need the classes of the Worker, and a migration that makes them.
fn objects(environment: &Environment<'_>, verdict: &mut Verdict) {
    let migrations = environment.inherited("migrations").and_then(Value::as_array);
    let made: Vec<&str> = migrations
        .into_iter()
        .flatten()
        .filter_map(|migration| migration.get("new_sqlite_classes")?.as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, class) in OBJECTS {
        let Some(binding) = environment.object(name) else { continue };
        let found = text(binding, "class_name").unwrap_or_default();
        let path = format!("durable_objects.{name}");
        if found != class {
            let found = format!("the class {found:?}");
            verdict.problems.push(Problem::new(path, found, format!("class_name = {class:?}")));
        } else if text(binding, "script_name").is_none() && !made.contains(&class) {
            verdict.problems.push(Problem::new(
                path,
                "no migration that makes its class",
                format!("[[migrations]] with new_sqlite_classes = [{class:?}]"),
            ));
        }
    }
}

fn test_page(environment: &Environment<'_>, verdict: &mut Verdict) {
    let table = environment.vars().find(|(name, _)| *name == TABLE).map(|(_, table)| table);
    let is_on = table.and_then(|table| table.get("test_page")).and_then(Value::as_bool);
    let assets = environment.inherited("assets").and_then(|assets| text(assets, "binding"));
    if is_on == Some(true) && assets != Some("ASSETS") {
        verdict.problems.push(Problem::new(
            format!("{TABLE}.test_page"),
            "true, with no assets bound as ASSETS",
            "[assets] with binding = \"ASSETS\", or false",
        ));
    }
    // With or without the page: what is among the assets would be served around the gate.
    let is_first = environment.inherited("assets").map(|assets| assets.get("run_worker_first"));
    if is_first.is_some_and(|is_first| is_first.and_then(Value::as_bool) != Some(true)) {
        verdict.problems.push(Problem::new(
            "assets.run_worker_first",
            "not true, so that the platform serves the files around the gate",
            "true",
        ));
    }
}

fn compatibility_date(environment: &Environment<'_>, verdict: &mut Verdict) {
    let found = environment.inherited("compatibility_date").and_then(Value::as_str);
    // Of the form YYYY-MM-DD, so that the earlier one is the lesser one.
    if found.is_none_or(|found| found < COMPATIBILITY_DATE) {
        verdict.problems.push(Problem::new(
            "compatibility_date",
            found.map_or_else(|| "nothing".to_owned(), |found| format!("{found:?}")),
            format!("{COMPATIBILITY_DATE:?} or later, with which edgeward is tested"),
        ));
    }
}

/// What was never filled in.
fn placeholders(environment: &Environment<'_>, verdict: &mut Verdict) {
    for namespace in environment.list("kv_namespaces") {
        let (binding, id) = (text(namespace, "binding"), text(namespace, "id"));
        if id.is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte == b'0')) {
            let binding = binding.unwrap_or_default();
            let env = environment.name.map(|name| format!(" --env {name}")).unwrap_or_default();
            verdict.warnings.push(format!(
                "kv_namespaces.{binding}: the id is a placeholder: `npx wrangler kv namespace create \
                 edgeward{env}` prints the real one"
            ));
        }
    }
    let mut found = Vec::new();
    for key in ["route", "routes"] {
        if let Some(value) = environment.inherited(key) {
            examples(key, value, &mut found);
        }
    }
    for (name, value) in environment.vars() {
        examples(name, value, &mut found);
    }
    if !found.is_empty() {
        verdict
            .warnings
            .push(format!("names of examples were left in place: {}", found.join(", ")));
    }
}

/// Where texts have a host of RFC 2606 in them.
fn examples(path: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            let host = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
            let host = host.split(['/', ':', '*']).next().unwrap_or_default();
            let labels: Vec<_> = host.rsplit('.').take(2).collect();
            let is_example = match labels.as_slice() {
                ["example", ..] => labels.len() > 1,
                ["com" | "net" | "org", "example"] => true,
                _ => false,
            };
            if is_example {
                found.push(format!("{path} ({text})"));
            }
        }
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                examples(&format!("{path}[{at}]"), value, found);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                examples(&format!("{path}.{name}"), value, found);
            }
        }
        _ => {}
    }
}

/// Whether anybody can reach it once it is deployed.
fn reach(environment: &Environment<'_>, verdict: &mut Verdict) {
    let Some(name) = environment.name else { return };
    let has_route = ["route", "routes"].iter().any(|key| environment.inherited(key).is_some());
    let workers_dev = environment.inherited("workers_dev").and_then(Value::as_bool);
    if !has_route && workers_dev == Some(false) {
        verdict.warnings.push(format!(
            "[env.{name}] has no routes and workers_dev = false: deployed, it is reachable from nowhere"
        ));
    }
}

/// Secrets in variables, which everybody can read who can read the file.
fn exposed_secrets(
    environment: &Environment<'_>,
    settings: Option<&Settings>,
    verdict: &mut Verdict,
) {
    let mut secret = vec![ADMIN_TOKEN];
    if let Some(settings) = settings {
        secret.extend(settings.forward.assertion.as_ref().map(|one| one.key.as_str()));
        for provider in &settings.providers {
            let is_shared = |algorithm: &Algorithm| algorithm.family() == Family::Hmac;
            if provider.algorithms.iter().any(is_shared) {
                secret.extend(provider.keys.iter().map(String::as_str));
            }
            let service = provider.introspection.as_ref();
            secret.extend(service.map(|service| match &service.authentication {
                ClientAuthentication::Secret(name) | ClientAuthentication::PrivateKey(name) => {
                    name.as_str()
                }
            }));
        }
        secret.extend(settings.revocation.clients.iter().map(|one| one.client_secret.as_str()));
    }
    for (name, _) in environment.vars().filter(|(name, _)| secret.contains(name)) {
        let env = environment.name.map(|name| format!(" --env {name}")).unwrap_or_default();
        verdict.problems.push(Problem::new(
            format!("vars.{name}"),
            "a secret in the configuration, which is no secret",
            format!("a new one, stored with `npx wrangler secret put {name}{env}`"),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_is_that_of_our_own_configuration() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/wrangler.toml");
        let config = Config::read(Some(path.as_ref())).unwrap();
        let date = config.environment(None).unwrap().inherited("compatibility_date").cloned();
        assert_eq!(date, Some(COMPATIBILITY_DATE.into()));
    }

    #[test]
    fn names_of_examples_are_found_and_no_others() {
        for (text, expected) in [
            ("https://issuer.example", true),
            ("app.example/*", true),
            ("https://a.b.example:8080/x", true),
            ("https://example.com", true),
            ("https://app.example.org/x", true),
            ("example", false),
            ("an example", false),
            ("https://example.com.de", false),
            ("https://myexample.com", false),
            ("https://issuer.test", false),
        ] {
            let mut found = Vec::new();
            examples("x", &json!({ "y": [text] }), &mut found);
            assert_eq!(!found.is_empty(), expected, "{text}: {found:?}");
        }
    }
}
