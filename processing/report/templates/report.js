"use strict";
(() => {
  const PAGE = 48;
  const data = JSON.parse(document.getElementById("data").textContent);
  const find = (selector, root = document) => root.querySelector(selector);
  const NAMES = { found: "found", passed: "passed", miss: "missed defect",
    alarm: "false alarm", good: "good", defective: "defective" };
  const FILTERS = data.labelled
    ? { all: ["All", () => true],
        alarm: ["False alarms", (it) => it.outcome === "alarm"],
        miss: ["Misses", (it) => it.outcome === "miss"],
        right: ["Right", (it) => it.verdict === it.label] }
    : { all: ["All", () => true],
        defective: ["Defective", (it) => it.verdict === "defective"],
        good: ["Good", (it) => it.verdict === "good"] };
  if (data.images.some((it) => it.lost)) {
    FILTERS.lost = ["Not registered", (it) => it.lost];
  }
  const labels = labelling(data, make);
  FILTERS.labelled = ["Labelled", labels.has];
  const ORDERS = {
    highest: (a, b) => b.score - a.score,
    lowest: (a, b) => a.score - b.score,
    nearest: (a, b) => Math.abs(a.score - data.threshold) - Math.abs(b.score - data.threshold),
    file: (a, b) => a.file.localeCompare(b.file, "en", { numeric: true }),
  };
  const PANELS = [
    ["image", "image", []],
    ["map", "anomaly map", []],
    ["mask", "decided mask", ["mask"], "thin lines: above the threshold, but dropped"],
    ...(data.labelled ? [["truth", "ground truth", ["truth"]]] : []),
  ];
  let shown = [], page = 0, open = 0, zoomed = "";

  function make(tag, properties = {}, ...children) {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  }

  function absence(it, kind) {
    if (kind === "mask" && it.decided === "good") {
      return it.pictures.mask ? data.dropped : "no defect";
    }
    if (kind === "truth" && !it.pictures.truth) {
      return it.label === "good" ? "good" : "no mask file";
    }
    return "";
  }

  function panel(it, [kind, name, overlays], large) {
    const base = kind === "map" ? it.pictures.map
      : (!large && it.pictures.thumbnail) || it.pictures.image;
    const node = large ? make("button", { type: "button", className: "panel" })
      : make("span", { className: "panel" });
    const image = (src, alt) => make("img", { loading: "lazy", decoding: "async", alt, src });
    node.append(image(base, `${name} of ${it.file}`));
    for (const overlay of overlays) {
      if (it.pictures[overlay]) node.append(image(it.pictures[overlay], ""));
    }
    const text = absence(it, kind);
    if (text) node.append(make("span", { className: "absent", textContent: text }));
    return node;
  }

  function badge(it) {
    return make("span", { className: `outcome ${it.outcome}`, textContent: NAMES[it.outcome] });
  }

  function card(it, index) {
    const name = make("bdi", { textContent: it.file });
    const button = make("button", { type: "button", className: "item card", title: it.file },
      make("span", { className: "head" },
        make("span", { className: "name" }, name), badge(it),
        make("span", { className: "score", textContent: it.shown })),
      make("span", { className: "panels" }, ...PANELS.map((kind) => panel(it, kind, false))));
    find(".panels", button).style.setProperty("--panels", PANELS.length);
    button.addEventListener("click", () => show(index));
    return make("li", {}, button, labels.controls(it));
  }

  function choice() {
    const wanted = FILTERS[find("#outcomes :checked").value][1];
    const group = find("#class"), text = find("#search").value.trim().toLowerCase();
    const any = group.selectedIndex === 0;
    return data.images.filter((it) => wanted(it) && (any || it.class === group.value)
      && it.file.toLowerCase().includes(text)).sort(ORDERS[find("#order").value]);
  }

  function update() {
    shown = choice();
    turn(0);
  }

  function turn(to) {
    page = to;
    const start = page * PAGE, part = shown.slice(start, start + PAGE);
    find(".grid-of-images").replaceChildren(...part.map((it, i) => card(it, start + i)));
    find(".empty").hidden = shown.length > 0;
    for (const pager of document.querySelectorAll(".pager")) fillPager(pager, start, part.length);
  }

  function fillPager(pager, start, size) {
    const step = (text, label, to, possible) => {
      const button = make("button", { type: "button", textContent: text, disabled: !possible });
      button.setAttribute("aria-label", label);
      button.addEventListener("click", () => {
        turn(to);
        find("#gallery").scrollIntoView();
      });
      return button;
    };
    const end = start + size, count = shown.length.toLocaleString("en");
    const text = size ? `${(start + 1).toLocaleString("en")}–${end.toLocaleString("en")} of ${count}`
      : "0 images";
    pager.replaceChildren(make("span", { textContent: text }));
    if (shown.length > PAGE) {
      pager.append(step("‹", "Previous page", page - 1, page > 0),
        step("›", "Next page", page + 1, end < shown.length));
    }
  }

  function enlarged(it, kind, panels) {
    const button = panel(it, kind, true);
    button.title = "Enlarge, or show all";
    button.addEventListener("click", () => {
      zoomed = zoomed ? "" : kind[0];
      panels.classList.toggle("zoomed", zoomed !== "");
      for (const figure of panels.children) figure.classList.remove("chosen");
      button.parentNode.classList.add("chosen");
    });
    return make("figure", { className: kind[0] === zoomed ? "chosen" : "" }, button,
      make("figcaption", { textContent: kind[3] ? `${kind[1]} (${kind[3]})` : kind[1] }));
  }

  function show(index) {
    open = (index + shown.length) % shown.length;
    const it = shown[open], dialog = find("dialog");
    find("#large-title").textContent = it.file;
    find(".position").textContent = `${open + 1} of ${shown.length}`;
    const facts = [["judged", badge(it)], ["class", it.class], ["score", it.shown],
      ["defect area", `${it.area.toLocaleString("en")} pixels`]];
    if (it.p !== null) facts.push(["p-value", it.p.toPrecision(2)]);
    if (it.lost) facts.push(["registered", "no: judged as it was"]);
    find(".facts", dialog).replaceChildren(...facts.map(([name, value]) =>
      make("div", {}, make("dt", { textContent: name }), make("dd", {}, value))));
    find(".label", dialog).replaceChildren(labels.controls(it));
    const panels = find(".panels", dialog);
    panels.style.setProperty("--panels", PANELS.length);
    panels.replaceChildren(...PANELS.map((kind) => enlarged(it, kind, panels)));
    panels.classList.toggle("zoomed", zoomed !== "");
    const image = find("img", panels);
    image.addEventListener("load", () => panels.style.setProperty("--ratio",
      `${image.naturalWidth} / ${image.naturalHeight}`));
    if (!dialog.open) dialog.showModal();
  }

  function fillTools() {
    Object.entries(FILTERS).forEach(([value, [name, wanted]], i) => {
      const count = data.images.filter(wanted).length.toLocaleString("en");
      find("#outcomes").append(make("label", {},
        make("input", { type: "radio", name: "outcome", value, checked: i === 0 }),
        `${name} `, make("b", { textContent: count, id: `number-${value}` })));
    });
    const classes = new Map();
    for (const it of data.images) classes.set(it.class, (classes.get(it.class) || 0) + 1);
    const select = find("#class");
    select.append(make("option", { value: "", textContent: "all classes" }));
    for (const [name, count] of classes) {
      select.append(make("option", { value: name, textContent: `${name} (${count})` }));
    }
    find("form.tools").hidden = false;
    find("form.tools").addEventListener("input", update);
    find("form.tools").addEventListener("submit", (event) => event.preventDefault());
  }

  function listen() {
    const dialog = find("dialog");
    dialog.addEventListener("click", (event) => {
      const step = event.target.dataset.step;
      if (step) show(open + Number(step));
      if (event.target === dialog || "close" in event.target.dataset) dialog.close();
    });
    document.addEventListener("keydown", (event) => {
      const typed = event.target.matches("input") || event.ctrlKey || event.metaKey;
      if (typed || !dialog.open) return;
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) show(open + step);
      labels.press(event.key, shown[open]);
    });
  }

  function jump(link) {
    link.parentNode.hidden = false;
    link.addEventListener("click", () => {
      find(`#outcomes [value=${link.dataset.outcome}]`).checked = true;
      update();
    });
  }

  function hover(svg) {
    const lines = [...svg.querySelectorAll("polyline")].map((line) => ({
      name: line.dataset.name, points: [...line.points],
      values: line.dataset.values.split(" ") }));
    if (!lines.length) return;
    const SVG = "http://www.w3.org/2000/svg";
    const cursor = document.createElementNS(SVG, "circle");
    const text = document.createElementNS(SVG, "text");
    cursor.setAttribute("r", 3.5);
    cursor.setAttribute("class", "cursor");
    text.setAttribute("class", "readout");
    svg.addEventListener("pointermove", (event) => {
      const at = new DOMPoint(event.clientX, event.clientY)
        .matrixTransform(svg.getScreenCTM().inverse());
      let best = { distance: Infinity };
      for (const line of lines) {
        line.points.forEach((point, i) => {
          const distance = Math.hypot(point.x - at.x, point.y - at.y);
          if (distance < best.distance) best = { distance, point, value: line.values[i] };
        });
      }
      const { x, y } = best.point, right = x > 190;
      cursor.setAttribute("cx", x);
      cursor.setAttribute("cy", y);
      text.setAttribute("x", x + (right ? -8 : 8));
      text.setAttribute("y", y + (y > 110 ? -8 : 16));
      text.setAttribute("text-anchor", right ? "end" : "start");
      text.textContent = best.value.split(",").map((v) => Number(v).toFixed(3)).join(", ");
      svg.append(cursor, text);
    });
    svg.addEventListener("pointerleave", () => {
      cursor.remove();
      text.remove();
    });
  }

  // The one-sided 95 % Clopper-Pearson upper bound of a rate, k of n.
  function upperBound(k, n) {
    if (k >= n) return 1;
    const atMost = (p) => {
      let logTerm = n * Math.log1p(-p), sum = Math.exp(logTerm);
      for (let i = 1; i <= k; i++) {
        logTerm += Math.log((n - i + 1) / i) + Math.log(p) - Math.log1p(-p);
        sum += Math.exp(logTerm);
      }
      return sum;
    };
    let low = k / n, high = 1;
    for (let i = 0; i < 60; i++) {
      const p = (low + high) / 2;
      if (atMost(p) > 0.05) low = p; else high = p;
    }
    return high;
  }

  function operate({ areas, critical, threshold, min_area: minArea, model }) {
    const levels = critical.map((text) => new Float64Array(
      Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer));
    const field = find("#threshold"), slider = find("#threshold-slider");
    const area = find("#area"), areaSlider = find("#area-slider");
    const finite = levels.flatMap((it) => [it[0], it[areas.indexOf(minArea)]])
      .filter(Number.isFinite);
    const among = (least, value) => (value < least ? value : least);
    slider.min = finite.reduce(among, threshold);
    slider.max = -finite.map((x) => -x).reduce(among, -threshold);
    areaSlider.min = 0;
    areaSlider.max = areas.length - 1;
    let place = areas.indexOf(minArea), limit = threshold;

    function judge() {
      data.images.forEach((it, i) => {
        it.verdict = limit < levels[i][place] ? "defective" : "good";
        it.outcome = !it.label ? it.verdict : it.label === "good"
          ? (it.verdict === "good" ? "passed" : "alarm")
          : (it.verdict === "good" ? "miss" : "found");
      });
      const number = (wanted) => data.images.filter(wanted).length;
      const good = number((it) => it.label === "good");
      const bad = number((it) => it.label === "defective");
      const alarms = number((it) => it.outcome === "alarm");
      find("#counts").textContent = data.labelled
        ? `Found ${number((it) => it.outcome === "found")} of ${bad} defective images, `
          + `${alarms} of ${good} good images are false alarms`
        : `${number((it) => it.verdict === "defective")} of ${data.images.length} images called defective`;
      find("#promise").textContent = good ? "With 95 % confidence at most "
        + `${(100 * upperBound(alarms, good)).toPrecision(3)} % false alarms on images like `
        + "these; less sure if you choose by looking at them." : "";
      find("#command").value = `python3 finetune.py -p ${model} --threshold ${limit} `
        + `--min-area ${areas[place]}`;
      for (const [value, [, wanted]] of Object.entries(FILTERS)) {
        find(`#number-${value}`).textContent = number(wanted).toLocaleString("en");
      }
      update();
    }

    function set(newLimit, newPlace) {
      limit = newLimit;
      place = newPlace;
      field.value = slider.value = limit;
      area.value = areas[place];
      areaSlider.value = place;
      judge();
    }

    const nearest = (value) => areas.reduce((best, it, i) =>
      (Math.abs(it - value) < Math.abs(areas[best] - value) ? i : best), 0);
    slider.addEventListener("input", () => set(slider.valueAsNumber, place));
    field.addEventListener("change", () => set(
      Number.isFinite(field.valueAsNumber) ? field.valueAsNumber : limit, place));
    areaSlider.addEventListener("input", () => set(limit, areaSlider.valueAsNumber));
    area.addEventListener("change", () => set(limit, area.value ? nearest(area.valueAsNumber) : place));
    find("#copy").addEventListener("click", () => {
      find("#command").select();
      document.execCommand("copy"); // pages of files have no clipboard API everywhere
    });
    find("#operating").hidden = false;
    set(threshold, place);
  }

  for (const it of data.images) it.decided = it.verdict;
  fillTools();
  labels.begin();
  listen();
  document.querySelectorAll(".jump a").forEach(jump);
  document.querySelectorAll(".chart > svg").forEach(hover);
  if (data.operating) operate(data.operating);
  else update();
})();
