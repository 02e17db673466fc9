//! What a permit rests on: everything that the operator asked for, or less, as long as something
//! behind the gate does not answer.

use serde::{Serialize, Serializer};

/// On what a permit rests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Everything that was asked for.
    #[default]
    Normal,
    /// An answer of the auth service that should have been asked again.
    Stale,
    /// The signature alone; the auth service has not said anything.
    Signature,
    /// A list of revocations that is older than it should be.
    RevocationStale,
    /// Both of this and an answer that should have been asked again.
    StaleAndRevocationStale,
    /// Both of this and the signature alone.
    SignatureAndRevocationStale,
}

impl Mode {
    /// All degraded ones.
    pub const DEGRADED: [Self; 5] = [
        Self::Stale,
        Self::Signature,
        Self::RevocationStale,
        Self::StaleAndRevocationStale,
        Self::SignatureAndRevocationStale,
    ];

    /// The value of `X-Auth-Degraded`, a list, and the label of the metric; nothing where there is
    /// nothing to say.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Normal => None,
            Self::Stale => Some("stale"),
            Self::Signature => Some("signature"),
            Self::RevocationStale => Some("revocation-stale"),
            Self::StaleAndRevocationStale => Some("stale, revocation-stale"),
            Self::SignatureAndRevocationStale => Some("signature, revocation-stale"),
        }
    }

    /// The same, on a list of revocations that is older than it should be.
    #[must_use]
    pub const fn with_stale_revocations(self) -> Self {
        match self {
            Self::Normal | Self::RevocationStale => Self::RevocationStale,
            Self::Stale | Self::StaleAndRevocationStale => Self::StaleAndRevocationStale,
            Self::Signature | Self::SignatureAndRevocationStale => {
                Self::SignatureAndRevocationStale
            }
        }
    }

    /// Whether nobody but the token itself has spoken.
    #[must_use]
    pub const fn is_by_signature(self) -> bool {
        matches!(self, Self::Signature | Self::SignatureAndRevocationStale)
    }

    /// Whether there is nothing to say.
    #[must_use]
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
    pub const fn is_normal(&self) -> bool {
        matches!(self, Self::Normal)
    }
}

/// As the claim `degraded`: a truth value.
impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(!self.is_normal())
    }
}
