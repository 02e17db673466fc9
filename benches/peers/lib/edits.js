// The two edits of headers that no gate can do without. Making the outgoing request of its parts was
// the fastest of the ways tried; `new Request(request)` took about a twelfth more of workerd's time.

/** What to fetch from the origin with: the request without its token, with the subject. */
export function edited(request, subject) {
  const headers = new Headers(request.headers);
  headers.delete("authorization");
  headers.set("x-auth-subject", subject);
  return { method: request.method, headers, body: request.body, redirect: "manual" };
}
