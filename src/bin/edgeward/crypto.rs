//! Signatures by AWS-LC, so that the gate runs natively: what the runtime's own cryptography is to the
//! Worker. The tests use it, too.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, ParsedPublicKey, RsaEncoding,
    RsaKeyPair, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use aws_lc_rs::{hmac, rsa};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edgeward::core::algorithm::{Algorithm, Curve};
use edgeward::core::keys::Material;
use edgeward::core::secret::ClientKey;
use edgeward::core::verify::{KeyRefused, SignatureEngine};
use serde_json::Value;

/// AWS-LC as the engine. It holds where random bits come from.
pub(crate) struct NativeCrypto(pub(crate) fn() -> u64);

/// A private key, or a shared secret.
pub(crate) enum PrivateKey {
    /// A shared secret.
    Hmac(Vec<u8>),
    /// For either padding.
    Rsa(Box<RsaKeyPair>),
    /// On this curve.
    Ec(Curve, Box<EcdsaKeyPair>),
    /// Ed25519.
    Ed25519(Box<Ed25519KeyPair>),
}

/// A private key, and what it signs with.
pub(crate) struct SigningKey {
    key: PrivateKey,
    algorithm: Algorithm,
}

impl SignatureEngine for NativeCrypto {
    type Key = Material;
    type SigningKey = SigningKey;

    fn import(&self, material: &Material) -> Result<Material, KeyRefused> {
        if let Material::Ec { curve, x, y } = material {
            ParsedPublicKey::new(ecdsa(*curve), point(x, y)).map_err(|_| KeyRefused)?;
        }
        Ok(material.clone())
    }

    fn verify(
        &self,
        algorithm: Algorithm,
        key: &Material,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
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
            (Algorithm::Es256, Material::Ec { curve: curve @ Curve::P256, x, y })
            | (Algorithm::Es384, Material::Ec { curve: curve @ Curve::P384, x, y })
            | (Algorithm::Es512, Material::Ec { curve: curve @ Curve::P521, x, y }) => {
                fixed(ecdsa(*curve), &point(x, y))
            }
            (Algorithm::EdDsa, Material::Ed25519 { x }) => fixed(&signature::ED25519, x),
            _ => false,
        }
    }

    fn import_signing(&self, d: &[u8], x: &[u8; 32]) -> Result<SigningKey, KeyRefused> {
        let pair = Ed25519KeyPair::from_seed_and_public_key(d, x).map_err(|_| KeyRefused)?;
        Ok(SigningKey { key: PrivateKey::Ed25519(Box::new(pair)), algorithm: Algorithm::EdDsa })
    }

    fn import_client(&self, key: &ClientKey) -> Result<SigningKey, KeyRefused> {
        let jwk: Value = serde_json::from_slice(key.jwk.expose()).map_err(|_| KeyRefused)?;
        Ok(SigningKey { key: PrivateKey::from_jwk(&jwk)?, algorithm: key.algorithm })
    }

    fn sign(&self, key: &SigningKey, message: &[u8]) -> Option<Vec<u8>> {
        key.key.sign(key.algorithm, message)
    }

    fn random(&self) -> u64 {
        (self.0)()
    }
}

impl PrivateKey {
    /// Reads a private JWK (RFC 7518 section 6, RFC 8037 section 2).
    pub(crate) fn from_jwk(jwk: &Value) -> Result<Self, KeyRefused> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str).ok_or(KeyRefused);
        let number = |name| URL_SAFE_NO_PAD.decode(text(name)?).map_err(|_| KeyRefused);
        Ok(match text("kty")? {
            "oct" => Self::Hmac(number("k")?),
            "RSA" => {
                let components = rsa::KeyPairComponents {
                    public_key: rsa::PublicKeyComponents { n: number("n")?, e: number("e")? },
                    d: number("d")?,
                    p: number("p")?,
                    q: number("q")?,
                    dP: number("dp")?,
                    dQ: number("dq")?,
                    qInv: number("qi")?,
                };
                let pair = RsaKeyPair::from_components(&components).map_err(|_| KeyRefused)?;
                Self::Rsa(Box::new(pair))
            }
            "EC" => {
                let curve = Curve::from_name(text("crv")?).ok_or(KeyRefused)?;
                let public = point(&number("x")?, &number("y")?);
                let pair = EcdsaKeyPair::from_private_key_and_public_key(
                    signing(curve),
                    &number("d")?,
                    &public,
                );
                Self::Ec(curve, Box::new(pair.map_err(|_| KeyRefused)?))
            }
            "OKP" if text("crv")? == "Ed25519" => {
                let pair = Ed25519KeyPair::from_seed_and_public_key(&number("d")?, &number("x")?);
                Self::Ed25519(Box::new(pair.map_err(|_| KeyRefused)?))
            }
            _ => return Err(KeyRefused),
        })
    }

    /// A signature in the form of RFC 7518 section 3; `None` if the key is not for this algorithm.
    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Hmac(secret) => {
                let hash = match algorithm {
                    Algorithm::Hs256 => hmac::HMAC_SHA256,
                    Algorithm::Hs384 => hmac::HMAC_SHA384,
                    Algorithm::Hs512 => hmac::HMAC_SHA512,
                    _ => return None,
                };
                Some(hmac::sign(&hmac::Key::new(hash, secret), message).as_ref().to_vec())
            }
            Self::Rsa(pair) => {
                let padding: &dyn RsaEncoding = match algorithm {
                    Algorithm::Rs256 => &signature::RSA_PKCS1_SHA256,
                    Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
                    Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
                    Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
                    Algorithm::Ps384 => &signature::RSA_PSS_SHA384,
                    Algorithm::Ps512 => &signature::RSA_PSS_SHA512,
                    _ => return None,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &SystemRandom::new(), message, &mut signature).ok()?;
                Some(signature)
            }
            Self::Ec(curve, pair) => {
                let fits = algorithm.family() == edgeward::core::algorithm::Family::Ec(*curve);
                let signature = pair.sign(&SystemRandom::new(), message).ok()?;
                fits.then(|| signature.as_ref().to_vec())
            }
            Self::Ed25519(pair) => {
                (algorithm == Algorithm::EdDsa).then(|| pair.sign(message).as_ref().to_vec())
            }
        }
    }
}

/// What makes keys of this curve.
pub(crate) const fn signing(curve: Curve) -> &'static EcdsaSigningAlgorithm {
    match curve {
        Curve::P256 => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        Curve::P384 => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
        Curve::P521 => &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
    }
}

const fn ecdsa(curve: Curve) -> &'static dyn VerificationAlgorithm {
    match curve {
        Curve::P256 => &signature::ECDSA_P256_SHA256_FIXED,
        Curve::P384 => &signature::ECDSA_P384_SHA384_FIXED,
        Curve::P521 => &signature::ECDSA_P521_SHA512_FIXED,
    }
}

/// An uncompressed point (SEC 1 section 2.3.3).
fn point(x: &[u8], y: &[u8]) -> Vec<u8> {
    [&[4][..], x, y].concat()
}
