//! Which tokens pass. What each refusal says to the client is the same; why differs.

use super::harness::{
    gate::ADMIN_TOKEN,
    mint::{
        AUDIENCE, HMAC, ISSUER, Key, P256, RSA, base64url, claims, claims_with, from_base64url,
        jwks, now, raw_token,
    },
    *,
};

/// What a case is, and its token.
type Case = (String, String);

fn case(name: impl ToString, token: impl Into<String>) -> Case {
    (name.to_string(), token.into())
}

/// A token of the HMAC key with exactly these texts.
fn hmac_token(header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    raw_token(header, claims, |input| HMAC.sign("HS256", input))
}

/// An HS256 token with these claims as text.
fn with_claims(claims: impl AsRef<[u8]>) -> String {
    hmac_token(r#"{"alg":"HS256","kid":"hmac"}"#, claims)
}

/// An HS256 token with this header as text and good claims.
fn with_header(header: impl AsRef<[u8]>) -> String {
    hmac_token(header, claims().to_string())
}

/// The verdict on each token, which must be that of its explanation. All are asked before anything is
/// asserted, so that a failure shows every case that went wrong.
async fn verdicts(gate: &Gate, cases: &[Case]) -> Vec<(String, u16, String)> {
    let mut verdicts = Vec::new();
    for (name, token) in cases {
        // Half of them are explained before anybody has met them.
        let before = verdicts.len().is_multiple_of(2);
        let first = if before { Some(explained(gate, token).await) } else { None };
        let (status, code) = get("/").bearer(token).send(gate).await.verdict();
        let explained = match first {
            Some(explained) => explained,
            None => explained(gate, token).await,
        };
        assert_eq!(explained, (status, code.clone()), "{name}");
        verdicts.push((name.clone(), status, code));
    }
    verdicts
}

/// What would be said to a request with this token.
async fn explained(gate: &Gate, token: &str) -> (u16, String) {
    let question = json!({ "token": token }).to_string();
    let asked = request("POST", "/_edgeward/explain").bearer(ADMIN_TOKEN).body(&question);
    let explanation = asked.send(gate).await;
    assert_eq!(explanation.status, 200, "{}", explanation.text());
    let explanation = explanation.json();
    match explanation["decision"].as_str().unwrap() {
        "permit" => (200, String::new()),
        "deny" => (
            u16::try_from(explanation["status"].as_u64().unwrap()).unwrap(),
            explanation["code"].as_str().unwrap().to_owned(),
        ),
        other => panic!("{other}"),
    }
}

/// Every token gets `401` with this code, none reaches the origin, and the gate still works.
async fn all_refused_as(code: &str, setup: Setup, origin: &Origin, cases: &[Case]) {
    let gate = Gate::start(setup).await;
    let verdicts = verdicts(&gate, cases).await;
    let wrong: Vec<_> = verdicts
        .iter()
        .filter(|(_, status, found)| (*status, found.as_str()) != (401, code))
        .collect();
    assert!(wrong.is_empty(), "not 401 {code}: {wrong:#?}");
    origin.must_be_untouched();
    gate.must_be_calm();
}

async fn all_refused(cases: &[Case]) {
    let origin = Origin::start().await;
    all_refused_as("invalid_token", Setup::new(&origin), &origin, cases).await;
}

async fn all_pass(setup: Setup, cases: &[Case]) {
    let gate = Gate::start(setup).await;
    let verdicts = verdicts(&gate, cases).await;
    let wrong: Vec<_> = verdicts.iter().filter(|(_, status, _)| *status != 200).collect();
    assert!(wrong.is_empty(), "not 200: {wrong:#?}");
    gate.must_be_calm();
}

// Algorithms and keys

#[tokio::test]
async fn every_algorithm_passes_a_token_of_another_library() {
    let origin = Origin::start().await;
    let good = |algorithm| mint::key_for(algorithm).token(algorithm, &claims());
    let cases = mint::ALGORITHMS.map(|algorithm| case(algorithm, good(algorithm)));
    all_pass(Setup::new(&origin), &cases).await;
    assert_eq!(origin.count(), cases.len());
}

#[tokio::test]
async fn every_algorithm_refuses_a_flipped_bit() {
    let mut cases = Vec::new();
    for algorithm in mint::ALGORITHMS {
        let token = mint::key_for(algorithm).token(algorithm, &claims());
        let (input, signature) = token.rsplit_once('.').unwrap();
        let signature = from_base64url(signature);
        for at in [0, signature.len() / 2, signature.len() - 1] {
            let mut flipped = signature.clone();
            flipped[at] ^= 1;
            let flipped = format!("{input}.{}", base64url(&flipped));
            cases.push(case(format!("{algorithm} signature byte {at}"), flipped));
        }
        let other = claims_with(json!({ "sub": "mallory" })).to_string();
        let (header, _) = input.split_once('.').unwrap();
        let moved = format!("{header}.{}.{}", base64url(other.as_bytes()), base64url(&signature));
        cases.push(case(format!("{algorithm} other claims"), moved));
    }
    all_refused(&cases).await;
}

#[tokio::test]
async fn no_spelling_of_none_and_no_unknown_algorithm_passes() {
    let mut cases = Vec::new();
    for alg in [
        r#""none""#,
        r#""None""#,
        r#""NONE""#,
        r#""nOnE""#,
        r#""none ""#,
        r#""\u006eone""#,
        r#""""#,
        r#""hs256""#,
        r#""HS256 ""#,
        r#"" HS256""#,
        r#""HS-256""#,
        r#""HS256\u0000""#,
        r#""HS1""#,
        r#""SHA256""#,
        r#""ES256K""#,
        r#""Ed448""#,
        r#""ML-DSA-44""#,
        r#""dir""#,
        r#""RSA-OAEP""#,
        "null",
        "true",
        "256",
        r#"["HS256"]"#,
        r#"{"alg":"HS256"}"#,
    ] {
        let header = format!(r#"{{"typ":"JWT","kid":"hmac","alg":{alg}}}"#);
        let signed = with_header(&header);
        let (input, _) = signed.rsplit_once('.').unwrap();
        cases.push(case(format!("{alg} without signature"), format!("{input}.")));
        cases.push(case(format!("{alg} signed"), signed));
    }
    cases.push(case("alg missing", with_header(r#"{"typ":"JWT","kid":"hmac"}"#)));
    all_refused(&cases).await;
}

#[tokio::test]
async fn an_algorithm_outside_the_list_is_refused_although_its_key_is_there() {
    for only in ["RS256", "ES256", "HS256"] {
        let origin = Origin::start().await;
        let others: Vec<Case> = mint::ALGORITHMS
            .into_iter()
            .filter(|algorithm| *algorithm != only)
            .map(|algorithm| case(algorithm, mint::key_for(algorithm).token(algorithm, &claims())))
            .collect();
        let setup = Setup::new(&origin).set("providers.0.algorithms", json!([only]));
        all_refused_as("invalid_token", setup, &origin, &others).await;
    }
}

#[tokio::test]
async fn a_public_key_is_never_an_hmac_secret() {
    let mut cases = Vec::new();
    for key in [&*RSA, &*P256, &*mint::ED25519] {
        let jwk = key.jwk();
        let member = |name: &str| jwk[name].as_str().unwrap_or_default().to_owned();
        let pem = key.pem();
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let secrets: Vec<(&str, Vec<u8>)> = vec![
            ("PEM", pem.clone().into()),
            ("PEM without its last line break", pem.trim_end().into()),
            ("PEM with CRLF", pem.replace('\n', "\r\n").into()),
            ("PEM with escaped line breaks", pem.replace('\n', "\\n").into()),
            ("PEM on one line", pem.replace('\n', "").into()),
            ("base64 of the DER", body.into()),
            ("DER", key.spki()),
            ("JWK", jwk.to_string().into()),
            ("JWK Set", json!({ "keys": [jwk] }).to_string().into()),
            ("the JWK Set of the binding", jwks(&mint::all()).into()),
            ("n", from_base64url(&member("n"))),
            ("n as text", member("n").into()),
            ("x", from_base64url(&member("x"))),
            ("x as text", member("x").into()),
            ("nothing", Vec::new()),
        ];
        for (form, secret) in secrets {
            for kid in [json!(key.kid), json!("hmac"), Value::Null] {
                let mut header = json!({ "alg": "HS256", "typ": "JWT", "kid": kid });
                if kid.is_null() {
                    header.as_object_mut().unwrap().remove("kid");
                }
                let token = raw_token(header.to_string(), claims().to_string(), |input| {
                    mint::hs256(&secret, input)
                });
                cases.push(case(format!("{form} of {}, kid {kid}", key.kid), token));
            }
        }
    }
    all_refused(&cases).await;
}

#[tokio::test]
async fn a_key_in_the_header_is_refused_and_nothing_is_fetched() {
    let elsewhere = Origin::start().await;
    let url = format!("http://{}/keys", elsewhere.addr);
    let stranger = Key::ec("p256", "P-256");
    let certificate = mint::armor("CERTIFICATE", &stranger.spki());
    let mut cases = Vec::new();
    for (signer, key) in [("a stranger", &stranger), ("the issuer", &*P256)] {
        for (name, value) in [
            ("jwk", key.jwk()),
            ("jku", json!(url)),
            ("x5u", json!(url)),
            ("x5c", json!([certificate])),
        ] {
            let header = json!({ "alg": "ES256", name: value });
            let token = key.token_with_header(&header, &claims());
            cases.push(case(format!("{name}, signed by {signer}"), token));
        }
    }
    all_refused(&cases).await;
    elsewhere.must_be_untouched();
}

#[tokio::test]
async fn a_kid_selects_a_key_and_is_nothing_else() {
    let mut cases = Vec::new();
    for kid in [
        json!("unknown"),
        json!(""),
        json!("HMAC"),
        json!("hmac "),
        json!("hmac\u{0}"),
        json!("../../dev/null"),
        json!("' OR 1=1 --"),
        json!("__proto__"),
        json!("constructor"),
        json!("x".repeat(4000)),
        json!(0),
        json!(null),
        json!(true),
        json!(["hmac"]),
        json!({ "kid": "hmac" }),
        json!("p256"),
    ] {
        let header = json!({ "alg": "HS256", "kid": kid });
        cases.push(case(&kid, with_header(header.to_string())));
    }
    all_refused(&cases).await;
}

#[tokio::test]
async fn without_a_kid_the_only_key_of_the_algorithm_serves_and_of_two_none() {
    let origin = Origin::start().await;
    let anonymous =
        |key: &Key| key.token_with_header(&json!({ "alg": "ES256", "kid": null }), &claims());
    all_pass(Setup::new(&origin), &[case("one", anonymous(&P256))]).await;

    let origin = Origin::start().await;
    let second = Key::ec("second", "P-256");
    let setup = Setup::new(&origin)
        .secret("JWT_KEYS", &jwks(&[&P256, &second]))
        .set("providers.0.algorithms", json!(["ES256"]));
    let cases = [case("first of two", anonymous(&P256)), case("second", anonymous(&second))];
    all_refused_as("invalid_token", setup, &origin, &cases).await;
}

#[tokio::test]
async fn a_second_binding_adds_its_keys_and_a_stranger_stays_out() {
    let origin = Origin::start().await;
    let previous = Key::rsa("previous");
    let setup = Setup::new(&origin)
        .set("providers.0.keys", json!(["JWT_KEYS", "JWT_KEYS_PREVIOUS"]))
        .secret("JWT_KEYS_PREVIOUS", &jwks(&[&previous]));
    let gate = Gate::start(setup).await;
    get("/").bearer(&previous.token("RS256", &claims())).send(&gate).await.must_pass();
    get("/").bearer(&mint::token()).send(&gate).await.must_pass();
    let stranger = Key::rsa("previous").token("RS256", &claims());
    get("/").bearer(&stranger).send(&gate).await.must_be(401, "invalid_token");
}

#[tokio::test]
async fn a_key_as_pem_serves_like_one_as_jwk() {
    for (key, algorithm) in [
        (&*RSA, "RS256"),
        (&*RSA, "PS256"),
        (&*P256, "ES256"),
        (&*mint::P521, "ES512"),
        (&*mint::ED25519, "EdDSA"),
    ] {
        let origin = Origin::start().await;
        let setup = Setup::new(&origin)
            .set("providers.0.algorithms", json!([algorithm]))
            .secret("JWT_KEYS", &key.pem());
        all_pass(setup, &[case(algorithm, key.token(algorithm, &claims()))]).await;
    }
}

#[tokio::test]
async fn a_key_serves_only_what_its_jwk_allows() {
    let enc = Key::rsa("enc");
    let wrap = Key::ec("wrap", "P-256");
    let ps = Key::rsa("ps");
    let short = HMAC.jwk_with(json!({ "kid": "short", "k": base64url(&[7; 31]) }));
    let off_curve = P256.jwk_with(json!({ "kid": "off", "x": base64url(&[1; 32]) }));
    let set = json!({ "keys": [
        enc.jwk_with(json!({ "use": "enc" })),
        wrap.jwk_with(json!({ "key_ops": ["wrapKey"] })),
        ps.jwk_with(json!({ "alg": "PS256" })),
        short,
        off_curve,
        { "kty": "unheard of" },
        P256.jwk(),
    ]});
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).secret("JWT_KEYS", &set.to_string())).await;
    let weak = raw_token(r#"{"alg":"HS256","kid":"short"}"#, claims().to_string(), |input| {
        mint::hs256(&[7; 31], input)
    });
    for (name, token, status) in [
        ("use=enc", enc.token("RS256", &claims()), 401),
        ("key_ops without verify", wrap.token("ES256", &claims()), 401),
        ("alg PS256 for RS256", ps.token("RS256", &claims()), 401),
        ("alg PS256 for PS256", ps.token("PS256", &claims()), 200),
        ("31 bytes for HS256", weak, 401),
        (
            "a point off the curve",
            P256.token_with_header(&json!({ "alg": "ES256", "kid": "off" }), &claims()),
            401,
        ),
        ("the sound neighbour", mint::token(), 200),
    ] {
        let reply = get("/").bearer(&token).send(&gate).await;
        assert_eq!((name, reply.status), (name, status), "{}", reply.text());
    }
    gate.must_be_calm();
}

#[tokio::test]
async fn keys_are_found_inside_the_issuer() {
    const OTHER: &str = "https://other.example";
    let (ours, theirs) = (Key::ec("same", "P-256"), Key::ec("same", "P-256"));
    let origin = Origin::start().await;
    let setup = Setup::new(&origin)
        .secret("JWT_KEYS", &jwks(&[&ours]))
        .secret("OTHER_KEYS", &jwks(&[&theirs]))
        .set("providers.0.algorithms", json!(["ES256"]))
        .set(
            "providers.1",
            json!({
                "name": "other", "issuer": OTHER, "audiences": [AUDIENCE],
                "algorithms": ["ES256"], "keys": ["OTHER_KEYS"],
            }),
        );
    let gate = Gate::start(setup).await;
    let theirs_as_ours = theirs.token("ES256", &claims());
    let ours_as_theirs = ours.token("ES256", &claims_with(json!({ "iss": OTHER })));
    for _cold_then_warm in 0..2 {
        get("/").bearer(&theirs_as_ours).send(&gate).await.must_be(401, "invalid_token");
        get("/").bearer(&ours_as_theirs).send(&gate).await.must_be(401, "invalid_token");
        get("/").bearer(&ours.token("ES256", &claims())).send(&gate).await.must_pass();
        let good = theirs.token("ES256", &claims_with(json!({ "iss": OTHER })));
        get("/").bearer(&good).send(&gate).await.must_pass();
    }
}

// Signatures

/// The order of P-256 (SEC 2 section 2.4.2).
pub(super) const P256_ORDER: &str =
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
/// The order of Ed25519's subgroup, little-endian (RFC 8032 section 5.1).
pub(super) const ED25519_ORDER: &str =
    "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

pub(super) fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// Adds two little-endian numbers of one length; the carry is a further byte.
pub(super) fn add(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let mut sum: Vec<u8> = left
        .iter()
        .zip(right)
        .map(|(left, right)| {
            carry += u16::from(*left) + u16::from(*right);
            let [low, high] = carry.to_le_bytes();
            carry = u16::from(high);
            low
        })
        .collect();
    sum.push(u8::try_from(carry).unwrap());
    sum
}

/// `left - right` for big-endian numbers of one length with `left >= right`.
pub(super) fn subtract(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut borrow = false;
    let mut difference: Vec<u8> = left
        .iter()
        .zip(right)
        .rev()
        .map(|(left, right)| {
            let (partial, first) = left.overflowing_sub(*right);
            let (result, second) = partial.overflowing_sub(u8::from(borrow));
            borrow = first || second;
            result
        })
        .collect();
    difference.reverse();
    difference
}

/// Adds two big-endian numbers of one length; if there is a carry, it is a further byte.
pub(super) fn sum(left: &[u8], right: &[u8]) -> Vec<u8> {
    let reversed = |bytes: &[u8]| bytes.iter().rev().copied().collect::<Vec<u8>>();
    let sum = reversed(&add(&reversed(left), &reversed(right)));
    if sum[0] == 0 { sum[1..].to_vec() } else { sum }
}

/// An ECDSA signature as other protocols have it (RFC 3279 section 2.2.3).
pub(super) fn der(signature: &[u8]) -> Vec<u8> {
    let element = |tag: u8, content: &[u8]| {
        let length = u8::try_from(content.len()).unwrap();
        let head = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
        [&head, content].concat()
    };
    let integer = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let number = &number[zeros..];
        let sign: &[u8] = if number[0] >= 0x80 { &[0] } else { &[] };
        element(2, &[sign, number].concat())
    };
    let (r, s) = signature.split_at(signature.len() / 2);
    element(0x30, &[integer(r), integer(s)].concat())
}

#[tokio::test]
async fn an_ecdsa_signature_has_one_form_and_numbers_in_range() {
    let token = mint::token();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let signature = from_base64url(signature);
    let (r, s) = signature.split_at(32);
    let order = hex(P256_ORDER);
    let beyond = subtract(&order, &[vec![0; 31], vec![0xff]].concat());
    let with = |signature: &[u8]| format!("{input}.{}", base64url(signature));
    let zero = [0; 32];
    all_refused(&[
        case("r = 0", with(&[&zero, s].concat())),
        case("s = 0", with(&[r, &zero].concat())),
        case("both 0", with(&[zero, zero].concat())),
        case("r = n", with(&[&order, s].concat())),
        case("s = n", with(&[r, &order].concat())),
        case("s far in the order", with(&[r, &beyond].concat())),
        case("DER", with(&der(&signature))),
        case("one byte less", with(&signature[..63])),
        case("one byte more", with(&[&signature[..], &[0]].concat())),
        case("a leading zero", with(&[&[0], &signature[..]].concat())),
        case("half", with(r)),
        case("empty", with(&[])),
        case("of the size of P-384", with(&[&signature[..], r].concat())),
    ])
    .await;

    let origin = Origin::start().await;
    let twin = with(&[r, &subtract(&order, s)].concat());
    all_pass(Setup::new(&origin), &[case("(r, n - s) is as valid as (r, s)", twin)]).await;
}

#[tokio::test]
async fn an_rsa_signature_has_the_length_of_the_modulus_and_is_below_it() {
    let modulus = from_base64url(RSA.jwk()["n"].as_str().unwrap());
    for algorithm in ["RS256", "PS256"] {
        let token = RSA.token(algorithm, &claims());
        let (input, signature) = token.rsplit_once('.').unwrap();
        let signature = from_base64url(signature);
        let with = |signature: &[u8]| format!("{input}.{}", base64url(signature));
        all_refused(&[
            case("s + n", with(&sum(&signature, &modulus))),
            case("a leading zero", with(&[&[0], &signature[..]].concat())),
            case("a trailing zero", with(&[&signature[..], &[0]].concat())),
            case("one byte less", with(&signature[1..])),
            case("empty", with(&[])),
            case("zero", with(&[0; 256])),
            case("one", with(&[vec![0; 255], vec![1]].concat())),
            case("n", with(&modulus)),
        ])
        .await;
    }
}

#[tokio::test]
async fn an_ed25519_signature_is_canonical() {
    let token = mint::ED25519.token("EdDSA", &claims());
    let (input, signature) = token.rsplit_once('.').unwrap();
    let signature = from_base64url(signature);
    let (r, s) = signature.split_at(32);
    let with = |signature: &[u8]| format!("{input}.{}", base64url(signature));
    all_refused(&[
        case("S + L", with(&[r, &add(s, &hex(ED25519_ORDER))[..32]].concat())),
        case("S = 0", with(&[r, &[0; 32]].concat())),
        case("zero", with(&[0; 64])),
        case("one byte less", with(&signature[..63])),
        case("one byte more", with(&[&signature[..], &[0]].concat())),
    ])
    .await;
}

#[tokio::test]
async fn a_changed_character_is_refused_also_when_the_token_is_known() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin)).await;
    let good = mint::token();
    let mut passed = 0;
    for at in (0..good.len()).step_by(5).chain(good.len() - 3..good.len()) {
        get("/").bearer(&good).send(&gate).await.must_pass();
        passed += 1;
        let letter = if good.as_bytes()[at] == b'A' { "B" } else { "A" };
        let mut changed = good.clone();
        changed.replace_range(at..=at, letter);
        let reply = get("/").bearer(&changed).send(&gate).await;
        assert_eq!((at, reply.status), (at, 401), "{changed}");
        assert_eq!(origin.count(), passed);
    }
    gate.must_be_calm();
}

// Form

#[tokio::test]
async fn base64url_is_read_strictly() {
    let token = mint::token();
    let parts: Vec<&str> = token.split('.').collect();
    let [header, body, signature] = parts[..] else { panic!("{token}") };
    // 64 bytes leave four bits of the last character unused.
    let last = signature.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
    let loose = format!("{}{next}", &signature[..signature.len() - 1]);
    let standard = P256.token("ES256", &claims_with(json!({ "x": "???>>>~~~" })));
    let mut cases = vec![
        case("unused bits", format!("{header}.{body}.{loose}")),
        case("padding at the end", format!("{token}==")),
        case("standard alphabet", standard.replace('-', "+").replace('_', "/")),
        case("two segments", format!("{header}.{body}")),
        case("one segment", header),
        case("four segments", format!("{token}.{signature}")),
        case("five segments", format!("{token}.{signature}.{signature}")),
        case("a dot at the end", format!("{token}.")),
        case("a dot at the start", format!(".{token}")),
        case("no header", format!(".{body}.{signature}")),
        case("no claims", format!("{header}..{signature}")),
        case("no signature", format!("{header}.{body}.")),
        case("dots", "..".to_owned()),
        case("a thousand dots", ".".repeat(1000)),
        case("a length that base64 cannot have", format!("{header}.{body}.{signature}AAA")),
    ];
    if !standard.contains(['-', '_']) {
        cases.retain(|(name, _)| name != "standard alphabet");
    }
    all_refused(&cases).await;
}

#[tokio::test]
async fn what_is_not_of_the_form_of_a_token_is_a_malformed_request_or_an_invalid_token() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin)).await;
    let token = mint::token();
    let parts: Vec<&str> = token.split('.').collect();
    let json_form = json!({
        "payload": parts[1], "protected": parts[0], "signature": parts[2],
    });
    for text in [
        json_form.to_string(),
        token.replace('.', " ."),
        format!("{}\t{}", &token[..20], &token[20..]),
        format!("\"{token}\""),
        format!("{token}\u{e9}"),
        format!("{token};"),
        token.replace('.', "%2e"),
        token.replacen('.', "=.", 1),
    ] {
        let reply = get("/").bearer(&text).send(&gate).await;
        assert!(matches!(reply.status, 400 | 401), "{text}: {} {}", reply.status, reply.text());
    }
    origin.must_be_untouched();
    gate.must_be_calm();
}

#[tokio::test]
async fn the_header_is_a_json_object_with_members_that_we_know() {
    let good = r#"{"alg":"HS256","kid":"hmac"}"#;
    let origin = Origin::start().await;
    all_pass(
        Setup::new(&origin),
        &[
            case("as it should be", with_header(good)),
            case("white space", with_header("{ \"alg\" :\t\"HS256\",\r\n\"kid\":\"hmac\" } ")),
            case("an escaped name", with_header(r#"{"\u0061lg":"HS256","kid":"hmac"}"#)),
        ],
    )
    .await;

    let mut cases: Vec<Case> = [
        r#"{"alg":"HS256","kid":"hmac","alg":"none"}"#,
        r#"{"alg":"none","kid":"hmac","alg":"HS256"}"#,
        r#"{"alg":"HS256","kid":"hmac","\u0061lg":"HS256"}"#,
        r#"{"alg":"HS256","kid":"hmac","kid":"hmac"}"#,
        r#"{"alg":"HS256","kid":"hmac","x":1,"x":1}"#,
        r#"{"alg":"HS256","kid":"hmac","x":{"y":1,"\u0079":2}}"#,
        r#"{"alg":"HS256","kid":"hmac","crit":["x"],"x":1}"#,
        r#"{"alg":"HS256","kid":"hmac","crit":["exp"]}"#,
        r#"{"alg":"HS256","kid":"hmac","crit":["exp"],"exp":1}"#,
        r#"{"alg":"HS256","kid":"hmac","crit":["alg"]}"#,
        r#"{"alg":"HS256","kid":"hmac","crit":[]}"#,
        r#"{"alg":"HS256","kid":"hmac","crit":null}"#,
        r#"{"alg":"HS256","kid":"hmac","crit":"b64"}"#,
        r#"{"alg":"HS256","kid":"hmac","crit":[1]}"#,
        r#"{"alg":"HS256","kid":"hmac","crit":["b64","b64"],"b64":true}"#,
        r#"{"alg":"HS256","kid":"hmac","crit":["b64"],"b64":false}"#,
        r#"{"alg":"HS256","kid":"hmac","b64":false}"#,
        r#"{"alg":"HS256","kid":"hmac","zip":"DEF"}"#,
        r#"{"alg":"HS256","kid":"hmac","enc":"A256GCM"}"#,
        r#"{"alg":"HS256","kid":"hmac","typ":5}"#,
        r#"{"alg":"HS256","kid":"hmac","typ":null}"#,
        r#"{"alg":"HS256","kid":"hmac","typ":["JWT"]}"#,
        r#"{"alg":"HS256","kid":"hmac",}"#,
        r#"{"alg":"HS256","kid":"hmac"}x"#,
        r#"{"alg":"HS256","kid":"hmac"}{}"#,
        r"{'alg':'HS256','kid':'hmac'}",
        r#"[{"alg":"HS256","kid":"hmac"}]"#,
        r#""HS256""#,
        "null",
        "",
        "{",
        "\u{feff}{\"alg\":\"HS256\",\"kid\":\"hmac\"}",
        "{\"alg\":\"HS256\",\"kid\":\"hmac\"}\u{0}",
    ]
    .into_iter()
    .map(|header| case(header, with_header(header)))
    .collect();
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    cases.push(case("UTF-16", with_header(utf16)));
    cases.push(case("overlong UTF-8", with_header(b"{\"\xc1\xa1lg\":\"HS256\"}")));
    all_refused(&cases).await;
}

#[tokio::test]
async fn a_token_of_another_kind_is_refused_unless_listed() {
    let typed =
        |typ: &str| with_header(json!({ "alg": "HS256", "kid": "hmac", "typ": typ }).to_string());
    let origin = Origin::start().await;
    all_pass(
        Setup::new(&origin),
        &[
            case("JWT", typed("JWT")),
            case("at+jwt", typed("at+jwt")),
            case("absent", with_header(r#"{"alg":"HS256","kid":"hmac"}"#)),
        ],
    )
    .await;
    let others = ["logout+jwt", "dpop+jwt", "secevent+jwt", "JOSE", "JWE", "id+jwt", "token"];
    all_refused(&others.map(|typ| case(typ, typed(typ)))).await;

    let origin = Origin::start().await;
    let listed = Setup::new(&origin).set("providers.0.token_types", json!(["dpop+jwt"]));
    all_refused_as(
        "invalid_token",
        listed,
        &origin,
        &[
            case("JWT", typed("JWT")),
            case("absent", with_header(r#"{"alg":"HS256","kid":"hmac"}"#)),
        ],
    )
    .await;
    let listed = Setup::new(&origin).set("providers.0.token_types", json!(["dpop+jwt"]));
    all_pass(listed, &[case("dpop+jwt", typed("dpop+jwt"))]).await;
}

#[tokio::test]
async fn the_claims_are_one_json_object_without_duplicates() {
    let (good, exp) = (claims().to_string(), now() + 300);
    let plus = |more: &str| format!("{},{more}}}", good.trim_end_matches('}'));
    let mut cases: Vec<Case> = [
        plus(r#""sub":"mallory""#),
        plus(r#""\u0073ub":"mallory""#),
        plus(&format!(r#""exp":{}"#, exp + 1_000_000)),
        plus(r#""aud":"api""#),
        plus(r#""x":1,"x":1"#),
        plus(r#""x":{"roles":[],"roles":["admin"]}"#),
        plus(r#""x":[{"y":1,"y":2}]"#),
        plus(r#""x":"\ud800""#),
        plus(r#""x":NaN"#),
        plus(r#""x":Infinity"#),
        plus(r#""x":01"#),
        plus(r#""x":'y'"#),
        plus("\"x\":\"\u{1}\""),
        plus(&format!(r#""x":{}{}"#, "[".repeat(2500), "]".repeat(2500))),
        format!("{good}x"),
        format!("{good}{good}"),
        format!("\u{feff}{good}"),
        format!("{good}\u{0}"),
        format!("[{good}]"),
        mint::token(),
        json!(mint::token()).to_string(),
        "null".to_owned(),
        "\"alice\"".to_owned(),
        "{}".to_owned(),
        String::new(),
    ]
    .into_iter()
    .map(|claims| case(claims.chars().rev().take(60).collect::<String>(), with_claims(&claims)))
    .collect();
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    cases.push(case("UTF-16", with_claims(utf16)));
    let broken = [plus("\"x\":\"").trim_end_matches('}').as_bytes(), b"\xc0\x80\"}"].concat();
    cases.push(case("overlong UTF-8", with_claims(broken)));
    all_refused(&cases).await;
}

#[tokio::test]
async fn a_token_beyond_the_limit_is_refused_and_one_at_it_passes() {
    let padded = |bytes: usize| {
        let empty = with_claims(claims_with(json!({ "pad": "" })).to_string());
        let text = "x".repeat((bytes - empty.len()) * 3 / 4);
        with_claims(claims_with(json!({ "pad": text })).to_string())
    };
    let just_below = padded(8190);
    assert!((8180..=8192).contains(&just_below.len()), "{}", just_below.len());
    let origin = Origin::start().await;
    all_pass(Setup::new(&origin), &[case("8 KiB", just_below)]).await;
    all_refused(&[case("more", padded(8200)), case("twice", padded(16_384))]).await;

    let origin = Origin::start().await;
    let small = Setup::new(&origin).set("max_token_bytes", 600);
    all_refused_as("invalid_token", small, &origin, &[case("601", padded(605))]).await;
}

#[tokio::test]
async fn a_header_line_beyond_every_limit_does_not_hurt() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin)).await;
    for token in ["A".repeat(200_000), ".".repeat(60_000), "A.".repeat(30_000)] {
        let request = get("/").bearer(&token).bytes();
        // The runtime has a limit of its own and may end the connection.
        if let Ok(reply) = client::try_raw(gate.addr, &request).await {
            assert!(matches!(reply.status, 400 | 401 | 431), "{}", reply.status);
        }
    }
    get("/").bearer(&mint::token()).send(&gate).await.must_pass();
    assert_eq!(origin.count(), 1);
    gate.must_be_calm();
}

// Claims

#[tokio::test]
async fn issuer_and_audience_match_exactly() {
    let mut cases = Vec::new();
    for (claim, right) in [("iss", ISSUER), ("aud", AUDIENCE)] {
        for wrong in [
            json!(""),
            json!(null),
            json!(1),
            json!(true),
            json!({}),
            json!([]),
            json!([[right]]),
            json!({ "0": right }),
            json!(right.to_uppercase()),
            json!(format!("{right}/")),
            json!(format!("{right} ")),
            json!(format!(" {right}")),
            json!(format!("{right}x")),
            json!(&right[1..]),
            json!(&right[..right.len() - 1]),
            json!("*"),
            json!(right.replace('i', "\u{456}")),
            json!(format!("{right}\u{0}")),
        ] {
            let mut claims = claims();
            claims[claim] = wrong.clone();
            cases.push(case(format!("{claim} {wrong}"), with_claims(claims.to_string())));
        }
        let without = claims_with(json!({ claim: null }));
        cases.push(case(format!("{claim} absent"), with_claims(without.to_string())));
    }
    cases.push(case(
        "iss as a list",
        with_claims(claims_with(json!({ "iss": [ISSUER] })).to_string()),
    ));
    cases.push(case("aud of others", mint::token_with(json!({ "aud": ["a", "b"] }))));
    all_refused(&cases).await;

    let origin = Origin::start().await;
    all_pass(
        Setup::new(&origin),
        &[
            case("aud as a list of one", mint::token_with(json!({ "aud": [AUDIENCE] }))),
            case("aud among others", mint::token_with(json!({ "aud": ["a", AUDIENCE, "b"] }))),
        ],
    )
    .await;
}

#[tokio::test]
async fn required_claims_are_there() {
    let origin = Origin::start().await;
    let setup = || Setup::new(&origin).set("providers.0.required_claims", json!(["sub", "email"]));
    all_refused_as(
        "invalid_token",
        setup(),
        &origin,
        &[
            case("no email", mint::token()),
            case("no sub", mint::token_with(json!({ "sub": null, "email": "a@b.example" }))),
        ],
    )
    .await;
    all_pass(setup(), &[case("both", mint::token_with(json!({ "email": "a@b.example" })))]).await;
}

#[tokio::test]
async fn a_time_of_a_wrong_type_does_not_count_as_absent() {
    let mut cases = Vec::new();
    for claim in ["exp", "nbf", "iat"] {
        for value in [
            json!((now() + 300).to_string()).to_string(),
            "true".into(),
            "null".into(),
            "[]".into(),
            format!("[{}]", now() + 300),
            "{}".into(),
            "1e400".into(),
            "9223372036854775808".into(),
            "-1e400".into(),
            "9".repeat(3000),
        ] {
            let text = claims_with(json!({ claim: null })).to_string();
            let text = format!("{},\"{claim}\":{value}}}", text.trim_end_matches('}'));
            let name = format!("{claim} {}", &value[..value.len().min(30)]);
            cases.push(case(name, with_claims(text)));
        }
    }
    let endless = claims_with(json!({ "exp": null }));
    cases.push(case("exp absent", with_claims(endless.to_string())));
    all_refused(&cases).await;
}

#[tokio::test]
async fn a_token_counts_from_nbf_and_iat_with_the_skew() {
    let origin = Origin::start().await;
    let setup = || Setup::new(&origin).set("clock_skew_seconds", 30);
    all_refused_as(
        "invalid_token",
        setup(),
        &origin,
        &[
            case("nbf", mint::token_with(json!({ "nbf": now() + 60 }))),
            case("iat", mint::token_with(json!({ "iat": now() + 60 }))),
        ],
    )
    .await;
    all_pass(
        setup(),
        &[
            case("nbf within the skew", mint::token_with(json!({ "nbf": now() + 20 }))),
            case("iat within the skew", mint::token_with(json!({ "iat": now() + 20 }))),
            case("nbf now", mint::token_with(json!({ "nbf": now() }))),
            case("without iat", mint::token_with(json!({ "iat": null }))),
            case(
                "fractions",
                mint::token_with(json!({
                    "iat": 1_700_000_000.5, "nbf": 1_700_000_000.25, "exp": 5_000_000_000.75_f64,
                })),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_token_ends_at_exp_plus_skew() {
    let ending = |at: i64| mint::token_with(json!({ "iat": null, "exp": at }));
    let origin = Origin::start().await;
    let none = || Setup::new(&origin).set("clock_skew_seconds", 0);
    all_refused_as(
        "expired_token",
        none(),
        &origin,
        &[
            case("exp = now, skew 0", ending(now())),
            case("long ago", ending(1)),
            case("zero", ending(0)),
        ],
    )
    .await;
    all_pass(none(), &[case("a moment is left", ending(now() + 20))]).await;

    let origin = Origin::start().await;
    let some = || Setup::new(&origin).set("clock_skew_seconds", 30);
    all_refused_as("expired_token", some(), &origin, &[case("exp + 30 = now", ending(now() - 30))])
        .await;
    all_pass(some(), &[case("within the skew", ending(now() - 10))]).await;
}

#[tokio::test]
async fn a_known_token_ends_too() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).set("clock_skew_seconds", 0)).await;
    let end = now() + 2;
    let token = mint::token_with(json!({ "exp": end }));
    get("/").bearer(&token).send(&gate).await.must_pass();
    while now() < end {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    get("/").bearer(&token).send(&gate).await.must_be(401, "expired_token");
}

#[tokio::test]
async fn a_life_longer_than_allowed_is_refused() {
    let origin = Origin::start().await;
    let setup = || Setup::new(&origin).set("providers.0.max_lifetime_seconds", 600);
    let living =
        |iat: Value, seconds: i64| mint::token_with(json!({ "iat": iat, "exp": now() + seconds }));
    all_refused_as(
        "invalid_token",
        setup(),
        &origin,
        &[
            case("601 seconds", living(json!(now() - 1), 600)),
            case("a year", living(json!(now()), 365 * 86_400)),
            case("unknown", living(Value::Null, 300)),
        ],
    )
    .await;
    all_pass(setup(), &[case("600 seconds", living(json!(now()), 590))]).await;
}

// Order

#[tokio::test]
async fn nothing_about_the_claims_is_told_before_the_signature() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin)
        .rule(json!({ "path": "/", "access": "required", "scopes_all": ["admin"] }));
    let gate = Gate::start(setup).await;
    let forged = |changes: Value| Key::ec("p256", "P-256").token("ES256", &claims_with(changes));
    let old = now() - 3600;
    for (name, token, status, code) in [
        ("forged and expired", forged(json!({ "exp": old })), 401, "invalid_token"),
        ("forged, without scope", forged(json!({})), 401, "invalid_token"),
        (
            "expired, for others",
            mint::token_with(json!({ "exp": old, "aud": "x" })),
            401,
            "expired_token",
        ),
        ("expired, without scope", mint::token_with(json!({ "exp": old })), 401, "expired_token"),
        (
            "for others, without scope",
            mint::token_with(json!({ "aud": "x" })),
            401,
            "invalid_token",
        ),
        ("without scope", mint::token(), 403, "insufficient_scope"),
    ] {
        let verdict = get("/").bearer(&token).send(&gate).await.verdict();
        assert_eq!((name, verdict), (name, (status, code.to_owned())));
    }
    origin.must_be_untouched();
}
