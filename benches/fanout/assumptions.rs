//! What is assumed: about the network, about the platform, and about who sends requests.

use super::clockwork::{MILLISECOND, Micros, SECOND};
use super::random::Trip;

/// A location hint of Durable Objects.
pub struct Region {
    pub name: &'static str,
    /// How many of the data centres are there: roughly as the published list of cities is spread.
    pub centres: usize,
    /// The median round trip between a relay there and the hub, which is in `enam`, in milliseconds:
    /// what is usual between Virginia and the regions of public clouds, rounded. Two of them were
    /// compared with <https://cloudping.co>, which had 202 ms to Hong Kong and 227 ms to Cape Town.
    pub hub_ms: f64,
}

pub const REGIONS: [Region; 9] = [
    Region { name: "wnam", centres: 30, hub_ms: 65.0 },
    Region { name: "enam", centres: 45, hub_ms: 5.0 },
    Region { name: "sam", centres: 45, hub_ms: 130.0 },
    Region { name: "weur", centres: 45, hub_ms: 85.0 },
    Region { name: "eeur", centres: 30, hub_ms: 110.0 },
    Region { name: "apac", centres: 65, hub_ms: 190.0 },
    Region { name: "oc", centres: 12, hub_ms: 200.0 },
    Region { name: "afr", centres: 18, hub_ms: 220.0 },
    Region { name: "me", centres: 10, hub_ms: 170.0 },
];

pub const CENTRES: usize = 300;

/// The size of a data centre is 1 / (its rank + this): the largest has 3 % of all isolates, the
/// smallest a thirtieth of that.
pub const FLATTENED_BY: f64 = 10.0;

/// Requests to an isolate in a second. Their logarithms are evenly spread in between: half of the
/// isolates have fewer than 3.2.
pub const LEAST_RATE: f64 = 0.1;
pub const MOST_RATE: f64 = 100.0;

/// The settings as they are by default: `refresh_seconds`, `max_staleness_seconds` and `timeout_ms`.
pub const REFRESH: Micros = SECOND;
pub const MAX_STALENESS: Micros = 30 * SECOND;
pub const TIMEOUT: Micros = SECOND;

/// After a pull that failed there is none for so long, counted from its end (src/gate/revocation.rs).
pub const RETRY: Micros = SECOND;
/// From this age on a list is of an isolate that was idle: its first request waits for a pull, this long
/// at most (src/gate/revocation.rs).
pub const IDLE_AFTER: Micros = 5 * REFRESH;
pub const IDLE_PATIENCE: Micros = 250 * MILLISECOND;

/// How long a question of a relay may take, and for how long it does not ask after one that failed,
/// counted from its end (src/edge/relay.rs).
pub const HUB_TIMEOUT: Micros = 600 * MILLISECOND;
pub const HUB_PAUSE: Micros = SECOND;

/// How long a push may take, and how long the admin waits for pushes (src/edge/hub.rs).
pub const PUSH_TIMEOUT: Micros = 2 * SECOND;
pub const PATIENCE: Micros = SECOND;
/// How soon a push that failed is tried again; twice as late each time, up to the most.
pub const PUSH_RETRY: Micros = SECOND;
pub const MOST_PUSH_RETRY: Micros = 30 * SECOND;

/// How long the hub takes to make a revocation durable.
pub const LEAST_STORING: Micros = 2 * MILLISECOND;
pub const MOST_STORING: Micros = 10 * MILLISECOND;

/// The cache of a data centre: how long a lookup takes.
pub const LEAST_LOOKUP: Micros = MILLISECOND;
pub const MOST_LOOKUP: Micros = 3 * MILLISECOND;

/// How often a pull or a question is lost. (How often a push is, the scenario says.)
pub const PULL_LOSS: f64 = 0.005;
/// Of the lost pushes this part reached the relay, and only its answer was lost.
pub const LOST_ANSWERS: f64 = 0.5;

/// How often a relay restarts, and how long that takes.
pub const RESTART_EVERY: Micros = 60 * SECOND;
pub const LEAST_DOWN: Micros = SECOND / 5;
pub const MOST_DOWN: Micros = 3 * SECOND;

/// What HTTP adds to a message, in each direction, in bytes.
pub const HTTP_BYTES: u64 = 500;

/// How many requests a second Durable Objects are said to bear, each.
pub const OBJECT_LIMIT: f64 = 1_000.0;

pub fn isolate_to_relay() -> Trip {
    Trip::of(15.0, 80.0)
}

/// The 99th percentile is assumed to be 1.6 times the median.
pub fn relay_to_hub(region: usize) -> Trip {
    let median_ms = REGIONS[region].hub_ms;
    Trip::of(median_ms, median_ms * 1.6)
}
