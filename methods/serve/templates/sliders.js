"use strict";
// Labelled images at other thresholds and areas, and decisions by hand.

const WRONG = 24; // photos that are shown at most
let sliding = null; // what the server says of the model, and where the sliders are

const chosenModel = () => models.find((x) => x.id === one("#slid").value) ?? models[0];

function fillModels(select, label) {
  const before = select.value;
  select.replaceChildren(...models.map((model) => {
    const option = element("option", `${model.dataset} / ${model.category} (${model.file})`);
    option.value = model.id;
    return option;
  }));
  if (models.some((x) => x.id === before)) select.value = before;
  label.hidden = models.length < 2;
}

const loadSliders = newest(async (isNewest) => {
  if (!one("#sliders").open || !models.length) return;
  const model = chosenModel();
  const found = await ask(`${address(model)}/sliders`);
  if (!isNewest()) return;
  const same = sliding && sliding.decision === found.decision ? sliding : null;
  one("#without").textContent = found.why ?? "";
  one("#operating").hidden = !found.areas;
  if (!found.areas) return;
  sliding = { ...found, model, images: found.known && decoded(found.known) };
  for (const it of found.labelled) it.critical = floats(it.critical);
  const { images } = sliding;
  const critical = [...found.labelled.map((x) => x.critical),
    ...(images ? [...images.good, ...images.bad] : [])];
  const options = { areas: found.areas, critical, threshold: found.threshold,
    minArea: found.min_area, logarithmic: false };
  const controls = operatingControls(one, options, moveTo);
  one("#unmoved").onclick = controls.back;
  if (same) controls.set(same.limit, same.place);
  else controls.back();
});

function countLabelled(labelled, waiting) {
  const of = (label) => labelled.filter((x) => x.label === label);
  const bad = of("defective"), good = of("good");
  const found = bad.filter((x) => x.called === "defective").length;
  const alarms = good.filter((x) => x.called === "defective").length;
  const parts = [];
  if (bad.length) parts.push(`found ${found} of ${plural(bad.length, "defect")}`);
  if (good.length) parts.push(`${plural(alarms, "false alarm")} on ${plural(good.length, "good photo")}`);
  if (waiting) parts.push(`${plural(waiting, "photo")} yet to be judged for this`);
  return parts.join(", ") || "none yet";
}

function wrongPhoto(photo) {
  const item = element("li", undefined, "card wrong");
  const picture = element("img");
  picture.src = `/api/results/${photo.id}/overlay`;
  picture.alt = "";
  picture.loading = "lazy";
  item.append(picture, element("span", photo.name, "name"),
    element("span", `called ${photo.called}, is ${photo.label}`, "note"));
  return item;
}

function moveTo(limit, place) {
  Object.assign(sliding, { limit, place });
  const { labelled, images, areas, level, waiting } = sliding;
  for (const it of labelled) it.called = limit < it.critical[place] ? "defective" : "good";
  one("#counts").textContent = countLabelled(labelled, waiting);
  const own = limit === sliding.threshold && areas[place] === sliding.min_area;
  one("#promise").textContent = own && sliding.promise ? promised(sliding.promise)
    : images ? promisedOf(images, limit, place, level) : "not at hand";
  one("#unmoved").disabled = own;
  one("#keep").disabled = own || !images;
  const wrong = labelled.filter((x) => x.called !== x.label).slice(0, WRONG);
  one("#wrong").replaceChildren(...wrong.map(wrongPhoto));
  one("#wrong-title").hidden = !wrong.length;
}

one("#keep").addEventListener("click", async () => {
  const { model, limit, place, areas } = sliding;
  const said = { name: one("#kept").value, threshold: limit, min_area: areas[place],
    who: one("#who").value };
  one("#not-kept").textContent = "";
  one("#keep").disabled = true;
  try {
    await send("POST", `${address(model)}/decisions`, said);
    one("#not-kept").textContent = `${said.name} is kept; it is not in force`;
    one("#kept").value = "";
  } catch (error) {
    one("#not-kept").textContent = error.message;
  }
  one("#keep").disabled = false;
});
one("#sliders").addEventListener("toggle", loadSliders);
one("#slid").addEventListener("change", loadSliders);
hear("labels", loadSliders);
document.addEventListener("models", () => {
  fillModels(one("#slid"), one("#whose"));
  loadSliders();
});
