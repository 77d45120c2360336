"use strict";
// Decisions and models that are learned of labelled photos, beside what judges.

const DIFFERENT = 48; // images that are shown at most
const GROUPS = {
  others: "neither learned nor decided from",
  "decided from": "the new decision was made from these",
  "learned from": "the new model learned from these: they say nothing of others",
};
let learned = {};

function sum(images, which) {
  const of = (label) => images.filter((x) => x.label === label);
  const called = (rows) => rows.filter((x) => x[which].verdict === "defective").length;
  const good = of("good"), bad = of("defective"), parts = [];
  if (bad.length) parts.push(`found ${called(bad)} of ${plural(bad.length, "defect")}`);
  if (good.length) parts.push(`${plural(called(good), "false alarm")} on ${good.length} good`);
  return parts.join(", ");
}

function comparedTable(images) {
  const table = element("table"), head = element("tr"), body = element("tbody");
  head.append(...["Images", "In force", "New"].map((x) => element("th", x, "text")));
  for (const [group, meaning] of Object.entries(GROUPS)) {
    const rows = images.filter((x) => x.group === group);
    if (!rows.length) continue;
    const row = element("tr"), name = element("th", `${rows.length} images`);
    name.scope = "row";
    name.append(element("span", meaning, "note"));
    row.append(name, ...["old", "new"].map((x) => element("td", sum(rows, x), "text")));
    body.append(row);
  }
  const thead = element("thead"), scroll = element("div", undefined, "scroll card");
  thead.append(head);
  table.append(thead, body);
  scroll.append(table);
  return scroll;
}

function differing(image, number) {
  const item = element("li", undefined, "card wrong");
  const picture = element("img");
  picture.src = `/api/learning/images/${number}?${learned.id}`;
  picture.alt = "";
  picture.loading = "lazy";
  const told = (which) => `${image[which].verdict}, ${number4(image[which].score)}`;
  item.append(picture, element("span", image.name.split("/").slice(-2).join("/"), "name"),
    element("span", `is ${image.label} · in force: ${told("old")} · new: ${told("new")}`, "note"));
  return item;
}

const number4 = (value) => number(value).toLocaleString("en");

function compared() {
  const { images, what, state: now } = learned;
  const parts = [];
  if (now === "done" && images) {
    parts.push(comparedTable(images));
    const model = models.find((x) => x.id === learned.place);
    const judges = model && (what === "model" ? model.model === learned.model
      : model.decision === learned.decision);
    const use = async () => {
      const path = `${address(model)}/${what}`;
      const said = what === "model" ? { model: learned.model } : { name: learned.decision };
      await send("POST", path, { ...said, ...by() });
      await loadModels();
    };
    const text = judges ? "It judges" : `Put the new ${what} in force`;
    const row = element("div", undefined, "row");
    row.append(action(text, use, judges || !model || model.fixed));
    parts.push(row);
    const numbered = images.map((image, i) => [image, i])
      .filter(([x]) => x.old.verdict !== x.new.verdict);
    parts.push(element("h3", `${plural(numbered.length, "image")} judged otherwise`));
    const list = element("ul", undefined, "results");
    list.append(...numbered.slice(0, DIFFERENT).map(([x, i]) => differing(x, i)));
    parts.push(list);
  }
  one("#compared").replaceChildren(...parts);
}

function progress() {
  const { state: now, what, step, line, name, started } = learned;
  const running = now === "running";
  const texts = {
    running: `${step ?? "beginning"} (since ${started ? local(started) : ""}): ${line ?? ""}`,
    done: what === "model" ? "There is a new model." : `There is a new decision, ${name}.`,
    failed: `It failed: ${line}`,
    cancelled: "It was cancelled: nothing was kept.",
    interrupted: line,
  };
  one("#progress").textContent = texts[now] ?? "";
  one("#cancel").hidden = !now;
  one("#cancel").textContent = running ? "Cancel" : "Put away";
  for (const id of ["#learn-decision", "#learn-model"]) one(id).disabled = running;
}

const loadLearning = newest(async (isNewest) => {
  const found = await ask("/api/learning");
  if (!isNewest()) return;
  learned = found;
  progress();
  compared();
});

const learnFrom = (what) => () => attempt(one(`#learn-${what}`), async () => {
  one("#learning").open = true;
  const model = models.find((x) => x.id === one("#learner").value) ?? models[0];
  await send("POST", "/api/learning", { model: model.id, what, who: one("#who").value });
});

for (const what of ["decision", "model"]) {
  one(`#learn-${what}`).addEventListener("click", learnFrom(what));
}
one("#cancel").addEventListener("click", () => attempt(one("#cancel"), async () => {
  await send("DELETE", "/api/learning", {});
  await loadLearning();
}));
hear("learning", (event) => {
  const before = learned.state;
  learned = { ...learned, ...JSON.parse(event.data) };
  if (before !== learned.state) loadLearning();
  else progress();
});
document.addEventListener("models", () => {
  fillModels(one("#learner"), one("#whom"));
  loadLearning();
});
