"""Bring the tensor names of weight files to those of our layers.

A layer is named after its module in the network that the weights come from, without
leading underscores: the kernel of layer `blocks.0.bn1` is the tensor
`blocks.0.bn1.weight`. Each family also has a pattern of all its tensors, those of
parts that are not built included; what it does not match does not belong there.
"""

import re
from collections.abc import Callable, Iterator

from .pth import Stored

Tensors = dict[str, Stored]


def canonical(family: str, tensors: Tensors) -> Tensors:
    """Return the tensors of a file under the names of our layers."""
    tensors = {name.removeprefix("module."): t for name, t in tensors.items()}
    tensors = {n: t for n, t in tensors.items() if not n.endswith(BUFFERS)}
    return FAMILIES[family][0](tensors)


def belongs(family: str, name: str) -> bool:
    """Tell whether a canonical name is that of a tensor of the whole network."""
    return re.fullmatch(FAMILIES[family][1], name) is not None


BUFFERS = ("num_batches_tracked", "relative_position_index", "attn_mask")
BATCH_NORM = r"(weight|bias|running_mean|running_var)"


def efficientnet_lite(tensors: Tensors) -> Tensors:
    """From efficientnet-lite-pytorch, or from timm's tf_efficientnet_lite0."""
    if "bn1.weight" in tensors:
        return dict(_from_timm_lite(tensors))
    return {re.sub(r"(^|\.)_", r"\1", name): t for name, t in tensors.items()}


def _from_timm_lite(tensors: Tensors) -> Iterator[tuple[str, Stored]]:
    first = {"conv_dw": "depthwise_conv", "bn1": "bn1", "conv_pw": "project_conv"}
    first |= {"bn2": "bn2"}
    later = {"conv_pw": "expand_conv", "bn1": "bn0", "conv_dw": "depthwise_conv"}
    later |= {"bn2": "bn1", "conv_pwl": "project_conv", "bn3": "bn2"}
    top = {"bn1": "bn0", "bn2": "bn1", "classifier": "fc"}
    starts = (0, 1, 3, 5, 8, 11, 15)  # number of blocks before each stage
    for name, tensor in tensors.items():
        head, *rest = name.split(".")
        if head == "blocks":
            stage, block, layer, leaf = rest
            layer = (first if stage == "0" else later).get(layer, layer)
            yield f"blocks.{starts[int(stage)] + int(block)}.{layer}.{leaf}", tensor
        else:
            yield ".".join((top.get(head, head), *rest)), tensor


FAMILIES: dict[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "efficientnet_lite": (
        efficientnet_lite,
        r"(conv_stem|conv_head|fc)\.(weight|bias)"
        rf"|bn[01]\.{BATCH_NORM}"
        rf"|blocks\.([0-9]|1[0-5])\.(\w+_conv\.weight|bn[0-2]\.{BATCH_NORM})",
    ),
}
