//! A published key set as it ages: when it is fetched, and for how long it counts.
//!
//! States, by the time since the last good fetch:
//!
//! | state | keys count | a use of them |
//! |--|--|--|
//! | absent, expired | no | fetches, and waits for it |
//! | fresh | yes | does nothing |
//! | stale | yes | fetches in the background |
//!
//! A token whose key is not in the set fetches in every state, since the issuer may have begun to
//! use a new key. Attempts are never closer than a cooldown, counted from the beginning of each,
//! good or bad: whoever invents key identifiers must not be able to make us ask at will. In scope:
//! this clockwork. Out of scope: fetching (`crate::edge`) and what the keys are ([`super::keys`]).

use serde_json::Value;

use super::claims::Millis;
use super::config::{KeySetLocation, RemoteKeys, is_service_url};
use super::json;

/// The longest key set, and the longest metadata of an issuer, that are read, in bytes.
pub const MOST_BYTES: usize = 64 * 1024;

/// The least time between two attempts while there is no set, in milliseconds: all that waits for it
/// is refused meanwhile.
const COOLDOWN_WITHOUT_SET_MS: Millis = 2_000;

/// For how long after its time limit an attempt counts as under way, in milliseconds. The request
/// that makes it can end before its result is there.
const GRACE_MS: Millis = 1_000;

/// How old a key set is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// There never was one.
    Absent,
    /// It counts and need not be fetched.
    Fresh,
    /// It counts and should be fetched again.
    Stale,
    /// It was not fetched for so long that it does not count any more.
    Expired,
}

impl Age {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Expired => "expired",
        }
    }
}

/// What to do about a key set for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Nothing,
    /// Fetch it after the response.
    FetchInBackground,
    /// Fetch it now.
    Fetch,
    /// Another request is fetching it: look again in a moment.
    Wait,
    /// Go without; it may be fetched again from this time on.
    CoolingDown(Millis),
}

/// The clockwork of one provider's published key set.
#[derive(Debug)]
pub struct KeySetClock {
    refresh_ms: Millis,
    max_stale_ms: Millis,
    lease_ms: Millis,
    cooldown_ms: Millis,
    fetched_at: Option<Millis>,
    attempted_at: Option<Millis>,
    under_way: bool,
    failed: bool,
}

impl KeySetClock {
    /// Of a set that was never fetched.
    #[must_use]
    pub fn new(settings: &RemoteKeys) -> Self {
        let fetches = match settings.location {
            KeySetLocation::Url(_) => 1,
            KeySetLocation::Discovery(_) => 2,
        };
        Self {
            refresh_ms: settings.refresh_seconds.saturating_mul(1_000),
            max_stale_ms: settings.max_stale_seconds.saturating_mul(1_000),
            lease_ms: Millis::from(settings.timeout_ms)
                .saturating_mul(fetches)
                .saturating_add(GRACE_MS),
            cooldown_ms: settings.cooldown_seconds.saturating_mul(1_000),
            fetched_at: None,
            attempted_at: None,
            under_way: false,
            failed: false,
        }
    }

    /// How old the set is.
    #[must_use]
    pub fn age(&self, now: Millis) -> Age {
        let Some(fetched_at) = self.fetched_at else { return Age::Absent };
        match since(fetched_at, now) {
            age if age < self.refresh_ms => Age::Fresh,
            age if age < self.max_stale_ms => Age::Stale,
            _ => Age::Expired,
        }
    }

    /// What a request does that only needs the set.
    #[must_use]
    pub fn on_use(&self, now: Millis) -> Step {
        match self.age(now) {
            Age::Fresh => Step::Nothing,
            Age::Stale => match self.on_need(now, self.cooldown_ms) {
                Step::Fetch => Step::FetchInBackground,
                _ => Step::Nothing,
            },
            Age::Absent | Age::Expired => self.on_need(now, COOLDOWN_WITHOUT_SET_MS),
        }
    }

    /// What a request does whose key is not in the set.
    #[must_use]
    pub fn on_unknown_key(&self, now: Millis) -> Step {
        match self.age(now) {
            Age::Fresh | Age::Stale => self.on_need(now, self.cooldown_ms),
            Age::Absent | Age::Expired => self.on_need(now, COOLDOWN_WITHOUT_SET_MS),
        }
    }

    /// It is `now`. If the clock was set back, what was done "later" was done now: a set is not lost
    /// by that, and nothing stays young or under way for longer than it may, counted from now.
    pub fn see(&mut self, now: Millis) {
        for time in [&mut self.fetched_at, &mut self.attempted_at] {
            *time = time.map(|time| time.min(now));
        }
    }

    /// The set is gone.
    pub const fn forget(&mut self) {
        self.fetched_at = None;
    }

    /// For how long an attempt counts as under way, in milliseconds.
    #[must_use]
    pub const fn lease_ms(&self) -> Millis {
        self.lease_ms
    }

    /// From when on it may be tried again after an attempt that brought nothing.
    #[must_use]
    pub fn retry_at(&self) -> Option<Millis> {
        let cooldown_ms = match self.fetched_at {
            Some(_) => self.cooldown_ms,
            None => COOLDOWN_WITHOUT_SET_MS,
        };
        self.attempted_at.filter(|_| self.failed).map(|at| at.saturating_add(cooldown_ms))
    }

    /// Whether the last attempt brought nothing, so that nobody knows whether a key is published. One
    /// that was lost, with the request that made it, has brought nothing.
    #[must_use]
    pub fn failed(&self, now: Millis) -> bool {
        let is_lost =
            self.under_way && self.attempted_at.is_some_and(|at| since(at, now) >= self.lease_ms);
        self.failed || is_lost
    }

    /// When the set was fetched.
    #[must_use]
    pub const fn fetched_at(&self) -> Option<Millis> {
        self.fetched_at
    }

    /// An attempt begins.
    pub const fn begin(&mut self, now: Millis) {
        self.attempted_at = Some(now);
        self.under_way = true;
    }

    /// Instead of an attempt, a set was found elsewhere that was fetched at `fetched_at`. It does not
    /// count as one: whoever fetched it did so long ago.
    pub const fn found(&mut self, fetched_at: Millis) {
        self.fetched_at = Some(fetched_at);
        self.attempted_at = None;
        self.under_way = false;
    }

    /// An attempt brought a set.
    pub const fn fetched(&mut self, now: Millis) {
        self.fetched_at = Some(now);
        self.under_way = false;
        self.failed = false;
    }

    /// An attempt brought nothing.
    pub const fn failed_to_fetch(&mut self) {
        self.under_way = false;
        self.failed = true;
    }

    fn on_need(&self, now: Millis, cooldown: Millis) -> Step {
        let Some(attempted_at) = self.attempted_at else { return Step::Fetch };
        let waited = since(attempted_at, now);
        if self.under_way && waited < self.lease_ms {
            Step::Wait
        } else if waited < cooldown {
            Step::CoolingDown(attempted_at.saturating_add(cooldown))
        } else {
            Step::Fetch
        }
    }
}

/// The URL of the key set in the metadata of an issuer (`OpenID` Connect Discovery 1.0 section 4.3: the
/// metadata must be about the issuer that was asked for). The error is for the log.
pub fn jwks_uri(metadata: &[u8], issuer: &str) -> Result<String, &'static str> {
    let metadata = json::parse_object(metadata).map_err(|_| "the metadata are not valid JSON")?;
    if metadata.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err("the metadata are about another issuer");
    }
    match metadata.get("jwks_uri").and_then(Value::as_str) {
        Some(url) if is_service_url(url) => Ok(url.to_owned()),
        Some(_) => Err("the jwks_uri of the metadata is no https URL"),
        None => Err("the metadata have no jwks_uri"),
    }
}

/// How long ago something was.
const fn since(then: Millis, now: Millis) -> Millis {
    now.saturating_sub(then)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::KeySetLocation;

    const NOW: Millis = 1_800_000_000_000;

    fn clock() -> KeySetClock {
        KeySetClock::new(&RemoteKeys {
            location: KeySetLocation::Url("https://i.example/jwks".to_owned()),
            refresh_seconds: 300,
            max_stale_seconds: 3_600,
            timeout_ms: 2_000,
            cooldown_seconds: 30,
        })
    }

    fn fetched() -> KeySetClock {
        let mut clock = clock();
        clock.begin(NOW);
        clock.fetched(NOW);
        clock
    }

    #[test]
    fn a_set_is_fresh_then_stale_then_expired() {
        let clock = fetched();
        for (seconds, age, step) in [
            (0, Age::Fresh, Step::Nothing),
            (299, Age::Fresh, Step::Nothing),
            (300, Age::Stale, Step::FetchInBackground),
            (3_599, Age::Stale, Step::FetchInBackground),
            (3_600, Age::Expired, Step::Fetch),
        ] {
            let now = NOW + seconds * 1_000;
            assert_eq!((clock.age(now), clock.on_use(now)), (age, step), "{seconds}");
        }
    }

    #[test]
    fn without_a_set_the_first_fetches_and_the_others_wait_for_it() {
        let mut clock = clock();
        assert_eq!(clock.on_use(NOW), Step::Fetch);
        clock.begin(NOW);
        assert_eq!(clock.on_use(NOW + 2_999), Step::Wait);
        // The request that fetched may be gone.
        assert_eq!(clock.on_use(NOW + 3_000), Step::Fetch);
        clock.failed_to_fetch();
        assert!(clock.failed(NOW + 3_000));
        assert_eq!(clock.on_use(NOW + 1_999), Step::CoolingDown(NOW + 2_000));
        assert_eq!(clock.on_use(NOW + 2_000), Step::Fetch);
    }

    #[test]
    fn an_unknown_key_fetches_once_in_a_cooldown() {
        let mut clock = fetched();
        assert_eq!(clock.on_unknown_key(NOW + 29_999), Step::CoolingDown(NOW + 30_000));
        assert_eq!(clock.on_unknown_key(NOW + 30_000), Step::Fetch);
        clock.begin(NOW + 30_000);
        assert_eq!(clock.on_unknown_key(NOW + 30_001), Step::Wait);
        clock.failed_to_fetch();
        assert_eq!(clock.on_unknown_key(NOW + 59_999), Step::CoolingDown(NOW + 60_000));
        assert_eq!(clock.on_unknown_key(NOW + 60_000), Step::Fetch);
    }

    #[test]
    fn a_stale_set_serves_while_it_cannot_be_fetched() {
        let mut clock = fetched();
        let later = NOW + 400_000;
        clock.begin(later);
        assert_eq!(clock.on_use(later + 1), Step::Nothing);
        clock.failed_to_fetch();
        assert_eq!(clock.on_use(later + 29_999), Step::Nothing);
        assert_eq!(clock.on_use(later + 30_000), Step::FetchInBackground);
    }

    #[test]
    fn a_set_from_elsewhere_keeps_its_age_and_is_no_attempt() {
        let mut clock = clock();
        clock.found(NOW - 400_000);
        assert_eq!(clock.age(NOW), Age::Stale);
        assert_eq!(clock.on_use(NOW), Step::FetchInBackground);
        assert_eq!(clock.on_unknown_key(NOW), Step::Fetch);
    }

    #[test]
    fn metadata_name_the_key_set_of_their_own_issuer() {
        let issuer = "https://i.example";
        for (metadata, found) in [
            (
                r#"{"issuer":"https://i.example","jwks_uri":"https://i.example/k"}"#,
                Ok("https://i.example/k".to_owned()),
            ),
            (
                r#"{"issuer":"https://i.example/","jwks_uri":"https://i.example/k"}"#,
                Err("the metadata are about another issuer"),
            ),
            (
                r#"{"issuer":"https://i.example","jwks_uri":"http://i.example/k"}"#,
                Err("the jwks_uri of the metadata is no https URL"),
            ),
            (r#"{"issuer":"https://i.example"}"#, Err("the metadata have no jwks_uri")),
            ("<html>", Err("the metadata are not valid JSON")),
        ] {
            assert_eq!(jwks_uri(metadata.as_bytes(), issuer), found, "{metadata}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nothing_old_and_keeps_nothing_young() {
        let mut clock = fetched();
        let before = NOW - 1_000_000;
        clock.see(before);
        assert_eq!((clock.age(before), clock.on_use(before)), (Age::Fresh, Step::Nothing));
        assert_eq!(clock.age(before + 300_000), Age::Stale);
        assert_eq!(clock.age(before + 3_600_000), Age::Expired);
    }
}
