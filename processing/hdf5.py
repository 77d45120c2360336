"""HDF5 files from anywhere: they hold all that they declare, and themselves."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np

FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
KINDS = {"f": "floats", "iu": "whole numbers", "u": "bytes", "b": "booleans"}
DEEPEST = 32  # groups in one another
EXPANSION, FREE = 20, 2**24  # of compressed files: times their bytes, and bytes more


@dataclass(frozen=True)
class ArraySpec:
    """What an array of a file is like.

    Attributes:
        shape: None for a length that varies.
        kind: NumPy's letters, a key of `KINDS`. Floats are finite, in float32, too.
        optional: whether files of earlier versions lack it.
        rows: how many rows the first weight of a network has for each of a number.
        least: the lowest value that there can be.
    """

    shape: tuple[Any, ...] = ()
    kind: str = "f"
    optional: bool = False
    rows: Mapping[str, int] = field(default_factory=dict)
    least: float = -math.inf


def check_arrays(
    place: str, arrays: Mapping[str, Any], specs: Mapping[str, ArraySpec]
) -> None:
    """Raise a `ValueError` unless arrays are those of their specs, checked in order.

    Args:
        place: group that they lie in, for errors.
        arrays: by name.
        specs: by name.
    """
    for name in arrays:
        if name not in specs:
            raise ValueError(f"{place} holds {ascii(name)}, which is unknown")
    for name, spec in specs.items():
        if name in arrays:
            check_array(f"{place}/{name}", arrays[name], spec)
        elif not spec.optional:
            raise ValueError(f"it lacks {place}/{name}")


def check_array(place: str, array: Any, spec: ArraySpec) -> None:
    """Raise a `ValueError` unless an array is that of its spec."""
    pairs = zip(array.shape, spec.shape, strict=False)
    fits = len(array.shape) == len(spec.shape)
    fits = fits and all(wanted in (None, length) for length, wanted in pairs)
    if array.dtype.kind not in spec.kind or not fits:
        lengths = ", ".join("any" if n is None else str(n) for n in spec.shape)
        raise ValueError(
            f"{place}: expected {KINDS[spec.kind]} ({lengths}). Received: "
            f"{array.dtype} {array.shape}"
        )
    if spec.kind == "f" and array.size:
        with np.errstate(over="ignore"):
            ends = np.array([array.min(), array.max()], np.float32)
        if not np.isfinite(ends).all():
            raise ValueError(f"{place} holds numbers that are not finite")
    if array.size and array.min() < spec.least:
        raise ValueError(
            f"{place}: expected at least {spec.least:g}. Received: {array.min()}"
        )


def check_hdf5(file: h5py.File, size: int) -> None:
    """Raise a `ValueError` unless a file is made of groups and numbers alone.

    HDF5 follows links to other files, reads arrays out of them, fills in what is not
    stored, and loads plugins to decompress it. None of these is accepted.

    Args:
        file: open for reading.
        size: of the file, in bytes.
    """
    todo: list[h5py.Group] = [file]
    stored: dict[int, int] = {}  # bytes by address: an array can have two names
    declared = 0
    while todo:
        group = todo.pop()
        for name in group:
            place = f"{group.name.rstrip('/')}/{name}"
            item = _item(group, name, place)
            address = h5py.h5o.get_info(item.id).addr
            if isinstance(item, h5py.Group):
                if address in stored or place.count("/") > DEEPEST:
                    raise ValueError(f"{place} is a group within too many others")
                stored[address] = 0
                todo.append(item)
            else:
                stored[address] = item.id.get_storage_size()
                declared += _check_array(item, place)
    if sum(stored.values()) > size or declared > EXPANSION * size + FREE:
        raise ValueError(f"its arrays take {declared} bytes, the whole file {size}")


def _item(group: h5py.Group, name: str, place: str) -> h5py.Group | h5py.Dataset:
    """Return a group or an array in a group."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{place} is a link to another place")
    item = group[name]
    if not isinstance(item, h5py.Group | h5py.Dataset):
        raise ValueError(f"{place} is neither a group nor an array")
    return item


def _check_array(array: h5py.Dataset, place: str) -> int:
    """Return the bytes that an array takes in memory; see `check_hdf5`."""
    if array.external or array.is_virtual:
        raise ValueError(f"{place} lies in another file")
    dtype = array.dtype
    if dtype.kind not in "fiub" or dtype.itemsize > 8 or array.shape is None:
        raise ValueError(f"{place} holds {dtype}. Expected numbers")
    creation = array.id.get_create_plist()
    filters = {creation.get_filter(i)[0] for i in range(creation.get_nfilters())}
    if not filters <= FILTERS:
        raise ValueError(f"{place} is compressed by other means than gzip")
    chunks = array.chunks or (1,) * array.ndim
    sides = (-(-n // step) * step for n, step in zip(array.shape, chunks, strict=True))
    needed = math.prod(sides) * dtype.itemsize
    if not filters and array.id.get_storage_size() < needed:
        raise ValueError(f"{place} declares {needed} bytes, but holds less")
    return needed
