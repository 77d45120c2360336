"""What a replica on a Ray cluster does: judge by any decision of a station."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from methods.detector.settings import KERAS
from methods.jobs.ray_tasks import limit_threads
from processing.errors import UserError

if TYPE_CHECKING:
    from methods.detector.judge import Verdict

    from .models import Served


class Wanted(NamedTuple):
    """Which model judges, by which decision; all nodes have its files at these paths.

    Attributes:
        path: of the model file.
        results: root of the results, where its decisions are.
        model, decision: their ids.
        method: of the model.
        runtime: what calculates.
    """

    path: str
    results: str
    model: str
    decision: str
    method: str
    runtime: str


class Replica:
    """Judges a batch at a time, and loads what it lacks.

    Args:
        cores: that it takes.
        wanted: what judges; what cannot be loaded is told when it is asked for.
    """

    def __init__(self, cores: int, wanted: Sequence[Wanted]):
        limit_threads(cores)
        self._models: dict[Wanted, Served] = {}
        self._turn = threading.Lock()
        with suppress(UserError):
            self.load(wanted)

    def load(self, wanted: Sequence[Wanted]) -> None:
        """Load what judges now, and forget all else.

        Raises:
            UserError: a model or its decision is not there.
        """
        with self._turn:
            self._models = {x: self._model(x) for x in wanted}

    def judge(self, wanted: Wanted, images: Sequence[np.ndarray]) -> "list[Verdict]":
        """Return the verdicts on images.

        Raises:
            UserError: the model or its decision is not there.
        """
        with self._turn:
            return self._model(wanted).verdicts(images)

    def _model(self, wanted: Wanted) -> "Served":
        """Return a model with a decision; two decisions share what was loaded."""
        if wanted in self._models:
            return self._models[wanted]
        known = [x for key, x in self._models.items() if key.model == wanted.model]
        model = known[0].judged_by(wanted.decision) if known else _loaded(wanted)
        if model.judge.kind not in {x.judge.kind for x in known}:
            model.prepare()
        self._models[wanted] = model
        return model


def _loaded(wanted: Wanted) -> "Served":
    from methods.engine.backend import load_backend
    from methods.registry import register

    if ":" in wanted.method:
        register(wanted.method)  # the station was allowed to
    if wanted.runtime == KERAS:
        load_backend()
    from .models import load_served

    paths = Path(wanted.path), Path(wanted.results)
    model = load_served(*paths, wanted.decision, wanted.runtime)
    if model.id != wanted.model:
        raise UserError(
            f"{wanted.path}: expected model {wanted.model}, as the station has it. "
            f"Received: {model.id}"
        )
    return model
