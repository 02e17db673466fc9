//! Eight clients that do not stop, and what none of them may get.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinSet;

use super::super::harness::{
    client::{self, Request, get, request},
    eventually,
    mint::{Key, claims},
};

const CLIENTS: usize = 8;
/// How many answers a phase has at least.
const ANSWERS: usize = 300;
/// How many tokens are used again and again, besides new ones.
const KNOWN_TOKENS: usize = 40;

type Mint = Arc<dyn Fn(usize) -> String + Send + Sync>;

/// The clients; they end with this value.
pub struct Traffic {
    shared: Arc<Shared>,
    _clients: JoinSet<()>,
}

struct Shared {
    gate: SocketAddr,
    mint: Mutex<Mint>,
    known: Mutex<Vec<String>>,
    /// Whose signature nobody accepts.
    forger: Key,
    asked: AtomicUsize,
    answered: AtomicUsize,
    wrong: Mutex<Vec<String>>,
}

impl Traffic {
    /// Begins, with tokens that are made like this; the number is another one for each.
    pub fn start(gate: SocketAddr, mint: impl Fn(usize) -> String + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            gate,
            mint: Mutex::new(Arc::new(mint)),
            known: Mutex::default(),
            forger: Key::ec("p256", "P-256"),
            asked: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            wrong: Mutex::default(),
        });
        let clients = (0..CLIENTS).map(|_| ask_for_ever(Arc::clone(&shared))).collect();
        Self { shared, _clients: clients }
    }

    /// From now on, new tokens are made like this. Those that are in use stay in use.
    pub fn issue(&self, mint: impl Fn(usize) -> String + Send + Sync + 'static) {
        *self.shared.mint.lock().unwrap() = Arc::new(mint);
    }

    /// The tokens so far have ended: returns when nobody uses them any more.
    pub async fn let_tokens_end(&self) {
        self.shared.known.lock().unwrap().clear();
        self.phase("the last requests with old tokens").await;
    }

    /// Waits for some hundred answers more.
    ///
    /// # Panics
    ///
    /// If any so far was not the right one.
    pub async fn phase(&self, name: &str) {
        self.go_on().await;
        let wrong = self.wrong();
        assert!(wrong.is_empty(), "{name}: {} wrong answers, first {:?}", wrong.len(), wrong[0]);
    }

    /// The same, whatever was answered.
    pub async fn go_on(&self) {
        let before = self.shared.answered.load(Ordering::SeqCst);
        let enough = async || self.shared.answered.load(Ordering::SeqCst) >= before + ANSWERS;
        eventually("the traffic goes on", enough).await;
    }

    /// What was answered wrongly.
    pub fn wrong(&self) -> Vec<String> {
        self.shared.wrong.lock().unwrap().clone()
    }
}

async fn ask_for_ever(shared: Arc<Shared>) {
    loop {
        let (request, expected) = shared.next();
        let reply = client::try_raw(shared.gate, &request.bytes()).await;
        let status = reply.as_ref().map_or(0, |reply| reply.status);
        if status != expected {
            let got = reply.map_or_else(|error| error.to_string(), |reply| reply.text());
            let wrong = format!("{status} in place of {expected}: {got}");
            shared.wrong.lock().unwrap().push(wrong);
        }
        shared.answered.fetch_add(1, Ordering::SeqCst);
        // Other tests have the same processors.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

impl Shared {
    /// What a site gets: mostly tokens that were there before, some new ones, and what has to be refused
    /// at any time.
    fn next(&self) -> (Request, u16) {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        match number % 8 {
            0 => (get("/"), 401),
            1 => (get("/").bearer(&self.forger.token("ES256", &claims())), 401),
            2 => (get("/public/x"), 200),
            3 | 4 => (get("/new").bearer(&self.new_token(number)), 200),
            5 => (request("POST", "/known").bearer(&self.known_token(number)).body("x=y"), 200),
            _ => (get("/known").bearer(&self.known_token(number)), 200),
        }
    }

    fn new_token(&self, number: usize) -> String {
        let mint = Arc::clone(&self.mint.lock().unwrap());
        let token = mint(number);
        let mut known = self.known.lock().unwrap();
        if known.len() < KNOWN_TOKENS {
            known.push(token.clone());
        } else {
            known[number % KNOWN_TOKENS].clone_from(&token);
        }
        token
    }

    fn known_token(&self, number: usize) -> String {
        let known = self.known.lock().unwrap().get(number / 8 % KNOWN_TOKENS).cloned();
        known.unwrap_or_else(|| self.new_token(number))
    }
}
