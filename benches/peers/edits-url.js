// The limit for an origin that is reached by its URL and not through a service binding.

export default {
  fetch(request, env) {
    const url = request.url;
    const path = url.slice(url.indexOf("/", "https://".length));
    const out = new Request(env.ORIGIN_URL + path, request);
    out.headers.delete("authorization");
    out.headers.set("x-auth-subject", "user-1");
    return fetch(out);
  },
};
