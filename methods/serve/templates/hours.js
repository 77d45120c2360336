"use strict";
// Photos by hour or by day: a bar chart for each station, and a table.

const SLOTS = { hour: 24, day: 30 };
const AGAIN = 30000; // milliseconds between two looks at the figures
const WIDE = 720, HIGH = 150, LEFT = 44, BOTTOM = 22; // of a chart, in its own units

function drawn(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// The beginnings of the slots, as the server names them, in local time.
function slotNames(by) {
  const two = (value) => String(value).padStart(2, "0"), now = new Date(), names = [];
  for (let back = SLOTS[by] - 1; back >= 0; back--) {
    const at = by === "hour"
      ? new Date(now - back * 3600e3)
      : new Date(now.getFullYear(), now.getMonth(), now.getDate() - back);
    const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
    names.push(by === "hour" ? `${day}T${two(at.getHours())}:00` : day);
  }
  return names;
}

const share = (row) => `${(100 * row.defective / row.photos).toFixed(1)} %`;
const words = (row) => `${row.slot.replace("T", " ")}: ${plural(row.photos, "photo")}, ` +
  `${row.defective} defective (${share(row)}), ${row.corrected} corrected, ` +
  `median ${Math.round(row.milliseconds)} ms`;

function bar(row, x, width, most) {
  const height = (count) => (HIGH - BOTTOM - 10) * count / most;
  const group = drawn("g", { tabindex: 0, role: "img", "aria-label": words(row) });
  const base = HIGH - BOTTOM, all = height(row.photos), bad = height(row.defective);
  group.append(
    drawn("title", {}, words(row)),
    drawn("rect", { class: "good", x, width, y: base - all, height: all - bad }),
    drawn("rect", { class: "bad", x, width, y: base - bad, height: bad }),
  );
  return group;
}

function chart(station, rows, names, most) {
  const figure = element("figure", undefined, "card bars");
  const total = rows.reduce((sum, row) => sum + row.photos, 0);
  const bad = rows.reduce((sum, row) => sum + row.defective, 0);
  const title = `${station || "All photos"}: ${plural(total, "photo")}, ${bad} defective`;
  const svg = drawn("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "group",
    "aria-label": title });
  const step = (WIDE - LEFT - 4) / names.length;
  for (const value of [0, most]) {
    const y = HIGH - BOTTOM - (HIGH - BOTTOM - 10) * value / most;
    svg.append(
      drawn("path", { class: "grid", d: `M${LEFT} ${y}H${WIDE}` }),
      drawn("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, value.toLocaleString("en")),
    );
  }
  names.forEach((name, i) => {
    const row = rows.find((x) => x.slot === name);
    if (row) svg.append(bar(row, LEFT + i * step + 1, step - 2, most));
    const label = name.includes("T") ? name.slice(11, 13) : name.slice(5);
    const often = name.includes("T") ? 3 : 5;
    if ((names.length - 1 - i) % often === 0) {
      svg.append(drawn("text", { class: "slot", x: LEFT + (i + 0.5) * step,
        y: HIGH - BOTTOM + 6, "text-anchor": "middle" }, label));
    }
  });
  figure.append(element("figcaption", title), svg);
  return figure;
}

function tableRow(row) {
  const made = element("tr");
  const cells = [row.photos.toLocaleString("en"), `${row.defective} (${share(row)})`,
    row.corrected, Math.round(row.milliseconds)];
  made.append(element("td", row.slot.replace("T", " ")), element("td", row.station, "text"),
    ...cells.map((text) => element("td", text)));
  return made;
}

const loadHours = newest(async (isNewest) => {
  if (!one("#hours").open || document.hidden) return;
  const by = one("#by").value, zone = -new Date().getTimezoneOffset();
  const rows = await ask(`/api/hours?by=${by}&zone=${zone}`);
  if (!isNewest()) return;
  const names = slotNames(by), stations = [...new Set(rows.map((x) => x.station))];
  const most = Math.max(1, ...rows.map((x) => x.photos));
  const several = stations.length > 1;
  one("#bars").replaceChildren(...(rows.length ? stations : []).map((station) => chart(
    several ? station || "no station named" : station,
    rows.filter((x) => x.station === station), names, most)));
  if (!rows.length) one("#bars").append(element("p", "No photos in this time.", "note"));
  one("#figures").replaceChildren(...rows.toReversed().map(tableRow));
});

one("#hours").addEventListener("toggle", loadHours);
one("#by").addEventListener("change", loadHours);
setInterval(loadHours, AGAIN);
