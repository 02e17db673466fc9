//! What is wrong with a configuration, said so that it can be mended.

use std::fmt;

use serde_json::Value;

use super::config::TABLE;

/// One mistake: where it is, what stands there, and what should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The place, as a path from the table's name: `AUTH.providers[0].algorithms`.
    pub path: String,
    /// What was found there. Never a secret.
    pub found: String,
    /// What is expected there, and where it helps, what to do.
    pub expected: String,
}

impl Problem {
    /// A mistake at `path`.
    pub fn new(path: impl AsRef<str>, found: impl AsRef<str>, expected: impl AsRef<str>) -> Self {
        Self::of(path.as_ref(), found.as_ref(), expected.as_ref())
    }

    /// There is no `AUTH` table at all.
    #[must_use]
    pub fn of_missing_table() -> Self {
        Self::new(TABLE, "nothing", "the table [vars.AUTH] in wrangler.toml")
    }

    /// The origin is a service binding that there is not.
    #[must_use]
    pub fn of_missing_service(name: &str) -> Self {
        Self::new(
            format!("{TABLE}.origin"),
            format!("no service binding named {name}"),
            "a service binding of this name: [[services]] in wrangler.toml",
        )
    }

    /// Not generic, and not part of those who say what is wrong: there are so many of them.
    #[inline(never)]
    fn of(path: &str, found: &str, expected: &str) -> Self {
        Self { path: path.to_owned(), found: found.to_owned(), expected: expected.to_owned() }
    }

    /// The mistake as JSON, for the health report and the log.
    #[must_use]
    pub fn to_json(&self) -> Value {
        serde_json::json!({ "path": self.path, "found": self.found, "expected": self.expected })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: found {}; expected {}", self.path, self.found, self.expected)
    }
}

/// `text` in double quotes, cut to a length that a log line can bear.
#[must_use]
pub fn quoted(text: &str) -> String {
    const MOST_CHARS: usize = 80;
    let mut shown: String = text.chars().take(MOST_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}
