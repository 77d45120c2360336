import pytest

from methods.cae.cae import CAE
from methods.detector.decisions import decision_maps
from methods.padim.padim import PaDiM
from methods.pipeline.finetuning import choose_maps
from methods.pipeline.judging import picture_names
from processing.errors import UsageError


def test_names_of_pictures():
    names = ["test/good/000.png", "test/hole/000.png", "a b/c.png"]
    assert picture_names(names) == ["good_000", "hole_000", "a b_c"]


def test_pictures_whose_names_differ_in_the_suffix_only():
    assert picture_names(["x.png", "x.jpg", "y.png"]) == ["x.png", "x.jpg", "y"]


def test_choice_of_maps():
    method = CAE(image_shape=(32, 32, 1), loss="l2")
    assert choose_maps(method, None, legacy=False) == "l2"
    assert choose_maps(method, "ssim", legacy=True) == "legacy-ssim"
    with pytest.raises(UsageError, match="no depth maps, expected one of ssim"):
        choose_maps(method, "depth", legacy=False)


def test_legacy_maps_of_a_method_without():
    with pytest.raises(UsageError, match="autoencoders. Received: a PaDiM model"):
        choose_maps(PaDiM(), None, legacy=True)


def test_uint8_maps_are_scaled_by_the_kind(rng):
    method = CAE(image_shape=(32, 32, 1))
    maps = rng.random((1, 4, 4))
    assert decision_maps(method, "ssim", maps, "float64") is maps
    standard = decision_maps(method, "ssim", maps, "uint8")
    legacy = decision_maps(method, "legacy-ssim", maps, "uint8")
    assert standard.max() <= 10 < legacy.max()
