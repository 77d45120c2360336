"use strict";
// The models of the station: their decisions, and which of them judges.

let models = [];

async function send(method, path, body) {
  const headers = { "X-CSRF-Token": CSRF, "Content-Type": "application/json" };
  return ask(path, { method, headers, body: JSON.stringify(body) });
}

// Ids have a category behind a slash where a model has several.
const address = (model) => `/api/models/${model.id.split("/").map(encodeURIComponent).join("/")}`;
const by = () => ({ who: one("#who").value, reason: one("#why").value });
const local = (time) => new Date(time).toLocaleString();

// Does what a button is for; its refusal is a line.
async function attempt(button, what) {
  one("#refusal").textContent = "";
  button.disabled = true;
  try {
    await what();
  } catch (error) {
    one("#refusal").textContent = error.message;
  }
  button.disabled = false;
}

function action(text, what, disabled = false) {
  const button = element("button", text);
  button.type = "button";
  button.disabled = disabled;
  button.addEventListener("click", () => attempt(button, what));
  return button;
}

async function putInForce(model, decision) {
  await send("POST", `${address(model)}/decision`, { name: decision.id, ...by() });
  one("#why").value = "";
  await loadModels();
}

function state(model, decision) {
  if (decision.judges && !decision.in_force && !model.fixed) {
    return [element("b", "judges here"), element("span", "not in force elsewhere", "note")];
  }
  if (decision.judges) return [element("b", "in force")];
  const other = decision.in_force && !model.fixed;
  const button = action("Put in force", () => putInForce(model, decision), model.fixed);
  button.setAttribute("aria-label", `Put ${decision.name} in force`);
  return other ? [button, element("span", "in force for other programs", "note")] : [button];
}

function decisionRow(model, decision) {
  const row = element("tr", undefined, decision.judges ? "judges" : "");
  const name = element("th", decision.name);
  name.scope = "row";
  name.append(element("span", `${decision.source} · ${decision.maps} maps`, "note"));
  const cells = [
    number(decision.threshold),
    decision.min_area.toLocaleString("en"),
    decision.promise ?? "none",
    decision.created ? local(decision.created) : "",
  ].map((text, i) => element("td", text, i === 2 ? "text" : ""));
  const last = element("td", undefined, "text");
  last.append(...state(model, decision));
  row.append(name, last, ...cells);
  return row;
}

function decisionTable(model) {
  const head = element("tr");
  const names = ["Decision", "In force", "Threshold", "Area", "Promise", "Made"];
  const texts = ["Decision", "In force", "Promise"];
  head.append(...names.map((x) => element("th", x, texts.includes(x) ? "text" : "")));
  const table = element("table"), thead = element("thead"), body = element("tbody");
  thead.append(head);
  body.append(...model.decisions.map((x) => decisionRow(model, x)));
  table.append(thead, body);
  const scroll = element("div", undefined, "scroll card");
  scroll.append(table);
  return scroll;
}

function modelPart(model) {
  const part = element("section");
  part.dataset.model = model.id;
  const where = `${model.dataset} / ${model.category} (${model.file})`;
  part.append(element("h3", `${model.method}, ${model.variant}: ${where}`));
  part.append(decisionTable(model));
  const earlier = model.decisions.find((x) => x.id === model.earlier);
  const row = element("div", undefined, "row");
  if (earlier && !model.fixed) {
    row.append(action(`Back to ${earlier.name}`, () => putInForce(model, earlier)));
  }
  for (const other of model.models.filter((x) => x !== model.model)) {
    const which = other === model.id ? "the first model" : `model ${other.slice(0, 8)}`;
    row.append(action(`Let ${which} judge again`, async () => {
      await send("POST", `${address(model)}/model`, { model: other, ...by() });
      await loadModels();
    }, model.fixed));
  }
  if (model.fixed) {
    row.append(element("p", "The station was started with --decision: it judges by that " +
      "one until it is started without.", "note"));
  }
  part.append(row);
  return part;
}

function changeRow(change) {
  const model = models.find((x) => x.id === change.place);
  const named = (id) => model?.decisions.find((x) => x.id === id)?.name ?? id;
  const several = models.length > 1 && model ? `${model.category}: ` : "";
  const short = (id) => `model ${id.slice(0, 8)}`;
  const changed = change.what === "model";
  const text = `${several}${changed ? `${short(change.model)}, ` : ""}${named(change.new)}`;
  const before = change.old && (changed ? short(change.old) : named(change.old));
  const row = element("tr");
  row.append(
    element("td", local(change.when)),
    element("td", before ? `${text} after ${before}` : text, "text"),
    element("td", number(change.threshold)),
    element("td", change.min_area.toLocaleString("en")),
    element("td", change.who, "text"),
    element("td", change.reason, "text"),
  );
  return row;
}

const loadModels = newest(async (isNewest) => {
  const [found, changes] = await Promise.all([ask("/api/models"), ask("/api/changes")]);
  if (!isNewest()) return;
  models = found;
  one("#models").replaceChildren(...models.map(modelPart));
  one("#changes").replaceChildren(
    ...changes.filter((x) => ["decision", "model"].includes(x.what)).map(changeRow),
  );
  document.dispatchEvent(new Event("models"));
});

one("#who").value = localStorage.getItem("who") ?? "";
one("#who").addEventListener("change", (event) => {
  localStorage.setItem("who", event.target.value);
});
hear("open", loadModels);
hear("models", loadModels);
