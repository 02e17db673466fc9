//! The first cache: what this isolate knows about tokens that it has verified.
//!
//! Bounded in bytes; which entry goes is decided by an algorithm that a scan of new tokens cannot
//! wash out (S3-FIFO, by `quick_cache`). It holds facts, so a hit still has to pass
//! every check that time or the rule can change. In scope: keeping and finding. Out of scope:
//! those checks ([`crate::gate`]).

use std::hash::{BuildHasher, Hash, Hasher};
use std::rc::Rc;

use foldhash::SharedSeed;
use foldhash::fast::SeedableRandomState;
use quick_cache::unsync::{Cache, DefaultLifecycle};
use quick_cache::{Equivalent, Weighter};

use super::assertion::Assertion;
use super::claims::{Millis, NumericDate};
use super::denial::Reason;
use super::facts::Facts;
use super::revocation::target::{Marks, Targets};

/// How many tokens the cache is made for: its table starts with room for so many, which takes about
/// 1 MB, because growing in between would take a large part of a millisecond of one request. Only
/// [`MOST_BYTES`] bounds it.
pub const EXPECTED_ENTRIES: usize = 11_000;

/// How much memory the entries may take, in bytes.
pub const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// What one entry costs besides its own bytes: its slot and the slots of those that had to go and
/// are known again, reference counts, and allocator headers.
const ENTRY_OVERHEAD: u64 = 244;

/// Longer ago than anything. Not an `Option`, since there are ten thousand of them.
pub const NEVER: Millis = Millis::MIN;

/// What is known about one token. Cheap to clone: a request takes its share along, and the entry
/// may be evicted meanwhile.
#[derive(Clone, Debug)]
pub struct Known {
    /// Position of the provider of its issuer.
    pub provider: usize,
    /// Which set of keys of the provider verified it: another one must verify it again.
    pub key_set: u32,
    /// What the token itself says; nothing if only its issuer can read it.
    pub signed: Option<Rc<Facts>>,
    /// What the auth service said last, if it was asked.
    pub verdict: Option<Rc<Verdict>>,
    /// When KV was last looked into for what it says, in vain or not; or [`NEVER`].
    pub sought_at: Millis,
    /// The assertion that was signed last.
    pub assertion: Option<Rc<Assertion>>,
    /// What a list of revocations is asked for it.
    pub marks: Marks,
    /// After which change of the list it was looked for closely, and not found; 0 for never.
    pub clear_at: u32,
}

/// What an auth service said about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What is known about an active token: its own claims, and those of the answer. Or why the
    /// answer lets nobody pass.
    pub outcome: Result<Facts, Reason>,
    /// When it said so.
    pub checked_at: NumericDate,
    /// By what an active token can be revoked as far as the answer says it, and when it was issued,
    /// where there are revocations.
    pub named: Option<Box<(Targets, Option<NumericDate>)>>,
}

impl Verdict {
    /// Whether another isolate's word, found in KV, counts in place of this one, which was heard here.
    /// Its clock may be ahead of ours by `skew_seconds`; a word against the token is not given up for
    /// that. A word for it from the future was heard before our clock was set back.
    #[must_use]
    pub fn yields_to(&self, stored: &Self, now: NumericDate, skew_seconds: i64) -> bool {
        if self.outcome.is_err() {
            stored.checked_at > self.checked_at.saturating_add(skew_seconds)
        } else {
            stored.checked_at > self.checked_at || self.checked_at > now
        }
    }

    fn weight(&self) -> usize {
        let named = self.named.as_ref().map_or(0, |_| size_of::<(Targets, Option<NumericDate>)>());
        size_of::<Self>() + named + self.outcome.as_ref().map_or(0, Facts::weight)
    }
}

/// Tokens and what is known about them. The whole token is the key, so that no two tokens can be
/// taken for each other.
pub struct TokenCache {
    entries: Cache<Hashed<Box<str>>, Known, ByteWeighter, SeedableRandomState>,
    hasher: SeedableRandomState,
}

/// A token and its hash. The table asks for the hash again when it drops an entry, and for all of
/// them when it grows: to read ten thousand tokens for that would take milliseconds of one request.
struct Hashed<T> {
    hash: u32,
    token: T,
}

impl<T> Hash for Hashed<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

impl<T: PartialEq> PartialEq for Hashed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.token == other.token
    }
}

impl<T: Eq> Eq for Hashed<T> {}

impl Equivalent<Hashed<Box<str>>> for Hashed<&str> {
    fn equivalent(&self, key: &Hashed<Box<str>>) -> bool {
        *self.token == *key.token
    }
}

impl From<Hashed<&str>> for Hashed<Box<str>> {
    fn from(Hashed { hash, token }: Hashed<&str>) -> Self {
        Self { hash, token: token.into() }
    }
}

#[derive(Clone)]
struct ByteWeighter;

impl Weighter<Hashed<Box<str>>, Known> for ByteWeighter {
    fn weight(&self, key: &Hashed<Box<str>>, known: &Known) -> u64 {
        let assertion = known.assertion.as_ref().map_or(0, |assertion| assertion.weight());
        let signed = known.signed.as_ref().map_or(0, |facts| facts.weight());
        let verdict = known.verdict.as_ref().map_or(0, |verdict| verdict.weight());
        let bytes = key.token.len() + signed + verdict + assertion;
        u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(ENTRY_OVERHEAD)
    }
}

impl TokenCache {
    /// An empty cache. `seed` must be random, so that no one can know which tokens share a slot.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let hasher = SeedableRandomState::with_seed(seed, SharedSeed::global_fixed());
        let mut entries = Cache::with(
            EXPECTED_ENTRIES,
            MOST_BYTES,
            ByteWeighter,
            hasher.clone(),
            DefaultLifecycle::default(),
        );
        entries.reserve(EXPECTED_ENTRIES);
        Self { entries, hasher }
    }

    /// What is known about a token.
    #[must_use]
    pub fn get(&self, token: &str) -> Option<&Known> {
        self.entries.get(&self.hashed(token))
    }

    /// What is known about a token. Does not count as a use of it.
    #[must_use]
    pub fn peek(&self, token: &str) -> Option<&Known> {
        self.entries.peek(&self.hashed(token))
    }

    /// Remembers a token, at the expense of others where there is no room.
    pub fn insert(&mut self, token: &str, known: Known) {
        self.entries.insert(self.hashed(token).into(), known);
    }

    /// Changes what is known about a token that is still there.
    pub fn renew(&mut self, token: &str, change: impl FnOnce(&mut Known)) {
        let key = self.hashed(token);
        let Some(known) = self.entries.peek(&key) else { return };
        let mut known = known.clone();
        change(&mut known);
        // As a new entry, since it may weigh more and others have to go for it. But not as one more
        // use of the token: a token that is used once must not count as one that is used often.
        let _ = self.entries.replace(key.into(), known, true);
    }

    /// How many tokens there are, and about how many bytes they take.
    #[must_use]
    pub fn usage(&self) -> (usize, u64) {
        (self.entries.len(), self.entries.weight())
    }

    /// A hash of a token that nobody outside of this isolate can know.
    #[must_use]
    pub fn hash(&self, token: &str) -> u64 {
        self.hasher.hash_one(token)
    }

    fn hashed<'t>(&self, token: &'t str) -> Hashed<&'t str> {
        // Half of it tells apart far more tokens than there are, and keeps the entries small.
        let hash = (self.hash(token) >> 32) as u32;
        Hashed { hash, token }
    }
}
