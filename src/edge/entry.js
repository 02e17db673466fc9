// What the runtime calls. A plain object: the class that the `worker` crate's bundler makes of it
// would be constructed, and wrapped in proxies, for each request.
//
// The exports of the wasm start their instance again if a panic has ended it.
import { fetch } from "./index.js";

export default { fetch };
