"""The calls that Weights & Biases gets; it is not installed here."""

from types import SimpleNamespace

import pytest

from keras_anomaly import PaDiM, WandbLogger


class Run:
    def __init__(self, **options):
        self.options, self.logged, self.finished = options, [], False
        self.config, self.summary = self, {}
        self.log = self.logged.append

    def update(self, values, allow_val_change):
        assert allow_val_change
        self.noted = values

    def finish(self):
        self.finished = True


@pytest.mark.parametrize("active", [None, Run()])
def test_what_wandb_is_told(monkeypatch, active):
    fake = SimpleNamespace(run=active, init=Run)
    monkeypatch.setattr("keras_anomaly.wandb_logger.optional", {"wandb": fake}.get)
    logger, detector = WandbLogger(project="parts"), PaDiM(features=3)
    detector.decision_ = SimpleNamespace(threshold=2.5, min_area=7, TPR=1, TNR=None)
    logger.on_fit_begin(detector)
    logger.on_epoch(1, {"loss": 0.5})
    logger.on_fit_end(detector)
    run = logger.run
    assert run is active or (active is None and run.options == {"project": "parts"})
    assert run.finished == (active is None)
    assert run.noted == {"method": "PaDiM", **detector.get_params()}
    assert run.logged == [{"epoch": 1, "loss": 0.5}]
    assert run.summary == {"threshold": 2.5, "min_area": 7.0, "recall": 1.0}
