"""Backbones in ONNX Runtime: a graph is written once, and kept on this machine.

    CACHE/graphs/STATE/features.onnx    from images to the maps of some levels
    CACHE/graphs/STATE/graph.json       says that it is whole, and how far it is off

STATE stands for the weights, the levels, the size, and what the graph was written with.
"""

import hashlib
import json
import logging
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from methods.engine.graph_folder import is_whole, mark_whole, new_graph
from methods.engine.measured import cache_folder
from methods.engine.onnx_session import open_session
from processing.errors import UserError
from processing.files import check_writable

FILE = "features.onnx"
FORMAT = 1  # of what is written: raise it with the code of `_write`, or of a backbone
WRITERS = ("keras", "tensorflow", "tf2onnx", "onnx")
TOLERANCE = 1e-4  # of a level's largest feature

Extract = Callable[[np.ndarray], list[np.ndarray]]

log = logging.getLogger(__name__)


def open_graph(network: Any) -> Extract:
    """Return what gives the feature maps of images as a backbone does, but faster.

    Args:
        network: Keras model from images (n, h, w, 3) in [0, 1] to maps (n, h, w, c),
            as `backbones.build` returns.

    Raises:
        UserError: the graph gives other features, or cannot be kept.
    """
    folder = cache_folder() / "graphs" / _state(network)
    if not is_whole(folder):
        check_writable(folder.parent)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with new_graph(folder.parent, folder) as written:
            mark_whole(written, _write(network, written / FILE))
    session = open_session(folder / FILE)
    names = [f"level_{i}" for i, _ in enumerate(network.outputs)]

    def extract(images: np.ndarray) -> list[np.ndarray]:
        # A batch takes no less time than its images do, and as many times the memory.
        each = [session.run(names, {"images": image[None]}) for image in images]
        return [np.concatenate(maps) for maps in zip(*each, strict=True)]

    return extract


def _state(network: Any) -> str:
    """Return what stands for a backbone and what writes its graph, in hexadecimal."""
    writers = {name: version(name) for name in WRITERS}
    shapes = network.input_shape, [x.shape for x in network.outputs]
    state = [FORMAT, writers, network.name, shapes, network.output_names]
    digest = hashlib.sha256(json.dumps(state).encode())
    for weight in network.get_weights():
        digest.update(weight.tobytes())
    return digest.hexdigest()


def _write(network: Any, path: Path) -> float:
    """Write a backbone's graph; return how far it is off, in parts of the largest."""
    import keras

    from methods.engine.onnx_file import write_onnx

    log.info("onnx: the graph of %s is written and compared, once", network.name)
    images = keras.Input(network.input_shape[1:], name="images")
    maps = keras.tree.flatten(network(images))
    named = {f"level_{i}": x for i, x in enumerate(maps)}
    write_onnx(keras.Model([images], named), path)
    shape = 1, *network.input_shape[1:]
    noise = np.random.default_rng(0).random(shape, np.float32)
    found = open_session(path).run([*named], {"images": noise})
    expected = keras.tree.flatten(network(noise, training=False))
    difference = _difference(found, expected)
    if not difference <= TOLERANCE:
        raise UserError(
            f"--runtime onnx: expected features of {network.name} that differ by at "
            f"most {TOLERANCE:.0e} of the largest. Received: {difference:.1e}"
        )
    return difference


def _difference(maps: list[np.ndarray], expected: list[Any]) -> float:
    """Return how far feature maps are off, in parts of each level's largest value."""
    return max(
        float(np.abs(ours - np.asarray(theirs)).max() / np.abs(theirs).max())
        for ours, theirs in zip(maps, expected, strict=True)
    )
