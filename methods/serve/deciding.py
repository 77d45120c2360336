"""Which decision of a model judges: by click, with a line in the audit file."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from methods.detector.results import FinetuningResult
from processing.errors import UserError, reason

from .models import Served
from .station import Station
from .store import now

# What a line of the audit file is about.
DECISION, KEPT, LEARNED, MODEL = "decision", "kept", "learned", "model"
STATION = "station"  # who puts a decision in force that no click has
FIXED = "the station was started with --decision, which holds: start it without"
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
        self._first: dict[str, Path] = {}  # files of -p, by place
        for place, model in station.models.items():
            station.models[place] = self._in_place(model)
            self.note_start(station.models[place], "at the start")

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
                raise Refused(FIXED)
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

    def put_in_place(self, id_: str, other: str, who: str, why: str) -> Served:
        """Let another model judge in the place of one, from the next batch on.

        Args:
            id_: of the place.
            other: id of a model that was learned for it, or of its first one.
            who: asks for it.
            why: they do.

        Raises:
            Refused: no such place or model, or `--decision` says by which it judges.
            UserError: it cannot be loaded.
        """
        with self.changing:
            before = self.model(id_)
            if before.fixed:
                raise Refused(FIXED)
            if other not in (files := self.files_of(before)):
                raise Refused(f"expected one of {', '.join(files)} as the model", 422)
            after = before.beside(files[other])
            after.prepare()
            found = after.decided.finetuned
            file = str(files[other])
            self.record(MODEL, after, before.id, found, who, why, file=file)
            self.station.models[id_] = after
            self.note_start(after, "with its model")
        self.station.labelled()
        self.tell("models", {"model": id_})
        return after

    def files_of(self, model: Served) -> dict[str, Path]:
        """Return the files of the models that can judge in a place, by their ids."""
        files = {model.place: self._first[model.place]}
        for line in self.store.changes():
            if line["what"] == LEARNED and line["place"] == model.place:
                files[line["model"]] = self.station.folder / line["file"]
        return files

    def _in_place(self, model: Served) -> Served:
        """Return what judges in the place of a model that `-p` names."""
        self._first[model.place] = model.path
        lines = [x for x in self.store.changes() if x["what"] == MODEL]
        last = [x["model"] for x in lines if x["place"] == model.place][-1:]
        if not last or last[0] == model.id or model.fixed:
            return model
        file = self.files_of(model).get(last[0])
        if file is None or not file.is_file():
            raise UserError(
                f"{file}: expected the model that took the place of {model.path} by "
                "click. Received: no such file (another --folder begins anew)"
            )
        return model.beside(file)

    def earlier(self, model: Served) -> str | None:
        """Return the id of the decision that a model judged by before, if any."""
        before = [x["old"] for x in self._changes(model.id) if x["old"] != x["new"]]
        return before[-1] if before else None

    def history(self) -> list[dict[str, Any]]:
        """Return what was changed of the station, the newest first."""
        return self.store.changes()[: -HISTORY - 1 : -1]

    def models_of(self, model: Served) -> list[str]:
        """Return the ids of the models whose photos are such as a model judges."""
        return [*self.files_of(model)]

    def record(
        self,
        what: str,
        model: Served,
        old: str | None,
        new: FinetuningResult,
        who: str,
        why: str,
        file: str = "",
    ) -> None:
        """Write a line of the audit file, see docs/formats.md."""
        self.store.record(
            {
                "who": who,
                "when": now(),
                "what": what,
                "place": model.place,
                "model": model.id,
                "old": old,
                "new": new.name,
                "threshold": new.threshold,
                "min_area": new.min_area,
                "reason": why,
                "file": file,
            }
        )

    def _changes(self, model: str) -> list[dict[str, Any]]:
        found = self.store.changes()
        return [x for x in found if x["what"] == DECISION and x["model"] == model]

    def _record(self, old: str | None, model: Served, who: str, why: str) -> None:
        self.record(DECISION, model, old, model.decided.finetuned, who, why)
