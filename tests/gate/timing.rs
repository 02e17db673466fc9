//! What a refusal costs must not tell which keys there are. How long it takes in the runtime, `make timing`
//! measures; here the work is counted.

use std::cell::RefCell;

use edgeward::core::algorithm::Algorithm;
use edgeward::core::denial::Reason;
use edgeward::core::keys::Material;
use edgeward::core::request::RequestHead;
use edgeward::core::secret::ClientKey;
use edgeward::core::verify::{KeyRefused, SignatureEngine};
use edgeward::gate::{Bindings, Decision, Findings, Gate, Question};
use serde_json::json;

use crate::fixture::{NOW, Setup, claims, with_token};
use crate::native::{NativeCrypto, Signer, engine};

/// An engine that takes down what it is asked to verify.
struct Counting<'c> {
    engine: NativeCrypto,
    verified: &'c RefCell<Vec<Algorithm>>,
}

impl SignatureEngine for Counting<'_> {
    type Key = <NativeCrypto as SignatureEngine>::Key;
    type SigningKey = <NativeCrypto as SignatureEngine>::SigningKey;

    fn import(&self, material: &Material) -> Result<Self::Key, KeyRefused> {
        self.engine.import(material)
    }

    fn verify(
        &self,
        algorithm: Algorithm,
        key: &Self::Key,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        self.verified.borrow_mut().push(algorithm);
        self.engine.verify(algorithm, key, message, signature)
    }

    fn import_signing(&self, d: &[u8], x: &[u8; 32]) -> Result<Self::SigningKey, KeyRefused> {
        self.engine.import_signing(d, x)
    }

    fn import_client(&self, key: &ClientKey) -> Result<Self::SigningKey, KeyRefused> {
        self.engine.import_client(key)
    }

    fn sign(&self, key: &Self::SigningKey, message: &[u8]) -> Option<Vec<u8>> {
        self.engine.sign(key, message)
    }

    fn random(&self) -> u64 {
        self.engine.random()
    }
}

#[test]
fn a_token_of_an_unknown_key_costs_the_same_verification_as_a_wrong_signature() {
    let signers = [
        ("RS256", Signer::rsa()),
        ("PS256", Signer::rsa()),
        ("ES256", Signer::p256()),
        ("EdDSA", Signer::ed25519()),
    ];
    let mut setup = Setup::new(&["RS256", "PS256", "ES256", "EdDSA"], &signers[0].1);
    let keys: Vec<_> = signers
        .iter()
        .map(|(algorithm, signer)| {
            let mut key = signer.jwk(algorithm);
            key["alg"] = (*algorithm).into();
            key
        })
        .collect();
    setup.secret("JWT_KEYS", &json!({ "keys": keys }).to_string());

    let verified = RefCell::default();
    let gate = gate(&setup, &verified);
    let refused = |token: &str| {
        let packed = with_token(token);
        let head = RequestHead::unpack(&packed);
        let denial = gate.decide(&head, NOW * 1_000, &mut Findings::default()).unwrap_err();
        (denial.reason, verified.take())
    };

    for (name, signer) in &signers {
        let algorithm = Algorithm::from_name(name).unwrap();
        let header = |kid: &str| json!({ "alg": name, "kid": kid });
        // Signed with the right key under a wrong name: the signature is right, and that counts for nothing.
        let unknown = signer.token(&header("guess"), &claims());
        assert_eq!(refused(&unknown), (Reason::UnknownKey, vec![algorithm]), "{name}");
        let other = signer.token(&header("other"), &claims());
        let (input, _) =
            signer.token(&header(name), &claims()).rsplit_once('.').map(owned).unwrap();
        let (_, signature) = other.rsplit_once('.').unwrap();
        let forged = format!("{input}.{signature}");
        assert_eq!(refused(&forged), (Reason::BadSignature, vec![algorithm]), "{name}");
        // A signature of no possible length costs as little either way.
        for (kid, reason) in [("guess", Reason::UnknownKey), (*name, Reason::BadSignature)] {
            let (input, _) =
                signer.token(&header(kid), &claims()).rsplit_once('.').map(owned).unwrap();
            assert_eq!(refused(&format!("{input}.AAAA")), (reason, vec![]), "{name}");
        }
    }
}

#[test]
fn who_waits_for_keys_costs_no_verification_each_time_that_it_looks() {
    let signer = Signer::rsa();
    let mut setup = Setup::new(&["RS256"], &signer);
    let provider = setup.table["providers"][0].as_object_mut().unwrap();
    provider.insert("jwks_uri".to_owned(), "https://issuer.example/jwks".into());
    let verified = RefCell::default();
    let forger = Signer::rsa();
    // An unknown key, and any of the keys that are not here yet.
    for header in [json!({ "alg": "RS256", "kid": "guess" }), json!({ "alg": "RS256" })] {
        let gate = gate(&setup, &verified);
        gate.begin_keys(0, NOW * 1_000);
        let token = forger.token(&header, &claims());
        let packed = with_token(&token);
        let (head, mut findings) = (RequestHead::unpack(&packed), Findings::default());
        let mut decide = |later: i64| gate.decide(&head, NOW * 1_000 + later, &mut findings);
        for look in 0..50 {
            assert!(
                matches!(decide(20 * look), Ok(Decision::Ask(Question::Moment(_)))),
                "{header}"
            );
        }
        assert_eq!(verified.take(), [Algorithm::Rs256], "{header}");
        // With other keys it is another question; of two, no token without a name can choose.
        let keys = json!({ "keys": [forger.jwk("guess")] }).to_string();
        gate.hear_keys(0, Ok((200, keys.into_bytes())), NOW * 1_000 + 1_000).unwrap();
        assert_eq!(decide(1_000).is_ok(), header.get("kid").is_some());
        assert_eq!(verified.take(), [Algorithm::Rs256], "{header}");
    }
}

/// A gate whose verifications are taken down.
fn gate<'c>(setup: &Setup, verified: &'c RefCell<Vec<Algorithm>>) -> Gate<Counting<'c>> {
    let counting = Counting { engine: engine(), verified };
    let secret = |name: &str| setup.secrets.get(name).cloned();
    let bindings =
        Bindings { has_kv: false, has_relays: false, has_some_relays: false, has_page: false };
    Gate::boot(&setup.table.to_string(), &secret, bindings, counting)
        .unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn owned((before, after): (&str, &str)) -> (String, String) {
    (before.to_owned(), after.to_owned())
}
