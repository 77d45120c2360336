"""Write a fitted method as one graph, from images to maps and scores."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from methods.engine.runtimes import check_packages
from processing.decoding.decode import to_float, to_uint8
from processing.errors import UsageError, UserError
from processing.files import check_writable, temporary_folder
from processing.maps.residuals import smooth
from processing.preprocessing.preparation import Preparation

from .recipe import describe

if TYPE_CHECKING:
    from .detector import Detector
    from .graph_runners import Run
    from .judge import Judge
    from .records import TrainingRecord

TOLERANCE = 1e-3  # of the largest map value, between graph and method
SUFFIXES = {
    "onnx": ".onnx",
    "openvino": ".xml",
    "litert": ".tflite",
    "saved_model": "_saved_model",  # a folder
}

log = logging.getLogger(__name__)


def export(
    model: Path,
    graph: str,
    target: Path | None = None,
    *,
    results: Path = Path("results"),
    category: str | None = None,
    decision: str | None = None,
) -> tuple[Path, float]:
    """Write the graph of a model file; nothing is written that judges otherwise.

    Beside it, NAME.json says what surrounds it, and what `finetune.py` decided, if it
    did: one decision, whose maps the graph then has. A mask, if the model has
    one, is NAME.mask.png. Which regions of a map are large enough is for the reader to
    find, as `Decision.mask` does.

    Args:
        model: the model file.
        graph: "onnx", "openvino", "saved_model" or "litert".
        target: where to; default: beside the model. OpenVINO adds a .bin file, and a
            SavedModel is a folder. LiteRT takes one image at a time.
        results: where `finetune.py` put its decisions.
        category: the name of the one to judge, for a model of several.
        decision: its name, or its id; None for the one in force, if there is one.

    Returns:
        The file and the largest difference of its maps, in parts of the largest value.

    Raises:
        UserError: the method has no such graph, or the graph differs from it.
    """
    target = check_target(model, graph, target)
    from .categories import load_category
    from .graph_files import write_graph
    from .graph_runners import RUNNERS

    detector, record = load_category(model, Path(category) if category else None)
    judge = _judge(detector, record, results, decision)
    kind = judge.kind if judge else detector.method.default_kind
    network = detector.method.inference_model(kind)
    if network is None:
        raise no_graph(detector.method.name, kind)
    from .whole_images import whole_network

    network = whole_network(network, detector.preparation)
    target.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(target.parent, "export") as folder:
        written = folder / target.name
        threshold = judge.score_threshold if judge else float("inf")
        write_graph(network, written, graph, threshold)
        difference = _difference(detector, kind, RUNNERS[graph](written))
        if not difference <= TOLERANCE:
            raise UserError(
                f"the {graph} graph of {model} differs by {difference:.1e} of the "
                f"largest map value, expected at most {TOLERANCE:.0e}: not written"
            )
        describe(written, detector, kind, judge, difference)
        for path in sorted(folder.iterdir()):  # the weights (.bin) first
            path.replace(target.parent / path.name)
    return target, difference


def check_target(model: Path, graph: str, target: Path | None) -> Path:
    """Return where `export` writes to; its arguments, but none of them is read.

    Raises:
        UserError: a package is missing, or nothing can be written there.
        UsageError: a name that does not suit, or of a folder.
    """
    suffix = SUFFIXES[graph]
    target = target or model.with_name(model.stem + suffix)
    if not target.name.endswith(suffix):
        raise UsageError(f"expected a name that ends in {suffix}. Received: {target}")
    if target.is_dir():
        raise UsageError(f"{target} exists: expected another --output")
    check_packages(graph)
    check_writable(target.parent)
    return target


def no_graph(name: str, kind: str) -> UserError:
    """Return the error for a method whose maps of a kind come from no one network."""
    return UserError(
        f"{name} has no graph to export or for --runtime: expected maps from one pass "
        "through a network, not from many, a search or a clustering. Received: its "
        f"{kind} maps"
    )


def _judge(
    detector: "Detector", record: "TrainingRecord", results: Path, decision: str | None
) -> "Judge | None":
    """Return a decision with its detector, None if none is asked for or there."""
    from .decisions import choose_results, described
    from .judge import Judge

    try:
        [chosen] = choose_results(record, results, None, None, decision)
        log.info("decision: %s", described(chosen))
        return Judge.of(detector, chosen[1])
    except UserError as error:
        if decision is not None:
            raise
        log.warning("without a decision: %s", error)
        return None


def _difference(detector: "Detector", kind: str, run: "Run") -> float:
    """Return how far the graph's maps and scores are off, in parts of the largest.

    Of images that are not merely resized, what the graph knows nothing of is left out,
    and what is beyond a crop, too.
    """
    from .detector import Detector

    inside = replace(detector.preparation, span=None)
    if not inside.still:
        inside = Preparation(
            inside.size,
            inside.channels,
            crop=inside.crop,
            tile=inside.tile,
            stride=inside.stride,
        )
    images = to_uint8(trial_images((*inside.size, inside.channels)))
    batches = Detector(detector.method, inside).judge_arrays(list(images), kind)
    expected = [np.concatenate(parts) for parts in list(zip(*batches, strict=True))[1:]]
    window = (slice(None), *inside.window)
    return largest_difference(run, to_float(images), expected, window)


def largest_difference(
    run: "Run",
    images: np.ndarray,
    expected: Sequence[np.ndarray],
    window: tuple[slice, ...] = (),
) -> float:
    """Return how far maps and scores are off, in parts of the largest expected value.

    Args:
        run: a graph, which is given all images and one: it takes any number.
        images: floats (n, h, w, c) in [0, 1].
        expected: their maps and scores.
        window: of the maps, what is compared.
    """
    worst = 0.0
    for count in (len(images), 1):
        results = run(images[:count])
        for ours, theirs in zip(expected, results, strict=True):
            if ours[:count].shape != theirs.shape:
                return float("inf")
            off = np.abs(ours[:count] - theirs)
            off = off[window] if off.ndim == 3 else off
            worst = max(worst, float(off.max()) / float(np.abs(ours).max()))
    return worst


def trial_images(image_shape: tuple[int, int, int]) -> np.ndarray:
    """Return noise, soft blotches, and blotches with a square, (3, h, w, c)."""
    height, width, channels = image_shape
    noise = np.random.default_rng(0).random((channels, height, width), np.float32)
    soft = smooth(noise, 6.0)
    soft = (soft - soft.min()) / (soft.max() - soft.min())
    square = soft.copy()
    square[:, height // 4 : height // 2, width // 4 : width // 2] = 1.0
    return np.stack([noise, soft, square]).transpose(0, 2, 3, 1)
