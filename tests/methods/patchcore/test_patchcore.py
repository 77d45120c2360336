import numpy as np
import pytest
from scipy.spatial.distance import cdist

from methods.base import TrainingImages, labelled_defects
from methods.components.enlarge import Enlarge
from methods.detector.detector import Detector
from methods.detector.model_file import load_model, save_model
from methods.patchcore import patchcore
from methods.patchcore.patchcore import PatchCore
from processing.data.dataset import scan_category
from processing.errors import UsageError, UserError
from tests.records import training_record

pytestmark = pytest.mark.usefixtures("eager_file")
SHAPE = (32, 32, 3)
SMALL = {"image_shape": SHAPE, "weights": "random", "variance": 1.0}
SMALL |= {"levels": "stage2,stage3"}  # a grid of 8 x 8
WIDTH = 24 + 40


@pytest.fixture(scope="module")
def category(samples):
    return scan_category(samples / "washer", image_shape=SHAPE)


def fitted(category, images=6, **config):
    good = category.train
    method = PatchCore(**SMALL | config)
    return method.fit(TrainingImages(good.subset(range(images)), good.subset([10, 11])))


def test_fitted_patches_score_zero_with_the_whole_bank(category):
    method = fitted(category, coreset=1.0, sigma=0)
    images = next(category.train.subset(range(6)).batches(6))
    assert method.networks["bank"].bank.shape[0] == 6 * 8 * 8
    np.testing.assert_allclose(method.anomaly_map(images), 0, atol=1e-3)
    assert method.judge(images)[1].max() < 1e-3


@pytest.mark.parametrize(
    ("config", "kept"), [({}, 19), ({"coreset": 0.5}, 192), ({"patches": 9}, 9)]
)
def test_size_of_the_bank(category, config, kept):
    method = fitted(category, **config)
    assert method.networks["bank"].bank.shape == (kept, WIDTH)
    assert method.trained["patches"] == kept


@pytest.mark.parametrize("config", [{}, {"variance": 0.9, "whiten": True}])
def test_an_update_extends_the_bank(category, config):
    method = fitted(category, coreset=0.5, **config)
    components = method.arrays.get("components")
    good = category.train
    images = next(good.subset([8, 9]).batches(2))
    before = method.anomaly_map(images)
    method.update(TrainingImages(good.subset(range(6, 10)), good.subset([10, 11])))
    assert method.networks["bank"].bank.shape[0] == 320
    assert method.anomaly_map(images).mean() < before.mean()
    assert method.arrays.get("components") is components


def test_without_an_image_the_bank_lacks_its_patches(category):
    method = fitted(category, coreset=0.5)
    good = category.train
    method.update(TrainingImages(good.subset(range(6, 9)), good.subset([10, 11])))
    known, [image] = good.subset(range(9)), next(good.subset([7]).batches(1))
    patches = np.concatenate(list(method.embedded(known)))
    bank, sources = np.asarray(method.networks["bank"].bank), method.arrays["sources"]
    for number in range(9):  # SciPy is the second source
        of_image = patches[number].reshape(-1, patches.shape[-1])
        nearest = cdist(bank, of_image).min(axis=1)
        assert (nearest[sources == number] < 1e-3).all()
        assert (nearest[sources != number] > 1e-3).all()
    without = method.without(known, [7, 8])
    expected = bank[sources < 7]
    np.testing.assert_array_equal(np.asarray(without.networks["bank"].bank), expected)
    assert (
        without.anomaly_map(image[None]).max() > method.anomaly_map(image[None]).max()
    )
    np.testing.assert_array_equal(np.asarray(method.networks["bank"].bank), bank)


def test_a_bank_must_know_its_images(category):
    method, good = PatchCore(**SMALL), category.train
    method.graph = "fitted"
    method.arrays = {"images": np.array(6), "sources": np.repeat(np.arange(6), 2)}
    with pytest.raises(UserError, match="a model of 5 images .* train it anew"):
        method.without(good.subset(range(5)), [0])
    with pytest.raises(UserError, match="no patch is left"):
        method.without(good.subset(range(6)), range(6))
    method.arrays["sources"][0] = -1  # extended, of an earlier version's
    with pytest.raises(UserError, match="a model of 6 images .* train it anew"):
        method.without(good.subset(range(6)), [0])


def test_candidates_are_bounded(category, monkeypatch):
    monkeypatch.setattr(patchcore, "CANDIDATES", 35)
    assert fitted(category, coreset=1.0).networks["bank"].bank.shape[0] == 30


def test_the_share_is_at_most_one():
    with pytest.raises(UsageError, match="at most 1. Received: 5"):
        PatchCore(**SMALL, coreset=5).check()
    with pytest.raises(UsageError, match="at most 1. Received: 0"):
        PatchCore(**SMALL | {"variance": 0}).check()


def test_the_mean_length_of_each_level(category):
    """All positions of one image: lengths of mean near 1, of little spread."""
    method = fitted(category, coreset=1.0, images=1)
    bank = np.asarray(method.networks["bank"].bank)
    lengths = np.linalg.norm(bank[:, :24], axis=1)  # the level at the maps' own grid
    assert 0.95 < lengths.mean() < 1
    assert 0 < lengths.std() < 0.3
    coarse = np.linalg.norm(bank[:, 24:], axis=1)  # shorter where interpolated
    assert 0.9 < coarse.mean() < 1


def test_a_bank_of_principal_components(category):
    """Of nearly all of them, distances are those of the features."""
    plain, reduced = fitted(category), fitted(category, variance=0.99999)
    size = reduced.arrays["components"].shape[1]
    assert reduced.networks["bank"].bank.shape == (19, size)
    assert size < WIDTH
    images = next(category.test.batches(2))
    for wanted, got in zip(plain.judge(images), reduced.judge(images), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0.02)
    fewer = fitted(category, variance=0.5).arrays["components"].shape[1]
    assert fewer < size


def test_models_of_before_there_were_components():
    method = PatchCore(**PatchCore.recorded_config({"image_shape": (64, 64, 3)}))
    assert (method.variance, method.top) == (1.0, 0.0)


@pytest.mark.parametrize("config", [{}, {"variance": 0.9, "whiten": True}])
def test_scores_are_those_of_the_bank_that_was_chosen(category, config):
    """The graph is made before the bank is filled; SciPy is the second source."""
    method = fitted(category, top=0, **config)
    images = next(category.test.batches(2))
    scores = method.judge(images)[1]
    [found] = method.function(method.arrange)(images)
    bank = np.asarray(method.networks["bank"].bank)
    for features, score in zip(found, scores, strict=True):
        apart = cdist(features.reshape(-1, bank.shape[1]), bank)
        place = apart.min(axis=1).argmax()
        highest, nearest = apart[place].min(), apart[place].argmin()
        around = cdist(bank[[nearest]], bank)[0].argsort()[:9]
        weight = 1 - np.exp(highest) / np.exp(apart[place, around]).sum()
        assert score == pytest.approx(weight * highest, rel=1e-3)


@pytest.fixture(scope="module")
def knowing(category):
    """Return a method that knows defects, and those."""
    defective = category.test.subset(np.flatnonzero(category.test.labels == 1)[:3])
    good = category.train
    method = PatchCore(**SMALL, known_defects=0.5, sigma=0, coreset=0.5)
    parts = good.subset(range(6)), good.subset([10, 11])
    return method.fit(TrainingImages(*parts, defective=defective)), defective


def test_known_defects_raise_what_is_like_them(category, knowing, tmp_path):
    """SciPy is the second source; the file and the graph judge the same."""
    method, defective = knowing
    plain = fitted(category, sigma=0, coreset=0.5)
    images = next(category.test.batches(8))
    maps, scores = method.judge(images)
    [features] = method.embedded(category.test.subset(range(8)))
    bank, defects = (
        np.asarray(method.networks[name].bank) for name in ("bank", "defects")
    )
    np.testing.assert_array_equal(bank, np.asarray(plain.networks["bank"].bank))
    queries = features.reshape(-1, bank.shape[1])
    distances, known = (cdist(queries, x).min(axis=1) for x in (bank, defects))
    grid = distances + 0.5 * np.maximum(0, distances - known)
    expected = Enlarge(SHAPE[:2], 0)(grid.reshape(8, 8, 8).astype(np.float32))
    np.testing.assert_allclose(maps, expected, atol=1e-3)
    assert (scores >= plain.judge(images)[1] - 1e-5).all()
    [learned] = defective.batches(3)
    assert (method.judge(learned)[1] > plain.judge(learned)[1]).all()
    record = training_record("PatchCore", config=method.get_config())
    save_model(tmp_path / "m.hdf5", Detector(method), record)
    loaded = load_model(tmp_path / "m.hdf5")[0].method
    np.testing.assert_array_equal(loaded.judge(images)[0], maps)
    np.testing.assert_array_equal(loaded.inference_model()(images)[1], scores)


def test_an_update_keeps_known_defects(category, knowing):
    """After images were left out, none may be added, but the defects again."""
    method, defective = knowing
    good, defects = category.train, method.networks["defects"]
    twin = method.without(good.subset(range(6)), [1])
    bank = np.asarray(twin.networks["bank"].bank)
    np.testing.assert_array_equal(twin.networks["defects"].bank, defects.bank)
    assert {*twin.arrays["sources"]} == {*range(5)}
    parts = good.subset([]), good.subset([10, 11])
    twin.update(TrainingImages(*parts, defective=defective.subset([0])))
    np.testing.assert_array_equal(twin.networks["bank"].bank, bank)
    assert 0 < twin.trained["defects"] < method.trained["defects"]
    assert twin.trained["images"] == 5


def test_known_defects_need_defects():
    with pytest.raises(UserError, match="--known-defects needs images of defects"):
        labelled_defects(TrainingImages(None, None))
