from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from processing.report import plots

HISTORY = [
    {"epoch": 1, "loss": 0.3, "val_loss": 0.2, "learning_rate": 1e-3},
    {"epoch": 2, "loss": 0.2, "val_loss": 0.25, "learning_rate": 5e-4},
]
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
    ],
)
def test_writes_a_picture_with_something_in_it(tmp_path, plot, content):
    path = tmp_path / "plot.png"
    plot(path, content)
    image = cv2.imread(str(path))
    assert image.shape == (504, 840, 3)
    assert (image < 128).any(axis=-1).mean() > 0.005
    assert [p.name for p in tmp_path.iterdir()] == ["plot.png"]


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
