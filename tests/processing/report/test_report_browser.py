"""The report in a real browser: what it shows, finds, filters, opens, and its speed."""

import json

import pytest

from processing.data.table import read_table
from processing.report.report import write_report

pytest.importorskip("selenium")
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

EVIL = "test/x/\"'><script>alert(1)</script> ü %20#?.png"
CASES = [
    ("test/good/000.png", "good", "good", "good", 0.2),
    ("test/good/001.png", "good", "good", "good", 0.3),
    ("test/good/002.png", "good", "good", "defective", 0.8),
    ("test/hole/000.png", "hole", "defective", "defective", 0.9),
    ("test/hole/001.png", "hole", "defective", "defective", 0.7),
    ("test/scratch/000.png", "scratch", "defective", "good", 0.45),
    (EVIL, "x y's", "defective", "defective", 2.0),
]
MANY = 5000


def written(judged_set, **more):
    parts = (
        judged_set.result,
        judged_set.rows,
        judged_set.curves,
        judged_set.pictures,
        judged_set.scale,
        judged_set.about,
    )
    return write_report(judged_set.folder, *parts, **more)


class Opened:
    """A report in the browser."""

    def __init__(self, browser, path):
        self.browser = browser
        browser.get_log("browser")  # of an earlier page
        browser.get(path.as_uri())

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def names(self):
        return [item.get_attribute("title") for item in self.all(".item")]

    def script(self, code):
        return self.browser.execute_script(f"return {code}")

    def choose(self, selector, value):
        option = self.one(f"{selector} [value='{value}']")
        self.browser.execute_script("arguments[0].click()", option)

    def next(self, selector):
        """Choose the next option of a list."""
        self.one(selector).send_keys(Keys.ARROW_DOWN)

    def press(self, key):
        self.browser.switch_to.active_element.send_keys(key)

    def errors(self):
        return self.browser.get_log("browser")


@pytest.fixture
def report(browser, judged):
    return Opened(browser, written(judged(CASES)))


def test_loads_without_errors_and_shows_pictures(report):
    assert len(report.all(".item")) == len(CASES)
    loaded = "[...document.images].every(i => i.complete && i.naturalWidth > 0)"
    assert report.script(loaded)
    assert len(report.all(".chart > svg")) == 4
    assert report.script("document.documentElement.scrollWidth <= innerWidth")
    assert not report.script("document.body.innerText.includes('undefined.')")
    assert report.errors() == []


def test_numbers_equal_the_result(browser, judged):
    judged_set = judged(CASES)
    report = Opened(browser, written(judged_set))
    printed = {
        item.get_attribute("data-metric"): item.text
        for item in report.all(".metrics [data-metric]")
    }
    for key, text in printed.items():
        value = judged_set.result[key]
        assert text == ("undefined" if value is None else f"{value:.3f}")
    assert len(printed) == 13
    counts = judged_set.result["confusion"]
    for outcome, name in (("alarm", "false_positives"), ("miss", "false_negatives")):
        assert report.one(f"#outcomes label:has([value={outcome}]) b").text == str(
            counts[name]
        )
    row = report.all("#classes [data-class=hole] td")
    assert [cell.text for cell in row[:3]] == ["2", "2", "2 (100 %)"]


def test_most_anomalous_first_and_other_orders(report):
    by_score = [case[0] for case in sorted(CASES, key=lambda case: -case[-1])]
    assert report.names() == by_score
    report.next("#order")
    assert report.names() == by_score[::-1]
    report.next("#order")
    assert report.names()[0] == "test/scratch/000.png"
    report.next("#order")
    assert report.names() == sorted(case[0] for case in CASES)


def test_filters(report):
    report.choose("#outcomes", "alarm")
    assert report.names() == ["test/good/002.png"]
    assert report.one(".pager").text == "1–1 of 1"
    report.choose("#outcomes", "miss")
    assert report.names() == ["test/scratch/000.png"]
    report.choose("#outcomes", "right")
    assert len(report.names()) == 5
    report.next("#class")
    assert report.names() == ["test/good/001.png", "test/good/000.png"]
    report.one("#search").send_keys("001")
    assert report.names() == ["test/good/001.png"]
    report.one("#search").send_keys("no such")
    assert report.names() == []
    assert report.one(".empty").is_displayed()
    assert report.errors() == []


def test_links_of_the_head_choose(report):
    report.one(".jump [data-outcome=miss]").click()
    assert report.names() == ["test/scratch/000.png"]


def test_large_view_by_keyboard(report):
    item = report.all(".item")[1]
    item.send_keys(Keys.ENTER)
    assert report.one("dialog h2").text == "test/hole/000.png"
    assert "found" in report.one("dialog .facts").text
    assert "0.9000" in report.one("dialog .facts").text
    assert "12 pixels" in report.one("dialog .facts").text
    captions = [caption.text for caption in report.all("dialog figcaption")]
    assert [c.split(" (")[0] for c in captions] == [
        "image",
        "anomaly map",
        "decided mask",
        "ground truth",
    ]
    report.press(Keys.ARROW_RIGHT)
    assert report.one("dialog h2").text == "test/good/002.png"
    for _ in range(2):
        report.press(Keys.ARROW_LEFT)
    assert report.one("dialog h2").text == EVIL
    assert report.one("dialog .position").text == f"1 of {len(CASES)}"
    report.all("dialog .panel")[2].click()
    assert [f.is_displayed() for f in report.all("dialog figure")] == [
        False,
        False,
        True,
        False,
    ]
    report.press(Keys.ESCAPE)
    assert not report.one("dialog").is_displayed()
    assert report.script("document.activeElement.className") == "item card"
    assert report.errors() == []


def test_curves_tell_their_values(report):
    chart = report.one(".chart > svg")
    ActionChains(report.browser).move_to_element_with_offset(chart, 5, -80).perform()
    assert report.one(".readout").text == "0.333, 1.000"


def test_everything_is_named(report):
    for image in report.all("img"):
        assert image.get_attribute("alt") is not None
    controls = report.all(".tools :is(button, select, input), .item")
    assert [item for item in controls if not item.accessible_name] == []
    report.all(".item")[0].click()
    assert [
        item for item in report.all("dialog button") if not item.accessible_name
    ] == []


def test_unlabelled_images(browser, judged):
    rows = [("a b.png", "unknown", "", "defective", 0.9)]
    judged_set = judged([*rows, ("c.png", "unknown", "", "good", 0.1)])
    judged_set.curves = {}
    report = Opened(browser, written(judged_set))
    assert report.all(".metrics, #classes") == []
    report.choose("#outcomes", "good")
    assert report.names() == ["c.png"]
    report.all(".item")[0].click()
    assert len(report.all("dialog figure")) == 3
    assert report.errors() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_fits_every_width_and_can_be_read_in_both_schemes(
    browser, judged, width, scheme
):
    emulate = browser.execute_cdp_cmd
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    preferred = [{"name": "prefers-color-scheme", "value": scheme}]
    emulate("Emulation.setDeviceMetricsOverride", size)
    emulate("Emulation.setEmulatedMedia", {"features": preferred})
    try:
        report = Opened(browser, written(judged(CASES), paths=PATHS))
        assert report.script("innerWidth") == width
        assert report.script("document.documentElement.scrollWidth") <= width
        ink = report.script("getComputedStyle(document.body).color")
        page = report.script("getComputedStyle(document.body).backgroundColor")
        assert contrast(ink, page) > 7
        for badge in report.all(".outcome"):
            style = f"getComputedStyle(document.querySelector('.{badge_class(badge)}'))"
            ink, page = (
                report.script(f"{style}.{name}")
                for name in ("color", "backgroundColor")
            )
            assert contrast(ink, page) > 4.5
    finally:
        emulate("Emulation.clearDeviceMetricsOverride", {})
        emulate("Emulation.setEmulatedMedia", {"features": []})


def badge_class(badge):
    return badge.get_attribute("class").replace(" ", ".")


def contrast(first, second):
    """Return the contrast ratio of two CSS colours (WCAG 2.1, 1.4.3)."""

    def luminance(colour):
        values = [
            int(x) / 255 for x in colour[colour.index("(") + 1 : -1].split(",")[:3]
        ]
        linear = [
            x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in values
        ]
        return sum(a * b for a, b in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_thousands_of_images_stay_usable(browser, judged):
    """Few elements whatever the number of images, and every image within reach."""
    many = judged(CASES, embedded=0)
    many.rows = [
        {**many.rows[i % len(CASES)], "file": f"{i:05d}.png", "score": i / MANY}
        for i in range(MANY)
    ]
    many.pictures = [many.pictures[i % len(CASES)] for i in range(MANY)]
    path = written(many)
    assert path.stat().st_size < 4e6
    report = Opened(browser, path)
    assert len(report.all(".item")) == 48
    assert report.script("document.querySelectorAll('*').length") < 2500
    assert (
        report.script("[...document.images].filter(i => i.loading !== 'lazy').length")
        == 0
    )
    assert report.one(".pager").text.startswith("1–48 of 5,000")
    ready = report.script("performance.getEntriesByType('navigation')[0].domComplete")
    assert ready < 20_000  # milliseconds: a page that hangs; benchmarks time it
    report.one(".pager [aria-label='Next page']").click()
    assert report.one(".pager").text.startswith("49–96")
    report.one("#search").send_keys("00007")
    assert report.names() == ["00007.png"]
    assert report.errors() == []


def test_images_that_were_not_registered_are_found(browser, judged):
    judged_set = judged(CASES)
    for row in judged_set.rows:
        row["registered"] = row["file"] != "test/hole/001.png"
    report = Opened(browser, written(judged_set))
    report.choose("#outcomes", "lost")
    assert report.names() == ["test/hole/001.png"]
    report.one(".item").click()
    assert "no: judged as it was" in report.one("dialog .facts").text
    assert report.errors() == []


PATHS = [
    "/a/plain.png",
    '/a/with "quotes", and commas.png',
    "/a/two\nlines\r.png",
    "/a/=1+1.png",
    "",
    "/a/ü %20#?.png",
    "/a/</script>.png",
]


@pytest.fixture
def labelled(browser, judged, tmp_path):
    """Return an open report of images that can be labelled, but for one."""
    judged_set = judged(CASES)
    path = written(judged_set, paths=PATHS)
    downloads = {"behavior": "allow", "downloadPath": str(tmp_path)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", downloads)
    yield Opened(browser, path)
    browser.execute_script("localStorage.clear()")


def labels_of(report, folder):
    """Return what the report's table says, by path."""
    table = folder / "labels.csv"
    report.one("#download-labels").click()
    # The browser takes the name before it writes the content.
    WebDriverWait(report.browser, 20).until(
        lambda _: table.exists() and table.read_bytes().endswith(b"\n")
    )
    rows = read_table(table, ("path", "label"))
    table.unlink()
    return {row["path"]: row["label"] for row in rows}


def labels_of_page(report):
    """Return what the browser keeps, by path."""
    return dict(json.loads(report.script("Object.values(localStorage)[0]")))


def controls(report, case):
    """Return the buttons and the field beside the card of a case."""
    place = report.names().index(CASES[case][0])
    item = report.all(".grid-of-images > li")[place]
    return item.find_elements(By.CSS_SELECTOR, ".labels > *")


def test_labels_are_downloaded_as_a_table(labelled, tmp_path):
    report = labelled
    assert not report.one("#download-labels").is_enabled()
    assert controls(report, 4) == []
    assert "buttons for labels: 1. A" in report.one("#labels-nameless").text
    controls(report, 0)[0].click()
    for case in (2, 3, 5, 1):
        controls(report, case)[1].click()
    for case, kind in ((5, '=a "b",'), (1, "No Defect")):
        field = controls(report, case)[2]
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(kind, Keys.TAB)
    for _ in range(2):
        controls(report, 6)[0].click()  # and again: it is taken back
    labels = ["good", "good", "defective", "hole", None, '=a "b",', None]
    given = {path: x for path, x in zip(PATHS, labels, strict=True) if x}
    assert labels_of(report, tmp_path) == given
    assert report.one("#labels-given").text == "2 really good, 3 really defective"
    report.one("#forget-labels").click()
    assert not report.one("#download-labels").is_enabled()
    report.one("#undo-label").click()
    report.browser.refresh()  # they survive it
    assert labels_of(report, tmp_path) == given
    assert controls(report, 3)[1].get_attribute("aria-pressed") == "true"
    assert controls(report, 3)[2].get_attribute("value") == "hole"
    report.choose("#outcomes", "labelled")
    assert {*report.names()} == {CASES[i][0] for i in (0, 1, 2, 3, 5)}
    assert report.errors() == []


def test_labels_by_keys_in_the_large_view(labelled, tmp_path):
    report = labelled
    report.all(".item")[2].click()  # test/good/002.png
    report.press("d")
    assert "1 really defective" in report.one("#labels-given").get_property("value")
    report.one("dialog .labels input").send_keys("g", Keys.ARROW_LEFT, "d")
    assert report.one("dialog h2").text == "test/good/002.png"
    report.press(Keys.TAB)
    assert labels_of_page(report) == {PATHS[2]: "defectivedg"}
    report.press("u")
    report.press("u")
    report.press(Keys.ARROW_RIGHT)
    report.press("g")
    assert labels_of_page(report) == {}  # no table can name that image
    report.press(Keys.ARROW_LEFT)
    report.press("g")
    assert labels_of_page(report) == {PATHS[2]: "good"}
    pressed = [
        button.get_attribute("aria-pressed")
        for button in report.all("dialog .labels button")
    ]
    assert pressed == ["true", "false"]
    assert [
        x for x in report.all("dialog .labels button") if not x.accessible_name
    ] == []
    assert report.errors() == []
