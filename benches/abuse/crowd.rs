//! Those who send, each as fast as it gets answers, for as long as it is said.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::connection::{Connection, exchange};
use super::kinds::{Kind, Supply};

/// How many users ask at a time, and how many others beside them.
pub const USERS: usize = 100;
pub const OTHERS: usize = 1_000;
/// How long all go on before anything counts.
const WARM_UP: Duration = Duration::from_secs(3);
/// After how long a request counts as not answered.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How often one who never finishes sends a byte.
const DRIP: Duration = Duration::from_millis(500);
/// The length of a header that nobody needs.
const HUGE: usize = 1 << 20;

/// What those do who are not users.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// There are none.
    Nobody,
    /// Their connections are open, and that is all.
    Idle,
    /// They send requests of this kind.
    Send(Kind),
    /// They send the head of a request, a byte at a time, and never the end.
    Drip,
    /// They send a header of a mebibyte, again and again, each over a new connection.
    Huge,
}

/// What came of it.
#[derive(Default)]
pub struct Outcome {
    /// Requests of users and of others in a second.
    pub users: f64,
    pub others: f64,
    /// What others got, by status or error, and how often.
    pub answers: BTreeMap<String, u64>,
    /// Answers that were not the right ones: of users and of senders.
    pub wrong: Vec<String>,
}

/// What all of a crowd share.
struct Crowd {
    address: SocketAddr,
    supply: Arc<Supply>,
    /// The number of the next request.
    next: AtomicU64,
    counts: AtomicBool,
    /// When the count ended.
    end: OnceLock<Instant>,
    is_over: AtomicBool,
    /// Answers in a second of each user who had at least two while they counted.
    users: Mutex<f64>,
    others: AtomicU64,
    answers: Mutex<BTreeMap<String, u64>>,
    wrong: Mutex<Vec<String>>,
}

/// Lets users ask for so long, beside others.
pub async fn gather(
    address: SocketAddr,
    supply: &Arc<Supply>,
    others: Others,
    duration: Duration,
) -> Outcome {
    let crowd = Arc::new(Crowd {
        address,
        supply: Arc::clone(supply),
        next: AtomicU64::new(0),
        counts: AtomicBool::new(false),
        end: OnceLock::new(),
        is_over: AtomicBool::new(false),
        users: Mutex::default(),
        others: AtomicU64::new(0),
        answers: Mutex::default(),
        wrong: Mutex::default(),
    });
    // Each has had an answer before anybody sends without a pause: workerd serves who is there before it accepts
    // others, and who connects to it in a flood waits for long.
    let connected = async |count: usize| {
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(crowd.connect().await);
        }
        connections
    };
    let users = connected(USERS).await;
    let count = if matches!(others, Others::Idle | Others::Send(_)) { OTHERS } else { 0 };
    let mut connections = connected(count).await.into_iter();
    let head = "GET /api/orders HTTP/1.1\r\nHost: api.example\r\nX-Huge: ";
    let huge = Arc::new([head.as_bytes(), &vec![b'a'; HUGE], b"\r\n\r\n"].concat());
    let mut all = JoinSet::new();
    for _ in 0..if others == Others::Nobody { 0 } else { OTHERS } {
        let crowd = Arc::clone(&crowd);
        match others {
            // Its connections stay open.
            Others::Nobody | Others::Idle => {}
            Others::Send(kind) => {
                let connection = connections.next();
                drop(all.spawn(async move { crowd.send(kind, connection, false).await }));
            }
            Others::Drip => drop(all.spawn(async move { crowd.drip().await })),
            Others::Huge => {
                let huge = Arc::clone(&huge);
                drop(all.spawn(async move { crowd.send_huge(&huge).await }));
            }
        }
    }
    for user in users {
        let crowd = Arc::clone(&crowd);
        all.spawn(async move { crowd.send(Kind::User, Some(user), true).await });
    }
    sleep(WARM_UP).await;
    crowd.counts.store(true, Ordering::Relaxed);
    let began = Instant::now();
    sleep(duration).await;
    crowd.counts.store(false, Ordering::Relaxed);
    let end = *crowd.end.get_or_init(Instant::now);
    let took = (end - began).as_secs_f64();
    crowd.is_over.store(true, Ordering::Relaxed);
    all.join_all().await;
    #[allow(clippy::cast_precision_loss, reason = "a rate needs no 64 bits")]
    let others = crowd.others.load(Ordering::Relaxed) as f64 / took;
    let users = *crowd.users.lock().unwrap();
    let answers = std::mem::take(&mut *crowd.answers.lock().unwrap());
    let wrong = std::mem::take(&mut *crowd.wrong.lock().unwrap());
    Outcome { users, others, answers, wrong }
}

/// The answers of a user that count.
#[derive(Default)]
struct Turns {
    /// When the first and the last came, and how many there were after the first.
    times: Option<(Instant, Instant)>,
    count: u32,
}

impl Turns {
    fn note(&mut self, counts: bool) {
        if counts {
            let now = Instant::now();
            self.count += u32::from(self.times.is_some());
            self.times = Some((self.times.map_or(now, |(first, _)| first), now));
        }
    }

    /// Answers in a second until `end`: from the first to the last, because beside many others a user has few, and
    /// a part of a turn must not count as none. Who had no more for longer than a turn had none in that time.
    fn rate(&self, end: Instant) -> f64 {
        let Some((first, last)) = self.times.filter(|_| self.count > 0) else { return 0.0 };
        let turn = (last - first) / self.count;
        f64::from(self.count) / last.max(end - turn).duration_since(first).as_secs_f64()
    }
}

impl Crowd {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn count(&self) {
        if self.counts.load(Ordering::Relaxed) {
            self.others.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn note_answer(&self, answer: String) {
        *self.answers.lock().unwrap().entry(answer).or_default() += 1;
    }

    /// A connection that has had an answer.
    async fn connect(&self) -> Connection {
        let mut connection = Connection::open(self.address).await.expect("it listens");
        let mut request = Vec::new();
        self.supply.write(Kind::User, self.next.fetch_add(1, Ordering::Relaxed), &mut request);
        assert_eq!(connection.exchange(&request).await.expect("an answer"), Kind::User.status());
        connection
    }

    async fn send(&self, kind: Kind, mut connection: Option<Connection>, is_user: bool) {
        let mut request = Vec::new();
        let mut turns = Turns::default();
        while !self.is_over() {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            self.supply.write(kind, number, &mut request);
            let answer = exchange(&mut connection, self.address, &request, PATIENCE).await;
            if is_user {
                turns.note(self.counts.load(Ordering::Relaxed));
            } else {
                self.count();
                self.note_answer(answer.as_ref().map_or_else(ToString::to_string, u16::to_string));
            }
            if answer.as_ref().ok() != Some(&kind.status()) {
                let body = connection.as_ref().map(Connection::text).unwrap_or_default();
                self.wrong.lock().unwrap().push(format!("{}: {answer:?} {body}", kind.name()));
                // Whoever is cut off does not come back at once.
                sleep(Duration::from_millis(100)).await;
            }
        }
        if is_user {
            *self.users.lock().unwrap() += turns.rate(*self.end.get().expect("it is over"));
        }
    }

    async fn drip(&self) {
        while !self.is_over() {
            let ended = self.drip_once().await;
            if !self.is_over() {
                self.note_answer(ended.unwrap_or_else(|error| error.kind().to_string()));
                self.count();
            }
        }
    }

    /// Until the other side has had enough.
    async fn drip_once(&self) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.write_all(b"GET /api/orders HTTP/1.1\r\nHost: api.example\r\nX-Slow: ").await?;
        let mut answer = [0; 12];
        while !self.is_over() {
            stream.write_all(b"a").await?;
            if let Ok(read) = timeout(DRIP, stream.read(&mut answer)).await {
                let answered = &answer[..read?];
                return Ok(String::from_utf8_lossy(answered).replace("HTTP/1.1 ", ""));
            }
        }
        Ok("still open".to_owned())
    }

    async fn send_huge(&self, request: &[u8]) {
        while !self.is_over() {
            let answer = send_once(self.address, request).await;
            self.count();
            self.note_answer(answer.unwrap_or_else(|error| error.kind().to_string()));
        }
    }
}

/// A request on a connection of its own; the status of the answer, which can come before the request has
/// been sent.
async fn send_once(address: SocketAddr, request: &[u8]) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let (mut reading, mut writing) = stream.split();
    let mut answer = [0; 12];
    let read = async {
        let mut read = 0;
        while read < answer.len() {
            match reading.read(&mut answer[read..]).await? {
                0 => break,
                more => read += more,
            }
        }
        Ok::<_, io::Error>(read)
    };
    let write = async {
        let sent = writing.write_all(request).await;
        sent?;
        std::future::pending::<io::Result<usize>>().await
    };
    let read = tokio::select! { read = read => read?, read = write => read? };
    Ok(String::from_utf8_lossy(&answer[..read]).replace("HTTP/1.1 ", ""))
}
