//! What the parts of core cost natively, and how that grows with their input.
//! `cargo bench --bench core`, or `cargo bench --bench core -- rule` for what has this in its name.
//!
//! For growth and for comparing two states of the code: in the Worker, the same code runs as wasm,
//! and asymmetric signatures are the runtime's (benches/engines.rs).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a panic says what is wrong with a measurement, ratios need no more precision, and \
              only figures that are newer than the start are shown"
)]

#[path = "support/growth.rs"]
mod growth;
#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/support/native.rs"]
mod native;
#[allow(dead_code, reason = "the other benchmark uses the rest of it")]
#[path = "../tests/support/usual.rs"]
mod usual;
#[allow(dead_code, reason = "the other benchmark uses the rest of it")]
#[path = "../tests/support/verified.rs"]
mod verified;

use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use criterion::BatchSize;
use edgeward::core::cache::TokenCache;
use edgeward::core::credentials::{self, Source};
use edgeward::core::denial::Reason;
use edgeward::core::mutate::{Edits, HeaderMap};
use edgeward::core::path::RequestPath;
use edgeward::core::request::RequestHead;
use edgeward::core::rules::{Match, RuleTable};
use edgeward::core::secret;
use edgeward::core::token::UntrustedToken;
use edgeward::gate::{Findings, Gate};
use serde_json::{Value, json};

use growth::{Bench, Input};
use native::{NativeCrypto, Signer};
use usual::NOW;
use verified::Verifier;

/// How many tokens a cache is made for.
const MANY: u32 = 10_000;

fn main() {
    let mut bench = Bench::new();
    token(&mut bench);
    rules(&mut bench);
    path(&mut bench);
    head(&mut bench);
    credential(&mut bench);
    secrets(&mut bench);
    cache(&mut bench);
    decide(&mut bench);
    bench.report();
    for series in [RULE_FOUND, RULE_WITH_HOST, NO_RULE] {
        bench.must_not_grow(series, Input::Elements(10), Input::Elements(1_000), 1.5);
    }
}

/// Taking a token apart: in proportion to its length.
fn token(bench: &mut Bench) {
    let signer = Signer::hmac(1);
    for length in [300, 800, 2_000, 8_000] {
        let mut claims = json!({ "iss": "https://login.example.com", "sub": "a", "exp": NOW });
        let mut token = usual::token("HS256", &signer, &claims);
        while token.len() + 50 < length {
            let name = format!("claim_{}", claims.as_object().unwrap().len());
            claims[name] = "some value of it".into();
            token = usual::token("HS256", &signer, &claims);
        }
        bench.measure("token taken apart", Input::Bytes(token.len()), |bencher| {
            bencher.iter(|| UntrustedToken::parse(black_box(&token), 65_536).unwrap());
        });
    }
}

const RULE_FOUND: &str = "rule found";
const RULE_WITH_HOST: &str = "rule with host and method found";
const NO_RULE: &str = "no rule found";

/// Finding the rule of a request: the same for few rules and for many, and for a path of any
/// length, as long as its first segments are short. Reading the rules at boot: in proportion to
/// their number.
fn rules(bench: &mut Bench) {
    const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
    const HOSTS: &[&str] = &["api.example.com", "b.example"];
    const METHODS: &[&str] = &["GET", "POST"];
    let covered = "/api/v2/team-7/service-7/orders/1742/items";
    let uncovered = "/api/v2/team-7/unknown/orders/1742/items";
    for (series, methods, hosts, path) in [
        (RULE_FOUND, &[][..], &[][..], covered),
        (RULE_WITH_HOST, METHODS, HOSTS, covered),
        (NO_RULE, METHODS, HOSTS, uncovered),
    ] {
        let path = RequestPath::parse(path).unwrap();
        for size in SIZES {
            let table = RuleTable::build(rules_of(size, methods, hosts)).unwrap();
            bench.measure(series, Input::Elements(size), |bencher| {
                bencher.iter(|| {
                    let matched = table.matching("api.example.com", "POST", black_box(&path));
                    assert_eq!(matched.iter().all(|rule| rule.is_none()), series == NO_RULE);
                });
            });
        }
    }
    let table = RuleTable::build(rules_of(1_000, METHODS, HOSTS)).unwrap();
    for length in [50, 500, 5_000] {
        let path = "/orders-1742".repeat(length / 12);
        let size = Input::Bytes(path.len());
        let path = RequestPath::parse(&path).unwrap();
        bench.measure("no rule found for a path", size, |bencher| {
            bencher.iter(|| {
                let matched = table.matching("api.example.com", "POST", black_box(&path));
                assert!(matched.iter().all(|rule| rule.is_none()));
            });
        });
    }
    for size in SIZES {
        let rules = rules_of(size, METHODS, HOSTS);
        bench.measure("rules read", Input::Elements(size), |bencher| {
            bencher.iter_batched(
                || rules.clone(),
                |rules| RuleTable::build(rules).unwrap(),
                BatchSize::LargeInput,
            );
        });
    }
}

/// Rules for the services of a hundred teams.
fn rules_of(size: usize, methods: &[&str], hosts: &[&str]) -> Vec<(Match, ())> {
    let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    let rule = |number| Match {
        path: format!("/api/v2/team-{}/service-{number}/orders", number % 100),
        methods: owned(methods),
        hosts: owned(hosts),
    };
    (0..size).map(|number| (rule(number), ())).collect()
}

/// Reading a path: in proportion to its length; most for what has to be decoded.
fn path(bench: &mut Bench) {
    for (series, segment) in [
        ("plain path read", "/orders-1742"),
        ("encoded path read", "/caf%C3%A9%20noir"),
        ("path with parameters read", "/Orders;v=1/"),
    ] {
        for length in [50, 500, 5_000] {
            let path = format!("/api{}", segment.repeat(length / segment.len()));
            bench.measure(series, Input::Bytes(path.len()), |bencher| {
                bencher.iter(|| RequestPath::parse(black_box(&path)).unwrap());
            });
        }
    }
}

/// Taking the head of a request apart and removing what is not the client's to set: in proportion
/// to the number of headers.
fn head(bench: &mut Bench) {
    let map = usual::claims_to_headers();
    let pairs = map.as_object().unwrap().iter();
    let pairs = pairs.map(|(name, claim)| (name.as_str(), claim.as_str().unwrap()));
    let map = HeaderMap::build(pairs).unwrap();
    let packed = [4, 16, 64].map(|size| (size, packed_head(size)));
    for (size, packed) in &packed {
        bench.measure("head unpacked", Input::Elements(*size), |bencher| {
            bencher.iter(|| RequestHead::unpack(black_box(packed)));
        });
    }
    for (size, packed) in &packed {
        let head = RequestHead::unpack(packed);
        bench.measure("head sanitized", Input::Elements(*size), |bencher| {
            bencher.iter(|| Edits::sanitize(black_box(&head), &map));
        });
    }
}

/// A head with so many headers: those of the usual request, and then again under other names.
fn packed_head(size: usize) -> String {
    let usual = usual::request("/orders/1742?page=2", "Bearer a.b.c");
    let lines: Vec<&str> = usual.lines().collect();
    let (target, headers) = lines.split_at(2);
    let headers: Vec<&[&str]> = headers.chunks(2).collect();
    let mut packed: Vec<String> = target.iter().map(|line| (*line).to_owned()).collect();
    for at in 0..size {
        let [name, value] = headers[at % headers.len()] else { panic!("a header without value") };
        let round = at / headers.len();
        let name = if round == 0 { (*name).to_owned() } else { format!("{name}-{round}") };
        packed.extend([name, (*value).to_owned()]);
    }
    packed.join("\n")
}

/// Finding the token of a request: in proportion to the length of the place where it may be,
/// whatever a client puts there.
fn credential(bench: &mut Bench) {
    let sources = [Source::Cookie("session".into())];
    for (series, pair) in
        [("cookies searched", "theme=dark; "), ("cookies of nothing but commas searched", ",")]
    {
        for length in [500, 2_000, 8_000] {
            let cookies = pair.repeat(length / pair.len());
            let packed = format!("GET\nhttps://api.example.com/\ncookie\n{cookies}");
            let head = RequestHead::unpack(&packed);
            bench.measure(series, Input::Bytes(cookies.len()), |bencher| {
                bencher.iter(|| credentials::find(black_box(&head), &sources, &[]).unwrap());
            });
        }
    }
}

/// Opening a secret, which happens once in an isolate's life: in proportion to its keys.
fn secrets(bench: &mut Bench) {
    let pem = include_str!("../tests/fixtures/keys/p256.spki.pem");
    let certificate = include_str!("../tests/fixtures/keys/rsa2048.cert.pem");
    let jwk = Signer::p256().jwk("k1").to_string();
    for (kind, text) in [
        ("JWK", jwk.clone()),
        ("PEM", pem.to_owned()),
        ("PEM certificate", certificate.to_owned()),
        ("base64 of a JWK", STANDARD.encode(&jwk)),
        ("base64 of PEM", STANDARD.encode(pem)),
        ("JSON of a secret store", json!({ "signingKey": pem }).to_string()),
        ("HMAC secret", "Zq3vT8xW1yK5nB7mR2cD9fG4hJ6pL0sA+uE/iO-tYwXzVbNk".to_owned()),
    ] {
        bench.measure("secret opened", Input::Kind(kind), |bencher| {
            bencher.iter(|| secret::parse("JWT_KEYS", black_box(&text)).unwrap());
        });
    }
    for size in [1, 10, 100] {
        let key = |number| Signer::p256().jwk(&format!("key-{number}"));
        let keys: Vec<Value> = (0..size).map(key).collect();
        let set = json!({ "keys": keys }).to_string();
        bench.measure("JWK Set opened", Input::Elements(size), |bencher| {
            bencher.iter(|| secret::parse("JWT_KEYS", black_box(&set)).unwrap());
        });
    }
}

/// The cache of verified tokens: the same for few tokens and for many, but for the memory of the
/// machine; an insertion into a full one drops another token.
fn cache(bench: &mut Bench) {
    let verifier = Verifier::new();
    for size in [100, 1_000, MANY] {
        let mut cache = TokenCache::new(7);
        let tokens: Vec<String> = (0..size).map(verified::token).collect();
        for token in &tokens {
            cache.insert(token, verifier.known(token));
        }
        let mut next = tokens.iter().cycle();
        bench.measure("known token found", Input::Elements(tokens.len()), |bencher| {
            bencher.iter(|| cache.get(next.next().unwrap()).is_some());
        });
    }
    let mut cache = TokenCache::new(7);
    let mut numbers = 0_u32..;
    for number in numbers.by_ref().take(3 * MANY as usize) {
        let token = verified::token(number);
        cache.insert(&token, verifier.known(&token));
    }
    bench.measure("token put into a full cache", Input::Kind("new"), |bencher| {
        let entry = || {
            let token = verified::token(numbers.next().unwrap());
            let known = verifier.known(&token);
            (token, known)
        };
        bencher.iter_batched(
            entry,
            |(token, known)| cache.insert(&token, known),
            BatchSize::SmallInput,
        );
    });
}

/// The whole decision. AWS-LC stands in for the signatures of the runtime.
fn decide(bench: &mut Bench) {
    const SERIES: &str = "request decided";
    let hmac = Signer::hmac(1);
    let p256 = Signer::p256();
    let gate = usual::gate("HS256", &hmac);
    let token = |number| usual::token("HS256", &hmac, &usual::claims(number));
    let request = |token: &str| usual::request("/orders/1742?page=2", &format!("Bearer {token}"));

    let seen: Vec<String> = (0..MANY / 2).map(|number| request(&token(number))).collect();
    for packed in &seen {
        assert_eq!(outcome(&gate, packed), None);
    }
    bench.measure(SERIES, Input::Kind("token seen, always the same"), |bencher| {
        bencher.iter(|| assert_eq!(outcome(&gate, black_box(&seen[0])), None));
    });
    let mut next = seen.iter().cycle();
    bench.measure(SERIES, Input::Kind("token seen, one of 5000"), |bencher| {
        bencher.iter(|| assert_eq!(outcome(&gate, next.next().unwrap()), None));
    });

    for (kind, algorithm, signer) in
        [("token new, HS256", "HS256", &hmac), ("token new, ES256", "ES256", &p256)]
    {
        let gate = usual::gate(algorithm, signer);
        let mut numbers = 0_u32..;
        bench.measure(SERIES, Input::Kind(kind), |bencher| {
            let new = || {
                let claims = usual::claims(numbers.next().unwrap());
                request(&usual::token(algorithm, signer, &claims))
            };
            bencher.iter_batched(
                new,
                |packed| assert_eq!(outcome(&gate, &packed), None),
                BatchSize::SmallInput,
            );
        });
    }

    let mut expired = usual::claims(0);
    expired["exp"] = (NOW - 600).into();
    let expired = usual::token("HS256", &hmac, &expired);
    let forged = usual::token("HS256", &Signer::hmac(2), &usual::claims(0));
    for (kind, packed, reason) in [
        ("no token", usual::request("/", "Basic dTpw"), Reason::NoCredentials),
        ("garbage", request("garbage"), Reason::MalformedToken),
        ("signature wrong, HS256", request(&forged), Reason::BadSignature),
        ("token expired, HS256", request(&expired), Reason::Expired),
    ] {
        bench.measure(SERIES, Input::Kind(kind), |bencher| {
            bencher.iter(|| assert_eq!(outcome(&gate, black_box(&packed)), Some(reason)));
        });
    }
    let gate = usual::gate("ES256", &p256);
    let forged = request(&usual::token("ES256", &Signer::p256(), &usual::claims(0)));
    bench.measure(SERIES, Input::Kind("signature wrong, ES256"), |bencher| {
        bencher.iter(|| assert_eq!(outcome(&gate, &forged), Some(Reason::BadSignature)));
    });
}

/// Why a request is denied, if it is.
fn outcome(gate: &Gate<NativeCrypto>, packed: &str) -> Option<Reason> {
    gate.decide(&RequestHead::unpack(packed), NOW * 1_000, &mut Findings::default())
        .err()
        .map(|denial| denial.reason)
}
