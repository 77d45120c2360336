import sys

import numpy as np
import pytest

from benchmarks.metrics import CONTENDERS, main, make_arrays

SMALL = ["--sets", "6x32", "--seconds", "0"]


def cells(printed):
    """Return the cells of each row by its name."""
    rows = {}
    for line in printed.splitlines():
        for name in CONTENDERS:
            if line.startswith(name):
                rows[name] = line.removeprefix(name).split()
    return rows


def test_rows_agree_on_the_same_arrays(capsys):
    names = ["this project", "scikit-learn AUROC", "scikit-learn AP, F1max"]
    assert main([*SMALL, "--rows", *names]) == 0
    rows = cells(capsys.readouterr().out)
    assert list(rows) == names
    ours = [float(x) for x in rows["this project"]]
    cpu, wall, memory, *metrics = ours
    assert cpu > 0
    assert wall > 0
    assert memory >= 0
    assert [float(rows[names[1]][3])] == pytest.approx(metrics[:1], abs=1e-8)
    assert [float(x) for x in rows[names[2]][3:]] == pytest.approx(metrics[1:3])


def test_what_is_not_there_and_what_fails_is_told(capsys, monkeypatch):
    monkeypatch.setitem(CONTENDERS, "this project", ("no_such_package", None))
    monkeypatch.setattr(sys, "executable", "false")
    assert main([*SMALL, "--rows", "this project", "scikit-learn AUROC"]) == 0
    printed = capsys.readouterr().out
    assert "is not installed" in printed
    assert "failed with exit code 1" in printed


def test_made_arrays_have_good_and_defective_maps():
    maps, masks = make_arrays(np.random.default_rng(0), 8, 64)
    assert maps.shape == masks.shape == (8, 64, 64)
    assert maps.dtype == np.float32
    assert masks.any(axis=(1, 2)).tolist() == [False] * 2 + [True] * 6
    assert maps[masks].mean() > maps[~masks].mean()


@pytest.mark.parametrize("text", ["100", "1x64", "5x16", "axb"])
def test_sets_that_cannot_be_made(text, capsys):
    with pytest.raises(SystemExit):
        main(["--sets", text])
    assert "--sets" in capsys.readouterr().err
