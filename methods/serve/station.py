"""The station: photos to stored verdicts, and what others are told of them."""

import hashlib
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from methods.detector.judge import Verdict
from processing.decoding.decode import read_pixels
from processing.errors import UserError, reason
from processing.files import replacing

from .batching import Batcher
from .kept_bytes import KeptBytes
from .models import Served
from .pictures import JUDGED, TYPES, drawn, judged_png
from .store import DEFECTIVE, GOOD, Result, Store, now

PHOTOS, PICTURES = "photos", "pictures"  # folders in that of the station


class BadImage(UserError):
    """What was sent is no image that can be judged."""


Measure = Callable[[NDArray[np.integer]], Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo that is to be judged.

    Attributes:
        pixels: uint8 or uint16, grey (H, W, 1) or RGB (H, W, 3).
        sha256: of its bytes.
        model: that judges it.
        look: what is measured of its pixels; {} unless something needs that.
        name, part, station: see `Result`.
        request: key of the request, or None.
        arrived: see `time.perf_counter`.
    """

    pixels: NDArray[np.integer] = field(repr=False)
    look: Mapping[str, float]
    sha256: str
    model: Served
    name: str
    part: str
    station: str
    request: str | None
    arrived: float


@dataclass(frozen=True, eq=False)
class Judged:
    """What is known of a photo that was judged by a model."""

    result: Result
    photo: Photo
    model: Served
    verdict: Verdict


class Follower(Protocol):
    """Something that is done with each photo that was judged."""

    def write(self, writer: sqlite3.Connection, judged: Sequence[Judged]) -> None:
        """Write to the database, in the transaction that stores the results."""

    def written(self, judged: Sequence[Judged]) -> None:
        """Do what comes after that, and delays answers: soon, and without errors."""


class Station:
    """Judges photos in batches and stores every answer before it is given.

    Args:
        folder: of the store, photos and pictures.
        models: by their ids; one that takes the place of another judges from the next
            batch on.
        places: photos that are let in and not yet answered, at most.
        publish: is told of every result that is new or corrected, in any thread.
        judges: batches that are judged at once; one more is stored meanwhile.

    Attributes:
        followers: are given all photos that are judged.
        kept: bytes of photos and pictures.
    """

    def __init__(
        self,
        folder: Path,
        models: dict[str, Served],
        places: int,
        publish: Callable[[Result], None],
        judges: int = 1,
    ):
        self.folder = folder
        self.models = models
        self.publish = publish
        self.store = Store(folder)
        self.ending: list[Callable[[], None]] = []
        self.turn = threading.BoundedSemaphore(judges)  # of what takes the models
        self._storing = threading.Lock()
        self.kept = KeptBytes()
        self.labelled: Callable[[], None] = lambda: None  # is called after a correction
        self.followers: list[Follower] = []
        self.measure: Measure = lambda _: {}  # for followers, beside the decoding
        self.queue: Batcher[Photo, Result] = Batcher(self._judge, places, judges + 1)

    def close(self) -> None:
        """Answer what has come, end what else works, and close the store."""
        self.queue.close()
        for end in self.ending:
            end()
        self.store.close()

    def photo(
        self,
        data: bytes,
        model: Served,
        name: str = "",
        part: str = "",
        station: str = "",
        request: str | None = None,
    ) -> Photo:
        """Keep a photo, to be submitted to the queue.

        Raises:
            BadImage: it cannot be decoded.
        """
        arrived = time.perf_counter()
        sha256 = hashlib.sha256(data).hexdigest()
        channels = model.judge.detector.image_shape[2]
        pixels = self._keep(data, sha256, channels)
        look = self.measure(pixels)
        return Photo(pixels, look, sha256, model, name, part, station, request, arrived)

    def correct(self, id_: str, new: str, who: str, comment: str) -> Result | None:
        """Give a result another verdict, and publish it; None if there is none."""
        return self._published(self.store.correct(id_, new, who, comment))

    def undo(self, id_: str, who: str) -> Result | None:
        """Take the last correction of a result back, and publish it."""
        return self._published(self.store.undo(id_, who))

    def picture(self, id_: str, kind: str) -> Path | None:
        """Return the file of a picture of a result; None if there is none.

        It is drawn when it is first asked for.
        """
        result = self.store.get(id_)
        if result is None or kind not in result.pictures:
            return None
        path, photo = (
            self.folder / result.pictures[kind],
            self.photo_path(result.sha256),
        )
        judged = path.with_name(JUDGED)
        if not path.exists() and judged.exists() and photo.exists():
            data = drawn(kind, read_pixels(photo, 3), read_pixels(judged, 1)[..., 0])
            self.kept.add(path, len(data))
            with replacing(path) as temporary:
                temporary.write_bytes(data)
        return path

    def _published(self, result: Result | None) -> Result | None:
        if result:
            self.publish(result)
            self.labelled()
        return result

    def pixels(self, sha256: str, channels: int) -> NDArray[np.integer]:
        """Return a photo that is kept; a `UserError` if it is not there any more."""
        return read_pixels(self.photo_path(sha256), channels)

    def _keep(self, data: bytes, sha256: str, channels: int) -> NDArray[np.integer]:
        """Write a photo under its hash, if it is one, and return its pixels."""
        path = self.photo_path(sha256)
        if path.exists():
            path.touch()  # it is in use
            return read_pixels(path, channels)
        with replacing(path) as temporary:
            temporary.write_bytes(data)
            try:
                pixels = read_pixels(temporary, channels)
            except UserError as error:
                text = reason(error).removeprefix(f"{temporary}: ")
                raise BadImage(text) from error
            self.kept.add(path, len(data))
        return pixels

    def photo_path(self, sha256: str) -> Path:
        """Return where a photo is kept, if it is."""
        return self.folder / PHOTOS / sha256[:2] / sha256

    def _judge(self, photos: Sequence[Photo]) -> list[Result]:
        """Judge photos of any models, store all results, and return them in order.

        A request that was answered before, perhaps by a process that was killed then,
        has the same answer again.
        """
        found = {i: x for i, photo in enumerate(photos) if (x := self._known(photo))}
        new: dict[str, list[int]] = {}
        for i in range(len(photos)):
            if i not in found:
                new.setdefault(photos[i].model.place, []).append(i)
        judged: dict[int, tuple[Served, Verdict]] = {}
        for model, indices in new.items():
            pixels = [photos[i].pixels for i in indices]
            judging = self.models[model]
            with self.turn:
                verdicts = judging.verdicts(pixels)
            judged |= {i: (judging, x) for i, x in zip(indices, verdicts, strict=True)}
        with self._storing:
            fresh: dict[int, Judged] = {}
            for i, about in judged.items():
                if known := self._known(photos[i]):  # by now, in another batch
                    found[i] = known
                else:
                    result = self._result(photos[i], *about)
                    fresh[i] = Judged(result, photos[i], *about)
            self._add(list(fresh.values()))
        answers = found | {i: x.result for i, x in fresh.items()}
        return [answers[i] for i in sorted(answers)]

    def _add(self, judged: Sequence[Judged]) -> None:
        """Store results, and let the followers know."""
        rows = [(x.result, x.photo.request) for x in judged]
        self.store.add(rows, [partial(x.write, judged=judged) for x in self.followers])
        for x in judged:
            self.publish(x.result)
        for follower in self.followers:
            follower.written(judged)

    def _known(self, photo: Photo) -> Result | None:
        """Return the answer to an earlier request with the key of a photo's."""
        known = self.store.of_request(photo.request) if photo.request else None
        if known and known.sha256 != photo.sha256:
            raise BadImage("the key of the request was used for another photo")
        return known

    def _result(self, photo: Photo, model: Served, verdict: Verdict) -> Result:
        """Write what pictures of a verdict need and return the result."""
        id_, time_ = uuid.uuid4().hex, now()
        folder = Path(PICTURES, time_[:10], id_)
        (self.folder / folder).mkdir(parents=True)
        judged = judged_png(verdict, model.scale)
        path = self.folder / folder / JUDGED
        self.kept.add(path, len(judged))
        path.write_bytes(judged)
        paths = {kind: (folder / f"{kind}.{x}").as_posix() for kind, x in TYPES.items()}
        table = {key: column.tolist() for key, column in verdict.regions.items()}
        rows = zip(*table.values(), strict=True)
        return Result(
            id=id_,
            time=time_,
            sha256=photo.sha256,
            name=photo.name,
            part=photo.part,
            station=photo.station,
            verdict=DEFECTIVE if verdict.defective else GOOD,
            score=verdict.score,
            p_value=verdict.p_value,
            threshold=model.judge.score_threshold,
            regions=[dict(zip(table, row, strict=True)) for row in rows],
            decision=model.decided.finetuned.name,
            model=model.id,
            milliseconds=1000 * (time.perf_counter() - photo.arrived),
            pictures=paths,
        )


def answer(result: Result) -> dict[str, Any]:
    """Return what clients are told of a result: pictures by their addresses."""
    addresses = {kind: f"/api/results/{result.id}/{kind}" for kind in result.pictures}
    return asdict(result) | {"pictures": addresses}
