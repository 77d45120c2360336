"""Decisions and metrics that cannot be those of any images."""

import pytest

from methods.detector.results import Calibration, FinetuningResult, TestResult
from processing.errors import UserError
from tests.records import finetuning_result, result_of_test


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"best_min_area": 10**9}, "best_min_area: expected at most 268435456."),
        ({"seed": -1}, "seed: expected at least 0. Received: -1"),
        ({"split": 2}, "split: expected at most 1. Received: 2"),
        ({"TPR": 1.5}, "TPR: expected at most 1. Received: 1.5"),
        ({"best_score": -1}, "best_score: expected at least 0. Received: -1"),
        ({"score_interval_95": [1, 0.5]}, "score_interval_95: expected .low, high.."),
        ({"finetuning_files": ["a", "a"]}, "finetuning_files: 'a' is in 'finetuning_f"),
        (
            {"finetuning_files": ["train/good/1.png"]},
            "finetuning_files: 'train/good/1.png' is in 'validation_files' already",
        ),
        (
            {"calibration": {"name": "x", "number": None, "good_scores": [1]}},
            "calibration: expected one of max, quantile, .* bound, and scores",
        ),
        (
            {"calibration": {"name": "max", "number": None, "good_scores": []}},
            "calibration: .* Received: 'max', 0 scores",
        ),
        (
            {"calibration": {"name": "quantile", "number": 2, "good_scores": [1]}},
            "calibration.number: quantile takes a number between 0 and 1. Received: 2",
        ),
    ],
)
def test_a_decision_that_is_none(change, message):
    content = {**finetuning_result().to_json(), **change}
    with pytest.raises(UserError, match=f"^x is damaged: {message}"):
        FinetuningResult.from_json(content, "x")


def test_decisions_of_rules_are_read():
    for name, number in (("max", None), ("quantile", 0.9), ("ksigma", 3), ("max", 1)):
        rule = Calibration(name=name, number=number, good_scores=[0.5])
        result = finetuning_result(score=None, calibration=rule)
        assert FinetuningResult.from_json(result.to_json(), "x") == result


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"min_area": 0}, "min_area: expected at least 1. Received: 0"),
        ({"images": 0}, "images: expected at least 1. Received: 0"),
        ({"confusion": {}}, "it lacks 'confusion.true_positives'"),
        ({"pixel_ap": 1.01}, "pixel_ap: expected at most 1. Received: 1.01"),
        ({"intervals_95": {"aupro": [0]}}, "intervals_95.aupro: expected .low, high.."),
        ({"classes": {"a": {}}}, "classes.a.images: expected a whole number."),
        (
            {"classes": {"a": {"images": 0, "called_defective": 0}}},
            "classes.a.images: expected at least 1. Received: 0",
        ),
        (
            {"classes": {"a": {"images": 1, "called_defective": 9}}},
            "classes.a.called_defective: expected at most 3. Received: 9",
        ),
    ],
)
def test_metrics_of_no_images(change, message):
    content = {**result_of_test().to_json(), **change}
    with pytest.raises(UserError, match=f"^x is damaged: {message}"):
        TestResult.from_json(content, "x")


@pytest.mark.parametrize("count", [-1, 4])
def test_counts_of_no_images(count):
    content = result_of_test().to_json()
    content["confusion"]["false_negatives"] = count
    with pytest.raises(UserError, match="^x is damaged: confusion.false_negatives: "):
        TestResult.from_json(content, "x")
