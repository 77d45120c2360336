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
from methods.detector.whole_images import whole_network
from processing.data.dataset import scan_images
from processing.decision.decision import Decision
from processing.preprocessing.preparation import Preparation
from processing.preprocessing.reference import learn
from tests.methods.detector import follow_recipe

SEEN = (32, 32)
PAGE = Path(__file__).parents[3] / "docs/exports.md"
MASK = np.ones((64, 48), bool)
MASK[10:40, 20:44] = False
LEFT_OUT = {"mask": "20,10,24,30", "arrays": {"mask": MASK}}


class Tiny(Method):
    """A method of one convolution, whose score is not the maximum of its map."""

    def __init__(self, channels, seen=SEEN):
        super().__init__(name="tiny", image_shape=(*seen, channels), seed=0)
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
    """Return a function that gives the bytes of a detector's ONNX graph."""
    pytest.importorskip("tf2onnx")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("converters of TensorFlow graphs")
    from methods.detector.graph_files import write_graph

    made = {}

    def graph(detector):
        key = repr(detector.preparation)
        if key not in made:
            path = tmp_path_factory.mktemp("graph") / "x.onnx"
            network = whole_network(detector.method.graph, detector.preparation)
            write_graph(network, path, "onnx", 0.0)
            made[key] = path.read_bytes()
        return made[key]

    return graph


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


def deciding(detector, images, dtype="float64", clear=False):
    """Return a judge that finds some of the images defective."""
    maps = np.concatenate([batch.maps for batch in detector.judge(images)])
    threshold = float(np.quantile(maps, 0.9))
    if dtype == "uint8":
        threshold = round(threshold * 255 / detector.method.highest("distance"))
    judge = Judge(detector, Decision(threshold, 1, clear), dtype=dtype)
    largest = [max(x.regions["area"], default=0) for x in judge.judge(images)]
    decision = Decision(threshold, int(max(largest)), clear)
    return Judge(detector, decision, dtype=dtype)


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
    method = Tiny(channels)
    detector = Detector(method, Preparation(channels=channels, **options))
    images = detector.images(photos)
    judge = deciding(detector, images, dtype, clear)
    (tmp_path / "x.onnx").write_bytes(exported(detector))
    describe(tmp_path / "x.onnx", detector, "distance", judge, 0.0)
    monkeypatch.setattr(
        sys, "argv", ["judge.py", str(tmp_path / "x.onnx"), *map(str, images.paths)]
    )
    [program] = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(program.splitlines()) <= 30
    exec(program, {})
    rows = [line.split(",") for line in capsys.readouterr().out.splitlines()]
    verdicts = list(judge.judge(images))
    assert [row[0] for row in rows] == list(map(str, images.paths))
    scores = [float(row[1]) for row in rows]
    np.testing.assert_allclose(scores, [x.score for x in verdicts], rtol=1e-5)
    assert [row[2] == "defective" for row in rows] == [x.defective for x in verdicts]
    assert {x.defective for x in verdicts} == {True, False}


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Return a folder of photos of a part before an even background, some turned."""
    folder, rng = tmp_path_factory.mktemp("parts"), np.random.default_rng(0)
    texture = rng.integers(90, 256, (40, 24, 3), dtype=np.uint8)
    part = cv2.GaussianBlur(texture, (0, 0), 1.2)
    cv2.circle(part, (12, 12), 4, (20, 20, 20), -1)
    for index, angle in enumerate((0, 3, -6, 100)):
        image = np.full((72, 56, 3), 20, np.uint8)
        image[16:56, 16:40] = part
        if index == 2:
            image[30:36, 20:28] = 255
        turn = cv2.getRotationMatrix2D((27.5, 35.5), angle, 1)
        image = cv2.warpAffine(image, turn, (56, 72), borderValue=(20, 20, 20))
        cv2.imwrite(f"{folder}/{index}.png", image)
    deep = 257 * cv2.imread(f"{folder}/1.png").astype(np.uint16)
    cv2.imwrite(f"{folder}/deep.png", deep)
    return folder


@pytest.mark.filterwarnings("ignore:.*could not be registered")
@pytest.mark.parametrize(
    ("options", "channels"),
    [
        ({"pad": True}, 3),
        ({"pad": True, "mask": "0,0,12,12", "blank": True}, 1),
        ({"mask": "foreground"}, 3),
        ({"mask": "foreground;0,0,30,30", "blank": True, "pad": True}, 3),
        ({"mask": "foreground", "crop": (48, 32), "pad": True}, 1),
        ({"register": "ecc", "tile": 32, "mask": "20,10,20,20"}, 3),
        ({"register": "ecc", "span": (10, 240), "mask": "foreground"}, 1),
        ({"register": "orb", "pad": True}, 3),
    ],
)
def test_a_program_follows_the_steps_around_the_graph(
    options, channels, parts, tmp_path
):
    preparation = Preparation((64, 48), channels, **options)
    images = scan_images(parts, preparation.image_shape)
    preparation = learn(preparation, images)
    method = Tiny(channels, preparation.seen_shape[:2])
    detector = Detector(method, preparation)
    images = detector.images(parts)
    judge = deciding(detector, images)
    describe(tmp_path / "x", detector, "distance", judge, 0.0)
    about = json.loads((tmp_path / "x.json").read_text())
    network = whole_network(method.graph, preparation)

    def run(pixels):
        return np.asarray(network(pixels)[0])

    found = [follow_recipe.judge(x, about, tmp_path, run) for x in images.paths]
    verdicts = list(judge.judge(images))
    scores = [score for score, _ in found]
    np.testing.assert_allclose(scores, [x.score for x in verdicts], rtol=1e-4)
    assert [x for _, x in found] == [x.defective for x in verdicts]
    assert {x.defective for x in verdicts} == {True, False}


def test_the_input_is_a_whole_resized_image(tmp_path):
    preparation = Preparation((48, 64), 3, crop=(32, 48), tile=16)
    detector = Detector(Tiny(3, (16, 16)), preparation)
    describe(tmp_path / "x", detector, "distance", None, 0.0)
    about = json.loads((tmp_path / "x.json").read_text())
    assert about["input"] == "float32 (n, 48, 64, 3) in [0, 1], prepared"
    assert about["outputs"][0] == "maps float32 (n, 48, 64)"
    assert about["resize"]["size"] == [48, 64]
    mask = cv2.imread(str(tmp_path / about["mask"]), cv2.IMREAD_GRAYSCALE) > 0
    assert mask[8:40, 8:56].all()
    assert mask.sum() == 32 * 48


def test_numbers_of_the_foreground_follow_the_size():
    [steps] = [
        recipe(Preparation((512, 300), 3, mask="foreground"), "x")["foreground"][
            "steps"
        ]
    ]
    text = "\n".join(steps)
    for call in ("(0, 0), 4.0)", "(17, 17)", "ellipse of (9, 9)"):
        assert call in text


@pytest.mark.parametrize(
    ("options", "around", "score_of"),
    [
        ({}, set(), "windows"),
        ({"tile": 16}, set(), "windows"),
        ({"mask": "1,1,2,2"}, set(), "map"),
        ({"pad": True}, {"pad", "restore"}, "map"),
        (
            {"register": "ecc", "mask": "foreground"},
            {"register", "foreground", "restore"},
            "map",
        ),
    ],
)
def test_what_is_around_the_graph(options, around, score_of):
    about = recipe(Preparation((48, 64), 1, **options), "x")
    names = {"pad", "register", "foreground", "restore"}
    assert {name for name in names if about[name]} == around
    assert about["score_of"] == score_of
    assert "{" not in json.dumps(about["register"])[1:]
