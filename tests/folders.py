"""Folders of tiny images, for tests of layouts."""

import re
import zlib

import numpy as np
from PIL import Image

SIZE = (12, 10)


def make(folder, *photos, marked=(), blank=()):
    """Write images in a folder and return it; "{3}" in a name stands for 000 to 002.

    Args:
        folder: where they go.
        photos: names of grey images, each unlike the others.
        marked: names of masks that mark a corner, of value 200.
        blank: names of masks that mark nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mark = np.zeros(SIZE, np.uint8)
    mark[:4, :5] = 200
    drawings = (
        (photos, np.full(SIZE, 100, np.uint8)),
        (marked, mark),
        (blank, 0 * mark),
    )
    for names, pixels in drawings:
        for pattern in names:
            for name in _expanded(pattern):
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                drawn = pixels.copy()
                if names is photos:
                    drawn[6:, :4] = list(zlib.crc32(name.encode()).to_bytes(4, "big"))
                Image.fromarray(drawn).save(path)
    return folder


def _expanded(pattern):
    count = re.search(r"\{(\d+)\}", pattern)
    if not count:
        return [pattern]
    return [pattern.replace(count[0], f"{i:03}") for i in range(int(count[1]))]
