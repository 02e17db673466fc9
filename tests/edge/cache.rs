//! The isolate remembers tokens in bounded memory.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::harness::{
    mint::{HMAC, ISSUER, base64url, now},
    *,
};

/// How many requests are under way on each connection.
const PIPELINE: usize = 32;
const CONNECTIONS: usize = 4;
/// What workerd may grow by once the cache is full. The heap of V8 breathes by tens of MB.
const FLAT_BYTES: u64 = 96 << 20;

/// A valid token that no other number has.
fn token(number: usize, exp: i64) -> String {
    let claims = format!(
        r#"{{"iss":"{ISSUER}","aud":"api","sub":"user-{number}","exp":{exp},"scope":"read write","name":"A Name That Takes Some Room"}}"#
    );
    let header = base64url(br#"{"alg":"HS256","typ":"JWT","kid":"hmac"}"#);
    let input = format!("{header}.{}", base64url(claims.as_bytes()));
    let signature = HMAC.sign("HS256", input.as_bytes());
    format!("{input}.{}", base64url(&signature))
}

/// Sends the tokens that `next` still has to give, and counts those that pass.
async fn pump(gate: Arc<Gate>, next: Arc<AtomicUsize>, end: usize, exp: i64) -> usize {
    let stream = TcpStream::connect(gate.addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut passed = 0;
    loop {
        let numbers: Vec<usize> = (0..PIPELINE)
            .map(|_| next.fetch_add(1, Ordering::Relaxed))
            .filter(|number| *number < end)
            .collect();
        if numbers.is_empty() {
            return passed;
        }
        let requests: Vec<u8> = numbers
            .iter()
            .flat_map(|number| get("/").bearer(&token(*number, exp)).bytes())
            .collect();
        writer.write_all(&requests).await.unwrap();
        for number in numbers {
            let reply = Reply::read(&mut reader, false).await.unwrap();
            assert_eq!((number, reply.status), (number, 200), "{}", reply.text());
            passed += 1;
        }
    }
}

async fn through(gate: &Arc<Gate>, from: usize, to: usize) {
    let next = Arc::new(AtomicUsize::new(from));
    let exp = now() + 3600;
    let mut pumps = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        pumps.spawn(pump(Arc::clone(gate), Arc::clone(&next), to, exp));
    }
    let passed: usize = pumps.join_all().await.into_iter().sum();
    assert_eq!(passed, to - from);
}

/// `EDGEWARD_SOAK=1` sends a million.
#[tokio::test]
async fn distinct_tokens_without_end_take_no_more_memory() {
    let soak = std::env::var("EDGEWARD_SOAK").is_ok_and(|text| text == "1");
    let total = if soak { 1_000_000 } else { 100_000 };
    let origin = Origin::start().await;
    let setup = Setup::new(&origin)
        .assertion(60)
        .set("forward.claim_to_headers", json!({ "X-Auth-Subject": "sub", "X-Name": "name" }));
    let gate = Arc::new(Gate::start(setup).await);

    // Enough to fill the cache.
    let filled = total / 4;
    through(&gate, 0, filled).await;
    let before = gate.rss();
    through(&gate, filled, total).await;
    let after = gate.rss();
    assert_eq!(origin.count(), total);
    println!("{total} tokens: {before} bytes after {filled}, {after} at the end");
    assert!(after.saturating_sub(before) < FLAT_BYTES, "from {before} to {after}");

    // The first one was forgotten, or not: it passes again.
    through(&gate, 0, 1).await;
    gate.must_be_calm();
}
