"""What report.html has to know of a method, and where its pictures come from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from processing.gallery import ColourScale, Gallery

from .base import Method


def open_gallery(folder: Path, finetuned: Mapping[str, Any]) -> Gallery:
    """Return the gallery of a report, its colours chosen by a finetuning result."""
    # Results of earlier versions have no level of good images.
    level = finetuned.get("good_level")
    return Gallery(folder, ColourScale.around(finetuned["best_threshold"], level))


def describe(
    record: Mapping[str, Any], method: Method, finetuned: Mapping[str, Any]
) -> dict[str, Any]:
    """Return `about` of `processing.report.write_report`."""
    return {
        "title": f"{record['dataset']} / {record['category']}",
        "method": f"{record['method']}, {method.variant}",
        "run": record["run"],
        "score_threshold": score_threshold(
            finetuned["best_threshold"], finetuned["dtype"], method.highest
        ),
    }


def score_threshold(threshold: float, dtype: str, highest: float) -> float:
    """Return the threshold of a decision in the units of the scores.

    Scores are those of maps as they are; of a map rounded to uint8, where `highest`
    became 255, a pixel is above the threshold from half a step more upward.
    """
    return (threshold + 0.5) * highest / 255 if dtype == "uint8" else threshold
