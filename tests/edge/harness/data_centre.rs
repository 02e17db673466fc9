//! The cache that all isolates of a data centre share, as workerd wants it behind `cacheApiOutbound`:
//! HTTP, where a `PUT` carries a whole response.
//!
//! It keeps what has a `max-age` for that long, and knows nothing else of caching.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use tokio::time::Instant;

use super::{Asked, Faults, Reply};

/// A cache; it ends with this value.
pub struct DataCentre {
    faults: Faults,
}

#[derive(Default)]
struct Kept(Mutex<BTreeMap<String, (Instant, Reply)>>);

impl DataCentre {
    /// With an empty cache.
    pub async fn start() -> Self {
        let kept = Kept::default();
        Self { faults: Faults::answering(move |asked| kept.answer(asked)).await }
    }

    /// How often something was put into it.
    pub fn puts(&self) -> usize {
        self.faults.count_of(|method, _| method == "PUT")
    }

    /// Service and member of every Worker for workerd.
    pub(super) fn services(&self) -> (String, String) {
        let address = self.faults.addr;
        let service =
            format!("(name = \"cache\", external = (address = \"{address}\", http = ())),\n");
        (service, "cacheApiOutbound = \"cache\",".to_owned())
    }
}

impl Kept {
    fn answer(&self, asked: &Asked) -> Reply {
        let key = format!("{}{}", asked.header("host").join(""), asked.target);
        let mut kept = self.0.lock().unwrap();
        kept.retain(|_, (until, _)| Instant::now() < *until);
        match asked.method.as_str() {
            "PUT" => {
                let reply = response(&asked.body);
                let control = reply.header("cache-control").join(",");
                let seconds = control.strip_prefix("max-age=").unwrap().parse().unwrap();
                kept.insert(key, (Instant::now() + Duration::from_secs(seconds), reply));
                Reply::new(204, "")
            }
            _ => match kept.get(&key) {
                Some((_, reply)) => {
                    let mut hit = Reply::new(reply.status, reply.body.clone());
                    hit.headers.clone_from(&reply.headers);
                    hit.with_header("CF-Cache-Status", "HIT")
                }
                None => Reply::new(504, "").with_header("CF-Cache-Status", "MISS"),
            },
        }
    }
}

/// A response as it goes over the wire.
fn response(bytes: &[u8]) -> Reply {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut reply = Reply::new(200, &bytes[end + 4..]);
    for line in head.lines().skip(1) {
        let (name, value) = line.split_once(':').unwrap();
        let is_framing = ["content-length", "transfer-encoding"].contains(&&*name.to_lowercase());
        if !is_framing {
            reply = reply.with_header(name, value.trim());
        }
    }
    reply
}
