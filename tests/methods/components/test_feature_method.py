import pytest

from methods.contrastive.contrastive import Contrastive
from methods.padim.padim import PaDiM
from processing.errors import UsageError


def test_a_backbone_without_weights_is_for_training_from_scratch():
    options = {"image_shape": (64, 64, 3), "backbone": "swin_mini", "weights": "random"}
    with pytest.raises(UsageError, match="swin_mini .*expected -a contrastive"):
        PaDiM(**options).check()
    Contrastive(**options).check()
