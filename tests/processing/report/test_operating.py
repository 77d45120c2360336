"""The sliders of a report against Decision.verdict, in a browser."""

import base64

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, label

from processing.decision.decision import Decision
from processing.decision.promise import LEVEL, upper_bound
from processing.decision.regions import area_curve
from processing.report import operating
from processing.report.gallery import ColourScale, Gallery
from processing.report.operating import Operating, areas_around, critical_thresholds
from processing.report.report import verdict, write_report

from .conftest import ABOUT, CURVES, result_of

SIZE = 48
OWN = Decision(0.5, 3)
THRESHOLDS = (0.3, 0.45, 0.6, 0.7000000000000001, 0.9)
SETTINGS = [(t, a) for t in THRESHOLDS for a in (1, 9)]
PROMISE = {"good_images": 40, "false_alarms": 1, "false_alarm_bound": 0.113}
PROMISE |= {"defective_images": 0, "misses": 0, "miss_bound": 1.0}


def spot(rng, peak, size=SIZE):
    """Return a map of noise with a spot, and its highest value."""
    smooth = gaussian_filter(rng.random((size, size)), 2)
    smooth -= smooth.min()
    return (peak * smooth / smooth.max()).astype(np.float32)


def grey(small):
    """Return the values that a small map stands for."""
    file = np.frombuffer(base64.b64decode(small["url"].split(",")[1]), np.uint8)
    levels = cv2.imdecode(file, cv2.IMREAD_UNCHANGED) / 255
    return small["low"] + (small["high"] - small["low"]) * levels


def test_areas_are_those_of_a_search_and_that_of_the_decision():
    assert areas_around(777, 16384)[-1] == 16384
    assert 777 in areas_around(777, 16384)
    assert areas_around(30, 16) == [*range(1, 17), 30]


@pytest.mark.parametrize("shape", [(300, 200), (90, 120), (64, 64)])
def test_small_maps_lose_no_peak(rng, shape):
    peaks = np.zeros(shape, np.float32)
    for y, x in zip(*(rng.integers(0, side, 30) for side in shape), strict=True):
        peaks[y, x] = 1
    values = grey(operating.small_map(peaks, shape))
    assert max(values.shape) == min(operating.LONGEST, max(shape))
    assert max(shape) / values.shape[np.argmax(shape)] == pytest.approx(
        min(shape) / min(values.shape), rel=0.02
    )
    factors = [new / old for new, old in zip(values.shape, shape, strict=True)]
    peaks_there = {tuple((place * factors).astype(int)) for place in np.argwhere(peaks)}
    near = cv2.dilate((values == 1).astype("uint8"), np.ones((3, 3)))
    assert all(near[place] for place in peaks_there)
    assert 20 < (values == 1).sum() <= 30


def test_small_maps_that_are_too_many_are_left_out(monkeypatch):
    monkeypatch.setattr(operating, "SMALL_MAPS", 100)
    page = Operating(1)
    for _ in range(3):
        page.take(page.of(np.eye(8), (8, 8)))
    assert [small is None for small in page.small] == [False, True, True]
    assert len(page.critical) == 3


def act(browser, **values):
    """Set numbers of the page as a user does, by their ids."""
    browser.execute_script(
        "for (const [id, value] of Object.entries(arguments[0])) {"
        "const it = document.getElementById(id); it.value = value;"
        "it.dispatchEvent(new Event(it.type === 'range' ? 'input' : 'change')); }",
        {key.replace("_", "-"): repr(value) for key, value in values.items()},
    )


def text(browser, selector):
    return browser.execute_script(
        "const it = document.querySelector(arguments[0]);"
        "return it.type === 'text' ? it.value : it.textContent",
        selector,
    )


def masks(browser, count):
    """Return the opacity of each moved mask, once all are drawn."""
    found = browser.execute_async_script(
        """
const [count, done] = arguments;
setTimeout(() => done([...document.querySelectorAll(".item canvas")].map((it) => {
  const { data } = it.getContext("2d").getImageData(0, 0, it.width, it.height);
  return [it.width, it.height, [...data].filter((_, i) => i % 4 === 3)];
})), 400);""",
        count,
    )
    assert len(found) == count
    return [np.reshape(alpha, (height, width)) for width, height, alpha in found]


def judged(maps, decision):
    rows = []
    for i, a_map in enumerate(maps):
        name = ("good", "hole")[i % 2]
        known = ("good", "defective")[i % 2]
        found = ("good", "defective")[decision.verdict(a_map)]
        rows.append(
            {"file": f"{i}.png", "class": name, "label": known, "verdict": found}
            | {"score": float(a_map.max()), "defect_area": 0}
        )
    return rows


@pytest.fixture
def opened(browser, tmp_path):
    """Return a function that opens the report of maps, every second one defective."""

    def opened(maps, decision=OWN, known=None, step=None):
        scale = ColourScale.around(decision.threshold, 0.2 * decision.threshold)
        rows = judged(maps, decision)
        with Gallery(tmp_path, scale, min_area=decision.min_area) as gallery:
            for a_map in maps:
                image = np.zeros((*a_map.shape, 3), "uint8")
                gallery.add(image, a_map, decision.mask(a_map))
        page = gallery.operating
        curves = {key: [*map(area_curve, them)] for key, them in (known or {}).items()}
        result = result_of(
            rows, threshold=decision.threshold, min_area=decision.min_area
        )
        path = write_report(
            tmp_path,
            result,
            rows,
            CURVES,
            gallery.urls,
            scale,
            {**ABOUT, "score_threshold": decision.threshold},
            {
                "areas": page.areas,
                "critical": page.critical,
                "small": page.small,
                "threshold": decision.threshold,
                "min_area": decision.min_area,
                "promise": PROMISE,
                "known": {
                    key: [critical_thresholds(curve, page.areas) for curve in them]
                    for key, them in curves.items()
                }
                or None,
                "level": LEVEL,
                "command": "python3 finetune.py -p model.hdf5",
                "colours": [scale.low, scale.high],
                "step": step,
            },
        )
        browser.get_log("browser")
        browser.get(path.as_uri())
        assert text(browser, "#verdict") == verdict(result, rows)
        return browser

    return opened


@pytest.fixture
def maps(rng):
    return [spot(rng, peak) for peak in np.linspace(0.35, 1, 12)]


def counts(maps, threshold, area):
    called = [Decision(threshold, area).verdict(a_map) for a_map in maps]
    found, alarms = sum(called[1::2]), sum(called[::2])
    return found, f"{alarms} false alarm{'' if alarms == 1 else 's'}", alarms


def test_counts_are_those_of_the_decision_at_ten_settings(opened, maps):
    browser = opened(maps, known={"good": maps[::3], "defective": maps[1::3]})
    seen = set()
    for threshold, area in SETTINGS:
        act(browser, threshold=threshold, area=area)
        found, words, alarms = counts(maps, threshold, area)
        seen.add((found, alarms))
        sentence = f"Found {found} of 6 defects, {words} on 6 good images"
        assert text(browser, "#counts") == text(browser, "#verdict") == sentence
        assert text(browser, "#number-alarm") == str(alarms)
        rates = found / 6, 1 - alarms / 6, (found + 6 - alarms) / 12
        for key, rate in zip(("TPR", "TNR", "score"), rates, strict=True):
            shown = text(browser, f".moves [data-metric={key}]")
            assert float(shown) == pytest.approx(rate, abs=6e-4)
        row = "#classes [data-class=hole] td:nth-of-type"
        assert text(browser, f"{row}(2)") == str(found)
        assert text(browser, f"{row}(3)").startswith(f"{found} (")
        called = [Decision(threshold, area).verdict(a_map) for a_map in maps]
        alarms, found = sum(called[::3]), sum(called[1::3])
        promise = text(browser, "#promise")
        assert promise.startswith(f"{alarms} of 4 good images called defective")
        bounds = [float(x.split()[0]) for x in promise.split("at most ")[1:]]
        right = [upper_bound(alarms, 4), upper_bound(4 - found, 4)]
        assert bounds == pytest.approx(np.multiply(100, right), rel=5e-3)
        command = text(browser, "#command")
        assert float(command.split("--threshold ")[1].split()[0]) == threshold
        assert command.endswith(f"--min-area {area}")
    assert len(seen) > 5
    assert len({alarms for _, alarms in seen} & {1, 2, 3, 4, 5}) > 1
    assert text(browser, "[data-metric=image_auroc]") == "0.762"
    [figures] = browser.find_elements("css selector", ".metrics")
    assert figures.text.count("of the report's decision") == 2  # IoU and Dice
    browser.execute_script("document.querySelector('.operating .back').click()")
    assert text(browser, "[data-metric=TPR]") == "0.912"
    assert "of the report's decision" not in figures.text
    assert browser.get_log("browser") == []


def test_maps_of_256_steps_and_large_areas(opened, rng):
    """The line of the scores is half a step above the threshold, see `Judge`."""
    maps = [(255 * spot(rng, p)).astype("uint8") for p in np.linspace(0.5, 1, 12)]
    browser = opened(maps, Decision(128, 3), step=0.5)
    offered = [area for area in areas_around(3, SIZE**2 // 4) if area > 40]
    seen = set()
    for threshold, area in [(80.7, offered[3]), (100, offered[9]), (128, 41)]:
        act(browser, threshold=threshold, area=area)
        nearest = min([40, *offered], key=lambda it: abs(it - area))
        assert text(browser, "#command").endswith(f"--min-area {nearest}")
        found, words, _ = counts(maps, threshold, nearest)
        seen.add(found)
        sentence = f"Found {found} of 6 defects, {words} on 6 good images"
        assert text(browser, "#verdict") == sentence
        limit = (np.floor(threshold) + 0.5) * 0.5
        assert text(browser, ".legend [data-now]") == f"threshold {limit:#.4g}"
    assert len(seen) > 1


def test_masks_move(opened, maps):
    """Away from the decision they are those of the map, as each has its own pixels."""
    maps = [np.rint(255 * a_map / a_map.max()) * (a_map.max() / 255) for a_map in maps]
    browser = opened(maps)
    masks(browser, 0)
    threshold, area = 0.41, 12
    act(browser, threshold=threshold, area=area)
    order = sorted(maps, key=np.max, reverse=True)
    for a_map, alpha in zip(order, masks(browser, len(maps)), strict=True):
        regions, _ = label(a_map > threshold, np.ones((3, 3)))
        kept = np.isin(regions, np.flatnonzero(np.bincount(regions.ravel()) >= area))
        kept &= regions > 0
        np.testing.assert_array_equal(np.isin(alpha, (80, 255)), kept)
        assert not np.isin(alpha[regions == 0], (80, 120, 255)).any()
    browser.execute_script("document.querySelector('.item').click()")
    assert browser.execute_script(
        "return document.querySelectorAll('dialog canvas').length"
    )
    assert "report's decision" in text(browser, "dialog .facts")


def test_all_that_moves_goes_back(opened, maps):
    browser = opened(maps)
    parts = ["#verdict", ".lead", "#classes", "#promise", ".legend [data-now]"]
    parts += [".scale .at", "#command"]
    marks = [("[data-chart=roc] > .mark", "cx"), ("[data-chart=pr] > .mark", "cx")]
    marks += [("[data-chart=histogram] .limit", "d")]

    def state():
        return [text(browser, part) for part in parts] + [
            browser.execute_script(
                "const [part, name] = arguments;"
                "return document.querySelector(part).getAttribute(name)",
                *mark,
            )
            for mark in marks
        ]

    def shown(selector):
        return browser.execute_script(
            "return document.querySelector(arguments[0]).checkVisibility()", selector
        )

    own = state()
    assert "1 of 40 good images" in own[3]
    assert not shown("#moved")
    act(browser, threshold_slider=0.75, area=6)
    assert shown("#moved")
    moved = state()
    assert [a for a, b in zip(own, moved, strict=True) if a == b] == []
    assert "the command" in moved[3]
    browser.execute_script("document.querySelector('.back').click()")
    assert state() == own
    assert not shown("#moved")
    assert browser.get_log("browser") == []


def test_areas_between_the_steps_snap_to_one(opened, maps):
    browser = opened(maps)
    act(browser, threshold=0.5, area=333)
    areas = areas_around(3, SIZE**2 // 4)
    nearest = min(areas, key=lambda area: abs(area - 333))
    assert text(browser, "#command").endswith(f"--min-area {nearest}")
