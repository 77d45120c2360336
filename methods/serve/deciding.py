"""Which decision of a model judges: by click, with a line in the audit file."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from methods.detector.results import FinetuningResult
from processing.errors import UserError, reason

from .models import Served
from .station import Station
from .store import now

DECISION, KEPT = "decision", "kept"  # what a line of the audit file is about
STATION = "station"  # who puts a decision in force that no click has
HISTORY = 200  # lines that the page is told

Tell = Callable[[str, Mapping[str, Any]], None]


class Refused(UserError):
    """Something that is there, or not, does not allow what was asked for.

    Args:
        text: one line.
        status: of HTTP.
    """

    def __init__(self, text: str, status: int = 409):
        super().__init__(text)
        self.status = status


class Deciding:
    """Puts decisions in force.

    What judges at the start, as `finetune.py` or the command line has it, is a line of
    the audit file, too, unless the last line says it already.

    Args:
        station: that judges.
        tell: browsers of a kind of event, and what it is.
    """

    def __init__(self, station: Station, tell: Tell):
        self.station = station
        self.store = station.store
        self.tell = tell
        self.changing = threading.Lock()
        for model in station.models.values():
            self.note_start(model, "at the start")

    def model(self, id_: str) -> Served:
        """Return a model by its id; `Refused` if there is none."""
        if id_ not in self.station.models:
            raise Refused("there is no such model", 404)
        return self.station.models[id_]

    def note_start(self, model: Served, why: str) -> None:
        """Record what a model judges by, if it is not what it judged by last."""
        last = self._changes(model.id)
        before = last[-1]["new"] if last else None
        if before != model.decided.finetuned.name:
            self._record(before, model, STATION, why)

    def put_in_force(self, id_: str, name: str, who: str, why: str) -> Served:
        """Let a model judge by another of its decisions, from the next batch on.

        Raises:
            Refused: no such model or decision, or `--decision` says which judges.
            UserError: it cannot be written.
        """
        with self.changing:
            before = self.model(id_)
            if before.fixed:
                raise Refused(
                    "the station was started with --decision, which holds until it is "
                    "started without"
                )
            try:
                after = before.judged_by(name)
            except UserError as error:
                raise Refused(reason(error), 422) from error
            if after.judge.kind != before.judge.kind:
                after.prepare()
            self._record(before.decided.finetuned.name, after, who, why)
            try:
                after.put_in_force()
            except UserError as error:
                self._record(after.decided.finetuned.name, before, who, reason(error))
                raise
            self.station.models[id_] = after
        self.tell("models", {"model": id_})
        return after

    def earlier(self, model: Served) -> str | None:
        """Return the id of the decision that a model judged by before, if any."""
        before = [x["old"] for x in self._changes(model.id) if x["old"] != x["new"]]
        return before[-1] if before else None

    def history(self) -> list[dict[str, Any]]:
        """Return what was changed of the station, the newest first."""
        return self.store.changes()[: -HISTORY - 1 : -1]

    def models_of(self, model: Served) -> list[str]:
        """Return the ids of the models whose photos are such as a model judges."""
        return [model.id]

    def record(
        self,
        what: str,
        model: Served,
        old: str | None,
        new: FinetuningResult,
        who: str,
        why: str,
    ) -> None:
        """Write a line of the audit file."""
        self.store.record(
            {
                "who": who,
                "when": now(),
                "what": what,
                "model": model.id,
                "old": old,
                "new": new.name,
                "threshold": new.threshold,
                "min_area": new.min_area,
                "reason": why,
            }
        )

    def _changes(self, model: str) -> list[dict[str, Any]]:
        found = self.store.changes()
        return [x for x in found if x["what"] == DECISION and x["model"] == model]

    def _record(self, old: str | None, model: Served, who: str, why: str) -> None:
        self.record(DECISION, model, old, model.decided.finetuned, who, why)
