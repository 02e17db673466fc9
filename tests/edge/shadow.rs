//! Rules that only record, from outside: the site works as if there were no gate, until the operator says so.

use super::harness::{
    gate::ADMIN_TOKEN,
    guide::blocks,
    mint::{self, Key, token, token_with},
    *,
};

#[tokio::test]
async fn whom_the_rule_would_deny_the_origin_gets_and_the_operator_sees() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin)
        .set("forward.claim_to_headers", json!({ "X-Auth-Subject": "sub" }))
        .rule(json!({ "path": "/", "enforce": "shadow", "scopes_all": ["nobody-has-it"] }))
        .rule(json!({ "path": "/closed" }));
    let gate = Gate::start(setup).await;

    let token = token();
    let asked = get("/x?y=z").bearer(&token).header("X-Auth-Subject", "root");
    asked.header("X-Auth-Shadow", "nothing").send(&gate).await.must_pass();
    gate.logged(&["\"event\":\"warning\"", "AUTH.rules[0].enforce"]).await;
    let seen = origin.last();
    assert_eq!(seen.header("x-auth-shadow"), ["insufficient_scope"]);
    assert_eq!(seen.header("x-auth-subject"), [] as [&str; 0]);
    assert_eq!(seen.header("authorization"), [format!("Bearer {token}")]);
    let line = gate.logged(&["\"event\":\"shadow\"", "\"reason\":\"missing_scope\""]).await;
    assert!(line.contains("\"rule\":0") && line.contains("\"failure_id\""), "{line}");
    let trace = seen.header("traceparent")[0].split('-').nth(1).unwrap().to_owned();
    assert!(line.contains(&trace), "{line}");

    request("POST", "/").body("kept").send(&gate).await.must_pass();
    let seen = origin.last();
    assert_eq!((seen.header("x-auth-shadow"), &*seen.body), (vec!["missing_token"], &b"kept"[..]));

    get("/closed").send(&gate).await.must_be(401, "missing_token");
    let report = gate.report().await;
    assert_eq!(report["status"], "ready");
    assert_eq!(report["problems"][0]["path"], "AUTH.rules[0].enforce");
    assert_eq!(report["requests"]["denied"], json!({ "no_credentials": 1 }));
    let shadowed = json!({ "missing_scope": 1, "no_credentials": 1 });
    assert_eq!(report["requests"]["shadowed"], shadowed);
    gate.must_be_calm();
}

const GUIDE: &str = "docs/shadow.md";

/// The rules of a stage, as wrangler reads them in the guide.
async fn rules_of(stage: usize) -> Value {
    let toml = blocks(GUIDE, "toml").swap_remove(stage - 1);
    let (_, settings) = Program::start("tests/support/settings.mjs", &json!(toml)).await;
    settings["vars"]["AUTH"]["rules"].clone()
}

/// What a site has to do with, where the gate lets it through: the code with which it would be refused, or none.
async fn passes(gate: &Gate, origin: &Origin, request: client::Request, shadow: Option<&str>) {
    let before = origin.count();
    request.send(gate).await.must_pass();
    assert_eq!(origin.count(), before + 1);
    let seen = origin.last();
    assert_eq!(seen.header("x-auth-shadow"), shadow.as_slice());
    let identity = [seen.header("x-auth-subject"), seen.header("x-auth-assertion")];
    assert_eq!(identity.map(|values| values.len()), [usize::from(shadow.is_none()); 2], "{seen:?}");
}

/// Who asks for a page, and with which code the gate would refuse them.
fn visitors(target: &'static str) -> Vec<(client::Request, &'static str)> {
    let forged = Key::ec("p256", "P-256").token("ES256", &mint::claims());
    let root = ("X-Auth-Subject", "root");
    vec![
        (get(target), "missing_token"),
        (get(target).header(root.0, root.1), "missing_token"),
        (request("POST", target).body("a=b"), "missing_token"),
        (get(target).bearer(&forged), "invalid_token"),
        (get(target).bearer(&token_with(json!({ "exp": mint::now() - 100 }))), "expired_token"),
        (get(target).bearer("one").bearer("two"), "invalid_request"),
    ]
}

async fn shadow_rules(gate: &Gate) -> String {
    let page = get("/_edgeward/metrics").bearer(ADMIN_TOKEN).send(gate).await.text();
    page.lines().find(|line| line.starts_with("auth_shadow_rules ")).unwrap().to_owned()
}

async fn explained(gate: &Gate) -> Value {
    let question = request("POST", "/_edgeward/explain").bearer(ADMIN_TOKEN);
    let answer = question.body(r#"{"path": "/admin/x"}"#).send(gate).await.json();
    json!([answer["decision"], answer["code"], answer["rule"]])
}

/// The three stages of the guide, one gate after the other before the same origin.
#[tokio::test]
async fn the_guide_leads_a_live_site_from_nobody_refused_to_everybody_checked() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let stage = async |number: usize| {
        let setup = Setup::new(&origin)
            .assertion(60)
            .relays(&relays)
            .set("forward.claim_to_headers", json!({ "X-Auth-Subject": "sub" }))
            .set("rules", rules_of(number).await);
        Gate::start(setup).await
    };
    let admin = token_with(json!({ "scope": "admin" }));

    // Nobody is refused, whoever they are.
    let gate = stage(1).await;
    assert_eq!(shadow_rules(&gate).await, "auth_shadow_rules 2");
    assert_eq!(explained(&gate).await, json!(["shadow", "missing_token", 2]));
    let mut shadowed = 0;
    for target in ["/", "/admin/x"] {
        for (request, code) in visitors(target) {
            passes(&gate, &origin, request, Some(code)).await;
            shadowed += 1;
        }
    }
    passes(&gate, &origin, get("/").bearer(&token()), None).await;
    assert_eq!(origin.last().header("authorization").len(), 1, "tokens stay");
    passes(&gate, &origin, get("/admin/x").bearer(&token()), Some("insufficient_scope")).await;
    passes(&gate, &origin, get("/admin/x").bearer(&admin), None).await;
    get("/public/x").send(&gate).await.must_pass();
    assert_eq!(origin.last().header("x-auth-shadow"), [] as [&str; 0]);
    let report = gate.report().await;
    assert_eq!(report["requests"]["denied"], json!({}));
    let counted = report["requests"]["shadowed"].as_object().unwrap().values();
    assert_eq!(counted.filter_map(Value::as_u64).sum::<u64>(), shadowed + 1);
    gate.logged(&["\"event\":\"shadow\"", "\"reason\":\"bad_signature\""]).await;
    gate.must_be_calm();
    // What the guide says of every stage.
    get("/a%2f..%2fb").send(&gate).await.must_be(400, "invalid_request");
    get("/a%00").send(&gate).await.must_be(400, "invalid_request");
    request("TRACE", "/").send(&gate).await.must_be(405, "method_not_allowed");
    drop(gate);

    // One path is refused, in any spelling; everything else is as before.
    let gate = stage(2).await;
    assert_eq!(shadow_rules(&gate).await, "auth_shadow_rules 1");
    assert_eq!(explained(&gate).await, json!(["deny", "missing_token", 2]));
    let before = origin.count();
    for target in ["/admin/x", "//admin/x", "/%61dmin/x", "/ADMIN/x"] {
        for (request, code) in visitors(target) {
            assert_eq!(request.send(&gate).await.code(), code, "{target}");
        }
    }
    get("/admin/x").bearer(&token()).send(&gate).await.must_be(403, "insufficient_scope");
    assert_eq!(origin.count(), before);
    passes(&gate, &origin, get("/admin/x").bearer(&admin), None).await;
    assert_eq!(origin.last().header("authorization"), [] as [&str; 0], "it is taken out");
    for (request, code) in visitors("/") {
        passes(&gate, &origin, request, Some(code)).await;
    }
    drop(gate);

    // Everything is.
    let gate = stage(3).await;
    assert_eq!(shadow_rules(&gate).await, "auth_shadow_rules 0");
    let before = origin.count();
    for target in ["/", "/admin/x"] {
        for (request, code) in visitors(target) {
            assert_eq!(request.send(&gate).await.code(), code, "{target}");
        }
    }
    assert_eq!(origin.count(), before);
    passes(&gate, &origin, get("/").bearer(&token()), None).await;
    passes(&gate, &origin, get("/admin/x").bearer(&admin), None).await;
    get("/public/x").send(&gate).await.must_pass();
    assert_eq!(gate.report().await["problems"], json!([]));
    gate.must_be_calm();
    drop(gate);

    // And back again.
    let gate = stage(2).await;
    passes(&gate, &origin, get("/"), Some("missing_token")).await;
}
