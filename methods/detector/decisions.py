"""The decisions that `finetune.py` left of a model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from methods.base import Method
from processing.errors import UserError
from processing.files import read_json
from processing.maps.residuals import quantise

from .categories import load_category
from .detector import Detector

RESULT = "finetuning_result.json"


def decision_maps(
    method: Method, kind: str, maps: np.ndarray, dtype: str
) -> np.ndarray:
    """Return maps of a kind as the decision sees them."""
    return quantise(maps, method.highest(kind)) if dtype == "uint8" else maps


def load_decided(
    model: Path, folder: Path | None, results: Path, kind: str | None, dtype: str | None
) -> tuple[Detector, dict[str, Any], dict[str, Any]]:
    """Return a detector, and its newest matching decision.

    With it the model's record, and that finetuning result. The arguments are those of
    `load_category` and `read_results`.
    """
    detector, record = load_category(model, folder)
    _, finetuned = read_results(record, results, kind, dtype)[-1]
    return detector, record, finetuned


def read_results(
    record: Mapping[str, Any], results: Path, kind: str | None, dtype: str | None
) -> list[tuple[Path, dict[str, Any]]]:
    """Return the finetuning results of a model that match, oldest first."""
    root = results / record["run"] / "finetuning"
    paths = sorted(root.glob(f"*/{RESULT}"), key=lambda path: path.stat().st_mtime)
    found: list[tuple[Path, dict[str, Any]]] = []
    for path in paths:
        result = read_json(path)
        if kind in (None, result["method"]) and dtype in (None, result["dtype"]):
            found.append((path.parent, result))
    if not found:
        raise UserError(f"no finetuning result in {root}: run finetune.py first")
    return found
