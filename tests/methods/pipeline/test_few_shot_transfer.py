import shutil
from pathlib import Path

import numpy as np
import pytest

from methods.detector.decisions import read_results
from methods.detector.model_file import load_model, read_record
from methods.pipeline import testing
from methods.pipeline.few_shot_transfer import VIEWS, transfer
from methods.pipeline.finetuning import Options
from methods.pipeline.run_folder import TrainingRun
from methods.pipeline.training import start_run, train_run
from processing.errors import UsageError, UserError

pytestmark = pytest.mark.usefixtures("eager_file", "few_blocks")
OPTIONS = {
    "size": ("--size", (64, 64)),
    "weights": ("--weights", "random"),
    "levels": ("--levels", "stage2"),
    "shots": ("--shots", 2),
}


@pytest.fixture(scope="module")
def trained(samples, tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    run, record = start_run(samples / "washer", "fewshot", OPTIONS, root=root)
    return train_run(run, record)


def test_the_shots_are_recorded_and_used(trained):
    detector, record = load_model(trained)
    splits = record.splits
    assert len(splits.shots) == 2
    assert set(splits.shots) < set(splits.fit)
    assert not set(splits.shots) & set(splits.validation)
    assert record.training["shots"] == splits.shots
    images = detector.category(record.folder).train
    chosen = images.subset([images.names.index(name) for name in splits.shots])
    for judged in detector.judge(chosen):
        assert judged.scores.max() < 1e-5


def test_another_product(trained, samples, tmp_path):
    other = with_images(samples, tmp_path / "set" / "other", 6)
    before = read_record(trained)
    options = Options(results=tmp_path / "results")
    path = transfer(trained, other, tmp_path / "models", options)
    assert read_record(trained) == before
    detector, record = load_model(path)
    assert record.run.startswith("set/other/fewshot/efficientnet_lite0/")
    assert path == tmp_path / "models" / record.run / "fewshot.hdf5"
    assert record.adapted_from == str(trained)
    assert record.config == before.config
    assert (len(record.splits.shots), len(record.splits.validation)) == (2, 4)
    with pytest.raises(UsageError, match="finished"):
        TrainingRun.resume(path.parent)
    ((_, decision),) = read_results(record, options.results, None, None)
    assert decision.source.startswith("good validation images alone")
    assert decision.finetuning_files == []
    backbones = [
        load_model(p)[0].method.networks["backbone"].weights[0] for p in (path, trained)
    ]
    np.testing.assert_array_equal(*map(np.asarray, backbones))


def with_images(samples, folder, count):
    """Return a copy of a category with `count` images to learn from."""
    other = shutil.copytree(samples / "washer", folder)
    for path in sorted((other / "train" / "good").iterdir())[count:]:
        path.unlink()
    return other


def test_the_shots_alone_are_enough(trained, samples, tmp_path):
    """The decision then comes from views of them, which it calls good."""
    other = with_images(samples, tmp_path / "set" / "other", 2)
    path = transfer(trained, other, tmp_path / "m", Options(results=tmp_path / "r"))
    detector, record = load_model(path)
    views = [Path(name) for name in record.splits.validation]
    assert len(views) == 2 * VIEWS
    assert {view.parent for view in views} == {path.parent / "views"}
    maps = next(detector.judge(detector.images(path.parent / "views"))).maps
    ((_, decision),) = read_results(record, tmp_path / "r", None, None)
    assert decision.threshold >= np.quantile(maps, 0.99) > 0
    [test] = testing.test(path, testing.Options(results=tmp_path / "r", report=False))
    assert test.result.images > 0


def test_too_few_images(trained, samples, tmp_path):
    other = with_images(samples, tmp_path / "other", 1)
    with pytest.raises(UserError, match="--shots 2 needs as many .* Received: 1"):
        transfer(trained, other, tmp_path, Options())


def test_other_methods_have_no_shots(samples, tmp_path):
    options = {k: OPTIONS[k] for k in ("size", "weights", "levels")}
    run, record = start_run(samples / "washer", "PaDiM", options, root=tmp_path)
    path = train_run(run, record)
    with pytest.raises(UsageError, match="PaDiM remembers no shots"):
        transfer(path, samples / "washer", tmp_path, Options())
