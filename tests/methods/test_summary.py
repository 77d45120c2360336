from pathlib import Path
from types import SimpleNamespace

import pytest

from methods import summary
from methods.testing import Options
from processing.errors import UserError
from processing.pages import FIGURES


@pytest.fixture
def judged(monkeypatch, tmp_path):
    """Let models be judged by their name; return a function that runs a summary."""
    runs = {}

    def test(model, options):
        if model.stem == "broken":
            raise UserError("it is\n broken")
        run = f"mvtec/bottle/mvtecCAE/a/b/01-02-2026_00-00-0{len(runs)}_2"
        runs[model] = {"run": run}
        folder = options.results / run / "test" / "ssim_float64"
        result = {**dict.fromkeys(FIGURES), "image_auroc": 0.75, "images": 3}
        result |= {"min_area": 1, "threshold": 0.5, "decided_by": "me", "model": "m"}
        return [SimpleNamespace(folder=folder, result=result)]

    monkeypatch.setattr(summary, "test", test)
    monkeypatch.setattr(summary, "read_record", runs.__getitem__)

    def run(names, **options):
        for name in names:
            path = tmp_path / "models" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        options = Options(results=tmp_path / "results", **options)
        return summary.summarise(tmp_path / "models", options)

    return run


def test_a_model_that_fails_does_not_stop_the_others(judged, tmp_path, caplog):
    caplog.set_level("INFO")
    path, failures = judged(["a/x.hdf5", "broken.hdf5", "z.hdf5", "z/.half-x.hdf5"])
    assert failures == [(str(tmp_path / "models/broken.hdf5"), "it is broken")]
    assert path == tmp_path / "results/summary.html"
    table = (tmp_path / "results/summary.csv").read_text().splitlines()
    assert len(table) == 3
    assert table[1].startswith("mvtec,bottle,mvtecCAE,a/b,2026-02-01 00:00:00,ssim_")
    assert "image AUROC 0.750, pixel AUROC –" in caplog.text
    assert "3/3" in caplog.text


def test_nothing_could_be_tested(judged, tmp_path):
    with pytest.raises(UserError, match="none of 1 models .* the first: it is broken"):
        judged(["broken.hdf5"])
    assert not (tmp_path / "results").exists()


def test_reports_that_were_not_written_are_not_linked(judged):
    path, _ = judged(["x.hdf5"], report=False)
    assert "<a href" not in path.read_text(encoding="utf-8")
    assert "report" in Path(path.with_suffix(".csv")).read_text().splitlines()[0]
