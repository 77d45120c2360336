"""The three scripts with prepared images, and with medical volumes."""

import csv
import json
import re

import cv2
import nibabel
import numpy as np
import pytest

import finetune
import test as script
import train
from methods.pipeline.run_folder import TrainingRun

pytestmark = pytest.mark.usefixtures("eager_file", "few_layers")
QUICK = ["--size", "64", "--epochs", "1", "--lr", "0.002", "--precision", "float32"]
SMALL = ["-a", "ae", "--latent", "4"]


def run(main, arguments, folder, monkeypatch):
    """Run a script in `folder` and return its exit code."""
    monkeypatch.chdir(folder)
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return stop.code


def read_rows(folder):
    [path] = folder.glob("**/scores.csv")
    with path.open() as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def all_three(category, options, folder, monkeypatch):
    """Run the scripts and return the model file and the rows of the test."""
    for main, arguments in (
        (train.main, ["-d", category, *QUICK, *SMALL, *options]),
        (finetune.main, ["-p", "{model}"]),
        (script.main, ["-p", "{model}", "-s"]),
    ):
        models = list(folder.glob("saved_models/**/*.hdf5"))
        arguments = [str(a).replace("{model}", str(*models)) for a in arguments]
        assert run(main, arguments, folder, monkeypatch) == 0
    return models[0], read_rows(folder / "results")


def test_prepared_images_from_training_to_report(
    samples, short_epochs, undrawn, monkeypatch, tmp_path, capsys
):
    options = ["--size", "96", "--crop", "80x64", "--register", "ecc"]
    options += ["--mask", "foreground;0,0,9,9", "--blank", "--tile", "32"]
    model, rows = all_three(
        samples / "washer", [*options, "--stride", "16", "-i"], tmp_path, monkeypatch
    )
    info = json.loads((model.parent / "info.json").read_text())
    expected = {"size": [96, 96], "crop": [80, 64], "register": "ecc", "tile": 32}
    assert expected.items() <= info["preparation"].items()
    assert info["preparation"]["reference"].startswith(str(samples))
    assert info["config"]["image_shape"] == [32, 32, 3]
    assert {row["registered"] for row in rows.values()} == {"True"}
    pictures = list(tmp_path.glob("results/**/segmentation/*_seg.png"))
    assert len(pictures) == len(rows)
    corner = [cv2.imread(str(path), 0)[:5, :5].any() for path in pictures]
    assert not any(corner)  # cropped away, and masked
    assert len(list(model.parent.glob("inspection_test/*.png"))) == 16
    assert not list(model.parent.glob("preparation*"))


def test_padded_images_of_any_shape(samples, short_epochs, monkeypatch, tmp_path):
    """A wide part with its mask: the decided masks have the size of the photo."""
    for path in sorted((samples / "washer").rglob("*.png")):
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        wide = tmp_path / "wide" / path.relative_to(samples / "washer")
        wide.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(wide), cv2.resize(image[10:50], (96, 40)))
    model, rows = all_three(tmp_path / "wide", ["--pad"], tmp_path, monkeypatch)
    assert json.loads((model.parent / "info.json").read_text())["preparation"]["pad"]
    for path in tmp_path.glob("results/**/segmentation/*_seg.png"):
        assert cv2.imread(str(path), 0).shape == (40, 96)
    assert "registered" not in next(iter(rows.values()))


def test_a_run_goes_on_with_the_preparation_it_learned(
    samples, short_epochs, monkeypatch, tmp_path
):
    """The mask file may be gone by then."""
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 16:48] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    save = TrainingRun.save

    def save_and_stop(self, arrays, state):
        save(self, arrays, state)
        if state["epochs"] == 1:
            raise KeyboardInterrupt

    options = ["-d", samples / "washer", *QUICK, *SMALL]
    options += ["--epochs", "2", "--mask", "mask.png"]
    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "save", save_and_stop)
        assert run(train.main, options, tmp_path, monkeypatch) == 130
    (tmp_path / "mask.png").unlink()
    [path] = tmp_path.glob("saved_models/**/run.json")
    assert run(train.main, ["--resume", path.parent], tmp_path, monkeypatch) == 0
    from methods.detector.model_file import load_model

    [model] = tmp_path.glob("saved_models/**/*.hdf5")
    stored = load_model(model)[0].preparation.arrays["mask"]
    np.testing.assert_array_equal(stored, mask > 0)


def volume(rng, lesion=None):
    """Return a bright ball in a dark box (x, y, z), perhaps with a lesion in it."""
    x, y, z = np.indices((40, 48, 6))
    ball = (x - 20) ** 2 + (y - 24) ** 2 < (14 + z) ** 2
    values = 600 * ball + rng.normal(0, 20, ball.shape)
    labels = np.zeros(ball.shape, np.uint8)
    if lesion:
        labels[lesion] = 1
        values[lesion] += 500
    return values.astype(np.int16), labels


def test_slices_of_volumes(short_epochs, undrawn, monkeypatch, tmp_path, rng):
    """Grey, not square, padded alike; a slice without a lesion is a good one."""

    def write(name, values):
        path = tmp_path / "mri/brain" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)

    for i in range(3):
        write(f"train/good/{i}.nii.gz", volume(rng)[0])
        write(f"test/good/{i}.nii.gz", volume(rng)[0])
        for name, place in (("edema", 14), ("mass", 24)):
            lesion = (slice(place, place + 5), slice(20, 26), slice(1, 4))
            values, labels = volume(rng, lesion)
            write(f"test/{name}/{i}.nii.gz", values)
            write(f"ground_truth/{name}/{i}_mask.nii.gz", labels)

    options = ["--pad", "--range=-100,1200", "-i"]
    model, rows = all_three(tmp_path / "mri/brain", options, tmp_path, monkeypatch)
    info = json.loads((model.parent / "info.json").read_text())
    assert info["preparation"]["span"] == [-100, 1200]
    assert len(info["splits"]["fit"]) == 12  # a whole volume is left to validate
    assert len(list(model.parent.glob("inspection_test/*.png"))) == 54
    judged = {name.rpartition("#")[0] for name in rows}
    [result] = tmp_path.glob("results/**/finetuning_result.json")
    finetuned = json.loads(result.read_text())["finetuning_files"]
    assert not judged & {name.rpartition("#")[0] for name in finetuned}
    assert len(rows) + len(finetuned) == 54
    for name, row in rows.items():
        part, number = name.split("/")[1], int(name.rpartition("#")[2])
        lesion = part != "good" and 1 <= number <= 3
        assert row["label"] == ("defective" if lesion else "good")
        assert row["class"] == (part if lesion else "good")
    picture = next(tmp_path.glob("results/**/segmentation/good_*_005_seg.png"))
    assert cv2.imread(str(picture), 0).shape == (48, 40)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--crop", "80"], "--crop must not exceed --size. Received: 80x80 of 64x64"),
        (["--tile", "80"], "--tile must not exceed .* 80 for 64x64"),
        (["--tile", "32", "--stride", "33"], "--stride must not exceed --tile"),
        (["--blank"], "--blank needs a --mask"),
        (["--mask", "0,0,65,9"], "0,0,65,9 lies outside of the reference .* 64x64"),
        (["--mask", "front"], "--mask: expected foreground, an image file, or"),
        (["--register", "ecc", "--reference", "no.png"], "--reference: no.png: not a"),
        (["--reference", "{washer}/train/good/000.png"], "--reference goes with"),
        (["--register", "sift"], "unknown name 'sift': .* orb, ecc"),
        (["--size", "4y4"], "expected pixels, or height x width"),
        (["--range", "9,1"], "expected two numbers LOW,HIGH"),
        (["--crop", "50"], "multiples of 32 .*50x50"),
    ],
)
def test_one_line_for_options_that_do_not_suit(
    samples, options, message, tmp_path, monkeypatch, capsys
):
    options = [option.format(washer=samples / "washer") for option in options]
    options = ["-d", samples / "washer", *QUICK, *options]
    assert run(train.main, options, tmp_path, monkeypatch) == 2
    assert re.search(message, capsys.readouterr().err.strip().splitlines()[-1])
    assert not list(tmp_path.iterdir())


def test_textures_have_no_foreground(samples, tmp_path, monkeypatch, capsys):
    from processing.samples import write_samples

    write_samples(tmp_path / "s", train=4, good=2, defects=2, categories=("fabric",))
    options = ["-d", "s/fabric", *QUICK, "--mask", "foreground"]
    assert run(train.main, options, tmp_path, monkeypatch) == 1
    assert "expected parts in front of an even background" in capsys.readouterr().err
