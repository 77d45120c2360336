"""Files of the same bytes: they stay in one split, and are reported."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path

PROBE = 4096  # bytes at the start, in the middle and at the end that are compared first


def identical_files(paths: Sequence[Path]) -> list[list[int]]:
    """Return the indices of files of the same bytes, a list for each two or more.

    A whole file is read only if another one has its size and the same bytes at three
    places. Files that cannot be read are no copies.
    """
    groups: Iterable[list[int]] = [list(range(len(paths)))]
    for key in (_size, _probe, _digest):
        groups = [part for group in groups for part in _parts(group, paths, key)]
    return list(groups)


def _parts(
    group: list[int], paths: Sequence[Path], key: Callable[[Path], Hashable]
) -> list[list[int]]:
    """Return the parts of a group that share a key, of two or more files each."""
    parts = defaultdict(list)
    for index in group:
        try:
            parts[key(paths[index])].append(index)
        except OSError:  # what reads the images reports it
            continue
    return [part for part in parts.values() if len(part) > 1]


def _size(path: Path) -> int:
    return path.stat().st_size


def _probe(path: Path) -> bytes:
    size = path.stat().st_size
    with path.open("rb") as file:
        parts = []
        for place in (0, size // 2, max(0, size - PROBE)):
            file.seek(place)
            parts.append(file.read(PROBE))
    return b"".join(parts)


def _digest(path: Path) -> bytes:
    digest = hashlib.blake2b()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.digest()
