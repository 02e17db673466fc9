//! A service behind edgeward, with axum: who is asking it knows from the assertion alone.
//!
//! Settings are environment variables: `EDGEWARD_JWKS`, the URL of the gate's keys;
//! `EDGEWARD_AUDIENCE`, the audience of this service's assertions; `PORT`, 8789 if it is not set.

mod assertion;
mod keys;

use std::env;
use std::error::Error;
use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use assertion::{Identity, Verifier, require};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let verifier = Verifier::new(setting("EDGEWARD_JWKS")?, setting("EDGEWARD_AUDIENCE")?)?;
    let port: u16 = env::var("PORT").map_or(Ok(8789), |port| port.parse())?;
    // Loopback: only what runs on this machine, such as a tunnel, can connect.
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, routes(verifier)).await?;
    Ok(())
}

fn setting(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("{name} is not set"))
}

/// What is not named as public is behind the verifier, so that a new route is, too.
fn routes(verifier: Verifier) -> Router {
    let private = Router::new()
        .route("/me", get(me))
        .route("/notes", post(save_note))
        .route("/payments", post(pay))
        .layer(middleware::from_fn_with_state(Arc::new(verifier), require));
    Router::new().route("/public", get(hello)).fallback_service(private)
}

async fn hello() -> Json<Value> {
    Json(json!({ "hello": "anyone" }))
}

async fn me(who: Identity) -> Json<Value> {
    Json(json!({
        "issuer": who.issuer,
        "subject": who.subject,
        "scopes": who.scopes,
        "degraded": who.degraded,
    }))
}

async fn save_note(who: Identity) -> Response {
    if !who.has("write") {
        return deny(StatusCode::FORBIDDEN, "insufficient_scope");
    }
    Json(json!({ "saved_for": who.subject })).into_response()
}

async fn pay(who: Identity) -> Response {
    // The gate could not ask whether this client has been locked out meanwhile.
    if who.degraded {
        let refusal = deny(StatusCode::SERVICE_UNAVAILABLE, "degraded");
        return ([(header::RETRY_AFTER, "10")], refusal).into_response();
    }
    Json(json!({ "paid_by": who.subject })).into_response()
}

fn deny(status: StatusCode, code: &str) -> Response {
    (status, Json(json!({ "error": code }))).into_response()
}
