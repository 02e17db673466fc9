//! A second signature engine, AWS-LC, so that the core and the gate run natively; and tokens made
//! without any of the code under test.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair,
    RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use aws_lc_rs::{hmac, rsa};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edgeward::core::algorithm::{Algorithm, Curve};
use edgeward::core::keys::Material;
use edgeward::core::secret::ClientKey;
use edgeward::core::verify::{KeyRefused, SignatureEngine};
use serde_json::{Value, json};

/// AWS-LC as the engine.
pub struct NativeCrypto;

impl SignatureEngine for NativeCrypto {
    type Key = Material;
    type SigningKey = Ed25519KeyPair;

    fn import(&self, material: &Material) -> Result<Material, KeyRefused> {
        Ok(material.clone())
    }

    fn verify(
        &self,
        algorithm: Algorithm,
        key: &Material,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let point = |x: &[u8], y: &[u8]| [&[4][..], x, y].concat();
        let fixed = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
        };
        match (algorithm, key) {
            (algorithm, Material::Rsa { n, e }) => {
                let parameters = match algorithm {
                    Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
                    Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
                    Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
                    Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
                    Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
                    Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
                    _ => return false,
                };
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
            }
            (Algorithm::Es256, Material::Ec { curve: Curve::P256, x, y }) => {
                fixed(&signature::ECDSA_P256_SHA256_FIXED, &point(x, y))
            }
            (Algorithm::Es384, Material::Ec { curve: Curve::P384, x, y }) => {
                fixed(&signature::ECDSA_P384_SHA384_FIXED, &point(x, y))
            }
            (Algorithm::Es512, Material::Ec { curve: Curve::P521, x, y }) => {
                fixed(&signature::ECDSA_P521_SHA512_FIXED, &point(x, y))
            }
            (Algorithm::EdDsa, Material::Ed25519 { x }) => fixed(&signature::ED25519, x),
            _ => false,
        }
    }

    fn import_signing(&self, d: &[u8], x: &[u8; 32]) -> Result<Ed25519KeyPair, KeyRefused> {
        Ed25519KeyPair::from_seed_and_public_key(d, x).map_err(|_| KeyRefused)
    }

    fn import_client(&self, key: &ClientKey) -> Result<Ed25519KeyPair, KeyRefused> {
        let jwk: Value = serde_json::from_slice(key.jwk.expose()).map_err(|_| KeyRefused)?;
        let number = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap_or_default());
        let (d, x) = (number("d").map_err(|_| KeyRefused)?, number("x").map_err(|_| KeyRefused)?);
        Ed25519KeyPair::from_seed_and_public_key(&d, &x).map_err(|_| KeyRefused)
    }

    fn sign(&self, key: &Ed25519KeyPair, message: &[u8]) -> Option<Vec<u8>> {
        Some(key.sign(message).as_ref().to_vec())
    }

    /// Always the same, so that every run of a test is.
    fn random(&self) -> u64 {
        7
    }
}

/// A key pair of an issuer.
pub enum Signer {
    Hmac(Vec<u8>),
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    pub fn hmac(byte: u8) -> Self {
        Self::Hmac(vec![byte; 64])
    }

    pub fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(rsa::KeySize::Rsa2048).unwrap())
    }

    pub fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    /// The verification key as a JWK.
    pub fn jwk(&self, kid: &str) -> Value {
        match self {
            Self::Hmac(secret) => json!({ "kty": "oct", "kid": kid, "k": encode(secret) }),
            Self::Rsa(pair) => {
                let key = pair.public_key();
                let n = key.modulus().big_endian_without_leading_zero();
                let e = key.exponent().big_endian_without_leading_zero();
                json!({ "kty": "RSA", "kid": kid, "n": encode(n), "e": encode(e) })
            }
            Self::P256(pair) => {
                let point = pair.public_key().as_ref();
                json!({
                    "kty": "EC", "crv": "P-256", "kid": kid,
                    "x": encode(&point[1..33]), "y": encode(&point[33..]),
                })
            }
            Self::Ed25519(pair) => json!({
                "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": encode(pair.public_key().as_ref()),
            }),
        }
    }

    /// A signature of the kind that `algorithm` names, as far as this key can make it.
    pub fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Hmac(secret) => {
                let hash = match algorithm {
                    "HS384" => hmac::HMAC_SHA384,
                    "HS512" => hmac::HMAC_SHA512,
                    _ => hmac::HMAC_SHA256,
                };
                hmac::sign(&hmac::Key::new(hash, secret), message).as_ref().to_vec()
            }
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                if algorithm.starts_with("PS") {
                    pair.sign(&signature::RSA_PSS_SHA256, &random, message, &mut signature)
                } else {
                    pair.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut signature)
                }
                .unwrap();
                signature
            }
            Self::P256(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// A token with this header and these claims, whatever they are.
    pub fn token(&self, header: &Value, claims: &Value) -> String {
        self.token_of(&header.to_string(), &claims.to_string())
    }

    /// A token of these texts, which need not be JSON.
    pub fn token_of(&self, header: &str, claims: &str) -> String {
        let algorithm = serde_json::from_str::<Value>(header)
            .ok()
            .and_then(|header| header["alg"].as_str().map(str::to_owned))
            .unwrap_or_default();
        let input = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
        let signature = self.sign(&algorithm, input.as_bytes());
        format!("{input}.{}", encode(&signature))
    }
}

/// Base64url without padding.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
