import keras
import numpy as np
import pytest

from autoencoder.architectures import ARCHITECTURES
from methods.base import StateError, TrainingImages
from methods.cae.cae import CAE
from methods.cae.segmenter_training import (
    SHARE,
    Segmentation,
    batches_of,
    before_of,
    train,
)
from methods.engine.augmentation import Augmentation
from methods.engine.settings import Settings
from tests.array_images import ArrayImages

from .conftest import two_layers

SIDE = 32
TINY = {"name": "AE", "image_shape": (SIDE, SIDE, 1), "latent": 4, "loss": "l2"}
TINY |= {"learning_rate": 1e-3, "precision": "float32", "batch_size": 8}


class Run:
    """What a training reports to, with what an interruption leaves."""

    def __init__(self, saved=None):
        self.kept, self.start = [], saved

    def saved(self):
        return self.start

    def callbacks(self, settings):
        return []

    def save(self, arrays, state):
        arrays = {kind: [np.array(x) for x in some] for kind, some in arrays.items()}
        self.kept.append((arrays, {**state, "history": list(state["history"])}))


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    """Let both networks have few layers and filters."""
    monkeypatch.setitem(ARCHITECTURES, "AE", two_layers)
    monkeypatch.setattr("methods.cae.segmenter.WIDTHS", (8, 8))


@pytest.fixture
def data():
    """Return images of a ramp, the same in all but brightness."""
    ramp = np.tile(np.linspace(60, 190, SIDE), (SIDE, 1))
    images = np.stack([ramp + shift for shift in range(-20, 20, 5)])[..., None]
    images = images.astype("uint8")
    return TrainingImages(ArrayImages(images[:6]), ArrayImages(images[6:]))


def test_a_segmenter_learns_to_mark_defects(data, monkeypatch):
    monkeypatch.setattr("methods.engine.batches.EPOCH_IMAGES", 32)
    monkeypatch.setattr("methods.engine.optimizer.WARM_UP", 5)

    def build():
        return ARCHITECTURES["AE"]((SIDE, SIDE, 1), 4)

    before = {"epochs": 1, "history": [], "best_epoch": 1, "best": 0.1}
    before |= {"rate_from": "given"}
    settings = Settings(batch_size=4, epochs=8)
    *_, state = train(build, build(), before, data, settings)
    losses = [row["loss"] for row in state["history"]]
    assert len(losses) == 8
    assert losses[-1] < 0.7 * losses[0]


def test_a_resumed_training_ends_like_an_uninterrupted_one(data, short_epochs, eager):
    """After the last epoch of the autoencoder, and one of the segmenter."""
    run = Run()
    whole = CAE(**TINY, segment=True, epochs=2).fit(data, run)
    assert [row["epoch"] for row in whole.history] == [1, 2, 3, 4]
    for saved in run.kept[1:3]:
        again = CAE(**TINY, segment=True, epochs=2).fit(data, Run(saved))
        for one, other in zip(whole.history, again.history, strict=True):
            assert one["loss"] == pytest.approx(other["loss"], rel=1e-3)
        for name, network in whole.networks.items():
            for one, other in zip(
                network.weights, again.networks[name].weights, strict=True
            ):
                np.testing.assert_allclose(one, other, atol=1e-3)
        for name, value in whole.trained.items():
            if isinstance(value, float) and name != "seconds":
                assert again.trained[name] == pytest.approx(value, rel=1e-3)
            elif name != "seconds":
                assert again.trained[name] == value


def test_the_autoencoder_is_the_one_of_a_run_without(data, short_epochs, eager):
    method = CAE(**TINY, segment=True, epochs=1).fit(data)
    alone = CAE(**TINY, epochs=1).fit(data)
    for one, other in zip(
        method.networks["autoencoder"].weights,
        alone.networks["autoencoder"].weights,
        strict=True,
    ):
        np.testing.assert_allclose(one, other, atol=1e-6)
    images = data.validation.load(np.arange(2))
    for kind in alone.map_kinds:
        np.testing.assert_allclose(
            method.anomaly_map(images, kind), alone.anomaly_map(images, kind), atol=1e-3
        )


def test_what_is_said_of_it(data, short_epochs, eager, caplog):
    with caplog.at_level("INFO"):
        method = CAE(**TINY, segment=True, epochs=1).fit(data)
    assert "learns from synthetic defects and may miss other kinds" in caplog.text
    assert method.trained["learned_from"] == "synthetic defects"
    assert not method.trained["supervised"]
    assert method.trained["learning_rate_from"] == "given"
    assert method.variant == "l2_segment"
    assert method.file_suffix == "_b8_e1_s2"
    assert method.highest("segment") == 1


@pytest.mark.parametrize(
    "wrong",
    [[], {}, {"epochs": 1, "best_epoch": 1, "best": "x", "rate_from": "given"}],
)
def test_a_damaged_state_is_refused(wrong):
    with pytest.raises(StateError, match="autoencoder.*: expected "):
        before_of(({}, {"autoencoder": wrong}))


def test_a_state_of_the_autoencoder_alone_knows_of_no_segmenter():
    assert before_of(None) is None
    assert before_of(({}, {"epochs": 3})) is None


def test_masks_are_moved_as_their_images_are(rng, eager):
    """The autoencoder gives back what it sees, here the mask."""
    seen = keras.Input((SIDE, SIDE, 1))
    same = keras.Model(seen, keras.layers.Activation("linear")(seen))
    both = keras.Input((SIDE, SIDE, 2))
    second = keras.Model(both, both[..., 1])
    trainer = Segmentation(same, second, Augmentation(brightness=0, seed=1))
    pixels = rng.random((2, SIDE, SIDE, 1), np.float32)
    for training in (False, True):
        marked = np.concatenate([pixels, pixels], axis=-1)
        masks, logits = map(np.asarray, trainer(marked, training=training))
        np.testing.assert_allclose(masks, logits, atol=1e-6)
    assert np.abs(masks - pixels[..., 0]).max() > 0.1  # moved


def test_batches_hold_images_and_where_they_are_changed(data, monkeypatch):
    monkeypatch.setattr("methods.engine.batches.EPOCH_IMAGES", 12)
    learned, checks = batches_of(data, Settings(batch_size=4, seed=3))
    good = data.good.load(np.arange(6))
    places = learned.order[:12]
    shares, first = [], [learned[i] for i in range(3)]
    for pictures in first:
        assert pictures.shape == (4, SIDE, SIDE, 2)
        assert pictures.dtype == np.float32
    for place, picture in zip(places, np.concatenate(first), strict=True):
        changed = picture[..., 0] != good[place][..., 0]
        assert not changed[picture[..., 1] == 0].any()
        shares.append(changed.any())
    assert np.mean(shares) == SHARE
    learned.start(1)
    assert np.abs(learned[0] - first[0]).max() > 0
    np.testing.assert_array_equal(checks[0], checks[0])


def test_the_networks_are_those_of_the_architecture(data):
    method = CAE(**TINY, segment=True)
    method.build()
    autoencoder = ARCHITECTURES["AE"]((SIDE, SIDE, 1), 4)
    assert [w.shape for w in method.networks["autoencoder"].weights] == [
        w.shape for w in autoencoder.weights
    ]
    assert set(method.networks) == {"autoencoder", "segmenter"}
