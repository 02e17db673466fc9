//! What is wrong with a configuration is said with its place, what was found and what is expected.

use edgeward::core::config::Log;
use edgeward::core::log::Level;
use edgeward::gate::{Bindings, Gate};
use serde_json::{Value, json};

use crate::fixture::Setup;
use aws_lc_rs::encoding::AsBigEndian;

use crate::native::{Signer, encode, engine};

fn setup() -> Setup {
    Setup::new(&["HS256"], &Signer::hmac(1))
}

/// The table with the value at a JSON pointer replaced.
fn with(pointer: &str, value: Value) -> Setup {
    let mut setup = setup();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = setup.table.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(list) => {
            let at: usize = name.parse().unwrap();
            if at == list.len() { list.push(value) } else { list[at] = value }
        }
        parent => parent[name] = value,
    }
    setup
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table of cases")]
fn every_mistake_names_its_place_what_was_found_and_what_is_expected() {
    for (pointer, value, message) in [
        (
            "/orign",
            json!("x"),
            "AUTH.orign: found the unknown key \"orign\"; expected one of `origin`, `admin_path`, \
             `test_page`, `clock_skew_seconds`, `max_token_bytes`, `validation_cache`, \
             `validation_cache_timeout_ms`, `providers`, `token`, `rules`, `forward`, \
             `revocation`, `websocket`, `log`",
        ),
        (
            "/clock_skew_seconds",
            json!("30"),
            "AUTH.clock_skew_seconds: found the text \"30\"; expected a whole number that is not \
             negative",
        ),
        (
            "/clock_skew_seconds",
            json!(-1),
            "AUTH.clock_skew_seconds: found -1; expected a whole number that is not \
             negative",
        ),
        (
            "/clock_skew_seconds",
            json!(301),
            "AUTH.clock_skew_seconds: found 301; expected at most 300",
        ),
        (
            "/validation_cache",
            json!("on"),
            "AUTH.validation_cache: found \"on\"; expected one of `auto`, `always`, `off`",
        ),
        (
            "/log",
            json!({ "levle": "info" }),
            "AUTH.log.levle: found the unknown key \"levle\"; expected one of `level`, `sample`, \
             `lines_per_second`",
        ),
        (
            "/log",
            json!({ "level": "debug" }),
            "AUTH.log.level: found \"debug\"; expected one of `info`, `warning`, `error`, `off`",
        ),
        (
            "/log",
            json!({ "sample": 1.5 }),
            "AUTH.log.sample: found 1.5; expected a number from 0 to 1",
        ),
        (
            "/log",
            json!({ "sample": -1 }),
            "AUTH.log.sample: found -1; expected a number from 0 to 1",
        ),
        (
            "/log",
            json!({ "sample": "0.1" }),
            "AUTH.log.sample: found the text \"0.1\"; expected a number from 0 to 1",
        ),
        (
            "/log",
            json!({ "lines_per_second": 0 }),
            "AUTH.log.lines_per_second: found 0; expected 1 to 1000",
        ),
        (
            "/log",
            json!({ "lines_per_second": 1001 }),
            "AUTH.log.lines_per_second: found 1001; expected 1 to 1000",
        ),
        ("/max_token_bytes", json!(10), "AUTH.max_token_bytes: found 10; expected 256 to 65536"),
        ("/providers", json!({}), "AUTH.providers: found a table; expected a list"),
        (
            "/providers",
            json!(["main"]),
            "AUTH.providers[0]: found a text of 4 bytes; expected a table",
        ),
        ("/token", json!([]), "AUTH.token: found a list; expected a table"),
        ("/origin", json!(null), "AUTH.origin: found nothing; expected a text"),
        (
            "/test_page",
            json!("true"),
            "AUTH.test_page: found the text \"true\"; expected true or false",
        ),
        (
            "/providers/0/audiences",
            json!(["api", 7]),
            "AUTH.providers[0].audiences[1]: found 7; expected a text",
        ),
        (
            "/providers/0/audience_claim",
            json!(""),
            "AUTH.providers[0].audience_claim: found an empty text; expected the name of a claim",
        ),
        (
            "/rules",
            json!([{ "path": "/a", "claims": { "role": "admin" } }]),
            "AUTH.rules[0].claims.role: found a text of 5 bytes; expected a list",
        ),
        (
            "/rules",
            json!([{ "path": "/a", "claims": { "role": ["admin", 1.5] } }]),
            "AUTH.rules[0].claims.role: found 1.5; expected a list of texts, whole numbers and truth \
             values",
        ),
        (
            "/forward",
            json!({ "claim_to_headers": { "X-A": true } }),
            "AUTH.forward.claim_to_headers.X-A: found true; expected a text",
        ),
        (
            "/providers",
            json!([]),
            "AUTH.providers: found an empty list; expected at least one provider",
        ),
        (
            "/providers/0/algorithms",
            json!([]),
            "AUTH.providers[0].algorithms: found an empty list; expected the algorithms that this \
             issuer signs with, such as [\"RS256\"]: the token never chooses",
        ),
        (
            "/providers/0/algorithms",
            json!(["none"]),
            "AUTH.providers[0].algorithms[0]: found \"none\"; expected one of HS256, HS384, HS512, \
             RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA",
        ),
        (
            "/providers/0/algorithms",
            json!(["ES256"]),
            "AUTH.providers[0].algorithms: found ES256, but the keys are oct; expected at least \
             one algorithm that one of the keys can verify (an HMAC secret must be as long as the \
             hash: 32, 48 or 64 bytes)",
        ),
        (
            "/providers/0/keys",
            json!(["JWT_KEY"]),
            "AUTH.providers[0].keys[0]: found no secret named JWT_KEY; expected the name of a \
             secret: `wrangler secret put JWT_KEY`",
        ),
        (
            "/providers/0/keys",
            json!(["-----BEGIN PUBLIC KEY-----"]),
            "AUTH.providers[0].keys[0]: found a text of 26 bytes; expected the name of a secret \
             binding: letters, digits and \"_\"; the key itself belongs into the secret",
        ),
        (
            "/providers/0/issuer",
            json!(""),
            "AUTH.providers[0].issuer: found an empty text; expected the exact value of `iss`",
        ),
        (
            "/origin",
            json!("https://app.internal/base"),
            "AUTH.origin: found \"https://app.internal/base\"; expected an absolute URL of scheme, \
             host and port alone, such as \"https://app.internal\", since the path that is \
             evaluated is the path that is forwarded; or \"service:BINDING\"",
        ),
        (
            "/admin_path",
            json!("/"),
            "AUTH.admin_path: found \"/\"; expected a path of at least one segment in lower case, \
             such as \"/_edgeward\"",
        ),
        (
            "/token",
            json!({ "sources": ["body"] }),
            "AUTH.token.sources[0]: found \"body\"; expected \"authorization\", \
             \"websocket-protocol\", \"cookie:NAME\", \"query:NAME\" or \"header:NAME\"",
        ),
        (
            "/token",
            json!({ "allowed_origins": ["*"] }),
            "AUTH.token.allowed_origins[0]: found \"*\"; expected an origin as browsers send it, in \
             lower case and without a trailing slash, such as \"https://app.example\"; there are \
             no wildcards",
        ),
        (
            "/rules",
            json!([{ "path": "/a", "access": "open" }]),
            "AUTH.rules[0].access: found \"open\"; expected one of `public`, `optional`, `required`",
        ),
        (
            "/rules",
            json!([{ "path": "/a", "access": "public", "scopes_all": ["x"] }]),
            "AUTH.rules[0].access: found \"public\" together with providers, scopes, claims, \
             on_outage or revocation; expected \"required\" or \"optional\" where a token is to be \
             checked, or \"public\" alone",
        ),
        (
            "/rules",
            json!([{ "path": "/a", "providers": ["mian"] }]),
            "AUTH.rules[0].providers[0]: found \"mian\"; expected the name of a provider in \
             AUTH.providers",
        ),
        (
            "/rules",
            json!([{ "path": "/a" }, { "path": "/a/" }]),
            "AUTH.rules[1].path: found \"/a/\"; expected `/a`",
        ),
        (
            "/rules",
            json!([{ "path": "/a", "scopes_all": [] }]),
            "AUTH.rules[0].scopes_all: found an empty list; expected at least one value, or no \
             such key",
        ),
        (
            "/rules",
            json!([{ "path": "/a", "websocket": "pump" }]),
            "AUTH.rules[0].websocket: found \"pump\"; expected one of `supervise`, `handshake`",
        ),
        (
            "/rules",
            json!([{ "path": "/a", "enforce": "report" }]),
            "AUTH.rules[0].enforce: found \"report\"; expected one of `deny`, `shadow`",
        ),
        (
            "/rules",
            json!([{ "path": "/a", "access": "public", "enforce": "shadow" }]),
            "AUTH.rules[0].enforce: found \"shadow\" with access = \"public\"; expected nothing here: \
             a public rule refuses nobody",
        ),
        (
            "/rules",
            json!([{ "path": "/a", "max_buffered_bytes": 1 }]),
            "AUTH.rules[0].max_buffered_bytes: found 1; expected 4096 to 33554432",
        ),
        (
            "/rules",
            json!([{ "path": "/a", "websocket": "handshake", "max_buffered_bytes": 4096 }]),
            "AUTH.rules[0].max_buffered_bytes: found 4096; expected nothing with websocket = \
             \"handshake\": the runtime pumps by itself then",
        ),
        (
            "/websocket",
            json!({ "renewal": "two words" }),
            "AUTH.websocket.renewal: found \"two words\"; expected a word of at most 64 visible \
             ASCII characters, such as \"edgeward.renew\", with which no message of your own begins",
        ),
        (
            "/websocket",
            json!({ "max_message_bytes": 33_554_433 }),
            "AUTH.websocket.max_message_bytes: found 33554433; expected 1 to 33554432",
        ),
        (
            "/websocket",
            json!({ "idle_timeout_seconds": 0 }),
            "AUTH.websocket.idle_timeout_seconds: found 0; expected 1 to 86400",
        ),
        (
            "/websocket",
            json!({ "max_sockets_per_subject": 0 }),
            "AUTH.websocket.max_sockets_per_subject: found 0; expected 1 to 16384",
        ),
        (
            "/websocket",
            json!({ "leashes_per_relay": 32_768 }),
            "AUTH.websocket.leashes_per_relay: found 32768; expected 1 to 30000",
        ),
        (
            "/forward",
            json!({ "claim_to_headers": { "Host": "sub" } }),
            "AUTH.forward.claim_to_headers.Host: found \"Host\"; expected a header that has no \
             meaning of its own",
        ),
        (
            "/forward",
            json!({ "assertion": { "key": "ASSERTION_KEY", "audience": "o", "ttl_seconds": 0 } }),
            "AUTH.forward.assertion.ttl_seconds: found 0; expected 1 to 3600",
        ),
        (
            "/forward",
            json!({ "assertion": { "key": "ASSERTION_KEY", "audience": "o", "publish": ["x"] } }),
            "AUTH.forward.assertion.publish[0]: found a text of 1 bytes; expected the public half of an \
             assertion key: its JWK without `d`",
        ),
        (
            "/forward",
            json!({ "assertion": { "key": "ASSERTION_KEY" } }),
            "AUTH.forward.assertion.audience: found nothing; expected a value: the key is required",
        ),
    ] {
        let problems = with(pointer, value.clone()).problems();
        assert_eq!(problems, vec![message.to_owned()], "{pointer} {value}");
    }
}

/// A provider that asks an auth service and fetches keys, with other members.
fn with_service(pointer: &str, value: Value) -> Setup {
    let mut setup = setup();
    setup.secret("CLIENT_SECRET", "secret");
    let provider = &mut setup.table["providers"][0];
    provider["jwks_uri"] = "https://issuer.example/jwks".into();
    provider["jwks"] = json!({});
    provider["introspection"] = json!({
        "url": "https://issuer.example/introspect",
        "client_id": "edge",
        "client_secret": "CLIENT_SECRET",
    });
    let (table, key) = pointer.rsplit_once('/').unwrap();
    let table = setup.table.pointer_mut(table).unwrap().as_object_mut().unwrap();
    match value {
        Value::Null => table.remove(key),
        value => table.insert(key.to_owned(), value),
    };
    setup
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table of cases")]
fn every_mistake_about_what_is_fetched_names_its_place_what_was_found_and_what_is_expected() {
    const URL: &str = "an absolute https URL without fragment (http only for 127.0.0.1, [::1] and \
                       localhost)";
    for (key, value, message) in [
        (
            "jwks_uri",
            json!("http://issuer.example/jwks"),
            format!("jwks_uri: found \"http://issuer.example/jwks\"; expected {URL}"),
        ),
        (
            "jwks_uri",
            json!("http://localhost.example/jwks"),
            format!("jwks_uri: found \"http://localhost.example/jwks\"; expected {URL}"),
        ),
        (
            "jwks_uri",
            json!("https://user:password@issuer.example/jwks"),
            format!("jwks_uri: found a URL with user information; expected {URL}"),
        ),
        (
            "jwks_uri",
            json!("https://issuer.example/jwks#a"),
            format!("jwks_uri: found \"https://issuer.example/jwks#a\"; expected {URL}"),
        ),
        (
            "jwks_uri",
            json!(null),
            "jwks: found a table; expected no such table without `jwks_uri` or `discovery = true`"
                .to_owned(),
        ),
        (
            "discovery",
            json!(true),
            "discovery: found true, beside jwks_uri; expected either `jwks_uri` or `discovery = \
             true`: discovery finds the set"
                .to_owned(),
        ),
        (
            "jwks/refresh_seconds",
            json!(1),
            "jwks.refresh_seconds: found 1; expected 10 to 86400".to_owned(),
        ),
        (
            "jwks/max_stale_seconds",
            json!(10),
            "jwks.max_stale_seconds: found 10; expected 300 to 2592000".to_owned(),
        ),
        (
            "jwks/cooldown_seconds",
            json!(0),
            "jwks.cooldown_seconds: found 0; expected 1 to 300".to_owned(),
        ),
        (
            "jwks/timeout_ms",
            json!(10),
            "jwks.timeout_ms: found 10; expected 50 to 10000".to_owned(),
        ),
        (
            "introspection/url",
            json!("http://issuer.example/introspect"),
            format!(
                "introspection.url: found \"http://issuer.example/introspect\"; expected {URL}"
            ),
        ),
        (
            "introspection/client_id",
            json!(""),
            "introspection.client_id: found an empty text; expected who the gate is to the auth \
             service"
                .to_owned(),
        ),
        (
            "introspection/client_secret",
            json!(null),
            "introspection.client_secret: found nothing; expected the name of the secret with the \
             password (client_secret_basic), or client_key with the name of the one with the \
             private JWK (private_key_jwt), and not both"
                .to_owned(),
        ),
        (
            "introspection/client_key",
            json!("CLIENT_KEY"),
            "introspection.client_secret: found a value, beside client_key; expected the name of \
             the secret with the password (client_secret_basic), or client_key with the name of \
             the one with the private JWK (private_key_jwt), and not both"
                .to_owned(),
        ),
        (
            "introspection/client_secret",
            json!("pass word"),
            "introspection.client_secret: found a text of 9 bytes; expected the name of a secret \
             binding: letters, digits and \"_\"; the secret itself belongs into the binding"
                .to_owned(),
        ),
        (
            "introspection/client_secret",
            json!("NO_SUCH"),
            "introspection.client_secret: found no secret named NO_SUCH; expected the name of a \
             secret: `wrangler secret put NO_SUCH`"
                .to_owned(),
        ),
        (
            "introspection/client_secret",
            json!("ADMIN_TOKEN"),
            "introspection.client_secret: found ADMIN_TOKEN, a secret of the gate itself; \
             expected a secret with the client's password"
                .to_owned(),
        ),
        (
            "introspection/timeout_ms",
            json!(20_000),
            "introspection.timeout_ms: found 20000; expected 50 to 10000".to_owned(),
        ),
        (
            "introspection/degrade_after_ms",
            json!(2_000),
            "introspection.degrade_after_ms: found 2000; expected 1 to 1000".to_owned(),
        ),
        (
            "introspection/on_outage",
            json!("allow"),
            "introspection.on_outage: found \"allow\"; expected one of `deny`, `stale`, \
             `signature`"
                .to_owned(),
        ),
        (
            "introspection/max_stale_seconds",
            json!(60),
            "introspection.max_stale_seconds: found 60; expected 600 to 2592000".to_owned(),
        ),
        (
            "introspection/opaque_tokens",
            json!("yes"),
            "introspection.opaque_tokens: found \"yes\"; expected one of `refuse`, `accept`, \
             `accept_for_any_audience`"
                .to_owned(),
        ),
    ] {
        let problems = with_service(&format!("/providers/0/{key}"), value.clone()).problems();
        assert_eq!(problems, [format!("AUTH.providers[0].{message}")], "{key} {value}");
    }
}

#[test]
fn a_provider_that_asks_and_fetches_is_ready_and_what_it_lacks_is_a_warning() {
    let mut setup = with_service("/providers/0/keys", Value::Null);
    assert_eq!(
        setup.problems(),
        ["AUTH.providers[0].algorithms: found an HMAC algorithm without `keys`; expected \
             algorithms with public keys: what is published is no secret",]
    );
    setup.table["providers"][0]["algorithms"] = json!(["ES256"]);
    let gate = setup.gate();
    assert_eq!(
        gate.report().warnings,
        [
            "AUTH.validation_cache: isolates cannot tell each other what they find out: found no key that \
             seals what is kept there; expected `forward.assertion` with a key, from which that one \
             is derived",
        ]
    );
    let always = with_service("/validation_cache", json!("always"));
    assert_eq!(
        always.problems(),
        ["AUTH.validation_cache: found \"always\", with no key that seals what is kept there; \
             expected `forward.assertion` with a key, from which that one is derived, or \"auto\"",]
    );
    let mut switch = with_service("/validation_cache", json!("off"));
    switch.secret("ALLOW_DEGRADED_AUTH", "yes");
    assert_eq!(
        switch.problems(),
        ["ALLOW_DEGRADED_AUTH: found a text of 3 bytes; expected \"true\" or \"false\"",]
    );
    let mut two = with_service("/providers/0/introspection/opaque_tokens", json!("accept"));
    let mut second = two.table["providers"][0].clone();
    second["name"] = "second".into();
    second["issuer"] = "https://second.example".into();
    two.table["providers"].as_array_mut().unwrap().push(second);
    assert_eq!(
        two.problems(),
        [
            "AUTH.providers[1].introspection.opaque_tokens: found a second provider that accepts opaque \
         tokens; expected one: an opaque token does not say who issued it",
        ]
    );
}

#[test]
fn a_secret_in_the_wrong_place_is_not_shown() {
    let secret = "Zk3vJ9qLw0Xr8TnB2mY5cHs7DfGa1PeU4oViKQ6t";
    let jwk = json!({ "kty": "oct", "k": secret }).to_string();
    for (pointer, value) in [
        ("/providers/0/keys", json!(secret)),
        ("/providers/0/keys", json!([secret])),
        ("/providers/0/keys", json!([jwk])),
        ("/forward", json!({ "assertion": { "key": secret, "audience": "o" } })),
        ("/forward", json!({ "assertion": jwk })),
        ("/origin", json!(format!("https://user:{secret}@o.internal"))),
    ] {
        let problems = with(pointer, value.clone()).problems();
        assert!(!problems.is_empty(), "{pointer} {value}");
        assert!(!problems.concat().contains(&secret[..12]), "{problems:?}");
    }
}

#[test]
fn keys_that_no_token_can_choose_between_are_a_mistake() {
    let mut setup = setup();
    setup.table["providers"][0]["keys"] = json!(["JWT_KEYS", "JWT_KEYS_PREVIOUS"]);
    setup.secret("JWT_KEYS", &"a".repeat(40));
    setup.secret("JWT_KEYS_PREVIOUS", &"b".repeat(40));
    assert_eq!(
        setup.problems(),
        [
            "AUTH.providers[0].keys: found 2 keys without `kid` for HS256; expected keys that tokens \
          can choose between: store each as a JWK with the `kid` that the issuer puts into its \
          tokens, or keep one"
        ]
    );
    // The same key twice is one key; and with names, tokens can choose.
    setup.secret("JWT_KEYS_PREVIOUS", &"a".repeat(40));
    assert_eq!(setup.problems(), Vec::<String>::new());
    setup.secret("JWT_KEYS", &Signer::hmac(1).jwk("new").to_string());
    setup.secret("JWT_KEYS_PREVIOUS", &Signer::hmac(2).jwk("old").to_string());
    assert_eq!(setup.problems(), Vec::<String>::new());
}

#[test]
fn the_secrets_of_the_gate_itself_verify_no_tokens() {
    let mut setup = setup();
    setup.table["providers"][0]["keys"] = json!(["ADMIN_TOKEN"]);
    setup.secret("ADMIN_TOKEN", &"a".repeat(40));
    assert_eq!(
        setup.problems(),
        ["AUTH.providers[0].keys[0]: found ADMIN_TOKEN, a secret of the gate itself; expected a \
          secret with the issuer's keys"]
    );
}

#[test]
fn a_table_with_something_behind_it_is_no_table() {
    let setup = setup();
    let secret = |name: &str| setup.secrets.get(name).cloned();
    let table = format!("{} {{", setup.table);
    let gate =
        Gate::boot(&table, &secret, Bindings { has_kv: true, ..Bindings::default() }, engine());
    assert_eq!(gate.err().map(|problems| problems.len()), Some(1));
}

#[test]
fn a_key_that_is_there_twice_is_a_mistake() {
    let setup = setup();
    let secret = |name: &str| setup.secrets.get(name).cloned();
    let table = setup.table.to_string().replacen('{', "{\"rules\":[],\"rules\":[],", 1);
    let problems =
        Gate::boot(&table, &secret, Bindings { has_kv: true, ..Bindings::default() }, engine())
            .err()
            .unwrap();
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["AUTH: found a key twice in one table; expected a table"]);
}

#[test]
fn a_number_that_no_number_can_hold_is_called_that() {
    let setup = with("/clock_skew_seconds", json!(1e300));
    let expected = "AUTH: found a number that is too large to be held exactly; expected a table";
    assert_eq!(setup.problems(), [expected]);
}

/// Where the mistakes are.
fn places(setup: &Setup) -> Vec<String> {
    let place = |problem: &String| problem.split(':').next().unwrap().to_owned();
    setup.problems().iter().map(place).collect()
}

#[test]
fn all_mistakes_of_type_are_reported_together() {
    let mut setup = setup();
    setup.table["origin"] = 1.into();
    setup.table["providers"][0]["algorithms"] = "ES256".into();
    setup.table["providers"][0]["isuer"] = "x".into();
    setup.table["rules"] = json!([{ "access": "maybe" }]);
    assert_eq!(
        places(&setup),
        [
            "AUTH.origin",
            "AUTH.providers[0].algorithms",
            "AUTH.providers[0].isuer",
            "AUTH.rules[0].path",
            "AUTH.rules[0].access",
        ]
    );
}

#[test]
fn all_mistakes_of_a_well_typed_table_are_reported_together() {
    let mut setup = setup();
    setup.table["origin"] = "nowhere".into();
    setup.table["clock_skew_seconds"] = 1000.into();
    setup.table["rules"] = json!([{ "path": "admin" }]);
    assert_eq!(places(&setup), ["AUTH.origin", "AUTH.clock_skew_seconds", "AUTH.rules[0].path"]);
}

#[test]
fn a_secret_that_cannot_be_used_is_named_and_never_shown() {
    for (secret, mend) in [
        ("{\"signingKey\": \"0123456789\"}", "10 bytes"),
        ("0123456789abcdef0123456789abcde", "31 bytes"),
        ("", "empty"),
    ] {
        let mut setup = setup();
        setup.secret("JWT_KEYS", secret);
        let problems = setup.problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        let problem = &problems[0];
        assert!(problem.starts_with("AUTH.providers[0].keys[0]: found the secret JWT_KEYS"));
        assert!(problem.contains(mend), "{problem}");
        assert!(!problem.contains("0123456789"), "{problem}");
    }
}

#[test]
fn a_secret_in_the_wrapper_of_a_secret_store_works_like_the_secret_itself() {
    // One service stored the key like this and another took the whole text for the key: every
    // request was refused, and nothing said why.
    let secret = "x".repeat(64);
    let mut setup = setup();
    setup.secret("JWT_KEYS", &json!({ "signingKey": secret }).to_string());
    assert_eq!(setup.problems(), Vec::<String>::new());
}

/// The public half of an assertion key, and its `d`.
fn assertion_key() -> (Value, Value) {
    let Signer::Ed25519(pair) = Signer::ed25519() else { unreachable!() };
    let seed = pair.seed().unwrap().as_be_bytes().unwrap();
    (Signer::Ed25519(pair).jwk("a"), encode(seed.as_ref()).into())
}

#[test]
fn the_halves_of_an_assertion_key_must_belong_together() {
    let (own, d) = assertion_key();
    for (x, works) in [(own["x"].clone(), true), (Signer::ed25519().jwk("a")["x"].clone(), false)] {
        let mut setup = setup();
        setup.table["forward"]["assertion"] = json!({ "key": "ASSERTION_KEY", "audience": "o" });
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "d": d });
        setup.secret("ASSERTION_KEY", &key.to_string());
        let problems = setup.problems();
        assert_eq!(problems.is_empty(), works, "{problems:?}");
    }
}

#[test]
fn no_published_assertion_key_is_lost_because_another_one_has_its_name() {
    let (own, d) = assertion_key();
    let other = |kid: &str| Signer::ed25519().jwk(kid);
    for (published, works) in [
        (vec![own.clone(), other("b"), other("c")], true),
        (vec![other("a")], false),
        (vec![other("b"), other("b")], false),
    ] {
        let mut setup = setup();
        setup.table["forward"]["assertion"] =
            json!({ "key": "ASSERTION_KEY", "audience": "o", "publish": published });
        let mut key = own.clone();
        key["d"] = d.clone();
        setup.secret("ASSERTION_KEY", &key.to_string());
        let problems = setup.problems();
        assert_eq!(problems.is_empty(), works, "{problems:?}");
    }
}

#[test]
fn which_lines_are_written_is_read_from_the_configuration() {
    let log = |table: Value| setup().with(json!({ "log": table })).gate().settings().log;
    let usual = Log { level: Some(Level::Info), sample: 1_000_000, lines_per_second: 100 };
    assert_eq!((log(json!({})), setup().gate().settings().log), (usual, usual));
    for (level, expected) in [
        ("info", Some(Level::Info)),
        ("warning", Some(Level::Warning)),
        ("error", Some(Level::Error)),
        ("off", None),
    ] {
        assert_eq!(log(json!({ "level": level })).level, expected);
    }
    // TOML knows 1 and 1.0, and both become numbers of JSON.
    for (sample, expected) in [
        (json!(1), 1_000_000),
        (json!(1.0), 1_000_000),
        (json!(0), 0),
        (json!(0.0), 0),
        (json!(0.07), 70_000),
        (json!(0.1), 100_000),
        (json!(1e-9), 1),
    ] {
        assert_eq!(log(json!({ "sample": sample })).sample, expected, "{sample}");
    }
    assert_eq!(log(json!({ "lines_per_second": 1000 })).lines_per_second, 1_000);
}
