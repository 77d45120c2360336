"""What surrounds a graph, and the program of docs/exports.md that follows it."""

import json
import re
import sys
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from methods.base import Method
from methods.detector.detector import Detector
from methods.detector.judge import Judge
from methods.detector.recipe import describe, recipe
from processing.decision.decision import Decision
from processing.preprocessing.preparation import Preparation

SEEN = (32, 32)
PAGE = Path(__file__).parents[3] / "docs/exports.md"
MASK = np.ones((64, 48), bool)
MASK[10:40, 20:44] = False
LEFT_OUT = {"mask": "20,10,24,30", "arrays": {"mask": MASK}}


class Tiny(Method):
    """A method of one convolution, whose score is not the maximum of its map."""

    def __init__(self, channels):
        super().__init__(name="tiny", image_shape=(*SEEN, channels), seed=0)
        self.arrays["good_maximum"] = np.array(1.0)
        keras.utils.set_random_seed(1)
        images = keras.Input(self.image_shape, name="images")
        maps = keras.layers.Conv2D(1, 5, padding="same", activation="softplus")(images)
        maps = keras.ops.squeeze(maps, axis=-1)
        scores = keras.ops.mean(maps, axis=(1, 2))
        self.graph = keras.Model(images, [maps, scores])

    def fit(self, *_):
        return self

    def build(self):
        pass

    def judge(self, images, kind=None):
        return tuple(map(np.asarray, self.graph(images)))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return, by number of channels, a method and the bytes of its ONNX graph."""
    pytest.importorskip("tf2onnx")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("converters of TensorFlow graphs")
    from methods.detector.graph_files import write_graph

    made = {}
    for channels in (1, 3):
        path = tmp_path_factory.mktemp("graph") / "x.onnx"
        method = Tiny(channels)
        write_graph(method.graph, path, "onnx", 0.0)
        made[channels] = method, path.read_bytes()
    return made


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Return a folder of images of several sizes, types and colours."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    shapes = [(90, 70, 3), (90, 70), (20, 24, 3), (64, 48, 3), (200, 31)]
    for index, shape in enumerate(shapes):
        noise = rng.integers(0, 256, shape, dtype=np.uint8)
        cv2.imwrite(f"{folder}/{index}.png", cv2.GaussianBlur(noise, (0, 0), 3))
    deep = 257 * cv2.imread(f"{folder}/0.png").astype(np.uint16)
    cv2.imwrite(f"{folder}/deep.png", deep)
    return folder


@pytest.mark.parametrize(
    ("options", "channels"),
    [
        ({"size": SEEN}, 3),
        ({"size": SEEN, "span": (10, 180)}, 1),
        ({"size": (64, 48), "crop": SEEN}, 3),
        ({"size": (64, 48), "tile": 32, "stride": 20}, 1),
        ({"size": (64, 48), "tile": 32, **LEFT_OUT}, 3),
        ({"size": (64, 48), "crop": SEEN, "blank": True, **LEFT_OUT}, 3),
    ],
)
@pytest.mark.parametrize(("dtype", "clear"), [("float64", False), ("uint8", True)])
def test_the_program_judges_as_the_toolkit_does(
    options, channels, dtype, clear, exported, photos, tmp_path, monkeypatch, capsys
):
    method, graph = exported[channels]
    detector = Detector(method, Preparation(channels=channels, **options))
    images = detector.images(photos)
    maps = np.concatenate([batch.maps for batch in detector.judge(images)])
    threshold = float(np.quantile(maps, 0.9))
    if dtype == "uint8":
        threshold = round(threshold * 255 / method.highest("distance"))
    judge = Judge(detector, Decision(threshold, 1, clear), dtype=dtype)
    largest = [max(x.regions["area"], default=0) for x in judge.judge(images)]
    min_area = int(max(largest))
    judge = Judge(detector, Decision(threshold, min_area, clear), dtype=dtype)
    (tmp_path / "x.onnx").write_bytes(graph)
    describe(tmp_path / "x.onnx", detector, "distance", judge, 0.0)
    monkeypatch.setattr(
        sys, "argv", ["judge.py", str(tmp_path / "x.onnx"), *map(str, images.paths)]
    )
    [program] = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    exec(program, {})
    rows = [line.split(",") for line in capsys.readouterr().out.splitlines()]
    verdicts = list(judge.judge(images))
    assert [row[0] for row in rows] == list(map(str, images.paths))
    scores = [float(row[1]) for row in rows]
    np.testing.assert_allclose(scores, [x.score for x in verdicts], rtol=1e-5)
    assert [row[2] == "defective" for row in rows] == [x.defective for x in verdicts]
    assert {x.defective for x in verdicts} == {True, False}


@pytest.mark.parametrize(
    ("options", "size"),
    [({"tile": 16}, "16, 16, 3"), ({"crop": (20, 24)}, "20, 24, 3")],
)
def test_the_input_is_what_the_graph_sees(options, size, tmp_path):
    preparation = Preparation((48, 64), 3, **options)
    method = Tiny(3)
    method.image_shape = preparation.seen_shape
    describe(tmp_path / "x", Detector(method, preparation), "distance", None, 0.0)
    about = json.loads((tmp_path / "x.json").read_text())
    assert about["input"] == f"float32 (n, {size}) in [0, 1], prepared"
    assert about["outputs"][0] == f"maps float32 (n, {size[:6]})"
    assert about["resize"]["size"] == [48, 64]


def test_windows_are_corners_in_the_resized_image():
    tiled = recipe(Preparation((48, 64), 3, crop=(32, 48), tile=32, stride=16))
    assert tiled["windows"] == [[8, 8], [8, 24]]
    assert recipe(Preparation((48, 64), 3))["windows"] == [[0, 0]]


@pytest.mark.parametrize(
    ("options", "named", "score_of"),
    [
        ({}, [], "windows"),
        ({"tile": 16}, [], "windows"),
        ({"mask": "1,1,2,2"}, [], "map"),
        ({"pad": True}, ["--pad"], "map"),
        (
            {"register": "ecc", "mask": "foreground"},
            ["--register", "--mask foreground"],
            "map",
        ),
    ],
)
def test_what_is_not_described_is_named(options, named, score_of):
    about = recipe(Preparation((48, 64), 1, **options))
    assert about["not_described"] == named
    assert about["score_of"] == score_of
