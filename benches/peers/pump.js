// Passes the messages of a WebSocket on as edgeward does for a supervised one, and knows nothing of tokens:
// what the runtime takes where messages go through JavaScript. With a relay, each socket has another one to
// that, like a socket that hears of revocations, over which nothing ever comes.
import { DurableObject } from "cloudflare:workers";

const MOST_BUFFERED = 1_048_576;

// What the runtime reports where there was no code in the Close frame, or no Close frame.
const NO_CODE = 1005;
const VANISHED = 1006;

export default {
  async fetch(request, env, context) {
    const response = await env.ORIGIN.fetch(request.url, { headers: request.headers });
    const origin = response.webSocket;
    if (origin === null) return response;
    const [outer, client] = Object.values(new WebSocketPair());
    pump(client, origin);
    pump(origin, client);
    if (env.REVOCATION_RELAY) context.waitUntil(leash(env.REVOCATION_RELAY, client));
    return new Response(null, { status: 101, headers: response.headers, webSocket: outer });
  },
};

function pump(from, to) {
  from.accept({ allowHalfOpen: true });
  from.binaryType = "arraybuffer";
  from.addEventListener("message", ({ data }) => {
    if (to.bufferedAmount <= MOST_BUFFERED) return to.send(data);
    close(from, 1013, "slow_consumer");
    close(to, 1013, "slow_consumer");
  });
  from.addEventListener("close", ({ code, reason }) => close(to, code, reason));
  from.addEventListener("error", () => close(to, VANISHED));
}

async function leash(namespace, client) {
  const stub = namespace.get(namespace.idFromName("relay"));
  const response = await stub.fetch("https://object/", { headers: { upgrade: "websocket" } });
  const socket = response.webSocket;
  socket.accept();
  socket.addEventListener("close", () => close(socket, NO_CODE));
  client.addEventListener("close", () => close(socket, NO_CODE));
}

export class RevocationRelay extends DurableObject {
  fetch() {
    const [outer, inner] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(inner);
    return new Response(null, { status: 101, webSocket: outer });
  }
}

export class RevocationHub extends DurableObject {}

function close(socket, code, reason) {
  try {
    if (code === NO_CODE || code === VANISHED) socket.close();
    else socket.close(code, reason);
  } catch {
    // It is gone.
  }
}
