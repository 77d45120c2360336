"""An ordered set of image files that yields decoded batches."""

import copy
import itertools
import math
import os
from collections import Counter, deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from processing.decoding.decode import fault, read_image, read_mask, to_float
from processing.decoding.medical import file_of
from processing.errors import UsageError, UserError

from .prepared import Cache, Prepared, PreparedGeometry, Preparer

GOOD, ANOMALOUS, UNKNOWN = 0, 1, -1
CACHE_BYTES = 2**30
WORKERS = min(8, os.cpu_count() or 1)  # threads that decode or draw


class ImageSet:
    """Images by path, with label, class and mask; decoded on demand. Immutable.

    Worker threads decode ahead of the reader. A set whose pixels fit into the cache as
    uint8 is kept in memory once decoded; a larger one is read anew each time, so that
    memory does not grow with the number of images.

    Args:
        paths: the files, in the order of the set.
        names: a unique name for each, such as "test/good/000.png".
        labels: 0 good, 1 anomalous, -1 unknown.
        classes: the folder that each image comes from, such as "good" or "scratch".
        image_shape: (h, w, c) that images are resized to, c 1 (grey) or 3 (RGB).
        mask_paths: the ground truth masks of each, perhaps none. Default: no masks.
        groups: what each belongs to, which stays in one split; "" for its own file
            alone. Default: "" for all.
        cache_bytes: largest size of a set that is kept in memory, and its bound.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        names: Sequence[str],
        labels: ArrayLike,
        classes: Sequence[str],
        image_shape: tuple[int, int, int],
        mask_paths: Sequence[Sequence[Path]] | None = None,
        groups: Sequence[str] | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.paths = tuple(paths)
        self.names = tuple(names)
        self.labels = np.array(labels, dtype=np.int8)
        self.labels.setflags(write=False)
        self.classes = tuple(classes)
        nothing: tuple[Path, ...] = ()
        self.mask_paths = tuple(map(tuple, mask_paths or [nothing] * len(self.paths)))
        self._groups = tuple(groups or [""] * len(self.paths))
        self.image_shape = image_shape
        self.cache_bytes = cache_bytes
        self.preparation: Preparer | None = None
        self._check()
        self._cache = self._new_cache()

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def frame(self) -> tuple[int, int]:
        """The (h, w) of whole images, resized: of their maps and masks."""
        return self.preparation.size if self.preparation else self.image_shape[:2]

    @property
    def files(self) -> tuple[Path, ...]:
        """The file of each image: that of its volume for a slice."""
        return tuple(map(file_of, self.paths))

    @property
    def groups(self) -> tuple[str | Path, ...]:
        """What each image belongs to: at least slices to their volume."""
        pairs = zip(self._groups, self.files, strict=True)
        return tuple(group or file for group, file in pairs)

    def subset(self, indices: Iterable[int]) -> "ImageSet":
        """Return the images at `indices`, in that order, sharing decoded pixels."""
        chosen = self._chosen(indices)
        subset = copy.copy(self)
        subset.paths = tuple(self.paths[i] for i in chosen)
        subset.names = tuple(self.names[i] for i in chosen)
        subset.labels = self.labels[chosen]
        subset.labels.setflags(write=False)
        subset.classes = tuple(self.classes[i] for i in chosen)
        subset.mask_paths = tuple(self.mask_paths[i] for i in chosen)
        subset._groups = tuple(self._groups[i] for i in chosen)
        subset._check()
        return subset

    def with_good(self, paths: Sequence[Path]) -> "ImageSet":
        """Return the same images and good ones from elsewhere, named by their path."""
        return self.with_others(paths, [*map(str, paths)], ["good"] * len(paths))

    def with_others(
        self, paths: Sequence[Path], names: Sequence[str], classes: Sequence[str]
    ) -> "ImageSet":
        """Return the same images and others behind them, without masks.

        Args:
            paths: of the others.
            names: that no other image has.
            classes: "good", or a kind of defect.
        """
        extended = ImageSet(
            [*self.paths, *paths],
            names=[*self.names, *names],
            labels=[
                *self.labels,
                *(GOOD if x == "good" else ANOMALOUS for x in classes),
            ],
            classes=[*self.classes, *classes],
            image_shape=self.image_shape,
            mask_paths=[*self.mask_paths, *(() for _ in paths)],
            groups=[*self._groups, *("" for _ in paths)],
            cache_bytes=self.cache_bytes,
        )
        return extended.prepared(self.preparation) if self.preparation else extended

    def with_shape(self, image_shape: tuple[int, int, int]) -> "ImageSet":
        """Return the same images at another shape (h, w, c)."""
        images = copy.copy(self)
        images.image_shape = image_shape
        images.preparation = None
        images._check()
        images._cache = images._new_cache()
        return images

    def prepared(self, preparation: Preparer) -> "ImageSet":
        """Return the same images, read by `preparation`."""
        images = self.with_shape(preparation.image_shape)
        images.preparation = preparation
        return images

    def uncached(self) -> "ImageSet":
        """Return the same images without a cache."""
        images = copy.copy(self)
        images.cache_bytes = 0
        images._cache = images._new_cache()
        return images

    def views(self, size: int) -> Iterator[list[Prepared]]:
        """Yield lists of `size` prepared images, the last one shorter."""
        images = self._prepared(range(len(self)), ahead=size + WORKERS)
        while views := list(itertools.islice(images, size)):
            yield views

    def batches(self, size: int) -> Iterator[NDArray[np.float32]]:
        """Yield float32 batches (n, h, w, c) in [0, 1], n = size but for the last."""
        if size < 1:
            raise ValueError(f"`size` must be >= 1 image. Received: size={size}")
        views = self.views(size)
        return (np.stack([to_float(view.pixels) for view in batch]) for batch in views)

    def load(self, indices: Iterable[int]) -> NDArray[np.float32]:
        """Return the images at `indices`, float32 (n, h, w, c) in [0, 1]."""
        chosen = self._chosen(indices)
        images = np.empty((len(chosen), *self.image_shape), np.float32)
        for row, view in enumerate(self._prepared(chosen, ahead=2 * WORKERS)):
            images[row] = to_float(view.pixels)
        return images

    def mask(
        self, index: int, shape: tuple[int, int] | None = None
    ) -> NDArray[np.bool_]:
        """Return the ground truth of one image, (h, w): what any of its masks marks.

        A good image's is all False. `shape` is (h, w); by default `frame`.
        """
        height, width = self.frame if shape is None else shape
        if self.labels[index] == GOOD:
            return np.zeros((height, width), dtype=bool)
        masks = [read_mask(path, (height, width)) for path in self.mask_paths[index]]
        if not masks:
            raise UserError(f"{self.names[index]} has no ground truth mask")
        return np.logical_or.reduce(masks)

    def unreadable(self, known: Container[int] = ()) -> dict[int, UserError]:
        """Return the error, by index, of each file that cannot be decoded.

        Images that the cache keeps are prepared; those of a larger set are decoded
        alone. The indices `known` are left out.
        """
        read = self._read if self._cache.limit else fault
        indices = [index for index in range(len(self)) if index not in known]
        decoded = self._decoded(indices, ahead=2 * WORKERS, read=read)
        return {
            index: error
            for index, error in zip(indices, decoded, strict=True)
            if isinstance(error, UserError)
        }

    def _prepared(self, indices: Sequence[int], ahead: int) -> Iterator[Prepared]:
        for view in self._decoded(indices, ahead):
            if isinstance(view, UserError):
                raise view
            assert view is not None
            yield view

    def _decoded(
        self,
        indices: Sequence[int],
        ahead: int,
        read: Callable[[Path], Prepared | UserError | None] | None = None,
    ) -> Iterator[Prepared | UserError | None]:
        """Yield an image or an error for each index, at most `ahead` read early."""
        if all(self.paths[i] in self._cache.images for i in indices):
            yield from (self._cache.images[self.paths[i]] for i in indices)
            return
        pool = ThreadPoolExecutor(WORKERS)
        pending: deque[Future[Prepared | UserError | None]] = deque()
        try:
            for index in indices:
                pending.append(pool.submit(read or self._read, self.paths[index]))
                if len(pending) > ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _read(self, path: Path) -> Prepared | UserError:
        view = self._cache.images.get(path)
        if view is not None:
            return view
        try:
            view = self.preparation(path) if self.preparation else self._resized(path)
        except UsageError:  # of an option, not of the file
            raise
        except UserError as error:
            return error
        self._cache.keep(path, view)
        return view

    def _resized(self, path: Path) -> Prepared:
        pixels = read_image(path, shape=self.image_shape)
        return Prepared(pixels, PreparedGeometry.whole(self.frame))

    def _chosen(self, indices: Iterable[int]) -> list[int]:
        # NumPy's indexing: negative and boolean indices work, others raise IndexError.
        return np.arange(len(self))[list(indices)].tolist()

    def _new_cache(self) -> Cache:
        size = len(self) * math.prod(self.image_shape)
        return Cache(self.cache_bytes if size <= self.cache_bytes else 0)

    def _check(self) -> None:
        lengths = {
            name: len(getattr(self, name))
            for name in ("paths", "names", "labels", "classes", "mask_paths", "_groups")
        }
        if len(set(lengths.values())) > 1:
            raise ValueError(f"all lists must have one length. Received: {lengths}")
        if len(set(self.names)) < len(self.names):
            repeated, _ = Counter(self.names).most_common(1)[0]
            raise ValueError(f"`names` must be unique. Received twice: {repeated!r}")
        if not np.isin(self.labels, (GOOD, ANOMALOUS, UNKNOWN)).all():
            raise ValueError(
                f"`labels` must be 0, 1 or -1. Received: {np.unique(self.labels)}"
            )
        height, width, channels = self.image_shape
        if height < 1 or width < 1 or channels not in (1, 3):
            raise ValueError(
                "`image_shape` must be (h, w, c) with h, w >= 1 and c 1 or 3. "
                f"Received: image_shape={self.image_shape}"
            )
