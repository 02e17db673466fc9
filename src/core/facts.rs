//! What is known about a verified token, in the form that every later request needs.
//!
//! Facts, never decisions: whether the token is still in time and what the rule asks is checked
//! again for each request. In scope: what to remember. Out of scope: where ([`super::cache`]).

use serde_json::{Map, Value};

use super::access::{Scalar, scalars};
use super::claims::{self, NumericDate};
use super::config::Settings;

/// What is known about one verified token under one configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Position of the provider whose key verified it.
    pub provider: usize,
    /// `exp`.
    pub expiration: NumericDate,
    /// `nbf`; without one, before all times. Not an `Option`, since a cache is full of facts.
    pub not_before: NumericDate,
    /// All texts, one after the other. A cache full of facts is mostly these.
    texts: Box<str>,
    header_lines: Place,
    scope: Place,
    subject: Place,
    token_id: Place,
    rule_claims: Box<[Box<[Scalar]>]>,
}

/// Where a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    start: u32,
    end: u32,
}

impl Facts {
    /// Collects the facts from claims that were verified.
    pub(crate) fn collect(
        settings: &Settings,
        provider: usize,
        claims: &Map<String, Value>,
        expiration: NumericDate,
        not_before: Option<NumericDate>,
    ) -> Self {
        // First the longest, which holds the claims that are mapped.
        let mut texts = settings.forward.claims.lines(claims);
        let header_lines = Place::of(0, texts.len());
        let scope = keep(&mut texts, &claims::scopes(claims));
        let mut text = |name| {
            let text = claims.get(name).and_then(Value::as_str);
            text.map_or(Place::NOWHERE, |text| keep(&mut texts, text))
        };
        let (subject, token_id) = (text("sub"), text("jti"));
        let rule_claim = |path: &String| {
            claims::lookup(claims, path).map(scalars).unwrap_or_default().into_boxed_slice()
        };
        Self {
            provider,
            expiration,
            not_before: not_before.unwrap_or(NumericDate::MIN),
            texts: texts.into_boxed_str(),
            header_lines,
            scope,
            subject,
            token_id,
            rule_claims: settings.rule_claims.iter().map(rule_claim).collect(),
        }
    }

    /// The mapped claims as header lines, see [`super::mutate::HeaderMap::lines`].
    #[must_use]
    pub fn header_lines(&self) -> &str {
        self.text(self.header_lines)
    }

    /// `sub`.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.text_if_any(self.subject)
    }

    /// `jti`.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.text_if_any(self.token_id)
    }

    /// The granted scopes, separated by single spaces.
    #[must_use]
    pub fn scope(&self) -> &str {
        self.text(self.scope)
    }

    /// The granted scopes.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope().split(' ').filter(|scope| !scope.is_empty())
    }

    /// The values of the claim at this position of [`Settings::rule_claims`].
    #[must_use]
    pub fn rule_claim(&self, position: usize) -> &[Scalar] {
        self.rule_claims.get(position).map_or(&[], |values| values)
    }

    /// About how much memory the facts take, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let scalar = |value: &Scalar| match value {
            Scalar::Text(text) => size_of::<Scalar>() + text.capacity(),
            Scalar::Integer(_) | Scalar::Bool(_) => size_of::<Scalar>(),
        };
        let claims: usize = self
            .rule_claims
            .iter()
            .map(|values| size_of::<Box<[Scalar]>>() + values.iter().map(scalar).sum::<usize>())
            .sum();
        size_of::<Self>() + self.texts.len() + claims
    }

    fn text_if_any(&self, place: Place) -> Option<&str> {
        (place != Place::NOWHERE).then(|| self.text(place))
    }

    fn text(&self, place: Place) -> &str {
        self.texts.get(place.start as usize..place.end as usize).unwrap_or_default()
    }
}

impl Place {
    /// Of a text that there is not.
    const NOWHERE: Self = Self { start: u32::MAX, end: 0 };

    /// No token is so long that a text of it would not fit.
    fn of(start: usize, end: usize) -> Self {
        let [start, end] = [start, end].map(|at| u32::try_from(at).unwrap_or(u32::MAX));
        Self { start, end }
    }
}

/// Adds a text, unless it is there already.
fn keep(texts: &mut String, text: &str) -> Place {
    let start = texts.find(text).unwrap_or_else(|| {
        let end = texts.len();
        texts.push_str(text);
        end
    });
    Place::of(start, start + text.len())
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
        let table = json!({
            "origin": "https://origin.internal",
            "providers": [{
                "name": "main", "issuer": "i", "audiences": ["api"], "algorithms": ["ES256"],
                "keys": ["KEYS"],
            }],
            "forward": { "claim_to_headers": { "X-Id": "sub", "X-Scope": "scope" } },
        });
        Settings::parse(&table.to_string()).unwrap()
    });

    proptest! {
        #[test]
        fn texts_that_share_their_room_are_told_as_they_came(
            subject in prop::option::of("[aX\\n é-]{0,5}"),
            token_id in prop::option::of("[aX\\n é-]{0,5}"),
            scope in "[ab]{1,2}( [ab]{1,2}){0,3}",
        ) {
            let claims = json!({ "sub": subject, "jti": token_id, "scope": scope });
            let claims = claims.as_object().unwrap();
            let facts = Facts::collect(&SETTINGS, 0, claims, 1, None);
            prop_assert_eq!(facts.subject(), subject.as_deref());
            prop_assert_eq!(facts.token_id(), token_id.as_deref());
            prop_assert_eq!(facts.scope(), scope);
            prop_assert_eq!(facts.header_lines(), SETTINGS.forward.claims.lines(claims));
        }
    }

    #[test]
    fn a_text_that_is_part_of_another_takes_no_room() {
        let weight = |claims: Value| {
            Facts::collect(&SETTINGS, 0, claims.as_object().unwrap(), 1, None).weight()
        };
        let mapped = weight(json!({ "sub": "alice", "scope": "read write" }));
        assert_eq!(mapped, size_of::<Facts>() + "X-Id\nalice\nX-Scope\nread write\n".len());
        let named = weight(json!({ "sub": "alice", "scope": "read write", "jti": "t-1" }));
        assert_eq!(named, mapped + 3);
    }
}
