// An origin made of `ws`, which sends everything back. `ws.rs` starts it, and each line that it writes to it
// gets the sockets that have ended since the last one.
import { once } from "node:events";
import { createInterface } from "node:readline";
import { WebSocketServer } from "ws";

// As much as a report of the Autobahn cases leaves behind is not kept.
const MOST_KEPT = 100;

const { protocol, deflate } = JSON.parse(process.argv[2]);
const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  perMessageDeflate: deflate && { threshold: 0 },
  // As many as a client may need for one message of the suite.
  maxFragments: 1 << 20,
  handleProtocols: (offered) => offered.has(protocol) && protocol,
});
let ended = [];

// What a text asks for instead of itself.
const requests = {
  close: (socket, code, ...reason) => socket.close(code && Number(code), reason.join(" ")),
  vanish: (socket) => socket.terminate(),
  ping: (socket, data) => socket.ping(data),
};

server.on("connection", (socket, { headers }) => {
  const { protocol, extensions } = socket;
  const pongs = [];
  const offered = headers["sec-websocket-protocol"] ?? null;
  socket.on("pong", (data) => pongs.push(data.toString()));
  socket.on("message", (data, isBinary) => {
    const [please, action, ...given] = isBinary ? [] : data.toString().split(" ");
    if (please === "please") requests[action](socket, ...given);
    else socket.send(data, { binary: isBinary });
  });
  // A mistake of the other side is also how the socket ends.
  socket.on("error", () => {});
  socket.on("close", (code, reason) => {
    ended.push({ offered, protocol, extensions, pongs, close: [code, reason.toString()] });
    ended = ended.slice(-MOST_KEPT);
  });
});
await once(server, "listening");
say({ port: server.address().port });

for await (const _ of createInterface({ input: process.stdin })) {
  say(ended);
  ended = [];
}
// Whoever started this is gone, however that came.
process.exit(0);

function say(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
