// No auth, but every edit of headers that edgeward makes for the same request, with constants: what
// the runtime takes for the headers alone.

const ASSERTION = `${"h".repeat(64)}.${"c".repeat(320)}.${"s".repeat(86)}`;

export default {
  fetch(request, env) {
    const headers = new Headers(request.headers);
    headers.delete("authorization");
    headers.set("x-forwarded-proto", "http");
    headers.set("x-forwarded-host", "api.example");
    headers.set("X-Auth-Client", "orders-client");
    headers.set("X-Auth-Email", "user-1@example.com");
    headers.set("X-Auth-Scope", "read write");
    headers.set("X-Auth-Subject", "user-1");
    headers.set("x-auth-assertion", ASSERTION);
    return env.ORIGIN.fetch(request.url, { method: request.method, headers, redirect: "manual" });
  },
};
