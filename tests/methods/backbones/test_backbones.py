import dataclasses
import subprocess
import sys

import keras
import numpy as np
import pytest

from methods.backbones import BACKBONES, build, levels, load_weights, pretrained
from processing.errors import UsageError, UserError
from processing.files import sha256

pytestmark = pytest.mark.usefixtures("eager_file")
NIGHTLY = {"efficientnet_lite1", "efficientnet_lite2", "wide_resnet50_2"}
NAMES = [
    pytest.param(name, marks=pytest.mark.nightly) if name in NIGHTLY else name
    for name in BACKBONES
]


def shape_for(name):
    return (28, 42, 3) if name == "dinov2_small" else (64, 32, 3)


def test_importing_names_does_not_import_keras():
    code = "import methods.backbones, sys; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_maps_have_the_channels_and_strides_promised(name, rng):
    height, width, _ = shape_for(name)
    model = build(name, (height, width, 3), [level.name for level in levels(name)])
    maps = model.predict_on_batch(rng.random((2, height, width, 3), np.float32))
    assert [m.shape for m in maps] == [
        (2, height // level.stride, width // level.stride, level.channels)
        for level in levels(name)
    ]
    assert all(np.isfinite(m).all() for m in maps)
    assert model.count_params() == BACKBONES[name].parameters


@pytest.mark.parametrize("name", [*BACKBONES][::2])  # one of each family, and more
def test_it_stops_at_the_deepest_level_asked_for(name):
    first, second = [level.name for level in levels(name)][:2]
    shallow = build(name, shape_for(name), [first]).count_params()
    both = build(name, shape_for(name), [second, first])
    assert shallow < both.count_params() < BACKBONES[name].parameters
    assert [m.shape[-1] for m in both.outputs] == [
        level.channels for level in reversed(levels(name)[:2])
    ]


def test_random_weights_come_from_the_seed():
    def kernel(seed):
        keras.utils.set_random_seed(seed)
        return build("resnet18", (32, 32, 3), ["layer1"]).get_weights()[0]

    np.testing.assert_array_equal(kernel(1), kernel(1))
    assert (kernel(1) != kernel(2)).all()


def test_the_normalisation_is_inside(rng):
    model = build("resnet18", (32, 32, 3), ["layer1"])
    images = rng.random((2, 32, 32, 3), np.float32)
    mean, deviation = BACKBONES["resnet18"].normalisation
    normalise = model.get_layer("normalise")
    np.testing.assert_allclose(
        np.asarray(normalise(images)), (images - mean) / deviation, atol=1e-5
    )


def test_wrong_names_and_shapes():
    lite = "efficientnet_lite0"
    with pytest.raises(UsageError, match="unknown backbone 'lite': .* resnet18"):
        levels("lite")
    with pytest.raises(UsageError, match="has the levels stage1,.* Received: layer1"):
        build(lite, (64, 32, 3), ["layer1"])
    with pytest.raises(UsageError, match="Received: none"):
        build(lite, (64, 32, 3), [])
    with pytest.raises(UsageError, match="multiples of 8. Received: 60x32"):
        build(lite, (60, 32, 3), ["stage1", "stage3"])
    with pytest.raises(UsageError, match="multiples of 14. Received: 64x32"):
        build("dinov2_small", (64, 32, 3), ["block3"])
    with pytest.raises(UsageError, match="RGB images. Received: 1 "):
        build(lite, (64, 32, 1), ["stage1"])


def test_imagenet_weights_of_the_package(monkeypatch):
    name = "efficientnet_lite0"
    model = build(name, (64, 32, 3), ["stage1"])
    before = model.get_weights()
    wrong = dataclasses.replace(BACKBONES[name], sha256="0")
    with monkeypatch.context() as patched:
        patched.setitem(BACKBONES, name, wrong)
        with pytest.raises(
            UserError, match="0.1.0: install it anew. .* SHA-256 0, rec"
        ):
            load_weights(model, name, "imagenet")
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    assert load_weights(model, name, "imagenet") == BACKBONES[name].sha256
    assert (model.get_weights()[0] != before[0]).any()


def test_the_record_of_published_weights():
    for name, known in BACKBONES.items():
        assert bool(known.licence) == known.published
        assert not known.package or sha256(pretrained.local(name)) == known.sha256


def test_random_weights_have_no_file():
    model = build("resnet18", (32, 32, 3), ["layer1"])
    before = model.get_weights()
    assert load_weights(model, "resnet18", "random") == ""
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


@pytest.mark.parametrize("name", ["resnet18", "swin_tiny", "dinov2_small"])
def test_a_saved_model_opens_and_gives_the_same(name, rng, tmp_path):
    height, width, _ = shape_for(name)
    model = build(name, (height, width, 3), [levels(name)[0].name])
    images = rng.random((2, height, width, 3), np.float32)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_allclose(
        again.predict_on_batch(images), model.predict_on_batch(images), atol=1e-6
    )
