//! A demo origin: what a service behind edgeward sees, and how it checks the assertion.
//!
//! It answers every path with a JSON report of the request. `trusted` is true only when the
//! request carries an `X-Auth-Assertion` that edgeward signed for this origin; a real service
//! would refuse everything else outside its public paths, this one reports it.
//!
//! | path | answer |
//! |--|--|
//! | any, with `Upgrade: websocket` | the report as the first text message, then an echo |
//! | `/slow` | the report, after five seconds |
//! | `/sse` | five server-sent events, one each second |
//! | `/status/NNN` | the report, with this status code (200 to 599) |
//! | `/upload` | the number of bytes received; nothing is kept |
//! | `/download?bytes=N` | N zero bytes, streamed |
//! | any other | the report |
//!
//! `EDGEWARD_ORIGIN_PORT` (8789) is where it listens, `EDGEWARD_PORT` (8787) is where the Worker
//! publishes its keys. Not for production.

use std::collections::HashMap;
use std::convert::Infallible;
use std::env;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = port("EDGEWARD_ORIGIN_PORT", 8789)?;
    let worker = port_of_worker()?;
    let origin = Arc::new(Origin {
        url: format!("http://127.0.0.1:{port}"),
        keys: Keys::new(format!("http://127.0.0.1:{worker}/_edgeward/jwks.json"))?,
    });
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .map_err(|error| format!("cannot listen on 127.0.0.1:{port}: {error}"))?;
    println!("listening on {}", origin.url);
    axum::serve(listener, Router::new().fallback(answer).with_state(origin)).await?;
    Ok(())
}

fn port_of_worker() -> Result<u16, String> {
    port("EDGEWARD_PORT", 8787)
}

fn port(variable: &str, default: u16) -> Result<u16, String> {
    match env::var(variable) {
        Err(_) => Ok(default),
        Ok(text) => {
            text.parse().map_err(|_| format!("{variable} is {text:?}, expected a port number"))
        }
    }
}

/// This service: its own URL, which is the audience that it accepts, and edgeward's public keys.
struct Origin {
    url: String,
    keys: Keys,
}

async fn answer(State(origin): State<Arc<Origin>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    if parts.headers.contains_key(header::SEC_WEBSOCKET_KEY) {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => accept(upgrade, origin.report(&parts, 0).await),
            Err(refusal) => refusal.into_response(),
        };
    }
    match parts.uri.path() {
        "/sse" => events(),
        "/upload" => match count(body).await {
            Ok(bytes) => reply(StatusCode::OK, &json!({ "bytes": bytes })),
            Err(refusal) => refusal,
        },
        "/download" => download(parts.uri.query().unwrap_or_default()),
        path => {
            let status = status_asked_for(path);
            if path == "/slow" {
                sleep(Duration::from_secs(5)).await;
            }
            match count(body).await {
                Ok(bytes) => reply(status, &origin.report(&parts, bytes).await),
                Err(refusal) => refusal,
            }
        }
    }
}

impl Origin {
    async fn report(&self, request: &Parts, body_bytes: u64) -> Value {
        let verdict = self.keys.verify(&request.headers, &self.url).await;
        json!({
            "trusted": verdict.is_ok(),
            "method": request.method.as_str(),
            "path": request.uri.path(),
            "query": request.uri.query(),
            "headers": identity_headers(&request.headers),
            "assertion": match verdict {
                Ok(claims) => json!({ "verified": true, "claims": claims }),
                Err(reason) => json!({ "verified": false, "reason": reason }),
            },
            "body_bytes": body_bytes,
        })
    }
}

fn reply(status: StatusCode, body: &Value) -> Response {
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return status.into_response();
    }
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (status, headers, format!("{body:#}\n")).into_response()
}

/// The headers that carry identity, in any spelling that a service could fold to one of them.
/// Of the ones that are credentials, only that they are there.
fn identity_headers(headers: &HeaderMap) -> Map<String, Value> {
    let mut seen = Map::new();
    for name in headers.keys() {
        let folded = name.as_str().replace('_', "-");
        let credential = is_credential(name);
        if !(credential || folded.starts_with("x-auth-") || folded.starts_with("x-forwarded-")) {
            continue;
        }
        let values: Vec<Value> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .map(|value| json!(if credential { "(present, not shown)" } else { &*value }))
            .collect();
        let value = match <[Value; 1]>::try_from(values) {
            Ok([only]) => only,
            Err(several) => Value::Array(several),
        };
        seen.insert(name.to_string(), value);
    }
    seen
}

fn is_credential(name: &HeaderName) -> bool {
    [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION].contains(name)
        || name.as_str().replace('_', "-") == ASSERTION
}

fn accept(mut upgrade: WebSocketUpgrade, report: Value) -> Response {
    // A browser that offered protocols fails the handshake when none comes back.
    let first = upgrade.requested_protocols().next().cloned();
    if let Some(first) = first {
        upgrade.set_selected_protocol(first);
    }
    upgrade.on_upgrade(|socket| echo(socket, report))
}

async fn echo(mut socket: WebSocket, report: Value) {
    let mut outgoing = Some(Message::text(report.to_string()));
    loop {
        if let Some(message) = outgoing.take()
            && socket.send(message).await.is_err()
        {
            return;
        }
        match socket.recv().await {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => outgoing = Some(message),
            // Pings and closes are answered by the library.
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return,
        }
    }
}

async fn count(body: Body) -> Result<u64, Response> {
    let mut chunks = body.into_data_stream();
    let mut bytes = 0_u64;
    while let Some(chunk) = chunks.next().await {
        match chunk {
            Ok(chunk) => bytes += chunk.len() as u64,
            Err(_) => return Err(StatusCode::BAD_REQUEST.into_response()),
        }
    }
    Ok(bytes)
}

fn status_asked_for(path: &str) -> StatusCode {
    path.strip_prefix("/status/")
        .and_then(|code| code.parse().ok())
        .filter(|code| (200..600).contains(code))
        .and_then(|code| StatusCode::from_u16(code).ok())
        .unwrap_or(StatusCode::OK)
}

fn events() -> Response {
    let events = stream::iter(1..=5).then(|number| async move {
        sleep(Duration::from_secs(1)).await;
        Ok::<_, Infallible>(Bytes::from(format!("id: {number}\ndata: event {number} of 5\n\n")))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
}

fn download(query: &str) -> Response {
    const CHUNK: &[u8] = &[0; 65_536];
    let asked = query.split('&').find_map(|pair| pair.strip_prefix("bytes="));
    let Some(bytes) = asked.and_then(|number| number.parse::<u64>().ok()) else {
        let problem = json!({ "error": "say how many bytes: /download?bytes=N" });
        return reply(StatusCode::BAD_REQUEST, &problem);
    };
    let chunks = stream::unfold(bytes, |left| async move {
        let size = left.min(CHUNK.len() as u64);
        let chunk = CHUNK.get(..usize::try_from(size).ok()?).filter(|chunk| !chunk.is_empty())?;
        Some((Ok::<_, Infallible>(Bytes::from_static(chunk)), left - size))
    });
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, bytes.to_string()),
    ];
    (headers, Body::from_stream(chunks)).into_response()
}

const ASSERTION: &str = "x-auth-assertion";

/// How long fetched keys are believed: after this a key that edgeward removed no longer counts.
const KEYS_LIVE: Duration = Duration::from_mins(5);

/// The least time between two fetches, counted from every attempt, so that a stream of invented
/// `kid`s is not a stream of fetches.
const COOLDOWN: Duration = Duration::from_secs(5);

/// The public keys of the assertion, fetched when the first request needs one.
struct Keys {
    url: String,
    client: reqwest::Client,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_kid: HashMap<Option<String>, DecodingKey>,
    believed_until: Option<Instant>,
    no_fetch_before: Option<Instant>,
}

impl Keys {
    fn new(url: String) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { url, client, known: Mutex::default() })
    }

    /// The claims of the assertion in `headers`, or why there are none to be trusted.
    async fn verify(&self, headers: &HeaderMap, audience: &str) -> Result<Value, String> {
        let mut values = headers.get_all(ASSERTION).iter();
        let value = values.next().ok_or("no X-Auth-Assertion")?;
        if values.next().is_some() {
            return Err("more than one X-Auth-Assertion".to_owned());
        }
        let token = value.to_str().map_err(|_| "X-Auth-Assertion is not ASCII")?;
        let kid = decode_header(token).map_err(|error| error.to_string())?.kid;
        let key = self.find(kid).await?;

        let mut expected = Validation::new(Algorithm::EdDSA);
        expected.set_required_spec_claims(&["exp", "iss", "aud"]);
        expected.set_issuer(&["edgeward"]);
        expected.set_audience(&[audience]);
        expected.leeway = 30;
        decode::<Value>(token, &key, &expected)
            .map(|verified| verified.claims)
            .map_err(|error| error.to_string())
    }

    async fn find(&self, kid: Option<String>) -> Result<DecodingKey, String> {
        let mut known = self.known.lock().await;
        let now = Instant::now();
        if known.believed_until.is_some_and(|end| end <= now) {
            known.by_kid.clear();
        }
        if !known.by_kid.contains_key(&kid) && known.no_fetch_before.is_none_or(|at| at <= now) {
            known.no_fetch_before = Some(now + COOLDOWN);
            let keys = self.fetch().await.map_err(|error| format!("{}: {error}", self.url))?;
            known.by_kid = keys;
            known.believed_until = Some(now + KEYS_LIVE);
        }
        known.by_kid.get(&kid).cloned().ok_or_else(|| match kid {
            Some(kid) => format!("{} has no key {kid:?}", self.url),
            None => "the assertion does not name its key".to_owned(),
        })
    }

    async fn fetch(&self) -> Result<HashMap<Option<String>, DecodingKey>, Box<dyn Error>> {
        let response = self.client.get(&self.url).send().await?.error_for_status()?;
        let set: JwkSet = serde_json::from_slice(&response.bytes().await?)?;
        set.keys
            .iter()
            .map(|jwk| Ok((jwk.common.key_id.clone(), DecodingKey::from_jwk(jwk)?)))
            .collect()
    }
}
