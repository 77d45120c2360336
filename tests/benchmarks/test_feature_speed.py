import csv
import subprocess

import pytest

from benchmarks import feature_speed
from benchmarks.feature_speed import COLUMNS, ROOT, main, measured, worktree
from methods.jobs.child_process import ChildError
from processing.errors import UserError


def result(scale):
    times = dict.fromkeys(COLUMNS, 2.0 * scale)
    return {**times, "start_gb": 0.5, "auroc": 0.99}


def test_sides_take_turns_and_medians_are_compared(monkeypatch, tmp_path, capsys):
    done = []

    def measure(command, environment, folder):
        side = "peer" if "peer" in command else command[-1]
        done.append(side)
        return result({"keras": 1, "onnx": 0.5, "peer": 4}[side] + done.count(side) % 2)

    monkeypatch.setattr(feature_speed, "measured", measure)
    table = tmp_path / "rounds.csv"
    words = ["--methods", "padim", "fewshot", "--rounds", "3", "--anomalib", "peer"]
    assert main([str(tmp_path), *words, "--table", str(table)]) == 0
    assert done == ["keras", "onnx", "peer"] * 3 + ["keras", "onnx"] * 3
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["round"] for row in rows[:4]] == ["1", "1", "1", "2"]
    lines = capsys.readouterr().out.splitlines()
    sides = "| Keras", "| ONNX", "| anomalib"
    ours, onnx, peer = (next(x for x in lines if x.startswith(y)) for y in sides)
    assert " 4.0 |" in ours
    assert ours.endswith("| 1.00 | 1.00 |")
    assert onnx.endswith("| 1.33 | 1.33 |")  # 4 to 3
    assert peer.endswith("| 0.40 | 0.40 |")  # 4 to 10


def test_a_side_that_fails_says_why(tmp_path):
    with pytest.raises(ChildError, match="ValueError: so"):
        measured(["python3", "-c", "raise ValueError('so')"], {}, tmp_path)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no git repository")
def test_the_files_of_a_commit_are_there_and_gone(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@x.org"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run([*git, *words], check=True)
    with worktree("HEAD") as folder:
        assert (folder / ".git").exists()
    assert not folder.exists()
    with pytest.raises(UserError, match="a commit. Received: no"), worktree("no"):
        pass
    with worktree(None) as folder:
        assert folder is None
