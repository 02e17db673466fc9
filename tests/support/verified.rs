//! What the cache keeps of the usual tokens, made without cryptography: an engine that finds every
//! signature right lets a hundred thousand tokens be made in the time of some.

use std::rc::Rc;

use edgeward::core::algorithm::Algorithm;
use edgeward::core::assertion::{Assertion, Signer};
use edgeward::core::cache::{Known, NEVER};
use edgeward::core::config::Settings;
use edgeward::core::facts::Facts;
use edgeward::core::keys::Material;
use edgeward::core::mode::Mode;
use edgeward::core::revocation::target::Marks;
use edgeward::core::secret::{self, ClientKey};
use edgeward::core::verify::{KeyRefused, ReadyKey, SignatureEngine, examine};

use crate::native::{self, encode};
use crate::usual::{self, ASSERTION_KEY, ISSUER, NOW};

/// Makes facts and assertions as the gate does.
pub struct Verifier {
    settings: Settings,
    keys: Vec<ReadyKey<()>>,
    signer: Signer<()>,
}

impl Verifier {
    pub fn new() -> Self {
        let table = usual::table("ES256");
        let settings = Settings::parse(&table.to_string()).unwrap();
        let keys =
            secret::parse("JWT_KEYS", &usual::key_set(&native::Signer::p256())).unwrap().keys;
        let ready = |key| ReadyKey::prepare(&Trusting, key).unwrap();
        let keys = keys.into_iter().map(ready).collect();
        let assertion = settings.forward.assertion.as_ref().unwrap();
        let assertion_key = secret::parse_assertion_key("ASSERTION_KEY", ASSERTION_KEY).unwrap();
        let signer = Signer::prepare(&Trusting, assertion, &assertion_key).unwrap();
        Self { settings, keys, signer }
    }

    pub fn facts(&self, token: &str) -> Rc<Facts> {
        let candidate = examine(&self.settings, token).unwrap();
        candidate.authenticate(&self.keys, &Trusting).unwrap();
        Rc::new(candidate.accept(&self.settings, NOW).unwrap().facts)
    }

    pub fn assertion(&self, facts: &Facts) -> Rc<Assertion> {
        Rc::new(self.signer.sign(&Trusting, facts, ISSUER, Mode::Normal, NOW).unwrap())
    }

    /// What is known about a token that has passed once.
    pub fn known(&self, token: &str) -> Known {
        let facts = self.facts(token);
        let assertion = Some(self.assertion(&facts));
        Known { assertion, ..known(facts) }
    }
}

/// What is known about a token that was verified.
pub fn known(facts: Rc<Facts>) -> Known {
    Known {
        provider: 0,
        key_set: 0,
        signed: Some(facts),
        verdict: None,
        sought_at: NEVER,
        assertion: None,
        marks: Marks::default(),
        clear_at: 0,
    }
}

/// The ES256 token with this number, but for its signature.
pub fn token(number: u32) -> String {
    let parts = [usual::header("ES256"), usual::claims(number)];
    let [header, claims] = parts.map(|part| encode(part.to_string().as_bytes()));
    format!("{header}.{claims}.{}", encode(&SIGNATURE))
}

const SIGNATURE: [u8; 64] = [0x5c; 64];

struct Trusting;

impl SignatureEngine for Trusting {
    type Key = ();
    type SigningKey = ();

    fn import(&self, _: &Material) -> Result<(), KeyRefused> {
        Ok(())
    }

    fn verify(&self, _: Algorithm, (): &(), _: &[u8], _: &[u8]) -> bool {
        true
    }

    fn import_signing(&self, _: &[u8], _: &[u8; 32]) -> Result<(), KeyRefused> {
        Ok(())
    }

    fn import_client(&self, _: &ClientKey) -> Result<(), KeyRefused> {
        Ok(())
    }

    fn sign(&self, (): &(), _: &[u8]) -> Option<Vec<u8>> {
        Some(SIGNATURE.to_vec())
    }

    fn random(&self) -> u64 {
        7
    }
}
