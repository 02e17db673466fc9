//! What passes between both ends.

use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::harness::sockets::End;

#[tokio::test]
async fn messages_of_both_kinds_and_all_sizes_pass_both_ways() {
    let sockets = Sockets::start(None).await;
    let gate = gate(&sockets, |setup| setup).await;
    let mut near = open("/").bearer(&token()).at(&gate).await;
    let mut far = sockets.next().await.socket;
    for size in [0, 1, 125, 126, 65_535, 65_536, 1 << 20, 8 << 20] {
        let bytes: Vec<u8> = (0..=255).cycle().take(size).collect();
        for message in [Message::binary(bytes), Message::text("ä".repeat(size / 2))] {
            near.send(message.clone()).await.unwrap();
            assert!(received(&mut far).await == message, "{size}");
            far.send(message.clone()).await.unwrap();
            assert!(received(&mut near).await == message, "{size}");
        }
    }
    near.send(Message::Ping("1".into())).await.unwrap();
    assert_eq!(next(&mut near).await.unwrap().unwrap(), Message::Pong("1".into()));
    gate.must_be_calm();
}

#[tokio::test]
async fn a_close_frame_passes_both_ways_as_it_is() {
    let sockets = Sockets::start(None).await;
    let gate = gate(&sockets, |setup| setup).await;
    let bare = || Message::Close(None);
    for (frame, expected) in [
        (close(1000, "done"), (1000, "done")),
        (close(1001, ""), (1001, "")),
        (close(1011, "oh"), (1011, "oh")),
        (close(3000, "a"), (3000, "a")),
        (close(4999, "ü"), (4999, "ü")),
        (bare(), (1005, "")),
    ] {
        for is_near in [true, false] {
            let mut near = open("/").bearer(&token()).at(&gate).await;
            let mut far = sockets.next().await.socket;
            let (one, other) = if is_near { (&mut near, &mut far) } else { (&mut far, &mut near) };
            // What was sent before it comes before it.
            one.send(Message::text("last")).await.unwrap();
            one.send(frame.clone()).await.unwrap();
            assert_eq!(received(other).await, Message::text("last"));
            let expected = Some((expected.0, expected.1.to_owned()));
            assert_eq!(ending(other).await, expected);
            assert_eq!(ending(one).await, expected);
        }
    }
    eventually("none is open", async || gate.report().await["websockets"]["open"] == 0).await;
    gate.must_be_calm();
}

#[tokio::test]
async fn a_close_frame_that_cannot_be_sent_on_ends_both_sides_with_a_protocol_error() {
    let sockets = Sockets::start(None).await;
    let gate = gate(&sockets, |setup| setup).await;
    let expected = Some((1002, String::new()));
    let long = "x".repeat(124);
    let codes = [0, 999, 1004, 1015, 1016, 2999, 5000, 65_535].map(|code| (code, "x"));
    for (code, reason) in codes.into_iter().chain([(1000, long.as_str()), (4000, long.as_str())]) {
        for is_near in [true, false] {
            let mut near = open("/").bearer(&token()).at(&gate).await;
            let mut far = sockets.next().await.socket;
            let (one, other) = if is_near { (&mut near, &mut far) } else { (&mut far, &mut near) };
            one.send(close(code, reason)).await.unwrap();
            assert_eq!(ending(other).await, expected, "{code}");
            assert_eq!(ending(one).await, expected, "{code}");
        }
    }
    // The runtime reports this one as it does a connection that is gone.
    let mut near = open("/").bearer(&token()).at(&gate).await;
    let mut far = sockets.next().await.socket;
    near.send(close(1006, "x")).await.unwrap();
    assert_eq!(ending(&mut near).await, expected);
    assert_eq!(ending(&mut far).await, None);
    gate.must_be_calm();
}

#[tokio::test]
async fn what_comes_after_a_close_frame_of_the_other_side_still_comes() {
    let sockets = Sockets::start(None).await;
    let gate = gate(&sockets, |setup| setup).await;
    let mut near = open("/").bearer(&token()).at(&gate).await;
    let mut far = sockets.next().await.socket;
    // The origin is in the middle of a message when the client closes.
    far.feed(Message::text("one")).await.unwrap();
    near.send(close(1000, "")).await.unwrap();
    far.send(Message::text("two")).await.unwrap();
    assert_eq!(received(&mut near).await, Message::text("one"));
    assert_eq!(received(&mut near).await, Message::text("two"));
    assert_eq!(ending(&mut far).await, Some((1000, String::new())));
    assert_eq!(ending(&mut near).await, Some((1000, String::new())));
}

#[tokio::test]
async fn where_one_side_vanishes_the_other_is_told() {
    let sockets = Sockets::start(None).await;
    let gate = gate(&sockets, |setup| setup).await;
    let mut near = open("/").bearer(&token()).at(&gate).await;
    let mut far = sockets.next().await.socket;
    must_be_open(&mut near, &mut far).await;
    drop(far);
    assert_eq!(ending(&mut near).await, Some((1011, "origin_unreachable".into())));

    let mut near = open("/").bearer(&token()).at(&gate).await;
    let mut far = sockets.next().await.socket;
    must_be_open(&mut near, &mut far).await;
    drop(near);
    // As if the client had been connected to the origin.
    assert_eq!(ending(&mut far).await, None);
    eventually("none is open", async || gate.report().await["websockets"]["open"] == 0).await;
    gate.logged(&["\"event\":\"websocket_ended\"", "\"reason\":\"origin_unreachable\""]).await;
    gate.must_be_calm();
}

/// Sends a gigabyte in messages of this length to an end that sends everything back, never more than may
/// wait: what came back is what was sent.
async fn a_gigabyte_comes_back(near: &mut End, length: usize) {
    const TOTAL: usize = 1 << 30;
    let window = 524_288_usize.div_ceil(length);
    let block: Vec<u8> = mint::random(length);
    let (mut sent, mut back) = (0, 0);
    while back < TOTAL {
        while sent < TOTAL && (sent - back) / length < window {
            // Each message is another one.
            let mut message = block.clone();
            message[..8].copy_from_slice(&(sent as u64).to_le_bytes());
            near.send(Message::binary(message)).await.unwrap();
            sent += length;
        }
        let message = received(near).await.into_data();
        assert_eq!(message.len(), length);
        assert_eq!(message[..8], (back as u64).to_le_bytes());
        assert!(message[8..] == block[8..]);
        back += length;
    }
}

#[tokio::test]
async fn a_gigabyte_passes_each_way_through_one_socket_with_equal_bytes() {
    let sockets = Sockets::echoing().await;
    let gate = gate(&sockets, |setup| setup).await;
    let mut near = open("/").bearer(&token()).at(&gate).await;
    a_gigabyte_comes_back(&mut near, 256 << 10).await;
    gate.must_be_calm();
}
