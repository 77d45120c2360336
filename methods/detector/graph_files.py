"""Graph files for other programs, written by converters."""

import logging
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from processing.errors import UserError

LARGE = 2**16  # numbers in a weight that converters are not to copy


def write_graph(network: Any, path: Path, graph: str, threshold: float) -> None:
    """Write a network from images to [maps, scores]; `UserError` if it has no graph.

    Args:
        network: such as `Method.inference_model` returns.
        path: to write to, with the suffix of its kind.
        graph: a key of `WRITERS`.
        threshold: which an ONNX graph has unless it is given another one.
    """
    logging.getLogger("tf2onnx").setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of converters about their own code
            WRITERS[graph](network, path, threshold)
    except Exception as error:  # of whichever converter
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"this model has no {graph} graph: {reason}") from error


class Opened(keras.Model):
    """A network whose large weights, and the threshold of its maps, are inputs.

    From [images, threshold, *weights] to "maps", "masks" and "scores". What converters
    take for constants they copy dozens of times, and calculate with.

    Args:
        network: from images to [maps, scores].
    """

    def __init__(self, network: Any):
        super().__init__()
        self.network = network
        sizes = [(int(np.prod(x.shape)), x) for x in network.weights]
        self.large = [weight for size, weight in sizes if size >= LARGE]
        self.built = True

    def signature(self) -> list[keras.InputSpec]:
        """Return names and shapes of the inputs."""
        shape = (None, *self.network.input_shape[1:])
        named = [("images", shape), ("threshold", ())]
        named += [(f"weight_{i}", x.shape) for i, x in enumerate(self.large)]
        return [keras.InputSpec("float32", shape, name=name) for name, shape in named]

    def call(self, inputs: Sequence[Any]) -> dict[str, Any]:
        """Return the outputs with the weights that are given."""
        images, threshold, *weights = inputs
        given = list(zip(self.large, weights, strict=True))
        with keras.StatelessScope(state_mapping=given):
            maps, scores = self.network(images, training=False)
        return {"maps": maps, "masks": maps > threshold, "scores": scores}


def _write_onnx(network: Any, path: Path, threshold: float) -> None:
    import onnx

    opened = Opened(network)
    signature = opened.signature()
    opened.export(str(path), format="onnx", verbose=False, input_signature=[signature])
    model = onnx.load(path)
    known = [rounded_down(threshold), *map(np.asarray, opened.large)]
    for spec, value in zip(signature[1:], known, strict=True):
        tensor = onnx.numpy_helper.from_array(value, spec.name)
        model.graph.initializer.append(tensor)
    weights = {spec.name for spec in signature[2:]}  # the threshold stays an input
    inputs = [value for value in model.graph.input if value.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    onnx.save(model, path)


def rounded_down(threshold: float) -> np.ndarray:
    """Return the largest float32 that is not above: the same maps are above both."""
    value = np.float32(threshold)
    lower = np.nextafter(value, np.float32(-np.inf))
    return np.asarray(lower if float(value) > threshold else value)


def _write_openvino(network: Any, path: Path, threshold: float) -> None:
    """Write it by way of a SavedModel: OpenVINO takes no functions in Python 3.13."""
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        _write_saved_model(network, Path(folder), threshold)
        openvino.serialize(openvino.convert_model(folder), path)


def _write_saved_model(network: Any, path: Path, threshold: float) -> None:
    _named(network).export(str(path), format="tf_saved_model", verbose=False)


def _write_litert(network: Any, path: Path, threshold: float) -> None:
    one = keras.InputSpec("float32", (1, *network.input_shape[1:]), name="images")
    _named(network).export(
        str(path), format="litert", verbose=False, input_signature=[one]
    )


def _named(network: Any) -> Any:
    """Return a network whose outputs have names."""
    maps, scores = network.outputs
    named = keras.Model(network.inputs[0], {"maps": maps, "scores": scores})
    named(np.zeros((1, *network.input_shape[1:]), np.float32))  # Keras asks for it
    return named


WRITERS = {
    "onnx": _write_onnx,
    "openvino": _write_openvino,
    "saved_model": _write_saved_model,
    "litert": _write_litert,
}
