"""New decisions and models of labelled photos, made by a child of the station."""

import json
import shutil
import subprocess
import threading
import uuid
from pathlib import Path
from typing import Any

import cv2

from methods.detector.decisions import RESULT
from methods.detector.model_file import read_record
from methods.jobs.child_process import ChildError, follow
from processing.decoding.decode import read_pixels, to_uint8, to_unit
from processing.errors import UserError, reason
from processing.files import read_json, write_json, write_table
from processing.report.gallery import resized, scaled

from .deciding import LEARNED, Deciding, Refused
from .labelled import Labelled, Labels
from .learner import COMPARISON, GOOD, JOB, LABELS, TOLD
from .models import Served
from .station import PHOTOS
from .store import now

FOLDER, STATE = "learning", "state.json"
RUNNING, DONE, FAILED = "running", "done", "failed"
CANCELLED, INTERRUPTED = "cancelled", "interrupted"
ENDED = "the station ended while it learned: nothing was kept"
SIDE = 320  # pixels, the longer one of a picture of the comparison
PATIENCE = 10.0  # seconds that a child has to end before it is killed


class Learning:
    """Learns one thing at a time, while photos are judged.

    What a station that ended in the middle left is removed by the next one.

    Args:
        deciding: of the station.
        labels: photos that people labelled.

    Attributes:
        state: what is learned, or was last; {} of nothing. "state" is one of `RUNNING`,
            `DONE`, `FAILED`, `CANCELLED`, `INTERRUPTED`.
    """

    def __init__(self, deciding: Deciding, labels: Labels):
        self.deciding = deciding
        self.labels = labels
        self.folder = (deciding.station.folder / FOLDER).absolute()
        self.state: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._process: subprocess.Popen | None = None
        self._thread: threading.Thread | None = None
        self._cancelled = False
        if (self.folder / STATE).is_file():
            self.state = read_json(self.folder / STATE)
        if self.state.get("state") == RUNNING:
            self._end(INTERRUPTED, ENDED)

    def start(self, model: Served, what: str, who: str) -> None:
        """Begin to learn.

        Args:
            model: that judges.
            what: "decision" or "model".
            who: asks for it.

        Raises:
            Refused: something is being learned, or cannot be learned.
        """
        with self._lock:
            if self.state.get("state") == RUNNING:
                raise Refused("something is being learned: cancel it, or wait")
            if what == "model" and (why := not_updated(model)):
                raise Refused(why)
            photos, _ = self.labels.of(model)
            good = [x for x in photos if x.label == "good"]
            if not (good if what == "model" else photos):
                kind = "photos labelled good" if what == "model" else "labelled photos"
                raise Refused(f"expected {kind} that are judged. Received: none")
            self._cancelled = False
            self.state = {
                "state": RUNNING,
                "id": uuid.uuid4().hex,
                "what": what,
                "place": model.place,
                "name": f"learned-{now()[:19].replace(':', '-')}"
                if what == "decision"
                else "",
                "decision_before": model.decided.finetuned.name,
                "model_before": model.id,
                "results": str(model.results.absolute()),
                "results_run": model.decided.record.run,
                "who": who,
                "started": now(),
                "photos": len(photos),
            }
            try:
                self._write_job(model, photos)
                self._change()
            except UserError as error:
                self._end(FAILED, reason(error))
                raise
            self._thread = threading.Thread(target=self._run, args=(model,))
            self._thread.start()

    def cancel(self) -> None:
        """End what is being learned; what is over is put away."""
        with self._lock:
            if self.state.get("state") != RUNNING:
                self.state = {}
                (self.folder / STATE).unlink(missing_ok=True)
                self.deciding.tell("learning", {})
                return
            self._cancelled = True
            process = self._process
        if process:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
        if self._thread:
            self._thread.join()

    def close(self) -> None:
        """End what is being learned with the station."""
        if self.state.get("state") == RUNNING:
            self.cancel()

    def comparison(self) -> dict[str, Any]:
        """Return what both say of each image; {} unless something was learned.

        Photos have the names that people know them by.
        """
        path = self._job / COMPARISON
        if self.state.get("state") != DONE or not path.is_file():
            return {}
        names = read_json(self._job / JOB)["names"]
        images = read_json(path)["images"]
        return {
            "images": [x | {"name": names.get(x["path"], x["name"])} for x in images]
        }

    def picture(self, number: int) -> bytes:
        """Return an image of the comparison as JPEG; `Refused` if there is none."""
        images = self.comparison().get("images", [])
        if not 0 <= number < len(images):
            raise Refused("there is no such image", 404)
        pixels = read_pixels(Path(images[number]["path"]), 3)
        size = scaled(pixels.shape[:2], SIDE)
        small = resized(to_uint8(to_unit(pixels)), size)
        return cv2.imencode(".jpg", small[..., ::-1])[1].tobytes()

    @property
    def _job(self) -> Path:
        return self.folder / self.state.get("id", "none")

    def _write_job(self, model: Served, photos: list[Labelled]) -> None:
        """Write what the child is to know; photos get an ending, as tables need."""
        rows: list[dict[str, str]] = []
        names: dict[str, str] = {}
        copies = self._job / PHOTOS
        copies.mkdir(parents=True)
        for photo in photos:
            path = copies / f"{photo.sha256}.png"
            shutil.copyfile(self.deciding.station.photo_path(photo.sha256), path)
            rows.append({"path": str(path), "label": photo.label})
            names[str(path)] = photo.name
        write_table(self._job / LABELS, rows)
        write_table(self._job / GOOD, [x for x in rows if x["label"] == "good"])
        job = {
            "model": str(model.path),
            "results": str(model.results),
            "decision": model.decided.finetuned.name,
            "name": self.state["name"],
            "names": names,
        }
        write_json(self._job / JOB, job)

    def _run(self, model: Served) -> None:
        """Follow the child to its end."""
        try:
            words = ["-m", "methods.serve.learner", str(self._job)]
            follow(words, self._hear, self._started)
            if self.state["what"] == "model":
                self._record(model)
            self._end(DONE, "")
        except (ChildError, OSError, UserError) as error:
            if self._cancelled:
                self._end(CANCELLED, "")
            else:
                self._end(FAILED, getattr(error, "reason", None) or reason(error))

    def _started(self, process: subprocess.Popen) -> None:
        self._process = process
        if self._cancelled:
            process.terminate()

    def _hear(self, line: str) -> None:
        if line.startswith(TOLD):
            self._change(**json.loads(line[len(TOLD) :]))
        elif line:
            self.state = self.state | {"line": line}
            self.deciding.tell("learning", self.state)

    def _record(self, model: Served) -> None:
        """Say in the audit file that there is a new model, which does not judge yet."""
        file = Path(self.state["file"]).absolute()
        found = model.beside(file)
        folder = self.deciding.station.folder.absolute()
        self.deciding.record(
            LEARNED,
            found,
            model.id,
            found.decided.finetuned,
            self.state["who"],
            "",
            file=file.relative_to(folder).as_posix(),
        )
        self.deciding.tell("models", {"model": model.place})

    def _end(self, state: str, line: str) -> None:
        """Tell how it ended; unless it is done, leave nothing of it."""
        if state != DONE:
            shutil.rmtree(self._job, ignore_errors=True)
            self._remove_results()
        self._change(state=state, line=line, ended=now())

    def _remove_results(self) -> None:
        root = Path(self.state.get("results", ""))
        if name := self.state.get("name"):
            made = root / self.state["results_run"] / "finetuning" / name
            if not (made / RESULT).is_file():
                shutil.rmtree(made, ignore_errors=True)
        elif run := self.state.get("run"):
            shutil.rmtree(root / run, ignore_errors=True)

    def _change(self, **values: Any) -> None:
        state = self.state | values
        write_json(self.folder / STATE, state)
        self.state = state
        self.deciding.tell("learning", state)


def not_updated(model: Served) -> str:
    """Return why a model cannot take in photos; "" if it can."""
    record = read_record(model.path)
    if record.categories:
        return "a model of several categories takes in no photos: train it anew"
    if not getattr(model.judge.detector.method, "updatable", False):
        return f"{record.method} cannot take in images later: train it anew"
    return ""
