// A WebSocket through the gate, for `make dev`: prints what comes and sends what is typed.
// usage: node dev/socket.mjs TOKEN [URL]
import { createInterface } from "node:readline";

const [token, address = "ws://127.0.0.1:8787/socket"] = process.argv.slice(2);
const socket = new WebSocket(address, token ? ["bearer", token] : []);
const lines = createInterface({ input: process.stdin });

socket.onopen = () => {
  console.log(`open, subprotocol ${socket.protocol || "none"}`);
  lines.on("line", (line) => socket.send(line));
};
socket.onmessage = ({ data }) => console.log(data);
socket.onclose = async ({ code, reason }) => {
  console.log(`closed: ${code} ${reason}`);
  // A refused handshake is told to no script. The same question without the upgrade has an answer.
  if (code === 1006) {
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const why = await fetch(address.replace(/^ws/, "http"), { headers });
    console.log(`the gate says: ${why.status} ${await why.text()}`);
  }
  process.exit();
};
