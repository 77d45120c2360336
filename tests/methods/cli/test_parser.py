import argparse
import logging
import os
import signal
from pathlib import Path

import pytest

from methods.cli.parser import (
    Interrupted,
    at_least,
    command_line,
    new_parser,
    one_of,
    parse,
    run_command,
    sides,
    span,
)
from processing.errors import UsageError, UserError


@pytest.fixture
def parser():
    parser = new_parser("Does things.")
    parser.add_argument("--size", type=at_least(1), default=256)
    parser.add_argument("--name", type=one_of(["mvtecCAE", "skipCAE"]))
    parser.add_argument("--input-dir", type=Path)
    parser.add_argument("--save", action="store_true")
    return parser


def fail(error):
    def body():
        raise error

    return body


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("no such\nfile"), 1, "error: no such file"),
        (UsageError("wrong"), 2, "error: wrong"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(28, "No space left on device", "a.txt"), 1, "No space left .*a.txt"),
        (ZeroDivisionError("x"), 1, "ZeroDivisionError: x .--debug shows where"),
    ],
)
def test_exit_codes_and_one_line(error, code, line, capsys):
    import re

    assert run_command(fail(error)) == code
    printed = capsys.readouterr().err
    assert len(printed.splitlines()) == 1
    assert re.search(line, printed)


def test_success_is_zero():
    assert run_command(lambda: None) == 0


def test_debug_raises():
    with pytest.raises(UserError):
        run_command(fail(UserError("x")), debug=True)


def test_names_in_any_case(parser):
    assert parser.parse_args(["--name", "MVTECcae"]).name == "mvtecCAE"


def test_config_file_then_command_line(parser, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("size: 64\nname: skipCAE\nsave: true\ninput_dir: some folder\n")
    options = parse(parser, ["--config", str(path), "--size", "32"])
    assert (options.size, options.name, options.save) == (32, "skipCAE", True)
    assert options.input_dir == Path("some folder")
    path.write_text("save: false\n")
    assert not parse(parser, ["--config", str(path)]).save


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sizes: 3", "unknown option 'sizes'; did you mean size?"),
        ("- a", "expected lines of"),
        ("a: [", "cannot read the config file"),
        ("size: 0", "at least 1. Received: 0"),
        (None, "cannot read the config file"),
    ],
)
def test_bad_config_exits_with_2(parser, tmp_path, capsys, text, message):
    path = tmp_path / "c.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit) as stop:
        parse(parser, ["--config", str(path)])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_numbers_are_checked():
    convert = at_least(0.5, float)
    assert convert("0.5") == 0.5
    for text in ("0.4", "x", "nan"):
        with pytest.raises(argparse.ArgumentTypeError, match="at least 0.5"):
            convert(text)


@pytest.mark.parametrize(
    ("text", "size"), [("256", (256, 256)), ("192x256", (192, 256)), ("1X2", (1, 2))]
)
def test_sides(text, size):
    assert sides(text) == size


@pytest.mark.parametrize("text", ["0", "a", "3x", "x3", "1x2x3", "-4", "2.5", ""])
def test_sides_that_are_none(text):
    with pytest.raises(argparse.ArgumentTypeError, match="height x width.*Received"):
        sides(text)


def test_span():
    assert span("-100,4095.5") == (-100, 4095.5)


@pytest.mark.parametrize("text", ["1", "1,2,3", "2,1", "1,1", "a,b", "nan,1", "0,inf"])
def test_spans_that_are_none(text):
    with pytest.raises(argparse.ArgumentTypeError, match="LOW,HIGH.*Received"):
        span(text)


def interrupted(error):
    def body():
        raise error

    return run_command(body, again=command_line("test.py", "-p", "a b"))


def test_the_command_that_goes_on(capsys):
    assert interrupted(KeyboardInterrupt()) == 130
    assert interrupted(Interrupted("train.py", "--resume", "x\x1b")) == 130
    assert capsys.readouterr().err.splitlines() == [
        "interrupted; to go on: python3 test.py -p 'a b'",
        r"interrupted; to go on: python3 train.py --resume 'x\x1b'",
    ]


def test_sigterm_interrupts(capsys):
    before = signal.getsignal(signal.SIGTERM)
    assert run_command(lambda: os.kill(os.getpid(), signal.SIGTERM)) == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_error_of_arguments_is_one_line(parser, capsys):
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(["--name", "skip\ncae\x1b"])
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: argument --name: unknown name ")
    assert line.endswith("--help)")
    assert "\x1b" not in line


def test_names_in_messages_are_text(capsys):
    name = "a\x1b[31m\r.png"
    run_command(lambda: logging.info("judged %s", name))
    assert capsys.readouterr().out == r"judged a\x1b[31m\r.png" + "\n"
    run_command(fail(UserError(name)))
    assert capsys.readouterr().err == r"error: a\x1b[31m .png" + "\n"
