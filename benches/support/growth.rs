//! Benchmarks in series: the same work on one input after the other, and a table at the end that
//! says how the time grows with the size of the input.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use criterion::{Bencher, Criterion, Throughput};
use serde_json::Value;

/// Criterion, and what it was asked to measure.
pub struct Bench {
    criterion: Criterion,
    directory: PathBuf,
    started: SystemTime,
    rows: Vec<(&'static str, Input)>,
}

/// What one benchmark of a series works on.
#[derive(Clone, Copy)]
pub enum Input {
    /// So many bytes.
    Bytes(usize),
    /// So many things of a sort that the series names.
    Elements(usize),
    /// Something that differs from the others in kind.
    Kind(&'static str),
}

impl Bench {
    pub fn new() -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("criterion");
        let criterion = Criterion::default()
            .without_plots()
            .output_directory(&directory)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(2))
            .configure_from_args();
        Self { criterion, directory, started: SystemTime::now(), rows: Vec::new() }
    }

    /// Measures one input of a series. The inputs of a series come one after the other, the
    /// smallest first.
    pub fn measure(&mut self, series: &'static str, input: Input, work: impl FnMut(&mut Bencher)) {
        let mut group = self.criterion.benchmark_group(series);
        match input {
            Input::Bytes(size) => {
                group.throughput(Throughput::Bytes(size as u64));
            }
            Input::Elements(size) => {
                group.throughput(Throughput::Elements(size as u64));
            }
            Input::Kind(_) => {}
        }
        group.bench_function(input.label(), work);
        group.finish();
        self.rows.push((series, input));
    }

    /// Prints the medians. Growth is that of the time and, after it, that of the input.
    pub fn report(&self) {
        self.criterion.final_summary();
        println!("| work | input | median | growth |\n|--|--|--:|--:|");
        let mut last = None;
        for &(series, input) in &self.rows {
            let Some(nanos) = self.median(series, input) else { continue };
            let growth = match (last, input.size()) {
                (Some((before, Some(smaller), time)), Some(size)) if before == series => {
                    format!("x {:.2} for x {:.1}", nanos / time, ratio(size, smaller))
                }
                _ => String::new(),
            };
            println!("| {series} | {} | {} | {growth} |", input.label(), shown(nanos));
            last = Some((series, input.size(), nanos));
        }
    }

    /// Fails if the time for `large` is more than so many times the time for `small`, where both
    /// were measured.
    pub fn must_not_grow(&self, series: &'static str, small: Input, large: Input, most: f64) {
        let medians = self.median(series, small).zip(self.median(series, large));
        if let Some((before, after)) = medians {
            let growth = after / before;
            assert!(growth <= most, "{series}: grows {growth:.2} times, more than {most}");
        }
    }

    /// The median in nanoseconds; `None` for what the command line has left out.
    fn median(&self, series: &str, input: Input) -> Option<f64> {
        let file = self.directory.join(series).join(input.label()).join("new/estimates.json");
        if fs::metadata(&file).ok()?.modified().ok()? < self.started {
            return None;
        }
        let estimates: Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
        estimates["median"]["point_estimate"].as_f64()
    }
}

impl Input {
    fn size(self) -> Option<usize> {
        match self {
            Self::Bytes(size) | Self::Elements(size) => Some(size),
            Self::Kind(_) => None,
        }
    }

    /// Also the name of a directory.
    fn label(self) -> String {
        match self {
            Self::Bytes(size) => format!("{size} bytes"),
            Self::Elements(size) => size.to_string(),
            Self::Kind(name) => name.to_owned(),
        }
    }
}

fn ratio(size: usize, smaller: usize) -> f64 {
    size as f64 / smaller as f64
}

fn shown(nanos: f64) -> String {
    if nanos < 1e3 { format!("{nanos:.0} ns") } else { format!("{:.2} µs", nanos / 1e3) }
}
