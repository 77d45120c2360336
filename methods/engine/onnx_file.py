"""Networks as ONNX files."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

LARGE = 2**16  # numbers in a weight that the converter is not to copy


def write_onnx(
    network: Any, path: Path, given: Mapping[str, np.ndarray] | None = None
) -> None:
    """Write a network as an ONNX file, with its outputs by name.

    Args:
        network: Keras model of named inputs, and of a dictionary of outputs.
        path: to write to.
        given: values of inputs that may be left out.
    """
    import onnx

    logging.getLogger("tf2onnx").setLevel(logging.WARNING)
    opened, given = Opened(network), given or {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the converter about its own code
        opened.export(
            str(path),
            format="onnx",
            verbose=False,
            input_signature=[opened.signature()],
        )
    model = onnx.load(path)
    weights = {name: np.asarray(x) for name, x in opened.large.items()}
    for name, value in {**given, **weights}.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    inputs = [value for value in model.graph.input if value.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    onnx.save(model, path)


class Opened(keras.Model):
    """A network whose large weights are inputs, behind its own.

    What the converter takes for constants it copies dozens of times, and calculates
    with.
    """

    def __init__(self, network: Any):
        super().__init__()
        self.network = network
        large = [x for x in network.weights if np.prod(x.shape) >= LARGE]
        self.large = {f"weight_{i}": weight for i, weight in enumerate(large)}
        self.built = True

    def signature(self) -> list[keras.InputSpec]:
        """Return names and shapes of the inputs."""
        named = [(x.name, x.shape) for x in self.network.inputs]
        named += [(name, x.shape) for name, x in self.large.items()]
        return [keras.InputSpec("float32", shape, name=name) for name, shape in named]

    def call(self, inputs: Sequence[Any]) -> dict[str, Any]:
        """Return the outputs with the weights that are given."""
        own = len(self.network.inputs)
        known = list(zip(self.large.values(), inputs[own:], strict=True))
        with keras.StatelessScope(state_mapping=known):
            return self.network(list(inputs[:own]), training=False)
