"""The sliders of a report against Decision.verdict, in a browser."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from processing.decision.decision import Decision
from processing.decision.promise import upper_bound
from processing.report.gallery import ColourScale, Gallery
from processing.report.operating import areas_around, critical
from processing.report.report import write_report

from .conftest import ABOUT, CURVES, result_of

THRESHOLDS = (0.3, 0.45, 0.6, 0.7000000000000001, 0.9)
SETTINGS = [(t, a) for t in THRESHOLDS for a in (1, 9)]


def test_the_areas_hold_that_of_the_decision():
    assert 777 in areas_around(777)


def test_an_area_beyond_the_map_is_never_reached():
    assert critical(np.ones((2, 2)), [5]) == critical(np.zeros((2, 2)), [5])


def spot(rng, peak):
    """Return a map (16, 16) of noise with a spot, and its highest value."""
    smooth = gaussian_filter(rng.random((16, 16)), 2)
    smooth -= smooth.min()
    return (peak * smooth / smooth.max()).astype(np.float32)


def move(browser, threshold, area):
    """Set both numbers as a user does."""
    browser.execute_script(
        "for (const [id, value] of [['threshold', arguments[0]], "
        "['area', arguments[1]]]) { const it = document.getElementById(id);"
        "it.value = value; it.dispatchEvent(new Event('change')); }",
        repr(threshold),
        area,
    )


@pytest.fixture
def page(browser, tmp_path, rng):
    maps = [spot(rng, peak) for peak in np.linspace(0.35, 1, 12)]
    decision = Decision(0.5, 3)
    rows = []
    with Gallery(tmp_path, ColourScale.around(0.5, 0.1), min_area=3) as gallery:
        for i, a_map in enumerate(maps):
            label = ("good", "defective")[i % 2]
            found = ("good", "defective")[decision.verdict(a_map)]
            rows.append(
                {"file": f"{i}.png", "class": label, "label": label, "verdict": found}
                | {"score": float(a_map.max()), "defect_area": 0}
            )
            gallery.add(np.zeros((16, 16, 3), "uint8"), a_map, decision.mask(a_map))
    path = write_report(
        tmp_path,
        result_of(rows),
        rows,
        CURVES,
        gallery.urls,
        gallery.scale,
        ABOUT,
        (gallery.areas, gallery.critical),
    )
    browser.get_log("browser")
    browser.get(path.as_uri())
    return browser, maps


def test_counts_are_those_of_the_decision_at_ten_settings(page):
    browser, maps = page
    seen = set()
    for threshold, area in SETTINGS:
        move(browser, threshold, area)
        called = [Decision(threshold, area).verdict(a_map) for a_map in maps]
        found, alarms = sum(called[1::2]), sum(called[::2])
        seen.add((found, alarms))
        text = browser.execute_script("return document.all.counts.textContent")
        assert text == (
            f"Found {found} of 6 defective images, "
            f"{alarms} of 6 good images are false alarms"
        )
        promise = browser.execute_script("return document.all.promise.textContent")
        bound = float(promise.split("at most ")[1].split()[0])
        assert bound == pytest.approx(100 * upper_bound(alarms, 6), rel=5e-3)
        command = browser.execute_script("return document.all.command.value")
        assert float(command.split("--threshold ")[1].split()[0]) == threshold
        assert command.endswith(f"--min-area {area}")
    assert len(seen) > 5
    assert len({alarms for _, alarms in seen} & {1, 2, 3, 4, 5}) > 1
    assert browser.get_log("browser") == []


def test_areas_between_the_steps_snap_to_one(page):
    browser, _ = page
    move(browser, 0.5, 1000)
    areas = areas_around(3)
    nearest = min(areas, key=lambda area: abs(area - 1000))
    command = browser.execute_script("return document.all.command.value")
    assert command.endswith(f"--min-area {nearest}")
