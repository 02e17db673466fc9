//! Whole tokens and key sets from public collections that are not part of this repository. They
//! are taken from where they are at hand; a file that is not is reported as skipped.
//!
//! The claims are not looked at, since few of these tokens have any: what is tested is structure,
//! strictness of the header, the choice of the key and the signature.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::judged::{none_of, verdicts};
use super::probe::Probe;
use super::vectors;

/// A token with the keys that may verify it.
#[derive(Deserialize)]
struct TokenVector {
    id: String,
    comment: String,
    /// Usually text; a JSON serialisation can also stand here as JSON.
    token: Value,
    jwks: Value,
    expect: String,
    /// Why another verdict would be fair, too.
    policy: Option<String>,
}

/// A key set, as text.
#[derive(Deserialize)]
struct KeysVector {
    id: String,
    jwks_text: String,
    expect: String,
}

#[tokio::test]
async fn tokens_are_judged_as_wycheproof_and_the_cookbook_of_rfc_7520_say() {
    for file in ["wycheproof_jws.jsonl", "rfc7520_cookbook.jsonl"] {
        let Some(vectors) = read::<TokenVector>(file) else { continue };
        let probe = Probe::start();
        let question = |TokenVector { jwks, token, .. }: &TokenVector| {
            let token = token.as_str().map_or_else(|| token.to_string(), str::to_owned);
            json!({ "keys": jwks.to_string(), "token": token })
        };
        let questions: Vec<Value> = vectors.iter().map(question).collect();
        let verdicts = verdicts(probe.ask("token", &questions).await);
        assert_eq!(verdicts.len(), vectors.len());
        let [mut accepted, mut refused, mut either] = [0; 3];
        let mut failures = Vec::new();
        for (TokenVector { id, comment, expect, policy, .. }, verdict) in
            vectors.iter().zip(verdicts)
        {
            match (expect.as_str(), verdict.as_str()) {
                _ if policy.is_some() => {
                    println!("{id} ({}): {verdict}", policy.as_deref().unwrap_or_default());
                    either += 1;
                }
                ("accept", "accepted") => accepted += 1,
                ("reject", verdict) if verdict != "accepted" => refused += 1,
                _ => failures.push(format!("{id} {comment}: expected {expect}, found {verdict}")),
            }
        }
        none_of(&failures);
        println!("{file}: {accepted} accepted, {refused} refused, {either} could be either");
    }
}

/// Sets whose EC keys have no `crv`, or coordinates that are not of full size. Their library guesses;
/// RFC 7518 section 6.2.1 requires both.
const STRICTER: [&str; 4] = [
    "jvl-jwks-JwksECMatchAlgES512CrvP521-0",
    "jvl-jwks-JwksECMissingBothAlgCrvES256-0",
    "jvl-jwks-JwkECMissingCrv-0",
    "jvl-jwks-JwksECUnspecifiedCrv-0",
];

#[tokio::test]
async fn no_key_of_a_bad_key_set_is_usable() {
    let Some(vectors) = read::<KeysVector>("jwt_verify_lib_jwks.jsonl") else { return };
    let question = |one: &KeysVector| json!({ "keys": one.jwks_text, "token": "" });
    let questions: Vec<Value> = vectors.iter().map(question).collect();
    let verdicts = verdicts(Probe::start().ask("token", &questions).await);
    assert_eq!(verdicts.len(), vectors.len());
    let mut failures = Vec::new();
    for (KeysVector { id, expect, .. }, verdict) in vectors.iter().zip(verdicts) {
        let expect = if STRICTER.contains(&id.as_str()) { "reject-key" } else { expect };
        let found = if verdict.starts_with("key refused: ") { "reject-key" } else { "accept" };
        if found != expect {
            failures.push(format!("{id}: expected {expect}, found {verdict}"));
        }
    }
    none_of(&failures);
}

/// The cases of a file, one on each line.
fn read<T: DeserializeOwned>(file: &str) -> Option<Vec<T>> {
    let text = vectors::read(file)?;
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}
