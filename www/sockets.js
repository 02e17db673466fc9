// WebSockets through the gate: frames as they come, how they end, and why one was refused.
import { byId, el, ms, pretty } from "./dom.js";
import { asPath, ask, behind, denialCode, isConnected, state } from "./gate.js";
import { currentToken, explained } from "./inspector.js";
import { note } from "./timeline.js";

const MOST_FRAMES = 100;

let number = 0;
const open = new Map();
const closeListeners = new Set();

/** How many are open. */
export const openSockets = () => open.size;

/** Calls back when a socket closes: its number, code, reason, and when. Gives back what stops that. */
export function onClose(listener) {
  closeListeners.add(listener);
  return () => closeListeners.delete(listener);
}

/** Gets the form going. */
export function start() {
  byId("socket-form").addEventListener("submit", (event) => {
    event.preventDefault();
    connect(asPath(byId("socket-path").value), currentToken());
  });
}

// What a subprotocol may be made of (RFC 6455 section 4.1, RFC 9110 section 5.6.2).
const IS_WORD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

function protocolsFor(token) {
  if (!token) return [];
  if (IS_WORD.test(token)) return ["bearer", token];
  const encoded = btoa(String.fromCharCode(...new TextEncoder().encode(token)));
  const word = encoded.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return ["bearer", `base64url.bearer.authorization.k8s.io.${word}`];
}

function connect(path, token) {
  const url = behind(path);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  const begun = performance.now();
  const name = `#${++number}`;
  byId("socket-why").replaceChildren();
  let socket;
  try {
    socket = new WebSocket(url, protocolsFor(token));
  } catch (error) {
    note({ kind: "socket", tone: "bad", title: `${name} cannot be tried: ${error.message}` });
    return;
  }
  socket.binaryType = "arraybuffer";
  let view;
  socket.onopen = () => {
    const took = performance.now() - begun;
    note({ kind: "socket", tone: "good", title: `${name} open`, note: `${path} · ${ms(took)} · subprotocol ${socket.protocol || "none"}` });
    view = showSocket(name, path, socket);
    open.set(name, socket);
    changed();
  };
  socket.onmessage = ({ data }) => {
    const text = typeof data === "string" ? data : `${data.byteLength} bytes`;
    view.frame("in", text);
    note({ kind: "socket", tone: "info", title: `${name} received`, note: `${text.length} characters`, details: [["Frame", readable(text)]] });
  };
  socket.onclose = async ({ code, reason, wasClean }) => {
    const at = performance.now();
    const wasOpen = open.delete(name);
    const words = `${code}${reason ? ` ${reason}` : ""}`;
    if (!wasOpen) return refused(name, path, token, at);
    view.end(`closed: ${words}`);
    changed();
    for (const listener of closeListeners) listener({ name, code, reason, at });
    note({ kind: "socket", tone: code === 1000 ? "info" : "bad", title: `${name} closed: ${words}`, note: wasClean ? path : `${path} · not cleanly`, at });
  };
}

// A page sees 1006 and nothing else of a refusal. The same question without the upgrade has an answer.
async function refused(name, path, token, at) {
  note({ kind: "socket", tone: "bad", title: `${name} refused: 1006`, note: `${path} · all that a browser tells`, at });
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const answer = await ask(behind(path), { headers });
  const code = denialCode(answer);
  const words = code
    ? `${answer.status} ${code}`
    : `nothing against it: the same request without the upgrade gets ${answer.status || "no answer"}. So the origin has not taken the handshake, or the connection broke.`;
  const details = code ? [["Problem", answer.json]] : [];
  note({ kind: "socket", tone: "bad", title: `${name}: the gate says ${code ? words : "nothing against it"}`, details });
  const why = byId("socket-why");
  why.replaceChildren(el("div", { class: "said tone-bad" }, el("p", {}, el("strong", {}, `Socket ${name} was refused. `), `Without the upgrade, the gate says: ${words}`)));
  if (!isConnected()) return;
  // As the handshake came, which the rules may see in another light.
  const [scheme, host] = [location.protocol.slice(0, -1), location.host];
  const upgrade = { upgrade: "websocket", connection: "Upgrade", origin: location.origin, "sec-websocket-version": "13" };
  if (token) upgrade["sec-websocket-protocol"] = protocolsFor(token).join(", ");
  why.append(await explained({ method: "GET", scheme, host, path, headers: upgrade }));
}

function readable(text) {
  try {
    return pretty(JSON.parse(text));
  } catch {
    return text;
  }
}

function showSocket(name, path, socket) {
  const frames = el("ol");
  const scroll = el("div", { class: "frames", role: "log", "aria-label": `Frames of socket ${name}`, tabindex: "0" }, frames);
  const input = el("input", { "aria-label": `Message for socket ${name}`, placeholder: "message", spellcheck: "false" });
  const status = el("span", { class: "status good" }, "open");
  const frame = (direction, text) => {
    const sign = { in: "◀", out: "▶" }[direction];
    const words = { in: "received", out: "sent" }[direction];
    frames.append(el("li", { class: direction }, el("span", { "aria-hidden": "true" }, sign), el("span", { class: "hidden" }, `${words}: `), text));
    while (frames.childElementCount > MOST_FRAMES) frames.firstElementChild.remove();
    scroll.scrollTop = scroll.scrollHeight;
  };
  const send = (text) => {
    socket.send(text);
    frame("out", text);
    note({ kind: "socket", tone: "info", title: `${name} sent`, note: `${text.length} characters` });
  };
  const renewal = state.settings?.table.websocket?.renewal;
  const renew = renewal && el("button", { type: "button", class: "quiet", title: "Sends the token that is in the field above", onclick: () => {
    // The token is shown nowhere but in its field.
    socket.send(`${renewal} ${currentToken()}`);
    frame("out", `${renewal} …`);
    note({ kind: "socket", tone: "info", title: `${name} asks to go on with the present token` });
  } }, "Renew");
  const close = el("button", { type: "button", class: "quiet", onclick: () => socket.close(1000, "") }, "Close");
  const form = el("form", { class: "row", autocomplete: "off", onsubmit: (event) => {
    event.preventDefault();
    if (socket.readyState === WebSocket.OPEN && input.value) send(input.value);
    input.value = "";
  } }, input, el("button", { type: "submit" }, "Send"), renew, close);
  const dismiss = el("button", { type: "button", class: "quiet", hidden: true, onclick: () => {
    box.remove();
    changed();
  } }, "Dismiss");
  const box = el("article", { class: "socket", "aria-label": `Socket ${name}` }, el("header", {}, el("h3", {}, `${name} ${path}`), status, dismiss), scroll, form);
  byId("sockets").prepend(box);
  return {
    frame,
    end(words) {
      status.textContent = words;
      status.className = "status bad";
      form.remove();
      dismiss.hidden = false;
    },
  };
}

function changed() {
  byId("no-sockets").hidden = byId("sockets").childElementCount > 0;
}
