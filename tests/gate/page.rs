//! The test page: which requests are for it, and what its browser may do.

use edgeward::core::denial::Reason;
use edgeward::core::request::RequestHead;
use edgeward::gate::{Decision, Findings, Gate, Page};
use serde_json::{Value, json};

use crate::fixture::{NOW, Setup};
use crate::native::{NativeCrypto, Signer};

const THEN: i64 = NOW * 1_000;
const ADMIN_TOKEN: &str = "admin-token-of-these-tests-0123456789";

fn setup() -> Setup {
    let mut setup = Setup::new(&["HS256"], &Signer::hmac(1)).with(json!({ "test_page": true }));
    setup.has_page = true;
    setup.secret("ADMIN_TOKEN", ADMIN_TOKEN);
    setup
}

/// What becomes of a request: the file, or what is answered or denied.
fn ask(gate: &Gate<NativeCrypto>, request: &str) -> Result<Page, Result<(u16, String), Reason>> {
    match gate.decide(&RequestHead::unpack(request), THEN, &mut Findings::default()) {
        Ok(Decision::Page(page)) => Ok(page),
        Ok(Decision::Answer(response)) => Err(Ok((response.status, response.body))),
        Ok(other) => panic!("{other:?}"),
        Err(denial) => Err(Err(denial.reason)),
    }
}

fn policy(gate: &Gate<NativeCrypto>, origin: &str) -> String {
    let page = ask(gate, &format!("GET\n{origin}/_edgeward/")).unwrap();
    let (_, policy) =
        page.headers.into_iter().find(|(name, _)| *name == "content-security-policy").unwrap();
    policy.into_owned()
}

#[test]
fn the_page_may_speak_with_its_own_gate_and_with_issuers_of_the_same_machine() {
    let connects = |issuers: &[&str], origin: &str| {
        let mut setup = setup();
        let providers = issuers.iter().enumerate().map(|(at, issuer)| {
            let mut provider = setup.table["providers"][0].clone();
            provider["issuer"] = (*issuer).into();
            provider["name"] = format!("p{at}").into();
            provider
        });
        setup.table["providers"] = providers.collect();
        let policy = policy(&setup.gate(), origin);
        policy.split_once("connect-src 'self'").unwrap().1.to_owned()
    };
    for (issuer, origin) in [
        ("http://127.0.0.1:8788", " http://127.0.0.1:8788"),
        ("http://localhost:8788/opaque", " http://localhost:8788"),
        ("https://localhost/realm?x#y", " https://localhost"),
        ("http://127.0.0.1", " http://127.0.0.1"),
        // In a policy there is no such host, and browsers complain about it.
        ("http://[::1]:8788", ""),
        ("https://issuer.example", ""),
        ("http://127.0.0.1.example:80", ""),
        ("http://localhost.example", ""),
        ("http://localhost:80;script-src *", ""),
        ("http://localhost:80 *", ""),
        ("http://127.0.0.1@evil.example", ""),
        ("ftp://127.0.0.1", ""),
        ("localhost", ""),
    ] {
        for asked in ["https://edge.example", "http://[::1]:8787"] {
            assert_eq!(connects(&[issuer], asked), origin, "{issuer}");
        }
    }
    let several =
        ["http://localhost:1/a", "http://localhost:1/b", "http://localhost:12", "http://localhost"];
    let once = " http://localhost:1 http://localhost:12 http://localhost";
    assert_eq!(connects(&several, "https://edge.example"), once);
}

#[test]
fn only_the_files_of_the_list_are_the_page() {
    let gate = setup().gate();
    for (path, file) in [
        ("/", "/index.html"),
        ("/page.js", "/page.js"),
        ("/page.css", "/page.css"),
        ("/page.wasm", "/page.wasm"),
        ("/icon.svg", "/icon.svg"),
    ] {
        for method in ["GET", "HEAD"] {
            let page = ask(&gate, &format!("{method}\nhttps://edge.example/_edgeward{path}"));
            assert_eq!(page.unwrap().path, file);
        }
        let posted = ask(&gate, &format!("POST\nhttps://edge.example/_edgeward{path}"));
        assert_eq!(posted.unwrap_err(), Err(Reason::WrongMethod));
    }
    for path in ["/index.html", "/page.js/", "//", "/page.map", "/PAGE.JS", "/page%2ejs"] {
        let other = ask(&gate, &format!("GET\nhttps://edge.example/_edgeward{path}"));
        assert_eq!(other.unwrap_err(), Err(Reason::NoSuchEndpoint), "{path}");
    }
}

#[test]
fn a_page_that_is_off_is_not_there_and_one_without_files_says_what_is_missing() {
    let off = setup().with(json!({ "test_page": false })).gate();
    let missing = Setup { has_page: false, ..setup() };
    let warnings = missing.gate().report().warnings.join("\n");
    assert!(
        warnings.contains("AUTH.test_page: true, but there is no binding ASSETS"),
        "{warnings}"
    );
    for path in ["", "/", "/page.js"] {
        let request = format!("GET\nhttps://edge.example/_edgeward{path}");
        assert_eq!(ask(&off, &request).unwrap_err(), Err(Reason::NoSuchEndpoint), "{path}");
        let (status, body) = ask(&missing.gate(), &request).unwrap_err().unwrap();
        assert_eq!(status, 503);
        assert!(body.contains("[assets] in wrangler.toml"), "{body}");
    }
    assert!(setup().gate().report().warnings.is_empty());
}

#[test]
fn the_settings_have_the_table_and_the_public_keys_that_count_now() {
    let mut setup = setup();
    let (rsa, published) = (Signer::rsa(), Signer::p256());
    setup.secret(
        "JWT_KEYS",
        &json!({ "keys": [rsa.jwk("r1"), Signer::hmac(7).jwk("h1")] }).to_string(),
    );
    setup.table["providers"][0]["algorithms"] = json!(["RS256", "HS256", "ES256"]);
    setup.table["providers"][0]["jwks_uri"] = "https://issuer.example/jwks".into();
    let gate = setup.gate();
    let settings = || -> Value {
        let request = format!(
            "GET\nhttps://edge.example/_edgeward/settings\nauthorization\nBearer {ADMIN_TOKEN}"
        );
        let (status, body) = ask(&gate, &request).unwrap_err().unwrap();
        assert_eq!(status, 200);
        assert!(!body.contains(Signer::hmac(7).jwk("h1")["k"].as_str().unwrap()), "{body}");
        serde_json::from_str(&body).unwrap()
    };
    assert_eq!(settings(), json!({ "table": setup.table, "keys": { "main": [rsa.jwk("r1")] } }));
    assert_eq!(gate.take_due(), Some(0), "what is published is fetched meanwhile");
    gate.begin_keys(0, THEN);
    let set = json!({ "keys": [published.jwk("p1")] }).to_string().into_bytes();
    gate.hear_keys(0, Ok((200, set)), THEN).unwrap();
    assert_eq!(settings()["keys"]["main"], json!([rsa.jwk("r1"), published.jwk("p1")]));
}
