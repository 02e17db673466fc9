//! What an operator sees of the whole deployment, whatever becomes of its parts.
#![allow(clippy::float_cmp, reason = "whole numbers, as they are printed")]

use std::collections::BTreeMap;

use super::harness::{
    gate::ADMIN_TOKEN,
    mint::{token, token_with},
    sockets::{Sockets, ending, open},
    *,
};
use super::revocations::revoked;

fn setup(origin: &Origin, relays: &Relays) -> Setup {
    Setup::new(origin).relays(relays)
}

async fn scrape(gate: &Gate) -> Reply {
    get("/_edgeward/metrics").bearer(ADMIN_TOKEN).send(gate).await
}

/// The page, by series.
async fn metrics(gate: &Gate) -> BTreeMap<String, f64> {
    let reply = scrape(gate).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let page = reply.text();
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, number) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), number.parse().unwrap())
        })
        .collect()
}

const PERMITTED: &str = r#"auth_requests_total{decision="permitted",code="none"}"#;
const PROPAGATED: &str = "auth_revocation_propagation_seconds_count";
const CLOSED: &str = "auth_websockets_closed_total";
const DENIED: &str = r#"auth_requests_total{decision="denied",code="missing_token"}"#;

async fn pass(gate: &Gate, times: usize) {
    for _ in 0..times {
        get("/").bearer(&token()).send(gate).await.must_pass();
    }
}

#[tokio::test]
async fn the_page_adds_up_all_isolates() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gates = Gate::start_all(setup(&origin, &relays).isolates(3)).await;
    for (gate, (times, continent)) in gates.iter().zip([(2, "EU"), (3, "AS"), (5, "AS")]) {
        let place = json!({ "continent": continent }).to_string();
        for _ in 0..times {
            let asked = get("/").header("CF-Blob", &place);
            asked.bearer(&token()).send(gate).await.must_pass();
        }
        get("/").send(gate).await.must_be(401, "missing_token");
    }
    // Those that nobody asks any more hand over the rest by themselves.
    eventually("everything is handed over", async || metrics(&gates[0]).await[PERMITTED] == 10.0)
        .await;
    let page = metrics(&gates[1]).await;
    assert_eq!((page[PERMITTED], page[DENIED]), (10.0, 3.0));
    assert_eq!(page[r#"auth_denials_total{reason="no_credentials"}"#], 3.0);
    assert_eq!(page["auth_validation_duration_seconds_count"], 13.0);
    assert_eq!((page["auth_isolates"], page["auth_relays"], page["auth_hub_up"]), (3.0, 2.0, 1.0));
    gates[0].must_be_calm();
}

/// Everything that was counted, as often as it takes until all of it is known.
async fn all_of(gate: &Gate, series: &str, number: f64) {
    eventually(series, async || {
        let known = metrics(gate).await.get(series).copied();
        assert!(known.is_none_or(|known| known <= number), "{known:?} of {number}");
        known == Some(number)
    })
    .await;
}

#[tokio::test]
async fn an_isolate_that_nobody_shows_a_token_has_the_relay_of_its_place() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    let place = json!({ "continent": "EU" }).to_string();
    get("/").header("CF-Blob", &place).send(&gate).await.must_be(401, "missing_token");
    eventually("it hands over", async || relays.calls("/relay/pull/weur-0") > 0).await;
    assert_eq!(relays.calls("/relay/pull/any"), 0);
}

#[tokio::test]
async fn an_answer_that_is_lost_makes_nothing_count_twice() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    pass(&gate, 3).await;
    all_of(&gate, PERMITTED, 3.0).await;
    relays.fail("/relay/pull", Fault::AnswerLost);
    pass(&gate, 4).await;
    let calls = relays.calls("/relay/pull");
    // The relay has it, and the isolate does not know.
    eventually("it is sent again", async || {
        metrics(&gate).await;
        relays.calls("/relay/pull") > calls + 2
    })
    .await;
    pass(&gate, 5).await;
    relays.mend();
    all_of(&gate, PERMITTED, 12.0).await;
    metrics(&gate).await;
    all_of(&gate, PERMITTED, 12.0).await;
}

#[tokio::test]
async fn what_was_handed_over_survives_relay_and_hub() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    pass(&gate, 3).await;
    all_of(&gate, PERMITTED, 3.0).await;
    relays.kill(&gate, "any-0").await;
    pass(&gate, 2).await;
    all_of(&gate, PERMITTED, 5.0).await;
    relays.kill(&gate, "any-0").await;
    all_of(&gate, PERMITTED, 5.0).await;
    gate.kill();
    let gate = Gate::start(setup(&origin, &relays)).await;
    assert_eq!(metrics(&gate).await[PERMITTED], 5.0);
    pass(&gate, 1).await;
    all_of(&gate, PERMITTED, 6.0).await;
}

#[tokio::test]
async fn a_relay_that_lost_its_disk_begins_anew_and_its_counts_stay() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    pass(&gate, 3).await;
    all_of(&gate, PERMITTED, 3.0).await;
    gate.kill();
    relays.lose_disk_of("RevocationRelay");
    let gate = Gate::start(setup(&origin, &relays)).await;
    pass(&gate, 2).await;
    all_of(&gate, PERMITTED, 5.0).await;
}

#[tokio::test]
async fn without_the_hub_there_are_no_counters_and_its_age_tells() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate =
        Gate::start(setup(&origin, &relays).set("revocation.max_staleness_seconds", 5)).await;
    pass(&gate, 3).await;
    all_of(&gate, PERMITTED, 3.0).await;
    relays.fail("/hub", Fault::Down);
    eventually("the list is too old", async || {
        let page = metrics(&gate).await;
        assert_eq!(page["auth_hub_up"], 0.0);
        assert!(
            !page.contains_key(PERMITTED),
            "a counter that went down would look like a restart"
        );
        page["auth_revocation_list_age_seconds"] > page["auth_revocation_bound_seconds"]
    })
    .await;
    relays.mend();
    eventually("it is back", async || metrics(&gate).await["auth_hub_up"] == 1.0).await;
    assert_eq!(metrics(&gate).await[PERMITTED], 3.0);
}

#[tokio::test]
async fn a_hub_that_hangs_does_not_take_the_page_along() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    pass(&gate, 1).await;
    relays.fail("/hub", Fault::Hang);
    assert_eq!(metrics(&gate).await["auth_hub_up"], 0.0);
}

#[tokio::test]
async fn nonsense_in_the_place_of_the_hub_makes_no_counter_go_back() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    pass(&gate, 3).await;
    all_of(&gate, PERMITTED, 3.0).await;
    relays.fail("/hub/metrics", Fault::Garbage);
    let page = metrics(&gate).await;
    assert_eq!((page["auth_hub_up"], page.get(PERMITTED)), (0.0, None));
    relays.mend();
    assert_eq!(metrics(&gate).await[PERMITTED], 3.0);
}

#[tokio::test]
async fn the_way_of_a_revocation_is_measured() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    revoked(&gate, json!({ "jti": "before anybody asks" })).await;
    pass(&gate, 1).await;
    assert_eq!(metrics(&gate).await[PROPAGATED], 0.0);
    revoked(&gate, json!({ "jti": "a" })).await;
    revoked(&gate, json!({ "jti": "b" })).await;
    let page = metrics(&gate).await;
    assert_eq!((page[PROPAGATED], page["auth_revocation_entries"]), (2.0, 3.0));
    // Killed, the hub still knows.
    gate.kill();
    let gate = Gate::start(setup(&origin, &relays)).await;
    assert_eq!(metrics(&gate).await[PROPAGATED], 2.0);
}

#[tokio::test]
async fn only_the_admin_sees_it_and_only_where_somebody_adds_up() {
    let (origin, relays) = (Origin::start().await, Relays::start().await);
    let gate = Gate::start(setup(&origin, &relays)).await;
    get("/_edgeward/metrics").send(&gate).await.must_be(401, "unauthorized");
    get("/_edgeward/metrics").bearer(&token()).send(&gate).await.must_be(401, "unauthorized");
    let posted = request("POST", "/_edgeward/metrics").bearer(ADMIN_TOKEN).send(&gate).await;
    posted.must_be(405, "method_not_allowed");
    let reply = scrape(&gate).await;
    assert_eq!(reply.header("content-type"), ["text/plain; version=0.0.4; charset=utf-8"]);
    assert_eq!(reply.header("cache-control"), ["no-store"]);
    let head = request("HEAD", "/_edgeward/metrics").bearer(ADMIN_TOKEN).send(&gate).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    let alone = Gate::start(Setup::new(&origin)).await;
    scrape(&alone).await.must_be(404, "not_found");
    let closed = Gate::start(setup(&origin, &relays).without_secret("ADMIN_TOKEN")).await;
    scrape(&closed).await.must_be(404, "not_found");
}

#[tokio::test]
async fn a_configuration_that_cannot_be_used_is_a_metric() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).set("clock_skew_seconds", 301)).await;
    let page = metrics(&gate).await;
    assert_eq!(page, BTreeMap::from([("auth_misconfigured".to_owned(), 1.0)]));
    get("/_edgeward/metrics").send(&gate).await.must_be(503, "misconfigured");
}

#[tokio::test]
async fn open_and_ended_sockets_are_counted() {
    let (relays, sockets) = (Relays::start().await, Sockets::start(None).await);
    let origin = Origin::start().await;
    let gate = Gate::start(sockets.setup(setup(&origin, &relays))).await;
    let token = token_with(json!({ "jti": "a" }));
    let mut near = open("/").bearer(&token).at(&gate).await;
    let mut far = sockets.next().await.socket;
    let mut other = open("/").bearer(&token_with(json!({ "jti": "b" }))).at(&gate).await;
    let _other_far = sockets.next().await.socket;
    eventually("both are known", async || metrics(&gate).await["auth_websockets_open"] == 2.0)
        .await;
    revoked(&gate, json!({ "jti": "a" })).await;
    ending(&mut near).await;
    ending(&mut far).await;
    other.close(None).await.unwrap();
    all_of(&gate, &format!("{CLOSED}{{reason=\"token_revoked\"}}"), 1.0).await;
    all_of(&gate, &format!("{CLOSED}{{reason=\"peer\"}}"), 1.0).await;
    eventually("none is open", async || metrics(&gate).await["auth_websockets_open"] == 0.0).await;
}

#[tokio::test]
async fn an_isolate_whose_only_way_to_a_relay_is_a_leash_hands_over_by_it() {
    let (relays, sockets) = (Relays::start().await, Sockets::start(None).await);
    let origin = Origin::start().await;
    // A machine that is busy for a third of the bound would end the socket.
    let setup = setup(&origin, &relays).isolates(2).set("revocation.max_staleness_seconds", 20);
    let gates = Gate::start_all(sockets.setup(setup)).await;
    let _near = open("/").bearer(&token()).at(&gates[0]).await;
    let _far = sockets.next().await.socket;
    eventually("it has a leash", async || relays.calls("/relay/leash") == 1).await;
    relays.fail("/relay/pull", Fault::Down);
    get("/").send(&gates[0]).await.must_be(401, "missing_token");
    // Asked of the other one, which has counted nothing.
    all_of(&gates[1], DENIED, 1.0).await;
    eventually("the socket is known", async || {
        metrics(&gates[1]).await["auth_websockets_open"] == 1.0
    })
    .await;
}
