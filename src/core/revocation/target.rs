//! What a revocation names: one or many tokens of an issuer, by something that they say.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// By what tokens are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `jti` (RFC 7519 section 4.1.7).
    TokenId,
    /// `sub` (RFC 7519 section 4.1.2).
    Subject,
    /// `sid`, a session at the issuer (`OpenID` Connect Front-Channel Logout 1.0 section 3).
    Session,
    /// `client_id` (RFC 8693 section 4.3), else `azp` (`OpenID` Connect Core 1.0 section 2).
    Client,
    /// `kid` of the header (RFC 7515 section 4.1.4): what was signed with this key.
    Key,
    /// The token itself.
    Token,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::TokenId, Self::Subject, Self::Session, Self::Client, Self::Key, Self::Token];

    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TokenId => "jti",
            Self::Subject => "sub",
            Self::Session => "sid",
            Self::Client => "client_id",
            Self::Key => "kid",
            Self::Token => "token",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A target in the form that is kept and compared: 95 bits of a hash, and one that tells what is said
/// about all of its tokens from what is said about older ones, since both can hold, each for as long as
/// it was asked for. That no two targets share one is as certain as anything here: to find another
/// target for a given fingerprint takes 2^95 attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; Self::BYTES]);

impl Fingerprint {
    /// Its length.
    pub const BYTES: usize = 12;

    /// Of the tokens of `issuer` that this value names. For [`Kind::Token`] the value is what was
    /// signed, without the signature: ECDSA allows a second signature that anybody can compute from
    /// the first, and a token with it says the same. Of a token that is none of ours to take apart, it
    /// is all.
    #[must_use]
    pub fn of(kind: Kind, issuer: &str, value: &str) -> Self {
        let mut hash = Sha256::new();
        // Each text follows its length, so that no two triples give the same input.
        for text in ["edgeward revocation", kind.name(), issuer, value] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        let mut bytes = [0; Self::BYTES];
        bytes.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        Self(bytes).of_all()
    }

    /// The one of all tokens of the same target.
    #[must_use]
    pub fn of_all(self) -> Self {
        self.with_last_bit(0)
    }

    /// The one of the older tokens of the same target.
    #[must_use]
    pub fn of_older(self) -> Self {
        self.with_last_bit(1)
    }

    fn with_last_bit(mut self, bit: u8) -> Self {
        if let Some(last) = self.0.last_mut() {
            *last = *last & !1 | bit;
        }
        self
    }

    /// From its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; Self::BYTES] {
        self.0
    }

    /// From its text.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// What a token that is known keeps of it.
    #[must_use]
    pub const fn mark(self) -> Mark {
        let [a, b, c, d, ..] = self.0;
        Mark(u32::from_be_bytes([a, b, c, d]) | 1)
    }
}

/// As the `id` of a revocation: base64url, 16 characters.
impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// The first 31 bits of a fingerprint. Enough to see that a list does not have it, which is almost
/// always; where it may, the whole has to be computed. Nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark(u32);

impl Mark {
    /// The bits, with a 1 in the last place; 0 for nothing.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

/// The marks of all targets that name one token.
pub type Marks = [Mark; Kind::ALL.len()];

/// The fingerprints of all targets that name one token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Targets([Option<Fingerprint>; Kind::ALL.len()]);

impl Targets {
    /// Of a token of `issuer` that says this in its claims and names this key. `token` is what
    /// [`Fingerprint::of`] asks for, if it counts.
    #[must_use]
    pub fn of(
        issuer: &str,
        claims: &Map<String, Value>,
        key_id: Option<&str>,
        token: Option<&str>,
    ) -> Self {
        let claim = |name| claims.get(name).and_then(Value::as_str);
        Self(Kind::ALL.map(|kind| {
            let value = match kind {
                Kind::TokenId | Kind::Subject | Kind::Session => claim(kind.name()),
                Kind::Client => claim(kind.name()).or_else(|| claim("azp")),
                Kind::Key => key_id,
                Kind::Token => token,
            };
            value.map(|value| Fingerprint::of(kind, issuer, value))
        }))
    }

    /// Of a token that only its issuer can read.
    #[must_use]
    pub fn of_opaque(issuer: &str, token: &str) -> Self {
        Self::of(issuer, &Map::new(), None, Some(token))
    }

    /// With their kinds.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, Fingerprint)> {
        Kind::ALL.into_iter().zip(self.0).filter_map(|(kind, target)| Some((kind, target?)))
    }

    /// Their marks.
    #[must_use]
    pub fn marks(&self) -> Marks {
        self.0.map(|target| target.map(Fingerprint::mark).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The literals were computed by another implementation of SHA-256.
    #[test]
    fn fingerprints_are_pinned() {
        for (kind, value, text) in [
            (Kind::TokenId, "t-1", "GQrcjeZ8Lla-7u_a"),
            (Kind::Subject, "alice", "4Wru2tnxTLb1Yw0U"),
            (Kind::Session, "s", "fm9BYBDkkKu1xvaU"),
            (Kind::Client, "app", "iC9m9wopvhEioFm-"),
            (Kind::Key, "k1", "NNg69cDHIO1RenzK"),
            (Kind::Token, "aGVhZA.Y2xhaW1z", "syLclR4blQl0uIlq"),
        ] {
            let fingerprint = Fingerprint::of(kind, "https://issuer.example", value);
            assert_eq!(fingerprint.to_string(), text);
            assert_eq!(Fingerprint::from_text(text), Some(fingerprint));
        }
    }

    #[test]
    fn a_target_belongs_to_one_issuer_and_kind() {
        let all = [
            Fingerprint::of(Kind::Subject, "a", "b"),
            Fingerprint::of(Kind::Subject, "ab", ""),
            Fingerprint::of(Kind::Subject, "", "ab"),
            Fingerprint::of(Kind::TokenId, "a", "b"),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(one), "{at}");
        }
    }

    #[test]
    fn a_token_is_named_by_what_it_says() {
        let claims = json!({ "jti": "t", "sub": "s", "sid": "i", "azp": "c", "aud": "a" });
        let targets = Targets::of("i", claims.as_object().unwrap(), Some("k"), Some("h.c"));
        let expected = [
            (Kind::TokenId, "t"),
            (Kind::Subject, "s"),
            (Kind::Session, "i"),
            (Kind::Client, "c"),
            (Kind::Key, "k"),
            (Kind::Token, "h.c"),
        ]
        .map(|(kind, value)| (kind, Fingerprint::of(kind, "i", value)));
        assert_eq!(targets.iter().collect::<Vec<_>>(), expected);

        let claims = json!({ "client_id": "c", "azp": "other", "sub": 1 });
        let targets = Targets::of("i", claims.as_object().unwrap(), None, Some("t"));
        let kinds: Vec<_> = targets.iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, [Kind::Client, Kind::Token]);
        let client = Fingerprint::of(Kind::Client, "i", "c");
        assert_eq!(targets.marks()[3], client.mark());
        assert_eq!(targets.marks()[0], Mark::default());
    }

    #[test]
    fn older_tokens_have_a_fingerprint_of_their_own_and_the_same_mark() {
        let all = Fingerprint::of(Kind::Subject, "i", "s");
        let older = all.of_older();
        assert_ne!(all, older);
        assert_eq!((older.of_all(), all.of_all(), older.of_older()), (all, all, older));
        assert_eq!(all.mark(), older.mark());
    }

    #[test]
    fn no_fingerprint_has_the_mark_of_nothing() {
        assert_eq!(Fingerprint::from_bytes([0; 12]).mark().bits(), 1);
        assert_eq!(Mark::default().bits(), 0);
    }
}
