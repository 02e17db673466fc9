//! The first deploy as docs/deploy.md has it, as far as a machine without Cloudflare goes.

use std::process::Command;

use tempfile::TempDir;

use super::{
    harness::{gate::ADMIN_TOKEN, guide::block, *},
    workerd,
};

const GUIDE: &str = "docs/deploy.md";

#[tokio::test]
async fn the_settings_and_the_keys_of_the_first_deploy_are_good() {
    // Step 4: the commands, with a home of their own.
    let home = TempDir::new().unwrap();
    let node = workerd::root().join("node_modules/.bin");
    let path = format!("{}:{}", node.display(), std::env::var("PATH").unwrap());
    for words in ["umask 077", "dsaEncoding"] {
        let mut command = Command::new("bash");
        command.args(["-ec", &block(GUIDE, "sh", words)]);
        let output = command.env("HOME", home.path()).env("PATH", &path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let read = |name: &str| {
        let path = home.path().join("edgeward-keys").join(name);
        std::fs::read_to_string(path).unwrap().trim().to_owned()
    };

    // Steps 2 and 5.
    let toml = block(GUIDE, "toml", "zone_name");
    let (_, settings) = Program::start("tests/support/settings.mjs", &json!(toml)).await;
    assert_eq!(settings["workers_dev"], false);
    assert_eq!(settings["durable_objects"]["bindings"].as_array().unwrap().len(), 2);
    let (origin, relays, kv) = (Origin::start().await, Relays::start().await, Kv::start().await);
    let setup = Setup::new(&origin)
        .auth(settings["vars"]["AUTH"].clone())
        .set("origin", format!("http://{}", origin.addr))
        .var("ALLOW_DEGRADED_AUTH", settings["vars"]["ALLOW_DEGRADED_AUTH"].as_str().unwrap())
        .secret("JWT_KEYS", &read("issuer.jwks.json"))
        .secret("ASSERTION_KEY", &read("assertion.jwk.json"))
        .secret("ADMIN_TOKEN", &read("admin.txt"))
        .relays(&relays)
        .kv(&kv);
    let gate = Gate::start(setup).await;

    let health = get("/_edgeward/health").bearer(&read("admin.txt")).send(&gate).await.json();
    let facts = ["status", "problems", "warnings"].map(|name| health[name].clone());
    assert_eq!(facts, [json!("ready"), json!([]), json!([])]);
    assert_eq!(health["providers"][0]["keys"][0]["kid"], "trial");
    get("/_edgeward/metrics").bearer(ADMIN_TOKEN).send(&gate).await.must_be(401, "unauthorized");
    get("/").send(&gate).await.must_be(401, "missing_token");
    get("/public/x").send(&gate).await.must_pass();
    get("/x").bearer(&read("token.txt")).send(&gate).await.must_pass();
    let seen = origin.last();
    assert_eq!(seen.header("x-auth-subject"), ["trial"]);
    assert_eq!(seen.header("x-auth-assertion").len(), 1);
    gate.must_be_calm();
}
