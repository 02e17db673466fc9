//! Supervised WebSockets: what `pump.js` asks about each message, each moment and each word of a relay.
//!
//! In scope: one supervisor for each socket, and what is done for it ([`life`]). Out of scope:
//! the frames (`pump.js`), when something is due ([`crate::core::socket`]), and what a token is worth
//! ([`crate::gate`]). A supervisor belongs to its pump; when that goes, so does it.

mod life;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::Request;

use super::boot::{Isolate, Ready};
use super::crypto::RuntimeCrypto;
use super::objects::{ANSWER, NOTICE};
use super::{glue, metrics, now, respond};
use crate::core::claims::Millis;
use crate::core::denial::{Denial, Reason};
use crate::core::json::object;
use crate::core::log::cut;
use crate::core::request::RequestHead;
use crate::core::socket::{Due, Ending, Sent, Session, Side};
use crate::core::verify::SignatureEngine as _;
use crate::gate::Watch;
use life::Socket;

/// What [`Supervisor::wake`] says instead of a time.
const CUT_OFF: i32 = -2;

/// A fresh token is looked at no sooner than this after the one before, in milliseconds.
const LEAST_RENEWAL_MS: Millis = 1_000;

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
        isolate.see_colo(request);
        let socket = Rc::new(Socket {
            isolate,
            gate,
            watch: RefCell::new(watch),
            session: RefCell::new(session),
            path: cut(head.path).to_owned(),
            began_at: now,
            is_open: Cell::new(false),
            ended: Cell::new(None),
            is_counted: Cell::new(true),
            is_leashed_to_own: Cell::new(false),
            judging: RefCell::new(None),
            is_renewing: Cell::new(false),
            renewed_at: Cell::new(None),
            asked_at: Cell::new(None),
            is_one_too_many: Cell::new(false),
        });
        socket.is_good(now);
        Self(socket)
    }
}

#[wasm_bindgen]
impl Supervisor {
    /// Tells the instances of the module apart, of which each begins where the one before has ended by a
    /// panic. Whoever has a supervisor of another one must leave it alone: in this one its memory is
    /// somebody else's.
    #[must_use]
    pub fn instance() -> f64 {
        thread_local! {
            static INSTANCE: u64 = RuntimeCrypto.random() >> 12;
        }
        #[allow(clippy::cast_precision_loss, reason = "52 bits")]
        INSTANCE.with(|instance| *instance as f64)
    }

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

    /// The response to a handshake whose socket would end before it begins, if it would. From now on the
    /// relay is not to count it.
    #[must_use]
    pub fn refusal(&self, request: &Request) -> JsValue {
        let Socket { isolate, gate, .. } = *self.0;
        self.0.is_counted.set(false);
        let reason = match self.0.ended.get() {
            Some(ending) => ending.as_reason(),
            None if self.0.is_one_too_many.get() => Reason::TooManySockets,
            None => return JsValue::UNDEFINED,
        };
        let packed = isolate.head(request);
        let denial = Denial { provider: self.0.watch.borrow().provider(), ..Denial::new(reason) };
        gate.tally().deny(denial.reason);
        let head = RequestHead::unpack(packed.as_str());
        respond::deny(isolate, request, &head, &denial, now(), None)
    }

    /// The origin has answered. What to wait for until it is known whether the socket may still be opened.
    #[must_use]
    pub fn answered(&self, pump: &Pump) -> Option<Promise> {
        let _ = self.wake(pump);
        self.0.judging.borrow().clone()
    }

    /// The socket is open. In how many milliseconds to wake.
    #[must_use]
    pub fn open(&self) -> i32 {
        self.0.is_open.set(true);
        self.0.gate.tally().open_socket();
        self.0.session.borrow_mut().opening(now());
        self.0.next()
    }

    /// A message of so many bytes has come for a side, to which so much was sent, of which so many bytes
    /// still wait. 0 if it may be sent, too, else the number of the ending that there is for it.
    #[must_use]
    pub fn message(
        &self,
        to: u8,
        bytes: u32,
        messages_sent: f64,
        bytes_sent: f64,
        waiting: u32,
        now: f64,
    ) -> u32 {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts and milliseconds are far below 2^53"
        )]
        let (sent, now) =
            (Sent { messages: messages_sent as u64, bytes: bytes_sent as u64 }, now as Millis);
        let to = if to == 0 { Side::Client } else { Side::Origin };
        let ending = self.0.session.borrow_mut().message(to, bytes, sent, waiting, now);
        ending.map_or(0, |ending| ending as u32 + 1)
    }

    /// Ends the socket, as [`Supervisor::message`] has said, or, with 0, because the origin is gone.
    pub fn end(&self, pump: &Pump, number: u32) {
        let position = usize::try_from(number).unwrap_or_default().wrapping_sub(1);
        self.0.end(pump, Ending::ALL.get(position).copied().unwrap_or(Ending::OriginUnreachable));
    }

    /// It is gone. Nothing may be begun for one that is cut off.
    pub fn over(&self, pump: &Pump, is_cut_off: bool) {
        // Whatever is still being found out about its token ends nothing any more.
        let now = now();
        self.0.session.borrow_mut().close(now);
        self.0.count_as_closed();
        if !is_cut_off {
            metrics::watch(self.0.isolate, self.0.gate, None, now, |promise| pump.keep(promise));
        }
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
        if !self.0.is_open.get() {
            self.0.session.borrow_mut().opening(now);
        }
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
        self.0.session.borrow_mut().leash.opened(now());
        self.0.next()
    }

    /// The leash could not be made: the relay's status, or 0; also where it is lost. In how many milliseconds to wake.
    #[wasm_bindgen(js_name = notLeashed)]
    #[must_use]
    pub fn not_leashed(&self, status: u16) -> i32 {
        let now = now();
        match status {
            FULL => self.0.session.borrow_mut().leash.is_full(RuntimeCrypto.random(), now),
            TOO_MANY => {
                self.0.is_one_too_many.set(true);
                self.0.lose_leash(now);
            }
            _ => self.0.lose_leash(now),
        }
        self.0.next()
    }

    /// The relay has said something, or nothing but that it is there.
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
        // Each costs what a request costs, and no rate limit in front of the gate sees it.
        let now = now();
        let is_soon = self
            .0
            .renewed_at
            .get()
            .is_some_and(|at| (0..LEAST_RENEWAL_MS).contains(&now.saturating_sub(at)));
        if !is_soon {
            self.0.renewed_at.set(Some(now));
        }
        if is_soon || self.0.is_renewing.replace(true) {
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
