// Hands every request on as it is: what a Worker in front of an origin costs at least.

export default {
  fetch(request, env) {
    return env.ORIGIN.fetch(request);
  },
};
