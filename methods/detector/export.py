"""Write a fitted method as one graph, from images to maps and scores."""

import importlib.util
import logging
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from processing.errors import UsageError, UserError
from processing.files import temporary_folder, write_json
from processing.maps.residuals import smooth

if TYPE_CHECKING:
    from .detector import Detector
    from .judge import Judge

NAMES = {"saved_model": "tf_saved_model"}  # that differ in Keras
TOLERANCE = 1e-3  # of the largest map value, between graph and method
SUFFIXES = {
    "onnx": ".onnx",
    "openvino": ".xml",
    "litert": ".tflite",
    "saved_model": "_saved_model",  # a folder
}
PACKAGES = {
    "onnx": "tf2onnx",
    "openvino": "openvino",
    "litert": "ai_edge_litert",
    "saved_model": "tensorflow",
}
INSTALL = "pip install 'keras-anomaly[export]'"

log = logging.getLogger(__name__)


def export(
    model: Path,
    graph: str,
    target: Path | None = None,
    *,
    results: Path = Path("results"),
    category: str | None = None,
) -> tuple[Path, float]:
    """Write the graph of a model file; nothing is written that judges otherwise.

    Beside it, NAME.json says what goes in, and what `finetune.py` decided, if it did:
    the newest decision, whose maps the graph then has. Which regions of a map are large
    enough is for the reader to find, as `Decision.mask` does.

    Args:
        model: the model file.
        graph: "onnx", "openvino", "saved_model" or "litert".
        target: where to; default: beside the model. OpenVINO adds a .bin file, and a
            SavedModel is a folder. LiteRT takes one image at a time.
        results: where `finetune.py` put its decisions.
        category: the name of the one to judge, for a model of several.

    Returns:
        The file and the largest difference of its maps, in parts of the largest value.

    Raises:
        UserError: the method has no such graph, or the graph differs from it.
    """
    suffix = SUFFIXES[graph]
    target = target or model.with_name(model.stem + suffix)
    if not target.name.endswith(suffix):
        raise UsageError(f"expected a name that ends in {suffix}. Received: {target}")
    if target.is_dir():
        raise UsageError(f"{target} exists: expected another --output")
    from .categories import load_category
    from .decisions import read_results
    from .judge import Judge

    detector, record = load_category(model, Path(category) if category else None)
    method = detector.method
    try:
        _, finetuned = read_results(record, results, None, "float64")[-1]
        judge = Judge.of(detector, finetuned)
    except UserError as error:
        judge = None
        log.warning("without a decision: %s", error)
    kind = judge.kind if judge else method.default_kind
    network = method.inference_model(kind)
    if network is None:
        raise UserError(
            f"{type(method).__name__} cannot be exported: its maps come from no network"
        )
    if importlib.util.find_spec(PACKAGES[graph]) is None:
        raise UserError(f"{graph} needs the package {PACKAGES[graph]}: {INSTALL}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(target.parent, "export") as folder:
        written = folder / target.name
        _convert(network, written, graph)
        difference = _difference(method, kind, RUNNERS[graph](written))
        if not difference <= TOLERANCE:
            raise UserError(
                f"the {graph} graph of {model} differs by {difference:.1e} of the "
                f"largest map value, expected at most {TOLERANCE:.0e}: not written"
            )
        about = written.with_name(written.name + ".json")
        write_json(about, _description(detector, kind, judge, difference))
        for path in sorted(folder.iterdir()):  # the weights (.bin) first
            path.replace(target.parent / path.name)
    return target, difference


def _description(
    detector: "Detector",
    kind: str,
    judge: "Judge | None",
    difference: float,
) -> dict[str, Any]:
    """Return what a program has to know to use the graph."""
    height, width, channels = detector.image_shape
    return {
        "input": f"float32 (n, {height}, {width}, {channels}) in [0, 1], prepared",
        "outputs": [f"maps float32 (n, {height}, {width})", "scores float32 (n,)"],
        "map": kind,
        "decision": asdict(judge.decision) if judge else None,
        "preparation": detector.preparation.config(),
        "largest_difference": difference,
    }


def _convert(network: Any, path: Path, graph: str) -> None:
    """Let Keras write the graph; one `UserError` for whatever goes wrong."""
    import keras

    network(np.zeros((1, *network.input_shape[1:]), np.float32))  # Keras asks for it
    logging.getLogger("tf2onnx").setLevel(logging.WARNING)
    one = [keras.InputSpec(shape=(1, *network.input_shape[1:]), dtype="float32")]
    options = {"input_signature": one} if graph == "litert" else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of converters about their own code
            network.export(
                str(path), format=NAMES.get(graph, graph), verbose=False, **options
            )
    except Exception as error:  # of whichever converter
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"this model has no {graph} graph: {reason}") from error


def _run_onnx(path: Path) -> Callable[[np.ndarray], list[np.ndarray]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    [images] = session.get_inputs()
    return lambda batch: session.run(None, {images.name: batch})


def _run_openvino(path: Path) -> Callable[[np.ndarray], list[np.ndarray]]:
    import openvino

    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(path, "CPU", exact)
    return lambda batch: [np.array(value) for value in compiled(batch).values()]


def _run_saved_model(path: Path) -> Callable[[np.ndarray], list[np.ndarray]]:
    import keras

    serve = keras.layers.TFSMLayer(str(path), call_endpoint="serve")
    return lambda batch: [np.array(value) for value in serve(batch)]


def _run_litert(path: Path) -> Callable[[np.ndarray], list[np.ndarray]]:
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(str(path)).get_signature_runner()
    [name] = run.get_input_details()

    def judge(batch: np.ndarray) -> list[np.ndarray]:
        outputs = [run(**{name: batch[i : i + 1]}) for i in range(len(batch))]
        return [np.concatenate([x[key] for x in outputs]) for key in sorted(outputs[0])]

    return judge


RUNNERS = {
    "onnx": _run_onnx,
    "openvino": _run_openvino,
    "saved_model": _run_saved_model,
    "litert": _run_litert,
}


def _difference(
    method: Any, kind: str, run: Callable[[np.ndarray], list[np.ndarray]]
) -> float:
    """Return how far the graph's maps and scores are off, in parts of the largest.

    In batches of three and of one: the graph takes any number of images.
    """
    worst = 0.0
    images = trial_images(method.image_shape)
    for batch in (images, images[:1]):
        for ours, theirs in zip(method.judge(batch, kind), run(batch), strict=True):
            if ours.shape != theirs.shape:
                return float("inf")
            largest = float(np.abs(ours).max())
            worst = max(worst, float(np.abs(ours - theirs).max()) / largest)
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
