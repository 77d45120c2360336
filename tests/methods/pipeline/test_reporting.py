import base64
import threading
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

from methods.cae.cae import CAE
from methods.detector.decisions import Decided
from methods.detector.detector import Detector
from methods.detector.judge import Judge, Verdict
from methods.pipeline import reporting
from methods.pipeline.reporting import AHEAD, Pictures, describe, open_gallery
from processing.data.image_set import ImageSet
from processing.errors import UserError
from processing.preprocessing.preparation import Preparation
from processing.report.gallery import ColourScale, Gallery
from processing.report.overlays import write_png
from tests.records import PROMISE, finetuning_result, training_record


def test_description():
    finetuned = finetuning_result(kind="l2", threshold=0.75)
    judge = Judge.of(Detector(CAE(image_shape=(32, 32, 1), loss="l2")), finetuned)
    record = training_record("mvtecCAE")
    about = describe(Decided(judge, record, finetuned))
    assert about == {
        "title": "mvtec / bottle",
        "method": "mvtecCAE, l2",
        "run": record.run,
        "score_threshold": 0.75,
        "promise": "",
    }
    promised = replace(finetuned, promise=PROMISE)
    words = describe(Decided(judge, record, promised))["promise"]
    assert words == "at most 9.5% false alarms, 42.9% misses; 0.01 is not kept"


def test_colours_come_from_the_finetuning(tmp_path):
    finetuned = finetuning_result(threshold=12, good_level=4.0)
    scale = open_gallery(tmp_path, finetuned).scale
    assert (scale.low, scale.threshold, scale.high) == (4, 12, 20)
    earlier = finetuning_result(threshold=12, good_level=None)
    assert open_gallery(tmp_path, earlier).scale.low == 0


def pictures(tmp_path, gallery=None):
    """Return the pictures of 40 images, whose index is their colour, and the images."""
    folder = tmp_path / "images"
    folder.mkdir()
    for index in range(40):
        write_png(folder / f"{index:02}.png", np.full((8, 8), index, np.uint8))
    paths = sorted(folder.iterdir())
    images = ImageSet(
        paths,
        names=[path.name for path in paths],
        labels=[0] * 40,
        classes=["good"] * 40,
        image_shape=(8, 8, 1),
    )
    scale = ColourScale.around(1, 0)
    preparation = Preparation((8, 8), 1)
    overlays = tmp_path / "segmentation"
    return Pictures(images, preparation, scale, gallery, overlays, None), paths


def draw(whole, count, afterwards=lambda: None):
    """Draw the first `count` images, then call a function before all are drawn."""
    with whole:
        for index in range(count):
            whole.draw(index, VERDICT, None)
        afterwards()


VERDICT = Verdict(0, *[np.zeros((8, 8))] * 2, np.zeros((8, 8), bool), None, None)


def test_pictures_are_in_order_however_long_each_takes(tmp_path, monkeypatch):
    scale = ColourScale.around(1, 0)
    drawn, most = Pictures._drawn, 0

    def slow(self, index, *arguments):
        nonlocal most
        most = max(most, len(self._pending))
        time.sleep(0.01 * (index % 5 == 0))
        return drawn(self, index, *arguments)

    monkeypatch.setattr(Pictures, "_drawn", slow)
    with Gallery(tmp_path, scale) as gallery:
        draw(pictures(tmp_path, gallery)[0], 40)
    assert most <= AHEAD + 1
    assert len(list((tmp_path / "segmentation").iterdir())) == 40
    for index, urls in enumerate(gallery.urls):
        data = base64.b64decode(urls["image"].partition(",")[2])
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert abs(int(pixels[0, 0]) - index) <= 1


def test_an_image_that_cannot_be_drawn_is_an_error(tmp_path):
    whole, paths = pictures(tmp_path)
    paths[3].unlink()
    with pytest.raises(UserError, match=r"03\.png"):
        draw(whole, 5)


def test_after_an_interruption_nothing_more_is_drawn(tmp_path, monkeypatch):
    """What threads are at is finished, and what waits is dropped."""
    monkeypatch.setattr(reporting, "WORKERS", 1)
    begun, go_on = threading.Event(), threading.Event()
    drawn = Pictures._drawn

    def waiting(self, *arguments):
        begun.set()
        go_on.wait()
        return drawn(self, *arguments)

    monkeypatch.setattr(Pictures, "_drawn", waiting)
    whole, _ = pictures(tmp_path)

    def interrupted():
        begun.wait()
        threading.Timer(0.1, go_on.set).start()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw(whole, 10, interrupted)
    assert len(list((tmp_path / "segmentation").iterdir())) == 1
