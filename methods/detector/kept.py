"""What was found in images, kept in the results for the next decision.

    RUN/kept/STATE/facts.json        what is known of the method without loading it
    RUN/kept/STATE/WHAT/IMAGE.npz    arrays of one image, such as its map

STATE stands for the model and for all that its maps depend on, IMAGE for the bytes of
the image's file: what is changed, model or image, is not found. What cannot be read is
left out, and what cannot be written is not kept: then images are judged anew.
"""

import hashlib
import json
import logging
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import starmap
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods.engine.backend import chosen_backend
from processing.data.image_set import ImageSet
from processing.decoding.medical import file_of
from processing.errors import UsageError, UserError
from processing.files import remove_leftovers, replacing

from .records import TrainingRecord
from .versions import versions

FOLDER = "kept"
FORMAT = 3  # of the files, and of what methods make of images: raise it with either
LIMIT = "KERAS_ANOMALY_KEPT_BYTES"
DAMAGED = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
)

Arrays = dict[str, NDArray]  # of one image

log = logging.getLogger(__name__)


class Kept:
    """Arrays of images, by what they are and by the content of the image's file.

    Several threads may use it.

    Args:
        folder: of the model in its present state; None keeps nothing.
        room: bytes that may yet be kept.
    """

    def __init__(self, folder: Path | None = None, room: int = 0) -> None:
        self.folder = folder
        self.room = room
        self._contents: dict[Path, str] = {}
        self._counting = Lock()

    @classmethod
    def of(cls, record: TrainingRecord, results: Path) -> "Kept":
        """Open what is kept of a model; what its earlier states left is removed.

        Of a method of the user's own nothing is: its code may change behind its name.
        """
        limit = limit_bytes()
        if ":" in record.method or not limit:
            return cls()
        root = results / record.run / FOLDER
        state = [FORMAT, record.id, versions(), chosen_backend()]
        folder = root / hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16]
        for earlier in root.glob("*"):
            if earlier != folder:
                shutil.rmtree(earlier, ignore_errors=True)
        remove_leftovers(folder)
        used = sum(map(_size, folder.rglob("*")))
        return cls(folder, limit - used)

    def known(self, images: ImageSet, what: str) -> set[int]:
        """Return the indices of those images of which `what` is kept.

        To be called before the images are decoded: a file that changes meanwhile is
        then not kept.
        """
        if self.folder is None:
            return set()
        new = [path for path in images.paths if path not in self._contents]
        with ThreadPoolExecutor() as pool:
            self._contents.update(zip(new, pool.map(_content, new), strict=True))
        files = (self._file(path, what) for path in images.paths)
        return {index for index, file in enumerate(files) if file and file.is_file()}

    def read(self, images: ImageSet, what: str) -> list[Arrays] | None:
        """Return `what` of each image, in order; None unless all of it is kept."""
        whole = len(self.known(images, what)) == len(images)
        found = [self._read(path, what) for path in images.paths] if whole else [None]
        arrays = [known for known in found if known is not None]
        return arrays if len(arrays) == len(images) else None

    def each(
        self,
        images: ImageSet,
        what: str,
        make: Callable[[ImageSet], Iterator[Arrays]],
        say: bool = True,
    ) -> Iterator[Arrays]:
        """Yield `what` of each image, in order, one in memory at a time.

        Args:
            images: any number.
            what: a name that goes for a folder.
            make: makes it of images, in order; it is called for those that are not
                known, and keeps what it made.
            say: how many were known.
        """
        known = self.known(images, what)
        new = make(images.subset(i for i in range(len(images)) if i not in known))
        for index, path in enumerate(images.paths):
            arrays = self._read(path, what) if index in known else None
            if arrays is None:
                arrays = next(make(images.subset([index])) if index in known else new)
                self._keep(path, what, arrays)
            yield arrays
        next(new, None)  # to its end, where it may warn
        if known and say:
            log.info("%d of %d images were judged before", len(known), len(images))

    def one(self, path: Path, what: str, make: Callable[[], Arrays]) -> Arrays:
        """Return `what` of an image; if it is not kept it is made, and kept.

        The image must have been among those of `known`.
        """
        file = self._file(path, what)
        arrays = self._read(path, what) if file and file.is_file() else None
        if arrays is None:
            arrays = make()
            self._keep(path, what, arrays)
        return arrays

    def _file(self, path: Path, what: str) -> Path | None:
        content = self._contents.get(path)
        return (
            self.folder / what / f"{content}.npz" if self.folder and content else None
        )

    def _read(self, path: Path, what: str) -> Arrays | None:
        """Return what is kept of an image; None, and a line, if it is damaged."""
        file = self._file(path, what)
        assert file is not None
        try:
            with file.open("rb") as stream, np.load(stream) as stored:
                return dict(_unpacked(name, stored[name]) for name in stored)
        except DAMAGED as error:
            log.info("%s is damaged, and judged anew: %s", file, error)
            return None

    def _keep(self, path: Path, what: str, arrays: Mapping[str, NDArray]) -> None:
        file = self._file(path, what)
        if not file or self.room <= 0 or _content(path) != self._contents[path]:
            return
        try:
            packed: dict[str, Any] = dict(starmap(_packed, arrays.items()))
            with replacing(file) as temporary, temporary.open("wb") as stream:
                np.savez_compressed(stream, **packed)
        except UserError as error:
            log.info("nothing more is kept for other decisions: %s", error)
            self.room = 0
            return
        with self._counting:
            self.room -= _size(file)
        if self.room <= 0:
            log.info("nothing more is kept in %s: %s is reached", self.folder, LIMIT)


def limit_bytes() -> int:
    """Return how many bytes may be kept of a model."""
    text = os.environ.get(LIMIT) or str(2**30)
    if not text.isdecimal():
        raise UsageError(f"{LIMIT}: expected a number of bytes. Received: {text}")
    return int(text)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # another process removed it
        return 0


def _content(path: Path) -> str:
    """Return what stands for the content of an image; "" if it cannot be read."""
    file = file_of(path)
    part = path.name[len(file.name) :]  # the slice of a volume
    try:
        content = hashlib.sha256(f"{file.suffix.lower()}{part}\n".encode())
        with file.open("rb") as stream:
            while block := stream.read(2**20):
                content.update(block)
    except OSError:
        return ""
    return content.hexdigest()


def _packed(name: str, array: NDArray) -> tuple[str, NDArray]:
    """Return an array as differences of its bits, byte by byte, which compress well."""
    bits = np.ascontiguousarray(array).reshape(-1).view(f"u{array.itemsize}")
    steps = np.diff(bits, prepend=bits.dtype.type(0))
    planes = steps.view(np.uint8).reshape(-1, array.itemsize).T
    return f"{name}{array.dtype.str}", planes.reshape(array.itemsize, *array.shape)


def _unpacked(name: str, planes: NDArray) -> tuple[str, NDArray]:
    """Return what `_packed` packed."""
    name, dtype = name[:-3], np.dtype(name[-3:])
    steps = planes.reshape(dtype.itemsize, -1).T
    bits = np.ascontiguousarray(steps).reshape(-1).view(f"u{dtype.itemsize}")
    array = np.cumsum(bits, dtype=bits.dtype).view(dtype)
    return name, array.reshape(planes.shape[1:])
