//! A rule that only records, from outside: the site works as if there were no gate.

use super::harness::{mint::token, *};

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
