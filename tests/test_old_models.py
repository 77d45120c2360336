"""Model files and decisions of an earlier version give the scores that they gave."""

import gzip
import importlib
import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

import methods
from methods.detector.model_file import load_model
from processing.errors import UserError

MODELS = Path(__file__).parent / "data/old_models"
STEPS = {"AnoDDPM", "AnoGAN"}  # take many a judgement, and are traced
NAMES = sorted(path.parent.name for path in MODELS.glob("*/model.hdf5.gz"))


def record_of(model):
    """Return the record in a model file, as JSON gives it."""
    with h5py.File(model) as file:
        return json.loads(file.attrs["record"])


def unpack(name, folder):
    """Put a model file and its decision where the scripts look; return both places."""
    model, results = folder / f"{name}.hdf5", folder / "results"
    packed = (MODELS / name / "model.hdf5.gz").read_bytes()
    model.write_bytes(gzip.decompress(packed))
    decided = results / record_of(model)["run"] / "finetuning" / "earlier"
    decided.mkdir(parents=True)
    shutil.copy(MODELS / name / "finetuning_result.json", decided)
    return model, results


def test_every_family_has_a_file():
    assert len(NAMES) == 9


@pytest.mark.parametrize("name", NAMES)
def test_scores_and_verdicts_are_those_of_the_earlier_version(
    name, samples, tmp_path, monkeypatch, capsys, request
):
    if name not in STEPS:
        request.getfixturevalue("eager")
    model, results = unpack(name, tmp_path)
    monkeypatch.chdir(samples.parent)  # models name their category from here
    judge = importlib.import_module("test").main
    words = ["--results", str(results), "--include-finetuning", "--no-report"]
    assert judge(["-p", str(model), *words]) == 0, capsys.readouterr().err
    [table] = results.rglob("scores.csv")
    scores, expected = map(pd.read_csv, (table, MODELS / name / "scores.csv"))
    assert list(scores.file) == list(expected.file)
    assert list(scores.verdict) == list(expected.verdict)
    np.testing.assert_allclose(scores.score, expected.score, rtol=1e-4)
    np.testing.assert_allclose(scores.defect_area, expected.defect_area, atol=2)
    result = json.loads((table.parent / "test_result.json").read_text())
    decision = json.loads((MODELS / name / "finetuning_result.json").read_text())
    assert result["threshold"] == decision["best_threshold"]
    assert result["min_area"] == decision["best_min_area"]


def change(model, key, value):
    """Put another value in the place of an array in a model file, or none."""
    with h5py.File(model, "a") as file:
        if key in file:
            del file[key]
        if value is not None:
            file[key] = value


@pytest.mark.parametrize("name", NAMES)
def test_other_arrays_are_told_before_a_network_is_built(name, tmp_path, monkeypatch):
    model, _ = unpack(name, tmp_path)
    whole = model.read_bytes()
    with h5py.File(model) as file:
        arrays = {key: value[()] for key, value in file.get("arrays", {}).items()}
    monkeypatch.setattr(methods.get(record_of(model)["method"]), "build", None)
    change(model, "arrays/x", 3)
    with pytest.raises(UserError, match="hdf5 is damaged: /arrays holds 'x', which"):
        load_model(model)
    for key, array in arrays.items():
        for value in (None, np.ones((3, 2, 1)), array > 0, array * np.nan):
            model.write_bytes(whole)
            change(model, f"arrays/{key}", value)
            with pytest.raises(UserError, match=f"hdf5 is damaged: .*/arrays/{key}"):
                load_model(model)


@pytest.mark.parametrize(
    ("name", "key"), [("PatchCore", "kept"), ("fewshot", "views"), ("unified", "views")]
)
def test_memories_larger_than_the_file_are_not_made(name, key, tmp_path):
    model, _ = unpack(name, tmp_path)
    expected = {10**12: f"expected [0-9]+ rows by /arrays/{key}"}
    expected |= dict.fromkeys((0, -1), f"/arrays/{key}: expected at least 1")
    for value, message in expected.items():
        change(model, f"arrays/{key}", value)
        with pytest.raises(UserError, match=message):
            load_model(model)
