"""What the sliders of a report are told against what finetune.py then says."""

import base64
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from methods.cae.cae import CAE
from methods.cli import finetune
from methods.cli import test as script
from methods.cli.parser import AS_COMMAND
from methods.detector.decisions import Decided
from methods.detector.detector import Detector
from methods.detector.judge import Judge
from methods.detector.kept import LIMIT
from methods.detector.results import FinetuningResult
from methods.pipeline import finetuning, testing
from methods.pipeline.by_hand import command_by_hand
from processing.decision.decision import Decision
from tests.records import finetuning_result, training_record

pytestmark = pytest.mark.usefixtures("eager_file")


def page_data(results):
    [page] = results.rglob("report.html")
    text = re.search(r'id="data">(.*?)</script>', page.read_text("utf-8"), re.S)[1]
    return json.loads(text)


def levels(texts, place):
    return [np.frombuffer(base64.b64decode(x), "<f8")[place] for x in texts]


def test_what_the_page_is_told_is_what_finetune_says(model, samples, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text(f"path,label\n{samples}/washer/test/hole/000.png,good\n")
    made = {"dtype": "uint8", "folds": 2, "labels": labels}
    options = finetuning.Options(results=tmp_path, **made)
    finetuning.finetune(model[0], options)
    testing.test(model[0], testing.Options(results=tmp_path))
    data = page_data(tmp_path)
    page = data["operating"]
    place = len(page["areas"]) // 2
    known = {key: levels(texts, place) for key, texts in page["known"].items()}
    threshold = float(np.median(known["good"] + known["defective"]))
    above = {key: sum(x > threshold for x in known[key]) for key in known}
    area = page["areas"][place]
    by_hand = ["--threshold", str(threshold), "--min-area", str(area), "--name", "mine"]
    assert finetune.main([*shlex.split(page["command"])[2:], *by_hand]) == 0
    [path] = tmp_path.rglob("mine/finetuning_result.json")
    promise = FinetuningResult.read(path).promise
    assert promise.good_images == len(known["good"])
    assert promise.false_alarms == above["good"]
    assert promise.misses == promise.defective_images - above["defective"]
    assert 0 < above["good"] + above["defective"] < sum(map(len, known.values()))
    [judged] = testing.test(model[0], testing.Options(results=tmp_path, report=False))
    verdicts = {row["file"]: row["verdict"] for row in judged.rows}
    limits = levels(page["critical"], place)
    for image, limit in zip(data["images"], limits, strict=True):
        called = "defective" if threshold < limit else "good"
        assert verdicts[image["file"]] == called
    [page] = tmp_path.rglob("report.html")
    page.unlink()
    labels.write_text(labels.read_text() + "\n")
    testing.test(model[0], testing.Options(results=tmp_path))
    assert page_data(tmp_path)["operating"]["known"] is None  # another table


def test_nothing_is_promised_from_images_that_are_not_known(model, monkeypatch):
    monkeypatch.setenv(LIMIT, "0")
    monkeypatch.setenv(AS_COMMAND, "1")
    assert script.main(["-p", str(model[0]), "--results", str(model[1])]) == 0
    page = page_data(model[1])["operating"]
    assert page["command"].startswith("keras-anomaly finetune -p ")
    assert page["known"] is None
    assert page["promise"]["good_images"] > 0


def test_the_command_names_maps_and_images():
    detector = Detector(CAE(image_shape=(32, 32, 1), loss="l2"))
    finetuned = finetuning_result(
        kind="ssim",
        dtype="uint8",
        options={"folds": 5},
        excluded=["train/good/a b.png"],
    )
    judge = Judge(detector, Decision(1, 1), "ssim", "uint8")
    decided = Decided(judge, training_record("own:Method"), finetuned)
    asked = decided, Path("m.hdf5"), Path("cat"), Path("other")
    command = command_by_hand(*asked)
    assert command == (
        "python3 finetune.py -p m.hdf5 -a own:Method -d cat -m ssim -t uint8 --folds 5 "
        "--exclude 'train/good/a b.png' --results other"
    )
    other = command_by_hand(*asked, start="keras-anomaly finetune")
    assert other == command.replace("python3 finetune.py", "keras-anomaly finetune")
    with_table = command_by_hand(*asked, "labels.csv").split(" --exclude")[0]
    assert with_table == command.split(" --exclude")[0] + " --labels labels.csv"
