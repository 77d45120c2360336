import cv2
import numpy as np
import pytest

from methods.cae.cae import CAE
from methods.cli.diffusion_samples import GAP, denoise, main, picture
from methods.detector.detector import Detector
from methods.detector.model_file import save_model
from methods.diffusion.anoddpm import AnoDDPM
from methods.diffusion.ddad import DDAD
from tests.records import learned, training_record


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    method = AnoDDPM(image_shape=(16, 16, 1), preset="tiny", noise_kind="gaussian")
    learned(method)
    path = tmp_path_factory.mktemp("model") / "model.hdf5"
    save_model(path, Detector(method), training_record("AnoDDPM"))
    return path


def test_draws_samples_and_a_strip(model, capsys):
    assert main(["sample", "-p", str(model), "-n", "2", "--steps", "4"]) == 0
    path = model.with_name("samples.png")
    assert str(path) in capsys.readouterr().out
    assert cv2.imread(str(path)).shape == (2 * (16 + GAP), 2 * (16 + GAP), 3)


def test_stages_go_from_noise_to_images():
    method = AnoDDPM(image_shape=(16, 16, 1), preset="tiny", noise_kind="gaussian")
    method.build()
    stages = list(denoise(method, 3, 6, np.random.default_rng(0)))
    assert [stage.shape for stage in stages] == [(3, 16, 16, 1)] * 3
    assert stages[0].std() == pytest.approx(1, rel=0.1)
    assert np.abs(stages[-1]).max() <= 1


def test_picture_puts_samples_above_the_strip():
    stages = [np.full((2, 4, 4, 3), value, "float32") for value in (-1, 1)]
    pixels = picture(stages)
    assert pixels.dtype == np.uint8
    assert (pixels[0, 0] == 255).all()  # the first sample
    assert (pixels[4 + GAP, 0] == 0).all()  # the noise that the strip begins with


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-n", "3", "--steps", "4"], "multiple of --number, 3, and at most 800"),
        (["-n", "1", "--steps", "900"], "at most 800. Received: 900"),
    ],
)
def test_steps_that_do_not_go(model, words, message, capsys):
    assert main(["sample", "-p", str(model), *words]) == 2
    assert message in capsys.readouterr().err


def test_other_methods_draw_nothing(tmp_path, capsys):
    method = learned(CAE(image_shape=(32, 32, 1)))
    path = tmp_path / "cae.hdf5"
    save_model(path, Detector(method), training_record("mvtecCAE"))
    assert main(["sample", "-p", str(path)]) == 2
    assert "holds a CAE. Expected DDAD or AnoDDPM" in capsys.readouterr().err


def test_both_methods_know_how_far_they_were_trained():
    assert DDAD.horizon == 1000
    assert AnoDDPM.horizon == 800
