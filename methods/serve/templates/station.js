"use strict";
// The page of the station: results as they come, one of them large, corrections.

const one = (selector) => document.querySelector(selector);
const CSRF = one("meta[name=csrf]").content;
const PAGE = 60; // results that are asked for at once
const MOST = 600; // that the page shows while new ones come

let shown = []; // newest first
let next = null; // what the next older page begins below
let chosen = null; // id of the result that is large
let total = 0;
let loading = false;
let early = []; // results that came while a list was asked for

const inForce = (result) => result.corrected ?? result.verdict;
const number = (value) => (value === null ? "unknown" : Number(value.toPrecision(4)));

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function wanted() {
  const words = new URLSearchParams();
  for (const [key, value] of new FormData(one("#tools"))) {
    const time = key === "after" || key === "before";
    if (value) words.set(key, time ? new Date(value).toISOString() : value);
  }
  return words;
}

function matches(result) {
  const words = wanted();
  const text = ["id", "name", "part", "station", "comment"].map((key) => result[key]);
  const search = (words.get("search") ?? "").toLowerCase();
  const time = Date.parse(result.time);
  return (
    (!words.has("verdict") || words.get("verdict") === inForce(result)) &&
    (!words.has("after") || time >= Date.parse(words.get("after"))) &&
    (!words.has("before") || time < Date.parse(words.get("before"))) &&
    text.join("\n").toLowerCase().includes(search)
  );
}

function card(result) {
  const item = element("li");
  const button = element("button", undefined, `card ${inForce(result)}`);
  button.type = "button";
  button.dataset.id = result.id;
  const picture = element("img");
  picture.src = result.pictures.overlay ?? "/static/icon.svg"; // it was removed
  picture.alt = "";
  picture.loading = "lazy";
  const name = result.part || result.name || result.id;
  const when = new Date(result.time).toLocaleTimeString();
  const same = result.corrected === result.verdict;
  const corrected = result.corrected ? ` (${same ? "confirmed" : "corrected"})` : "";
  button.append(
    picture,
    element("span", name, "name"),
    element("span", inForce(result), `outcome ${inForce(result)}`),
    element("span", `${corrected} ${number(result.score)} · ${when}`, "note"),
  );
  button.addEventListener("click", () => open(result.id));
  item.append(button);
  return item;
}

function count() {
  one("#total").textContent = total.toLocaleString("en");
  one("#more").hidden = next === null;
  one("#none").hidden = shown.length > 0;
}

async function ask(path, options) {
  const answer = await fetch(path, options);
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.detail);
  return content;
}

// Makes a loader that can ask whether it is the newest: later answers may come earlier.
function newest(load) {
  let calls = 0;
  return (...words) => {
    const call = ++calls;
    return load(() => call === calls, ...words);
  };
}

const load = newest(async (isNewest, older) => {
  const words = wanted();
  loading = true;
  words.set("limit", PAGE);
  if (older) words.set("below", next);
  let page;
  try {
    page = await ask(`/api/results?${words}`);
  } finally {
    if (isNewest()) loading = false;
  }
  if (!isNewest()) return;
  if (!older) {
    shown = [];
    one("#results").replaceChildren();
  }
  shown.push(...page.results);
  one("#results").append(...page.results.map(card));
  ({ next, total } = page);
  early.splice(0).forEach(receive);
  count();
});

// A result that is new, or corrected: here or in another browser.
function receive(result) {
  if (loading) {
    early.push(result);
    return;
  }
  const place = shown.findIndex((other) => other.id === result.id);
  const fits = matches(result);
  const list = one("#results");
  if (place >= 0) {
    shown[place] = result;
    list.children[place].replaceWith(card(result));
  } else if (fits && !result.corrected && !result.comment) {
    shown.unshift(result);
    list.prepend(card(result));
    total += 1;
    if (shown.length > MOST) {
      shown.pop();
      list.lastElementChild.remove();
    }
  }
  if (result.id === chosen) fill(result);
  count();
}

function fill(result) {
  one("#title").textContent = result.name || result.part || result.id;
  const removed = !result.pictures.overlay;
  one("#picture").hidden = one("#map").hidden = removed;
  if (!removed) {
    one("#picture").src = result.pictures[one("#marked").checked ? "overlay" : "image"];
    one("#map").src = result.pictures.map;
  }
  const facts = {
    Verdict: inForce(result),
    "Verdict of the model": result.verdict,
    Score: `${number(result.score)} (threshold ${number(result.threshold)})`,
    "p-value": number(result.p_value),
    Defects: result.regions.map((x) => `${x.area} pixels`).join(", ") || "none",
    Time: new Date(result.time).toLocaleString(),
    Part: result.part,
    Station: result.station,
    Comment: result.comment,
    Model: `${result.model}, decision ${result.decision}`,
    Milliseconds: Math.round(result.milliseconds),
  };
  const lines = Object.entries(facts).filter(([, value]) => value !== "");
  one("#facts").replaceChildren(
    ...lines.flatMap(([key, value]) => [element("dt", key), element("dd", value)]),
  );
  one("#undo").disabled = !result.corrected;
  one("#failed").textContent = "";
}

function open(id) {
  chosen = id;
  one("#comment").value = "";
  fill(shown.find((result) => result.id === id));
  if (!one("#large").open) one("#large").showModal();
}

function step(by) {
  const place = shown.findIndex((result) => result.id === chosen) + by;
  if (shown[place]) open(shown[place].id);
}

async function correct(verdict) {
  const headers = { "X-CSRF-Token": CSRF, "Content-Type": "application/json" };
  const body = JSON.stringify({ verdict, comment: one("#comment").value });
  const options = verdict
    ? { method: "POST", headers, body }
    : { method: "DELETE", headers };
  try {
    receive(await ask(`/api/results/${chosen}/correction`, options));
    one("#comment").value = "";
  } catch (error) {
    one("#failed").textContent = error.message;
  }
}

const KEYS = {
  g: () => correct("good"),
  d: () => correct("defective"),
  u: () => correct(null),
  ArrowLeft: () => step(-1),
  ArrowRight: () => step(1),
};

const heard = []; // [event, listener] of the parts of the page
const hear = (event, listener) => heard.push([event, listener]);

function listen() {
  const source = new EventSource("/api/events");
  for (const [event, listener] of heard) source.addEventListener(event, listener);
  const live = one("#live");
  source.onopen = async () => {
    await load();
    live.textContent = "live";
    live.className = "";
  };
  source.onerror = () => {
    live.textContent = "connection lost, trying again";
    live.className = "lost";
  };
  source.onmessage = (event) => receive(JSON.parse(event.data));
}

let typing;
one("#tools").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => load(), 150);
});
one("#tools").addEventListener("submit", (event) => event.preventDefault());
one("#more").addEventListener("click", () => load(true));
one("#close").addEventListener("click", () => one("#large").close());
one("#large").addEventListener("close", () => (chosen = null));
one("#previous").addEventListener("click", () => step(-1));
one("#next").addEventListener("click", () => step(1));
one("#good").addEventListener("click", KEYS.g);
one("#defective").addEventListener("click", KEYS.d);
one("#undo").addEventListener("click", KEYS.u);
one("#opacity").addEventListener("input", (event) => {
  one("#map").style.opacity = event.target.value / 100;
});
one("#marked").addEventListener("change", () => {
  fill(shown.find((result) => result.id === chosen));
});
document.addEventListener("keydown", (event) => {
  const types = event.target.matches("input:not([type=checkbox])");
  if (!chosen || types || event.ctrlKey || event.metaKey || event.altKey) return;
  if (KEYS[event.key]) {
    event.preventDefault();
    KEYS[event.key]();
  }
});
// The source opens at once: all parts are to listen before.
document.addEventListener("DOMContentLoaded", listen);
