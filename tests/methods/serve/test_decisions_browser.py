"""From a photo to a decision in force and back, by clicks, as two browsers see it."""

import pytest

from methods.serve import learning
from methods.serve.sliders import Sliders
from methods.serve.store import Filter
from processing.decision.regions import area_curve
from processing.report.operating import critical_thresholds

pytest.importorskip("selenium")
from .test_page_browser import live_page

LEARNS = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
path = str(next((folder / "photos").iterdir()))
said = lambda verdict: {"verdict": verdict, "score": 0.5}
image = {"name": "x", "path": path, "label": "good", "group": "decided from"}
image |= {"old": said("defective"), "new": said("good")}
(folder / "comparison.json").write_text(json.dumps({"images": [image]}))
print('@{"step": "finding", "decision": "d2", "model": "m1"}', flush=True)
"""


@pytest.fixture
def page(browser, station, events, stub, monkeypatch):
    """Return a page of stubs: what stands on the disk, and the child, are made up."""
    stub.disk["limits"].clear()
    stub.disk["limits"].update(d1=0.5, d2=0.9)

    def known(self, model, areas):
        limits = [
            critical_thresholds(area_curve(stub.verdict(x).decided_map), areas)
            for x in (0.2, 0.8)
        ]
        return {"good": limits[:1], "defective": limits[1:]}

    def keep(self, model, name, threshold, min_area, who):
        stub.disk["limits"][name] = threshold
        self.deciding.tell("models", {})
        return {"name": name}

    def follow(words, *rest):
        real(["-c", LEARNS, words[-1]], *rest)

    real = learning.follow
    monkeypatch.setattr(Sliders, "_known_images", known)
    monkeypatch.setattr(Sliders, "keep", keep)
    monkeypatch.setattr(learning, "follow", follow)
    with live_page(browser, station, events) as served:
        yield served


def text(page, selector):
    script = "return document.querySelector(arguments[0])?.textContent ?? ''"
    return page.browser.execute_script(script, selector)


def click(page, words, within="main"):
    """Click the button of some words, or wait until there is one."""
    script = """const [within, words] = arguments;
const all = [...document.querySelectorAll(`${within} button`)];
const found = all.find((x) => !x.disabled
  && (x.getAttribute("aria-label") ?? x.textContent) === words);
found?.click();
return Boolean(found);"""
    page.until(lambda: page.browser.execute_script(script, within, words))


def judges(page):
    return text(page, "#models [data-model=m1] tr.judges th")[: len("by d1")]


def test_the_whole_way(page):
    first = page.browser.current_window_handle
    page.browser.switch_to.new_window("tab")
    page.open()
    other = page.browser.current_window_handle
    page.browser.switch_to.window(first)
    page.browser.execute_script(
        "for (const part of document.querySelectorAll('.part')) part.open = true"
    )

    page.post(220, "name=%3Cb%3Ea%3C%2Fb%3E")
    page.until(lambda: len(page.names()) == 1)
    page.all(".results button")[0].click()
    page.one("#good").click()
    page.until(lambda: page.verdict() == "good")
    page.one("#close").click()
    page.until(lambda: text(page, "#counts") == "1 false alarm on 1 good photo")
    assert len(page.all("#wrong li")) == 1

    page.browser.execute_script(
        "const it = document.querySelector('#threshold'); it.value = 0.87;"
        "it.dispatchEvent(new Event('change'))"
    )
    assert text(page, "#counts") == "0 false alarms on 1 good photo"
    assert "1 of 1 defective ones missed" in text(page, "#promise")
    page.one("#kept").send_keys("d3")
    page.one("#keep").click()
    page.until(lambda: text(page, "#not-kept") == "d3 is kept; it is not in force")
    assert judges(page) == "by d1"

    page.one("#who").send_keys("eve")
    click(page, "Put by d3 in force")
    page.until(lambda: judges(page) == "by d3")
    page.browser.switch_to.window(other)
    page.until(lambda: judges(page) == "by d3")
    page.browser.switch_to.window(first)
    page.post(220)
    page.until(lambda: len(page.names()) == 2)
    newest = page.station.store.find(Filter())[0][0]
    assert (newest.verdict, newest.decision) == ("good", "d3")
    click(page, "Back to by d1")
    page.until(lambda: judges(page) == "by d1")

    click(page, "New decision")
    page.until(lambda: "is a new decision" in text(page, "#progress"))
    page.until(lambda: "1 false alarm on 1 good" in text(page, "#compared"))
    assert "<b>a</b>" in text(page, "#compared .wrong")
    click(page, "Put the new decision in force")
    page.until(lambda: judges(page) == "by d2")
    page.browser.switch_to.window(other)
    page.until(lambda: judges(page) == "by d2")
    lines = [x for x in page.station.store.changes() if x["who"] == "eve"]
    assert [x["new"] for x in lines] == ["d3", "d1", "d2"]
    page.browser.close()
    page.browser.switch_to.window(first)


def test_bars_have_their_figures(page):
    page.post(250, "station=left")
    page.post(10, "station=right")
    page.until(lambda: len(page.names()) == 2)
    page.browser.execute_script("document.querySelector('#hours').open = true")
    page.until(lambda: len(page.all(".bars")) == 2)
    assert "left: 1 photo, 1 defective" in text(
        page, ".bars svg title, .bars figcaption"
    )
    label = page.one(".bars g").get_attribute("aria-label")
    assert "1 photo, 1 defective (100.0 %), 0 corrected, median" in label
    assert len(page.all("#figures tr")) == 2


@pytest.mark.parametrize("width", [360, 1280])
def test_no_part_is_wider_than_the_window(page, width):
    page.browser.set_window_size(width, 900)
    page.post(250, "station=left")
    page.browser.execute_script(
        "for (const part of document.querySelectorAll('.part')) part.open = true"
    )
    page.until(lambda: page.all(".bars") and page.all("#models tr"))
    wide = "return document.documentElement.scrollWidth - innerWidth"
    assert page.browser.execute_script(wide) <= 0
    page.browser.set_window_size(1400, 1000)
