//! When each client sends what. Fixed before the load begins, and nothing that happens changes it:
//! a slow answer makes the next request late, and the time by which it is late is part of its
//! latency. A load that waited for answers would send less just when they are slow, and not count
//! what it did not send ("coordinated omission").

use std::hash::BuildHasher as _;
use std::time::Duration;

use foldhash::quality::FixedState;
use tokio::time::Instant;

use super::traffic::{Kind, Mix};

/// How long a connection may be idle: workerd closes it after fifteen seconds.
const LONGEST_GAP: Duration = Duration::from_secs(14);

/// What all clients of a load have in common.
#[derive(Clone, Copy)]
pub struct Load {
    pub clients: u32,
    /// Requests in a second, of all clients together.
    pub rate: u32,
    pub mix: Mix,
    /// When the first client connects; the others follow until `start`.
    pub opening: Instant,
    /// From when on requests count.
    pub start: Instant,
    /// When no more requests are due.
    pub end: Instant,
}

/// A request that is due.
pub struct Due {
    pub at: Instant,
    pub kind: Kind,
}

impl Load {
    /// Each client sends once in every such period.
    fn period(&self) -> Duration {
        Duration::from_secs(1) * self.clients / self.rate
    }

    /// # Panics
    ///
    /// When the clients would send so seldom that workerd closed their connections.
    pub fn check(&self) {
        assert!(
            self.period() < LONGEST_GAP,
            "{} clients at {} requests/s send every {:.1} s, and workerd closes connections that \
             are idle for longer than {LONGEST_GAP:?}: take fewer clients or a higher rate",
            self.clients,
            self.rate,
            self.period().as_secs_f64(),
        );
    }

    /// When this client connects.
    pub fn opening_of(&self, client: u32) -> Instant {
        self.opening + (self.start - self.opening) * client / self.clients
    }

    /// What this client sends: one request at a random instant of each of its periods. Even spaces
    /// would bring the same clients together again and again; wholly independent instants would
    /// leave gaps in which workerd closes connections. As it is, no gap is longer than two periods
    /// or than workerd allows, and with thousands of clients the requests of all come as irregularly
    /// as if they knew nothing of each other. The same in every run.
    pub fn of_client(self, client: u32) -> impl Iterator<Item = Due> {
        let (opening, period) = (self.opening_of(client), self.period());
        let room = period.min(LONGEST_GAP.saturating_sub(period));
        (0..)
            .map(move |turn: u32| Due {
                at: opening + period * turn + room.mul_f64(fraction(random((client, turn, 0)))),
                kind: self.mix.kind(random((client, turn, 1))),
            })
            .take_while(move |due| due.at < self.end)
    }
}

/// A number that is random for each `what`, and the same in every run.
pub fn random(what: (u32, u32, u32)) -> u64 {
    FixedState::with_seed(0).hash_one(what)
}

/// A random number as one between 0 and 1.
fn fraction(random: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "an instant needs no 64 bits")]
    let fraction = random as f64 / u64::MAX as f64;
    fraction
}
