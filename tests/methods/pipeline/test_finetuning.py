import json
import subprocess
import sys
from dataclasses import replace

import cv2
import pytest

from methods.cae.cae import CAE
from methods.cli import test as script
from methods.detector.model_file import read_record
from methods.detector.results import FinetuningResult
from methods.padim.padim import PaDiM
from methods.pipeline import finetuning, testing
from methods.pipeline.finetuning import choose_maps, replaced
from processing.decision.calibration import Rule
from processing.decision.decision import Decision
from processing.errors import UsageError, UserError

pytestmark = pytest.mark.usefixtures("eager_file")


def test_choice_of_maps():
    method = CAE(image_shape=(32, 32, 1), loss="l2")
    assert choose_maps(method, None, legacy=False) == "l2"
    assert choose_maps(method, "ssim", legacy=True) == "legacy-ssim"
    with pytest.raises(UsageError, match="no depth maps, expected one of ssim"):
        choose_maps(method, "depth", legacy=False)


def test_legacy_maps_of_a_method_without():
    with pytest.raises(UsageError, match="autoencoders. Received: a PaDiM model"):
        choose_maps(PaDiM(), None, legacy=True)


def test_a_result_is_in_force_once_all_is_written(model, tmp_path, monkeypatch):
    decided = Decision(1.0, 1, False), {"score": 0.5, "source": "a test"}
    monkeypatch.setattr(finetuning, "_search", lambda *_: "found")
    monkeypatch.setattr(finetuning, "_from_search", lambda *_: decided)

    def full(*_):
        raise UserError("disk full")

    monkeypatch.setattr(finetuning, "write_search", full)
    with pytest.raises(UserError, match="disk full"):
        finetuning.finetune(model[0], finetuning.Options(results=tmp_path))
    assert not list(tmp_path.rglob("finetuning_result.json"))


def test_another_decision_of_a_name_is_told(model, caplog):
    path, results = model
    record = read_record(path)
    options = finetuning.Options(rule=Rule(), results=results)
    assert not replaced(record, options, "distance")
    assert not replaced(record, replace(options, name="new"), "")
    assert replaced(record, replace(options, folds=2), "distance").min_area == 2
    by_hand = replace(options, rule=None, threshold=2.5, min_area=3)
    with caplog.at_level("INFO"):
        finetuning.finetune(path, by_hand)
        finetuning.finetune(path, by_hand)
    assert "replaced" not in caplog.text
    with caplog.at_level("INFO"):
        finetuning.finetune(path, replace(by_hand, threshold=3.0))
    assert "replaced: distance_float64_by-hand, number 3 of" in caplog.text


def test_a_graph_decides_as_keras_does(model, tmp_path):
    pytest.importorskip("tf2onnx")
    found = {
        runtime: finetuning.finetune(
            model[0], finetuning.Options(results=tmp_path / runtime, runtime=runtime)
        )[1]
        for runtime in ("keras", "onnx")
    }
    assert found["onnx"].threshold == pytest.approx(found["keras"].threshold, rel=1e-3)
    assert found["onnx"].min_area == found["keras"].min_area
    judged = {path.name for path in tmp_path.rglob("maps_*")}
    assert judged == {"maps_distance", "maps_distance_onnx"}


AGAIN = """
import sys
from methods.cli import finetune, test
model, results = sys.argv[1:]
assert finetune.main(["-p", model, "--results", results]) == 0
assert test.main(["-p", model, "--results", results]) == 0
named = ["--name", "mine", "--threshold", "1", "--min-area", "3"]
assert finetune.main(["-p", model, "--results", results, *named]) == 0
first = "distance_float64"
assert finetune.main(["-p", model, "--results", results, "--use", first]) == 0
assert test.main(["-p", model, "--results", results]) == 0
assert not {"numba", "pandas", "matplotlib"} & set(sys.modules)
assert not {"keras", "tensorflow", "jax", "torch"} & set(sys.modules)
"""


def test_what_is_kept_gives_the_same_without_a_network(model, tmp_path):
    finetuning.finetune(model[0], finetuning.Options(results=tmp_path))
    testing.test(model[0], testing.Options(results=tmp_path))
    [decision] = tmp_path.rglob("finetuning_result.json")
    assert decision.parent.name == "distance_float64"
    [table] = tmp_path.rglob("scores.csv")
    first = FinetuningResult.read(decision)
    names = ("scores.csv", "regions.csv", "test_result.json")
    texts = [(table.parent / name).read_text() for name in names]
    subprocess.run(
        [sys.executable, "-c", AGAIN, model[0], tmp_path], check=True, timeout=100
    )
    assert [path.parent.name for path in tmp_path.rglob("mine/*.json")] == ["mine"]
    for name in ("distance_float64", "mine"):  # of images that nothing judged anew
        picture = cv2.imread(str(decision.parents[1] / name / "binding.png"))
        assert picture.shape[1] == len(first.binding) * 328
    again = FinetuningResult.read(decision)
    own = {"id": first.id, "number": first.number, "created": first.created}
    assert again.number == 2
    assert replace(again, **own) == first
    for name, text in zip(names, texts, strict=True):
        now = (table.parent / name).read_text()
        assert now.replace(again.name, first.name) == text


@pytest.mark.parametrize("how", [{"rule": Rule(), "folds": 2}, {}])
def test_labels_decide_and_are_not_tested(model, samples, tmp_path, caplog, how):
    caplog.set_level("INFO")
    table = tmp_path / "labels.csv"
    images = sorted((samples / "washer/test").glob("[!g]*/*.png"))
    good = {f"test/hole/{path.name}" for path in images if path.parent.name == "hole"}
    rows = [f"{x},{x.parent.name.replace('hole', 'good')}\n" for x in images]
    table.write_text("path,label\n" + "".join(rows))
    options = finetuning.Options(results=tmp_path, labels=table, **how)
    folder, result = finetuning.finetune(model[0], options)
    assert FinetuningResult.read(folder / "finetuning_result.json") == result
    assert len(result.labels.test_files) == len(images)
    assert {*result.test_files} >= {*result.labels.test_files} >= good
    assert (result.labels.good, result.labels.corrected) == (len(good), len(good))
    assert result.labels.defective == len(images) - len(good)
    assert result.promise.defective_images == len(images) - len(good)
    assert result.options["labels"] == str(table)
    assert {*result.binding} & good
    if how:
        assert result.threshold == max(result.binding.values())
        assert {*result.validation_files} > good
    testing_ = testing.Options(results=tmp_path, report=False)
    [judged] = testing.test(model[0], testing_)
    assert not {row["file"] for row in judged.rows} & {*result.test_files}
    assert f"{len(images)} test images labelled or of one part with such" in caplog.text
    assert judged.result.finetuning_files == result.test_files
    assert judged.result.decided_by.endswith(f"with {len(images)} labels of labels.csv")


def test_a_table_is_judged_by_its_labels(model, samples, tmp_path, capsys):
    path, results = model
    learned = read_record(path).splits.fit[0]
    tested = sorted((samples / "washer/test").glob("*/*.png"))
    rows = [f"{x},{x.parent.name}\n" for x in [*tested, samples / "washer" / learned]]
    table = tmp_path / "labels.csv"
    table.write_text("path,label\n" + "".join(rows))
    options = ["-p", path, "-d", table, "--results", results, "--no-report"]
    assert script.main([str(x) for x in options]) == 0
    shown = capsys.readouterr().out
    assert "1 image left out, for the model or its decision" in shown
    [folder] = (results / read_record(path).run / "predict").iterdir()
    result = json.loads((folder / "test_result.json").read_text())
    assert result["images"] == len(tested)
    assert f"image AUROC    {result['image_auroc']:.3f}" in shown
    assert result["confusion"]["true_negatives"] <= 4 < len(tested)
    table.write_text(f"path,label\n{rows[-1]}")
    assert script.main([str(x) for x in options]) == 1
    assert "all 1 images were used for model or" in capsys.readouterr().err
