//! What is done for one socket: its leash, the list, and looking at its token again.
//!
//! Everything that is found out on the way is waited for in the context of the socket itself.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::Promise;
use wasm_bindgen::JsValue;

use super::super::boot::{Isolate, Ready};
use super::super::crypto::RuntimeCrypto;
use super::super::later::{find_out, store};
use super::super::objects::address;
use super::super::revocations::{self, Heard};
use super::super::{glue, keys, log, now};
use super::Pump;
use crate::core::claims::Millis;
use crate::core::denial::Reason;
use crate::core::json::object;
use crate::core::revocation::delta::Delta;
use crate::core::revocation::entry::{LogId, Number};
use crate::core::socket::{Ending, Session, Step};
use crate::core::verify::SignatureEngine as _;
use crate::gate::{Findings, KvChange, Question, Refresh, Renewal, Watch};

/// What [`super::Supervisor::wake`] says where there is nothing to wake for.
const NEVER: i32 = -1;

/// One supervised socket.
pub(super) struct Socket {
    pub(super) isolate: &'static Isolate,
    pub(super) gate: &'static Ready,
    pub(super) watch: RefCell<Watch<'static>>,
    pub(super) session: RefCell<Session>,
    /// For the log.
    pub(super) path: String,
    pub(super) began_at: Millis,
    pub(super) is_open: Cell<bool>,
    /// Why we have ended it, if we have.
    pub(super) ended: Cell<Option<Ending>>,
    /// Whether the relay is to count it: only before it is open.
    pub(super) is_counted: Cell<bool>,
    /// Whether its leash is, or will be, to the relay that this isolate hands over its metrics to.
    pub(super) is_leashed_to_own: Cell<bool>,
    /// It is being judged at the moment, with something to be found out.
    pub(super) judging: RefCell<Option<Promise>>,
    pub(super) is_renewing: Cell<bool>,
    /// When the client last sent a fresh token.
    pub(super) renewed_at: Cell<Option<Millis>>,
    /// When the relay was last asked over the leash, until it answers.
    pub(super) asked_at: Cell<Option<Millis>>,
    /// Its subject has too many, says the relay.
    pub(super) is_one_too_many: Cell<bool>,
}

impl Socket {
    /// In how many milliseconds to wake.
    pub(super) fn next(&self) -> i32 {
        let next = self.session.borrow().next_ms(now());
        next.and_then(|millis| i32::try_from(millis).ok()).unwrap_or(NEVER)
    }

    pub(super) fn end(&self, pump: &Pump, ending: Ending) {
        if self.ended.get().is_some() {
            return;
        }
        self.ended.set(Some(ending));
        self.session.borrow_mut().close(now());
        // Before that, it is a request that is denied.
        if self.is_open.get() {
            self.gate.tally().end_socket(ending);
            let watch = self.watch.borrow();
            let provider = watch.provider().map(|at| self.gate.provider_name(at));
            let whose = (provider, watch.subject_tag());
            log::socket_ended(self.isolate, ending, &self.path, whose, self.began_at, now());
        }
        pump.end(ending.code(), ending.name());
        // Whoever does not answer the Close frame is cut off.
        pump.arm(self.next());
    }

    /// It does not count as open any more.
    pub(super) fn count_as_closed(&self) {
        if self.is_open.take() {
            self.gate.tally().close_socket(self.ended.get().is_none());
        }
    }

    pub(super) fn lose_leash(&self, now: Millis) {
        self.asked_at.set(None);
        self.session.borrow_mut().leash.lost(RuntimeCrypto.random(), now);
    }

    /// Makes the leash, if it is time.
    pub(super) fn make_leash(&self, pump: &Pump, now: Millis) {
        let step = self.session.borrow_mut().leash.wake(now);
        if step != Step::Connect || self.session.borrow().is_closing() {
            return;
        }
        let Self { isolate, gate, .. } = *self;
        let settings = gate.settings();
        let watch = self.watch.borrow();
        let subject = watch.subject_tag();
        let tags = watch.tags();
        let of = subject.map_or(0, |subject| subject.mark().bits() >> 1);
        let relay = isolate.relays.name(gate, None).of_leash(
            of,
            self.session.borrow().leash.full(),
            settings.revocation.relays_per_region,
        );
        self.is_leashed_to_own.set(relay == *isolate.relays.name(gate, None));
        // It is counted once, at the handshake: no socket ends because its leash is made again.
        let most = settings.websocket.max_sockets_per_subject.filter(|_| self.is_counted.get());
        let most = most.zip(subject);
        let most = most.map(|(most, subject)| format!("&subject={subject}&most={most}"));
        let path = format!(
            "/leash?{}&tags={}&room={}{}{}",
            revocations::question(watch.judged_by(), 0),
            tags.join("."),
            settings.websocket.leashes_per_relay,
            most.unwrap_or_default(),
            address(&relay.name, relay.hint),
        );
        let timeout_ms = settings.revocation.timeout_ms;
        pump.connect(&isolate.relays.namespace, &relay.name, relay.hint, &path, timeout_ms);
    }

    /// Looks after the leash and the list, and judges the token again.
    pub(super) fn check(self: &Rc<Self>, pump: &Pump, now: Millis) {
        let step = self.session.borrow_mut().leash.check();
        match step {
            Step::Ping => pump.ask("ping"),
            Step::Drop => {
                pump.let_go();
                self.lose_leash(now);
            }
            Step::Nothing | Step::Connect => {}
        }
        if self.asked_at.get().is_some() {
            // Its runtime is there, and it gives no answer: another one may.
            pump.let_go();
            self.lose_leash(now);
        }
        // Where the leash does not do that.
        if self.gate.is_batch_needed(now) {
            let (isolate, gate) = (self.isolate, self.gate);
            pump.keep(&glue::promise(async move {
                revocations::refresh(isolate, gate, None, revocations::Source::Relay).await;
                JsValue::UNDEFINED
            }));
        }
        let counts = self.gate.list_lapses_at().is_none_or(|at| at > now);
        let is_leashed = counts && self.session.borrow().leash.is_up();
        // Often enough for two checks more within the bound, and no oftener.
        if self.gate.list_is_due(self.session.borrow().check_ms() / 2, is_leashed, now) {
            if is_leashed {
                // One message, and no request of which the platform counts so and so many. What comes of it
                // is judged when it comes, and nobody waits for it: others have other ways.
                self.ask(pump, self.gate.list_position(), now);
            } else {
                self.judge(pump, Some(Question::Revocations(Refresh::Needed)));
                return;
            }
        }
        self.judge(pump, None);
    }

    fn ask(&self, pump: &Pump, position: (Option<LogId>, Number), now: Millis) {
        let refresh_ms = self.gate.settings().revocation.refresh_seconds.saturating_mul(1_000);
        self.asked_at.set(Some(now));
        let mut question = revocations::question(position, refresh_ms);
        // To one relay alone: another one would count it again.
        if self.is_leashed_to_own.get() {
            question.push('\n');
            question.push_str(&self.gate.metrics_batch(now));
        }
        pump.ask(&question);
    }

    /// Judges the token again, after something was found out, if that is asked for.
    fn judge(self: &Rc<Self>, pump: &Pump, first: Option<Question>) {
        if self.judging.borrow().is_some() {
            return;
        }
        let mut findings = Findings::default();
        let mut is_refreshed = first.is_some();
        let first = first.or_else(|| self.judge_once(pump, &mut findings, &mut is_refreshed));
        let Some(question) = first else { return };
        let (socket, held) = (Rc::clone(self), pump.clone());
        let judging = glue::promise(async move {
            let mut question = Some(question);
            let mut turn = socket.watch.borrow().turn();
            while let Some(next) = question {
                socket.find_out(&held, next, &mut findings).await;
                if turn != socket.watch.borrow().turn() {
                    // It has another token by now, about which nothing was found out.
                    turn = socket.watch.borrow().turn();
                    findings = Findings::default();
                }
                question = socket.judge_once(&held, &mut findings, &mut is_refreshed);
            }
            socket.store(&held, findings.take_change());
            socket.judging.replace(None);
            held.arm(socket.next());
            JsValue::UNDEFINED
        });
        pump.keep(&judging);
        self.judging.replace(Some(judging));
    }

    /// Finds something out, and leaves what others should know in KV.
    async fn find_out(&self, pump: &Pump, question: Question, findings: &mut Findings) {
        let change = find_out(self.isolate, self.gate, None, question, findings).await;
        self.store(pump, change);
    }

    fn store(&self, pump: &Pump, change: Option<KvChange>) {
        store(self.isolate, change, |promise| pump.keep(promise));
    }

    /// What has to be found out first, if anything. `is_refreshed`: whether the list was refreshed for
    /// this, or could not be.
    fn judge_once(
        &self,
        pump: &Pump,
        findings: &mut Findings,
        is_refreshed: &mut bool,
    ) -> Option<Question> {
        let now = now();
        if self.session.borrow().is_closing() {
            return None;
        }
        let judged = self.gate.judge_again(&mut self.watch.borrow_mut(), now, findings);
        if let Some(provider) = self.gate.take_due() {
            pump.keep(&keys::fetch_later(self.isolate, self.gate, provider));
        }
        match judged {
            Ok(None) => {
                self.is_good(now);
                None
            }
            Ok(question) => question,
            Err(denial) if denial.reason == Reason::RevocationsUnknown && !*is_refreshed => {
                *is_refreshed = true;
                Some(Question::Revocations(Refresh::Needed))
            }
            Err(denial) => {
                let doubt =
                    || self.session.borrow_mut().is_in_doubt(self.gate.list_lapses_at(), now);
                if let Some(ending) = Ending::of(denial.reason).or_else(doubt) {
                    self.end(pump, ending);
                }
                None
            }
        }
    }

    /// It was judged, and is good until something that it rests on lapses.
    pub(super) fn is_good(&self, now: Millis) {
        let rest = self.watch.borrow().counts_until();
        self.session.borrow_mut().is_good(self.gate.list_lapses_at(), rest, now);
    }

    /// The relay tells of revocations that may be about this token.
    pub(super) fn hear_notice(&self, pump: &Pump, part: &[u8]) {
        let Ok(delta) = Delta::read(part) else { return };
        if self.watch.borrow().is_revoked_by(&delta, now().div_euclid(1_000)) {
            self.end(pump, Ending::TokenRevoked);
        }
    }

    /// The relay answers a question.
    pub(super) fn hear_answer(self: &Rc<Self>, pump: &Pump, answer: &[u8]) {
        let Some(asked_at) = self.asked_at.take() else { return };
        let Some((kept, part)) = answer.split_first_chunk() else { return };
        if self.is_leashed_to_own.get() {
            self.gate.batches_are_kept(u32::from_le_bytes(*kept), now());
        }
        match revocations::hear(self.isolate, self.gate, part, asked_at) {
            Heard::Part(position) => self.ask(pump, position, asked_at),
            Heard::All => self.judge(pump, None),
            // What the hub has published may be younger.
            Heard::Nothing => self.judge(pump, Some(Question::Revocations(Refresh::Needed))),
        }
        pump.arm(self.next());
    }

    pub(super) async fn renew(&self, pump: &Pump, token: &str) {
        let Self { isolate, gate, .. } = *self;
        let mut findings = Findings::default();
        let tags = self.watch.borrow().tags();
        let answer = loop {
            let now = now();
            let renewal = gate.renew(&mut self.watch.borrow_mut(), token, now, &mut findings);
            match renewal {
                Renewal::Ask(question) => {
                    self.find_out(pump, question, &mut findings).await;
                }
                Renewal::Renewed(until) => {
                    let watch = self.watch.borrow();
                    self.is_good(now);
                    let mut session = self.session.borrow_mut();
                    session.renew(watch.expires_at());
                    if watch.tags() != tags {
                        // Something else can revoke it.
                        session.leash.replace(now);
                    }
                    break object! { "renewed": true, "expires_at": until };
                }
                Renewal::AnotherSubject => {
                    break object! { "renewed": false, "code": "another_subject" };
                }
                Renewal::Refused(denial) => {
                    let failure_id = isolate.failure_id();
                    let path = &self.path;
                    log::renewal_refused(isolate, gate, &denial, token, path, &failure_id, now);
                    let code = denial.reason.code().name();
                    break object! { "renewed": false, "code": code, "failure_id": failure_id };
                }
            }
        };
        self.store(pump, findings.take_change());
        self.is_renewing.set(false);
        self.say(pump, &answer.to_string());
        self.make_leash(pump, now());
        pump.arm(self.next());
    }

    /// Answers on a renewal.
    pub(super) fn say(&self, pump: &Pump, answer: &str) {
        if let Some(word) = &self.gate.settings().websocket.renewal {
            pump.say(&format!("{word} {answer}"));
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.count_as_closed();
    }
}
