//! Many who want nothing but to cost something. What that is in requests per second and in memory, `make abuse`
//! measures; here it must not cost anybody else an answer.

use futures_util::future::join_all;
use tokio::{io::AsyncWriteExt, net::TcpStream};

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
    let mut last = tokio::io::BufReader::new(last);
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
