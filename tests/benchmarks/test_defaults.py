import numpy as np
import pytest
from PIL import Image

from benchmarks import defaults
from benchmarks.defaults import (
    COLUMNS,
    FIRST,
    LISTS,
    main,
    parsed,
    pixel_intervals,
    read,
)
from benchmarks.defaults_page import render
from methods.cli.method_checks import check_options
from processing.data.dataset import scan_category
from processing.files import read_table
from tests.rooms import ROOT

pytestmark = pytest.mark.usefixtures("eager_file")

TINY = "padim --features 3 --weights random --levels stage2 --size 32"
OTHER = "fewshot --shots 1"


def key_of(row):
    return row["category"], row["setting"], row["seed"]


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Return options that say where the table and the page are, and their paths."""
    folder = tmp_path_factory.mktemp("defaults")
    table, page = folder / "defaults.csv", folder / "defaults.md"
    return ["--table", str(table), "--page", str(page)], table, page


@pytest.fixture(scope="module")
def rows(samples, paths):
    """Return the rows of a table of one run."""
    words = [str(samples / "washer"), "--settings", TINY, "--seeds", "1"]
    assert main([*words, *paths[0]]) == 0
    return read_table(paths[1].read_text("utf-8"))


def test_a_run_is_a_row_of_all_columns(rows):
    (row,) = rows
    assert list(row) == COLUMNS
    assert key_of(row) == ("samples/washer", TINY, str(FIRST))
    assert row["size"] == "32x32"
    for name in ("image_auroc", "pixel_auroc", "aupro", "score"):
        low, high = float(row[f"{name}_low"]), float(row[f"{name}_high"])
        assert 0 <= low < high <= 1
        assert low - 0.1 < float(row[name]) < high + 0.1
    for name in ("fit_seconds", "images_per_second", "megabytes"):
        assert float(row[name]) > 0


def test_no_row_is_made_again_and_each_is_written_at_once(
    rows, samples, paths, monkeypatch, capsys
):
    def measure(folder, setting, seed):
        measured.append((setting, seed))
        if len(measured) == 1:
            raise ValueError("no memory")
        if len(measured) == 4:
            raise KeyboardInterrupt
        return {**rows[0], "setting": setting, "seed": seed}

    measured = []
    monkeypatch.setattr(defaults, "measure", measure)
    words = [str(samples / "washer"), "--settings", OTHER, TINY, "--seeds", "3"]
    assert main([*words, *paths[0]]) == 130
    done = [(TINY, FIRST + 1), (OTHER, FIRST + 1)]
    assert measured == [(OTHER, FIRST), *done[::-1], (OTHER, FIRST + 2)]
    assert "no memory" in capsys.readouterr().err
    found = read_table(paths[1].read_text("utf-8"))
    assert found[0] == rows[0]
    assert [key_of(row)[1:] for row in found[1:]] == [
        (x, str(y)) for x, y in done[::-1]
    ]
    paths[2].unlink()
    assert main(["--render", *paths[0]]) == 0
    assert f"`{TINY}`, 2 seeds" in paths[2].read_text("utf-8")
    assert len(measured) == 4


def test_a_run_that_fails_is_named_at_the_end(samples, tmp_path, monkeypatch, capsys):
    def measure(*run):
        raise ValueError("no memory")

    monkeypatch.setattr(defaults, "measure", measure)
    table = tmp_path / "defaults.csv"
    words = [str(samples / "washer"), "--settings", TINY, "--seeds", "1"]
    assert main([*words, "--table", str(table), "--page", str(tmp_path / "x.md")]) == 1
    assert f"samples/washer, {TINY}, {FIRST}" in capsys.readouterr().err
    assert not table.exists()


def test_mistakes_are_told_before_any_work(samples, paths, capsys):
    words = [str(samples / "washer"), "--settings", "padim --shots 3"]
    assert main([*words, *paths[0]]) == 2
    assert "PaDiM has no option --shots" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(paths[0])
    assert "expected category folders, or --render" in capsys.readouterr().err


def test_the_page_is_that_of_the_table():
    page = (ROOT / "docs/defaults.md").read_text("utf-8")
    assert page == render(read(ROOT / "benchmarks/defaults.csv"), LISTS)


@pytest.mark.parametrize("setting", {x: 0 for found in LISTS.values() for x in found})
def test_listed_settings_are_what_methods_take(setting, samples):
    check_options(*parsed(samples / "washer", setting, FIRST))


def test_a_square_gets_the_shape_of_the_images(tmp_path):
    good = tmp_path / "train/good"
    good.mkdir(parents=True)
    Image.new("L", (640, 256)).save(good / "000.png")
    for size, expected in (("384", (256, 608)), ("96x64", (96, 64))):
        method, given = parsed(tmp_path, f"patchcore --size {size}", 43)
        assert (method, given["size"]) == ("PatchCore", ("--size", expected))
        assert given["seed"] == ("--seed", 43)


@pytest.fixture
def images(samples):
    """Return four good test images, and three with a hole, with their masks."""
    test = scan_category(samples / "washer", image_shape=(64, 64, 1)).test
    chosen = [i for i, name in enumerate(test.classes) if name in ("good", "hole")]
    return test.subset(chosen)


def test_maps_that_find_all_have_intervals_of_one(images):
    maps = [images.mask(i).astype(np.float32) for i in range(len(images))]
    found = pixel_intervals(images, maps, 0)
    assert found == {"pixel_auroc": [1, 1], "aupro": pytest.approx([1, 1])}


def test_intervals_are_around_the_metrics(images, rng):
    from processing.metrics.pixel_metrics import PixelMetrics

    metrics, maps = PixelMetrics(exact=True), []
    for i in range(len(images)):
        noise = rng.normal(size=(64, 64)) + rng.normal()
        maps.append((noise + 2 * images.mask(i)).astype(np.float32))
        metrics.update(maps[i], images.mask(i))
    values = metrics.metrics()
    found = pixel_intervals(images, [*maps, *maps], 0)
    for name, (low, high) in found.items():
        assert low < values[name] < high
        assert 0.02 < high - low < 0.5
    wider = pixel_intervals(images.subset([0, 1, 4, 5]), [*maps[:2], *maps[4:6]], 0)
    assert np.diff(wider["pixel_auroc"]) > 0
