//! What a rule asks of a request, and whether an identity has it.
//!
//! In scope: access level, providers, scopes and claims. Out of scope: which rule applies
//! ([`super::rules`]) and whether the token is genuine ([`super::verify`]).

use serde_json::Value;

use super::config::OnOutage;
use super::facts::Facts;

/// What a rule asks. The default asks for a genuine token of any provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    /// Who may pass at all.
    pub access: Access,
    /// What becomes of those who may not.
    pub enforce: Enforcement,
    /// Positions of the providers whose tokens count; `None` for all.
    pub providers: Option<Vec<usize>>,
    /// Scopes that must all be granted.
    pub scopes_all: Vec<String>,
    /// Scopes of which one must be granted; empty asks for none.
    pub scopes_any: Vec<String>,
    /// Claims that must each have one of the values.
    pub claims: Vec<ClaimRequirement>,
    /// What happens while the auth service gives no answer; `None` for what the provider says.
    pub on_outage: Option<OnOutage>,
    /// How current the list of revocations has to be.
    pub revocation: Freshness,
    /// What becomes of a WebSocket once it is open.
    pub websocket: Upgrades,
    /// How much may wait for one side of a supervised WebSocket, in bytes; `None` for the usual.
    pub max_buffered_bytes: Option<u32>,
}

/// What becomes of a request that a rule does not let pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enforcement {
    /// It is denied.
    #[default]
    Deny,
    /// It is recorded, and goes to the origin as if there were no gate: without an identity.
    Shadow,
}

/// What becomes of a WebSocket once it is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Upgrades {
    /// Its handshake was judged, and that is all: the runtime pumps.
    Handshake,
    /// It ends when its token does.
    #[default]
    Supervise,
}

/// How current the list of revocations has to be that a request is checked against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// As the operator says for all.
    #[default]
    Standard,
    /// Refreshed for this request.
    Strict,
}

/// Who may pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Everyone; tokens are not looked at.
    Public,
    /// Everyone without a token, and those whose token is good.
    Optional,
    /// Only those whose token is good.
    #[default]
    Required,
}

/// A claim that must have one of some values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRequirement {
    /// Position of the claim among those that rules ask about.
    pub claim: usize,
    /// The accepted values.
    pub any_of: Vec<Scalar>,
}

/// A claim value that can be compared. Types do not mix: `"1"` is not `1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A string, compared byte by byte.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A truth value.
    Bool(bool),
}

/// Why an identity does not satisfy a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The token is of a provider that does not count here.
    Provider,
    /// A scope is missing.
    Scope,
    /// A claim is missing or has another value.
    Claim,
}

impl Requirement {
    /// Checks an identity: provider, then scopes, then claims.
    pub fn check(&self, facts: &Facts) -> Result<(), Lack> {
        if self.providers.as_ref().is_some_and(|accepted| !accepted.contains(&facts.provider)) {
            return Err(Lack::Provider);
        }
        if !self.scopes_suffice(facts) {
            return Err(Lack::Scope);
        }
        if self.claims.iter().all(|one| one.is_met(facts)) { Ok(()) } else { Err(Lack::Claim) }
    }

    fn scopes_suffice(&self, facts: &Facts) -> bool {
        let granted = |scope: &String| facts.scopes().any(|granted| granted == scope);
        let any = self.scopes_any.is_empty() || self.scopes_any.iter().any(granted);
        any && self.scopes_all.iter().all(granted)
    }

    /// Whether an identity that does not satisfy this lacks only what nothing is said about, so that
    /// someone who knows more of it could still say it.
    #[must_use]
    pub fn is_open(&self, facts: &Facts) -> bool {
        let is_unsaid = |required: &ClaimRequirement| {
            required.is_met(facts) || facts.rule_claim(required.claim).is_empty()
        };
        let scopes_may_come = facts.scope().is_empty() || self.scopes_suffice(facts);
        scopes_may_come && self.claims.iter().all(is_unsaid)
    }

    /// The scopes to name in the challenge (RFC 6750 section 3): all that are required, and all
    /// of which one would do.
    #[must_use]
    pub fn challenge_scope(&self) -> String {
        let mut scopes: Vec<&str> = Vec::new();
        for scope in self.scopes_all.iter().chain(&self.scopes_any) {
            if !scopes.contains(&scope.as_str()) {
                scopes.push(scope);
            }
        }
        scopes.join(" ")
    }
}

impl ClaimRequirement {
    fn is_met(&self, facts: &Facts) -> bool {
        facts.rule_claim(self.claim).iter().any(|value| self.any_of.contains(value))
    }
}

/// The comparable values of a claim: itself, or the members of a list.
#[must_use]
pub fn scalars(value: &Value) -> Vec<Scalar> {
    fn scalar(value: &Value) -> Option<Scalar> {
        match value {
            Value::String(text) => Some(Scalar::Text(text.clone())),
            Value::Bool(value) => Some(Scalar::Bool(*value)),
            Value::Number(number) => number.as_i64().map(Scalar::Integer),
            _ => None,
        }
    }
    match value {
        Value::Array(list) => list.iter().filter_map(scalar).collect(),
        value => scalar(value).into_iter().collect(),
    }
}
