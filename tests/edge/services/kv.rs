//! A KV namespace as a Worker sees it in workerd.

use std::time::Duration;

use super::{super::harness::mint::now, *};

/// A Worker with this namespace.
async fn worker(kv: &Kv) -> Obedient {
    Obedient::start(&Setup::new(&Origin::start().await).kv(kv)).await
}

/// Calls a function of the namespace.
async fn call(worker: &Obedient, name: &str, args: Value) -> Value {
    worker.told(json!({ "binding": "AUTH_KV", "call": name, "args": args })).await
}

#[tokio::test]
async fn values_come_back() {
    let kv = Kv::start().await;
    let worker = worker(&kv).await;
    for key in ["validation:v1:abc_-", "a/b c+d%2F?x=1&y#é", "%", "日本"] {
        assert_eq!(call(&worker, "get", json!([key])).await, json!({ "value": null }));
        call(&worker, "put", json!([key, "grün"])).await;
        assert_eq!(kv.get(key).unwrap().value, "grün".as_bytes());
        let options = json!({ "cacheTtl": 30, "type": "text" });
        assert_eq!(call(&worker, "get", json!([key, options])).await, json!({ "value": "grün" }));
        assert_eq!(call(&worker, "delete", json!([key])).await, json!({ "value": null }));
        assert_eq!(call(&worker, "delete", json!([key])).await, json!({ "value": null }));
        assert_eq!(kv.get(key), None);
    }
    assert_eq!((kv.gets(), kv.puts(), kv.deletes(), kv.lists()), (8, 4, 8, 0));

    kv.put("poisoned", [0, 255, 1]);
    let value = call(&worker, "get", json!(["poisoned", "arrayBuffer"])).await;
    assert_eq!(value, json!({ "value": [0, 255, 1] }));
}

#[tokio::test]
async fn entries_have_an_end_and_metadata() {
    let kv = Kv::start().await;
    let worker = worker(&kv).await;
    let options = json!({ "expirationTtl": 60, "metadata": { "für": [1] } });
    let before = now();
    call(&worker, "put", json!(["a", "1", options])).await;
    let entry = kv.get("a").unwrap();
    assert!((before + 60..=now() + 60).contains(&entry.expiration.unwrap()), "{entry:?}");
    assert_eq!(entry.metadata.as_deref(), Some(r#"{"für":[1]}"#));
    let value = call(&worker, "getWithMetadata", json!(["a"])).await;
    assert_eq!(value["value"]["metadata"], json!({ "für": [1] }), "{value}");

    call(&worker, "put", json!(["b", "2", { "expiration": now() + 1000 }])).await;
    kv.advance(60);
    assert_eq!(call(&worker, "get", json!(["a"])).await, json!({ "value": null }));
    assert_eq!(kv.entries().into_keys().collect::<Vec<_>>(), ["b"]);
}

#[tokio::test]
async fn what_the_real_one_refuses_is_refused() {
    let kv = Kv::start().await;
    let worker = worker(&kv).await;
    let key = "k".repeat(512);
    assert_eq!(call(&worker, "put", json!([key, "x"])).await, json!({ "value": null }));
    let refused = [
        ("put", json!(["k", "x", { "expirationTtl": 59 }]), "KV PUT failed: 400"),
        ("put", json!(["k", "x", { "expirationTtl": -1 }]), "KV PUT failed: 400"),
        ("put", json!(["k", "x", { "expiration": now() + 10 }]), "KV PUT failed: 400"),
        ("put", json!(["k", "x", { "metadata": "m".repeat(1023) }]), "KV PUT failed: 413"),
        ("get", json!(["k", { "cacheTtl": 29 }]), "KV GET failed: 400"),
        ("get", json!(["k".repeat(513)]), "KV GET failed: 414"),
    ];
    for (name, args, error) in refused {
        let outcome = call(&worker, name, args).await;
        assert!(outcome["error"].as_str().is_some_and(|it| it.contains(error)), "{outcome}");
    }
    assert_eq!(kv.entries().into_keys().collect::<Vec<_>>(), [key]);

    // workerd itself refuses long keys, and telling it long values takes long.
    let addr = kv.faults.addr;
    assert_eq!(ask(addr, &format!("/{}", "k".repeat(513))).await.status, 414);
    for (length, status) in [(25 << 20, 200), ((25 << 20) + 1, 413)] {
        let request = request("PUT", "/long").body(&"x".repeat(length));
        assert_eq!(raw(addr, &request.bytes()).await.status, status, "{length}");
    }
}

#[tokio::test]
async fn keys_are_listed_in_pages() {
    let kv = Kv::start().await;
    let worker = worker(&kv).await;
    for key in ["a:1", "a:2", "a:3", "b"] {
        kv.put(key, "x");
    }
    let list = async |options: Value| {
        let list = call(&worker, "list", json!([options])).await["value"].clone();
        let names = list["keys"].as_array().unwrap().iter().map(|key| key["name"].clone());
        (names.collect::<Value>(), list["list_complete"].clone(), list["cursor"].clone())
    };
    let (names, complete, cursor) = list(json!({ "prefix": "a:", "limit": 2 })).await;
    assert_eq!((names, complete), (json!(["a:1", "a:2"]), json!(false)));
    let rest = list(json!({ "prefix": "a:", "limit": 2, "cursor": cursor })).await;
    assert_eq!(rest, (json!(["a:3"]), json!(true), Value::Null));
    assert_eq!(list(json!({})).await.0, json!(["a:1", "a:2", "a:3", "b"]));
    assert_eq!(kv.lists(), 3);
}

#[tokio::test]
async fn it_can_fail() {
    let kv = Kv::start().await;
    kv.put("a", "{}");
    let worker = worker(&kv).await;
    let json = || json!(["a", "json"]);
    let cases = [
        (Mode::status(500), Some("KV GET failed: 500")),
        (Mode::status(429), Some("KV GET failed: 429")),
        (Mode::Garbage, Some("SyntaxError")),
        (Mode::HalfBody, Some("")),
        (Mode::Reset, Some("")),
        (Mode::Refused, Some("")),
        (Mode::Slow(Duration::from_millis(1)), None),
    ];
    for (mode, error) in cases {
        kv.faults.set(mode.clone()).await;
        let outcome = call(&worker, "get", json()).await;
        match error {
            Some(part) => assert!(
                outcome["error"].as_str().is_some_and(|it| it.contains(part)),
                "{mode:?}: {outcome}"
            ),
            None => assert_eq!(outcome, json!({ "value": {} }), "{mode:?}"),
        }
    }

    kv.faults.set(Mode::Hang).await;
    let hangs = call(&worker, "get", json());
    let path = "/a";
    tokio::select! {
        outcome = hangs => panic!("{outcome}"),
        () = kv.faults.until(path, 7) => {}
    }
}

#[tokio::test]
async fn several_workers_share_one() {
    let kv = Kv::start().await;
    let (one, other) = (worker(&kv).await, worker(&kv).await);
    call(&one, "put", json!(["a", "from one"])).await;
    assert_eq!(call(&other, "get", json!(["a"])).await, json!({ "value": "from one" }));
}

/// The built Worker comes up with the binding, and a second one beside it.
#[tokio::test]
async fn gates_share_one() {
    let (origin, kv) = (Origin::start().await, Kv::start().await);
    let setup = || Setup::new(&origin).kv(&kv);
    let gates = [Gate::start(setup()).await, Gate::start(setup()).await];
    for gate in &gates {
        get("/").bearer(&mint::token()).send(gate).await.must_pass();
        gate.must_be_calm();
    }
}
