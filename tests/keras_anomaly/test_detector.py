"""Detectors on tiny arrays, and against what the command line does."""

import copy
import gc
from functools import partial

import cv2
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import methods
from keras_anomaly import (
    Callback,
    Goal,
    PaDiM,
    PatchCore,
    Rule,
    Verdict,
    load,
)
from methods.cli import finetune, test, train
from processing.errors import UserError

pytestmark = pytest.mark.usefixtures("eager_file", "few_blocks", "few_layers")
SMALL = {"size": 32, "weights": "random", "levels": "stage2"}


@pytest.fixture(scope="module")
def photos():
    """Return 10 good grey-green photos, and 3 with a white square."""
    rng = np.random.default_rng(0)
    made = rng.integers(90, 110, (13, 40, 48, 3), np.uint8)
    made[10:, 10:22, 12:30] = 255
    return made


LABELS = [0] * 10 + [1] * 3


@pytest.fixture(scope="module")
def fitted(photos):
    """Return a PaDiM of all photos, which no test is to calibrate."""
    return PaDiM(**SMALL, features=3).fit(photos, LABELS)


@pytest.fixture
def again(fitted, tmp_path):
    """Return the same PaDiM, saved and loaded, and the folder with its files."""
    fitted.save(tmp_path / "models/washer.hdf5", tmp_path / "results")
    return load(tmp_path / "models/washer.hdf5", tmp_path / "results")


def test_it_tells_defects_and_has_a_decision_at_once(fitted, photos):
    verdicts = fitted.predict(photos[8:])
    assert all(isinstance(verdict, Verdict) for verdict in verdicts)
    assert [verdict.defective for verdict in verdicts] == [False] * 2 + [True] * 3
    scores = fitted.score_samples(photos)
    assert scores.dtype == np.float64
    assert scores[10:].min() > scores[:10].max()
    assert fitted.score(photos, LABELS) == 1
    assert fitted.decision_.goal == "balanced"
    assert len(fitted.decision_.finetuning_files) == 3  # all that are defective
    assert len(fitted.record_.splits.fit) == 9
    assert fitted.get_params() == PaDiM(**SMALL, features=3).get_params()


def test_the_same_from_files_arrays_and_a_lazy_sequence(fitted, photos, tmp_path):
    class Lazy:
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return photos[10 + range(3)[index]]

    for index, photo in enumerate(photos[10:]):
        cv2.imwrite(str(tmp_path / f"{index}.png"), photo[..., ::-1])
    files = sorted(tmp_path.iterdir())
    expected = fitted.score_samples(photos[10:])
    for same in (
        Lazy(),
        list(photos[10:]),
        files,
        [str(files[0]), *files[1:]],
        tmp_path,
    ):
        np.testing.assert_allclose(fitted.score_samples(same), expected, rtol=1e-5)
    assert len(fitted.predict([files[0]] * 3)) == 3
    assert fitted.predict([]) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((2, 8, 8, 3)), "photo 0: .* uint8 or uint16. Received: .*float64"),
        (["none.png"], "none.png"),
        ("none.png", "none.png"),
        (np.zeros((8, 8, 3), np.uint8), "of one photo, photo"),
        (["none.png", np.zeros((8, 8), np.uint8)], "of one kind"),
    ],
)
def test_what_is_not_judged(fitted, wrong, message):
    with pytest.raises(UserError, match=message):
        fitted.predict(wrong)


def test_nothing_is_judged_before_it_is_fitted(photos):
    unfitted = PaDiM()
    calls = (unfitted.predict, unfitted.score_samples, partial(unfitted.save, "a.hdf5"))
    for call in calls:
        with pytest.raises(NotFittedError, match="PaDiM instance is not fitted yet"):
            call(*([photos] if call != calls[2] else []))
    with pytest.raises(NotFittedError):
        unfitted.calibrate()


def test_what_is_saved_is_what_the_scripts_take(fitted, again, photos, tmp_path):
    model = tmp_path / "models/washer.hdf5"
    assert isinstance(again, PaDiM)
    assert again.get_params() == fitted.get_params()
    expected = [verdict.defective for verdict in fitted.predict(photos)]
    assert [verdict.defective for verdict in again.predict(photos)] == expected
    prediction = methods.load(model, results=tmp_path / "results").predict(photos)
    assert prediction.verdicts.tolist() == expected
    cv2.imwrite(str(tmp_path / "new.png"), photos[10])
    words = ["-p", model, "-d", tmp_path / "new.png", "--results", tmp_path / "results"]
    assert test.main([*map(str, words), "--no-report"]) == 0
    [table] = tmp_path.glob("results/**/predict/*/scores.csv")
    assert "defective" in table.read_text("utf-8")


def test_a_model_goes_to_a_file_of_its_kind(fitted, tmp_path):
    with pytest.raises(UserError, match="expected a model file, NAME.hdf5. Received"):
        fitted.save(tmp_path / "model.keras")
    (tmp_path / "results").write_text("a file")
    with pytest.raises(UserError, match="cannot write to .*results"):
        fitted.save(tmp_path / "model.hdf5", tmp_path / "results")
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_goals(again, photos):
    found = {}
    bad = {"photos": photos[10:], "y": [1] * 3}
    for name, arguments in {
        "balanced": bad,
        "max-false-alarms": {"max_false_alarms": 0.1, **bad},
        "min-recall": {"min_recall": 0.6, **bad},
        "cost": {"goal": Goal("cost", miss=20), **bad},
        "max": {"goal": "max", "min_area": 7},
        "conformal": {"conformal": 0.1},
        "ksigma": {"goal": Rule("ksigma", 3.0)},
    }.items():
        decision = again.calibrate(**arguments).decision_
        found[name] = (
            decision.calibration.name if decision.calibration else decision.goal
        )
    assert found == {
        "balanced": "balanced",
        "max-false-alarms": "at most 0.1 false alarms",
        "min-recall": "recall of at least 0.6",
        "cost": str(Goal("cost", miss=20)),
        **{name: name for name in ("max", "conformal", "ksigma")},
    }
    assert again.decision_.name == again._judge.name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"goal": "best"}, "expected a goal of balanced, .* Received: best"),
        ({"goal": "max", "conformal": 0.1}, "expected one of goal, conformal"),
        ({"max_false_alarms": 2}, "expected a rate between 0 and 1. Received: 2"),
        ({"min_area": 3}, "min_area: expected a number of pixels, with a rule"),
        ({"goal": "max", "min_area": 0}, "min_area: expected a number of pixels"),
        ({"kind": "l2"}, "PaDiM has no l2 maps, expected one of distance"),
    ],
)
def test_goals_that_there_are_none_of(fitted, arguments, message):
    before = fitted.decision_
    with pytest.raises(UserError, match=message):
        fitted.calibrate(**arguments)
    assert fitted.decision_ is before


def test_a_folder_is_learned_from_as_by_the_scripts(samples, tmp_path):
    folder, where = samples / "washer", ["--results", str(tmp_path)]
    words = "-a PatchCore --size 32 --weights random --levels stage2 --patches 50"
    words = [*words.split(), "-d", str(folder), "--models", str(tmp_path / "models")]
    assert train.main(words) == 0
    [model] = tmp_path.rglob("*.hdf5")
    assert finetune.main(["-p", str(model), *where]) == 0
    scripts = load(model, tmp_path)
    detector = PatchCore(**SMALL, patches=50).fit(folder)
    assert scripts.record_.splits == detector.record_.splits
    assert scripts.decision_.decision == detector.decision_.decision
    assert scripts.decision_.promise == detector.decision_.promise
    images = folder / "test/hole"
    expected = scripts.score_samples(images)
    np.testing.assert_array_equal(detector.score_samples(images), expected)
    with pytest.raises(UserError, match="y and masks: expected none with a folder"):
        clone(detector).fit(folder, [0])


def test_a_fit_that_fails_leaves_the_last_one(again, photos):
    scores = again.score_samples(photos)
    with pytest.raises(UserError, match="at least 2 good images"):
        again.fit(photos[:1])
    again.set_params(size=31)
    with pytest.raises(UserError, match="Received: 31x31"):
        again.fit(photos)
    np.testing.assert_array_equal(again.score_samples(photos), scores)


def test_a_model_without_its_decision_does_not_judge(again, photos):
    again._take(again._model, again._fitted, again.record_)
    with pytest.raises(NotFittedError):
        again.predict(photos)
    assert len(again.calibrate("max").predict(photos)) == 13


def test_it_is_saved_not_pickled(fitted):
    assert copy.copy(clone(fitted)).get_params() == fitted.get_params()
    with pytest.raises(UserError, match="expected save and load"):
        copy.copy(fitted)


def test_its_files_go_with_it(fitted, tmp_path):
    detector = load(fitted.save(tmp_path / "a.hdf5", tmp_path), tmp_path)
    folder = detector._work.path
    assert folder.is_dir()
    del detector
    gc.collect()
    assert not folder.exists()


class Told(Callback):
    """A callback that remembers what it was told."""

    def __init__(self):
        self.told = []

    def on_fit_begin(self, detector):
        self.told.append(("begin", detector))

    def on_fit_end(self, detector):
        self.told.append(("end", detector, detector.decision_))


def test_callbacks_are_told_of_the_fit(photos):
    told, detector = Told(), PaDiM(**SMALL, features=3)
    with pytest.raises(UserError, match="callbacks: expected .* Received: function"):
        detector.fit(photos[:6], callbacks=[lambda epoch, logs: None])
    detector.fit(photos[:6], callbacks=[told])
    assert told.told == [("begin", detector), ("end", detector, detector.decision_)]
    assert detector.decision_.calibration.name == "max"  # there are no defects
