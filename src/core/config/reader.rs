//! Taking a table apart, key by key, and noting what is wrong with it.
//!
//! What is missing or of the wrong type leaves a stand-in behind, so that all of a table is read
//! before its mistakes are reported. No message shows a text that may be a secret: one may stand
//! where a list should.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::core::problem::{Problem, quoted};

const A_TEXT: &str = "a text";
const A_LIST: &str = "a list";
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
        let known = Vec::new();
        let mut reader = Reader { place: place.to_owned(), members, known, problems };
        let table = read(&mut reader);
        reader.refuse_the_rest();
        table
    }

    /// A text that must be there.
    pub(super) fn text(&mut self, key: &'static str) -> String {
        self.required(key, as_text, A_TEXT).unwrap_or_default()
    }

    /// A text.
    pub(super) fn text_or(&mut self, key: &'static str, default: &str) -> String {
        self.optional(key, as_text, A_TEXT).unwrap_or_else(|| default.to_owned())
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

    /// One of a few words, if there is one.
    pub(super) fn one_of<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let word = self.optional(key, as_text, A_TEXT)?;
        let found = words.iter().find(|(name, _)| *name == word);
        if found.is_none() {
            let names: Vec<String> = words.iter().map(|(name, _)| format!("`{name}`")).collect();
            let expected = format!("one of {}", names.join(", "));
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
        let list = self.optional(key, as_list, A_LIST).unwrap_or_default();
        self.all_tables(key, list, read)
    }

    /// A table; one that is not there is read as an empty one.
    pub(super) fn table<T>(&mut self, key: &'static str, read: fn(&mut Reader<'_>) -> T) -> T {
        let members = self.optional(key, as_table, A_TABLE).unwrap_or_default();
        let place = self.place_of(key);
        Reader::read(&place, members, self.problems, read)
    }

    /// A table, if there is one.
    pub(super) fn table_if_any<T>(
        &mut self,
        key: &'static str,
        read: fn(&mut Reader<'_>) -> T,
    ) -> Option<T> {
        let members = self.optional(key, as_table, A_TABLE)?;
        let place = self.place_of(key);
        Some(Reader::read(&place, members, self.problems, read))
    }

    /// A table with keys of the operator's choice. `read` takes a value, or says what it should be.
    pub(super) fn entries<T>(
        &mut self,
        key: &'static str,
        read: fn(Value) -> Result<T, (Value, &'static str)>,
    ) -> BTreeMap<String, T> {
        let members = self.optional(key, as_table, A_TABLE).unwrap_or_default();
        let mut entries = BTreeMap::new();
        for (name, value) in members {
            match read(value) {
                Ok(value) => {
                    entries.insert(name, value);
                }
                Err((found, expected)) => {
                    let place = format!("{}.{name}", self.place_of(key));
                    self.problems.push(Problem::new(place, kind(&found), expected));
                }
            }
        }
        entries
    }

    fn all_tables<T>(
        &mut self,
        key: &'static str,
        list: Vec<Value>,
        read: fn(&mut Reader<'_>) -> T,
    ) -> Vec<T> {
        let mut tables = Vec::with_capacity(list.len());
        for (at, value) in list.into_iter().enumerate() {
            let place = format!("{}[{at}]", self.place_of(key));
            match as_table(value) {
                Ok(members) => tables.push(Reader::read(&place, members, self.problems, read)),
                Err(found) => self.problems.push(Problem::new(place, kind(&found), A_TABLE)),
            }
        }
        tables
    }

    fn all_texts(&mut self, key: &'static str, list: Vec<Value>) -> Vec<String> {
        let mut texts = Vec::with_capacity(list.len());
        for (at, value) in list.into_iter().enumerate() {
            match as_text(value) {
                Ok(text) => texts.push(text),
                Err(found) => {
                    let place = format!("{}[{at}]", self.place_of(key));
                    self.problems.push(Problem::new(place, kind(&found), A_TEXT));
                }
            }
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
        match read(self.members.remove(key)?) {
            Ok(value) => Some(value),
            Err(found) => {
                self.problems.push(Problem::new(self.place_of(key), kind(&found), expected));
                None
            }
        }
    }

    fn refuse_the_rest(self) {
        if self.members.is_empty() {
            return;
        }
        let names: Vec<String> = self.known.iter().map(|name| format!("`{name}`")).collect();
        let expected = format!("one of {}", names.join(", "));
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

/// What a value is, in the words of a TOML file. A text is shown only if it is no more than a quoted
/// number or truth value.
pub(super) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.parse::<f64>().is_ok() || text.parse::<bool>().is_ok() => {
            format!("the text {text:?}")
        }
        Value::String(text) => format!("a text of {} bytes", text.len()),
        Value::Array(_) => A_LIST.to_owned(),
        Value::Object(_) => A_TABLE.to_owned(),
    }
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

fn as_table(value: Value) -> Result<Map<String, Value>, Value> {
    match value {
        Value::Object(table) => Ok(table),
        other => Err(other),
    }
}
