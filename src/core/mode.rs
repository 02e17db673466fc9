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
}

impl Mode {
    /// All degraded ones.
    pub const DEGRADED: [Self; 2] = [Self::Stale, Self::Signature];

    /// The value of `X-Auth-Degraded`, and the label of the metric; nothing where there is nothing
    /// to say.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Normal => None,
            Self::Stale => Some("stale"),
            Self::Signature => Some("signature"),
        }
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
