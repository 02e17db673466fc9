//! The tokens that are sent. They are made once for each algorithm and kept with their key in
//! `target/bench/tokens`: signing a hundred thousand with RSA takes minutes.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::mint::{self, base64url, from_base64url, random};
use super::workerd::root;

/// So many tokens that no process sees one twice.
const GOOD: usize = 100_000;
/// They are verified like good ones and cost as much.
const EXPIRED: usize = 60_000;
/// 1 January 2100.
const FAR: i64 = 4_102_444_800;
/// How many are signed between two reports of progress.
const REPORT_EVERY: usize = 20_000;

/// The tokens of one algorithm, all distinct, and the key that verifies them.
#[derive(Serialize, Deserialize)]
pub struct Tokens {
    pub alg: String,
    /// Public, but for HMAC, where it is the secret.
    pub jwk: Value,
    pub good: Vec<String>,
    /// Rightly signed, but their time is over.
    pub expired: Vec<String>,
    /// Rightly signed and in time, by an issuer that nobody trusts.
    pub foreign: String,
}

impl Tokens {
    /// Reads those that were made before, or makes them.
    pub fn of(alg: &str) -> Self {
        // Its name has all that a change of this file may change, but the claims: after changing
        // these, remove the directory.
        let path = root().join("target/bench/tokens").join(format!("{alg}-{GOOD}-{EXPIRED}.json"));
        if let Ok(text) = fs::read(&path) {
            return serde_json::from_slice(&text).expect("tokens of an earlier run");
        }
        let tokens = Self::mint(alg);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a directory");
        // Renamed when it is complete: a run may be interrupted.
        let new: PathBuf = path.with_extension("new");
        fs::write(&new, serde_json::to_vec(&tokens).expect("it is JSON")).expect("it is written");
        fs::rename(&new, &path).expect("it is renamed");
        tokens
    }

    fn mint(alg: &str) -> Self {
        let key = mint::key_for(alg);
        let signed =
            |claims: &Value| key.token_with_header(&json!({ "alg": alg, "typ": "at+jwt" }), claims);
        let mut foreign = claims(0, FAR);
        foreign["iss"] = "https://foreign.example".into();
        Self {
            alg: alg.to_owned(),
            jwk: key.jwk(),
            good: in_parallel(&format!("{alg} tokens"), GOOD, |n| signed(&claims(n, FAR))),
            expired: in_parallel(&format!("expired {alg} tokens"), EXPIRED, |n| {
                signed(&claims(n, mint::now() - 3600))
            }),
            foreign: signed(&foreign),
        }
    }

    /// The HMAC secret as text.
    pub fn secret(&self) -> Option<String> {
        let secret = from_base64url(self.jwk["k"].as_str()?);
        Some(String::from_utf8(secret).expect("the mint makes them of text"))
    }
}

/// What an authorization server says in an access token (RFC 9068).
fn claims(n: usize, exp: i64) -> Value {
    json!({
        "iss": mint::ISSUER,
        "aud": mint::AUDIENCE,
        "sub": format!("user-{n}"),
        "exp": exp,
        "iat": mint::now().min(exp) - 60,
        "jti": base64url(&random(16)),
        "scope": "read write",
        "client_id": "orders-app",
        "email": format!("user-{n}@mail.example"),
    })
}

/// The token with another signature of the same form.
pub fn with_bad_signature(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let mut signature = from_base64url(signature);
    // Not the first bytes of a number, nor the last: it has to stay in the range in which an
    // engine does all its work.
    let at = signature.len() - 8;
    signature[at] ^= 0x55;
    format!("{signed}.{}", base64url(&signature))
}

/// As long as an opaque access token.
pub fn garbage() -> String {
    base64url(&random(32))
}

/// Calls `make` with all numbers below `count`, on all cores.
fn in_parallel(what: &str, count: usize, make: impl Fn(usize) -> String + Sync) -> Vec<String> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let done = AtomicUsize::new(0);
    let work = |worker: usize| {
        let mut list = Vec::with_capacity(count / workers + 1);
        for n in (worker..count).step_by(workers) {
            list.push(make(n));
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(REPORT_EVERY) {
                eprintln!("{what}: {done} of {count}");
            }
        }
        list
    };
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..workers).map(|worker| scope.spawn(move || work(worker))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("it signs")).collect()
    })
}
