//! Texts that readers of JSON do not agree about, and such as cost one dearly. All are rightly signed, so
//! that nothing but the reading is between them and the origin.

use super::*;
use mint::{HMAC, now};

/// Good claims with this before, or behind, everything else.
fn beside(member: &[u8], first: bool) -> Vec<u8> {
    let good = good_claims().to_string();
    let inner = &good.as_bytes()[1..good.len() - 1];
    let parts = if first { [member, b",", inner] } else { [inner, b",", member] };
    [b"{", &parts.concat()[..], b"}"].concat()
}

/// Texts that are not one JSON text, or that do not mean one thing; what stands for the text itself is `@`.
const NO_TEXTS: [&[u8]; 30] = [
    b"",
    b" ",
    b"{",
    b"null",
    b"[]",
    b"[@]",
    b"\"@\"",
    b"@@",
    b"@\n@",
    b"@,",
    b"@}",
    b"@null",
    b"@\0",
    b"\0@",
    b"\xef\xbb\xbf@",
    b"@\xef\xbb\xbf",
    b"\xfe\xff@",
    b"\xff\xfe@",
    b"@\xc2\xa0",
    b"\x0b@",
    b"\x0c@",
    b"\xe2\x80\xa8@",
    b"@//",
    b"/**/@",
    b"@#",
    b")]}',@",
    b"@\x1a",
    b"(@)",
    b"{\"a\":@",
    b"a=@",
];

/// Members that no object may have.
const NO_MEMBERS: [&[u8]; 62] = [
    b"\"x\":1,\"x\":1",
    b"\"x\":1,\"\\u0078\":1",
    b"\"\\u0078\":1,\"\\u0078\":1",
    b"\"\":1,\"\":2",
    b"\"a/b\":1,\"a\\/b\":2",
    b"\"\\t\":1,\"\\u0009\":2",
    b"\"\xc3\xa9\":1,\"\\u00e9\":2",
    b"\"\xc3\xa9\":1,\"\\u00E9\":2",
    b"\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":2",
    b"\"\\uD83D\\uDE00\":1,\"\\ud83d\\ude00\":2",
    b"\"x\":{\"y\":1,\"y\":2}",
    b"\"x\":[{\"y\":1,\"\\u0079\":2}]",
    b"\"x\":[[[[{\"z\":{\"y\":1,\"y\":1}}]]]]",
    b"\"__proto__\":1,\"__proto__\":2",
    b"\"x\":\"\\ud800\"",
    b"\"x\":\"\\udfff\"",
    b"\"x\":\"\\ud800\\ud800\"",
    b"\"x\":\"\\ude00\\ud83d\"",
    b"\"x\":\"\\ud83d\\u0041\"",
    b"\"x\":\"\\u12\"",
    b"\"x\":\"\\u12G4\"",
    b"\"x\":\"\\x41\"",
    b"\"x\":\"\\0\"",
    b"\"x\":\"\\'\"",
    b"\"x\":\"\xed\xa0\x80\"",
    b"\"x\":\"\xc0\x80\"",
    b"\"x\":\"\xc1\xa1\"",
    b"\"x\":\"\xe0\x80\xaf\"",
    b"\"x\":\"\xf0\x80\x80\xaf\"",
    b"\"x\":\"\xf4\x90\x80\x80\"",
    b"\"x\":\"\xf8\x88\x80\x80\x80\"",
    b"\"x\":\"\xff\"",
    b"\"x\":\"\xc3\"",
    b"\"x\":\"\xe9t\xe9\"",
    b"\"x\":\"a\0b\"",
    b"\"x\":\"a\nb\"",
    b"\"x\":\"a\x1fb\"",
    b"\"x\":\"a",
    b"\"x\":'a'",
    b"x:1",
    b"'x':1",
    b"\"x\"1",
    b"\"x\":",
    b"\"x\":,\"y\":1",
    b"\"x\":1,",
    b",\"x\":1",
    b"\"x\":[1,]",
    b"\"x\":[1}",
    b"\"x\":NaN",
    b"\"x\":-Infinity",
    b"\"x\":undefined",
    b"\"x\":True",
    b"\"x\":01",
    b"\"x\":+1",
    b"\"x\":.5",
    b"\"x\":1.",
    b"\"x\":0x10",
    b"\"x\":1e",
    b"\"x\":- 1",
    b"\"x\":1e400",
    b"\"x\":-1e400",
    b"\"x\":9007199254740993.0",
];

/// `@` as this text.
fn filled(pattern: &[u8], text: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = pattern.split(|byte| *byte == b'@').collect();
    parts.join(text)
}

/// As this encoding would have it.
fn wide(text: &str, encode: impl Fn(u16) -> Vec<u8>) -> Vec<u8> {
    text.encode_utf16().flat_map(encode).collect()
}

fn shown(text: &[u8]) -> String {
    text.escape_ascii().to_string().chars().take(80).collect()
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_not_read_at_all() {
    let mut siege = Siege::of(|setup| setup.set("max_token_bytes", 16_384)).await;
    let known = HMAC.token("HS256", &good_claims());
    let claims = good_claims().to_string();
    let mut texts = Vec::new();
    for pattern in NO_TEXTS {
        texts.push((filled(pattern, HMAC_HEADER.as_bytes()), filled(pattern, claims.as_bytes())));
    }
    for encode in [
        |unit: u16| unit.to_le_bytes().to_vec(),
        |unit: u16| unit.to_be_bytes().to_vec(),
        |unit: u16| u32::from(unit).to_le_bytes().to_vec(),
        |unit: u16| u32::from(unit).to_be_bytes().to_vec(),
    ] {
        texts.push((wide(HMAC_HEADER, encode), wide(&claims, encode)));
    }
    let digits = |count: usize| ["\"x\":".as_bytes(), &b"7".repeat(count)].concat();
    let nested = |open: &str, close: &str, depth: usize| {
        format!("\"x\":{}1{}", open.repeat(depth), close.repeat(depth)).into_bytes()
    };
    let long = [
        digits(5_000),
        [digits(1), b".".to_vec(), b"7".repeat(400), b"e5000".to_vec()].concat(),
        [digits(1), b"e".to_vec(), b"9".repeat(4_000)].concat(),
        nested("[", "]", 128),
        nested("[", "]", 2_500),
        nested("{\"y\":", "}", 128),
        nested("{\"y\":", "}", 900),
        nested("[{\"y\":", "}]", 64),
    ];
    let short = NO_MEMBERS.iter().map(|member| member.to_vec());
    for member in short.chain(long) {
        for first in [true, false] {
            let parts = [&HMAC_HEADER.as_bytes()[1..HMAC_HEADER.len() - 1], b",", &member];
            let header = if first { [&member, &b","[..], parts[0]] } else { parts };
            let header = [b"{", &header.concat()[..], b"}"].concat();
            texts.push((header, beside(&member, first)));
        }
    }
    for (header, text) in texts {
        for (name, token) in [
            (format!("header {}", shown(&header)), hmac_token(&header, &claims)),
            (format!("claims {}", shown(&text)), hmac_token(HMAC_HEADER, &text)),
        ] {
            siege.refuses_token(&name, (&known, &token), "malformed_token").await;
        }
    }
    siege.must_have_held().await;
}

#[tokio::test]
async fn a_repeated_member_is_refused_whichever_it_is_and_wherever_it_stands() {
    let mut siege = Siege::of(|setup| setup).await;
    let known = HMAC.token("HS256", &good_claims());
    let escaped = |name: &str| -> Vec<String> {
        let unit = |letter: char| format!("\\u{:04x}", u32::from(letter));
        let all: String = name.chars().map(unit).collect();
        let first = format!("{}{}", unit(name.chars().next().unwrap()), &name[1..]);
        let last = name.chars().last().unwrap();
        let last = format!("{}{}", &name[..name.len() - 1], unit(last).to_uppercase())
            .replace("\\U", "\\u");
        vec![name.to_owned(), first, last, all]
    };
    let end = (now() + 3_000).to_string();
    for (name, value) in [
        ("iss", "\"https://issuer.example\""),
        ("aud", "\"api\""),
        ("sub", "\"mallory\""),
        ("exp", end.as_str()),
        ("iat", "1"),
        ("jti", "\"x\""),
        ("exp", "null"),
    ] {
        for spelled in escaped(name) {
            for first in [true, false] {
                let member = format!("\"{spelled}\":{value}");
                let token = hmac_token(HMAC_HEADER, beside(member.as_bytes(), first));
                siege.refuses_token(&member, (&known, &token), "malformed_token").await;
            }
        }
    }
    for (name, value) in [("alg", "\"none\""), ("alg", "\"HS256\""), ("kid", "\"hmac\"")] {
        for spelled in escaped(name) {
            let member = format!("\"{spelled}\":{value}");
            let inner = &HMAC_HEADER[1..HMAC_HEADER.len() - 1];
            for header in [format!("{{{member},{inner}}}"), format!("{{{inner},{member}}}")] {
                let token = hmac_token(&header, good_claims().to_string());
                siege.refuses_token(&header, (&known, &token), "malformed_token").await;
            }
        }
    }
    siege.must_have_held().await;
}

#[tokio::test]
async fn a_name_that_only_looks_like_another_is_another() {
    let mut siege = Siege::of(|setup| {
        let headers = json!({ "X-Auth-Subject": "sub", "X-Auth-Scope": "scope" });
        setup.set("forward.claim_to_headers", headers)
    })
    .await;
    for member in [
        "\"Sub\":\"mallory\"",
        "\"SUB\":\"mallory\"",
        "\"sub \":\"mallory\"",
        "\" sub\":\"mallory\"",
        "\"sub\\u0000\":\"mallory\"",
        "\"\\u0455ub\":\"mallory\"",
        "\"s\\u200bub\":\"mallory\"",
        "\"\\uff53ub\":\"mallory\"",
        "\"\\u00e9\":1,\"e\\u0301\":2",
        "\"x\":{\"sub\":\"mallory\",\"exp\":1,\"iss\":\"x\"}",
        "\"x\":[{\"sub\":\"mallory\"}]",
        "\"__proto__\":{\"sub\":\"mallory\",\"scope\":\"admin\"}",
        "\"constructor\":{\"prototype\":{\"scope\":\"admin\"}}",
        "\"toString\":1,\"hasOwnProperty\":2,\"then\":3",
        "\"x\":-0,\"y\":1E2,\"z\":0.0",
        "\"x\":\"\\ud83d\\ude00\\u0000\\u2028\"",
    ] {
        for first in [true, false] {
            let token = hmac_token(HMAC_HEADER, beside(member.as_bytes(), first));
            for cache in ["cold", "warm"] {
                let name = format!("{member}, {cache}");
                if let Some(seen) = siege.passes(&name, &get("/").bearer(&token)).await {
                    assert_eq!(seen.folded("x-auth-subject"), ["alice"], "{name}");
                    assert!(seen.folded("x-auth-scope").is_empty(), "{name}");
                }
            }
        }
    }
    siege.must_have_held().await;
}

/// Tokens that make a careless reader work hardest, with the algorithm that signs them.
fn expensive() -> Vec<(&'static str, &'static str, String)> {
    let mut tokens = Vec::new();
    for (algorithm, kid) in [("HS256", "hmac"), ("RS512", "rsa"), ("ES512", "p521")] {
        let header = json!({ "alg": algorithm, "kid": kid }).to_string();
        let signed = |header: &str, member: &[u8]| {
            raw_token(header, beside(member, false), |input| {
                mint::key_for(algorithm).sign(algorithm, input)
            })
        };
        let members = |count: usize| {
            let members: Vec<String> = (0..count).map(|at| format!("\"m{at}\":0")).collect();
            members.join(",").into_bytes()
        };
        let list = |item: &str, count: usize| {
            format!("\"x\":[{}]", vec![item; count].join(",")).into_bytes()
        };
        let words = format!("\"scope\":\"{}\"", "a ".repeat(2_400).trim_end());
        let escapes = format!("\"x\":\"{}\"", "\\u0041".repeat(800));
        for (name, member) in [
            ("members", members(500)),
            ("the same member", b"\"m\":0,".repeat(800)[..4_799].to_vec()),
            ("digits", ["\"x\":".as_bytes(), &b"7".repeat(5_000)].concat()),
            ("a fraction", ["\"x\":0.".as_bytes(), &b"7".repeat(5_000)].concat()),
            ("an exponent", b"\"x\":1e-999999999".to_vec()),
            ("depth", format!("\"x\":{}{}", "[".repeat(120), "]".repeat(120)).into_bytes()),
            ("brackets", ["\"x\":".as_bytes(), &b"[".repeat(5_000)].concat()),
            ("empty lists", list("[]", 1_600)),
            ("empty objects", list("{}", 1_600)),
            ("empty texts", list("\"\"", 1_600)),
            ("escapes", escapes.clone().into_bytes()),
            ("scopes", words.into_bytes()),
            ("a long name", format!("\"{}\":1", "n".repeat(4_800)).into_bytes()),
        ] {
            tokens.push((algorithm, name, signed(&header, &member)));
        }
        let audiences = vec!["other"; 600];
        let claims = claims_with(json!({ "aud": audiences })).to_string();
        let token =
            raw_token(&header, claims, |input| mint::key_for(algorithm).sign(algorithm, input));
        tokens.push((algorithm, "audiences", token));
        let inner = format!("{{\"alg\":\"{algorithm}\",\"kid\":\"{kid}\"");
        let crowded = format!("{inner},{}}}", String::from_utf8(members(500)).unwrap());
        tokens.push((algorithm, "members of the header", signed(&crowded, b"\"a\":1")));
        let named = json!({ "alg": algorithm, "kid": "k".repeat(5_000) }).to_string();
        tokens.push((algorithm, "a long kid", signed(&named, b"\"a\":1")));
        tokens.push((algorithm, "dots", ".".repeat(8_192)));
        tokens.push((algorithm, "parts", "e30.".repeat(2_048)));
    }
    tokens
}

#[tokio::test]
async fn no_token_costs_much_time_and_none_leaves_memory_behind() {
    const ROUNDS: u32 = 6;
    let origin = Origin::start().await;
    let setup = Setup::new(&origin).set("log.level", "off").heap_megabytes(64);
    let gate = Gate::start(setup).await;
    let tokens = expensive();
    let count = u32::try_from(tokens.len()).unwrap();
    let round = async || {
        for (algorithm, name, token) in &tokens {
            let reply = get("/").bearer(token).send(&gate).await;
            assert!(matches!(reply.status, 200 | 401), "{algorithm} {name}: {}", reply.text());
        }
    };
    round().await;
    let (before, used) = (gate.rss(), gate.processor_time());
    for _ in 0..ROUNDS {
        round().await;
    }
    let grown = gate.rss().saturating_sub(before);
    let each = gate.processor_time().saturating_sub(used) / (ROUNDS * count);
    assert!(grown < 32 << 20, "{grown} bytes more");
    // It is two or three, with all that workerd does for a request.
    assert!(each < std::time::Duration::from_millis(20), "{each:?} each");
    get("/").bearer(&mint::token()).send(&gate).await.must_pass();
    gate.must_be_calm();
}
