//! workerd ends in the middle of things, and starts again on what is on disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::*;

/// How often workerd is killed at random.
const ROUNDS: u64 = 15;
/// How many admins revoke at the same time.
const CLIENTS: usize = 4;

/// Sends an order and does not wait for the answer.
fn order(gate: &Gate, jti: &str) -> tokio::task::JoinHandle<Option<Reply>> {
    let (addr, jti) = (gate.addr, jti.to_owned());
    tokio::spawn(async move {
        let order = admin_request("POST", "/revocations", Some(json!({ "jti": jti })));
        client::try_raw(addr, &order.bytes()).await.ok()
    })
}

/// Starts anew, with everything in order, and fails unless exactly the tokens of these names are out, by
/// the word of the list and in every isolate.
async fn exactly(origin: &Origin, relays: &Relays, out: &[&str], others: &[&str]) -> Vec<Gate> {
    relays.mend();
    let gates = Gate::start_all(setup(origin, relays).isolates(3)).await;
    let names: Vec<_> = listed(&gates[0]).await.iter().map(|one| one["jti"].clone()).collect();
    assert_eq!(names, out);
    for gate in &gates {
        for (names, is_out) in [(out, true), (others, false)] {
            for jti in names {
                assert_eq!(refused(gate, &token(jti)).await, is_out, "{jti}");
            }
        }
    }
    gates
}

#[tokio::test]
async fn an_order_that_did_not_reach_the_hub_is_none() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    revoked(&gate, json!({ "jti": "before" })).await;
    relays.fail("/hub/append", Fault::Hang);
    let sent = order(&gate, "lost");
    eventually("it is on its way", async || relays.calls("/hub/append") == 2).await;
    gate.kill();
    assert!(sent.await.unwrap().is_none(), "nobody can have answered");
    let gates = exactly(&origin, &relays, &["before"], &["lost"]).await;
    assert_eq!(revoked(&gates[1], json!({ "jti": "lost" })).await["sequence"], 2);
}

#[tokio::test]
async fn what_a_relay_is_being_told_is_on_disk_already() {
    for fault in [Fault::Hang, Fault::Down, Fault::AnswerLost] {
        let (origin, relays) = (Origin::start().await, Relays::start().await);
        let gate = Gate::start(setup(&origin, &relays)).await;
        assert!(!refused(&gate, &token("a")).await);
        relays.fail("/relay/push", fault);
        let sent = order(&gate, "a");
        // Nothing leaves the hub before it is durable.
        eventually("it is told", async || relays.calls("/relay/push") > 0).await;
        gate.kill();
        drop(sent.await);
        let gates = exactly(&origin, &relays, &["a"], &["b"]).await;
        assert_eq!(revoked(&gates[0], json!({ "jti": "b" })).await["sequence"], 2, "{fault:?}");
    }
}

#[tokio::test]
async fn what_was_done_and_not_answered_holds_and_asked_again_is_the_same() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    relays.fail("/hub/append", Fault::AnswerLost);
    let reply = revoke(&gate, json!({ "jti": "a" })).await;
    reply.must_be(503, "hub_unavailable");
    gate.kill();
    let gates = exactly(&origin, &relays, &["a"], &["b"]).await;
    let again = revoke(&gates[0], json!({ "jti": "a" })).await;
    assert_eq!((again.status, &again.json()["sequence"]), (200, &json!(1)));
}

#[tokio::test]
async fn an_answer_holds_in_every_isolate_after_the_end() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gates = Gate::start_all(setup(&origin, &relays).isolates(3)).await;
    for (gate, continent) in gates.iter().zip(["EU", "AS", "SA"]) {
        let place = json!({ "continent": continent }).to_string();
        get("/").bearer(&token("x")).header("CF-Blob", &place).send(gate).await.must_pass();
    }
    let ids = [
        revoked(&gates[0], json!({ "jti": "a" })).await["id"].clone(),
        revoked(&gates[1], json!({ "jti": "b" })).await["id"].clone(),
    ];
    assert_eq!(undo(&gates[2], &ids[0]).await.status, 200);
    gates[0].kill();
    let gates = exactly(&origin, &relays, &["b"], &["a"]).await;
    assert_eq!(undo(&gates[2], &ids[1]).await.json()["sequence"], 4);
    gates[0].kill();
    exactly(&origin, &relays, &[], &["a", "b"]).await;
}

#[tokio::test]
async fn a_relay_keeps_its_copy_and_vouches_for_nothing_without_the_hub() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    assert!(!refused(&gate, &token("a")).await);
    // It takes what it is told; that it has, the hub does not hear.
    relays.fail("/relay/push", Fault::AnswerLost);
    relays.fail("/hub/delta", Fault::Down);
    assert_eq!(revoked(&gate, json!({ "jti": "a" })).await["relays"]["acknowledged"], 0);
    gate.kill();

    relays.fail("/hub/", Fault::Down);
    let gate = Gate::start(setup(&origin, &relays)).await;
    for jti in ["a", "b"] {
        get("/").bearer(&token(jti)).send(&gate).await.must_be(503, "auth_unavailable");
    }
    gate.kill();
    let lenient = setup(&origin, &relays)
        .set("revocation.on_stale", "serve")
        .var("ALLOW_DEGRADED_AUTH", "true");
    let gate = Gate::start(lenient).await;
    assert!(refused(&gate, &token("a")).await);
    get("/").bearer(&token("b")).send(&gate).await.must_pass();
    assert_eq!(origin.last().header("x-auth-degraded"), ["revocation-stale"]);
    relays.mend();
    eventually("it is current", async || {
        get("/").bearer(&token("b")).send(&gate).await.must_pass();
        origin.last().header("x-auth-degraded").is_empty()
    })
    .await;
    assert!(refused(&gate, &token("a")).await);
}

/// What has to be so after everything that an admin was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// Revoked: 201, under this number.
    Out(u64),
    /// Passing again: undone, 200.
    Undone,
    /// One or the other: the last request about it was not answered.
    Either,
}

/// What is known of the orders so far, by their `jti`.
#[derive(Default)]
struct Orders {
    expected: BTreeMap<String, Expected>,
    /// The numbers in all answers.
    numbers: BTreeSet<u64>,
}

impl Orders {
    /// Fails unless the list is as expected and has nothing that was never sent, and unless isolates say
    /// the same about the last ones.
    async fn must_agree(&self, gates: &[Gate], last: &BTreeSet<String>) {
        let rows = listed(&gates[0]).await;
        let row = |row: &Value| {
            (row["jti"].as_str().unwrap().to_owned(), row["sequence"].as_u64().unwrap())
        };
        let in_list: BTreeMap<String, u64> = rows.iter().map(row).collect();
        assert_eq!(in_list.len(), rows.len(), "each is there once");
        for jti in in_list.keys() {
            assert!(self.expected.contains_key(jti), "nobody asked for {jti}");
        }
        for (jti, expected) in &self.expected {
            let found = in_list.get(jti);
            match expected {
                Expected::Out(number) => assert_eq!(found, Some(number), "{jti}"),
                Expected::Undone => assert_eq!(found, None, "{jti}"),
                Expected::Either => {}
            }
        }
        for (at, jti) in last.iter().enumerate() {
            let is_out = refused(&gates[at % gates.len()], &token(jti)).await;
            assert_eq!(is_out, in_list.contains_key(jti), "{jti}");
        }
    }

    /// Takes an answer, or that there was none.
    fn note(&mut self, jti: &str, reply: Option<&Reply>, previous: &mut u64) {
        let expected = match reply {
            None => Expected::Either,
            Some(reply) => {
                let said = reply.json();
                let number = said["sequence"].as_u64().unwrap_or_else(|| panic!("{said}"));
                assert!(number > *previous, "{jti}: {number} comes after {previous}");
                assert!(self.numbers.insert(number), "{number} was used before");
                *previous = number;
                match reply.status {
                    201 => Expected::Out(number),
                    200 => Expected::Undone,
                    other => panic!("{other}: {said}"),
                }
            }
        };
        self.expected.insert(jti.to_owned(), expected);
    }
}

/// Revokes, and undoes every third from the first one on, until nobody answers any more.
async fn work(
    addr: SocketAddr,
    name: String,
    answers: Arc<AtomicUsize>,
) -> Vec<(String, Option<Reply>)> {
    let mut outcomes = Vec::new();
    for turn in 0.. {
        let jti = format!("{name}-{turn}");
        let order = admin_request("POST", "/revocations", Some(json!({ "jti": jti })));
        let Ok(made) = client::try_raw(addr, &order.bytes()).await else {
            outcomes.push((jti, None));
            break;
        };
        answers.fetch_add(1, Ordering::SeqCst);
        let target = format!("/revocations/{}", made.json()["id"].as_str().unwrap());
        outcomes.push((jti.clone(), Some(made)));
        if turn % 3 == 0 {
            let undo = admin_request("DELETE", &target, None);
            let undone = client::try_raw(addr, &undo.bytes()).await.ok();
            let is_over = undone.is_none();
            outcomes.push((jti, undone));
            if is_over {
                break;
            }
        }
    }
    outcomes
}

#[tokio::test]
async fn whenever_workerd_is_killed_what_was_acknowledged_holds_and_nothing_else_appears() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let mut orders = Orders::default();
    let mut last = BTreeSet::new();
    // xorshift (Marsaglia 2003).
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..=ROUNDS {
        let gates = Gate::start_all(setup(&origin, &relays).isolates(2)).await;
        orders.must_agree(&gates, &last).await;
        if round == ROUNDS {
            gates[0].must_be_calm();
            break;
        }
        let answers = Arc::<AtomicUsize>::default();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let addr = gates[client % gates.len()].addr;
                tokio::spawn(work(addr, format!("{round}-{client}"), Arc::clone(&answers)))
            })
            .collect();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // However busy the machine is.
        eventually("some are made", async || answers.load(Ordering::SeqCst) >= 2 * CLIENTS).await;
        tokio::time::sleep(Duration::from_millis(random % 300)).await;
        gates[0].kill();
        last.clear();
        let before = orders.numbers.last().copied().unwrap_or_default();
        for client in clients {
            let mut previous = before;
            for (jti, reply) in client.await.unwrap() {
                orders.note(&jti, reply.as_ref(), &mut previous);
                last.insert(jti);
            }
        }
    }
    println!("{} answers", orders.numbers.len());
    let count =
        |kind: fn(&Expected) -> bool| orders.expected.values().filter(|it| kind(it)).count();
    assert!(count(|it| matches!(it, Expected::Out(_))) > 50, "hardly anything was revoked");
    assert!(count(|it| *it == Expected::Undone) > 20, "hardly anything was undone");
    assert!(count(|it| *it == Expected::Either) > 20, "workerd was never killed in the middle");
}
