"""Our side of `benchmarks.padim`."""

import sys
from collections.abc import Iterator

import numpy as np

from benchmarks.padim_side import Arguments, measure
from methods.base import TrainingImages
from methods.engine.backend import load_backend, spare_imports
from processing.data.image_set import ImageSet


def main(arguments: Arguments) -> None:
    """Fit PaDiM and judge the test images."""
    spare_imports()  # as programs do
    load_backend()
    from methods.padim.padim import PaDiM

    method = PaDiM(
        image_shape=(arguments.size, arguments.size, 3),
        backbone=arguments.backbone,
        weights=arguments.weights,
        features=arguments.features,
        preset="paper",
    )

    def fit(images: ImageSet) -> None:
        method.fit(TrainingImages(images, images.subset([0])))

    def judge(images: ImageSet) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return map(method.judge, images.batches(16))

    measure(arguments, "ours", fit, judge)


if __name__ == "__main__":
    main(Arguments.parse(sys.argv[1:]))
