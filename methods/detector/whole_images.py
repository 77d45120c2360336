"""The network of a method, from whole images to whole maps: crop, tiles, still mask."""

from typing import Any

import keras
import numpy as np
from keras import ops

from processing.data.tiling import Tiling
from processing.preprocessing.preparation import Preparation


def whole_network(network: Any, preparation: Preparation) -> Any:
    """Return a network from whole images (n, h, w, c) to [maps, scores] of them.

    What is the same for all images is inside: crop, tiles, and, if it is `still`, the
    mask. Of a preparation that is not, what is judged is known behind the graph alone:
    maps go on beyond a crop with the values at its edge, and scores are the method's.

    Args:
        network: from what the method sees to [maps, scores].
        preparation: of which `size` is (h, w) here.
    """
    whole = preparation.seen_shape[:2] == preparation.size
    masked = preparation.still and not preparation.judged.all()
    if whole and not masked:
        return network
    images = keras.Input((*preparation.size, preparation.channels), name="images")
    seen = images
    if masked and preparation.blank:
        seen = images * preparation.judged[..., None].astype("float32")
    maps, scores = network(seen) if whole else _in_tiles(network, seen, preparation)
    if masked:
        maps = _lowered(maps, preparation.judged)
    if masked and preparation.partial:
        scores = ops.max(maps, axis=(1, 2))
    return keras.Model(images, [maps, scores], name="whole_images")


def _in_tiles(network: Any, images: Any, preparation: Preparation) -> tuple[Any, Any]:
    """Return maps (n, h, w) and highest scores of the tiles of symbolic images."""
    tiling, window = preparation.tiling, preparation.window
    starts = [np.array(tiling.starts(axis)) for axis in (0, 1)]
    (height, width), channels = tiling.tile, preparation.channels
    rows, columns = (
        np.add.outer(first + window[axis].start, np.arange(side)).ravel()
        for axis, (first, side) in enumerate(zip(starts, tiling.tile, strict=True))
    )
    across = len(starts[1])
    strips = ops.take(images, rows, axis=1)
    strips = ops.reshape(strips, (-1, height, preparation.size[1], channels))
    tiles = ops.take(strips, columns, axis=2)
    tiles = ops.reshape(tiles, (-1, height, across, width, channels))
    tiles = ops.transpose(tiles, (0, 2, 1, 3, 4))
    maps, scores = network(ops.reshape(tiles, (-1, height, width, channels)))
    maps = ops.reshape(maps, (-1, across, height, width))
    maps = ops.reshape(
        ops.transpose(maps, (0, 2, 1, 3)), (-1, len(rows), across * width)
    )
    maps = ops.matmul(maps, placing(tiling, 1, preparation).T)
    maps = ops.matmul(placing(tiling, 0, preparation), maps)
    return maps, ops.max(ops.reshape(scores, (-1, len(tiling))), axis=1)


def placing(tiling: Tiling, axis: int, preparation: Preparation) -> np.ndarray:
    """Return the float32 matrix (side, tiles * tile) that blends the rows of tiles.

    Or, with axis 1, the columns. As `Tiling.stitch` does, and beyond a crop with the
    values at its edge.
    """
    window, ramp = preparation.window[axis], tiling.ramp(axis)
    starts = tiling.starts(axis)
    matrix = np.zeros((window.stop - window.start, len(starts), len(ramp)))
    for index, start in enumerate(starts):
        matrix[start : start + len(ramp), index] = np.diag(ramp)
    matrix /= matrix.sum(axis=(1, 2), keepdims=True)
    beyond = (window.start, preparation.size[axis] - window.stop)
    flat = np.pad(matrix.reshape(len(matrix), -1), (beyond, (0, 0)), "edge")
    return flat.astype(np.float32)


def _lowered(maps: Any, judged: np.ndarray) -> Any:
    """Return symbolic maps with their lowest judged value where nothing is judged."""
    known = judged if judged.any() else ~judged
    lowest = ops.min(ops.where(known, maps, np.float32(np.inf)), (1, 2), keepdims=True)
    return ops.where(judged, maps, lowest)
