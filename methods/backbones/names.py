"""Bring the tensor names of weight files to those of our layers.

A layer is named after its module in the network that the weights come from, without
leading underscores: `gamma` of the layer `blocks.0.bn1` is the tensor
`blocks.0.bn1.weight`. Each family also has a pattern of all its tensors, also of those
parts that are not built; what it does not match does not belong there.
"""

import re
from collections.abc import Callable, Iterator

import numpy as np

from .pth import Stored

Tensors = dict[str, Stored]

BUFFERS = ("num_batches_tracked", "relative_position_index", "attn_mask")
BATCH_NORM = r"(weight|bias|running_mean|running_var)"
TRANSFORMER = r"(norm[12]|attn\.(qkv|proj)|mlp\.fc[12])\.(weight|bias)"


def canonical(family: str, tensors: Tensors) -> Tensors:
    """Return the tensors of a file under the names of our layers."""
    tensors = {name.removeprefix("module."): t for name, t in tensors.items()}
    tensors = {n: t for n, t in tensors.items() if not n.endswith(BUFFERS)}
    return dict(FAMILIES[family](tensors))


def belongs(backbone: str, name: str) -> bool:
    """Return whether a canonical name is that of a tensor of the whole network."""
    return re.fullmatch(PATTERNS[backbone], name) is not None


def _renamed(tensors: Tensors, *rules: tuple[str, str]) -> Iterator[tuple[str, Stored]]:
    """Yield the tensors with each rule (pattern, replacement) applied in order."""
    for name, tensor in tensors.items():
        new = name
        for pattern, replacement in rules:
            new = re.sub(pattern, replacement, new)
        yield new, tensor


def efficientnet_lite(tensors: Tensors) -> Iterator[tuple[str, Stored]]:
    """From efficientnet-lite-pytorch, or from timm's tf_efficientnet_lite0 to 2."""
    if "bn1.weight" not in tensors:
        yield from _renamed(tensors, (r"(^|\.)_", r"\1"))
        return
    first = {"conv_dw": "depthwise_conv", "conv_pw": "project_conv"}
    later = {"conv_pw": "expand_conv", "bn1": "bn0", "conv_dw": "depthwise_conv"}
    later |= {"bn2": "bn1", "conv_pwl": "project_conv", "bn3": "bn2"}
    top = {"bn1": "bn0", "bn2": "bn1", "classifier": "fc"}
    stages = {
        tuple(name.split(".")[1:3]) for name in tensors if name.startswith("blocks.")
    }
    blocks = sorted(stages, key=lambda pair: tuple(map(int, pair)))
    for name, tensor in tensors.items():
        head, *rest = name.split(".")
        if head != "blocks":
            yield ".".join((top.get(head, head), *rest)), tensor
            continue
        stage, block, layer, leaf = rest
        layer = (later if int(stage) else first).get(layer, layer)
        yield f"blocks.{blocks.index((stage, block))}.{layer}.{leaf}", tensor


def resnet(tensors: Tensors) -> Iterator[tuple[str, Stored]]:
    """From torchvision or timm, which agree."""
    yield from tensors.items()


def swin(tensors: Tensors) -> Iterator[tuple[str, Stored]]:
    """From timm, from the authors, or from torchvision."""
    rules = [(r"^head\.fc\.", "head.")]
    if "features.0.0.weight" in tensors:
        rules += [
            (r"^features\.0\.0\.", "patch_embed.proj."),
            (r"^features\.0\.2\.", "patch_embed.norm."),
            (r"\.mlp\.0\.", ".mlp.fc1."),
            (r"\.mlp\.3\.", ".mlp.fc2."),
        ]
        for stage in range(4):
            rules += [
                (rf"^features\.{2 * stage + 1}\.", f"layers.{stage}.blocks."),
                (rf"^features\.{2 * stage}\.", f"layers.{stage}.downsample."),
            ]
    if "layers.0.downsample.norm.weight" in tensors:  # at the end of the stage before
        for stage in (2, 1, 0):
            old, new = (f"layers.{s}.downsample." for s in (stage, stage + 1))
            rules.append((f"^{re.escape(old)}", new))
    yield from _renamed(tensors, *rules)


def dinov2(tensors: Tensors) -> Iterator[tuple[str, Stored]]:
    """From the authors or timm, who agree, or from transformers."""
    rules = (
        (r"^dinov2\.", ""),
        (r"^(embeddings\.)?cls_token$", "tokens.cls_token"),
        (r"^(pos_embed|embeddings\.position_embeddings)$", "tokens.pos_embed"),
        (r"^embeddings\.mask_token$", "mask_token"),
        (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
        (r"^encoder\.layer\.", "blocks."),
        (r"\.attention\.attention\.(query|key|value)\.", r".attn.\1."),
        (r"\.attention\.output\.dense\.", ".attn.proj."),
        (r"\.attention\.q_proj\.", ".attn.query."),  # names of transformers 5
        (r"\.attention\.k_proj\.", ".attn.key."),
        (r"\.attention\.v_proj\.", ".attn.value."),
        (r"\.attention\.o_proj\.", ".attn.proj."),
        (r"\.(layer_scale|ls)([12])\.(lambda1|gamma)$", r".ls\2.weight"),
        (r"^layernorm\.", "norm."),
    )
    renamed = dict(_renamed(tensors, *rules))
    for name, tensor in renamed.items():
        kind = re.search(r"\.attn\.(query|key|value)\.", name)
        if kind is None:
            yield name, tensor
        elif kind[1] == "query":
            keys = [name.replace("query", part) for part in ("query", "key", "value")]
            if all(key in renamed for key in keys):
                yield name.replace("query", "qkv"), _stack([renamed[k] for k in keys])


def _stack(parts: list[Stored]) -> Stored:
    """Return the tensors one behind the other along their first axis."""
    length = sum(part.shape[0] for part in parts)
    return Stored(
        (length, *parts[0].shape[1:]),
        lambda: np.concatenate([part.read() for part in parts]),
    )


FAMILIES: dict[str, Callable[[Tensors], Iterator[tuple[str, Stored]]]] = {
    "efficientnet_lite": efficientnet_lite,
    "resnet": resnet,
    "swin": swin,
    "dinov2": dinov2,
}


def _resnet_pattern(*blocks: int) -> str:
    """Return the pattern for layers of so many blocks."""
    block = "|".join(rf"{i}\.[0-{n - 1}]" for i, n in enumerate(blocks, 1))
    return (
        rf"conv1\.weight|bn1\.{BATCH_NORM}|fc\.(weight|bias)|layer({block})\."
        rf"(conv[1-3]\.weight|bn[1-3]\.{BATCH_NORM}"
        rf"|downsample\.(0\.weight|1\.{BATCH_NORM}))"
    )


def _swin_pattern(third: int) -> str:
    """Return the pattern for stages of two blocks but for the third of so many."""
    return (
        r"(head|norm|patch_embed\.(proj|norm))\.(weight|bias)"
        r"|layers\.[1-3]\.downsample\.(norm\.(weight|bias)|reduction\.weight)"
        rf"|layers\.([013]\.blocks\.[01]|2\.blocks\.[0-{third - 1}])\."
        rf"({TRANSFORMER}|attn\.relative_position_bias_table)"
    )


def _lite_pattern(blocks: str) -> str:
    """Return the pattern for blocks with numbers of a pattern."""
    return (
        rf"(conv_stem|conv_head|fc)\.(weight|bias)|bn[01]\.{BATCH_NORM}"
        rf"|blocks\.({blocks})\.(\w+_conv\.weight|bn[0-2]\.{BATCH_NORM})"
    )


PATTERNS = {
    "efficientnet_lite0": _lite_pattern(r"\d|1[0-5]"),
    "efficientnet_lite1": _lite_pattern(r"1?\d|20"),
    "efficientnet_lite2": _lite_pattern(r"1?\d|20"),
    "resnet18": _resnet_pattern(2, 2, 2, 2),
    "resnet50": _resnet_pattern(3, 4, 6, 3),
    "wide_resnet50_2": _resnet_pattern(3, 4, 6, 3),
    "swin_tiny": _swin_pattern(6),
    "swin_mini": _swin_pattern(2),
    "dinov2_small": (
        r"mask_token|tokens\.(cls_token|pos_embed)|(norm|patch_embed\.proj)\."
        rf"(weight|bias)|blocks\.(\d|1[01])\.({TRANSFORMER}|ls[12]\.weight)"
    ),
}
