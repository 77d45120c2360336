from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from processing.report import plots
from processing.report.charts import CurvePlot, ScorePlot

HISTORY = [
    {"epoch": 1, "loss": 0.3, "val_loss": 0.2, "learning_rate": 1e-3},
    {"epoch": 2, "loss": 0.2, "val_loss": 0.25, "learning_rate": 5e-4},
]
RESULT = SimpleNamespace(
    decision=SimpleNamespace(threshold=0.5, min_area=3),
    score=0.9,
    min_areas=np.array([1, 3, 9]),
    thresholds=np.array([0.7, 0.5, 0.2]),
    tprs=np.array([1, 1, 0.5]),
    tnrs=np.array([0.5, 0.8, 1]),
    scores=np.array([0.75, 0.9, 0.75]),
)
LR_CURVE = SimpleNamespace(
    rates=np.geomspace(1e-5, 1, 5), losses=np.array([1, 0.9, 0.5, 0.6, 2]), chosen=0.01
)


@pytest.mark.parametrize(
    ("plot", "content"),
    [
        (plots.losses, HISTORY),
        (plots.losses, HISTORY[:1]),
        (plots.losses, [{**HISTORY[0], "generator_loss": 0.1}, HISTORY[1]]),
        (plots.learning_rates, HISTORY),
        (plots.learning_rate, LR_CURVE),
        (plots.thresholds, RESULT),
        (plots.scores, RESULT),
    ],
)
def test_writes_a_picture_with_something_in_it(tmp_path, plot, content):
    path = tmp_path / "plot.png"
    plot(path, content)
    image = cv2.imread(str(path))
    assert image.shape == (504, 840, 3)
    assert (image < 128).any(axis=-1).mean() > 0.005
    assert [p.name for p in tmp_path.iterdir()] == ["plot.png"]


@pytest.mark.parametrize(
    "groups", [{"good": [1, 1.2], "defective": [2, 90]}, {"images": [0.5, 0.5]}]
)
def test_histogram_for_papers(tmp_path, groups):
    plots.histogram(tmp_path / "plot.png", ScorePlot("scores", groups, 1.5))
    image = cv2.imread(str(tmp_path / "plot.png"))
    assert image.shape == (900, 1150, 3)
    colours = {"good": plots.BLUE, "defective": plots.ORANGE, "images": plots.GREY}
    for name in groups:
        rgb = [int(colours[name][i : i + 2], 16) for i in (1, 3, 5)]
        assert (image[..., ::-1] == rgb).all(axis=-1).sum() > 500, name


def test_curves_for_papers(tmp_path):
    points = np.array([[0, 0.2], [0.1, 0.8], [1, 1]])
    both = {"image": (points, "image 0.9"), "pixel": (points / 2, "pixel 0.5")}
    plot = CurvePlot("pro", "PRO", "x", "y", both, 0.3, [(0.1, 0.5, "the decision")])
    plots.curves(tmp_path / "plot.png", plot)
    image = cv2.imread(str(tmp_path / "plot.png"))[..., ::-1]
    for colour in (plots.BLUE, plots.GREEN, plots.ORANGE):
        rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert (image == rgb).all(axis=-1).sum() > 100, colour


@pytest.mark.parametrize("reconstructed", [True, False])
def test_inspection_shows_all_parts(tmp_path, rng, reconstructed):
    image = rng.random((16, 16, 1))
    path = tmp_path / "sub" / "part.png"
    reconstruction = image if reconstructed else None
    plots.inspection(path, image, reconstruction, image[..., 0], "part", (0, 1))
    width = cv2.imread(str(path)).shape[1]
    assert width == (1120 if reconstructed else 760)


def test_a_name_is_no_formula(tmp_path):
    pixels = np.zeros((8, 8, 1))
    for number, name in enumerate(("$\\frac$ {x}", "a$b\n\x1b.png", "部_^.png")):
        path = tmp_path / f"{number}.png"
        plots.inspection(path, pixels, None, pixels[..., 0], name, (0, 1))
        assert path.exists()
