//! Keys that only curve arithmetic can tell from good ones: the runtime has to refuse them.

use serde_json::{Value, json};

use super::judged::verdicts;
use super::probe::{Case, Probe};

#[tokio::test]
async fn a_point_that_is_not_on_its_curve_is_refused_on_import() {
    // RFC 7515 appendix A.3.
    let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    let y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
    // The prime of P-256 (FIPS 186-4 D.1.2.3), which is zero once more.
    let p = "_____wAAAAEAAAAAAAAAAAAAAAD_______________8";
    let zero = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let ec = |x: &str, y: &str| json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
    let good = [ec(x, y)];
    let bad = [ec(y, x), ec(x, x), ec(x, zero), ec(zero, y), ec(p, y), ec(p, p), ec(zero, zero)];
    let probe = Probe::start();
    for verdict in judge(&probe, "ES256", &good).await {
        assert_eq!(verdict, "rejected: bad_signature");
    }
    for (jwk, verdict) in bad.iter().zip(judge(&probe, "ES256", &bad).await) {
        assert!(verdict.starts_with("key refused: "), "{jwk}: {verdict}");
    }
}

/// Asks about a signature that no key made.
async fn judge(probe: &Probe, alg: &'static str, keys: &[Value]) -> Vec<String> {
    let case = |key: &Value| Case::new(alg, key.to_string(), b"message", &[1; 64]);
    let cases: Vec<Case> = keys.iter().map(case).collect();
    let verdicts = verdicts(probe.ask("verify", &cases).await);
    assert_eq!(verdicts.len(), keys.len());
    verdicts
}
