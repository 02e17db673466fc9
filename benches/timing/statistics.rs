//! What times of two classes say about their difference.

use std::fmt;

/// From how many standard errors on two classes count as told apart.
const TOLD: f64 = 4.5;

/// The times of two classes, taken in turns, in nanoseconds.
#[derive(Default)]
pub struct Block {
    pub times: [Vec<u64>; 2],
}

/// What the blocks of a pair say.
#[derive(Default)]
pub struct Difference {
    /// The median of the first class in each block, and by how much that of the second is above it, in
    /// microseconds.
    blocks: Vec<(f64, f64)>,
}

impl Difference {
    pub fn add(&mut self, block: Block) {
        let [first, second] = block.times.map(median);
        self.blocks.push((first, second - first));
    }

    /// Whether it is more than chance makes of nothing.
    pub fn is_told(&self) -> bool {
        self.ratio().abs() >= TOLD
    }

    fn ratio(&self) -> f64 {
        self.mean() / self.standard_error()
    }

    fn mean(&self) -> f64 {
        mean(self.blocks.iter().map(|(_, difference)| *difference))
    }

    fn standard_error(&self) -> f64 {
        let (mean, count) = (self.mean(), count(self.blocks.len()));
        let squares: f64 = self.blocks.iter().map(|(_, it)| (it - mean).powi(2)).sum();
        (squares / (count - 1.0) / count).sqrt()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let median = mean(self.blocks.iter().map(|(median, _)| *median));
        let (difference, error) = (self.mean(), self.standard_error());
        write!(f, "{median:.1} µs | {difference:+.3} µs | {error:.3} µs | {:+.1}", self.ratio())
    }
}

/// In microseconds.
fn median(mut nanos: Vec<u64>) -> f64 {
    nanos.sort_unstable();
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let median = nanos[nanos.len() / 2] as f64;
    median / 1e3
}

fn mean(all: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = count(all.len());
    all.sum::<f64>() / count
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn count(length: usize) -> f64 {
    length as f64
}
