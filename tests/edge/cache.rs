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
/// The bound of the cache, and what an entry weighs at the least.
const MOST_BYTES: u64 = 16 << 20;
const LEAST_ENTRY_BYTES: u64 = 672;
/// By how much the wasm memory may still grow once the cache is full: what was freed in pieces is
/// not always found again. A million tokens are over a GB.
const SLACK_BYTES: u64 = 2 << 20;

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

/// Sends the requests from `start` to `total` over several connections; request n has token n
/// modulo `distinct`.
async fn through(gate: &Arc<Gate>, start: usize, total: usize, distinct: usize) {
    let next = Arc::new(AtomicUsize::new(start));
    let exp = now() + 36_000;
    let mut pumps = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (gate, next) = (Arc::clone(gate), Arc::clone(&next));
        pumps.spawn(async move {
            let stream = TcpStream::connect(gate.addr).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut stream = BufReader::new(stream);
            loop {
                let first = next.fetch_add(PIPELINE, Ordering::Relaxed);
                let numbers = first..total.min(first + PIPELINE);
                if numbers.is_empty() {
                    return;
                }
                let requests: Vec<u8> = numbers
                    .clone()
                    .flat_map(|number| get("/").bearer(&token(number % distinct, exp)).bytes())
                    .collect();
                stream.write_all(&requests).await.unwrap();
                for number in numbers {
                    let reply = Reply::read(&mut stream, false).await.unwrap();
                    assert_eq!((number, reply.status), (number, 200), "{}", reply.text());
                }
            }
        });
    }
    pumps.join_all().await;
}

/// A gate with everything that is kept for a token, after `total` requests with `distinct` tokens,
/// and its origin.
async fn after(total: usize, distinct: usize) -> (Arc<Gate>, Origin) {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin)
        .assertion(60)
        .set("forward.claim_to_headers", json!({ "X-Auth-Subject": "sub", "X-Name": "name" }));
    let gate = Arc::new(Gate::start(setup).await);
    through(&gate, 0, total, distinct).await;
    assert_eq!(origin.count(), total);
    gate.must_be_calm();
    (gate, origin)
}

/// What the gate says of its cache: entries and bytes.
async fn usage(gate: &Gate) -> (u64, u64) {
    let report = get("/_edgeward/health").bearer(gate::ADMIN_TOKEN).send(gate).await;
    let cache = &report.json()["cache"];
    (cache["entries"].as_u64().unwrap(), cache["bytes"].as_u64().unwrap())
}

/// The linear memory of the Worker's wasm instance, in bytes.
async fn memory(gate: &Gate) -> u64 {
    let report = get("/_edgeward/health").bearer(gate::ADMIN_TOKEN).send(gate).await;
    report.json()["memory_bytes"].as_u64().unwrap()
}

#[tokio::test]
async fn the_cache_is_bounded() {
    let (gate, _origin) = after(25_000, 25_000).await;
    let (entries, bytes) = usage(&gate).await;
    assert!((1_000..=MOST_BYTES / LEAST_ENTRY_BYTES).contains(&entries), "{entries} entries");
    assert!((1_000_000..=MOST_BYTES).contains(&bytes), "{bytes} bytes");
}

#[tokio::test]
async fn a_token_is_kept_once() {
    let (gate, _origin) = after(1_000, 10).await;
    assert_eq!(usage(&gate).await.0, 10);
}

/// A million tokens with `EDGEWARD_SOAK=1`, else as many as fill the cache three times.
#[tokio::test]
async fn distinct_tokens_without_end_take_no_more_memory() {
    let soak = std::env::var("EDGEWARD_SOAK").is_ok_and(|text| text == "1");
    let (full, end) = if soak { (100_000, 1_000_000) } else { (20_000, 55_000) };
    let (gate, origin) = after(full, full).await;
    let before = memory(&gate).await;
    through(&gate, full, end, end).await;
    let after = memory(&gate).await;
    assert_eq!(origin.count(), end);
    gate.must_be_calm();
    println!("{before} bytes of wasm memory after {full} tokens, {after} after {end}");
    assert!(
        after <= before + SLACK_BYTES,
        "{before} bytes after {full} tokens, {after} after {end}"
    );
    assert!(after < 64 << 20, "{after} bytes");
}
