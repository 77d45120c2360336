import keras
import numpy as np
import pytest

from methods.anogan import adversarial_training
from methods.anogan.adversarial_training import Adversaries, cross_entropy
from methods.anogan.networks import GANShape


def test_cross_entropy_by_hand():
    logits = np.float32([[0.5], [-2.0]])
    for target in (0.0, 0.9, 1.0):
        p = 1 / (1 + np.exp(-logits))
        expected = -np.mean(target * np.log(p) + (1 - target) * np.log(1 - p))
        assert float(cross_entropy(logits, target)) == pytest.approx(expected, 1e-5)


def gradients(model, images):
    """Return the largest gradient of each network: a step of SGD with rate 1."""
    model.compile(keras.optimizers.SGD(1.0), jit_compile=False)
    networks = (model.generator, model.discriminator)
    before = [[np.array(w) for w in n.trainable_weights] for n in networks]
    model.train_on_batch(images / np.float32(255))
    return [
        max(
            np.abs(np.array(weight) - value).max()
            for weight, value in zip(network.trainable_weights, old, strict=True)
        )
        for network, old in zip(networks, before, strict=True)
    ]


@pytest.mark.parametrize("trained", [0, 1])
def test_each_loss_reaches_its_own_network_alone(images, trained, monkeypatch):
    def one_of(logits, target):
        generators = target == 1.0
        kept = generators == (trained == 0)
        return keras.ops.mean(keras.ops.softplus(-logits)) * float(kept)

    monkeypatch.setattr(adversarial_training, "cross_entropy", one_of)
    steps = gradients(Adversaries(GANShape((32, 32, 1), 4, 2), seed=3), images)
    assert steps[trained] > 0
    assert steps[1 - trained] == 0


def test_averages_follow_the_generator(images, monkeypatch):
    monkeypatch.setattr(adversarial_training, "FOLLOWING", 0.05)
    model = Adversaries(GANShape((32, 32, 1), 4, 2), seed=3)
    before = [np.array(w) for w in model.average.weights]
    for old, weight in zip(before, model.generator.weights, strict=True):
        np.testing.assert_array_equal(old, np.array(weight))
    gradients(model, images)
    first = [np.array(w) for w in model.generator.weights]
    model.train_on_batch(images / np.float32(255))
    for old, weight, mean in zip(before, first, model.average.weights, strict=True):
        if "moving" not in mean.path:  # statistics change before they are followed
            np.testing.assert_allclose(mean, 0.05 * old + 0.95 * weight, atol=1e-5)
