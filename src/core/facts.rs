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
    /// `nbf`.
    pub not_before: Option<NumericDate>,
    /// The claims that an assertion repeats.
    pub identity: Identity,
    /// The mapped claims as header lines, see [`super::mutate::HeaderMap::lines`].
    pub header_lines: Box<str>,
    scopes: Box<str>,
    rule_claims: Box<[Box<[Scalar]>]>,
}

/// Who the token is about and which token it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `sub`.
    pub subject: Option<Box<str>>,
    /// `jti`.
    pub token_id: Option<Box<str>>,
}

impl Facts {
    /// Collects the facts from claims that were verified.
    pub(super) fn collect(
        settings: &Settings,
        provider: usize,
        claims: &Map<String, Value>,
        expiration: NumericDate,
        not_before: Option<NumericDate>,
    ) -> Self {
        let text = |name| claims.get(name).and_then(Value::as_str).map(Box::from);
        let rule_claim = |path: &String| {
            claims::lookup(claims, path).map(scalars).unwrap_or_default().into_boxed_slice()
        };
        Self {
            provider,
            expiration,
            not_before,
            identity: Identity { subject: text("sub"), token_id: text("jti") },
            header_lines: settings.forward.claims.lines(claims).into_boxed_str(),
            scopes: claims::scopes(claims).into_boxed_str(),
            rule_claims: settings.rule_claims.iter().map(rule_claim).collect(),
        }
    }

    /// The granted scopes.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.split(' ').filter(|scope| !scope.is_empty())
    }

    /// The granted scopes, separated by single spaces.
    #[must_use]
    pub fn scope(&self) -> &str {
        &self.scopes
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
        let bytes = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        let identity = bytes(&self.identity.subject) + bytes(&self.identity.token_id);
        size_of::<Self>() + self.header_lines.len() + identity + self.scopes.len() + claims
    }
}
