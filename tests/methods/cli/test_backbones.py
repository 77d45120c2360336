import subprocess
import sys

import pytest

from methods.backbones import BACKBONES, pretrained
from methods.cli.backbones import main
from processing.errors import UserError


def test_list(capsys, monkeypatch):
    monkeypatch.setattr(pretrained, "local", lambda name: name == "resnet18" or None)
    assert main(["list"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[0] == "name"
    assert [row.split()[0] for row in rows] == list(BACKBONES)
    row = rows[list(BACKBONES).index("resnet18")]
    assert "layer2:128/8" in row
    assert row.split()[-2:] == ["BSD-3-Clause", "yes"]
    assert rows[0].endswith("no")


def test_fetch(capsys, monkeypatch):
    monkeypatch.setattr(pretrained, "fetch", lambda name: f"/there/{name}")
    assert main(["fetch", "ResNet18"]) == 0
    assert capsys.readouterr().out == "/there/resnet18\n"


def test_a_failure_is_one_line(capsys, monkeypatch):
    def fetch(name):
        raise UserError("not here")

    monkeypatch.setattr(pretrained, "fetch", fetch)
    assert main(["fetch", "resnet18"]) == 1
    assert capsys.readouterr().err == "error: not here\n"


def test_an_unknown_name(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["fetch", "resnet19"])
    assert "did you mean resnet18?" in capsys.readouterr().err


def test_the_command_does_not_import_keras():
    code = (
        "import sys; from methods.cli.backbones import main; main(['list']); "
        "sys.exit('keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
