//! The assertion: a short-lived token of our own that tells the origin who is asking.
//!
//! In scope: its claims, its life and its signature. Out of scope: which header carries it
//! ([`super::mutate`]).

use std::borrow::Cow;
use std::cell::OnceCell;
use std::rc::Rc;

use jwt_compact::alg::{Hs256, Hs256Key};
use jwt_compact::{AlgorithmExt as _, AlgorithmSignature, Claims, Header};
use serde::Serialize;
use serde_json::{Value, json};

use super::claims::NumericDate;
use super::config::AssertionSettings;
use super::facts::Facts;
use super::mode::Mode;
use super::secret::{AssertionKey, AssertionMaterial};
use super::verify::{KeyRefused, SignatureEngine};

/// The `iss` of every assertion.
pub const ISSUER: &str = "edgeward";

/// Signs assertions.
pub struct Signer<K> {
    audience: String,
    ttl_seconds: i64,
    header: Header,
    /// The header as it is written, once there is an assertion.
    head: OnceCell<Rc<str>>,
    key: SigningKey<K>,
    /// The public keys, the own one first.
    jwk_set: Value,
}

enum SigningKey<K> {
    Ed25519(K),
    Hmac(Hs256Key),
}

/// A signed assertion and how long it may be used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// The header of the compact JWS: one text for all assertions of a signer.
    head: Rc<str>,
    /// Its claims and its signature, each after a dot.
    rest: Box<str>,
    /// From this time on, a new one is made.
    pub renew_at: NumericDate,
    /// What it rests on.
    pub mode: Mode,
}

impl Assertion {
    /// The compact JWS, in two parts.
    #[must_use]
    pub fn parts(&self) -> [&str; 2] {
        [&self.head, &self.rest]
    }

    /// How much memory it takes besides the header, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.rest.len()
    }
}

/// The claims, in the order in which they are written.
#[derive(Serialize)]
struct Contents<'a> {
    iss: &'static str,
    aud: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    iat: NumericDate,
    exp: NumericDate,
    /// `jti` of the original token.
    #[serde(skip_serializing_if = "Option::is_none")]
    tid: Option<&'a str>,
    /// `iss` of the original token.
    oiss: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    /// Whether this rests on less than usual.
    #[serde(skip_serializing_if = "Mode::is_normal")]
    degraded: Mode,
}

impl<K> Signer<K> {
    /// Makes a signer ready, and proves with one signature that both halves of the key belong
    /// together: an origin could verify nothing otherwise.
    pub fn prepare<E: SignatureEngine<SigningKey = K>>(
        engine: &E,
        settings: &AssertionSettings,
        key: &AssertionKey,
    ) -> Result<Self, KeyRefused> {
        let signing_key = match &key.material {
            AssertionMaterial::Hmac(secret) => SigningKey::Hmac(Hs256Key::new(secret.expose())),
            AssertionMaterial::Ed25519 { d, x } => {
                SigningKey::Ed25519(engine.import_signing(d.expose(), x)?)
            }
        };
        let header = Header::empty().with_token_type("JWT");
        let header = match &key.kid {
            Some(kid) => header.with_key_id(kid.clone()),
            None => header,
        };
        let mut keys: Vec<Value> = key.public_jwk().into_iter().collect();
        for jwk in &settings.publish {
            let is_same = |known: &Value, name: &str| known[name].as_str() == jwk[name].as_str();
            match keys.iter().find(|known| is_same(known, "kid")) {
                None => keys.push(jwk.clone()),
                // The own one may be among them: the list is the same before the key changes and after.
                Some(known) if is_same(known, "x") => {}
                Some(_) => return Err(KeyRefused),
            }
        }
        Ok(Self {
            audience: settings.audience.clone(),
            ttl_seconds: settings.ttl_seconds,
            header,
            head: OnceCell::new(),
            key: signing_key,
            jwk_set: json!({ "keys": keys }),
        })
    }

    /// The public key as a JWK Set, and the others to publish; a shared secret is not in it.
    #[must_use]
    pub fn jwk_set(&self) -> Value {
        self.jwk_set.clone()
    }

    /// Signs an assertion about a verified token of `issuer`. `None` if the platform cannot sign.
    #[must_use]
    #[inline(never)] // see docs/performance.md, "Cold start"
    pub fn sign<E: SignatureEngine<SigningKey = K>>(
        &self,
        engine: &E,
        facts: &Facts,
        issuer: &str,
        mode: Mode,
        now: NumericDate,
    ) -> Option<Assertion> {
        let expiration = facts.expiration.min(now.saturating_add(self.ttl_seconds));
        let contents = Contents {
            iss: ISSUER,
            aud: &self.audience,
            sub: facts.subject(),
            iat: now,
            exp: expiration,
            tid: facts.token_id(),
            oiss: issuer,
            scope: facts.scope(),
            degraded: mode,
        };
        let claims = Claims::new(contents);
        let text = match &self.key {
            SigningKey::Hmac(key) => Hs256.token(&self.header, &claims, key).ok()?,
            SigningKey::Ed25519(key) => {
                let algorithm = EdDsa { engine, key };
                algorithm.token(&self.header, &claims, &()).ok()?
            }
        };
        // The custom algorithm below cannot fail; an empty signature is its way to say so.
        if text.ends_with('.') {
            return None;
        }
        // Renewed at half its life, so that the origin never gets one that is about to end.
        let renew_at = now.saturating_add((expiration.saturating_sub(now) / 2).max(1));
        let (head, rest) = text.split_at_checked(text.find('.')?)?;
        let head = Rc::clone(self.head.get_or_init(|| head.into()));
        Some(Assertion { head, rest: rest.into(), renew_at, mode })
    }
}

/// Ed25519 by the platform's engine, in the form that the token library asks for.
struct EdDsa<'a, E: SignatureEngine> {
    engine: &'a E,
    key: &'a E::SigningKey,
}

/// A signature as bytes; empty where the engine failed.
struct SignatureBytes(Vec<u8>);

impl AlgorithmSignature for SignatureBytes {
    fn try_from_slice(slice: &[u8]) -> anyhow::Result<Self> {
        Ok(Self(slice.to_vec()))
    }

    fn as_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0)
    }
}

impl<E: SignatureEngine> jwt_compact::Algorithm for EdDsa<'_, E> {
    type SigningKey = ();
    type VerifyingKey = ();
    type Signature = SignatureBytes;

    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed("EdDSA")
    }

    fn sign(&self, (): &(), message: &[u8]) -> SignatureBytes {
        SignatureBytes(self.engine.sign(self.key, message).unwrap_or_default())
    }

    fn verify_signature(&self, _: &SignatureBytes, (): &(), _: &[u8]) -> bool {
        false
    }
}
