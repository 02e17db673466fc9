//! Asking a deployment: `edgeward explain`, `revoke` and `revocations`.

use std::fmt::Write as _;
use std::path::PathBuf;

use edgeward::core::revocation::target::Kind;
use serde_json::{Map, Value, json};

use super::cli::{input, tell};
use super::clock;
use super::deployment::{Deployment, Target};
use super::output::{BAD, Exit, Failure, GOOD, NAME, Progress, QUIET, WARNING, say, say_json};
use super::wrangler::text;

#[derive(clap::Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    question: Question,
    /// A file with the token, or - for standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// The request that is asked about.
#[derive(clap::Args)]
pub(crate) struct Question {
    /// The path of the request, with its query
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Option<String>,
    /// The method of the request
    #[arg(long, value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// The host that the request is sent to
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// A header of the request
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
}

#[derive(clap::Args)]
pub(crate) struct Revoke {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    what: What,
    /// Whose tokens, where there are several providers: the issuer
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Only tokens that were issued before: `now`, seconds since 1970, or 2026-11-26T12:00:00Z
    #[arg(long, value_name = "TIME")]
    issued_before: Option<String>,
    /// Until when it holds: seconds since 1970, or 2026-11-26T12:00:00Z
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// Why, for people
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// What tokens are named by.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// All tokens of this subject
    #[arg(long, allow_hyphen_values = true)]
    sub: Option<String>,
    /// The token with this identifier
    #[arg(long, allow_hyphen_values = true)]
    jti: Option<String>,
    /// All tokens of this session
    #[arg(long, allow_hyphen_values = true)]
    sid: Option<String>,
    /// All tokens of this client
    #[arg(long, allow_hyphen_values = true)]
    client_id: Option<String>,
    /// All that this key has signed
    #[arg(long, allow_hyphen_values = true)]
    kid: Option<String>,
    /// The token in this file, or - for standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(crate) struct Revocations {
    #[command(flatten)]
    target: Target,
    /// Undo the one with this identifier
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    undo: Option<String>,
}

pub(crate) fn explain(arguments: &Explain, as_json: bool) -> Result<Exit, Failure> {
    let deployment = arguments.target.open_as_admin()?;
    let token = arguments.token_file.as_deref().map(input).transpose()?;
    let question = arguments.question.to_json(token.as_deref())?;
    let said = deployment.read(deployment.ask("POST", "/explain", Some(&question))?)?;
    if as_json {
        say_json(&said);
    } else {
        say(&explanation_text(&said));
    }
    Ok(exit_of(&said))
}

impl Question {
    /// As the gate is asked.
    pub(crate) fn to_json(&self, token: Option<&str>) -> Result<Value, Failure> {
        let mut question = Map::new();
        let mut add = |name: &str, value: Option<&str>| {
            question.extend(value.map(|value| (name.to_owned(), Value::from(value))));
        };
        add("path", self.path.as_deref());
        add("method", self.method.as_deref());
        add("host", self.host.as_deref());
        add("token", token);
        let mut headers = Map::new();
        for header in &self.headers {
            let (name, value) = header
                .split_once(':')
                .ok_or_else(|| Failure::usage("--header: expected \"NAME: VALUE\""))?;
            headers.insert(name.trim().to_owned(), value.trim().into());
        }
        if !headers.is_empty() {
            question.insert("headers".to_owned(), headers.into());
        }
        Ok(question.into())
    }
}

/// What an explanation means for whoever asked.
pub(crate) fn exit_of(explanation: &Value) -> Exit {
    if text(explanation, "decision") == Some("deny") { Exit::Problems } else { Exit::Good }
}

/// An explanation for people.
pub(crate) fn explanation_text(said: &Value) -> String {
    let member = |name: &str| tell(text(said, name));
    let because = || match text(said, "revoked_by") {
        Some(_) => format!("{}, by {}", member("reason"), member("revoked_by")),
        None => member("reason"),
    };
    let mut lines = match text(said, "decision") {
        Some("deny") => {
            let status = said.get("status").and_then(Value::as_u64).unwrap_or_default();
            format!("{BAD}denied{BAD:#}: {status} {}, because of {}\n", member("code"), because())
        }
        Some("shadow") => format!(
            "{WARNING}permitted in shadow{WARNING:#}: it would be denied as {}, because of {}\n",
            member("code"),
            because()
        ),
        Some("permit") if text(said, "degraded").is_some() => {
            format!("{WARNING}permitted, degraded{WARNING:#}: {}\n", member("degraded"))
        }
        Some("permit") => format!("{GOOD}permitted{GOOD:#}\n"),
        Some("gate") => "answered by the gate itself\n".to_owned(),
        _ => format!("{}\n", member("decision")),
    };
    let list = |name: &str| said.get(name).and_then(Value::as_array).into_iter().flatten();
    for check in list("checks") {
        let [name, outcome] = ["check", "outcome"].map(|one| tell(text(check, one)));
        let style = match outcome.as_str() {
            "passed" => GOOD,
            "failed" => BAD,
            "not_asked" => WARNING,
            _ => QUIET,
        };
        let _ = writeln!(lines, "  {name:<14}{style}{}{style:#}", outcome.replace('_', " "));
    }
    for rule in list("rules").filter(|rule| text(rule, "standing") != Some("other_path")) {
        let at = rule.get("rule").and_then(Value::as_u64).unwrap_or_default();
        let [path, standing] = ["path", "standing"].map(|one| tell(text(rule, one)));
        let _ = writeln!(lines, "  rule {at} ({path}): {}", standing.replace('_', " "));
    }
    for key in list("keys") {
        let kid = text(key, "kid").map_or_else(|| "without kid".to_owned(), |kid| tell(Some(kid)));
        let [family, standing] = ["type", "standing"].map(|one| tell(text(key, one)));
        let _ = writeln!(lines, "  key {kid}, {family}: {}", standing.replace('_', " "));
    }
    let set = said.get("headers").and_then(|headers| headers.get("set")).and_then(Value::as_object);
    for (name, value) in set.into_iter().flatten() {
        let _ = writeln!(lines, "  {NAME}{name}{NAME:#}: {}", tell(value.as_str()));
    }
    lines
}

pub(crate) fn revoke(arguments: &Revoke, as_json: bool) -> Result<Exit, Failure> {
    let deployment = arguments.target.open_as_admin()?;
    let What { sub, jti, sid, client_id, kid, token_file } = &arguments.what;
    let token = token_file.as_deref().map(input).transpose()?;
    let mut order = Map::new();
    let texts = [
        ("sub", sub),
        ("jti", jti),
        ("sid", sid),
        ("client_id", client_id),
        ("kid", kid),
        ("token", &token),
        ("issuer", &arguments.issuer),
        ("reason", &arguments.reason),
    ];
    for (name, value) in texts {
        order.extend(value.as_ref().map(|value| (name.to_owned(), value.as_str().into())));
    }
    let times =
        [("issued_before", &arguments.issued_before), ("expires_at", &arguments.expires_at)];
    for (name, value) in times {
        if let Some(value) = value {
            let time = clock::read(value).ok_or_else(|| {
                let option = name.replace('_', "-");
                Failure::usage(format!(
                    "--{option}: expected `now`, seconds since 1970, or a time such as 2026-11-26T12:00:00Z"
                ))
            })?;
            order.insert(name.to_owned(), time.into());
        }
    }
    let (status, body) = deployment.ask("POST", "/revocations", Some(&order.into()))?;
    let said = deployment.read((status, body))?;
    if as_json {
        say_json(&said);
    } else {
        let what = if status == 201 { "revoked" } else { "was revoked already" };
        let relays = said.get("relays");
        let count =
            |name: &str| relays.and_then(|relays| relays.get(name)?.as_u64()).unwrap_or_default();
        let (acknowledged, known) = (count("acknowledged"), count("known"));
        say(&format!(
            "{GOOD}{what}{GOOD:#}: {}; {acknowledged} of {known} relays have confirmed it\n",
            details(&said)
        ));
    }
    Ok(Exit::Good)
}

/// What holds for how long.
fn details(revocation: &Value) -> String {
    let seconds = |name: &str| revocation.get(name).and_then(Value::as_i64);
    let mut parts = vec![format!("id {}", tell(text(revocation, "id")))];
    if let Some(time) = seconds("issued_before") {
        parts.push(format!("issued before {}", clock::utc(time)));
    }
    if let Some(time) = seconds("expires_at") {
        parts.push(format!("until {}", clock::utc(time)));
    }
    parts.join(", ")
}

pub(crate) fn revocations(arguments: &Revocations, as_json: bool) -> Result<Exit, Failure> {
    let deployment = arguments.target.open_as_admin()?;
    match &arguments.undo {
        Some(id) => undo(&deployment, id, as_json),
        None => list(&deployment, as_json),
    }
}

fn undo(deployment: &Deployment, id: &str, as_json: bool) -> Result<Exit, Failure> {
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
        return Err(Failure::usage("--undo: that is no id; `edgeward revocations` lists them"));
    }
    let said = deployment.read(deployment.ask("DELETE", &format!("/revocations/{id}"), None)?)?;
    if as_json {
        say_json(&said);
    } else {
        say(&format!("{GOOD}undone{GOOD:#}: {id}\n"));
    }
    Ok(Exit::Good)
}

/// All pages of the list.
fn pages(deployment: &Deployment) -> Result<Vec<Value>, Failure> {
    // How many there are, no answer says.
    let progress = Progress::of("reading the list");
    let mut all: Vec<Value> = Vec::new();
    let mut after = None;
    loop {
        let page = after.map(|after| format!("&after={after}")).unwrap_or_default();
        let page = format!("/revocations?limit=250{page}");
        let mut said = deployment.read(deployment.ask_quietly("GET", &page, None)?)?;
        if let Some(Value::Array(part)) = said.get_mut("revocations") {
            all.append(part);
        }
        match said.get("next").and_then(Value::as_u64) {
            None => return Ok(all),
            // A list that is told in a circle would never end.
            Some(next) if after.is_some_and(|after| next <= after) => {
                return Err(deployment.is_no_gate("its list of revocations has no end"));
            }
            Some(next) => after = Some(next),
        }
        progress.tell(format!("reading the list, {} so far", all.len()));
    }
}

fn list(deployment: &Deployment, as_json: bool) -> Result<Exit, Failure> {
    let all = pages(deployment)?;
    if as_json {
        say_json(&json!({ "revocations": all }));
        return Ok(Exit::Good);
    }
    let mut lines = String::new();
    for one in &all {
        // By what it names tokens is a member of this name. Of a token only the fingerprint is kept.
        let kind = Kind::ALL.into_iter().map(Kind::name).find(|kind| one.get(*kind).is_some());
        let kind = kind.unwrap_or_default();
        let value = text(one, kind).map(|value| format!(" {}", tell(Some(value))));
        let reason = text(one, "reason").map(|reason| format!(" ({})", tell(Some(reason))));
        let [value, reason] = [value, reason].map(Option::unwrap_or_default);
        let issuer = tell(text(one, "issuer"));
        let _ =
            writeln!(lines, "{NAME}{kind}{NAME:#}{value}, of {issuer}, {}{reason}", details(one));
    }
    if all.is_empty() {
        lines.push_str("nothing is revoked\n");
    }
    say(&lines);
    Ok(Exit::Good)
}
