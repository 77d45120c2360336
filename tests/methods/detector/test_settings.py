"""Settings out of files and command lines: their types, names and ranges."""

import argparse
import math

import pytest

import methods
from methods.cli.defaults import DEFAULTS, defaults
from methods.cli.method_options import add_method_options
from methods.detector.model_file import unfitted
from methods.detector.records import TrainingRecord
from methods.detector.settings import CHOICES, LARGEST_SIDE, RANGES
from processing.errors import UserError
from tests.records import training_record

PREPARATION = {"size": [256, 256], "channels": 3, "span": [0, 1], "crop": None}
FAMILIES = ("PaDiM", "fewshot", "DDAD", "AnoDDPM", "AnoGAN", "contrastive", "mvtecCAE")
FAMILIES += ("AE", "CNN", "PatchCore", "ensemble", "unified", "featureCAE")
HOSTILE = (
    *(None, True, -1, 0, 10**6, 10**400, 2.5, 1e308, math.nan, math.inf, "", "x"),
    *("9" * 5000, "../../x", "/etc/passwd", [], [0, 0], [-1, 64], [64, 64, 64, 64]),
    *([10**6, 10**6], [1, "a"], ["a"], {}, {"a": {}}, [[[]]], [math.nan, 1], [2, 1]),
)


def record(method="PaDiM", config=None, preparation=None):
    kind = methods.get(method)
    size = [kind.size, kind.size]
    return training_record(
        method,
        config={"name": method, "image_shape": [*size, 3], **(config or {})},
        preparation={**PREPARATION, "size": size, **(preparation or {})},
    )


def outcome(of):
    """Return the error that a record gives, on one line, if any."""
    try:
        unfitted(of, {}, "m.hdf5")
    except UserError as error:
        message = str(error)
        assert len(message) < 400
        assert "\n" not in message
        return message
    return ""


@pytest.mark.parametrize("method", FAMILIES)
def test_whatever_a_setting_is_replaced_by(method):
    assert outcome(record(method)) == ""
    size = methods.get(method).size
    known = methods.get(method)(name=method, image_shape=(size, size, 3)).get_config()
    for key, value in known.items():
        refused = [x for x in HOSTILE if outcome(record(method, config={key: x}))]
        assert len(refused) >= len(HOSTILE) - (14 if isinstance(value, str) else 9), key
    assert "config holds 'notes'" in outcome(record(method, config={"notes": 1}))


@pytest.mark.parametrize(("earlier", "number"), [(False, 1), (True, 4)])
def test_rotations_of_earlier_versions_were_quarters(earlier, number):
    content = record("fewshot", config={"rotations": earlier}).to_json()
    read = TrainingRecord.from_json(content | {"options": {"rotations": True}}, "")
    assert unfitted(read, {}, "m.hdf5").method.rotations == number
    assert read.options == {"rotations": 4}
    own = TrainingRecord.from_json(content | {"method": "my.module:Own"}, "")
    assert own.config["rotations"] is earlier


def test_the_record_of_a_new_run_has_tuples():
    assert outcome(record(preparation={"size": (256, 256), "span": (0, 1)})) == ""


@pytest.mark.parametrize("key", [*PREPARATION, "pad", "register", "reference", "mask"])
def test_whatever_the_preparation_is_replaced_by(key):
    refused = [x for x in HOSTILE if outcome(record(preparation={key: x}))]
    assert len(refused) >= len(HOSTILE) - 6, key


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": [10**6, 10**6]}, "size: expected 1 to 16384. Received: (1000000, "),
        ({"tile": 0}, "preparation.tile: expected 1 to 16384. Received: 0"),
        ({"tile": 10**6}, "preparation.tile: expected 1 to 16384. Received: 1000000"),
        ({"channels": 2}, "preparation.channels: expected one of 1, 3. Received: 2"),
        ({"register": "x"}, "register: expected one of orb, ecc. Received: 'x'"),
        ({"span": [2, 1]}, "span: expected the lower number first. Received: (2, 1)"),
        ({"crop": "x"}, "crop: expected a list of 2 whole numbers. Received: 'x'"),
        ({"notes": 1}, "preparation holds 'notes', which is unknown"),
        ({"size": [64, 64]}, "images prepared to (64, 64, 3), the method takes (256,"),
    ],
)
def test_a_preparation_that_is_damaged(change, message):
    assert message in outcome(record(preparation=change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "config.seed: expected 0 to 4294967295. Received: -1"),
        ({"sigma": "a"}, "config.sigma: expected a finite number. Received: 'a'"),
        ({"features": 10**9}, "config.features: expected 1 to 4096. Received: 1000"),
        ({"backbone": "x"}, "config.backbone: expected one of efficientnet_lite0, eff"),
        ({"image_shape": [1, 2]}, "image_shape: expected a list of 3 whole numbers."),
    ],
)
def test_a_configuration_that_is_damaged(change, message):
    assert message in outcome(record(config=change))


NUMBERS = [key for key in RANGES if key in DEFAULTS and key not in ("size", "crop")]


@pytest.mark.parametrize("key", NUMBERS)
def test_defaults_are_in_their_ranges_and_options_are_held_to_them(key, capsys):
    low, high = RANGES[key]
    parser = argparse.ArgumentParser(prog="x")
    add_method_options(parser)
    [action] = [action for action in parser._actions if action.dest == key]
    flag = action.option_strings[-1]
    numbers = [x for x in defaults(key).values() if not isinstance(x, str)]
    for value in (*numbers, low, high):
        assert low <= value <= high
        assert getattr(parser.parse_args([f"{flag}={value}"]), key) == value
    for wrong in (low - 1, high * 2, "nan", "inf", "9" * 5000, "x", ""):
        with pytest.raises(SystemExit):
            parser.parse_args([f"{flag}={wrong}"])
        line = capsys.readouterr().err.splitlines()[-1]
        assert f"{flag}: expected a number of at" in line
        assert len(line) < 200


@pytest.mark.parametrize("flag", ["--size", "--crop"])
def test_sides_are_held_to_their_range(flag):
    parser = argparse.ArgumentParser()
    add_method_options(parser)
    assert parser.parse_args([flag, f"{LARGEST_SIDE}x1"])
    for wrong in (f"{LARGEST_SIDE + 1}", f"64x{10**6}", "9" * 5000):
        with pytest.raises(SystemExit):
            parser.parse_args([flag, wrong])


def test_defaults_are_among_the_choices():
    for key in CHOICES.keys() & DEFAULTS.keys() - {"register"}:
        assert {*defaults(key).values()} <= {*CHOICES[key]}
