import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from methods.cli.tables import (
    print_decisions,
    print_metrics,
    print_verdicts,
    promise_lines,
)
from methods.detector.decisions import put_in_force, write_decision
from methods.detector.results import Labels
from methods.pipeline.evaluation import all_metrics
from methods.pipeline.reporting import JudgedSet, classification
from processing.decision.goals import Goal
from tests.records import PROMISE, finetuning_result, result_of_test, training_record


def made_report(count=4):
    """Return a report of good and hole images, half each, all judged right."""
    rows = [
        {
            "file": f"{i}.png",
            "class": "hole" if i % 2 else "good",
            "label": "defective" if i % 2 else "good",
            "verdict": "defective" if i % 2 else "good",
            "score": float(i % 2),
            "defect_area": i % 2,
        }
        for i in range(count)
    ]
    metrics = all_metrics(rows, "because hole has no masks", seed=1)
    return JudgedSet(Path("there"), result_of_test(min_area=3, **metrics), rows, {})


def test_metrics_are_printed_with_intervals_and_reasons(capsys):
    print_metrics(made_report())
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert "found 2 of 2 defects, 0 false alarms on 2 good images" in lines
    assert "image AUROC    1.000 [1.000, 1.000]" in lines
    assert "pixel AUROC    undefined" in lines
    assert "[ ]: 95 % of 1,000 draws of the images (bootstrap)" in lines
    assert "one value twice: no draw differed, which does not make it certain" in lines
    [reason] = [line for line in lines if line.startswith("undefined")]
    assert reason.startswith("undefined, because hole has no masks: pixel AUROC, ")
    assert reason.endswith("IoU, Dice")
    assert lines[-1] == "results: there"
    [row] = [line for line in lines if "hole" in line and "(100%)" in line]
    assert "1.000" in row


def test_reasons_of_classes_name_them(capsys):
    report = made_report()
    undefined = {"hole/iou": "because of a test"}
    report = replace(report, result=replace(report.result, undefined=undefined))
    print_metrics(report)
    printed = capsys.readouterr().out
    assert "undefined, because of a test: IoU of hole" in printed


@pytest.mark.parametrize("count", [4, 24])
def test_verdicts_of_few_and_of_many_images(capsys, count):
    print_verdicts(made_report(count))
    printed = capsys.readouterr().out
    assert f"{count // 2} of {count} images are defective" in printed
    assert ("... and 4 more in scores.csv" in printed) == (count == 24)


def test_classification_is_the_originals_table():
    report = made_report()
    lines = classification(report.result, report.rows).splitlines()
    assert lines[0] == "min_area = 3, threshold = 0.5, method = ssim, dtype = float64"
    assert lines[2].split() == ["filename", "prediction", "truth", "accurate"]
    assert lines[3].split() == ["0.png", "good", "good", "True"]


MARKUP = "a[/red][draft] :smile: [bold]\x1b[31m\r.png"


def test_names_are_no_markup(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    report = made_report(2)
    for row in report.rows:
        row["file"] = MARKUP
    print_verdicts(report)
    shown = r"a[/red][draft] :smile: [bold]\x1b[31m\r.png"
    assert capsys.readouterr().out.count(shown) == 2
    classes = {MARKUP: report.result.classes["good"]}
    undefined = {f"{MARKUP}/iou": "because of a test"}
    result = replace(report.result, classes=classes, undefined=undefined)
    print_metrics(replace(report, result=result))
    printed = capsys.readouterr().out
    assert f"│ {shown} │" in printed
    assert f"IoU of {shown}" in printed
    assert classification(report.result, report.rows).count("\n") == 5


@pytest.fixture
def decided(tmp_path):
    """Return a record, and results with the decisions strict and plain."""
    record = training_record("mvtecCAE")
    goal = str(Goal("cost", miss=20, false_alarm=1, defect_rate=0.02))
    strict = finetuning_result(goal=goal, promise=PROMISE)
    write_decision(record, tmp_path, "strict", strict)
    plain = finetuning_result(kind="l2", threshold=0.75)
    write_decision(record, tmp_path, "plain", plain)
    return record, tmp_path


def test_decisions_are_listed_with_the_one_in_force(capsys, decided):
    for name in ("plain", "strict"):
        print_decisions(*decided, None, None)
        lines = capsys.readouterr().out.splitlines()
        assert [x for x in lines if "in force" in x] == [f"{name} (in force)"]
        put_in_force(*decided, "strict")
    assert max(map(len, lines)) <= 80
    assert lines[:2] == ["bottle:", "strict (in force)"]
    assert lines[2].startswith("    lowest cost, a miss 20, ")
    assert lines[3].startswith("    threshold 0.5, minimum area 2, made 20")
    kept = "    at most 9.5% false alarms, 42.9% misses; 0.01 is not kept"
    assert lines[4:7] == [kept, "plain", "    finetuning images"]
    print_decisions(*decided, "l2", "float64")
    assert "strict" not in capsys.readouterr().out


def test_decisions_are_listed_though_none_is_in_force(capsys, decided):
    put_in_force(*decided, "plain")
    shutil.rmtree(decided[1] / decided[0].run / "finetuning/plain")
    print_decisions(*decided, None, None)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("in force: none, ")
    assert "is gone: none judges until finetune.py --use" in lines[1]
    assert lines[2] == "strict"


def test_a_promise_says_that_labelled_images_were_chosen():
    labels = Labels(
        **{"path": "/a/labels.csv", "sha256": "", "good": 1, "defective": 0},
        **{"corrected": 0, "learned": 0, "contradicted": [], "test_files": []},
    )
    result = finetuning_result(promise=PROMISE, labels=labels)
    [line] = {*promise_lines(result)} - {*promise_lines(replace(result, labels=None))}
    assert "1 label of labels.csv: rates" in line
    assert "images chosen like these" in line
