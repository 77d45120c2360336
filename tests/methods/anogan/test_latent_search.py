import numpy as np
import pytest

from methods.anogan import networks
from methods.anogan.latent_search import LAMBDA, LatentSearch

SHAPE = (32, 32, 1)


@pytest.fixture(scope="module")
def made():
    """Return a generator with some contrast, and a discriminator."""
    generator = networks.generator(SHAPE, 8, 4)
    discriminator = networks.discriminator(SHAPE, 4)
    for network in (generator, discriminator):
        network.set_weights(
            [3 * w if w.ndim == 4 else w for w in network.get_weights()]
        )
    return generator, discriminator


@pytest.fixture
def images(made, rng):
    """Return four images that the generator can make."""
    latents = rng.normal(size=(4, 8)).astype("float32")
    return np.asarray(made[0](latents))


@pytest.fixture
def starts(rng):
    return np.tile(rng.normal(size=(1, 8)).astype("float32"), (4, 1))


def test_loss_is_that_of_the_paper(made, images, starts):
    """By hand, at the starts: no step is taken."""
    generator, discriminator = made
    features = networks.keras.Model(
        discriminator.input, discriminator.get_layer(networks.FEATURES).output
    )
    found = np.asarray(generator(starts))
    residual = np.abs(2 * images - 2 * found).sum(axis=(1, 2, 3))
    apart = np.asarray(features(images)) - np.asarray(features(found))
    expected = (1 - LAMBDA) * residual + LAMBDA * np.abs(apart).sum(axis=(1, 2, 3))
    reconstructions, losses = LatentSearch(*made, 0).search(images, starts)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    np.testing.assert_allclose(reconstructions, found, atol=1e-5)


def test_f_anogan_scores_by_mean_squares(made, images, starts):
    generator, discriminator = made
    features = networks.keras.Model(
        discriminator.input, discriminator.get_layer(networks.FEATURES).output
    )
    found = np.asarray(generator(starts))
    apart = np.asarray(features(images)) - np.asarray(features(found))
    expected = np.square(2 * images - 2 * found).mean(axis=(1, 2, 3))
    expected += np.square(apart).mean(axis=(1, 2, 3))
    _, scores = LatentSearch(*made, 0, squared=True).search(images, starts)
    np.testing.assert_allclose(scores, expected, rtol=1e-4)


def test_the_search_comes_closer_for_every_image(made, images, starts):
    before, first = LatentSearch(*made, 0).search(images, starts)
    after, last = LatentSearch(*made, 100).search(images, starts)
    assert (last < 0.7 * first).all()
    errors = (np.abs(x - images).mean(axis=(1, 2, 3)) for x in (before, after))
    assert np.less(*reversed(list(errors))).all()


def test_the_best_latents_are_kept(made, images, starts, monkeypatch):
    """With a rate that throws the latents about, the start may stay the best."""
    monkeypatch.setattr("methods.anogan.latent_search.RATE", 100.0)
    _, first = LatentSearch(*made, 0).search(images, starts)
    _, last = LatentSearch(*made, 7).search(images, starts)
    assert (last <= first * (1 + 1e-6)).all()


def test_a_batch_gives_what_its_images_give_alone(made, images, starts):
    search = LatentSearch(*made, 20)
    together = search.search(images, starts)
    for i in range(len(images)):
        alone = search.search(images[i : i + 1], starts[i : i + 1])
        np.testing.assert_allclose(alone[0][0], together[0][i], atol=1e-3)
        np.testing.assert_allclose(alone[1][0], together[1][i], rtol=1e-3)
