"use strict";
// What the reader says that images really are: kept by the browser, downloaded as a table.
function labelling({ images, good_names: goodNames }, make) {
  const find = (selector) => document.querySelector(selector);
  const key = `labels of ${location.pathname}`;
  const GOOD = "good", DEFECTIVE = "defective";
  const nameless = images.filter((it) => !it.path).length;
  const past = [];
  let given = stored(); // label by path

  function stored() {
    try {
      return new Map(JSON.parse(localStorage.getItem(key)));
    } catch { // damaged, or forbidden
      return new Map();
    }
  }

  function change(next) {
    past.push(given);
    replace(next);
  }

  function replace(next) {
    given = next;
    try {
      localStorage.setItem(key, JSON.stringify([...given]));
    } catch {
      find("#labels-lost").hidden = false;
    }
    refresh();
  }

  function refresh() {
    document.querySelectorAll(".labels").forEach(fill);
    const all = [...given.values()], good = all.filter((label) => label === GOOD).length;
    const here = images.filter(has).length;
    find("#labels-given").textContent = `${good} really good, ${all.length - good} really `
      + `defective${here < all.length ? `, ${all.length - here} of them not in this report` : ""}`;
    find("#number-labelled").textContent = here.toLocaleString("en");
    find("#undo-label").disabled = !past.length;
    find("#forget-labels").disabled = find("#download-labels").disabled = !all.length;
  }

  function has(it) {
    return given.has(it.path);
  }

  function isGood(name) {
    return goodNames.includes(name.replace(/[ _-]/g, "").toLowerCase());
  }

  function set(it, label) {
    change(new Map(given).set(it.path, label));
  }

  // A second time takes the label away.
  function toggle(it, good) {
    const label = given.get(it.path);
    if (label && (label === GOOD) === good) {
      change(new Map([...given].filter(([path]) => path !== it.path)));
    } else {
      set(it, good ? GOOD : it.label === DEFECTIVE ? it.class : DEFECTIVE);
    }
  }

  function undo() {
    if (past.length) replace(past.pop());
  }

  function controls(it) {
    if (!it.path) return "";
    const button = (good, text, title) => {
      const node = make("button", { type: "button", textContent: text, title });
      node.setAttribute("aria-label", `${text}: ${it.file}`);
      node.addEventListener("click", () => toggle(it, good));
      return node;
    };
    const kind = make("input", { placeholder: "kind", title: "Kind of defect" });
    kind.setAttribute("list", "kinds");
    kind.setAttribute("aria-label", `Kind of defect: ${it.file}`);
    kind.addEventListener("change", () => {
      const name = kind.value.trim();
      set(it, isGood(name) ? GOOD : name || DEFECTIVE);
    });
    const node = make("div", { className: "labels", it },
      button(true, "really good", "Key g in the large view; again takes it back"),
      button(false, "really defective", "Key d in the large view; again takes it back"), kind);
    fill(node);
    return node;
  }

  function fill(node) {
    const [good, bad, kind] = node.children, label = given.get(node.it.path);
    good.setAttribute("aria-pressed", label === GOOD);
    bad.setAttribute("aria-pressed", Boolean(label) && label !== GOOD);
    kind.hidden = !label || label === GOOD;
    kind.value = label || "";
  }

  function press(name, it) {
    if (name === "u") undo();
    if (it.path && (name === "g" || name === "d")) toggle(it, name === "g");
  }

  function download() {
    const cell = (text) => `"${text.replaceAll('"', '""')}"`;
    const rows = [...given].map((row) => `${row.map(cell).join(",")}\n`);
    const href = URL.createObjectURL(new Blob(["path,label\n", ...rows], { type: "text/csv" }));
    make("a", { href, download: "labels.csv" }).click();
  }

  function begin() {
    const kinds = new Set(images.filter((it) => it.label === DEFECTIVE).map((it) => it.class));
    find("#kinds").append(...[...kinds].map((value) => make("option", { value })));
    find("#undo-label").addEventListener("click", undo);
    find("#forget-labels").addEventListener("click", () => change(new Map()));
    find("#download-labels").addEventListener("click", download);
    window.addEventListener("storage", (event) => {
      if (event.key !== key) return; // of another page, or of this one in another tab
      given = stored();
      refresh();
    });
    find("#labelling").hidden = nameless === images.length;
    find("#labels-nameless").hidden = !nameless;
    find("#labels-nameless b").textContent = nameless.toLocaleString("en");
    refresh();
  }

  return { has, controls, press, begin };
}
