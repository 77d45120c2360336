"""Judge by an exported graph, in a runtime that is faster than Keras on a CPU."""

import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from methods.base import Method, check_images
from methods.engine.graph_folder import is_whole, mark_whole, new_graph
from methods.engine.runtimes import check_graphs
from processing.errors import UsageError, UserError

from .export import SUFFIXES, TOLERANCE, largest_difference, no_graph, trial_images
from .graph_runners import RUNNERS, Run
from .kept import Kept
from .later import Later
from .settings import KERAS, RUNTIMES

log = logging.getLogger(__name__)


def check_runtime(runtime: str) -> None:
    """Raise a `UserError` for a runtime that cannot judge here."""
    if runtime not in RUNTIMES:
        expected = ", ".join(RUNTIMES)
        raise UsageError(f"runtime: expected one of {expected}. Received: {runtime}")
    check_graphs(runtime)


class GraphMethod:
    """Stands for a fitted method, and judges with its graph.

    The graph of a kind of maps is written when it is first asked for, compared with the
    method on three images, and kept in the results with what else is kept of the model:
    with it, Keras need not be imported.

    Args:
        method: the method, or its stand-in.
        runtime: "onnx" or "openvino".
        kept: of the model; where nothing may be kept, each process writes the graph.
    """

    iterative = False

    def __init__(self, method: Method | Later, runtime: str, kept: Kept) -> None:
        self.runtime = runtime
        self._method, self._kept = method, kept
        self._runs: dict[str, Run] = {}

    def judge(
        self, images: np.ndarray, kind: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return what `Method.judge` returns, to within 1e-3 of the largest value."""
        check_images(images, self._method.image_shape)
        kind = kind or self._method.default_kind
        if kind not in self._runs:
            self._runs[kind] = self._open(kind)
        run = self._runs[kind]
        # A batch takes no less time than its images do, and as many times the memory.
        each = [run(images[i : i + 1]) for i in range(len(images))]
        maps, scores = zip(*each, strict=True)
        return np.concatenate(maps), np.concatenate(scores)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # of Python, not of methods
            raise AttributeError(name)
        return getattr(self._method, name)

    def _open(self, kind: str) -> Run:
        """Return what runs the graph of a kind, which is written if it is not there."""
        room = self._kept.folder
        name = kind + SUFFIXES[self.runtime]
        folder = room and room / f"graph_{self.runtime}_{kind}"
        if folder and is_whole(folder):
            return RUNNERS[self.runtime](folder / name)
        if room:
            room.mkdir(parents=True, exist_ok=True)
        with new_graph(room or Path(tempfile.gettempdir()), folder) as written:
            return self._write(written / name, kind)

    def _write(self, path: Path, kind: str) -> Run:
        """Write the graph and what says that it is whole; return what runs it.

        Raises:
            UserError: there is no such graph, or it judges otherwise.
        """
        from .graph_files import write_graph

        network = self._method.inference_model(kind)
        if network is None:
            raise no_graph(self._method.name, kind)
        log.info("%s: the graph is written and compared", self.runtime)
        write_graph(network, path, self.runtime, float("inf"))
        run = RUNNERS[self.runtime](path)
        images = trial_images(self._method.image_shape)
        expected = self._method.judge(images, kind)
        difference = largest_difference(run, images, expected)
        if not difference <= TOLERANCE:
            raise UserError(
                f"--runtime {self.runtime}: expected maps that differ by at most "
                f"{TOLERANCE:.0e} of the largest value. Received: {difference:.1e}"
            )
        mark_whole(path.parent, difference)
        return run


def on_runtime(method: Any, runtime: str, kept: Kept) -> Any:
    """Return a method, or its stand-in, as it judges in a runtime."""
    return method if runtime == KERAS else GraphMethod(method, runtime, kept)
