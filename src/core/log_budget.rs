//! How many log lines a flood of denials may write.
//!
//! A client decides how often it is denied. Lines without bound would make floods dear, drown what
//! an operator looks for, and cost money. In scope: counting. Out of scope: writing.

use std::cell::Cell;

use super::claims::NumericDate;

/// How many lines may be written in one second.
pub const LINES_PER_SECOND: u32 = 100;

/// Lets [`LINES_PER_SECOND`] lines pass and counts the others.
#[derive(Debug, Default)]
pub struct LogBudget {
    second: Cell<NumericDate>,
    written: Cell<u32>,
    left_out: Cell<u64>,
}

impl LogBudget {
    /// Whether one more line may be written at `now`: then the number of those that were left out
    /// since the last one that was written.
    pub fn take(&self, now: NumericDate) -> Option<u64> {
        if self.second.replace(now) != now {
            self.written.set(0);
        }
        if self.written.get() >= LINES_PER_SECOND {
            self.left_out.set(self.left_out.get().saturating_add(1));
            return None;
        }
        self.written.set(self.written.get() + 1);
        Some(self.left_out.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_writes_so_many_lines_and_the_next_one_says_how_many_are_missing() {
        let budget = LogBudget::default();
        for _ in 0..LINES_PER_SECOND {
            assert_eq!(budget.take(7), Some(0));
        }
        for _ in 0..3 {
            assert_eq!(budget.take(7), None);
        }
        assert_eq!(budget.take(8), Some(3));
        assert_eq!(budget.take(8), Some(0));
        // A clock that is set back is another second, too.
        assert_eq!(budget.take(7), Some(0));
    }
}
