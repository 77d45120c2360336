import hashlib
import zipfile

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file

from methods.backbones import build, load_weights
from methods.backbones.weights import find
from processing.errors import UsageError, UserError
from processing.files import sha256

SHAPE = (32, 32, 3)


@pytest.fixture
def model():
    return build("resnet18", SHAPE, ["layer1"])


@pytest.fixture
def tensors(rng):
    """Return the tensors of a ResNet-18 up to its first layer, and of its head."""
    result = {"conv1.weight": rng.random((64, 3, 7, 7), np.float32)}
    norms = ["bn1"]
    for block in range(2):
        for index in (1, 2):
            key = f"layer1.{block}.conv{index}.weight"
            result[key] = rng.random((64, 64, 3, 3), np.float32)
            norms.append(f"layer1.{block}.bn{index}")
    for norm in norms:
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            result[f"{norm}.{leaf}"] = rng.random(64, np.float32)
        result[f"{norm}.num_batches_tracked"] = np.array(5)
    result["fc.weight"] = rng.random((1000, 512), np.float32)
    result["layer4.1.conv1.weight"] = np.zeros((1,), np.float32)
    return result


def test_safetensors(model, tensors, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file(tensors, path)
    digest = load_weights(model, "resnet18", path)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    np.testing.assert_array_equal(
        model.get_layer("conv1").get_weights()[0],
        tensors["conv1.weight"].transpose(2, 3, 1, 0),
    )
    norm = model.get_layer("layer1.1.bn2").get_weights()
    for weight, leaf in zip(
        norm, ("weight", "bias", "running_mean", "running_var"), strict=True
    ):
        np.testing.assert_array_equal(weight, tensors[f"layer1.1.bn2.{leaf}"])


def test_half_precision_becomes_single(model, tensors, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({k: v.astype("float16") for k, v in tensors.items()}, path)
    load_weights(model, "resnet18", str(path))
    kernel = model.get_layer("conv1").get_weights()[0]
    assert kernel.dtype == np.float32
    np.testing.assert_allclose(
        kernel, tensors["conv1.weight"].transpose(2, 3, 1, 0), atol=1e-3
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"layer1.0.bn1.bias": None, "bn1.weight": None},
            r"bn1.weight is missing \(2 missing and 0 unexpected among 25 tensors",
        ),
        (
            {"layer1.2.conv1.weight": np.zeros(1, "float32")},
            r"layer1.2.conv1.weight is unexpected \(0 missing and 1 unexpected",
        ),
        (
            {"layer1.0.conv1.weight": np.zeros((64, 64, 1, 1), "float32")},
            r"layer1.0.conv1.weight has the shape \(64, 64, 1, 1\). Expected \(64, ",
        ),
    ],
)
def test_a_file_that_does_not_fit_changes_nothing(
    change, message, model, tensors, tmp_path
):
    tensors.update(change)
    path = tmp_path / "weights.safetensors"
    save_file({k: v for k, v in tensors.items() if v is not None}, path)
    before = model.get_weights()
    with pytest.raises(UserError, match=f"weights of resnet18: {message}"):
        load_weights(model, "resnet18", path)
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_damaged_safetensors(model, tensors, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file(tensors, path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match="weights.safetensors is damaged"):
        load_weights(model, "resnet18", path)


def test_other_data_types(model, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({"x": np.zeros(3, "int16")}, path)
    with pytest.raises(UserError, match="x has the data type I16"):
        load_weights(model, "resnet18", path)


def test_pth(model, data):
    with pytest.raises(UserError, match="small.pth .* conv1.weight is missing"):
        load_weights(model, "resnet18", data / "small.pth")


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras", ".h5"])
def test_keras_files(suffix, model, tmp_path, caplog):
    path = tmp_path / f"saved{suffix}"
    (model.save_weights if suffix == ".weights.h5" else model.save)(path)
    other = build("resnet18", SHAPE, ["layer1"])
    assert load_weights(other, "resnet18", path) == sha256(path)
    for weight, saved in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, saved)


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras", ".h5"])
def test_keras_files_that_point_elsewhere(suffix, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model.save_weights("own.weights.h5")
    path, inner = tmp_path / f"made{suffix}", tmp_path / "inner.h5"
    with h5py.File(inner, "w") as file:
        file["layers"] = h5py.ExternalLink("own.weights.h5", "layers")
    inner.rename(path)
    if suffix == ".keras":
        path.rename(inner)
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(inner, "model.weights.h5")
    with pytest.raises(UserError, match="made.*: /layers is a link to another place"):
        load_weights(model, "resnet18", path)


@pytest.mark.parametrize("members", [{}, {"model.weights.h5": b""}])
def test_keras_files_that_hold_nothing(members, model, tmp_path):
    path = tmp_path / "made.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(UserError, match="made.keras does not hold weights of resnet18"):
        load_weights(model, "resnet18", path)


@pytest.mark.parametrize("name", ["blocks.x.0.a.weight", "blocks.9.0.a.b", "blocks.0"])
def test_names_of_tensors_of_no_network(name, tmp_path):
    path = tmp_path / "made.safetensors"
    tensors = {"bn1.weight": np.zeros(1, "float32"), name: np.zeros(1, "float32")}
    save_file(tensors, path)
    model = build("efficientnet_lite0", SHAPE, ["stage1"])
    with pytest.raises(UserError, match="made.safetensors does not hold the weights"):
        load_weights(model, "efficientnet_lite0", path)


def test_keras_files_of_another_level(model, tmp_path):
    path = tmp_path / "saved.weights.h5"
    model.save_weights(path)
    deeper = build("resnet18", SHAPE, ["layer2"])
    with pytest.raises(UserError, match="does not hold weights of resnet18 up to"):
        load_weights(deeper, "resnet18", path)


def test_paths(tmp_path):
    with pytest.raises(UserError, match="no such weights: imagnet. Expected imagenet"):
        find("resnet18", "imagnet")
    path = tmp_path / "weights.onnx"
    path.touch()
    with pytest.raises(UsageError, match="weights.onnx is of no kind known"):
        find("resnet18", path)
    assert find("resnet18", "random") is None
