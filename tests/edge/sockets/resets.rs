//! When an instance of the wasm ends, the sockets that it supervised end, and nobody else's.

use std::time::Duration;

use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::harness::sockets::End;

#[tokio::test]
async fn the_sockets_of_an_instance_end_with_it_and_leave_those_of_the_next_alone() {
    let (sockets, relays) = (Sockets::echoing().await, Relays::start().await);
    let gate = gate(&sockets, |setup| setup.relays(&relays).set("log.lines_per_second", 2)).await;
    let opened = async |count: usize| {
        let mut all = Vec::new();
        for number in 0..count {
            let token = token_with(json!({ "jti": number.to_string() }));
            all.push(open("/").bearer(&token).at(&gate).await);
        }
        all
    };
    let mut before: Vec<End> = opened(20).await;
    eventually("all are leashed", async || relays.leashes(&gate, "any-0").await == 20).await;
    relays.reset(&gate).await;
    let mut after: Vec<End> = opened(20).await;
    // Half of them send something, the others vanish.
    for (at, mut near) in before.drain(..).enumerate() {
        if at % 2 == 0 {
            near.send(Message::text("there?")).await.unwrap();
            let expected = Some((1013, "supervision_lost".to_owned()));
            assert_eq!(ending(&mut near).await, expected);
        }
    }
    eventually("their leashes are gone", async || relays.leashes(&gate, "any-0").await == 20).await;
    for near in &mut after {
        near.send(Message::text("there?")).await.unwrap();
        assert_eq!(received(near).await, Message::text("there?"));
    }
    assert_eq!(gate.report().await["websockets"]["open"], 20);
    gate.logged(&["\"event\":\"socket_failed\""]).await;
    // However many fail, there are no more lines than the configuration says.
    let log = gate.log();
    let lines = log.lines().filter(|line| line.contains("\"event\":\"socket_failed\""));
    let lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let seconds: Vec<_> = lines.filter_map(|line| line["time"].as_i64()).collect();
    for second in &seconds {
        assert!(seconds.iter().filter(|it| *it == second).count() <= 2, "{log}");
    }
}

#[tokio::test]
async fn a_handshake_that_is_judged_again_while_its_instance_ends_has_an_answer() {
    let (sockets, relays) = (Sockets::late(Duration::from_secs(4)).await, Relays::start().await);
    let setup = |setup: Setup| setup.relays(&relays).set("revocation.max_staleness_seconds", 4);
    let gate = gate(&sockets, setup).await;
    let resets = async {
        eventually("the origin is asked", async || sockets.count() == 1).await;
        relays.fail("/relay/pull", Fault::Hang);
        let before = relays.calls("/relay/pull");
        eventually("it is judged", async || relays.calls("/relay/pull") > before).await;
        relays.reset(&gate).await;
    };
    let (reply, ()) = tokio::join!(open("/").bearer(&token()).refused_at(&gate), resets);
    // As for a request that waits for the same.
    assert_eq!((reply.status, reply.text().as_str()), (500, "Internal Server Error"));
    relays.mend();
    let mut near = open("/").bearer(&token()).at(&gate).await;
    assert_eq!(received(&mut near).await, Message::text("welcome"));
}

#[tokio::test]
async fn a_handshake_that_fails_at_the_origin_after_its_instance_has_ended_is_counted_once() {
    let (sockets, relays) = (Sockets::echoing().await, Relays::start().await);
    let front = Faults::start().await;
    front.pass_to(sockets.addr);
    let gate = Gate::start(Setup::before(front.addr).relays(&relays)).await;
    front.set(Mode::Hang).await;
    let opening = open("/hangs").bearer(&token());
    let fails = async {
        front.until("/hangs", 1).await;
        relays.reset(&gate).await;
        get("/_edgeward/health").send(&gate).await;
        front.set(Mode::Refused).await;
    };
    let (reply, ()) = futures_util::future::join(opening.refused_at(&gate), fails).await;
    reply.must_be(502, "origin_unreachable");
    assert_eq!(gate.report().await["requests"]["denied"], json!({ "origin_failed": 1 }));
    gate.logged(&["origin_failed"]).await;
    let lines = gate.log().matches("origin_failed").count();
    assert_eq!(lines, 1, "{}", gate.log());
}
