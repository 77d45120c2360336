import importlib
import sys
from configparser import ConfigParser

import pytest

from methods import __version__
from methods.cli import command
from methods.cli.parser import AS_COMMAND, command_line
from tests.rooms import ROOT


@pytest.fixture
def command_name(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["keras-anomaly"])


@pytest.mark.parametrize("argv", [[], ["-h"], ["--help"]])
def test_help_lists_the_commands(argv, command_name, capsys):
    assert command.run(argv) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name}" in shown for name in command.COMMANDS)


def test_version(command_name, capsys):
    assert command.run(["--version"]) == 0
    assert capsys.readouterr().out == f"keras-anomaly {__version__}\n"


@pytest.mark.parametrize("name", command.COMMANDS)
def test_every_command_can_be_started(name):
    assert callable(importlib.import_module(command.COMMANDS[name][0]).main)


def test_a_command_gets_its_options(command_name, tmp_path, capsys):
    few = ["--train=1", "--good=1", "--defects=1", "--size=32"]
    assert command.run(["samples", str(tmp_path), *few]) == 0
    assert (tmp_path / "washer/train/good/000.png").is_file()


@pytest.mark.parametrize(
    ("argv", "line", "program"),
    [
        (["trian"], "unknown name 'trian': did you mean train?", "keras-anomaly"),
        (["test"], "the following arguments are required:", "keras-anomaly test"),
    ],
)
def test_mistakes_are_one_line(argv, line, program, command_name, capsys):
    try:
        code = command.run(argv)
    except SystemExit as error:
        code = error.code
    shown = capsys.readouterr().err
    assert (code, shown.count("\n")) == (2, 1)
    assert shown.startswith(f"error: {line}")
    assert shown.endswith(f"(see {program} --help)\n")


def test_it_tells_to_type_its_own_name(command_name, monkeypatch):
    typed = command_line("finetune.py", "-p", "a model.hdf5")
    assert typed == "python3 finetune.py -p 'a model.hdf5'"
    monkeypatch.setenv(AS_COMMAND, "")  # restored afterwards
    assert command.main() == 0
    typed = command_line("finetune.py", "-p", "a model.hdf5")
    assert typed == "keras-anomaly finetune -p 'a model.hdf5'"


def test_it_is_what_is_installed():
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    scripts = setup["options.entry_points"]["console_scripts"]
    assert scripts.strip() == "keras-anomaly = methods.cli.command:main"
