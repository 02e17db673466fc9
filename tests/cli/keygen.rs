//! Keys and passwords.

use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edgeward::core::algorithm::{Algorithm, Family};
use edgeward::core::secret;
use edgeward::core::verify::SignatureEngine as _;
use serde_json::Value;

use crate::json;
use crate::native::engine;
use crate::program::{Folder, run};

/// The two lines of a key pair.
fn lines(out: &str) -> (Value, Option<Value>) {
    let mut lines = out.lines();
    let first = json(lines.next().unwrap());
    (first, lines.next().map(json))
}

#[test]
fn the_gate_takes_every_key_that_is_made_as_a_jwk() {
    for algorithm in Algorithm::ALL {
        let out = run(&["keygen", algorithm.name()]).must_be(0).out;
        let (private, public) = lines(&out);
        let stored = public.as_ref().unwrap_or(&private);
        let parsed = secret::parse("JWT_KEYS", &stored.to_string()).unwrap();
        assert_eq!(parsed.warnings, [""; 0], "{algorithm:?}");
        let [key] = &parsed.keys[..] else { panic!("one key") };
        assert!(key.serves(algorithm) && key.algorithm == Some(algorithm), "{algorithm:?}");
        assert_eq!(key.kid.as_deref(), private["kid"].as_str());
        engine().import(&key.material).unwrap();
        if algorithm.family() == Family::Hmac {
            assert_eq!(public, None);
        } else {
            // The reader of verification keys does not take the private half for one.
            let refused = secret::parse("JWT_KEYS", &private.to_string()).unwrap_err();
            assert!(refused.to_string().contains("private"), "{refused}");
            assert_eq!(stored.get("d"), None);
        }
    }
}

#[test]
fn the_gate_takes_every_key_that_is_made_as_pem() {
    for algorithm in Algorithm::ALL {
        let said = run(&["keygen", algorithm.name(), "--format", "pem"]);
        if algorithm.family() == Family::Hmac {
            said.must_refuse("a shared secret has no PEM");
            continue;
        }
        let out = said.must_be(0).out;
        let at = out.find("-----BEGIN PUBLIC KEY-----").unwrap();
        let (private, public) = out.split_at(at);
        assert!(private.starts_with("-----BEGIN PRIVATE KEY-----\n"), "{algorithm:?}");
        let parsed = secret::parse("JWT_KEYS", public).unwrap();
        assert!(parsed.keys[0].serves(algorithm), "{algorithm:?}");
    }
}

#[test]
fn the_gate_takes_the_assertion_key() {
    let out = run(&["keygen", "assertion-key"]).must_be(0).out;
    assert_eq!(out.lines().count(), 1, "the public half is at /jwks.json");
    let key = secret::parse_assertion_key("ASSERTION_KEY", &out).unwrap();
    assert_eq!(key.kid.as_deref(), json(&out)["kid"].as_str());
    run(&["keygen", "assertion-key", "--format", "pem"]).must_refuse("as a JWK");
}

#[test]
fn the_public_half_of_an_assertion_key_can_be_published_beforehand() {
    let folder = Folder::new();
    let arguments = ["keygen", "assertion-key", "--private", "key", "--public", "public"];
    folder.run(&arguments).must_be(0);
    let key = secret::parse_assertion_key("ASSERTION_KEY", &folder.read("key")).unwrap();
    assert!(key.public_jwk().is_some());
    assert_eq!(secret::parse_public_half(&json(&folder.read("public"))), key.public_jwk());
}

#[test]
fn the_admin_token_is_long_enough_and_never_the_same() {
    let [one, other] = [(); 2].map(|()| run(&["keygen", "admin-token"]).must_be(0).out);
    assert_ne!(one, other);
    assert_eq!(URL_SAFE_NO_PAD.decode(one.trim_end()).unwrap().len(), 32);
    assert!(one.trim_end().len() >= 32);
}

#[test]
fn a_key_has_the_name_and_the_length_that_were_asked_for() {
    let out = run(&["keygen", "RS256", "--kid", "k 1", "--bits", "3072"]).must_be(0).out;
    let public = lines(&out).1.unwrap();
    assert_eq!(public["kid"], "k 1");
    let n = URL_SAFE_NO_PAD.decode(public["n"].as_str().unwrap()).unwrap();
    assert_eq!(n.len() * 8, 3_072);
    run(&["keygen", "RS256", "--bits", "1024"]).must_be(2);
    let nameless = ["keygen", "ES256", "--format", "pem", "--kid", "k1"];
    run(&nameless).must_refuse("PEM has no place for a name");
}

#[test]
fn files_are_written_once_and_the_private_one_for_its_owner_alone() {
    let folder = Folder::new();
    let arguments = ["keygen", "ES256", "--private", "a.jwk", "--public", "b.jwk"];
    let said = folder.run(&arguments).must_be(0);
    assert_eq!(said.out, "", "nothing of the key is shown");
    let mode = |name: &str| folder.path(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("a.jwk"), 0o600);
    assert_eq!(mode("b.jwk") & 0o600, 0o600);
    let (private, public) = (json(&folder.read("a.jwk")), json(&folder.read("b.jwk")));
    assert_eq!(private["x"], public["x"]);
    assert!(private["d"].is_string() && public.get("d").is_none());

    let before = folder.read("a.jwk");
    folder
        .run(&arguments)
        .must_refuse("a.jwk exists; name another file, or overwrite it with --force");
    // Neither is written if one of them exists.
    folder
        .run(&["keygen", "ES256", "--private", "c.jwk", "--public", "b.jwk"])
        .must_refuse("b.jwk exists");
    assert!(!folder.path("c.jwk").exists());
    assert_eq!(folder.read("a.jwk"), before);

    std::fs::set_permissions(folder.path("a.jwk"), std::fs::Permissions::from_mode(0o644)).unwrap();
    folder.run(&[&arguments[..], &["--force"]].concat()).must_be(0);
    assert_ne!(folder.read("a.jwk"), before);
    assert_eq!(mode("a.jwk"), 0o600);
    folder
        .run(&["keygen", "ES256", "--private", "no/such/folder"])
        .must_refuse("cannot be written");
    folder.run(&["keygen", "HS256", "--public", "x"]).must_refuse("has no public half");
}

#[test]
fn the_commands_that_store_a_key_have_no_secret_in_them() {
    let folder = Folder::new();
    let said = folder
        .run(&["keygen", "EdDSA", "--private", "my key", "--public", "it's", "--env", "production"])
        .must_be(0);
    let expected = r"npx wrangler secret put JWT_KEYS --env production < 'it'\''s'";
    assert!(said.err.contains(expected), "{}", said.err);
    let said = run(&["keygen", "admin-token", "--json"]).must_be(0);
    let made = json(&said.out);
    let command = made["commands"][0].as_str().unwrap();
    assert!(command.contains("npx wrangler secret put ADMIN_TOKEN < "), "{command}");
    assert!(!command.contains(made["private"].as_str().unwrap()));
    let said = run(&["keygen", "assertion-key"]).must_be(0);
    let expected = "edgeward keygen assertion-key | npx wrangler secret put ASSERTION_KEY";
    assert!(said.err.contains(expected), "{}", said.err);
    assert!(!said.err.contains(json(&said.out)["d"].as_str().unwrap()));
}

#[test]
fn the_command_that_makes_another_key_has_the_options_that_were_given() {
    for (arguments, expected) in [
        (&["RS256", "--bits", "3072"][..], "edgeward keygen RS256 --bits 3072 --private "),
        (&["RS256", "--bits", "2048"], "edgeward keygen RS256 --private "),
        (&["ES256", "--format", "pem"], "edgeward keygen ES256 --format pem --private "),
        (&["HS256", "--kid", "k1"], "edgeward keygen HS256 --kid=k1 --private "),
        (&["EdDSA", "--kid=it's"], r"edgeward keygen EdDSA --kid='it'\''s' --private "),
        (&["assertion-key", "--kid=-a"], "edgeward keygen assertion-key --kid=-a | npx "),
    ] {
        let said = run(&[&["keygen"], arguments].concat()).must_be(0);
        assert!(said.err.contains(expected), "{expected}: {}", said.err);
        let told = json(&run(&[&["keygen", "--json"], arguments].concat()).must_be(0).out);
        assert!(told["commands"][0].as_str().unwrap().starts_with(expected), "{told}");
    }
}

#[test]
fn json_has_both_halves_but_not_what_went_into_a_private_file() {
    let made = json(&run(&["keygen", "PS256", "--json"]).must_be(0).out);
    assert_eq!(made["private"]["n"], made["public"]["n"]);
    let folder = Folder::new();
    let out = folder.run(&["keygen", "ES512", "--json", "--private", "key"]).must_be(0).out;
    assert_eq!(json(&out).get("private"), None);
    assert_eq!(json(&out)["public"]["x"], json(&folder.read("key"))["x"]);
}

#[test]
fn the_public_half_does_not_take_the_place_of_the_key() {
    let folder = Folder::new();
    let arguments = ["keygen", "ES256", "--private", "key", "--public", "key"];
    folder.run(&arguments).must_refuse("the same file");
    folder.run(&[&arguments[..], &["--force"]].concat()).must_refuse("the same file");
    assert!(!folder.path("key").exists());
}
