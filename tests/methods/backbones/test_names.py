import re

import pytest

from methods.backbones import BACKBONES
from methods.backbones.names import PATTERNS, belongs, canonical
from methods.backbones.pth import Stored


def stored(*names):
    return {name: Stored((1,), lambda: None) for name in names}


def test_every_backbone_has_a_pattern():
    assert PATTERNS.keys() == BACKBONES.keys()


@pytest.mark.parametrize(
    ("family", "given", "expected"),
    [
        ("resnet", "module.layer1.0.conv1.weight", "layer1.0.conv1.weight"),
        ("swin", "layers.1.blocks.0.attn.qkv.bias", "layers.1.blocks.0.attn.qkv.bias"),
        ("swin", "head.fc.weight", "head.weight"),
        ("dinov2", "cls_token", "tokens.cls_token"),
        ("dinov2", "blocks.3.ls1.gamma", "blocks.3.ls1.weight"),
        ("efficientnet_lite", "_blocks.0._bn1.weight", "blocks.0.bn1.weight"),
    ],
)
def test_names_of_layers(family, given, expected):
    assert list(canonical(family, stored(given))) == [expected]


def test_what_is_no_weight_is_left_out():
    names = ("bn1.num_batches_tracked", "layers.0.blocks.1.attn_mask", "fc.bias")
    assert list(canonical("resnet", stored(*names))) == ["fc.bias"]


def test_the_authors_of_swin_halve_at_the_end_of_a_stage():
    names = [f"layers.{i}.downsample.norm.weight" for i in range(3)]
    assert list(canonical("swin", stored(*names))) == [
        f"layers.{i}.downsample.norm.weight" for i in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    "parts",
    [
        ("attention.attention.query", "attention.attention.key",
         "attention.attention.value", "attention.output.dense"),
        ("attention.q_proj", "attention.k_proj", "attention.v_proj",
         "attention.o_proj"),
    ],
)  # fmt: skip
def test_names_of_transformers_before_and_since_5(parts):
    names = [f"dinov2.encoder.layer.2.{part}.weight" for part in parts]
    assert list(canonical("dinov2", stored(*names))) == [
        "blocks.2.attn.qkv.weight",
        "blocks.2.attn.proj.weight",
    ]


def test_what_belongs_to_a_network():
    assert belongs("resnet18", "layer4.1.conv2.weight")
    assert belongs("resnet18", "fc.bias")
    assert not belongs("resnet18", "layer1.2.conv1.weight")  # resnet34 has it
    assert not belongs("resnet18", "layer1.0.se.fc1.weight")
    assert belongs("resnet50", "layer1.2.bn3.running_var")
    assert not belongs("swin_tiny", "layers.2.blocks.6.norm1.weight")  # swin_small
    assert belongs("dinov2_small", "blocks.11.mlp.fc2.bias")
    assert not belongs("dinov2_small", "blocks.12.mlp.fc2.bias")
    assert not belongs("dinov2_small", "register_tokens")
    assert belongs("efficientnet_lite0", "blocks.15.bn2.bias")
    assert not belongs("efficientnet_lite0", "blocks.16.bn2.bias")
    assert belongs("efficientnet_lite1", "blocks.20.bn2.bias")
    assert not belongs("efficientnet_lite2", "blocks.21.bn2.bias")
    assert all(re.compile(pattern) for pattern in PATTERNS.values())
