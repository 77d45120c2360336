import pytest

from methods.backbones.pretrained import local

NAMES = [
    "efficientnet_lite0",
    *[
        pytest.param(f"efficientnet_lite{number}", marks=pytest.mark.nightly)
        for number in (1, 2)
    ],
]


@pytest.mark.parametrize("name", NAMES)
def test_equals_the_original_with_its_weights(errors, name):
    assert max(errors(name, name, local(name))) < 1e-5


@pytest.mark.parametrize("name", NAMES[::2])
def test_equals_timm(errors, name):
    assert max(errors(f"{name}_timm", name)) < 1e-5
