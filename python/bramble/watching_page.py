"""The page of `bramble watch --web`: HTML, style and script, as they are sent."""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>bramble watch</title>
<link rel="stylesheet" href="/watch.css">
<link rel="icon" href="data:,">
<script src="/state.js" defer></script>
<script src="/watch.js" defer></script>
</head>
<body>
<main>
<h1 id="file">bramble watch</h1>
<p id="state" role="status">Waiting for the first word of the run.</p>
<progress id="progress" max="1" value="0" aria-label="Share of the run that is done"></progress>
<dl id="numbers"></dl>
<div class="grid">
<section><h2>Loss</h2><div id="loss"></div></section>
<section><h2>Accuracy</h2><div id="accuracy"></div></section>
<section class="wide"><h2>Time per phase</h2>
<p id="legend" class="legend"></p>
<div id="phases"></div></section>
<section class="wide"><h2>Temperature of each node</h2><div id="temperature"></div></section>
</div>
<noscript>This page needs JavaScript; `bramble watch FILE` in a terminal does not.</noscript>
</main>
</body>
</html>
"""

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fefefe; --line: #dcdcdc; --soft: #666; --blue: #0072b2; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e6e3; --paper: #16181c; --line: #3a3d42; --soft: #a0a0a0; --blue: #3d9be0; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.45 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.4rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 0 0 .3rem; }
p { margin: .4rem 0; }
progress { width: 100%; height: 1rem; accent-color: var(--blue); }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .5rem 1rem; margin: .8rem 0 1.2rem; }
dt { font-size: .8rem; color: var(--soft); }
dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1.6rem; }
.wide { grid-column: 1 / -1; }
section { min-width: 0; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { fill: var(--ink); font-size: 12px; }
.axis { stroke: var(--line); stroke-width: 1; }
.series { fill: none; stroke-width: 2; }
.legend span { display: inline-block; margin-right: .9rem; font-size: .85rem; white-space: nowrap; }
.legend svg { display: inline-block; width: .8rem; height: .8rem; vertical-align: -.05rem; margin-right: .3rem; }
.none { color: var(--soft); font-size: .9rem; }
"""

SCRIPT = """
"use strict";
const SVG = "http://www.w3.org/2000/svg";
// Okabe and Ito's colours, told apart by the colour-blind; the second line of a chart is dashed as well.
const COLOURS = { train: "#3d8fc8", input: "#56b4e9", pack: "#e69f00", average: "#d55e00", wire: "#d55e00", wait: "#f0e442",
  serve: "#cc79a7", evaluate: "#009e73", output: "#808080", other: "#b0b0b0" };
const LINES = ["#3d8fc8", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9"];
const DASHES = ["", "6 4", "2 3", "8 3 2 3"];
const byId = (id) => document.getElementById(id);

function element(name, attributes, text) {
  const e = document.createElementNS(SVG, name);
  for (const key of Object.keys(attributes)) e.setAttribute(key, attributes[key]);
  if (text !== undefined) e.textContent = text;
  return e;
}

function seconds(t) {
  if (t === null || t === undefined) return "\\u2013";
  if (t < 120) return t.toFixed(1) + " s";
  return t < 7200 ? (t / 60).toFixed(1) + " min" : (t / 3600).toFixed(1) + " h";
}

function short(v) { return Math.abs(v) < 1e-9 ? "0" : Math.abs(v) >= 100 ? v.toFixed(0) : Number(v.toPrecision(3)).toString(); }

// A chart of lines: [{name, points: [[x, y], ...]}], into the element; its alternative text says first and last.
function chart(id, unit, series) {
  const at = byId(id);
  series = series.filter((s) => s.points.length);
  if (!series.length) { note(at, "Nothing to show yet."); return; }
  const W = Math.max(at.clientWidth || 320, 200), H = 220, L = 44, R = 8, T = 22, B = 34;
  const all = series.flatMap((s) => s.points), xs = all.map((p) => p[0]), ys = all.map((p) => p[1]);
  let [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  if (x1 === x0) { x0 -= 0.5; x1 += 0.5; }
  if (y1 === y0) { y0 -= 0.5; y1 += 0.5; }
  const step = rounded((y1 - y0) / 4);
  y0 = Math.floor(y0 / step) * step;
  y1 = Math.ceil(y1 / step) * step;
  const X = (x) => L + (x - x0) / (x1 - x0) * (W - L - R), Y = (y) => H - B - (y - y0) / (y1 - y0) * (H - T - B);
  const svg = element("svg", { viewBox: "0 0 " + W + " " + H, role: "img" });
  for (let y = y0; y < y1 + step / 2; y += step) {
    svg.append(element("line", { x1: L, x2: W - R, y1: Y(y), y2: Y(y), class: "axis" }));
    svg.append(element("text", { x: L - 6, y: Y(y) + 4, "text-anchor": "end" }, short(y)));
  }
  const ticks = [...new Set([0, 1, 2, 3].map((k) => Math.round(x0 + (x1 - x0) * k / 3)))].filter((x) => x >= x0 && x <= x1);
  for (const x of ticks) svg.append(element("text", { x: X(x), y: H - B + 16, "text-anchor": "middle" }, x));
  svg.append(element("text", { x: (L + W) / 2, y: H - 2, "text-anchor": "middle" }, "round"));
  let left = L;
  series.forEach((s, k) => {
    const colour = LINES[k % LINES.length], dash = DASHES[k % DASHES.length], p = s.points;
    svg.append(element("polyline", { points: p.map((q) => X(q[0]) + "," + Y(q[1])).join(" "), class: "series", stroke: colour,
      "stroke-dasharray": dash }));
    const last = p[p.length - 1];
    svg.append(element("circle", { cx: X(last[0]), cy: Y(last[1]), r: 3.5, fill: colour }));
    const words = s.name + " " + short(last[1]) + unit;
    if (left + 26 + 7 * words.length < W || k === 0) {
      svg.append(element("line", { x1: left, x2: left + 18, y1: 10, y2: 10, stroke: colour, "stroke-width": 2, "stroke-dasharray": dash }));
      svg.append(element("text", { x: left + 22, y: 14 }, words));
      left += 34 + 7 * words.length;
    }
  });
  svg.setAttribute("aria-label", series.map((s) => s.name + ": " + short(s.points[0][1]) + unit + " in round " + s.points[0][0] + ", " +
    short(s.points[s.points.length - 1][1]) + unit + " in round " + s.points[s.points.length - 1][0]).join("; "));
  at.replaceChildren(svg);
}

// The next of 1, 2, 5, 10, ... above.
function rounded(v) {
  const ten = Math.pow(10, Math.floor(Math.log10(v)));
  return [1, 2, 5, 10].map((k) => k * ten).find((k) => k >= v * 0.999);
}

function note(at, text) {
  const p = document.createElement("p");
  p.className = "none";
  p.textContent = text;
  at.replaceChildren(p);
}

// A bar for each rank, with its share of each phase since the start.
function phases(s) {
  const at = byId("phases"), names = Object.keys(s.phases.sum).filter((name) => s.phases.sum[name].some((v) => v > 0));
  if (!s.done || !names.length) { note(at, "No round is finished yet."); byId("legend").replaceChildren(); return; }
  const W = Math.max(at.clientWidth || 320, 200), ROW = 44, svg = element("svg", { viewBox: "0 0 " + W + " " + ROW * s.machine.length,
    role: "img" }), said = [];
  s.machine.forEach((one, k) => {
    const total = names.reduce((t, name) => t + (s.phases.sum[name][k] || 0), 0) || 1;
    const parts = names.map((name) => [name, (s.phases.sum[name][k] || 0) / total]);
    const most = parts.slice().sort((a, b) => b[1] - a[1]).slice(0, 2).map((p) => p[0] + " " + (100 * p[1]).toFixed(1) + " %").join(", ");
    const label = one.rank + " " + one.role + ", " + one.host + ": " + most;
    svg.append(element("text", { x: 0, y: ROW * k + 14 }, label.length * 6.6 > W ? one.rank + " " + one.role + ": " + most : label));
    let x = 0;
    for (const [name, share] of parts) {
      const bar = element("rect", { x: x * W, y: ROW * k + 19, width: share * W, height: 17, fill: COLOURS[name] || "#808080" });
      bar.append(element("title", {}, name + ": " + seconds(s.phases.sum[name][k]) + ", in the last round " +
        seconds((s.phases.last[name] || [])[k])));
      svg.append(bar);
      x += share;
    }
    said.push("rank " + label);
  });
  svg.setAttribute("aria-label", said.join("; "));
  at.replaceChildren(svg);
  byId("legend").replaceChildren(...names.map((name) => {
    const span = document.createElement("span"), mark = element("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" });
    mark.append(element("rect", { width: 10, height: 10, fill: COLOURS[name] || "#808080" }));
    span.append(mark, name);
    return span;
  }));
}

function temperature(s) {
  const t = s.temperature, nodes = Object.keys(t.nodes);
  if (!nodes.length) { note(byId("temperature"), s.done ? "These machines do not tell their temperature." : "No round is finished yet."); return; }
  chart("temperature", " \\u00b0C", nodes.map((name) => ({ name, points: pairs(t.round, t.nodes[name]) })));
}

function pairs(x, y, scale) { return x.map((v, k) => [v, y[k] === null ? null : y[k] * (scale || 1)]).filter((p) => p[1] !== null); }

function words(s) {
  switch (s.state) {
  case "waiting": return "The file is not there yet.";
  case "missing": return "The file is not there. Was the run started?";
  case "unreadable": return "The file cannot be read: " + s.why;
  case "complete": return "The run has come to its end.";
  case "stopped": return "The run has stopped: nobody writes the file any more.";
  default: return "Running: round " + Math.min(s.done + 1, s.planned) + " of " + s.planned + ".";
  }
}

let last = null;

function show(s) {
  last = s;
  byId("file").textContent = s.file;
  const text = words(s);
  if (byId("state").textContent !== text) byId("state").textContent = text;
  if (s.planned === undefined) return;
  const share = Math.min((s.done + s.share) / Math.max(s.planned, 1), 1), m = s.summary, c = s.curves;
  byId("progress").value = s.state === "complete" ? 1 : share;
  document.title = (s.state === "running" ? Math.floor(100 * share) + " % " : "") + s.file;
  const accuracy = c.test_accuracy.length ? (100 * c.test_accuracy[c.test_accuracy.length - 1][1]).toFixed(2) + " %" : "\\u2013";
  const numbers = [["rounds", s.done + " / " + s.planned], ["time", seconds(s.t_s)],
    ["left, about", s.state === "running" ? seconds(s.left_s) : "\\u2013"],
    ["images/s", s.images_per_s === null ? "\\u2013" : s.images_per_s.toFixed(0)], ["test accuracy", accuracy],
    ["case N:C", m.nodes && m.cores ? m.nodes + ":" + m.cores : "\\u2013"]];
  byId("numbers").replaceChildren(...numbers.map(([name, value]) => {
    const div = document.createElement("div"), dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = name;
    dd.textContent = value;
    div.append(dt, dd);
    return div;
  }));
  chart("loss", "", [{ name: "training", points: pairs(c.round, c.loss) }, { name: "test", points: c.test_loss }]);
  chart("accuracy", " %", [{ name: "training", points: pairs(c.round, c.accuracy, 100) },
    { name: "test", points: c.test_accuracy.map((p) => [p[0], 100 * p[1]]) }]);
  phases(s);
  temperature(s);
}

if (first) show(first); // of /state.js: what is known comes with the page
const events = new EventSource("/events");
events.onmessage = (event) => show(JSON.parse(event.data));
events.onerror = () => { byId("state").textContent = "bramble watch does not answer any more; the run may go on."; };
window.addEventListener("resize", () => { if (last) show(last); });
"""

# What is sent for which path: kind, text.
FILES = {"/": ("text/html; charset=utf-8", PAGE), "/watch.css": ("text/css; charset=utf-8", STYLE),
         "/watch.js": ("text/javascript; charset=utf-8", SCRIPT)}
