//! Configurations and their secrets.

use edgeward::core::problem::Problem;
use edgeward::gate::{Bindings, Gate};
use serde_json::{Value, json as object};

use crate::json;
use crate::native::engine;
use crate::program::{Folder, Said};

/// A configuration without a mistake, whose only secret is `JWT_KEYS`.
const GOOD: &str = r#"
name = "edge"
compatibility_date = "2026-11-17"

[vars.AUTH]
origin = "https://origin.test"

[[vars.AUTH.providers]]
name = "main"
issuer = "https://issuer.test"
audiences = ["api"]
algorithms = ["ES256"]
keys = ["JWT_KEYS"]
"#;

fn own_configuration() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/wrangler.toml")
}

/// Checks a configuration, with good keys.
fn check(text: &str, arguments: &[&str]) -> Said {
    let folder = Folder::new();
    folder.write("wrangler.toml", text);
    let keys = folder.run(&["keygen", "ES256", "--private", "private"]).must_be(0).out;
    folder.run_with(&[&["check"][..], arguments].concat(), "", &[("JWT_KEYS", &keys)])
}

/// What is said about the only environment, in JSON.
fn told(text: &str, arguments: &[&str]) -> Value {
    let said = check(text, &[arguments, &["--json"]].concat());
    json(&said.out)["environments"][0].clone()
}

fn has(list: &Value, words: &str) -> bool {
    list.as_array().unwrap().iter().any(|one| one.to_string().contains(words))
}

#[test]
fn our_own_configuration_is_good_in_every_environment() {
    let folder = Folder::new();
    // Whatever `make dev` has left beside it.
    folder.write("none", "");
    let arguments = ["check", "--config", own_configuration(), "--secrets", "none", "--all-envs"];
    let out = folder.run(&arguments).must_be(0).out;
    for title in ["without --env", "--env staging", "--env production"] {
        assert!(out.contains(title), "{out}");
    }
    let out = folder.run(&[&arguments[..], &["--json"]].concat()).must_be(0).out;
    let said = json(&out);
    let all = said["environments"].as_array().unwrap();
    assert_eq!(all.len(), 3);
    for environment in all {
        assert_eq!(environment["problems"], object!([]));
        assert!(has(&environment["not_checked"], "ASSERTION_KEY"), "{environment}");
        // The examples are still examples.
        let is_example = !environment["env"].is_null();
        assert_eq!(has(&environment["warnings"], "the id is a placeholder"), is_example);
        assert_eq!(has(&environment["warnings"], "names of examples"), is_example);
    }
    let strict = ["--config", own_configuration(), "--env", "production", "--strict"];
    folder.run(&[&["check"][..], &strict].concat()).must_be(1);
}

#[test]
fn a_good_configuration_with_its_secrets_is_good_without_a_but() {
    let said = check(GOOD, &["--strict"]).must_be(0);
    assert!(!said.out.contains("warning") && said.out.contains("  good"), "{}", said.out);
    let said = check(GOOD, &["--require-secrets"]).must_be(1);
    assert!(said.out.contains("ADMIN_TOKEN: found no secret of this name"), "{}", said.out);
}

#[test]
fn the_messages_are_those_of_the_worker() {
    let broken = [
        ("origin", object!("ftp://origin.test")),
        ("origin", object!(7)),
        ("orign", object!("https://origin.test")),
        ("clock_skew_seconds", object!(900)),
        ("providers", object!([])),
        ("rules", object!([{ "path": "no-slash" }])),
        ("revocation", object!({ "refresh_seconds": 1 })),
        ("validation_cache", object!("always")),
    ];
    for (name, value) in broken {
        let mut table = object!({
            "origin": "https://origin.test",
            "providers": [{ "name": "main", "issuer": "https://issuer.test", "audiences": ["api"],
                            "algorithms": ["ES256"], "keys": ["JWT_KEYS"] }],
        });
        table[name] = value;
        let folder = Folder::new();
        let config = object!({
            "compatibility_date": "2026-11-17", "vars": { "AUTH": table },
        });
        folder.write("wrangler.json", &config.to_string());
        let keys = folder.run(&["keygen", "ES256", "--private", "private"]).must_be(0).out;
        folder.write("secrets", &format!("JWT_KEYS='{}'\n", keys.trim_end()));
        let arguments = ["check", "--secrets", "secrets"];
        let out = folder.run(&arguments).must_be(1).out;

        let secret = |name: &str| (name == "JWT_KEYS").then(|| keys.clone());
        let booted = Gate::boot(&table.to_string(), &secret, Bindings::default(), engine());
        let problems = booted.err().unwrap();
        assert!(!problems.is_empty());
        for problem in &problems {
            assert!(out.contains(&format!("error    {problem}\n")), "{problem}: {out}");
        }
        let out = folder.run(&[&arguments[..], &["--json"]].concat()).must_be(1).out;
        let told = &json(&out)["environments"][0]["problems"];
        let expected: Vec<_> = problems.iter().map(Problem::to_json).collect();
        assert_eq!(told, &object!(expected));
    }
}

#[test]
fn a_secret_is_read_as_the_worker_reads_it_and_not_shown() {
    let folder = Folder::new();
    folder.write("wrangler.toml", GOOD);
    let private = folder.run(&["keygen", "ES256"]).must_be(0).out;
    let private = private.lines().next().unwrap();
    folder.write(".dev.vars", &format!("JWT_KEYS='{private}'\nADMIN_TOKEN=short-admin-token\n"));
    let said = folder.run(&["check"]).must_be(1);
    let error = edgeward::core::secret::parse("JWT_KEYS", private).unwrap_err().to_string();
    assert!(said.out.contains(&error), "{error}: {}", said.out);
    let d = json(private)["d"].as_str().unwrap().to_owned();
    for secret in [d.as_str(), "short-admin-token"] {
        assert!(!said.out.contains(secret) && !said.err.contains(secret), "{}", said.out);
    }
    // What works, but not as somebody may think.
    let public = folder.run(&["keygen", "ES256", "--private", "x"]).must_be(0).out;
    folder.write(".dev.vars", &format!("JWT_KEYS='{}'\nADMIN_TOKEN=short\n", public.trim_end()));
    let said = folder.run(&["check"]).must_be(0);
    assert!(said.out.contains("warning  ADMIN_TOKEN: found 5 bytes"), "{}", said.out);
}

#[test]
fn secrets_that_are_not_known_here_are_named_and_a_problem_only_where_that_is_asked_for() {
    let folder = Folder::new();
    folder.write("wrangler.toml", GOOD);
    let said = folder.run(&["check"]).must_be(0);
    assert!(said.out.contains("not known here: ADMIN_TOKEN, JWT_KEYS"), "{}", said.out);
    let said = folder.run(&["check", "--require-secrets"]).must_be(1);
    let worker = "AUTH.providers[0].keys[0]: found no secret named JWT_KEYS; expected the name of a \
                  secret: `wrangler secret put JWT_KEYS`";
    assert!(said.out.contains(worker), "{}", said.out);
    // A mistake is found all the same.
    folder.write("wrangler.toml", &GOOD.replace("https://origin", "ftp://origin"));
    folder.run(&["check"]).must_be(1);
}

#[test]
fn secrets_of_one_environment_are_not_those_of_another() {
    let folder = Folder::new();
    let own = "[env.production.vars.AUTH]\norigin = \"https://origin.test\"\n\
               [[env.production.vars.AUTH.providers]]\nname = \"main\"\nissuer = \"https://i.test\"\n\
               audiences = [\"api\"]\nalgorithms = [\"ES256\"]\nkeys = [\"JWT_KEYS\"]\n";
    folder.write("wrangler.toml", &format!("{GOOD}\n{own}"));
    folder.write(".dev.vars", "JWT_KEYS=nonsense\n");
    folder.run(&["check"]).must_be(1);
    let said = folder.run(&["check", "--env", "production"]).must_be(0);
    assert!(said.out.contains("not known here: ADMIN_TOKEN, JWT_KEYS"), "{}", said.out);
    folder.write(".dev.vars.production", "JWT_KEYS=nonsense\n");
    folder.run(&["check", "--env", "production"]).must_be(1);
}

#[test]
fn what_an_environment_does_not_inherit_is_told() {
    let bindings = "[[kv_namespaces]]\nbinding = \"AUTH_KV\"\nid = \"1\"\n\
                    [[durable_objects.bindings]]\nname = \"REVOCATION_HUB\"\nclass_name = \"RevocationHub\"\n\
                    [[durable_objects.bindings]]\nname = \"REVOCATION_RELAY\"\nclass_name = \"RevocationRelay\"\n\
                    [[migrations]]\ntag = \"v1\"\nnew_sqlite_classes = [\"RevocationHub\", \"RevocationRelay\"]\n\
                    [env.production]\nworkers_dev = false\n";
    let text = format!("{GOOD}\n{bindings}");
    check(&text, &["--strict"]).must_be(0);
    let told = told(&text, &["--env", "production"]);
    assert_eq!(
        told["problems"],
        object!([{ "path": "AUTH", "found": "nothing", "expected": "the table [vars.AUTH] in wrangler.toml" }])
    );
    let warnings = &told["warnings"];
    assert!(has(warnings, "repeated as [env.production.vars.AUTH]"), "{warnings}");
    assert!(has(warnings, "without AUTH_KV, REVOCATION_HUB, REVOCATION_RELAY"), "{warnings}");
    assert!(has(warnings, "reachable from nowhere"), "{warnings}");
}

#[test]
fn what_the_worker_cannot_see_is_checked() {
    let hub =
        "[[durable_objects.bindings]]\nname = \"REVOCATION_HUB\"\nclass_name = \"RevocationHub\"\n";
    let relay = "[[durable_objects.bindings]]\nname = \"REVOCATION_RELAY\"\nclass_name = \"RevocationRelay\"\n";
    let migration = "[[migrations]]\ntag = \"v1\"\nnew_sqlite_classes = [\"RevocationHub\", \"RevocationRelay\"]\n";
    let whole = [GOOD, hub, relay, migration].concat();
    for (text, problem) in [
        (whole.replace("2026-11-17", "2025-01-01"), "\"compatibility_date\""),
        (whole.replace("compatibility_date", "# "), "\"compatibility_date\""),
        ([GOOD, hub, relay].concat(), "no migration that makes its class"),
        (whole.replace("\"RevocationHub\"\n", "\"Hub\"\n"), "the class \\\"Hub\\\""),
        ([GOOD, hub, migration].concat(), "only one of the Durable Object namespaces"),
        (whole.replace("https://origin.test", "service:ORIGIN"), "no service binding named ORIGIN"),
        (
            whole.replace("[vars.AUTH]", "[vars]\nADMIN_TOKEN = \"x\"\n[vars.AUTH]"),
            "vars.ADMIN_TOKEN",
        ),
        (whole.replace("[vars.AUTH]", "[vars.AUTH]\ntest_page = true"), "AUTH.test_page"),
    ] {
        let told = told(&text, &[]);
        assert!(has(&told["problems"], problem), "{problem}: {told}");
    }
    let service = "[[services]]\nbinding = \"ORIGIN\"\nservice = \"x\"\n";
    let by_service = [&whole.replace("https://origin.test", "service:ORIGIN"), service].concat();
    check(&by_service, &["--strict"]).must_be(0);
    let named = "[[kv_namespaces]]\nbinding = \"AUTH_KV\"\nid = \"000000\"\n";
    for (text, warning) in [
        ([&whole, named].concat(), "kv_namespaces.AUTH_KV: the id is a placeholder"),
        (
            whole.replace("issuer.test", "issuer.example"),
            "AUTH.providers[0].issuer (https://issuer.example)",
        ),
        (whole.replace("\"ES256\"", "\"ES256\", \"RS256\""), "no key can verify RS256"),
    ] {
        let told = told(&text, &[]);
        assert!(has(&told["warnings"], warning), "{warning}: {told}");
        assert_eq!(told["problems"], object!([]), "{told}");
    }
}

#[test]
fn json_with_comments_is_read_as_wrangler_does() {
    let folder = Folder::new();
    folder.write(
        "wrangler.jsonc",
        r#"{
            // The runtime.
            "compatibility_date": "2026-11-17", /* tested */
            "vars": { "AUTH": { "origin": "https://origin.test", "providers": [
                { "name": "main", "issuer": "https://issuer.test", "audiences": ["api"],
                  "algorithms": ["ES256"], "keys": ["JWT_KEYS"], },
            ] } },
        }"#,
    );
    let said = folder.run(&["check"]).must_be(0);
    assert!(said.out.starts_with("wrangler.jsonc, without --env\n"), "{}", said.out);
}

#[test]
fn what_cannot_be_read_is_a_mistake_of_usage() {
    let folder = Folder::new();
    folder.run(&["check"]).must_refuse("there is no wrangler.toml here");
    folder.run(&["check", "--config", "none.toml"]).must_refuse("none.toml cannot be read");
    folder.write("wrangler.toml", "name = \"x\"\nname = \"y\"\n");
    folder.run(&["check"]).must_refuse("wrangler.toml cannot be read: line 2");
    folder.write("bad.json", "{\n\"a\": nonsense }");
    folder.run(&["check", "--config", "bad.json"]).must_refuse("it is no JSON at line 2");
    folder.write("wrangler.toml", GOOD);
    folder.run(&["check", "--env", "x"]).must_refuse("has no environment \"x\"; it has none");
    folder.write("secrets", "hidden\n");
    let said =
        folder.run(&["check", "--secrets", "secrets"]).must_refuse("line 1: expected NAME=value");
    assert!(!said.err.contains("hidden"));
    folder.run(&["check", "--env", "x", "--all-envs"]).must_be(2);
}

#[test]
fn assets_that_the_platform_would_serve_around_the_gate_are_a_problem() {
    for (more, is_problem) in [
        ("[assets]\ndirectory = \"www\"\nbinding = \"ASSETS\"\n", true),
        ("[assets]\ndirectory = \"www\"\nrun_worker_first = false\n", true),
        ("[assets]\ndirectory = \"www\"\nrun_worker_first = [\"/a\"]\n", true),
        ("[assets]\ndirectory = \"www\"\nrun_worker_first = true\n", false),
    ] {
        let told = told(&format!("{GOOD}\n{more}"), &[]);
        assert_eq!(has(&told["problems"], "assets.run_worker_first"), is_problem, "{more}: {told}");
    }
}

#[test]
fn a_shared_secret_of_a_provider_is_no_variable() {
    let text = GOOD.replace("ES256", "HS256");
    let text = text.replace(
        "[vars.AUTH]",
        "[vars]\nJWT_KEYS = \"0123456789abcdef0123456789abcdef\"\n\n[vars.AUTH]",
    );
    assert!(has(&told(&text, &[])["problems"], "vars.JWT_KEYS"));
}
