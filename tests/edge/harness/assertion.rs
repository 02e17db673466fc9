//! What an origin makes of an assertion.

use jsonwebtoken::{DecodingKey, Validation, jwk::JwkSet};
use serde_json::Value;

use super::{Gate, Seen, get, mint};

/// The claims of an assertion, verified as an origin would: by `/jwks.json` and another library.
pub async fn verified(gate: &Gate, seen: &Seen) -> Value {
    let reply = get("/_edgeward/jwks.json").send(gate).await;
    reply.must_pass();
    assert!(!reply.text().contains("\"d\""), "{}", reply.text());
    let keys: JwkSet = serde_json::from_slice(&reply.body).unwrap();
    let assertion = seen.header("x-auth-assertion")[0];
    let header = jsonwebtoken::decode_header(assertion).unwrap();
    let key = keys.find(header.kid.as_deref().expect("a kid")).expect("its key");
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&[mint::ORIGIN_AUDIENCE]);
    validation.set_issuer(&["edgeward"]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    validation.leeway = 0;
    let key = DecodingKey::from_jwk(key).unwrap();
    jsonwebtoken::decode::<Value>(assertion, &key, &validation).unwrap().claims
}
