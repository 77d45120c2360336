import numpy as np
import pytest

from methods.fewshot.episodes import Episodes
from processing.data.dataset import scan_category


@pytest.fixture(scope="module")
def good(samples):
    return scan_category(samples / "washer", image_shape=(32, 32, 3)).train


@pytest.fixture
def episodes(good, short_epochs):
    """Return episodes of two categories, of seven and five images."""
    sets = good.subset(range(7)), good.subset(range(7, 12))
    return Episodes([(x, x) for x in sets], 2, 5, seed=3)


def stored(images):
    """Return the images of a set as training sees them."""
    return images.load(range(len(images)))


def which(image, pictures):
    """Return the number of the nearest picture, and how far it is."""
    far = np.abs(pictures - image).mean(axis=(1, 2, 3))
    return far.argmin(), far.min()


def test_an_episode_is_of_one_category_and_its_shots_are_clean(episodes, good):
    pictures, seen = stored(good), set()
    for step in range(len(episodes)):
        images, masks = episodes[step]
        assert images.shape == (5, 32, 32, 3)
        assert masks.shape == (5, 32, 32)
        assert not masks[:2].any()
        assert masks[2:].any(axis=(1, 2)).sum() in (1, 2)  # every second one
        found = [which(image, pictures) for image in images]
        assert all(far < 1e-6 for _, far in found[:2])
        numbers = [number for number, _ in found]
        assert len({number < 7 for number in numbers}) == 1
        assert len(set(numbers)) == 5  # nothing judged is remembered
        seen.add(numbers[0] < 7)
    assert seen == {True, False}


def test_an_epoch_is_drawn_anew_and_can_be_drawn_again(episodes):
    first = episodes[0][0]
    episodes.start(1)
    assert (episodes[0][0] != first).any()
    episodes.start(0)
    np.testing.assert_array_equal(episodes[0][0], first)


def test_validation_remembers_what_the_model_does(good, short_epochs):
    shots, judged = good.subset([0]), good.subset([1, 2])
    images, _ = Episodes([(shots, judged)], 2, 5, seed=3)[0]
    np.testing.assert_array_equal(images[:2], stored(shots)[[0, 0]])
    pictures = stored(good)
    assert {which(image, pictures)[0] for image in images[2:]} == {1, 2}


def test_a_single_image_makes_an_episode(good, short_epochs):
    one = good.subset([0])
    images, masks = Episodes([(one, one)], 1, 3, seed=3)[0]
    assert images.shape[0] == 3
    np.testing.assert_array_equal(images[0], stored(one)[0])
    assert masks.any()
