"""Scoring on a cluster: every image once, with the scores of this process."""

import json
import pickle
import shutil
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import test as script
from methods.detector import decisions
from methods.pipeline import batch_scoring, finetuning, testing
from methods.pipeline.batch_scoring import score
from methods.pipeline.judging import NOT_JUDGED
from methods.pipeline.testing import Options
from processing.data.remote_sources import Source, count
from processing.decision.calibration import Rule
from processing.errors import UsageError, UserError
from processing.files import read_table

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("eager_file")]


@pytest.fixture
def images(samples, tmp_path):
    """Return a folder with the 16 test images and one that is none."""
    folder = tmp_path / "many"
    shutil.copytree(samples / "washer/test", folder)
    (folder / "good/broken.png").write_bytes(b"no image")
    return folder


def rows(folder):
    """Return all scores, and how many images each file has."""
    tables = [pd.read_parquet(path) for path in sorted(folder.glob("part-*"))]
    return pd.concat(tables).sort_values("file"), [len(table) for table in tables]


@pytest.fixture
def results(model, tmp_path):
    """Return a copy of the model's results, without scores."""
    ignore = shutil.ignore_patterns("scored")
    return shutil.copytree(model[1], tmp_path / "other", ignore=ignore)


@pytest.fixture
def here(monkeypatch):
    """Let this process do what a node would, with what would be sent to it."""

    def started(work, items, address, memory):
        work = pickle.loads(pickle.dumps(work))
        return 1, ((item, work(item)) for item in items)

    monkeypatch.setattr(batch_scoring, "ray_tasks", SimpleNamespace(started=started))


def check_every_image_once(path, results, images, address):
    """Score, mend what was unreadable, add an image, and score again."""
    options = Options(results=results, skip_unreadable=False)
    broken = r"not judged: 1: good/broken.png: .*\(--skip-unreadable leaves"
    with pytest.raises(UserError, match=broken):
        score(path, str(images), options, address)
    [target] = results.rglob("scored/many")
    table, _ = rows(target)
    assert len(table) == 16  # the others of its part, too
    [line] = read_table((target / NOT_JUDGED).read_text())
    assert (line["file"], line["size"]) == ("good/broken.png", "8")
    (images / "good/broken.png").unlink()
    shutil.copy(images / "good/000.png", images / "good/broken.png")  # mended
    shutil.copy(images / "good/001.png", images / "good/later.png")
    folder, count = score(path, str(images), options, address)
    table, sizes = rows(folder)
    assert count == 18
    assert sizes == [3, 3, 3, 3, 3, 2, 1]
    expected = testing.predict(path, replace(options, images=images, report=False)).rows
    expected = pd.DataFrame(expected).sort_values("file")
    pd.testing.assert_frame_equal(
        table.reset_index(drop=True), expected.reset_index(drop=True), rtol=1e-4
    )
    again, _ = score(path, str(images), options, "nowhere:1")  # nothing is left to do
    assert again == folder
    assert not list(folder.glob(".*-*"))  # what the node that died had begun
    assert not read_table((folder / NOT_JUDGED).read_text())


def test_every_image_once(model, results, images, here, monkeypatch):
    monkeypatch.setattr(batch_scoring, "PART", 3)
    check_every_image_once(model[0], results, images, "here")


@pytest.mark.nightly
def test_every_image_once_though_a_node_dies(
    model, results, images, nodes, monkeypatch
):
    monkeypatch.setattr(batch_scoring, "PART", 3)

    def kill():
        while not list(results.rglob("part-*")):
            time.sleep(0.02)
        nodes.remove_node(nodes.list_all_nodes()[-1])

    killer = threading.Thread(target=kill)
    killer.start()
    check_every_image_once(model[0], results, images, nodes.address)
    killer.join()


def test_scores_of_two_decisions_do_not_mix(model, results, images, tmp_path):
    path, _ = model
    (images / "good/broken.png").unlink()
    [target] = results.rglob("finetuning")
    folder = target.with_name("scored") / "many"
    folder.mkdir(parents=True)
    options = Options(results=results)
    source = Source(str(images))

    def planned(model=path):
        decided = decisions.load_decided(path, *options.decided).finetuned
        return batch_scoring._plan_parts(
            batch_scoring.Job(model, decided.name, decided, options, source, folder)
        )

    assert sum(map(count, planned())) == 16
    assert sum(map(count, planned(tmp_path / "moved.hdf5"))) == 16
    plan = folder / batch_scoring.PLAN
    earlier = json.loads(plan.read_text())
    del earlier["decision_id"]  # of an earlier version
    plan.write_text(json.dumps(earlier))
    with pytest.raises(UsageError, match="by another model"):
        planned()
    plan.write_text(json.dumps({**earlier, "model": str(path)}))
    assert sum(map(count, planned())) == 16
    wider = finetuning.Options(rule=Rule(), min_area=99, results=results)
    finetuning.finetune(path, wider)
    with pytest.raises(UsageError, match="expected another --results"):
        planned()


def test_a_decision_that_changes_meanwhile(model, results, images, monkeypatch):
    """The workers judge by the one that the start has found."""
    path, _ = model
    (images / "good/broken.png").unlink()

    def started(work, items, address, memory):
        wider = {"name": "wider", "rule": Rule(), "min_area": 99}
        finetuning.finetune(path, finetuning.Options(**wider, results=results))
        return 1, ((item, work(item)) for item in items)

    monkeypatch.setattr(batch_scoring, "ray_tasks", SimpleNamespace(started=started))
    before = decisions.load_decided(path, None, results, None, None).finetuned
    first = score(path, str(images), Options(results=results), "here")
    assert set(rows(first[0])[0]["decision"]) == {before.id}
    named = Options(results=results, decision="distance_float64_max")
    assert score(path, str(images), named, "here") == first
    with pytest.raises(UsageError, match="by another model or decision"):
        score(path, str(images), Options(results=results), "here")


def test_parts_of_many_images_are_larger():
    sizes = [batch_scoring.part_size(images) for images in (1, 10**6, 4 * 10**6, 10**9)]
    assert sizes == [256, 256, 976, 8192]


def test_tables_and_unreadable_images(
    model, images, here, tmp_path, monkeypatch, caplog
):
    """As a node does it, which is this process here."""
    monkeypatch.setattr(batch_scoring, "FETCHED", 2)
    path, results = model
    files = [images / "good" / name for name in ("000.png", "001.png", "broken.png")]
    contents = [file.read_bytes() for file in files]
    frame = pd.DataFrame({"path": ["a.png", "b.png", "c.png"], "bytes": contents})
    table = tmp_path / "photos.parquet"
    frame.to_parquet(table)
    options = Options(results=results)
    with pytest.raises(UserError, match="images that were not judged: 1: c.png: "):
        score(path, str(table), options, "here")
    skip = replace(options, skip_unreadable=True)
    folder, count = score(path, str(table), skip, "here")
    assert "not judged: 1: c.png: " in caplog.text
    assert (folder.name, count) == ("photos", 2)
    assert [x["file"] for x in read_table((folder / NOT_JUDGED).read_text())] == [
        "c.png"
    ]
    scored, _ = rows(folder)
    assert list(scored["file"]) == ["a.png", "b.png"]
    single = replace(options, images=images / "good", skip_unreadable=True)
    with pytest.warns(UserWarning, match="left out"):
        expected = testing.predict(path, replace(single, report=False)).rows[:2]
    np.testing.assert_allclose(scored["score"], [x["score"] for x in expected], 1e-5)


@pytest.mark.parametrize("option", ["-s", "--watch"])
def test_what_a_cluster_does_not_do(option, capsys):
    with pytest.raises(SystemExit) as stop:
        script.main(["-p", "x", "-d", "photos", "--ray", "local", option])
    assert stop.value.code == 2
    assert "--ray with -d neither watches nor" in capsys.readouterr().err
