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
    sent: Sent,
    /// All up to here have gone.
    gone: Sent,
    /// When all up to here have gone, that takes its place.
    next: Sent,
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

/// What was sent to one side so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// How many messages.
    pub messages: u64,
    /// Their bytes, as the platform counts what waits: another length of the same text would make it
    /// look as if more waits than was sent, or less.
    pub bytes: u64,
}

impl Backlog {
    /// So much was sent, and so many bytes of it wait: how much memory that is, at most.
    pub(super) fn bytes(&mut self, sent: Sent, waiting: u32, now: Millis) -> u64 {
        self.note(sent);
        let gone_bytes = self.sent.bytes.saturating_sub(waiting.into());
        if gone_bytes >= self.next.bytes {
            self.gone = self.next;
            self.next = self.sent;
        }
        if gone_bytes >= self.fence {
            self.empty = self.empty_since;
        }
        // A clock that was set back begins anew.
        let passed = now.saturating_sub(self.counted_at) / EMPTY_GOES_MS;
        if passed != 0 {
            self.counted_at = now;
            let passed = u64::try_from(passed).unwrap_or(0);
            self.empty = self.empty.saturating_sub(passed);
            self.empty_since = self.empty_since.saturating_sub(passed);
        }
        let messages = if waiting == 0 { 0 } else { self.sent.messages - self.gone.messages };
        u64::from(waiting) + BYTES_EACH * messages.max(self.empty)
    }

    fn note(&mut self, sent: Sent) {
        let messages = sent.messages.saturating_sub(self.sent.messages);
        if sent.bytes > self.sent.bytes {
            self.fence = sent.bytes;
            self.empty_since = 0;
        } else {
            self.empty += messages;
            self.empty_since += messages;
        }
        self.sent.messages += messages;
        self.sent.bytes = self.sent.bytes.max(sent.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    const fn sent(messages: u64, bytes: u64) -> Sent {
        Sent { messages, bytes }
    }

    #[test]
    fn what_goes_at_once_never_waits() {
        let mut backlog = Backlog::default();
        for number in 1..100_000 {
            assert_eq!(backlog.bytes(sent(number, 10 * number), 0, 0), 0);
        }
    }

    #[test]
    fn messages_that_wait_count_with_what_they_take() {
        let mut backlog = Backlog::default();
        for number in 1..=1_000 {
            let bytes = backlog.bytes(sent(number.into(), number.into()), number, 0);
            assert!(bytes >= u64::from(number) * 129);
        }
    }

    #[test]
    fn empty_messages_wait_until_there_is_proof_or_time_has_passed() {
        let mut backlog = Backlog::default();
        for number in 1..=1_000 {
            backlog.bytes(sent(number, 0), 0, 0);
        }
        assert_eq!(backlog.bytes(sent(1_000, 0), 0, 0), 128_000);
        assert_eq!(backlog.bytes(sent(1_000, 0), 0, 63_936), 128);
        assert_eq!(backlog.bytes(sent(1_001, 1), 1, 63_936), 129);
        assert_eq!(backlog.bytes(sent(1_001, 1), 0, 63_936), 0);
    }

    #[test]
    fn a_clock_that_is_set_back_counts_on() {
        let mut backlog = Backlog::default();
        let day = 86_400_000;
        assert_eq!(backlog.bytes(sent(10, 0), 0, day), 0);
        assert_eq!(backlog.bytes(sent(20, 0), 0, 0), 1_280);
        assert_eq!(backlog.bytes(sent(20, 0), 0, 640), 0);
    }

    proptest! {
        /// Against a queue: never less than what waits, if every message has a byte, and when all has
        /// gone, nothing.
        #[test]
        fn it_is_an_upper_bound(
            steps in prop::collection::vec((1_u32..2_000, 0_usize..4), 1..500),
        ) {
            let (mut backlog, mut queue) = (Backlog::default(), VecDeque::new());
            let mut total = sent(0, 0);
            for (bytes, goes) in steps {
                total = sent(total.messages + 1, total.bytes + u64::from(bytes));
                queue.push_back(bytes);
                for _ in 0..goes {
                    queue.pop_front();
                }
                let waiting: u32 = queue.iter().sum();
                let least = u64::from(waiting) + 128 * queue.len() as u64;
                prop_assert!(backlog.bytes(total, waiting, 0) >= least);
            }
            prop_assert_eq!(backlog.bytes(total, 0, 0), 0);
            backlog.bytes(total, 0, 0);
            let one_more = sent(total.messages + 1, total.bytes + 1);
            prop_assert_eq!(backlog.bytes(one_more, 1, 0), 129);
        }
    }
}
