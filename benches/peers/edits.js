// The limit: the edits that no gate can do without, and nothing else.
import { edited } from "./lib/edits.js";

export default {
  fetch(request, env) {
    return env.ORIGIN.fetch(request.url, edited(request, "user-1"));
  },
};
