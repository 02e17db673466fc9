// Prometheus' text format, as far as this gate writes it, and what charts need of it.

const LINE = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-z_]+)="((?:[^"\\]|\\.)*)"/g;

/** All samples of a page: name, labels, value. */
export function samples(text) {
  const found = [];
  for (const line of text.split("\n")) {
    const [, name, labels = "", value] = LINE.exec(line) ?? [];
    if (!name) continue;
    const pairs = [...labels.matchAll(LABEL)].map(([, key, escaped]) => [key, escaped.replace(/\\(.)/g, "$1")]);
    found.push({ name, labels: Object.fromEntries(pairs), value: Number(value) });
  }
  return found;
}

/** The sum of all samples of this name with these labels; nothing if there is none. */
export function sum(all, name, labels = {}) {
  const isMeant = (one) => one.name === name && Object.entries(labels).every(([key, value]) => one.labels[key] === value);
  const values = all.filter(isMeant).map(({ value }) => value);
  return values.length > 0 ? values.reduce((total, value) => total + value, 0) : undefined;
}

/**
 * The share of one counter in what came to it and another one between two readings; nothing if nothing came, or
 * if one of them has started anew meanwhile.
 */
export function share(before, after, name, other, labels = {}) {
  const [part, rest] = [name, other].map((one) => (sum(after, one, labels) ?? 0) - (sum(before, one, labels) ?? 0));
  return part < 0 || rest < 0 || part + rest === 0 ? undefined : part / (part + rest);
}

/** The counts of a histogram, by upper bound. */
export function buckets(all, name) {
  const of = all.filter((one) => one.name === `${name}_bucket`);
  return of.map(({ labels, value }) => ({ most: labels.le === "+Inf" ? Infinity : Number(labels.le), count: value }));
}

/**
 * A quantile of what came between two readings of a histogram, in its unit; nothing if nothing came, or if it has
 * started anew meanwhile.
 */
export function quantile(before, after, share) {
  const grown = after.map(({ most, count }, at) => ({ most, count: count - (before[at]?.count ?? 0) }));
  const all = grown.at(-1)?.count ?? 0;
  if (all <= 0 || grown.some(({ count }) => count < 0)) return undefined;
  const rank = share * all;
  let [least, below] = [0, 0];
  for (const { most, count } of grown) {
    if (count >= rank) return most === Infinity ? least : least + ((most - least) * (rank - below)) / (count - below || 1);
    [least, below] = [most, count];
  }
  return undefined;
}
