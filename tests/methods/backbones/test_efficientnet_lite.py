from methods.backbones.pretrained import local


def test_equals_the_original_with_its_weights(errors):
    weights = local("efficientnet_lite0")
    assert max(errors("efficientnet_lite0", "efficientnet_lite0", weights)) < 1e-5


def test_equals_timm(errors):
    assert max(errors("efficientnet_lite0_timm", "efficientnet_lite0")) < 1e-5
