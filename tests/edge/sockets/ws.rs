//! Programs made of `ws`, as many clients and origins are: through the gate they see what they see without.

use std::net::SocketAddr;

use super::*;
use crate::harness::ws::{WsClient, WsServer};

/// A client and an origin, and the gate in between.
struct Both {
    client: WsClient,
    server: WsServer,
    gate: Gate,
}

impl Both {
    async fn start(deflate: bool) -> Self {
        let server = WsServer::start(deflate).await;
        let nobody = Origin::absent().await;
        let gate = Gate::start(server.setup(Setup::new(&nobody))).await;
        Self { client: WsClient::start().await, server, gate }
    }

    /// What client and origin see of a socket to this address.
    async fn see(&self, addr: SocketAddr, socket: &Value) -> (Value, Value) {
        let mut socket = socket.clone();
        socket["url"] = json!(format!("ws://{addr}/"));
        let client = self.client.visit(&socket).await;
        (client, self.server.ended().await)
    }

    /// The same with the gate and without: what they answer and see last.
    async fn must_end(&self, steps: Value, answers: Value, close: Value) {
        let socket = json!({ "authorization": format!("Bearer {}", token()), "deflate": true, "steps": steps });
        for addr in [self.server.addr, self.gate.addr] {
            let (client, origin) = self.see(addr, &socket).await;
            assert_eq!(client["answers"], answers, "{steps} at {addr}: {client}");
            assert_eq!(client["close"], close, "{steps} at {addr}");
            assert_eq!(origin["close"], close, "{steps} at {addr}");
        }
    }
}

#[tokio::test]
async fn messages_of_every_shape_pass_as_they_are_compressed_and_not() {
    let steps = json!([
        { "text": "" },
        { "text": "ä€😀" },
        { "bytes": 0 },
        { "bytes": 70_000 },
        { "fragments": ["ä", "", "b"] },
        { "fragmentsOfBytes": [1, 70_000, 0] },
        { "text": "ab", "times": 1_000_000 },
        { "bytes": 4_000_000 },
        { "ping": "p" },
        { "close": [1000, "done"] },
    ]);
    let answers = json!([
        "text 0 as sent",
        "text 9 as sent",
        "bytes 0 as sent",
        "bytes 70000 as sent",
        "text 3 as sent",
        "bytes 70001 as sent",
        "text 2000000 as sent",
        "bytes 4000000 as sent",
        "pong p",
    ]);
    for deflate in [true, false] {
        let both = Both::start(deflate).await;
        both.must_end(steps.clone(), answers.clone(), json!([1000, "done"])).await;
        both.gate.must_be_calm();
    }
}

#[tokio::test]
async fn codes_and_reasons_are_the_same_at_both_ends_whoever_closes() {
    let both = Both::start(true).await;
    for close in [
        json!([1000, ""]),
        json!([1001, "going"]),
        json!([1008, "x"]),
        json!([1011, "two words"]),
        json!([1013, ""]),
        json!([3000, "ü".repeat(61)]),
        json!([4401, "token_expired"]),
        json!([4999, ""]),
    ] {
        both.must_end(json!([{ "close": close }]), json!([]), close.clone()).await;
        let order =
            format!("please close {} {}", close[0].as_u64().unwrap(), close[1].as_str().unwrap());
        let answers = json!(["text 1 as sent"]);
        both.must_end(json!([{ "text": "x" }, { "say": order.trim_end() }]), answers, close).await;
    }
    let (none, gone) = (json!([1005, ""]), json!([1006, ""]));
    both.must_end(json!([{ "close": [] }]), json!([]), none.clone()).await;
    both.must_end(json!([{ "say": "please close" }]), json!([]), none).await;
    both.must_end(json!([{ "vanish": true }]), json!([]), gone).await;
    both.gate.must_be_calm();
}

#[tokio::test]
async fn a_ping_of_the_origin_is_answered_in_the_middle_of_messages() {
    let both = Both::start(true).await;
    let socket = json!({
        "authorization": format!("Bearer {}", token()),
        "steps": [{ "text": "a" }, { "say": "please ping p" }, { "text": "b" }, { "close": [] }],
    });
    for addr in [both.server.addr, both.gate.addr] {
        let (client, origin) = both.see(addr, &socket).await;
        assert_eq!(client["answers"], json!(["text 1 as sent", "text 1 as sent"]));
        assert_eq!(origin["pongs"], json!(["p"]));
    }
}

#[tokio::test]
async fn each_side_negotiates_permessage_deflate_for_itself() {
    const DEFLATE: &str = "permessage-deflate";
    for origin_takes in [true, false] {
        let both = Both::start(origin_takes).await;
        for client_offers in [true, false] {
            let socket = json!({
                "authorization": format!("Bearer {}", token()),
                "deflate": client_offers,
                "steps": [{ "text": "aaaaaaaaaa" }, { "close": [] }],
            });
            let either = |is: bool| if is { DEFLATE } else { "" };
            let direct = either(client_offers && origin_takes);
            let (client, origin) = both.see(both.server.addr, &socket).await;
            assert_eq!(
                (&client["extensions"], &origin["extensions"]),
                (&json!(direct), &json!(direct))
            );

            // The runtime is the client's other end, and takes it whatever the origin does.
            let (client, origin) = both.see(both.gate.addr, &socket).await;
            assert_eq!(client["extensions"], either(client_offers));
            assert_eq!(origin["extensions"], direct);
            assert_eq!(client["answers"], json!(["text 10 as sent"]));
        }
    }
}

#[tokio::test]
async fn a_token_among_the_subprotocols_leaves_the_choice_to_the_origin() {
    let both = Both::start(true).await;
    let token = token();
    let see = async |addr, protocols: Value| {
        let socket = json!({ "protocols": protocols, "steps": [{ "text": "a" }, { "close": [] }] });
        both.see(addr, &socket).await
    };
    for (protocols, offered, chosen) in [
        (json!(["bearer", token]), Value::Null, "bearer"),
        (json!(["bearer", token, "v2", "chat"]), json!("v2, chat"), "chat"),
    ] {
        let (client, origin) = see(both.gate.addr, protocols).await;
        assert_eq!(client["protocol"], chosen, "{client}");
        assert_eq!(client["answers"], json!(["text 1 as sent"]));
        assert_eq!(origin["offered"], offered);
    }
    // A client that is given none of those that it wants gives up, with the gate and without.
    let (direct, _) = see(both.server.addr, json!(["v2"])).await;
    let (gated, _) = see(both.gate.addr, json!(["bearer", token, "v2"])).await;
    assert_eq!(direct["answers"], json!(["Server sent no subprotocol"]));
    assert_eq!(gated["answers"], direct["answers"]);
    both.gate.must_be_calm();
}
