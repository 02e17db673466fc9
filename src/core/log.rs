//! Lines for the operator: one JSON object each, in which nothing is secret and nothing is too long.
//!
//! In scope: the levels, what every line has, and what of a request may be in one. Out of scope: how many
//! there may be ([`super::log_budget`]), and writing them.

use std::cell::RefCell;

use serde_json::{Map, Value};

use super::claims::NumericDate;

/// How much a line matters, from the least on. The names are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What happens every day: a client is at fault, or an operator has done something.
    Info,
    /// Something is not as it should be, and requests pass all the same.
    Warning,
    /// A fault of ours, or of what is behind us.
    Error,
}

impl Level {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A line.
#[derive(Clone, Debug)]
pub struct Line {
    level: Level,
    members: Map<String, Value>,
}

impl Line {
    /// A line about an event at `now`. `left_out` is how many before it were not written.
    #[must_use]
    pub fn new(level: Level, event: &str, now: NumericDate, left_out: u64) -> Self {
        let mut line = Self { level, members: Map::new() };
        line.texts(&[("event", Some(event)), ("level", Some(level.name()))]);
        let left_out = i64::try_from(left_out).ok().filter(|left_out| *left_out > 0);
        line.numbers(&[("left_out", left_out), ("time", Some(now))]);
        line
    }

    /// With these texts, too, as far as there are any.
    #[inline(never)] // as `object!`: most of this is called from places that need not be fast
    pub fn texts(&mut self, texts: &[(&str, Option<&str>)]) {
        for (name, text) in texts {
            if let Some(text) = *text {
                self.members.insert((*name).to_owned(), text.into());
            }
        }
    }

    /// With these numbers, too, as far as there are any.
    #[inline(never)]
    pub fn numbers(&mut self, numbers: &[(&str, Option<i64>)]) {
        for (name, number) in numbers {
            if let Some(number) = *number {
                self.members.insert((*name).to_owned(), number.into());
            }
        }
    }

    /// With what is said about a request, too.
    pub fn request(&mut self, request: &RequestInLog<'_>) {
        self.texts(&[
            ("kid", request.kid),
            ("method", Some(cut(request.method))),
            ("path", Some(cut(request.path))),
            ("provider", request.provider),
            ("ray", request.ray),
            ("subject", request.subject),
            ("trace_id", request.trace_id),
        ]);
        self.numbers(&[("rule", request.rule.and_then(|rule| i64::try_from(rule).ok()))]);
    }

    /// How much it matters.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.level
    }

    /// As one JSON object.
    #[must_use]
    pub fn into_text(self) -> String {
        Value::Object(self.members).to_string()
    }
}

/// What lines say about a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestInLog<'a> {
    /// The method.
    pub method: &'a str,
    /// The path, without the query.
    pub path: &'a str,
    /// The name of the provider of its token, if one was found.
    pub provider: Option<&'a str>,
    /// Position of the rule that applied, if one did.
    pub rule: Option<usize>,
    /// What the platform calls it, see [`ray`].
    pub ray: Option<&'a str>,
    /// The trace that it is part of.
    pub trace_id: Option<&'a str>,
    /// The name of the key that its token wants, see [`key_id`].
    pub kid: Option<&'a str>,
    /// The fingerprint of its subject.
    pub subject: Option<&'a str>,
}

/// The longest id, of a request or of a key, that is written, in bytes.
const MOST_ID_BYTES: usize = 64;

/// A text by which the platform names a request, if it looks like one: outside of the platform a client can
/// send what it likes.
#[must_use]
pub fn ray(text: &str) -> Option<&str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (!text.is_empty() && text.len() <= MOST_ID_BYTES && text.bytes().all(is_plain)).then_some(text)
}

/// The beginning of the name of a key, if it is printable: whoever makes a token can put anything there.
#[must_use]
pub fn key_id(text: &str) -> Option<&str> {
    let is_printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    let text = text.get(..MOST_ID_BYTES).unwrap_or(text);
    text.bytes().all(is_printable).then_some(text)
}

/// Keeps a text of the client's choice from filling the log.
#[must_use]
pub fn cut(text: &str) -> &str {
    const MOST_BYTES: usize = 256;
    let end = (0..=MOST_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// What can fail again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matter {
    /// Fetching the keys of the provider at this position.
    Keys(usize),
    /// Refreshing the list of revocations.
    Revocations,
}

/// What fails at the moment, so that each change of it is told once, and not each attempt.
#[derive(Debug, Default)]
pub struct Troubles(RefCell<Vec<(Matter, String, &'static str)>>);

impl Troubles {
    /// Something has failed for this reason and leaves behind something in this state, or `None`: it has
    /// worked. Whether that is new.
    pub fn is_new(&self, matter: Matter, trouble: Option<(&str, &'static str)>) -> bool {
        let mut troubles = self.0.borrow_mut();
        let at = troubles.iter().position(|(of, ..)| *of == matter);
        let known = at.map(|at| troubles.swap_remove(at));
        let is_new = known.as_ref().map(|(_, why, state)| (why.as_str(), *state)) != trouble;
        if let Some((why, state)) = trouble {
            troubles.push((matter, why.to_owned(), state));
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_its_event_level_and_time_and_nothing_that_says_nothing() {
        let mut line = Line::new(Level::Warning, "breaker", 1_800_000_000, 0);
        line.texts(&[("cause", None), ("state", Some("open"))]);
        line.numbers(&[("code", None)]);
        assert_eq!(line.level(), Level::Warning);
        assert_eq!(
            line.into_text(),
            r#"{"event":"breaker","level":"warning","state":"open","time":1800000000}"#
        );
        assert_eq!(
            Line::new(Level::Info, "a", 1, 12).into_text(),
            r#"{"event":"a","left_out":12,"level":"info","time":1}"#
        );
    }

    #[test]
    fn what_lines_say_about_a_request_is_pinned() {
        let request = RequestInLog {
            method: "GET",
            path: "/a",
            provider: Some("main"),
            rule: Some(2),
            ray: Some("230b030023ae2822"),
            trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
            kid: Some("a\"b"),
            subject: Some("4Wru2tnxTLb1Yw0U"),
        };
        let mut line = Line::new(Level::Warning, "degraded", 1_800_000_000, 0);
        line.request(&request);
        assert_eq!(
            line.into_text(),
            "{\"event\":\"degraded\",\"kid\":\"a\\\"b\",\"level\":\"warning\",\"method\":\"GET\",\
             \"path\":\"/a\",\"provider\":\"main\",\"ray\":\"230b030023ae2822\",\"rule\":2,\
             \"subject\":\"4Wru2tnxTLb1Yw0U\",\"time\":1800000000,\
             \"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\"}"
        );
    }

    #[test]
    fn an_id_of_a_request_is_short_and_plain() {
        let long = "a".repeat(65);
        for (text, is_one) in [
            ("230b030023ae2822-SJC", true),
            (&long[1..], true),
            (&long, false),
            ("", false),
            ("a b", false),
            ("a\"", false),
            ("é", false),
        ] {
            assert_eq!(ray(text), is_one.then_some(text), "{text}");
        }
    }

    #[test]
    fn the_name_of_a_key_is_cut_and_printable() {
        let long = "k".repeat(100);
        for (text, expected) in [
            ("2026-11", Some("2026-11")),
            ("a \"b\\", Some("a \"b\\")),
            (&long, Some(&long[..64])),
            ("a\nb", None),
            ("a\u{1b}[31m", None),
            ("clé", None),
            // Cut in the middle of a character.
            (&format!("{}é", &long[..63]), None),
        ] {
            assert_eq!(key_id(text), expected, "{text}");
        }
    }

    #[test]
    fn a_long_path_is_cut_at_a_character() {
        assert_eq!(cut("short"), "short");
        let long = "é".repeat(200);
        assert_eq!(cut(&long).len(), 256);
        let odd = format!("a{long}");
        assert_eq!(cut(&odd).len(), 255);
    }

    #[test]
    fn each_change_of_a_trouble_is_told_once() {
        let troubles = Troubles::default();
        let (keys, list) = (Matter::Keys(0), Matter::Revocations);
        for (matter, trouble, is_new) in [
            (keys, None, false),
            (keys, Some(("timeout", "stale")), true),
            (keys, Some(("timeout", "stale")), false),
            (list, Some(("timeout", "stale")), true),
            (keys, Some(("status 500", "stale")), true),
            (keys, Some(("status 500", "expired")), true),
            (keys, Some(("status 500", "expired")), false),
            (Matter::Keys(1), None, false),
            (keys, None, true),
            (keys, None, false),
            (list, Some(("timeout", "stale")), false),
            (list, None, true),
            (keys, Some(("status 500", "expired")), true),
        ] {
            assert_eq!(troubles.is_new(matter, trouble), is_new, "{matter:?} {trouble:?}");
        }
    }
}
