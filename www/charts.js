// The metrics of the deployment, once a second, as charts and in words.
import uPlot from "uplot";

import { byId, el } from "./dom.js";
import { admin, isConnected, onSettings } from "./gate.js";
import { buckets, quantile, samples, share, sum } from "./prometheus.js";

const EVERY_MS = 1000;
/** Who does not want movement gets a new picture that often. */
const CALM_MS = 5000;
/** How many readings are shown. */
const MOST = 180;
/** Rates and quantiles are of so many seconds, so that one request can be seen. */
const WINDOW_S = 5;

/** A chart is at least so many seconds wide. */
const LEAST_SECONDS = 30;

const HEIGHT = 150;

const number = (digits, unit = "") => (value) => (value === null || value === undefined ? "–" : `${value.toFixed(digits)}${unit}`);
const rate = (name, labels) => ({ now, then, seconds }) => {
  const [after, before] = [sum(now, name, labels), sum(then, name, labels)];
  return after === undefined || before === undefined || seconds <= 0 ? null : Math.max(0, after - before) / seconds;
};
const gauge = (name, labels) => ({ now }) => sum(now, name, labels) ?? null;

function latency(share) {
  return ({ now, then }) => {
    const [after, before] = [now, then].map((all) => buckets(all, "auth_validation_duration_seconds"));
    const seconds = quantile(before, after, share);
    return seconds === undefined ? null : seconds * 1000;
  };
}

function hitRatio({ now, then }) {
  const part = share(then, now, "auth_cache_hits_total", "auth_cache_misses_total", { tier: "l1" });
  return part === undefined ? null : 100 * part;
}

// Colours are names of those in the style sheet, which has them for light and for dark.
const CHARTS = [
  {
    title: "Decisions per second",
    series: [
      { name: "permitted", colour: "good", of: rate("auth_requests_total", { decision: "permitted" }), say: number(1) },
      { name: "denied", colour: "bad", dash: [6, 4], of: rate("auth_requests_total", { decision: "denied" }), say: number(1) },
      { name: "degraded", colour: "warn", dash: [2, 3], of: rate("auth_degraded_total"), say: number(1) },
    ],
  },
  {
    title: "Waiting before a decision",
    unit: "ms",
    series: [
      { name: "p50", colour: "accent", of: latency(0.5), say: number(1, " ms") },
      { name: "p99", colour: "warn", dash: [6, 4], of: latency(0.99), say: number(1, " ms") },
    ],
  },
  {
    title: "Tokens known before",
    unit: "%",
    most: 100,
    series: [{ name: "hits in memory", colour: "accent", of: hitRatio, say: number(0, " %") }],
  },
  {
    title: "Breakers of auth services",
    steps: true,
    series: [
      { name: "closed", colour: "good", of: gauge("auth_breaker_state", { state: "closed" }), say: number(0) },
      { name: "open", colour: "bad", dash: [6, 4], of: gauge("auth_breaker_state", { state: "open" }), say: number(0) },
      { name: "half open", colour: "warn", dash: [2, 3], of: gauge("auth_breaker_state", { state: "half_open" }), say: number(0) },
    ],
  },
  {
    title: "Age of the list of revocations",
    unit: "s",
    series: [
      { name: "age", colour: "accent", of: gauge("auth_revocation_list_age_seconds"), say: number(1, " s") },
      { name: "bound", colour: "bad", dash: [6, 4], of: gauge("auth_revocation_bound_seconds"), say: number(0, " s") },
    ],
  },
  {
    title: "Open WebSockets",
    steps: true,
    series: [{ name: "supervised", colour: "accent", of: gauge("auth_websockets_open"), say: number(0) }],
  },
];

const readings = [];
const drawn = [];
const listeners = new Set();

/** Calls back with the samples of each reading. */
export function onReading(listener) {
  listeners.add(listener);
}

/** Makes the charts, and goes on reading while somebody looks. */
export function start() {
  for (const chart of CHARTS) drawn.push(place(chart));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach((one) => one.build()));
  new ResizeObserver(() => drawn.forEach((one) => one.fit())).observe(byId("charts"));
  byId("charts").hidden = true;
  onSettings((settings) => {
    byId("charts").hidden = !settings;
    byId("charts-note").textContent = settings
      ? "Of the whole deployment, read once a second while you look. Rates are of the last five seconds."
      : "Of the whole deployment, once a second. They need the admin token.";
  });
  read();
}

let lastDrawn = -Infinity;

async function read() {
  const begun = performance.now();
  if (isConnected() && !document.hidden) await takeReading();
  setTimeout(read, Math.max(0, EVERY_MS - (performance.now() - begun)));
}

async function takeReading() {
  const answer = await admin("metrics");
  if (answer.status === 404) {
    byId("charts-note").textContent = "This gate has no metrics: they need its Durable Objects.";
    return;
  }
  if (answer.status !== 200) return;
  const now = { at: Date.now() / 1000, samples: samples(answer.text) };
  readings.push(now);
  while (readings.length > MOST + WINDOW_S) readings.shift();
  for (const listener of listeners) listener(now.samples);
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches ? CALM_MS : 0;
  if (begunAfter(calm)) drawn.forEach((one) => one.update());
}

function begunAfter(millis) {
  if (performance.now() - lastDrawn < millis) return false;
  lastDrawn = performance.now();
  return true;
}

// Times and the values of each series.
function dataOf({ series }) {
  const shown = readings.slice(-MOST);
  const rows = series.map(() => []);
  for (const reading of shown) {
    const at = readings.indexOf(reading);
    const then = readings[Math.max(0, at - WINDOW_S)];
    const given = { now: reading.samples, then: then.samples, seconds: reading.at - then.at };
    series.forEach(({ of }, position) => rows[position].push(of(given)));
  }
  return [shown.map(({ at }) => at), ...rows];
}

function place(chart) {
  const canvas = el("div", { class: "canvas", "aria-hidden": "true" });
  const values = chart.series.map(({ name, colour, dash }) => {
    const value = el("output", {}, "–");
    const swatch = el("span", { class: `swatch ${colour} ${dash ? "dashed" : ""}`, "aria-hidden": "true" });
    return { item: el("li", {}, swatch, `${name} `, value), value };
  });
  const figure = el(
    "figure",
    { class: "chart" },
    el("figcaption", {}, el("h3", {}, chart.title), el("ul", { class: "latest" }, values.map(({ item }) => item))),
    canvas,
  );
  byId("charts").append(figure);
  let plot;
  const one = {
    build() {
      plot?.destroy();
      plot = new uPlot(optionsOf(chart, canvas.clientWidth), dataOf(chart), canvas);
    },
    fit() {
      if (canvas.clientWidth > 0) plot.setSize({ width: canvas.clientWidth, height: HEIGHT });
    },
    update() {
      const data = dataOf(chart);
      plot.setData(data);
      chart.series.forEach(({ say }, at) => {
        values[at].value.textContent = say(data[at + 1].at(-1));
      });
    },
  };
  one.build();
  return one;
}

function optionsOf({ series, unit, most, steps }, width) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const axis = { stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 }, font: "12px system-ui, sans-serif" };
  const label = (value) => `${+value.toFixed(2)}${unit ? ` ${unit}` : ""}`;
  return {
    width: Math.max(width, 100),
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { range: (_plot, least, greatest) => [Math.min(least, greatest - LEAST_SECONDS), greatest] },
      y: { range: (_plot, _least, greatest) => [0, most ?? Math.max(1, (greatest ?? 0) * 1.1)] },
    },
    axes: [
      { ...axis, space: 70, values: [[60, "{HH}:{mm}"], [1, "{HH}:{mm}:{ss}"]].map(([step, text]) => [step, text, null, null, null, null, null, null, 0]) },
      { ...axis, size: 62, space: 28, values: (_plot, values) => values.map(label) },
    ],
    series: [
      {},
      ...series.map(({ name, colour: of, dash }) => ({
        label: name,
        stroke: colour(of),
        width: 2,
        dash,
        points: { show: false },
        spanGaps: false,
        paths: steps ? uPlot.paths.stepped({ align: 1 }) : undefined,
      })),
    ],
  };
}
