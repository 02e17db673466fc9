// What the runtime calls. A plain object for requests: the class that the `worker` crate's bundler makes
// of it would be constructed, and wrapped in proxies, for each request.
//
// The exports of the wasm start their instance again if a panic has ended it. Durable Objects outlive
// that, so they are objects of this side, with a name and a number by which the wasm knows them: the name
// is that of the object for good, and the number tells its incarnations apart.
import { fetch, hubAlarm, hubFetch, relayFetch } from "./index.js";

let objects = 0;

class Durable {
  constructor(state, env) {
    this.storage = state.storage;
    this.env = env;
    this.id = state.id.toString();
    this.number = ++objects;
  }
}

export class RevocationHub extends Durable {
  fetch(request) {
    return hubFetch(this, request);
  }

  alarm() {
    return hubAlarm(this);
  }
}

export class RevocationRelay extends Durable {
  fetch(request) {
    return relayFetch(this, request);
  }
}

export default { fetch };
