//! The cold start: what the first request of a fresh process costs, and how long it takes from the
//! start of the process. What the runtime itself needs is in both contenders, so the difference is
//! the Worker's.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::connection::Connection;
use super::contender::{Contender, Surroundings};
use super::rows::{Sender, request};
use super::stats::Spread;
use super::workerd::{Workerd, binary};

/// How often each contender starts.
const STARTS: usize = 15;

/// One start, in milliseconds.
#[derive(Clone, Copy, Serialize)]
struct Start {
    /// From the request to its answer, on a connection that was open before.
    first_request: f64,
    /// workerd's processor time in that.
    first_request_cpu: f64,
    /// From the start of the process to the answer.
    process_to_answer: f64,
    /// workerd's processor time in all that.
    process_to_answer_cpu: f64,
}

/// A span of the start, for both contenders.
#[derive(Serialize)]
pub struct Span {
    pub what: &'static str,
    pub clock: Comparison,
    pub cpu: Comparison,
}

/// One figure of both contenders.
#[derive(Serialize)]
pub struct Comparison {
    pub empty: Spread,
    pub edgeward: Spread,
    /// Of the starts that followed each other.
    pub difference: Spread,
    pub ratio: Spread,
}

/// All starts and what they come to.
#[derive(Serialize)]
pub struct ColdStart {
    pub spans: [Span; 2],
    empty: Vec<Start>,
    edgeward: Vec<Start>,
}

impl ColdStart {
    /// Starts both in turn. `token` is good.
    pub async fn measure(surroundings: &Surroundings<'_>, token: &str) -> Self {
        let [mut empty, mut edgeward] = [Vec::new(), Vec::new()];
        eprintln!("cold start: {STARTS} of each");
        for _ in 0..STARTS {
            empty.push(Start::of(Contender::Empty, surroundings, token).await);
            edgeward.push(Start::of(Contender::Edgeward, surroundings, token).await);
        }
        let compare = |figure: fn(&Start) -> f64| Comparison::new(figure, &empty, &edgeward);
        let spans = [
            Span {
                what: "first request",
                clock: compare(|start| start.first_request),
                cpu: compare(|start| start.first_request_cpu),
            },
            Span {
                what: "process start to first answer",
                clock: compare(|start| start.process_to_answer),
                cpu: compare(|start| start.process_to_answer_cpu),
            },
        ];
        Self { spans, empty, edgeward }
    }

    /// As markdown.
    pub fn markdown(&self) -> String {
        let mut text = "### Cold start\n\n\
                        | ms | empty | edgeward | difference | ratio |\n\
                        |--|--:|--:|--:|--:|\n"
            .to_owned();
        for Span { what, clock, cpu } in &self.spans {
            writeln!(
                text,
                "| {what} | {} |\n| {what}, CPU | {} |",
                clock.markdown(),
                cpu.markdown()
            )
            .expect("a string takes everything");
        }
        text
    }
}

impl Comparison {
    fn new(figure: impl Fn(&Start) -> f64, empty: &[Start], edgeward: &[Start]) -> Self {
        let pairs = || empty.iter().zip(edgeward).map(|(empty, own)| (figure(empty), figure(own)));
        Self {
            empty: Spread::of(pairs().map(|(empty, _)| empty)),
            edgeward: Spread::of(pairs().map(|(_, own)| own)),
            difference: Spread::of(pairs().map(|(empty, own)| own - empty)),
            ratio: Spread::of(pairs().map(|(empty, own)| own / empty)),
        }
    }

    fn markdown(&self) -> String {
        let spans =
            [self.empty, self.edgeward, self.difference].map(|spread| spread.with_digits(1));
        format!("{} | {}", spans.join(" | "), self.ratio.with_digits(2))
    }
}

impl Start {
    async fn of(contender: Contender, surroundings: &Surroundings<'_>, token: &str) -> Self {
        let files = contender.files(surroundings);
        let command = surroundings.cpus.for_workerd(&binary());
        let request = request("/api/orders", Sender::Service, Some(token));

        let started = Instant::now();
        let workerd = Workerd::serve(files, command);
        let mut connection = Connection::open(workerd.address).await.expect("it listens");
        let cpu_before = workerd.processor_time();
        let asked = Instant::now();
        let status = connection.exchange(&request).await.expect("an answer");
        let answered = Instant::now();
        let cpu = workerd.processor_time();

        assert_eq!(status, 200, "{}: {}", contender.name(), connection.text());
        Self {
            first_request: millis(answered - asked),
            first_request_cpu: millis(cpu.saturating_sub(cpu_before)),
            process_to_answer: millis(answered - started),
            process_to_answer_cpu: millis(cpu),
        }
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
