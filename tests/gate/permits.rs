//! What a permitted request becomes.

use std::collections::BTreeMap;

use edgeward::core::denial::Reason;
use edgeward::core::request::RequestHead;
use edgeward::gate::{Body, Decision, Findings};
use serde_json::json;

use crate::fixture::{NOW, Outcome, Setup, claims_with, send_at, untraced};
use crate::native::Signer;

fn token() -> String {
    Signer::hmac(1).token(&json!({ "alg": "HS256" }), &claims_with(json!({})))
}

fn permitted(setup: &Setup, packed: &str) -> (Option<String>, String) {
    match send_at(&setup.gate(), packed, NOW) {
        Outcome::Permitted(url, edits) => (url, edits),
        other => panic!("{packed}: {other:?}"),
    }
}

fn setup() -> Setup {
    Setup::new(&["HS256"], &Signer::hmac(1))
}

/// What is set for every request of these tests.
const CLIENT: &str = "x-forwarded-proto\nhttps\nx-forwarded-host\ne.example\n";

#[test]
fn the_origin_gets_the_claims_and_not_the_token() {
    let packed = format!("GET\nhttps://e.example/a?b\nauthorization\nBearer {}", token());
    let (url, edits) = permitted(&setup(), &packed);
    assert_eq!(url.as_deref(), Some("https://origin.internal/a?b"));
    let identity = "X-Auth-Scope\nread write\nX-Auth-Subject\nalice\n";
    assert_eq!(edits, format!("authorization\n\n{CLIENT}{identity}"));
}

#[test]
fn the_token_stays_where_it_was_if_the_operator_says_so() {
    let setup = setup().with(json!({ "forward": { "strip_token": false } }));
    let packed = format!("GET\nhttps://e.example/\nauthorization\nBearer {}", token());
    assert_eq!(permitted(&setup, &packed).1, format!("\n{CLIENT}"));
}

#[test]
fn a_token_is_taken_out_of_each_place_and_its_neighbours_stay() {
    let setup = setup().with(json!({
        "token": { "sources": ["cookie:session", "query:t", "header:X-Token"] },
        "forward": {},
    }));
    let token = token();
    for (packed, url, removed, set) in [
        (format!("/\ncookie\na=b; session={token}"), "/", "", "cookie\na=b\n"),
        (format!("/\ncookie\nsession={token}"), "/", "cookie\n", ""),
        (format!("/?a=b&t={token}&c"), "/?a=b&c", "", ""),
        (format!("/?t={token}"), "/", "", ""),
        (format!("/\nx-token\n{token}"), "/", "x-token\n", ""),
    ] {
        let found = permitted(&setup, &format!("GET\nhttps://e.example{packed}"));
        let edits = format!("{removed}\n{CLIENT}{set}");
        assert_eq!(found, (Some(format!("https://origin.internal{url}")), edits), "{packed}");
    }
}

#[test]
fn a_service_sees_the_url_that_the_client_asked_for() {
    let setup = setup().with(json!({
        "origin": "service:ORIGIN", "token": { "sources": ["authorization", "query:t"] },
    }));
    let token = token();
    let bearer = format!("authorization\nBearer {token}");
    for (packed, url) in [
        (format!("/a?b\n{bearer}"), None),
        (format!("/\n{bearer}"), None),
        (format!("\n{bearer}"), None),
        (format!("/a?b&t={token}"), Some("https://e.example/a?b")),
        (format!("/a?t={token}"), Some("https://e.example/a")),
        (format!("/a/../b\n{bearer}"), Some("https://e.example/b")),
    ] {
        let found = permitted(&setup, &format!("GET\nhttps://e.example{packed}"));
        assert_eq!(found.0.as_deref(), url, "{packed}");
    }
}

#[test]
fn a_public_path_asks_for_nothing_and_tells_nothing() {
    let setup = setup().with(json!({ "rules": [{ "path": "/public", "access": "public" }] }));
    for credentials in ["", "\nauthorization\nBearer garbage", "\nauthorization\nBasic dTpw"] {
        let packed = format!("GET\nhttps://e.example/public/x{credentials}\nx-auth-subject\nroot");
        assert_eq!(permitted(&setup, &packed).1, format!("x-auth-subject\n\n{CLIENT}"), "{packed}");
    }
}

#[test]
fn an_optional_path_takes_a_good_token_or_none() {
    let setup = setup().with(json!({ "rules": [{ "path": "/", "access": "optional" }] }));
    assert_eq!(permitted(&setup, "GET\nhttps://e.example/").1, format!("\n{CLIENT}"));
    let packed = format!("GET\nhttps://e.example/\nauthorization\nBearer {}", token());
    assert!(permitted(&setup, &packed).1.contains("X-Auth-Subject\nalice\n"));
    let packed = format!("GET\nhttps://e.example/\nauthorization\nBearer {}x", token());
    let outcome = send_at(&setup.gate(), &packed, NOW);
    assert!(!outcome.is_permitted());
}

#[test]
fn a_path_that_no_rule_names_needs_a_token() {
    let setup = setup().with(json!({ "rules": [{ "path": "/public", "access": "public" }] }));
    for path in ["/", "/publicity", "/x/public"] {
        let outcome = send_at(&setup.gate(), &format!("GET\nhttps://e.example{path}"), NOW);
        assert_eq!(outcome.reason(), Some(Reason::NoCredentials), "{path}");
    }
}

#[test]
fn every_reading_of_a_path_must_be_allowed() {
    let setup = setup().with(json!({ "rules": [
        { "path": "/", "access": "public" },
        { "path": "/admin", "scopes_all": ["admin"] },
        { "path": "/write", "scopes_all": ["write"] },
    ]}));
    let gate = setup.gate();
    for path in ["/admin", "/ADMIN", "/%61dmin", "//admin", "/admin;x", "/admin./", "/x/..//admin"]
    {
        let url = format!("GET\nhttps://e.example{path}");
        assert_eq!(send_at(&gate, &url, NOW).reason(), Some(Reason::NoCredentials), "{path}");
        let url = format!("{url}\nauthorization\nBearer {}", token());
        assert_eq!(send_at(&gate, &url, NOW).reason(), Some(Reason::MissingScope), "{path}");
    }
    let url = format!("GET\nhttps://e.example/WRITE\nauthorization\nBearer {}", token());
    assert!(send_at(&gate, &url, NOW).is_permitted());
}

#[test]
fn a_preflight_passes_without_credentials_and_without_body() {
    let setup = setup().with(json!({ "token": { "sources": ["authorization", "query:t"] } }));
    let gate = setup.gate();
    let head = RequestHead::unpack(
        "OPTIONS\nhttps://e.example/admin?t=x&a=b\norigin\nhttps://app.example\n\
         access-control-request-method\nPUT\nauthorization\nBearer x\ncookie\nsession=x\n\
         x-auth-subject\nroot",
    );
    let Ok(Decision::Forward(permit)) = gate.decide(&head, NOW * 1_000, &mut Findings::default())
    else {
        panic!("denied")
    };
    assert_eq!(permit.url(), Some("https://origin.internal/admin?a=b"));
    assert_eq!(permit.body(), Body::Drop);
    let edits = untraced(permit.edits());
    let (removed, set) = edits.split_once("\n\n").unwrap();
    for name in ["authorization", "cookie", "x-auth-subject"] {
        assert!(removed.lines().any(|line| line == name), "{name}");
    }
    assert_eq!(set, CLIENT);
}

#[test]
fn a_preflight_carries_nothing_whatever_the_sources_are() {
    // Applies the edits as the platform does, in order.
    let apply = |edits: &str, headers: &mut BTreeMap<String, String>| {
        let mut lines = edits.lines();
        for name in lines.by_ref().take_while(|name| !name.is_empty()) {
            headers.remove(name);
        }
        while let Some(name) = lines.next() {
            headers.insert(name.to_lowercase(), lines.next().unwrap().to_owned());
        }
    };
    for sources in [json!(["cookie:session"]), json!(["query:t"]), json!(["header:X-Token"])] {
        let gate = setup().with(json!({ "token": { "sources": sources } })).gate();
        let sent = [
            ("origin", "https://app.example"),
            ("access-control-request-method", "PUT"),
            ("authorization", "Basic dTpw"),
            ("cookie", "a=1; session=x; b=2"),
            ("content-type", "text/plain"),
            ("expect", "100-continue"),
        ];
        let packed =
            sent.iter().fold("OPTIONS\nhttps://e.example/".to_owned(), |text, (name, value)| {
                format!("{text}\n{name}\n{value}")
            });
        let head = RequestHead::unpack(&packed);
        let Ok(Decision::Forward(permit)) =
            gate.decide(&head, NOW * 1_000, &mut Findings::default())
        else {
            panic!("denied")
        };
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let mut headers: BTreeMap<String, String> = sent.into_iter().map(owned).collect();
        apply(&untraced(permit.edits()), &mut headers);
        let left: Vec<&str> = headers.keys().map(String::as_str).collect();
        let expected =
            ["access-control-request-method", "origin", "x-forwarded-host", "x-forwarded-proto"];
        assert_eq!(left, expected, "{sources}");
    }
}

#[test]
fn a_token_of_a_provider_that_the_rule_does_not_name_is_refused() {
    let other = Signer::hmac(2);
    let mut setup = setup();
    let mut second = setup.table["providers"][0].clone();
    second["name"] = "other".into();
    second["issuer"] = "https://other.example".into();
    second["keys"] = json!(["OTHER_KEYS"]);
    setup.table["providers"].as_array_mut().unwrap().push(second);
    setup.secret("OTHER_KEYS", &other.jwk("k1").to_string());
    let gate = setup.with(json!({ "rules": [{ "path": "/a", "providers": ["other"] }] })).gate();
    let claims = claims_with(json!({ "iss": "https://other.example" }));
    let others = other.token(&json!({ "alg": "HS256", "kid": "k1" }), &claims);
    let get = |path: &str, token: &str| {
        let packed = format!("GET\nhttps://e.example{path}\nauthorization\nBearer {token}");
        send_at(&gate, &packed, NOW).reason()
    };
    for _ in 0..2 {
        assert_eq!(get("/a", &others), None);
        assert_eq!(get("/b", &others), None);
        assert_eq!(get("/b", &token()), None);
        assert_eq!(get("/a", &token()), Some(Reason::ProviderNotAccepted));
    }
    // Keys are found inside the issuer: the same kid, the other issuer's key.
    let forged = other.token(&json!({ "alg": "HS256", "kid": "k1" }), &claims_with(json!({})));
    assert_eq!(get("/b", &forged), Some(Reason::BadSignature));
}

#[test]
fn a_request_keeps_its_method_whatever_it_wants_to_become() {
    // The platform turns every request that keeps `Upgrade: websocket` into a GET.
    let setup = setup().with(json!({ "rules": [
        { "path": "/", "access": "public", "methods": ["POST"] },
        { "path": "/admin", "scopes_all": ["admin"] },
    ]}));
    let upgrade = "upgrade\nwebsocket";
    let preflight = format!(
        "OPTIONS\nhttps://e.example/admin\norigin\nhttp://evil.example\n\
         access-control-request-method\nGET\n{upgrade}"
    );
    for packed in [preflight, format!("POST\nhttps://e.example/x\n{upgrade}")] {
        assert!(permitted(&setup, &packed).1.starts_with("upgrade\n"), "{packed}");
    }
    let packed = format!("GET\nhttps://e.example/\n{upgrade}");
    assert_eq!(send_at(&setup.gate(), &packed, NOW).reason(), Some(Reason::NoCredentials));
    let packed = format!("{packed}\nauthorization\nBearer {}", token());
    let all = setup.with(json!({ "rules": [] }));
    assert!(!permitted(&all, &packed).1.contains("upgrade"));
}

#[test]
fn what_cannot_be_forwarded_as_it_was_evaluated_is_denied() {
    let gate = setup().with(json!({ "rules": [{ "path": "/", "access": "public" }] })).gate();
    for (packed, reason) in [
        ("TRACE\nhttps://e.example/", Reason::WrongMethod),
        ("trace\nhttps://e.example/", Reason::WrongMethod),
        ("CONNECT\nhttps://e.example/", Reason::WrongMethod),
        ("OPTIONS\nhttps://e.example*", Reason::MalformedTarget),
        ("GET\nhttps://127.1/", Reason::MalformedTarget),
        ("GET\nhttps://a:99999/", Reason::MalformedTarget),
        ("GET\n/relative", Reason::MalformedTarget),
        ("GET\nhttps://e.example/%00", Reason::AmbiguousPath),
    ] {
        assert_eq!(send_at(&gate, packed, NOW).reason(), Some(reason), "{packed}");
    }
}

#[test]
fn the_gate_keeps_its_own_paths_to_itself_in_every_spelling() {
    let gate = setup().with(json!({ "rules": [{ "path": "/", "access": "public" }] })).gate();
    for (path, outcome) in [
        ("/_edgeward/health", Outcome::Answered(200)),
        ("/_edgeward/jwks.json", Outcome::Answered(200)),
        ("/_edgeward", Outcome::Denied(Reason::NoSuchEndpoint)),
        ("/_edgeward/", Outcome::Denied(Reason::NoSuchEndpoint)),
        ("/_edgeward/health/", Outcome::Denied(Reason::NoSuchEndpoint)),
        ("/_EDGEWARD/health", Outcome::Denied(Reason::NoSuchEndpoint)),
        ("//_edgeward/health", Outcome::Denied(Reason::NoSuchEndpoint)),
        ("/%5fedgeward/health", Outcome::Denied(Reason::NoSuchEndpoint)),
    ] {
        let packed = format!("GET\nhttps://e.example{path}");
        assert_eq!(send_at(&gate, &packed, NOW), outcome, "{path}");
    }
    assert!(send_at(&gate, "GET\nhttps://e.example/_edgewards", NOW).is_permitted());
}
