"""anomalib's side of `benchmarks.padim`; needs no Keras."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from anomalib.models.image.padim.torch_model import PadimModel

from benchmarks.padim_side import Arguments, measure
from methods.backbones import BACKBONES, names, weights
from methods.backbones.pth import read_tensors
from processing.data.image_set import ImageSet

BATCH = 32  # anomalib's default
LAYERS = {  # of strides 4, 8 and 16
    "resnet18": ["layer1", "layer2", "layer3"],
    "wide_resnet50_2": ["layer1", "layer2", "layer3"],
    "tf_efficientnet_lite0": ["blocks.1", "blocks.2", "blocks.4"],
}


def main(arguments: Arguments) -> None:
    """Fit anomalib's model and judge the test images."""
    torch.manual_seed(42)
    ours = arguments.backbone
    name = {"efficientnet_lite0": "tf_efficientnet_lite0"}.get(ours, ours)
    model = PadimModel(name, LAYERS[name], False, arguments.features)
    load(model.feature_extractor.feature_extractor, ours, arguments.weights)
    mean, deviation = (
        torch.tensor(values)[:, None, None] for values in BACKBONES[ours].normalisation
    )

    def batches(images: ImageSet) -> Iterator[torch.Tensor]:
        for batch in images.batches(BATCH):
            yield (torch.from_numpy(batch).permute(0, 3, 1, 2) - mean) / deviation

    def fit(images: ImageSet) -> None:
        model.train()
        model.feature_extractor.eval()
        for batch in batches(images):
            model(batch)
        model.fit()
        model.eval()

    def judge(images: ImageSet) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for batch in batches(images):
            output = model(batch)
            yield output.anomaly_map[:, 0].numpy(), output.pred_score.flatten().numpy()

    measure(arguments, "anomalib", fit, judge)


def load(network: torch.nn.Module, name: str, which: str) -> None:
    """Load the weights that ours has, under timm's names."""
    path = weights.find(name, which)
    if path is None:
        raise SystemExit("both sides need the same weights: random ones differ")
    if Path(which).is_file():
        tensors = torch.load(path, weights_only=True)
    else:  # the file has other names: those of our layers join both
        family = BACKBONES[name].module
        stored = names.canonical(family, read_tensors(path))
        keys = {key: key for key in network.state_dict() if "num_batches" not in key}
        tensors = {
            key: torch.from_numpy(np.array(stored[ours].read()))
            for ours, key in names.canonical(family, keys).items()
        }
    missing = network.load_state_dict(tensors, strict=False).missing_keys
    if [key for key in missing if "num_batches" not in key]:
        raise SystemExit(f"weights are missing: {missing}")


if __name__ == "__main__":
    main(Arguments.parse(sys.argv[1:]))
