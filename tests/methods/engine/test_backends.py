"""A model file gives the same maps on another backend."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from methods.cae.cae import CAE
from methods.detector.detector import Detector
from methods.detector.model_file import save_model
from processing.data.dataset import scan_category
from tests.records import learned, training_record

SCRIPT = """
import sys, numpy as np
from pathlib import Path
from methods.detector.model_file import load_model
detector, _ = load_model(Path(sys.argv[1]))
np.save(sys.argv[3], detector.method.anomaly_map(np.load(sys.argv[2])))
"""


@pytest.mark.slow
def test_jax_gives_the_maps_of_tensorflow(samples, tmp_path):
    pytest.importorskip("jax")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("compares TensorFlow with JAX")
    shape = (64, 64, 1)
    good = scan_category(samples / "washer", image_shape=shape).train
    method = learned(CAE(image_shape=shape))
    method.arrays = {name: 0.05 * array for name, array in method.arrays.items()}
    save_model(tmp_path / "model.hdf5", Detector(method), training_record("mvtecCAE"))
    images = next(good.batches(2))
    np.save(tmp_path / "images.npy", images)
    paths = [str(tmp_path / name) for name in ("model.hdf5", "images.npy", "maps.npy")]
    subprocess.run(
        [sys.executable, "-c", SCRIPT, *paths],
        check=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "KERAS_BACKEND": "jax"},
    )
    maps = np.load(tmp_path / "maps.npy")
    np.testing.assert_allclose(maps, method.anomaly_map(images), atol=1e-4)
