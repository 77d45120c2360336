"""What HTML pages share: names of the figures, number formats and templates."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

TEMPLATES = Path(__file__).parent / "templates"
NONE = "–"


class Figure(NamedTuple):
    """How a figure of merit is shown."""

    name: str
    group: str
    meaning: str


FIGURES = {  # by key in test_result.json
    "TPR": Figure("TPR", "Decision", "share of the defective images called defective"),
    "TNR": Figure("TNR", "Decision", "share of the good images called good"),
    "score": Figure("balanced score", "Decision", "mean of TPR and TNR"),
    "image_auroc": Figure(
        "image AUROC",
        "Images by score",
        "area under the image ROC curve: the chance that a defective image scores "
        "higher than a good one",
    ),
    "image_ap": Figure(
        "image AP",
        "Images by score",
        "average precision: area under the precision-recall curve of the images",
    ),
    "image_f1max": Figure(
        "image F1max",
        "Images by score",
        "best F1 score of any threshold on the image scores",
    ),
    "pixel_auroc": Figure(
        "pixel AUROC",
        "Pixels of the maps",
        "area under the ROC curve of all pixels; large defects count most",
    ),
    "pixel_ap": Figure(
        "pixel AP",
        "Pixels of the maps",
        "average precision: area under the precision-recall curve of all pixels",
    ),
    "pixel_f1max": Figure(
        "pixel F1max",
        "Pixels of the maps",
        "best F1 score of any threshold on the pixels",
    ),
    "aupro": Figure(
        "AUPRO",
        "Regions of the maps",
        "area under the per-region overlap curve up to a false positive rate of 0.3, "
        "divided by 0.3; every defect counts alike",
    ),
    "aupro_05": Figure(
        "AUPRO to 0.05",
        "Regions of the maps",
        "the same up to a false positive rate of 0.05, divided by 0.05",
    ),
    "iou": Figure(
        "IoU",
        "Regions of the maps",
        "overlap of decided masks and ground truth: intersection over union",
    ),
    "dice": Figure(
        "Dice",
        "Regions of the maps",
        "twice the intersection of decided masks and ground truth over their sum",
    ),
}


def figure(value: float | None) -> str:
    """Return a figure of merit as people read it, 3 decimals."""
    return NONE if value is None else f"{value:.3f}"


def number(value: float | None) -> str:
    """Return a score or threshold, 4 significant digits."""
    return NONE if value is None else f"{value:#.4g}".rstrip(".")


def count(value: int, singular: str, plural: str | None = None) -> str:
    """Return "1 defect", "0 defects" or "5,000 defects"."""
    return f"{value:,} {singular if value == 1 else plural or singular + 's'}"


def duration(seconds: float | None) -> str:
    """Return "1 h 02 min", "3 min 20 s" or "45 s"."""
    if seconds is None:
        return NONE
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def render(template: str, content: Mapping[str, Any]) -> str:
    """Return a template of `TEMPLATES` filled in, everything in it escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(figure=figure, number=number, count=count)
    environment.filters["duration"] = duration
    return environment.get_template(template).render(content)
