"""Seeds, tiny data sets and tiny trainings for every test."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Networks of tests are small: JAX takes longer to compile them than to run them.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import numpy as np
import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keep in one process what shares fixtures: a file, or a method of the contract."""
    for item in items:
        shared = [str(item.path)]
        if item.path.name == "test_contract.py":
            shared.append(item.callspec.params["name"])
        item.add_marker(pytest.mark.xdist_group("-".join(shared)))


@pytest.fixture(autouse=True)
def seeded():
    np.random.seed(0)  # noqa: NPY002 - libraries under test may use the global state


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def samples(tmp_path_factory):
    """Return a folder with the category `washer`: 12 train, 4 good, 4x3 defective."""
    from processing.samples import write_samples

    root = tmp_path_factory.mktemp("data") / "samples"
    write_samples(root, train=12, good=4, defects=3, size=64, categories=("washer",))
    return root


@pytest.fixture
def short_epochs(monkeypatch):
    """Let an epoch have as few images as the set."""
    monkeypatch.setattr("autoencoder.training.EPOCH_IMAGES", 1)
