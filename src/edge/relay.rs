//! A relay: a Durable Object that keeps a copy of the log near those who need it.
//!
//! Isolates ask it what is new. It answers with what it has, and how long ago it was certain that there
//! was no more: since when it last asked the hub. It asks when that is longer ago than an isolate wants,
//! once for all who ask meanwhile. What the hub tells it on its own comes sooner, and proves nothing
//! about the time. In scope: the copy and its age. Out of scope: what the log means.
//!
//! The copy is in the database; a relay that was restarted asks the hub before it vouches for anything.
//!
//! Isolates hand over their metrics with what they ask, and it hands them on to the hub with what it asks.
//!
//! It also holds the leashes of supervised WebSockets: each has as tags what can revoke its token, and
//! hears of every entry about one of them. They are hibernatable, so that a relay that is asked and told
//! nothing costs nothing, and one that wakes has them still.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::Request;

use super::crypto::RuntimeCrypto;
use super::glue::{self, Object};
use super::now;
use super::objects::{
    self, ANSWER, Asked, HUB, HUB_NAME, Known, MOST_DELTA_BYTES, NOTICE, StorageFailed, as_number,
    cell, date_cell, sql,
};
use crate::core::claims::Millis;
use crate::core::metrics::handover::Batch;
use crate::core::metrics::ledger::Ledger;
use crate::core::revocation::delta::{Delta, Head};
use crate::core::revocation::entry::{Effect, Entry, LogId, Number};
use crate::core::revocation::list::FORGET_AFTER_SECONDS;
use crate::core::revocation::target::Fingerprint;
use crate::core::verify::SignatureEngine as _;

/// How long the hub may take, in milliseconds: less than an isolate waits for this relay, so that it gets
/// an answer although the hub gives none.
const HUB_TIMEOUT_MS: u32 = 600;

/// After so long a question to the hub counts as lost, in milliseconds.
const LEASE_MS: Millis = 5_000;

/// After a failure the hub is not asked again for so long, in milliseconds: all who ask meanwhile get
/// what there is, at once.
const PAUSE_MS: Millis = 1_000;

/// How often those who wait for the hub's answer look for it, in milliseconds.
const LOOK_MS: u32 = 5;

/// How often what has expired is removed, in milliseconds.
const PRUNE_MS: Millis = 60_000;

/// A relay that holds leashes and is asked nothing asks the hub so often, in milliseconds: the hub forgets
/// relays that nobody uses.
const KEEP_MS: u32 = 600_000;

/// How often metrics are written, in milliseconds, while more and more come: rows that are written cost
/// more than questions.
const KEEP_METRICS_MS: Millis = 1_000;

const SCHEMA: [&str; 7] = [
    "CREATE TABLE IF NOT EXISTS log (number INTEGER PRIMARY KEY, target BLOB NOT NULL, \
     effect INTEGER NOT NULL, expires_at INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS log_by_expiry ON log (expires_at)",
    "CREATE TABLE IF NOT EXISTS state (only INTEGER PRIMARY KEY CHECK (only = 1), \
     log INTEGER NOT NULL, number INTEGER NOT NULL)",
    // Of no log yet.
    "INSERT OR IGNORE INTO state VALUES (1, 0, 0)",
    "CREATE INDEX IF NOT EXISTS log_by_target ON log (target)",
    // What it was last asked with, which says who it is.
    "CREATE TABLE IF NOT EXISTS address (only INTEGER PRIMARY KEY CHECK (only = 1), asked TEXT NOT NULL)",
    // `began` tells these counts from those of a database that was lost.
    "CREATE TABLE IF NOT EXISTS metrics (only INTEGER PRIMARY KEY CHECK (only = 1), \
     began INTEGER NOT NULL, ledger TEXT NOT NULL)",
];

struct Relay {
    object: Object,
    hub: JsValue,
    /// When it was last certain that there is no more than this, by its own clock.
    as_of: Cell<Option<Millis>>,
    /// Since when somebody asks the hub. That ends by itself: the request can vanish.
    asking_since: Cell<Option<Millis>>,
    /// When the hub last gave no answer, until it gives one.
    failed_at: Cell<Option<Millis>>,
    pruned_at: Cell<Millis>,
    /// How many leashes it holds, at most.
    leashes: Cell<u32>,
    metrics: RefCell<Ledger>,
    /// Which counts they are.
    metrics_began: Number,
    metrics_kept_at: Cell<Millis>,
}

thread_local! {
    static RELAYS: Known<Relay> = const { RefCell::new(Vec::new()) };
}

/// A request to a relay.
#[wasm_bindgen(js_name = relayFetch)]
pub fn relay_fetch(object: Object, request: Request) -> Promise {
    glue::promise(async move {
        let Ok(relay) = Relay::of(object) else { return objects::failure(500) };
        relay.answer(&request).await.unwrap_or_else(|_| objects::failure(500))
    })
}

/// The alarm of a relay that holds leashes.
#[wasm_bindgen(js_name = relayAlarm)]
pub fn relay_alarm(object: Object) -> Promise {
    glue::promise(async move {
        if let Ok(relay) = Relay::of(object) {
            // The glue has logged what failed; the next leash sets another alarm.
            let _ = relay.keep().await;
        }
        JsValue::UNDEFINED
    })
}

/// Something comes over a leash.
#[wasm_bindgen(js_name = relayMessage)]
pub fn relay_message(object: Object, leash: JsValue, message: JsValue) -> Promise {
    glue::promise(async move {
        if let (Ok(relay), Some(message)) = (Relay::of(object), message.as_string()) {
            let (question, batch) = message.split_once('\n').unwrap_or((&message, ""));
            // Without an answer the isolate asks elsewhere.
            let _ = relay.hear(&leash, question, batch).await;
        }
        JsValue::UNDEFINED
    })
}

/// A leash is gone.
#[wasm_bindgen(js_name = relayClosed)]
pub fn relay_closed(object: Object) {
    if let Ok(relay) = Relay::of(object) {
        relay.leashes.set(relay.leashes.get().saturating_sub(1));
    }
}

/// Entries, as they are told over a leash.
fn notice(log: LogId, after: Number, to: Number, entries: &[Entry]) -> Vec<u8> {
    let mut said = vec![NOTICE];
    said.extend(Delta::write(&Head { log, after, to, latest: to, age_ms: None }, entries));
    said
}

impl Relay {
    fn of(object: Object) -> Result<Rc<Self>, StorageFailed> {
        objects::known(&RELAYS, object, |object| {
            for statement in SCHEMA {
                sql(&object, statement, &[])?;
            }
            let hub = glue::object_namespace(&object.env(), HUB);
            let leashes = glue::leash_count(&object, None);
            let first = "INSERT OR IGNORE INTO metrics VALUES (1, ?, '')";
            sql(&object, first, &[cell(RuntimeCrypto.random() >> 12 | 1)])?;
            let kept = sql(&object, "SELECT began, ledger FROM metrics", &[])?;
            let Some([began, ledger]) = kept.first().map(Vec::as_slice) else {
                return Err(StorageFailed);
            };
            let metrics_began = as_number(began).ok_or(StorageFailed)?;
            let metrics = Ledger::read(&ledger.as_string().unwrap_or_default());
            Ok(Self {
                object,
                hub,
                as_of: Cell::new(None),
                asking_since: Cell::new(None),
                failed_at: Cell::new(None),
                pruned_at: Cell::new(0),
                leashes: Cell::new(leashes),
                metrics: RefCell::new(metrics),
                metrics_began,
                metrics_kept_at: Cell::new(0),
            })
        })
    }

    async fn answer(&self, request: &Request) -> Result<JsValue, StorageFailed> {
        let asked = Asked::of(request);
        match asked.path.as_str() {
            "/pull" => self.pull(request, &asked).await,
            "/push" => self.push(request, &asked).await,
            "/leash" => self.leash(&asked).await,
            _ => Ok(objects::failure(404)),
        }
    }

    fn state(&self) -> Result<(LogId, Number), StorageFailed> {
        let rows = sql(&self.object, "SELECT log, number FROM state", &[])?;
        match rows.first().map(Vec::as_slice) {
            Some([log, number]) => as_number(log).zip(as_number(number)).ok_or(StorageFailed),
            _ => Err(StorageFailed),
        }
    }

    /// An isolate asks what is new, and hands over what it has counted.
    async fn pull(&self, request: &Request, asked: &Asked) -> Result<JsValue, StorageFailed> {
        let batch = objects::body(request).await;
        let isolate = self.take_metrics(str::from_utf8(&batch).unwrap_or_default());
        let answer = self.answer_to(asked).await?;
        let kept = self.kept_metrics(isolate);
        // Without a part the hub has never answered.
        let (status, part) = answer.map_or((503, Vec::new()), |part| (200, part));
        Ok(glue::bytes_response(status, &part, kept))
    }

    /// Takes a batch of metrics, if it is one: whose it is.
    fn take_metrics(&self, batch: &str) -> Option<u64> {
        let batch = Batch::read(batch)?;
        let isolate = batch.isolate;
        self.metrics.borrow_mut().take(batch, now());
        Some(isolate)
    }

    /// Up to which batch all of an isolate are on disk: nothing is let out of an object before that.
    fn kept_metrics(&self, isolate: Option<u64>) -> Option<u32> {
        let isolate = isolate?;
        if !(0..KEEP_METRICS_MS).contains(&now().saturating_sub(self.metrics_kept_at.get())) {
            // Who handed over what could not be written keeps it.
            let _ = self.keep_metrics();
        }
        Some(self.metrics.borrow().kept(isolate))
    }

    /// Writes what was handed over, if there is something new.
    fn keep_metrics(&self) -> Result<(), StorageFailed> {
        let unwritten = self.metrics.borrow().unwritten();
        if let Some(ledger) = unwritten {
            self.metrics_kept_at.set(now());
            let update = "UPDATE metrics SET ledger = ?";
            sql(&self.object, update, &[objects::text_cell(Some(&ledger))])?;
            self.metrics.borrow_mut().is_written();
        }
        Ok(())
    }

    /// What came after the number that an isolate has, if anything is known.
    async fn answer_to(&self, asked: &Asked) -> Result<Option<Vec<u8>>, StorageFailed> {
        let refresh_ms = asked.number("refresh_ms").and_then(|it| i64::try_from(it).ok());
        if self.age_ms().is_none_or(|age_ms| age_ms >= refresh_ms.unwrap_or(0)) {
            self.ask_hub(asked).await?;
        }
        let (log, number) = self.state()?;
        if log == 0 {
            return Ok(None);
        }
        let is_ours = asked.number("log") == Some(log);
        // An isolate that is ahead, by what it found in KV, lacks nothing of this.
        let after = asked.number("after").filter(|_| is_ours).map_or(0, |after| after.min(number));
        let age_ms = self.age_ms().and_then(|age_ms| u32::try_from(age_ms).ok());
        objects::delta(&self.object, log, after, number, age_ms).map(Some)
    }

    /// The leash of a socket: what came after the number that it was judged by and may be about it, it hears
    /// at once.
    async fn leash(&self, asked: &Asked) -> Result<JsValue, StorageFailed> {
        if self.age_ms().is_none() {
            // From then on the hub tells it.
            self.ask_hub(asked).await?;
        }
        let (Some(tags), Some(room)) = (asked.text("tags"), asked.number("room")) else {
            return Ok(objects::failure(400));
        };
        let address = asked.address();
        let remember = "INSERT INTO address VALUES (1, ?) ON CONFLICT (only) DO UPDATE SET asked = \
                        excluded.asked WHERE asked <> excluded.asked";
        sql(&self.object, remember, &[objects::text_cell(Some(&address))])?;
        glue::set_alarm(&self.object, KEEP_MS).await;
        // From here on nothing is awaited: what is counted is what there is.
        if Number::from(self.leashes.get()) >= room {
            self.leashes.set(glue::leash_count(&self.object, None));
            if Number::from(self.leashes.get()) >= room {
                return Ok(objects::failure(503));
            }
        }
        if let Some((subject, most)) = asked.text("subject").zip(asked.number("most"))
            && Number::from(glue::leash_count(&self.object, Some(subject))) >= most
        {
            return Ok(objects::failure(429));
        }
        let first = self.missed(asked, tags)?;
        self.leashes.set(self.leashes.get().saturating_add(1));
        let response = glue::take_leash(&self.object, tags, &first);
        Ok(if response.is_undefined() { objects::failure(500) } else { response })
    }

    /// A notice of what came after the number that a socket was judged by, for these tags; nothing if
    /// nothing did.
    fn missed(&self, asked: &Asked, tags: &str) -> Result<Vec<u8>, StorageFailed> {
        let (log, number) = self.state()?;
        let is_ours = asked.number("log") == Some(log);
        let after = asked.number("after").filter(|_| is_ours).unwrap_or(0);
        let targets = tags.split('.').filter_map(Fingerprint::from_text);
        let entries = objects::entries_about(&self.object, targets, after)?;
        Ok(if entries.is_empty() { Vec::new() } else { notice(log, after, number, &entries) })
    }

    /// Somebody asks over a leash.
    async fn hear(
        &self,
        leash: &JsValue,
        question: &str,
        batch: &str,
    ) -> Result<(), StorageFailed> {
        let isolate = self.take_metrics(batch);
        // The hub has to know who asks it then.
        let asked = Asked::read(&format!("/?{question}{}", self.address()?));
        let answer = self.answer_to(&asked).await?;
        let mut said = vec![ANSWER];
        said.extend(self.kept_metrics(isolate).unwrap_or(0).to_le_bytes());
        said.extend(answer.unwrap_or_default());
        glue::say(leash, &said);
        Ok(())
    }

    /// Tells those whom new entries may be about.
    fn tell(&self, log: LogId, entries: impl Iterator<Item = Entry>) {
        if self.leashes.get() == 0 {
            return;
        }
        for entry in entries.filter(|entry| entry.effect != Effect::Undo) {
            let after = entry.number.saturating_sub(1);
            let said = notice(log, after, entry.number, &[entry]);
            glue::say_to_all(&self.object, &entry.target.of_all().to_string(), &said);
        }
    }

    /// Asks the hub, for the leashes that it holds.
    async fn keep(&self) -> Result<(), StorageFailed> {
        self.leashes.set(glue::leash_count(&self.object, None));
        if self.leashes.get() == 0 {
            return Ok(());
        }
        glue::set_alarm(&self.object, KEEP_MS).await;
        self.ask_hub(&Asked::read(&format!("/?{}", self.address()?))).await
    }

    /// Who this is, as those have said who made leashes to it.
    fn address(&self) -> Result<String, StorageFailed> {
        let rows = sql(&self.object, "SELECT asked FROM address", &[])?;
        let address = rows.first().and_then(|row| row.first()).and_then(JsValue::as_string);
        Ok(address.unwrap_or_default())
    }

    /// The hub tells what is new, and hears how far this copy goes then.
    async fn push(&self, request: &Request, asked: &Asked) -> Result<JsValue, StorageFailed> {
        let part = objects::body(request).await;
        let Ok(part) = Delta::read(&part) else { return Ok(objects::failure(400)) };
        if !self.take(&part)? {
            self.ask_hub(asked).await?;
        }
        let (log, number) = self.state()?;
        let number = if log == part.head.log { number } else { 0 };
        Ok(glue::bytes_response(200, number.to_string().as_bytes(), None))
    }

    /// How long ago it was certain that there is no more, in milliseconds. A clock that was set back
    /// does not make it younger.
    fn age_ms(&self) -> Option<Millis> {
        let age_ms = now().saturating_sub(self.as_of.get()?);
        (age_ms >= 0).then_some(age_ms)
    }

    /// Asks the hub what is new, or waits for another request that does.
    async fn ask_hub(&self, asked: &Asked) -> Result<(), StorageFailed> {
        let began = now();
        let is_recent = |at: Millis, most: Millis| (0..most).contains(&now().saturating_sub(at));
        let is_asking = || self.asking_since.get().is_some_and(|at| is_recent(at, LEASE_MS));
        if is_asking() {
            while is_asking() && is_recent(began, HUB_TIMEOUT_MS.into()) {
                glue::sleep(LOOK_MS).await;
            }
            return Ok(());
        }
        if self.failed_at.get().is_some_and(|at| is_recent(at, PAUSE_MS)) {
            return Ok(());
        }
        self.asking_since.set(Some(began));
        let outcome = self.catch_up(asked, began).await;
        self.asking_since.set(None);
        let has_failed = self.as_of.get() != Some(began);
        self.failed_at.set(has_failed.then(now));
        outcome
    }

    /// Takes parts of the log until there is no more.
    async fn catch_up(&self, asked: &Asked, began: Millis) -> Result<(), StorageFailed> {
        loop {
            let (log, after) = self.state()?;
            let mut path = format!("/delta?log={log}&after={after}&metrics={}", self.metrics_began);
            let metrics =
                self.keep_metrics().map(|()| self.metrics.borrow_mut().report(now()).lines());
            for (name, value) in [("relay", asked.text("name")), ("hint", asked.text("hint"))] {
                if let Some(value) = value {
                    for part in ["&", name, "=", value] {
                        path.push_str(part);
                    }
                }
            }
            let answer = glue::call_object(
                &self.hub,
                HUB_NAME,
                None,
                &path,
                metrics.as_ref().map(String::as_bytes).ok(),
                HUB_TIMEOUT_MS,
                MOST_DELTA_BYTES,
            )
            .await;
            if answer.fault().is_some() || answer.status() != 200 {
                return Ok(());
            }
            let body = answer.body();
            let Ok(part) = Delta::read(&body) else { return Ok(()) };
            if !self.take(&part)? {
                return Ok(());
            }
            if part.head.is_whole() {
                self.as_of.set(Some(began));
                return self.prune();
            }
        }
    }

    /// Adds a part of the log to the copy. Whether it fits; one of another log than before replaces all,
    /// if it begins at the beginning.
    fn take(&self, part: &Delta<'_>) -> Result<bool, StorageFailed> {
        let (log, number) = self.state()?;
        let head = &part.head;
        let is_new = log != head.log;
        if head.after > if is_new { 0 } else { number } {
            return Ok(false);
        }
        if is_new {
            self.as_of.set(None);
        }
        let known = number;
        if !is_new && head.to <= known {
            // Most questions; a row each second that says what is there would be paid for.
            return Ok(true);
        }
        let number = head.to;
        objects::put(
            &self.object,
            if is_new { "DELETE FROM log" } else { "" },
            "INSERT OR REPLACE INTO log VALUES (?, ?, ?, ?)",
            part.entries(),
            ("UPDATE state SET log = ?, number = ?", &[cell(head.log), cell(number)]),
        )?;
        self.tell(head.log, part.entries().filter(|entry| is_new || entry.number > known));
        Ok(true)
    }

    fn prune(&self) -> Result<(), StorageFailed> {
        let now = now();
        if now.saturating_sub(self.pruned_at.get()) >= PRUNE_MS {
            self.pruned_at.set(now);
            let seconds = now.div_euclid(1_000).saturating_sub(FORGET_AFTER_SECONDS);
            sql(&self.object, "DELETE FROM log WHERE expires_at <= ?", &[date_cell(seconds)])?;
        }
        Ok(())
    }
}
