//! What the turns of all rows of one algorithm come to.

use std::fmt::Write as _;

use serde::Serialize;

use super::contender::Contender;
use super::measure::{Measured, Turn};
use super::rows::{Row, Traffic};
use super::stats::Spread;

/// Below this share of a processor, a rate says more about the machine than about workerd.
const BUSY: f64 = 0.9;

/// All rows of one algorithm.
#[derive(Serialize)]
pub struct Table {
    pub alg: String,
    pub rows: Vec<Line>,
}

/// One row.
#[derive(Serialize)]
pub struct Line {
    #[serde(skip)]
    pub row: Row,
    pub name: String,
    pub requests_per_second: Spread,
    pub cpu_micros: Spread,
    pub to_limit: Option<Ratio>,
    pub to_jose: Option<Ratio>,
    pub to_hono: Option<Ratio>,
    /// To the build of before, if that was measured, too.
    pub to_before: Option<Ratio>,
    /// The share of the time in which workerd had a processor.
    pub busy: Spread,
    pub rounds: Vec<Turn>,
}

/// How much better than another row this one is; more is better in both. Ratios are made in each
/// round, of turns that are seconds apart, and only then put in order: what disturbs a round meets
/// both sides.
#[derive(Clone, Copy, Serialize)]
pub struct Ratio {
    /// Of requests per second.
    pub rate: Spread,
    /// Of requests per second of processor time.
    pub cpu: Spread,
}

/// All algorithms side by side, as markdown: first how many requests there were, then how the rows
/// compare.
pub fn markdown(tables: &[Table]) -> String {
    let mut rows: Vec<Row> = Vec::new();
    for line in tables.iter().flat_map(|table| &table.rows) {
        if !rows.contains(&line.row) {
            rows.push(line.row);
        }
    }
    let algs: Vec<_> = tables.iter().map(|table| &*table.alg).collect();
    let mut text = format!("| | {} |\n|--|{}\n", algs.join(" | "), "--:|".repeat(algs.len()));
    let mut add = |name: String, figure: &dyn Fn(&Line) -> Option<String>, row: Row| {
        let of = |table: &Table| table.line(row).and_then(figure).unwrap_or_default();
        let cells: Vec<_> = tables.iter().map(of).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            writeln!(text, "| {name} | {} |", cells.join(" | "))
                .expect("a string takes everything");
        }
    };
    for row in &rows {
        let rate = |line: &Line| Some(line.requests_per_second.with_digits(0));
        add(format!("{}, requests/s", row.name()), &rate, *row);
    }
    for row in &rows {
        let limit = row.limit().map(Row::name).unwrap_or_default();
        add(format!("{} : {limit}", row.name()), &|line| ratio(line.to_limit), *row);
        add(format!("{} : jose", row.name()), &|line| ratio(line.to_jose), *row);
        add(format!("{} : hono", row.name()), &|line| ratio(line.to_hono), *row);
        add(format!("{} : before", row.name()), &|line| ratio(line.to_before), *row);
    }
    text
}

/// The one chart that matters, for the README: how much of the speed of a Worker without auth is left
/// for tokens that were seen before.
pub fn chart(tables: &[Table]) -> String {
    const WIDTH: f64 = 40.0;
    let mut text = String::new();
    for table in tables {
        for gate in [Contender::Edgeward, Contender::Jose, Contender::Hono] {
            let line = table.line(Row::new(gate, Traffic::Seen));
            let Some(Ratio { cpu, .. }) = line.and_then(|line| line.to_limit) else { continue };
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a ratio is small and positive"
            )]
            let bar = "█".repeat((cpu.median * WIDTH).round() as usize);
            let (alg, gate) = (&table.alg, gate.name());
            writeln!(text, "{alg:6} {gate:9} {bar:40} {:3.0} %", cpu.median * 100.0)
                .expect("a string takes everything");
        }
    }
    text
}

fn ratio(ratio: Option<Ratio>) -> Option<String> {
    ratio.map(|ratio| ratio.cpu.with_digits(2))
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

    /// What makes the rates of this table doubtful.
    pub fn caution(&self) -> String {
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
            "\n{}: workerd had its processor for less than {:.0} % of the time in: {}. The rest was other \
             work on this machine, or waiting: believe the processor times rather than the rates.\n",
            self.alg,
            BUSY * 100.0,
            idle.join(", ")
        )
    }
}

impl Line {
    fn new(own: &Measured, all: &[Measured]) -> Self {
        let Measured { row, turns } = own;
        let to = |other: Option<Row>| {
            let other = all.iter().find(|it| Some(it.row) == other)?;
            Some(Ratio::new(turns, &other.turns))
        };
        Self {
            row: *row,
            name: row.name(),
            requests_per_second: Spread::of(turns.iter().map(Turn::rate)),
            cpu_micros: Spread::of(turns.iter().map(Turn::cpu_micros)),
            to_limit: to(row.limit()),
            to_jose: to(row.of_peer(Contender::Jose)),
            to_hono: to(row.of_peer(Contender::Hono)),
            to_before: to(row.before()),
            busy: Spread::of(turns.iter().map(Turn::busy)),
            rounds: turns.clone(),
        }
    }
}

impl Ratio {
    fn new(own: &[Turn], other: &[Turn]) -> Self {
        let rounds = || own.iter().zip(other);
        Self {
            rate: Spread::of(rounds().map(|(own, other)| own.rate() / other.rate())),
            cpu: Spread::of(rounds().map(|(own, other)| other.cpu_micros() / own.cpu_micros())),
        }
    }
}
