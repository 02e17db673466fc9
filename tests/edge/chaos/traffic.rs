//! Requests, at a rate that does not depend on what becomes of them.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::{
    ISOLATES, Ms, STALE_PATH, STRICT_PATH,
    harness::*,
    orders::place,
    script::Random,
    tokens::{Class, Issued, Mint, Pools, Token},
    world::World,
};

/// How long a client waits: longer than everything that the gate waits for, one after the other.
const PATIENCE: Duration = Duration::from_secs(20);

/// Which rule a request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    Usual,
    Strict,
    Stale,
    Scoped,
    Public,
    /// The handshake of a WebSocket.
    Socket,
    /// The health report that is for everybody.
    Health,
}

impl Route {
    /// The path of a request with this number.
    pub fn path(self, number: u64) -> String {
        match self {
            Self::Usual => format!("/r/{number}"),
            Self::Strict => format!("{STRICT_PATH}/{number}"),
            Self::Stale => format!("{STALE_PATH}/{number}"),
            Self::Scoped => format!("/scoped/{number}"),
            Self::Public => format!("/public/{number}"),
            Self::Socket => format!("/socket/{number}"),
            Self::Health => "/_edgeward/health".to_owned(),
        }
    }
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A response: its status and, if it is a denial and can be read, the code.
    Answer(u16, Option<String>),
    /// No response, or not all of it.
    Nothing(io::ErrorKind),
}

/// A request, and what came of it.
#[derive(Clone)]
pub struct Attempt {
    pub number: u64,
    pub token: Arc<Token>,
    pub route: Route,
    /// Whether it has a body, and must not be sent twice.
    pub is_post: bool,
    pub life: usize,
    pub isolate: usize,
    pub sent: Ms,
    pub answered: Ms,
    pub outcome: Outcome,
}

/// Everything that clients share.
pub struct Clients {
    pub world: Arc<World>,
    pub pools: Arc<Pools>,
    pub mint: Arc<Mutex<Mint>>,
    pub tokens: Arc<Mutex<Vec<Arc<Token>>>>,
    pub attempts: Mutex<Vec<Attempt>>,
}

impl Clients {
    /// A new token of a class that needs no issuer.
    pub fn fresh(&self, class: Class, random: &mut Random) -> Arc<Token> {
        let token = Arc::new(self.mint.lock().unwrap().make(class, random));
        self.tokens.lock().unwrap().push(Arc::clone(&token));
        self.pools.add(Arc::clone(&token));
        token
    }

    /// A token of this class, new ones now and then.
    pub fn token(&self, class: Class, random: &mut Random) -> Option<Arc<Token>> {
        let is_own = class.issuer() == Issued::Local || class == Class::Invented;
        if !is_own {
            return self.pools.any(class, random);
        }
        let known = if random.percent(70) { self.pools.any(class, random) } else { None };
        Some(known.unwrap_or_else(|| self.fresh(class, random)))
    }

    /// Sends requests until then, so many in a second.
    pub async fn send(self: &Arc<Self>, per_second: u64, mut random: Random, end: Ms) {
        let mut sent = JoinSet::new();
        let mut tick = interval(Duration::from_micros(1_000_000 / per_second));
        // A machine that was busy with something else is not to send everything at once.
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.world.clock.now() < end {
            tick.tick().await;
            let isolate = random.index(ISOLATES);
            let Some((token, route)) = self.chosen(&mut random) else { continue };
            let clients = Arc::clone(self);
            let is_post = route != Route::Health && random.percent(20);
            sent.spawn(async move { clients.ask(token, route, is_post, isolate).await });
            while sent.try_join_next().is_some() {}
        }
        while let Some(done) = sent.join_next().await {
            done.unwrap();
        }
    }

    fn chosen(&self, random: &mut Random) -> Option<(Arc<Token>, Route)> {
        let route = random.pick(&[
            Route::Usual,
            Route::Usual,
            Route::Usual,
            Route::Usual,
            Route::Usual,
            Route::Strict,
            Route::Stale,
            Route::Scoped,
        ]);
        let drawn = random.next() % 100;
        if drawn < 14 {
            return Some((self.pools.doomed(random)?, route));
        }
        let (class, route) = match drawn {
            14..50 => (Class::Local, route),
            50..58 => (Class::Short, route),
            58..68 => (Class::Published, route),
            68..80 => (Class::Opaque, random.pick(&[route, Route::Stale])),
            80..82 => (Class::Expired, route),
            82..84 => (Class::Forged, route),
            84 => (Class::NotYet, route),
            85 => (Class::Audience, route),
            86 => (Class::UnknownKey, route),
            87 => (Class::Unsigned, route),
            88 => (Class::Stranger, route),
            89 => (Class::ForgedPublished, route),
            90 => (Class::UnknownPublished, route),
            91 => (Class::Invented, route),
            92 => (Class::Garbage, route),
            93..95 => (Class::None, route),
            95..98 => (random.pick(&[Class::Local, Class::Forged, Class::None]), Route::Public),
            _ => (Class::None, Route::Health),
        };
        Some((self.token(class, random)?, route))
    }

    /// Sends a request, and takes down what comes.
    pub async fn ask(&self, token: Arc<Token>, route: Route, is_post: bool, isolate: usize) {
        let number = self.world.number();
        let mut asked = request(if is_post { "POST" } else { "GET" }, &route.path(number));
        if is_post {
            asked = asked.body(&body(number));
        }
        asked = asked.header("CF-Blob", &place(isolate));
        if !token.text.is_empty() {
            asked = asked.bearer(&token.text);
        }
        // Before it is known to which life it goes: one that has ended has ended after that.
        let sent = self.world.clock.now();
        let life = self.world.life();
        let bytes = asked.bytes();
        let came = client::try_raw(life.gates[isolate].addr, &bytes);
        let came = tokio::time::timeout(PATIENCE, came).await;
        let answered = self.world.clock.now();
        let outcome = match came {
            Ok(Ok(reply)) => Outcome::Answer(reply.status, Some(reply.code())),
            Ok(Err(error)) => Outcome::Nothing(error.kind()),
            Err(_) => Outcome::Nothing(io::ErrorKind::TimedOut),
        };
        self.note(Attempt {
            number,
            token,
            route,
            is_post,
            life: life.number,
            isolate,
            sent,
            answered,
            outcome,
        });
    }

    /// Takes a request down.
    pub fn note(&self, attempt: Attempt) {
        self.attempts.lock().unwrap().push(attempt);
    }
}

/// What a request with this number has for its body.
pub fn body(number: u64) -> String {
    format!("the body of {number}, ").repeat(20)
}
