//! The part of the table about supervised WebSockets.

use super::super::{Websocket, read};
use super::{Problems, seconds, small, within};
use crate::core::problem::quoted;

/// The platform takes no longer message.
const MESSAGE_BYTES: std::ops::RangeInclusive<u64> = 1..=33_554_432;
/// To a day.
const IDLE_SECONDS: std::ops::RangeInclusive<u64> = 1..=86_400;
/// To what a relay holds by default.
const PER_SUBJECT: std::ops::RangeInclusive<u64> = 1..=16_384;
/// A Durable Object holds 32,768 sockets; some come while others are still being closed.
const LEASHES: std::ops::RangeInclusive<u64> = 1..=30_000;
/// Every message of a client is compared with it.
const MOST_WORD_BYTES: usize = 64;

pub(super) fn websocket(table: read::Websocket, problems: &mut Problems) -> Websocket {
    let place = |key: &str| format!("websocket.{key}");
    let read::Websocket { renewal, leashes_per_relay, .. } = table;
    for (key, value, range) in [
        ("max_message_bytes", table.max_message_bytes, &MESSAGE_BYTES),
        ("idle_timeout_seconds", table.idle_timeout_seconds, &IDLE_SECONDS),
        ("max_sockets_per_subject", table.max_sockets_per_subject, &PER_SUBJECT),
        ("leashes_per_relay", Some(leashes_per_relay), &LEASHES),
    ] {
        if let Some(value) = value {
            within(value, range, &place(key), problems);
        }
    }
    if let Some(word) = &renewal {
        let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_word || word.len() > MOST_WORD_BYTES {
            problems.add(
                &place("renewal"),
                quoted(word),
                "a word of at most 64 visible ASCII characters, such as \"edgeward.renew\", with \
                 which no message of your own begins",
            );
        }
    }
    Websocket {
        renewal,
        max_message_bytes: table.max_message_bytes.map(small),
        idle_timeout_seconds: table.idle_timeout_seconds.map(seconds),
        max_sockets_per_subject: table.max_sockets_per_subject.map(small),
        leashes_per_relay: small(leashes_per_relay),
    }
}
