import shutil
from pathlib import Path

import numpy as np
import pytest

import finetune
import methods
import test as test_script
import train
from methods.detector.categories import load_category
from methods.detector.model_file import read_record
from methods.detector.results import FinetuningResult
from methods.pipeline.few_shot_transfer import transfer
from methods.pipeline.finetuning import Options
from methods.pipeline.multi_category import start_run
from processing.data.dataset import scan_dataset
from processing.errors import UsageError
from processing.samples import write_samples

pytestmark = pytest.mark.usefixtures("eager_file", "few_blocks")
NAMES = ("fabric", "washer")
QUICK = ["--size", "64", "--weights", "random", "--epochs", "1", "--shots", "2"]
QUICK += ["--levels", "stage2"]


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Return a data set of several categories."""
    root = tmp_path_factory.mktemp("several") / "samples"
    write_samples(root, train=8, good=4, defects=3, size=64, categories=NAMES)
    return root


@pytest.fixture(scope="module")
def trained(samples):
    """Return the model of all categories, which went through the scripts."""
    root = samples.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr("methods.engine.batches.EPOCH_IMAGES", 1)
        table = root / "wrong.csv"
        rows = (
            "samples/washer/test/hole/000.png,good\nsamples/fabric/train/good/003.png,x"
        )
        table.write_text(f"path,label\n{rows}\n")
        options = ["-d", str(samples), "-a", "unified", "--labels", str(table), *QUICK]
        assert train.main(options) == 0
        (model,) = root.glob("saved_models/*/several/unified/**/*.hdf5")
        assert finetune.main(["-p", str(model)]) == 0
        assert test_script.main(["-p", str(model), "--no-report"]) == 0
    return model


def results(model, name):
    """Return the folder of one category's results."""
    dataset, _, *rest = read_record(model).run.split("/")
    root = next(p for p in model.parents if (p / "results").is_dir())
    return root / "results" / Path(dataset, name, *rest)


def test_categories_of_a_data_set(samples):
    assert [folder.name for folder in scan_dataset(samples)] == list(NAMES)
    assert scan_dataset(samples / "washer") == []  # a category itself


def test_each_category_is_finetuned_and_tested(trained):
    for name in NAMES:
        files = sorted(p.name for p in results(trained, name).glob("*/*/*_result.json"))
        assert files == ["finetuning_result.json", "test_result.json"]


def test_one_category_by_its_name(trained, capsys, tmp_path):
    options = ["-p", str(trained), "--results", str(tmp_path)]
    assert finetune.main([*options, "-d", "washer"]) == 0
    assert capsys.readouterr().out.count("threshold:") == 1
    options += ["--category", "washer", "--no-report"]
    assert test_script.main(options) == 0
    assert "/washer/unified/" in capsys.readouterr().out


def test_the_category_must_be_known(trained, capsys, samples):
    for options in (["--category", "screw"], ["-d", str(samples / "washer" / "test")]):
        assert test_script.main(["-p", str(trained), *options]) == 2
        assert "expected --category" in capsys.readouterr().err


def test_views_differ_in_memory_and_splits(trained):
    views = [load_category(trained, Path(name)) for name in NAMES]
    (_, fabric), (_, washer) = views
    assert fabric.category == "fabric"
    assert washer.folder.endswith("/washer")
    for detector, record in views:
        labels = record.splits.labels
        images = detector.category(Path(record.folder), labels=labels).train
        chosen = [images.names.index(x) for x in record.splits.shots]
        for judged in detector.judge(images.subset(chosen)):
            assert judged.scores.max() < 1e-5


def test_labels_of_a_table_are_for_the_category_of_their_folder(trained):
    fabric, washer = (x.splits for x in read_record(trained).categories.values())
    assert fabric.labels == {"train/good/003.png": {"label": "x", "split": "train"}}
    assert washer.labels == {"test/hole/000.png": {"label": "good", "split": "train"}}
    assert "train/good/003.png" not in fabric.fit + fabric.validation
    assert "test/hole/000.png" in washer.fit + washer.validation


def test_labels_decide_in_the_category_of_their_folder(trained, samples, tmp_path):
    table = tmp_path / "labels.csv"
    names = [f"test/hole/00{i}.png" for i in (1, 2)]
    rows = [f"{samples}/washer/{name},good\n" for name in names]
    table.write_text("path,label\n" + "".join(rows))
    options = ["-p", str(trained), "--results", str(tmp_path), "--labels", str(table)]
    assert finetune.main(options) == 0
    found = {
        path.parts[len(tmp_path.parts) + 1]: FinetuningResult.read(path).labels
        for path in tmp_path.rglob("finetuning_result.json")
    }
    assert found["fabric"] is None
    assert (found["washer"].good, found["washer"].test_files) == (2, names)


def test_labels_of_no_category_are_refused(trained, samples, tmp_path, capsys):
    table = tmp_path / "labels.csv"
    table.write_text(f"path,label\n{samples}/washer/test/hole/001.png,good\n")
    options = ["-p", str(trained), "--labels", str(table)]
    assert finetune.main([*options, "-d", "fabric"]) == 2
    assert "expected images in " in capsys.readouterr().err
    shutil.copytree(samples / "washer/test", tmp_path / "other")
    table.write_text("path,label\nother/hole/001.png,good\n")
    again = ["-d", str(samples), "-a", "unified", "--labels", str(table)]
    for main, given in ((finetune.main, options), (train.main, again)):
        assert main(given) == 2
        line = capsys.readouterr().err
        assert "in the folders of the categories fabric, washer. Received: /" in line


def test_shots_of_another_product(trained, samples, tmp_path):
    other = shutil.copytree(samples / "washer", tmp_path / "set" / "other")
    path = transfer(trained, other, tmp_path / "m", Options(results=tmp_path / "r"))
    record = read_record(path)
    assert record.category == "other"
    assert not record.categories


def test_a_method_of_one_category_is_refused(samples):
    with pytest.raises(UsageError, match="PaDiM learns one category"):
        start_run(scan_dataset(samples), "PaDiM", {})


def test_in_other_programs(trained):
    root = next(p for p in trained.parents if (p / "results").is_dir())
    photo = np.zeros((1, 64, 64, 3), np.uint8)
    predictions = [
        methods.load(trained, results=root / "results", category=name).predict(photo)
        for name in NAMES
    ]
    assert predictions[0].scores != predictions[1].scores
    with pytest.raises(UsageError, match="one of fabric, washer. Received: none"):
        methods.load(trained, results=root / "results")


def test_a_preparation_of_one_category_is_refused(samples, capsys):
    options = ["-d", str(samples), "-a", "unified", "--mask", "foreground"]
    assert train.main(options) == 2
    assert "learned from one category" in capsys.readouterr().err
