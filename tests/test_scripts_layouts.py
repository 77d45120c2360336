"""The scripts on folders that are not laid out as MVTec AD."""

import os

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import finetune
import test as script
import train
from methods.detector.model_file import read_record
from tests.folders import make

TRAIN = ["-a", "ae", "--latent", "4", "--size", "32", "--epochs", "1"]
TRAIN += ["--precision", "float32", "--lr", "0.001"]


def photos(folder, *names):
    """Write photos of noise, each of its own."""
    rng = np.random.default_rng(len(names))
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (12, 10), np.uint8)
        Image.fromarray(pixels).save(folder / name)


@pytest.mark.filterwarnings("default::UserWarning")
@pytest.mark.usefixtures("short_epochs")
def test_good_beside_bad_through_all_scripts(tmp_path, monkeypatch, capsys):
    """The drawn test set stays the same, whatever comes into the folder later."""
    monkeypatch.chdir(tmp_path)
    good = [f"OK/{i}.png" for i in range(12)]
    bad = [f"scratch/{i}.png" for i in range(6)]
    folder = tmp_path / "set/part"
    photos(folder, *good, *bad)
    make(folder, marked=[f"masks/scratch/{i}.png" for i in range(4)])
    make(folder, blank=["masks/scratch/4.png"])
    make(folder, "stray.png")
    assert train.main(["-d", str(folder), *TRAIN]) == 0
    said = capsys.readouterr().out
    assert "note: " in said
    assert "12 images of OK taken as good" in said
    assert said.count("not taken: 1 file in") == 1
    (model,) = tmp_path.glob("saved_models/set/part/**/*.hdf5")
    splits = read_record(model).splits
    tested = splits.test
    assert len(tested) == 4 + 6
    assert {*tested, *splits.fit, *splits.validation} == {*good, *bad}

    photos(folder, "OK/new.png", "scratch/new.png")
    assert finetune.main(["-p", str(model)]) == 0
    capsys.readouterr()
    assert script.main(["-p", str(model), "--include-finetuning"]) == 0
    said = capsys.readouterr().out
    assert "pixel metrics leave out 2 of 6 defective images: scratch/4.png" in said
    assert "scratch/4.png (its mask marks nothing), scratch/5.png (no mask)" in said
    (table,) = tmp_path.glob("results/**/test/**/scores.csv")
    rows = pd.read_csv(table)
    assert sorted(rows["file"]) == sorted(tested)
    assert set(rows["class"]) == {"good", "scratch"}

    (folder / tested[0]).unlink()
    assert script.main(["-p", str(model)]) == 1
    assert f"gone, such as {tested[0]}" in capsys.readouterr().err


def test_names_that_are_no_utf8_are_refused_before_work(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "part", "good/0.png", "good/1.png", "bad/0.png")
    with open(b"part/good/f\xfcr.png", "wb") as file:
        file.write((tmp_path / "part/good/0.png").read_bytes())
    assert train.main(["-d", "part", *TRAIN]) == 1
    errors = capsys.readouterr().err
    assert r"good/f\udcfcr.png (its name is no UTF-8)" in errors
    assert errors.count("\n") == 1
    with pytest.raises(SystemExit):
        train.main(["-d", os.fsdecode(b"p\xfcrt"), *TRAIN])
    assert r"expected UTF-8, rename it first: p\udcfcrt" in capsys.readouterr().err
