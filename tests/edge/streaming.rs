//! Bodies stream, whoever leaves first is noticed, and an origin that fails is a 502.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::harness::{
    mint::token,
    origin::State,
    wire::{Framing, Head},
    *,
};

const GIB: u64 = 1 << 30;
/// What workerd may grow by while a GiB passes. Its buffers and V8's heap need tens of MB.
const FLAT_BYTES: u64 = 100 << 20;

/// Keeps the highest resident size of workerd while `work` runs.
async fn peak_rss<T>(gate: &Gate, work: impl Future<Output = T>) -> (T, u64) {
    let mut peak = 0;
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return (done, peak),
            _ = tick.tick() => peak = peak.max(gate.rss()),
        }
    }
}

#[tokio::test]
async fn a_gibibyte_goes_up_with_flat_memory() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin)).await;
    get("/").bearer(&token()).send(&gate).await.must_pass();
    let before = gate.rss();

    let upload = async {
        let head = request("POST", "/upload")
            .bearer(&token())
            .header("Content-Length", &GIB.to_string())
            .bytes();
        let mut stream = TcpStream::connect(gate.addr).await.unwrap();
        stream.write_all(&head).await.unwrap();
        let block = vec![b'u'; 1 << 20];
        for _ in 0..GIB / block.len() as u64 {
            stream.write_all(&block).await.unwrap();
        }
        Reply::read(&mut BufReader::new(stream), false).await.unwrap()
    };
    let (reply, peak) = peak_rss(&gate, upload).await;
    reply.must_pass();
    let seen = origin.last();
    assert_eq!((seen.body_len, seen.state), (GIB, State::Answered));
    let growth = peak.saturating_sub(before);
    assert!(growth < FLAT_BYTES, "grew by {growth} from {before}");
}

#[tokio::test]
async fn a_gibibyte_comes_down_with_flat_memory() {
    let origin = Origin::answering(|_| Answer::Download(GIB)).await;
    let gate = Gate::start(Setup::new(&origin).access("/small", "required")).await;
    get("/").send(&gate).await.must_be(401, "missing_token");
    let before = gate.rss();

    let download = async {
        let mut stream = TcpStream::connect(gate.addr).await.unwrap();
        stream.write_all(&get("/").bearer(&token()).bytes()).await.unwrap();
        let mut stream = BufReader::with_capacity(1 << 20, stream);
        let head = Head::read(&mut stream).await.unwrap().unwrap();
        let framing = Framing::of(&head.headers, Framing::Close);
        let mut count = 0;
        let take = |bytes: &[u8]| count += bytes.len() as u64;
        wire::body(&mut stream, framing, take).await.unwrap();
        count
    };
    let (count, peak) = peak_rss(&gate, download).await;
    assert_eq!(count, GIB);
    let growth = peak.saturating_sub(before);
    assert!(growth < FLAT_BYTES, "grew by {growth} from {before}");
}

#[tokio::test]
async fn an_upload_without_a_length_streams() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin)).await;
    let mut stream = TcpStream::connect(gate.addr).await.unwrap();
    let head = request("PUT", "/").bearer(&token()).header("Transfer-Encoding", "chunked");
    stream.write_all(&head.bytes()).await.unwrap();
    for part in 1..=3 {
        stream.write_all(b"4\r\npart\r\n").await.unwrap();
        // The next part is not sent before this one is there.
        origin.until(|seen| seen.body_len == part * 4).await;
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    Reply::read(&mut BufReader::new(stream), false).await.unwrap().must_pass();
    assert_eq!(origin.only().body, b"partpartpart");
}

#[tokio::test]
async fn server_sent_events_arrive_one_by_one() {
    let (origin, events) = Origin::with_events().await;
    let gate = Gate::start(Setup::new(&origin)).await;
    let mut response =
        reqwest::Client::new().get(gate.url("/events")).bearer_auth(token()).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    for number in 0..5 {
        let event = format!("data: {number}\n\n");
        // Sent only now that all before it have arrived.
        events.send(event.clone()).await.unwrap();
        let mut arrived = Vec::new();
        while arrived.len() < event.len() {
            let next = tokio::time::timeout(PATIENCE, response.chunk());
            arrived.extend_from_slice(&next.await.unwrap().unwrap().unwrap());
        }
        assert_eq!(arrived, event.as_bytes());
    }
    drop(events);
    assert_eq!(response.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn the_origin_notices_a_client_that_leaves_a_stream() {
    let (origin, events) = Origin::with_events().await;
    let gate = Gate::start(Setup::new(&origin)).await;
    let mut response =
        reqwest::Client::new().get(gate.url("/")).bearer_auth(token()).send().await.unwrap();
    events.send("data: 1\n\n".to_owned()).await.unwrap();
    response.chunk().await.unwrap().unwrap();
    drop(response);
    // Written events show a connection that is gone; without any the runtime need not look.
    let chatter = async {
        while events.send("data: more\n\n".to_owned()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let gone = async {
        origin.until(|seen| seen.state == State::Abandoned).await;
    };
    tokio::join!(chatter, gone);
    gate.must_be_calm();
}

#[tokio::test]
async fn the_origin_notices_a_client_that_leaves_a_download() {
    let origin = Origin::answering(|_| Answer::Download(GIB)).await;
    let gate = Gate::start(Setup::new(&origin)).await;
    let mut stream = TcpStream::connect(gate.addr).await.unwrap();
    stream.write_all(&get("/").bearer(&token()).bytes()).await.unwrap();
    stream.read_exact(&mut [0; 4096]).await.unwrap();
    drop(stream);
    origin.until(|seen| seen.state == State::Abandoned).await;
    gate.must_be_calm();
}

#[tokio::test]
async fn the_origin_notices_a_client_that_leaves_an_upload() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin)).await;
    let mut stream = TcpStream::connect(gate.addr).await.unwrap();
    let head = request("POST", "/").bearer(&token()).header("Content-Length", "1000000");
    stream.write_all(&head.bytes()).await.unwrap();
    stream.write_all(&[b'u'; 1000]).await.unwrap();
    origin.until(|seen| seen.body_len > 0).await;
    drop(stream);
    origin.until(|seen| seen.state == State::Abandoned).await;
    assert_ne!(origin.only().body_len, 1_000_000);
    get("/").bearer(&token()).send(&gate).await.must_pass();
}

#[tokio::test]
async fn clients_that_do_not_wait_for_the_answer_cost_the_others_nothing() {
    let origin = Origin::answering(|seen| match seen.target.as_str() {
        "/never" => Answer::Silence,
        _ => Answer::ok(),
    })
    .await;
    let gate = Gate::start(Setup::new(&origin)).await;
    for number in 1..=20 {
        let mut stream = TcpStream::connect(gate.addr).await.unwrap();
        stream.write_all(&get("/never").bearer(&token()).bytes()).await.unwrap();
        // The runtime tells nobody that this client is gone before the head of the response.
        origin.until(|seen| seen.state == State::Received).await;
        drop(stream);
        get("/").bearer(&token()).send(&gate).await.must_pass();
        assert_eq!(origin.count(), number * 2);
    }
    gate.must_be_calm();
}

#[tokio::test]
async fn an_origin_that_is_down_is_a_502() {
    let origin = Origin::absent().await;
    let gate = Gate::start(Setup::new(&origin)).await;
    for _ in 0..2 {
        let reply = get("/").bearer(&token()).send(&gate).await;
        reply.must_be(502, "origin_unreachable");
        assert!(reply.header("www-authenticate").is_empty());
    }
    let reply = request("POST", "/").bearer(&token()).body("lost").send(&gate).await;
    reply.must_be(502, "origin_unreachable");
    get("/").send(&gate).await.must_be(401, "missing_token");

    let gate = Gate::start(Setup::new(&origin).through_service(&origin)).await;
    get("/").bearer(&token()).send(&gate).await.must_be(502, "origin_unreachable");
}

#[tokio::test]
async fn an_origin_that_talks_nonsense_is_a_502_and_nothing_breaks() {
    const NONSENSE: [&str; 12] = [
        "",
        "\r\n\r\n",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "HTTP/1.1",
        "HTTP/1.1 200 OK\r\nContent-",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 99999 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "<html>",
        "\u{0}\u{0}\u{0}\u{0}\r\n\r\n",
    ];
    let origin =
        Origin::answering(|seen| match seen.target.trim_start_matches('/').parse::<usize>() {
            Ok(number) => Answer::Raw(NONSENSE[number].as_bytes().to_vec()),
            Err(_) => Answer::ok(),
        })
        .await;
    let gate = Gate::start(Setup::new(&origin)).await;
    for (number, nonsense) in NONSENSE.iter().enumerate() {
        let reply = get(&format!("/{number}")).bearer(&token()).send(&gate).await;
        assert_eq!((nonsense, reply.verdict()), (nonsense, (502, "origin_unreachable".into())));
        get("/good").bearer(&token()).send(&gate).await.must_pass();
    }
    gate.must_be_calm();
}

#[tokio::test]
async fn no_status_of_an_origin_breaks_the_gate() {
    let origin = Origin::answering(|seen| {
        let code = seen.target.trim_start_matches('/');
        match code.len() {
            3 => Answer::Raw(
                format!("HTTP/1.1 {code} Odd\r\nContent-Length: 2\r\n\r\nhi").into_bytes(),
            ),
            _ => Answer::ok(),
        }
    })
    .await;
    let gate = Gate::start(Setup::new(&origin)).await;
    for code in ["000", "099", "100", "102", "103", "199", "600", "700", "999"] {
        let request = get(&format!("/{code}")).bearer(&token()).bytes();
        // What comes is the runtime's business, as long as it comes and the next one is served.
        let reply = client::try_raw(gate.addr, &request).await;
        assert!(reply.is_ok(), "{code}: {reply:?}");
        get("/good").bearer(&token()).send(&gate).await.must_pass();
    }
    gate.must_be_calm();
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_made_to_look_complete() {
    let origin = Origin::answering(|seen| match seen.target.as_str() {
        "/length" => Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec()),
        "/chunked" => Answer::Raw(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n".to_vec(),
        ),
        _ => Answer::ok(),
    })
    .await;
    let gate = Gate::start(Setup::new(&origin)).await;
    for target in ["/length", "/chunked"] {
        let reply = client::try_raw(gate.addr, &get(target).bearer(&token()).bytes()).await;
        let complete = reply.as_ref().is_ok_and(|reply| reply.status == 200);
        assert!(!complete, "{target}: {reply:?}");
        get("/").bearer(&token()).send(&gate).await.must_pass();
    }
}
