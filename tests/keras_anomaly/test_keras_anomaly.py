import subprocess
import sys

import pytest

import keras_anomaly


def test_importing_it_imports_nothing_large():
    program = "import sys, keras_anomaly; dir(keras_anomaly); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    loaded = {*done.stdout.decode().split()}
    assert "keras_anomaly" in loaded
    assert not loaded & {"tensorflow", "keras", "sklearn", "numpy", "cv2", "pandas"}


@pytest.mark.parametrize("name", keras_anomaly.__all__)
def test_names_lead_to_what_they_name(name):
    if name.endswith("Logger") or not isinstance(getattr(keras_anomaly, name), type):
        assert getattr(keras_anomaly, name)
    else:
        assert getattr(keras_anomaly, name).__name__ == name


def test_names_that_there_are_none_of():
    assert not hasattr(keras_anomaly, "Padim")
