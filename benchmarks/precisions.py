"""Compare precisions of OpenVINO: float32, bfloat16, and int8 by NNCF.

The graph is that of `finetune.py --runtime openvino`. int8 is post-training static
quantization of all but matrix products, which compare with what was learned, calibrated
on good training images. Precisions take turns, one image at a time; their ratios are
those of the processors' seconds. Beside them stand the image AUROC, and how many
verdicts change.

Run from the repository root, with a Python that has openvino and nncf beside what
`processing` needs: PYTHON -m benchmarks.precisions mvtec/bottle results/RUN ...
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from processing.data.dataset import scan_category
from processing.data.image_set import ImageSet
from processing.decision.decision import Decision
from processing.files import read_json
from processing.metrics.image_metrics import image_metrics

FLOAT32, BFLOAT16, INT8 = "float32", "bfloat16", "int8"
CALIBRATION = 100  # good training images
COLUMNS = ("run", "precision", "images/s", "processor s an image", "times float32")
COLUMNS += ("image AUROC", "largest difference of scores", "verdicts that change")

Run = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def main(argv: Sequence[str] | None = None) -> int:
    """Print a row for each run in each precision."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("category", type=Path, help="folder in the layout of MVTec AD")
    add("runs", type=Path, nargs="+", help="results/RUN of models of it")
    add("--rounds", type=int, default=3, help="of each precision (default: 3)")
    options = parser.parse_args(argv)
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for run in options.runs:
        for cells in measure(options.category, run, options.rounds):
            print(f"| {' | '.join(cells)} |", flush=True)
    return 0


def measure(category: Path, run: Path, rounds: int) -> Iterator[tuple[str, ...]]:
    """Yield the rows of one model, whose precisions judge by turns."""
    [graph] = run.rglob("graph_openvino_*/*.xml")
    [found] = run.rglob("finetuning_result.json")
    decided = read_json(found)
    decision = Decision(decided["best_threshold"], decided["best_min_area"])
    shape = shape_of(graph)
    images = scan_category(category, image_shape=shape, cache_bytes=2**31)
    test = list(images.test.batches(1))
    runs = {name: RUNNERS[name](graph, images.train) for name in RUNNERS}
    judged = {name: judge(run, test, decision) for name, run in runs.items()}
    seconds = {name: [(float("inf"), float("inf"))] for name in runs}
    for _ in range(rounds):
        for name, one in runs.items():
            wall, busy = perf_counter(), process_time()
            for batch in test:
                one(batch)
            seconds[name].append((perf_counter() - wall, process_time() - busy))
    least = {
        name: [*map(min, zip(*taken, strict=True))] for name, taken in seconds.items()
    }
    scores, verdicts = judged[FLOAT32]
    for name, (theirs, said) in judged.items():
        off = np.abs(theirs - scores).max() / np.abs(scores).max()
        auroc = image_metrics(images.test.labels, theirs)["image_auroc"]
        yield (
            f"{run.parts[-3]} {images.test.frame[0]}x{images.test.frame[1]}",
            name,
            f"{len(test) / least[name][0]:.1f}",
            f"{least[name][1] / len(test):.3f}",
            f"{least[FLOAT32][1] / least[name][1]:.2f}",
            f"{auroc:.4f}",
            f"{off:.0e}",
            f"{(said != verdicts).sum()} of {len(test)}",
        )


def shape_of(graph: Path) -> tuple[int, int, int]:
    """Return the (h, w, c) of the images that a graph takes."""
    import openvino

    [images] = openvino.Core().read_model(graph).inputs
    _, height, width, channels = images.partial_shape
    return height.get_length(), width.get_length(), channels.get_length()


def judge(
    run: Run, batches: Sequence[np.ndarray], decision: Decision
) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and verdicts of images."""
    found = [run(batch) for batch in batches]
    verdicts = [decision.verdict(maps[0]) for maps, _ in found]
    return np.concatenate([scores for _, scores in found]), np.array(verdicts)


def in_float(precision: str) -> Callable[[Path, ImageSet], Run]:
    """Return what opens a graph in a precision of OpenVINO."""

    def opened(graph: Path, _: ImageSet) -> Run:
        import openvino

        return compiled(openvino.Core().read_model(graph), precision)

    return opened


def in_int8(graph: Path, good: ImageSet) -> Run:
    """Quantize a graph on good images, and open it."""
    import nncf
    import openvino

    chosen = good.subset(range(min(CALIBRATION, len(good))))
    data = nncf.Dataset(list(chosen.batches(1)))
    whole = openvino.Core().read_model(graph)
    distances = nncf.IgnoredScope(types=["MatMul"], validate=False)
    quantized = nncf.quantize(
        whole, data, subset_size=len(chosen), ignored_scope=distances
    )
    return compiled(quantized, "f32")


def compiled(model: Any, precision: str) -> Run:
    """Return what runs a model, one image at a time."""
    import openvino

    hint = {"INFERENCE_PRECISION_HINT": precision}
    network = openvino.Core().compile_model(model, "CPU", hint)

    def run(batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        outputs = network(batch)
        return np.array(outputs["maps"]), np.array(outputs["scores"])

    return run


RUNNERS = {FLOAT32: in_float("f32"), BFLOAT16: in_float("bf16"), INT8: in_int8}


if __name__ == "__main__":
    raise SystemExit(main())
