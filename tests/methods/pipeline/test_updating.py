import json
import os
import shutil

import nibabel
import numpy as np
import pytest

import finetune
import test
import train
from methods.base import TrainingImages
from methods.cae.cae import CAE
from methods.detector.detector import Detector
from methods.detector.model_file import load_model, read_record, save_model
from methods.detector.records import Splits
from methods.patchcore.patchcore import PatchCore
from methods.pipeline.splitting import named
from methods.pipeline.training import train_run
from methods.pipeline.updating import corrected, start_update
from processing.data.dataset import scan_category
from processing.errors import UsageError, UserError
from processing.files import read_table
from tests.records import learned, training_record

pytestmark = pytest.mark.usefixtures("eager_file", "few_blocks")
OPTIONS = ["--size", "64", "--weights", "random", "--features", "8"]
OPTIONS += ["--levels", "stage2"]


@pytest.fixture(scope="module")
def trained(samples, tmp_path_factory):
    """Return a folder with a model of a category of eight images, and its files."""
    folder = tmp_path_factory.mktemp("work")
    category = folder / "data/washer"
    shutil.copytree(samples / "washer/test", category / "test")
    (category / "train/good").mkdir(parents=True)
    for source in sorted((samples / "washer/train/good").iterdir())[:8]:
        shutil.copy(source, category / "train/good")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        arguments = ["-d", str(category), "-a", "padim", *OPTIONS]
        assert train.main(arguments) == 0
        [model] = folder.glob(
            "saved_models/data/washer/PaDiM/efficientnet_lite0/*/*.hdf5"
        )
    return folder, model


def update(folder, model, *arguments):
    """Run `train.py --update` and return the new model file."""
    before = set(folder.glob("saved_models/**/*.hdf5"))
    assert train.main(["--update", str(model), *map(str, arguments)]) == 0
    [updated] = set(folder.glob("saved_models/**/*.hdf5")) - before
    return updated


def test_new_images_of_another_folder(trained, samples, monkeypatch, tmp_path):
    folder, model = trained
    monkeypatch.chdir(folder)
    before = model.read_bytes()
    extra = tmp_path / "more"
    shutil.copytree(samples / "washer/train/good", extra)  # eight of twelve are known
    updated = update(folder, model, "-d", extra)
    assert model.read_bytes() == before
    old, new = read_record(model), read_record(updated)
    assert new.training["images"] == 7 + 3
    assert new.training["weights_sha256"] == old.training["weights_sha256"]
    assert (len(new.added.fit), len(new.added.validation)) == (3, 1)
    for split in ("fit", "validation"):
        expected = getattr(old.splits, split) + getattr(new.added, split)
        assert getattr(new.splits, split) == expected
    assert load_model(updated)[0].method.networks["gaussian"].count == 7 + 3
    assert finetune.main(["-p", str(updated)]) == 0
    [result] = folder.glob(
        f"results/**/{updated.parent.name}/**/finetuning_result.json"
    )
    used = json.loads(result.read_text())["validation_files"]
    assert used == new.splits.validation


def test_images_added_to_the_category(trained, samples, monkeypatch):
    folder, model = trained
    monkeypatch.chdir(folder)
    good = folder / "data/washer/train/good"
    extra = sorted((samples / "washer/train/good").iterdir())[8]
    shutil.copy(extra, good)
    updated = update(folder, model, "-d", folder / "data/washer")
    (good / extra.name).unlink()
    added = read_record(updated).added
    assert added == Splits(fit=[f"train/good/{extra.name}"], validation=[])


def test_an_interrupted_update_is_resumed(trained, samples, monkeypatch, tmp_path):
    from methods.padim.padim import PaDiM

    folder, model = trained
    monkeypatch.chdir(folder)

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(PaDiM, "update", stop)
        arguments = ["--update", str(model), "-d", str(samples / "washer")]
        assert train.main([*arguments, "--models", str(tmp_path)]) == 130
    [run] = tmp_path.glob("data/washer/PaDiM/efficientnet_lite0/*")
    assert train.main(["--resume", str(run)]) == 0
    [updated] = run.glob("*.hdf5")
    assert load_model(updated)[0].method.networks["gaussian"].count == 7 + 3


def test_nothing_new(trained, monkeypatch, capsys):
    folder, model = trained
    monkeypatch.chdir(folder)
    arguments = ["--update", str(model), "-d", "data/washer"]
    assert train.main(arguments) == 1
    assert "all 8 images of data/washer are in the model" in capsys.readouterr().err


def labelled(path, *rows):
    """Write a table of labels and return it."""
    path.write_text("\n".join(["path,label", *rows]))
    return path


def test_labels(trained, samples, monkeypatch, tmp_path):
    """Good ones are added, and leave the test set; others are taken away again."""
    folder, model = trained
    monkeypatch.chdir(folder)
    old, washer = read_record(model).splits, folder / "data/washer"
    bad, moved = old.fit[2], "test/good/000.png"
    new = sorted((samples / "washer/train/good").iterdir())[11]
    shutil.copy(new, tmp_path / "new.png")
    rows = f"{washer}/{bad},crack", f"{washer}/{moved},good", "new.png,good"
    table = labelled(tmp_path / "labels.csv", *rows)
    updated = update(folder, model, "--labels", os.path.relpath(table))
    table.unlink()
    new = tmp_path / "new.png"
    splits = read_record(updated).splits
    assert splits.validation[:-1] == old.validation
    assert {*splits.fit, splits.validation[-1]} == {*old.fit, moved, str(new)} - {bad}
    detector = load_model(updated)[0]
    assert detector.method.networks["gaussian"].count == 7 - 1 + 1
    again = detector.category(washer, 0, splits.test, splits.labels)
    images = named(again.train, splits.fit)
    features = np.concatenate(list(detector.method.embedded(images)))
    mean = detector.method.networks["gaussian"].weights[0]
    np.testing.assert_allclose(mean, features.reshape(7, -1, 8).mean(0), atol=1e-5)
    assert finetune.main(["-p", str(updated)]) == 0
    assert test.main(["-p", str(updated), "--include-finetuning"]) == 0
    [scores] = folder.glob(f"results/**/{updated.parent.name}/**/scores.csv")
    judged = {row["file"] for row in read_table(scores.read_text())}
    assert moved not in judged
    assert "test/good/001.png" in judged
    arguments = ["--update", str(updated), "-d", str(washer)]
    assert train.main(arguments) == 1  # nothing new: what was taken away stays away


def test_labels_that_take_away_alone(trained, monkeypatch, tmp_path, capsys):
    folder, model = trained
    monkeypatch.chdir(folder)
    washer, old = folder / "data/washer", read_record(model).splits
    table = labelled(tmp_path / "labels.csv", f"{washer}/{old.fit[0]},crack")
    updated = update(folder, model, "--labels", table)
    assert load_model(updated)[0].method.networks["gaussian"].count == 6
    assert read_record(updated).splits.fit == old.fit[1:]
    same = labelled(tmp_path / "same.csv", f"{washer}/{old.fit[0]},good")
    assert train.main(["--update", str(model), "--labels", str(same)]) == 1
    assert "all 1 images of" in capsys.readouterr().err
    rows = [f"{washer}/{name},crack" for name in old.validation]
    none = labelled(tmp_path / "none.csv", *rows)
    assert train.main(["--update", str(model), "--labels", str(none)]) == 1
    assert "no good images are left to fit or to validate" in capsys.readouterr().err


def test_known_defects_of_a_model_that_has_none(samples, tmp_path):
    washer, shape = samples / "washer", (64, 64, 3)
    good = scan_category(washer, image_shape=shape).train.subset([0, 1, 2])
    method = PatchCore(image_shape=shape, weights="random", levels="stage3")
    method.fit(TrainingImages(good.subset([0, 1]), good.subset([2])))
    fit, validation = list(good.names[:2]), [good.names[2]]
    splits = Splits(fit=fit, validation=validation)
    record = training_record("PatchCore", folder=str(washer), splits=splits)
    save_model(tmp_path / "m.hdf5", Detector(method), record)
    table = labelled(tmp_path / "labels.csv", f"{washer}/test/hole/001.png,hole")
    changes = {"labels": table, "root": tmp_path}
    with pytest.raises(UserError, match="all 0 images of .*labels.csv are in the mod"):
        start_update(tmp_path / "m.hdf5", None, **changes)
    run, record = start_update(tmp_path / "m.hdf5", None, known_defects=0.5, **changes)
    table.unlink()
    assert record.splits.defective == ["test/hole/001.png"]
    model = train_run(run, record)
    detector, record = load_model(model)
    assert detector.method.known_defects == record.config["known_defects"] == 0.5
    assert detector.method.networks["defects"].count == record.training["defects"] > 0
    bank = method.networks["bank"].bank
    np.testing.assert_array_equal(detector.method.networks["bank"].bank, bank)
    _, back = load_model(
        train_run(*start_update(model, None, known_defects=0, root=tmp_path))
    )
    assert (back.splits.defective, back.training["defects"]) == ([], 0)


def test_a_method_that_cannot_leave_images_out():
    splits = Splits(fit=["0.png", "1.png"], validation=["2.png"])
    rows = {"1.png": {"label": "crack", "split": "train"}}
    with pytest.raises(UsageError, match=r"1 image labelled .*1\.png.* train it anew"):
        corrected(CAE(image_shape=(32, 32, 1)), splits, rows)


def test_methods_that_cannot_take_more(samples, tmp_path, capsys):
    method = learned(CAE(image_shape=(32, 32, 1)))
    save_model(tmp_path / "m.hdf5", Detector(method), training_record("mvtecCAE"))
    arguments = ["--update", str(tmp_path / "m.hdf5"), "-d", str(samples / "washer")]
    assert train.main(arguments) == 2
    assert "mvtecCAE cannot take in images later" in capsys.readouterr().err


def test_options_of_the_method_cannot_change(tmp_path, capsys):
    for options in (["-a", "padim"], ["--features", "3"]):
        with pytest.raises(SystemExit):
            train.main(["--update", "m.hdf5", "-d", "x", *options])
        assert "--update keeps the method" in capsys.readouterr().err


def test_new_volumes(monkeypatch, tmp_path):
    """One is known by its content; of the new ones one is left to validate, whole."""
    monkeypatch.chdir(tmp_path)
    for folder, first in (("mri/brain/train/good", 0), ("more", 2)):
        (tmp_path / folder).mkdir(parents=True)
        for i in range(first, first + 3):
            values = np.random.default_rng(i).integers(0, 900, (20, 24, 3))
            volume = nibabel.Nifti1Image(values.astype(np.int16), np.eye(4))
            nibabel.save(volume, tmp_path / folder / f"{i}.nii")
    assert train.main(["-d", "mri/brain", "-a", "padim", *OPTIONS, "--pad"]) == 0
    [model] = tmp_path.glob("saved_models/mri/**/*.hdf5")
    updated = update(tmp_path, model, "-d", "more")
    added = read_record(updated).added
    assert (len(added.fit), len(added.validation)) == (3, 3)
    assert all("/more/" in name for name in added.fit + added.validation)
    assert read_record(updated).preparation["pad"]
