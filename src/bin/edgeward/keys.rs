//! Keys as people keep them: JWK and PEM.

use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPrivateKeyBin, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::Decode;
use der::pem::{self, LineEnding};
use edgeward::core::algorithm::{Algorithm, Curve, Family};
use pkcs1::RsaPrivateKeyRef;
use pkcs8::PrivateKeyInfoRef;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::crypto::{PrivateKey, signing};

/// A shared secret is as long as the longest hash, so that it serves all three.
const HMAC_BYTES: usize = 64;

/// Why there is no key.
#[derive(Debug)]
pub(crate) struct NoKey(pub(crate) String);

/// Random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], NoKey> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| NoKey("the operating system gives no random bytes".to_owned()))?;
    Ok(bytes)
}

impl PrivateKey {
    /// A new key for this algorithm. `bits` counts for RSA alone.
    pub(crate) fn generate(algorithm: Algorithm, bits: KeySize) -> Result<Self, NoKey> {
        let failed = |_| NoKey("the key could not be made".to_owned());
        Ok(match algorithm.family() {
            Family::Hmac => Self::Hmac(random::<HMAC_BYTES>()?.to_vec()),
            Family::Rsa => Self::Rsa(Box::new(RsaKeyPair::generate(bits).map_err(failed)?)),
            Family::Ec(curve) => {
                Self::Ec(curve, Box::new(EcdsaKeyPair::generate(signing(curve)).map_err(failed)?))
            }
            Family::Ed25519 => Self::Ed25519(Box::new(Ed25519KeyPair::generate().map_err(failed)?)),
        })
    }

    /// Its public half as a JWK without a name; of a shared secret there is none.
    pub(crate) fn public_jwk(&self) -> Option<Map<String, Value>> {
        let jwk = match self {
            Self::Hmac(_) => return None,
            Self::Rsa(pair) => {
                let key = pair.public_key();
                let n = key.modulus().big_endian_without_leading_zero();
                let e = key.exponent().big_endian_without_leading_zero();
                json!({ "kty": "RSA", "n": encode(n), "e": encode(e) })
            }
            Self::Ec(curve, pair) => {
                // SEC 1 section 2.3.3: a byte for the form, then both coordinates.
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "kty": "EC", "crv": Curve::name(*curve), "x": encode(x), "y": encode(y) })
            }
            Self::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()) })
            }
        };
        members(jwk)
    }

    /// The whole key as a JWK without a name.
    pub(crate) fn private_jwk(&self) -> Result<Map<String, Value>, NoKey> {
        let failed = || NoKey("the key cannot be written as a JWK".to_owned());
        let secret = match self {
            Self::Hmac(secret) => json!({ "kty": "oct", "k": encode(secret) }),
            Self::Rsa(_) => {
                let der = self.pkcs8()?;
                let info = PrivateKeyInfoRef::from_der(&der).map_err(|_| failed())?;
                let key = RsaPrivateKeyRef::from_der(info.private_key.as_bytes());
                let key = key.map_err(|_| failed())?;
                json!({
                    "d": encode(key.private_exponent.as_bytes()),
                    "p": encode(key.prime1.as_bytes()),
                    "q": encode(key.prime2.as_bytes()),
                    "dp": encode(key.exponent1.as_bytes()),
                    "dq": encode(key.exponent2.as_bytes()),
                    "qi": encode(key.coefficient.as_bytes()),
                })
            }
            Self::Ec(_, pair) => {
                let d: EcPrivateKeyBin = pair.private_key().as_be_bytes().map_err(|_| failed())?;
                json!({ "d": encode(d.as_ref()) })
            }
            Self::Ed25519(pair) => {
                let seed = pair.seed().map_err(|_| failed())?;
                let seed = seed.as_be_bytes().map_err(|_| failed())?;
                json!({ "d": encode(seed.as_ref()) })
            }
        };
        let mut jwk = self.public_jwk().unwrap_or_default();
        jwk.extend(members(secret).unwrap_or_default());
        Ok(jwk)
    }

    /// The whole key as PEM (PKCS#8).
    pub(crate) fn private_pem(&self) -> Result<String, NoKey> {
        armour("PRIVATE KEY", &self.pkcs8()?)
    }

    /// The public half as PEM (SPKI).
    pub(crate) fn public_pem(&self) -> Result<String, NoKey> {
        let failed = |_| NoKey("the key cannot be written as PEM".to_owned());
        let der: PublicKeyX509Der<'_> = match self {
            Self::Hmac(_) => return Err(no_pem()),
            Self::Rsa(pair) => pair.public_key().as_der().map_err(failed)?,
            Self::Ec(_, pair) => pair.public_key().as_der().map_err(failed)?,
            Self::Ed25519(pair) => pair.public_key().as_der().map_err(failed)?,
        };
        armour("PUBLIC KEY", der.as_ref())
    }

    fn pkcs8(&self) -> Result<Vec<u8>, NoKey> {
        let failed = |_| NoKey("the key cannot be written as PKCS#8".to_owned());
        Ok(match self {
            Self::Hmac(_) => return Err(no_pem()),
            Self::Rsa(pair) => {
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                der.as_ref().to_vec()
            }
            Self::Ec(_, pair) => pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec(),
            Self::Ed25519(pair) => pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec(),
        })
    }

    /// Reads a private key that somebody keeps as JWK or PEM, with the `kid` and `alg` that a JWK has.
    pub(crate) fn read(text: &str) -> Result<NamedKey, NoKey> {
        if text.trim_start().starts_with('{') {
            return Self::read_jwk(text);
        }
        if text.contains("BEGIN OPENSSH PRIVATE KEY") {
            return Err(NoKey(
                "it is a key of OpenSSH; expected a JWK, or PEM in PKCS#8".to_owned(),
            ));
        }
        let (label, der) = pem::decode_vec(text.trim_ascii().as_bytes()).map_err(|_| {
            NoKey("it is neither a JWK nor PEM; expected a private key, such as `edgeward keygen` makes".into())
        })?;
        let curves = [Curve::P256, Curve::P384, Curve::P521];
        let ec = || {
            curves.into_iter().find_map(|curve| {
                let pair = EcdsaKeyPair::from_private_key_der(signing(curve), &der).ok()?;
                Some(Self::Ec(curve, Box::new(pair)))
            })
        };
        let rsa = |pair: RsaKeyPair| Self::Rsa(Box::new(pair));
        let key = match label {
            "PRIVATE KEY" => {
                ec().or_else(|| RsaKeyPair::from_pkcs8(&der).ok().map(rsa)).or_else(|| {
                    Some(Self::Ed25519(Box::new(
                        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).ok()?,
                    )))
                })
            }
            "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der).ok().map(rsa),
            "EC PRIVATE KEY" => ec(),
            "PUBLIC KEY" | "RSA PUBLIC KEY" | "CERTIFICATE" => {
                return Err(NoKey(
                    "it is a public key, which signs nothing; expected the private one".into(),
                ));
            }
            "ENCRYPTED PRIVATE KEY" => {
                return Err(NoKey("it is encrypted; `openssl pkey -in FILE` decrypts it".into()));
            }
            _ => None,
        };
        let key = key.ok_or_else(|| {
            NoKey(
                "it is no private key of RSA (2048 to 8192 bits), P-256, P-384, P-521 or Ed25519"
                    .into(),
            )
        })?;
        Ok(NamedKey { key, kid: None, algorithm: None })
    }

    fn read_jwk(text: &str) -> Result<NamedKey, NoKey> {
        let jwk: Value = serde_json::from_str(text)
            .map_err(|_| NoKey("it begins like a JWK and is no JSON".to_owned()))?;
        let member = |name: &str| jwk.get(name).and_then(Value::as_str);
        if jwk.get("keys").is_some() {
            return Err(NoKey("it is a JWK Set; expected one private JWK".to_owned()));
        }
        if member("kty").is_some_and(|kty| kty != "oct") && member("d").is_none() {
            return Err(NoKey(
                "it is a public key, which signs nothing; expected the private one".to_owned(),
            ));
        }
        let key = Self::from_jwk(&jwk).map_err(|_| {
            NoKey(
                "its members do not make a private key; expected a JWK of RSA (with \
                 p, q, dp, dq and qi), EC, OKP Ed25519 or oct"
                    .to_owned(),
            )
        })?;
        let algorithm = match member("alg") {
            None => None,
            Some(name) => Some(
                Algorithm::from_name(name)
                    .ok_or_else(|| NoKey("its alg is none that a gate can verify".to_owned()))?,
            ),
        };
        Ok(NamedKey { key, kid: member("kid").map(str::to_owned), algorithm })
    }

    /// What this key signs with unless somebody says otherwise.
    pub(crate) const fn usual_algorithm(&self) -> Algorithm {
        match self {
            Self::Hmac(_) => Algorithm::Hs256,
            Self::Rsa(_) => Algorithm::Rs256,
            Self::Ec(Curve::P256, _) => Algorithm::Es256,
            Self::Ec(Curve::P384, _) => Algorithm::Es384,
            Self::Ec(Curve::P521, _) => Algorithm::Es512,
            Self::Ed25519(_) => Algorithm::EdDsa,
        }
    }
}

/// A private key with what its JWK says about it.
pub(crate) struct NamedKey {
    pub(crate) key: PrivateKey,
    pub(crate) kid: Option<String>,
    pub(crate) algorithm: Option<Algorithm>,
}

/// The name that RFC 7638 gives a key: the hash of the members that make it, in the order of their names.
pub(crate) fn thumbprint(jwk: &Map<String, Value>) -> String {
    let names: &[&str] = match jwk.get("kty").and_then(Value::as_str) {
        Some("oct") => &["k", "kty"],
        Some("RSA") => &["e", "kty", "n"],
        Some("EC") => &["crv", "kty", "x", "y"],
        _ => &["crv", "kty", "x"],
    };
    let member = |name: &&str| format!("\"{name}\":{}", jwk.get(*name).unwrap_or(&Value::Null));
    let text: Vec<_> = names.iter().map(member).collect();
    encode(&Sha256::digest(format!("{{{}}}", text.join(","))))
}

/// Base64url without padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn armour(label: &str, der: &[u8]) -> Result<String, NoKey> {
    pem::encode_string(label, LineEnding::LF, der)
        .map_err(|_| NoKey("the key cannot be written as PEM".to_owned()))
}

fn no_pem() -> NoKey {
    NoKey("a shared secret has no PEM; use --format jwk".to_owned())
}

fn members(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_rfc_7638() {
        // RFC 7638 section 3.1.
        let jwk = json!({
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "e": "AQAB",
            "alg": "RS256",
            "kid": "2011-04-29",
        });
        assert_eq!(
            thumbprint(&members(jwk).unwrap()),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
    }

    #[test]
    fn a_key_is_the_same_after_it_was_written_and_read() {
        for algorithm in Algorithm::ALL {
            let key = PrivateKey::generate(algorithm, KeySize::Rsa2048).unwrap();
            let jwk = key.private_jwk().unwrap();
            let read = PrivateKey::read(&Value::Object(jwk.clone()).to_string()).unwrap();
            assert_eq!(read.key.private_jwk().unwrap(), jwk, "{algorithm:?}");
            if algorithm.family() == Family::Hmac {
                assert!(key.private_pem().is_err() && key.public_pem().is_err());
                continue;
            }
            let read = PrivateKey::read(&key.private_pem().unwrap()).unwrap();
            assert_eq!(read.key.private_jwk().unwrap(), jwk, "{algorithm:?}");
            assert_eq!(read.key.usual_algorithm().family(), algorithm.family());
        }
    }

    #[test]
    fn keys_that_openssl_wrote_are_read() {
        let fixture = |name: &str| {
            let path = format!("{}/tests/fixtures/keys/{name}", env!("CARGO_MANIFEST_DIR"));
            PrivateKey::read(&std::fs::read_to_string(path).unwrap())
        };
        for name in [
            "ed25519.private.jwk.json",
            "ed25519.private.pkcs8.pem",
            "p256.private.sec1.pem",
            "rsa2048.private.pkcs8.pem",
            "rsa2048.private.pkcs1.pem",
            "rsa2048.private.jwk.json",
        ] {
            assert!(fixture(name).is_ok(), "{name}");
        }
        for (name, why) in [
            ("p256.spki.pem", "public key"),
            ("rsa2048.cert.pem", "public key"),
            ("p256.private.encrypted.pem", "encrypted"),
            ("ed25519.private.openssh.pem", "of OpenSSH"),
            ("set.jwks.json", "JWK Set"),
            ("ed25519.ssh.pub", "neither a JWK nor PEM"),
        ] {
            let NoKey(said) = fixture(name).map(drop).unwrap_err();
            assert!(said.contains(why), "{name}: {said}");
        }
    }
}
