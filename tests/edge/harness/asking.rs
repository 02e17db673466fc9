//! A gate that asks an auth service about the JWTs of the mint.

use serde_json::{Value, json};

use super::{Faults, Origin, Reply, Setup};

/// Where the service is asked.
pub const INTROSPECT: &str = "/introspect";

/// A gate in front of `origin` that asks this service, with an assertion and two claims as headers.
pub fn asking_about(origin: &Origin, service: &Faults) -> Setup {
    Setup::new(origin)
        .assertion(60)
        .secret("CLIENT_SECRET", "secret")
        .set(
            "providers.0.introspection",
            json!({
                "url": format!("http://{}{INTROSPECT}", service.addr),
                "client_id": "edge",
                "client_secret": "CLIENT_SECRET",
            }),
        )
        .set("forward.claim_to_headers", json!({ "X-Auth-Subject": "sub", "X-Name": "name" }))
}

/// A service that always says this.
pub async fn says(answer: Value) -> Faults {
    Faults::answering(move |_| Reply::new(200, answer.to_string())).await
}
