//! Why a supervised WebSocket ends that neither side has closed.

use super::super::denial::{Code, Reason};
use super::super::log::Level;

/// Why it ends. Codes and names are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its token is over.
    TokenExpired,
    /// Its token was revoked.
    TokenRevoked,
    /// Its token would not be accepted any more: its key was withdrawn, for instance.
    TokenInvalid,
    /// Its token does not have any more what the rule asks for.
    InsufficientScope,
    /// A check of its token had no answer for too long.
    AuthUnavailable,
    /// Nobody knows for too long whether its token was revoked.
    SupervisionLost,
    /// One side takes less than the other sends.
    SlowConsumer,
    /// A message was too long.
    MessageTooLarge,
    /// There was no message for too long.
    IdleTimeout,
    /// The origin is gone, without having closed it.
    OriginUnreachable,
}

impl Ending {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 10] = [
        Self::TokenExpired,
        Self::TokenRevoked,
        Self::TokenInvalid,
        Self::InsufficientScope,
        Self::AuthUnavailable,
        Self::SupervisionLost,
        Self::SlowConsumer,
        Self::MessageTooLarge,
        Self::IdleTimeout,
        Self::OriginUnreachable,
    ];

    /// The code of the Close frame (RFC 6455 section 7.4 and the registry of close codes; from 4000 on
    /// they are for private use).
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::TokenExpired | Self::TokenRevoked | Self::TokenInvalid => 4401,
            Self::InsufficientScope => 4403,
            Self::AuthUnavailable | Self::SupervisionLost | Self::SlowConsumer => 1013,
            Self::MessageTooLarge => 1009,
            Self::IdleTimeout => 4408,
            Self::OriginUnreachable => 1011,
        }
    }

    /// The reason in the Close frame, and the stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TokenExpired => "token_expired",
            Self::TokenRevoked => "token_revoked",
            Self::TokenInvalid => "token_invalid",
            Self::InsufficientScope => "insufficient_scope",
            Self::AuthUnavailable => "auth_unavailable",
            Self::SupervisionLost => "supervision_lost",
            Self::SlowConsumer => "slow_consumer",
            Self::MessageTooLarge => "message_too_large",
            Self::IdleTimeout => "idle_timeout",
            Self::OriginUnreachable => "origin_unreachable",
        }
    }

    /// How much its log line matters: what tokens and the two sides do is no fault.
    #[must_use]
    pub const fn level(self) -> Level {
        match self {
            Self::TokenExpired
            | Self::TokenRevoked
            | Self::TokenInvalid
            | Self::InsufficientScope
            | Self::SlowConsumer
            | Self::MessageTooLarge
            | Self::IdleTimeout => Level::Info,
            Self::AuthUnavailable | Self::SupervisionLost | Self::OriginUnreachable => Level::Error,
        }
    }

    /// Why a handshake is refused that would end so at once.
    #[must_use]
    pub const fn as_reason(self) -> Reason {
        match self {
            Self::TokenExpired => Reason::Expired,
            Self::TokenRevoked => Reason::Revoked,
            Self::TokenInvalid => Reason::UnknownToken,
            Self::InsufficientScope => Reason::MissingScope,
            Self::SupervisionLost => Reason::RevocationsUnknown,
            Self::OriginUnreachable => Reason::OriginFailed,
            Self::AuthUnavailable
            | Self::SlowConsumer
            | Self::MessageTooLarge
            | Self::IdleTimeout => Reason::AuthServiceSilent,
        }
    }

    /// Why a socket ends whose token would be refused for this reason; `None` where only something
    /// behind us is at fault, which may pass.
    #[must_use]
    pub const fn of(reason: Reason) -> Option<Self> {
        Some(match reason.code() {
            Code::ExpiredToken => Self::TokenExpired,
            Code::RevokedToken => Self::TokenRevoked,
            Code::InsufficientScope => Self::InsufficientScope,
            // It counts from when the list was last known, and that is long enough ago.
            Code::AuthUnavailable if matches!(reason, Reason::RevocationsUnknown) => {
                Self::SupervisionLost
            }
            Code::AuthUnavailable
            | Code::Misconfigured
            | Code::OriginUnreachable
            | Code::OriginTimeout => return None,
            Code::MissingToken
            | Code::InvalidRequest
            | Code::InvalidToken
            | Code::NotFound
            | Code::Unauthorized
            | Code::MethodNotAllowed
            | Code::TooManySockets => Self::TokenInvalid,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_pinned() {
        let all = Ending::ALL.map(|ending| format!("{} {}", ending.code(), ending.name()));
        assert_eq!(
            all,
            [
                "4401 token_expired",
                "4401 token_revoked",
                "4401 token_invalid",
                "4403 insufficient_scope",
                "1013 auth_unavailable",
                "1013 supervision_lost",
                "1013 slow_consumer",
                "1009 message_too_large",
                "4408 idle_timeout",
                "1011 origin_unreachable",
            ]
        );
        for (position, ending) in Ending::ALL.into_iter().enumerate() {
            assert_eq!(ending as usize, position);
        }
    }

    #[test]
    fn a_socket_ends_for_what_a_request_would_be_refused_for_and_not_at_once_for_our_faults() {
        for (reason, ending) in [
            (Reason::Expired, Some(Ending::TokenExpired)),
            (Reason::Revoked, Some(Ending::TokenRevoked)),
            (Reason::Inactive, Some(Ending::TokenRevoked)),
            (Reason::UnknownKey, Some(Ending::TokenInvalid)),
            (Reason::MissingScope, Some(Ending::InsufficientScope)),
            (Reason::RevocationsUnknown, Some(Ending::SupervisionLost)),
            (Reason::AuthServiceSilent, None),
            (Reason::KeysUnavailable, None),
            (Reason::AuthServiceRefusesUs, None),
        ] {
            assert_eq!(Ending::of(reason), ending, "{reason:?}");
        }
    }
}
