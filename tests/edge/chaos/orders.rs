//! Revocations, of every kind, undone now and then, and opaque tokens that their issuer withdraws.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{
    ISOLATES, Ms,
    harness::{
        gate::ADMIN_TOKEN,
        mint::{self, ISSUER},
        *,
    },
    script::Random,
    tokens::{Class, DOOMED, Issued, Mint, Pools, Token},
    world::{CONTINENTS, World},
};

/// How long an admin waits.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// How often an admin asks who got no answer that says it is done.
const ATTEMPTS: usize = 4;

/// One attempt to have something done.
#[derive(Clone, Debug)]
pub struct Attempted {
    pub isolate: usize,
    pub sent: Ms,
    pub answered: Ms,
    /// What came; nothing, if nothing came.
    pub came: Option<(u16, String)>,
}

/// Something that an admin wants, until it is done.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub attempts: Vec<Attempted>,
    /// When an answer said that it is done.
    pub done: Option<Ms>,
}

impl Wanted {
    /// When it can have been done at the earliest.
    pub fn sent(&self) -> Ms {
        self.attempts.first().map_or(Ms::MAX, |attempt| attempt.sent)
    }
}

/// A revocation.
#[derive(Clone, Debug)]
pub struct Order {
    pub kind: &'static str,
    pub value: String,
    issuer: Issued,
    issued_before: Option<i64>,
    /// When there is nothing left that it is about, and it is forgotten, in milliseconds since 1970.
    pub ends: i64,
    pub made: Wanted,
    pub id: Option<String>,
    pub undone: Option<Wanted>,
}

impl Order {
    /// Whether it is about a token.
    pub fn names(&self, token: &Token) -> bool {
        let is_named = match self.kind {
            "token" => self.value == token.text,
            kind => token.names.get(kind) == Some(&self.value),
        };
        let is_old = self.issued_before.is_none_or(|before| token.issued_at < before);
        is_named && is_old && self.issuer == token.class.issuer()
    }
}

/// What admins and the issuer have done so far.
#[derive(Default)]
pub struct Orders {
    pub all: Mutex<Vec<Order>>,
    /// By the text of an opaque token: from when until when its issuer withdrew it.
    pub withdrawn: Mutex<BTreeMap<String, (Ms, Ms)>>,
}

/// Revokes until the run is over. Orders that are not done yet go on.
pub async fn admins(
    world: Arc<World>,
    orders: Arc<Orders>,
    pools: Arc<Pools>,
    mint: Arc<Mutex<Mint>>,
    mut random: Random,
    end: Ms,
) {
    let mut working = tokio::task::JoinSet::new();
    let mut next_key = 1;
    while world.clock.now() < end {
        world.moment(random.between(300, 1_100)).await;
        let is_time = world.clock.now() > end * next_key / (DOOMED.len() as u64 + 1);
        let order = if is_time {
            next_key += 1;
            let mut mint = mint.lock().unwrap();
            mint.spent += 1;
            let kid = DOOMED.get(mint.spent - 1).map(|key| key.kid.to_owned());
            kid.map(|kid| order("kid", kid, Issued::Local, None))
        } else {
            chosen(&pools, &mut random)
        };
        let Some(order) = order else { continue };
        let position = {
            let mut all = orders.all.lock().unwrap();
            let is_same = |one: &Order| (one.kind, &one.value) == (order.kind, &order.value);
            // One that is undone must not hold by another.
            if all.iter().any(is_same) {
                continue;
            }
            all.push(order);
            all.len() - 1
        };
        let (world, orders, random) =
            (Arc::clone(&world), Arc::clone(&orders), Random::new(random.next()));
        working.spawn(carry_out(world, orders, position, random));
    }
    while working.join_next().await.is_some() {}
}

fn order(kind: &'static str, value: String, issuer: Issued, issued_before: Option<i64>) -> Order {
    let (made, ends) = (Wanted::default(), i64::MAX);
    Order { kind, value, issuer, issued_before, ends, made, id: None, undone: None }
}

fn chosen(pools: &Pools, random: &mut Random) -> Option<Order> {
    let class =
        random.pick(&[Class::Local, Class::Local, Class::Local, Class::Published, Class::Opaque]);
    let token = pools.any(class, random)?;
    let kind = match class {
        Class::Opaque => "token",
        // Whose subject and client is the same for all.
        Class::Published => random.pick(&["jti", "token"]),
        _ => random.pick(&["jti", "jti", "jti", "sub", "sub", "sid", "client_id", "token"]),
    };
    // What is over cannot be revoked.
    if token.over.0 < mint::now_millis() + 60_000 {
        return None;
    }
    let issued_before = (kind == "sub" && random.percent(50)).then(mint::now);
    let value = if kind == "token" { &token.text } else { &token.names[kind] };
    let mut order = order(kind, value.clone(), class.issuer(), issued_before);
    if kind == "token" {
        order.ends = token.over.0;
    }
    if order.names(&token) {
        pools.doom(&token);
    }
    Some(order)
}

async fn carry_out(world: Arc<World>, orders: Arc<Orders>, position: usize, mut random: Random) {
    let body = {
        let order = &orders.all.lock().unwrap()[position];
        let mut body = json!({ "issuer": issuer(&world, order.issuer) });
        body[order.kind] = json!(order.value);
        if let Some(before) = order.issued_before {
            body["issued_before"] = json!(before);
        }
        body.to_string()
    };
    let asked = request("POST", "/_edgeward/revocations").body(&body);
    let set = |change: &dyn Fn(&mut Order)| change(&mut orders.all.lock().unwrap()[position]);
    let mut id = None;
    for _ in 0..ATTEMPTS {
        let attempt = ask(&world, &asked, random.index(ISOLATES), |attempt| {
            set(&|order| order.made.attempts.push(attempt.clone()));
        });
        let (attempt, said) = attempt.await;
        let is_done = matches!(attempt.came, Some((200 | 201, _)));
        set(&|order| {
            *order.made.attempts.last_mut().unwrap() = attempt.clone();
            order.made.done = is_done.then_some(attempt.answered);
        });
        if is_done {
            world.revoked.notify_waiters();
            id = said["id"].as_str().map(str::to_owned);
            break;
        }
        world.moment(random.between(200, 2_000)).await;
    }
    set(&|order| order.id.clone_from(&id));
    let is_jti = orders.all.lock().unwrap()[position].kind == "jti";
    let Some(id) = id.filter(|_| is_jti && random.percent(25)) else { return };

    world.moment(random.between(1_000, 12_000)).await;
    let asked = request("DELETE", &format!("/_edgeward/revocations/{id}"));
    set(&|order| order.undone = Some(Wanted::default()));
    for _ in 0..ATTEMPTS {
        let attempt = ask(&world, &asked, random.index(ISOLATES), |attempt| {
            set(&|order| order.undone.as_mut().unwrap().attempts.push(attempt.clone()));
        });
        let (attempt, _) = attempt.await;
        // Not found: the answer before was lost.
        let is_done = matches!(attempt.came, Some((200 | 404, _)));
        set(&|order| {
            let undone = order.undone.as_mut().unwrap();
            *undone.attempts.last_mut().unwrap() = attempt.clone();
            undone.done = is_done.then_some(attempt.answered);
        });
        if is_done {
            return;
        }
        world.moment(random.between(200, 2_000)).await;
    }
}

/// Asks an isolate as the admin. `begin` hears of it before it is sent, since it may be done from then on.
async fn ask(
    world: &World,
    asked: &client::Request,
    isolate: usize,
    begin: impl FnOnce(&Attempted),
) -> (Attempted, Value) {
    let asked = asked.clone().bearer(ADMIN_TOKEN).header("CF-Blob", &place(isolate));
    let sent = world.clock.now();
    let mut attempt = Attempted { isolate, sent, answered: sent, came: None };
    begin(&attempt);
    let life = world.life();
    let bytes = asked.bytes();
    let came = client::try_raw(life.gates[isolate].addr, &bytes);
    let came = tokio::time::timeout(PATIENCE, came).await;
    attempt.answered = world.clock.now();
    let reply = came.ok().and_then(Result::ok);
    attempt.came = reply.as_ref().map(Reply::verdict);
    (attempt, reply.map_or(Value::Null, |reply| reply.json()))
}

/// What says where a request comes from.
pub fn place(isolate: usize) -> String {
    json!({ "continent": CONTINENTS[isolate] }).to_string()
}

fn issuer(world: &World, issuer: Issued) -> String {
    match issuer {
        Issued::Local => ISSUER.to_owned(),
        Issued::Published => world.published.url(),
        Issued::Asked => world.asked.url(),
    }
}

/// Gets new tokens from the issuers, and withdraws some, until the run is over.
pub async fn issuers(
    world: Arc<World>,
    orders: Arc<Orders>,
    pools: Arc<Pools>,
    tokens: Arc<Mutex<Vec<Arc<Token>>>>,
    mut random: Random,
    end: Ms,
) {
    let mut turn = 0;
    while world.clock.now() < end {
        turn += 1;
        let scope = if random.percent(50) { "read admin" } else { "read" };
        let life = if random.percent(20) { random.between(4, 15) } else { 600 };
        world.asked.set_lifetime(life).await;
        world.published.set_lifetime(life).await;
        let before = mint::now_millis();
        let opaque = world.asked.token(Resource::Opaque, scope).await;
        let made = (before, mint::now_millis());
        let jwt = world.published.token(Resource::Jwt, scope).await;
        let new = [
            Mint::opaque(opaque, made, i64::try_from(life).unwrap(), scope),
            Mint::published(&jwt, Class::Published),
            Mint::published(&jwt, Class::ForgedPublished),
            Mint::published(&jwt, Class::UnknownPublished),
        ];
        for token in new.into_iter().map(Arc::new) {
            tokens.lock().unwrap().push(Arc::clone(&token));
            pools.add(token);
        }
        if turn % 3 == 0
            && let Some(token) = pools.any(Class::Opaque, &mut random)
            && !orders.withdrawn.lock().unwrap().contains_key(&token.text)
        {
            let from = world.clock.now();
            let note = |to| orders.withdrawn.lock().unwrap().insert(token.text.clone(), (from, to));
            // Nobody knows before it is done whether it is.
            note(Ms::MAX);
            world.asked.revoke(&token.text).await;
            note(world.clock.now());
            pools.doom(&token);
        }
        world.moment(900).await;
    }
}
