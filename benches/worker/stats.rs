//! Medians and quartiles.

use serde::Serialize;

/// The middle of some figures, and between which half of them lie.
#[derive(Clone, Copy, Serialize)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    /// Of at least one figure.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let [low, median, high] = [1, 2, 3].map(|quarter| quartile(&figures, quarter));
        Self { low, median, high }
    }

    /// In three columns' worth of text.
    pub fn with_digits(&self, digits: usize) -> String {
        let Self { low, median, high } = self;
        format!("{median:.digits$} ({low:.digits$}–{high:.digits$})")
    }
}

/// Between two figures where none stands at the quarter itself.
fn quartile(sorted: &[f64], quarter: usize) -> f64 {
    let position = (sorted.len() - 1) * quarter;
    let (at, between) = (position / 4, position % 4);
    let next = sorted[(at + 1).min(sorted.len() - 1)];
    #[allow(clippy::cast_precision_loss, reason = "at most 3")]
    let share = between as f64 / 4.0;
    sorted[at] + (next - sorted[at]) * share
}
