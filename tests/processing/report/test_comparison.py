import re

import pytest

from processing.metrics.names import METRICS
from processing.report.comparison import (
    Mean,
    best_models,
    compare,
    newest,
    write_summary,
)


def row(
    category, method, auroc, trained="2026-01-01 00:00:00", dataset="mvtec", **extra
):
    return {
        "dataset": dataset,
        "category": category,
        "method": method,
        "variant": "ssim",
        "options": "",
        "seed": 42,
        "trained": trained,
        "maps": "ssim_float64",
        "images": 10,
        **dict.fromkeys(METRICS),
        "image_auroc": auroc,
        "report": "mvtec/x/report.html",
        "in_place": 0.75,
        "finetuning_score": None,
        "training_seconds": None,
        "model": "x.hdf5",
        **extra,
    }


ROWS = [
    row("bottle", "skipCAE", 0.9),
    row("bottle", "mvtecCAE", 0.99, trained="2026-01-03 00:00:00"),
    row("bottle", "mvtecCAE", 0.995, trained="2026-01-02 00:00:00"),
    row("cable", "mvtecCAE", 0.7),
    row("cable", "skipCAE", 0.8),
    row("cable", "resnetCAE", 0.81),
]


def test_the_newest_run_counts_not_the_best():
    chosen = {(r["category"], r["method"]): r["image_auroc"] for r in newest(ROWS)}
    assert len(chosen) == 5
    assert chosen["bottle", "mvtecCAE"] == 0.99


def test_the_last_decision_of_a_run_counts():
    rows = [row("bottle", "a", 0.5), row("bottle", "a", 0.6)]
    assert [r["image_auroc"] for r in newest(rows)] == [0.6]


def test_the_best_model_is_chosen_without_test_images(tmp_path):
    rows = [
        row("bottle", "lucky", 1.0, finetuning_score=0.8, training_seconds=1.0),
        row("bottle", "slow", 0.9, finetuning_score=0.9, training_seconds=75.0),
        row("bottle", "fast", 0.8, finetuning_score=0.9, training_seconds=8.0),
        row("bottle", "untold", 0.8, finetuning_score=0.9),
        row("cable", "calibrated", 1.0),
    ]
    assert [r["method"] for r in best_models(rows)] == ["fast"]
    write_summary(tmp_path / "summary.html", rows, [])
    page = (tmp_path / "summary.html").read_text()
    best = page.partition('<table id="best">')[2].partition("</table>")[0]
    assert "fast" in best
    assert "8 s" in best
    assert "1 min 15 s" in page


def test_comparison():
    [table] = compare(ROWS, "image_auroc")
    assert table.methods == ["mvtecCAE ssim", "resnetCAE ssim", "skipCAE ssim"]
    assert table.values == {"bottle": [0.99, None, 0.9], "cable": [0.7, 0.81, 0.8]}
    assert table.best("bottle") == 0.99
    assert table.best("cable") == 0.81
    assert table.means == [
        Mean(pytest.approx(0.845), 2, partial=False),
        Mean(0.81, 1, partial=True),
        Mean(pytest.approx(0.85), 2, partial=False),
    ]
    assert table.best_mean == 0.85


def test_metrics_that_are_undefined():
    assert compare(ROWS, "aupro") == []
    rows = [*ROWS, row("tile", "skipCAE", None)]
    [table] = compare(rows, "image_auroc")
    assert table.values["tile"] == [None, None, None]
    assert all(mean.partial for mean in table.means)
    assert table.best_mean is None


def test_nothing_is_best_alone():
    [table] = compare(ROWS[:1], "image_auroc")
    assert table.best("bottle") is None
    assert table.best_mean is None


def test_a_table_for_each_data_set():
    rows = [*ROWS, row("tile", "skipCAE", 0.6, dataset="magnetic_tile")]
    tables = compare(rows, "image_auroc")
    assert [table.dataset for table in tables] == ["magnetic_tile", "mvtec"]
    assert [list(table.values) for table in tables] == [["tile"], ["bottle", "cable"]]


def marked(text, dataset="mvtec"):
    """Return the cells (class, text) of a table's rows by their head."""
    table = text[text.index(f'data-dataset="{dataset}"') :]
    table = table[: table.index("</table>")]
    cells = r'<td(?: class="(\w+)")?>(.*?)</td>'
    return {
        head: re.findall(cells, rest, re.DOTALL)
        for head, rest in re.findall(
            r'<th scope="row">(.*?)</th>(.*?)</tr>', table, re.DOTALL
        )
    }


def test_page(tmp_path):
    evil = "<script>alert(1)</script>"
    path = tmp_path / "summary.html"
    extra = [row("x", "y", 0.5, dataset=evil, report="a b/ü#?.html")]
    write_summary(path, [*ROWS, *extra], [("broken.hdf5", f"it is damaged {evil}")])
    text = path.read_text(encoding="utf-8")
    cells = marked(text)
    assert cells["bottle"] == [("best", "0.990"), ("none", "–"), ("", "0.900")]
    assert cells["cable"] == [("", "0.700"), ("best", "0.810"), ("", "0.800")]
    assert cells["mean"] == [
        ("", "0.845"),
        ("partial", "0.810 of 1"),
        ("best", "0.850"),
    ]
    assert text.count("<a href=") == len(ROWS) + 1
    assert 'href="a%20b/%C3%BC%23%3F.html"' in text
    assert "1 model could not be tested" in text
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_ties_are_all_marked(tmp_path):
    rows = [row("bottle", "a", 0.9004), row("bottle", "b", 0.8996)]
    write_summary(tmp_path / "summary.html", rows, [])
    cells = marked((tmp_path / "summary.html").read_text(encoding="utf-8"))
    assert cells["bottle"] == cells["mean"] == [("best", "0.900"), ("best", "0.900")]


@pytest.mark.parametrize("width", [400, 1400])
def test_page_in_a_browser(browser, tmp_path, width):
    names = [f"method{i}" for i in range(12)]
    rows = [row("bottle", name, 0.9, aupro=0.8) for name in names]
    write_summary(tmp_path / "summary.html", rows, [])
    browser.get_log("browser")  # of an earlier page
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        browser.get((tmp_path / "summary.html").as_uri())
        inside = "return document.documentElement.scrollWidth <= innerWidth"
        assert browser.execute_script(inside)
        assert browser.execute_script("return document.links.length") == len(rows)
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert browser.get_log("browser") == []


def test_seeds_of_a_method_are_one_column():
    rows = [
        row(category, "a", value, seed=seed)
        for category, values in {"bottle": (0.8, 0.9), "cable": (0.5, 0.7)}.items()
        for seed, value in enumerate(values)
    ]
    rows += [row("bottle", "a", 0.1, seed=0, trained="2025-01-01 00:00:00")]
    rows += [row("bottle", "b", 0.6, seed=0), row("bottle", "b", None, seed=1)]
    [table] = compare(rows, "image_auroc")
    assert table.methods == ["a ssim", "b ssim"]
    assert table.values["bottle"] == [pytest.approx(0.85), 0.6]
    assert table.deviations["bottle"] == [pytest.approx(0.1 / 2**0.5), None]
    of_a, of_b = table.means
    assert of_a.value == pytest.approx(0.725)
    assert of_a.deviation == pytest.approx(0.15 / 2**0.5)  # of 0.65 and 0.8
    assert of_b == Mean(0.6, 1, partial=True)
