//! Asking a deployment whether it is ready: `edgeward health`.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::cli::tell;
use super::deployment::{Deployment, Target};
use super::http::Answer;
use super::output::{BAD, Exit, Failure, GOOD, NAME, Progress, QUIET, WARNING, say, say_json};
use super::wrangler::text;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Ask again until it is ready, for at most so long; a wrong admin token ends it at once
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
}

pub(crate) fn run(arguments: &Arguments, as_json: bool) -> Result<Exit, Failure> {
    let deployment = arguments.target.open()?;
    let (status, report) = match arguments.wait {
        0 => read_health(&deployment, deployment.ask("GET", "/health", None))?,
        seconds => wait_for_health(&deployment, seconds)?,
    };
    if as_json {
        say_json(&report);
    } else {
        say(&to_text(&report, deployment.has_token()));
    }
    Ok(if status == 200 { Exit::Good } else { Exit::Problems })
}

/// Asks until it is ready. Just after a deployment it may not be there, or another one may answer; but a token
/// that is wrong stays so.
fn wait_for_health(deployment: &Deployment, seconds: u64) -> Result<(u16, Value), Failure> {
    let progress = Progress::of_length("waiting until the deployment is ready", seconds, "seconds");
    #[allow(clippy::disallowed_methods, reason = "the tool is outside of core and gate")]
    let began = Instant::now();
    loop {
        let asked = deployment.ask_quietly("GET", "/health", None);
        let is_final = matches!(asked, Ok((200 | 401 | 403, _)));
        let read = read_health(deployment, asked);
        let is_over = began.elapsed().as_secs() >= seconds;
        if is_over || is_final && !read.as_ref().is_err_and(|it| it.exit == Exit::Unreachable) {
            return read;
        }
        std::thread::sleep(Duration::from_secs(1));
        progress.reach(began.elapsed().as_secs().min(seconds));
    }
}

/// A health report, of a gate that is ready or is not.
fn read_health(
    deployment: &Deployment,
    asked: Result<Answer, Failure>,
) -> Result<(u16, Value), Failure> {
    let (status, body) = asked?;
    let said: Option<Value> = serde_json::from_slice(&body).ok();
    match (status, said) {
        (200 | 503, Some(said)) if said.get("status").is_some_and(Value::is_string) => {
            Ok((status, said))
        }
        (_, said) => Err(deployment.refusal(status, said.as_ref())),
    }
}

fn to_text(report: &Value, is_admin: bool) -> String {
    let status = text(report, "status").unwrap_or_default();
    let style = if status == "ready" { GOOD } else { BAD };
    let mut said = format!("{style}{status}{style:#}\n");
    let list = |name: &str| report.get(name).and_then(Value::as_array).into_iter().flatten();
    for problem in list("problems") {
        let [path, found] = ["path", "found"].map(|name| tell(text(problem, name)));
        let mend = match (text(problem, "expected"), text(problem, "mend")) {
            (Some(expected), _) => format!("expected {}", tell(Some(expected))),
            (None, mend) => tell(mend),
        };
        let _ = writeln!(said, "  {BAD}problem{BAD:#}  {path}: found {found}; {mend}");
    }
    for warning in list("warnings") {
        let _ = writeln!(said, "  {WARNING}warning{WARNING:#}  {}", tell(warning.as_str()));
    }
    for provider in list("providers") {
        let [name, issuer] = ["name", "issuer"].map(|member| tell(text(provider, member)));
        let _ = writeln!(said, "  {NAME}{name}{NAME:#}  {issuer}");
        for key in provider.get("keys").and_then(Value::as_array).into_iter().flatten() {
            let kid =
                text(key, "kid").map_or_else(|| "without kid".to_owned(), |kid| tell(Some(kid)));
            let [family, source] = ["type", "source"].map(|member| tell(text(key, member)));
            let _ = writeln!(said, "    key {kid}, {family}, from {source}");
        }
    }
    if let Some(requests) = report.get("requests") {
        let count = |name: &str| match requests.get(name) {
            Some(Value::Object(reasons)) => reasons.values().filter_map(Value::as_u64).sum(),
            other => other.and_then(Value::as_u64).unwrap_or_default(),
        };
        let [permitted, denied] = ["permitted", "denied"].map(count);
        let _ = writeln!(said, "  this isolate permitted {permitted} requests and denied {denied}");
    }
    if !is_admin {
        let _ = writeln!(said, "  {QUIET}with EDGEWARD_ADMIN_TOKEN it says more{QUIET:#}");
    }
    said
}
