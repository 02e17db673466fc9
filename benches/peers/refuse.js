// Refuses everything unseen: what a denial costs at least.

export default {
  fetch() {
    return new Response("unauthorized", { status: 401 });
  },
};
