"use strict";

// The one-sided Clopper-Pearson upper bound of a rate, k of n.
function upperBound(k, n, level) {
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
    if (atMost(p) > 1 - level) low = p; else high = p;
  }
  return high;
}

// Little-endian float64 of base64.
function floats(text) {
  return new Float64Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
}

const percent = (rate) => `${(100 * rate).toPrecision(3)} %`;
const plural = (count, name) => `${count.toLocaleString("en")} ${name}${count === 1 ? "" : "s"}`;

// What finetune.py says of a decision, by the images that it decides from.
function promised({ good_images: good, false_alarms: alarms, false_alarm_bound: alarmBound,
  defective_images: bad, misses, miss_bound: missBound }) {
  const ofMisses = bad ? `; ${misses} of ${bad} defective ones missed, at most `
    + `${percent(missBound)} of all` : "";
  return `${alarms} of ${plural(good, "good image")} called defective, at most `
    + `${percent(alarmBound)} of all${ofMisses}, with 95 % confidence`;
}

// The critical thresholds of the images that finetune.py decides from.
const decoded = ({ good, defective }) => ({ good: good.map(floats), bad: defective.map(floats) });

// The same of any decision by hand: a limit, at a place of the areas.
function promisedOf({ good, bad }, limit, place, level) {
  const above = (images) => images.filter((it) => limit < it[place]).length;
  const alarms = above(good), misses = bad.length - above(bad);
  return promised({ good_images: good.length, false_alarms: alarms,
    false_alarm_bound: upperBound(alarms, good.length, level),
    defective_images: bad.length, misses,
    miss_bound: upperBound(misses, bad.length, level) });
}

// Lets sliders and fields of a page move together; `changed` gets limit and place.
function operatingControls(find, { areas, critical, threshold, minArea, logarithmic }, changed) {
  const field = find("#threshold"), slider = find("#threshold-slider");
  const area = find("#area"), areaSlider = find("#area-slider");
  const [scaled, unscaled] = logarithmic ? [Math.log, Math.exp] : [Number, Number];
  const home = areas.indexOf(minArea);
  const limits = critical.flatMap((it) => [it[0], it[home]]);
  let limit, place;

  function set(newLimit, newPlace) {
    limit = newLimit;
    place = newPlace;
    field.value = limit;
    slider.value = scaled(limit);
    area.value = areas[place];
    areaSlider.value = place;
    changed(limit, place);
  }

  const nearest = (value) => areas.reduce((best, it, i) =>
    (Math.abs(it - value) < Math.abs(areas[best] - value) ? i : best), 0);
  slider.min = scaled(limits.reduce((a, b) => Math.min(a, b), threshold));
  slider.max = scaled(limits.reduce((a, b) => Math.max(a, b), threshold));
  areaSlider.max = areas.length - 1;
  slider.oninput = () => set(Number(unscaled(slider.valueAsNumber).toPrecision(4)), place);
  field.onchange = () => set(
    Number.isFinite(field.valueAsNumber) ? field.valueAsNumber : limit, place);
  areaSlider.oninput = () => set(limit, areaSlider.valueAsNumber);
  area.onchange = () => set(limit, area.value ? nearest(area.valueAsNumber) : place);
  return { set, back: () => set(threshold, home) };
}

// The pixels of a data URI.
async function pixelsOf(url) {
  const image = Object.assign(new Image(), { src: url });
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

// The 8-connected regions of what is above a limit: the places of their pixels.
function regionsAbove({ data, width, height }, limit) {
  const seen = new Uint8Array(width * height), regions = [];
  const isNew = (place) => !seen[place] && data[4 * place] > limit;
  for (let start = 0; start < seen.length; start++) {
    if (!isNew(start)) continue;
    const region = [start];
    seen[start] = 1;
    for (const place of region) { // it grows meanwhile
      const x = place % width, y = Math.floor(place / width);
      for (let b = Math.max(0, y - 1); b <= Math.min(height - 1, y + 1); b++) {
        for (let a = Math.max(0, x - 1); a <= Math.min(width - 1, x + 1); a++) {
          const near = b * width + a;
          if (!isNew(near)) continue;
          seen[near] = 1;
          region.push(near);
        }
      }
    }
    regions.push(region);
  }
  return regions;
}

// Draws a mask from a small map. Its regions are a bit larger than those of the map:
// whether any counts is what the exact verdict says, and the largest counts then.
async function drawMask(canvas, map, { limit, area, defective }) {
  map.decoded ||= pixelsOf(map.url);
  const small = await map.decoded, { width, height } = small;
  const regions = regionsAbove(small, 255 * (limit - map.low) / (map.high - map.low));
  const largest = Math.max(0, ...regions.map((it) => it.length));
  const least = defective ? Math.min(area / map.pixels, largest) : Infinity;
  const mask = new ImageData(width, height);
  for (const region of regions) {
    const inside = new Set(region), counts = region.length >= least;
    for (const place of region) {
      const x = place % width;
      const edge = x === 0 || x === width - 1 || !inside.has(place - 1)
        || !inside.has(place + 1) || !inside.has(place - width) || !inside.has(place + width);
      mask.data.set([255, 96, 0, counts ? (edge ? 255 : 80) : (edge ? 120 : 0)], 4 * place);
    }
  }
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(mask, 0, 0);
}
