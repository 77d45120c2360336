"""Files of the same bytes: they stay in one split, and are reported."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from processing.wording import count

from .listing import some
from .tree import TEST, FoundImage

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


def joined(
    images: Sequence[FoundImage], copies: Sequence[Sequence[int]]
) -> list[FoundImage]:
    """Return images with one group for copies of each other, and all of their groups.

    Args:
        images: of a category.
        copies: indices of images of the same bytes, a list for each two or more.
    """
    names = [image.group or image.name for image in images]
    heads = {name: name for name in names}  # of a group the head of the one it joins

    def head(name: str) -> str:
        while heads[name] != name:
            name = heads[name]
        return name

    for first, *others in copies:
        for other in others:
            heads[head(names[other])] = head(names[first])
    chosen = [head(name) for name in names]
    sizes = Counter(chosen)
    return [
        replace(image, group=name) if sizes[name] > 1 else image
        for image, name in zip(images, chosen, strict=True)
    ]


def copy_warnings(
    images: Sequence[FoundImage], copies: Sequence[Sequence[int]]
) -> list[str]:
    """Return a line that counts and names the copies, and one of those of two labels.

    Args:
        images: of a category.
        copies: see `joined`.
    """
    tested, repeated, torn = [], [], []
    for indices in copies:
        same = [images[i] for i in indices]
        test = [image.name for image in same if image.split == TEST]
        other = [image.name for image in same if image.split != TEST]
        if other:
            tested += [f"{name} = {other[0]}" for name in test]
        for names in (test, other):
            repeated += [f"{name} = {names[0]}" for name in names[1:]]
        if len({image.good for image in same}) > 1:
            torn += [" = ".join(image.name for image in same)]
    texts = (
        (tested, "test image", "among the training images, too"),
        (repeated, "image", "there twice, which stay in one split"),
    )
    found = [
        f"{count(len(names), noun)} {text} ({some(names)})"
        for names, noun, text in texts
        if names
    ]
    lines = [f"copies, byte for byte: {'; '.join(found)}"] if found else []
    if torn:
        lines.append(f"the same image is good and defective: {some(torn)}")
    return lines
