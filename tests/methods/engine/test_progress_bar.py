import io

import pytest
from rich.console import Console

from methods.engine import progress_bar
from methods.engine.progress_bar import EpochDisplay, has_bar, tracked


@pytest.mark.parametrize("terminal", [True, False])
def test_one_line_an_epoch(terminal):
    output = io.StringIO()
    console = Console(file=output, force_terminal=terminal, width=40, no_color=True)
    progress_bar = EpochDisplay(3, console)
    progress_bar.set_params({"steps": 2})
    for epoch, val_loss in enumerate([0.5, 0.6]):
        progress_bar.on_epoch_begin(epoch)
        progress_bar.on_train_batch_end(0)
        progress_bar.on_epoch_end(epoch, {"loss": 0.7, "val_loss": val_loss})
    progress_bar.on_train_end()
    lines = [line for line in output.getvalue().splitlines() if "val_loss" in line]
    assert len(lines) == 2
    assert "epoch 1/3  loss 0.7000  val_loss 0.5000 *" in lines[0]
    assert "*" not in lines[1]
    assert "0 s left" in lines[0]


@pytest.mark.parametrize("terminal", [True, False])
def test_tracked_yields_all_and_tells_the_time_left(terminal, caplog, monkeypatch):
    monkeypatch.setattr(progress_bar, "EVERY", 0.0)
    console = Console(file=io.StringIO(), force_terminal=terminal, width=60)
    with caplog.at_level("INFO"):
        assert list(tracked("abc", 3, "features", console)) == ["a", "b", "c"]
    assert ("features: 2 of 3, 0 s left" in caplog.text) != terminal


def test_a_first_step_that_takes_long_does_not_count(caplog, monkeypatch):
    monkeypatch.setattr(progress_bar, "EVERY", 0.0)
    clock = iter([0.0, 300.0, 310.0, 320.0, 330.0])
    monkeypatch.setattr(progress_bar.time, "perf_counter", lambda: next(clock))
    with caplog.at_level("INFO"):
        list(tracked("abcd", 4, "rate", Console(file=io.StringIO())))
    lines = [record.getMessage() for record in caplog.records]
    assert lines[:2] == ["rate: 1 of 4", "rate: 2 of 4, 20 s left"]


@pytest.mark.parametrize("installed", [True, False])
def test_notebooks_show_bars_by_ipywidgets(installed, monkeypatch):
    found = {"ipywidgets": installed}
    monkeypatch.setattr(progress_bar, "find_spec", lambda name: found[name] or None)
    assert has_bar(Console(force_jupyter=True)) == installed
