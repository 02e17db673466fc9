// The limit for an origin that is reached by its URL and not through a service binding.
import { edited } from "./lib/edits.js";

export default {
  fetch(request, env) {
    const url = request.url;
    const path = url.slice(url.indexOf("/", "https://".length));
    return fetch(env.ORIGIN_URL + path, edited(request, "user-1"));
  },
};
