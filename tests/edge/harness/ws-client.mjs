// A client made of `ws`. `ws.rs` starts it; each line that it writes to it is a socket, with the steps to go
// on it, and gets what the client saw of it.
import { once } from "node:events";
import { createInterface } from "node:readline";
import { WebSocket } from "ws";

// What a step sends, and the kind of event that answers it. Without a kind, the next step comes at once.
const steps = {
  text: (socket, { text, times = 1 }) => message(socket, [text.repeat(times)]),
  bytes: (socket, { bytes }) => message(socket, [pattern(bytes)]),
  fragments: (socket, { fragments }) => message(socket, fragments),
  fragmentsOfBytes: (socket, { fragmentsOfBytes }) => message(socket, fragmentsOfBytes.map(pattern)),
  ping: async (socket, { ping }) => {
    socket.ping(ping);
    const [data] = await once(socket, "pong");
    return `pong ${data}`;
  },
  say: (socket, { say }) => socket.send(say),
  close: (socket, { close }) => socket.close(...close),
  vanish: (socket) => socket.terminate(),
};

async function message(socket, fragments) {
  const isBinary = typeof fragments[0] !== "string";
  const last = fragments.length - 1;
  fragments.forEach((part, at) => socket.send(part, { fin: at === last, binary: isBinary }));
  const sent = Buffer.concat(fragments.map((part) => Buffer.from(part)));
  const [data, isBinaryBack] = await once(socket, "message");
  const isSame = isBinary === isBinaryBack && sent.equals(data);
  return `${isBinaryBack ? "bytes" : "text"} ${data.length} ${isSame ? "as sent" : "other than sent"}`;
}

function pattern(length) {
  return Buffer.from({ length }, (_, at) => (at * 31) ^ (at >> 8));
}

async function visit({ url, authorization, protocols, deflate, steps: given }) {
  const headers = authorization && { authorization };
  const socket = new WebSocket(url, protocols, { headers, perMessageDeflate: deflate && { threshold: 0 } });
  // Not by `once`, which an error ends, too.
  const closed = new Promise((resolve) => socket.on("close", (...how) => resolve(how)));
  const answers = [];
  try {
    await once(socket, "open");
    for (const step of given) {
      const answer = await steps[Object.keys(step)[0]](socket, step);
      if (answer !== undefined) answers.push(answer);
    }
  } catch (error) {
    answers.push(error.message);
  }
  const [code, reason] = await closed;
  const { protocol, extensions } = socket;
  return { protocol, extensions, answers, close: [code, reason.toString()] };
}

say({});
createInterface({ input: process.stdin })
  .on("line", async (line) => say(await visit(JSON.parse(line))))
  // Whoever started this is gone, however that came.
  .on("close", () => process.exit(0));

function say(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
