import os
import signal
import threading
from dataclasses import replace

import psutil
import pytest

from methods.serve import replicas as module
from methods.serve.batching import Unavailable
from methods.serve.models import load_models
from methods.serve.replicas import Cluster, Replicas
from methods.serve.station import Station
from methods.serve.store import Filter
from processing.decoding.decode import read_pixels
from processing.errors import UserError

from . import fake_driver
from .conftest import until


@pytest.fixture
def replicas(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "pause", lambda attempts: 0.05)
    made = Replicas(Cluster(str(tmp_path)), "station", fake_driver.main)
    made.prepare("place", "m1")
    yield made
    made.close()


def prepared(tmp_path):
    return (tmp_path / "prepared").read_text().splitlines()


def test_answers_are_those_to_the_question(replicas, tmp_path):
    found = {}

    def ask(image):
        found[image] = replicas.verdicts("m1", [image])

    words = ["slow", *map(str, range(10))]
    threads = [threading.Thread(target=ask, args=(word,)) for word in words]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {word: [f"m1 {word}"] for word in words}
    assert (replicas.count, replicas.there) == (2, 2)
    with pytest.raises(Unavailable, match="no replica answers"):
        replicas.verdicts("m1", ["tired"])
    with pytest.raises(UserError, match="ZeroDivisionError: odd"):
        replicas.verdicts("m1", ["odd"])
    with pytest.raises(UserError, match="no such model"):
        replicas.prepare("place", "missing")
    replicas.prepare("other", "m2")
    replicas.prepare("place", "m3")
    assert prepared(tmp_path) == ["m1", "m1 m2", "m3 m2"]
    replicas.close()
    assert (tmp_path / "closed").exists()


def test_a_cluster_that_is_gone_is_looked_for_again(replicas, tmp_path, caplog):
    replicas.prepare("place", "m2")
    (tmp_path / "gone").touch()
    with pytest.raises(Unavailable, match="the cluster is gone"):
        replicas.verdicts("m2", ["die"])
    with pytest.raises(Unavailable):
        replicas.verdicts("m2", ["a"])
    until(lambda: any("no such cluster; trying again" in x for x in caplog.messages))
    assert replicas.there == 0
    (tmp_path / "gone").unlink()
    until(lambda: replicas.there == 2)
    assert replicas.verdicts("m2", ["a"]) == ["m2 a"]
    assert prepared(tmp_path) == ["m1", "m2", "m2"]


@pytest.mark.parametrize("driver", [fake_driver.main, fake_driver.crash])
def test_there_must_be_a_cluster_at_the_start(tmp_path, driver):
    (tmp_path / "gone").touch()
    with pytest.raises(UserError, match="^--ray"):
        Replicas(Cluster(str(tmp_path), 3), "station", driver)


@pytest.mark.nightly
def test_replicas_judge_as_the_model_does_and_one_may_die(
    model, samples, nodes, tmp_path
):
    path, results = model
    [judging] = load_models([path], results, None, "keras").values()
    files = sorted((samples / "washer/test").rglob("*.png")) * 4
    alone = [judging.verdicts([read_pixels(file, 3)])[0] for file in files]
    replicas = Replicas(Cluster(nodes.address, 2), "test-station")
    served = replace(judging, replicas=replicas)
    served.prepare()
    models = {served.id: served}
    station = Station(tmp_path, models, len(files), lambda _: None, replicas.count)
    photos = [
        station.photo(file.read_bytes(), served, request=f"{i}")
        for i, file in enumerate(files)
    ]
    futures = [station.queue.submit(photo) for photo in photos]
    futures[0].result(120)
    os.kill(replica(), signal.SIGKILL)
    answers = [future.result(120) for future in futures]
    for answer, verdict in zip(answers, alone, strict=True):
        assert answer.score == pytest.approx(verdict.score, rel=1e-6)
        assert (answer.verdict == "defective") == verdict.defective
    assert station.store.find(Filter())[1] == len(files)
    assert served.curve(photos[0].pixels)[0] == pytest.approx(alone[0].score, rel=1e-6)
    with pytest.raises(UserError, match=r"no.hdf5"):
        replicas.prepare("other", served.wanted._replace(path="/no.hdf5", model="x"))
    station.close()
    replicas.close()


def replica():
    """Return the process of a replica."""
    processes = psutil.process_iter(["cmdline"])
    name = "ray::ServeReplica:test-station"
    return next(x.pid for x in processes if name in " ".join(x.info["cmdline"] or []))
