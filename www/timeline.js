// What happened, with times: the last first.
import { block, byId, el, ms } from "./dom.js";

const MOST = 200;
const list = byId("timeline");
let last;

/**
 * Writes something down. `tone` is `good`, `bad`, `warn` or `info`; `kind` names what it is about; `details`
 * are pairs of a label and a text or object; `more` is a node below them.
 */
export function note({ kind, tone, title, note: words, details = [], more, at = performance.now() }) {
  const since = last === undefined ? undefined : at - last;
  last = Math.max(last ?? at, at);
  const clock = new Date(performance.timeOrigin + at);
  const head = [
    el("time", { datetime: clock.toISOString(), title: clock.toLocaleTimeString() }, `+${(at / 1000).toFixed(2)} s`),
    el("span", { class: "kind" }, kind),
    el("span", { class: "what" }, title),
  ];
  const beside = [words, since > 0 && since < 60_000 ? `${ms(since)} later` : undefined].filter(Boolean).join(" · ");
  if (beside) head.push(el("span", { class: "beside" }, beside));
  const isBare = details.length === 0 && !more;
  const body = isBare
    ? el("div", { class: "event" }, head)
    : el("details", { class: "event" }, el("summary", {}, head), details.map(([label, value]) => block(label, value)), more);
  list.prepend(el("li", { class: `tone-${tone}` }, body));
  while (list.childElementCount > MOST) list.lastElementChild.remove();
  byId("no-events").hidden = true;
}

byId("clear").addEventListener("click", () => {
  list.replaceChildren();
  byId("no-events").hidden = false;
});
