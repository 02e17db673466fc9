//! Supervised WebSockets: what `pump.js` asks about each message, each moment and each word of a relay.
//!
//! In scope: one supervisor for each socket, its leash, and looking at its token again. Out of scope:
//! the frames (`pump.js`), when something is due ([`crate::core::socket`]), and what a token is worth
//! ([`crate::gate`]). A supervisor belongs to its pump; when that goes, so does it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::Request;

use super::boot::{Isolate, Ready};
use super::crypto::RuntimeCrypto;
use super::later::find_out;
use super::objects::{ANSWER, NOTICE};
use super::revocations::{self, Heard};
use super::{glue, keys, log, now, respond};
use crate::core::claims::Millis;
use crate::core::denial::{Denial, Reason, cut};
use crate::core::json::object;
use crate::core::request::RequestHead;
use crate::core::revocation::delta::Delta;
use crate::core::socket::{Due, Ending, Session, Side, Step};
use crate::core::verify::SignatureEngine as _;
use crate::gate::{Findings, Question, Refresh, Renewal, Watch};

/// What [`Supervisor::wake`] says instead of a time.
const NEVER: i32 = -1;
const CUT_OFF: i32 = -2;

/// The status with which a relay has no room for a leash.
const FULL: u16 = 503;
/// The status with which a relay says that a subject has enough sockets.
const TOO_MANY: u16 = 429;

#[wasm_bindgen(module = "/src/edge/pump.js")]
extern "C" {
    /// Sends a handshake on, and supervises what comes of it: the promise of the response.
    #[wasm_bindgen(js_name = supervise)]
    pub(super) fn supervise(
        service: &JsValue,
        request: &Request,
        url: Option<&str>,
        edits: &str,
        protocol: Option<&str>,
        context: &super::Context,
        supervisor: Supervisor,
    ) -> JsValue;

    /// Sends a handshake on whose socket the runtime pumps, and chooses this subprotocol for the client.
    #[wasm_bindgen(js_name = forwardChoosing)]
    pub(super) fn forward_choosing(
        service: &JsValue,
        request: &Request,
        url: Option<&str>,
        edits: &str,
        protocol: &str,
    ) -> JsValue;

    /// Both ends of a socket.
    #[derive(Clone)]
    pub type Pump;

    #[wasm_bindgen(method)]
    fn end(this: &Pump, code: u16, reason: &str);

    #[wasm_bindgen(method)]
    fn say(this: &Pump, text: &str);

    #[wasm_bindgen(method)]
    fn arm(this: &Pump, millis: i32);

    #[wasm_bindgen(method)]
    fn keep(this: &Pump, promise: &Promise);

    #[wasm_bindgen(method)]
    fn connect(
        this: &Pump,
        namespace: &JsValue,
        name: &str,
        hint: Option<&str>,
        path: &str,
        timeout_ms: u32,
    );

    #[wasm_bindgen(method)]
    fn ask(this: &Pump, text: &str);

    #[wasm_bindgen(method, js_name = letGo)]
    fn let_go(this: &Pump);
}

/// What supervises one socket.
#[wasm_bindgen]
pub struct Supervisor(Rc<Socket>);

struct Socket {
    isolate: &'static Isolate,
    gate: &'static Ready,
    watch: RefCell<Watch<'static>>,
    session: RefCell<Session>,
    /// For the log.
    path: String,
    began_at: Millis,
    is_open: Cell<bool>,
    /// Whether we have ended it.
    is_ended: Cell<bool>,
    /// Whether it is being judged at the moment, with something to be found out.
    is_judging: Cell<bool>,
    is_renewing: Cell<bool>,
    /// When the relay was last asked over the leash, until it answers.
    asked_at: Cell<Option<Millis>>,
    /// Its subject has too many, says the relay.
    is_one_too_many: Cell<bool>,
}

impl Supervisor {
    /// For a socket that is permitted.
    pub(super) fn new(
        isolate: &'static Isolate,
        gate: &'static Ready,
        request: &Request,
        head: &RequestHead<'_>,
        watch: Watch<'static>,
    ) -> Self {
        let now = now();
        let session =
            Session::open(gate.terms(&watch), gate.leash(&watch, now), RuntimeCrypto.random(), now);
        // While there is a request to tell where this is.
        isolate.relays.name(gate, Some(request));
        Self(Rc::new(Socket {
            isolate,
            gate,
            watch: RefCell::new(watch),
            session: RefCell::new(session),
            path: cut(head.path).to_owned(),
            began_at: now,
            is_open: Cell::new(false),
            is_ended: Cell::new(false),
            is_judging: Cell::new(false),
            is_renewing: Cell::new(false),
            asked_at: Cell::new(None),
            is_one_too_many: Cell::new(false),
        }))
    }
}

#[wasm_bindgen]
impl Supervisor {
    /// The word that begins a message with a fresh token.
    #[wasm_bindgen(js_name = renewalWord)]
    #[must_use]
    pub fn renewal_word(&self) -> Option<String> {
        let word = &self.0.gate.settings().websocket.renewal;
        word.clone().filter(|_| self.0.watch.borrow().has_token())
    }

    /// The longest message, in bytes.
    #[wasm_bindgen(js_name = mostMessageBytes)]
    #[must_use]
    pub fn most_message_bytes(&self) -> u32 {
        self.0.gate.settings().websocket.max_message_bytes.unwrap_or(u32::MAX)
    }

    /// Whether the leash has to be there before the origin is asked: the relay counts the sockets.
    #[wasm_bindgen(js_name = isLeashedFirst)]
    #[must_use]
    pub fn is_leashed_first(&self) -> bool {
        let is_limited = self.0.gate.settings().websocket.max_sockets_per_subject.is_some();
        is_limited && self.0.gate.revokes() && self.0.watch.borrow().subject_tag().is_some()
    }

    /// Makes the leash, if it is time.
    pub fn leash(&self, pump: &Pump) {
        self.0.make_leash(pump, now());
    }

    /// The response to a handshake that the relay does not want, if it does not.
    #[must_use]
    pub fn refusal(&self, request: &Request) -> JsValue {
        let Socket { isolate, gate, .. } = *self.0;
        if !self.0.is_one_too_many.get() {
            return JsValue::UNDEFINED;
        }
        let packed = isolate.head(request);
        let denial = Denial {
            provider: self.0.watch.borrow().provider(),
            ..Denial::new(Reason::TooManySockets)
        };
        gate.tally().deny(denial.reason);
        respond::deny(isolate, &RequestHead::unpack(packed.as_str()), &denial, now(), None)
    }

    /// The socket is open. In how many milliseconds to wake.
    #[must_use]
    pub fn open(&self, pump: &Pump) -> i32 {
        self.0.is_open.set(true);
        self.0.gate.tally().open_socket();
        self.0.make_leash(pump, now());
        self.0.next()
    }

    /// A message is to be sent to a side, while so many bytes wait for it. 0 if it may be, else the number of the ending that there is for it.
    #[must_use]
    pub fn message(&self, to: u8, bytes: u32, waiting: u32, now: f64) -> u32 {
        #[allow(clippy::cast_possible_truncation, reason = "milliseconds are far below 2^53")]
        let now = now as Millis;
        let to = if to == 0 { Side::Client } else { Side::Origin };
        let ending = self.0.session.borrow_mut().message(to, bytes, waiting, now);
        ending.map_or(0, |ending| ending as u32 + 1)
    }

    /// Ends the socket, as [`Supervisor::message`] has said.
    pub fn end(&self, pump: &Pump, number: u32) {
        let position = usize::try_from(number).unwrap_or_default().wrapping_sub(1);
        if let Some(ending) = Ending::ALL.get(position) {
            self.0.end(pump, *ending);
        }
    }

    /// The origin is gone.
    #[wasm_bindgen(js_name = originIsGone)]
    pub fn origin_is_gone(&self, pump: &Pump) {
        self.0.end(pump, Ending::OriginUnreachable);
    }

    /// One side has closed its end. In how many milliseconds to wake.
    #[must_use]
    pub fn closing(&self) -> i32 {
        self.0.session.borrow_mut().close(now());
        self.0.next()
    }

    /// Does what is due. In how many milliseconds to wake again.
    #[must_use]
    pub fn wake(&self, pump: &Pump) -> i32 {
        let now = now();
        let due = self.0.session.borrow_mut().wake(now);
        match due {
            Due::Nothing => {}
            Due::Check => self.0.check(pump, now),
            Due::End(ending) => self.0.end(pump, ending),
            Due::CutOff => return CUT_OFF,
        }
        self.0.make_leash(pump, now);
        self.0.next()
    }

    /// The leash is there. In how many milliseconds to wake.
    #[must_use]
    pub fn leashed(&self) -> i32 {
        self.0.session.borrow_mut().leash.opened();
        self.0.next()
    }

    /// The leash is lost. In how many milliseconds to wake.
    #[wasm_bindgen(js_name = leashLost)]
    #[must_use]
    pub fn leash_lost(&self) -> i32 {
        self.0.lose_leash(now());
        self.0.next()
    }

    /// The leash could not be made: the relay's status, or 0. In how many milliseconds to wake.
    #[wasm_bindgen(js_name = notLeashed)]
    #[must_use]
    pub fn not_leashed(&self, status: u16) -> i32 {
        let now = now();
        match status {
            FULL => self.0.session.borrow_mut().leash.is_full(RuntimeCrypto.random(), now),
            TOO_MANY => self.0.is_one_too_many.set(true),
            _ => self.0.lose_leash(now),
        }
        self.0.next()
    }

    /// The relay has answered a ping.
    pub fn pong(&self) {
        self.0.session.borrow_mut().leash.heard();
    }

    /// The relay has said something.
    #[wasm_bindgen(js_name = leashSaid)]
    pub fn leash_said(&self, pump: &Pump, said: &[u8]) {
        self.0.session.borrow_mut().leash.heard();
        match said.split_first() {
            Some((&NOTICE, part)) => self.0.hear_notice(pump, part),
            Some((&ANSWER, part)) => self.0.hear_answer(pump, part),
            _ => {}
        }
    }

    /// The client has sent a fresh token.
    pub fn renew(&self, pump: &Pump, token: String) {
        if self.0.session.borrow().is_closing() {
            return;
        }
        if self.0.is_renewing.replace(true) {
            self.0.say(pump, &object! { "renewed": false, "code": "busy" }.to_string());
            return;
        }
        let (socket, held) = (Rc::clone(&self.0), pump.clone());
        pump.keep(&glue::promise(async move {
            socket.renew(&held, &token).await;
            JsValue::UNDEFINED
        }));
    }
}

impl Socket {
    /// In how many milliseconds to wake.
    fn next(&self) -> i32 {
        let next = self.session.borrow().next_ms(now());
        next.and_then(|millis| i32::try_from(millis).ok()).unwrap_or(NEVER)
    }

    fn end(&self, pump: &Pump, ending: Ending) {
        if self.is_ended.replace(true) {
            return;
        }
        self.session.borrow_mut().close(now());
        self.gate.tally().end_socket(ending);
        let provider = self.watch.borrow().provider().map(|at| self.gate.provider_name(at));
        log::socket_ended(self.isolate, ending, &self.path, provider, self.began_at, now());
        pump.end(ending.code(), ending.name());
    }

    fn lose_leash(&self, now: Millis) {
        self.asked_at.set(None);
        self.session.borrow_mut().leash.lost(RuntimeCrypto.random(), now);
    }

    /// Makes the leash, if it is time.
    fn make_leash(&self, pump: &Pump, now: Millis) {
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
        // It is counted once, at the handshake: no socket that is open ends because its leash is made again.
        let most = settings.websocket.max_sockets_per_subject.filter(|_| !self.is_open.get());
        let most = most.zip(subject);
        let most = most.map(|(most, subject)| format!("&subject={subject}&most={most}"));
        let path = format!(
            "/leash?{}&tags={}&room={}{}{}",
            revocations::question(watch.judged_by(), 0),
            tags.join("."),
            settings.websocket.leashes_per_relay,
            most.unwrap_or_default(),
            revocations::address(&relay),
        );
        let timeout_ms = settings.revocation.timeout_ms;
        pump.connect(&isolate.relays.namespace, &relay.name, relay.hint, &path, timeout_ms);
    }

    /// Looks after the leash and the list, and judges the token again.
    fn check(self: &Rc<Self>, pump: &Pump, now: Millis) {
        let step = self.session.borrow_mut().leash.check();
        match step {
            Step::Ping => pump.ask("ping"),
            Step::Drop => {
                pump.let_go();
                self.lose_leash(now);
            }
            Step::Nothing | Step::Connect => {}
        }
        if self.gate.list_is_due(now) {
            let counts = self.gate.list_lapses_at().is_some_and(|at| at > now);
            if counts && self.session.borrow().leash.is_up() {
                // One message, and no request of which the platform counts so and so many. What comes of it
                // is judged when it comes.
                let position = self.gate.begin_list(now);
                self.ask(pump, position, now);
            } else {
                self.judge(pump, Some(Question::Revocations(Refresh::Needed)));
                return;
            }
        }
        self.judge(pump, None);
    }

    fn ask(&self, pump: &Pump, position: (Option<u64>, u64), now: Millis) {
        let refresh_ms = self.gate.settings().revocation.refresh_seconds.saturating_mul(1_000);
        self.asked_at.set(Some(now));
        pump.ask(&revocations::question(position, refresh_ms));
    }

    /// Judges the token again, after something was found out, if that is asked for.
    fn judge(self: &Rc<Self>, pump: &Pump, first: Option<Question>) {
        if self.is_judging.get() {
            return;
        }
        let mut findings = Findings::default();
        let question = match first {
            Some(first) => first,
            None => match self.judge_once(pump, &mut findings) {
                Some(question) => question,
                None => return,
            },
        };
        self.is_judging.set(true);
        let (socket, held) = (Rc::clone(self), pump.clone());
        pump.keep(&glue::promise(async move {
            let Self { isolate, gate, .. } = *socket;
            let mut question = Some(question);
            while let Some(next) = question {
                let change = find_out(isolate, gate, None, next, &mut findings).await;
                if let Some(change) = change {
                    isolate.kv.apply(&change).await;
                }
                question = socket.judge_once(&held, &mut findings);
            }
            if let Some(change) = findings.take_change() {
                isolate.kv.apply(&change).await;
            }
            socket.is_judging.set(false);
            held.arm(socket.next());
            JsValue::UNDEFINED
        }));
    }

    /// What has to be found out first, if anything.
    fn judge_once(&self, pump: &Pump, findings: &mut Findings) -> Option<Question> {
        let now = now();
        if self.session.borrow().is_closing() {
            return None;
        }
        let judged = self.gate.judge_again(&mut self.watch.borrow_mut(), now, findings);
        if let Some(provider) = self.gate.take_due() {
            let Self { isolate, gate, .. } = *self;
            pump.keep(&glue::promise(async move {
                if let Some(change) = keys::fetch(isolate, gate, provider).await.change {
                    isolate.kv.apply(&change).await;
                }
                JsValue::UNDEFINED
            }));
        }
        match judged {
            Ok(None) => {
                let lapses_at = self.gate.list_lapses_at();
                self.session.borrow_mut().is_good(lapses_at, now);
                None
            }
            Ok(question) => question,
            Err(denial) => {
                let doubt = |session: &RefCell<Session>| session.borrow_mut().is_in_doubt(now);
                if let Some(ending) = Ending::of(denial.reason).or_else(|| doubt(&self.session)) {
                    self.end(pump, ending);
                }
                None
            }
        }
    }

    /// The relay tells of revocations that may be about this token.
    fn hear_notice(&self, pump: &Pump, part: &[u8]) {
        let Ok(delta) = Delta::read(part) else { return };
        if self.watch.borrow().is_revoked_by(&delta, now().div_euclid(1_000)) {
            self.end(pump, Ending::TokenRevoked);
        }
    }

    /// The relay answers a question.
    fn hear_answer(self: &Rc<Self>, pump: &Pump, part: &[u8]) {
        let Some(asked_at) = self.asked_at.take() else { return };
        match revocations::hear(self.isolate, self.gate, part, asked_at) {
            Heard::Part(position) => self.ask(pump, position, asked_at),
            Heard::All => self.judge(pump, None),
            // What the hub has published may be younger.
            Heard::Nothing => self.judge(pump, Some(Question::Revocations(Refresh::Needed))),
        }
        pump.arm(self.next());
    }

    async fn renew(&self, pump: &Pump, token: &str) {
        let Self { isolate, gate, .. } = *self;
        let mut findings = Findings::default();
        let answer = loop {
            let now = now();
            let renewal = gate.renew(&mut self.watch.borrow_mut(), token, now, &mut findings);
            match renewal {
                Renewal::Ask(question) => {
                    let change = find_out(isolate, gate, None, question, &mut findings).await;
                    if let Some(change) = change {
                        isolate.kv.apply(&change).await;
                    }
                }
                Renewal::Renewed(until) => {
                    let expires_at = self.watch.borrow().expires_at();
                    let mut session = self.session.borrow_mut();
                    session.renew(expires_at);
                    // What can revoke it may be other than before.
                    session.leash.replace(now);
                    break object! { "renewed": true, "expires_at": until };
                }
                Renewal::AnotherSubject => {
                    break object! { "renewed": false, "code": "another_subject" };
                }
                Renewal::Refused(denial) => {
                    let failure_id = isolate.failure_id();
                    log::renewal_refused(isolate, &denial, &self.path, &failure_id, now);
                    let code = denial.reason.code().name();
                    break object! { "renewed": false, "code": code, "failure_id": failure_id };
                }
            }
        };
        if let Some(change) = findings.take_change() {
            isolate.kv.apply(&change).await;
        }
        self.is_renewing.set(false);
        self.say(pump, &answer.to_string());
        self.make_leash(pump, now());
        pump.arm(self.next());
    }

    /// Answers on a renewal.
    fn say(&self, pump: &Pump, answer: &str) {
        if let Some(word) = &self.gate.settings().websocket.renewal {
            pump.say(&format!("{word} {answer}"));
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.is_open.get() {
            self.gate.tally().close_socket();
        }
    }
}
