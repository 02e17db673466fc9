//! The page of metrics: names, labels and units are an interface.

use edgeward::core::metrics::handover::Batch;
use edgeward::core::metrics::ledger::{Account, Ledger};
use edgeward::core::metrics::{Readings, histogram};
use serde_json::json;

use crate::fixture::{NOW, Setup, claims_with, present, send_at};
use crate::native::Signer;

const THEN: i64 = NOW * 1_000;

#[test]
fn the_page_is_pinned() {
    let signer = Signer::hmac(1);
    let mut setup = Setup::new(&["HS256"], &signer);
    setup.has_relays = true;
    let other = json!({
        "name": "other",
        "issuer": "https://other.example",
        "audiences": ["api"],
        "algorithms": ["RS256"],
        "jwks_uri": "https://other.example/jwks",
        "introspection": {
            "url": "https://other.example/introspect",
            "client_id": "edge",
            "client_secret": "CLIENT_SECRET",
        },
    });
    setup.table["providers"].as_array_mut().unwrap().push(other);
    setup.secret("CLIENT_SECRET", "secret");
    setup.table["rules"] = json!([{ "path": "/public", "access": "public" }]);
    let gate = setup.gate();
    send_at(&gate, "GET\nhttps://edge.example/public", NOW);
    present(&gate, "garbage");
    let token = signer.token(&json!({ "alg": "HS256" }), &claims_with(json!({ "exp": NOW })));
    present(&gate, &token);

    gate.begin_keys(1, THEN);
    gate.hear_keys(1, Err("timeout".to_owned()), THEN).unwrap_err();
    // The whole way: the isolate, its relay, the hub.
    let mut ledger = Ledger::default();
    ledger.take(Batch::read(&gate.metrics_batch(THEN)).unwrap(), THEN);
    let mut account = Account::default();
    account.hear(&ledger.report(THEN), THEN);
    let mut sum = Readings::read(["#auth_revocation_entries 3", "^auth_hub_up 1"].into_iter());
    sum.take_all(&histogram("auth_revocation_propagation_seconds", 12));
    account.add_to(&mut sum, THEN);
    let page = gate.metrics_page(Some(sum.lines().as_bytes()), THEN);
    assert_eq!(page.body, include_str!("../fixtures/metrics.txt"));
}

#[test]
fn a_set_that_nobody_needs_any_more_says_nothing() {
    let mut setup = Setup::new(&["RS256"], &Signer::rsa());
    setup.has_relays = true;
    let provider = setup.table["providers"][0].as_object_mut().unwrap();
    provider.remove("keys");
    provider.insert("jwks_uri".to_owned(), "https://issuer.example/jwks".into());
    let gate = setup.gate();
    let says = |now| {
        let page = gate.metrics_page(None, now).body;
        ["auth_keys{", "auth_jwks_age_seconds{"].map(|series| page.contains(series))
    };
    assert_eq!(says(THEN), [false, false], "nobody has needed it");
    let set = json!({ "keys": [Signer::rsa().jwk("k1")] }).to_string().into_bytes();
    gate.begin_keys(0, THEN);
    gate.hear_keys(0, Ok((200, set)), THEN).unwrap();
    assert_eq!(says(THEN + 86_399_000), [true, true]);
    assert_eq!(says(THEN + 86_400_000), [false, false]);
    gate.begin_keys(0, THEN + 86_400_000);
    gate.hear_keys(0, Err("timeout".to_owned()), THEN + 86_400_000).unwrap_err();
    assert_eq!(says(THEN + 86_400_000), [true, true]);
}
