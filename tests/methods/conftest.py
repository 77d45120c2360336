"""A small model for tests that only use one, trainers untraced."""

import shutil
from functools import partial

import pytest

from tests.conftest import untraced

# The steps of trainers, which are few, are run; what judges is traced.
untraced_trainers = partial(untraced, "methods.engine.loss_model.LossModel")


@pytest.fixture(scope="session")
def trained_once(samples, tmp_path_factory):
    """Return a folder with a small PaDiM and its results."""
    from methods.pipeline import finetuning
    from methods.pipeline.training import start_run, train_run
    from processing.decision.calibration import Rule

    root = tmp_path_factory.mktemp("model")
    values = {"weights": "random", "levels": "stage2", "features": 3, "size": (64, 64)}
    options = {name: (f"--{name}", value) for name, value in values.items()}
    run = start_run(samples / "washer", "PaDiM", options, root=root / "models")
    path = train_run(*run)
    finetuning.finetune(path, finetuning.Options(rule=Rule(), results=root / "results"))
    return root


@pytest.fixture(scope="module")
def model(trained_once, tmp_path_factory):
    """Return the model file of a small PaDiM and the folder of its results."""
    root = tmp_path_factory.mktemp("model") / "root"
    shutil.copytree(trained_once, root)
    [path] = (root / "models").rglob("*.hdf5")
    return path, root / "results"
