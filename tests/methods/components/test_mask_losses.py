import keras
import numpy as np
import pytest

from methods.components.mask_losses import dice_loss, focal_loss


@pytest.fixture
def pair(rng):
    masks = rng.random((3, 5, 4)) > 0.6
    return masks, rng.normal(size=(3, 5, 4)).astype(np.float32)


def test_focal_loss_by_hand():
    """A pixel told right with p = 3/4 and one told wrong with p = 1/4."""
    masks = np.array([[[1, 1]]])
    logits = np.log(np.array([[[3, 1 / 3]]], np.float32))
    expected = (0.25**2 * -np.log(0.75) + 0.75**2 * -np.log(0.25)) / 2
    np.testing.assert_allclose(focal_loss(masks, logits), [expected], rtol=1e-5)


@pytest.mark.parametrize("gamma", [0, 1, 2])
def test_focal_loss_is_that_of_keras(pair, gamma):
    masks, logits = pair
    theirs = keras.losses.BinaryFocalCrossentropy(
        gamma=gamma, from_logits=True, reduction=None
    )(masks.astype(np.float32)[..., None], logits[..., None])
    ours = focal_loss(masks, logits, gamma)
    np.testing.assert_allclose(ours, np.mean(theirs, axis=(1, 2)), rtol=1e-4)


def test_focal_loss_of_certain_errors_is_finite():
    loss = focal_loss(np.array([[[1]]]), np.array([[[-200.0]]], np.float32))
    np.testing.assert_allclose(loss, [200], rtol=1e-6)


def test_dice_loss_by_hand():
    """Odds of 1:1 everywhere, one of two pixels on a defect."""
    loss = dice_loss(np.array([[[True, False]]]), np.zeros((1, 1, 2), np.float32))
    np.testing.assert_allclose(loss, [1 - (2 * 0.5 + 1) / (1 + 1 + 1)], rtol=1e-6)


def test_dice_loss_bounds(pair):
    masks, _ = pair
    certain = np.where(masks, 50, -50).astype(np.float32)
    np.testing.assert_allclose(dice_loss(masks, certain), 0, atol=1e-6)
    assert (np.asarray(dice_loss(masks, -certain)) > 0.85).all()
