"""Every method behind one interface, found by name."""

from pathlib import Path
from typing import TYPE_CHECKING

from .registry import (
    METHODS,
    MULTI_CATEGORY,
    canonical_name,
    check_recorded,
    folder_name,
    get,
    recorded,
    register,
)

if TYPE_CHECKING:
    from methods.detector.predictor import Predictor

__all__ = ["METHODS", "MULTI_CATEGORY", "canonical_name", "folder_name", "get", "load"]
__all__ += ["check_recorded", "recorded", "register"]
__version__ = "0.2.0"


def load(
    path: Path | str,
    *,
    results: Path | str = "results",
    kind: str | None = None,
    dtype: str | None = None,
    category: str | None = None,
    decision: str | None = None,
    runtime: str = "keras",
) -> "Predictor":
    """Return a trained and finetuned model, to judge images with.

    Args:
        path: the model file that `train.py` wrote.
        results: where `finetune.py` put its decisions.
        kind: only a decision on these maps, such as "ssim".
        dtype: only a decision on maps of this type, "float64" or "uint8".
        category: the name of the one to judge, for a model of several.
        decision: its name, or its id; None for the one in force.
        runtime: what calculates: "keras", or by an exported graph, which is kept in
            `results`, "onnx" or "openvino"; these are faster on a CPU.

    Raises:
        UserError: no such file, no such decision, or no such graph.
    """
    from methods.detector.runtime import check_runtime
    from methods.detector.settings import KERAS

    check_runtime(runtime)
    if runtime == KERAS:
        from methods.engine.backend import load_backend

        load_backend()
    from methods.detector.predictor import Predictor

    where = Path(path), Path(results)
    return Predictor.load(*where, kind, dtype, category, decision, runtime)
