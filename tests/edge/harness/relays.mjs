// The Worker with Durable Objects that can fail: `relays.rs` is asked before each of their calls.
import worker, { RevocationHub as Hub, RevocationRelay as Relay } from "./index.js";

export default worker;

const failing = (Durable, kind) =>
  class extends Durable {
    async fetch(request) {
      const { pathname, searchParams } = new URL(request.url);
      const name = searchParams.get("name") ?? "";
      const asked = await this.env.FAULTS.fetch(`http://faults/${kind}${pathname}/${name}`);
      switch (await asked.text()) {
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
export const RevocationRelay = failing(Relay, "relay");
