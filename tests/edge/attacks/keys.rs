//! Keys that would let anybody sign, or nobody verify: refused when they are loaded, without harm to others.

use super::{super::verification::hex, confusion::hmac, tokens::encoded_message, *};
use mint::{ED25519, HMAC, Key, P256, P384, RSA, from_base64url};

/// Ed25519 points of small order, canonical and not, with and without the sign: under these, `S = 0` with
/// the right `R` is a signature of everything.
const SMALL_ORDER: [&str; 12] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
];

/// A key that must not be used, and a token that it would verify if it were.
struct Hostile {
    jwk: Value,
    token: String,
}

/// A key under this name, and a token of this algorithm that names it.
fn hostile(
    kid: &str,
    mut jwk: Value,
    algorithm: &str,
    sign: impl Fn(&[u8]) -> Vec<u8>,
) -> (String, Hostile) {
    jwk["kid"] = json!(kid);
    let header = json!({ "alg": algorithm, "kid": kid }).to_string();
    let token = raw_token(header, good_claims().to_string(), |input| sign(input));
    (kid.to_owned(), Hostile { jwk, token })
}

fn rsa_keys(add: &mut impl FnMut((String, Hostile))) {
    let modulus = from_base64url(RSA.jwk()["n"].as_str().unwrap());
    let rsa = |n: &[u8], e: &[u8]| json!({ "kty": "RSA", "n": base64url(n), "e": base64url(e) });
    let junk = |_: &[u8]| vec![7; 256];
    // To the power of 1, a signature is what it signs; the others do not even have an inverse.
    add(hostile("e=1", rsa(&modulus, &[1]), "RS256", encoded_message));
    add(hostile("e=1 with zeros", rsa(&modulus, &[0, 0, 1]), "RS256", encoded_message));
    for (kid, e) in [
        ("e=0", &[0][..]),
        ("e empty", &[]),
        ("e=2", &[2]),
        ("e=65536", &[1, 0, 0]),
        ("e of 33 bits", &[1, 0, 0, 0, 1]),
        ("e as long as n", &modulus),
    ] {
        add(hostile(kid, rsa(&modulus, e), "RS256", junk));
    }
    let mut even = modulus.clone();
    even[255] &= 0xfe;
    for (kid, n) in [
        ("n even", even),
        ("n of 2040 bits", modulus[1..].to_vec()),
        ("n of 1024 bits", [vec![0; 128], modulus[128..].to_vec()].concat()),
        ("n=1", vec![1]),
        ("n=0", vec![0; 256]),
        ("n empty", vec![]),
        ("n of 32768 bits", [&[0x80], &vec![0xff; 4_095][..]].concat()),
    ] {
        add(hostile(kid, rsa(&n, &[1, 0, 1]), "RS256", junk));
        add(hostile(&format!("{kid}, PSS"), rsa(&n, &[1, 0, 1]), "PS256", junk));
    }
    let good = || RSA.jwk();
    let with = |changes: Value| RSA.jwk_with(changes);
    for (kid, jwk) in [
        ("use=enc", with(json!({ "use": "enc" }))),
        ("use of another type", with(json!({ "use": ["sig"] }))),
        ("key_ops encrypt", with(json!({ "key_ops": ["encrypt", "wrapKey"] }))),
        ("key_ops sign", with(json!({ "key_ops": ["sign"] }))),
        ("key_ops empty", with(json!({ "key_ops": [] }))),
        ("key_ops as a text", with(json!({ "key_ops": "verify" }))),
        ("alg PS256", with(json!({ "alg": "PS256" }))),
        ("alg RS512", with(json!({ "alg": "RS512" }))),
        ("alg HS256", with(json!({ "alg": "HS256" }))),
        ("alg none", with(json!({ "alg": "none" }))),
        ("alg RSA-OAEP", with(json!({ "alg": "RSA-OAEP" }))),
        ("alg of another type", with(json!({ "alg": 1 }))),
        ("kty rsa", with(json!({ "kty": "rsa" }))),
        ("kty of another kind", with(json!({ "kty": "EC" }))),
        ("n padded", with(json!({ "n": format!("{}==", good()["n"].as_str().unwrap()) }))),
        ("n as a number", with(json!({ "n": 65_537 }))),
        ("e as a number", with(json!({ "e": 65_537 }))),
    ] {
        add(hostile(kid, jwk, "RS256", |input| RSA.sign("RS256", input)));
    }
}

fn curve_keys(add: &mut impl FnMut((String, Hostile))) {
    let point = |crv: &str, x: &[u8], y: &[u8]| json!({ "kty": "EC", "crv": crv, "x": base64url(x), "y": base64url(y) });
    let coordinates =
        |key: &Key| ["x", "y"].map(|member| from_base64url(key.jwk()[member].as_str().unwrap()));
    let ([x, y], [long_x, long_y]) = (coordinates(&P256), coordinates(&P384));
    let mut negated = y.clone();
    negated[31] ^= 1;
    let sign = |input: &[u8]| P256.sign("ES256", input);
    for (kid, jwk) in [
        ("the point (0, 0)", point("P-256", &[0; 32], &[0; 32])),
        ("no point: y changed", point("P-256", &x, &negated)),
        ("no point: exchanged", point("P-256", &y, &x)),
        ("no point: x only", point("P-256", &x, &[0; 32])),
        ("no point: beyond the field", point("P-256", &[0xff; 32], &y)),
        ("x and y empty", point("P-256", &[], &[])),
        ("x a byte short", point("P-256", &x[1..], &y)),
        ("x with a zero before", point("P-256", &[&[0], &x[..]].concat(), &y)),
        ("of P-384 as P-256", point("P-256", &long_x, &long_y)),
        ("cut from P-384", point("P-256", &long_x[..32], &long_y[..32])),
        ("as P-384", point("P-384", &x, &y)),
        ("as secp256k1", point("secp256k1", &x, &y)),
        ("as brainpoolP256r1", point("brainpoolP256r1", &x, &y)),
        ("as p-256", point("p-256", &x, &y)),
        ("without y", json!({ "kty": "EC", "crv": "P-256", "x": base64url(&x) })),
        ("without curve", json!({ "kty": "EC", "x": base64url(&x), "y": base64url(&y) })),
        ("as OKP", json!({ "kty": "OKP", "crv": "P-256", "x": base64url(&x), "y": base64url(&y) })),
        ("alg ES384", P256.jwk_with(json!({ "alg": "ES384" }))),
        ("alg ECDH-ES", P256.jwk_with(json!({ "alg": "ECDH-ES" }))),
        ("key_ops deriveKey", P256.jwk_with(json!({ "key_ops": ["deriveKey"] }))),
        ("private", P256.private_jwk()),
    ] {
        add(hostile(kid, jwk, "ES256", sign));
    }

    let okp = |crv: &str, x: &[u8]| json!({ "kty": "OKP", "crv": crv, "x": base64url(x) });
    // R of order 1, S = 0.
    let of_anything = [&[1][..], &[0; 63]].concat();
    for x in SMALL_ORDER {
        let kid = format!("small order {x}");
        add(hostile(&kid, okp("Ed25519", &hex(x)), "EdDSA", |_| of_anything.clone()));
    }
    let x = from_base64url(ED25519.jwk()["x"].as_str().unwrap());
    for (kid, jwk) in [
        ("31 bytes", okp("Ed25519", &x[1..])),
        ("33 bytes", okp("Ed25519", &[&x[..], &[0]].concat())),
        ("as X25519", okp("X25519", &x)),
        ("as Ed448", okp("Ed448", &x)),
        ("as ed25519", okp("ed25519", &x)),
        ("Ed25519 private", ED25519.private_jwk()),
    ] {
        add(hostile(kid, jwk, "EdDSA", |input| ED25519.sign("EdDSA", input)));
    }
}

fn shared_keys(add: &mut impl FnMut((String, Hostile))) {
    let mut oct = |kid: &str, secret: &[u8], algorithm: &str| {
        let jwk = json!({ "kty": "oct", "k": base64url(secret) });
        let secret = secret.to_vec();
        add(hostile(kid, jwk, algorithm, move |input| hmac(algorithm, &secret, input)));
    };
    oct("empty", &[], "HS256");
    oct("one byte", &[7], "HS256");
    oct("31 bytes of HMAC", &[7; 31], "HS256");
    oct("63 bytes for HS512", &[7; 63], "HS512");
    let pem = P256.pem();
    oct("PEM of a public key as k", pem.as_bytes(), "HS256");
    oct("DER of a public key as k", &RSA.spki(), "HS256");
    let secret = from_base64url(HMAC.jwk()["k"].as_str().unwrap());
    for (kid, changes) in [
        ("oct with use=enc", json!({ "use": "enc" })),
        ("oct with alg RS256", json!({ "alg": "RS256" })),
        ("oct with alg A256KW", json!({ "alg": "A256KW" })),
        ("oct with k of another type", json!({ "k": ["AAAA"] })),
        ("oct with k padded", json!({ "k": format!("{}=", base64url(&secret)) })),
    ] {
        let secret = secret.clone();
        let sign = move |input: &[u8]| mint::hs256(&secret, input);
        add(hostile(kid, HMAC.jwk_with(changes), "HS256", sign));
    }
}

fn hostile_keys() -> BTreeMap<String, Hostile> {
    let mut keys = BTreeMap::new();
    let mut add = |(kid, key): (String, Hostile)| {
        assert!(keys.insert(kid.clone(), key).is_none(), "{kid} is there twice");
    };
    rsa_keys(&mut add);
    curve_keys(&mut add);
    shared_keys(&mut add);
    keys
}

/// The names of the keys in a part of the health report.
fn names(keys: &Value) -> Vec<&str> {
    let keys = keys.as_array().unwrap_or_else(|| panic!("no keys: {keys}"));
    keys.iter().filter_map(|key| key["kid"].as_str()).collect()
}

#[tokio::test]
async fn no_hostile_key_of_a_set_verifies_and_its_sound_neighbours_do() {
    let keys = hostile_keys();
    let shape = [json!(7), json!(null), json!([]), json!({}), json!("key"), json!({ "kty": [] })];
    let jwks = keys.values().map(|key| key.jwk.clone()).chain(shape);
    // The sound ones are first, last and in the middle.
    let mut all: Vec<Value> = jwks.collect();
    all.insert(0, ED25519.jwk());
    all.insert(all.len() / 2, HMAC.jwk());
    all.push(P256.jwk());
    let served = json!({ "keys": all }).to_string();
    // Who has put a private key there is told so, and nothing of that secret is used.
    all.retain(|key| key["d"].is_null());
    let set = json!({ "keys": all }).to_string();
    let service = Faults::answering(move |_| Reply::new(200, served.as_str())).await;

    let mut bound = Siege::of(|setup| setup.secret("JWT_KEYS", &set)).await;
    let mut published = Siege::of(|setup| {
        setup
            .set("providers.0.jwks_uri", format!("http://{}/jwks", service.addr))
            .unset("providers.0.keys")
            .without_secret("JWT_KEYS")
            // Its algorithms that have no published key are not asked for.
            .set("providers.0.algorithms", json!(["RS256", "PS256", "ES256", "EdDSA"]))
    })
    .await;
    for siege in [&mut bound, &mut published] {
        siege.passes("a sound key", &get("/").bearer(&mint::token())).await;
    }
    // A key that only some of its algorithms may use is there all the same.
    let narrowed = ["63 bytes for HS512", "alg PS256", "alg RS512"];
    for cache in ["cold", "warm"] {
        for (kid, Hostile { token, .. }) in &keys {
            let name = format!("{kid}, {cache}");
            let request = get("/").bearer(token);
            bound.refuses(&name, &request, INVALID_TOKEN, "unknown_key").await;
            let shared = token.starts_with(&base64url(br#"{"alg":"HS"#)[..12]);
            let reason = if shared { "algorithm_not_allowed" } else { "unknown_key" };
            published.refuses(&name, &request, INVALID_TOKEN, reason).await;
        }
        for (algorithm, key) in [("EdDSA", &*ED25519), ("ES256", &*P256)] {
            let good = get("/").bearer(&key.token(algorithm, &good_claims()));
            bound.passes(algorithm, &good).await;
            published.passes(algorithm, &good).await;
        }
        bound.passes("HS256", &get("/").bearer(&HMAC.token("HS256", &good_claims()))).await;
    }
    let sound = |mut kids: Vec<&str>| {
        kids.retain(|kid| !narrowed.contains(kid));
        kids.sort_unstable();
        kids.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let report = bound.gate.report().await;
    assert_eq!(sound(names(&report["providers"][0]["keys"])), ["ed", "hmac", "p256"]);
    let report = published.gate.report().await;
    let found = &report["providers"][0]["published_keys"]["keys"];
    assert!(found.is_array(), "{report}");
    assert_eq!(sound(names(found)), ["ed", "p256"]);
    bound.must_have_held().await;
    published.must_have_held().await;
}

/// The cube root of something that begins like a padded hash and goes on with anything, for the token of
/// the test below: a signature for every key with the exponent 3, if it is only looked at from the left
/// (Bleichenbacher 2006, <https://www.ietf.org/mail-archive/web/openpgp/current/msg00999.html>).
const CUBE_ROOT: &str = "32cbfd4a7adc7905583d767520f51640759176d37826f2ef63ae3dc7ac44d9abcbf3f230ac\
                         1694fa6122c7f235a323adec8172c4b72b910c7790f573c6a00bec2f34cd22cd20febd364a\
                         b3812a3fd23797fe2d7942";

/// The product of two big-endian numbers, without zeros before it.
fn product(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut sums = vec![0_u32; left.len() + right.len()];
    for (at, one) in left.iter().rev().enumerate() {
        for (behind, other) in right.iter().rev().enumerate() {
            sums[at + behind] += u32::from(*one) * u32::from(*other);
        }
    }
    let mut carry = 0;
    let mut bytes: Vec<u8> = sums
        .into_iter()
        .map(|sum| {
            let [low, ..] = (sum + carry).to_le_bytes();
            carry = (sum + carry) >> 8;
            low
        })
        .collect();
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    bytes.reverse();
    bytes
}

#[tokio::test]
async fn a_small_exponent_helps_nobody_who_has_no_private_key() {
    let cube = RSA.jwk_with(json!({ "kid": "cube", "e": "Aw" }));
    let set = json!({ "keys": [cube, P256.jwk()] }).to_string();
    let mut siege = Siege::of(|setup| setup.secret("JWT_KEYS", &set)).await;
    let header = r#"{"alg":"RS256","kid":"cube"}"#;
    let claims = json!({
        "aud": mint::AUDIENCE, "exp": 4_102_444_800_i64, "iss": mint::ISSUER, "sub": "mallory",
    });
    let root = hex(CUBE_ROOT);
    // It is what it is said to be: 0 (which a number does not show) and 1, eight of padding, and the hash.
    let input = parts(&raw_token(header, claims.to_string(), |_| Vec::new()))[..2].join(".");
    let message = encoded_message(input.as_bytes());
    let information = &message[message.len() - 52..];
    let cube = product(&root, &product(&root, &root));
    assert!(cube.starts_with(&[&[1], &[0xff; 8][..], information].concat()), "{cube:02x?}");
    let padded = |number: &[u8]| [vec![0; 256 - number.len()], number.to_vec()].concat();
    for (name, signature) in [
        ("the cube root", padded(&root)),
        ("zero", padded(&[])),
        ("one", padded(&[1])),
        ("the cube root, as short as it is", root),
    ] {
        let token = raw_token(header, claims.to_string(), |_| signature.clone());
        let good = mint::token();
        siege.refuses_token(name, (&good, &token), "bad_signature").await;
    }
    siege.must_have_held().await;
}
