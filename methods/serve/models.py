"""The models of a station, each with the decision that is in force."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from methods.detector.decisions import (
    Decided,
    Named,
    choose_results,
    in_force,
    load_decided,
    put_in_force,
    read_results,
)
from methods.detector.judge import Judge, Verdict
from methods.detector.kept import Kept
from methods.detector.settings import KERAS
from methods.pipeline.by_hand import curves_by_hand
from methods.pipeline.curves import Curves
from methods.pipeline.reporting import colours
from processing.decision.regions import AreaCurve
from processing.errors import UsageError
from processing.report.gallery import ColourScale

from .batching import SIZES
from .replica import Wanted
from .replicas import Replicas


@dataclass(frozen=True)
class Served:
    """A model that judges for the station.

    Attributes:
        path: of its file.
        decided: the model with its decision.
        results: root of the results, where its decisions are.
        fixed: whether the command line names the decision, which then stays.
        runtime: what calculates.
        of_place: id of the model whose place it took; "" of one that took none.
        replicas: that judge for it, or None.
    """

    path: Path
    decided: Decided
    results: Path
    fixed: bool = False
    runtime: str = KERAS
    of_place: str = ""
    replicas: Replicas | None = field(default=None, compare=False)

    @property
    def place(self) -> str:
        """What clients call it, whatever model judges there: that of `-p`."""
        return self.of_place or self.id

    @property
    def judge(self) -> Judge:
        """The detector and its decision."""
        return self.decided.judge

    @property
    def id(self) -> str:
        """Of the model."""
        return self.decided.record.id

    @property
    def scale(self) -> ColourScale:
        """The colours of its maps."""
        return colours(self.decided.finetuned)

    @property
    def about(self) -> dict[str, Any]:
        """What the station tells of it."""
        record, finetuned = self.decided.record, self.decided.finetuned
        return {
            "id": self.place,
            "model": self.id,
            "file": self.path.name,
            "dataset": record.dataset,
            "category": record.category,
            "method": record.method,
            "variant": self.judge.detector.method.variant,
            "image_shape": list(self.judge.detector.image_shape),
            "decision": finetuned.name,
            "threshold": self.judge.score_threshold,
            "min_area": finetuned.min_area,
            "promise": finetuned.promise.in_words() if finetuned.promise else None,
            "fixed": self.fixed,
        }

    @property
    def decisions(self) -> list[dict[str, Any]]:
        """What the station tells of its decisions, the newest first.

        "judges" is of the one that the station judges by, "in_force" of the one that
        other programs take: another one only if they put it there meanwhile.
        """
        record, judging = self.decided.record, self.decided.finetuned.name
        found = read_results(record, self.results, None, None)
        chosen = in_force(record, self.results, found)[1].name
        return [
            told(decision)
            | {
                "judges": decision[1].name == judging,
                "in_force": decision[1].name == chosen,
            }
            for decision in reversed(found)
        ]

    def judged_by(self, name: str) -> "Served":
        """Return the model with another of its decisions.

        Raises:
            UserError: there is none of that name, or id.
        """
        record = self.decided.record
        [(_, finetuned)] = choose_results(record, self.results, None, None, name)
        judge = Judge.of(self.judge.detector, finetuned)
        return replace(self, decided=Decided(judge, record, finetuned))

    def beside(self, path: Path) -> "Served":
        """Return the model of another file, to take the place of this one."""
        other = load_served(path, self.results, None, self.runtime)
        place = "" if other.id == self.place else self.place
        return replace(other, of_place=place, replicas=self.replicas)

    def put_in_force(self) -> None:
        """Let other programs, and the next start, judge by its decision, too."""
        put_in_force(self.decided.record, self.results, self.decided.finetuned.name)

    def verdicts(self, images: Sequence[np.ndarray]) -> list[Verdict]:
        """Judge at most `LARGEST` images; see `Judge.judge_arrays`.

        Raises:
            Unavailable: there are no replicas now.
        """
        if self.replicas:
            return self.replicas.verdicts(self.wanted, images)
        size = next(size for size in SIZES if size >= len(images))
        return list(self.judge.judge_arrays(images, size))

    @property
    def wanted(self) -> Wanted:
        """What replicas are asked for."""
        return Wanted(
            str(self.path.absolute()),
            str(self.results.absolute()),
            self.id,
            self.decided.finetuned.name,
            self.decided.record.method,
            self.runtime,
        )

    @property
    def maps(self) -> str:
        """What the area curves of its maps, see `curve`, are kept under."""
        curves = self._curves
        return f"{curves.kind}_{curves.dtype}_{curves.max_area}"

    def curve(self, pixels: np.ndarray) -> tuple[float, AreaCurve]:
        """Return score and area curve of an image, which tell all verdicts on it."""
        [verdict] = self.verdicts([pixels])
        return verdict.score, self._curves.of_map(Path(), verdict.decided_map)

    @property
    def _curves(self) -> Curves:
        return curves_by_hand(self.judge, Kept())

    def prepare(self) -> None:
        """Judge black images, so that no photo waits for a network to be compiled.

        Raises:
            UserError: replicas cannot load it.
        """
        if self.replicas:
            self.replicas.prepare(self.place, self.wanted)
            return
        blank = np.zeros(self.judge.detector.image_shape, np.uint8)
        for size in SIZES:
            self.verdicts([blank] * size)


def told(decision: Named) -> dict[str, Any]:
    """Return what the station tells of a decision."""
    folder, finetuned = decision
    return {
        "id": finetuned.name,
        "name": folder.name,
        "source": finetuned.goal or finetuned.source,
        "maps": f"{finetuned.kind}, {finetuned.dtype}",
        "threshold": finetuned.threshold,
        "min_area": finetuned.min_area,
        "promise": finetuned.promise.in_words() if finetuned.promise else None,
        "created": finetuned.created,
    }


def load_served(
    path: Path, results: Path, decision: str | None, runtime: str
) -> Served:
    """Return the model of a file, with the decision that `load_decided` chooses."""
    decided = load_decided(path, None, results, None, None, decision, runtime)
    return Served(path, decided, results, decision is not None, runtime)


def load_models(
    paths: Sequence[Path], results: Path, decision: str | None, runtime: str
) -> dict[str, Served]:
    """Return the models of files by their ids; the first is the one to be asked first.

    Raises:
        UserError: a model or a decision is not there.
    """
    models: dict[str, Served] = {}
    for path in paths:
        served = load_served(path, results, decision, runtime)
        if served.id in models:
            raise UsageError(
                f"-p: expected different models. Received: {models[served.id].path} "
                f"and {path}, which are one"
            )
        models[served.id] = served
    return models
