import keras
import numpy as np
import pytest

from methods import backbones
from methods.base import TrainingImages
from methods.components.enlarge import enlarging
from methods.detector.detector import Detector
from methods.detector.model_file import load_model, save_model
from methods.ensemble.ensemble import Ensemble
from processing.data.dataset import scan_category
from processing.errors import UserError
from tests.records import training_record

pytestmark = pytest.mark.usefixtures("eager_file")
SMALL = {"image_shape": (64, 64, 3), "weights": "random", "patches": 60}
SMALL |= {"levels": "stage2,stage3"}


@pytest.fixture(scope="module")
def good(samples):
    return scan_category(samples / "washer", image_shape=(64, 64, 3)).train


@pytest.fixture(scope="module")
def validated():
    """Return the sizes of the batches of validation images that were judged."""
    return []


@pytest.fixture(scope="module")
def fitted(good, validated):
    validation = good.subset([10, 11])
    batches = validation.batches

    def seen(size):
        for batch in batches(size):
            validated.append(len(batch))
            yield batch

    validation.batches = seen
    return Ensemble(**SMALL).fit(TrainingImages(good.subset(range(6)), validation))


def test_validation_images_are_judged_by_all_members_at_once(fitted, validated):
    """For the scales of the maps and, with these, for the highest value of a map."""
    assert validated == [2, 2]


def enlarged(distances):
    matrix = enlarging(distances.shape[1], 64, 4.0)
    return np.einsum("ih,nhw,jw->nij", matrix, distances, matrix)


def test_the_map_is_the_mean_of_the_members(fitted, good):
    """Each in the spread of its distances of good images it did not learn from."""
    validation = next(good.subset([10, 11]).batches(2))
    images = next(good.subset([7, 8]).batches(2))
    expected = 0
    for member in fitted.members.values():
        distances = _distances(member, validation)
        low, high = np.quantile(distances, (0.5, 0.995))
        expected += enlarged(_distances(member, images)) / (high - low) / 2
    maps, scores = fitted.judge(images)
    np.testing.assert_allclose(maps, expected, rtol=1e-3)
    highest = np.sort(expected.reshape(2, -1))[:, -41:]  # 1 % of 64 x 64
    np.testing.assert_allclose(scores, highest.mean(axis=1), rtol=1e-3)


def test_two_backbones(good, tmp_path):
    """All members count the same, and the file has all they learned."""
    training = TrainingImages(good.subset(range(3)), good.subset([10, 11]))
    names = ["efficientnet_lite0", "efficientnet_lite1"]
    shallow = SMALL | {"weights": "imagenet", "levels": "stage1,stage2"}
    both = Ensemble(**shallow, backbone=",".join(names))
    both.fit(training)
    digests = [backbones.spec(name).sha256 for name in names]
    assert both.trained["weights_sha256"] == ",".join(digests)
    assert [x.backbone for x in both.members.values()] == [
        *names[:1] * 2,
        *names[1:] * 2,
    ]
    save_model(tmp_path / "m.hdf5", Detector(both), training_record("ensemble"))
    loaded = load_model(tmp_path / "m.hdf5")[0].method
    images = next(good.subset([7, 8]).batches(2))
    expected = 0
    for member, scale in zip(both.members.values(), both.arrays["scales"], strict=True):
        expected += enlarged(_distances(member, images)) / scale / 4
    np.testing.assert_allclose(loaded.judge(images)[0], expected, rtol=1e-3)


def _distances(member, images):
    symbolic = keras.Input(member.image_shape)
    judge = keras.Model(symbolic, member.distances(member.feature_maps(symbolic)))
    return np.asarray(judge(images))


def test_members_are_those_that_learn_alone(fitted, good):
    images = next(good.subset([7, 8]).batches(2))
    training = TrainingImages(good.subset(range(6)), good.subset([10, 11]))
    for member in fitted.members.values():
        alone = type(member)(**member.get_config()).fit(training)
        for ours, theirs in zip(member.judge(images), alone.judge(images), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_weights_of_the_shared_backbone_are_in_order(fitted):
    """What nodes of a cluster give to a backbone of the member's own."""
    for member in fitted.members.values():
        alone = type(member)(**member.get_config())
        alone.build_backbone()
        shared = member.networks["backbone"].get_weights()
        own = alone.networks["backbone"].get_weights()
        assert [x.shape for x in shared] == [x.shape for x in own]


def test_a_model_file_is_the_whole_ensemble(fitted, good, tmp_path):
    path = tmp_path / "m.hdf5"
    save_model(path, Detector(fitted), training_record("ensemble"))
    loaded = load_model(path)[0].method
    images = next(good.subset([7, 8]).batches(2))
    for ours, theirs in zip(fitted.judge(images), loaded.judge(images), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    assert {*loaded.networks} == {"backbone", "gaussian_gaussian", "bank_bank"}
    before = loaded.judge(images)[1]
    added = TrainingImages(good.subset([7, 8, 9]), good.subset([10, 11]))
    loaded.update(added)
    assert loaded.trained["images"] == 9
    assert (loaded.judge(images)[1] < before).all()


def test_without_an_image(fitted, good):
    known = good.subset(range(6))
    image = next(good.subset([5]).batches(1))
    without = fitted.without(known, [5])
    assert without.judge(image)[1] > fitted.judge(image)[1]
    with pytest.raises(UserError, match="--folds"):
        fitted.without(good.subset(range(5)), [0])
