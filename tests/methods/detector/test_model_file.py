import copy
import json
from dataclasses import replace
from types import SimpleNamespace

import h5py
import keras
import numpy as np
import pytest

from methods.cae.cae import CAE
from methods.detector.detector import Detector
from methods.detector.model_file import (
    load_checkpoint,
    load_model,
    read_record,
    read_unfitted,
    save_checkpoint,
    save_model,
)
from methods.detector.records import EARLIER
from processing.errors import UserError
from processing.preprocessing.preparation import Preparation
from tests.records import learned, training_record


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return a method and the content of its model file."""
    method = learned(CAE(image_shape=(32, 32, 1)))
    path = tmp_path_factory.mktemp("saved") / "model.hdf5"
    save_model(path, Detector(method), training_record("mvtecCAE"))
    return method, path.read_bytes()


@pytest.fixture
def model(saved, tmp_path):
    """Return a model file and its method, whose arrays may be changed."""
    method, content = saved
    path = tmp_path / "model.hdf5"
    path.write_bytes(content)
    method = copy.copy(method)
    method.arrays = {**method.arrays}
    return path, method


def test_keras_opens_the_file_without_this_package(model, rng):
    path, method = model
    images = rng.random((1, 32, 32, 1), np.float32)
    network = keras.models.load_model(path, compile=False)
    np.testing.assert_allclose(network(images), method.networks["autoencoder"](images))


def test_weights_are_stored_once(model):
    path, method = model
    size = sum(np.asarray(w).nbytes for w in method.networks["autoencoder"].weights)
    assert size < path.stat().st_size < 1.2 * size + 200_000


def test_a_failed_save_keeps_the_old_file(model, monkeypatch):
    path, method = model
    before = path.read_bytes()
    method.arrays = {"broken": np.array([object()])}
    with pytest.raises(TypeError):
        save_model(path, Detector(method), training_record("mvtecCAE"))
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["model.hdf5"]


def test_a_full_disk_is_told_before_hdf5_meets_it(model, monkeypatch):
    path, method = model
    before = path.read_bytes()
    free = SimpleNamespace(free=int(0.9 * len(before)))
    monkeypatch.setattr("shutil.disk_usage", lambda folder: free)
    with pytest.raises(UserError, match=r"model.hdf5: about .* MB needed, .* MB free"):
        save_model(path, Detector(method), training_record("mvtecCAE"))
    with pytest.raises(UserError, match=r"state.h5: about .* MB needed, .* MB free"):
        save_checkpoint(path.with_name("state.h5"), {"a": [np.zeros(10**6)]}, {})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["model.hdf5"]


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match="no such model file: .*nothing.hdf5"):
        load_model(tmp_path / "nothing.hdf5")


def test_truncated_file(model):
    path, _ = model
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(UserError, match="model.hdf5.* truncated"):
        load_model(path)


def test_no_hdf5(tmp_path):
    path = tmp_path / "notes.hdf5"
    path.write_text("hello")
    with pytest.raises(UserError, match="not an HDF5 file"):
        load_model(path)


def test_other_hdf5(tmp_path):
    path = tmp_path / "other.hdf5"
    with h5py.File(path, "w") as file:
        file["x"] = 1
    with pytest.raises(UserError, match="not one that train.py wrote"):
        load_model(path)


def test_newer_format(model):
    path, _ = model
    with h5py.File(path, "a") as file:
        file.attrs["format_version"] = 99
    with pytest.raises(UserError, match="format version 99.*up to 2"):
        load_model(path)


def test_damaged_content(model):
    path, _ = model
    with h5py.File(path, "a") as file:
        del file["networks"]
    with pytest.raises(UserError, match="damaged"):
        load_model(path)


@pytest.mark.parametrize(
    "key", ["networks/autoencoder/2", "arrays/ssim_mean", "preparation/mask"]
)
def test_a_flipped_bit(model, key):
    path, method = model
    mask = np.ones((32, 32), bool)
    preparation = Preparation((32, 32), 1, mask="1,2,3,4", arrays={"mask": mask})
    save_model(path, Detector(method, preparation), training_record("mvtecCAE"))
    load_model(path)
    with h5py.File(path) as file:
        offset = file[key].id.get_offset()
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged: .* has changed since .*"):
        load_model(path)


def test_files_without_checksums(model):
    path, method = model
    with h5py.File(path, "a") as file:
        del file["arrays/ssim_mean"].attrs["crc32"]
    arrays = load_model(path)[0].method.arrays
    np.testing.assert_array_equal(arrays["ssim_mean"], 1)


def replaced(key, value):
    def change(file):
        del file[key]
        file[key] = value

    return change


ELSEWHERE = h5py.ExternalLink("other.h5", "secret")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replaced("networks/autoencoder/0", ELSEWHERE), "is a link to another place"),
        (replaced("arrays/ssim_mean", ELSEWHERE), "is a link to another place"),
        (replaced("model_weights", ELSEWHERE), "is a link to another place"),
        (replaced("arrays", 3), "damaged"),
        (replaced("networks/autoencoder", 3), "damaged"),
        (lambda file: file.update({"notes/x": 1}), "/ holds 'notes', which is unknown"),
        (lambda file: file.update({"preparation/x": 1}), "/preparation holds 'x'"),
        (lambda file: file.update({"networks/x/0": 1}), "/networks holds 'x', which"),
        (lambda file: file.update({"networks/autoencoder/x": 1}), "oder holds 'x'"),
        (lambda file: file.attrs.update(record=3), "damaged"),
        (lambda file: file.attrs.update(record=["a"]), "damaged"),
        (lambda file: file.attrs.update(format_version="new"), "damaged"),
        (lambda file: file.attrs.update(format=[1, 2]), "damaged|not one that train"),
    ],
)
def test_what_save_model_does_not_write(change, message, model):
    path, _ = model
    with h5py.File(path.with_name("other.h5"), "w") as other:
        other["secret"] = np.ones((32, 32), np.float32)
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(UserError, match=f"model.hdf5 .*({message})"):
        load_model(path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("networks/autoencoder/3", None, "it lacks /networks/autoencoder/3"),
        ("networks/autoencoder/0", np.ones(3), r"/0: expected floats \(4, 4, 1, 8\)"),
        ("networks/autoencoder/1", np.ones(8, int), r"/1: expected floats \(8\)"),
        ("networks/autoencoder/1", np.full(8, np.nan), "/1 holds numbers that are "),
        ("arrays/ssim_mean", None, "it lacks /arrays/ssim_mean"),
        ("arrays/l2_mean", np.full((32, 32), np.inf), "/arrays/l2_mean holds number"),
        ("preparation/mask", None, "it lacks /preparation/mask"),
        ("preparation/mask", np.ones((9, 9), bool), r"booleans \(32, 32\). Received"),
        ("preparation/core", np.ones((32, 32), bool), "/preparation holds 'core', whi"),
    ],
)
def test_arrays_that_are_others(key, value, message, model):
    path, method = model
    mask = np.ones((32, 32), bool)
    preparation = Preparation((32, 32), 1, mask="1,2,3,4", arrays={"mask": mask})
    save_model(path, Detector(method, preparation), training_record("mvtecCAE"))
    with h5py.File(path, "a") as file:
        if key in file:
            del file[key]
        if value is not None:
            file[key] = value
    with pytest.raises(UserError, match=f"model.hdf5 is damaged: .*{message}"):
        load_model(path)


def test_a_checkpoint_that_points_elsewhere(tmp_path):
    path = tmp_path / "state.h5"
    save_checkpoint(path, {"current": [np.ones(3)]}, {})
    with h5py.File(path, "a") as file:
        file["current/1"] = ELSEWHERE
    with pytest.raises(UserError, match="state.h5 is damaged: /current/1 is a link"):
        load_checkpoint(path)


def test_checkpoint_round_trip(tmp_path, rng):
    arrays = {"current": [rng.random(3), np.array(4)], "best": []}
    save_checkpoint(tmp_path / "state.h5", arrays, {"epochs": 3})
    loaded, state = load_checkpoint(tmp_path / "state.h5")
    assert state == {"epochs": 3}
    assert loaded["best"] == []
    np.testing.assert_array_equal(loaded["current"][0], arrays["current"][0])
    assert loaded["current"][1] == 4


def test_a_damaged_checkpoint(tmp_path, rng):
    path = tmp_path / "state.h5"
    save_checkpoint(path, {"current": [rng.random(300)]}, {"epochs": 3})
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(UserError, match="state.h5 is damaged: "):
        load_checkpoint(path)


def test_the_preparation_is_read_without_the_weights(tmp_path, rng):
    method = CAE(image_shape=(32, 32, 1))
    method.build()
    arrays = {"mask": rng.random((48, 64)) > 0.5}
    options = {"crop": (40, 40), "tile": 32, "mask": "1,2,3,4", "span": (0.5, 9.0)}
    before = Preparation((48, 64), 1, **options, arrays=arrays)
    path = tmp_path / "model.hdf5"
    save_model(path, Detector(method, before), training_record("mvtecCAE"))
    after = read_unfitted(path)[0].preparation
    assert after == before
    np.testing.assert_array_equal(after.arrays["mask"], arrays["mask"])


def test_models_of_the_first_format_were_only_resized(model):
    path, _ = model
    with h5py.File(path, "a") as file:
        record = json.loads(file.attrs["record"])
        del record["preparation"]
        file.attrs["record"] = json.dumps(record)
        file.attrs["format_version"] = 1
    detector, _ = load_model(path)
    assert detector.preparation == Preparation((32, 32), 1)


def test_the_id_of_a_model(model):
    """It is that of its training run; earlier versions' files have it by content."""
    path, method = model
    earlier = read_record(path).id
    assert earlier.startswith(EARLIER)
    moved = path.rename(path.with_name("moved.hdf5"))
    assert load_model(moved)[1].id == earlier
    record = training_record("mvtecCAE", training={"seconds": 1.5})
    save_model(path, Detector(method), record)
    assert read_record(path).id != earlier
    save_model(path, Detector(method), replace(record, id="0123abcd"))
    assert read_record(path).id == "0123abcd"


def test_a_file_is_opened_once(model, monkeypatch):
    """What takes its place meanwhile is not read, and what is written in is refused."""
    path, method = model
    other = path.with_name("other.hdf5")
    method.arrays["l2_mean"] = np.zeros((32, 32), np.float32)
    save_model(other, Detector(method), training_record("mvtecCAE"))
    build = CAE.build

    def replaced(self):
        build(self)
        other.replace(path)

    monkeypatch.setattr(CAE, "build", replaced)
    detector, _ = load_model(path)
    np.testing.assert_array_equal(detector.method.arrays["l2_mean"], 1)

    def written(self):
        build(self)
        with path.open("r+b") as file:
            file.write(file.read(8))

    monkeypatch.setattr(CAE, "build", written)
    with pytest.raises(UserError, match="was written while it was read: start again"):
        load_model(path)
