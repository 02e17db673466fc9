//! A deployed gate, as its admin sees it.

use std::path::PathBuf;
use std::time::Duration;

use edgeward::core::config::DEFAULT_ADMIN_PATH;
use serde_json::Value;

use super::cli::tell;
use super::http::{Answer, Request};
use super::output::{Exit, Failure, Progress};
use super::wrangler::{read, text};

/// The variable with the admin token.
const TOKEN_VARIABLE: &str = "EDGEWARD_ADMIN_TOKEN";

/// The longest answer that is read: more than the longest page.
const MOST_BYTES: usize = 16 * 1024 * 1024;

#[derive(clap::Args)]
pub(crate) struct Target {
    /// Where the gate is: its host, or with its `admin_path` if that is not `/_edgeward`
    #[arg(long, value_name = "URL")]
    url: String,
    /// A file with the admin token; else it is taken from the variable `EDGEWARD_ADMIN_TOKEN`
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// How long to wait for an answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,
}

/// A gate that can be asked.
pub(crate) struct Deployment {
    /// Without a slash at its end.
    base: String,
    authorization: Option<String>,
    timeout: Duration,
}

impl Target {
    /// The gate, with the admin token if there is one.
    pub(crate) fn open(&self) -> Result<Deployment, Failure> {
        let base = base(&self.url)?;
        let token = match &self.admin_token_file {
            Some(path) => Some(read(path)?),
            None => std::env::var(TOKEN_VARIABLE).ok(),
        };
        let token = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
        if let Some(token) = &token
            && !token.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(Failure::usage(
                "the admin token has a blank or something that is no ASCII in it; expected what is \
                 stored as ADMIN_TOKEN",
            ));
        }
        let authorization = token.map(|token| format!("Bearer {token}"));
        Ok(Deployment { base, authorization, timeout: Duration::from_secs(self.timeout) })
    }

    /// The same, for what only the admin may.
    pub(crate) fn open_as_admin(&self) -> Result<Deployment, Failure> {
        let deployment = self.open()?;
        if deployment.authorization.is_none() {
            return Err(Failure::usage(format!(
                "there is no admin token; set {TOKEN_VARIABLE}, or name a file with --admin-token-file"
            )));
        }
        Ok(deployment)
    }
}

/// The URL of the admin path.
fn base(url: &str) -> Result<String, Failure> {
    let expected =
        || Failure::usage("--url is no https://HOST or https://HOST/ADMIN_PATH (without a query)");
    let (scheme, rest) = url.split_once("://").ok_or_else(expected)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if authority.is_empty() || rest.contains(['?', '#', '@', ' ']) {
        return Err(expected());
    }
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let is_here = ["127.0.0.1", "[::1]", "localhost"].contains(&host) || authority == "[::1]";
    match scheme {
        "https" => {}
        "http" if is_here => {}
        "http" => {
            return Err(Failure::usage(
                "http:// would show the admin token to the network; use https://",
            ));
        }
        _ => return Err(expected()),
    }
    let path = match path.trim_end_matches('/') {
        "" => DEFAULT_ADMIN_PATH,
        path => path,
    };
    Ok(format!("{scheme}://{authority}{path}"))
}

impl Deployment {
    /// Whether somebody asks who may be the admin.
    pub(crate) const fn has_token(&self) -> bool {
        self.authorization.is_some()
    }

    /// Asks an endpoint, and gives back what it says whatever that is.
    pub(crate) fn ask(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let _progress = Progress::of(format!("waiting for {}", self.base));
        self.ask_quietly(method, path, body)
    }

    /// The same as a part of something that shows itself.
    pub(crate) fn ask_quietly(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let url = format!("{}{path}", self.base);
        let body = body.map(|body| body.to_string().into_bytes());
        let request = Request {
            method,
            url: &url,
            authorization: self.authorization.as_deref(),
            body: body.as_deref(),
            timeout: self.timeout,
            most_bytes: MOST_BYTES,
        };
        request.send().map_err(|why| {
            let base = &self.base;
            Failure::new(Exit::Unreachable, format!("{base} cannot be reached: {why}; check --url"))
        })
    }

    /// The JSON of an answer that is one, and of this kind.
    pub(crate) fn read(&self, (status, body): Answer) -> Result<Value, Failure> {
        let said: Option<Value> = serde_json::from_slice(&body).ok();
        match (status, said) {
            (200 | 201, Some(said)) => Ok(said),
            (_, said) => Err(self.refusal(status, said.as_ref())),
        }
    }

    /// What an answer means that is none of the expected ones.
    pub(crate) fn refusal(&self, status: u16, said: Option<&Value>) -> Failure {
        let base = &self.base;
        let about = said.map(|said| {
            let [code, detail] =
                ["code", "detail"].map(|name| text(said, name).unwrap_or_default());
            let detail =
                if detail.is_empty() { text(said, "title").unwrap_or_default() } else { detail };
            (tell(Some(code)), tell(Some(detail)))
        });
        let (code, detail) = about.unwrap_or_default();
        let detail = if detail.is_empty() { "it says no more".to_owned() } else { detail };
        match status {
            401 | 403 => Failure::new(
                Exit::Refused,
                format!(
                    "{base} refuses the admin token ({status}); it has to be what is stored there as \
                     ADMIN_TOKEN"
                ),
            ),
            404 if code == "not_found" && detail.starts_with("no revocation") => {
                Failure::new(Exit::Problems, format!("{base} says: {detail}"))
            }
            404 => Failure::new(
                Exit::Refused,
                format!(
                    "there is no such endpoint at {base} (404): the URL or its admin_path is another one, no \
                     ADMIN_TOKEN is stored there, or for revocations the Durable Objects are missing"
                ),
            ),
            409 => Failure::new(Exit::Problems, format!("{base} says: {detail}")),
            400..=499 => Failure::usage(format!("{base} does not take that ({status}): {detail}")),
            500.. => Failure::new(
                Exit::Unreachable,
                format!("{base} fails ({status} {code}): {detail}; `edgeward health` may say more"),
            ),
            _ => self.is_no_gate(&format!("status {status}")),
        }
    }

    /// Something else answers there.
    pub(crate) fn is_no_gate(&self, why: &str) -> Failure {
        let base = &self.base;
        Failure::new(
            Exit::Unreachable,
            format!("what answers at {base} is no gate ({why}); check --url"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_admin_path_is_the_usual_one_unless_the_url_has_another() {
        for (url, expected) in [
            ("https://app.example", "https://app.example/_edgeward"),
            ("https://app.example/", "https://app.example/_edgeward"),
            ("https://app.example/_edgeward/", "https://app.example/_edgeward"),
            ("https://app.example:8443/gate", "https://app.example:8443/gate"),
            ("http://127.0.0.1:8787", "http://127.0.0.1:8787/_edgeward"),
            ("http://[::1]:8787", "http://[::1]:8787/_edgeward"),
            ("http://localhost", "http://localhost/_edgeward"),
        ] {
            assert_eq!(base(url).unwrap(), expected);
        }
        for url in [
            "app.example",
            "https://",
            "ftp://app.example",
            "http://app.example",
            "http://127.0.0.1.app.example",
            "https://user:word@app.example",
            "https://app.example?x",
            "https://app.example/#x",
        ] {
            assert_eq!(base(url).unwrap_err().exit, Exit::Usage, "{url}");
        }
    }
}
