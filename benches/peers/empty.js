// Answers without doing anything: what a cold start costs at least.

export default {
  fetch() {
    return new Response("ok");
  },
};
