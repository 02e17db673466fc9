//! How seldom the auth service is asked while all is well.

use std::sync::{Arc, Mutex};

use serde::Serialize;
use tokio::task::JoinSet;

use super::clients::Line;
use super::isolates::Isolate;
use super::outside::Outside;
use super::schedule::random;
use super::traffic::{pick, request, token};

const TOKENS: u32 = 100;
const REQUESTS_PER_TOKEN: u32 = 100;
/// How many requests are under way at a time.
const CLIENTS: usize = 16;

/// What was counted.
#[derive(Serialize)]
pub struct Calls {
    pub tokens: u32,
    pub requests: usize,
    /// How often the auth service was asked.
    pub asked: usize,
    /// Why requests were refused, one for each.
    pub refusals: Vec<String>,
}

/// Sends each token as often as any other, in a random order, each time to a random isolate.
pub async fn count(isolates: &[Isolate], outside: &Outside) -> Calls {
    let requests: Vec<Vec<u8>> = (0..TOKENS).map(|_| request(&token())).collect();
    let mut order: Vec<u32> = (0..TOKENS * REQUESTS_PER_TOKEN).collect();
    order.sort_unstable_by_key(|number| random((*number, 0, 3)));
    let turns = order.iter().map(|number| {
        let isolate = pick(random((*number, 1, 3)), isolates.len());
        (isolate, requests[(number % TOKENS) as usize].clone())
    });
    let left = Arc::new(Mutex::new(turns.collect::<Vec<_>>()));

    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let mut lines: Vec<Line> = isolates.iter().map(|isolate| Line::to(isolate.addr)).collect();
        let left = Arc::clone(&left);
        clients.spawn(async move {
            let mut refusals = Vec::new();
            loop {
                let turn = left.lock().unwrap().pop();
                let Some((isolate, request)) = turn else { return refusals };
                refusals.extend(lines[isolate].send(&request).await.err());
            }
        });
    }
    let refusals = clients.join_all().await.concat();
    Calls { tokens: TOKENS, requests: order.len(), asked: outside.calls(), refusals }
}
