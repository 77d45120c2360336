import cv2
import numpy as np
import pytest

from methods.serve import cameras
from methods.serve.cameras import Camera, Source, Stillness, frames
from methods.serve.metrics import Metrics
from methods.serve.store import Filter

from .conftest import until

RATE = 10  # frames a second


def frame(level):
    return np.full((48, 64, 3), level, "uint8")


@pytest.fixture
def film(tmp_path):
    """Return a function that writes a film of grey frames."""

    def write(levels):
        path = tmp_path / "belt.avi"
        code = cv2.VideoWriter_fourcc(*"MJPG")
        writer = cv2.VideoWriter(str(path), code, RATE, (64, 48))
        for level in levels:
            writer.write(frame(level))
        writer.release()
        return str(path)

    return write


def ran(station, source):
    camera = Camera(station, Metrics(station), source)
    camera.start()
    camera.join(30)
    assert not camera.is_alive()
    return station.store.find(Filter())[0][::-1]


def test_a_film_gives_a_photo_every_so_many_milliseconds_once(station, film, caplog):
    source = Source(film([10 * i for i in range(20)]), every=500)
    found = ran(station, source)
    assert [x.name for x in found] == [f"{i:06}.png" for i in (0, 5, 10, 15)]
    assert [round(255 * x.score / 10) for x in found] == [0, 5, 10, 15]
    assert {x.station for x in found} == {"belt.avi"}
    assert len(ran(station, source)) == 4  # as after a start


def test_only_stills_each_once(station, film):
    moving = [0, 40, 80, 120]
    still = [200] * 5
    source = Source(film([*still, *moving, *[90] * 5, 50, *[90] * 5]), 0, True)
    found = ran(station, source)
    assert [x.name for x in found] == ["000001.png", "000010.png", "000016.png"]


def test_slow_light_is_no_movement_and_noise_neither():
    stillness, rng = Stillness(), np.random.default_rng(0)
    assert not stillness.see(frame(100))
    assert stillness.see(frame(101))
    stillness.take()
    for level in range(101, 130):
        noise = rng.normal(0, 8, (480, 640, 3))
        picture = np.uint8(np.clip(level + noise, 0, 255))
        assert not stillness.see(picture)
    assert not stillness.see(frame(200))
    assert stillness.see(frame(200))


def test_a_stream_that_breaks_is_opened_again(station, monkeypatch, caplog):
    caplog.set_level("INFO")
    opened = []

    def breaking(source):
        opened.append(source)
        if len(opened) in (2, 3):
            return iter(())
        return iter([(0, 1000.0 * len(opened), frame(10 * len(opened)))])

    monkeypatch.setattr(cameras, "frames", breaking)
    monkeypatch.setattr(cameras, "pause", lambda attempts: 0.01)
    source = Source("rtsp://me:hidden@host/line", every=0)
    camera = Camera(station, Metrics(station), source)
    camera.start()
    until(lambda: station.store.find(Filter())[1] >= 3)
    camera.stop()
    camera.join(10)
    found = station.store.find(Filter())[0]
    assert {x.station for x in found} == {"host/line"}
    assert "host/line: no picture; trying again" in caplog.text
    assert "host/line: connected again" in caplog.text
    assert "hidden" not in caplog.text


def test_what_cannot_be_opened_has_no_frames(tmp_path):
    (tmp_path / "x.avi").write_bytes(b"no film")
    assert list(frames(Source(str(tmp_path / "x.avi")))) == []


@pytest.mark.parametrize(
    ("text", "name", "is_film"),
    [
        ("0", "camera 0", False),
        ("rtsp://me:secret@host:554/a", "host/a", False),
        ("films/a.mp4", "a.mp4", True),
    ],
)
def test_names_of_sources(text, name, is_film):
    assert (Source(text).name, Source(text).is_film) == (name, is_film)
