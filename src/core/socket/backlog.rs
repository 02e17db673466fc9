//! What waits for one side of a socket, in memory.
//!
//! The platform says how many bytes of messages wait, but a message takes memory of its own, and an empty
//! one takes nothing else: a million messages of one byte would wait in a hundred times what they say. How
//! many wait follows from how many bytes do, as long as they have any. In scope: an upper bound for that
//! memory. Out of scope: how much there may be.

use super::super::claims::Millis;

/// What a message takes beside its bytes (measured in workerd: 100 to 134 bytes).
const BYTES_EACH: u64 = 128;

/// So many empty messages may have come without proof that they went: one every so many milliseconds is
/// taken to have gone.
const EMPTY_GOES_MS: Millis = 64;

/// The messages to one side.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backlog {
    sent: Mark,
    /// All up to here have gone.
    gone: Mark,
    /// When all up to here have gone, that takes its place.
    next: Mark,
    /// Empty messages that may wait.
    empty: u64,
    /// Those of them that came after `fence`.
    empty_since: u64,
    /// The bytes that were sent with the last message that had any: when they have gone, all before it
    /// have.
    fence: u64,
    /// When `empty` was last counted down.
    counted_at: Millis,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    messages: u64,
    bytes: u64,
}

impl Backlog {
    /// So many bytes wait: how much memory that is, at most.
    pub(super) fn bytes(&mut self, waiting: u32, now: Millis) -> u64 {
        let gone_bytes = self.sent.bytes.saturating_sub(waiting.into());
        if gone_bytes >= self.next.bytes {
            self.gone = self.next;
            self.next = self.sent;
        }
        if gone_bytes >= self.fence {
            self.empty = self.empty_since;
        }
        let passed = now.saturating_sub(self.counted_at).max(0) / EMPTY_GOES_MS;
        if passed > 0 {
            self.counted_at = now;
            let passed = passed.unsigned_abs();
            self.empty = self.empty.saturating_sub(passed);
            self.empty_since = self.empty_since.saturating_sub(passed);
        }
        let messages = if waiting == 0 { 0 } else { self.sent.messages - self.gone.messages };
        u64::from(waiting) + BYTES_EACH * messages.max(self.empty)
    }

    /// A message of so many bytes is sent.
    pub(super) const fn send(&mut self, bytes: u32) {
        self.sent.messages += 1;
        self.sent.bytes += bytes as u64;
        if bytes == 0 {
            self.empty += 1;
            self.empty_since += 1;
        } else {
            self.fence = self.sent.bytes;
            self.empty_since = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_goes_at_once_never_waits() {
        let mut backlog = Backlog::default();
        for _ in 0..100_000 {
            backlog.send(10);
            assert_eq!(backlog.bytes(0, 0), 0);
        }
    }

    #[test]
    fn messages_that_wait_count_with_what_they_take() {
        let mut backlog = Backlog::default();
        for sent in 1..=1_000 {
            backlog.send(1);
            assert!(backlog.bytes(sent, 0) >= u64::from(sent) * 129);
        }
    }

    #[test]
    fn empty_messages_wait_until_there_is_proof_or_time_has_passed() {
        let mut backlog = Backlog::default();
        for _ in 0..1_000 {
            backlog.send(0);
        }
        assert_eq!(backlog.bytes(0, 0), 128_000);
        assert_eq!(backlog.bytes(0, 63_936), 128);
        backlog.send(1);
        assert_eq!(backlog.bytes(1, 63_936), 129);
        assert_eq!(backlog.bytes(0, 63_936), 0);
    }

    proptest! {
        /// Against a queue: never less than what waits, if every message has a byte, and in the long run
        /// not much more.
        #[test]
        fn it_is_an_upper_bound(
            steps in prop::collection::vec((1_u32..2_000, 0_usize..4), 1..500),
        ) {
            let (mut backlog, mut queue) = (Backlog::default(), VecDeque::new());
            for (bytes, goes) in steps {
                backlog.send(bytes);
                queue.push_back(bytes);
                for _ in 0..goes {
                    queue.pop_front();
                }
                let waiting: u32 = queue.iter().sum();
                let least = u64::from(waiting) + 128 * queue.len() as u64;
                prop_assert!(backlog.bytes(waiting, 0) >= least);
            }
            backlog.bytes(0, 0);
            backlog.bytes(0, 0);
            backlog.send(1);
            prop_assert_eq!(backlog.bytes(1, 0), 129);
        }
    }
}
