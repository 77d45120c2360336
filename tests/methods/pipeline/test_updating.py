import json
import shutil

import nibabel
import numpy as np
import pytest

import finetune
import train
from methods.detector.model_file import load_model, read_record
from methods.detector.records import Splits
from tests.records import training_record

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


def update(folder, model, source):
    """Run `train.py --update` and return the new model file."""
    before = set(folder.glob("saved_models/**/*.hdf5"))
    assert train.main(["--update", str(model), "-d", str(source)]) == 0
    [updated] = set(folder.glob("saved_models/**/*.hdf5")) - before
    return updated


def test_new_images_of_another_folder(trained, samples, monkeypatch, tmp_path):
    folder, model = trained
    monkeypatch.chdir(folder)
    before = model.read_bytes()
    extra = tmp_path / "more"
    shutil.copytree(samples / "washer/train/good", extra)  # eight of twelve are known
    updated = update(folder, model, extra)
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
    updated = update(folder, model, folder / "data/washer")
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


def test_methods_that_cannot_take_more(samples, tmp_path, capsys):
    from methods.cae.cae import CAE
    from methods.detector.detector import Detector
    from methods.detector.model_file import save_model

    method = CAE(image_shape=(32, 32, 1))
    method.build()
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
    updated = update(tmp_path, model, "more")
    added = read_record(updated).added
    assert (len(added.fit), len(added.validation)) == (3, 3)
    assert all("/more/" in name for name in added.fit + added.validation)
    assert read_record(updated).preparation["pad"]
