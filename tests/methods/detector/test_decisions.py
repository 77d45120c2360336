"""Which of the decisions on disk counts."""

import os
import shutil
from dataclasses import replace

import pytest

from methods.detector.decisions import (
    ALL,
    IN_FORCE,
    RESULT,
    check_name,
    choose_results,
    load_decided,
    put_in_force,
    read_results,
    write_decision,
)
from methods.detector.records import EARLIER
from processing.errors import UsageError, UserError
from processing.files import write_json
from tests.records import finetuning_result, training_record

RECORD = training_record("mvtecCAE")
NEW = replace(RECORD, id="0123abcd")


@pytest.fixture
def results(tmp_path):
    """Return a folder of results of an earlier version: an l2 and a newer ssim one."""
    for age, kind in ((9, "ssim"), (99, "l2")):
        path = tmp_path / RECORD.run / f"finetuning/{kind}_float64" / RESULT
        write_json(path, finetuning_result(kind=kind).to_json())
        os.utime(path, (10**9 - age, 10**9 - age))
    return tmp_path


def decide(results, *thresholds, record=NEW):
    """Write decisions one after the other; return them as written."""
    return [
        write_decision(record, results, f"rule{i}", finetuning_result(threshold=x))[1]
        for i, x in enumerate(thresholds)
    ]


def thresholds(results, record=NEW):
    return [x.threshold for _, x in read_results(record, results, None, None)]


def test_the_newest_comes_last(results):
    matching = read_results(RECORD, results, None, None)
    assert [result.kind for _, result in matching] == ["l2", "ssim"]
    assert [path.name for path, _ in matching] == ["l2_float64", "ssim_float64"]


def test_the_newest_is_by_its_number(tmp_path):
    """Whatever the clock was, and whatever times a copy has."""
    decide(tmp_path, 3.0, 1.0, 2.0)
    for age, path in enumerate(sorted(tmp_path.rglob(RESULT))):
        os.utime(path, (10**9 - age, 10**9 - age))
    copied = tmp_path / "copied"
    shutil.copytree(tmp_path / NEW.run, copied / NEW.run, copy_function=shutil.copyfile)
    assert thresholds(tmp_path) == thresholds(copied) == [3.0, 1.0, 2.0]
    again, _ = write_decision(NEW, tmp_path, "rule0", finetuning_result(threshold=4.0))
    assert again.name == "rule0"
    assert thresholds(tmp_path) == [1.0, 2.0, 4.0]


def test_a_decision_has_number_time_and_model(tmp_path):
    first, second = decide(tmp_path, 1.0, 2.0)
    assert (first.number, second.number) == (1, 2)
    assert first.created <= second.created
    assert first.created.endswith("+00:00")
    assert first.model_id == NEW.id
    assert first.id != second.id
    assert f"number 2 of {second.created}, {second.id}: ssim" in second.describe()


def test_a_decision_for_another_model_is_not_taken(tmp_path):
    """Of two that were trained in one second, say, or by a copy."""
    decide(tmp_path, 1.0)
    other = replace(NEW, id="4567abcd")
    with pytest.raises(UserError, match="are for another model than this one, .*4567"):
        read_results(other, tmp_path, None, None)
    write_decision(other, tmp_path, "mine", finetuning_result(threshold=2.0))
    assert thresholds(tmp_path, other) == [2.0]
    assert thresholds(tmp_path) == [1.0]


def test_decisions_without_a_model_are_for_models_without_an_id(results):
    earlier = replace(RECORD, id=f"{EARLIER}123")
    assert len(read_results(earlier, results, None, None)) == 2
    with pytest.raises(UserError, match="for another model"):
        read_results(NEW, results, None, None)
    decide(results, 9.0, record=earlier)
    assert thresholds(results, earlier) == [0.5, 0.5, 9.0]


def test_earlier_decisions_have_names(results):
    (_, one), (_, other) = read_results(RECORD, results, None, None)
    assert one.name.startswith("earlier-")
    assert one.name != other.name


def test_a_damaged_decision_is_replaced(tmp_path):
    decide(tmp_path, 1.0)
    [path] = tmp_path.rglob(RESULT)
    path.write_text("{")
    [again] = decide(tmp_path, 2.0)
    assert again.number == 1


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
        ({"id": "../x"}, "id: expected letters and digits. Received: '../x'"),
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


def chosen(results, decision=None, kind=None):
    """Return the thresholds of the decisions that judge."""
    found = choose_results(NEW, results, kind, None, decision)
    return [result.threshold for _, result in found]


def test_the_user_puts_a_decision_in_force_until_a_new_one_is_made(tmp_path):
    first, second, _ = decide(tmp_path, 1.0, 2.0, 3.0)
    assert chosen(tmp_path) == [3.0]
    folder, used = put_in_force(NEW, tmp_path, "rule0")
    assert (folder.name, used) == ("rule0", first)
    assert chosen(tmp_path) == [1.0]
    put_in_force(NEW, tmp_path, second.id)
    assert chosen(tmp_path) == [2.0]
    assert thresholds(tmp_path) == [1.0, 2.0, 3.0]
    decide(tmp_path, 4.0)
    assert chosen(tmp_path) == [4.0]


def test_a_decision_that_is_put_aside_is_not_in_force(tmp_path):
    aside = NEW, tmp_path, "mine", finetuning_result(threshold=9.0), True
    with pytest.raises(UserError, match="no finetuning result"):
        write_decision(*aside)
    decide(tmp_path, 1.0, 2.0)
    assert write_decision(*aside)[1].number == 3
    assert chosen(tmp_path) == [2.0]
    put_in_force(NEW, tmp_path, "rule0")
    write_decision(*aside)
    assert (chosen(tmp_path), chosen(tmp_path, "mine")) == ([1.0], [9.0])
    put_in_force(NEW, tmp_path, "mine")
    with pytest.raises(UsageError, match="mine is in force: expected another name"):
        write_decision(*aside)
    assert thresholds(tmp_path) == [1.0, 2.0, 9.0]


def test_a_decision_is_chosen_by_name_or_id(tmp_path):
    first, _ = decide(tmp_path, 1.0, 2.0)
    assert chosen(tmp_path, "rule0") == chosen(tmp_path, first.id) == [1.0]
    assert chosen(tmp_path, ALL) == [1.0, 2.0]
    write_decision(NEW, tmp_path, first.id, finetuning_result(threshold=3.0))
    assert chosen(tmp_path, first.id) == [3.0]  # names come first


@pytest.mark.parametrize("name", ["rule", "", "RULE0", "x" * 999])
def test_an_unknown_name_is_answered_by_those_there_are(tmp_path, name):
    decide(tmp_path, 1.0, 2.0)
    for choose in (chosen, lambda results, name: put_in_force(NEW, results, name)):
        with pytest.raises(UserError, match="expected one of rule0, rule1. Rec") as e:
            choose(tmp_path, name)
        assert len(str(e.value)) < 400
    assert chosen(tmp_path) == [2.0]


def test_one_that_does_not_match_is_not_in_force(tmp_path):
    decide(tmp_path, 1.0)
    write_decision(NEW, tmp_path, "l2", finetuning_result(kind="l2", threshold=2.0))
    put_in_force(NEW, tmp_path, "rule0")
    assert chosen(tmp_path, kind="l2") == [2.0]
    with pytest.raises(UserError, match="expected one of l2. Received: rule0"):
        chosen(tmp_path, "rule0", kind="l2")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "in_force.json is damaged.*: none judges until finetune.py --use puts"),
        ("{}", "in_force.json is damaged: it lacks 'decision': none judges until"),
        ('{"decision": 3}', "damaged: decision: expected a text. Received: 3: none"),
        ('{"decision": "gone"}', "the decision gone is gone: none judges until fine"),
    ],
)
def test_a_damaged_choice_is_repaired_by_another(tmp_path, content, message):
    decide(tmp_path, 1.0, 2.0)
    path = tmp_path / NEW.run / "finetuning" / IN_FORCE
    for repair in (
        lambda: put_in_force(NEW, tmp_path, "rule1"),
        lambda: write_decision(NEW, tmp_path, "rule1", finetuning_result(threshold=2)),
    ):
        path.write_text(content)
        with pytest.raises(UserError, match=message) as error:
            chosen(tmp_path)
        assert "\n" not in str(error.value)
        assert chosen(tmp_path, "rule0") == [1.0]
        repair()
        assert chosen(tmp_path) == [2.0]


def test_earlier_decisions_are_put_in_force(results):
    put_in_force(RECORD, results, "l2_float64")
    [(folder, _)] = choose_results(RECORD, results, None, None, None)
    assert folder.name == "l2_float64"


@pytest.mark.parametrize("name", ["strict", "7", "a-b_c.d", "x" * 100])
def test_names(name):
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "..", "a/b", "-a", ".a", "a.", "é", "a\n", ALL])
def test_names_that_no_folder_is_to_have(name):
    with pytest.raises(UsageError, match="expected up to 100 letters"):
        check_name(name)


def test_one_decision_is_loaded(tmp_path):
    with pytest.raises(UsageError, match="expected the name of one decision"):
        load_decided(tmp_path / "model", None, tmp_path, None, None, ALL)
