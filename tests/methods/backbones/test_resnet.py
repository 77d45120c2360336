import pytest


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "wide_resnet50_2"])
def test_equals_timm(name, errors):
    assert max(errors(name, name)) < 1e-4
