"""Every record with each key left out, and each value of another type."""

import copy
import json
from dataclasses import dataclass, field

import pytest

from methods.detector.json_record import JsonRecord, checked
from methods.detector.records import TrainingRecord
from methods.detector.results import Calibration, FinetuningResult, TestResult
from processing.errors import UserError
from tests.methods.detector.test_records import ONE, SEVERAL
from tests.records import finetuning_result, result_of_test

RULED = finetuning_result(
    score=None,
    calibration=Calibration(name="max", number=None, good_scores=[0.25, 1]),
)
RECORDS = (ONE, SEVERAL, finetuning_result(), RULED, result_of_test())
WRONG = (None, True, 3, 2.5, "text", ["text"], [3], {"text": 3}, [[]])
# Keys whose records are whole without them; "" stands for what a dict holds.
OPTIONAL = {
    TrainingRecord: {
        *("preparation", "options", "versions", "added", "updated_from"),
        *("adapted_from", "training", "shots", "defective", "test", "id", ""),
        *("labels", "mask"),
    },
    FinetuningResult: {
        *("id", "number", "created", "model_id"),
        *("good_level", "TPR", "TNR", "margin", "score_interval_95", "calibration"),
        *("options", "versions", ""),
    },
    TestResult: {"options", "versions", "decision", ""},
}
FREE = {"config", "preparation", "options", "training"}  # objects of anything


def places(content, path=()):
    """Yield the path of each key of the objects in JSON."""
    for key, value in content.items():
        yield (*path, key)
        if isinstance(value, dict) and key not in FREE:
            yield from places(value, (*path, key))


CASES = [(record, path) for record in RECORDS for path in places(record.to_json())]


def changed(record, path, change):
    """Return the JSON of a record in which the object of a path was changed."""
    content = copy.deepcopy(record.to_json())
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    change(inner)
    return content


def outcome(record, content):
    """Return the error that reading the content gives, on one line, if any."""
    try:
        again = type(record).from_json(content, "a file")
    except UserError as error:
        return str(error)
    assert json.loads(json.dumps(again.to_json())) == again.to_json()
    return ""


@pytest.mark.parametrize(("record", "path"), CASES)
def test_a_missing_key_is_named(record, path):
    error = outcome(record, changed(record, path, lambda inner: inner.pop(path[-1])))
    if error:
        assert error.startswith("a file is damaged: ")
        assert path[-1] in error
        assert "\n" not in error
    else:
        in_dict = path[0] in ("versions", "confusion", "undefined", "classes")
        in_dict |= path[:-1] in (("categories",), ("splits", "labels"))
        assert in_dict or path[-1] in OPTIONAL[type(record)]


@pytest.mark.parametrize(("record", "path"), CASES)
def test_a_value_of_another_type_is_named(record, path):
    content = record.to_json()
    for key in path:
        content = content[key]
    refused = 0
    for wrong in WRONG:
        if type(wrong) is type(content) and wrong != [3] and wrong != {"text": 3}:
            continue
        change = {path[-1]: wrong}
        error = outcome(record, changed(record, path, lambda x, y=change: x.update(y)))
        if error:
            assert error.startswith("a file is damaged: ")
            assert path[-1] in error
            refused += 1
    assert refused >= (0 if path[0] == "classes" and len(path) > 2 else 5)


DEEP: list = []
for _ in range(500):
    DEEP = [DEEP]
HOSTILE = (
    *(
        float("nan"),
        float("inf"),
        -1,
        10**400,
        -0.0,
        1e308,
        "",
        "..",
        "a\0b",
        "x" * 9999,
    ),
    *("\ud800", "/etc/passwd", DEEP, {"": {}}, ["a", "a"], [1e308, -1], [float("nan")]),
)


@pytest.mark.parametrize(("record", "path"), CASES)
def test_whatever_a_value_is_replaced_by(record, path):
    for hostile in HOSTILE:
        change = {path[-1]: hostile}
        content = changed(record, path, lambda x, y=change: x.update(y))
        try:
            again = type(record).from_json(content, "a file")
        except UserError as error:
            message = str(error)
            assert message.startswith("a file is damaged: ")
            assert len(message) < 400
            assert "\n" not in message
        else:
            read = again.to_json()
            assert all(repr(read[key]) == repr(content[key]) for key in read)


@dataclass(frozen=True, kw_only=True)
class Inner(JsonRecord):
    size: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Outer(JsonRecord):
    KEYS = {"name": "called"}

    name: str
    limit: float = 0.0
    inner: Inner | None = None
    parts: list[Inner] = field(default_factory=list)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "expected an object. Received: None"),
        ([], "expected an object. Received: []"),
        ({}, "it lacks 'called'"),
        ({"called": 1}, "called: expected a text. Received: 1"),
        ({"limit": True}, "limit: expected a finite number. Received: True"),
        ({"limit": float("nan")}, "limit: expected a finite number. Received: nan"),
        ({"limit": 10**400}, f"limit: expected a finite number. Received: 1{'0' * 59}"),
        ({"inner": []}, "inner: expected an object. Received: []"),
        ({"inner": {}}, "it lacks 'inner.size'"),
        (
            {"inner": {"size": [1]}},
            "inner.size: expected a list of 2 whole numbers. Received: [1]",
        ),
        (
            {"inner": {"size": [1, 2.0]}},
            "inner.size: expected a whole number. Received: 2.0",
        ),
        ({"parts": "abc"}, "parts: expected a list of objects. Received: 'abc'"),
        ({"called": ["x" * 99]}, f"called: expected a text. Received: ['{'x' * 58}..."),
        ({"called": "a", "limit": {"\n": 1}}, "limit: expected a finite number."),
    ],
)
def test_what_was_expected_and_what_received(content, message):
    if isinstance(content, dict) and content:
        content = {"called": "a", **content}
    with pytest.raises(UserError) as error:
        Outer.from_json(content, "a file")
    assert str(error.value).startswith(f"a file is damaged: {message}")


def test_a_float_may_be_written_as_a_whole_number():
    assert Outer.from_json({"called": "a", "limit": 3}, "").limit == 3


def test_tuples_and_inner_records_are_lists_and_objects():
    record = Outer(name="a", inner=Inner(size=(1, 2)), parts=[Inner(size=(3, 4))])
    content = {"called": "a", "inner": {"size": [1, 2]}, "parts": [{"size": [3, 4]}]}
    assert record.to_json() == content
    assert Outer.from_json(content, "") == record


def test_too_deep(tmp_path):
    path = tmp_path / "deep.json"
    path.write_text('{"called": ' + "[" * 100_000)
    with pytest.raises(UserError, match="deep.json is damaged: "):
        Outer.read(path)
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(UserError, match="a file is damaged: "):
        Outer.from_json({"called": deep}, "a file")


def test_any_value():
    assert checked(dict[str, object] | None, None, "") is None
