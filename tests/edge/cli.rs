//! The command line tool against the built Worker.

use std::process::Stdio;

use super::harness::{
    gate::ADMIN_TOKEN,
    mint::{self, now, token_with},
    *,
};

/// What the tool said, and its exit code.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    #[track_caller]
    fn must_be(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        assert!(!self.out.contains(ADMIN_TOKEN) && !self.err.contains(ADMIN_TOKEN));
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|fault| panic!("{fault}: {}", self.out))
    }
}

/// Runs the tool against a gate, with this admin token and this on standard input.
async fn run_as(token: Option<&str>, gate: &Gate, arguments: &[&str], input: &str) -> Said {
    use tokio::io::AsyncWriteExt as _;

    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_edgeward"));
    command.args(arguments).args(["--url", &gate.url("")]).env_remove("EDGEWARD_ADMIN_TOKEN");
    if let Some(token) = token {
        command.env("EDGEWARD_ADMIN_TOKEN", token);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may end without having read it.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

async fn run(gate: &Gate, arguments: &[&str]) -> Said {
    run_as(Some(ADMIN_TOKEN), gate, arguments, "").await
}

#[tokio::test]
async fn it_tells_the_health_of_a_gate() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).assertion(60)).await;
    let said = run(&gate, &["health"]).await.must_be(0);
    for words in ["ready\n", "main  ", mint::ISSUER, "from JWT_KEYS"] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    let report = run(&gate, &["health", "--json"]).await.must_be(0).json();
    assert_eq!(report["providers"], gate.report().await["providers"]);
    // Anybody learns this much.
    let said = run_as(None, &gate, &["health"], "").await.must_be(0);
    assert_eq!(said.out, "ready\n  with EDGEWARD_ADMIN_TOKEN it says more\n");
    let said = run_as(Some("a-wrong-token"), &gate, &["health"], "").await.must_be(4);
    assert!(said.err.contains("refuses the admin token (401)"), "{}", said.err);
    origin.must_be_untouched();
}

#[tokio::test]
async fn it_tells_what_has_to_be_mended() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).set("clock_skew_seconds", 900)).await;
    let said = run(&gate, &["health"]).await.must_be(1);
    assert!(said.out.starts_with("misconfigured\n"), "{}", said.out);
    let problem = &run(&gate, &["health", "--json"]).await.must_be(1).json()["problems"][0];
    let [path, found, expected] =
        ["path", "found", "expected"].map(|name| problem[name].as_str().unwrap());
    let line = format!("  problem  {path}: found {found}; expected {expected}\n");
    assert!(said.out.contains(&line), "{line}: {}", said.out);
    let said = run(&gate, &["explain"]).await.must_be(3);
    assert!(said.err.contains("fails (503 misconfigured)"), "{}", said.err);
}

#[tokio::test]
async fn it_tells_why_a_request_is_permitted_or_denied() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin)
        .rule(json!({ "path": "/admin", "scopes_all": ["admin"], "methods": ["POST"] }));
    let gate = Gate::start(setup).await;
    let token = mint::token();
    let said = run_as(Some(ADMIN_TOKEN), &gate, &["explain", "--token-file", "-"], &token).await;
    let said = said.must_be(0);
    assert!(said.out.starts_with("permitted\n"), "{}", said.out);
    assert!(said.out.contains("signature     passed"), "{}", said.out);
    assert!(!said.out.contains(&token), "{}", said.out);
    let arguments = ["explain", "--path", "/admin/x", "--method", "POST", "--token-file", "-"];
    let said = run_as(Some(ADMIN_TOKEN), &gate, &arguments, &token).await.must_be(1);
    assert!(said.out.starts_with("denied: 403 insufficient_scope, because of missing_scope\n"));
    let json = [&arguments[..], &["--json"]].concat();
    let said = run_as(Some(ADMIN_TOKEN), &gate, &json, &token).await.must_be(1).json();
    assert_eq!((&said["reason"], &said["rule"]), (&json!("missing_scope"), &json!(0)));
    let said = run(&gate, &["explain", "--path", "no-slash"]).await.must_be(2);
    assert!(said.err.contains("path does not begin with /"), "{}", said.err);
    // What it is told in headers counts, too.
    let header = format!("Authorization: Bearer {token}");
    run(&gate, &["explain", "--header", &header]).await.must_be(0);
    origin.must_be_untouched();
}

#[tokio::test]
async fn what_it_revokes_is_out_and_what_it_undoes_is_in_again() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(Setup::new(&origin).relays(&relays)).await;
    let token = token_with(json!({ "sub": "mallory", "jti": "t-1" }));
    get("/").bearer(&token).send(&gate).await.must_pass();

    let revoke = ["revoke", "--sub", "mallory", "--reason", "left", "--json"];
    let made = run(&gate, &revoke).await.must_be(0).json();
    get("/").bearer(&token).send(&gate).await.must_be(401, "revoked_token");
    let again = run(&gate, &["revoke", "--sub", "mallory"]).await.must_be(0);
    assert!(again.out.starts_with("was revoked already: "), "{}", again.out);

    let id = made["id"].as_str().unwrap();
    let list = run(&gate, &["revocations"]).await.must_be(0).out;
    for words in ["sub mallory, of ", mint::ISSUER, id, "(left)"] {
        assert!(list.contains(words), "{words}: {list}");
    }
    let said = run(&gate, &["revocations", "--undo", id]).await.must_be(0);
    assert_eq!(said.out, format!("undone: {id}\n"));
    get("/").bearer(&token).send(&gate).await.must_pass();
    run(&gate, &["revocations", "--undo", id]).await.must_be(1);
    assert_eq!(run(&gate, &["revocations"]).await.must_be(0).out, "nothing is revoked\n");

    // The token itself, which is no argument.
    let file = ["revoke", "--token-file", "-"];
    let said = run_as(Some(ADMIN_TOKEN), &gate, &file, &token).await.must_be(0);
    assert!(!said.out.contains(&token), "{}", said.out);
    get("/").bearer(&token).send(&gate).await.must_be(401, "revoked_token");
    let listed = run(&gate, &["revocations", "--json"]).await.must_be(0).json();
    assert_eq!(listed["revocations"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn it_logs_a_subject_out_everywhere_and_says_what_is_wrong_with_an_order() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(Setup::new(&origin).relays(&relays)).await;
    let issued = |at: i64| token_with(json!({ "sub": "alice", "iat": at, "exp": now() + 600 }));
    let old = issued(now() - 60);
    let said = run(&gate, &["revoke", "--sub", "alice", "--issued-before", "now"]).await.must_be(0);
    assert!(said.out.contains("revoked: id "), "{}", said.out);
    get("/").bearer(&old).send(&gate).await.must_be(401, "revoked_token");
    get("/").bearer(&issued(now() + 1)).send(&gate).await.must_pass();
    let other = ["revoke", "--sub", "alice", "--issuer", "https://other.test"];
    let said = run(&gate, &other).await.must_be(2);
    assert!(said.err.contains("no provider"), "{}", said.err);
    let past = ["revoke", "--jti", "x", "--expires-at", "2020-01-01T00:00:00Z"];
    let said = run(&gate, &past).await.must_be(2);
    assert!(said.err.contains("expires_at: found 1577836800"), "{}", said.err);
    let said = run_as(Some("wrong"), &gate, &["revoke", "--jti", "x"], "").await.must_be(4);
    assert!(said.err.contains("refuses the admin token"), "{}", said.err);
    gate.kill();

    // Where nothing can be revoked there is no such endpoint.
    let gate = Gate::start(Setup::new(&origin)).await;
    let said = run(&gate, &["revoke", "--jti", "x"]).await.must_be(4);
    assert!(said.err.contains("the Durable Objects are missing"), "{}", said.err);
}
