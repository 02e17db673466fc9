//! What an issuer publishes, or somebody in its place, that is no set of keys.

use super::*;
use mint::{ISSUER, P256};

/// The most that is read of a set.
const MOST_BYTES: usize = 64 * 1024;

/// What is answered to who asks for keys.
fn answers(elsewhere: &str) -> Vec<(&'static str, Reply)> {
    let set = mint::jwks(&[&P256]);
    let ok = |body: &str| Reply::new(200, body);
    let padded = |bytes: usize| format!("{}{set}", " ".repeat(bytes - set.len()));
    let jump = |status: u16, to: &str| Reply::new(status, "").with_header("Location", to);
    let mut answers = vec![
        (
            "HTML",
            ok("<!doctype html><title>Sign in</title>").with_header("Content-Type", "text/html"),
        ),
        ("HTML with the set in it", ok(&format!("<pre>{set}</pre>"))),
        ("nothing", ok("")),
        ("null", ok("null")),
        ("a list", ok(&format!("[{}]", P256.jwk()))),
        ("an object", ok("{}")),
        ("a key", ok(&P256.jwk().to_string())),
        ("keys as an object", ok(r#"{"keys":{}}"#)),
        ("keys as a text", ok(r#"{"keys":"all"}"#)),
        ("no keys", ok(r#"{"keys":[]}"#)),
        ("keys twice", ok(&format!("{{\"keys\":[],{}", &set[1..]))),
        ("keys twice, escaped", ok(&format!("{{\"\\u006beys\":[],{}", &set[1..]))),
        ("two sets", ok(&format!("{set}{set}"))),
        ("NUL behind", ok(&format!("{set}\0"))),
        (
            "UTF-16",
            Reply::new(200, set.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
        ),
        ("a prefix", ok(&format!(")]}}',\n{set}"))),
        ("a call", ok(&format!("callback({set})"))),
        ("half", ok(&set[..set.len() / 2])),
        ("a PEM", ok(&P256.pem())),
        ("depth", ok(&format!("{{\"keys\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000)))),
        ("a byte more than may be", ok(&padded(MOST_BYTES + 1))),
        ("50 MB", ok(&padded(50_000_000))),
        ("a compressed bomb that is none", ok(&set).with_header("Content-Encoding", "gzip")),
    ];
    // The set is right, but it comes with an error.
    for status in [400, 401, 403, 404, 410, 418, 429, 500, 502, 503] {
        answers.push(("an error with the set", Reply::new(status, set.as_str())));
    }
    for status in [301, 302, 303, 307, 308] {
        answers.push(("a redirect", jump(status, elsewhere)));
    }
    answers.push(("a redirect to itself", jump(302, "")));
    answers.push(("a redirect to a file", jump(302, "file:///etc/passwd")));
    answers
}

/// A gate of so many issuers and one more, with these names, whose keys it finds in this way.
async fn fetching(count: usize, issuer: impl Fn(usize) -> (String, &'static str, Value)) -> Siege {
    Siege::of(|mut setup| {
        setup = setup.without_secret("JWT_KEYS");
        for at in 0..=count {
            let (issuer, way, value) = issuer(at);
            setup = setup.set(
                &format!("providers.{at}"),
                json!({
                    "name": format!("issuer-{at}"), "issuer": issuer, way: value,
                    "audiences": [mint::AUDIENCE], "algorithms": ["ES256"],
                }),
            );
        }
        setup
    })
    .await
}

#[tokio::test]
async fn what_is_no_set_of_keys_gives_no_keys_and_does_not_hurt_the_others() {
    let set = mint::jwks(&[&P256]);
    let elsewhere = Faults::answering(move |_| Reply::new(200, set.as_str())).await;
    let answers = answers(&format!("http://{}/keys", elsewhere.addr));
    let (names, count) = (answers.iter().map(|(name, _)| *name).collect::<Vec<_>>(), answers.len());
    // The path is the number of the answer; behind the last is a good one.
    let service = Faults::answering(move |asked| {
        let at = asked.path().trim_start_matches('/').parse::<usize>().unwrap();
        let reply = answers.get(at).map(|(_, reply)| reply.clone());
        reply.unwrap_or_else(|| Reply::new(200, mint::jwks(&[&P256])))
    })
    .await;
    let issuer = |at: usize| format!("{ISSUER}/{at}");
    let mut siege = fetching(count, |at| {
        (issuer(at), "jwks_uri", format!("http://{}/{at}", service.addr).into())
    })
    .await;
    let token = |at: usize| P256.token("ES256", &claims_with(json!({ "iss": issuer(at) })));
    siege.passes("the good one", &get("/").bearer(&token(count))).await;
    let memory = siege.gate.rss();
    for (at, name) in names.iter().enumerate() {
        let unavailable = (503, "auth_unavailable");
        siege.refuses(name, &get("/").bearer(&token(at)), unavailable, "keys_unavailable").await;
        siege.passes(name, &get("/").bearer(&token(count))).await;
    }
    let grown = siege.gate.rss().saturating_sub(memory);
    assert!(grown < 48 << 20, "{grown} bytes more");
    assert_eq!(elsewhere.count("/keys"), 0, "a redirect was followed");
    siege.must_have_held().await;
}

#[tokio::test]
async fn metadata_of_another_issuer_or_with_a_strange_address_lead_to_no_keys() {
    let elsewhere = Faults::answering(|_| Reply::new(200, mint::jwks(&[&P256]))).await;
    let keys = format!("http://{}/keys", elsewhere.addr);
    // `@` is the issuer itself.
    let documents: Vec<String> = [
        json!({ "jwks_uri": keys }),
        json!({ "issuer": null, "jwks_uri": keys }),
        json!({ "issuer": ["@"], "jwks_uri": keys }),
        json!({ "issuer": "@/", "jwks_uri": keys }),
        json!({ "issuer": "@ ", "jwks_uri": keys }),
        json!({ "issuer": "@#", "jwks_uri": keys }),
        json!({ "issuer": "https://issuer.example", "jwks_uri": keys }),
        json!({ "issuer": "@" }),
        json!({ "issuer": "@", "jwks_uri": null }),
        json!({ "issuer": "@", "jwks_uri": [keys] }),
        json!({ "issuer": "@", "jwks_uri": "" }),
        json!({ "issuer": "@", "jwks_uri": "/keys" }),
        json!({ "issuer": "@", "jwks_uri": format!("//{}/keys", elsewhere.addr) }),
        json!({ "issuer": "@", "jwks_uri": "http://169.254.169.254/latest/meta-data" }),
        json!({ "issuer": "@", "jwks_uri": "http://keys.example/keys" }),
        json!({ "issuer": "@", "jwks_uri": "ftp://keys.example/keys" }),
        json!({ "issuer": "@", "jwks_uri": "file:///etc/passwd" }),
        json!({ "issuer": "@", "jwks_uri": format!("data:application/json,{}", mint::jwks(&[&P256])) }),
        json!({ "issuer": "@", "jwks_uri": "javascript:alert(1)" }),
        json!({ "issuer": "@", "jwks_uri": keys.to_uppercase() }),
        json!({ "issuer": "@", "jwks_uri": format!(" {keys}") }),
        json!({ "issuer": "@", "jwks_uri": keys.replace("http://", "http://user:password@") }),
    ]
    .into_iter()
    .map(|document| document.to_string())
    .chain([
        format!("{{\"issuer\":\"@\",\"jwks_uri\":\"x\",\"jwks_uri\":\"{keys}\"}}"),
        format!("{{\"issuer\":\"x\",\"issuer\":\"@\",\"jwks_uri\":\"{keys}\"}}"),
        format!("[{{\"issuer\":\"@\",\"jwks_uri\":\"{keys}\"}}]"),
        "<html></html>".to_owned(),
    ])
    .collect();
    let count = documents.len();
    let good = json!({ "issuer": "@", "jwks_uri": keys }).to_string();
    let service = Faults::answering(move |asked| {
        let host = asked.header("host")[0];
        let at = asked.path().split('/').nth(1).unwrap().to_owned();
        let document = documents.get(at.parse::<usize>().unwrap()).unwrap_or(&good);
        Reply::new(200, document.replace('@', &format!("http://{host}/{at}")))
    })
    .await;
    let issuer = |at: usize| format!("http://{}/{at}", service.addr);
    let mut siege = fetching(count, |at| (issuer(at), "discovery", true.into())).await;
    let token = |at: usize| P256.token("ES256", &claims_with(json!({ "iss": issuer(at) })));
    for at in 0..count {
        let (name, unavailable) = (format!("document {at}"), (503, "auth_unavailable"));
        siege.refuses(&name, &get("/").bearer(&token(at)), unavailable, "keys_unavailable").await;
    }
    assert_eq!(elsewhere.count("/keys"), 0, "keys were fetched from where they must not be");
    siege.passes("the good one", &get("/").bearer(&token(count))).await;
    siege.must_have_held().await;
}
