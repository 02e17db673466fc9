//! What the turns of all rows of one algorithm come to.

use std::fmt::Write as _;

use serde::Serialize;

use super::contender::Contender;
use super::measure::{Measured, Turn};
use super::rows::Row;
use super::stats::Spread;

/// Below this share of a processor, a rate says more about the machine than about workerd.
const BUSY: f64 = 0.9;

/// All rows of one algorithm.
#[derive(Serialize)]
pub struct Table {
    pub alg: String,
    pub rows: Vec<Line>,
}

/// One row. Ratios are made in each round, of turns that are seconds apart, and only then put in
/// order: what disturbs a round meets both sides.
#[derive(Serialize)]
pub struct Line {
    #[serde(skip)]
    pub row: Row,
    pub name: String,
    pub requests_per_second: Spread,
    pub cpu_micros: Spread,
    /// Requests per second against those of the limit.
    pub to_limit: Option<Spread>,
    /// Processor time of the limit against ours; also more is better.
    pub to_limit_by_cpu: Option<Spread>,
    pub to_jose: Option<Spread>,
    pub to_hono: Option<Spread>,
    /// The share of the time in which workerd had a processor.
    pub busy: Spread,
    pub rounds: Vec<Turn>,
}

impl Turn {
    fn rate(&self) -> f64 {
        self.count() / self.seconds
    }

    fn cpu_micros(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.count()
    }

    fn busy(&self) -> f64 {
        self.cpu_seconds / self.seconds
    }

    #[allow(clippy::cast_precision_loss, reason = "thousands")]
    fn count(&self) -> f64 {
        self.requests as f64
    }
}

impl Table {
    /// Of everything that was measured with the tokens of an algorithm.
    pub fn new(alg: &str, measured: &[Measured]) -> Self {
        let rows = measured.iter().map(|it| Line::new(it, measured)).collect();
        Self { alg: alg.to_owned(), rows }
    }

    /// The line of this row, if it was measured.
    pub fn line(&self, row: Row) -> Option<&Line> {
        self.rows.iter().find(|line| line.row == row)
    }

    /// As markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "### {}\n\n\
             | row | requests/s | CPU µs | of the limit | of the limit, by CPU | of jose | of hono |\n\
             |--|--:|--:|--:|--:|--:|--:|\n",
            self.alg
        );
        for line in &self.rows {
            let ratio =
                |ratio: Option<Spread>| ratio.map(|ratio| ratio.with_digits(2)).unwrap_or_default();
            writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} |",
                line.name,
                line.requests_per_second.with_digits(0),
                line.cpu_micros.with_digits(1),
                ratio(line.to_limit),
                ratio(line.to_limit_by_cpu),
                ratio(line.to_jose),
                ratio(line.to_hono),
            )
            .expect("a string takes everything");
        }
        text + &self.caution()
    }

    /// What makes the rates of this table doubtful.
    fn caution(&self) -> String {
        let idle: Vec<_> = self
            .rows
            .iter()
            .filter(|line| line.busy.median < BUSY)
            .map(|line| &*line.name)
            .collect();
        if idle.is_empty() {
            return String::new();
        }
        format!(
            "\nworkerd had its processor for less than {:.0} % of the time in: {}. Something else \
             ran on this machine: believe the processor times rather than the rates.\n",
            BUSY * 100.0,
            idle.join(", ")
        )
    }
}

impl Line {
    fn new(own: &Measured, all: &[Measured]) -> Self {
        let rates =
            |other: Option<Row>| ratio(own, all, other, |own, other| own.rate() / other.rate());
        let Measured { row, turns } = own;
        Self {
            row: *row,
            name: row.name(),
            requests_per_second: Spread::of(turns.iter().map(Turn::rate)),
            cpu_micros: Spread::of(turns.iter().map(Turn::cpu_micros)),
            to_limit: rates(row.limit()),
            to_limit_by_cpu: ratio(own, all, row.limit(), |own, limit| {
                limit.cpu_micros() / own.cpu_micros()
            }),
            to_jose: rates(row.of_peer(Contender::Jose)),
            to_hono: rates(row.of_peer(Contender::Hono)),
            busy: Spread::of(turns.iter().map(Turn::busy)),
            rounds: turns.clone(),
        }
    }
}

/// In each round, if the other row was measured.
fn ratio(
    own: &Measured,
    all: &[Measured],
    other: Option<Row>,
    of: impl Fn(&Turn, &Turn) -> f64,
) -> Option<Spread> {
    let other = all.iter().find(|it| Some(it.row) == other)?;
    Some(Spread::of(own.turns.iter().zip(&other.turns).map(|(own, other)| of(own, other))))
}
