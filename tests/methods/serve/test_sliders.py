"""The sliders against what finetune.py says, of a real model."""

import base64
from dataclasses import replace

import numpy as np
import pytest

from methods.detector.decisions import read_results
from methods.pipeline import finetuning
from methods.serve.deciding import Deciding, Refused
from methods.serve.labelled import Labels
from methods.serve.models import load_models
from methods.serve.sliders import Sliders
from methods.serve.station import Station
from processing.errors import UsageError

from .conftest import until

pytestmark = pytest.mark.usefixtures("eager_file")


@pytest.fixture
def served(model, tmp_path):
    """Return a station of a real model, its decisions, and its sliders."""
    path, _ = model
    finetuning.finetune(path, finetuning.Options(results=tmp_path / "results"))
    models = load_models([path], tmp_path / "results", None, "keras")
    station = Station(tmp_path / "station", models, 4, lambda _: None)
    deciding = Deciding(station, lambda *_: None)
    labels = Labels(station, deciding.models_of, lambda *_: None)
    station.ending.append(labels.close)
    labels.start()
    yield deciding, Sliders(deciding, labels), next(iter(models.values()))
    station.close()


def at(texts, place):
    return [np.frombuffer(base64.b64decode(x), "<f8")[place] for x in texts]


def test_what_is_kept_is_what_the_sliders_said(served, samples):
    deciding, sliders, model = served
    page = sliders.of(model)
    assert page["why"] is None
    place = len(page["areas"]) // 3
    known = {key: at(texts, place) for key, texts in page["known"].items()}
    threshold = float(np.median(known["good"] + known["defective"]))
    area = page["areas"][place]
    made = sliders.keep(model, "mine", threshold, area, "eve")
    assert (made["name"], made["threshold"], made["min_area"]) == (
        "mine",
        threshold,
        area,
    )
    record, results = model.decided.record, model.results
    promise = read_results(record, results, None, None)[-1][1].promise
    assert promise.good_images == len(known["good"])
    assert promise.false_alarms == sum(x > threshold for x in known["good"])
    assert promise.misses == sum(x <= threshold for x in known["defective"])
    assert [x["in_force"] for x in model.decisions] == [False, True]
    assert deciding.history()[0]["what"] == "kept"
    assert deciding.put_in_force(model.id, "mine", "eve", "").decisions[0]["judges"]


def test_photos_that_are_labelled_are_judged_as_the_model_does(served, samples):
    deciding, sliders, model = served
    station = deciding.station
    for path in sorted((samples / "washer/test").glob("*/000.png")):
        photo = station.photo(path.read_bytes(), model, path.parent.name)
        result = station.queue.submit(photo).result(60)
        label = "good" if path.parent.name == "good" else "defective"
        station.correct(result.id, label, "eve", "")
    until(lambda: sliders.of(model)["waiting"] == 0)
    page = sliders.of(model)
    place = page["areas"].index(page["min_area"])
    assert len(page["labelled"]) == 5
    for photo in page["labelled"]:
        [limit] = at([photo["critical"]], place)
        called = "defective" if page["threshold"] < limit else "good"
        assert called == station.store.get(photo["id"]).verdict


def test_what_is_not_kept(served):
    _, sliders, model = served
    sliders.keep(model, "mine", 1.0, 2, "eve")
    with pytest.raises(Refused, match="there is a decision mine"):
        sliders.keep(model, "mine", 2.0, 2, "eve")
    for name, area in (("../x", 2), ("large", 10**6)):
        with pytest.raises(UsageError):
            sliders.keep(model, name, 1.0, area, "eve")
    assert len(model.decisions) == 2


def test_images_that_are_gone(served):
    deciding, sliders, model = served
    record = replace(model.decided.record, folder="/nowhere")
    gone = replace(model, decided=model.decided._replace(record=record))
    page = sliders.of(gone)
    assert page["known"] is None
    assert "not at hand" in page["why"]
    with pytest.raises(Refused, match="not at hand"):
        sliders.keep(gone, "mine", 1.0, 2, "eve")


def test_no_sliders_where_borders_are_cleared(served):
    _, sliders, model = served
    finetuned = replace(model.decided.finetuned, clear_border=True)
    cleared = replace(model, decided=model.decided._replace(finetuned=finetuned))
    assert "border" in sliders.of(cleared)["why"]
    with pytest.raises(Refused, match="border"):
        sliders.keep(cleared, "mine", 1.0, 2, "eve")
