//! What docs/cost.md says is paid for, counted: its tables are read, and the same is done to a gate.
#![allow(
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "whole numbers, far below where that matters"
)]

use std::{collections::BTreeMap, time::Duration};

use super::{
    harness::{
        gate::ADMIN_TOKEN,
        guide,
        mint::{P256, token, token_with},
        sockets::{Sockets, open},
        *,
    },
    revocations::revoked,
};

const GUIDE: &str = "docs/cost.md";
/// The only relay of a local runtime, which does not know where it is.
const RELAY: &str = "any-0";

/// The table below a heading of the guide: the numbers of each row, by its first column.
fn table(heading: &str) -> BTreeMap<String, Vec<f64>> {
    let document = guide::document(GUIDE);
    let (_, section) = document.split_once(&format!("\n## {heading}\n")).expect("the heading");
    let rows = section.lines().skip_while(|line| !line.starts_with("|--|")).skip(1);
    let rows = rows.take_while(|line| line.starts_with('|')).map(|line| {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let name = cells.next().unwrap().to_owned();
        (name, cells.filter_map(|cell| cell.replace([',', '*'], "").parse().ok()).collect())
    });
    rows.collect()
}

fn tokens() -> Vec<String> {
    (0..100).map(|number| token_with(json!({ "jti": format!("token-{number}") }))).collect()
}

/// A thousand requests, each of a hundred tokens ten times, one after the other.
async fn a_thousand_requests(gate: &Gate, tokens: &[String]) {
    for _ in 0..10 {
        for token in tokens {
            get("/").bearer(token).send(gate).await.must_pass();
        }
    }
}

/// What costs something, as often as it was counted.
struct Meters {
    service: Faults,
    issuer: Faults,
    kv: Kv,
    relays: Relays,
    points: Faults,
}

impl Meters {
    async fn start() -> Self {
        Self {
            service: says(json!({ "active": true })).await,
            issuer: Faults::answering(|_| Reply::new(200, mint::jwks(&[&P256]))).await,
            kv: Kv::start().await,
            relays: Relays::start().await,
            points: Faults::answering(|_| Reply::new(200, "")).await,
        }
    }

    fn read(&self) -> Vec<usize> {
        vec![
            self.service.count(INTROSPECT),
            self.issuer.count("/jwks"),
            self.kv.gets(),
            self.kv.puts(),
            self.relays.calls("/relay/"),
            self.points.count_of(|_, _| true),
        ]
    }

    /// Sends the traffic to a new isolate with these settings, and says what that took.
    async fn of(&self, setup: Setup, tokens: &[String]) -> Vec<usize> {
        let before = self.read();
        let gate = Gate::start(setup).await;
        a_thousand_requests(&gate, tokens).await;
        // What goes on after a response.
        let mut last = self.read();
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = self.read();
            if std::mem::replace(&mut last, now.clone()) == now {
                return now.iter().zip(&before).map(|(now, before)| now - before).collect();
            }
        }
    }
}

fn published(setup: Setup, meters: &Meters) -> Setup {
    setup
        .set("providers.0.algorithms", json!(["ES256"]))
        .set("providers.0.jwks_uri", format!("http://{}/jwks", meters.issuer.addr))
        .unset("providers.0.keys")
        .without_secret("JWT_KEYS")
}

/// Of a month, in cents.
#[test]
fn what_three_sizes_cost_adds_up() {
    let stated = table("Three sizes");
    let row = |name: &str| stated.iter().find(|(it, _)| it.starts_with(name)).unwrap().1.clone();
    let parts = ["the plan", "Worker requests", "CPU time", "requests to", "duration", "rows"];
    let parts = parts.map(row);
    let sums = (0..3).map(|at| parts.iter().map(|part| part[at]).sum::<f64>());
    let cents = |dollars: f64| (dollars * 100.0).round();
    let together: Vec<_> = row("**together").into_iter().map(cents).collect();
    assert_eq!(together, sums.map(cents).collect::<Vec<_>>());

    // Millions a month, at the rate of the table of prices, beyond what it includes.
    let [requests, seconds] = [[1.0, 100.0, 3_000.0], [0.66, 39.0, 336.0]];
    let month = 2.592;
    let beyond = |millions: f64, included: f64, price: f64| (millions - included).max(0.0) * price;
    let expected = [
        requests.map(|millions| beyond(millions, 10.0, 0.30)),
        // 4,200 known tokens a second, and 2,400 new ones, of which every tenth is.
        requests.map(|millions| beyond(millions * 0.26, 30.0, 0.02)),
        seconds.map(|each| beyond(each * month, 1.0, 0.15)),
        [2.0, 10.0, 37.0].map(|objects| beyond(objects * month * 0.128, 0.4, 12.50)),
        [0.33, 9.0, 36.0].map(|rows| beyond(rows * month, 50.0, 1.00)),
    ];
    for (part, expected) in parts[1..].iter().zip(expected) {
        assert_eq!(part.iter().copied().map(cents).collect::<Vec<_>>(), expected.map(cents));
    }
}

#[tokio::test]
async fn a_thousand_requests_cost_what_the_guide_says() {
    let origin = Origin::start().await;
    let mut counted = BTreeMap::new();
    let plain = || Setup::new(&origin).assertion(60).set("validation_cache_timeout_ms", 5_000);
    let asking = |meters: &Meters| {
        asking_about(&origin, &meters.service).set("validation_cache_timeout_ms", 5_000)
    };

    let meters = Meters::start().await;
    counted.insert("keys in a secret", meters.of(plain(), &tokens()).await);
    let setup = published(plain(), &meters);
    counted.insert("published keys, no KV", meters.of(setup, &tokens()).await);
    let setup = || published(plain(), &meters).kv(&meters.kv);
    counted.insert("published keys", meters.of(setup(), &tokens()).await);
    counted.insert("published keys, next isolate", meters.of(setup(), &tokens()).await);

    let (meters, tokens) = (Meters::start().await, tokens());
    counted.insert("introspection, no KV", meters.of(asking(&meters), &tokens).await);
    let setup = || asking(&meters).kv(&meters.kv);
    counted.insert("introspection", meters.of(setup(), &tokens).await);
    counted.insert("introspection, next isolate", meters.of(setup(), &tokens).await);
    let off = setup().set("validation_cache", "off");
    counted.insert("introspection, `validation_cache = \"off\"`", meters.of(off, &tokens).await);

    let meters = Meters::start().await;
    let always = || plain().kv(&meters.kv).set("validation_cache", "always");
    counted.insert("`validation_cache = \"always\"`", meters.of(always(), &tokens).await);
    let name = "`validation_cache = \"always\"`, next isolate";
    counted.insert(name, meters.of(always(), &tokens).await);
    let strict = json!({ "path": "/", "revocation": "strict" });
    let strict = plain().relays(&meters.relays).rule(strict);
    counted.insert("`revocation = \"strict\"`", meters.of(strict, &tokens).await);
    let events = plain().events(&meters.points);
    counted.insert("`AUTH_EVENTS`", meters.of(events, &tokens).await);

    let counted: BTreeMap<_, Vec<f64>> = counted
        .into_iter()
        .map(|(name, counts)| {
            (name.to_owned(), counts.into_iter().map(|count| count as f64).collect())
        })
        .collect();
    let stated = table("Counted: a thousand requests");
    for (name, counts) in &counted {
        println!("| {name} | {counts:?} |");
    }
    assert_eq!(counted, stated);
}

/// A meter that goes by time: relay requests, hub requests, rows written by the relay and by the hub.
async fn of_objects(relays: &Relays, gate: &Gate) -> [f64; 4] {
    let rows = [relays.rows_written(gate, RELAY).await, relays.rows_written(gate, "hub").await];
    let calls = [relays.calls("/relay/"), relays.calls("/hub/")];
    [calls[0], calls[1], rows[0], rows[1]].map(|count| count as f64)
}

/// Fails unless nothing is above what the guide says, and it says no more than twice what was counted.
#[track_caller]
fn must_be(stated: &BTreeMap<String, Vec<f64>>, name: &str, counted: &[f64]) {
    println!("| {name} | {counted:?} |");
    let stated = &stated[name];
    assert_eq!(stated.len(), counted.len(), "{name}");
    for (stated, counted) in stated.iter().zip(counted) {
        // A busy machine is late, never early: 15 % and one are for the ends of the interval.
        assert!(*counted <= stated * 1.15 + 0.25, "{name}: {counted} of {stated}");
        assert!(counted * 2.0 + 0.25 >= *stated, "{name}: {counted} of {stated}");
    }
}

#[tokio::test]
async fn what_goes_by_time_costs_what_the_guide_says() {
    let (origin, relays, kv) = (Origin::start().await, Relays::start().await, Kv::start().await);
    let gate = Gate::start(Setup::new(&origin).assertion(60).relays(&relays).kv(&kv)).await;
    let stated = table("Counted: by time, and for each");
    let token = token();
    // Databases are made, and the first revocation is made to the first list.
    get("/").bearer(&token).send(&gate).await.must_pass();
    revoked(&gate, json!({ "sub": "nobody" })).await;
    tokio::time::sleep(Duration::from_secs(3)).await;

    let (began, before) = (tokio::time::Instant::now(), of_objects(&relays, &gate).await);
    while began.elapsed() < Duration::from_secs(15) {
        get("/").bearer(&token).send(&gate).await.must_pass();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    let after = of_objects(&relays, &gate).await;
    let each: Vec<_> = (0..4).map(|at| (after[at] - before[at]) / seconds).collect();
    must_be(&stated, "a second of traffic in an isolate", &each);

    // Without traffic, so that nothing else is counted.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let (before, stored) = (of_objects(&relays, &gate).await, kv.puts());
    for number in 0..5 {
        revoked(&gate, json!({ "sub": format!("user-{number}") })).await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
    }
    let after = of_objects(&relays, &gate).await;
    let each: Vec<_> = (0..4).map(|at| (after[at] - before[at]) / 5.0).collect();
    must_be(&stated, "a revocation", &each);
    assert_eq!((kv.puts() - stored, kv.deletes()), (10, 0), "two for each");

    let before = of_objects(&relays, &gate).await;
    for _ in 0..5 {
        get("/").bearer(&token).send(&gate).await.must_pass();
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        get("/_edgeward/metrics").bearer(ADMIN_TOKEN).send(&gate).await.must_pass();
        tokio::time::sleep(Duration::from_millis(1_500)).await;
    }
    let after = of_objects(&relays, &gate).await;
    let each: Vec<_> = (0..4).map(|at| (after[at] - before[at]) / 5.0).collect();
    must_be(&stated, "a request and a scrape, 1.5 s apart", &each);
}

#[tokio::test]
async fn a_websocket_costs_what_the_guide_says() {
    let (origin, far, relays) =
        (Origin::start().await, Sockets::echoing().await, Relays::start().await);
    let setup = far.setup(Setup::new(&origin)).relays(&relays);
    let gate = Gate::start(setup.rule(json!({ "path": "/h", "websocket": "handshake" }))).await;
    let stated = table("Counted: WebSockets");
    let mut sockets = Vec::new();
    for (target, name) in
        [("/", "`websocket = \"supervise\"`"), ("/h", "`websocket = \"handshake\"`")]
    {
        let before = relays.calls("/relay/leash");
        for _ in 0..10 {
            sockets.push(open(target).bearer(&token()).at(&gate).await);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let each = (relays.calls("/relay/leash") - before) as f64 / 10.0;
        assert_eq!(stated[name], [each], "{name}");
    }
}
