//! Everything fails at random, for half an hour if need be, under traffic that does not stop. Then what came of
//! each request is held against a model of what is promised.
//!
//! | | |
//! |--|--|
//! | [`script`] | which faults there are, and when, from a seed |
//! | [`world`] | the gate, of three isolates, and what is behind it; what happened to them |
//! | [`tokens`] | tokens, and what is true of each |
//! | [`traffic`], [`sockets`], [`orders`], [`counters`] | what is asked, and what is taken down about it |
//! | [`windows`] | when the policy lets good requests be refused, by the faults that there were |
//! | [`judge`], [`endings`] | the model, of requests and of sockets |
//! | [`table`] | what is printed |
//!
//! That a request was permitted, the origin says, which takes down every one. Times in which something is
//! allowed follow from what the configuration and `docs/` say; see [`windows`].

mod counters;
mod endings;
mod judge;
mod orders;
mod script;
mod sockets;
mod table;
mod tokens;
mod traffic;
mod windows;
mod world;

use std::{
    collections::BTreeSet,
    env,
    sync::{Arc, Mutex},
};

use tokio::task::JoinSet;

use super::harness::{self, gate::ADMIN_TOKEN, *};
use counters::{Ledger, look, scrape};
use judge::Judge;
use orders::{Orders, admins, issuers};
use script::{Planned, Random, What, script};
use tokens::{Class, Mint, Pools};
use traffic::{Clients, Route};
use windows::Windows;
use world::World;

/// Milliseconds since the run began.
type Ms = u64;

/// How many isolates there are.
const ISOLATES: usize = 3;

/// `revocation.max_staleness_seconds`: with a cache of the data centre lists are up to four seconds old when
/// nothing fails.
const BOUND_MS: Ms = 6_000;
/// What a strict rule asks the relay for: a list that is no older than `revocation.refresh_seconds`.
const STRICT_BOUND_MS: Ms = 1_000;
/// Where it is.
const STRICT_PATH: &str = "/strict";
/// Where opaque tokens pass on the last answer about them.
const STALE_PATH: &str = "/stale";

/// `clock_skew_seconds`.
const SKEW_SECONDS: i64 = 2;
/// `jwks.refresh_seconds`, `jwks.max_stale_seconds` and `jwks.timeout_ms` of the issuer with published keys.
const KEYS_REFRESH_SECONDS: Ms = 10;
const KEYS_STALE_SECONDS: Ms = 22;
const KEYS_TIMEOUT_MS: Ms = 4_000;
/// `introspection` of the issuer that is asked.
const INTROSPECTION_TIMEOUT_MS: Ms = 4_000;
const INTROSPECTION_CACHE_SECONDS: Ms = 3;
const INTROSPECTION_STALE_SECONDS: Ms = 15;

/// How long a run takes unless `EDGEWARD_CHAOS_SECONDS` says otherwise, and which one it is unless
/// `EDGEWARD_CHAOS_SEED` does.
const SECONDS: u64 = 60;
const SEED: u64 = 2824;
/// At its end there is no fault for so long: what is promised for then needs no excuse.
const CALM_MS: Ms = 16_000;

/// Requests in a second, beside those of admins, issuers and sockets.
const RATE: u64 = 70;
/// WebSockets of each isolate.
const SOCKETS: usize = 4;

fn setting(name: &str, otherwise: u64) -> u64 {
    let text = env::var(name).ok().filter(|text| !text.is_empty());
    text.map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

#[test]
fn in_the_run_that_everybody_makes_workerd_stands_still_for_longer_than_a_list_counts() {
    let lines = script(Random::new(SEED).next(), SECONDS * 1_000 - CALM_MS);
    let mut all = lines.iter().flatten();
    let is_long = |one: &&Planned| matches!(one.what, What::HangWorkerd) && one.lasts > BOUND_MS;
    assert!(all.any(|one| is_long(&one)), "take another seed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_fails_nobody_passes_who_may_not_and_nobody_is_refused_but_as_the_policy_says() {
    let seed = setting("EDGEWARD_CHAOS_SEED", SEED);
    let end = setting("EDGEWARD_CHAOS_SECONDS", SECONDS) * 1_000;
    assert!(end > CALM_MS, "a run takes longer than its calm end: {CALM_MS} ms");
    println!("EDGEWARD_CHAOS_SEED={seed} EDGEWARD_CHAOS_SECONDS={}", end / 1_000);
    let mut random = Random::new(seed);
    let lines = script(random.next(), end - CALM_MS);

    let world = World::start().await;
    let (pools, orders) = (Arc::<Pools>::default(), Arc::<Orders>::default());
    let clients = Arc::new(Clients {
        world: Arc::clone(&world),
        pools: Arc::clone(&pools),
        mint: Arc::new(Mutex::new(Mint::new())),
        tokens: Arc::default(),
        attempts: Mutex::default(),
    });
    let (sockets, scrapes) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Mutex<Vec<_>>>::default());

    let mut all = JoinSet::new();
    for line in lines {
        all.spawn(Arc::clone(&world).play(line));
    }
    let (tokens, mint) = (Arc::clone(&clients.tokens), Arc::clone(&clients.mint));
    let mut draw = || Random::new(random.next());
    let issuing =
        issuers(Arc::clone(&world), Arc::clone(&orders), Arc::clone(&pools), tokens, draw(), end);
    all.spawn(issuing);
    // What is revoked at the very end would be seen by nobody.
    let last_order = end - CALM_MS / 2;
    all.spawn(admins(Arc::clone(&world), Arc::clone(&orders), pools, mint, draw(), last_order));
    all.spawn(Arc::clone(&world).feel_its_pulse(end));
    all.spawn(Arc::clone(&world).look_for_starvation(end));
    all.spawn(scrape(Arc::clone(&world), Arc::clone(&scrapes), end));
    for isolate in 0..ISOLATES {
        for _ in 0..SOCKETS {
            let (clients, sockets) = (Arc::clone(&clients), Arc::clone(&sockets));
            all.spawn(self::sockets::watch(clients, sockets, isolate, draw(), end));
        }
    }
    let (sending, random) = (Arc::clone(&clients), draw());
    all.spawn(async move { sending.send(RATE, random, end).await });
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }

    // Nothing fails any more, and whatever was promised holds in every isolate.
    let orders_made = orders.all.lock().unwrap().clone();
    let tokens = clients.tokens.lock().unwrap().clone();
    for token in tokens {
        let is_over = token.over.0 < mint::now_millis();
        if !is_over && orders_made.iter().any(|order| order.names(&token)) {
            for isolate in 0..ISOLATES {
                clients.ask(Arc::clone(&token), Route::Usual, false, isolate).await;
            }
        }
    }
    for isolate in 0..ISOLATES {
        let scrape = look(&world, isolate, "health").await.expect("a report");
        scrapes.lock().unwrap().push(scrape);
    }
    world.look_for_trouble();

    let (attempts, happened) = (clients.attempts.lock().unwrap().clone(), world.happened());
    let (arrivals, withdrawn) = (world.arrivals(), orders.withdrawn.lock().unwrap().clone());
    let mut had_keys: [Vec<Ms>; ISOLATES] = <_>::default();
    for attempt in &attempts {
        let is_good = attempt.token.class == Class::Published && attempt.route != Route::Public;
        if is_good && arrivals.contains_key(&attempt.number) {
            had_keys[attempt.isolate].push(attempt.answered);
        }
    }
    let mut judge = Judge {
        clock: world.clock,
        happened: &happened,
        windows: Windows::of(&happened, &had_keys),
        orders: judge::Orders::of(&orders_made),
        withdrawn: &withdrawn,
        arrivals: &arrivals,
        violations: Vec::new(),
        checks: 0,
        repeated: 0,
        last_permit: [0; 2],
    };
    let mut in_order: Vec<_> = attempts.iter().collect();
    in_order.sort_by_key(|attempt| attempt.sent);
    for attempt in &in_order {
        judge.attempt(attempt);
    }
    judge.stale_serves(&in_order);
    let sockets = sockets.lock().unwrap().clone();
    for socket in &sockets {
        judge.socket(socket);
    }
    for order in &orders_made {
        judge.order(order);
    }
    let ledger = Ledger::of(&judge, &attempts);
    judge.counters(&ledger, &scrapes.lock().unwrap());
    sum(&world, &mut judge, &ledger).await;
    list(&world, &mut judge, &orders_made).await;
    judge.violations.extend(world.trouble.lock().unwrap().drain(..));

    table::print(end, &judge, &attempts, &sockets, &orders_made);
    // A run in which little happens proves little.
    let acknowledged = orders_made.iter().filter(|order| order.made.done.is_some()).count();
    let seconds = usize::try_from(end / 1_000).unwrap();
    assert!(arrivals.len() > 4 * seconds, "hardly anything was permitted");
    assert!(attempts.len() > 20 * seconds, "hardly anything was asked");
    assert!(acknowledged > seconds / 5, "hardly anything was revoked");
    assert!(sockets.len() > seconds / 5, "hardly a socket was open");
    let violations = &judge.violations;
    for violation in violations.iter().take(40) {
        println!("VIOLATION {violation}");
    }
    assert!(
        violations.is_empty(),
        "{} violations with EDGEWARD_CHAOS_SEED={seed}",
        violations.len()
    );
}

/// The sum over all isolates has what clients saw, but for what was lost with the memory of an isolate.
async fn sum(world: &World, judge: &mut Judge<'_>, ledger: &Ledger) {
    let expected = judge.sum(ledger);
    let mut page = counters::Counts::new();
    let is_as_expected = async {
        loop {
            if let Some(scrape) = look(world, 0, "metrics").await {
                page = scrape.counts;
                let fits = |(name, (least, most)): (&String, &counters::Range)| {
                    (*least..=*most).contains(&page.get(name).copied().unwrap_or(0))
                };
                if expected.iter().all(fits) {
                    return;
                }
            }
            world.moment(200).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, is_as_expected).await;
    let now = world.clock.now();
    judge.check(waited.is_ok(), (now, now), || {
        format!("all isolates together: the page has {page:?}, clients {expected:?}")
    });
}

/// The list of what holds is that of the orders that were answered, and of those whose answer was lost perhaps.
async fn list(world: &World, judge: &mut Judge<'_>, orders: &[orders::Order]) {
    let mut listed = BTreeSet::new();
    let mut after = json!(0);
    while !after.is_null() {
        let target = format!("/_edgeward/revocations?limit=250&after={after}");
        let reply = get(&target).bearer(ADMIN_TOKEN).send(&world.life().gates[0]).await;
        let page = reply.json();
        let ids = page["revocations"].as_array().unwrap().iter();
        listed.extend(ids.map(|one| one["id"].as_str().unwrap().to_owned()));
        after = page["next"].clone();
    }
    let now = world.clock.now();
    let mut known = BTreeSet::new();
    for order in orders {
        let Some(id) = &order.id else { continue };
        known.insert(id.clone());
        let is_undone = order.undone.as_ref().map(|undone| undone.done.is_some());
        let is_as_said = match is_undone {
            None => listed.contains(id) || world.clock.wall(now) >= order.ends,
            Some(true) => !listed.contains(id),
            Some(false) => true,
        };
        judge.check(is_as_said, (now, now), || {
            format!("a {} that is not listed as it was answered: undone {is_undone:?}", order.kind)
        });
    }
    let unanswered = orders.iter().filter(|order| order.id.is_none()).count();
    let others = listed.difference(&known).count();
    judge.check(others <= unanswered, (now, now), || {
        format!("{others} are listed without an answer, and {unanswered} got none")
    });
}
