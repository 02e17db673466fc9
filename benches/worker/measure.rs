//! The measurement of one algorithm: all processes are alive, the rows take turns in each round.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::check;
use super::client::{Client, Script};
use super::contender::{Contender, Surroundings};
use super::rows::{Row, Traffic};
use super::tokens::{Tokens, garbage, with_bad_signature};
use super::workerd::Workerd;

/// How long a turn should last.
const TURN: Duration = Duration::from_millis(600);
/// So many tokens are taken for seen; the others stay new until their turn.
const SEEN: usize = 100;
/// So many of the others has it met in [`check`].
const CHECKED: usize = 1;
/// Requests in the two halves of the turn before the first round: the first warms up, the second
/// says how many requests make a turn.
const WARM_UP: usize = 2000;
/// Requests before a turn begins, so that all connections are open on both sides of the Worker.
const LEAD_IN: usize = 256;

/// What one turn took.
#[derive(Clone, Copy, Serialize)]
pub struct Turn {
    pub requests: usize,
    pub seconds: f64,
    /// Of workerd on a processor.
    pub cpu_seconds: f64,
}

/// One row and its turns, one in each round.
pub struct Measured {
    pub row: Row,
    pub turns: Vec<Turn>,
}

struct Process {
    contender: Contender,
    workerd: Workerd,
    /// The first good token that it has not seen.
    next_good: usize,
    next_bad: usize,
    next_expired: usize,
}

/// Measures these rows.
pub async fn measure(
    rows: &[Row],
    rounds: usize,
    tokens: &Tokens,
    surroundings: &Surroundings<'_>,
) -> Vec<Measured> {
    let mut processes = Vec::new();
    for row in rows {
        if processes.iter().all(|process: &Process| process.contender != row.contender) {
            processes.push(Process::start(row.contender, tokens, surroundings).await);
        }
    }
    let mut field = Field { tokens, processes };
    let mut counts = Vec::new();
    for row in rows {
        counts.push(field.warm_up(*row, rounds).await);
    }
    let mut measured: Vec<_> =
        rows.iter().map(|row| Measured { row: *row, turns: Vec::new() }).collect();
    for round in 0..rounds {
        eprintln!("{}: round {} of {rounds}", tokens.alg, round + 1);
        for at in in_turn(rows.len(), round) {
            let turn = field.turn(rows[at], counts[at]).await;
            measured[at].turns.push(turn);
        }
    }
    measured
}

/// Forwards in one round and backwards in the next: what drifts meets both ends alike.
fn in_turn(rows: usize, round: usize) -> Vec<usize> {
    let order = 0..rows;
    if round.is_multiple_of(2) { order.collect() } else { order.rev().collect() }
}

impl Process {
    async fn start(contender: Contender, tokens: &Tokens, surroundings: &Surroundings<'_>) -> Self {
        let workerd = contender.start(surroundings);
        check::check(contender, workerd.address, tokens).await;
        Self { contender, workerd, next_good: SEEN, next_bad: CHECKED, next_expired: CHECKED }
    }
}

struct Field<'a> {
    tokens: &'a Tokens,
    processes: Vec<Process>,
}

impl Field<'_> {
    /// Gives back how many requests make a turn of this row.
    async fn warm_up(&mut self, row: Row, rounds: usize) -> usize {
        self.turn(row, WARM_UP).await;
        let Turn { requests, seconds, .. } = self.turn(row, WARM_UP).await;
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "thousands"
        )]
        let wanted = (requests as f64 / seconds * TURN.as_secs_f64()) as usize;
        wanted.min(self.left_for(row) / rounds)
    }

    /// How many tokens for this row the process has not yet seen.
    fn left_for(&mut self, row: Row) -> usize {
        let tokens = self.tokens;
        let process = self.process(row);
        match row.traffic {
            Traffic::New => tokens.good.len() - process.next_good,
            Traffic::BadSignature => tokens.good.len() - process.next_bad,
            Traffic::Expired => tokens.expired.len() - process.next_expired,
            Traffic::Seen | Traffic::Garbage => usize::MAX,
        }
    }

    async fn turn(&mut self, row: Row, count: usize) -> Turn {
        let accepted = if row.contender == Contender::Refuse { 401 } else { 200 };
        let lead_in = script(row, &self.tokens.good[..SEEN], accepted);
        let script = self.script(row, count);
        let workerd = &self.process(row).workerd;
        let mut client = Client::connect(workerd.address).await;
        client.play(&lead_in, LEAD_IN).await;

        let cpu_before = workerd.processor_time();
        let before = Instant::now();
        client.play(&script, count).await;
        let seconds = before.elapsed().as_secs_f64();
        let cpu = workerd.processor_time().saturating_sub(cpu_before);
        Turn { requests: count, seconds, cpu_seconds: cpu.as_secs_f64() }
    }

    /// The requests of one turn. Only those with tokens in rotation are fewer than `count`.
    fn script(&mut self, row: Row, count: usize) -> Script {
        let tokens = self.tokens;
        let process = self.process(row);
        let status = row.traffic.status();
        match row.traffic {
            Traffic::Seen => script(row, &tokens.good[..SEEN], status),
            Traffic::New => script(row, take(&tokens.good, &mut process.next_good, count), status),
            Traffic::BadSignature => {
                let good = take(&tokens.good, &mut process.next_bad, count);
                let bad: Vec<_> = good.iter().map(|token| with_bad_signature(token)).collect();
                script(row, &bad, status)
            }
            Traffic::Expired => {
                script(row, take(&tokens.expired, &mut process.next_expired, count), status)
            }
            Traffic::Garbage => {
                let garbage: Vec<_> = (0..count).map(|_| garbage()).collect();
                script(row, &garbage, status)
            }
        }
    }

    fn process(&mut self, row: Row) -> &mut Process {
        let mut processes = self.processes.iter_mut();
        processes.find(|process| process.contender == row.contender).expect("it was started")
    }
}

fn script(row: Row, tokens: &[String], status: u16) -> Script {
    let requests = tokens.iter().map(|token| row.request(token)).collect();
    Script { requests: Arc::new(requests), status }
}

/// The next tokens of a list.
fn take<'a>(tokens: &'a [String], next: &mut usize, count: usize) -> &'a [String] {
    let taken = &tokens[*next..*next + count];
    *next += count;
    taken
}
