// A Worker of which the benchmark can ask that V8 clears away what nobody uses: what stays is what is used.
// With the flag --expose-gc.
import worker from "./index.js";

export * from "./index.js";

export default {
  fetch(request, env, context) {
    if (!request.url.endsWith("/collect-garbage")) return worker.fetch(request, env, context);
    globalThis.gc();
    return new Response("ok");
  },
};
