// The script of a page that uses WebSockets. `browser.mjs` serves it and calls what is in `calls`.
const sockets = [];

globalThis.calls = {
  /** Opens a socket: its number and protocol, or how it has failed. */
  async open(url, protocols) {
    const socket = new WebSocket(url, protocols);
    socket.binaryType = "arraybuffer";
    const one = { socket, received: [], waiting: [] };
    socket.onmessage = ({ data }) => (one.waiting.shift() ?? ((data) => one.received.push(data)))(data);
    const closed = new Promise((resolve) => (socket.onclose = resolve));
    one.closed = closed.then(({ code, reason, wasClean }) => ({ code, reason, wasClean }));
    const opened = new Promise((resolve) => (socket.onopen = () => resolve({ protocol: socket.protocol })));
    const how = await Promise.race([opened, one.closed]);
    return { ...how, number: sockets.push(one) - 1 };
  },

  /** Sends a text that gets no answer. */
  say: (number, text) => sockets[number].socket.send(text),

  /** Sends a text: the text that comes next. */
  async text(number, text) {
    sockets[number].socket.send(text);
    return next(sockets[number]);
  },

  /** Sends so many bytes: whether the next message is the same. */
  async bytes(number, length) {
    const sent = Uint8Array.from({ length }, (_, at) => (at * 31) ^ (at >> 8));
    sockets[number].socket.send(sent);
    const data = new Uint8Array(await next(sockets[number]));
    return data.length === length && data.every((byte, at) => byte === sent[at]);
  },

  /** How a socket closes. */
  closed: (number) => sockets[number].closed,

  /** Closes a socket: how it closes. */
  close(number, code, reason) {
    sockets[number].socket.close(code, reason);
    return sockets[number].closed;
  },

  /** A response as far as the page may read it, or nothing where it may not. */
  async fetch(url, credentials) {
    try {
      const response = await fetch(url, { credentials });
      const challenge = response.headers.get("www-authenticate");
      return { status: response.status, challenge, body: await response.json() };
    } catch {
      return null;
    }
  },
};

function next({ received, waiting }) {
  return received.length > 0 ? received.shift() : new Promise((resolve) => waiting.push(resolve));
}
