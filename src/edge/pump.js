// Supervised WebSockets: both ends are held here, and messages go from one to the other. Whether they may,
// and when it ends, the supervisor in the wasm says. Where its instance has ended by a panic, the socket is
// closed, and the supervisor is left alone: its memory is another one's by then.
//
// What the wasm calls here does not throw. An exception that passes through the wasm ends its instance, and
// with it the sockets of everybody else.
import { forward, logFault, originFailed, outgoing, send, within } from "./glue.js";

const CLIENT = 0;
const ORIGIN = 1;

const PROTOCOL = "sec-websocket-protocol";

// What the runtime reports where there was no code in the Close frame, or no Close frame (RFC 6455 section
// 7.4.1). Neither can be sent.
const NO_CODE = 1005;
const VANISHED = 1006;
const PROTOCOL_ERROR = 1002;

// Between these a code is the application's own; those below that may be sent are these.
const FIRST_OWN_CODE = 3000;
const LAST_OWN_CODE = 4999;
const CODES = new Set([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]);

// The longest message with a token: as long as a token and a word can be.
const MOST_RENEWAL = 65_536 + 100;

// What is left of a Close frame for its reason (RFC 6455 section 5.5). The runtime takes longer ones, and sends
// none.
const MOST_REASON_BYTES = 123;

// As `Supervisor.end` takes it.
const ORIGIN_IS_GONE = 0;

// As `Supervisor.wake` says it.
const NEVER = -1;
const CUT_OFF = -2;

/**
 * Sends a handshake on, like `forward`, and supervises the socket that comes of it. `protocol` is the
 * subprotocol for a client that the origin was offered none for.
 */
export async function supervise(service, request, url, edits, protocol, context, supervisor) {
  const pump = new Pump(context, supervisor);
  await pump.beforehand();
  let answer = pump.refusal(request);
  if (answer === undefined) {
    let parts;
    let failure = "";
    let response;
    try {
      parts = outgoing(request, url, edits, false);
      response = await send(service, parts[0], { ...parts[1], signal: pump.abort.signal });
      if (response.webSocket) await pump.answered();
    } catch (error) {
      if (parts) failure = String(error);
    }
    // It can have ended meanwhile. Only one of the two is counted, and logged.
    answer = pump.refusal(request);
    if (answer) pump.abort.abort();
    else answer = response ?? originFailed(request, failure);
  }
  if (!answer.webSocket) {
    pump.finish();
    return answer;
  }
  const [outer, client] = Object.values(new WebSocketPair());
  pump.open(client, answer.webSocket);
  return switched(answer, protocol, outer);
}

/** Sends a handshake on whose socket the runtime pumps, and chooses the subprotocol that is missing. */
export async function forwardChoosing(service, request, url, edits, protocol) {
  const response = await forward(service, request, url, edits, false);
  if (response.webSocket === null) return response;
  return switched(response, protocol, response.webSocket);
}

/** The response of the origin, with this end for the client. */
function switched(answer, protocol, webSocket) {
  const headers = new Headers(answer.headers);
  if (protocol && !headers.has(PROTOCOL)) headers.set(PROTOCOL, protocol);
  return new Response(null, { status: 101, headers, webSocket });
}

class Pump {
  constructor(context, supervisor) {
    this.context = context;
    this.supervisor = supervisor;
    this.instance = instanceOf(supervisor);
    // Cuts the connection to the origin.
    this.abort = new AbortController();
    // How much was sent to each side, as the runtime counts it.
    this.messages = [0, 0];
    this.bytes = [0, 0];
    // Which sides we have closed.
    this.told = [false, false];
    this.word = supervisor.renewalWord();
    this.mostBytes = supervisor.mostMessageBytes();
    // Which sides have closed their end, or are gone.
    this.over = [false, false];
    this.isEnded = false;
    this.isCutOff = false;
  }

  /** Finds out what has to be known before the origin is asked. */
  async beforehand() {
    if (!this.supervisor.isLeashedFirst()) return;
    // Until there is a leash, or none can be had; a relay that is full is no answer yet.
    do {
      this.connecting = undefined;
      this.guard(() => this.wake());
      await this.connecting;
    } while (this.connecting !== undefined && !this.isOver());
  }

  /** Finds out whether the socket may still begin: an origin can take longer to answer than a permit lasts. */
  async answered() {
    await this.guard(() => this.supervisor.answered(this));
  }

  /** The response to a handshake whose socket would end before it begins, or nothing. */
  refusal(request) {
    if (this.isFinished || !this.isAlive()) return originFailed(request, "Error: reset");
    return this.supervisor.refusal(request);
  }

  isAlive() {
    return this.instance === instanceOf(this.supervisor);
  }

  isOver() {
    return this.isEnded || this.isFinished;
  }

  open(client, origin) {
    this.sides = [client, origin];
    for (const side of [CLIENT, ORIGIN]) {
      const socket = this.sides[side];
      // Half open, so that a Close frame is answered when the other side has answered it, and what that
      // still sends is not lost. As buffers, because a Blob has to be awaited.
      socket.accept({ allowHalfOpen: true });
      socket.binaryType = "arraybuffer";
      this.listen(socket, "message", (event) => this.pass(side, event.data));
      this.listen(socket, "close", (event) => this.closed(side, event.code, event.reason));
      this.listen(socket, "error", () => this.closed(side, VANISHED));
    }
    this.guard(() => this.arm(this.supervisor.open()));
  }

  listen(socket, name, handler) {
    socket.addEventListener(name, (event) => this.guard(() => handler(event)));
  }

  /** Does something. If the supervisor cannot take part in it any more, the socket ends. */
  guard(action) {
    if (this.isFinished) return;
    let detail = "the instance has ended";
    try {
      if (this.isAlive()) return action();
    } catch (error) {
      detail = String(error);
    }
    logFault("socket_failed", detail);
    this.end(1013, "supervision_lost");
    this.finish();
  }

  pass(side, data) {
    if (this.isEnded) return;
    const isText = typeof data === "string";
    const bytes = isText ? textBytes(data, this.mostBytes) : data.byteLength;
    const isRenewal = side === CLIENT && this.word !== undefined && isText && this.isRenewal(data);
    // It is the client who gets the answer to a renewal.
    const to = isRenewal ? CLIENT : 1 - side;
    const waiting = this.sides[to].bufferedAmount;
    const ending = this.supervisor.message(
      to,
      bytes,
      this.messages[to],
      this.bytes[to],
      waiting,
      Date.now(),
    );
    if (ending > 0) this.supervisor.end(this, ending);
    else if (isRenewal) this.renew(data);
    else this.send(to, data, waiting);
  }

  send(side, data, waiting) {
    const socket = this.sides[side];
    socket.send(data);
    this.messages[side]++;
    this.bytes[side] += socket.bufferedAmount - waiting;
  }

  renew(data) {
    // What is longer can be no token, and is not brought into the memory of the wasm, which only grows.
    const token = data.length <= MOST_RENEWAL ? data.slice(this.word.length).trim() : "";
    this.supervisor.renew(this, token);
  }

  isRenewal(text) {
    const next = text[this.word.length];
    return text.startsWith(this.word) && (next === undefined || next === " ");
  }

  /** One side has closed its end, or is gone. */
  closed(side, code, reason) {
    if (this.over[side]) return;
    this.over[side] = true;
    if (code === VANISHED && side === CLIENT) {
      // If the code was in a Close frame, which is not allowed, the client is still there.
      this.tell(CLIENT, PROTOCOL_ERROR, "");
      // The origin sees what it would see without us: a connection that is gone.
      this.abort.abort();
      this.finish();
    } else if (code === VANISHED && !this.isEnded && !this.over[CLIENT]) {
      this.supervisor.end(this, ORIGIN_IS_GONE);
    } else if (!this.isEnded) {
      this.tell(1 - side, code === VANISHED ? NO_CODE : code, reason);
    }
    if (this.over[1 - side]) this.finish();
    else if (!this.isFinished) this.arm(this.supervisor.closing());
  }

  tell(side, code, reason) {
    this.told[side] = true;
    try {
      if (code === NO_CODE) this.sides[side].close();
      else if (canSend(code, reason)) this.sides[side].close(code, reason);
      else this.sides[side].close(PROTOCOL_ERROR);
    } catch {
      // It has failed meanwhile, and says so by an event of its own.
    }
  }

  // What follows is for the supervisor.

  /** Closes both sides. */
  end(code, reason) {
    this.isEnded = true;
    // Before the origin has answered there is nothing to close yet.
    if (this.sides === undefined) return;
    for (const side of [CLIENT, ORIGIN]) this.tell(side, code, reason);
  }

  /** Sends a text to the client. */
  say(text) {
    if (this.isOver() || this.over[CLIENT] || this.told[CLIENT]) return;
    try {
      this.send(CLIENT, text, this.sides[CLIENT].bufferedAmount);
    } catch {
      // It has failed meanwhile.
    }
  }

  /** Wakes the supervisor after so many milliseconds. */
  arm(millis) {
    clearTimeout(this.timer);
    if (this.isFinished || millis === NEVER) return;
    this.timer = setTimeout(() => this.guard(() => this.wake()), millis);
  }

  wake() {
    const next = this.supervisor.wake(this);
    if (next !== CUT_OFF) {
      this.arm(next);
      return;
    }
    this.abort.abort();
    // Before the origin has answered there is a response to give.
    if (this.sides === undefined) return;
    this.isCutOff = true;
    this.finish();
    // A socket has no other way to be let go of. Nothing after this is carried out: what the wasm has begun in
    // this turn would never go on, and nor would anything that it begins later.
    this.context.abort?.();
  }

  /** Keeps the context alive until a promise is settled. */
  keep(promise) {
    try {
      this.context.waitUntil(promise);
    } catch {
      // Then it lives as long as the sockets.
    }
  }

  /** Makes the leash, in the place of the one that there is. */
  connect(namespace, name, hint, path, timeoutMs) {
    this.connecting = this.connected(namespace, name, hint, path, timeoutMs);
    this.keep(this.connecting);
  }

  async connected(namespace, name, hint, path, timeoutMs) {
    const open = async () => {
      const stub = namespace.get(namespace.idFromName(name), hint && { locationHint: hint });
      return stub.fetch(`https://object${path}`, { headers: { upgrade: "websocket" } });
    };
    const opening = open().catch(() => undefined);
    const response = await within(opening, timeoutMs);
    const socket = response?.webSocket;
    // One that comes too late is given back.
    if (response === undefined) opening.then((late) => drop(late?.webSocket));
    if (this.isFinished) return drop(socket);
    this.guard(() => {
      if (!socket) {
        this.arm(this.supervisor.notLeashed(response?.status ?? 0));
        return;
      }
      const before = this.leash;
      this.leash = socket;
      socket.accept();
      socket.binaryType = "arraybuffer";
      this.listen(socket, "message", ({ data }) => {
        // A text is the answer to a ping.
        const said = new Uint8Array(typeof data === "string" ? 0 : data);
        this.supervisor.leashSaid(this, said);
      });
      const lost = () => {
        if (this.leash !== socket) return;
        this.leash = undefined;
        this.arm(this.supervisor.notLeashed(0));
      };
      this.listen(socket, "close", lost);
      this.listen(socket, "error", lost);
      close(before);
      this.arm(this.supervisor.leashed());
    });
  }

  /** Asks the relay something over the leash. */
  ask(text) {
    try {
      this.leash?.send(text);
    } catch {
      // It is being closed, and says so by an event of its own.
    }
  }

  /** Gives the leash up. */
  letGo() {
    const leash = this.leash;
    this.leash = undefined;
    close(leash);
  }

  /** It is over: nothing of it stays. */
  finish() {
    if (this.isFinished) return;
    this.isFinished = true;
    clearTimeout(this.timer);
    this.letGo();
    // With its instance it is gone.
    if (!this.isAlive()) return;
    this.supervisor.over(this, this.isCutOff);
    this.supervisor.free();
  }
}

/** Which instance of the wasm there is. Where one has ended, another one is there after this. */
function instanceOf(supervisor) {
  return supervisor.constructor.instance();
}

const encoder = new TextEncoder();

/** The length of a text in UTF-8; as far as it matters, because it is counted only where it can be too long. */
function textBytes(text, most) {
  return text.length * 3 <= most ? text.length : encoder.encode(text).length;
}

function canSend(code, reason) {
  const isCode = CODES.has(code) || (code >= FIRST_OWN_CODE && code <= LAST_OWN_CODE);
  return isCode && encoder.encode(reason).length <= MOST_REASON_BYTES;
}

function drop(socket) {
  try {
    socket?.accept();
  } catch {
    // It is gone.
  }
  close(socket);
}

function close(socket) {
  try {
    socket?.close(1000);
  } catch {
    // It is gone.
  }
}
