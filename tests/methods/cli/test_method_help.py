import re

import pytest

from methods import METHODS
from methods.cli.defaults import DEFAULTS, defaults
from methods.cli.method_help import MOST
from methods.cli.train import build_parser


def shown(capsys, *argv):
    parser = build_parser()
    with pytest.raises(SystemExit) as error:
        parser.parse_args(argv)
    assert error.value.code == 0
    text = capsys.readouterr().out
    flags = {x.option_strings[-1]: x.dest for x in parser._actions}
    found = {flags[flag] for flag in re.findall(r"--[a-z-]+", text) if flag in flags}
    return text, found & DEFAULTS.keys()


def test_few_options_are_shown_unless_all_are_asked_for(capsys):
    text, options = shown(capsys, "--help")
    assert options == MOST
    assert "--help METHOD shows more" in text
    _, options = shown(capsys, "--help", "all")
    assert options == DEFAULTS.keys()


@pytest.mark.parametrize("method", METHODS)
def test_a_method_shows_its_own_options_alone(method, capsys):
    text, options = shown(capsys, "-h", method.lower())
    own = {option for option in DEFAULTS if method in defaults(option)}
    assert own <= options  # some are named in the help of others
    assert options - own <= {"shots", "size", "mask", "coreset", "encoder", "loss"}
    assert text.partition("\n\n")[2].startswith(f"{method}: ")


def test_defaults_are_those_of_the_method(capsys):
    text, _ = shown(capsys, "--help", "AnoGAN")
    line = " ".join(text.split())
    assert "are squares); default: 64 --range" in line
    assert "default: 256" not in line


def test_an_unknown_method_is_one_line(capsys):
    with pytest.raises(SystemExit) as error:
        build_parser().parse_args(["--help", "padmi"])
    assert error.value.code == 2
    assert "did you mean PaDiM?" in capsys.readouterr().err
