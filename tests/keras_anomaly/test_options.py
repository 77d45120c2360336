import numpy as np
import pytest

from keras_anomaly import AE, CNN, DDAD, AnoGAN, MvtecCAE, PaDiM, PatchCore
from keras_anomaly.options import options_of
from processing.errors import UsageError


def options(detector):
    found = options_of(detector.method, detector.get_params())
    return {key: value for key, (_, value) in found.items()}


def test_defaults_are_no_options():
    for kind in (AE, CNN, PaDiM, PatchCore, DDAD, MvtecCAE):
        assert options(kind()) == {}
    assert options(AnoGAN(size=64, epochs=None)) == {"size": (64, 64)}


def test_values_are_those_of_the_command_line():
    detector = PatchCore(
        size=(64, 96),
        crop=32,
        span=(0, 4095.0),
        levels=["stage2", "stage3"],
        coreset=np.float64(0.1),
        patches=np.int64(40),
        whiten=True,
        sigma=4,
    )
    assert options(detector) == {
        "size": (64, 96),
        "crop": (32, 32),
        "span": (0, 4095),
        "levels": "stage2,stage3",
        "coreset": 0.1,
        "patches": 40,
        "whiten": True,
    }


@pytest.mark.parametrize(
    ("detector", "message"),
    [
        (PatchCore(coreset=2), "coreset: expected a number of at most 1. Received: 2"),
        (PatchCore(size="big"), "size: expected pixels, or height x width"),
        (PatchCore(size=np.zeros((2, 2))), "size: expected pixels, or height x width"),
        (PatchCore(whiten=3), "PatchCore: whiten: expected true or false. Received: 3"),
        (PatchCore(seed=-1), "seed: expected a number of at least 0. Received: -1"),
        (PatchCore(tile=64, size=32), "--tile must not exceed what --size"),
        (PatchCore(mask="none.png"), "none.png"),
        (AE(batch_size=0), "batch_size: expected a number of at least 1. Received: 0"),
        (AE(loss="l3"), "loss: unknown name 'l3': did you mean l2?"),
        (DDAD(steps=300), "--steps must be 1 to --start"),
    ],
)
def test_values_that_the_command_line_refuses(detector, message):
    with pytest.raises(UsageError) as caught:
        detector.fit([])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
