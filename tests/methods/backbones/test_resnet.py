import pytest

WIDE = pytest.param("wide_resnet50_2", marks=pytest.mark.nightly)  # as resnet50


@pytest.mark.parametrize("name", ["resnet18", "resnet50", WIDE])
def test_equals_timm(name, errors):
    assert max(errors(name, name)) < 1e-4
