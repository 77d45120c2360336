"""Learning from labelled photos: with a child that a test writes, and the real one."""

import json
import sys
import time
from pathlib import Path

import pytest

from methods.detector.decisions import read_results
from methods.pipeline import finetuning
from methods.serve import learner
from methods.serve import learning as module
from methods.serve.deciding import Deciding, Refused
from methods.serve.labelled import Labels
from methods.serve.learner import DECIDED, LEARNED, TOLD
from methods.serve.learning import FOLDER, STATE, Learning
from methods.serve.models import load_models
from methods.serve.station import Station
from processing.files import write_json
from tests.rooms import ROOT

from .conftest import png, until
from .test_labelled import judged

pytestmark = pytest.mark.usefixtures("eager_file")


@pytest.fixture
def told():
    return []


@pytest.fixture
def learning(station, told, monkeypatch):
    """Return the learning of a station of stubs that has one labelled photo."""
    deciding = Deciding(station, lambda kind, what: told.append((kind, {**what})))
    labels = Labels(station, deciding.models_of, lambda *_: None)
    station.ending.append(labels.close)
    labels.start()
    monkeypatch.setattr(module, "not_updated", lambda model: "")
    made = Learning(deciding, labels)
    station.ending.append(made.close)
    return made


def label(learning, level=10, verdict="good"):
    station = learning.deciding.station
    station.correct(judged(station, level).id, verdict, "eve", "")
    until(lambda: learning.labels.of(station.models["m1"])[1] == 0)


def child(monkeypatch, program):
    """Let a program, which has the folder of the job as its argument, be the child."""
    follow = module.follow
    monkeypatch.setattr(
        module, "follow", lambda words, *rest: follow(["-c", program, words[-1]], *rest)
    )


def begin(learning, what="decision"):
    learning.start(learning.deciding.model("m1"), what, "eve")


def ended(learning):
    until(lambda: learning.state.get("state") != "running")
    return learning.state["state"], learning.state["line"]


FINE = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
assert len((folder / "labels.csv").read_text().splitlines()) == 2
images = [{"path": str(next((folder / "photos").iterdir())), "name": "x"}]
(folder / "comparison.json").write_text(json.dumps({"images": images}))
print('@{"step": "finding"}', flush=True)
print("a line", flush=True)
"""
STUCK = "import time; print('begun', flush=True); time.sleep(60)"
FAILING = "print('error: no room'); raise SystemExit(1)"


def test_what_a_child_says_is_told(learning, told, monkeypatch):
    child(monkeypatch, FINE)
    label(learning)
    begin(learning)
    assert ended(learning) == ("done", "")
    events = [content for kind, content in told if kind == "learning"]
    assert {"finding"} == {x["step"] for x in events if "step" in x}
    assert "a line" in [x.get("line") for x in events]
    assert [x["name"] for x in learning.comparison()["images"]] == ["10.png"]
    assert learning.picture(0)[:2] == b"\xff\xd8"
    with pytest.raises(Refused, match="no such image"):
        learning.picture(1)
    learning.cancel()  # puts it away
    assert learning.state == {} == learning.comparison()


def test_a_child_that_fails_is_one_line_and_leaves_nothing(learning, monkeypatch):
    child(monkeypatch, FAILING)
    label(learning)
    begin(learning)
    assert ended(learning) == ("failed", "no room")
    assert [x.name for x in learning.folder.iterdir()] == [STATE]
    assert learning.comparison() == {}


def test_a_child_is_cancelled_while_photos_are_judged(learning, monkeypatch):
    child(monkeypatch, STUCK)
    label(learning)
    begin(learning)
    until(lambda: learning.state.get("line") == "begun")
    with pytest.raises(Refused, match="something is being learned"):
        begin(learning)
    assert judged(learning.deciding.station, 250).verdict == "defective"
    start = time.monotonic()
    learning.cancel()
    assert ended(learning)[0] == "cancelled"
    assert time.monotonic() - start < 30
    assert [x.name for x in learning.folder.iterdir()] == [STATE]


def test_what_a_station_that_was_killed_left_is_removed(learning, tmp_path):
    results = tmp_path / "results"
    state = {"state": "running", "id": "x", "name": "", "run": "a/run"}
    state |= {"results": str(results), "results_run": "b"}
    write_json(learning.folder / STATE, state)
    for half in (learning.folder / "x/models", results / "a/run/finetuning"):
        half.mkdir(parents=True)
    again = Learning(learning.deciding, learning.labels)
    assert again.state["state"] == "interrupted"
    assert "nothing was kept" in again.state["line"]
    assert [x.name for x in learning.folder.iterdir()] == [STATE]
    assert not (results / "a/run").exists()


def test_what_cannot_be_learned(learning, monkeypatch):
    with pytest.raises(Refused, match="expected labelled photos"):
        begin(learning)
    label(learning, verdict="defective")
    with pytest.raises(Refused, match="expected photos labelled good"):
        begin(learning, "model")
    monkeypatch.setattr(module, "not_updated", lambda model: "train it anew")
    with pytest.raises(Refused, match="train it anew"):
        begin(learning, "model")
    assert learning.state == {}


@pytest.fixture
def real(model, samples, tmp_path, monkeypatch):
    """Return the learning of a station of a real model, with labelled photos."""
    path, _ = model
    results = tmp_path / "results"
    finetuning.finetune(path, finetuning.Options(results=results))
    models = load_models([path], results, None, "keras")
    monkeypatch.chdir(tmp_path)  # the folder is relative, as by default
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    station = Station(Path("station"), models, 64, lambda _: None)
    deciding = Deciding(station, lambda *_: None)
    labels = Labels(station, deciding.models_of, lambda *_: None)
    labels.start()
    learning = Learning(deciding, labels)
    station.ending += [learning.close, labels.close]
    [served] = models.values()
    files = [*(samples / "washer/train/good").glob("*.png")][:2]
    for level, file in enumerate(files):  # new photos, which are like the others
        data = file.read_bytes() + bytes([level])
        result = station.queue.submit(station.photo(data, served)).result(60)
        station.correct(result.id, "good", "eve", "")
    bad = station.queue.submit(station.photo(png(255, 64), served)).result(60)
    station.correct(bad.id, "defective", "eve", "")
    until(lambda: labels.of(served)[1] == 0)
    yield learning, served
    station.close()


@pytest.mark.parametrize(
    "child",
    [False, pytest.param(True, marks=pytest.mark.nightly)],
    ids=["here", "child"],
)
def test_a_model_and_a_decision_are_learned_and_put_in_force(
    real, tmp_path, monkeypatch, child
):
    learning, served = real

    def here(words, hear, started):
        say = lambda **values: hear(TOLD + json.dumps(values))  # noqa: E731
        monkeypatch.setattr(learner, "tell", say)
        assert learner.main(words[-1:]) == 0

    if not child:
        monkeypatch.setattr(module, "follow", here)
    deciding = learning.deciding
    for what in ("decision", "model") if child else ("model",):
        learning.start(deciding.model(served.place), what, "eve")
        learning._thread.join(240)
        assert (learning.state["state"], learning.state["line"]) == ("done", "")
        images = learning.comparison()["images"]
        assert {x["group"] for x in images} >= {LEARNED if what == "model" else DECIDED}
        assert {x["label"] for x in images} == {"good", "defective"}
        assert not deciding.model(served.place).about["decision"].startswith("learned")
    found = read_results(served.decided.record, served.results, None, None)
    assert found[-1][0].name.startswith("learned-") == child
    new = learning.state["model"]
    after = deciding.put_in_place(served.place, new, "eve", "")
    assert (after.id, after.place) == (new, served.id)
    station = deciding.station
    photo = station.photo(png(255, 64), after)
    assert station.queue.submit(photo).result(60).model == new
    models = {served.id: served}
    again = Station(tmp_path / "other", models, 4, lambda _: None)
    again.store.close()
    again.store, again.folder = station.store, station.folder  # as after a restart
    assert Deciding(again, lambda *_: None).model(served.place).id == new
    again.queue.close()
    deciding.put_in_place(served.place, served.id, "eve", "")
    assert station.models[served.id].id == served.id
    with pytest.raises(Refused, match="expected one of"):
        deciding.put_in_place(served.place, "x", "eve", "")


def test_the_state_is_a_file(learning, monkeypatch):
    child(monkeypatch, FINE)
    label(learning)
    begin(learning)
    ended(learning)
    text = (learning.deciding.station.folder / FOLDER / STATE).read_text("utf-8")
    assert json.loads(text)["state"] == "done"
    assert sys.executable not in text
