//! From an untrusted token to a verified one: the checks, in an order that is a contract.
//!
//! The order, which tests pin for each neighbouring pair:
//!
//! 1. size and structure ([`super::token`])
//! 2. `alg` in the list
//! 3. `crit`, `b64`, `zip` and other header members that change the reading
//! 4. `typ` in the list
//! 5. issuer
//! 6. key
//! 7. signature
//! 8. time claims
//! 9. audience, then required claims
//!
//! Nothing after the signature is looked at before it, so that a forger learns nothing. In scope:
//! these checks. Out of scope: credentials before them, rules after them ([`crate::gate`]).

use std::fmt;
use std::hint::black_box;

use jwt_compact::AlgorithmSignature;
use jwt_compact::alg::{Hs256, Hs256Key, Hs384, Hs384Key, Hs512, Hs512Key};
use serde_json::{Map, Value};

use super::algorithm::{Algorithm, Curve, Family};
use super::claims::{self, AUDIENCE, NumericDate, Rounding};
use super::config::{OpaqueTokens, Provider, Settings};
use super::denial::Reason;
use super::facts::Facts;
use super::keys::{self, Material, NoKey, VerificationKey};
use super::revocation::target::{Fingerprint, Kind, Targets};
use super::secret::ClientKey;
use super::token::{TokenFault, UntrustedToken};

/// The platform's own cryptography: asymmetric signatures are ten times slower in wasm than in
/// the runtime's native code. HMAC is not its business.
pub trait SignatureEngine {
    /// Whether a token whose key is not there costs a verification, to take as long as one whose
    /// signature is wrong. Not where nobody waits who should not know the difference.
    const HIDES_UNKNOWN_KEYS: bool = true;
    /// A verification key in the platform's form.
    type Key;
    /// A signing key in the platform's form.
    type SigningKey;

    /// Takes over a key that is not a shared secret. The platform finds what arithmetic alone
    /// cannot: a point that is not on its curve.
    fn import(&self, material: &Material) -> Result<Self::Key, KeyRefused>;

    /// Whether `signature` over `message` is right. RSASSA-PSS uses a salt of the length of the
    /// hash (RFC 7518 section 3.5); an ECDSA signature is both numbers side by side (section 3.4).
    /// A failure of any kind is `false`.
    fn verify(
        &self,
        algorithm: Algorithm,
        key: &Self::Key,
        message: &[u8],
        signature: &[u8],
    ) -> bool;

    /// Takes over an Ed25519 private key and its public half.
    fn import_signing(&self, d: &[u8], x: &[u8; 32]) -> Result<Self::SigningKey, KeyRefused>;

    /// Takes over a private key that signs statements about the gate.
    fn import_client(&self, key: &ClientKey) -> Result<Self::SigningKey, KeyRefused>;

    /// Signs with the algorithm of the key, in the form of RFC 7518 section 3; `None` if the platform
    /// fails.
    fn sign(&self, key: &Self::SigningKey, message: &[u8]) -> Option<Vec<u8>>;

    /// Bits that nobody can guess.
    fn random(&self) -> u64;
}

/// The platform does not accept a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRefused;

impl fmt::Display for KeyRefused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the key is not valid: its numbers do not make a public key")
    }
}

/// A key that is ready to verify.
pub struct ReadyKey<K> {
    description: VerificationKey,
    handle: Handle<K>,
}

enum Handle<K> {
    Hmac(Box<HmacKeys>),
    Native { key: K, signature_bytes: usize },
}

/// One shared secret, ready for each hash.
struct HmacKeys {
    sha256: Hs256Key,
    sha384: Hs384Key,
    sha512: Hs512Key,
}

impl<K> ReadyKey<K> {
    /// Makes a key ready. The error is the platform's word on a key that looked right.
    pub fn prepare<E: SignatureEngine<Key = K>>(
        engine: &E,
        description: VerificationKey,
    ) -> Result<Self, KeyRefused> {
        let handle = match &description.material {
            Material::Hmac(secret) => Handle::Hmac(Box::new(HmacKeys {
                sha256: Hs256Key::new(secret.expose()),
                sha384: Hs384Key::new(secret.expose()),
                sha512: Hs512Key::new(secret.expose()),
            })),
            material => Handle::Native {
                key: engine.import(material)?,
                signature_bytes: material.signature_bytes(),
            },
        };
        Ok(Self { description, handle })
    }

    /// Whether `signature` over `message` is right.
    pub(crate) fn verify<E: SignatureEngine<Key = K>>(
        &self,
        engine: &E,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        match (&self.handle, algorithm) {
            (Handle::Hmac(keys), Algorithm::Hs256) => {
                hmac_matches(&Hs256, &keys.sha256, message, signature)
            }
            (Handle::Hmac(keys), Algorithm::Hs384) => {
                hmac_matches(&Hs384, &keys.sha384, message, signature)
            }
            (Handle::Hmac(keys), Algorithm::Hs512) => {
                hmac_matches(&Hs512, &keys.sha512, message, signature)
            }
            (Handle::Native { key, .. }, algorithm) => {
                self.takes(signature.len()) && engine.verify(algorithm, key, message, signature)
            }
            (Handle::Hmac(_), _) => false,
        }
    }

    /// Whether a signature of this length takes the whole work of a verification.
    const fn takes(&self, length: usize) -> bool {
        match &self.handle {
            Handle::Hmac(_) => true,
            Handle::Native { signature_bytes, .. } => length == *signature_bytes,
        }
    }
}

impl<K> AsRef<VerificationKey> for ReadyKey<K> {
    fn as_ref(&self) -> &VerificationKey {
        &self.description
    }
}

/// Compares in constant time, once the length is right.
fn hmac_matches<A: jwt_compact::Algorithm>(
    algorithm: &A,
    key: &A::VerifyingKey,
    message: &[u8],
    signature: &[u8],
) -> bool {
    // `try_from_slice` of the HMAC signatures panics on another length.
    let right_length = A::Signature::LENGTH.is_some_and(|length| length.get() == signature.len());
    right_length
        && A::Signature::try_from_slice(signature)
            .is_ok_and(|signature| algorithm.verify_signature(&signature, key, message))
}

impl Material {
    /// The only length that a signature by this key can have, in bytes.
    fn signature_bytes(&self) -> usize {
        match self {
            Self::Hmac(_) => 0,
            Self::Rsa { n, .. } => n.len(),
            Self::Ec { curve, .. } => 2 * Curve::coordinate_bytes(*curve),
            Self::Ed25519 { .. } => 64,
        }
    }
}

/// A token whose signature and claims passed every check of its provider.
#[derive(Debug)]
pub struct VerifiedToken {
    /// What later requests need to know about it.
    pub facts: Facts,
    /// All that it says.
    pub claims: Map<String, Value>,
}

/// Why a token is not verified, and whose it claimed to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unverified {
    /// The first check that failed.
    pub reason: Reason,
    /// Position of the provider of its issuer, if there is one.
    pub provider: Option<usize>,
}

impl From<TokenFault> for Reason {
    fn from(fault: TokenFault) -> Self {
        match fault {
            TokenFault::TooLarge => Self::TokenTooLarge,
            TokenFault::Malformed => Self::MalformedToken,
            TokenFault::MalformedHeader => Self::MalformedHeader,
        }
    }
}

/// A token that one of our providers may have issued: steps 1 to 5 are done, and nothing about it is
/// known to be true.
#[derive(Debug)]
pub struct Candidate<'t> {
    /// Position of the provider of its issuer.
    pub provider: usize,
    algorithm: Algorithm,
    token: UntrustedToken<'t>,
}

/// Takes a token apart and finds out whose it claims to be.
#[inline(never)] // see docs/performance.md, "Cold start"
pub fn examine<'t>(settings: &Settings, token: &'t str) -> Result<Candidate<'t>, Unverified> {
    // (1)
    let token = UntrustedToken::parse(token, settings.max_token_bytes)
        .map_err(|fault| Unverified { reason: fault.into(), provider: None })?;
    // The issuer only says whose lists apply; whether it is known is asked at its turn.
    let issuer = token.claims.get("iss").and_then(Value::as_str);
    let position = settings.providers.iter().position(|provider| Some(&*provider.issuer) == issuer);
    let refuse = |reason| Unverified { reason, provider: position };
    let candidates: Vec<&Provider> = match position {
        Some(position) => settings.providers.get(position).into_iter().collect(),
        None => settings.providers.iter().collect(),
    };

    // (2)
    let algorithm = Algorithm::from_name(&token.header.algorithm)
        .filter(|algorithm| candidates.iter().any(|one| one.algorithms.contains(algorithm)))
        .ok_or(refuse(Reason::AlgorithmNotAllowed))?;
    // (3)
    if token.header.refused_member.is_some() {
        return Err(refuse(Reason::RefusedHeaderMember));
    }
    // (4)
    let token_type = token.header.token_type.as_deref().unwrap_or_default();
    if !candidates.iter().any(|one| accepts_type(&one.token_types, token_type)) {
        return Err(refuse(Reason::TypeNotAllowed));
    }
    // (5)
    let provider = position.ok_or(refuse(Reason::UnknownIssuer))?;
    Ok(Candidate { provider, algorithm, token })
}

impl Candidate<'_> {
    /// Checks its signature, steps 6 and 7. `keys` are those of its provider. Gives back the one that
    /// verified it.
    #[inline(never)] // see docs/performance.md, "Cold start"
    pub fn authenticate<'k, E: SignatureEngine>(
        &self,
        keys: &'k [ReadyKey<E::Key>],
        engine: &E,
    ) -> Result<&'k ReadyKey<E::Key>, Unverified> {
        let UntrustedToken { header, signing_input, signature, .. } = &self.token;
        let key_id = header.key_id.as_deref();
        let message = signing_input.as_bytes();
        authenticate(keys, engine, key_id, self.algorithm, message, signature)
            .map_err(|reason| self.refuse(reason))
    }

    /// The key among these that must have verified it, if one has; see
    /// [`VerificationKey::fingerprint`].
    pub fn key_of<'k, K>(
        &self,
        keys: &'k [ReadyKey<K>],
        fingerprint: &str,
    ) -> Option<&'k ReadyKey<K>> {
        let chosen =
            keys::select(keys, self.token.header.key_id.as_deref(), self.algorithm).ok()?;
        chosen.into_iter().find(|key| key.description.fingerprint().as_deref() == Some(fingerprint))
    }

    /// How each of these keys stands to it; the names are part of the interface.
    pub fn standings<'k, K>(
        &self,
        keys: &'k [ReadyKey<K>],
    ) -> impl Iterator<Item = (&'k VerificationKey, &'static str)> {
        let algorithm = self.algorithm;
        let chosen = keys::select(keys, self.token.header.key_id.as_deref(), algorithm);
        keys.iter().map(move |key| {
            let standing = match &chosen {
                Ok(chosen) if chosen.iter().any(|one| std::ptr::eq(*one, key)) => "chosen",
                _ if !key.description.serves(algorithm) => "other_algorithm",
                Err(NoKey::Ambiguous) => "ambiguous",
                _ => "other_kid",
            };
            (&key.description, standing)
        })
    }

    /// Whether it names one of these keys.
    pub fn names_one_of<K>(&self, keys: &[ReadyKey<K>]) -> bool {
        let named = self.token.header.key_id.as_deref();
        named.is_some() && keys.iter().any(|key| key.description.kid.as_deref() == named)
    }

    /// All by which it can be revoked, as a token of this issuer, of which these are the keys. Its key is
    /// the one that verifies it, whatever its header leaves out.
    #[must_use]
    pub fn targets<K>(&self, issuer: &str, keys: &[ReadyKey<K>]) -> Targets {
        let UntrustedToken { header, claims, signing_input, .. } = &self.token;
        let named = header.key_id.as_deref();
        let chosen = keys::select(keys, named, self.algorithm).ok();
        let chosen = chosen.as_ref().and_then(|keys| keys.first()).map(|key| &key.description);
        // The same key may be there twice, as PEM, which has no name, and as JWK.
        let name = chosen.and_then(|chosen| {
            let is_same = |key: &&VerificationKey| key.material == chosen.material;
            let mut same = keys.iter().map(|key| &key.description).filter(is_same);
            chosen.kid.as_deref().or_else(|| same.find_map(|key| key.kid.as_deref()))
        });
        Targets::of(issuer, claims, name.or(named), Some(signing_input))
    }

    /// The fingerprint of the token itself, as one of this issuer.
    #[must_use]
    pub fn target(&self, issuer: &str) -> Fingerprint {
        Fingerprint::of(Kind::Token, issuer, self.token.signing_input)
    }

    /// The name of the key that it wants.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.token.header.key_id.as_deref()
    }

    /// Whose it says that it is.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.token.claims.get("sub").and_then(Value::as_str)
    }

    /// When it ends, if it says so in a form that counts.
    #[must_use]
    pub fn expiration(&self) -> Option<NumericDate> {
        claims::date(&self.token.claims, "exp", Rounding::Down).ok().flatten()
    }

    /// When it was issued, if it says so in a form that counts.
    #[must_use]
    pub fn issued_at(&self) -> Option<NumericDate> {
        claims::date(&self.token.claims, "iat", Rounding::Down).ok().flatten()
    }

    /// Checks what it says, steps 8 and 9. Only for a token whose signature was found right.
    #[inline(never)] // see docs/performance.md, "Cold start"
    pub fn accept(
        self,
        settings: &Settings,
        now: NumericDate,
    ) -> Result<VerifiedToken, Unverified> {
        let provider = settings
            .providers
            .get(self.provider)
            .ok_or_else(|| self.refuse(Reason::UnknownIssuer))?;
        let times = check_claims(&self.token.claims, provider, settings.clock_skew_seconds, now)
            .map_err(|reason| self.refuse(reason))?;
        let Self { provider, token, .. } = self;
        let claims = token.claims;
        let facts = Facts::collect(settings, provider, &claims, times.expiration, times.not_before);
        Ok(VerifiedToken { facts, claims })
    }

    /// What it says, for one whose signature and claims were checked before.
    #[must_use]
    pub fn into_claims(self) -> Map<String, Value> {
        self.token.claims
    }

    const fn refuse(&self, reason: Reason) -> Unverified {
        Unverified { reason, provider: Some(self.provider) }
    }
}

/// Steps 8 and 9.
fn check_claims(
    claims: &Map<String, Value>,
    provider: &Provider,
    skew: i64,
    now: NumericDate,
) -> Result<Times, Reason> {
    // (8)
    let times = Times::read(claims)?;
    times.check(now, skew)?;
    times.check_lifetime(provider.max_lifetime_seconds)?;
    // (9)
    if !claims::audience_matches(claims, &provider.audience_claim, &provider.audiences) {
        return Err(Reason::WrongAudience);
    }
    check_presence(claims, provider)?;
    Ok(times)
}

/// Whether the required claims are there, and those that name somebody are texts.
fn check_presence(claims: &Map<String, Value>, provider: &Provider) -> Result<(), Reason> {
    let present = |name: &String| claims::lookup(claims, name).is_some();
    let named_by_text = ["sub", "jti"].iter().all(|name| claims::text(claims, name).is_ok());
    if named_by_text && provider.required_claims.iter().all(present) {
        Ok(())
    } else {
        Err(Reason::MissingClaim)
    }
}

/// Checks what the auth service says about an active token that nobody else can read, steps 5 and 9,
/// and of step 8 what time does not change: whether the token is in time is asked at each of its uses.
/// All that RFC 7662 section 2.2 leaves optional may be missing: then the token counts for as long
/// as the answer can. Without an audience it must at least be an access token, since a refresh token
/// is active, too.
pub fn accept_answer(
    settings: &Settings,
    position: usize,
    claims: &Map<String, Value>,
    now: NumericDate,
) -> Result<Facts, Reason> {
    let (provider, service) = settings
        .providers
        .get(position)
        .and_then(|provider| Some((provider, provider.introspection.as_ref()?)))
        .ok_or(Reason::MalformedToken)?;
    if claims.get("iss").is_some_and(|issuer| *issuer != *provider.issuer) {
        return Err(Reason::UnknownIssuer);
    }
    let mut times = claims.clone();
    times
        .entry("exp")
        .or_insert_with(|| now.saturating_add(service.max_stale_seconds.max(1)).into());
    let times = Times::read(&times)?;
    times.check_lifetime(provider.max_lifetime_seconds)?;
    let (claim, audiences) = (provider.audience_claim.as_str(), &provider.audiences);
    let is_named = [claim, AUDIENCE].into_iter().any(|claim| claims.contains_key(claim));
    let for_us = match service.opaque_tokens {
        OpaqueTokens::AcceptForAnyAudience if !is_named => is_access_token(claims),
        _ => claims::audience_matches(claims, claim, audiences),
    };
    if !for_us {
        return Err(Reason::WrongAudience);
    }
    check_presence(claims, provider)?;
    // Nobody can have it before it was issued.
    let not_before = times.not_before.max(times.issued_at);
    Ok(Facts::collect(settings, position, claims, times.expiration, not_before))
}

/// Whether the auth service gave a type of access token (RFC 6749 section 7.1). Those that are bound
/// to a key of the client are none that a bearer may use.
fn is_access_token(claims: &Map<String, Value>) -> bool {
    claims
        .get("token_type")
        .and_then(Value::as_str)
        .is_some_and(|token_type| token_type.eq_ignore_ascii_case("bearer"))
}

/// Checks a signature by the key that `key_id` and `algorithm` choose among one issuer's keys.
///
/// Where there is no such key, it is checked by another one of the algorithm, and nobody asks what came of
/// that: how long a refusal takes must not tell which keys there are. Even the other key is looked for in
/// either case: some hundred thousand refusals told a difference of less than a microsecond.
pub(crate) fn authenticate<'k, E: SignatureEngine>(
    keys: &'k [ReadyKey<E::Key>],
    engine: &E,
    key_id: Option<&str>,
    algorithm: Algorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<&'k ReadyKey<E::Key>, Reason> {
    let could_be = |key: &&ReadyKey<E::Key>| {
        E::HIDES_UNKNOWN_KEYS && key.description.serves(algorithm) && key.takes(signature.len())
    };
    let other = black_box(keys.iter().find(could_be));
    // (6)
    let (candidates, none) = match keys::select(keys, key_id, algorithm) {
        Ok(chosen) => (chosen, None),
        Err(none) => (other.into_iter().collect(), Some(none)),
    };
    // (7)
    let is_right = |key: &&ReadyKey<E::Key>| key.verify(engine, algorithm, message, signature);
    let found = black_box(candidates.into_iter().find(is_right));
    match none {
        None => found.ok_or(Reason::BadSignature),
        Some(NoKey::Unknown) => Err(Reason::UnknownKey),
        Some(NoKey::Ambiguous) => Err(Reason::AmbiguousKey),
    }
}

/// Compares media types as RFC 7515 section 4.1.9 asks: without case, `application/` understood.
fn accepts_type(accepted: &[String], found: &str) -> bool {
    accepted.iter().any(|accepted| short_type(accepted).eq_ignore_ascii_case(short_type(found)))
}

fn short_type(name: &str) -> &str {
    const PREFIX: &str = "application/";
    match name.split_at_checked(PREFIX.len()) {
        // What is left of the prefix alone would be the name of no type at all.
        Some((prefix, rest))
            if prefix.eq_ignore_ascii_case(PREFIX) && !rest.contains('/') && !rest.is_empty() =>
        {
            rest
        }
        _ => name,
    }
}

/// The time claims of one token.
struct Times {
    expiration: NumericDate,
    not_before: Option<NumericDate>,
    issued_at: Option<NumericDate>,
}

impl Times {
    fn read(claims: &Map<String, Value>) -> Result<Self, Reason> {
        let read = |name, rounding| {
            claims::date(claims, name, rounding).map_err(|_| Reason::MalformedTimeClaim)
        };
        Ok(Self {
            expiration: read("exp", Rounding::Down)?.ok_or(Reason::MalformedTimeClaim)?,
            not_before: read("nbf", Rounding::Up)?,
            issued_at: read("iat", Rounding::Up)?,
        })
    }

    fn check(&self, now: NumericDate, skew: i64) -> Result<(), Reason> {
        check_validity(self.expiration, self.not_before, now, skew)?;
        if self.issued_at.is_some_and(|issued_at| issued_at > now.saturating_add(skew)) {
            return Err(Reason::IssuedInFuture);
        }
        Ok(())
    }

    fn check_lifetime(&self, most: Option<i64>) -> Result<(), Reason> {
        let Some(most) = most else { return Ok(()) };
        match self.issued_at {
            Some(issued_at) if self.expiration.saturating_sub(issued_at) <= most => Ok(()),
            _ => Err(Reason::LifetimeTooLong),
        }
    }
}

/// Whether a token is in time: refused from `exp + skew` on (RFC 7519 section 4.1.4), and before
/// `nbf - skew` (section 4.1.5).
pub fn check_validity(
    expiration: NumericDate,
    not_before: Option<NumericDate>,
    now: NumericDate,
    skew: i64,
) -> Result<(), Reason> {
    if now >= expiration.saturating_add(skew) {
        return Err(Reason::Expired);
    }
    if not_before.is_some_and(|not_before| now < not_before.saturating_sub(skew)) {
        return Err(Reason::NotYetValid);
    }
    Ok(())
}

/// The name of a family, for the health report.
#[must_use]
pub const fn family_name(family: Family) -> &'static str {
    match family {
        Family::Hmac => "oct",
        Family::Rsa => "RSA",
        Family::Ec(Curve::P256) => "EC P-256",
        Family::Ec(Curve::P384) => "EC P-384",
        Family::Ec(Curve::P521) => "EC P-521",
        Family::Ed25519 => "Ed25519",
    }
}
