//! What a panic costs: the instance of the wasm in its isolate, with all that it remembers. Nothing is known to
//! bring one about, so a call that throws on its way through the wasm does it here: to the runtime, and to the
//! generated bindings, that is the same. One of Rust is in `tests/vectors/panics.rs`.

use std::time::Duration;

use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::mpsc,
    task::JoinHandle,
};

use super::harness::{
    gate::ADMIN_TOKEN,
    mint::{self, P256, token, token_with},
    *,
};

/// The issuer whose keys are fetched.
const PUBLISHING: &str = "https://publishing.example";

/// A provider whose keys are fetched from there.
fn publishing(keys: &Faults) -> Value {
    json!({
        "name": "publishing",
        "issuer": PUBLISHING,
        "audiences": [mint::AUDIENCE],
        "algorithms": ["ES256"],
        "jwks_uri": format!("http://{}/jwks", keys.addr),
    })
}

fn sent(gate: &Gate, request: &client::Request) -> JoinHandle<Reply> {
    let (address, bytes) = (gate.addr, request.bytes());
    tokio::spawn(async move { client::raw(address, &bytes).await })
}

/// A published set of keys is waited for inside the wasm, an answer of the origin outside of it.
#[tokio::test]
async fn a_panic_ends_what_waits_inside_the_wasm_and_nothing_else() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let slow = Faults::start().await;
    slow.pass_to(origin.addr);
    let keys = Faults::answering(|_| Reply::new(200, mint::jwks(&[&P256]))).await;
    let setup = Setup::before(slow.addr).relays(&relays).set("providers.1", publishing(&keys));
    let gates = Gate::start_all(setup.isolates(2)).await;
    for gate in &gates {
        get("/").bearer(&token()).send(gate).await.must_pass();
    }

    keys.set(Mode::Hang).await;
    let for_keys = get("/").bearer(&token_with(json!({ "iss": PUBLISHING })));
    let inside = [0, 1].map(|isolate| sent(&gates[isolate], &for_keys));
    keys.until("/jwks", 2).await;
    slow.set(Mode::Slow(Duration::from_millis(500))).await;
    let at_origin = [0, 1].map(|isolate| sent(&gates[isolate], &get("/slow").bearer(&token())));
    slow.until("/slow", 2).await;
    slow.set(Mode::Hang).await;
    let at_failing = [0, 1].map(|isolate| sent(&gates[isolate], &get("/fails").bearer(&token())));
    slow.until("/fails", 2).await;

    relays.reset(&gates[0]).await;
    // The next request has a new instance at once. It hangs as the others do, and ends as they do.
    let next = sent(&gates[0], &get("/next").bearer(&token()));
    slow.until("/next", 1).await;
    for reply in at_origin {
        reply.await.unwrap().must_pass();
    }
    slow.set(Mode::Refused).await;
    slow.set(Mode::Pass).await;
    for reply in at_failing.into_iter().chain([next]) {
        reply.await.unwrap().must_be(502, "origin_unreachable");
    }
    let [lost, other] = inside;
    other.await.unwrap().must_be(503, "auth_unavailable");
    let lost = lost.await.unwrap();
    assert_eq!((lost.status, lost.text().as_str()), (500, "Internal Server Error"));

    // What an instance counts and remembers has gone with it; the other isolate noticed nothing.
    for gate in &gates {
        get("/").bearer(&token()).send(gate).await.must_pass();
    }
    let reports = [gates[0].report().await, gates[1].report().await];
    let permitted = reports.map(|report| report["requests"]["permitted"].clone());
    assert_eq!(permitted, [json!(2), json!(4)]);
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WaitsFor {
    Origin,
    Keys,
    Kv,
}

/// Until somebody calls, nothing has started the next instance. Whoever calls first may be one of the old one, with
/// pointers into its memory.
#[tokio::test]
async fn what_comes_back_first_after_a_panic_is_not_let_into_the_next_instance() {
    for waits in [WaitsFor::Origin, WaitsFor::Keys, WaitsFor::Kv] {
        let (origin, relays, kv) =
            (Origin::start().await, Relays::start().await, Kv::start().await);
        let slow = Faults::start().await;
        slow.pass_to(origin.addr);
        let keys = Faults::answering(|_| Reply::new(200, mint::jwks(&[&P256]))).await;
        let setup = Setup::before(slow.addr)
            .relays(&relays)
            .kv(&kv)
            .assertion(60)
            .set("validation_cache_timeout_ms", 5_000)
            .set("providers.1", publishing(&keys));
        let gate = Gate::start(setup).await;
        get("/").bearer(&token()).send(&gate).await.must_pass();

        let faulty = match waits {
            WaitsFor::Origin => &slow,
            WaitsFor::Keys => &keys,
            WaitsFor::Kv => &kv.faults,
        };
        faulty.set(Mode::Hang).await;
        let before = faulty.count_of(|_, _| true);
        let issuer = if waits == WaitsFor::Origin { mint::ISSUER } else { PUBLISHING };
        let asked = sent(&gate, &get("/waits").bearer(&token_with(json!({ "iss": issuer }))));
        eventually("it waits", async || faulty.count_of(|_, _| true) > before).await;
        relays.reset(&gate).await;
        // The connection breaks, and nothing is between.
        faulty.set(Mode::Refused).await;
        let reply = asked.await.unwrap();
        assert!(matches!(reply.status, 500 | 502), "{waits:?}: {} {}", reply.status, reply.text());

        faulty.set(Mode::Pass).await;
        for _ in 0..50 {
            get("/").bearer(&token()).send(&gate).await.must_pass();
        }
        assert_eq!(gate.report().await["requests"]["permitted"], 50, "{waits:?}");
        let log = gate.log();
        for trouble in ["panic", "RuntimeError", "unreachable", "out of bounds"] {
            assert!(!log.contains(trouble), "{waits:?}: {log}");
        }
    }
}

#[tokio::test]
async fn bodies_go_on_streaming_while_the_instance_ends() {
    let (sender, chunks) = mpsc::channel(1);
    let chunks = std::sync::Mutex::new(Some(chunks));
    let origin = Origin::answering(move |seen| match seen.target.as_str() {
        "/download" => Answer::Chunks("text/plain", chunks.lock().unwrap().take().unwrap()),
        _ => Answer::ok(),
    })
    .await;
    let relays = Relays::start().await;
    let gate = Gate::start(Setup::new(&origin).relays(&relays)).await;

    let mut upload = TcpStream::connect(gate.addr).await.unwrap();
    let head = request("POST", "/upload").bearer(&token()).header("Content-Length", "12");
    upload.write_all(&head.bytes()).await.unwrap();
    upload.write_all(b"before").await.unwrap();
    origin.until(|seen| seen.target == "/upload" && seen.body == b"before").await;
    let download = sent(&gate, &get("/download").bearer(&token()));
    sender.send("before ".to_owned()).await.unwrap();
    origin.until(|seen| seen.target == "/download").await;

    relays.reset(&gate).await;
    get("/").bearer(&token()).send(&gate).await.must_pass();
    sender.send("and after".to_owned()).await.unwrap();
    drop(sender);
    let download = download.await.unwrap();
    assert_eq!((download.status, download.text().as_str()), (200, "before and after"));
    upload.write_all(b" after").await.unwrap();
    Reply::read(&mut BufReader::new(upload), false).await.unwrap().must_pass();
    let seen = origin.hits().into_iter().find(|seen| seen.target == "/upload").unwrap();
    assert_eq!(seen.body, b"before after");
    gate.must_be_calm();
}

/// Of two isolates, the one that has been reset and one that nobody has asked yet say the same, whatever can be
/// reached.
#[tokio::test]
async fn after_a_panic_revocations_are_known_as_after_a_start() {
    let (origin, relays, kv) = (Origin::start().await, Relays::start().await, Kv::start().await);
    let revoke = async |gate: &Gate, jti: &str| {
        let order = request("POST", "/_edgeward/revocations").bearer(ADMIN_TOKEN);
        let reply = order.body(&json!({ "jti": jti }).to_string()).send(gate).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
    };
    let verdict = async |gate: &Gate, jti: &str| {
        let reply = get("/").bearer(&token_with(json!({ "jti": jti }))).send(gate).await;
        match reply.status {
            200 => (200, String::new()),
            _ => reply.verdict(),
        }
    };
    let passes = || (200, String::new());
    let revoked = || (401, "revoked_token".to_owned());
    let unknown = || (503, "auth_unavailable".to_owned());

    revoke(&Gate::start(Setup::new(&origin).relays(&relays)).await, "out").await;
    for (with_kv, fault, [out, other]) in [
        (true, None, [revoked(), passes()]),
        (true, Some(Fault::Down), [revoked(), passes()]),
        (false, None, [revoked(), passes()]),
        (false, Some(Fault::Down), [unknown(), unknown()]),
        (false, Some(Fault::Hang), [unknown(), unknown()]),
    ] {
        relays.mend();
        let setup = Setup::new(&origin)
            .relays(&relays)
            .assertion(60)
            .set("validation_cache_timeout_ms", 5_000)
            .set("revocation.timeout_ms", 300);
        let setup = if with_kv { setup.kv(&kv) } else { setup };
        let gates = Gate::start_all(setup.isolates(2)).await;
        assert_eq!(verdict(&gates[0], "other").await, passes());
        assert_eq!(verdict(&gates[0], "out").await, revoked());
        if with_kv {
            eventually("it is published", async || kv.entries().len() == 2).await;
        }
        if let Some(fault) = fault {
            relays.fail("/relay/", fault);
        }
        let case = format!("{with_kv} {fault:?}");
        // Hub and relay live in the isolate that is reset.
        relays.reset(&gates[0]).await;
        for gate in &gates {
            assert_eq!(verdict(gate, "out").await, out, "{case}");
            assert_eq!(verdict(gate, "other").await, other, "{case}");
        }
        relays.mend();
        for gate in &gates {
            eventually("everybody knows again", async || {
                verdict(gate, "out").await == revoked() && verdict(gate, "other").await == passes()
            })
            .await;
        }
        let next = format!("next {case}");
        revoke(&gates[0], &next).await;
        for gate in &gates {
            eventually("it is out", async || verdict(gate, &next).await == revoked()).await;
        }
    }
}
