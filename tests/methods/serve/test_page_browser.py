"""The station's page in a real browser: what comes, is found, opened and corrected."""

import re
import threading
import urllib.request
from contextlib import contextmanager

import pytest
import uvicorn

from methods.cli.serve import listening
from methods.serve.app import build_app
from methods.serve.audit import verify
from methods.serve.flow import Flow, FlowOptions
from methods.serve.security import Access
from methods.serve.store import Filter

from .conftest import png

pytest.importorskip("selenium")
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

TOKEN = "a-token-of-some-length"
ALL = Filter()


class Served:
    """A station that runs in a thread, and its page in the browser."""

    def __init__(self, browser, station, events, token=None, flow=None):
        self.browser = browser
        self.station = station
        self.stub = station.models["m1"]
        app = build_app(station, events, Access(token), 100_000, flow)
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)
        self.listener = listening("127.0.0.1", 0)
        words = {"sockets": [self.listener]}
        self.thread = threading.Thread(
            target=self.server.run, kwargs=words, daemon=True
        )
        self.thread.start()
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def __enter__(self):
        self.open()
        return self

    def __exit__(self, *_):
        self.close()

    def open(self):
        self.browser.get_log("browser")  # of an earlier page
        self.browser.get(f"{self.address}/")

    def close(self):
        self.browser.get("about:blank")
        self.server.should_exit = True
        self.thread.join(10)
        self.listener.close()

    def post(self, level, words=""):
        headers = {"Content-Type": "image/png"}
        address = f"{self.address}/api/predict?{words}"
        urllib.request.urlopen(urllib.request.Request(address, png(level), headers))

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def until(self, what):
        WebDriverWait(self.browser, 30).until(lambda _: what())

    def names(self):
        script = "return [...document.querySelectorAll('.name')].map(x => x.innerText)"
        return self.browser.execute_script(script)

    def press(self, key):
        self.browser.switch_to.active_element.send_keys(key)

    def verdict(self):
        script = "return document.querySelector('#facts dd').innerText"
        return self.browser.execute_script(script)


@contextmanager
def live_page(browser, station, events, flow=None):
    """Yield the page of a station, and see that the browser found nothing wrong."""
    with Served(browser, station, events, flow=flow) as served:
        served.until(lambda: served.one("#live").text == "live")
        yield served
        assert browser.get_log("browser") == []


@pytest.fixture
def page(browser, station, events):
    with live_page(browser, station, events) as served:
        yield served


def test_photos_appear_and_are_found(page):
    evil = "%3Cimg%20src=x%20onerror=alert(1)%3E"
    for level, name in ((10, "first"), (250, evil), (20, "third")):
        page.post(level, f"name={name}")
    page.until(lambda: len(page.names()) == 3)
    assert page.names() == ["third", "<img src=x onerror=alert(1)>", "first"]
    page.until(lambda: page.one("#total").text == "3")
    page.one("[name=search]").send_keys("FIRST")
    page.until(lambda: page.names() == ["first"])
    page.post(250, "name=other")  # is left out
    page.one("[name=search]").clear()
    page.one("[name=search]").send_keys(" ")
    page.one("[name=search]").send_keys("\b")
    page.browser.execute_script("document.querySelector('[value=defective]').click()")
    page.until(lambda: page.names() == ["other", "<img src=x onerror=alert(1)>"])


def test_a_large_view_is_corrected_by_keys_and_by_click(page):
    page.post(10, "name=first")
    page.post(250, "name=second")
    page.until(lambda: page.names() == ["second", "first"])
    page.all(".results button")[0].click()
    assert page.verdict() == "defective"
    page.browser.execute_script(
        "const map = document.querySelector('#opacity'); map.value = 60;"
        "map.dispatchEvent(new Event('input'))"
    )
    assert page.one("#map").value_of_css_property("opacity") == "0.6"
    page.one("#marked").click()
    assert page.one("#picture").get_attribute("src").endswith("/image")
    page.press("g")
    page.until(lambda: page.verdict() == "good")
    page.press("u")
    page.until(lambda: page.verdict() == "defective")
    page.one("#next").click()
    page.until(lambda: page.one("#title").text == "first")
    page.one("#comment").send_keys("dug")  # no keys of commands
    page.one("#defective").click()
    page.until(lambda: page.verdict() == "defective")
    found = {x.name: (x.corrected, x.comment) for x in page.station.store.find(ALL)[0]}
    assert found == {"first": ("defective", "dug"), "second": (None, "")}
    page.one("#close").click()
    page.until(lambda: len(page.all(".results .defective.card")) == 2)


def test_another_browser_sees_a_correction(page):
    page.post(10)
    page.until(lambda: len(page.names()) == 1)
    [result] = page.station.store.find(ALL)[0]
    page.station.correct(result.id, "defective", "bob", "")
    page.until(lambda: len(page.all(".card.defective")) == 1)


def test_an_alarm_of_drift_is_shown_and_begun_anew(browser, station, events, rng):
    flow = Flow(station, FlowOptions(drift=0.01), events.tell)
    with live_page(browser, station, events, flow) as page:
        page.until(lambda: page.one("#drifted").text == "no change")
        judge(station, rng, 10)
        page.one("#drift summary").click()
        page.until(lambda: len(page.all("#charts figure")) == 4)
        assert page.all("#charts .alarm") == []
        judge(station, rng, 100)
        page.until(lambda: page.one("#drifted").text.startswith("changed: "))
        changed = page.one("#drifted").text
        names = re.findall(r"(\w+) of left", changed)
        page.until(lambda: len(page.all("#charts .alarm")) == len(names) > 0)
        for alarm in page.all("#charts .alarm figcaption"):
            [photo] = re.findall(r"changed by photo (\d+)$", alarm.text)
            assert 60 < int(photo) <= 120
        page.one("#reset button").click()  # a reason is asked for
        assert page.one("#drifted").text == changed
        page.one("#reset-reason").send_keys("a new lamp")
        page.one("#reset button").click()
        page.until(lambda: page.one("#drifted").text == "no change")
        page.until(lambda: page.all("#charts .alarm") == [])
    *_, line = verify(station.store.audit.path)
    assert (line["what"], line["reason"]) == ("drift", "a new lamp")
    assert len(line["alarms"]) == len(names)


def judge(station, rng, level, count=60):
    """Judge good photos that are about as bright as a level."""
    for i in range(count):
        data = png(level + int(rng.integers(20)))
        photo = station.photo(data, station.models["m1"], f"{i}.png", station="left")
        station.queue.submit(photo).result(10)


@pytest.mark.parametrize("width", [360, 1400])
def test_nothing_is_wider_than_the_window(page, width):
    page.post(250, f"name={'wide' * 40}")
    page.until(lambda: len(page.names()) == 1)
    page.browser.set_window_size(width, 900)
    page.all(".results button")[0].click()
    wide = "return document.documentElement.scrollWidth - innerWidth"
    assert page.browser.execute_script(wide) <= 0
    page.browser.set_window_size(1400, 1000)


def test_a_browser_signs_in(browser, station, events):
    with Served(browser, station, events, TOKEN) as served:
        served.one("#token").send_keys("wrong")
        served.one("#login button").click()
        served.until(lambda: "not the token" in served.one("#refused").text)
        served.one("#token").clear()
        served.one("#token").send_keys(TOKEN)
        served.one("#login button").click()
        served.until(lambda: served.all("#live") and served.one("#live").text == "live")
        assert browser.execute_script("return document.cookie") == ""
        browser.delete_all_cookies()
