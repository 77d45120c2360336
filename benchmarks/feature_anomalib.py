"""anomalib's measurement of `benchmarks.feature_speed`; needs no Keras.

Its models alone, at their defaults, without Lightning around them.
"""

import sys
from typing import Any

import numpy as np
import torch
from anomalib.models.image.padim.torch_model import PadimModel
from anomalib.models.image.patchcore.torch_model import PatchcoreModel

from benchmarks.feature_side import Judge, measure
from benchmarks.padim_anomalib import load
from methods.backbones import BACKBONES

BATCH = 32  # anomalib's default, of fitting
BACKBONE = "efficientnet_lite0"
THEIR = f"tf_{BACKBONE}"
CORESET = 0.1  # anomalib's default
CHANNELS = 100  # kept by PaDiM, for which anomalib has no default of this backbone
MODELS = {  # of the strides that anomalib takes of its own backbones
    "PaDiM": lambda: PadimModel(
        THEIR, ["blocks.1", "blocks.2", "blocks.4"], False, CHANNELS
    ),
    "PatchCore": lambda: PatchcoreModel(["blocks.2", "blocks.4"], THEIR, False),
}


def main(folder: str, method: str, size: str) -> None:
    """Fit anomalib's model and judge the test images."""
    torch.manual_seed(42)
    model = MODELS[method]()
    load(model.feature_extractor.feature_extractor, BACKBONE, "imagenet")
    mean, deviation = (
        torch.tensor(values)[:, None, None]
        for values in BACKBONES[BACKBONE].normalisation
    )

    def given(images: np.ndarray) -> torch.Tensor:
        return (torch.from_numpy(images).permute(0, 3, 1, 2) - mean) / deviation

    def fit(train: Any) -> Judge:
        model.train()
        model.feature_extractor.eval()
        for batch in train.batches(BATCH):
            model(given(batch))
        model.fit() if method == "PaDiM" else model.subsample_embedding(CORESET)
        model.eval()
        return judge

    @torch.no_grad()
    def judge(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        output = model(given(images))
        return output.anomaly_map[:, 0].numpy(), output.pred_score.flatten().numpy()

    measure(folder, int(size), fit)


if __name__ == "__main__":
    main(*sys.argv[1:])
