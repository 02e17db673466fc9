//! The run as tables, and as a file.

use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};

use super::contender::Contender;
use super::idle::{Idle, Taken};
use super::stats::Spread;
use super::turns::{Delay, Delays, Flow, Flows, KINDS, cells};
use super::workerd::root;

/// Below this share of a processor, a rate says more about both ends than about workerd.
const BUSY: f64 = 0.9;

/// All that came of a run. What was not measured is empty.
pub struct Report {
    /// Machine, time, commit and versions.
    pub facts: Value,
    /// How many idle sockets there were.
    pub sockets: usize,
    /// One for each round.
    pub flows: Vec<Flows>,
    /// One for each round.
    pub delays: Vec<Delays>,
    /// One for each start.
    pub idle: Vec<Idle>,
}

impl Report {
    /// Everything in Markdown.
    pub fn text(&self) -> String {
        let facts = serde_json::to_string_pretty(&self.facts).expect("it is JSON");
        let mut text = format!("{facts}\n\nMedians, and quartiles in brackets.\n");
        if !self.flows.is_empty() {
            self.add_rates(&mut text);
            self.add_ratios(&mut text);
        }
        if !self.delays.is_empty() {
            self.add_delays(&mut text);
        }
        if !self.idle.is_empty() {
            self.add_memory(&mut text);
        }
        text
    }

    /// Writes every figure to a file.
    pub fn save(&self) {
        let cells: Vec<_> = cells().map(|(sockets, kind)| (sockets, kind.name())).collect();
        let results = json!({
            "facts": self.facts,
            "contenders": Contender::OF_MESSAGES.map(Contender::name),
            "messages": { "cells": cells, "rounds": self.flows },
            "latency": { "cells": KINDS.map(super::turns::Kind::name), "rounds": self.delays },
            "memory": {
                "contenders": Contender::OF_MEMORY.map(Contender::name),
                "sockets": self.sockets,
                "starts": self.idle,
            },
        });
        let path = root().join("target/bench/sockets.json");
        let text = serde_json::to_vec_pretty(&results).expect("it is JSON");
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        println!("\nAll figures: {}", path.display());
    }

    fn add_rates(&self, text: &mut String) {
        let names = Contender::OF_MESSAGES.map(Contender::name);
        text.push_str(
            "\nMessages in a second, there and back, each of them twice through a Worker:\n\n",
        );
        row(text, ["sockets", "messages"].into_iter().chain(names));
        row(text, ["--:", "--"].into_iter().chain(names.map(|_| "--:")));
        let mut idle = Vec::new();
        for (at, (sockets, kind)) in cells().enumerate() {
            let rates = [0, 1, 2, 3].map(|lane| {
                let rate = self.spread(at, |of_cell| of_cell[lane].rate());
                let busy = self.spread(at, |of_cell| of_cell[lane].busy().unwrap_or(1.0)).median;
                if busy < BUSY {
                    idle.push(busy);
                }
                let mark = if busy < BUSY { " *" } else { "" };
                rate.with_digits(0) + mark
            });
            row(text, [sockets.to_string(), kind.name()].into_iter().chain(rates));
        }
        if let Some(least) = idle.into_iter().reduce(f64::min) {
            writeln!(
                text,
                "\n\\* workerd had its processor for less than {:.0} % of the time, {:.0} % at least: both ends, \
                 or other work on this machine, were slower. Believe the processor times.",
                BUSY * 100.0,
                least * 100.0
            )
            .expect("a string takes everything");
        }
    }

    fn add_ratios(&self, text: &mut String) {
        text.push_str(
            "\nTimes as fast, by messages in a second and by processor time of workerd for a message:\n\n",
        );
        let [native, pump, own] = [1, 2, 3];
        row(
            text,
            [
                "sockets",
                "messages",
                "edgeward : pump",
                "by processor time",
                "edgeward : handshake only",
                "by processor time",
                "edgeward, µs",
                "pump, µs",
            ],
        );
        row(text, ["--:", "--", "--:", "--:", "--:", "--:", "--:", "--:"]);
        for (at, (sockets, kind)) in cells().enumerate() {
            let rate = |to: usize| self.spread(at, |of| of[own].rate() / of[to].rate());
            let cpu = |to: usize| self.spread(at, |of| of[to].micros() / of[own].micros());
            let micros = |lane: usize| self.spread(at, |of| of[lane].micros()).with_digits(2);
            let ratios = [rate(pump), cpu(pump), rate(native), cpu(native)];
            let ratios = ratios.map(|ratio| ratio.with_digits(2));
            let cells = [sockets.to_string(), kind.name()].into_iter().chain(ratios);
            row(text, cells.chain([micros(own), micros(pump)]));
        }
    }

    fn add_delays(&self, text: &mut String) {
        text.push_str(
            "\nOne message at a time, there and back, in µs; with a Worker, how much more:\n\n",
        );
        let names = Contender::OF_MESSAGES.map(Contender::name);
        let names = names.iter().flat_map(|name| ["p50", "p99"].map(|at| format!("{name}, {at}")));
        row(text, std::iter::once("messages".to_owned()).chain(names));
        row(text, std::iter::once("--").chain(["--:"; 8]));
        for (at, kind) in KINDS.into_iter().enumerate() {
            let spread = |lane: usize, figure: fn(&Delay) -> f64| {
                let rounds = self.delays.iter().map(|round| &round[at]);
                let own = rounds.map(|of_kind| {
                    let direct = if lane == 0 { 0.0 } else { figure(&of_kind[0]) };
                    figure(&of_kind[lane]) - direct
                });
                Spread::of(own).with_digits(0)
            };
            let of_lane = |lane| [spread(lane, |delay| delay.p50), spread(lane, |delay| delay.p99)];
            row(text, std::iter::once(kind.name()).chain((0..4).flat_map(of_lane)));
        }
    }

    fn add_memory(&self, text: &mut String) {
        writeln!(
            text,
            "\nMemory of an idle socket among {}, each with a token of its own, in KB (1,000 bytes):\n",
            self.sockets
        )
        .expect("a string takes everything");
        row(text, ["", "resident", "more than pump", "of it wasm"]);
        row(text, ["--", "--:", "--:", "--:"]);
        for (at, contender) in Contender::OF_MEMORY.into_iter().enumerate() {
            let of = |figure: &dyn Fn(&Idle, &Taken) -> Option<f64>| {
                let starts = self.idle.iter().filter_map(|idle| figure(idle, &idle[at]));
                let starts: Vec<_> = starts.map(|bytes| bytes / 1_000.0).collect();
                if starts.is_empty() { String::new() } else { Spread::of(starts).with_digits(1) }
            };
            let resident = of(&|_, own| Some(own.resident));
            let peer = Contender::OF_MEMORY.iter().position(|it| Some(*it) == contender.peer());
            let more = of(&|idle, own| Some(own.resident - idle[peer?].resident));
            let wasm = of(&|_, own| own.wasm);
            row(text, [contender.name(), &resident, &more, &wasm]);
        }
        text.push_str(
            "\n\"Pump with a third socket\" has one to a Durable Object, as sockets of edgeward with \
             revocations have, and is what those are compared with. The Durable Object's end is in the same \
             process here.\n",
        );
    }

    fn spread(&self, cell: usize, figure: impl Fn(&[Flow; 4]) -> f64) -> Spread {
        Spread::of(self.flows.iter().map(|round| figure(&round[cell])))
    }
}

fn row<T: AsRef<str>>(text: &mut String, cells: impl IntoIterator<Item = T>) {
    let cells: Vec<_> = cells.into_iter().collect();
    let cells: Vec<_> = cells.iter().map(AsRef::as_ref).collect();
    writeln!(text, "| {} |", cells.join(" | ")).expect("a string takes everything");
}

impl Flow {
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn count(&self) -> f64 {
        self.messages as f64
    }

    fn rate(&self) -> f64 {
        self.count() / self.seconds
    }

    /// Processor time of workerd for a message; nothing without a Worker.
    fn micros(&self) -> f64 {
        self.cpu_seconds.unwrap_or_default() * 1e6 / self.count()
    }

    /// The share of the time in which workerd had a processor.
    fn busy(&self) -> Option<f64> {
        Some(self.cpu_seconds? / self.seconds)
    }
}
