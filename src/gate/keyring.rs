//! The keys of one provider: those of the configuration, and those that its issuer publishes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use serde_json::Value;

use super::question::Findings;
use crate::core::algorithm::Algorithm;
use crate::core::claims::Millis;
use crate::core::config::RemoteKeys;
use crate::core::json::object;
use crate::core::keys::VerificationKey;
use crate::core::refresh::{Age, RefreshClock, Step};
use crate::core::remote_keys::schedule;
use crate::core::verify::{ReadyKey, SignatureEngine, family_name};

/// The keys of one provider.
pub(super) struct KeyRing<K> {
    ready: RefCell<Rc<Vec<ReadyKey<K>>>>,
    /// Counts the sets from which a key was taken away.
    number: Cell<u32>,
    /// The keys of the configuration, which always count.
    fixed: Vec<VerificationKey>,
    published: Option<RefCell<RefreshClock>>,
}

impl<K> KeyRing<K> {
    /// Of the keys of the configuration, for now. `kv_timeout_ms` is how long published ones may be
    /// looked for in KV.
    pub(super) fn new(
        ready: Vec<ReadyKey<K>>,
        published: Option<&RemoteKeys>,
        kv_timeout_ms: u32,
    ) -> Self {
        let fixed = match published {
            Some(_) => ready.iter().map(|key| key.as_ref().clone()).collect(),
            None => Vec::new(),
        };
        Self {
            ready: RefCell::new(Rc::new(ready)),
            number: Cell::new(0),
            fixed,
            published: published
                .map(|settings| RefCell::new(RefreshClock::new(schedule(settings, kv_timeout_ms)))),
        }
    }

    /// All keys that count at the moment.
    pub(super) fn ready(&self) -> Rc<Vec<ReadyKey<K>>> {
        Rc::clone(&self.ready.borrow())
    }

    /// Another number means that a key is gone which may have verified a token before.
    pub(super) const fn number(&self) -> u32 {
        self.number.get()
    }

    /// How old the published set is, if there is one to be fetched.
    pub(super) fn age(&self, now: Millis) -> Option<Age> {
        self.published.as_ref().map(|clock| clock.borrow().age(now))
    }

    /// When the published set was fetched.
    pub(super) fn fetched_at(&self) -> Option<Millis> {
        self.published.as_ref()?.borrow().fetched_at()
    }

    /// How many keys can verify, by where they are from and how old.
    pub(super) fn counts(&self, now: Millis) -> [(&'static str, u64); 3] {
        let age = self.age(now);
        let ready = self.ready();
        let all = ready.len();
        let fixed = match age {
            None => all,
            Some(_) => ready.iter().filter(|key| self.fixed.contains(key.as_ref())).count(),
        };
        let published = |of: Age| if age == Some(of) { all.saturating_sub(fixed) } else { 0 };
        [
            ("configured", fixed as u64),
            ("fresh", published(Age::Fresh) as u64),
            ("stale", published(Age::Stale) as u64),
        ]
    }

    /// The published keys, for the health report.
    pub(super) fn report(&self, age: Age) -> Value {
        let seconds = |millis: Millis| millis.div_euclid(1_000);
        let keys: Vec<Value> = self
            .ready()
            .iter()
            .map(AsRef::as_ref)
            .filter(|key: &&VerificationKey| !self.fixed.contains(key))
            .map(|key| {
                object! {
                    "kid": key.kid.as_deref(),
                    "type": family_name(key.material.family()),
                    "alg": key.algorithm.map(Algorithm::name),
                }
            })
            .collect();
        object! {
            "state": age.name(),
            "fetched_at": self.fetched_at().map(seconds),
            "retry_at": self.published.as_ref().and_then(|clock| clock.borrow().retry_at()).map(seconds),
            "keys": keys,
        }
    }

    /// What a request does that needs the keys. A set that has become too old is gone by then.
    pub(super) fn on_use<E: SignatureEngine<Key = K>>(&self, engine: &E, now: Millis) -> Step {
        let Some(clock) = &self.published else { return Step::Nothing };
        let mut clock = clock.borrow_mut();
        clock.see(now);
        if clock.age(now) == Age::Expired {
            clock.forget();
            self.take_over(engine, Vec::new());
        }
        clock.on_use(now)
    }

    /// What a request does whose key is not here.
    pub(super) fn on_unknown_key(&self, now: Millis) -> Step {
        self.published.as_ref().map_or(Step::Nothing, |clock| clock.borrow().on_miss(now))
    }

    /// Whether nobody can tell at the moment which keys the issuer has.
    pub(super) fn is_in_doubt(&self, now: Millis) -> bool {
        self.published.as_ref().is_some_and(|clock| {
            let clock = clock.borrow();
            clock.failed(now) || !clock.age(now).counts()
        })
    }

    /// Whether there is no published set that counts, although there should be.
    pub(super) fn is_missing(&self, now: Millis) -> bool {
        self.age(now).is_some_and(|age| !age.counts())
    }

    /// Whether the last attempt to fetch the set brought nothing.
    pub(super) fn has_failed(&self, now: Millis) -> bool {
        self.published.as_ref().is_some_and(|clock| clock.borrow().failed(now))
    }

    /// Whether a request may go on waiting for another one that fetches the set.
    pub(super) fn may_wait(&self, findings: &mut Findings, now: Millis) -> bool {
        let since = *findings.keys_since.get_or_insert(now);
        let most = self.published.as_ref().map_or(0, |clock| clock.borrow().lease_ms());
        now.saturating_sub(since) < most
    }

    /// Someone begins to fetch the set.
    pub(super) fn begin(&self, now: Millis) {
        self.with_clock(|clock| clock.begin(now));
    }

    /// It could not be fetched.
    pub(super) fn failed(&self, now: Millis) {
        self.with_clock(|clock| clock.failed_to_fetch(now));
    }

    /// It was fetched. Keys that the platform does not take are skipped; a set of nothing else does not
    /// count. Whether it does.
    #[must_use]
    pub(super) fn fetched<E: SignatureEngine<Key = K>>(
        &self,
        engine: &E,
        keys: Vec<VerificationKey>,
        now: Millis,
    ) -> bool {
        let counts = self.replace(engine, keys);
        if counts {
            self.with_clock(|clock| clock.fetched(now));
        }
        counts
    }

    /// Another isolate has fetched it, at `fetched_at`. Counts if it is newer than what is here.
    pub(super) fn found<E: SignatureEngine<Key = K>>(
        &self,
        engine: &E,
        keys: Vec<VerificationKey>,
        fetched_at: Millis,
    ) {
        if self.fetched_at().is_none_or(|own| own < fetched_at) && self.replace(engine, keys) {
            self.with_clock(|clock| clock.found(fetched_at));
        }
    }

    /// Puts published keys in the place of those that were there, if any of them can be used.
    fn replace<E: SignatureEngine<Key = K>>(&self, engine: &E, keys: Vec<VerificationKey>) -> bool {
        let keys: Vec<ReadyKey<K>> =
            keys.into_iter().filter_map(|key| ReadyKey::prepare(engine, key).ok()).collect();
        let counts = !keys.is_empty();
        if counts {
            self.take_over(engine, keys);
        }
        counts
    }

    /// Puts these in the place of all but those of the configuration.
    fn take_over<E: SignatureEngine<Key = K>>(&self, engine: &E, published: Vec<ReadyKey<K>>) {
        let fixed = self.fixed.iter().cloned();
        let fixed = fixed.filter_map(|key| ReadyKey::prepare(engine, key).ok());
        let mut ready: Vec<ReadyKey<K>> = Vec::new();
        for key in fixed.chain(published) {
            if ready.iter().all(|known| known.as_ref() != key.as_ref()) {
                ready.push(key);
            }
        }
        // A key more counts, too: a token that names none may not say any longer whose it is.
        let is_kept = |old: &ReadyKey<K>| ready.iter().any(|new| new.as_ref() == old.as_ref());
        let before = Rc::clone(&self.ready.borrow());
        if before.len() != ready.len() || !before.iter().all(is_kept) {
            self.number.set(self.number.get().wrapping_add(1));
        }
        self.ready.replace(Rc::new(ready));
    }

    fn with_clock(&self, change: impl FnOnce(&mut RefreshClock)) {
        if let Some(clock) = &self.published {
            change(&mut clock.borrow_mut());
        }
    }
}
