//! All that takes part: the gate and what is behind it, what happened to them, and what was seen.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, interval, sleep, sleep_until},
};

use super::{
    BOUND_MS, INTROSPECTION_CACHE_SECONDS, INTROSPECTION_STALE_SECONDS, INTROSPECTION_TIMEOUT_MS,
    ISOLATES, KEYS_REFRESH_SECONDS, KEYS_STALE_SECONDS, KEYS_TIMEOUT_MS, Ms, SKEW_SECONDS,
    STALE_PATH, STRICT_PATH,
    harness::{
        issuer::{EDGE, INTROSPECTION, JWKS},
        *,
    },
    script::{LONGEST_HANG_MS, Planned, Service, What},
    tokens::DOOMED,
};

/// Where isolates are, and so which relay is theirs: two share one, and the cache of the data centre with it.
pub const CONTINENTS: [&str; ISOLATES] = ["EU", "EU", "AS"];
pub const RELAYS: [&str; ISOLATES] = ["weur-0", "weur-0", "apac-0"];

/// How often it is asked whether the machine is busy, and how late an answer is then.
const PULSE: Duration = Duration::from_millis(100);
const BUSY_MS: Ms = 250;
/// For how long it is looked who has the processors: longer than a question to hub or relay may take.
const STARVING: Duration = Duration::from_secs(2);

/// For how long it is waited until something is revoked.
const REVOKING: Duration = Duration::from_secs(2);

/// How long a control request of the test may take: one that was given up while workerd stands still would be
/// carried out later all the same.
const CONTROL: Duration = Duration::from_millis(LONGEST_HANG_MS + 5_000);

/// Milliseconds since the run began, and the time that they are.
#[derive(Clone, Copy)]
pub struct Clock {
    began: Instant,
    wall: i64,
}

impl Clock {
    pub fn start() -> Self {
        Self { began: Instant::now(), wall: mint::now_millis() }
    }

    pub fn now(self) -> Ms {
        u64::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    pub async fn until(self, at: Ms) {
        sleep_until(self.began + Duration::from_millis(at)).await;
    }

    /// In milliseconds since 1970.
    pub fn wall(self, at: Ms) -> i64 {
        self.wall + i64::try_from(at).unwrap()
    }
}

/// One workerd, from its start to its end.
pub struct Life {
    pub number: usize,
    pub gates: Vec<Gate>,
}

/// A fault, as it was.
#[derive(Clone, Debug)]
pub struct Happened {
    pub what: What,
    /// It began no earlier, and was over no later.
    pub from: Ms,
    pub to: Ms,
}

/// What the origin got.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// What it did with it.
    pub met: Mode,
    pub is_handshake: bool,
    pub subject: Option<String>,
    pub degraded: Option<String>,
    pub assertion: bool,
    pub has_token: bool,
    pub body: String,
}

pub struct World {
    pub clock: Clock,
    pub relays: Relays,
    pub kv: Kv,
    pub published: Issuer,
    pub asked: Issuer,
    pub front: Faults,
    _origin: Origin,
    data_centre: DataCentre,
    life: RwLock<Arc<Life>>,
    /// Something was revoked.
    pub revoked: Notify,
    /// Held by who ends workerd, or lets it stand still.
    process: tokio::sync::Mutex<()>,
    numbers: AtomicU64,
    /// By the number in the path.
    arrivals: Arc<Mutex<BTreeMap<u64, Vec<Arrival>>>>,
    happened: Mutex<Vec<Happened>>,
    /// What a life has printed that should not be.
    pub trouble: Mutex<Vec<String>>,
}

impl World {
    pub async fn start() -> Arc<Self> {
        let origin = Origin::answering(|seen| {
            let is_plain = seen.header("upgrade").is_empty();
            if is_plain { Answer::ok() } else { Answer::WebSocketEcho }
        });
        let origin = origin.await;
        let front = Faults::start().await;
        front.pass_to(origin.addr);
        let arrivals = Arc::<Mutex<BTreeMap<u64, Vec<Arrival>>>>::default();
        let noted = Arc::clone(&arrivals);
        front.tell(move |asked, met| {
            let number = asked.path().rsplit('/').next().and_then(|text| text.parse().ok());
            let number = number.unwrap_or_else(|| panic!("not of this run: {}", asked.target));
            noted.lock().unwrap().entry(number).or_default().push(Arrival::of(asked, met));
        });
        let relays = Relays::start().await;
        let (kv, data_centre) = (Kv::start().await, DataCentre::start().await);
        let (published, asked) = (Issuer::start().await, Issuer::start().await);
        let setup = setup(&front, &relays, &kv, &data_centre, &published, &asked);
        let gates = Gate::start_all(setup).await;
        let started = Happened { what: What::StartWorkerd, from: 0, to: 0 };
        Arc::new(Self {
            clock: Clock::start(),
            relays,
            kv,
            published,
            asked,
            front,
            _origin: origin,
            data_centre,
            life: RwLock::new(Arc::new(Life { number: 0, gates })),
            revoked: Notify::new(),
            process: tokio::sync::Mutex::default(),
            numbers: AtomicU64::new(1),
            arrivals,
            happened: Mutex::new(vec![started]),
            trouble: Mutex::default(),
        })
    }

    pub fn life(&self) -> Arc<Life> {
        Arc::clone(&self.life.read().unwrap())
    }

    /// The number of the next request.
    pub fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::SeqCst)
    }

    /// What reached the origin, by number.
    pub fn arrivals(&self) -> BTreeMap<u64, Vec<Arrival>> {
        self.arrivals.lock().unwrap().clone()
    }

    pub fn happened(&self) -> Vec<Happened> {
        self.happened.lock().unwrap().clone()
    }

    /// Lets the faults of a line happen, one after the other.
    pub async fn play(self: Arc<Self>, line: Vec<Planned>) {
        for Planned { start, lasts, what } in line {
            self.clock.until(start).await;
            self.suffer(what, start + lasts).await;
        }
    }

    async fn suffer(&self, what: What, until: Ms) {
        // One that has ended cannot stand still.
        let _alone = match what {
            What::KillWorkerd | What::HangWorkerd => Some(self.process.lock().await),
            _ => None,
        };
        let from = self.clock.now();
        match &what {
            What::Service(service, mode) => {
                let faults = self.faults(*service);
                faults.set(mode.clone()).await;
                self.clock.until(until).await;
                faults.set(Mode::Pass).await;
            }
            What::Objects(path, fault) => {
                self.relays.fail(path, *fault);
                self.clock.until(until).await;
                self.relays.heal(path, *fault);
            }
            What::KillObject(name) => self.control(0, &format!("kill/{name}")).await,
            What::Reset(isolate) => self.control(*isolate, "reset").await,
            What::StartWorkerd | What::Busy => {}
            What::KillWorkerd => self.kill_workerd(until).await,
            What::HangWorkerd => self.hang_workerd(until).await,
        }
        let to = self.clock.now();
        self.happened.lock().unwrap().push(Happened { what, from, to });
    }

    fn faults(&self, service: Service) -> &Faults {
        match service {
            Service::Origin => &self.front,
            Service::Published => &self.published.faults,
            Service::Asked => &self.asked.faults,
            Service::Kv => &self.kv.faults,
        }
    }

    /// Asks the module around the Worker, which may be gone at the moment.
    async fn control(&self, isolate: usize, action: &str) {
        let asked = get(&format!("/relays-of-the-test/{action}")).bytes();
        let life = self.life();
        let sent = client::try_raw(life.gates[isolate].addr, &asked);
        drop(tokio::time::timeout(CONTROL, sent).await);
    }

    async fn kill_workerd(&self, until: Ms) {
        let old = self.life();
        old.gates[0].kill();
        self.look_for_trouble();
        self.clock.until(until).await;
        let Self { front, relays, kv, data_centre, published, asked, .. } = self;
        let gates = Gate::start_all(setup(front, relays, kv, data_centre, published, asked)).await;
        *self.life.write().unwrap() = Arc::new(Life { number: old.number + 1, gates });
    }

    async fn hang_workerd(&self, until: Ms) {
        // Not everybody knows yet what was revoked just now.
        let _ = tokio::time::timeout(REVOKING, self.revoked.notified()).await;
        let life = self.life();
        life.gates[0].stand_still();
        self.clock.until(until).await;
        life.gates[0].go_on();
    }

    /// Notes when the machine is so busy that whatever has a time limit can miss it: when a timer is late, or the
    /// issuer, which is no part of what is tested, is slow to say what needs no fault proxy.
    pub async fn feel_its_pulse(self: Arc<Self>, end: Ms) {
        let mut tick = interval(PULSE);
        while self.clock.now() < end {
            tick.tick().await;
            let from = self.clock.now();
            self.published.jwks().await;
            let answered = self.clock.now();
            sleep(PULSE).await;
            let to = self.clock.now();
            let lasted =
                [answered - from, to - answered - Ms::try_from(PULSE.as_millis()).unwrap()];
            if lasted.into_iter().any(|lasted| lasted > BUSY_MS) {
                let busy = Happened { what: What::Busy, from, to };
                self.happened.lock().unwrap().push(busy);
            }
        }
    }

    /// Notes when others have the processors that workerd waits for, which a machine that answers little questions
    /// in time does not show: it gets less than a quarter of what it could use.
    pub async fn look_for_starvation(self: Arc<Self>, end: Ms) {
        while self.clock.now() < end {
            let (from, life) = (self.clock.now(), self.life());
            let before = life.gates[0].processor_times();
            sleep(STARVING).await;
            let after = life.gates[0].processor_times();
            let to = self.clock.now();
            let is_starving = before.zip(after).is_some_and(|(before, after)| {
                let used = after.used.saturating_sub(before.used);
                let waited = after.waited.saturating_sub(before.waited);
                waited > 3 * used && waited > 2 * Duration::from_millis(to - from) / 3
            });
            if is_starving {
                let busy = Happened { what: What::Busy, from, to };
                self.happened.lock().unwrap().push(busy);
            }
        }
    }

    /// Notes what this life has printed of panics, and of exceptions that the test did not make.
    pub fn look_for_trouble(&self) {
        let log = self.life().gates[0].log();
        let signs = ["panicked", "unreachable executed", "memory access", "\"event\":\"panic"];
        let lines = log.lines().filter(|line| signs.iter().any(|sign| line.contains(sign)));
        self.trouble.lock().unwrap().extend(lines.map(str::to_owned));
    }

    /// Waits a moment that nothing depends on.
    pub async fn moment(&self, millis: Ms) {
        sleep(Duration::from_millis(millis)).await;
    }
}

impl Arrival {
    fn of(asked: &Asked, met: &Mode) -> Self {
        let one = |name: &str| asked.header(name).first().map(|value| (*value).to_owned());
        let offered = asked.header("sec-websocket-protocol").join(",");
        Self {
            met: met.clone(),
            is_handshake: !asked.header("upgrade").is_empty(),
            subject: one("x-auth-subject"),
            degraded: one("x-auth-degraded"),
            assertion: one("x-auth-assertion").is_some(),
            has_token: one("authorization").is_some() || offered.contains("bearer"),
            body: String::from_utf8_lossy(&asked.body).into_owned(),
        }
    }
}

fn setup(
    front: &Faults,
    relays: &Relays,
    kv: &Kv,
    data_centre: &DataCentre,
    published: &Issuer,
    asked: &Issuer,
) -> Setup {
    let keys: Vec<_> = mint::all().into_iter().chain(&*DOOMED).collect();
    Setup::before(front.addr)
        .relays(relays)
        .kv(kv)
        .data_centre(data_centre)
        .isolates(ISOLATES)
        .assertion(60)
        .secret("JWT_KEYS", &mint::jwks(&keys))
        .secret("INTROSPECTION_SECRET", EDGE.1)
        .var("ALLOW_DEGRADED_AUTH", "true")
        .set("clock_skew_seconds", SKEW_SECONDS)
        .set("revocation.max_staleness_seconds", BOUND_MS / 1_000)
        .set("forward.claim_to_headers", json!({ "X-Auth-Subject": "sub" }))
        .set(
            "providers.1",
            json!({
                "name": "published",
                "issuer": published.url(),
                "audiences": [mint::AUDIENCE],
                "algorithms": ["ES256"],
                "jwks_uri": published.url() + JWKS,
                "jwks": {
                    "refresh_seconds": KEYS_REFRESH_SECONDS,
                    "max_stale_seconds": KEYS_STALE_SECONDS,
                    "cooldown_seconds": 1,
                    "timeout_ms": KEYS_TIMEOUT_MS,
                },
            }),
        )
        .set(
            "providers.2",
            json!({
                "name": "asked",
                "issuer": asked.url(),
                "audiences": [mint::AUDIENCE],
                "algorithms": ["ES256"],
                "keys": ["ASKED_KEYS"],
                "introspection": {
                    "url": asked.url() + INTROSPECTION,
                    "client_id": EDGE.0,
                    "client_secret": "INTROSPECTION_SECRET",
                    "opaque_tokens": "accept",
                    "timeout_ms": INTROSPECTION_TIMEOUT_MS,
                    // Who passes on less passes by a fault then, and not by a busy machine.
                    "degrade_after_ms": INTROSPECTION_TIMEOUT_MS,
                    "cache_seconds": INTROSPECTION_CACHE_SECONDS,
                    "max_stale_seconds": INTROSPECTION_STALE_SECONDS,
                },
            }),
        )
        // None of its tokens is signed, but a provider has to have a key.
        .secret("ASKED_KEYS", &mint::jwks(&[&mint::P256]))
        .access("/public", "public")
        .rule(json!({ "path": STRICT_PATH, "revocation": "strict" }))
        .rule(json!({ "path": STALE_PATH, "on_outage": "stale" }))
        .rule(json!({ "path": "/scoped", "scopes_all": ["admin"] }))
}
