import pytest

from methods.cli.expansion import expand_runs
from methods.cli.train import build_parser
from tests.folders import make


def test_what_is_no_category_in_a_sweep_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(
        tmp_path, "set/nut/good/{4}.png", "set/pin/OK/{2}.png", "set/bolt/dent/1/0.png"
    )
    with pytest.warns(UserWarning, match="no category, and so left out: bolt in set"):
        runs = expand_runs(build_parser(), ["-d", "set", "-a", "padim"])
    assert [run[-3] for run in runs] == ["set/nut", "set/pin"]


def test_a_folder_that_cannot_be_listed_is_one_line(tmp_path, monkeypatch, capsys):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    make(tmp_path, "set/nut/good/{4}.png")
    monkeypatch.setattr("pathlib.Path.iterdir", refuse)
    with pytest.raises(SystemExit):
        expand_runs(build_parser(), ["-d", str(tmp_path / "set")])
    assert "cannot list" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("section", ["PaDiM:", "PaDiM: []", "PaDiM: {}"])
def test_a_section_without_options_is_one_run(section, tmp_path):
    (tmp_path / "all.yaml").write_text(section)
    arguments = ["-d", str(tmp_path), "-a", "padim", "--config"]
    [run] = expand_runs(build_parser(), [*arguments, str(tmp_path / "all.yaml")])
    assert run[-2:] == ["-a", "PaDiM"]


def test_a_method_has_one_section(tmp_path, capsys):
    (tmp_path / "all.yaml").write_text("PaDiM: {size: 64}\npadim: {size: 32}\n")
    with pytest.raises(SystemExit):
        expand_runs(build_parser(), ["-d", "x", "--config", str(tmp_path / "all.yaml")])
    assert "PaDiM stands there twice" in capsys.readouterr().err
