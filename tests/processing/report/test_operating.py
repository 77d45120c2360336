"""The sliders of a report against Decision.verdict, in a browser."""

import numpy as np
import pytest

from processing.decision.decision import Decision
from processing.report.gallery import ColourScale, Gallery
from processing.report.operating import areas_around, critical
from processing.report.report import write_report

from .conftest import ABOUT, CURVES, result_of

SETTINGS = [(t, a) for t in (0.0, 0.3, 0.5, 0.7000000000000001, 0.99) for a in (1, 3)]


def test_the_areas_hold_that_of_the_decision():
    assert 777 in areas_around(777)


def test_an_area_beyond_the_map_is_never_reached():
    assert critical(np.ones((2, 2)), [5]) == critical(np.zeros((2, 2)), [5])


@pytest.fixture
def page(browser, tmp_path, rng):
    maps = list(rng.random((12, 16, 16)).astype("float32") ** 3)
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
    for threshold, area in SETTINGS:
        browser.execute_script(
            "for (const [id, value] of [['threshold', arguments[0]], "
            "['area', arguments[1]]]) { const it = document.getElementById(id);"
            "it.value = value; it.dispatchEvent(new Event('change')); }",
            repr(threshold),
            area,
        )
        called = [Decision(threshold, area).verdict(a_map) for a_map in maps]
        text = browser.execute_script("return document.all.counts.textContent")
        assert text == (
            f"Found {sum(called[1::2])} of 6 defective images, "
            f"{sum(called[::2])} of 6 good images are false alarms"
        )
        command = browser.execute_script("return document.all.command.value")
        assert float(command.split("--threshold ")[1].split()[0]) == threshold
        assert command.endswith(f"--min-area {area}")
    assert browser.get_log("browser") == []


def test_the_promise_is_the_upper_bound_of_clopper_and_pearson(page):
    from scipy.stats import beta

    browser, maps = page
    alarms = sum(Decision(0.5, 3).verdict(a_map) for a_map in maps[::2])
    bound = 1.0 if alarms == 6 else float(beta.ppf(0.95, alarms + 1, 6 - alarms))
    text = browser.execute_script("return document.all.promise.textContent")
    assert float(text.split("at most ")[1].split()[0]) == pytest.approx(
        100 * bound, rel=5e-3
    )
