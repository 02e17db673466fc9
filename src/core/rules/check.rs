//! What a rule may say, and what to write instead.

use std::fmt;

use super::Match;
use super::host::check_host;
use crate::core::mutate::is_field_name;
use crate::core::path::{PathError, RequestPath, percent_decode};
use crate::core::problem::quoted;

/// A [`Match`] that can be looked up.
#[derive(Clone, Debug)]
pub(super) struct CheckedMatch {
    /// As written.
    pub(super) path: String,
    /// As [`RequestPath::folded`] reads it.
    pub(super) folded: String,
    /// With `HEAD` wherever `GET` is: nothing that `GET` protects may be asked for without body.
    pub(super) methods: Vec<String>,
    /// In the form of [`super::normalize_host`].
    pub(super) hosts: Vec<String>,
}

/// What is wrong with a rule. `rule` is its place in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// The path cannot be matched as it is written.
    Path {
        /// The rule.
        rule: usize,
        /// The path as written.
        found: String,
        /// What is wrong with it.
        problem: PathProblem,
    },
    /// A method cannot be matched as it is written.
    Method {
        /// The rule.
        rule: usize,
        /// Its place among the rule's methods.
        position: usize,
        /// The method as written.
        found: String,
        /// What is wrong with it.
        problem: MethodProblem,
    },
    /// A host cannot be matched as it is written.
    Host {
        /// The rule.
        rule: usize,
        /// Its place among the rule's hosts.
        position: usize,
        /// The host as written.
        found: String,
        /// What is wrong with it.
        problem: HostProblem,
    },
    /// Two rules cover the same request and neither is more specific.
    Conflict {
        /// The later rule.
        rule: usize,
        /// The earlier rule.
        other: usize,
    },
}

/// What is wrong with the path of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathProblem {
    /// No request can have it: all of them are refused.
    Refused(PathError),
    /// It is a pattern; rules have none.
    Pattern {
        /// The part before the pattern.
        fixed: String,
    },
    /// It is not in the one spelling that rules have: as a URL parser leaves it, without trailing
    /// slash, empty segments, parameters, trailing dots and unnecessary encoding.
    Respell {
        /// That spelling.
        write: String,
    },
    /// Something encoded in it is no UTF-8 text, or is a delimiter for some origins.
    Encoding,
}

/// What is wrong with a method of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MethodProblem {
    /// Methods are case-sensitive, and those in use are in upper case (RFC 9110 section 9.1).
    Respell {
        /// The method in upper case.
        write: String,
    },
    /// It is no token (RFC 9110 section 5.6.2).
    NotAToken,
}

/// What is wrong with a host of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostProblem {
    /// Hosts are compared exactly.
    Wildcard,
    /// More than a host: a scheme, a port, a path; or an IPv6 address without its brackets.
    Respell {
        /// The host alone.
        write: String,
    },
    /// No host name and no address.
    NotAHost,
}

/// Checks one rule by itself.
pub(super) fn check(rule: usize, matched: &Match) -> Result<CheckedMatch, Vec<RuleError>> {
    let mut errors = Vec::new();

    let folded = check_path(&matched.path).unwrap_or_else(|problem| {
        errors.push(RuleError::Path { rule, found: matched.path.clone(), problem });
        String::new()
    });

    let mut methods = matched.methods.clone();
    if methods.iter().any(|method| method == "GET") {
        methods.push("HEAD".to_owned());
    }
    for (position, method) in matched.methods.iter().enumerate() {
        if let Err(problem) = check_method(method) {
            errors.push(RuleError::Method { rule, position, found: method.clone(), problem });
        }
    }

    let mut hosts = Vec::with_capacity(matched.hosts.len());
    for (position, host) in matched.hosts.iter().enumerate() {
        match check_host(host) {
            Ok(host) => hosts.push(host),
            Err(problem) => {
                errors.push(RuleError::Host { rule, position, found: host.clone(), problem });
            }
        }
    }

    if errors.is_empty() {
        Ok(CheckedMatch { path: matched.path.clone(), folded, methods, hosts })
    } else {
        Err(errors)
    }
}

/// The folded reading of a rule's path, if the path is in the one spelling that rules have.
fn check_path(written: &str) -> Result<String, PathProblem> {
    refuse_pattern(written)?;
    let write = spelling(written)?;
    // The mend must not be the next mistake.
    refuse_pattern(&write)?;
    if write != written {
        return Err(PathProblem::Respell { write });
    }
    let path = RequestPath::parse(written).map_err(PathProblem::Refused)?;
    Ok(path.folded().to_owned())
}

/// `*`, `{name}` and `:name` are wildcards in other configurations. Taken literally, the rule would
/// protect nothing.
fn refuse_pattern(path: &str) -> Result<(), PathProblem> {
    let is_pattern = |segment: &str| segment.contains(['*', '{', '}']) || segment.starts_with(':');
    let Some(position) = path.split('/').position(is_pattern) else { return Ok(()) };
    let before = path.split('/').take(position).filter(|segment| !segment.is_empty());
    Err(PathProblem::Pattern { fixed: format!("/{}", before.collect::<Vec<_>>().join("/")) })
}

/// What a path has to look like in a rule.
fn spelling(written: &str) -> Result<String, PathProblem> {
    let path = written.split(['?', '#']).next().unwrap_or_default();
    let rooted = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let parsed = RequestPath::parse(&rooted).map_err(PathProblem::Refused)?;

    let mut spelled = String::new();
    for segment in parsed.literal().split('/') {
        let name = segment.split(';').next().unwrap_or_default();
        let decoded = String::from_utf8(percent_decode(name)).map_err(|_| PathProblem::Encoding)?;
        // Full-width forms are delimiters to the folded reading.
        let is_ambiguous = |character: char| {
            character.is_control()
                || "/\\;?#%".contains(character)
                || ('\u{ff01}'..='\u{ff5e}').contains(&character)
        };
        if decoded.contains(is_ambiguous) {
            return Err(PathProblem::Encoding);
        }
        let decoded = decoded.trim_end_matches(['.', ' ']);
        if !decoded.is_empty() {
            spelled.push('/');
            spelled.push_str(decoded);
        }
    }
    if spelled.is_empty() {
        spelled.push('/');
    }
    let spelled = RequestPath::parse(&spelled).map_err(PathProblem::Refused)?;
    Ok(spelled.literal().to_owned())
}

fn check_method(method: &str) -> Result<(), MethodProblem> {
    // Methods and field names are tokens alike.
    if !is_field_name(method) {
        return Err(MethodProblem::NotAToken);
    }
    if method.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(MethodProblem::Respell { write: method.to_ascii_uppercase() });
    }
    Ok(())
}

impl RuleError {
    /// Where the mistake is, below `AUTH`: `rules[3].hosts[0]`.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Path { rule, .. } => format!("rules[{rule}].path"),
            Self::Method { rule, position, .. } => format!("rules[{rule}].methods[{position}]"),
            Self::Host { rule, position, .. } => format!("rules[{rule}].hosts[{position}]"),
            Self::Conflict { rule, .. } => format!("rules[{rule}]"),
        }
    }

    /// What stands there.
    #[must_use]
    pub fn found(&self) -> String {
        match self {
            Self::Path { found, .. } | Self::Method { found, .. } | Self::Host { found, .. } => {
                quoted(found)
            }
            Self::Conflict { other, .. } => format!(
                "the path, a host and a method of rules[{other}] again (case does not count in \
                 paths, `GET` covers `HEAD`)"
            ),
        }
    }

    /// What should stand there.
    #[must_use]
    pub fn expected(&self) -> String {
        match self {
            Self::Path { problem, .. } => problem.to_string(),
            Self::Method { problem, .. } => problem.to_string(),
            Self::Host { problem, .. } => problem.to_string(),
            Self::Conflict { rule, other } => format!(
                "rules[{rule}] and rules[{other}] to cover no request in common, or one of them \
                 to be more specific"
            ),
        }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: found {}; expected {}", self.key(), self.found(), self.expected())
    }
}

impl std::error::Error for RuleError {}

impl fmt::Display for PathProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => {
                write!(formatter, "a path that requests can have: {reason}")
            }
            Self::Pattern { fixed } => write!(
                formatter,
                "a path without pattern: a rule covers everything below its path; the \
                 part before the pattern is `{fixed}`"
            ),
            Self::Respell { write } => write!(formatter, "`{write}`"),
            Self::Encoding => formatter.write_str(
                "a path in which nothing but UTF-8 text is percent-encoded, and none of \
                 the characters / \\ ; ? # %, controls or full-width forms",
            ),
        }
    }
}

impl fmt::Display for MethodProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Respell { write } => write!(formatter, "`{write}`"),
            Self::NotAToken => formatter.write_str("a method such as `GET`"),
        }
    }
}

impl fmt::Display for HostProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wildcard => {
                formatter.write_str("a host without wildcard: list the hosts, or leave them out")
            }
            Self::Respell { write } => write!(formatter, "`{write}`"),
            Self::NotAHost => formatter.write_str(
                "a host name in ASCII such as `app.example`, international names in \
                 their `xn--` form, or an address",
            ),
        }
    }
}
