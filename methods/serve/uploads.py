"""Photos out of HTTP requests, and their results."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import anyio
from fastapi import HTTPException, Request
from starlette.datastructures import FormData, UploadFile

from .batching import LARGEST
from .metrics import Metrics
from .models import Served
from .said import LONGEST
from .station import BadImage, Photo, Station
from .store import Result

DECODERS = 2  # photos that are decoded at once: each may be large


@dataclass(frozen=True)
class About:
    """What a client says of its photos: see `Result`, and the key of its request."""

    part: str
    station: str
    model: str
    key: str | None

    def of(self, form: FormData) -> "About":
        """Return the same, but for what a form says."""
        said = {}
        for field in ("part", "station", "model"):
            if isinstance(text := form.get(field), str):
                said[field] = text
                if len(text) > LONGEST:
                    raise HTTPException(422, f"{field}: at most {LONGEST} characters")
        return replace(self, **said)


class Uploads:
    """Takes photos out of requests and waits for their results.

    Args:
        station: that judges.
        metrics: in which they are counted.
    """

    def __init__(self, station: Station, metrics: Metrics):
        self.station = station
        self.metrics = metrics
        self._decoding = asyncio.Semaphore(DECODERS)

    async def of_body(self, request: Request, name: str, about: About) -> Result:
        """Return the result of the photo that a body is.

        Raises:
            Busy: too many photos wait.
            BadImage: it is none.
        """
        with self.station.queue.admitted(1):
            [result] = await self._judged([(name, await request.body())], about)
            return result

    async def of_form(self, request: Request, about: About) -> list[Result]:
        """Return the results of the photos in a form; all are judged, or none is."""
        async with request.form(max_files=LARGEST, max_fields=LARGEST) as form:
            files = [x for _, x in form.multi_items() if isinstance(x, UploadFile)]
            if not files:
                raise HTTPException(422, "expected files in the form. Received: none")
            with self.station.queue.admitted(len(files)):
                named = [((x.filename or "")[:LONGEST], await x.read()) for x in files]
                return await self._judged(named, about.of(form))

    async def _judged(
        self, files: Sequence[tuple[str, bytes]], about: About
    ) -> list[Result]:
        model = self._model(about.model)
        photos = [
            await self._photo(name, data, model, about, number)
            for number, (name, data) in enumerate(files)
        ]
        futures = [asyncio.wrap_future(self.station.queue.submit(x)) for x in photos]
        results = await asyncio.gather(*futures)
        for result in results:
            self.metrics.judged(result)
        return results

    async def _photo(
        self, name: str, data: bytes, model: Served, about: About, number: int
    ) -> Photo:
        """Decode a photo in another thread."""
        request = f"{about.key}/{number}" if about.key else None
        words = name, about.part, about.station, request
        try:
            async with self._decoding:
                work = partial(self.station.photo, data, model, *words)
                return await anyio.to_thread.run_sync(work)
        except BadImage as error:
            raise BadImage(f"{name}: {error}" if name else str(error)) from error

    def _model(self, id_: str) -> Served:
        """Return a model by its id, the first one without."""
        models = self.station.models
        if not id_:
            return next(iter(models.values()))
        if id_ not in models:
            raise HTTPException(422, f"model: expected one of {', '.join(models)}")
        return models[id_]
