//! A panic of Rust, in the module that the tools build as they build the Worker: what it costs, and what is said
//! about it. No input makes the Worker panic, so `tests/edge/resets.rs` ends its instances in another way.

use axum::Router;
use axum::http::Uri;
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::judged::verdicts;
use super::probe::{Case, Probe};

/// What a panic says may be what a client sent.
const SECRET: &str = "eyJhbGciOiJIUzI1NiJ9.of-a-client.0123456789abcdef";

/// A server that tells who asks, and answers when it is told to.
struct Slow {
    url: String,
    asked: mpsc::UnboundedReceiver<String>,
    answer: watch::Sender<bool>,
}

impl Slow {
    async fn start() -> Self {
        let (asks, asked) = mpsc::unbounded_channel();
        let (answer, may_answer) = watch::channel(false);
        let app = Router::new().fallback(async move |uri: Uri| {
            asks.send(uri.path().to_owned()).unwrap();
            may_answer.clone().wait_for(|may| *may).await.unwrap();
            "answered"
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, asked, answer }
    }

    async fn until_asked(&mut self, mut paths: Vec<&str>) {
        while !paths.is_empty() {
            let path = self.asked.recv().await.unwrap();
            paths.retain(|wanted| *wanted != path);
        }
    }
}

#[tokio::test]
async fn a_panic_costs_its_own_request_and_what_waits_inside_and_its_message_is_not_logged() {
    let (probe, mut slow) = (Probe::start(), Slow::start().await);
    let [inside, outside] = ["/inside", "/outside"].map(|path| slow.url.clone() + path);
    let script = async {
        slow.until_asked(vec!["/inside", "/outside"]).await;
        let panicked = probe.post("panic", &SECRET).await;
        assert_eq!(panicked, (500, "Internal Server Error".to_owned()));
        // The next request is answered while the others still wait.
        let key = "0123456789abcdef0123456789abcdef".to_owned();
        let case = Case::new("HS256", key, b"message", &[7; 32]);
        assert_eq!(verdicts(probe.ask("verify", &[case]).await), ["rejected: bad_signature"]);
        slow.answer.send(true).unwrap();
    };
    let (inside, outside, ()) =
        tokio::join!(probe.post("ask", &inside), probe.post("forward", &outside), script);
    assert_eq!(inside, (500, "Internal Server Error".to_owned()));
    assert_eq!(outside, (200, "answered".to_owned()));
    assert_eq!(probe.ask("ask", &(slow.url + "/after")).await, 200);

    let lines = probe.workerd.lines();
    let json = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let panics: Vec<Value> = json.filter(|line| line["event"] == "panic").collect();
    let [panic] = &panics[..] else { panic!("{lines:#?}") };
    let names: Vec<_> = panic.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["event", "level", "place", "time"]);
    assert_eq!(panic["level"], "error");
    assert!(panic["place"].as_str().unwrap().starts_with("src/edge/probe.rs:"), "{panic}");
    assert!(!lines.iter().any(|line| line.contains(SECRET)), "{lines:#?}");
}
