"""Which of the decisions on disk counts."""

import os

import pytest

from methods.detector.decisions import RESULT, read_results
from processing.errors import UserError
from processing.files import write_json
from tests.records import finetuning_result, training_record

RECORD = training_record("mvtecCAE")


@pytest.fixture
def results(tmp_path):
    """Return a folder of results with an l2 decision and a newer ssim one."""
    for age, kind in ((9, "ssim"), (99, "l2")):
        path = tmp_path / RECORD.run / f"finetuning/{kind}_float64" / RESULT
        write_json(path, finetuning_result(kind=kind).to_json())
        os.utime(path, (10**9 - age, 10**9 - age))
    return tmp_path


def test_the_newest_comes_last(results):
    matching = read_results(RECORD, results, None, None)
    assert [result.kind for _, result in matching] == ["l2", "ssim"]
    assert [path.name for path, _ in matching] == ["l2_float64", "ssim_float64"]


def test_only_what_matches(results):
    [(_, result)] = read_results(RECORD, results, "l2", "float64")
    assert result == finetuning_result(kind="l2")
    for kind, dtype in (("mse", None), (None, "uint8")):
        with pytest.raises(UserError, match="no finetuning result in .*/finetuning: "):
            read_results(RECORD, results, kind, dtype)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dtype": "int8"}, "dtype: expected float64 or uint8. Received: 'int8'"),
        ({"best_min_area": 0}, "best_min_area: expected at least 1. Received: 0"),
        (
            {"finetuning_files": "abc"},
            "finetuning_files: expected a list of texts. Received: 'abc'",
        ),
    ],
)
def test_a_damaged_result(results, change, message):
    path = results / RECORD.run / "finetuning/l2_float64" / RESULT
    write_json(path, {**finetuning_result(kind="l2").to_json(), **change})
    with pytest.raises(UserError) as error:
        read_results(RECORD, results, None, None)
    assert str(error.value) == f"{path} is damaged: {message}"
