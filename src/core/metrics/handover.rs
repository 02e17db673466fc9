//! What an isolate hands over to its relay, and what it still has to.
//!
//! What was counted goes in batches with numbers. A batch is sent, always the same, until the relay has said
//! that it is kept; what is counted meanwhile goes with the next one. So nothing is lost with an answer, nor
//! counted twice with a question that is asked again. In scope: batches. Out of scope: when they are sent.

use super::{Kind, Readings};

/// What a batch begins with; another layout gets another.
const MAGIC: &str = "EWM1";

/// An isolate's account of what it has handed over.
#[derive(Debug)]
pub struct Handover {
    isolate: u64,
    /// Of the last batch.
    number: u32,
    /// What was counted up to the last batch that is kept.
    kept: Readings,
    /// What was counted up to the batch that is on its way.
    sent: Option<Readings>,
}

impl Handover {
    /// Of an isolate that has handed over nothing yet. `isolate` tells it from all others.
    #[must_use]
    pub fn new(isolate: u64) -> Self {
        Self { isolate, number: 0, kept: Readings::default(), sent: None }
    }

    /// The batch to send, when so much was counted and this is how things are.
    pub fn batch(&mut self, now: &Readings) -> String {
        if self.sent.is_none() && !now.since(&self.kept).is_empty() {
            self.number = self.number.saturating_add(1);
            self.sent = Some(now.of(Kind::Count));
        }
        let counted = self.sent.as_ref().map(|sent| sent.since(&self.kept)).unwrap_or_default();
        let head = format!("{MAGIC} {:016x} {}\n", self.isolate, self.number);
        [head, counted.lines(), now.of(Kind::Sum).lines(), now.of(Kind::Greatest).lines()].concat()
    }

    /// The relay says up to which batch all are kept.
    pub fn are_kept(&mut self, number: u32) {
        if number == self.number
            && let Some(sent) = self.sent.take()
        {
            self.kept = sent;
        }
    }

    /// Whether something was counted that is not known to be kept.
    #[must_use]
    pub fn is_owed(&self, now: &Readings) -> bool {
        self.sent.is_some() || !now.since(&self.kept).is_empty()
    }
}

/// A batch, as the relay reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Whose it is.
    pub isolate: u64,
    /// Its number.
    pub number: u32,
    /// What was counted since the one before, and how things are.
    pub readings: Readings,
}

impl Batch {
    /// Reads it; `None` if it is of another version, or none.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut head = lines.next()?.split(' ');
        if head.next()? != MAGIC {
            return None;
        }
        let isolate = u64::from_str_radix(head.next()?, 16).ok()?;
        let number = head.next()?.parse().ok()?;
        Some(Self { isolate, number, readings: Readings::read(lines) })
    }
}
