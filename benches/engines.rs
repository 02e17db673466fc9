//! How long one verification takes with each engine of the runtime, inside the built probe in
//! workerd: `cargo bench --bench engines`. The table in docs/architecture.md comes from here.
//!
//! One request makes the probe verify one signature many times, and the processor time that
//! workerd spends on it is measured from outside: the runtime's own clock stands still while it
//! computes, and a clock on the wall would also measure what else the machine does. The engines
//! take turns within each round, so that a disturbance meets all of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    reason = "a panic says what is wrong with a measurement"
)]

#[path = "../tests/support/probe.rs"]
mod probe;
#[path = "../tests/support/workerd.rs"]
mod workerd;

use std::fmt::Write as _;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
    RsaEncoding, RsaKeyPair,
};
use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use probe::{Case, Probe};

/// The length of a usual signing input in bytes: a header with `kid` and a dozen claims.
const MESSAGE_BYTES: usize = 600;
/// How often each engine has its turn.
const ROUNDS: usize = 15;
/// How long a turn should last; the request itself takes about a millisecond of it.
const TURN: Duration = Duration::from_millis(120);

const PRODUCTION: &str = "production";
const NODE_CRYPTO: &str = "node:crypto";
const WEB_CRYPTO: &str = "WebCrypto";

/// One engine with one algorithm.
struct Contender {
    case: usize,
    engine: &'static str,
    /// Verifications in one turn.
    n: u32,
    /// Microseconds for one verification, one entry for each round.
    micros: Vec<f64>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let cases = cases();
    let probe = Probe::start();
    let mut contenders = Vec::new();
    for (case, Case { alg, .. }) in cases.iter().enumerate() {
        let engines = if alg.starts_with("HS") {
            &[PRODUCTION, NODE_CRYPTO, WEB_CRYPTO][..]
        } else {
            &[PRODUCTION, WEB_CRYPTO]
        };
        for engine in engines {
            let n = turns(&probe, &cases[case], engine).await;
            contenders.push(Contender { case, engine, n, micros: Vec::new() });
        }
    }
    for _ in 0..ROUNDS {
        for Contender { case, engine, n, micros } in &mut contenders {
            let time = turn(&probe, &cases[*case], engine, *n).await;
            micros.push(time.as_secs_f64() * 1e6 / f64::from(*n));
        }
    }
    print!("{}", table(&cases, &mut contenders));
}

/// How many verifications make a turn, after warming up.
async fn turns(probe: &Probe, case: &Case, engine: &str) -> u32 {
    let mut n = 16;
    loop {
        let time = turn(probe, case, engine, n).await;
        if time > TURN / 2 {
            let wanted = u128::from(n) * TURN.as_nanos() / time.as_nanos();
            return u32::try_from(wanted).unwrap();
        }
        n *= 2;
    }
}

async fn turn(probe: &Probe, case: &Case, engine: &str, n: u32) -> Duration {
    let question = json!({ "engine": engine, "n": n, "case": case });
    let before = probe.workerd.processor_time();
    let answer = probe.ask("measure", &question).await;
    let time = probe.workerd.processor_time().saturating_sub(before);
    assert_eq!(answer["accepted"], n, "{} by {engine}", case.alg);
    time
}

fn table(cases: &[Case], contenders: &mut [Contender]) -> String {
    let mut text = "| alg | engine | µs | quartiles | against production |\n\
                    |--|--|--:|--:|--:|\n"
        .to_owned();
    let mut production = f64::NAN;
    for Contender { case, engine, micros, .. } in contenders {
        micros.sort_by(f64::total_cmp);
        let at = |quarter: usize| micros[(micros.len() - 1) * quarter / 4];
        let [low, median, high] = [at(1), at(2), at(3)];
        let alg = cases[*case].alg;
        let name = match (*engine, alg.starts_with("HS")) {
            (PRODUCTION, true) => "jwt-compact",
            (PRODUCTION, false) => NODE_CRYPTO,
            (other, _) => other,
        };
        let ratio = if *engine == PRODUCTION {
            production = median;
            "production".to_owned()
        } else {
            format!("x {:.2}", median / production)
        };
        writeln!(text, "| {alg} | {name} | {median:.1} | {low:.1} - {high:.1} | {ratio} |")
            .unwrap();
    }
    text
}

/// One right signature for each algorithm.
fn cases() -> Vec<Case> {
    let mut message = vec![0; MESSAGE_BYTES];
    rand::fill(&mut message).unwrap();
    let message = &message;
    let random = SystemRandom::new();
    let mut cases = Vec::new();

    for (alg, algorithm) in
        [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
    {
        let mut secret = [0; 64];
        rand::fill(&mut secret).unwrap();
        let tag = hmac::sign(&hmac::Key::new(algorithm, &secret), message);
        let text = format!("base64:{}", STANDARD.encode(secret));
        cases.push(Case::new(alg, text, message, tag.as_ref()));
    }

    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let rsa: [(_, &dyn RsaEncoding); 6] = [
        ("RS256", &signature::RSA_PKCS1_SHA256),
        ("RS384", &signature::RSA_PKCS1_SHA384),
        ("RS512", &signature::RSA_PKCS1_SHA512),
        ("PS256", &signature::RSA_PSS_SHA256),
        ("PS384", &signature::RSA_PSS_SHA384),
        ("PS512", &signature::RSA_PSS_SHA512),
    ];
    for (alg, encoding) in rsa {
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(encoding, &random, message, &mut signature).unwrap();
        cases.push(Case::new(alg, pem(key.public_key()), message, &signature));
    }

    let ec: [(_, &'static EcdsaSigningAlgorithm); 3] = [
        ("ES256", &ECDSA_P256_SHA256_FIXED_SIGNING),
        ("ES384", &ECDSA_P384_SHA384_FIXED_SIGNING),
        ("ES512", &ECDSA_P521_SHA512_FIXED_SIGNING),
    ];
    for (alg, algorithm) in ec {
        let key = EcdsaKeyPair::generate(algorithm).unwrap();
        let signature = key.sign(&random, message).unwrap();
        cases.push(Case::new(alg, pem(key.public_key()), message, signature.as_ref()));
    }

    let key = Ed25519KeyPair::generate().unwrap();
    cases.push(Case::new("EdDSA", pem(key.public_key()), message, key.sign(message).as_ref()));
    cases
}

fn pem(key: &impl AsDer<PublicKeyX509Der<'static>>) -> String {
    let body = STANDARD.encode(key.as_der().unwrap().as_ref());
    format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
}
