import argparse
import inspect
from dataclasses import MISSING, fields

import pytest

import methods
from methods.cli.defaults import DEFAULTS, Derived, defaults, wording
from methods.cli.method_options import add_method_options
from processing.data.splits import VALIDATION
from processing.preprocessing.preparation import Preparation

OF_IMAGES = {"color", "size"}  # which follow from the class
PREPARATION = {
    item.name: item.default
    for item in fields(Preparation)
    if item.default is not MISSING and item.name != "arrays"
}


@pytest.mark.parametrize("name", methods.METHODS)
def test_defaults_are_those_of_the_signature(name):
    kind = methods.get(name)
    parameters = inspect.signature(kind).parameters
    of_code = {
        key: parameter.default
        for key, parameter in parameters.items()
        if key not in ("name", "image_shape")
    }
    of_code |= {**PREPARATION, "size": kind.size, "color": kind.color({})}
    of_code["validation"] = VALIDATION
    stated = {key: defaults(key)[name] for key in DEFAULTS if name in defaults(key)}
    assert stated.keys() == of_code.keys()  # no option without a parameter, or reverse
    for key, value in stated.items():
        if key == "color":
            assert value.startswith(of_code[key])
        elif isinstance(value, Derived):
            assert of_code[key] is None
        else:
            assert (value, type(value)) == (of_code[key], type(of_code[key]))


def test_every_option_has_a_default_and_states_it():
    parser = argparse.ArgumentParser(add_help=False)
    add_method_options(parser)
    assert {action.dest for action in parser._actions} == set(DEFAULTS)
    for action in parser._actions:
        assert action.default is None
        assert action.help.endswith(wording(action.dest))
        assert action.help.count("default") == wording(action.dest).count("default")
        switch = all(value is False for value in defaults(action.dest).values())
        assert switch == (action.nargs == 0) == (not wording(action.dest))


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("seed", "; default: 42"),
        ("sigma", "; default: 4; 2 for AnoGAN; 4 at a side of 256 for diffusion"),
        ("start", "; default: 250 for DDAD; 200 for AnoDDPM"),
        ("color", "; default: rgb; grayscale, but rgb with mssim, for CAEs"),
        ("pad", ""),
    ],
)
def test_wording(option, text):
    assert wording(option) == text


def test_of_two_entries_the_later_one_counts():
    assert defaults("size")["DDAD"] == 128
    assert defaults("size")["PaDiM"] == 256
