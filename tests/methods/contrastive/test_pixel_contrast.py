import keras
import numpy as np
import pytest
from keras import ops

from methods.contrastive.pixel_contrast import PixelContrast
from methods.engine.optimizer import compile_trainer


@pytest.mark.parametrize("seed", [0, 1])
def test_training_parts_good_from_defective(rng, seed):
    """Colours of one brightness: only the encoder can tell red spots."""
    keras.utils.set_random_seed(seed)
    images = keras.Input((8, 8, 3))
    hidden = keras.layers.Dense(8, activation="relu")(images)
    features = keras.layers.UnitNormalization()(keras.layers.Dense(4)(hidden))
    trainer = PixelContrast(keras.Model(images, features), seed)
    pixels = rng.random((8, 8, 8, 3), np.float32) * 0.2 + 0.4
    masks = rng.random((8, 8, 8)) > 0.8
    pixels[masks] += (0.2, -0.1, -0.1)
    compile_trainer(trainer, keras.optimizers.Adam(0.02))
    before = trainer.evaluate(pixels, masks, verbose=0)
    trainer.fit(pixels, masks, epochs=40, batch_size=4, verbose=0)
    assert trainer.evaluate(pixels, masks, verbose=0) < 0.3 * before


@pytest.mark.parametrize("apart", [False, True])
def test_good_pixels_of_all_images_belong_together(apart):
    """Maps know all good pixels: what one image calls good is no defect in another."""
    good, other = ([1, 0], [0, 1])
    first = [good, good, other, other]  # four pixels, the last two defective
    second = [other, other, good, good] if apart else first
    features = np.array([first, second], np.float32).reshape(2, 1, 4, 2)
    masks = np.array([[[0, 0, 1, 1]]] * 2, bool)
    trainer = PixelContrast(keras.Sequential(), seed=0)
    loss = float(trainer.compute_loss(y=masks, y_pred=ops.convert_to_tensor(features)))
    # four defective pixels: all at 0; or two at 0 and two at 10, the positives at 10/3
    expected = np.log(1 + 2 * np.exp(10 - 10 / 3) + 2 * np.exp(-10 / 3))
    expected = expected if apart else np.log(1 + 4 * np.exp(-10))
    np.testing.assert_allclose(loss, expected, rtol=1e-3)
