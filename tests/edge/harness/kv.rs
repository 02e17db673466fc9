//! Workers KV in memory, as workerd wants it behind a `kvNamespace`: HTTP, with the key for a path.
//!
//! It refuses what the real one refuses by the request alone, and ends entries by its clock. Kinder
//! than the real one, it
//!
//! - is consistent. There, a change takes up to a minute or more to be seen elsewhere, an absence
//!   that was seen is remembered, too, and `cache_ttl` prolongs all that. Here `cache_ttl` is checked
//!   and has no effect;
//! - takes any number of writes to a key, where there more than one a second get a 429;
//! - is strict about expiry, where there an entry can be seen for a while after it.
//!
//! A mode of its [`faults`](Kv::faults) plays what else can happen. Reads of several keys in one call
//! are not there.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use url::form_urlencoded;

use super::{Asked, Faults, Reply, Value, json, mint};

/// What the real one allows, from Cloudflare's documentation of its limits.
const MAX_KEY_BYTES: usize = 512;
const MAX_VALUE_BYTES: usize = 25 << 20;
const MAX_METADATA_BYTES: usize = 1024;
const MIN_EXPIRATION_SECONDS: i64 = 60;
const MIN_CACHE_SECONDS: i64 = 30;
const MAX_LISTED_KEYS: usize = 1000;

const METADATA: &str = "CF-KV-Metadata";

/// A namespace; it ends with this value.
pub struct Kv {
    /// Where Workers meet it.
    pub faults: Faults,
    store: Arc<Store>,
}

/// What is stored under a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Vec<u8>,
    /// When it ends, in seconds since 1970.
    pub expiration: Option<i64>,
    /// JSON that the Worker stored beside it.
    pub metadata: Option<String>,
}

#[derive(Default)]
struct Store {
    entries: Mutex<BTreeMap<String, Entry>>,
    /// How far its clock is ahead of the real one, in seconds.
    ahead: AtomicI64,
}

impl Kv {
    /// An empty namespace.
    pub async fn start() -> Self {
        let store = Arc::new(Store::default());
        let behind = Arc::clone(&store);
        let answer = move |asked: &Asked| behind.answer(asked).unwrap_or_else(|refusal| refusal);
        Self { faults: Faults::answering(answer).await, store }
    }

    /// What is stored now, by key.
    pub fn entries(&self) -> BTreeMap<String, Entry> {
        self.store.living().clone()
    }

    /// What is stored now under this key.
    pub fn get(&self, key: &str) -> Option<Entry> {
        self.store.living().get(key).cloned()
    }

    /// Stores these bytes, whatever they are, for good.
    pub fn put(&self, key: &str, value: impl Into<Vec<u8>>) {
        let entry = Entry { value: value.into(), ..Entry::default() };
        self.store.living().insert(key.to_owned(), entry);
    }

    /// Lets so many seconds pass, so that entries end. The clocks of others stay as they are.
    pub fn advance(&self, seconds: i64) {
        self.store.ahead.fetch_add(seconds, Ordering::SeqCst);
    }

    /// How often a Worker asked for a value, whatever became of it.
    pub fn gets(&self) -> usize {
        self.faults.count_of(|method, path| method == "GET" && path != "/")
    }

    /// How often a Worker stored a value, whatever became of it.
    pub fn puts(&self) -> usize {
        self.faults.count_of(|method, _| method == "PUT")
    }

    /// How often a Worker deleted a value, whatever became of it.
    pub fn deletes(&self) -> usize {
        self.faults.count_of(|method, _| method == "DELETE")
    }

    /// How often a Worker asked which keys there are, whatever became of it.
    pub fn lists(&self) -> usize {
        self.faults.count_of(|method, path| method == "GET" && path == "/")
    }
}

impl Store {
    fn now(&self) -> i64 {
        mint::now() + self.ahead.load(Ordering::SeqCst)
    }

    /// The entries, without those that have ended.
    fn living(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Entry>> {
        let now = self.now();
        let mut entries = self.entries.lock().unwrap();
        entries.retain(|_, entry| entry.expiration.is_none_or(|end| now < end));
        entries
    }

    /// The answer of the namespace, `Err` when it refuses.
    fn answer(&self, asked: &Asked) -> Result<Reply, Reply> {
        let query = asked.target.split_once('?').map_or("", |(_, query)| query);
        let query = Query(form_urlencoded::parse(query.as_bytes()).into_owned().collect());
        if asked.method == "GET" && asked.path() == "/" {
            return self.list(&query);
        }
        let key = checked_key(asked.path())?;
        match asked.method.as_str() {
            "GET" => self.get(&key, &query),
            "PUT" => self.put(key, &query, asked),
            "DELETE" => {
                self.living().remove(&key);
                Ok(Reply::new(200, ""))
            }
            _ => Err(refusal(405, "Method Not Allowed")),
        }
    }

    fn get(&self, key: &str, query: &Query) -> Result<Reply, Reply> {
        if let Some(seconds) = query.integer("cache_ttl")?.filter(|it| *it < MIN_CACHE_SECONDS) {
            return Err(refusal(400, &format!("Invalid cache_ttl of {seconds}")));
        }
        let entry = self.living().get(key).cloned();
        let entry = entry.ok_or_else(|| refusal(404, "Not Found"))?;
        let mut reply = Reply::new(200, entry.value);
        if let Some(metadata) = entry.metadata {
            // Header lines of the harness have a character for a byte.
            let metadata: String = metadata.bytes().map(char::from).collect();
            reply = reply.with_header(METADATA, &metadata);
        }
        if let Some(expiration) = entry.expiration {
            reply = reply.with_header("CF-Expiration", &expiration.to_string());
        }
        Ok(reply)
    }

    fn put(&self, key: String, query: &Query, asked: &Asked) -> Result<Reply, Reply> {
        let now = self.now();
        let ttl = query.integer("expiration_ttl")?;
        let expiration = match ttl {
            Some(ttl) => Some(now.saturating_add(ttl)),
            None => query.integer("expiration")?,
        };
        if expiration.is_some_and(|end| end < now + MIN_EXPIRATION_SECONDS) {
            let text =
                ttl.map_or("expiration".to_owned(), |ttl| format!("expiration_ttl of {ttl}"));
            return Err(refusal(400, &format!("Invalid {text}: at least 60 seconds")));
        }
        let metadata = asked.header(METADATA).first().map(|text| text.chars());
        let metadata = metadata.map(|bytes| bytes.map(|byte| byte as u8).collect());
        let metadata = metadata.map(String::from_utf8).transpose();
        let metadata = metadata.map_err(|_| refusal(400, "Metadata is not UTF-8"))?;
        if metadata.as_ref().is_some_and(|text| text.len() > MAX_METADATA_BYTES) {
            return Err(refusal(413, "Metadata length exceeds limit of 1024"));
        }
        if asked.body.len() > MAX_VALUE_BYTES {
            return Err(refusal(413, "Value length exceeds limit of 26214400"));
        }
        self.living().insert(key, Entry { value: asked.body.clone(), expiration, metadata });
        Ok(Reply::new(200, ""))
    }

    /// Pages of keys in their order; the cursor is the last key of the page before.
    fn list(&self, query: &Query) -> Result<Reply, Reply> {
        let limit = query.integer("key_count_limit")?.map_or(MAX_LISTED_KEYS, |limit| {
            usize::try_from(limit).unwrap_or_default().min(MAX_LISTED_KEYS)
        });
        let prefix = query.text("prefix").unwrap_or_default();
        let after = query.text("cursor").map_or(Bound::Unbounded, Bound::Excluded);

        let entries = self.living();
        let mut fitting = entries
            .range::<str, _>((after, Bound::Unbounded))
            .filter(|(key, _)| key.starts_with(prefix))
            .peekable();
        let page: Vec<_> = fitting.by_ref().take(limit).collect();
        let is_complete = fitting.peek().is_none();
        let keys: Vec<Value> = page.iter().map(|(key, entry)| listed(key, entry)).collect();
        let mut list = json!({ "keys": keys, "list_complete": is_complete });
        if let Some((last, _)) = page.last().filter(|_| !is_complete) {
            list["cursor"] = json!(last);
        }
        Ok(Reply::new(200, list.to_string()))
    }
}

/// An element of a list. workerd expects metadata as JSON in a text.
fn listed(key: &str, entry: &Entry) -> Value {
    let mut listed = json!({ "name": key });
    if let Some(expiration) = entry.expiration {
        listed["expiration"] = json!(expiration);
    }
    if let Some(metadata) = &entry.metadata {
        listed["metadata"] = json!(metadata);
    }
    listed
}

/// Query parameters.
struct Query(BTreeMap<String, String>);

impl Query {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn integer(&self, name: &str) -> Result<Option<i64>, Reply> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| refusal(400, &format!("Invalid {name} of {text}")))
    }
}

fn checked_key(path: &str) -> Result<String, Reply> {
    let key = percent_decoded(path.strip_prefix('/').unwrap_or(path));
    let key = key.ok_or_else(|| refusal(400, "Could not URL-decode key name"))?;
    match key.as_str() {
        "" | "." | ".." => Err(refusal(400, "Illegal key name")),
        long if long.len() > MAX_KEY_BYTES => Err(refusal(414, "Key name exceeds limit of 512")),
        _ => Ok(key),
    }
}

/// `None` when it is not percent-encoded UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, more)) = rest.split_first() {
        rest = more;
        if first == b'%' {
            let (digits, more) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = more;
        } else {
            bytes.push(first);
        }
    }
    String::from_utf8(bytes).ok()
}

/// An answer whose reason phrase workerd shows to the Worker.
fn refusal(status: u16, reason: &str) -> Reply {
    Reply { reason: reason.to_owned(), ..Reply::new(status, "") }
}
