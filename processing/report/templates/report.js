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
  let moved = null; // from the report's decision: limit and area

  function make(tag, properties = {}, ...children) {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  }

  function absence(it, kind) {
    if (kind === "mask" && moved && !it.small) return "of the report's decision";
    if (kind === "mask" && it.verdict === "good") {
      const above = moved ? moved.limit < it.highest : it.pictures.mask;
      return above ? data.dropped : "no defect";
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
      if (overlay === "mask" && moved && it.small) node.append(movedMask(it));
      else if (it.pictures[overlay]) node.append(image(it.pictures[overlay], ""));
    }
    const text = absence(it, kind);
    if (text) node.append(make("span", { className: "absent", textContent: text }));
    return node;
  }

  function movedMask(it) {
    const canvas = make("canvas");
    drawMask(canvas, it.small, { ...moved, defective: it.verdict === "defective" });
    return canvas;
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
    const own = moved ? " (report's decision)" : "";
    const facts = [["judged", badge(it)], ["class", it.class], ["score", it.shown],
      [`defect area${own}`, `${it.area.toLocaleString("en")} pixels`]];
    if (it.p !== null) facts.push([`p-value${own}`, it.p.toPrecision(2)]);
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

  function draw(tag, name) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    node.setAttribute("class", name);
    return node;
  }

  function hover(svg) {
    const lines = [...svg.querySelectorAll("polyline")].map((line) => ({
      name: line.dataset.name, points: [...line.points],
      values: line.dataset.values.split(" ") }));
    if (!lines.length) return;
    const cursor = draw("circle", "cursor"), text = draw("text", "readout");
    cursor.setAttribute("r", 3.5);
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

  function operate(decision) {
    const { areas, threshold, min_area: minArea, known, step } = decision;
    const critical = decision.critical.map(floats);
    const images = known && decoded(known);
    const home = areas.indexOf(minArea);
    const logarithmic = find("[data-chart=histogram]").dataset.logarithmic;
    const scaled = logarithmic ? Math.log : Number;
    data.images.forEach((it, i) => {
      it.small = decision.small[i];
      it.highest = critical[i][0];
    });
    let place = home, limit = threshold;

    function judge() {
      moved = limit === threshold && place === home ? null : { limit, area: areas[place] };
      data.images.forEach((it, i) => {
        it.verdict = limit < critical[i][place] ? "defective" : "good";
        it.outcome = !it.label ? it.verdict : it.label === "good"
          ? (it.verdict === "good" ? "passed" : "alarm")
          : (it.verdict === "good" ? "miss" : "found");
      });
      data.threshold = step === null ? limit : (Math.floor(limit) + 0.5) * step;
      tell();
      tellCharts();
      find("#command").value = `${decision.command} --threshold ${limit} --min-area ${areas[place]}`;
      find("#promise").textContent = promise();
      shown = choice();
      turn(Math.min(page, Math.max(0, Math.ceil(shown.length / PAGE) - 1)));
    }

    function promise() {
      if (!moved && decision.promise) return promised(decision.promise);
      if (!images) return "the command says it, when it judges the images";
      return promisedOf(images, limit, place, decision.level);
    }

    // Moves head, filters, rates and the table of classes.
    function tell() {
      document.body.classList.toggle("moved", moved !== null);
      find(".operating .back").disabled = !moved;
      const counts = countOutcomes(data.images), parts = [];
      if (counts.bad) parts.push(`Found ${counts.found.toLocaleString("en")} of ${plural(counts.bad, "defect")}`);
      if (counts.good) parts.push(`${plural(counts.alarms, "false alarm")} on ${plural(counts.good, "good image")}`);
      const text = parts.join(", ") || `${counts.called.toLocaleString("en")} of `
        + `${plural(data.images.length, "image")} called defective`;
      for (const id of ["#verdict", "#counts"]) find(id).textContent = text;
      const now = { threshold: limit.toPrecision(4), area: plural(areas[place], "pixel"),
        limit: `threshold ${data.threshold.toPrecision(4)}` };
      for (const it of document.querySelectorAll("[data-now]")) {
        it.dataset.own ??= it.textContent;
        it.textContent = moved ? now[it.dataset.now] : it.dataset.own;
      }
      for (const [value, [, wanted]] of Object.entries(FILTERS)) {
        const number = data.images.filter(wanted).length;
        find(`#number-${value}`).textContent = number.toLocaleString("en");
        const link = find(`.jump [data-outcome=${value}]`);
        if (link) link.hidden = number === 0;
      }
      const TPR = counts.found / counts.bad, TNR = 1 - counts.alarms / counts.good;
      for (const [key, rate] of Object.entries({ TPR, TNR, score: (TPR + TNR) / 2 })) {
        const it = find(`.moves data[data-metric=${key}]`);
        if (!it) continue; // it is undefined
        it.dataset.own ??= it.textContent;
        it.textContent = moved ? rate.toFixed(3) : it.dataset.own;
      }
      for (const row of document.querySelectorAll("#classes [data-class]")) {
        const members = data.images.filter((it) => it.class === row.dataset.class);
        const { called } = countOutcomes(members);
        const right = members.filter((it) => it.verdict === it.label).length;
        row.cells[2].textContent = called;
        row.cells[3].textContent = `${right} (${Math.round(100 * right / members.length)} %)`;
      }
    }

    // Moves the points on the curves, and what marks the threshold.
    function tellCharts() {
      const { good: negatives, bad: positives, alarms, found, called } = countOutcomes(data.images);
      if (negatives && positives) {
        movePoint("roc", alarms / negatives, found / positives);
        movePoint("pr", found / positives, found / called);
      }
      const line = find("[data-chart=histogram] .limit"), axis = line.ownerSVGElement.dataset;
      const [low, high, at] = [axis.low, axis.high, data.threshold].map((x) => scaled(Number(x)));
      const inside = low <= at && at <= high;
      line.setAttribute("visibility", inside ? "visible" : "hidden");
      if (inside) line.setAttribute("d", `M${42 + 310 * (at - low) / (high - low)} 10V210`);
      const [black, light] = decision.colours;
      const share = Math.min(1, Math.max(0, (limit - black) / (light - black)));
      find(".scale").style.setProperty("--at", `${100 * share}%`);
    }

    const controls = operatingControls(find, { areas, critical, threshold, minArea, logarithmic },
      (newLimit, newPlace) => {
        limit = newLimit;
        place = newPlace;
        judge();
      });
    for (const back of document.querySelectorAll(".back")) {
      back.addEventListener("click", controls.back);
    }
    find("#copy").addEventListener("click", () => {
      find("#command").select();
      document.execCommand("copy"); // pages of files have no clipboard API everywhere
    });
    find("#operating").hidden = false;
    controls.back();
  }

  function countOutcomes(images) {
    const number = (key, value) => images.filter((it) => it[key] === value).length;
    return { good: number("label", "good"), bad: number("label", "defective"),
      alarms: number("outcome", "alarm"), found: number("outcome", "found"),
      called: number("verdict", "defective") };
  }

  // Moves the decision's point on a chart; it is hidden where a rate is undefined.
  function movePoint(chart, x, y) {
    const svg = find(`[data-chart=${chart}]`);
    if (!svg) return;
    const point = find(":scope > .mark", svg) || svg.appendChild(draw("circle", "mark"));
    point.setAttribute("r", 5);
    point.setAttribute("visibility", Number.isNaN(y) ? "hidden" : "visible");
    if (Number.isNaN(y)) return;
    point.setAttribute("cx", 42 + 310 * x);
    point.setAttribute("cy", 210 - 200 * y);
  }

  fillTools();
  labels.begin();
  listen();
  document.querySelectorAll(".jump a").forEach(jump);
  document.querySelectorAll(".chart > svg").forEach(hover);
  if (data.operating) operate(data.operating);
  else update();
})();
