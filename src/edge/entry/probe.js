// What the runtime calls of the probe.
import { fetch } from "./index.js";

export default { fetch };
