//! Messages: how many pass, and how long one takes there and back. All processes are alive, and everything
//! takes turns in each round.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde::Serialize;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::contender::{Contender, Running};
use super::ends::{End, Origin, exchange, open};
use super::mint;
use super::pinning::Cpus;

/// Through how many sockets at once.
pub const SOCKETS: [usize; 2] = [1, 32];
/// The messages, by type and length in bytes.
pub const KINDS: [Kind; 6] = [
    Kind::text(16),
    Kind::binary(16),
    Kind::text(1_024),
    Kind::binary(1_024),
    Kind::text(65_536),
    Kind::binary(65_536),
];

/// How long a turn should last.
const TURN: Duration = Duration::from_millis(400);
/// So many messages are under way on a socket, if they are not so long that it would be more than
/// [`WINDOW_BYTES`]: a gate closes a socket with more than 1 MiB of them.
const WINDOW: usize = 64;
const WINDOW_BYTES: usize = 262_144;
/// Messages before it is known how many make a turn, on each socket: the first half warms up.
const WARM_UP: usize = 512;
/// How often a message goes there and back by itself in a turn, and before it.
const TRIPS: usize = 500;
const TRIPS_BEFORE: usize = 50;

/// A kind of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// Of text, or of bytes.
    pub is_text: bool,
    /// Its length.
    pub bytes: usize,
}

/// What one contender did in one turn.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Flow {
    /// Messages that came back.
    pub messages: usize,
    /// How long that took.
    pub seconds: f64,
    /// Of workerd on a processor.
    pub cpu_seconds: Option<f64>,
}

/// What messages that went by themselves took in one turn, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Delay {
    /// Half of them took no longer.
    pub p50: f64,
    /// Of a hundred, 99.
    pub p99: f64,
}

/// A round: in the order of [`SOCKETS`], [`KINDS`] and [`Contender::OF_MESSAGES`].
pub type Flows = Vec<[Flow; 4]>;
/// A round: in the order of [`KINDS`] and [`Contender::OF_MESSAGES`].
pub type Delays = Vec<[Delay; 4]>;

/// All contenders, with open sockets.
pub struct Field {
    lanes: Vec<Lane>,
    /// How many messages make a turn of each kind, in the order of [`Flows`].
    counts: Vec<[usize; 4]>,
}

/// One contender.
struct Lane {
    running: Running,
    sockets: Vec<End>,
}

impl Kind {
    const fn text(bytes: usize) -> Self {
        Self { is_text: true, bytes }
    }

    const fn binary(bytes: usize) -> Self {
        Self { is_text: false, bytes }
    }

    /// Its name in the results.
    pub fn name(self) -> String {
        let kind = if self.is_text { "text" } else { "binary" };
        let Self { bytes, .. } = self;
        if bytes < 1_024 {
            format!("{bytes} B, {kind}")
        } else {
            format!("{} KiB, {kind}", bytes / 1_024)
        }
    }

    fn message(self) -> Message {
        if self.is_text {
            Message::text("t".repeat(self.bytes))
        } else {
            Message::binary(vec![7; self.bytes])
        }
    }

    fn window(self) -> usize {
        (WINDOW_BYTES / self.bytes).clamp(1, WINDOW)
    }
}

impl Field {
    /// Starts all contenders, opens their sockets, and finds out how many messages make a turn.
    pub async fn start(origin: &Origin, cpus: &Cpus) -> Self {
        let mut lanes = Vec::new();
        for contender in Contender::OF_MESSAGES {
            let running = contender.start(origin, cpus, &[]);
            let mut sockets = Vec::new();
            for number in 0..SOCKETS[1] {
                let token = token(number);
                sockets.push(open(running.address, contender.path(), &token).await);
            }
            lanes.push(Lane { running, sockets });
        }
        let mut field = Self { lanes, counts: Vec::new() };
        for (sockets, kind) in cells() {
            let mut counts = [0; 4];
            for (lane, count) in field.lanes.iter_mut().zip(&mut counts) {
                lane.flow(sockets, kind, sockets * WARM_UP.min(8 * kind.window())).await;
                let warm = lane.flow(sockets, kind, sockets * WARM_UP.min(8 * kind.window())).await;
                *count = in_a_turn(&warm, sockets);
            }
            field.counts.push(counts);
        }
        field
    }

    /// How many messages pass.
    pub async fn messages(&mut self, round: usize) -> Flows {
        let mut flows = Vec::new();
        for ((sockets, kind), counts) in cells().zip(&self.counts) {
            let mut of_cell = [None; 4];
            for at in in_turn(round) {
                of_cell[at] = Some(self.lanes[at].flow(sockets, kind, counts[at]).await);
            }
            flows.push(of_cell.map(|flow| flow.expect("all had their turn")));
        }
        flows
    }

    /// How long one takes.
    pub async fn latency(&mut self, round: usize) -> Delays {
        let mut delays = Vec::new();
        for kind in KINDS {
            let mut of_kind = [None; 4];
            for at in in_turn(round) {
                of_kind[at] = Some(self.lanes[at].delay(kind).await);
            }
            delays.push(of_kind.map(|delay| delay.expect("all had their turn")));
        }
        delays
    }
}

impl Lane {
    async fn flow(&mut self, sockets: usize, kind: Kind, messages: usize) -> Flow {
        let (message, each) = (kind.message(), messages / sockets);
        let cpu_before = self.running.processor_time();
        let before = Instant::now();
        let ends = self.sockets[..sockets].iter_mut();
        join_all(ends.map(|end| exchange(end, &message, each, kind.window()))).await;
        let seconds = before.elapsed().as_secs_f64();
        let cpu_after = self.running.processor_time();
        let cpu_seconds = cpu_before.zip(cpu_after);
        let cpu_seconds =
            cpu_seconds.map(|(before, after)| after.saturating_sub(before).as_secs_f64());
        Flow { messages: each * sockets, seconds, cpu_seconds }
    }

    async fn delay(&mut self, kind: Kind) -> Delay {
        let message = kind.message();
        let end = &mut self.sockets[0];
        exchange(end, &message, TRIPS_BEFORE, 1).await;
        let mut micros = Vec::with_capacity(TRIPS);
        for _ in 0..TRIPS {
            let before = Instant::now();
            exchange(end, &message, 1, 1).await;
            micros.push(before.elapsed().as_secs_f64() * 1e6);
        }
        micros.sort_by(f64::total_cmp);
        let at = |percent: usize| micros[(TRIPS * percent).div_ceil(100) - 1];
        Delay { p50: at(50), p99: at(99) }
    }
}

impl Running {
    fn processor_time(&self) -> Option<Duration> {
        self.workerd.as_ref().map(super::workerd::Workerd::processor_time)
    }
}

/// All that is measured of messages that pass.
pub fn cells() -> impl Iterator<Item = (usize, Kind)> {
    SOCKETS.into_iter().flat_map(|sockets| KINDS.map(|kind| (sockets, kind)))
}

/// A token of its own for each socket, for longer than all of this takes.
pub fn token(number: usize) -> String {
    mint::token_with(json!({ "sub": format!("user-{number}"), "exp": mint::now() + 36_000 }))
}

/// Forwards in one round and backwards in the next: what drifts meets both ends alike.
fn in_turn(round: usize) -> Vec<usize> {
    let order = 0..Contender::OF_MESSAGES.len();
    if round.is_multiple_of(2) { order.collect() } else { order.rev().collect() }
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "far below 2^52"
)]
fn in_a_turn(warm: &Flow, sockets: usize) -> usize {
    let wanted = warm.messages as f64 / warm.seconds * TURN.as_secs_f64();
    (wanted as usize).max(sockets)
}
