"""What the page's sliders need to judge labelled images at any decision."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from methods.detector.decisions import check_name, decision_of
from methods.detector.kept import Kept
from methods.pipeline.by_hand import Known, known_images, options_by_hand
from methods.pipeline.finetuning import LARGEST_AREA, decide
from processing.data.dataset import Category
from processing.decision.promise import LEVEL
from processing.errors import UserError
from processing.report.operating import areas_around, critical_thresholds

from .deciding import KEPT, Deciding, Refused
from .labelled import Labels
from .models import Served, told

BORDER = "regions at the border are left out: a verdict may change more than once"
GONE = (
    "the images that finetune.py decided from, or what was kept of them, are not at "
    "hand: finetune.py judges them anew"
)


class Sliders:
    """Judges labelled images at other thresholds and areas, and keeps such decisions.

    Args:
        deciding: of the station.
        labels: photos that people labelled.
    """

    def __init__(self, deciding: Deciding, labels: Labels):
        self.deciding = deciding
        self.labels = labels
        self._known: dict[str, Known] = {}  # by the id of the decision

    def of(self, model: Served) -> dict[str, Any]:
        """Return what the page needs, see `processing.report.operating`.

        "known" are those that `finetune.py` decides from, "labelled" those that people
        labelled here, of which "waiting" are not judged yet. "why" says why something
        is missing.
        """
        finetuned = model.decided.finetuned
        if finetuned.clear_border:
            return {"why": BORDER}
        height, width, _ = model.judge.detector.image_shape
        areas = areas_around(finetuned.min_area, height * width // LARGEST_AREA)
        photos, waiting = self.labels.of(model)
        known = self._known_images(model, areas)
        return {
            "decision": finetuned.name,
            "areas": areas,
            "threshold": finetuned.threshold,
            "min_area": finetuned.min_area,
            "promise": asdict(finetuned.promise) if finetuned.promise else None,
            "known": known,
            "why": None if known else GONE,
            "level": LEVEL,
            "labelled": [
                {
                    "id": photo.id,
                    "name": photo.name,
                    "label": photo.label,
                    "critical": critical_thresholds(photo.curve, areas),
                }
                for photo in photos
            ],
            "waiting": waiting,
        }

    def keep(
        self, model: Served, name: str, threshold: float, min_area: int, who: str
    ) -> dict[str, Any]:
        """Write a decision by hand, as `finetune.py --threshold` does; return it.

        It is not in force.

        Raises:
            Refused: there is another one of that name, or no images to promise from.
            UsageError: a wrong name or number.
        """
        judge, record, finetuned = model.decided
        check_name(name)
        with self.deciding.changing:
            if decision_of(record, model.results, name):
                raise Refused(f"there is a decision {name}: expected another name")
            if "known" not in (said := self.of(model)) or not said["known"]:
                raise Refused(said["why"])
            options = replace(
                options_by_hand(model.decided),
                threshold=threshold,
                min_area=min_area,
                name=name,
                aside=True,
                results=model.results,
            )
            kept = Kept.of(record, model.results)
            with self.deciding.station.turn:
                made = decide(model.path, judge.detector, record, kept, options)
            self.deciding.record(KEPT, model, None, made[1], who, "")
        self.deciding.tell("models", {"model": model.id})
        return told(made)

    def _known_images(self, model: Served, areas: list[int]) -> Known | None:
        name = model.decided.finetuned.name
        if name not in self._known:
            kept = Kept.of(model.decided.record, model.results)
            category = category_of(model)
            found = category and known_images(model.decided, category, kept, areas)
            if not found:
                return None
            self._known[name] = found
        return self._known[name]


def category_of(model: Served) -> Category | None:
    """Return the category that a model was trained on; None if it is gone."""
    record = model.decided.record
    splits = record.splits
    try:
        where = Path(record.folder), 0, splits.test, splits.labels
        return model.judge.detector.category(*where)
    except UserError:
        return None
