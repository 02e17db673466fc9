//! Which faults there are, and when: the same for the same seed.

use std::time::Duration;

use super::{ISOLATES, Ms, harness::*, world::RELAYS};

/// For so long of each cycle faults begin, and those that there are end with it; for the rest there is none.
const STORM_MS: Ms = 30_000;
const CALM_MS: Ms = 12_000;

/// workerd stands still for less than this: twice as long as lists count, and less than clients wait, so that
/// what they sent meanwhile is still wanted.
pub const LONGEST_HANG_MS: Ms = 14_000;

/// splitmix64 (Steele, Lea, Flood 2014).
pub struct Random(u64);

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number of `from..to`.
    pub const fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from)
    }

    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.next() % length as u64).unwrap()
    }

    pub fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.index(all.len())].clone()
    }

    /// Whether something is the case that is so in so many of a hundred.
    pub const fn percent(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

/// A service behind the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Origin,
    /// The issuer whose keys are fetched.
    Published,
    /// The issuer that is asked about tokens.
    Asked,
    Kv,
}

/// Something that goes wrong.
#[derive(Clone, Debug)]
pub enum What {
    /// A service fails in this way.
    Service(Service, Mode),
    /// Calls of Durable Objects whose path begins like this fail.
    Objects(&'static str, Fault),
    /// A relay, or the hub, ends at once.
    KillObject(&'static str),
    /// The instance of the wasm of an isolate ends.
    Reset(usize),
    /// workerd starts for the first time, which is no fault, but not the usual either.
    StartWorkerd,
    /// The machine does something else, which is no fault of anybody.
    Busy,
    /// workerd ends, and starts again after a while.
    KillWorkerd,
    /// workerd stands still, and goes on with all that it had.
    HangWorkerd,
}

/// What goes wrong, when, and for how long.
#[derive(Clone, Debug)]
pub struct Planned {
    pub start: Ms,
    pub lasts: Ms,
    pub what: What,
}

/// Faults that are never there at the same time; those of several lines are.
pub type Line = Vec<Planned>;

impl What {
    /// For people.
    pub fn name(&self) -> String {
        match self {
            Self::Service(service, mode) => format!("{service:?}: {}", mode_name(mode)),
            Self::Objects(path, Fault::Slow(_)) => format!("{path}: Slow"),
            Self::Objects(path, fault) => format!("{path}: {fault:?}"),
            Self::KillObject(name) => format!("kill {name}"),
            Self::Reset(_) => "reset an instance".to_owned(),
            Self::StartWorkerd => "start workerd".to_owned(),
            Self::Busy => "busy machine".to_owned(),
            Self::KillWorkerd => "kill workerd".to_owned(),
            Self::HangWorkerd => "hang workerd".to_owned(),
        }
    }
}

fn mode_name(mode: &Mode) -> String {
    match mode {
        Mode::Status { code, .. } => format!("Status {code}"),
        Mode::Flapping(_) => "Flapping".to_owned(),
        Mode::Slow(_) => "Slow".to_owned(),
        other => format!("{other:?}"),
    }
}

/// All lines for a run of this length.
pub fn script(seed: u64, length: Ms) -> Vec<Line> {
    let mut random = Random::new(seed);
    let mut lines = Vec::new();
    let mut line = |gap: (Ms, Ms), lasts: (Ms, Ms), what: &dyn Fn(&mut Random) -> What| {
        let random = Random::new(random.next());
        lines.push(planned(random, length, gap, lasts, what));
    };
    let service = |service, modes: fn(&mut Random) -> Vec<Mode>| {
        move |random: &mut Random| {
            let modes = modes(random);
            What::Service(service, random.pick(&modes))
        }
    };
    line((1_500, 8_000), (400, 4_000), &service(Service::Origin, of_origin));
    line((4_000, 16_000), (500, 24_000), &service(Service::Published, of_issuer));
    // An outage of the auth service is felt for longer than it lasts, by the back-off of breakers.
    line((12_000, 30_000), (500, 4_000), &service(Service::Asked, of_issuer));
    line((1_500, 8_000), (500, 8_000), &service(Service::Kv, of_kv));
    line((10_000, 26_000), (500, 12_000), &|random| What::Objects("/hub/", fault(random)));
    line((10_000, 26_000), (500, 12_000), &|random| {
        let paths = ["/relay/", "/relay/pull/weur-0", "/relay/pull/apac-0"];
        What::Objects(random.pick(&paths), fault(random))
    });
    line((1_000, 8_000), (500, 9_000), &|random| {
        let paths = ["/relay/push", "/relay/leash", "/relay/message", "/hub/append"];
        What::Objects(random.pick(&paths), fault(random))
    });
    line((8_000, 25_000), (1, 2), &|random| {
        What::KillObject(random.pick(&[RELAYS[0], RELAYS[2], "hub"]))
    });
    line((10_000, 30_000), (1, 2), &|random| What::Reset(random.index(ISOLATES)));
    line((12_000, 36_000), (1, 2_500), &|_| What::KillWorkerd);
    line((9_000, 30_000), (500, LONGEST_HANG_MS), &|_| What::HangWorkerd);
    lines
}

fn planned(
    mut random: Random,
    length: Ms,
    gap: (Ms, Ms),
    lasts: (Ms, Ms),
    what: &dyn Fn(&mut Random) -> What,
) -> Line {
    let mut line = Line::new();
    let mut at = 0;
    loop {
        at += random.between(gap.0, gap.1);
        let into = at % (STORM_MS + CALM_MS);
        let lasts = random.between(lasts.0, lasts.1);
        let what = what(&mut random);
        if at >= length {
            return line;
        }
        if into < STORM_MS {
            let lasts = lasts.min(STORM_MS - into).min(length - at);
            line.push(Planned { start: at, lasts, what });
            at += lasts;
        }
    }
}

fn fault(random: &mut Random) -> Fault {
    let slow = Fault::Slow(Duration::from_millis(random.between(100, 2_000)));
    random.pick(&[Fault::Down, Fault::Hang, Fault::Garbage, Fault::AnswerLost, slow])
}

fn slow(random: &mut Random, most: Ms) -> Mode {
    Mode::Slow(Duration::from_millis(random.between(100, most)))
}

fn of_origin(random: &mut Random) -> Vec<Mode> {
    let slow = slow(random, 1_500);
    let flapping = vec![Mode::Pass, Mode::Reset, slow.clone(), Mode::status(500), Mode::HalfBody];
    vec![
        Mode::Refused,
        Mode::Refused,
        Mode::Reset,
        Mode::Hang,
        slow,
        Mode::status(500),
        Mode::status(503),
        Mode::Garbage,
        Mode::HalfBody,
        Mode::Flapping(flapping),
    ]
}

fn of_issuer(random: &mut Random) -> Vec<Mode> {
    let flapping = vec![Mode::Pass, Mode::Reset, Mode::status(500), Mode::Garbage, Mode::Pass];
    vec![
        Mode::Refused,
        Mode::Reset,
        Mode::Hang,
        slow(random, 3_000),
        Mode::status(500),
        Mode::status(503),
        Mode::status(429),
        Mode::Garbage,
        Mode::HalfBody,
        Mode::Huge,
        Mode::Flapping(flapping),
    ]
}

fn of_kv(random: &mut Random) -> Vec<Mode> {
    let flapping = vec![Mode::Pass, Mode::Reset, Mode::status(500), Mode::Garbage, Mode::Hang];
    vec![
        Mode::Refused,
        Mode::Reset,
        Mode::Hang,
        slow(random, 1_000),
        Mode::status(500),
        Mode::Garbage,
        Mode::HalfBody,
        Mode::Flapping(flapping),
    ]
}
