//! What both kinds of Durable Objects need: their database, the part of the log in it, and calls of
//! each other.
//!
//! The log in a database has the columns `number`, `target` (12 bytes), `effect` (see
//! [`Effect::code`]) and `expires_at` (seconds), whatever others it has.

use std::cell::RefCell;
use std::rc::Rc;
use std::thread::LocalKey;

use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::Request;

use super::glue::{self, Object};
use crate::core::claims::NumericDate;
use crate::core::revocation::delta::{Delta, Head};
use crate::core::revocation::entry::{Effect, Entry, LogId, Number, seconds};
use crate::core::revocation::published::PART_NUMBERS;
use crate::core::revocation::target::Fingerprint;

/// The bindings of their namespaces.
pub(super) const HUB: &str = "REVOCATION_HUB";
pub(super) const RELAY: &str = "REVOCATION_RELAY";

/// The only hub.
pub(super) const HUB_NAME: &str = "hub";

/// What a relay says over a leash: this, and a part of the log. Entries that may be about the token of the
/// socket, or the answer to a question.
pub(super) const NOTICE: u8 = 0;
pub(super) const ANSWER: u8 = 1;

/// The longest part of the log that is read, in bytes.
pub(super) const MOST_DELTA_BYTES: u32 = 4 * 1024 * 1024;

/// A database failed; the glue has logged it.
#[derive(Clone, Copy, Debug)]
pub(super) struct StorageFailed;

/// One value of a row.
pub(super) type Cell = JsValue;

/// Runs a statement.
pub(super) fn sql(
    object: &Object,
    statement: &str,
    parameters: &[Cell],
) -> Result<Vec<Vec<Cell>>, StorageFailed> {
    let rows = glue::sql(object, statement, &parameters.iter().collect::<Array>());
    let rows: Array = rows.dyn_into().map_err(|_| StorageFailed)?;
    Ok(rows.iter().map(|row| Array::from(&row).to_vec()).collect())
}

/// Runs a statement that gives one number, or nothing.
pub(super) fn number(
    object: &Object,
    query: &str,
    parameters: &[Cell],
) -> Result<Option<Number>, StorageFailed> {
    let rows = sql(object, query, parameters)?;
    Ok(rows.first().and_then(|row| row.first()).and_then(as_number))
}

/// A number that the database holds exactly.
pub(super) fn as_number(cell: &Cell) -> Option<Number> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^53")]
    cell.as_f64().filter(|number| *number >= 0.0).map(|number| number as Number)
}

/// The value of a number.
pub(super) fn cell(number: Number) -> Cell {
    #[allow(clippy::cast_precision_loss, reason = "below 2^53")]
    JsValue::from_f64(number as f64)
}

/// The value of a time.
pub(super) fn date_cell(time: NumericDate) -> Cell {
    JsValue::from_f64(f64::from(seconds(time)))
}

/// The value of a target.
pub(super) fn target_cell(target: Fingerprint) -> Cell {
    Uint8Array::from(target.to_bytes().as_slice()).into()
}

/// The value of a text.
pub(super) fn text_cell(text: Option<&str>) -> Cell {
    text.map_or(JsValue::NULL, JsValue::from_str)
}

/// What came after a number, up to another, as it is sent: as much as one part has room for, which is
/// 1.5 MB. A part that is sent has room for one that is published.
pub(super) fn delta(
    object: &Object,
    log: LogId,
    after: Number,
    latest: Number,
    age_ms: Option<u32>,
) -> Result<Vec<u8>, StorageFailed> {
    let query = "SELECT number, target, effect, expires_at FROM log \
                 WHERE number > ? AND number <= ? ORDER BY number LIMIT ?";
    let parameters: Array = [cell(after), cell(latest), cell(PART_NUMBERS)].iter().collect();
    let entries = entries(object, query, &parameters)?;
    let is_page = entries.len() as u64 >= PART_NUMBERS;
    let to = entries.last().filter(|_| is_page).map_or(latest, |last| last.number);
    Ok(Delta::write(&Head { log, after: after.min(to), to, latest, age_ms }, &entries))
}

/// The entries about these targets after a number.
pub(super) fn entries_about(
    object: &Object,
    targets: impl Iterator<Item = Fingerprint>,
    after: Number,
) -> Result<Vec<Entry>, StorageFailed> {
    let parameters: Array = [cell(after)].iter().collect();
    for target in targets {
        parameters.push(&target_cell(target.of_all()));
        parameters.push(&target_cell(target.of_older()));
    }
    let places = ["?"].repeat(parameters.length().saturating_sub(1) as usize).join(", ");
    let query = format!(
        "SELECT number, target, effect, expires_at FROM log WHERE number > ? AND target IN ({places}) \
         ORDER BY number"
    );
    entries(object, &query, &parameters)
}

/// The entries that a query gives.
fn entries(object: &Object, query: &str, parameters: &Array) -> Result<Vec<Entry>, StorageFailed> {
    let rows = glue::pack_rows(object, query, parameters).ok_or(StorageFailed)?;
    Ok(rows.as_chunks::<ROW_BYTES>().0.iter().filter_map(|row| entry_of(row)).collect())
}

/// Adds these entries to the log of the database. `statement` takes number, target, effect and expiry;
/// `first` comes before if it is not empty, `last` after: all of it, or nothing.
pub(super) fn put(
    object: &Object,
    first: &str,
    statement: &str,
    entries: impl Iterator<Item = Entry>,
    last: (&str, &[Cell]),
) -> Result<(), StorageFailed> {
    let mut rows = Vec::new();
    for Entry { number, target, effect, expires_at } in entries {
        rows.extend_from_slice(&number.to_le_bytes());
        rows.extend_from_slice(&target.to_bytes());
        rows.extend_from_slice(&effect.code().to_le_bytes());
        rows.extend_from_slice(&seconds(expires_at).to_le_bytes());
    }
    let parameters = last.1.iter().collect();
    let is_done = glue::put_rows(object, first, statement, &rows, last.0, &parameters);
    is_done.then_some(()).ok_or(StorageFailed)
}

/// What the wasm knows of each object, by its name: of its last incarnation.
pub(super) type Known<T> = RefCell<Vec<(String, u32, Rc<T>)>>;

/// What is known of an object, made with `new` if nothing is.
pub(super) fn known<T>(
    known: &'static LocalKey<Known<T>>,
    object: Object,
    new: impl FnOnce(Object) -> Result<T, StorageFailed>,
) -> Result<Rc<T>, StorageFailed> {
    let (id, number) = (object.id(), object.number());
    let found = known.with_borrow(|all| {
        let found = all.iter().find(|(known, it, _)| *known == id && *it == number);
        found.map(|(_, _, found)| Rc::clone(found))
    });
    if let Some(found) = found {
        return Ok(found);
    }
    let made = Rc::new(new(object)?);
    known.with_borrow_mut(|all| {
        all.retain(|(known, _, _)| *known != id);
        all.push((id, number, Rc::clone(&made)));
    });
    Ok(made)
}

const ROW_BYTES: usize = 28;

fn entry_of(mut row: &[u8]) -> Option<Entry> {
    fn take<const N: usize>(row: &mut &[u8]) -> Option<[u8; N]> {
        let (first, rest) = row.split_first_chunk::<N>()?;
        *row = rest;
        Some(*first)
    }
    Some(Entry {
        number: u64::from_le_bytes(take(&mut row)?),
        target: Fingerprint::from_bytes(take(&mut row)?),
        effect: Effect::from_code(u32::from_le_bytes(take(&mut row)?)),
        expires_at: u32::from_le_bytes(take(&mut row)?).into(),
    })
}

/// What an object was asked: path, and the values of its query by name.
pub(super) struct Asked {
    pub(super) path: String,
    query: Vec<(String, String)>,
}

impl Asked {
    pub(super) fn of(request: &Request) -> Self {
        let url = request.url();
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        Self::read(rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or("/"))
    }

    /// From path and query.
    pub(super) fn read(target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Self {
            path: path.to_owned(),
            query: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        }
    }

    /// The part that says who the object is that was asked.
    pub(super) fn address(&self) -> String {
        self.text("name").map(|name| address(name, self.text("hint"))).unwrap_or_default()
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn number(&self, name: &str) -> Option<Number> {
        self.text(name)?.parse().ok()
    }
}

/// What a relay is told about itself, behind other parts of a query.
pub(super) fn address(name: &str, hint: Option<&str>) -> String {
    format!("&name={name}{}", hint.map(|hint| format!("&hint={hint}")).unwrap_or_default())
}

/// The body of a request to an object, as far as it came.
pub(super) async fn body(request: &Request) -> Vec<u8> {
    glue::body(request, MOST_DELTA_BYTES).await.unwrap_or_default()
}

/// The response of an object whose database failed, or that was asked for nothing.
pub(super) fn failure(status: u16) -> JsValue {
    glue::bytes_response(status, b"", None)
}
