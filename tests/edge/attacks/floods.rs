//! Many who want nothing but to cost something. What that is in requests per second and in memory, `make abuse`
//! measures; here it must not cost anybody else an answer.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::TcpStream,
    task::JoinSet,
    time::Instant,
};

use super::*;
use mint::P256;

#[tokio::test]
async fn heads_that_never_end_and_headers_that_nobody_needs_cost_nobody_else_an_answer() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin)).await;
    let good = mint::token();
    let mut open = Vec::new();
    for number in 0..300 {
        let mut stream = TcpStream::connect(gate.addr).await.unwrap();
        let begun = match number % 3 {
            0 => "GET / HTTP/1.1\r\nHost: app.example\r\nX-Slow: ".to_owned(),
            1 => "GE".to_owned(),
            _ => format!("GET / HTTP/1.1\r\nAuthorization: Bearer {}", &good[..40]),
        };
        stream.write_all(begun.as_bytes()).await.unwrap();
        open.push(stream);
    }
    let huge = "a".repeat(1 << 20);
    for round in 0..3 {
        for stream in &mut open {
            stream.write_all(b"a").await.unwrap();
        }
        let sent = (0..20).map(|number| {
            let good = get("/").bearer(&good);
            let huge = get("/").header("X-Huge", &huge);
            let gate = &gate;
            async move {
                // Whoever refuses a head in the middle of it closes the connection, which can overtake the
                // answer.
                let refused = client::try_raw(gate.addr, &huge.bytes()).await;
                assert!(refused.is_err() || refused.unwrap().status == 431, "{number}");
                good.send(gate).await.must_pass();
            }
        });
        join_all(sent).await;
        assert_eq!(origin.count(), 20 * (round + 1));
    }
    // Those who come to an end after all are judged as anybody else.
    let mut last = open.swap_remove(0);
    last.write_all(b"\r\n\r\n").await.unwrap();
    let mut last = BufReader::new(last);
    Reply::read(&mut last, false).await.unwrap().must_be(401, "missing_token");
    drop(open);
    get("/").bearer(&good).send(&gate).await.must_pass();
    assert_eq!(origin.count(), 61);
    gate.must_be_calm();
}

#[tokio::test]
async fn a_flood_of_unknown_keys_asks_the_issuer_once_and_delays_no_good_token() {
    let origin = Origin::start().await;
    let issuer = Faults::answering(|_| Reply::new(200, mint::jwks(&[&P256]))).await;
    let setup = Setup::new(&origin)
        .set("providers.0.jwks_uri", format!("http://{}/jwks", issuer.addr))
        .set("providers.0.algorithms", json!(["ES256"]))
        .set("providers.0.jwks.cooldown_seconds", 300)
        .set("log.level", "off")
        .unset("providers.0.keys")
        .without_secret("JWT_KEYS");
    let gate = Gate::start(setup).await;
    let good = mint::token();
    for round in 0..10 {
        let sent = (0..100).map(|number| {
            let header = json!({ "alg": "ES256", "kid": format!("{round}-{number}") });
            let unknown = get("/").bearer(&P256.token_with_header(&header, &good_claims()));
            let (gate, good) = (&gate, get("/").bearer(&good));
            async move {
                unknown.send(gate).await.must_be(401, "invalid_token");
                good.send(gate).await.must_pass();
            }
        });
        join_all(sent).await;
    }
    assert_eq!((issuer.count("/jwks"), origin.count()), (1, 1_000));
    gate.must_be_calm();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_unknown_keys_asks_an_issuer_that_fails_once_in_each_cooldown() {
    let origin = Origin::start().await;
    let issuer = Faults::answering(|_| Reply::new(200, mint::jwks(&[&P256]))).await;
    let cooldown = Duration::from_secs(2);
    let setup = Setup::new(&origin)
        .set("providers.0.jwks_uri", format!("http://{}/jwks", issuer.addr))
        .set("providers.0.algorithms", json!(["ES256"]))
        .set("providers.0.jwks.cooldown_seconds", cooldown.as_secs())
        .set("log.level", "off")
        .unset("providers.0.keys")
        .without_secret("JWT_KEYS");
    let gate = Gate::start(setup).await;
    let unknown = |kid: &str| {
        let header = json!({ "alg": "ES256", "kid": kid });
        get("/").bearer(&P256.token_with_header(&header, &good_claims()))
    };
    get("/").bearer(&mint::token()).send(&gate).await.must_pass();
    // Nobody has failed yet: there is no such key.
    unknown("early").send(&gate).await.must_be(401, "invalid_token");
    issuer.set(Mode::status(500)).await;
    tokio::time::sleep(cooldown).await;

    let (before, began) = (issuer.count("/jwks"), Instant::now());
    let (mut users, mut round) = (1, 0);
    while began.elapsed() < 4 * cooldown {
        let sent = (0..20).map(|number| {
            let gate = &gate;
            let unknown = unknown(&format!("{round}-{number}"));
            // A new token each time, whose signature has to be checked.
            let claims = claims_with(json!({ "jti": format!("{round}-{number}") }));
            let good = get("/").bearer(&P256.token("ES256", &claims));
            async move {
                let (unknown, good) = (unknown.send(gate), good.send(gate));
                let (unknown, good) = futures_util::future::join(unknown, good).await;
                good.must_pass();
                // Whether there is such a key, nobody knows: that is no fault of the token.
                unknown.must_be(503, "auth_unavailable");
                let seconds: u64 = unknown.header("retry-after")[0].parse().unwrap();
                assert!((1..=cooldown.as_secs()).contains(&seconds), "{seconds}");
            }
        });
        users += join_all(sent).await.len();
        round += 1;
    }
    let (fetches, took) = (issuer.count("/jwks") - before, began.elapsed());
    println!("{fetches} fetches in {took:?}, {} requests", 40 * round);
    // The first at once, each of the others a cooldown after the one before.
    let most = 1 + took.as_millis() / cooldown.as_millis();
    assert!((2..=most).contains(&(fetches as u128)), "{fetches} fetches in {took:?}");
    assert_eq!(origin.count(), users, "none of the unknown ones");

    // With the next good set, there is no such key again.
    issuer.set(Mode::Pass).await;
    eventually("the set is fetched", async || {
        let reply = unknown("late").send(&gate).await;
        reply.verdict() == (401, "invalid_token".to_owned())
    })
    .await;
    assert_eq!(origin.count(), users);
    gate.must_be_calm();
}

/// Left to itself, the runtime serves again and again who asks for more at once, and hears late, or never, what
/// origins have answered to others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_bad_tokens_over_open_connections_does_not_keep_good_ones_from_the_origin() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).set("log.level", "off")).await;
    let (good, bad) = (get("/").bearer(&mint::token()).bytes(), get("/").bearer("no.to.ken"));
    let mut connections = Vec::new();
    for _ in 0..520 {
        // Each has had an answer: in a flood, the runtime accepts nobody else for long.
        let mut stream = BufReader::new(TcpStream::connect(gate.addr).await.unwrap());
        stream.write_all(&good).await.unwrap();
        Reply::read(&mut stream, false).await.unwrap().must_pass();
        connections.push(stream);
    }
    let users = connections.split_off(500);
    let mut flood = JoinSet::new();
    let bad: Arc<[u8]> = bad.bytes().into();
    let answers: Arc<[AtomicUsize]> = connections.iter().map(|_| AtomicUsize::new(0)).collect();
    for (at, mut stream) in connections.into_iter().enumerate() {
        let (bad, answers) = (Arc::clone(&bad), Arc::clone(&answers));
        flood.spawn(async move {
            loop {
                stream.write_all(&bad).await.unwrap();
                let reply = Reply::read(&mut stream, false).await.unwrap();
                assert_eq!(reply.status, 401, "{}", reply.text());
                answers[at].fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let asked = users.into_iter().map(|mut stream| {
        let good = good.clone();
        tokio::spawn(async move {
            for _ in 0..10 {
                stream.write_all(&good).await.unwrap();
                let reply = tokio::time::timeout(PATIENCE, Reply::read(&mut stream, false)).await;
                reply.expect("an answer in a minute").unwrap().must_pass();
            }
        })
    });
    for user in join_all(asked).await {
        user.unwrap();
    }
    // Everybody has had about as many turns as those who had to wait for the origin.
    let most = answers.iter().map(|it| it.load(Ordering::Relaxed)).max();
    assert!(most <= Some(40), "a connection of the flood had {most:?} answers while others had 10");
    assert!(flood.try_join_next().is_none(), "a connection of the flood has failed");
    assert_eq!(origin.count(), 720);
    gate.must_be_calm();
}
