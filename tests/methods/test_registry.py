"""Methods by name, and a tiny one of the user's own through all scripts."""

import csv
import json
import sys
from pathlib import Path

import pytest

import finetune
import methods
import test as script
import train
from methods import registry
from methods.cli.export import main as export
from processing.errors import UsageError, UserError

NAME = "mean_image:MeanImage"
SOURCE = '''
"""Distances from the mean of the good images."""

from pathlib import Path

import numpy as np

from mean_helper import SIGMA
from methods.base import BATCH, Method
from processing.maps.residuals import smooth

Path("imported").touch()
SIDE = 32


class MeanImage(Method):
    size = SIDE

    def __init__(self, *, name, image_shape, sigma=SIGMA, seed=42):
        super().__init__(name=name, image_shape=image_shape, seed=seed)
        self.sigma = sigma

    def build(self):
        """There is no network."""

    def fit(self, images, run=None):
        good = np.concatenate(list(images.good.batches(BATCH)))
        self.arrays = {"mean": good.mean(axis=0)}
        self.calibrate(images.validation)
        return self

    def judge(self, images, kind=None):
        distances = np.abs(images - self.arrays["mean"]).mean(axis=-1)
        maps = smooth(distances.astype("float32"), self.sigma)
        return maps, maps.max(axis=(1, 2))
'''
CONFIG = f"""
{NAME}:
  - sigma: 1
  - {{sigma: 2, size: 48}}
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Forget afterwards what was imported and registered."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(registry, "_registered", set())
    yield
    for name in set(sys.modules) - before:
        if "pytest-" in repr(getattr(sys.modules[name], "__spec__", None)):
            del sys.modules[name]


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Return a working folder, in which the method lies."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "mean_image.py").write_text(SOURCE)
    (folder / "mean_helper.py").write_text("SIGMA = 2.0\n")
    return folder


def moved(work, place):
    """Move the method to a place in the working folder, or out of it."""
    path = work / place
    path.parent.mkdir(parents=True, exist_ok=True)
    (work / "mean_image.py").rename(path)
    return path


def recorded(name):
    return methods.recorded(name, Path("model.hdf5"))


def refused(name):
    """Return whether a file may not name a method, whose module does not run then."""
    with pytest.raises(UserError, match=f"model.hdf5 is of the method {name}, .* -a "):
        recorded(name)
    return not Path("imported").exists()


def test_ours_are_found_in_any_case():
    assert methods.canonical_name("padim") == "PaDiM"
    assert methods.get("AE").__name__ == "AE"
    assert recorded("ae") is methods.get("AE")
    assert methods.folder_name("AE") == "AE"
    with pytest.raises(UsageError, match="unknown method 'padm': did you mean PaDiM"):
        methods.get("padm")


@pytest.mark.parametrize("name", [":", "a:", ":A", "a b:C", "../a:B", "a:B.C", "a::B"])
def test_names_of_no_class(name):
    for function in (methods.get, methods.register, recorded):
        with pytest.raises(UsageError, match="expected package.module:Class"):
            function(name)


def test_a_module_of_the_current_folder(work):
    kind = methods.get(NAME)
    assert (kind.__module__, kind.__name__) == ("mean_image", "MeanImage")
    assert issubclass(kind, methods.get("AE").__mro__[-3])
    assert recorded(NAME) is methods.get(NAME) is kind
    assert methods.folder_name(NAME) == "MeanImage"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "cannot import the method own:A: ModuleNotFoundError: No module named"),
        ("B = 1", "own:A: expected a subclass of methods.base.Method. Received: None"),
        ("A = 1", "own:A: expected a subclass of methods.base.Method. Received: 1"),
        ("class A: 0", "own:A: expected a subclass .* Received: <class 'own.A'>"),
        ("1 / 0", "cannot import the method own:A: ZeroDivisionError"),
        ("exit('no\\nway')", "cannot import the method own:A: SystemExit: no way"),
        ("import", "cannot import the method own:A: SyntaxError"),
        ("import no_such", "ModuleNotFoundError: No module named 'no_such'"),
    ],
)
def test_what_is_wrong_is_one_line(work, source, message):
    if source is not None:
        Path("own.py").write_text(source)
    with pytest.raises(UsageError, match=message) as error:
        methods.get("own:A")
    assert "\n" not in str(error.value)
    assert "own" not in sys.modules or source in ("B = 1", "A = 1", "class A: 0")


@pytest.mark.parametrize("place", ["sub/mean_image.py", "a/b/__init__.py", "a/b/c.py"])
@pytest.mark.parametrize("package", [True, False])
def test_a_file_may_name_what_lies_below_the_current_folder(work, place, package):
    path = moved(work, place)
    if package:
        (work / place.split("/")[0] / "__init__.py").write_text("HERE = 1\n")
    module = ".".join(path.relative_to(work).with_suffix("").parts)
    kind = recorded(f"{module.removesuffix('.__init__')}:MeanImage")
    assert Path(sys.modules[kind.__module__].__file__) == path
    assert hasattr(sys.modules[place.split("/")[0]], "HERE") == package


def test_a_file_may_not_name_what_lies_elsewhere(work, monkeypatch):
    moved(work, "../elsewhere/mean_image.py")
    monkeypatch.syspath_prepend(work.parent / "elsewhere")
    assert refused(NAME)
    methods.register(NAME)
    assert recorded(NAME).__name__ == "MeanImage"


def test_links_lead_out_of_the_current_folder(work):
    path = moved(work, "../elsewhere/mean_image.py")
    Path("mean_image.py").symlink_to(path)
    Path("package").symlink_to(path.parent)
    assert refused(NAME)
    assert refused("package.mean_image:MeanImage")


def test_packages_that_lie_elsewhere_are_not_imported(work, monkeypatch):
    """Python would take the package with a file before the folder without one."""
    moved(work, "package/mean_image.py")
    other = work.parent / "elsewhere/package"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("raise RuntimeError")
    monkeypatch.syspath_prepend(other.parent)
    assert recorded("package.mean_image:MeanImage").size == 32


@pytest.mark.parametrize("name", ["json", "pytest", "methods.base", "sys", "__main__"])
def test_modules_that_are_loaded_stay_what_they_are(work, name):
    moved(work, f"{name.replace('.', '/')}.py")
    loaded = sys.modules[name]
    assert refused(f"{name}:MeanImage")
    assert sys.modules[name] is loaded


@pytest.mark.parametrize("name", ["mean_image:SIDE", "mean_image:Method", "broken:A"])
def test_a_module_that_does_not_define_the_class_is_not_run(work, name):
    Path("broken.py").write_text("class A: 0\nimport")
    assert refused(name)


def test_a_method_of_the_users_own_in_all_scripts(
    samples, work, ran, monkeypatch, capsys
):
    for part in ("nut", "ring"):
        (work / "parts").mkdir(exist_ok=True)
        (work / "parts" / part).symlink_to(samples / "washer")
    Path("own.yaml").write_text(CONFIG)
    options = ["-d", "parts", "-a", NAME, "--config", "own.yaml"]
    with monkeypatch.context() as patch:  # the first run is interrupted
        patch.setattr("methods.pipeline.training.save_model", interrupted)
        assert train.main(options) == 130
    for _ in range(2):  # the second time all of it is completed
        assert train.main(options) == 0
        assert finetune.main(["-p", "saved_models"]) == 0
        assert script.main(["-p", "saved_models", "--no-report"]) == 0
    assert len(ran) == 1 + 3 * 4
    assert [options for _, options in ran if "--resume" in options]
    records = [json.loads(path.read_text()) for path in Path().rglob("info.json")]
    assert {record["method"] for record in records} == {NAME}
    assert sorted(record["config"]["sigma"] for record in records) == [1, 1, 2, 2]
    rows = csv.DictReader(Path("results/summary.csv").read_text().splitlines())
    assert [row["method"] for row in rows] == ["MeanImage"] * 4

    model = next(Path("saved_models/parts/nut").rglob("MeanImage.hdf5")).absolute()
    results = Path("results").absolute()
    assert methods.load(model, results=results)
    (work / "away").mkdir()
    monkeypatch.chdir(work / "away")
    monkeypatch.setattr(registry, "_registered", set())
    capsys.readouterr()
    where = ["-p", str(model), "--results", str(results)]
    for main in (finetune.main, script.main, export):
        assert main(where) == 1
        assert f"allow it by -a {NAME}" in capsys.readouterr().err
    assert finetune.main([*where, "-a", NAME]) == 0
    assert script.main(where) == 0  # it was named in this process
    update = ["--update", str(model), "-d", str(samples / "washer"), "-a", NAME]
    assert train.main(update) == 2
    assert "cannot take in images later" in capsys.readouterr().err


def interrupted(*_):
    raise KeyboardInterrupt


def test_options_of_a_method_of_the_users_own(samples, work, capsys):
    options = ["-d", str(samples / "washer"), "-a", NAME]
    assert train.main([*options, "--lr", "1"]) == 2
    assert capsys.readouterr().err == f"error: {NAME} has no option --lr\n"
    with pytest.raises(SystemExit) as stop:
        train.main(["-d", "x", "-a", "mean_image:"])
    assert stop.value.code == 2
    assert "-a/--architecture: expected package.module:Class" in capsys.readouterr().err
