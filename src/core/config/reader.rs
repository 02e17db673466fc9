//! Taking a table apart, key by key, and noting what is wrong with it.
//!
//! What is missing or of the wrong type leaves a stand-in behind, so that all of a table is read
//! before its mistakes are reported. No message shows a text that may be a secret: one may stand
//! where a list should.

use serde_json::{Map, Value};

use crate::core::log_budget::MILLION;
use crate::core::problem::{Problem, quoted};

pub(super) const A_TEXT: &str = "a text";
pub(super) const A_LIST: &str = "a list";
const A_TABLE: &str = "a table";

/// A table that is being read.
pub(super) struct Reader<'p> {
    place: String,
    members: Map<String, Value>,
    /// The keys that were asked for.
    known: Vec<&'static str>,
    problems: &'p mut Vec<Problem>,
}

impl Reader<'_> {
    /// Reads the table at `place` with `read`, which asks for every key that may be in it.
    pub(super) fn read<T>(
        place: &str,
        members: Map<String, Value>,
        problems: &mut Vec<Problem>,
        read: fn(&mut Reader<'_>) -> T,
    ) -> T {
        let mut reader = Reader::of(place, members, problems);
        let table = read(&mut reader);
        reader.refuse_the_rest();
        table
    }

    // What is the same for every kind of table is not made for each.
    #[inline(never)]
    fn of<'p>(
        place: &str,
        members: Map<String, Value>,
        problems: &'p mut Vec<Problem>,
    ) -> Reader<'p> {
        Reader { place: place.to_owned(), members, known: Vec::new(), problems }
    }

    /// A text that must be there.
    pub(super) fn text(&mut self, key: &'static str) -> String {
        self.required(key, as_text, A_TEXT).unwrap_or_default()
    }

    /// A text.
    pub(super) fn text_or(&mut self, key: &'static str, default: &str) -> String {
        self.text_if_any(key).unwrap_or_else(|| default.to_owned())
    }

    /// A text, if there is one.
    pub(super) fn text_if_any(&mut self, key: &'static str) -> Option<String> {
        self.optional(key, as_text, A_TEXT)
    }

    /// A truth value.
    pub(super) fn truth_or(&mut self, key: &'static str, default: bool) -> bool {
        self.optional(key, |value| value.as_bool().ok_or(value), "true or false").unwrap_or(default)
    }

    /// A whole number.
    pub(super) fn number_or(&mut self, key: &'static str, default: u64) -> u64 {
        self.number_if_any(key).unwrap_or(default)
    }

    /// A whole number, if there is one.
    pub(super) fn number_if_any(&mut self, key: &'static str) -> Option<u64> {
        self.optional(
            key,
            |value| value.as_u64().ok_or(value),
            "a whole number that is not negative",
        )
    }

    /// A share of something, in millionths. What is less than one is not taken for nothing.
    pub(super) fn share_or(&mut self, key: &'static str, default: u32) -> u32 {
        self.optional(key, |value| share(&value).ok_or(value), "a number from 0 to 1")
            .unwrap_or(default)
    }

    /// One of a few words, if there is one.
    pub(super) fn one_of<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let word = self.optional(key, as_text, A_TEXT)?;
        let found = words.iter().find(|(name, _)| *name == word);
        if found.is_none() {
            let expected = one_of(words.iter().map(|(name, _)| *name));
            self.problems.push(Problem::new(self.place_of(key), quoted(&word), expected));
        }
        found.map(|(_, meaning)| *meaning)
    }

    /// A list of texts that must be there.
    pub(super) fn texts(&mut self, key: &'static str) -> Vec<String> {
        let list = self.required(key, as_list, A_LIST).unwrap_or_default();
        self.all_texts(key, list)
    }

    /// A list of texts.
    pub(super) fn texts_or(&mut self, key: &'static str, default: &[&str]) -> Vec<String> {
        self.texts_if_any(key)
            .unwrap_or_else(|| default.iter().map(|text| (*text).to_owned()).collect())
    }

    /// A list of texts, if there is one.
    pub(super) fn texts_if_any(&mut self, key: &'static str) -> Option<Vec<String>> {
        let list = self.optional(key, as_list, A_LIST)?;
        Some(self.all_texts(key, list))
    }

    /// A list of whatever.
    pub(super) fn list_or_none(&mut self, key: &'static str) -> Vec<Value> {
        self.optional(key, as_list, A_LIST).unwrap_or_default()
    }

    /// A list of tables that must be there.
    pub(super) fn tables<T>(
        &mut self,
        key: &'static str,
        read: fn(&mut Reader<'_>) -> T,
    ) -> Vec<T> {
        let list = self.required(key, as_list, A_LIST).unwrap_or_default();
        self.all_tables(key, list, read)
    }

    /// A list of tables, if there is one.
    pub(super) fn tables_if_any<T>(
        &mut self,
        key: &'static str,
        read: fn(&mut Reader<'_>) -> T,
    ) -> Vec<T> {
        let list = self.list_or_none(key);
        self.all_tables(key, list, read)
    }

    /// A table; one that is not there is read as an empty one.
    pub(super) fn table<T>(&mut self, key: &'static str, read: fn(&mut Reader<'_>) -> T) -> T {
        let members = self.members_of(key).unwrap_or_default();
        Reader::read(&self.place_of(key), members, self.problems, read)
    }

    /// A table, if there is one.
    pub(super) fn table_if_any<T>(
        &mut self,
        key: &'static str,
        read: fn(&mut Reader<'_>) -> T,
    ) -> Option<T> {
        let members = self.members_of(key)?;
        Some(Reader::read(&self.place_of(key), members, self.problems, read))
    }

    #[inline(never)]
    fn members_of(&mut self, key: &'static str) -> Option<Map<String, Value>> {
        self.optional(key, as_table, A_TABLE)
    }

    /// A table with keys of the operator's choice. `read` takes a value, or says what it should be.
    pub(super) fn entries<T>(
        &mut self,
        key: &'static str,
        read: fn(Value) -> Result<T, (Value, &'static str)>,
    ) -> Vec<(String, T)> {
        let members = self.optional(key, as_table, A_TABLE).unwrap_or_default();
        let place = self.place_of(key);
        let mut entries = Vec::new();
        for (name, value) in members {
            let (read, expected) = match read(value) {
                Ok(value) => (Ok(value), ""),
                Err((found, expected)) => (Err(found), expected),
            };
            let read = noted(self.problems, read, expected, || format!("{place}.{name}"));
            entries.extend(read.map(|value| (name, value)));
        }
        entries
    }

    fn all_tables<T>(
        &mut self,
        key: &'static str,
        list: Vec<Value>,
        read: fn(&mut Reader<'_>) -> T,
    ) -> Vec<T> {
        let place = self.place_of(key);
        let mut tables = Vec::with_capacity(list.len());
        for (at, value) in list.into_iter().enumerate() {
            let place = || format!("{place}[{at}]");
            if let Some(members) = noted(self.problems, as_table(value), A_TABLE, place) {
                tables.push(Reader::read(&place(), members, self.problems, read));
            }
        }
        tables
    }

    fn all_texts(&mut self, key: &'static str, list: Vec<Value>) -> Vec<String> {
        let place = self.place_of(key);
        let mut texts = Vec::with_capacity(list.len());
        for (at, value) in list.into_iter().enumerate() {
            let place = || format!("{place}[{at}]");
            texts.extend(noted(self.problems, as_text(value), A_TEXT, place));
        }
        texts
    }

    fn required<T>(
        &mut self,
        key: &'static str,
        read: fn(Value) -> Result<T, Value>,
        expected: &str,
    ) -> Option<T> {
        if !self.members.contains_key(key) {
            let expected = "a value: the key is required";
            self.problems.push(Problem::new(self.place_of(key), "nothing", expected));
        }
        self.optional(key, read, expected)
    }

    fn optional<T>(
        &mut self,
        key: &'static str,
        read: fn(Value) -> Result<T, Value>,
        expected: &str,
    ) -> Option<T> {
        self.known.push(key);
        let read = read(self.members.remove(key)?);
        noted(self.problems, read, expected, || format!("{}.{key}", self.place))
    }

    #[inline(never)]
    fn refuse_the_rest(self) {
        if self.members.is_empty() {
            return;
        }
        let expected = one_of(self.known.iter().copied());
        for name in self.members.keys() {
            let place = format!("{}.{name}", self.place);
            let found = format!("the unknown key {}", quoted(name));
            self.problems.push(Problem::new(place, found, expected.as_str()));
        }
    }

    fn place_of(&self, key: &str) -> String {
        format!("{}.{key}", self.place)
    }
}

/// What was read. A value of the wrong kind is noted, and left out.
fn noted<T>(
    problems: &mut Vec<Problem>,
    read: Result<T, Value>,
    expected: &str,
    place: impl FnOnce() -> String,
) -> Option<T> {
    read.map_err(|found| problems.push(Problem::new(place(), kind(&found), expected))).ok()
}

fn one_of<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    format!("one of {}", names.join(", "))
}

/// What a value is, in the words of a TOML file. A text is shown only if it is no more than a quoted
/// number or truth value.
pub(super) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if is_like_a_number(text) || text.parse::<bool>().is_ok() => {
            format!("the text {text:?}")
        }
        Value::String(text) => format!("a text of {} bytes", text.len()),
        Value::Array(_) => A_LIST.to_owned(),
        Value::Object(_) => A_TABLE.to_owned(),
    }
}

/// Not by parsing one, which would be ten kilobytes of the module for this message.
fn is_like_a_number(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_digit() || b"+-._eE".contains(&byte);
    text.len() < 32 && text.bytes().all(is_part) && text.bytes().any(|byte| byte.is_ascii_digit())
}

/// A text, or the value back.
pub(super) fn as_text(value: Value) -> Result<String, Value> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(other),
    }
}

/// A list, or the value back.
pub(super) fn as_list(value: Value) -> Result<Vec<Value>, Value> {
    match value {
        Value::Array(list) => Ok(list),
        other => Err(other),
    }
}

fn share(value: &Value) -> Option<u32> {
    let share = value.as_f64().filter(|share| (0.0..=1.0).contains(share))?;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is between 0 and a million"
    )]
    let millionths = (share * f64::from(MILLION) + 0.5) as u32;
    Some(if share > 0.0 { millionths.max(1) } else { 0 })
}

fn as_table(value: Value) -> Result<Map<String, Value>, Value> {
    match value {
        Value::Object(table) => Ok(table),
        other => Err(other),
    }
}
