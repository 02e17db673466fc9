//! `wrangler.toml` as wrangler reads it, and files with secrets.
//!
//! In scope: one environment's variables and bindings, what it inherits and what not. Out of scope: whether
//! they are right (`super::check`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use edgeward::core::config::TABLE;
use edgeward::gate::Bindings;
use serde_json::Value;

use super::output::Failure;

/// The names under which wrangler looks for its configuration, in its order.
const NAMES: [&str; 3] = ["wrangler.json", "wrangler.jsonc", "wrangler.toml"];

/// A configuration of wrangler.
pub(crate) struct Config {
    pub(crate) path: PathBuf,
    root: Value,
}

/// One of its environments: `None` is what is deployed without `--env`.
#[derive(Clone, Copy)]
pub(crate) struct Environment<'c> {
    pub(crate) name: Option<&'c str>,
    root: &'c Value,
    own: &'c Value,
}

impl Config {
    /// Reads the file at `path`, or the one that wrangler would find here.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self, Failure> {
        let path = match path {
            Some(path) => path.to_owned(),
            None => NAMES.iter().map(PathBuf::from).find(|path| path.exists()).ok_or_else(|| {
                Failure::usage(
                    "there is no wrangler.toml here; go to where it is, or name it with --config",
                )
            })?,
        };
        let text = read(&path)?;
        let is_json = path.extension().is_some_and(|it| it == "json" || it == "jsonc");
        let root = if is_json {
            serde_json::from_str(&without_comments(&text)).map_err(|fault| {
                let (line, column) = (fault.line(), fault.column());
                unreadable(&path, &format!("it is no JSON at line {line}, column {column}"))
            })?
        } else {
            toml::from_str(&text).map_err(|fault| {
                let before = fault.span().and_then(|span| text.get(..span.start));
                let line = before.unwrap_or_default().matches('\n').count() + 1;
                unreadable(&path, &format!("line {line}: {}", fault.message()))
            })?
        };
        Ok(Self { path, root })
    }

    /// The names of its environments.
    pub(crate) fn names(&self) -> Vec<&str> {
        let names = self.root.get("env").and_then(Value::as_object);
        names.into_iter().flat_map(|all| all.keys().map(String::as_str)).collect()
    }

    /// What is deployed without `--env`, or the environment of this name.
    pub(crate) fn environment<'c>(
        &'c self,
        name: Option<&str>,
    ) -> Result<Environment<'c>, Failure> {
        let Some(name) = name else {
            return Ok(Environment { name: None, root: &self.root, own: &self.root });
        };
        let all = self.root.get("env").and_then(Value::as_object);
        let found = all.and_then(|all| all.get_key_value(name));
        let (name, own) = found.ok_or_else(|| {
            let names = self.names();
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let path = self.path.display();
            Failure::usage(format!("{path} has no environment {name:?}; it has {known}"))
        })?;
        Ok(Environment { name: Some(name), root: &self.root, own })
    }

    /// All environments, the one without a name first.
    pub(crate) fn environments(&self) -> Vec<Environment<'_>> {
        let names = [None].into_iter().chain(self.names().into_iter().map(Some));
        names.filter_map(|name| self.environment(name).ok()).collect()
    }
}

impl<'c> Environment<'c> {
    /// What it says itself.
    pub(crate) fn own(&self, key: &str) -> Option<&'c Value> {
        self.own.get(key)
    }

    /// What it says itself or inherits, for keys that are inherited.
    pub(crate) fn inherited(&self, key: &str) -> Option<&'c Value> {
        self.own.get(key).or_else(|| self.root.get(key))
    }

    /// What is deployed without `--env`.
    pub(crate) const fn top(&self) -> Self {
        Self { name: None, root: self.root, own: self.root }
    }

    /// Its variables.
    pub(crate) fn vars(&self) -> impl Iterator<Item = (&'c str, &'c Value)> + use<'c> {
        let vars = self.own("vars").and_then(Value::as_object);
        vars.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
    }

    /// A variable as the Worker reads it: a table becomes JSON.
    pub(crate) fn var(&self, name: &str) -> Option<String> {
        let (_, value) = self.vars().find(|(known, _)| *known == name)?;
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    }

    /// The `AUTH` table as JSON.
    pub(crate) fn table(&self) -> Option<String> {
        self.var(TABLE)
    }

    /// The members of a list of bindings.
    pub(crate) fn list(&self, key: &str) -> &'c [Value] {
        self.own(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The Durable Objects.
    pub(crate) fn objects(&self) -> &'c [Value] {
        let objects = self.own("durable_objects").and_then(|objects| objects.get("bindings"));
        objects.and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The Durable Object namespace of this name.
    pub(crate) fn object(&self, name: &str) -> Option<&'c Value> {
        self.objects().iter().find(|one| text(one, "name") == Some(name))
    }

    /// Whether a list of bindings has one of this name.
    pub(crate) fn has(&self, key: &str, binding: &str) -> bool {
        self.list(key).iter().any(|one| text(one, "binding") == Some(binding))
    }

    /// What the Worker finds besides texts.
    pub(crate) fn bindings(&self) -> Bindings {
        let [hub, relay] =
            ["REVOCATION_HUB", "REVOCATION_RELAY"].map(|name| self.object(name).is_some());
        Bindings {
            has_kv: self.has("kv_namespaces", "AUTH_KV"),
            has_relays: hub && relay,
            has_some_relays: hub != relay,
            // `check` has a message of its own about that.
            has_page: true,
        }
    }

    /// As messages call it.
    pub(crate) fn title(&self) -> String {
        self.name.map_or_else(|| "without --env".to_owned(), |name| format!("--env {name}"))
    }
}

/// A text member of a table.
pub(crate) fn text<'v>(table: &'v Value, name: &str) -> Option<&'v str> {
    table.get(name).and_then(Value::as_str)
}

/// Secrets by their names, as far as they are known here.
#[derive(Default)]
pub(crate) struct Secrets(BTreeMap<String, String>);

impl Secrets {
    /// From these files or, without any, from where wrangler keeps them for this environment when it runs
    /// the Worker locally: beside the configuration.
    pub(crate) fn read(
        files: &[PathBuf],
        config: &Config,
        environment: &Environment<'_>,
    ) -> Result<Self, Failure> {
        let mut all = BTreeMap::new();
        for path in files {
            all.extend(Self::parse(&read(path)?).map_err(|why| unreadable(path, &why))?);
        }
        if files.is_empty() {
            let name = match environment.name {
                None => ".dev.vars".to_owned(),
                Some(name) => format!(".dev.vars.{name}"),
            };
            let path = config.path.with_file_name(name);
            if path.exists() {
                all.extend(Self::parse(&read(&path)?).map_err(|why| unreadable(&path, &why))?);
            }
        }
        Ok(Self(all))
    }

    /// The secret of this name, from a file or from the environment of this process.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned().or_else(|| std::env::var(name).ok())
    }

    /// Reads lines `NAME=value`, as `.dev.vars` has them, or a JSON object, as `wrangler secret bulk` takes.
    fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
        if text.trim_start().starts_with('{') {
            let members: BTreeMap<String, Value> = serde_json::from_str(text)
                .map_err(|_| "it begins like JSON and is no object".to_owned())?;
            let texts = members.into_iter().map(|(name, value)| match value {
                Value::String(text) => (name, text),
                other => (name, other.to_string()),
            });
            return Ok(texts.collect());
        }
        let mut all = BTreeMap::new();
        let (mut rest, mut line) = (text, 1);
        while !rest.is_empty() {
            let (first, after) = rest.split_once('\n').unwrap_or((rest, ""));
            let trimmed = first.trim();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                (rest, line) = (after, line + 1);
                continue;
            }
            let expected = || format!("line {line}: expected NAME=value");
            let (name, after_name) = rest.split_once('=').ok_or_else(expected)?;
            let name = name.trim().trim_start_matches("export ").trim();
            if name.is_empty() || name.contains(char::is_whitespace) {
                return Err(expected());
            }
            let (value, used) = value_of(after_name).ok_or_else(|| {
                format!("line {line}: the quotation marks around the value are not closed")
            })?;
            all.insert(name.to_owned(), value);
            // What stands behind a value on its line is a comment.
            let (used, behind) = after_name.split_at_checked(used).unwrap_or((after_name, ""));
            line += used.matches('\n').count() + 1;
            rest = behind.split_once('\n').map_or("", |(_, next)| next);
        }
        Ok(all)
    }
}

/// The value at the beginning of a text, and how much of the text it takes.
fn value_of(text: &str) -> Option<(String, usize)> {
    let blanks = text.len() - text.trim_start_matches([' ', '\t']).len();
    let (_, value) = text.split_at(blanks);
    if let Some(quote @ ('\'' | '"' | '`')) = value.chars().next() {
        let inside = value.get(1..)?;
        let end = inside.find(quote)?;
        let value = inside.get(..end)?.to_owned();
        // Only double quotes have escapes.
        let value =
            if quote == '"' { value.replace("\\n", "\n").replace("\\r", "\r") } else { value };
        return Some((value, blanks + end + 2));
    }
    let line = value.lines().next().unwrap_or_default();
    let shown = line.split('#').next().unwrap_or_default();
    Some((shown.trim().to_owned(), blanks + line.len()))
}

/// Reads a file of text.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|fault| unreadable(path, &fault.to_string()))
}

fn unreadable(path: &Path, why: &str) -> Failure {
    Failure::usage(format!("{} cannot be read: {}", path.display(), why.trim_end()))
}

/// JSON without the comments and the last commas that wrangler allows; lines stay where they are.
fn without_comments(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    let mut in_text = false;
    while let Some(letter) = rest.next() {
        match (in_text, letter, rest.peek()) {
            (true, '\\', Some(_)) => {
                plain.push(letter);
                plain.extend(rest.next());
                continue;
            }
            (_, '"', _) => in_text = !in_text,
            (false, '/', Some('/')) => {
                while rest.peek().is_some_and(|next| *next != '\n') {
                    rest.next();
                }
                continue;
            }
            (false, '/', Some('*')) => {
                let mut before = ' ';
                rest.next();
                for inside in rest.by_ref() {
                    if inside == '\n' {
                        plain.push('\n');
                    }
                    if (before, inside) == ('*', '/') {
                        break;
                    }
                    before = inside;
                }
                continue;
            }
            (false, '}' | ']', _) => {
                let kept = plain.trim_end();
                if kept.ends_with(',') {
                    let at = kept.len() - 1;
                    plain.replace_range(at..=at, " ");
                }
            }
            _ => {}
        }
        plain.push(letter);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_secrets_is_read_as_wrangler_does() {
        let text = "# comment\n\nA='{\"a\": \"b#c\"}'\nexport B = plain # why\nC=\"x\\ny\"\n\
                    D='one\ntwo'\nE=\nF=`a'b\"c`\n";
        let all = Secrets::parse(text).unwrap();
        let expected = [
            ("A", r#"{"a": "b#c"}"#),
            ("B", "plain"),
            ("C", "x\ny"),
            ("D", "one\ntwo"),
            ("E", ""),
            ("F", "a'b\"c"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(all, BTreeMap::from(expected));
        let all = Secrets::parse(r#"{"A": "x", "B": {"kty": "oct"}}"#).unwrap();
        assert_eq!(all["A"], "x");
        assert_eq!(all["B"], r#"{"kty":"oct"}"#);
    }

    #[test]
    fn a_file_of_secrets_that_cannot_be_read_is_told_by_its_line_and_without_its_content() {
        for (text, why) in [
            ("A=1\nsecret-without-a-name\n", "line 2: expected NAME=value"),
            ("A='1\n2'\n\nB='open\n", "line 4: the quotation marks"),
            ("{\"A\": ", "no object"),
        ] {
            let said = Secrets::parse(text).unwrap_err();
            assert!(said.contains(why), "{said}");
            assert!(!said.contains("secret-without"), "{said}");
        }
    }

    #[test]
    fn comments_and_last_commas_are_no_part_of_json() {
        let text = "{ // one\n \"a\": \"// no /* comment */ \\\" , ]\", /* two\n lines */ \"b\": [1, 2,\n ],\n}";
        let plain = without_comments(text);
        let value: Value = serde_json::from_str(&plain).unwrap();
        assert_eq!(value["a"], "// no /* comment */ \" , ]");
        assert_eq!(value["b"], serde_json::json!([1, 2]));
        assert_eq!(plain.matches('\n').count(), text.matches('\n').count());
    }
}
