"""Config files that are damaged, or made to do harm: one line each, at once."""

import argparse
import time

import pytest

from methods.cli.config_file import LARGEST, as_arguments, read_config
from processing.errors import UsageError

LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}]\n"
    for a, b in zip("abcdefghijklm", "bcdefghijklmn", strict=True)
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LAUGHS, "line 1: expected values alone. Received: an alias or an anchor"),
        ("a: 1\nb: *a", "line 2: expected values alone. Received: an alias"),
        ("size: !!int x", "line 1: expected values alone. Received: the tag .*int"),
        ("a: !!python/object/apply:os.system [ls]", "the tag .*os.system"),
        ("a: !x 1", "Received: the tag !x"),
        ("a: " + 20_000 * "[", "line 1: expected values alone. Received: more than 16"),
        ("a: " + 10_000 * "{a: ", "more than 16"),
        (20_000 * "- " + "a", "more than 16"),
        ("a: " + "\n ".join(10_000 * "["), "more than 16"),
        ("? " * 20_000, "more than 16"),
        ("seed: 1\nw: 2\nseed: 3", "line 3: 'seed' stands there twice"),
        ("seed: 1\n'seed': 3", "line 2: 'seed' stands there twice"),
        ("a:\n  b: 1\n  b: 2", "line 3: 'b' stands there twice"),
        ("<<: {a: 1}", "line 1: expected names of options as keys"),
        ("[a]: 1", "line 1: expected names of options as keys"),
        ("{a: 1}: 1", "line 1: expected names of options as keys"),
        ("seed: " + 5000 * "9", "limit .4300( digits)?. for integer string"),
        ("a: 2026-99-99", "month must be in 1..12"),
        (f"a: {LARGEST * 'x'}", f"it is longer than {LARGEST} bytes"),
        (b"\x00\x01\x02", "special characters"),
        (b"\xff\xfe\x80", "utf-8"),
        ("a: 1\n--- \nb: 2", "expected a single document"),
        ("a: [", "expected the node content"),
        ("a: 'x", "quoted scalar"),
        ("- a", "expected lines of `option: value`"),
        ("text", "expected lines of `option: value`"),
    ],
)
def test_what_is_refused(content, message, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    start = time.perf_counter()
    with pytest.raises(UsageError, match=f"c.yaml.*{message}") as error:
        read_config(path)
    assert time.perf_counter() - start < 5
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("name", ["/dev/zero", "/nothing", "/"])
def test_files_that_are_none(name):
    from pathlib import Path

    with pytest.raises(UsageError, match=f"cannot read the config file {name}: "):
        read_config(Path(name))


def test_what_is_read(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("\ufeffa: 1\nb: [{c: 2}, {c: x}]\n", encoding="utf-8")
    assert read_config(path) == {"a": 1, "b": [{"c": 2}, {"c": "x"}]}
    path.write_text("# nothing\n")
    assert read_config(path) == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"seed": [1, 2]}, r"x: seed: expected one value. Received: \[1, 2\]"),
        ({"seed": {"a": 1}}, "x: seed: expected one value"),
        ({"pad": "no"}, "x: pad: expected true or false. Received: no"),
        ({"pad": 1}, "x: pad: expected true or false. Received: 1"),
        ({"s" * 999: 1}, "x: unknown option 's{59}...$"),
        ({None: 1}, "x: unknown option None"),
        ({3: 1}, "x: unknown option 3"),
        ({"config": "x"}, "x: unknown option 'config'"),
    ],
)
def test_values_that_no_option_has(content, message):
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed")
    parser.add_argument("--pad", action="store_true")
    with pytest.raises(UsageError, match=message):
        as_arguments(content, parser, "x")


def test_values_that_options_have():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed")
    parser.add_argument("--pad", action="store_true")
    content = {"seed": 3, "pad": True}
    assert as_arguments(content, parser, "x") == ["--seed=3", "--pad"]
    assert as_arguments({"seed": None, "pad": False}, parser, "x") == []
    assert as_arguments({"pad": None}, parser, "x") == []
