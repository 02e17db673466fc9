//! `edgeward inspect`: what a token says and, with a configuration, what the gate would say to it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use edgeward::core::config::{KeySetLocation, Settings};
use edgeward::core::introspection::Silence;
use edgeward::core::remote_keys::{MOST_BYTES, jwks_uri};
use edgeward::core::request::RequestHead;
use edgeward::core::revocation::delta::{Delta, Head};
use edgeward::core::token::is_like_a_jwt;
use edgeward::gate::{Findings, Gate, Question as Asked, Stored, bare, inspect};
use serde_json::{Value, json};

use super::admin::{Question, exit_of, explanation_text};
use super::cli::{input_or_argument, tell, tell_json};
use super::clock::now;
use super::crypto::NativeCrypto;
use super::http::Request;
use super::offline::Offline;
use super::output::{BAD, Exit, Failure, NAME, Progress, QUIET, WARNING, say, say_json};
use super::wrangler::{Config, Secrets, text};

/// A decision asks for fewer things.
const MOST_QUESTIONS: usize = 10;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The token; `-` or nothing for standard input, so that it is in no list of processes
    token: Option<String>,
    /// Also judge it by this configuration of wrangler
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The environment of the configuration; else the one without a name
    #[arg(long, value_name = "NAME", requires = "config")]
    env: Option<String>,
    /// Files with secrets, see `edgeward check --help`
    #[arg(long, value_name = "FILE", requires = "config")]
    secrets: Vec<PathBuf>,
    #[command(flatten)]
    question: Question,
}

pub(crate) fn run(arguments: &Arguments, as_json: bool) -> Result<Exit, Failure> {
    let asks_for_gate = {
        let Question { path, method, host, headers } = &arguments.question;
        path.is_some() || method.is_some() || host.is_some() || !headers.is_empty()
    };
    if asks_for_gate && arguments.config.is_none() {
        return Err(Failure::usage(
            "a request can only be judged by a configuration; name it with --config",
        ));
    }
    let token = input_or_argument(arguments.token.as_deref())?;
    let mut told = inspect(&token, now());
    let mut exit = Exit::Good;
    if let Some(path) = &arguments.config {
        let config = Config::read(Some(path))?;
        let environment = config.environment(arguments.env.as_deref())?;
        let secrets = Secrets::read(&arguments.secrets, &config, &environment)?;
        let judged = Judged::of(&Offline::new(environment, secrets), &arguments.question, &token)?;
        exit = exit_of(&judged.explanation);
        if let Value::Object(members) = &mut told {
            members.insert("gate".to_owned(), judged.explanation);
            members.insert("not_asked".to_owned(), json!(judged.not_asked));
        }
    }
    if as_json {
        say_json(&told);
    } else {
        say(&to_text(&told));
    }
    Ok(exit)
}

fn to_text(told: &Value) -> String {
    let mut said = String::new();
    let part = |name: &str| told.get(name).filter(|part| !part.is_null());
    match text(told, "form") {
        Some("empty") => said.push_str("nothing\n"),
        Some("opaque") => said.push_str("an opaque token\n"),
        _ => {}
    }
    for name in ["header", "claims"] {
        if let Some(part) = part(name) {
            let _ = writeln!(said, "{NAME}{name}{NAME:#} {}", tell_json(part));
        }
    }
    let list = |name: &str| told.get(name).and_then(Value::as_array).into_iter().flatten();
    for time in list("times") {
        let [claim, words] = ["claim", "words"].map(|name| tell(text(time, name)));
        let utc = text(time, "utc").unwrap_or("after the year 9999");
        let _ = writeln!(said, "{NAME}{claim}{NAME:#} {utc}, {words}");
    }
    if let Some(fault) = part("fault") {
        let [reason, sentence] = ["reason", "sentence"].map(|name| tell(text(fault, name)));
        let _ = writeln!(said, "{BAD}{reason}{BAD:#} {sentence}");
    }
    for warning in list("warnings") {
        let _ = writeln!(said, "{WARNING}warning{WARNING:#} {}", tell(warning.as_str()));
    }
    match part("gate") {
        Some(explanation) => {
            said.push_str(&explanation_text(explanation));
            for what in list("not_asked") {
                let _ = writeln!(said, "  {WARNING}not asked{WARNING:#}: {}", tell(what.as_str()));
            }
        }
        None if text(told, "form") == Some("jwt") => {
            let _ = writeln!(said, "{QUIET}The signature was not checked; --config does.{QUIET:#}");
        }
        None => {}
    }
    said
}

/// What the gate of a configuration makes of a request.
struct Judged {
    explanation: Value,
    /// What could not be asked from here.
    not_asked: BTreeSet<String>,
}

impl Judged {
    fn of(offline: &Offline<'_>, question: &Question, token: &str) -> Result<Self, Failure> {
        let progress = Progress::of("making the gate of this configuration");
        let gate = offline.gate()?;
        let question = question.to_json(Some(bare(token)))?.to_string();
        let host = gate.settings().allowed_origins.first().and_then(|it| it.split_once("://"));
        let host = host.map_or("localhost", |(_, host)| host);
        let head = format!("POST\nhttps://{host}/");
        let asked = gate
            .explaining(Some(question.as_bytes()), &RequestHead::unpack(&head))
            .map_err(|refused| {
                let refused: Value = serde_json::from_str(&refused.body).unwrap_or_default();
                Failure::usage(format!(
                    "the request cannot be judged: {}",
                    tell(text(&refused, "detail"))
                ))
            })?;
        let mut findings = Findings::default();
        let mut not_asked = BTreeSet::new();
        for _ in 0..MOST_QUESTIONS {
            match gate.explain(&asked, now(), &mut findings) {
                Ok(answer) => {
                    let mut explanation: Value = serde_json::from_str(&answer.body)
                        .map_err(|_| Failure::new(Exit::Problems, "the gate explains nothing"))?;
                    mark_unknown_keys(offline, gate.settings(), &explanation, &mut not_asked);
                    mark(&mut explanation, &not_asked);
                    let not_asked = not_asked.into_iter().map(Unknown::sentence).collect();
                    return Ok(Self { explanation, not_asked });
                }
                Err(open) => answer(&gate, open, &mut findings, &mut not_asked, &progress),
            }
        }
        Err(Failure::new(Exit::Problems, "the gate goes on asking"))
    }
}

/// What is not known from here.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Unknown {
    Revocations,
    AuthService,
    PublishedKeys(String, String),
    Keys(String),
}

impl Unknown {
    fn sentence(self) -> String {
        match self {
            Self::Revocations => {
                "whether it was revoked; `edgeward explain` asks a deployment".to_owned()
            }
            Self::AuthService => {
                "the auth service; of a JWT it is assumed that it is active, of an opaque token nothing is \
                 known"
                    .to_owned()
            }
            Self::PublishedKeys(provider, why) => {
                format!("the keys that {provider} publishes cannot be had: {why}")
            }
            Self::Keys(name) => format!("the keys in {name}, which are not known here; give --secrets"),
        }
    }
}

/// Keys that are not known here decide nothing, although the gate says that the token's is none of them.
fn mark_unknown_keys(
    offline: &Offline<'_>,
    settings: &Settings,
    explanation: &Value,
    not_asked: &mut BTreeSet<Unknown>,
) {
    let provider = text(explanation, "provider");
    let position = settings.providers.iter().position(|one| Some(one.name.as_str()) == provider);
    let name = position.and_then(|position| offline.unknown_keys(settings, position));
    not_asked.extend(name.map(Unknown::Keys));
}

/// What passed because nobody could ask has not passed.
fn mark(explanation: &mut Value, not_asked: &BTreeSet<Unknown>) {
    let mut unknown = Vec::new();
    if not_asked.contains(&Unknown::Revocations) {
        unknown.push("revocation");
    }
    if not_asked.contains(&Unknown::AuthService) {
        unknown.push("auth_service");
    }
    let checks = explanation.get_mut("checks").and_then(Value::as_array_mut);
    for check in checks.into_iter().flatten() {
        let is_unknown = text(check, "check").is_some_and(|name| unknown.contains(&name));
        if is_unknown
            && text(check, "outcome") == Some("passed")
            && let Some(outcome) = check.get_mut("outcome")
        {
            *outcome = "not_asked".into();
        }
    }
}

/// Answers what the gate asks, as far as that is possible from here.
fn answer(
    gate: &Gate<NativeCrypto>,
    open: Asked,
    findings: &mut Findings,
    not_asked: &mut BTreeSet<Unknown>,
    progress: &Progress,
) {
    match open {
        Asked::Keys(provider) => {
            progress.tell(format!("fetching the keys of {}", gate.provider_name(provider)));
            gate.begin_keys(provider, now());
            let reply = published_keys(gate.settings(), provider);
            if let Err(why) = gate.hear_keys(provider, reply, now()) {
                let name = gate.provider_name(provider).to_owned();
                not_asked.insert(Unknown::PublishedKeys(name, why));
            }
            findings.keys_were_fetched();
        }
        Asked::Stored(lookup) => gate.hear_stored(&lookup, Stored::Absent, findings, now()),
        Asked::Verdict(inquiry) => {
            not_asked.insert(Unknown::AuthService);
            let active = br#"{"active":true}"#.to_vec();
            let is_jwt = is_like_a_jwt(inquiry.token());
            let reply = if is_jwt { Ok((200, active)) } else { Err(Silence::Unreachable) };
            let told = gate.hear_verdict(inquiry, reply, now());
            findings.learn(told);
        }
        Asked::Revocations(_) => {
            not_asked.insert(Unknown::Revocations);
            let (log, after) = gate.begin_list(now());
            // Of a log that nobody has, since none is 0.
            let (log, to) = (log.unwrap_or(1), after);
            let head = Head { log, after, to, latest: to, age_ms: Some(0) };
            let _taken = gate.hear_delta(&Delta::write(&head, &[]), now(), now());
            findings.list_was_sought();
        }
        Asked::Moment(millis) => std::thread::sleep(Duration::from_millis(millis.into())),
    }
}

/// The published keys of a provider, as the Worker fetches them.
fn published_keys(settings: &Settings, provider: usize) -> Result<(u16, Vec<u8>), String> {
    let none = || "nothing is published".to_owned();
    let provider = settings.providers.get(provider).ok_or_else(none)?;
    let remote = provider.remote_keys.as_ref().ok_or_else(none)?;
    let timeout = Duration::from_millis(remote.timeout_ms.into());
    let get = |url: &str| Request::get(url, timeout, MOST_BYTES).send();
    let url = match &remote.location {
        KeySetLocation::Url(url) => url.clone(),
        KeySetLocation::Discovery(url) => {
            let (status, body) = get(url).map_err(|why| format!("metadata: {why}"))?;
            if status != 200 {
                return Err(format!("metadata: status {status}"));
            }
            jwks_uri(&body, &provider.issuer).map_err(str::to_owned)?
        }
    };
    get(&url)
}
