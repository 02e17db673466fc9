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
    const objects = name === "hub" ? env.REVOCATION_HUB : env.REVOCATION_RELAY;
    return objects.get(objects.idFromName(name)).fetch(`https://object/test/${action}`);
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

// The storage of an object, and how many rows it is billed for having written: by statements, as the platform
// counts them, and one for each alarm that is set.
function counted(storage, written) {
  let last;
  written.settle = () => {
    written.rows += last?.rowsWritten ?? 0;
    last = undefined;
  };
  const sql = {
    exec(...statement) {
      written.settle();
      last = storage.sql.exec(...statement);
      return last;
    },
  };
  const setAlarm = (due) => {
    written.rows += 1;
    return storage.setAlarm(due);
  };
  const own = { sql, setAlarm };
  const get = (_, member) => {
    if (member in own) return own[member];
    const value = storage[member];
    return typeof value === "function" ? value.bind(storage) : value;
  };
  return new Proxy(storage, { get });
}

const sleep = (millis) => new Promise((resolve) => setTimeout(resolve, millis));

const failing = (Durable, kind) =>
  class extends Durable {
    written = { rows: 0 };

    constructor(state, env) {
      super(state, env);
      this.storage = counted(this.storage, this.written);
    }

    control(pathname) {
      // As if the machine of the object were gone: what is on disk stays.
      if (pathname === "/test/kill") setTimeout(() => this.state.abort("killed"), 0);
      if (pathname !== "/test/rows") return new Response(String(this.state.getWebSockets().length));
      this.written.settle();
      return new Response(String(this.written.rows));
    }

    // Its name, and what more there is to say about it.
    async fault(pathname, name) {
      const asked = await this.env.FAULTS.fetch(`http://faults/${kind}${pathname}/${name}`);
      return (await asked.text()).split(" ");
    }

    async fetch(request) {
      const { pathname, searchParams } = new URL(request.url);
      if (pathname.startsWith("/test/")) return this.control(pathname);
      const [fault, millis] = await this.fault(pathname, searchParams.get("name") ?? "");
      switch (fault) {
        case "down":
          throw new Error("down");
        case "hang":
          await sleep(30_000);
          return new Response();
        case "garbage":
          return new Response("<html>");
        case "lost":
          await super.fetch(request);
          throw new Error("lost");
        case "slow": {
          const answer = await super.fetch(request);
          await sleep(Number(millis));
          return answer;
        }
        default:
          return super.fetch(request);
      }
    }
  };

export const RevocationHub = failing(Hub, "hub");

export class RevocationRelay extends failing(Relay, "relay") {
  async webSocketMessage(socket, message) {
    const [fault, millis] = await this.fault("/message", "");
    if (fault === "slow") await sleep(Number(millis));
    if (fault === "slow" || fault === "") await super.webSocketMessage(socket, message);
  }
}
