"""Tables of made-up runs."""

import math

import pytest

from benchmarks.defaults_page import Estimate, estimate, over_categories, render


def run(category, setting, value, pixel=None, half=0.0, machine="2 cores", **costs):
    values = {"image_auroc": value, "pixel_auroc": pixel, "aupro": pixel, "score": 0.5}
    row = {"category": category, "setting": setting, "machine": machine}
    for key, x in values.items():
        ends = (x, x - half, x + half) if x is not None else (None,) * 3
        row |= dict(zip((key, f"{key}_low", f"{key}_high"), ends, strict=True))
    row |= {"fit_seconds": 2.0, "images_per_second": 9.0, "megabytes": 7.0} | costs
    return {key: "" if x is None else str(x) for key, x in row.items()}


def lines(page, heading):
    """Return the cells of each setting in the table below a heading, by setting."""
    table = page.split(f"\n### {heading}\n")[1].split("\n#")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line]
    return {label: cells for label, *cells in rows[2:]}


def test_intervals_are_those_of_images_and_of_seeds():
    one = estimate([run("a", "s", 0.9, half=0.02)], "image_auroc")
    assert one == pytest.approx((0.9, 0.02, 0.02))
    alike = estimate([run("a", "s", 0.9, half=0.02)] * 3, "image_auroc")
    assert alike == pytest.approx((0.9, 0.02, 0.02))
    seeds = [run("a", "s", value, half=0.02) for value in (0.8, 0.9, 1.0)]
    t = 4.302653 * 0.1 / math.sqrt(3)  # Student's, of two degrees of freedom
    end = math.hypot(t, 0.02)
    assert estimate(seeds, "image_auroc") == pytest.approx((0.9, end, end))


def test_distances_below_and_above_stay_apart():
    row = {**run("a", "s", 0.9), "score_low": "0.1", "score_high": "0.6"}
    assert estimate([row], "score") == pytest.approx((0.5, 0.4, 0.1))


def test_what_no_run_has_has_no_estimate():
    assert estimate([run("a", "s", 0.9)], "aupro") is None
    assert over_categories([None, None]) is None


def test_costs_are_medians():
    runs = [run("a", "s", 0.9, fit_seconds=seconds) for seconds in (1.0, 2.0, 60.0)]
    assert estimate(runs, "fit_seconds") == (2, 0, 0)


def test_categories_are_independent():
    found = [Estimate(0.9, 0.03, 0.3), None, Estimate(0.7, 0.04, 0.4)]
    assert over_categories(found) == pytest.approx((0.8, 0.025, 0.25))


@pytest.fixture
def page():
    rows = [
        run("d/a", "quick", 0.9, 0.8, half=0.05, fit_seconds=1.0),
        run("d/a", "quick", 0.9, 0.8, half=0.05, fit_seconds=2.0),
        run("d/a", "exact", 0.99, 0.7, half=0.05, images_per_second=10.0),
        run("d/b", "quick", 0.7),
        run("d/b", "tried", 0.6, machine="a GPU"),
        run("d/b", "exact", 0.70001),
    ]
    return render(rows, {"defaults": {"exact": 1, "quick": 2}, "one-shot": {"none": 5}})


def test_best_values_are_bold_and_ties_all_are(page):
    of_a = lines(page, "d/a")
    assert list(of_a) == ["`exact`, 1 seed", "`quick`, 2 seeds"]
    exact, quick = of_a.values()
    assert exact[:2] == ["**0.990** [0.940, 1.000]", "0.700 [0.650, 0.750]"]
    assert exact[4:] == ["2.0", "**10.0**", "**7.0**"]
    assert quick[:2] == ["0.900 [0.850, 0.950]", "**0.800** [0.750, 0.850]"]
    assert quick[4:] == ["**1.5**", "9.0", "**7.0**"]
    exact, quick = lines(page, "d/b").values()
    assert exact[0] == quick[0] == "**0.700** [0.700, 0.700]"
    assert exact[1] == quick[1] == "–"


def test_means_are_over_the_categories_that_have_a_value(page):
    exact, quick = lines(page, "Mean over 2 categories").values()
    assert exact[:2] == ["**0.845** [0.820, 0.870]", "0.700 [0.650, 0.750]"]
    assert quick[:2] == ["0.800 [0.775, 0.825]", "**0.800** [0.750, 0.850]"]


def test_settings_of_no_list_come_last_and_empty_lists_not_at_all(page):
    titles = [line for line in page.splitlines() if line.startswith("## ")]
    assert titles == ["## Defaults", "## Others"]
    assert "`tried`, 1 seed" in page.split("## Others")[1]
    assert "Machine: 2 cores, a GPU." in page


def test_a_setting_that_lacks_categories_is_not_compared():
    rows = [run("d/a", "part", 0.99), run("d/a", "all", 0.9), run("d/b", "all", 0.8)]
    means = lines(render(rows, {"defaults": ["part", "all"]}), "Mean over 2 categories")
    assert means.keys() == {"`all`"}
    assert means["`all`"][0].startswith("**0.850**")
