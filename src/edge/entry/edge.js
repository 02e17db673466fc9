// What the runtime calls. A plain object for requests: the class that the `worker` crate's bundler makes
// of it would be constructed, and wrapped in proxies, for each request.
//
// The exports of the wasm start their instance again if a panic has ended it. Durable Objects outlive
// that, so they are objects of this side, with a name and a number by which the wasm knows them: the name
// is that of the object for good, and the number tells its incarnations apart.
import { fetch, hubAlarm, hubFetch, relayAlarm, relayClosed, relayFetch, relayMessage } from "./index.js";

let objects = 0;

class Durable {
  constructor(state, env) {
    this.state = state;
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
  constructor(state, env) {
    super(state, env);
    // Answered by the runtime, so that a question whether the leash is there wakes nobody.
    state.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
  }

  fetch(request) {
    return relayFetch(this, request);
  }

  alarm() {
    return relayAlarm(this);
  }

  webSocketMessage(socket, message) {
    return relayMessage(this, socket, message);
  }

  webSocketClose(socket) {
    try {
      socket.close(1000);
    } catch {
      // The runtime has answered already.
    }
    relayClosed(this);
  }

  webSocketError() {
    relayClosed(this);
  }
}

// What is answered without asking anybody, as most refusals are, waits until the runtime has looked for other
// events. Left to itself it serves those again and again who ask for more at once, and does not hear what origins
// have answered to others (docs/performance.md, "Abuse").
function answer(request, env, context) {
  const answer = fetch(request, env, context);
  return answer instanceof Response ? scheduler.wait(0).then(() => answer) : answer;
}

export default { fetch: answer };
