//! Many verifications of one signature in one request, to be timed from outside: within a request
//! the clock of the runtime stands still while it computes.
//!
//! `{engine, n, case}`, where `case` is one of `/verify`; answers how many of the `n` were
//! accepted. Every engine is called from wasm as a request would call it, and each verification
//! ends before the next begins.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use js_sys::Promise;
use serde::Deserialize;
use serde_json::{Value, json};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;

use super::Case;
use crate::core::algorithm::Algorithm;
use crate::core::keys::{Material, VerificationKey};
use crate::core::secret;
use crate::core::verify::ReadyKey;
use crate::edge::crypto::RuntimeCrypto;

/// A measurement to make.
#[derive(Deserialize)]
pub(super) struct Question {
    engine: Engine,
    n: u32,
    case: Case,
}

/// Who verifies.
#[derive(Deserialize)]
enum Engine {
    /// As in production: jwt-compact for HMAC, the runtime's synchronous cryptography otherwise.
    #[serde(rename = "production")]
    Production,
    /// The runtime's synchronous cryptography for HMAC.
    #[serde(rename = "node:crypto")]
    NodeCrypto,
    /// `WebCrypto`, one promise after the other.
    #[serde(rename = "WebCrypto")]
    WebCrypto,
}

#[wasm_bindgen(module = "/src/edge/probe.js")]
extern "C" {
    #[wasm_bindgen(js_name = importForWebCrypto)]
    fn import_for_web_crypto(algorithm: &str, jwk: &str) -> Promise;

    #[wasm_bindgen(js_name = verifyByWebCrypto)]
    fn verify_by_web_crypto(
        algorithm: &str,
        key: &JsValue,
        message: &[u8],
        signature: &[u8],
    ) -> Promise;

    #[wasm_bindgen(js_name = importHmac)]
    fn import_hmac(secret: &[u8]) -> JsValue;

    #[wasm_bindgen(js_name = verifyHmac)]
    fn verify_hmac(hash: &str, key: &JsValue, message: &[u8], signature: &[u8]) -> bool;
}

pub(super) async fn answer(question: Question) -> Result<String, String> {
    let Question { engine, n, case } = question;
    let parsed = secret::parse("KEY", &case.key).map_err(|error| error.to_string())?;
    let key = parsed.keys.into_iter().next().ok_or("no key")?;
    let accepted = match engine {
        Engine::Production => by_production(&case, key, n)?,
        Engine::NodeCrypto => by_node_crypto(&case, &key, n)?,
        Engine::WebCrypto => by_web_crypto(&case, &key, n).await.map_err(|_| "WebCrypto failed")?,
    };
    Ok(json!({ "accepted": accepted }).to_string())
}

fn by_production(case: &Case, key: VerificationKey, n: u32) -> Result<usize, String> {
    let Case { alg, message, signature, .. } = case;
    let key = ReadyKey::prepare(&RuntimeCrypto, key).map_err(|error| error.to_string())?;
    Ok((0..n).filter(|_| key.verify(&RuntimeCrypto, *alg, message, signature)).count())
}

fn by_node_crypto(case: &Case, key: &VerificationKey, n: u32) -> Result<usize, String> {
    let hash = match case.alg {
        Algorithm::Hs256 => "sha256",
        Algorithm::Hs384 => "sha384",
        Algorithm::Hs512 => "sha512",
        _ => return Err("for the others it is the engine of production".to_owned()),
    };
    let Material::Hmac(secret) = &key.material else { return Err("not a secret".to_owned()) };
    let key = import_hmac(secret.expose());
    Ok((0..n).filter(|_| verify_hmac(hash, &key, &case.message, &case.signature)).count())
}

async fn by_web_crypto(case: &Case, key: &VerificationKey, n: u32) -> Result<usize, JsValue> {
    let name = case.alg.name();
    let key = JsFuture::from(import_for_web_crypto(name, &jwk(&key.material).to_string())).await?;
    let mut accepted = 0;
    for _ in 0..n {
        let verdict = verify_by_web_crypto(name, &key, &case.message, &case.signature);
        accepted += usize::from(JsFuture::from(verdict).await?.is_truthy());
    }
    Ok(accepted)
}

fn jwk(material: &Material) -> Value {
    match material {
        Material::Hmac(secret) => {
            json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(secret.expose()) })
        }
        public => public.public_jwk().unwrap_or_default(),
    }
}
