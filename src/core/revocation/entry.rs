//! One entry of the log of revocations.

use super::super::claims::NumericDate;
use super::target::Fingerprint;

/// The number of an entry; the first has 1, and each the next one. Also that of a list: it has all
/// entries up to this one.
pub type Number = u64;

/// Tells logs apart: a hub that had to begin anew draws another one. Never 0.
pub type LogId = u64;

/// An entry: what holds for a target from now on, in place of what was said about it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub number: Number,
    /// Which tokens.
    pub target: Fingerprint,
    /// What holds for them.
    pub effect: Effect,
    /// From when on it says nothing any more: no token that it names is in time then, or the operator
    /// wanted it so. That of an undoing is not before that of what it undoes.
    pub expires_at: NumericDate,
}

/// What holds for the tokens of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// All are revoked.
    RevokeAll,
    /// Those are revoked that were issued before this time, and those that do not say when.
    RevokeIssuedBefore(NumericDate),
    /// None is revoked, or not any more.
    Undo,
}

impl Effect {
    /// As a number, as it is kept and sent: 0 for [`Effect::Undo`], the largest for
    /// [`Effect::RevokeAll`], a time in between, cut off at either end.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Self::RevokeAll => u32::MAX,
            Self::RevokeIssuedBefore(time) => seconds(time).clamp(1, u32::MAX - 1),
            Self::Undo => 0,
        }
    }

    /// From that number.
    #[must_use]
    pub fn from_code(code: u32) -> Self {
        match code {
            0 => Self::Undo,
            u32::MAX => Self::RevokeAll,
            time => Self::RevokeIssuedBefore(time.into()),
        }
    }

    /// Whether it revokes a token that was issued then.
    #[must_use]
    pub fn revokes(self, issued_at: Option<NumericDate>) -> bool {
        match self {
            Self::RevokeAll => true,
            Self::RevokeIssuedBefore(time) => issued_at.is_none_or(|issued_at| issued_at < time),
            Self::Undo => false,
        }
    }
}

/// A time as it is kept and sent, in 32 bits: enough until the year 2106.
#[must_use]
pub fn seconds(time: NumericDate) -> u32 {
    u32::try_from(time.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_is_what_its_number_says() {
        for (effect, code) in [
            (Effect::Undo, 0),
            (Effect::RevokeIssuedBefore(1), 1),
            (Effect::RevokeIssuedBefore(1_800_000_000), 1_800_000_000),
            (Effect::RevokeAll, u32::MAX),
        ] {
            assert_eq!((effect.code(), Effect::from_code(code)), (code, effect));
        }
        assert_eq!(Effect::RevokeIssuedBefore(0).code(), 1);
        assert_eq!(Effect::RevokeIssuedBefore(i64::MAX).code(), u32::MAX - 1);
    }

    #[test]
    fn a_token_from_before_is_revoked_and_one_from_then_is_not() {
        let effect = Effect::RevokeIssuedBefore(100);
        for (issued_at, is_revoked) in
            [(Some(99), true), (Some(100), false), (Some(101), false), (None, true)]
        {
            assert_eq!(effect.revokes(issued_at), is_revoked, "{issued_at:?}");
            assert!(Effect::RevokeAll.revokes(issued_at));
            assert!(!Effect::Undo.revokes(issued_at));
        }
    }
}
