//! What is measured: one row for each contender with each kind of traffic.

use super::contender::Contender::{
    self, Edgeward, EdgewardByUrl, EdgewardUnsigned, EdgewardWithObjects, Edits, EditsByUrl,
    EightEdits, Forward, Hono, Jose, Refuse,
};

/// The algorithm with the further rows: a browser's headers, an origin with a URL.
pub const EXAMINED: &str = "ES256";

/// The tokens of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// A hundred good ones in turn, which the process has seen before.
    Seen,
    /// Good ones, each for the first time.
    New,
    BadSignature,
    /// Rightly signed.
    Expired,
    /// No tokens at all.
    Garbage,
}

/// Who sends the requests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// A service, with few headers.
    Service,
    /// A browser, with fourteen.
    Browser,
}

/// One line of the table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub contender: Contender,
    pub traffic: Traffic,
    pub sender: Sender,
}

pub const DENIALS: [Traffic; 3] = [Traffic::BadSignature, Traffic::Expired, Traffic::Garbage];

impl Traffic {
    /// Its name in the results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::New => "new",
            Self::BadSignature => "bad signature",
            Self::Expired => "expired",
            Self::Garbage => "garbage",
        }
    }

    /// What all answers of a gate must be.
    pub fn status(self) -> u16 {
        if DENIALS.contains(&self) { 401 } else { 200 }
    }
}

impl Row {
    /// A row whose requests come from a service.
    pub fn new(contender: Contender, traffic: Traffic) -> Self {
        Self { contender, traffic, sender: Sender::Service }
    }

    fn from_browser(contender: Contender) -> Self {
        Self { sender: Sender::Browser, ..Self::new(contender, Traffic::Seen) }
    }

    /// All rows of an algorithm. Those that are compared stand next to each other.
    pub fn all(alg: &str) -> Vec<Self> {
        let gates = [Edgeward, Jose, Hono];
        let mut rows = [Forward, Edits, EightEdits].map(|it| Self::new(it, Traffic::Seen)).to_vec();
        for traffic in [Traffic::Seen, Traffic::New] {
            rows.extend(gates.map(|gate| Self::new(gate, traffic)));
            rows.push(Self::new(EdgewardUnsigned, traffic));
        }
        rows.push(Self::new(Refuse, Traffic::Garbage));
        for traffic in DENIALS {
            rows.extend(gates.map(|gate| Self::new(gate, traffic)));
        }
        if alg == EXAMINED {
            rows.extend([Edits, Edgeward].map(Self::from_browser));
            rows.extend([EditsByUrl, EdgewardByUrl].map(|it| Self::new(it, Traffic::Seen)));
            rows.push(Self::new(EdgewardWithObjects, Traffic::Seen));
        }
        rows.into_iter().flat_map(|row| row.before().into_iter().chain([row])).collect()
    }

    /// The row of the build of before, if that is measured, too.
    pub fn before(self) -> Option<Self> {
        self.contender.before().map(|contender| Self { contender, ..self })
    }

    /// Its name in the results and for `EDGEWARD_BENCH_ROWS`.
    pub fn name(self) -> String {
        let mut name = self.contender.name().to_owned();
        if self.contender.is_gate() {
            name = format!("{name} {}", self.traffic.name());
        }
        if self.sender == Sender::Browser {
            name += " 14 headers";
        }
        name
    }

    /// The row that says how fast this one could be at best: two edits for what passes, nothing but
    /// the answer for what does not.
    pub fn limit(self) -> Option<Self> {
        let (contender, traffic) = match self {
            Self {
                contender: Forward | Edits | EditsByUrl | Refuse | Contender::Empty, ..
            } => {
                return None;
            }
            Self { traffic, .. } if DENIALS.contains(&traffic) => (Refuse, Traffic::Garbage),
            Self { contender: EdgewardByUrl, .. } => (EditsByUrl, Traffic::Seen),
            _ => (Edits, Traffic::Seen),
        };
        Some(Self { contender, traffic, sender: self.sender })
    }

    /// The row of another gate for the same traffic.
    pub fn of_peer(self, peer: Contender) -> Option<Self> {
        matches!(self.contender, Edgeward | EdgewardUnsigned)
            .then_some(Self { contender: peer, ..self })
    }

    /// A request of this row as it goes over the wire.
    pub fn request(self, token: &str) -> Vec<u8> {
        request("/api/orders", self.sender, Some(token))
    }
}

/// A request as it goes over the wire.
pub fn request(path: &str, sender: Sender, token: Option<&str>) -> Vec<u8> {
    let headers = match sender {
        Sender::Service => "Host: api.example\r\nUser-Agent: orders-client/1.4\r\nAccept: */*\r\n",
        Sender::Browser => BROWSER,
    };
    let credentials =
        token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!("GET {path} HTTP/1.1\r\n{headers}{credentials}\r\n").into_bytes()
}

/// Fourteen with `Authorization`.
const BROWSER: &str = "Host: api.example\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/142.0.0.0 Safari/537.36\r\n\
    Accept: application/json, text/plain, */*\r\n\
    Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://app.example/orders?page=2\r\n\
    Origin: https://app.example\r\n\
    Sec-Fetch-Dest: empty\r\n\
    Sec-Fetch-Mode: cors\r\n\
    Sec-Fetch-Site: same-site\r\n\
    Sec-Ch-Ua: \"Chromium\";v=\"142\", \"Not_A Brand\";v=\"99\"\r\n\
    Sec-Ch-Ua-Mobile: ?0\r\n\
    Sec-Ch-Ua-Platform: \"Linux\"\r\n";
