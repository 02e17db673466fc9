//! What a token says, and what the gate of a configuration says to it.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::{Value, json as object};

use crate::json;
use crate::program::{Folder, run};

/// A folder with a configuration, the issuer's key in `key`, and the secrets.
fn folder(more: &str) -> Folder {
    let folder = Folder::new();
    let public = folder.run(&["keygen", "ES256", "--private", "key"]).must_be(0).out;
    folder.write("secrets", &format!("JWT_KEYS='{}'\n", public.trim_end()));
    folder.write(
        "wrangler.toml",
        &format!(
            "[[vars.AUTH.rules]]\npath = \"/admin\"\nscopes_all = [\"admin\"]\n\
             [vars.AUTH]\norigin = \"https://origin.test\"\n\
             [[vars.AUTH.providers]]\nname = \"main\"\nissuer = \"https://issuer.test\"\n\
             audiences = [\"api\"]\nalgorithms = [\"ES256\"]\n{more}\n"
        ),
    );
    folder
}

fn mint(folder: &Folder, more: &[&str]) -> String {
    let arguments =
        ["mint", "--key", "key", "--iss", "https://issuer.test", "--aud", "api", "--sub", "alice"];
    folder.run(&[&arguments[..], more].concat()).must_be(0).out
}

const KEYS: &str = "keys = [\"JWT_KEYS\"]";
const JUDGE: [&str; 6] = ["inspect", "-", "--config", "wrangler.toml", "--secrets", "secrets"];

#[test]
fn a_token_is_told_from_standard_input_and_as_an_argument() {
    let folder = folder(KEYS);
    let token = mint(&folder, &["--exp-in", "250m"]);
    let piped = folder.run_with(&["inspect"], &token, &[]).must_be(0).out;
    assert_eq!(folder.run_with(&["inspect", "-"], &token, &[]).must_be(0).out, piped);
    assert_eq!(folder.run(&["inspect", token.trim_end()]).must_be(0).out, piped);
    for words in [
        "\"alg\": \"ES256\"",
        "\"sub\": \"alice\"",
        "expires in 4 hours",
        "issued ",
        "was not checked",
    ] {
        assert!(piped.contains(words), "{words}: {piped}");
    }
    let told = json(&folder.run_with(&["inspect", "--json"], &token, &[]).must_be(0).out);
    assert_eq!(told["form"], "jwt");
    assert_eq!(told["times"][0]["claim"], "exp");
    assert_eq!(told.get("gate"), None);
}

#[test]
fn what_no_gate_reads_is_told_with_the_reason() {
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.";
    let out = run(&["inspect", none]).must_be(0).out;
    for words in ["alg is \"none\"", "Its signature is empty", "It has no exp"] {
        assert!(out.contains(words), "{words}: {out}");
    }
    let out = run(&["inspect", "opaque-token"]).must_be(0).out;
    assert!(out.starts_with("an opaque token\nmalformed_token It is no JWT"), "{out}");
    let out = run(&["inspect"]).must_be(0).out;
    assert!(out.contains("There is no token."), "{out}");
    // Nothing that a token says moves the cursor of who reads it.
    let claims = "eyJzdWIiOiJhXHUwMDFiWzMxbSJ9";
    let out = run(&["inspect", &format!("eyJhbGciOiJFUzI1NiJ9.{claims}.AAAA")]).must_be(0).out;
    assert!(!out.contains('\u{1b}'), "{out}");
}

#[test]
fn the_gate_of_a_configuration_permits_or_says_why_not() {
    let folder = folder(KEYS);
    let token = mint(&folder, &[]);
    let out = folder.run_with(&JUDGE, &token, &[]).must_be(0).out;
    for words in ["permitted\n", "signature     passed", "revocation    not needed"] {
        assert!(out.contains(words), "{words}: {out}");
    }
    let admin =
        [&JUDGE[..], &["--path", "/admin", "--method", "POST", "--host", "app.test", "--json"]]
            .concat();
    let told = json(&folder.run_with(&admin, &token, &[]).must_be(1).out);
    assert_eq!(told["gate"]["reason"], "missing_scope");
    assert_eq!(told["gate"]["rule"], 0);
    assert_eq!(told["not_asked"], object!([]));
    let allowed = mint(&folder, &["--scope", "admin"]);
    folder.run_with(&admin, &allowed, &[]).must_be(0);
    for (more, reason) in [
        (&["--exp-in=-5m"][..], "expired"),
        (&["--aud", "other"], "permitted"),
        (&["--claim", "aud=\"other\""], "wrong_audience"),
        (&["--claim", "iss=\"https://other.test\""], "unknown_issuer"),
        (&["--kid", "other"], "unknown_key"),
        (&["--header", "crit=[]"], "refused_header_member"),
    ] {
        let said = folder.run_with(&JUDGE, &mint(&folder, more), &[]);
        assert_eq!(said.code, Some(i32::from(reason != "permitted")), "{}", said.err);
        assert!(said.out.contains(reason), "{reason}: {}", said.out);
    }
    folder.run(&["keygen", "ES256", "--private", "other"]).must_be(0);
    let kid = json(&folder.read("key"))["kid"].as_str().unwrap().to_owned();
    let forged =
        folder.run(&["mint", "--key", "other", "--kid", &kid, "--iss", "https://issuer.test"]);
    let said = folder.run_with(&JUDGE, &forged.must_be(0).out, &[]).must_be(1);
    assert!(said.out.contains("bad_signature"), "{}", said.out);
}

#[test]
fn an_identifier_may_begin_with_a_minus_as_thumbprints_do() {
    let folder = folder(KEYS);
    let names = ["--kid", "-o", "--jti", "-1"];
    let token = mint(&folder, &names);
    let told = json(&folder.run_with(&["inspect", "--json"], &token, &[]).must_be(0).out);
    assert_eq!(told["header"]["kid"], "-o");
    assert_eq!(told["claims"]["jti"], "-1");
    // It is asked for, and nobody listens there.
    let undo = ["revocations", "--url", "http://127.0.0.1:9", "--undo", "-ZcCZXPpyB4Kfu8i"];
    let said = folder.run_with(&undo, "", &[("ADMIN_TOKEN", &"x".repeat(32))]);
    assert!(!said.err.contains("unexpected argument"), "{}", said.err);
}

#[test]
fn what_cannot_be_asked_from_here_is_not_said_to_have_passed() {
    let more = format!(
        "{KEYS}\nintrospection = {{ url = \"https://issuer.test/i\", client_id = \"edge\", client_secret = \"S\" }}\n\
         [[durable_objects.bindings]]\nname = \"REVOCATION_HUB\"\nclass_name = \"RevocationHub\"\n\
         [[durable_objects.bindings]]\nname = \"REVOCATION_RELAY\"\nclass_name = \"RevocationRelay\"\n"
    );
    let folder = folder(&more);
    let token = mint(&folder, &[]);
    let out = folder.run_with(&[&JUDGE[..], &["--json"]].concat(), &token, &[]).must_be(0).out;
    let told = json(&out);
    let outcome = |name: &str| {
        let checks = told["gate"]["checks"].as_array().unwrap();
        checks.iter().find(|check| check["check"] == name).unwrap()["outcome"].clone()
    };
    assert_eq!(outcome("signature"), "passed");
    assert_eq!(outcome("revocation"), "not_asked");
    assert_eq!(outcome("auth_service"), "not_asked");
    assert_eq!(told["not_asked"].as_array().unwrap().len(), 2, "{told}");
    let out = folder.run_with(&JUDGE, &token, &[]).must_be(0).out;
    assert!(out.contains("not asked: whether it was revoked"), "{out}");
}

#[test]
fn of_an_opaque_token_nothing_is_known_here() {
    let folder = folder(&format!(
        "{KEYS}\nintrospection = {{ url = \"https://issuer.test/i\", client_id = \"edge\", \
         client_secret = \"S\", opaque_tokens = \"accept\" }}"
    ));
    let judge = [&JUDGE[..], &["--json"]].concat();
    let told = json(&folder.run_with(&judge, "2YotnFZFEjr1zCsicMWpAA", &[]).must_be(1).out);
    assert_eq!(told["form"], "opaque");
    assert_eq!(told["gate"]["reason"], "auth_service_silent");
    assert!(told["not_asked"][0].as_str().unwrap().starts_with("the auth service"), "{told}");
}

#[test]
fn keys_that_are_not_known_here_are_named() {
    let folder = folder(KEYS);
    let token = mint(&folder, &[]);
    let said = folder.run_with(&["inspect", "--config", "wrangler.toml"], &token, &[]).must_be(1);
    assert!(
        said.out.contains("not asked: the keys in JWT_KEYS, which are not known here"),
        "{}",
        said.out
    );
}

#[test]
fn published_keys_are_fetched_as_the_worker_does() {
    // By the server's own thread: metadata, the set, and then nothing but failures.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let folder = folder("discovery = true").with("https://issuer.test", &issuer);
    let public = folder.read("secrets");
    let public: Value =
        json(public.trim_end().strip_prefix("JWT_KEYS='").unwrap().trim_end_matches('\''));
    let metadata = object!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") });
    let answers = [metadata.to_string(), object!({ "keys": [public] }).to_string()];
    let server = std::thread::spawn(move || {
        let mut paths = Vec::new();
        for answer in [Some(&answers[0]), Some(&answers[1]), None] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 4096];
            let length = stream.read(&mut asked).unwrap();
            let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
            paths.push(asked.split(' ').nth(1).unwrap().to_owned());
            let (status, body) = answer.map_or(("500 x", ""), |answer| ("200 OK", answer));
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
            .unwrap();
        }
        paths
    });
    let arguments = ["mint", "--key", "key", "--iss", &issuer, "--aud", "api", "--sub", "alice"];
    let token = folder.run(&arguments).must_be(0).out;
    let judge = ["inspect", "--config", "wrangler.toml"];
    let out = folder.run_with(&judge, &token, &[]).must_be(0).out;
    assert!(out.contains("permitted"), "{out}");
    let out = folder.run_with(&judge, &token, &[]).must_be(1).out;
    assert!(
        out.contains("the keys that main publishes cannot be had: metadata: status 500"),
        "{out}"
    );
    let metadata = "/.well-known/openid-configuration";
    assert_eq!(server.join().unwrap(), [metadata, "/keys", metadata]);
}

#[test]
fn a_question_that_cannot_be_meant_is_refused() {
    let folder = folder(KEYS);
    for (arguments, words) in [
        (&["inspect", "x", "--path", "/"][..], "name it with --config"),
        (&["inspect", "x", "--config", "none"], "none cannot be read"),
        (&["inspect", "x", "--config", "wrangler.toml", "--env", "y"], "has no environment"),
        (
            &["inspect", "x", "--config", "wrangler.toml", "--path", "no-slash"],
            "path does not begin with /",
        ),
        (
            &["inspect", "x", "--config", "wrangler.toml", "--header", "no"],
            "expected \"NAME: VALUE\"",
        ),
    ] {
        folder.run(arguments).must_refuse(words);
    }
    folder.write("wrangler.toml", "[vars.AUTH]\norigin = 7\n");
    let said = folder.run(&["inspect", "x", "--config", "wrangler.toml"]).must_be(1);
    assert!(said.err.contains("the configuration cannot be used"), "{}", said.err);
    assert!(said.err.contains("AUTH.origin: found"), "{}", said.err);
}
