import json

import pytest

from methods.serve import learner
from methods.serve.learner import JOB, options_like
from processing.decision.calibration import Rule
from processing.decision.goals import Goal
from tests.records import finetuning_result


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        ({"goal": {"name": "max-false-alarms", "rate": 0.1}, "folds": 3},
         {"goal": Goal("max-false-alarms", 0.1), "folds": 3}),
        ({"rule": {"name": "quantile", "number": 0.9}, "min_area": 7},
         {"rule": Rule("quantile", 0.9), "min_area": 7}),
        ({"threshold": 2.5, "min_area": 7}, {"threshold": None, "min_area": None}),
        ({}, {"goal": None, "rule": None, "folds": 0}),
    ],
)  # fmt: skip
def test_a_new_decision_is_made_as_the_one_before(made, wanted):
    options = options_like(finetuning_result(options=made, excluded=["a.png"]))
    assert {key: getattr(options, key) for key in wanted} == wanted
    assert options.exclude == ("a.png",)


def test_what_fails_is_one_line(tmp_path, capsys):
    job = {"model": "gone.hdf5", "results": "results", "decision": "d", "name": "n"}
    (tmp_path / JOB).write_text(json.dumps(job))
    assert learner.main([str(tmp_path)]) == 1
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("error: ")
    assert "gone.hdf5" in line
