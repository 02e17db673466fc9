//! How many log lines a flood may write, and which of many like each other are.
//!
//! A client decides how often it is denied. Lines without bound would make floods dear, drown what
//! an operator looks for, and cost money. In scope: counting. Out of scope: writing.

use std::cell::Cell;

use super::claims::NumericDate;

/// How many lines may be written in one second, unless the configuration says otherwise.
pub const LINES_PER_SECOND: u32 = 100;

/// What a share of lines is counted in.
pub const MILLION: u32 = 1_000_000;

/// Lets a share of the lines pass, up to a number in each second, and counts the others.
#[derive(Debug)]
pub struct LogBudget {
    lines_per_second: u32,
    /// How many of a million.
    share: u32,
    /// What the lines that were left out amount to, in millionths of one that is written.
    due: Cell<u32>,
    second: Cell<NumericDate>,
    written: Cell<u32>,
    left_out: Cell<u64>,
}

impl LogBudget {
    /// Of so many lines a second, and so many of a million.
    #[must_use]
    pub const fn new(lines_per_second: u32, share: u32) -> Self {
        Self {
            lines_per_second,
            share,
            // So that the first one is written, unless none is: an isolate may have few.
            due: Cell::new(MILLION - 1),
            second: Cell::new(0),
            written: Cell::new(0),
            left_out: Cell::new(0),
        }
    }

    /// Whether one more line may be written at `now`: then the number of those that were left out
    /// since the last one that was written.
    pub fn take(&self, now: NumericDate) -> Option<u64> {
        if self.second.replace(now) != now {
            self.written.set(0);
        }
        if !self.is_in_sample() || self.written.get() >= self.lines_per_second {
            self.left_out.set(self.left_out.get().saturating_add(1));
            return None;
        }
        self.written.set(self.written.get() + 1);
        Some(self.left_out.take())
    }

    /// Not by chance: of a share of a tenth every tenth one is, so that `left_out` is what it seems to be.
    fn is_in_sample(&self) -> bool {
        let due = self.due.get() + self.share;
        let is_in = due >= MILLION;
        self.due.set(if is_in { due - MILLION } else { due });
        is_in
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_writes_so_many_lines_and_the_next_one_says_how_many_are_missing() {
        for lines in [1, 7, LINES_PER_SECOND, 1_000] {
            let budget = LogBudget::new(lines, MILLION);
            for _ in 0..lines {
                assert_eq!(budget.take(7), Some(0));
            }
            for _ in 0..3 {
                assert_eq!(budget.take(7), None);
            }
            assert_eq!(budget.take(8), Some(3));
            if lines > 1 {
                assert_eq!(budget.take(8), Some(0));
            }
            // A clock that is set back is another second, too.
            assert_eq!(budget.take(7), Some(0));
        }
    }

    #[test]
    fn a_share_of_the_lines_is_written_from_the_first_one_on() {
        for (share, expected) in [
            (MILLION, "xxxxxxxxxxxx"),
            (750_000, "xxx.xxx.xxx."),
            (500_000, "x.x.x.x.x.x."),
            (100_000, "x.........x."),
            (1, "x..........."),
            (0, "............"),
        ] {
            let budget = LogBudget::new(1_000, share);
            let found = (0..12).map(|_| if budget.take(7).is_some() { 'x' } else { '.' });
            assert_eq!(found.collect::<String>(), expected, "{share}");
        }
    }

    #[test]
    fn a_sampled_line_says_how_many_it_stands_for() {
        let budget = LogBudget::new(2, 250_000);
        let taken: Vec<_> = (0..13).map(|_| budget.take(7)).collect();
        let written: Vec<_> = taken.iter().flatten().collect();
        assert_eq!(written, [&0, &3], "two a second");
        assert_eq!(taken.iter().filter(|it| it.is_none()).count(), 11);
        let next = (0..4).find_map(|_| budget.take(8));
        assert_eq!(next, Some(8 + 3), "those of the sample that were too many, too");
    }
}
