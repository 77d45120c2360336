"""What trainings learn from, and that nothing of it is judged."""

import csv

import numpy as np
import pytest
from PIL import Image

import methods
from methods.cnn.cnn import CNN
from methods.detector.records import TrainingRecord
from methods.pipeline import testing
from methods.pipeline.finetuning import Options as FinetuningOptions
from methods.pipeline.finetuning import finetune
from methods.pipeline.splitting import known_defects
from methods.pipeline.training import start_run, train_run
from processing.data.dataset import scan_category
from processing.decision.calibration import Rule
from processing.errors import UsageError, UserError

pytestmark = pytest.mark.usefixtures("eager_file")
OPTIONS = {
    "size": ("--size", (64, 64)),
    "color": ("--color", "grayscale"),
    "epochs": ("--epochs", 1),
    "precision": ("--precision", "float32"),
}
SHAPE = (64, 64, 1)


def beside_good(samples, folder, *classes):
    """Return a category with some of the test classes beside train/good instead."""
    (folder / "train").mkdir(parents=True)
    (folder / "train/good").symlink_to(samples / "washer/train/good")
    for name in classes:
        (folder / "train" / name).symlink_to(samples / "washer/test" / name)
    return folder


def test_defects_beside_the_good_images_come_first(samples, tmp_path):
    folder = beside_good(samples, tmp_path / "washer", "hole", "scratch")
    (folder / "test").symlink_to(samples / "washer/test")
    defects = known_defects(scan_category(folder, image_shape=SHAPE), 42)
    assert set(defects.classes) == {"hole", "scratch"}
    assert all(name.startswith("train/") for name in defects.names)
    assert (defects.labels == 1).all()


def test_else_they_are_those_of_the_finetuning(samples, tmp_path):
    category = scan_category(samples / "washer", image_shape=SHAPE)
    defects = known_defects(category, 42)
    assert (defects.labels == 1).all()
    assert 2 <= len(defects) < (category.test.labels == 1).sum()
    assert set(known_defects(category, 43).names) != set(defects.names)


def test_synthetic_defects_take_none_of_the_test_set(samples, tmp_path):
    options = {**OPTIONS, "synthetic": ("--synthetic", True)}
    _, record = start_run(samples / "washer", "CNN", options, root=tmp_path)
    assert not record.splits.defective


def test_real_defects_are_not_cut_into_tiles(samples, tmp_path):
    options = {**OPTIONS, "tile": ("--tile", 32)}
    with pytest.raises(UsageError, match="CNN learns from whole images"):
        start_run(samples / "washer", "CNN", options, root=tmp_path)


def test_a_supervised_method_needs_defects(samples, tmp_path):
    folder = beside_good(samples, tmp_path / "washer")
    with pytest.raises(UserError, match="supervised and needs defective images"):
        start_run(folder, "CNN", OPTIONS, root=tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_labels_are_kept_with_the_run(samples, tmp_path):
    """Of a supervised method: defects are learned from, and leave the test set."""
    washer, table = samples / "washer", tmp_path / "labels.csv"
    names = "train/good/003.png", "test/hole/000.png", "test/good/001.png"
    labels = "hole", "hole", "good"
    rows = (f"{washer}/{x},{y}" for x, y in zip(names, labels, strict=True))
    table.write_text("\n".join(["path,label", *rows]))
    run, _ = start_run(washer, "CNN", OPTIONS, labels=table, root=tmp_path)
    table.unlink()
    splits = TrainingRecord.read(run.folder / "run.json").splits
    assert {*splits.defective} == {*names[:2]}
    assert len(splits.fit + splits.validation) == 12
    assert names[2] in splits.fit + splits.validation
    assert names[0] not in splits.fit + splits.validation
    category = scan_category(washer, image_shape=SHAPE, labels=splits.labels)
    assert not {*names} & {*category.test.names}


@pytest.fixture(scope="module")
def trained(samples, tmp_path_factory):
    """Return a folder with a CNN trained as train.py does it, and its model file."""
    folder = tmp_path_factory.mktemp("cnn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("methods.engine.batches.EPOCH_IMAGES", 1)
        run, record = start_run(samples / "washer", "CNN", OPTIONS, root=folder)
        return folder, train_run(run, record), record


@pytest.mark.parametrize("rule", [None, Rule("max")])
def test_what_was_learned_is_never_judged(trained, rule):
    """Nor where good images alone decide and no image is used for finetuning."""
    folder, model, record = trained
    known = set(record.splits.defective)
    results = folder / str(rule)
    _, result = finetune(model, FinetuningOptions(rule=rule, results=results))
    if rule is None:
        assert known <= set(result.finetuning_files)
    for everything in (False, True):
        how = {"include_finetuning": everything, "report": False}
        options = testing.Options(results=results, **how)
        [report] = testing.test(model, options)
        with (report.folder / "scores.csv").open() as file:
            judged = {row["file"] for row in csv.DictReader(file)}
        assert judged
        assert not judged & known


def test_the_registry_knows_what_is_supervised():
    instances = [methods.get(name)(name=name) for name in methods.METHODS]
    assert [x.name for x in instances if "defective" in x.needs] == ["CNN"]
    shots = {x.name for x in instances if "shots" in x.needs}
    assert shots == {"fewshot", "unified"}


def test_the_given_defects_are_what_is_learned(samples, monkeypatch, tmp_path):
    seen = {}

    def fit(self, images, run=None):
        defective = images.defective
        seen.update(names=defective.names, images=defective.load([0]))
        raise KeyboardInterrupt

    monkeypatch.setattr(CNN, "fit", fit)
    run, record = start_run(samples / "washer", "CNN", OPTIONS, root=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train_run(run, record)
    assert list(seen["names"]) == record.splits.defective
    category = scan_category(samples / "washer", image_shape=SHAPE)
    index = category.test.names.index(seen["names"][0])
    np.testing.assert_array_equal(seen["images"], category.test.load([index]))


def test_the_size_that_follows_the_images_is_recorded(rng, tmp_path):
    folder = tmp_path / "set/part"
    (folder / "train/good").mkdir(parents=True)
    for i in range(3):
        pixels = rng.integers(0, 255, (50, 20), np.uint8)
        Image.fromarray(pixels).save(folder / f"train/good/{i}.png")
    _, record = start_run(folder, "mvtecCAE", {}, root=tmp_path / "models")
    assert record.preparation["size"] == (416, 160)
    assert record.config["image_shape"] == [416, 160, 1]
    assert "size" not in record.options
