//! A refusal: what the client may know, and what the operator must.
//!
//! In scope: the closed lists of codes and reasons, and the response (RFC 6750, RFC 9457). Out of
//! scope: sending it.

use std::borrow::Cow;

use serde::Serialize;

use super::claims::Millis;
use super::log::{Level, Line, cut};
use super::revocation::target::Kind;

/// What the client is told. The names are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// No credentials.
    MissingToken,
    /// Several credentials, or a malformed one.
    InvalidRequest,
    /// Anything wrong with the token.
    InvalidToken,
    /// The signature is right and `exp` has passed.
    ExpiredToken,
    /// The signature is right, and the issuer has withdrawn the token.
    RevokedToken,
    /// A good token without the scope or claim that the rule asks for.
    InsufficientScope,
    /// No usable configuration or key.
    Misconfigured,
    /// A check could not be made.
    AuthUnavailable,
    /// As many WebSockets as the operator lets a subject have.
    TooManySockets,
    /// The origin could not be reached, or broke off.
    OriginUnreachable,
    /// The origin took too long.
    OriginTimeout,
    /// An admin endpoint that does not exist, or whose secret is not configured.
    NotFound,
    /// A wrong admin token.
    Unauthorized,
    /// A method that is not for this target.
    MethodNotAllowed,
}

/// Why, exactly: for the log, never for the client. The names are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// There are no credentials and the rule requires them.
    NoCredentials,
    /// More than one token.
    SeveralCredentials,
    /// A bearer credential that does not have the form of a token.
    MalformedCredentials,
    /// A cookie-carried token on a request that another site may have caused.
    ForeignOrigin,
    /// The path can be read in ways that no rule can cover.
    AmbiguousPath,
    /// The target cannot be forwarded as it was evaluated: its host or port is none.
    MalformedTarget,
    /// The token is longer than `max_token_bytes`.
    TokenTooLarge,
    /// Not three parts of strict base64url with a JSON object in the first two.
    MalformedToken,
    /// `alg`, `kid` or `typ` has a wrong type, or `alg` is missing.
    MalformedHeader,
    /// `alg` is not in the provider's list.
    AlgorithmNotAllowed,
    /// The header has `crit`, `b64`, `zip`, `enc`, `cty`, or a key of the sender's choice.
    RefusedHeaderMember,
    /// `typ` is not in the provider's list.
    TypeNotAllowed,
    /// No provider has this `iss`.
    UnknownIssuer,
    /// The provider has no key of this `kid` and `alg`.
    UnknownKey,
    /// No `kid`, and more than one key of the provider would do.
    AmbiguousKey,
    /// The signature is wrong.
    BadSignature,
    /// A time claim is not a number between 0 and 2^53, or `exp` is missing.
    MalformedTimeClaim,
    /// `exp` has passed.
    Expired,
    /// `nbf` has not come.
    NotYetValid,
    /// `iat` is in the future.
    IssuedInFuture,
    /// `exp - iat` is longer than `max_lifetime_seconds`, or `iat` is missing.
    LifetimeTooLong,
    /// `aud` has none of the provider's audiences.
    WrongAudience,
    /// A required claim is missing, or `sub` or `jti` is not a string.
    MissingClaim,
    /// The rule does not accept tokens of this provider.
    ProviderNotAccepted,
    /// A scope of the rule is missing.
    MissingScope,
    /// A claim of the rule is missing or has another value.
    WrongClaim,
    /// The auth service says that a token whose signature is right is not active.
    Inactive,
    /// The auth service does not know an opaque token, or not any more.
    UnknownToken,
    /// It was revoked here.
    Revoked,
    /// The list of revocations is too old to tell.
    RevocationsUnknown,
    /// Its subject has as many WebSockets as it may.
    TooManySockets,
    /// The auth service gave no answer.
    AuthServiceSilent,
    /// The issuer's keys could not be fetched.
    KeysUnavailable,
    /// The auth service does not accept our credentials, or does not know this kind of token.
    AuthServiceRefusesUs,
    /// The configuration or a key cannot be used.
    BadConfiguration,
    /// The assertion could not be signed.
    AssertionFailed,
    /// The origin refused the connection or broke off.
    OriginFailed,
    /// The origin took too long.
    OriginTimedOut,
    /// An admin endpoint that does not exist, or whose secret is not configured.
    NoSuchEndpoint,
    /// A wrong admin token.
    WrongAdminToken,
    /// A method that no origin is asked with (TRACE would show the client our headers), or that an
    /// admin endpoint does not know.
    WrongMethod,
}

/// The checks that a request has to pass, in their order, which is a contract. The names are part of the
/// interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// Configuration and keys.
    Configuration,
    /// Method, host and path.
    Target,
    /// Where the token is, and that there is one.
    Credentials,
    /// Its size and structure.
    Structure,
    /// `alg`, `crit` and the like, `typ`.
    Header,
    /// `iss`.
    Issuer,
    /// The key that its header names.
    Key,
    /// The signature.
    Signature,
    /// `exp`, `nbf` and `iat`.
    Time,
    /// `aud` and required claims.
    Audience,
    /// The list of revocations.
    Revocation,
    /// What the auth service says.
    AuthService,
    /// What the rules ask for.
    Rule,
    /// What the origin is told.
    Assertion,
}

impl Check {
    /// All of them, in their order.
    pub const ALL: [Self; 14] = [
        Self::Configuration,
        Self::Target,
        Self::Credentials,
        Self::Structure,
        Self::Header,
        Self::Issuer,
        Self::Key,
        Self::Signature,
        Self::Time,
        Self::Audience,
        Self::Revocation,
        Self::AuthService,
        Self::Rule,
        Self::Assertion,
    ];

    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Target => "target",
            Self::Credentials => "credentials",
            Self::Structure => "structure",
            Self::Header => "header",
            Self::Issuer => "issuer",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Time => "time",
            Self::Audience => "audience",
            Self::Revocation => "revocation",
            Self::AuthService => "auth_service",
            Self::Rule => "rule",
            Self::Assertion => "assertion",
        }
    }
}

/// How far the checks of a token have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Nothing about it is known, or it is not what the refusal is about.
    Nothing,
    /// Its header can be read. All that it says may be invented.
    Header,
    /// Its signature is right, or its issuer was asked about it.
    Signature,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Why.
    pub reason: Reason,
    /// The scopes to name in the challenge; empty for none.
    pub scope: String,
    /// Position of the provider that was found, for the log.
    pub provider: Option<usize>,
    /// Position of the rule that applied, for the log.
    pub rule: Option<usize>,
    /// In how many seconds it may be worth to try again.
    pub retry_after: Option<u32>,
    /// By what the token is revoked, for the log.
    pub revoked_by: Option<Kind>,
}

/// A response that is all text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextResponse {
    /// HTTP status.
    pub status: u16,
    /// Header names and values.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body.
    pub body: String,
}

/// What a denial needs to know about its request to become a response.
#[derive(Clone, Copy, Debug)]
pub struct Recipient<'a> {
    /// The protection space (RFC 9110 section 11.5): scheme and authority of the request.
    pub realm: &'a str,
    /// The value of `Origin`, if it may read denials.
    pub allowed_origin: Option<&'a str>,
    /// Connects this response with the log line.
    pub failure_id: &'a str,
}

impl Reason {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 41] = [
        Self::NoCredentials,
        Self::SeveralCredentials,
        Self::MalformedCredentials,
        Self::ForeignOrigin,
        Self::AmbiguousPath,
        Self::MalformedTarget,
        Self::TokenTooLarge,
        Self::MalformedToken,
        Self::MalformedHeader,
        Self::AlgorithmNotAllowed,
        Self::RefusedHeaderMember,
        Self::TypeNotAllowed,
        Self::UnknownIssuer,
        Self::UnknownKey,
        Self::AmbiguousKey,
        Self::BadSignature,
        Self::MalformedTimeClaim,
        Self::Expired,
        Self::NotYetValid,
        Self::IssuedInFuture,
        Self::LifetimeTooLong,
        Self::WrongAudience,
        Self::MissingClaim,
        Self::ProviderNotAccepted,
        Self::MissingScope,
        Self::WrongClaim,
        Self::Inactive,
        Self::UnknownToken,
        Self::Revoked,
        Self::RevocationsUnknown,
        Self::TooManySockets,
        Self::AuthServiceSilent,
        Self::KeysUnavailable,
        Self::AuthServiceRefusesUs,
        Self::BadConfiguration,
        Self::AssertionFailed,
        Self::OriginFailed,
        Self::OriginTimedOut,
        Self::NoSuchEndpoint,
        Self::WrongAdminToken,
        Self::WrongMethod,
    ];

    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoCredentials => "no_credentials",
            Self::SeveralCredentials => "several_credentials",
            Self::MalformedCredentials => "malformed_credentials",
            Self::ForeignOrigin => "foreign_origin",
            Self::AmbiguousPath => "ambiguous_path",
            Self::MalformedTarget => "malformed_target",
            Self::TokenTooLarge => "token_too_large",
            Self::MalformedToken => "malformed_token",
            Self::MalformedHeader => "malformed_header",
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::RefusedHeaderMember => "refused_header_member",
            Self::TypeNotAllowed => "type_not_allowed",
            Self::UnknownIssuer => "unknown_issuer",
            Self::UnknownKey => "unknown_key",
            Self::AmbiguousKey => "ambiguous_key",
            Self::BadSignature => "bad_signature",
            Self::MalformedTimeClaim => "malformed_time_claim",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::IssuedInFuture => "issued_in_future",
            Self::LifetimeTooLong => "lifetime_too_long",
            Self::WrongAudience => "wrong_audience",
            Self::MissingClaim => "missing_claim",
            Self::ProviderNotAccepted => "provider_not_accepted",
            Self::MissingScope => "missing_scope",
            Self::WrongClaim => "wrong_claim",
            Self::Inactive => "inactive",
            Self::UnknownToken => "unknown_token",
            Self::Revoked => "revoked",
            Self::RevocationsUnknown => "revocations_unknown",
            Self::TooManySockets => "too_many_sockets",
            Self::AuthServiceSilent => "auth_service_silent",
            Self::KeysUnavailable => "keys_unavailable",
            Self::AuthServiceRefusesUs => "auth_service_refuses_us",
            Self::BadConfiguration => "bad_configuration",
            Self::AssertionFailed => "assertion_failed",
            Self::OriginFailed => "origin_failed",
            Self::OriginTimedOut => "origin_timed_out",
            Self::NoSuchEndpoint => "no_such_endpoint",
            Self::WrongAdminToken => "wrong_admin_token",
            Self::WrongMethod => "wrong_method",
        }
    }

    /// Which fault of the origin the platform's message tells of; it has no other sign. An empty
    /// message means that the platform would not even make the request.
    #[must_use]
    pub fn of_origin_failure(message: &str) -> Self {
        let message = message.to_ascii_lowercase();
        if message.is_empty() {
            Self::MalformedTarget
        } else if message.contains("timed out") || message.contains("timeout") {
            Self::OriginTimedOut
        } else {
            Self::OriginFailed
        }
    }

    /// The check that fails with this reason; `None` for what comes after all of them, or instead.
    #[must_use]
    pub const fn check(self) -> Option<Check> {
        Some(match self {
            Self::BadConfiguration => Check::Configuration,
            Self::WrongMethod | Self::MalformedTarget | Self::AmbiguousPath => Check::Target,
            Self::NoCredentials
            | Self::SeveralCredentials
            | Self::MalformedCredentials
            | Self::ForeignOrigin => Check::Credentials,
            Self::TokenTooLarge | Self::MalformedToken | Self::MalformedHeader => Check::Structure,
            Self::AlgorithmNotAllowed | Self::RefusedHeaderMember | Self::TypeNotAllowed => {
                Check::Header
            }
            Self::UnknownIssuer => Check::Issuer,
            Self::UnknownKey | Self::AmbiguousKey | Self::KeysUnavailable => Check::Key,
            Self::BadSignature => Check::Signature,
            Self::MalformedTimeClaim
            | Self::Expired
            | Self::NotYetValid
            | Self::IssuedInFuture
            | Self::LifetimeTooLong => Check::Time,
            Self::WrongAudience | Self::MissingClaim => Check::Audience,
            Self::Revoked | Self::RevocationsUnknown => Check::Revocation,
            Self::Inactive
            | Self::UnknownToken
            | Self::AuthServiceSilent
            | Self::AuthServiceRefusesUs => Check::AuthService,
            Self::ProviderNotAccepted | Self::MissingScope | Self::WrongClaim => Check::Rule,
            Self::AssertionFailed => Check::Assertion,
            Self::TooManySockets
            | Self::OriginFailed
            | Self::OriginTimedOut
            | Self::NoSuchEndpoint
            | Self::WrongAdminToken => return None,
        })
    }

    /// How far the checks of a token have come that is refused for this.
    #[must_use]
    pub fn checked(self) -> Checked {
        match self.check() {
            Some(Check::Key | Check::Signature) => Checked::Header,
            Some(check) if check > Check::Signature => Checked::Signature,
            // Sockets are counted when all checks have passed.
            None if self == Self::TooManySockets => Checked::Signature,
            Some(_) | None => Checked::Nothing,
        }
    }

    /// What the client is told.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::NoCredentials => Code::MissingToken,
            Self::SeveralCredentials
            | Self::MalformedCredentials
            | Self::ForeignOrigin
            | Self::AmbiguousPath
            | Self::MalformedTarget => Code::InvalidRequest,
            Self::TokenTooLarge
            | Self::MalformedToken
            | Self::MalformedHeader
            | Self::AlgorithmNotAllowed
            | Self::RefusedHeaderMember
            | Self::TypeNotAllowed
            | Self::UnknownIssuer
            | Self::UnknownKey
            | Self::AmbiguousKey
            | Self::BadSignature
            | Self::MalformedTimeClaim
            | Self::NotYetValid
            | Self::IssuedInFuture
            | Self::LifetimeTooLong
            | Self::WrongAudience
            | Self::MissingClaim
            | Self::ProviderNotAccepted
            | Self::UnknownToken => Code::InvalidToken,
            Self::Inactive | Self::Revoked => Code::RevokedToken,
            Self::AuthServiceSilent | Self::KeysUnavailable | Self::RevocationsUnknown => {
                Code::AuthUnavailable
            }
            Self::Expired => Code::ExpiredToken,
            Self::TooManySockets => Code::TooManySockets,
            Self::MissingScope | Self::WrongClaim => Code::InsufficientScope,
            Self::BadConfiguration | Self::AssertionFailed | Self::AuthServiceRefusesUs => {
                Code::Misconfigured
            }
            Self::OriginFailed => Code::OriginUnreachable,
            Self::OriginTimedOut => Code::OriginTimeout,
            Self::NoSuchEndpoint => Code::NotFound,
            Self::WrongAdminToken => Code::Unauthorized,
            Self::WrongMethod => Code::MethodNotAllowed,
        }
    }
}

impl Code {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MissingToken => "missing_token",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::ExpiredToken => "expired_token",
            Self::RevokedToken => "revoked_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::Misconfigured => "misconfigured",
            Self::AuthUnavailable => "auth_unavailable",
            Self::TooManySockets => "too_many_sockets",
            Self::OriginUnreachable | Self::OriginTimeout => "origin_unreachable",
            Self::NotFound => "not_found",
            Self::Unauthorized => "unauthorized",
            Self::MethodNotAllowed => "method_not_allowed",
        }
    }

    /// The HTTP status. A fault of the token is never 5xx and a fault of ours is never 4xx.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::MissingToken
            | Self::InvalidToken
            | Self::ExpiredToken
            | Self::RevokedToken
            | Self::Unauthorized => 401,
            Self::InsufficientScope => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TooManySockets => 429,
            Self::OriginUnreachable => 502,
            Self::Misconfigured | Self::AuthUnavailable => 503,
            Self::OriginTimeout => 504,
        }
    }

    /// What became of a request with this code, as metrics and data points call it: what the origin failed
    /// was permitted before.
    #[must_use]
    pub const fn decision(self) -> &'static str {
        match self {
            Self::OriginUnreachable | Self::OriginTimeout => "failed",
            _ => "denied",
        }
    }

    /// How much its log line matters: what a client can cause at will is no error.
    #[must_use]
    pub const fn level(self) -> Level {
        if self.status() < 500 { Level::Info } else { Level::Error }
    }

    /// One sentence for people (RFC 9457 section 3.1.3); the same for every occurrence.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::MissingToken => "This resource needs an access token",
            Self::InvalidRequest => "The credentials or the target of the request are malformed",
            Self::InvalidToken => "The access token is not valid",
            Self::ExpiredToken => "The access token has expired",
            Self::RevokedToken => "The access token has been revoked",
            Self::InsufficientScope => "The access token does not grant this",
            Self::Misconfigured => "The gate is not configured correctly",
            Self::AuthUnavailable => "The access token cannot be checked at the moment",
            Self::TooManySockets => "There are too many WebSockets of this subject",
            Self::OriginUnreachable => "The origin did not answer",
            Self::OriginTimeout => "The origin did not answer in time",
            Self::NotFound => "There is no such endpoint",
            Self::Unauthorized => "The admin token is wrong",
            Self::MethodNotAllowed => "This method is not allowed here",
        }
    }

    /// The challenge (RFC 6750 section 3) in the given protection space.
    fn challenge(self, realm: &str, scope: &str) -> Option<String> {
        let realm = quoted_string(realm);
        match self {
            Self::MissingToken | Self::Unauthorized => Some(format!("Bearer realm={realm}")),
            Self::InvalidRequest => {
                Some(format!("Bearer realm={realm}, error=\"invalid_request\""))
            }
            Self::InvalidToken => Some(format!("Bearer realm={realm}, error=\"invalid_token\"")),
            Self::ExpiredToken => Some(format!(
                "Bearer realm={realm}, error=\"invalid_token\", error_description=\"expired\""
            )),
            Self::RevokedToken => Some(format!(
                "Bearer realm={realm}, error=\"invalid_token\", error_description=\"revoked\""
            )),
            Self::InsufficientScope if scope.is_empty() => {
                Some(format!("Bearer realm={realm}, error=\"insufficient_scope\""))
            }
            Self::InsufficientScope => Some(format!(
                "Bearer realm={realm}, error=\"insufficient_scope\", scope={}",
                quoted_string(scope)
            )),
            Self::Misconfigured
            | Self::AuthUnavailable
            | Self::TooManySockets
            | Self::OriginUnreachable
            | Self::OriginTimeout
            | Self::NotFound
            | Self::MethodNotAllowed => None,
        }
    }
}

/// For how long a refusal asks to wait where nobody knows better, in seconds.
const RETRY_SECONDS: u32 = 2;

impl Denial {
    /// A refusal before any provider or rule is known.
    #[must_use]
    pub const fn new(reason: Reason) -> Self {
        Self {
            reason,
            scope: String::new(),
            provider: None,
            rule: None,
            retry_after: None,
            revoked_by: None,
        }
    }

    /// A refusal of a token of the provider at this position.
    #[must_use]
    pub fn of(provider: usize, reason: Reason) -> Self {
        Self { provider: Some(provider), ..Self::new(reason) }
    }

    /// A refusal that asks to come back: `until` is when that may help, if anybody knows.
    #[must_use]
    pub fn later(provider: usize, reason: Reason, until: Option<Millis>, now: Millis) -> Self {
        const MOST_SECONDS: Millis = 300;
        let seconds = until.and_then(|until| {
            let seconds = until.saturating_sub(now).saturating_add(999).div_euclid(1_000);
            u32::try_from(seconds.clamp(1, MOST_SECONDS)).ok()
        });
        Self { retry_after: Some(seconds.unwrap_or(RETRY_SECONDS)), ..Self::of(provider, reason) }
    }

    /// The response: problem details (RFC 9457) with a challenge where one helps.
    #[must_use]
    pub fn response(&self, to: Recipient<'_>) -> TextResponse {
        let code = self.reason.code();
        let mut headers = vec![
            ("content-type", Cow::Borrowed("application/problem+json")),
            ("cache-control", "no-store".into()),
        ];
        if let Some(challenge) = code.challenge(to.realm, &self.scope) {
            headers.push(("www-authenticate", challenge.into()));
        }
        if let Some(seconds) = self.retry_after {
            // RFC 9110 section 10.2.3.
            headers.push(("retry-after", seconds.to_string().into()));
        }
        if code == Code::MethodNotAllowed {
            // RFC 9110 section 15.5.6 asks for a list; these two are allowed wherever this is said.
            headers.push(("allow", "GET, HEAD".into()));
        }
        if let Some(origin) = to.allowed_origin {
            headers.extend([
                ("access-control-allow-origin", origin.to_owned().into()),
                ("access-control-allow-credentials", "true".into()),
                ("access-control-expose-headers", "WWW-Authenticate, Retry-After".into()),
                ("vary", "Origin".into()),
            ]);
        }
        let body = ProblemDetails {
            code: code.name(),
            failure_id: to.failure_id,
            status: code.status(),
            title: code.title(),
            problem_type: &format!("urn:edgeward:problem:{}", code.name()),
        };
        TextResponse { status: code.status(), headers, body: json(&body) }
    }

    /// Says in a line for the operator why it is: everything but secrets, tokens, claims and the query.
    pub fn log(&self, line: &mut Line, failure_id: &str, detail: Option<&str>) {
        let code = self.reason.code();
        line.texts(&[
            ("code", Some(code.name())),
            ("detail", detail.map(cut)),
            ("failure_id", Some(failure_id)),
            ("reason", Some(self.reason.name())),
            ("revoked_by", self.revoked_by.map(Kind::name)),
        ]);
        line.numbers(&[("status", Some(code.status().into()))]);
    }
}

/// The members of a problem (RFC 9457 section 3), and two of ours.
#[derive(Serialize)]
struct ProblemDetails<'a> {
    code: &'static str,
    failure_id: &'a str,
    status: u16,
    title: &'static str,
    #[serde(rename = "type")]
    problem_type: &'a str,
}

/// Texts and numbers alone, so that nothing can fail.
fn json(members: &impl Serialize) -> String {
    serde_json::to_string(members).unwrap_or_default()
}

/// A quoted-string (RFC 9110 section 5.6.4) of the characters that may stand in one.
fn quoted_string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars().filter(|letter| *letter == ' ' || letter.is_ascii_graphic()) {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::super::log::RequestInLog;
    use super::*;

    const TO: Recipient<'_> =
        Recipient { realm: "https://a.example", allowed_origin: None, failure_id: "f-1" };

    fn challenge(denial: &Denial) -> Option<String> {
        let response = denial.response(TO);
        let mut found =
            response.headers.into_iter().filter(|(name, _)| *name == "www-authenticate");
        found.next().map(|(_, value)| value.into_owned())
    }

    #[test]
    fn the_challenge_says_what_rfc_6750_lets_it_say() {
        for (reason, scope, expected) in [
            (Reason::NoCredentials, "", Some(r#"Bearer realm="https://a.example""#)),
            (
                Reason::SeveralCredentials,
                "",
                Some(r#"Bearer realm="https://a.example", error="invalid_request""#),
            ),
            (
                Reason::BadSignature,
                "",
                Some(r#"Bearer realm="https://a.example", error="invalid_token""#),
            ),
            (
                Reason::Expired,
                "",
                Some(
                    r#"Bearer realm="https://a.example", error="invalid_token", error_description="expired""#,
                ),
            ),
            (
                Reason::MissingScope,
                "a b",
                Some(
                    r#"Bearer realm="https://a.example", error="insufficient_scope", scope="a b""#,
                ),
            ),
            (
                Reason::WrongClaim,
                "",
                Some(r#"Bearer realm="https://a.example", error="insufficient_scope""#),
            ),
            (Reason::BadConfiguration, "", None),
            (Reason::OriginFailed, "", None),
        ] {
            let denial = Denial { scope: scope.to_owned(), ..Denial::new(reason) };
            assert_eq!(challenge(&denial).as_deref(), expected, "{reason:?}");
        }
    }

    #[test]
    fn every_reason_has_its_name_its_code_and_its_status() {
        use Reason as R;
        let expected = [
            (R::NoCredentials, "no_credentials", "missing_token", 401),
            (R::SeveralCredentials, "several_credentials", "invalid_request", 400),
            (R::MalformedCredentials, "malformed_credentials", "invalid_request", 400),
            (R::ForeignOrigin, "foreign_origin", "invalid_request", 400),
            (R::AmbiguousPath, "ambiguous_path", "invalid_request", 400),
            (R::MalformedTarget, "malformed_target", "invalid_request", 400),
            (R::TokenTooLarge, "token_too_large", "invalid_token", 401),
            (R::MalformedToken, "malformed_token", "invalid_token", 401),
            (R::MalformedHeader, "malformed_header", "invalid_token", 401),
            (R::AlgorithmNotAllowed, "algorithm_not_allowed", "invalid_token", 401),
            (R::RefusedHeaderMember, "refused_header_member", "invalid_token", 401),
            (R::TypeNotAllowed, "type_not_allowed", "invalid_token", 401),
            (R::UnknownIssuer, "unknown_issuer", "invalid_token", 401),
            (R::UnknownKey, "unknown_key", "invalid_token", 401),
            (R::AmbiguousKey, "ambiguous_key", "invalid_token", 401),
            (R::BadSignature, "bad_signature", "invalid_token", 401),
            (R::MalformedTimeClaim, "malformed_time_claim", "invalid_token", 401),
            (R::Expired, "expired", "expired_token", 401),
            (R::NotYetValid, "not_yet_valid", "invalid_token", 401),
            (R::IssuedInFuture, "issued_in_future", "invalid_token", 401),
            (R::LifetimeTooLong, "lifetime_too_long", "invalid_token", 401),
            (R::WrongAudience, "wrong_audience", "invalid_token", 401),
            (R::MissingClaim, "missing_claim", "invalid_token", 401),
            (R::ProviderNotAccepted, "provider_not_accepted", "invalid_token", 401),
            (R::MissingScope, "missing_scope", "insufficient_scope", 403),
            (R::WrongClaim, "wrong_claim", "insufficient_scope", 403),
            (R::Inactive, "inactive", "revoked_token", 401),
            (R::UnknownToken, "unknown_token", "invalid_token", 401),
            (R::Revoked, "revoked", "revoked_token", 401),
            (R::RevocationsUnknown, "revocations_unknown", "auth_unavailable", 503),
            (R::TooManySockets, "too_many_sockets", "too_many_sockets", 429),
            (R::AuthServiceSilent, "auth_service_silent", "auth_unavailable", 503),
            (R::KeysUnavailable, "keys_unavailable", "auth_unavailable", 503),
            (R::AuthServiceRefusesUs, "auth_service_refuses_us", "misconfigured", 503),
            (R::BadConfiguration, "bad_configuration", "misconfigured", 503),
            (R::AssertionFailed, "assertion_failed", "misconfigured", 503),
            (R::OriginFailed, "origin_failed", "origin_unreachable", 502),
            (R::OriginTimedOut, "origin_timed_out", "origin_unreachable", 504),
            (R::NoSuchEndpoint, "no_such_endpoint", "not_found", 404),
            (R::WrongAdminToken, "wrong_admin_token", "unauthorized", 401),
            (R::WrongMethod, "wrong_method", "method_not_allowed", 405),
        ];
        let found = R::ALL.map(|one| (one, one.name(), one.code().name(), one.code().status()));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_failed_origin_is_told_from_a_slow_one_and_from_a_request_that_was_never_made() {
        for (message, reason) in [
            ("", Reason::MalformedTarget),
            ("Error: Network connection lost.", Reason::OriginFailed),
            ("Error: connect(): Connection timed out", Reason::OriginTimedOut),
            ("TimeoutError: The operation was aborted due to timeout", Reason::OriginTimedOut),
        ] {
            assert_eq!(Reason::of_origin_failure(message), reason, "{message}");
        }
    }

    #[test]
    fn the_body_is_pinned() {
        let response = Denial::new(Reason::BadSignature).response(TO);
        assert_eq!(response.status, 401);
        assert_eq!(
            response.body,
            "{\"code\":\"invalid_token\",\"failure_id\":\"f-1\",\"status\":401,\
             \"title\":\"The access token is not valid\",\
             \"type\":\"urn:edgeward:problem:invalid_token\"}"
        );
        assert_eq!(
            response.headers,
            vec![
                ("content-type", "application/problem+json".into()),
                ("cache-control", "no-store".into()),
                (
                    "www-authenticate",
                    r#"Bearer realm="https://a.example", error="invalid_token""#.into()
                ),
            ]
        );
    }

    #[test]
    fn the_log_line_is_pinned() {
        let denial = Denial {
            rule: Some(2),
            revoked_by: Some(Kind::Subject),
            ..Denial::of(0, Reason::Revoked)
        };
        let request = RequestInLog {
            method: "GET",
            path: "/a",
            provider: Some("main"),
            rule: denial.rule,
            ray: Some("230b030023ae2822"),
            trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
            kid: Some("k1"),
            subject: Some("4Wru2tnxTLb1Yw0U"),
        };
        let line = |request: RequestInLog<'_>, detail| {
            let level = denial.reason.code().level();
            let mut line = Line::new(level, "denial", 1_800_000_000, 0);
            denial.log(&mut line, "f-1", detail);
            line.request(&request);
            line.into_text()
        };
        assert_eq!(
            line(request, Some("d")),
            "{\"code\":\"revoked_token\",\"detail\":\"d\",\"event\":\"denial\",\
             \"failure_id\":\"f-1\",\"kid\":\"k1\",\"level\":\"info\",\"method\":\"GET\",\
             \"path\":\"/a\",\"provider\":\"main\",\"ray\":\"230b030023ae2822\",\
             \"reason\":\"revoked\",\"revoked_by\":\"sub\",\"rule\":2,\"status\":401,\
             \"subject\":\"4Wru2tnxTLb1Yw0U\",\"time\":1800000000,\
             \"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\"}"
        );
        let short = RequestInLog { method: "GET", path: "/a", ..RequestInLog::default() };
        assert_eq!(
            line(short, None),
            "{\"code\":\"revoked_token\",\"event\":\"denial\",\"failure_id\":\"f-1\",\
             \"level\":\"info\",\"method\":\"GET\",\"path\":\"/a\",\"reason\":\"revoked\",\
             \"revoked_by\":\"sub\",\"status\":401,\"time\":1800000000}"
        );
    }

    #[test]
    fn what_a_client_can_cause_at_will_is_no_error() {
        for reason in Reason::ALL {
            let is_ours = reason.code().status() >= 500;
            let level = if is_ours { Level::Error } else { Level::Info };
            assert_eq!(reason.code().level(), level, "{reason:?}");
        }
    }

    #[test]
    fn nothing_is_said_of_who_was_meant_before_the_signature_was_found_right() {
        let by = |checked: Checked| {
            let all = Reason::ALL.into_iter().filter(move |reason| reason.checked() == checked);
            all.map(Reason::name).collect::<Vec<_>>()
        };
        assert_eq!(
            by(Checked::Header),
            ["unknown_key", "ambiguous_key", "bad_signature", "keys_unavailable"]
        );
        assert_eq!(
            by(Checked::Signature),
            [
                "malformed_time_claim",
                "expired",
                "not_yet_valid",
                "issued_in_future",
                "lifetime_too_long",
                "wrong_audience",
                "missing_claim",
                "provider_not_accepted",
                "missing_scope",
                "wrong_claim",
                "inactive",
                "unknown_token",
                "revoked",
                "revocations_unknown",
                "too_many_sockets",
                "auth_service_silent",
                "auth_service_refuses_us",
                "assertion_failed",
            ]
        );
    }

    #[test]
    fn an_allowed_origin_may_read_the_denial() {
        let to = Recipient { allowed_origin: Some("https://app.example"), ..TO };
        let headers = Denial::new(Reason::NoCredentials).response(to).headers;
        assert!(headers.contains(&("access-control-allow-origin", "https://app.example".into())));
        assert!(headers.contains(&("vary", "Origin".into())));
        let none = Denial::new(Reason::NoCredentials).response(TO).headers;
        assert!(!none.iter().any(|(name, _)| name.starts_with("access-control")));
    }

    #[test]
    fn a_realm_cannot_leave_its_quotes() {
        assert_eq!(quoted_string("a\"b\\c\r\nd\u{e9}"), "\"a\\\"b\\\\cd\"");
    }
}
