"""A training that a cluster shares: the same model as by one machine alone.

Nodes are calls in this process here; those of test_ray_tasks.py are real.
"""

import pickle
from dataclasses import replace

import numpy as np
import pytest

import train as script
from methods.base import TrainingImages
from methods.components import sharded_method as module
from methods.jobs import ray_tasks
from methods.padim.padim import PaDiM
from methods.patchcore.patchcore import PatchCore
from methods.pipeline.run_folder import TrainingRun
from processing.data.dataset import scan_category
from processing.errors import UserError

pytestmark = pytest.mark.usefixtures("eager_file", "few_blocks")
SHAPE = (32, 32, 3)
OPTIONS = {"image_shape": SHAPE, "weights": "random", "levels": "stage2"}


@pytest.fixture
def good(samples):
    return scan_category(samples / "washer", image_shape=SHAPE).train


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Let two images be a shard."""
    monkeypatch.setattr(module, "SMALLEST", 2)


@pytest.fixture
def run(tmp_path):
    run = TrainingRun(tmp_path)
    run.cluster = "somewhere"
    return run


@pytest.fixture
def here(monkeypatch):
    """Let this process be the only node; return the shards that it made."""
    made = []

    def started(work, items, address, memory, *, ordered):
        assert (address, ordered) == ("somewhere", True)
        assert memory > 2**30
        made.extend(items)
        return 1, ((item, called(pickle.dumps(work), item)) for item in items)

    def called(work, item):
        try:
            return pickle.loads(work)(item)
        except UserError as error:
            return ray_tasks.Lost(error)

    proxy = type("cluster", (), {"started": started, "Lost": ray_tasks.Lost})
    monkeypatch.setattr(module, "ray_tasks", proxy)
    return made


PARTS = [(0, 2), (2, 4), (4, 6), (6, 8), (8, 10)]


def test_sums(good, run, here):
    images = TrainingImages(good.subset(range(10)), good.subset([10, 11]))
    alone = PaDiM(**OPTIONS, features=3).fit(images)
    shared = PaDiM(**OPTIONS, features=3).fit(images, run)
    assert here == PARTS
    batch = next(good.batches(3))
    expected = alone.anomaly_map(batch)
    np.testing.assert_allclose(shared.anomaly_map(batch), expected, rtol=1e-4)


def test_patches_of_a_fit_and_of_an_update(good, run, here):
    images = TrainingImages(good.subset(range(10)), good.subset([10, 11]))
    alone, shared = (PatchCore(**OPTIONS, patches=20) for _ in range(2))
    for made in (PARTS, [*PARTS, (0, 1), (1, 3)]):
        for method, where in ((alone, None), (shared, run)):
            if made is PARTS:
                method.fit(images, where)
            else:
                method.update(replace(images, good=good.subset([9, 10, 11])), where)
        assert here == made
        banks = [method.networks["bank"].bank for method in (shared, alone)]
        np.testing.assert_allclose(*banks, rtol=1e-3, atol=1e-6)


def test_too_few_images_to_share(good, run, here):
    for features, few in ((3, [0, 1]), (20, [0, 1, 3])):
        images = TrainingImages(good.subset(few), good.subset([2]))
        PaDiM(**OPTIONS, features=features).fit(images, run)
    assert here == []


def test_an_image_that_is_gone(good, run, here, tmp_path):
    gone = good.subset(range(11)).with_good([tmp_path / "gone.png"])
    with pytest.raises(UserError, match="training images 11 to 12: .*gone.png"):
        PatchCore(**OPTIONS, patches=20).fit(TrainingImages(gone, good), run)


@pytest.mark.parametrize("name", ["mvtecCAE", "fewshot"])
def test_methods_that_train_on_one_machine(name, samples, tmp_path, capsys):
    arguments = ["-d", str(samples / "washer"), "-a", name, "--ray", "local"]
    assert script.main([*arguments, "--models", str(tmp_path / "models")]) == 2
    assert f"--ray: {name} trains on one machine" in capsys.readouterr().err
    assert not (tmp_path / "models").exists()
