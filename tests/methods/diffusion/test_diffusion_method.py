"""DDAD and AnoDDPM beyond what every method has to do."""

from types import SimpleNamespace

import numpy as np
import pytest

from methods.base import StateError, TrainingImages
from methods.detector.detector import Detector
from methods.diffusion.anoddpm import AnoDDPM
from methods.diffusion.ddad import DDAD
from processing.data.dataset import scan_category
from processing.errors import UsageError

pytestmark = pytest.mark.usefixtures("eager_file", "few_blocks")
COMMON = {
    "image_shape": (32, 32, 3),
    "preset": "tiny",
    "steps": 2,
    "epochs": 1,
    "batch_size": 8,
    "learning_rate": 2e-3,
    "precision": "float32",
}
KINDS = {
    "DDAD": (DDAD, {"weights": "random", "adapt": 2}),
    "AnoDDPM": (AnoDDPM, {"repeats": 2}),
}


def make(name, **options):
    kind, own = KINDS[name]
    return kind(**{**COMMON, **own, **options})


def good(samples):
    return scan_category(samples / "washer", image_shape=(32, 32, 3)).train


@pytest.fixture(scope="module", autouse=True)
def shallow():
    """Let the extractor of DDAD begin a level earlier, and so end one earlier."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("methods.diffusion.feature_distance.SHALLOWEST", 2)
        yield


class SavedRun:
    """Keeps the last state, as a run folder does."""

    state = None

    def saved(self):
        return self.state

    def save(self, arrays, state):
        self.state = arrays, state

    def callbacks(self, settings):
        return []


def fit(method, samples, run=None):
    images = good(samples)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("methods.engine.batches.EPOCH_IMAGES", 1)
        patch.setattr("methods.diffusion.feature_distance.SIDE", 32)
        patch.setattr("methods.diffusion.training.VALIDATIONS", 4)
        return method.fit(
            TrainingImages(images.subset(range(8)), images.subset([8, 9])), run
        )


def scores(detector, images, batch_size):
    return np.concatenate(
        [x.scores for x in detector.judge(images, batch_size=batch_size)]
    )


@pytest.fixture(scope="module")
def fitted(samples):
    """Return a function from name to a fitted method; `runs` are what each saved."""
    made = {}

    def get(name):
        if name not in made:
            get.runs[name] = SavedRun()
            made[name] = fit(make(name), samples, get.runs[name])
        return made[name]

    get.runs = {}

    return get


@pytest.mark.parametrize("name", KINDS)
def test_scores_depend_on_neither_order_nor_batch_size(name, fitted, samples):
    detector, images = Detector(fitted(name)), good(samples).subset(range(2))
    one, two = (scores(detector, images, size) for size in (1, 2))
    backwards = images.subset(range(len(images))[::-1])
    for other in (two, scores(detector, backwards, 2)[::-1]):
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-3)


@pytest.mark.nightly
@pytest.mark.parametrize("name", KINDS)
def test_one_seed_one_set_of_scores(name, fitted, samples):
    images = next(good(samples).batches(4))
    methods = fitted(name), fit(make(name), samples)
    first, second = (m.judge(images)[1] for m in methods)
    np.testing.assert_allclose(first, second, rtol=1e-3, atol=1e-3)


@pytest.mark.nightly
def test_another_seed_gives_other_scores(fitted, samples):
    images = next(good(samples).batches(4))
    methods = fitted("AnoDDPM"), fit(make("AnoDDPM", seed=7), samples)
    first, second = (m.judge(images)[1] for m in methods)
    assert not np.allclose(first, second, rtol=1e-2)


@pytest.mark.parametrize("name", KINDS)
def test_good_images_have_standard_maps(name, fitted, samples):
    method = fitted(name)
    maps = method.anomaly_map(next(good(samples).batches(8)))
    np.testing.assert_allclose(maps.mean(axis=0), 0, atol=1e-2)
    assert method.trained["epochs"] == 1
    assert method.history[0]["epoch"] == 1


@pytest.mark.parametrize("name", KINDS)
def test_a_defect_stands_out_of_a_perfect_reconstruction(name, fitted, samples):
    """The defect is where image and good version differ."""
    method = fitted(name)
    images = next(good(samples).batches(2))
    pasted = images.copy()
    pasted[:, 20:26, 8:14] = 1 - pasted[:, 20:26, 8:14].round()
    for anomaly_map in method.raw_maps(pasted, images):
        row, column = np.unravel_index(anomaly_map.argmax(), anomaly_map.shape)
        assert 17 <= row < 29
        assert 5 <= column < 17


def test_pixel_scale_makes_the_ranges_equal(fitted, samples):
    method = fitted("DDAD")
    images = next(good(samples).batches(8))
    features, pixels = method._distances(images, method.reconstruct(images))
    scale = method.arrays["pixel_scale"]
    assert features.max() == pytest.approx(scale * pixels.max(), rel=1e-3)
    assert len(method.trained["adaptation_losses"]) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays, state: state.pop("adaptation_losses"), "adaptation_losses"),
        (lambda arrays, state: state.update(adaptation_losses=["x"]), "adaptation_los"),
        (lambda arrays, state: arrays["extractor"].pop(), "extractor"),
        (lambda arrays, state: state.pop("epochs"), "state"),
    ],
)
def test_a_damaged_state_of_an_adaptation(change, message, fitted, samples):
    method, run = fitted("DDAD"), SavedRun()
    adapter = SimpleNamespace(network=method.networks["extractor"])
    arrays, state = fitted.runs["DDAD"].state
    run.state = {**arrays, "extractor": [*arrays["extractor"]]}, {**state}
    method._adapt(adapter, good(samples), run)
    change(*run.state)
    with pytest.raises(StateError, match=f"^{message}.*: expected "):
        method._adapt(adapter, good(samples), run)


def test_conditioning_keeps_more_of_the_image(fitted, samples):
    method = fitted("DDAD")
    images = next(good(samples).batches(4))
    distances = []
    for w in (0.0, 2.0):
        method.w = w
        distances.append(np.abs(method.reconstruct(images) - images).mean())
    method.w = 2.0
    assert distances[1] < distances[0]


def test_noise_scales_with_the_images():
    small, large = (
        make("AnoDDPM", image_shape=(side, side, 3)).noise.frequency
        for side in (64, 256)
    )
    assert (small, large) == (16, 64)
    assert make("DDAD", image_shape=(64, 64, 3)).blur == 1
    assert make("DDAD", sigma=2.5).blur == 2.5


def test_more_steps_than_noise_are_refused():
    with pytest.raises(UsageError, match="--steps 30 --start 20"):
        make("DDAD", start=20, steps=30)


def test_sizes_that_do_not_suit_are_refused_before_training():
    with pytest.raises(UsageError, match="multiples of 8. Received: 36x36"):
        make("DDAD", preset="small", image_shape=(36, 36, 3)).build()


def test_a_resumed_run_does_not_adapt_again(fitted, samples, monkeypatch):
    first = fitted("DDAD")

    def fail(*_):
        raise AssertionError("adapted again")

    monkeypatch.setattr("methods.diffusion.ddad.run_adaptation", fail)
    resumed = fit(make("DDAD"), samples, fitted.runs["DDAD"])
    assert resumed.trained == first.trained
    np.testing.assert_array_equal(resumed.arrays["mean"], first.arrays["mean"])
