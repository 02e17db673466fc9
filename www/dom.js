// Small helpers around the document.

export const byId = (id) => document.getElementById(id);

/** An element with these properties (`class`, `on…`, `data…` or attributes) and children. */
export function el(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null));
  return element;
}

/** JSON as people read it. */
export function pretty(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/** A text that can be scrolled, also by keyboard. */
export function block(label, value) {
  return el("div", { class: "block" }, el("p", { class: "label" }, label), el("pre", { class: "json", tabindex: "0", "aria-label": label }, pretty(value)));
}

/** So many milliseconds, in words. */
export function ms(time) {
  if (time < 10) return `${time.toFixed(1)} ms`;
  return time < 10_000 ? `${Math.round(time)} ms` : `${(time / 1000).toFixed(1)} s`;
}

/** Says why something cannot be done, or lets it be. */
export function allow(button, whyNot) {
  button.disabled = Boolean(whyNot);
  button.title = whyNot ?? "";
}
