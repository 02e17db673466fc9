//! The proxy passes, fails as it is told, and counts.

use std::{
    io::ErrorKind,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::Message;

use super::{super::harness::client::try_raw, *};

/// Says `{"active":true}` to everything.
async fn service() -> Faults {
    Faults::answering(|_| Reply::new(200, r#"{"active":true}"#)).await
}

async fn failure(faults: &Faults) -> ErrorKind {
    try_raw(faults.addr, &get("/").bytes()).await.unwrap_err().kind()
}

#[tokio::test]
async fn what_passes_is_counted() {
    let origin = Origin::answering(|seen| Answer::status("201 Made").with_body(&seen.target)).await;
    let faults = Faults::start().await;
    faults.pass_to(origin.addr);
    for target in ["/a", "/a?b=c", "/b"] {
        let reply = ask(faults.addr, target).await;
        assert_eq!((reply.status, reply.reason.as_str()), (201, "Made"));
        assert_eq!(reply.text(), target);
    }
    let form = request("POST", "/a").header("X-Any", "thing").body("a body");
    assert_eq!(raw(faults.addr, &form.bytes()).await.status, 201);

    let seen = origin.last();
    assert_eq!((seen.method.as_str(), seen.body.as_slice()), ("POST", b"a body".as_slice()));
    assert_eq!((seen.header("Host"), seen.header("X-Any")), (vec!["app.example"], vec!["thing"]));
    assert_eq!((faults.count("/a"), faults.count("/b"), faults.count("/c")), (3, 1, 0));
    assert_eq!(faults.count_of(|method, _| method == "POST"), 1);
    let last = faults.last("/a");
    assert_eq!((last.body.as_slice(), last.header("x-any")), (b"a body".as_slice(), vec!["thing"]));
}

#[tokio::test]
async fn a_handshake_that_passes_is_a_tunnel_until_connections_are_refused() {
    let echo = Origin::answering(|_| Answer::WebSocketEcho).await;
    let faults = Faults::start().await;
    faults.pass_to(echo.addr);
    for mode in [Mode::Pass, Mode::Slow(Duration::from_millis(1)), Mode::HalfBody] {
        faults.set(mode).await;
        let url = format!("ws://{}/", faults.addr);
        let stream = TcpStream::connect(faults.addr).await.unwrap();
        let (mut near, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        // Others do not meet those that are open.
        faults.set(Mode::Reset).await;
        near.send(Message::text("there")).await.unwrap();
        assert_eq!(near.next().await.unwrap().unwrap(), Message::text("there"));
        faults.set(Mode::Refused).await;
        assert!(!matches!(near.next().await, Some(Ok(_))));
    }
}

#[tokio::test]
async fn who_wants_to_know_is_told_what_happens_to_each_request() {
    let faults = service().await;
    let told = Arc::<Mutex<Vec<String>>>::default();
    let noted = Arc::clone(&told);
    faults.tell(move |asked, mode| {
        noted.lock().unwrap().push(format!("{} {mode:?}", asked.target));
    });
    ask(faults.addr, "/a").await;
    faults.set(Mode::Flapping(vec![Mode::Reset, Mode::Pass])).await;
    assert_eq!(failure(&faults).await, ErrorKind::ConnectionReset);
    ask(faults.addr, "/b").await;
    assert_eq!(*told.lock().unwrap(), ["/a Pass", "/ Reset", "/b Pass"]);
}

#[tokio::test]
async fn the_mode_can_change_between_two_requests_of_a_connection() {
    let faults = service().await;
    let mut stream = BufReader::new(TcpStream::connect(faults.addr).await.unwrap());
    let cases = [
        (Mode::Pass, 200),
        (Mode::status(204), 204),
        (Mode::Slow(Duration::from_millis(1)), 200),
        (Mode::status(503), 503),
        (Mode::Huge, 200),
        (Mode::Garbage, 200),
    ];
    for (mode, status) in cases {
        faults.set(mode).await;
        stream.write_all(&get("/").bytes()).await.unwrap();
        assert_eq!(Reply::read(&mut stream, false).await.unwrap().status, status);
    }
    faults.set(Mode::Refused).await;
    assert!(Reply::read(&mut stream, false).await.is_err());
}

#[tokio::test]
async fn connections_are_refused_and_accepted_again_at_the_same_port() {
    let faults = service().await;
    for _ in 0..3 {
        faults.set(Mode::Refused).await;
        assert_eq!(failure(&faults).await, ErrorKind::ConnectionRefused);
        faults.set(Mode::Pass).await;
        assert_eq!(ask(faults.addr, "/").await.status, 200);
    }
    assert_eq!(faults.count("/"), 3);
}

#[tokio::test]
async fn answers_can_be_broken() {
    let faults = service().await;
    faults.set(Mode::Reset).await;
    assert_eq!(failure(&faults).await, ErrorKind::ConnectionReset);
    faults.set(Mode::HalfBody).await;
    assert_eq!(failure(&faults).await, ErrorKind::UnexpectedEof);
    faults.set(Mode::Custom(b"SSH-2.0-x\r\n".to_vec())).await;
    assert_eq!(failure(&faults).await, ErrorKind::UnexpectedEof);
    assert_eq!(faults.count("/"), 3);
}

#[tokio::test]
async fn answers_can_be_wrong() {
    let faults = service().await;
    faults.set(Mode::status(429).header("Retry-After", "7").with_body("later")).await;
    let reply = ask(faults.addr, "/").await;
    assert_eq!((reply.status, reply.text().as_str()), (429, "later"));
    assert_eq!(reply.header("Retry-After"), ["7"]);

    faults.set(Mode::Garbage).await;
    let reply = ask(faults.addr, "/").await;
    assert_eq!((reply.status, reply.header("Content-Type")), (200, vec!["application/json"]));
    assert_eq!(reply.json(), Value::Null);

    faults.set(Mode::Redirect("http://elsewhere.example/".to_owned())).await;
    let reply = ask(faults.addr, "/").await;
    assert_eq!((reply.status, reply.header("Location")), (307, vec!["http://elsewhere.example/"]));

    faults.set(Mode::Huge).await;
    let reply = ask(faults.addr, "/").await;
    assert!(reply.body.len() > 64 << 20, "{}", reply.body.len());
    assert_eq!(reply.json(), json!({ "active": true }));
}

#[tokio::test]
async fn requests_can_wait_while_others_pass() {
    let faults = service().await;
    let addr = faults.addr;
    let mut waiting = Vec::new();
    for (count, mode) in [Mode::Hang, Mode::Slow(Duration::from_hours(1))].into_iter().enumerate() {
        faults.set(mode).await;
        waiting.push(tokio::spawn(async move { ask(addr, "/waits").await }));
        faults.until("/waits", count + 1).await;
    }
    faults.set(Mode::Pass).await;
    assert_eq!(ask(addr, "/").await.status, 200);
    assert!(waiting.iter().all(|request| !request.is_finished()));
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn faults_can_come_and_go() {
    let faults = service().await;
    faults.set(Mode::Flapping(vec![Mode::Pass, Mode::Pass, Mode::status(503)])).await;
    for status in [200, 200, 503, 200, 200, 503] {
        assert_eq!(ask(faults.addr, "/").await.status, status);
    }
}

/// In this order: the connections that a workerd keeps are not in the way of the next mode.
#[tokio::test]
async fn workerd_notices_every_fault() {
    let faults = service().await;
    let worker = Obedient::start(&Setup::new(&Origin::start().await)).await;
    let passes = || json!({ "value": [200, r#"{"active":true}"#] });
    let cases = [
        (Mode::Pass, Some(passes())),
        (Mode::Pass, Some(passes())),
        (Mode::Refused, None),
        (Mode::Pass, Some(passes())),
        (Mode::Reset, None),
        (Mode::Slow(Duration::from_millis(1)), Some(passes())),
        (Mode::HalfBody, None),
        (Mode::Huge, Some(passes())),
        (Mode::Custom(b"HTTP/1.1".to_vec()), None),
        (Mode::Garbage, Some(json!({ "value": [200, r#"{"active": <html>"#] }))),
        (Mode::status(503).header("Retry-After", "1"), Some(json!({ "value": [503, ""] }))),
        (Mode::Redirect("/other".to_owned()), Some(json!({ "value": [307, ""] }))),
        (Mode::Pass, Some(passes())),
    ];
    let url = format!("http://{}/", faults.addr);
    for (number, (mode, value)) in cases.into_iter().enumerate() {
        faults.set(mode.clone()).await;
        let outcome = worker.told(json!({ "fetch": url })).await;
        match value {
            Some(value) => assert_eq!(outcome, value, "{number}: {mode:?}"),
            None => assert!(outcome["error"].is_string(), "{number}: {mode:?}: {outcome}"),
        }
    }
    faults.set(Mode::Hang).await;
    let outcome = worker.told(json!({ "fetch": url, "patience": 50 })).await;
    assert!(outcome["error"].as_str().unwrap().contains("Timeout"), "{outcome}");
}
