//! What a decision needs from outside, and what a request has found out by asking.
//!
//! The gate asks for nothing itself. Where it cannot decide, it names a [`Question`]; whoever drives
//! it finds the answer, tells the gate, and asks for the decision again, with the same
//! [`Findings`]. For a request each question is asked at most once, and what others are finding out is
//! waited for no longer than it can take, so that there is an end.

use std::rc::Rc;

use crate::core::breaker::Ticket;
use crate::core::cache::Verdict;
use crate::core::claims::Millis;
use crate::core::introspection::Silence;
use crate::core::sealed::Purpose;
use crate::core::verify::Unverified;

/// What has to be found out before there can be a decision.
#[derive(Debug)]
pub enum Question {
    /// The keys that the provider at this position publishes.
    Keys(usize),
    /// What KV holds about a token.
    Stored(Lookup),
    /// What the auth service says about a token.
    Verdict(Inquiry),
    /// The revocations that have come since: the list is to be refreshed.
    Revocations(Refresh),
    /// Nothing, since another request is already finding it out: ask again after so many
    /// milliseconds.
    Moment(u32),
}

/// How the list of revocations is to be refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// There is none that counts.
    Needed,
    /// There is one that counts, so the request waits no longer than so many milliseconds.
    Wanted(u32),
    /// By the relay itself, for this request.
    Strict,
}

/// A look into KV.
#[derive(Debug)]
pub struct Lookup {
    /// Position of the provider that the token is checked for.
    pub(super) provider: usize,
    pub(super) token: String,
    pub(super) kv_key: String,
    pub(super) patience_ms: Option<u32>,
}

/// What a look into KV brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored<'v> {
    /// A value.
    Found(&'v [u8]),
    /// There is none.
    Absent,
    /// Nobody knows: it did not come in time, or could not be had.
    Late,
}

impl Lookup {
    /// How long the request can wait for it, in milliseconds, if that is less than usual.
    #[must_use]
    pub const fn patience_ms(&self) -> Option<u32> {
        self.patience_ms
    }

    /// The key to look under.
    #[must_use]
    pub fn kv_key(&self) -> &str {
        &self.kv_key
    }
}

/// A question about one token to an auth service that may be asked.
#[derive(Debug)]
pub struct Inquiry {
    pub(super) provider: usize,
    pub(super) token: String,
    pub(super) ticket: Ticket,
    /// Fingerprint of the key that verified the token for this request, if one did.
    pub(super) verified_by: Option<String>,
    pub(super) patience_ms: Option<u32>,
    /// When it was asked.
    pub(super) asked_at: Millis,
    /// KV may say something about the token.
    pub(super) may_be_stored: bool,
}

impl Inquiry {
    /// How long the request still waits for the answer, in milliseconds. Afterwards it can pass
    /// without; the answer still counts for the next one. `None`: it has to wait.
    #[must_use]
    pub const fn patience_ms(&self) -> Option<u32> {
        self.patience_ms
    }

    /// The token that is asked about.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }
}

/// An HTTP request to an auth service.
#[derive(Debug)]
pub struct ServiceCall {
    /// The URL.
    pub url: String,
    /// The value of `Authorization`, if the client authenticates by it.
    pub authorization: Option<String>,
    /// The form to post.
    pub form: String,
    /// After this time there is no answer, in milliseconds.
    pub timeout_ms: u32,
}

/// Something to be done to KV, after the response.
#[derive(Debug, PartialEq, Eq)]
pub enum KvChange {
    /// A value is written.
    Put {
        /// Under which key.
        kv_key: String,
        /// The value.
        value: Vec<u8>,
        /// For how long, in seconds.
        ttl_seconds: u32,
    },
    /// What is under this key goes.
    Delete(String),
}

impl KvChange {
    /// Whether it stores what is known about this token.
    #[must_use]
    pub fn keeps(&self, token: &str) -> bool {
        matches!(self, Self::Put { kv_key, .. } if *kv_key == Purpose::Validation.kv_key(token))
    }
}

/// A breaker has changed its state.
#[derive(Debug, PartialEq, Eq)]
pub struct BreakerNews {
    /// Position of the provider whose auth service it is.
    pub provider: usize,
    /// The name of the new state.
    pub state: &'static str,
    /// What the service did, where it did not answer.
    pub cause: Option<&'static str>,
}

/// What one request has found out so far.
#[derive(Debug, Default)]
pub struct Findings {
    /// When it came.
    pub(super) came_at: Option<Millis>,
    /// It had to ask.
    pub(super) asked: bool,
    pub(super) effort: Effort,
    /// Since when it needs what the auth service says.
    pub(super) needs_since: Option<Millis>,
    /// Since when it waits for another request that asks.
    pub(super) waits_since: Option<Millis>,
    /// The keys were fetched for it, or could not be.
    pub(super) keys: bool,
    /// Since when it waits for keys that another request fetches.
    pub(super) keys_since: Option<Millis>,
    /// Why none of the keys verified the token, and the number of their set.
    pub(super) unverified: Option<(u32, Unverified)>,
    /// What it knows of KV.
    pub(super) kv: KvKnown,
    /// When it did.
    pub(super) sought_at: Option<Millis>,
    /// What the auth service said to another isolate, as KV says.
    pub(super) last_word: Option<Rc<Verdict>>,
    pub(super) heard: Option<Heard>,
    /// Fingerprint of the key that verified the token, as KV says.
    pub(super) trusted_key: Option<String>,
    /// Fingerprint of the key that has just verified the token.
    pub(super) verified_by: Option<String>,
    /// What is to be stored because of it.
    pub(super) change: Option<KvChange>,
    pub(super) list: ListSought,
    /// Since when it waits for another request that refreshes the list.
    pub(super) list_since: Option<Millis>,
    /// Since when it needs what the relay says.
    pub(super) strict_since: Option<Millis>,
}

/// What a request knows of what KV says about its token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum KvKnown {
    /// It has not looked.
    #[default]
    NotYet,
    /// What is there.
    All,
    /// There may be something that it has not heard.
    Perhaps,
}

/// Whether a list of revocations was sought for a request, in vain or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ListSought {
    /// It was not.
    #[default]
    NotYet,
    /// Wherever there is one.
    Somehow,
    /// At the relay, because of a strict rule.
    Strictly,
}

/// How much is asked anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Effort {
    /// What no cache knows.
    #[default]
    Usual,
    /// Everything.
    Insisting,
}

/// What came of an inquiry.
#[derive(Debug)]
pub struct Told {
    pub(super) heard: Heard,
    /// What other isolates should know.
    pub change: Option<KvChange>,
    /// What the operator should know.
    pub news: Option<BreakerNews>,
}

/// What a request heard from the auth service.
#[derive(Debug)]
pub(super) enum Heard {
    Verdict(Rc<Verdict>),
    Silence(Silence),
    /// It stopped waiting.
    NotYet,
}

impl Findings {
    /// Of something that takes no word for an answer that was there before.
    #[must_use]
    pub fn insisting() -> Self {
        Self { effort: Effort::Insisting, kv: KvKnown::All, ..Self::default() }
    }

    /// The request does not wait for the auth service any longer.
    pub fn stop_waiting(&mut self) {
        self.heard.get_or_insert(Heard::NotYet);
    }

    /// The request learns what came of its inquiry.
    pub fn learn(&mut self, told: Told) {
        self.heard = Some(told.heard);
    }

    /// What is to be stored because of the decision.
    pub const fn take_change(&mut self) -> Option<KvChange> {
        self.change.take()
    }

    /// The list of revocations was refreshed, or could not be, or not yet.
    pub const fn list_was_sought(&mut self) {
        if matches!(self.list, ListSought::NotYet) {
            self.list = ListSought::Somehow;
        }
    }

    /// Whether the request may go on waiting for another one that refreshes the list.
    pub(super) fn may_wait_for_list(&mut self, most_ms: Millis, now: Millis) -> bool {
        now.saturating_sub(*self.list_since.get_or_insert(now)) < most_ms
    }

    /// Whether KV had something to say about its token.
    pub(super) const fn has_heard_from_kv(&self) -> bool {
        self.trusted_key.is_some() || self.last_word.is_some()
    }

    /// The keys were fetched, or could not be.
    pub const fn keys_were_fetched(&mut self) {
        self.keys = true;
    }
}
