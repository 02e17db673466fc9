//! A Worker that shows what the signature engine accepts, and how fast it is.
//!
//! Instead of guarding an origin it answers questions about signatures, through the same functions
//! that guard one: [`secret::parse`], [`ReadyKey::prepare`] and `authenticate`, with the
//! runtime's cryptography. Public test vectors and the measurement of the engines talk to it. It also panics when
//! it is asked to, which no input makes the Worker do, so that what a panic costs can be seen.
//!
//! Each endpoint takes JSON by `POST`:
//!
//! - `/verify`: a list of `{alg, key, message, signature}`; `key` as the text of a secret, the
//!   other two in base64url
//! - `/token`: a list of `{keys, token}`; `keys` as the text of a secret, `token` a compact JWS of
//!   which everything but the claims is checked
//! - `/measure`: see `measure`
//! - `/panic`: a text, which becomes the message of a panic
//! - `/ask`: a URL; answers with the status of what is there, for which it waits inside the wasm
//! - `/forward`: a URL, to which the request goes on; what answers is waited for outside
//!
//! In scope: nothing that a deployment needs; the feature `probe` is never part of one. So whoever
//! can reach this Worker is trusted, and the size of a question is not bounded.

mod measure;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Error as _};
use serde_json::json;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::Request;

use super::crypto::{RuntimeCrypto, RuntimeKey};
use super::glue;
use crate::core::algorithm::Algorithm;
use crate::core::denial::Reason;
use crate::core::secret;
use crate::core::token::Jws;
use crate::core::verify::{ReadyKey, authenticate};

/// A signature that may be right.
#[derive(Deserialize)]
struct Case {
    #[serde(deserialize_with = "algorithm")]
    alg: Algorithm,
    key: String,
    #[serde(deserialize_with = "bytes")]
    message: Vec<u8>,
    #[serde(deserialize_with = "bytes")]
    signature: Vec<u8>,
}

/// A token that may be right.
#[derive(Deserialize)]
struct TokenCase {
    keys: String,
    token: String,
}

/// What an engine says.
enum Verdict {
    Accepted,
    Rejected(Reason),
    /// The key may not be used at all.
    KeyRefused(String),
}

/// More than any vector has; the default of the configuration is for real tokens.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// How long an answer of somebody else may take, and how long it may be.
const PATIENCE_MS: u32 = 3_000;
const MOST_ANSWER_BYTES: u32 = 1024;

/// Answers one request.
#[must_use]
pub async fn serve(request: Request) -> JsValue {
    let answer = match body(&request).await {
        Some(body) if request.url().ends_with("/forward") => match read::<String>(&body) {
            Ok(url) => return forward(&request, &url),
            Err(error) => Err(error),
        },
        Some(body) => answer(&request.url(), &body).await,
        None => Err("the body cannot be read".to_owned()),
    };
    match answer {
        Ok(text) => {
            glue::text_response(200, "content-type\napplication/json", Some(text.as_bytes()))
        }
        Err(text) => glue::text_response(400, "content-type\ntext/plain", Some(text.as_bytes())),
    }
}

async fn body(request: &Request) -> Option<String> {
    JsFuture::from(request.text().ok()?).await.ok()?.as_string()
}

async fn answer(url: &str, body: &str) -> Result<String, String> {
    match url.rsplit('/').next() {
        Some("verify") => Ok(verdicts(&read::<Vec<Case>>(body)?, judge)),
        Some("token") => Ok(verdicts(&read::<Vec<TokenCase>>(body)?, judge_token)),
        Some("measure") => measure::answer(read(body)?).await,
        Some("panic") => fail(&read::<String>(body)?),
        Some("ask") => ask(&read::<String>(body)?).await,
        _ => Err("the probe knows /verify, /token, /measure, /panic, /ask and /forward".to_owned()),
    }
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, String> {
    serde_json::from_str(body).map_err(|error| error.to_string())
}

/// Panics, as nothing does that guards an origin.
#[allow(clippy::panic, reason = "that is what it is asked for")]
fn fail(message: &str) -> ! {
    panic!("{message}")
}

/// Waits as for keys or an auth service.
async fn ask(url: &str) -> Result<String, String> {
    let answer = glue::exchange(url, None, None, PATIENCE_MS, MOST_ANSWER_BYTES).await;
    match answer.fault() {
        Some(fault) => Err(fault),
        None => Ok(answer.status().to_string()),
    }
}

/// Waits as for an origin. The body has been read, so its length goes.
fn forward(request: &Request, url: &str) -> JsValue {
    glue::forward(&JsValue::UNDEFINED, request, Some(url), "content-length\n\n", false, false)
}

fn verdicts<T>(cases: &[T], judge: impl Fn(&T) -> Verdict) -> String {
    let texts: Vec<String> = cases.iter().map(|case| judge(case).to_text()).collect();
    json!(texts).to_string()
}

fn judge(case: &Case) -> Verdict {
    let verdict = ready(&case.key).map(|keys| {
        authenticate(&keys, &RuntimeCrypto, None, case.alg, &case.message, &case.signature)
            .map(drop)
    });
    Verdict::of(verdict)
}

/// Steps (1) to (3), (6) and (7) of the order of checks; the others need a provider.
fn judge_token(case: &TokenCase) -> Verdict {
    Verdict::of(ready(&case.keys).map(|keys| {
        let token = Jws::parse(&case.token, MAX_TOKEN_BYTES)?;
        let algorithm =
            Algorithm::from_name(&token.header.algorithm).ok_or(Reason::AlgorithmNotAllowed)?;
        if token.header.refused_member.is_some() {
            return Err(Reason::RefusedHeaderMember);
        }
        let Jws { header, signing_input, signature, .. } = &token;
        let key_id = header.key_id.as_deref();
        let message = signing_input.as_bytes();
        authenticate(&keys, &RuntimeCrypto, key_id, algorithm, message, signature).map(drop)
    }))
}

/// The usable keys of a secret. As in a gate, a key that the runtime refuses is left out, and it
/// is an error if none is left.
fn ready(text: &str) -> Result<Vec<ReadyKey<RuntimeKey>>, String> {
    let parsed = secret::parse("KEY", text).map_err(|error| error.to_string())?;
    let mut refused = String::new();
    let mut keys = Vec::new();
    for key in parsed.keys {
        match ReadyKey::prepare(&RuntimeCrypto, key) {
            Ok(key) => keys.push(key),
            Err(error) => refused = error.to_string(),
        }
    }
    if keys.is_empty() { Err(refused) } else { Ok(keys) }
}

impl Verdict {
    fn of(checked: Result<Result<(), Reason>, String>) -> Self {
        match checked {
            Ok(Ok(())) => Self::Accepted,
            Ok(Err(reason)) => Self::Rejected(reason),
            Err(refused) => Self::KeyRefused(refused),
        }
    }

    fn to_text(&self) -> String {
        match self {
            Self::Accepted => "accepted".to_owned(),
            Self::Rejected(reason) => format!("rejected: {}", reason.name()),
            Self::KeyRefused(why) => format!("key refused: {why}"),
        }
    }
}

fn algorithm<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<Algorithm, D::Error> {
    let name = String::deserialize(reader)?;
    Algorithm::from_name(&name).ok_or_else(|| D::Error::custom("no such algorithm"))
}

fn bytes<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(reader)?;
    URL_SAFE_NO_PAD.decode(text).map_err(D::Error::custom)
}
