//! The hub: the Durable Object that is the authority about revocations.
//!
//! It appends to the log, and answers when an entry is durable: the runtime lets nothing out of an
//! object before what it has written is on disk. Then it tells every relay, and again until each has
//! confirmed. In scope: keeping the log and getting it to the relays. Out of scope: who may add to it
//! ([`crate::gate`]), and what an order does to the log ([`order`]).
//!
//! Relays hand on what isolates have counted, with what they ask; the hub has the sum of it.
//!
//! Everything that must not be lost is in the database. What is only in memory may be: which relays are
//! being told at the moment, and when the alarm is due.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::Promise;
use serde_json::Value;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::spawn_local;
use web_sys::Request;

use super::boot::{Isolate, State};
use super::crypto::RuntimeCrypto;
use super::glue::{self, Object};
use super::objects::{
    self, Asked, Known, RELAY, StorageFailed, as_number, cell, date_cell, number, sql, target_cell,
    text_cell,
};
use super::{log, now};
use crate::core::claims::{Millis, NumericDate};
use crate::core::json::{object, parse_strict};
use crate::core::metrics::ledger::Account;
use crate::core::metrics::{Kind, Readings, histogram};
use crate::core::revocation::entry::{Effect, LogId, Number};
use crate::core::revocation::list::FORGET_AFTER_SECONDS;
use crate::core::revocation::order::{self, Change, Order};
use crate::core::revocation::published::{PART_NUMBERS, Published};
use crate::core::revocation::target::Fingerprint;
use crate::core::verify::SignatureEngine as _;
use crate::gate::KvChange;

/// How many entries the log takes: what the list of an isolate has room for.
const MOST_ENTRIES: Number = 1_000_000;

/// How long an answer waits for the relays, in milliseconds.
const PATIENCE_MS: Millis = 1_000;

/// How often it looks whether they have confirmed, in milliseconds; doubled up to the most.
const LOOK_MS: u32 = 4;
const MOST_LOOK_MS: u32 = 32;

/// After so long a push counts as lost, in milliseconds, and another one may begin.
const PUSH_LEASE_MS: Millis = 10_000;

/// How long one relay may take, in milliseconds.
const PUSH_TIMEOUT_MS: u32 = 2_000;

/// After so long a relay is told again that has not confirmed, in milliseconds; doubled up to the most.
const RETRY_MS: u32 = 1_000;
const MOST_RETRY_MS: u32 = 30_000;

/// A relay that nobody has used for so long is forgotten, in seconds. When it is used again, it asks.
const FORGET_SECONDS: NumericDate = 3_600;

/// The list is published no more often than this, in milliseconds: KV takes one write a second for a key.
const PUBLISH_MS: u32 = 1_100;

/// From this bound on the list is published without a change, too, since KV can have it elsewhere within
/// a minute: what is there says when it was all, and looks old otherwise. In seconds.
const LEAST_STALENESS_SECONDS: i64 = 120;

/// How often what has expired is removed, in milliseconds.
const PRUNE_MS: u32 = 3_600_000;

/// Of so many revocations it is remembered when they were made, to tell how long relays took.
const MOST_TIMED: usize = 256;

/// The metrics that the hub measures itself.
const PROPAGATION: &str = "auth_revocation_propagation_seconds";

const SCHEMA: [&str; 6] = [
    "CREATE TABLE IF NOT EXISTS log (number INTEGER PRIMARY KEY, target BLOB NOT NULL, \
     effect INTEGER NOT NULL, expires_at INTEGER NOT NULL, kind TEXT NOT NULL, \
     issuer TEXT NOT NULL, value TEXT, reason TEXT, author TEXT NOT NULL, made_at INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS log_by_target ON log (target, number)",
    "CREATE INDEX IF NOT EXISTS log_by_expiry ON log (expires_at)",
    "CREATE TABLE IF NOT EXISTS state (only INTEGER PRIMARY KEY CHECK (only = 1), \
     log INTEGER NOT NULL, latest INTEGER NOT NULL, entries INTEGER NOT NULL, \
     published INTEGER NOT NULL, sealed_by TEXT)",
    "CREATE TABLE IF NOT EXISTS relays (name TEXT PRIMARY KEY, hint TEXT, number INTEGER NOT NULL, \
     seen_at INTEGER NOT NULL)",
    // By the name of the relay and a number that tells its counts from those of a database that was lost.
    "CREATE TABLE IF NOT EXISTS metrics (name TEXT PRIMARY KEY, counts TEXT NOT NULL)",
];

struct Hub {
    object: Object,
    relays: JsValue,
    /// The relays that are being told at the moment, and since when. That ends by itself.
    pushing: RefCell<Vec<(String, Millis)>>,
    /// How long after a failure the next attempt is, in milliseconds.
    retry_ms: Cell<u32>,
    /// When the list was last published, or that was tried.
    published_at: Cell<Millis>,
    /// When what has expired was last removed.
    pruned_at: Cell<Millis>,
    /// Whether it has looked for what is due since it began.
    is_awake: Cell<bool>,
    /// What each relay has told, and at `OWN` what the hub measures itself.
    metrics: RefCell<Vec<(String, Account)>>,
    /// The last revocations, and when they were made.
    timed: RefCell<Vec<(Number, Millis)>>,
    /// The relays that were heard of, and what the log had then: what is older says nothing about them.
    heard: RefCell<Vec<(String, Number)>>,
}

/// The name of the hub's own metrics.
const OWN: &str = "hub";

/// An entry, with what only the hub keeps of it.
struct Row<'a> {
    target: Fingerprint,
    effect: Effect,
    expires_at: NumericDate,
    kind: objects::Cell,
    issuer: objects::Cell,
    value: objects::Cell,
    reason: objects::Cell,
    /// Who wants it.
    by: &'a str,
}

/// A relay, as far as the hub knows it.
struct Relay {
    name: String,
    hint: Option<String>,
    number: Number,
}

thread_local! {
    static HUBS: Known<Hub> = const { RefCell::new(Vec::new()) };
}

/// A request to the hub.
#[wasm_bindgen(js_name = hubFetch)]
pub fn hub_fetch(object: Object, request: Request) -> Promise {
    glue::promise(async move {
        let Ok(hub) = Hub::of(object) else { return objects::failure(500) };
        hub.answer(&request).await.unwrap_or_else(|_| objects::failure(500))
    })
}

/// The alarm of the hub: who has not confirmed is told again, and what has expired goes.
#[wasm_bindgen(js_name = hubAlarm)]
pub fn hub_alarm(object: Object) -> Promise {
    glue::promise(async move {
        if let Ok(hub) = Hub::of(object) {
            // The glue has logged what failed; the next alarm tries again.
            let (is_done, wait_ms) = hub.look_after().await.unwrap_or((false, RETRY_MS));
            hub.arm(is_done, wait_ms).await;
        }
        JsValue::UNDEFINED
    })
}

impl Hub {
    fn of(object: Object) -> Result<Rc<Self>, StorageFailed> {
        objects::known(&HUBS, object, |object| {
            for statement in SCHEMA {
                sql(&object, statement, &[])?;
            }
            // A number that every language holds exactly, and not 0.
            let log = RuntimeCrypto.random() >> 12 | 1;
            sql(&object, "INSERT OR IGNORE INTO state VALUES (1, ?, 0, 0, 0, NULL)", &[cell(log)])?;
            let relays = glue::object_namespace(&object.env(), RELAY);
            let metrics = sql(&object, "SELECT name, counts FROM metrics", &[])?;
            let account = |row: &Vec<objects::Cell>| match row.as_slice() {
                [name, counts] => Some((name.as_string()?, Account::read(&counts.as_string()?))),
                _ => None,
            };
            let metrics = metrics.iter().filter_map(account).collect();
            Ok(Self {
                object,
                relays,
                pushing: RefCell::default(),
                retry_ms: Cell::new(RETRY_MS),
                published_at: Cell::new(0),
                pruned_at: Cell::new(0),
                is_awake: Cell::new(false),
                metrics: RefCell::new(metrics),
                timed: RefCell::default(),
                heard: RefCell::default(),
            })
        })
    }

    async fn answer(self: Rc<Self>, request: &Request) -> Result<JsValue, StorageFailed> {
        if !self.is_awake.replace(true) {
            // Whatever was due before, and what another key has sealed.
            self.arm(false, PUBLISH_MS).await;
        }
        let asked = Asked::of(request);
        let body = objects::body(request).await;
        match asked.path.as_str() {
            "/delta" => return self.delta(&asked, &body),
            "/metrics" => return self.metrics(),
            _ => {}
        }
        let Ok(body) = parse_strict(&body) else {
            return Ok(objects::failure(400));
        };
        match asked.path.as_str() {
            "/append" => match Order::from_json(&body) {
                Some(order) => self.append(&order).await,
                None => Ok(objects::failure(400)),
            },
            "/undo" => self.undo(&body).await,
            "/list" => self.list(&body),
            _ => Ok(objects::failure(404)),
        }
    }

    fn state(&self) -> Result<(LogId, Number), StorageFailed> {
        let rows = sql(&self.object, "SELECT log, latest FROM state", &[])?;
        match rows.first().map(Vec::as_slice) {
            Some([log, latest]) => as_number(log).zip(as_number(latest)).ok_or(StorageFailed),
            _ => Err(StorageFailed),
        }
    }

    /// A relay asks what came after its number. From then on it is told.
    fn delta(&self, asked: &Asked, metrics: &[u8]) -> Result<JsValue, StorageFailed> {
        let (log, latest) = self.state()?;
        let is_ours = asked.number("log") == Some(log);
        let after = asked.number("after").filter(|after| is_ours && *after <= latest).unwrap_or(0);
        if let Some(relay) = asked.text("relay") {
            let seen_at = now().div_euclid(1_000);
            if let (Some(began), Ok(report)) = (asked.text("metrics"), str::from_utf8(metrics)) {
                let report = Readings::read(report.lines());
                self.account(&format!("{relay}/{began}"), |account| account.hear(&report, now()));
            }
            let known = self.number_of(relay)?;
            self.hear_from(relay, known, after, latest);
            // What is measured must not keep a relay from being answered.
            let _ = self.confirms(relay, known.unwrap_or(after), after);
            // Not written again as long as that would say the same: a relay asks once a second.
            sql(
                &self.object,
                "INSERT INTO relays VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET \
                 hint = excluded.hint, seen_at = excluded.seen_at, \
                 number = CASE excluded.number WHEN 0 THEN 0 ELSE max(number, excluded.number) END \
                 WHERE seen_at < excluded.seen_at - 60 OR number <> excluded.number",
                &[
                    text_cell(Some(relay)),
                    text_cell(asked.text("hint")),
                    cell(after),
                    date_cell(seen_at),
                ],
            )?;
        }
        let delta = objects::delta(&self.object, log, after, latest, Some(0))?;
        Ok(glue::bytes_response(200, &delta, None))
    }

    /// What a relay has confirmed, if it is known.
    fn number_of(&self, relay: &str) -> Result<Option<Number>, StorageFailed> {
        let query = "SELECT number FROM relays WHERE name = ?";
        number(&self.object, query, &[text_cell(Some(relay))])
    }

    /// A relay asks, of which the number is known, if it is known itself. One that was forgotten, or has lost
    /// its copy, is a new one: what the log has by now says nothing about it.
    fn hear_from(&self, relay: &str, known: Option<Number>, after: Number, latest: Number) {
        let is_new = known.is_none_or(|known| after == 0 && known > 0);
        let mut heard = self.heard.borrow_mut();
        if is_new {
            heard.retain(|(name, _)| name != relay);
        }
        if !heard.iter().any(|(name, _)| name == relay) {
            let since = known.filter(|_| !is_new).unwrap_or(latest);
            heard.push((relay.to_owned(), since));
        }
    }

    /// A relay has confirmed what came after one number, up to another.
    fn confirms(&self, relay: &str, from: Number, to: Number) -> Result<(), StorageFailed> {
        let heard = self.heard.borrow();
        let since = heard.iter().find(|(name, _)| name == relay).map_or(0, |(_, number)| *number);
        let is_new = |(number, _): &&(Number, Millis)| *number > from.max(since) && *number <= to;
        let timed = self.timed.borrow();
        let took = timed.iter().filter(is_new).map(|(_, at)| now().saturating_sub(*at));
        let mut all = Readings::default();
        took.for_each(|took| all.take_all(&histogram(PROPAGATION, took)));
        if all.is_empty() {
            return Ok(());
        }
        self.account(OWN, |account| account.count(&all));
        self.keep_metrics()
    }

    /// Changes what is known of one place.
    fn account(&self, name: &str, change: impl FnOnce(&mut Account)) {
        let mut metrics = self.metrics.borrow_mut();
        if !metrics.iter().any(|(known, _)| known == name) {
            metrics.push((name.to_owned(), Account::default()));
        }
        if let Some((_, account)) = metrics.iter_mut().find(|(known, _)| known == name) {
            change(account);
        }
    }

    /// What all have counted, and how things are. It is on disk before anybody sees it, so that no count
    /// that was seen ever becomes less.
    fn metrics(&self) -> Result<JsValue, StorageFailed> {
        self.keep_metrics()?;
        let mut sum = Readings::default();
        let entries = number(&self.object, "SELECT entries FROM state", &[])?.unwrap_or(0);
        sum.take(Kind::Sum, "auth_revocation_entries", entries);
        sum.take(Kind::Greatest, "auth_hub_up", 1);
        sum.take_all(&histogram(PROPAGATION, 0).zeros());
        self.metrics.borrow().iter().for_each(|(_, account)| account.add_to(&mut sum, now()));
        Ok(glue::bytes_response(200, sum.lines().as_bytes(), None))
    }

    /// Writes what relays have told, as far as that is new.
    fn keep_metrics(&self) -> Result<(), StorageFailed> {
        for (name, account) in self.metrics.borrow_mut().iter_mut() {
            if let Some(counts) = account.unwritten() {
                let put = "INSERT OR REPLACE INTO metrics VALUES (?, ?)";
                sql(&self.object, put, &[text_cell(Some(name)), text_cell(Some(&counts))])?;
                account.is_written();
            }
        }
        Ok(())
    }

    /// Adds an order to the log, unless that changes nothing.
    async fn append(self: Rc<Self>, order: &Order) -> Result<JsValue, StorageFailed> {
        let now = now().div_euclid(1_000);
        let before = self.latest_about(order.target)?;
        let holds = before.map(|(_, effect, expires_at)| (effect, expires_at));
        let wanted = (order.effect, order.expires_at, order.is_exact);
        let (sequence, expires_at, is_new) = match order::change(holds, wanted, now) {
            Change::Conflict => return Ok(objects::failure(409)),
            Change::None => match before {
                Some((number, _, expires_at)) => (number, expires_at, false),
                None => return Err(StorageFailed),
            },
            Change::To(effect, expires_at) => {
                // What takes the place of another entry needs no room.
                if before.is_none() && !self.has_room_for(order)? {
                    return Ok(objects::failure(507));
                }
                let row = Row {
                    target: order.target,
                    effect,
                    expires_at,
                    kind: text_cell(Some(order.kind.name())),
                    issuer: text_cell(Some(&order.issuer)),
                    value: text_cell(order.value.as_deref()),
                    reason: text_cell(order.reason.as_deref()),
                    by: &order.by,
                };
                (self.write(row, now).await?, expires_at, true)
            }
        };
        let (acknowledged, known) = self.tell(sequence).await?;
        Ok(json_response(&object! {
            "id": order.target.to_string(),
            "sequence": sequence,
            "created": is_new,
            "expires_at": expires_at,
            "relays": object! { "acknowledged": acknowledged, "known": known },
        }))
    }

    /// Whether the log takes another entry: clients leave some room for the admin.
    fn has_room_for(&self, order: &Order) -> Result<bool, StorageFailed> {
        let most = if order.by == "admin" { MOST_ENTRIES } else { MOST_ENTRIES / 10 * 9 };
        let entries = |hub: &Self| number(&hub.object, "SELECT entries FROM state", &[]);
        if entries(self)?.is_some_and(|count| count >= most) {
            self.prune()?;
        }
        Ok(entries(self)?.is_some_and(|count| count < most))
    }

    /// Undoes what holds for a target.
    async fn undo(self: Rc<Self>, body: &Value) -> Result<JsValue, StorageFailed> {
        let target = body.get("target").and_then(Value::as_str).and_then(Fingerprint::from_text);
        let Some(target) = target else { return Ok(objects::failure(400)) };
        let now = now().div_euclid(1_000);
        let Some((number, effect, expires_at)) = self.latest_about(target)? else {
            return Ok(objects::failure(404));
        };
        if effect == Effect::Undo || expires_at <= now {
            return Ok(objects::failure(404));
        }
        let by = body.get("by").and_then(Value::as_str).unwrap_or_default();
        let query = "SELECT kind, issuer, value FROM log WHERE number = ?";
        let rows = sql(&self.object, query, &[cell(number)])?;
        let Some([kind, issuer, value]) = rows.first().map(Vec::as_slice) else {
            return Err(StorageFailed);
        };
        let row = Row {
            target,
            effect: Effect::Undo,
            expires_at,
            kind: kind.clone(),
            issuer: issuer.clone(),
            value: value.clone(),
            reason: JsValue::NULL,
            by,
        };
        let latest = self.write(row, now).await?;
        let (acknowledged, known) = self.tell(latest).await?;
        Ok(json_response(&object! {
            "id": target.to_string(),
            "sequence": latest,
            "relays": object! { "acknowledged": acknowledged, "known": known },
        }))
    }

    /// What was said last about a target: number, effect, expiry.
    fn latest_about(
        &self,
        target: Fingerprint,
    ) -> Result<Option<(Number, Effect, NumericDate)>, StorageFailed> {
        let rows = sql(
            &self.object,
            "SELECT number, effect, expires_at FROM log WHERE target = ? ORDER BY number DESC LIMIT 1",
            &[target_cell(target)],
        )?;
        let Some([number, effect, expires_at]) = rows.first().map(Vec::as_slice) else {
            return Ok(None);
        };
        let number = as_number(number).ok_or(StorageFailed)?;
        let effect = as_number(effect).and_then(|code| u32::try_from(code).ok());
        let expires_at = as_number(expires_at).and_then(|at| i64::try_from(at).ok());
        let (effect, expires_at) = effect.zip(expires_at).ok_or(StorageFailed)?;
        Ok(Some((number, Effect::from_code(effect), expires_at)))
    }

    /// Writes the next entry, in the place of what was said before about its target. Should a statement
    /// fail, a number is left out, which is no harm.
    async fn write(&self, row: Row<'_>, now: NumericDate) -> Result<Number, StorageFailed> {
        let Row { target, effect, expires_at, kind, issuer, value, reason, by } = row;
        let began = super::now();
        let (target_cell, expiry) = (target_cell(target), date_cell(expires_at));
        let count = "UPDATE state SET latest = latest + 1, entries = entries + 1 RETURNING latest";
        let latest = number(&self.object, count, &[])?.ok_or(StorageFailed)?;
        sql(
            &self.object,
            "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            &[
                cell(latest),
                target_cell.clone(),
                cell(effect.code().into()),
                expiry.clone(),
                kind,
                issuer,
                value,
                reason,
                text_cell(Some(by)),
                date_cell(now),
            ],
        )?;
        // What outlives this entry is an undoing. It stays, because somebody may have missed it and have
        // what it undid, which would count again once this is over.
        let older = "DELETE FROM log WHERE target = ? AND number < ? AND expires_at <= ?";
        sql(&self.object, older, &[target_cell, cell(latest), expiry])?;
        // With the entry, so that relays are told whatever becomes of this request.
        self.arm(false, PUBLISH_MS).await;
        let mut timed = self.timed.borrow_mut();
        if timed.len() >= MOST_TIMED {
            timed.remove(0);
        }
        timed.push((latest, began));
        let action = if effect == Effect::Undo { "undone" } else { "revoked" };
        let isolate = Isolate::of(&self.object.env());
        log::revocation(isolate, action, latest, target, by, began);
        Ok(latest)
    }

    /// A page of what holds, in the order of the log.
    fn list(&self, body: &Value) -> Result<JsValue, StorageFailed> {
        let asked = |name: &str| body.get(name).and_then(Value::as_u64).unwrap_or(0);
        let limit = asked("limit").max(1);
        let rows = sql(
            &self.object,
            "SELECT number, target, effect, expires_at, kind, issuer, value, reason, author, made_at \
             FROM log WHERE number > ? AND expires_at > ? AND effect > 0 ORDER BY number LIMIT ?",
            &[cell(asked("after")), date_cell(now().div_euclid(1_000)), cell(limit)],
        )?;
        let listed: Vec<Value> = rows.iter().filter_map(|row| listed(row)).collect();
        let last = rows.last().and_then(|row| row.first()).and_then(as_number);
        let is_full = u64::try_from(rows.len()).is_ok_and(|count| count >= limit);
        let next = last.filter(|_| is_full);
        Ok(json_response(&object! { "revocations": listed, "next": next }))
    }

    /// Tells all relays, and waits a while. How many have confirmed this number, of how many.
    async fn tell(self: Rc<Self>, sequence: Number) -> Result<(Number, Number), StorageFailed> {
        let began = now();
        let mut look_ms = LOOK_MS;
        let confirmed = |hub: &Self| {
            let query = "SELECT count(*) FROM relays WHERE number >= ?";
            number(&hub.object, query, &[cell(sequence)]).map(Option::unwrap_or_default)
        };
        self.push_to_those_behind(sequence)?;
        loop {
            let known = number(&self.object, "SELECT count(*) FROM relays", &[])?.unwrap_or(0);
            let acknowledged = confirmed(&self)?;
            let is_idle = self.pushing.borrow().is_empty();
            if acknowledged >= known || is_idle || now().saturating_sub(began) >= PATIENCE_MS {
                return Ok((acknowledged, known));
            }
            glue::sleep(look_ms).await;
            look_ms = look_ms.saturating_mul(2).min(MOST_LOOK_MS);
        }
    }

    fn relays_behind(&self, sequence: Number) -> Result<Vec<Relay>, StorageFailed> {
        let query = "SELECT name, hint, number FROM relays WHERE number < ?";
        let rows = sql(&self.object, query, &[cell(sequence)])?;
        Ok(rows
            .iter()
            .filter_map(|row| match row.as_slice() {
                [name, hint, number] => Some(Relay {
                    name: name.as_string()?,
                    hint: hint.as_string(),
                    number: as_number(number)?,
                }),
                _ => None,
            })
            .collect())
    }

    /// Begins to tell every relay that has not confirmed this number. What comes while one is being told
    /// goes with the next part, so that no more than one is on its way to it.
    fn push_to_those_behind(self: &Rc<Self>, sequence: Number) -> Result<(), StorageFailed> {
        for relay in self.relays_behind(sequence)? {
            let now = now();
            let pushing = self.pushing.borrow();
            let lost = |at: &Millis| !(0..PUSH_LEASE_MS).contains(&now.saturating_sub(*at));
            let since = pushing.iter().find(|(name, _)| *name == relay.name).map(|(_, at)| *at);
            drop(pushing);
            if since.as_ref().is_none_or(lost) {
                self.pushes(&relay.name, Some(now));
                spawn_local(Rc::clone(self).push(relay));
            }
        }
        Ok(())
    }

    /// Tells one relay what it lacks, until it has all or does not answer.
    async fn push(self: Rc<Self>, relay: Relay) {
        let mut at = relay.number;
        while let Some(confirmed) = self.push_part(&relay, at).await {
            at = confirmed;
            self.pushes(&relay.name, Some(now()));
        }
        self.pushes(&relay.name, None);
    }

    /// Notes since when a relay is being told, or that it is not.
    fn pushes(&self, relay: &str, since: Option<Millis>) {
        let mut pushing = self.pushing.borrow_mut();
        pushing.retain(|(name, _)| name != relay);
        pushing.extend(since.map(|since| (relay.to_owned(), since)));
    }

    /// Sends what comes after a number. The number that the relay has then, if there is more to send.
    async fn push_part(&self, relay: &Relay, after: Number) -> Option<Number> {
        let (log, latest) = self.state().ok()?;
        if after >= latest {
            return None;
        }
        let part = objects::delta(&self.object, log, after, latest, None).ok()?;
        let hint = relay.hint.as_deref();
        let path = format!("/push?{}", objects::address(&relay.name, hint));
        let answer = glue::call_object(
            &self.relays,
            &relay.name,
            hint,
            &path,
            Some(&part),
            PUSH_TIMEOUT_MS,
            1_024,
        )
        .await;
        if answer.fault().is_some() || answer.status() != 200 {
            return None;
        }
        let confirmed: Number = String::from_utf8(answer.body()).ok()?.parse().ok()?;
        // It may have said so itself meanwhile. What is measured must not keep a relay from being told.
        let known = self.number_of(&relay.name).ok().flatten();
        let _ = self.confirms(&relay.name, known.unwrap_or(after).max(after), confirmed);
        let update = "UPDATE relays SET number = max(number, ?) WHERE name = ?";
        sql(&self.object, update, &[cell(confirmed), text_cell(Some(&relay.name))]).ok()?;
        // One that got nothing of it would get nothing of the next, either.
        (confirmed > after).then_some(confirmed)
    }

    /// Removes what has expired, forgets relays that nobody uses, tells the others again, and publishes
    /// the list. Whether all have confirmed, and in how many milliseconds it is published next.
    async fn look_after(self: &Rc<Self>) -> Result<(bool, u32), StorageFailed> {
        if now().saturating_sub(self.pruned_at.get()) >= PRUNE_MS.into() {
            self.prune()?;
        }
        let unused = now().div_euclid(1_000).saturating_sub(FORGET_SECONDS);
        sql(&self.object, "DELETE FROM relays WHERE seen_at < ?", &[date_cell(unused)])?;
        let (_, latest) = self.state()?;
        self.push_to_those_behind(latest)?;
        // Where a relay hangs, KV is what isolates have.
        let mut wait_ms = self.publish().await.unwrap_or(RETRY_MS);
        let began = now();
        while !self.pushing.borrow().is_empty() && now().saturating_sub(began) < PUSH_LEASE_MS {
            glue::sleep(MOST_LOOK_MS).await;
        }
        if now().saturating_sub(began) >= PUBLISH_MS.into() {
            wait_ms = self.publish().await.unwrap_or(RETRY_MS);
        }
        let is_told = self.relays_behind(latest)?.is_empty();
        self.retry_ms.set(if is_told {
            RETRY_MS
        } else {
            self.retry_ms.get().saturating_mul(2).min(MOST_RETRY_MS)
        });
        Ok((is_told, wait_ms))
    }

    fn prune(&self) -> Result<(), StorageFailed> {
        self.pruned_at.set(now());
        let forgotten = now().div_euclid(1_000).saturating_sub(FORGET_AFTER_SECONDS);
        sql(&self.object, "DELETE FROM log WHERE expires_at <= ?", &[date_cell(forgotten)])?;
        sql(&self.object, "UPDATE state SET entries = (SELECT count(*) FROM log)", &[])?;
        Ok(())
    }

    /// Leaves the list in KV: after a change, and from time to time where the bound is so long that it is of
    /// use there. In how many milliseconds the next time is.
    async fn publish(&self) -> Result<u32, StorageFailed> {
        let isolate = Isolate::of(&self.object.env());
        let State::Ready(gate) = &isolate.state else { return Ok(PRUNE_MS) };
        if !gate.publishes() {
            return Ok(PRUNE_MS);
        }
        let at = now();
        if (0..PUBLISH_MS.into()).contains(&at.saturating_sub(self.published_at.get())) {
            return Ok(PUBLISH_MS);
        }
        let (log, latest) = self.state()?;
        // Under another key all of it has to be sealed anew.
        let seal = gate.published_seal();
        let query = "SELECT published FROM state WHERE sealed_by = ?";
        let published = number(&self.object, query, &[text_cell(seal.as_deref())])?;
        let is_used = number(&self.object, "SELECT count(*) FROM relays", &[])? != Some(0);
        let staleness = gate.settings().revocation.max_staleness_seconds;
        let again_ms = if is_used && staleness >= LEAST_STALENESS_SECONDS {
            // Three chances to be young enough.
            u32::try_from(staleness.saturating_mul(1_000) / 3).unwrap_or(PRUNE_MS)
        } else {
            PRUNE_MS
        };
        let age = at.saturating_sub(self.published_at.get());
        if published == Some(latest) && (again_ms == PRUNE_MS || age < again_ms.into()) {
            return Ok(again_ms);
        }
        self.published_at.set(at);
        let parts = self.parts()?;
        // All of it is read before anything is awaited: what an order meanwhile writes behind the latest
        // number, it takes away before it.
        let mut changes = Vec::new();
        for after in &parts {
            let to = after.saturating_add(PART_NUMBERS).min(latest);
            if published.is_none_or(|published| to > published) {
                let part = objects::delta(&self.object, log, *after, to, None)?;
                changes.push(gate.published_part(log, *after, &part));
            }
        }
        changes.push(gate.published_head(&Published { log, number: latest, at, parts }));
        for change in changes {
            if !self.store(isolate, change).await {
                return Ok(RETRY_MS);
            }
        }
        let update = "UPDATE state SET published = ?, sealed_by = ?";
        sql(&self.object, update, &[cell(latest), text_cell(seal.as_deref())])?;
        Ok(if self.state()?.1 == latest { again_ms } else { PUBLISH_MS })
    }

    /// After which numbers the parts begin in which there is something.
    fn parts(&self) -> Result<Vec<Number>, StorageFailed> {
        let mut parts = Vec::new();
        let mut from = 0;
        // An aggregate of no rows is a row, of nothing.
        let next = "SELECT min(number) FROM log WHERE number > ?";
        while let Some(first) = number(&self.object, next, &[cell(from)])? {
            let after = Published::part_of(first);
            parts.push(after);
            from = after.saturating_add(PART_NUMBERS);
        }
        Ok(parts)
    }

    async fn store(&self, isolate: &Isolate, change: Option<KvChange>) -> bool {
        match change {
            Some(change) => isolate.kv.apply(&change).await,
            None => false,
        }
    }

    /// Sees to it that the alarm comes within so many milliseconds, and sooner if a relay has not
    /// confirmed.
    async fn arm(&self, is_told: bool, mut wait_ms: u32) {
        if !is_told {
            wait_ms = wait_ms.min(self.retry_ms.get());
        }
        glue::set_alarm(&self.object, wait_ms).await;
    }
}

fn json_response(body: &Value) -> JsValue {
    glue::bytes_response(200, body.to_string().as_bytes(), None)
}

/// One revocation, as the admin sees it.
fn listed(row: &[objects::Cell]) -> Option<Value> {
    let [number, target, effect, expires_at, kind, issuer, value, reason, author, made_at] = row
    else {
        return None;
    };
    let target = js_sys::Uint8Array::new(target).to_vec();
    let target = Fingerprint::from_bytes(target.try_into().ok()?);
    let issued_before = match Effect::from_code(u32::try_from(as_number(effect)?).ok()?) {
        Effect::RevokeIssuedBefore(time) => Some(time),
        Effect::RevokeAll | Effect::Undo => None,
    };
    let mut listed = object! {
        "id": target.to_string(),
        "sequence": as_number(number)?,
        "issuer": issuer.as_string()?,
        "issued_before": issued_before,
        "expires_at": as_number(expires_at)?,
        "reason": reason.as_string(),
        "by": author.as_string()?,
        "made_at": as_number(made_at)?,
    };
    // A token has no value: only its fingerprint is kept.
    listed.as_object_mut()?.insert(kind.as_string()?, value.as_string().into());
    Some(listed)
}
