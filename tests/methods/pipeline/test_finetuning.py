import pytest

from methods.cae.cae import CAE
from methods.padim.padim import PaDiM
from methods.pipeline.finetuning import choose_maps
from processing.errors import UsageError


def test_choice_of_maps():
    method = CAE(image_shape=(32, 32, 1), loss="l2")
    assert choose_maps(method, None, legacy=False) == "l2"
    assert choose_maps(method, "ssim", legacy=True) == "legacy-ssim"
    with pytest.raises(UsageError, match="no depth maps, expected one of ssim"):
        choose_maps(method, "depth", legacy=False)


def test_legacy_maps_of_a_method_without():
    with pytest.raises(UsageError, match="autoencoders. Received: a PaDiM model"):
        choose_maps(PaDiM(), None, legacy=True)
