// The Worker with Durable Objects that can fail: `relays.rs` is asked before each of their calls. What it asks
// relays itself comes by a path of its own.
import worker, { RevocationHub as Hub, RevocationRelay as Relay } from "./index.js";

const CONTROL = "/relays-of-the-test/";

export default {
  fetch(request, env, context) {
    const { pathname } = new URL(request.url);
    if (!pathname.startsWith(CONTROL)) return worker.fetch(request, env, context);
    const [action, name] = pathname.slice(CONTROL.length).split("/");
    if (action === "reset") return reset(env, context);
    const relays = env.REVOCATION_RELAY;
    return relays.get(relays.idFromName(name)).fetch(`https://object/test/${action}`);
  },
};

// What comes out of the wasm as an exception has ended its instance, as a panic does.
function reset(env, context) {
  const request = new Proxy({}, {
    get() {
      throw new Error("reset");
    },
  });
  try {
    return worker.fetch(request, env, context);
  } catch (error) {
    return new Response(String(error));
  }
}

const failing = (Durable, kind) =>
  class extends Durable {
    async fault(pathname, name) {
      const asked = await this.env.FAULTS.fetch(`http://faults/${kind}${pathname}/${name}`);
      return asked.text();
    }

    async fetch(request) {
      const { pathname, searchParams } = new URL(request.url);
      if (pathname.startsWith("/test/")) return this.control(pathname);
      switch (await this.fault(pathname, searchParams.get("name") ?? "")) {
        case "down":
          throw new Error("down");
        case "hang":
          return new Promise((resolve) => setTimeout(() => resolve(new Response()), 30_000));
        case "garbage":
          return new Response("<html>");
        case "answer lost":
          await super.fetch(request);
          throw new Error("lost");
        default:
          return super.fetch(request);
      }
    }
  };

export const RevocationHub = failing(Hub, "hub");

export class RevocationRelay extends failing(Relay, "relay") {
  control(pathname) {
    const leashes = this.state.getWebSockets();
    // As if the machine of the relay were gone: what is on disk stays.
    if (pathname === "/test/kill") setTimeout(() => this.state.abort("killed"), 0);
    return new Response(String(leashes.length));
  }

  async webSocketMessage(socket, message) {
    if ((await this.fault("/message", "")) === "") await super.webSocketMessage(socket, message);
  }
}
