import keras
import numpy as np
import pytest
from keras import ops

from methods.engine.optimizer import compile_trainer
from methods.fewshot.projection import EpisodeContrast, memory_nce, projection_head


def test_it_begins_with_the_features_as_they_are(rng):
    features = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
    features /= np.linalg.norm(features, axis=-1, keepdims=True)
    np.testing.assert_allclose(projection_head(5, "p")(features), features, atol=1e-6)


def test_it_is_linear_but_for_the_length(rng):
    network = projection_head(3, "p")
    matrix = rng.normal(size=(3, 3)).astype(np.float32)
    network.set_weights([matrix])
    features = rng.normal(size=(1, 2, 2, 3)).astype(np.float32)
    expected = features + features @ matrix
    expected /= np.linalg.norm(expected, axis=-1, keepdims=True)
    np.testing.assert_allclose(network(features), expected, rtol=1e-5)


def test_loss_by_hand():
    close, against = np.float32([1.0, 0.5, 0.0]), np.float32([0.4, 0.2, 0.9])
    loss = memory_nce(close, against, np.float32([1, 1, 0]), np.float32([1, 1, 0]))
    terms = [np.exp(4) + np.exp(2)] * 2  # what is against the two that count
    expected = np.mean(
        [
            np.log((np.exp(p) + n) / np.exp(p))
            for p, n in zip((10, 5), terms, strict=True)
        ]
    )
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_without_defects_there_is_no_loss():
    one, none = np.ones(2, np.float32), np.zeros(2, np.float32)
    assert float(memory_nce(one, one, one, none)) == 0


@pytest.fixture
def trainer():
    """Return a trainer whose features are the colours of the pixels."""
    images = keras.Input((4, 4, 3))
    features = keras.layers.UnitNormalization()(images)
    network = keras.Model(images, features)
    return EpisodeContrast(network, [projection_head(3, "p")], shots=1, seed=0)


def test_pixels_are_compared_with_the_shots_alone(trainer):
    """The memory is red; good pixels are red, defective ones green."""
    red, green = np.eye(3, dtype=np.float32)[:2]
    images = np.broadcast_to(red, (3, 4, 4, 3)).copy()
    images[2, 1, 1:3] = green
    masks = np.zeros((3, 4, 4), bool)
    masks[2, 1, 1:3] = True
    loss = float(trainer.compute_loss(y=masks, y_pred=trainer(images)))
    np.testing.assert_allclose(loss, np.log(1 + 2 * np.exp(-10)), rtol=1e-2)
    images[0] = green  # what was remembered is what is defective
    loss = float(trainer.compute_loss(y=masks, y_pred=trainer(images)))
    np.testing.assert_allclose(loss, np.log(1 + 2 * np.exp(10)), rtol=1e-3)


def test_training_brings_good_pixels_to_the_memory(rng, trainer):
    """Good pixels differ in blue, defective ones in green: only this is to count."""
    keras.utils.set_random_seed(0)
    images = np.full((8, 4, 4, 3), 0.5, np.float32)
    images[..., 2] += rng.uniform(-0.5, 0.5, (8, 4, 4))
    masks = rng.random((8, 4, 4)) > 0.8
    masks[::4] = False
    images[masks, 1] += 0.15
    compile_trainer(trainer, keras.optimizers.Adam(0.05))
    data = ops.convert_to_tensor(images), ops.convert_to_tensor(masks)
    before = trainer.evaluate(*data, batch_size=4, verbose=0)
    trainer.fit(*data, batch_size=4, epochs=30, shuffle=False, verbose=0)
    assert trainer.evaluate(*data, batch_size=4, verbose=0) < 0.7 * before
    kernel = np.asarray(trainer.projections[0].weights[0])
    assert np.abs(kernel).max() > 0.1
