"use strict";
// Whether the photos that are judged good change: a chart for each quantity of a stream.

const PAUSE = 2000; // milliseconds between two looks while photos come
const BOX = { width: 340, height: 150, left: 34, right: 8, top: 10, bottom: 20 };
let watched = { streams: [] };
let stale = null; // timer of the next look

// The station, and of model and decision what is not the same in all streams.
function streamName(x) {
  const differs = ["model", "decision"].filter((key) => watched.streams.some((y) => y[key] !== x[key]));
  return [x.station || "no station", ...differs.map((key) => `${key} ${x[key]}`)].join(" · ");
}

const changed = (x) => Object.keys(x.alarms);

// What stands in the summary, and which streams there are to choose from.
function fillStreams() {
  const alarms = watched.streams.flatMap((x) =>
    changed(x).map((name) => (x.station ? `${name} of ${x.station}` : name)));
  const live = one("#drifted");
  live.textContent = watched.line === null ? "off"
    : alarms.length ? `changed: ${alarms.join(", ")}` : "no change";
  live.className = alarms.length ? "alarm" : "note";
  one("#drift-promise").textContent = watched.line === null
    ? "The station was started with --drift 0."
    : "Photos that are judged good are compared with those before them. Without a change, " +
      `any chart of a stream ever reaches the line with a probability of at most ${watched.alpha}.`;
  const before = one("#streams").value;
  one("#streams").replaceChildren(...watched.streams.map((x) => {
    const option = element("option", streamName(x) + (changed(x).length ? " (changed)" : ""));
    option.value = x.id;
    option.selected = x.id === before;
    return option;
  }));
  one("#streams-row").hidden = watched.streams.length < 2;
  one("#reset").hidden = watched.streams.length === 0;
}

function scale(values, from, to) {
  const low = Math.min(...values), high = Math.max(...values);
  return (value) => from + (to - from) * (high > low ? (value - low) / (high - low) : 0.5);
}

function driftChart(name, index, stream) {
  const alarm = stream.alarms[name];
  const figure = element("figure", undefined, `card drift-chart${alarm ? " alarm" : ""}`);
  const points = stream.points.map((point) => [point[0], point[2 + index]]);
  const values = [0, stream.line, ...points.map((point) => point[1])];
  const x = scale([0, stream.photos], BOX.left, BOX.width - BOX.right);
  const y = scale(values, BOX.height - BOX.bottom, BOX.top);
  const end = BOX.width - BOX.right;
  const about = alarm ? `changed by photo ${alarm.toLocaleString("en")}` : "no change";
  const svg = drawn("svg", { viewBox: `0 0 ${BOX.width} ${BOX.height}`, role: "img",
    "aria-label": `${name}: ${about}` });
  svg.append(
    drawn("path", { class: "grid", d: `M${BOX.left} ${y(0)}H${end}` }),
    drawn("text", { x: BOX.left - 5, y: y(0) + 4, "text-anchor": "end" }, "1"),
    drawn("path", { class: "line", d: `M${BOX.left} ${y(stream.line)}H${end}` }),
    drawn("text", { x: BOX.left - 5, y: y(stream.line) + 4, "text-anchor": "end" },
      Math.round(10 ** stream.line).toLocaleString("en")),
    drawn("text", { x: end, y: BOX.height - 5, "text-anchor": "end" },
      plural(stream.photos, "photo")),
    drawn("path", { class: "capital",
      d: points.map((point, i) => `${i ? "L" : "M"}${x(point[0])} ${y(point[1])}`).join("") }),
  );
  const caption = element("figcaption", `${name}: `);
  caption.append(element("b", about));
  figure.append(caption, svg);
  return figure;
}

function fillStream(stream) {
  one("#stream-about").textContent = `Decision ${stream.decision}, ` +
    `${plural(stream.photos, "photo")} judged good. Capital of bets against "nothing changes".`;
  one("#charts").replaceChildren(
    ...Object.keys(stream.log10).map((name, index) => driftChart(name, index, stream)),
  );
}

const loadDrift = newest(async (isNewest) => {
  const found = await ask("/api/drift");
  if (!isNewest()) return;
  watched = found;
  fillStreams();
  const id = one("#streams").value;
  if (!one("#drift").open || !id) return;
  const stream = await ask(`/api/drift/${id}`);
  if (isNewest()) fillStream(stream);
});

// At most one look every `PAUSE`, however many photos come.
function soon() {
  stale ??= setTimeout(() => {
    stale = null;
    loadDrift();
  }, PAUSE);
}

one("#drift").addEventListener("toggle", loadDrift);
one("#streams").addEventListener("input", loadDrift);
one("#reset").addEventListener("submit", async (event) => {
  event.preventDefault();
  one("#reset-failed").textContent = "";
  const body = { reason: one("#reset-reason").value, who: one("#who").value };
  try {
    await send("POST", `/api/drift/${one("#streams").value}/reset`, body);
    one("#reset-reason").value = "";
    await loadDrift();
  } catch (error) {
    one("#reset-failed").textContent = error.message;
  }
});
hear("drift", loadDrift);
hear("message", soon);
hear("open", loadDrift);
