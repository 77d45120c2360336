import keras
import numpy as np
import pytest

from methods.engine.optimizer import compile_trainer
from methods.fewshot.prototypes import HeadTrainer, Prototypes, residual_head

SHAPES = [(4, 6, 5), (2, 3, 7)]


@pytest.fixture
def deviations(rng):
    return [rng.random((3, *shape), np.float32) / 4 for shape in SHAPES]


def test_log_odds_are_differences_of_cosines():
    layer = Prototypes()
    layer.build((None, 2))
    layer.prototypes.assign([[0.0, 3.0], [2.0, 0.0]])  # normal, abnormal
    odds = layer(np.array([[0.0, 1.0], [1.0, 0.0], [0.6, 0.8]], np.float32))
    np.testing.assert_allclose(odds, [-10, 10, -2], rtol=1e-5)


def test_before_training_the_odds_follow_the_distance(deviations):
    """Cosine distances are half the squared deviations."""
    head = residual_head(SHAPES)
    coarse = np.square(deviations[1]).sum(axis=-1) / 2
    fine = np.square(deviations[0]).sum(axis=-1) / 2
    odds = np.asarray(head(deviations))
    assert odds.shape == (3, 4, 6)
    corner = 20 * ((fine + coarse.repeat(2, 1).repeat(2, 2)) / 2 - 0.3)
    np.testing.assert_allclose(odds[:, 0, 0], corner[:, 0, 0], rtol=1e-4)
    np.testing.assert_allclose(odds[:, -1, -1], corner[:, -1, -1], rtol=1e-4)


def test_training_lowers_the_loss(rng):
    """Brightness is what deviates; the head learns which of it are defects."""
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 1))
    frozen = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    trainer = HeadTrainer(
        keras.Model(images, frozen(images)),
        residual_head([(8, 8, 1)]),
        keras.layers.Identity(),
    )
    pixels = rng.random((16, 8, 8, 1), np.float32)
    masks = (pixels[..., 0] > 0.3) & (pixels[..., 0] < 0.6)  # not the brightest
    compile_trainer(trainer, keras.optimizers.Adam(0.01))
    before = trainer.evaluate(pixels, masks, verbose=0)
    trainer.fit(pixels, masks, epochs=60, batch_size=8, verbose=0)
    assert trainer.evaluate(pixels, masks, verbose=0) < 0.5 * before
    np.testing.assert_array_equal(frozen.get_weights()[0], [[1.0]])
