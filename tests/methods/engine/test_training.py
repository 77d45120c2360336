import keras
import numpy as np

from methods.engine.batches import Batches, InOrder
from methods.engine.loss_model import LossModel
from methods.engine.settings import Settings
from methods.engine.training import fit


class Means(LossModel):
    """Learns nothing; its loss is the mean of a batch."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, x):
        return x, self.dense(x)

    def batch_loss(self, targets, outputs):
        images, made = outputs
        return keras.ops.mean(images) + 0 * keras.ops.sum(made)


def followed(state):
    """Return the means of the batches of epochs 1 to 4, from those that `state` has."""
    seen = []

    class Recorder(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.total = 0.0

        def on_train_batch_end(self, batch, logs=None):
            total = float(logs["loss"]) * (batch + 1)
            seen.append(round(total - self.total, 1))
            self.total = total

    model = Means()
    model.compile("sgd", jit_compile=False)
    batches = Batches(lambda i: i[:, None].astype("float32"), 40, 4, seed=1)
    validation = InOrder(batches.load, 4, 4)
    settings = Settings(epochs=4, patience=None)
    shown = [Recorder()]
    fit(model, batches, validation, settings, state=state, callbacks=shown)
    return np.reshape(seen, (-1, 10)), batches


def test_a_resumed_training_sees_the_batches_of_an_uninterrupted_one(short_epochs):
    whole, batches = followed({})
    for epoch, means in enumerate(whole):
        batches.start(epoch)
        np.testing.assert_allclose(means, [batches[i].mean() for i in range(10)], 0.02)
    np.testing.assert_array_equal(followed({"epochs": 2})[0], whole[2:])
