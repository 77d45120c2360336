"""The example of docs/adding_a_method.md, run as the page says."""

import importlib
import inspect
import re
import shlex
import sys

import numpy as np
import pandas as pd
import pytest

from tests import rooms
from tests.methods import test_contract as contract

PAGE = (rooms.ROOT / "docs/adding_a_method.md").read_text("utf-8")
[EXAMPLE] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
NAME = "mean_image:MeanImage"
BATTERY = [name for name in dir(contract) if name.startswith("test_")]
fitted = contract.fitted


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    """Write the example's file to a folder, the current one, and import it."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "mean_image.py").write_text(EXAMPLE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        patch.setitem(contract.CONFIGS, NAME, {"image_shape": (32, 32, 3), "sigma": 2})
        yield importlib.import_module("mean_image")
    sys.modules.pop("mean_image")


def test_it_is_short():
    assert len(EXAMPLE.splitlines()) <= 45


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize("name", BATTERY)
def test_it_keeps_the_contract(name, request):
    test = getattr(contract, name)
    needed = inspect.signature(test).parameters
    known = {"name": NAME, "blank": False}
    found = {
        key: known[key] if key in known else request.getfixturevalue(key)
        for key in needed
    }
    test(**found)
    if "blank" in needed:
        test(**{**found, "blank": True})


def test_its_statistics_are_those_of_numpy(module, samples, rng):
    pixels = rng.random((5, 8, 6, 3), np.float32)

    class Images(list):
        def batches(self, size):
            return (np.stack(self[i : i + 2]) for i in range(0, len(self), 2))

    images = module.TrainingImages(Images(pixels), Images(pixels))
    method = module.MeanImage(image_shape=(8, 6, 3), sigma=0).fit(images)
    deviation = pixels.std(axis=0) + 0.01
    expected = np.abs(pixels - pixels.mean(axis=0)) / deviation
    maps, scores = method.judge(pixels)
    np.testing.assert_allclose(maps, expected.mean(axis=-1), rtol=1e-3)
    np.testing.assert_array_equal(scores, maps.max(axis=(1, 2)))


def test_the_commands_of_the_page(module, samples):
    """Defects of bright or dark spots stand out; the model file is found again."""
    [block] = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    model = ""
    for line in block.splitlines():
        program, script, *words = shlex.split(line)
        assert program == "python3"
        where = {"mvtec/capsule": str(samples / "washer"), "model.hdf5": model}
        words = [where.get(word, word) for word in words]
        words += ["--size", "32"] if script == "train.py" else []
        assert importlib.import_module(script.removesuffix(".py")).main(words) == 0
        [path] = rooms.Path().glob("saved_models/**/*.hdf5")
        model = str(path)
    [table] = rooms.Path().glob("results/**/test/*/scores.csv")
    scores = pd.read_csv(table).groupby("label").score.mean()
    assert scores["defective"] > scores["good"]
    [report] = table.parent.glob("report.html")
    assert "MeanImage" in report.read_text(encoding="utf-8")


def test_the_file_would_fit_into_a_room(monkeypatch):
    place = rooms.Path("methods/mean_image/mean_image.py")
    assert rooms.wrong_imports(EXAMPLE, place)
    monkeypatch.setitem(
        rooms.HEIGHTS, "methods.mean_image", rooms.HEIGHTS["methods.cae"]
    )
    assert rooms.wrong_imports(EXAMPLE, place) == []
